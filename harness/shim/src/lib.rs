//! A module that passes every call on to another one and breaks one rule: proof that the checks notice.
//!
//! `LUNA_SHIM_MODULE` names the module behind; `LUNA_SHIM_MUTATION` a row of `mutations.toml`. Without the second
//! every call is passed on as it is. A call is a row of machine words, and what each word is stands in
//! `luna_client::module::words`, so one engine (`effect`) serves all functions.

#![allow(unsafe_code, reason = "it is a C library, and a lying one")]
#![allow(non_snake_case, reason = "the standard's spelling")]

mod behind;
mod effect;
mod race;

use luna_client::ck::*;

/// Words of a call to a function of the standard; none has more.
pub(crate) const WORDS: usize = 8;

/// Words of a call to one of the vendor's functions that are passed on.
pub(crate) const VENDOR_WORDS: usize = 9;

macro_rules! standard {
    ($($name:ident: $type:ident),+ $(,)?) => {
        $(
            /// Passed on, or broken.
            ///
            /// # Safety
            /// As the standard says of the function of this name.
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $name(
                a: usize, b: usize, c: usize, d: usize, e: usize, f: usize, g: usize, h: usize,
            ) -> CK_RV {
                // SAFETY: the caller's promise for this function, passed on.
                unsafe { effect::call(stringify!($name), [a, b, c, d, e, f, g, h]) }
            }
        )+

        fn list() -> CK_FUNCTION_LIST {
            type Words = unsafe extern "C" fn(
                usize, usize, usize, usize, usize, usize, usize, usize,
            ) -> CK_RV;
            let mut list = behind::list();
            $(
                // SAFETY: both are functions of the C convention whose parameters are words; a function that is
                // called with fewer leaves the rest as they are, and they are only passed on.
                list.$name = Some(unsafe {
                    std::mem::transmute::<Words, <$type as Inner>::Function>($name as Words)
                });
            )+
            list.C_GetFunctionList = Some(C_GetFunctionList);
            list
        }
    };
}

/// The function within an optional function.
trait Inner {
    type Function;
}

impl<F> Inner for Option<F> {
    type Function = F;
}

