//! Tables of functions: the standard's, from its list or by name; the vendor's, by name.

use libloading::os::unix::Library as Loaded;
use luna_ck::*;

/// Finds `name` in the library; `None` when it is not there or null.
///
/// # Safety
///
/// `F` must be the function's type.
unsafe fn function<F: Copy>(loaded: &Loaded, name: &str) -> Option<F> {
    // SAFETY: the caller answers for the type; an `Option` of a function pointer has a null for `None`.
    unsafe {
        loaded.get::<Option<F>>(name).ok().and_then(|symbol| symbol.lift_option()).map(|f| *f)
    }
}

/// The standard's functions, copied out of the module's list, and where they came from.
#[derive(Debug, Clone, Copy)]
pub struct Functions {
    /// The list itself, with the version the module gave it.
    pub list: CK_FUNCTION_LIST,
    /// Whether the module gave a list; `false` when its functions had to be found by name.
    pub listed: bool,
}

macro_rules! standard_functions {
    ($($name:ident: $type:ident),+ $(,)?) => {
        fn by_name(loaded: &Loaded) -> CK_FUNCTION_LIST {
            CK_FUNCTION_LIST {
                version: CK_VERSION { major: 2, minor: 20 },
                // SAFETY: the name and the type are those of the standard's header.
                $($name: unsafe { loaded.get::<$type>(stringify!($name)).ok().and_then(|symbol| *symbol) },)+
            }
        }
    };
}

standard_functions! {
    C_Initialize: CK_C_Initialize,
    C_Finalize: CK_C_Finalize,
    C_GetInfo: CK_C_GetInfo,
    C_GetFunctionList: CK_C_GetFunctionList,
    C_GetSlotList: CK_C_GetSlotList,
    C_GetSlotInfo: CK_C_GetSlotInfo,
    C_GetTokenInfo: CK_C_GetTokenInfo,
    C_GetMechanismList: CK_C_GetMechanismList,
    C_GetMechanismInfo: CK_C_GetMechanismInfo,
    C_InitToken: CK_C_InitToken,
    C_InitPIN: CK_C_InitPIN,
    C_SetPIN: CK_C_SetPIN,
    C_OpenSession: CK_C_OpenSession,
    C_CloseSession: CK_C_CloseSession,
    C_CloseAllSessions: CK_C_CloseAllSessions,
    C_GetSessionInfo: CK_C_GetSessionInfo,
    C_GetOperationState: CK_C_GetOperationState,
    C_SetOperationState: CK_C_SetOperationState,
    C_Login: CK_C_Login,
    C_Logout: CK_C_Logout,
    C_CreateObject: CK_C_CreateObject,
    C_CopyObject: CK_C_CopyObject,
    C_DestroyObject: CK_C_DestroyObject,
    C_GetObjectSize: CK_C_GetObjectSize,
    C_GetAttributeValue: CK_C_GetAttributeValue,
    C_SetAttributeValue: CK_C_SetAttributeValue,
    C_FindObjectsInit: CK_C_FindObjectsInit,
    C_FindObjects: CK_C_FindObjects,
    C_FindObjectsFinal: CK_C_FindObjectsFinal,
    C_EncryptInit: CK_C_EncryptInit,
    C_Encrypt: CK_C_Encrypt,
    C_EncryptUpdate: CK_C_EncryptUpdate,
    C_EncryptFinal: CK_C_EncryptFinal,
    C_DecryptInit: CK_C_DecryptInit,
    C_Decrypt: CK_C_Decrypt,
    C_DecryptUpdate: CK_C_DecryptUpdate,
    C_DecryptFinal: CK_C_DecryptFinal,
    C_DigestInit: CK_C_DigestInit,
    C_Digest: CK_C_Digest,
    C_DigestUpdate: CK_C_DigestUpdate,
    C_DigestKey: CK_C_DigestKey,
    C_DigestFinal: CK_C_DigestFinal,
    C_SignInit: CK_C_SignInit,
    C_Sign: CK_C_Sign,
    C_SignUpdate: CK_C_SignUpdate,
    C_SignFinal: CK_C_SignFinal,
    C_SignRecoverInit: CK_C_SignRecoverInit,
    C_SignRecover: CK_C_SignRecover,
    C_VerifyInit: CK_C_VerifyInit,
    C_Verify: CK_C_Verify,
    C_VerifyUpdate: CK_C_VerifyUpdate,
    C_VerifyFinal: CK_C_VerifyFinal,
    C_VerifyRecoverInit: CK_C_VerifyRecoverInit,
    C_VerifyRecover: CK_C_VerifyRecover,
    C_DigestEncryptUpdate: CK_C_DigestEncryptUpdate,
    C_DecryptDigestUpdate: CK_C_DecryptDigestUpdate,
    C_SignEncryptUpdate: CK_C_SignEncryptUpdate,
    C_DecryptVerifyUpdate: CK_C_DecryptVerifyUpdate,
    C_GenerateKey: CK_C_GenerateKey,
    C_GenerateKeyPair: CK_C_GenerateKeyPair,
    C_WrapKey: CK_C_WrapKey,
    C_UnwrapKey: CK_C_UnwrapKey,
    C_DeriveKey: CK_C_DeriveKey,
    C_SeedRandom: CK_C_SeedRandom,
    C_GenerateRandom: CK_C_GenerateRandom,
    C_GetFunctionStatus: CK_C_GetFunctionStatus,
    C_CancelFunction: CK_C_CancelFunction,
    C_WaitForSlotEvent: CK_C_WaitForSlotEvent,
}

