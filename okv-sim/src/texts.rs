//! Every text an operation can end with, in one table: what is wrong, what to do next, and how sure it is that
//! the real product says so.
//!
//! Sources: Oracle, "Key Vault Root of Trust HSM Configuration Guide" (18.1 to 21.9) for the Documented rows; a
//! trace of a real 21.10 server for the Observed ones. No source gives texts for wrong credentials, wrong
//! passphrases or the single steps of a verification: those rows are Assumed, the simulator's own.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// How a text is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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

    /// There is no such release.
    ReleaseUnknown Assumed "This release is not known"
        "Choose one of the list.";
    /// Upgrades go up only.
    ReleaseNotNewer Assumed "An upgrade goes to a newer release only"
        "Install an older release on another server, and restore a backup of it there.";
    /// Documented that 12.2 must reverse-migrate before an upgrade; the words are not.
    UpgradeNeedsReverseMigrate Assumed "A server of this release cannot be upgraded while its HSM is enabled"
        "Make a backup, reverse-migrate, see the audit record of it, and upgrade then.";
    /// The vendor list of the release does not have it.
    VendorUnknown Assumed "The vendor is not in the list of this release"
        "Choose one of the list.";
    /// Up to 18.3 it is always the first slot.
    TokenLabelNotOffered Assumed "This release cannot choose a token by its label"
        "Leave the label out and make the wanted token the first slot, or use a later release.";
    /// The release has no such operation.
    NotInThisRelease Assumed "This release does not have the operation"
        "Use a later release.";

    /// No such operation in the JSON API or on the command line.
    ActionUnknown Assumed "There is no such service"
        "Ask for the list of services.";
    /// An option that the operation needs.
    OptionMissing Assumed "A value is missing"
        "Enter it.";
    /// An option that the operation does not have.
    OptionUnknown Assumed "The operation has no such option"
        "Ask for its template with --generate-json-input.";
    /// Too long, not a number, not one of the list.
    OptionUnusable Assumed "A value cannot be used"
        "Correct it.";
    /// The role for the operation is missing.
    NotAllowed Assumed "This account may not do that"
        "Log in with an account that has the role.";
    /// No account of this name, or another password: the same text for both.
    LoginRefused Assumed "The user name or the password is wrong"
        "Try again. After several wrong tries the login waits.";
    /// Too many of them.
    LoginsTooMany Assumed "There were too many wrong logins"
        "Wait, then try again.";
    /// Of the console.
    AccountExists Assumed "An account of this name exists"
        "Choose another name.";
    /// Of the console.
    AccountUnknown Assumed "There is no account of this name"
        "List the accounts.";
    /// Somebody must be able to administer.
    LastAdministrator Assumed "This is the last account with the System Administrator role"
        "Make another one first.";
    /// Of the console.
    PasswordUnusable Assumed "The password cannot be used"
        "Choose 8 to 128 characters.";
    /// Of the console.
    PasswordFieldsDiffer Assumed "The two passwords entered are not the same"
        "Enter the same password twice.";
    /// Of the console.
    ServerFailed Assumed "The server could not be started"
        "Correct what is named, then start it again.";
    /// The server's process went away, or does not answer.
    ServerSilent Assumed "The running server did not answer"
        "Look at its terminal; stop it if it hangs.";

    /// Saving a destination connects to it first: Documented, the words are not.
    DestinationRefused Assumed "The backup destination could not be used, so it was not saved"
        "Check host, port, path, user name and credentials.";
    /// The same for a backup or a restore.
    DestinationFailed Assumed "The backup destination did not do its part"
        "Check host, path, free space and credentials, then start again.";
    /// Not the key that was pinned.
    HostKeyChanged Assumed "The backup destination shows another host key than the one that was pinned"
        "Find out why. If it is the right host, remove the destination and make it again.";
    /// No such destination.
    DestinationUnknown Assumed "There is no backup destination of this name"
        "Look at the list of destinations.";
    /// A job stands on it.
    DestinationInUse Assumed "A scheduled backup uses this destination"
        "Remove the backup from the schedule first.";
    /// Documented: the path of a destination cannot be changed later.
    DestinationPathFixed Assumed "The path of a backup destination cannot be changed"
        "Make a new destination.";
    /// Of a scheduled backup.
    BackupExists Assumed "A backup of this name is scheduled"
        "Choose another name.";
    /// Of a scheduled backup.
    BackupUnknown Assumed "No backup of this name is scheduled"
        "Look at the list of scheduled backups.";
    /// At the source of a restore.
    BackupFileUnknown Assumed "The backup file is not at the destination"
        "Choose one of the list.";
    /// Not a backup, cut short or changed.
    BackupDamaged Assumed "The backup is damaged"
        "Choose another backup.";
    /// Documented: only backups taken in HSM mode go onto an HSM-enabled server.
    BackupWithoutHsm Documented "Only backups taken in HSM mode can be restored to an HSM-enabled server"
        "Choose a backup whose name ends with _hsm, or reverse-migrate this server first.";
    /// Documented that Set Credential comes first; the words are not.
    BackupNeedsHsm Assumed "The backup was taken in HSM mode, and no HSM credential is set on this server"
        "Register the partition that was used at the time of the backup and set its credential, then restore.";
    /// The restored server would not open.
    BackupOfLaterRelease Assumed "The backup was taken by a later release"
        "Install that release, then restore.";
    /// The standby of a pair: files that were not brought there.
    StandbyFilesMissing Assumed "Files of the primary's HSM are missing on the standby"
        "Bring cwallet.sso and enctdepwd to the standby, with owner and permissions, then start again.";

    /// Of the vault.
    EndpointExists Assumed "An endpoint of this name exists"
        "Choose another name, or delete the other endpoint first.";
    /// Of the vault.
    EndpointUnknown Assumed "There is no endpoint of this name"
        "List the endpoints.";
    /// Registered, enrolled or suspended, and not what the operation takes.
    EndpointStatusWrong Assumed "The status of the endpoint does not allow that"
        "Look at its status; to enroll it once more, re-enroll it, which gives a new token.";
    /// Unknown, used up, or replaced: the same text for all.
    TokenRefused Assumed "The enrollment token was not accepted"
        "Check it letter by letter; if it was used before, have the endpoint re-enrolled for a new one.";
    /// Of the vault.
    EndpointGroupExists Assumed "An endpoint group of this name exists"
        "Choose another name.";
    /// Of the vault.
    EndpointGroupUnknown Assumed "There is no endpoint group of this name"
        "List the endpoint groups.";
    /// Of the vault.
    VirtualWalletExists Assumed "A wallet of this name exists"
        "Choose another name.";
    /// Of the vault.
    VirtualWalletUnknown Assumed "There is no wallet of this name"
        "List the wallets.";
    /// Of an endpoint.
    SecurityObjectUnknown Assumed "There is no security object of this identifier"
        "List the security objects.";
    /// It was so already.
    MembershipUnchanged Assumed "There is nothing to change"
        "List what there is.";
    /// No critical data is written here: Documented, the words are not.
    ReadOnlyRestricted Assumed "This node may not be written to now"
        "Write to a node in Read-Write mode, or bring this one's read-write peer back.";
    /// The write is here and may be at the peer.
    PeerSilent Assumed "The read-write peer did not acknowledge the change, so it may or may not count"
        "The change is kept here and goes to the peer when it is back; look then whether it is there.";
    /// The operation is one of a node.
    NotInCluster Assumed "This server is no node of a cluster"
        "Make it the first node, or convert it to a candidate and add it.";
    /// It cannot become one a second time.
    AlreadyInCluster Assumed "This server is part of a cluster already"
        "Use another server; one that was deleted from a cluster must be reinstalled.";
    /// No other node would hear of it.
    NodeNotServing Assumed "The server does not run, and clusters are made by servers that do"
        "Start it with okv-sim serve.";
    /// Documented that an error at the conversion costs the server; the words are not.
    ConversionFailed Documented "The conversion to a candidate failed, and this server must be reinstalled"
        "Install it anew in an empty directory, and check passphrase, address and certificate before converting it.";
    /// Documented: the joining node has the cluster's release.
    ReleasesDiffer Assumed "The two servers are not of the same release"
        "Upgrade the older one first.";
    /// Documented: clocks must be synchronised.
    ClocksDiffer Assumed "The clocks of the two servers differ too much"
        "Have both take their time from the same source.";
    /// Of the candidate, at the controller.
    CertificateUnusable Assumed "The certificate cannot be used"
        "Copy the whole certificate from the candidate's page and paste it in again.";
    /// It was not added.
    CandidateUnusable Assumed "The candidate did not do its part, so it was not added"
        "Check its address, its certificate, and that it was given this controller's. One that took its seed is PAIRING and must be reinstalled.";
    /// Documented rule; the words are not.
    CandidateWithoutHsm Assumed "The candidate's HSM is not enabled, and a node's of this cluster is"
        "Initialize the HSM of the candidate before it is converted, then add it.";
    /// Documented: unique and final.
    NodeIdTaken Assumed "A node has or had this ID"
        "Choose an ID that no node ever had.";
    /// Unique and final.
    NodeNameTaken Assumed "A node has or had this name"
        "Choose another name.";
    /// Documented: 16.
    ClusterFull Assumed "The cluster has as many nodes as it may have"
        "Delete a node first.";
    /// A pair has two.
    PeerTaken Assumed "This node has a read-write peer already"
        "Add the candidate without making it a peer, or from a node that has none.";
    /// Nodes are added by nodes that take part.
    NodeNotActive Assumed "This node is not ACTIVE"
        "Use a node that is.";
    /// No such node.
    NodeUnknown Assumed "There is no node of this name or ID"
        "Look at the list of nodes.";
    /// It is done from another one.
    NodeIsThis Assumed "A node cannot do that to itself"
        "Do it on another node.";
    /// See [`crate::cluster::NodeStatus::after`].
    NodeStatusWrong Assumed "That cannot be done to a node of this status"
        "Look at the statuses of the nodes.";
    /// Delete and enable need its answer.
    NodeUnreachable Assumed "The node does not answer"
        "Bring it back and try again, or force-delete it.";
    /// Documented rule; the words are not.
    DisabledTooLong Documented "The node was disabled longer than the Maximum Disable Node Duration"
        "Force-delete it.";
    /// Apply Bundle, before anything else.
    BundleMissing Assumed "There is no bundle on this node"
        "Bring the file hsmbundle here from the node it was made on.";
    /// Documented that the owner is set by hand; the words are not.
    BundleOwnerWrong Assumed "The bundle does not belong to this server's user alone"
        "Set owner and permissions of the file.";
    /// Cut short or changed.
    BundleDamaged Assumed "The bundle is damaged"
        "Bring it here once more, or create it anew.";
    /// Of another one.
    BundleOfOtherCluster Assumed "The bundle is of another cluster"
        "Bring the bundle of this cluster here.";
    /// Its node was initialized again since.
    BundleOutdated Assumed "The bundle is older than the last initialization of an HSM in this cluster"
        "Create a bundle on the node that is HSM-enabled, and bring that one here.";
    /// Documented order; the words are not.
    BundleNotApplied Assumed "The bundle of the HSM-enabled node was not applied on this node"
        "Create the bundle there, bring it here and apply it first.";
    /// Documented rule; the words are not.
    BundleNotEverywhere Assumed "The bundle of this node was not applied on every other node"
        "Apply it on the nodes that are named, then reverse-migrate.";
    /// Documented: only to a standalone server.
    RestoreOnNode Documented "A backup can be restored to a standalone server only"
        "Restore it on a server that is part of no cluster.";
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