standard! {
    C_Initialize: CK_C_Initialize, C_Finalize: CK_C_Finalize, C_GetInfo: CK_C_GetInfo,
    C_GetSlotList: CK_C_GetSlotList, C_GetSlotInfo: CK_C_GetSlotInfo,
    C_GetTokenInfo: CK_C_GetTokenInfo, C_GetMechanismList: CK_C_GetMechanismList,
    C_GetMechanismInfo: CK_C_GetMechanismInfo, C_InitToken: CK_C_InitToken,
    C_InitPIN: CK_C_InitPIN, C_SetPIN: CK_C_SetPIN, C_OpenSession: CK_C_OpenSession,
    C_CloseSession: CK_C_CloseSession, C_CloseAllSessions: CK_C_CloseAllSessions,
    C_GetSessionInfo: CK_C_GetSessionInfo, C_GetOperationState: CK_C_GetOperationState,
    C_SetOperationState: CK_C_SetOperationState, C_Login: CK_C_Login, C_Logout: CK_C_Logout,
    C_CreateObject: CK_C_CreateObject, C_CopyObject: CK_C_CopyObject,
    C_DestroyObject: CK_C_DestroyObject, C_GetObjectSize: CK_C_GetObjectSize,
    C_GetAttributeValue: CK_C_GetAttributeValue, C_SetAttributeValue: CK_C_SetAttributeValue,
    C_FindObjectsInit: CK_C_FindObjectsInit, C_FindObjects: CK_C_FindObjects,
    C_FindObjectsFinal: CK_C_FindObjectsFinal, C_EncryptInit: CK_C_EncryptInit,
    C_Encrypt: CK_C_Encrypt, C_EncryptUpdate: CK_C_EncryptUpdate,
    C_EncryptFinal: CK_C_EncryptFinal, C_DecryptInit: CK_C_DecryptInit,
    C_Decrypt: CK_C_Decrypt, C_DecryptUpdate: CK_C_DecryptUpdate,
    C_DecryptFinal: CK_C_DecryptFinal, C_DigestInit: CK_C_DigestInit, C_Digest: CK_C_Digest,
    C_DigestUpdate: CK_C_DigestUpdate, C_DigestKey: CK_C_DigestKey,
    C_DigestFinal: CK_C_DigestFinal, C_SignInit: CK_C_SignInit, C_Sign: CK_C_Sign,
    C_SignUpdate: CK_C_SignUpdate, C_SignFinal: CK_C_SignFinal,
    C_SignRecoverInit: CK_C_SignRecoverInit, C_SignRecover: CK_C_SignRecover,
    C_VerifyInit: CK_C_VerifyInit, C_Verify: CK_C_Verify, C_VerifyUpdate: CK_C_VerifyUpdate,
    C_VerifyFinal: CK_C_VerifyFinal, C_VerifyRecoverInit: CK_C_VerifyRecoverInit,
    C_VerifyRecover: CK_C_VerifyRecover, C_DigestEncryptUpdate: CK_C_DigestEncryptUpdate,
    C_DecryptDigestUpdate: CK_C_DecryptDigestUpdate, C_SignEncryptUpdate: CK_C_SignEncryptUpdate,
    C_DecryptVerifyUpdate: CK_C_DecryptVerifyUpdate, C_GenerateKey: CK_C_GenerateKey,
    C_GenerateKeyPair: CK_C_GenerateKeyPair, C_WrapKey: CK_C_WrapKey,
    C_UnwrapKey: CK_C_UnwrapKey, C_DeriveKey: CK_C_DeriveKey, C_SeedRandom: CK_C_SeedRandom,
    C_GenerateRandom: CK_C_GenerateRandom, C_GetFunctionStatus: CK_C_GetFunctionStatus,
    C_CancelFunction: CK_C_CancelFunction, C_WaitForSlotEvent: CK_C_WaitForSlotEvent,
}

/// The list, with every function of it here.
///
/// # Safety
/// `at` is null or a cell for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetFunctionList(at: CK_FUNCTION_LIST_PTR_PTR) -> CK_RV {
    static LIST: std::sync::OnceLock<Listed> = std::sync::OnceLock::new();
    if at.is_null() {
        return effect::code("C_GetFunctionList", CKR_ARGUMENTS_BAD);
    }
    let list = &raw const LIST.get_or_init(|| Listed(list())).0;
    // SAFETY: not null, and a cell by the caller's promise.
    unsafe { at.write(list.cast_mut()) };
    CKR_OK
}

/// Function pointers and a version: the same for every thread.
struct Listed(CK_FUNCTION_LIST);

macro_rules! vendor {
    ($($name:ident),+ $(,)?) => {
        $(
            /// Passed on, or broken.
            ///
            /// # Safety
            /// As the vendor says of the function of this name.
            #[unsafe(no_mangle)]
            #[allow(clippy::too_many_arguments, reason = "the most that any of them has")]
            pub unsafe extern "C" fn $name(
                a: usize, b: usize, c: usize, d: usize, e: usize, f: usize, g: usize, h: usize, i: usize,
            ) -> CK_RV {
                // SAFETY: the caller's promise for this function, passed on.
                unsafe { effect::vendor(stringify!($name), [a, b, c, d, e, f, g, h, i]) }
            }
        )+
    };
}

vendor! {
    CA_GetHAState, CA_GetFirmwareVersion, CA_GetTokenCapabilities, CA_GetTokenPolicies,
    CA_SetTokenPolicies, CA_GetConfigurationElementDescription, CA_GetHSMPolicySetting,
    CA_RoleStateGet, CA_InitRolePIN, CA_ResetPIN, CA_GetContainerStatus, CA_GetTokenObjectUID,
    CA_GetTokenStorageInformation, CA_SetCloningDomain, CA_GetTokenObjectHandle,
    CA_CheckOperationState, CA_ModifyUsageCount, CA_EncapsulateKey, CA_DecapsulateKey,
    CA_CloneObject,
}
