//! What requests are called in plans and traces.
//!
//! The names are those of the function that an application calls. Requests between members of a
//! group have names of their own: `clone-out` and `clone-in` carry an object from one to another.

use crate::ck::{Purpose, names};
use crate::error::Cause;
use crate::wire::{Cloning, Operation, RecoveryLogin, Request, Sharing};

macro_rules! calls {
    ($($pattern:pat => $name:literal,)+) => {
        /// Every name, in the order of the requests.
        pub const ALL: &[&str] = &[$($name,)+];

        /// The name of a request.
        pub fn name(request: &Request<'_>) -> &'static str {
            match request {
                $($pattern => $name,)+
            }
        }
    };
}

calls! {
    Request::Describe => "C_GetTokenInfo",
    Request::RoleState(_) => "CA_RoleStateGet",
    Request::InitToken { .. } => "C_InitToken",
    Request::OpenSession { .. } => "C_OpenSession",
    Request::CloseSession(_) => "C_CloseSession",
    Request::SessionState(_) => "C_GetSessionInfo",
    Request::Login(..) => "C_Login",
    Request::Reauthenticate(..) => "reauthenticate",
    Request::Logout(_) => "C_Logout",
    Request::InitPin(..) => "C_InitPIN",
    Request::SetPin { .. } => "C_SetPIN",
    Request::SetPolicies(..) => "CA_SetTokenPolicies",
    Request::Create(..) => "C_CreateObject",
    Request::Copy(..) => "C_CopyObject",
    Request::Destroy(..) => "C_DestroyObject",
    Request::ObjectSize(..) => "C_GetObjectSize",
    Request::Attributes(..) => "C_GetAttributeValue",
    Request::SetAttributes(..) => "C_SetAttributeValue",
    Request::Count(..) => "CA_ModifyUsageCount",
    Request::Find(..) => "C_FindObjects",
    Request::Locate(..) => "CA_GetTokenObjectHandle",
    Request::Check(_) => "init",
    Request::Perform { operation: Operation { purpose: Purpose::Encrypt, .. }, .. } => "C_Encrypt",
    Request::Perform { operation: Operation { purpose: Purpose::Decrypt, .. }, .. } => "C_Decrypt",
    Request::Perform { operation: Operation { purpose: Purpose::Digest, .. }, .. } => "C_Digest",
    Request::Perform { operation: Operation { purpose: Purpose::Sign, .. }, .. } => "C_Sign",
    Request::Perform { operation: Operation { purpose: Purpose::Verify, .. }, .. } => "C_Verify",
    Request::Begin(_) => "begin",
    Request::Update { .. } => "update",
    Request::Finish { .. } => "final",
    Request::DigestKey(..) => "C_DigestKey",
    Request::SaveState(..) => "C_GetOperationState",
    Request::LoadState(..) => "C_SetOperationState",
    Request::Abandon(..) => "abandon",
    Request::GenerateKey(..) => "C_GenerateKey",
    Request::GenerateKeyPair(..) => "C_GenerateKeyPair",
    Request::Wrap(..) => "C_WrapKey",
    Request::Unwrap(..) => "C_UnwrapKey",
    Request::Derive(..) => "C_DeriveKey",
    Request::Encapsulate(..) => "CA_EncapsulateKey",
    Request::Decapsulate(..) => "CA_DecapsulateKey",
    Request::Random(..) => "C_GenerateRandom",
    Request::SeedRandom(..) => "C_SeedRandom",
    Request::Extract(..) => "clone-out",
    Request::Insert(..) => "clone-in",
    Request::Bury(..) => "bury",
    Request::Administer(..) => "administer",
    Request::Inventory(_) => "inventory",
    Request::Sharing(Sharing::Open(_)) => "CA_OpenApplicationID",
    Request::Sharing(Sharing::Close(_)) => "CA_CloseApplicationID",
    Request::Sharing(Sharing::Belonging(_)) => "CA_GetSessionInfo",
    Request::Cloning(_, Cloning::Vector) => "CA_GenerateCloningKEV",
    Request::Cloning(_, Cloning::Invite(..)) => "CA_CloneAsTargetInit",
    Request::Cloning(_, Cloning::Answer(..)) => "CA_CloneAsSource",
    Request::Cloning(_, Cloning::Accept(..)) => "CA_CloneAsTarget",
    Request::Cloning(_, Cloning::PackMaskingKey) => "masking-key-out",
    Request::Cloning(_, Cloning::UnpackMaskingKey(_)) => "masking-key-in",
    Request::Cloning(_, Cloning::Negotiate) => "CA_MigrationStartSessionNegotiation",
    Request::Cloning(_, Cloning::Continue(..)) => "CA_MigrationContinueSessionNegotiation",
    Request::Cloning(_, Cloning::Hang(_)) => "CA_MigrationCloseSession",
    Request::Cloning(_, Cloning::Send(..)) => "CA_Extract",
    Request::Cloning(_, Cloning::Receive(..)) => "CA_Insert",
    Request::Cloning(_, Cloning::Mask { .. }) => "CA_SIMExtract",
    Request::Cloning(_, Cloning::Unmask { .. }) => "CA_SIMInsert",
    Request::Cloning(_, Cloning::SetDomain(..)) => "CA_SetCloningDomain",
    Request::Cloning(_, Cloning::Rollover(_)) => "CA_SMKRollover",
    Request::AuthorizeKey(..) => "CA_AuthorizeKey",
    Request::DeriveAndWrap(..) => "CA_DeriveKeyAndWrap",
    Request::Recovery(_, RecoveryLogin::Install(..)) => "CA_HAInit",
    Request::Recovery(_, RecoveryLogin::Certificate) => "CA_HAGetMasterPublic",
    Request::Recovery(_, RecoveryLogin::Challenge(..)) => "CA_HAGetLoginChallenge",
    Request::Recovery(_, RecoveryLogin::Answer(..)) => "CA_HAAnswerLoginChallenge",
    Request::Recovery(_, RecoveryLogin::Login(_)) => "CA_HALogin",
    Request::Certificate(_) => "CA_GetTokenCertificates",
}

/// The cause of a `CKR_` name.
pub(super) fn cause(name: &str) -> Option<Cause> {
    Cause::ALL.iter().copied().find(|cause| names::ckr(cause.ck_rv()) == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        let mut seen = std::collections::HashSet::new();
        for name in ALL {
            assert!(seen.insert(name), "{name} twice");
        }
        assert_eq!(name(&Request::Describe), "C_GetTokenInfo");
        assert_eq!(cause("CKR_DEVICE_ERROR"), Some(Cause::DeviceError));
        assert_eq!(cause("CKR_OK"), None);
    }
}
