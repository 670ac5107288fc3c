//! Every text an operation can end with, in one table: what is wrong, what to do next, and how sure it is that
//! the real product says so.
//!
//! Sources: Oracle, "Key Vault Root of Trust HSM Configuration Guide" (18.1 to 21.9) for the Documented rows; a
//! trace of a real 21.10 server for the Observed ones. No source gives texts for wrong credentials, wrong
//! passphrases or the single steps of a verification: those rows are Assumed, the simulator's own.

use std::fmt;

use serde::{Serialize, Serializer};

/// How a text is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Grade {
    /// In Oracle's or the vendor's guide.
    Documented,
    /// Seen in the trace of a real server.
    Observed,
    /// The simulator's own.
    Assumed,
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct Text {
    /// Why; the row's name in JSON.
    pub cause: Cause,
    /// What is wrong. A detail may follow it.
    pub message: &'static str,
    /// What to do next.
    pub remedy: &'static str,
    /// How the message is known; remedies are the simulator's own.
    pub grade: Grade,
}

/// How the alert of a failed check begins. Documented.
pub const ALERT_PREFIX: &str = "HSM configuration error";

/// How an alert ends. That it points at this section is Documented, the words are Assumed.
pub const ALERT_POINTER: &str =
    "See the section HSM Alert of the Root of Trust HSM Configuration Guide.";

/// What the console shows when Initialize is through. Assumed.
pub const INITIALIZED: &str = "The HSM is initialized and is the root of trust of this server.";

/// The verdict in the trace of a verification. Observed.
pub const VERIFIED: &str = "HSM configuration verified";

