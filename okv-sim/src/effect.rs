//! What a return code of the module means for the vault.
//!
//! Codes are the standard's; what the real product does at each is known for few, so all rows are Assumed unless
//! said otherwise. The moment matters: the same code means "no slot" while one is looked for and "unreachable"
//! afterwards.

use luna_ck::*;

use crate::texts::Cause;

/// What the vault was doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Looking for the slot and opening the session.
    Slot,
    Login,
    Find,
    Generate,
    RecordNumber,
    Encrypt,
    Decrypt,
    Disconnect,
}

/// What follows from an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// As good as `CKR_OK`.
    Success,
    /// The run starts over with a new session, once.
    Reconnect,
    /// The credential must not be sent again until it is set anew.
    Pin(Cause),
    /// The operation fails; a check is tried again at its next turn.
    Fail(Cause),
}

/// The effect of `rv` at this moment. `None` is a failure that is not the module's answer.
pub(crate) fn effect(moment: Moment, rv: Option<u64>) -> Effect {
    let Some(rv) = rv else { return Effect::Fail(general(moment)) };
    match (moment, rv) {
        (Moment::Login, CKR_USER_ALREADY_LOGGED_IN) => Effect::Success,
        // Observed: a module that takes no data objects still serves OKV 21.10.
        (Moment::RecordNumber, CKR_FUNCTION_NOT_SUPPORTED) => Effect::Success,
        (_, CKR_PIN_LOCKED) => Effect::Pin(Cause::CredentialLocked),
        (_, CKR_PIN_INCORRECT | CKR_PIN_INVALID | CKR_PIN_LEN_RANGE | CKR_PIN_EXPIRED) => {
            Effect::Pin(Cause::CredentialWrong)
        }
        (_, CKR_SESSION_CLOSED | CKR_SESSION_COUNT | CKR_SESSION_HANDLE_INVALID) => {
            Effect::Reconnect
        }
        (Moment::Slot, _) => Effect::Fail(Cause::CouldNotGetSlot),
        (_, CKR_SLOT_ID_INVALID) => Effect::Fail(Cause::CouldNotGetSlot),
        (
            _,
            CKR_DEVICE_ERROR
            | CKR_DEVICE_REMOVED
            | CKR_TOKEN_NOT_PRESENT
            | CKR_TOKEN_NOT_RECOGNIZED,
        ) => Effect::Fail(Cause::HsmUnreachable),
        (Moment::Decrypt, CKR_ENCRYPTED_DATA_INVALID | CKR_ENCRYPTED_DATA_LEN_RANGE) => {
            Effect::Fail(Cause::BlobDamaged)
        }
        (Moment::Decrypt, CKR_KEY_HANDLE_INVALID | CKR_OBJECT_HANDLE_INVALID) => {
            Effect::Fail(Cause::RootKeyVanished)
        }
        (
            Moment::Decrypt | Moment::Encrypt | Moment::Generate,
            CKR_MECHANISM_INVALID
            | CKR_MECHANISM_PARAM_INVALID
            | CKR_KEY_FUNCTION_NOT_PERMITTED
            | CKR_KEY_TYPE_INCONSISTENT,
        ) => Effect::Fail(Cause::MechanismRefused),
        _ => Effect::Fail(general(moment)),
    }
}

fn general(moment: Moment) -> Cause {
    match moment {
        Moment::Slot => Cause::CouldNotGetSlot,
        Moment::Login | Moment::Find | Moment::Decrypt => Cause::HsmCallFailed,
        Moment::Generate => Cause::KeyNotGenerated,
        Moment::RecordNumber => Cause::NumberNotRecorded,
        Moment::Encrypt => Cause::PasswordNotEncrypted,
        Moment::Disconnect => Cause::DisconnectFailed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_moment_decides_what_a_code_means() {
        let fail = |moment, rv| effect(moment, Some(rv));
        assert_eq!(fail(Moment::Slot, 0xe0), Effect::Fail(Cause::CouldNotGetSlot));
        assert_eq!(fail(Moment::Find, 0xe0), Effect::Fail(Cause::HsmUnreachable));
        assert_eq!(fail(Moment::RecordNumber, 0x54), Effect::Success);
        assert_eq!(fail(Moment::Encrypt, 0x54), Effect::Fail(Cause::PasswordNotEncrypted));
        assert_eq!(fail(Moment::Login, 0x100), Effect::Success);
    }

    #[test]
    fn the_catalogue_of_codes() {
        let fail = |cause| Effect::Fail(cause);
        for (moment, rv, expected) in [
            (Moment::Slot, 0x03, fail(Cause::CouldNotGetSlot)),
            (Moment::Find, 0x05, fail(Cause::HsmCallFailed)),
            (Moment::Decrypt, 0x06, fail(Cause::HsmCallFailed)),
            (Moment::Find, 0x30, fail(Cause::HsmUnreachable)),
            (Moment::Login, 0x32, fail(Cause::HsmUnreachable)),
            (Moment::Decrypt, 0x40, fail(Cause::BlobDamaged)),
            (Moment::Decrypt, 0x41, fail(Cause::BlobDamaged)),
            (Moment::Decrypt, 0x60, fail(Cause::RootKeyVanished)),
            (Moment::Generate, 0x70, fail(Cause::MechanismRefused)),
            (Moment::Login, 0xa0, Effect::Pin(Cause::CredentialWrong)),
            (Moment::Login, 0xa4, Effect::Pin(Cause::CredentialLocked)),
            (Moment::Find, 0xb0, Effect::Reconnect),
            (Moment::Slot, 0xb1, Effect::Reconnect),
            (Moment::Decrypt, 0xb3, Effect::Reconnect),
            (Moment::Decrypt, 0xe1, fail(Cause::HsmUnreachable)),
        ] {
            assert_eq!(effect(moment, Some(rv)), expected, "{moment:?} 0x{rv:x}");
        }
    }
}