impl Functions {
    /// The module's list, or its functions by name; `None` when it has not even `C_Initialize`.
    pub(super) fn of(loaded: &Loaded) -> Option<Self> {
        // SAFETY: the standard gives this name this type.
        let entry = unsafe {
            function::<unsafe extern "C" fn(CK_FUNCTION_LIST_PTR_PTR) -> CK_RV>(
                loaded,
                "C_GetFunctionList",
            )
        };
        if let Some(entry) = entry {
            let mut list: CK_FUNCTION_LIST_PTR = std::ptr::null_mut();
            // SAFETY: `list` is a cell for one pointer and outlives the call.
            let rv = unsafe { entry(&raw mut list) };
            if rv == CKR_OK && !list.is_null() {
                // SAFETY: the standard promises a list that stays as it is while the library is loaded. A
                // packed client may not have aligned it, hence the unaligned read.
                let list = unsafe { list.read_unaligned() };
                return Some(Self { list, listed: true });
            }
        }
        let list = by_name(loaded);
        list.C_Initialize.is_some().then_some(Self { list, listed: false })
    }
}

macro_rules! vendor_functions {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*);)+) => {
        /// The vendor's functions that the module exports. To add one, add a line to this list.
        #[derive(Debug, Clone, Copy)]
        #[allow(non_snake_case, reason = "the vendor's spelling")]
        pub struct Vendor {
            $($(#[$doc])* pub $name: Option<unsafe extern "C" fn($($argument: $type),*) -> CK_RV>,)+
        }

        impl Vendor {
            pub(super) fn of(loaded: &Loaded) -> Self {
                Self {
                    // SAFETY: the types below are those of the vendor's published bindings.
                    $($name: unsafe { function(loaded, stringify!($name)) },)+
                }
            }
        }
    };
}

// Source: `ThalesGroup/pycryptoki`, `cryptoki/func_defs.py` (Documented).
vendor_functions! {
    /// State of an HA group's members, as last known.
    CA_GetHAState(slot: CK_SLOT_ID, state: *mut CK_HA_STATUS);
    /// The same, after every member was asked.
    CA_GetCurrentHAState(slot: CK_SLOT_ID, state: *mut CK_HA_STATUS);
    /// Major, minor and sub-minor firmware numbers.
    CA_GetFirmwareVersion(slot: CK_SLOT_ID, major: *mut CK_ULONG, minor: *mut CK_ULONG, sub: *mut CK_ULONG);
    /// The same of the firmware of a cloud HSM.
    CA_GetCVFirmwareVersion(slot: CK_SLOT_ID, major: *mut CK_ULONG, minor: *mut CK_ULONG, sub: *mut CK_ULONG);
    /// Capability numbers and values of a slot's partition, two passes.
    CA_GetTokenCapabilities(slot: CK_SLOT_ID, ids: *mut CK_ULONG, n_ids: *mut CK_ULONG, values: *mut CK_ULONG, n_values: *mut CK_ULONG);
    /// Policy numbers and values of a slot's partition, two passes.
    CA_GetTokenPolicies(slot: CK_SLOT_ID, ids: *mut CK_ULONG, n_ids: *mut CK_ULONG, values: *mut CK_ULONG, n_values: *mut CK_ULONG);
    /// The Partition SO sets policies.
    CA_SetTokenPolicies(session: CK_SESSION_HANDLE, slot: CK_SLOT_ID, count: CK_ULONG, ids: *mut CK_ULONG, values: *mut CK_ULONG);
    /// Text and properties of a capability or policy (nine arguments, clients 7.x and later).
    CA_GetConfigurationElementDescription(slot: CK_SLOT_ID, container: CK_ULONG, capability: CK_ULONG, id: CK_ULONG, bits: *mut CK_ULONG, destructive: *mut CK_ULONG, restricted: *mut CK_ULONG, text: *mut CK_BYTE, text_len: *mut CK_ULONG);
    /// Value of one policy of the whole HSM.
    CA_GetHSMPolicySetting(slot: CK_SLOT_ID, id: CK_ULONG, value: *mut CK_ULONG);
    /// Flags and attempts left of a role.
    CA_RoleStateGet(slot: CK_SLOT_ID, role: CK_USER_TYPE, state: *mut CA_ROLE_STATE);
    /// Creates a role's secret.
    CA_InitRolePIN(session: CK_SESSION_HANDLE, role: CK_USER_TYPE, pin: *mut CK_BYTE, pin_len: CK_ULONG);
    /// The Partition SO resets the Crypto Officer's secret.
    CA_ResetPIN(session: CK_SESSION_HANDLE, pin: *mut CK_BYTE, pin_len: CK_ULONG);
    /// Flags and failed logins of a partition.
    CA_GetContainerStatus(slot: CK_SLOT_ID, container: CK_ULONG, flags: *mut CK_ULONG, so: *mut CK_ULONG, user: *mut CK_ULONG, limited: *mut CK_ULONG);
    /// The 12 bytes that name an object on its token.
    CA_GetTokenObjectUID(slot: CK_SLOT_ID, kind: CK_ULONG, handle: CK_ULONG, uid: *mut CK_BYTE);
    /// Storage of a slot's partition: overhead, total, used, free, objects.
    CA_GetTokenStorageInformation(slot: CK_SLOT_ID, overhead: *mut CK_ULONG, total: *mut CK_ULONG, used: *mut CK_ULONG, free: *mut CK_ULONG, objects: *mut CK_ULONG);
    /// The domain of the next initialisation.
    CA_SetCloningDomain(domain: *mut CK_BYTE, domain_len: CK_ULONG);
    /// The object of 12 bytes on its token: its type and its handle.
    CA_GetTokenObjectHandle(slot: CK_SLOT_ID, uid: *mut CK_BYTE, kind: *mut CK_ULONG, handle: *mut CK_ULONG);
    /// Whether an operation is active.
    CA_CheckOperationState(session: CK_SESSION_HANDLE, operation: CK_ULONG, active: *mut CK_BBOOL);
    /// Adds to a key's count of uses (1) or sets it (2).
    CA_ModifyUsageCount(session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE, command: CK_ULONG, value: CK_ULONG);
    /// A fresh key, and the ciphertext in which it travels to the holder of a private key.
    CA_EncapsulateKey(session: CK_SESSION_HANDLE, mechanism: *mut CK_MECHANISM, public: CK_OBJECT_HANDLE, template: *mut CK_ATTRIBUTE, count: CK_ULONG, ciphertext: *mut CK_BYTE, ciphertext_len: *mut CK_ULONG, key: *mut CK_OBJECT_HANDLE);
    /// The key in a ciphertext.
    CA_DecapsulateKey(session: CK_SESSION_HANDLE, mechanism: *mut CK_MECHANISM, private: CK_OBJECT_HANDLE, template: *mut CK_ATTRIBUTE, count: CK_ULONG, ciphertext: *mut CK_BYTE, ciphertext_len: CK_ULONG, key: *mut CK_OBJECT_HANDLE);
    /// Copies an object from one token to another.
    CA_CloneObject(target: CK_SESSION_HANDLE, source: CK_SESSION_HANDLE, kind: CK_ULONG, handle: CK_OBJECT_HANDLE, clone: *mut CK_OBJECT_HANDLE);
    /// Closes everything this application has on the slot.
    CA_Restart(slot: CK_SLOT_ID);
    /// The application of the sessions to come.
    CA_SetApplicationID(major: CK_ULONG, minor: CK_ULONG);
    /// An application whose logins outlive its processes.
    CA_OpenApplicationID(slot: CK_SLOT_ID, major: CK_ULONG, minor: CK_ULONG);
    /// The end of such an application.
    CA_CloseApplicationID(slot: CK_SLOT_ID, major: CK_ULONG, minor: CK_ULONG);
    /// The 16 bytes of the current application.
    CA_GetApplicationID(id: *mut CK_BYTE);
    /// Another label for the slot's partition.
    CA_SetUserContainerName(slot: CK_SLOT_ID, name: *mut CK_BYTE, len: CK_ULONG);
    /// A challenge secret for a role of a PED partition.
    CA_CreateLoginChallenge(session: CK_SESSION_HANDLE, role: CK_USER_TYPE, given_len: CK_ULONG, given: *mut CK_BYTE, challenge_len: *mut CK_ULONG, challenge: *mut CK_BYTE);
    /// Drops the kept login of a role.
    CA_Deactivate(slot: CK_SLOT_ID, role: CK_USER_TYPE);
    /// The key pair of recovery logins.
    CA_HAInit(session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE);
    /// The certificate of recovery logins, two passes.
    CA_HAGetMasterPublic(slot: CK_SLOT_ID, certificate: *mut CK_BYTE, len: *mut CK_ULONG);
    /// A challenge for the token that is logged in.
    CA_HAGetLoginChallenge(session: CK_SESSION_HANDLE, role: CK_USER_TYPE, certificate: *mut CK_BYTE, certificate_len: CK_ULONG, challenge: *mut CK_BYTE, len: *mut CK_ULONG);
    /// The answer of the token that is logged in.
    CA_HAAnswerLoginChallenge(session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE, challenge: *mut CK_BYTE, challenge_len: CK_ULONG, answer: *mut CK_BYTE, len: *mut CK_ULONG);
    /// The login by that answer.
    CA_HALogin(session: CK_SESSION_HANDLE, answer: *mut CK_BYTE, answer_len: CK_ULONG, mofn: *mut CK_BYTE, len: *mut CK_ULONG);
    /// The HSM as it left the factory.
    CA_FactoryReset(slot: CK_SLOT_ID, flags: CK_FLAGS);
    /// Storage of the whole HSM: overhead, total, used, free.
    CA_GetHSMStorageInformation(slot: CK_SLOT_ID, overhead: *mut CK_ULONG, total: *mut CK_ULONG, used: *mut CK_ULONG, free: *mut CK_ULONG);
    /// Capability numbers and values of the HSM, two passes.
    CA_GetHSMCapabilitySet(slot: CK_SLOT_ID, ids: *mut CK_ULONG, n_ids: *mut CK_ULONG, values: *mut CK_ULONG, n_values: *mut CK_ULONG);
    /// Policy numbers and values of the HSM, two passes.
    CA_GetHSMPolicySet(slot: CK_SLOT_ID, ids: *mut CK_ULONG, n_ids: *mut CK_ULONG, values: *mut CK_ULONG, n_values: *mut CK_ULONG);
    /// The HSM SO sets policies that destroy nothing.
    CA_SetHSMPolicies(session: CK_SESSION_HANDLE, count: CK_ULONG, ids: *mut CK_ULONG, values: *mut CK_ULONG);
    /// The HSM SO sets policies that destroy what is there.
    CA_SetDestructiveHSMPolicies(session: CK_SESSION_HANDLE, count: CK_ULONG, ids: *mut CK_ULONG, values: *mut CK_ULONG);
}