macro_rules! table {
    ($($(#[$doc:meta])* $cause:ident $grade:ident $message:literal $remedy:literal;)*) => {
        /// Why an operation failed. Each has one row in [`TABLE`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Cause { $($(#[$doc])* $cause,)* }

        /// One row a cause, in the order of [`Cause`].
        pub const TABLE: &[Text] = &[$(Text {
            cause: Cause::$cause, message: $message, remedy: $remedy, grade: Grade::$grade,
        },)*];

        impl Cause {
            /// The name, as in `CouldNotGetSlot`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$cause => stringify!($cause),)* }
            }

            /// The row.
            pub const fn text(self) -> Text {
                match self { $(Self::$cause => Text {
                    cause: Self::$cause,
                    message: $message,
                    remedy: $remedy,
                    grade: Grade::$grade,
                },)* }
            }
        }
    };
}

table! {
    /// F1: not enrolled, no slot, wrong token label.
    CouldNotGetSlot Documented "Could Not Get Slot for HSM"
        "Check that the client is registered with a partition, and the token label.";
    /// F2: library missing, or its configuration.
    CouldNotLoadLibrary Documented "Could Not Load PKCS#11 Library"
        "Check the library's path, what it depends on, and its configuration file.";

    /// Nothing is installed in the data directory.
    NotInstalled Assumed "This data directory holds no installed server"
        "Run install first.";
    /// Install was run before.
    AlreadyInstalled Assumed "This data directory already holds an installed server"
        "Use it, or choose an empty directory.";
    /// Another process has the store open.
    DataDirectoryInUse Assumed "Another process uses this data directory"
        "Stop the other process, or wait for it to end.";
    /// The operation is not for this state.
    WrongState Assumed "The operation is not possible in the present state"
        "Look at the status to see which operations are.";
    /// The wallet is closed because the HSM was not usable.
    Sealed Assumed "The server is sealed: its wallet could not be opened through the HSM"
        "Make the HSM reachable again, then open the wallet.";
    /// The wallet is closed, and no HSM is enabled.
    WalletClosed Assumed "The wallet is closed"
        "Open it with the recovery passphrase.";

    /// Checked before the HSM is touched.
    PassphraseWrong Assumed "The recovery passphrase is wrong"
        "Enter the passphrase set at installation. No login at the HSM was tried.";
    /// At installation or when a new one is set.
    PassphraseTooShort Assumed "The recovery passphrase is too short"
        "Choose at least 8 characters.";
    /// Two fields of one dialog.
    CredentialFieldsDiffer Assumed "The two HSM credentials entered are not the same"
        "Enter the same credential twice. No login at the HSM was tried.";

    /// Verification step 1.
    SettingsUnreadable Assumed "The HSM settings cannot be read"
        "Set the credential again, which writes them anew.";
    /// Verification step 3, when there is a credential to write.
    CredentialNotWritten Assumed "The HSM credential wallet could not be written"
        "Check the disk, then set the credential again.";
    /// Verification step 3, when there is none to write.
    CredentialMissing Assumed "The HSM credential wallet is missing"
        "Set the credential.";
    /// Verification step 3.
    CredentialExposed Assumed "The HSM credential wallet may be read by other users of this machine"
        "Remove the permissions of group and others; consider changing the credential.";
    /// Verification step 4.
    CredentialDamaged Assumed "The HSM credential wallet cannot be read back"
        "Set the credential.";
    /// The HSM refused the stored credential before; it is not sent again.
    CredentialPinned Assumed "The HSM refused the stored credential before, so it was not tried again"
        "Set the credential: each further wrong try could lock the Crypto Officer.";
    /// Verification step 5.
    CredentialWrong Assumed "The HSM refused the credential"
        "Set the credential to the partition's present password. It is not retried by itself.";
    /// Verification step 5.
    CredentialLocked Assumed "The HSM has locked the role after too many wrong credentials"
        "Have the Partition SO unlock the Crypto Officer, then set the credential.";
    /// Verification step 6, for who asked to verify.
    HsmNotEnabled Assumed "No HSM is enabled on this server"
        "Initialize the HSM first.";
    /// Verification step 6.
    ConfigurationUnreadable Assumed "The server's configuration does not say whether an HSM is enabled"
        "Restore the server from a backup.";
    /// Verification step 7.
    BlobMissing Assumed "The encrypted wallet password is missing"
        "Restore the file enctdepwd, or the server from a backup.";
    /// Verification step 7.
    BlobVersionUnknown Assumed "The encrypted wallet password has an unknown format version"
        "Restore the file enctdepwd, or the server from a backup.";
    /// Verification step 7.
    BlobHeaderDamaged Assumed "The header of the encrypted wallet password is damaged"
        "Restore the file enctdepwd, or the server from a backup.";
    /// Verification step 7.
    BlobOfOtherKey Assumed "The encrypted wallet password belongs to another root key than the configured one"
        "Restore the file enctdepwd of this server.";
    /// Verification step 8: nothing carries the label.
    RootKeyMissing Assumed "The root of trust key was not found on the token"
        "Check that this is the right partition; restore the key from an HSM backup or HA member.";
    /// Verification step 8: keys carry the label, none the number.
    RootKeyOfOtherNumber Assumed "Root of trust keys were found on the token, but none has this server's key number"
        "Check that this is the right partition; restore the key from an HSM backup or HA member.";
    /// Verification step 8. That conflicting keys raise the alert is Documented, the words are not.
    RootKeyConflict Assumed "Several root of trust keys with the same ID were found on the token"
        "Remove the one that does not belong there.";
    /// Verification step 9: `CKR_ENCRYPTED_DATA_INVALID` and its like.
    BlobDamaged Assumed "The HSM could not decrypt the wallet password: wrong key or damaged data"
        "Restore the file enctdepwd, or the root key it was made with.";
    /// Verification step 9: gone between find and decrypt.
    RootKeyVanished Assumed "The root of trust key disappeared while it was used"
        "Check who else administers the partition, then verify again.";
    /// `CKR_MECHANISM_INVALID` and refusals of the key's usage.
    MechanismRefused Assumed "The HSM refuses the mechanism"
        "Check the partition's policies and its FIPS mode.";
    /// Verification step 10.
    WalletMissing Assumed "The password wallet is missing"
        "Restore the wallet file, or the server from a backup.";
    /// Verification step 10.
    WalletDamaged Assumed "The password wallet is damaged"
        "Restore the wallet file, or the server from a backup.";
    /// Verification step 10: what catches a wrong key or a changed IV.
    WalletPasswordWrong Assumed "The decrypted password does not open the wallet"
        "The root key or the encrypted password is not this server's: restore the right one.";
    /// Verification step 11.
    RestoreWalletUnusable Assumed "The decrypted password does not open the restore wallet"
        "Restore the file, or disable and initialize the HSM again.";
    /// Verification step 12.
    WalletLinkBroken Assumed "The link to the wallet is broken"
        "Restore the link, or disable and initialize the HSM again.";
    /// Verification step 13.
    DisconnectFailed Assumed "The HSM did not end the session cleanly"
        "Look at the HSM's own log; verify again.";

    /// F4: device or link gone.
    HsmUnreachable Assumed "The HSM cannot be reached"
        "Check the network, the HSM and its services.";
    /// The HSM dropped the session or gives no more of them; a verification has reconnected once.
    SessionLost Assumed "The session with the HSM was lost or refused"
        "Check the network and the HSM's session limits.";
    /// Any other answer.
    HsmCallFailed Assumed "A call to the HSM failed"
        "The next check tries again; look at the HSM's own log if it stays.";

    /// Initialize step 6.
    KeyNumberTaken Assumed "No unused key number was found"
        "Try again.";
    /// Initialize step 7.
    KeyNotGenerated Assumed "The HSM did not generate the root of trust key"
        "Check that the credential is the Crypto Officer's, and the partition's space and policies.";
    /// Initialize step 8.
    NumberNotRecorded Assumed "The HSM did not take the key number object"
        "Check that the credential is the Crypto Officer's, and the partition's space.";
    /// Initialize step 9.
    PasswordNotEncrypted Assumed "The HSM did not encrypt the wallet password"
        "Check the partition's policies and its FIPS mode.";

    /// The operating system refused to read or write.
    DiskFailed Assumed "A file of the data directory could not be read or written"
        "Check the disk's space and permissions.";
    /// SQLite's answer.
    StoreFailed Assumed "The embedded database failed"
        "Check the disk; restore the server from a backup if the database is damaged.";
    /// The operating system gave no random bytes, or a key of the chain does not open the next.
    CryptoFailed Assumed "A cryptographic operation of the server failed"
        "Check the machine; restore the server from a backup.";
    /// A watcher refused.
    Stopped Assumed "The operation was stopped"
        "Remove what stops it.";

    /// An object of this name exists.
    ObjectExists Assumed "An object of this name exists"
        "Choose another name.";
    /// No such object.
    ObjectUnknown Assumed "No object of this name is stored"
        "List the objects.";
    /// It does not open under the tablespace key.
    ObjectDamaged Assumed "The stored object is damaged"
        "Restore the server from a backup.";
    /// Empty or too long.
    NameUnusable Assumed "The name cannot be used"
        "Use 1 to 256 bytes.";
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_cause_says_something_of_its_own_and_what_to_do_next() {
        let messages: HashSet<_> = TABLE.iter().map(|text| text.message).collect();
        assert_eq!(messages.len(), TABLE.len());
        for text in TABLE {
            assert_eq!(text.cause.text().message, text.message);
            assert!(text.remedy.ends_with('.'), "{}", text.cause);
            assert!(!text.message.ends_with('.'), "{}", text.cause);
        }
    }
}
