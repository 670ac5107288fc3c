//! What the calls find: sessions, a login, keys, operations under way; made again when a call took it away.

use luna_ck::*;
use luna_client::Module;
use luna_tests::CRYPTO_OFFICER;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stage {
    Uninitialised,
    Initialised,
    LoggedIn,
    AmidOperations,
}

impl Stage {
    pub(super) fn named(name: &str) -> Self {
        match name {
            "uninitialised" => Self::Uninitialised,
            "initialised" => Self::Initialised,
            "logged in" => Self::LoggedIn,
            "amid operations" => Self::AmidOperations,
            other => panic!("no stage {other}"),
        }
    }

    /// Functions that work at this stage with the right arguments.
    pub(super) fn reached(self) -> &'static [&'static str] {
        match self {
            Self::Uninitialised => &["C_GetFunctionList", "CA_GetFunctionList"],
            Self::Initialised => &[
                "C_GetInfo",
                "C_GetSlotList",
                "C_GetTokenInfo",
                "C_GetMechanismList",
                "C_OpenSession",
                "C_GenerateRandom",
                "CA_GetHAState",
            ],
            Self::LoggedIn => &[
                "C_EncryptInit",
                "C_DecryptInit",
                "C_GetObjectSize",
                "C_GetAttributeValue",
                "C_SetAttributeValue",
                "C_CopyObject",
                "C_FindObjectsInit",
                "C_DestroyObject",
                "C_Logout",
            ],
            Self::AmidOperations => &[
                "C_Encrypt",
                "C_EncryptUpdate",
                "C_EncryptFinal",
                "C_DecryptUpdate",
                "C_Sign",
                "C_SignUpdate",
                "C_SignFinal",
                "C_VerifyUpdate",
                "C_Digest",
                "C_DigestFinal",
                "C_FindObjects",
                "C_FindObjectsFinal",
            ],
        }
    }
}

pub(super) struct State {
    module: Module,
    stage: Stage,
    pub(super) slots: Vec<CK_SLOT_ID>,
    pub(super) session: CK_SESSION_HANDLE,
    /// It was one, and is closed.
    pub(super) stale_session: CK_SESSION_HANDLE,
    pub(super) key: CK_OBJECT_HANDLE,
    /// It was one, and is destroyed.
    pub(super) stale_key: CK_OBJECT_HANDLE,
}

macro_rules! call {
    ($state:expr, $name:ident($($argument:expr),*)) => {{
        let function = $state.module.raw().functions().list.$name.unwrap();
        // SAFETY: the arguments are as the standard wants them.
        unsafe { function($($argument),*) }
    }};
}

impl State {
    pub(super) fn new(module: &Module, stage: Stage) -> Self {
        Self {
            module: module.clone(),
            stage,
            slots: vec![0],
            session: 1,
            stale_session: 2,
            key: 1,
            stale_key: 2,
        }
    }

    pub(super) fn stage(&self) -> Stage {
        self.stage
    }

    /// Brings the stage about again. `lasting`: calls before may have made that impossible, by locking a
    /// role or wiping a token; then as far as it goes.
    pub(super) fn restore(&mut self, lasting: bool) {
        let must = |rv: CK_RV, what: &str| {
            assert!(rv == CKR_OK || lasting, "{what}: {}", names::ckr(rv));
            rv == CKR_OK
        };
        if self.stage == Stage::Uninitialised {
            call!(self, C_Finalize(std::ptr::null_mut()));
            return;
        }
        let begun = call!(self, C_Initialize(std::ptr::null_mut()));
        assert!(
            [CKR_OK, CKR_CRYPTOKI_ALREADY_INITIALIZED].contains(&begun),
            "{}",
            names::ckr(begun)
        );
        if begun == CKR_OK {
            let mut slots = [0; 8];
            let mut count = 8;
            let rv = call!(self, C_GetSlotList(CK_TRUE, slots.as_mut_ptr(), &raw mut count));
            assert_eq!(rv, CKR_OK);
            self.slots = slots[..count as usize].to_vec();
            assert_eq!(self.slots.len(), 3, "two partitions and their group");
        }
        let mut info = CK_SESSION_INFO { slotID: 0, state: 0, flags: 0, ulDeviceError: 0 };
        let known = call!(self, C_GetSessionInfo(self.session, &raw mut info)) == CKR_OK;
        // A session without the right to write came of the number of another, which a call has opened.
        if !known || info.flags & CKF_RW_SESSION == 0 {
            must(self.open(), "C_OpenSession");
        }
        if self.stage == Stage::Initialised {
            return;
        }
        if !known || info.state != CKS_RW_USER_FUNCTIONS {
            let pin = CRYPTO_OFFICER.as_bytes();
            let login = call!(
                self,
                C_Login(self.session, CKU_USER, pin.as_ptr().cast_mut(), pin.len() as CK_ULONG)
            );
            must(if login == CKR_USER_ALREADY_LOGGED_IN { CKR_OK } else { login }, "C_Login");
        }
        let mut size = 0;
        let there = call!(self, C_GetObjectSize(self.session, self.key, &raw mut size)) == CKR_OK;
        if !there && !must(self.make_keys(), "C_GenerateKey") {
            return;
        }
        if self.stage == Stage::AmidOperations {
            self.begin_operations();
        }
    }

    /// A new session, and one more that is closed again.
    fn open(&mut self) -> CK_RV {
        let flags = CKF_SERIAL_SESSION | CKF_RW_SESSION;
        // The group, which has the most code behind it.
        let slot = *self.slots.last().unwrap();
        for place in [&raw mut self.stale_session, &raw mut self.session] {
            let rv = call!(self, C_OpenSession(slot, flags, std::ptr::null_mut(), None, place));
            if rv != CKR_OK {
                return rv;
            }
        }
        call!(self, C_CloseSession(self.stale_session))
    }

    fn make_keys(&mut self) -> CK_RV {
        let mut mechanism = CK_MECHANISM {
            mechanism: CKM_AES_KEY_GEN,
            pParameter: std::ptr::null_mut(),
            ulParameterLen: 0,
        };
        let mut yes = CK_TRUE;
        let mut len: CK_ULONG = 32;
        let attribute = |type_, value: *mut CK_BBOOL| CK_ATTRIBUTE {
            type_,
            pValue: value.cast(),
            ulValueLen: 1,
        };
        let mut template = [
            CK_ATTRIBUTE {
                type_: CKA_VALUE_LEN,
                pValue: (&raw mut len).cast(),
                ulValueLen: size_of::<CK_ULONG>() as CK_ULONG,
            },
            attribute(CKA_ENCRYPT, &raw mut yes),
            attribute(CKA_DECRYPT, &raw mut yes),
            attribute(CKA_SIGN, &raw mut yes),
            attribute(CKA_VERIFY, &raw mut yes),
        ];
        for place in [&raw mut self.stale_key, &raw mut self.key] {
            let rv = call!(
                self,
                C_GenerateKey(
                    self.session,
                    &raw mut mechanism,
                    template.as_mut_ptr(),
                    template.len() as CK_ULONG,
                    place
                )
            );
            if rv != CKR_OK {
                return rv;
            }
        }
        call!(self, C_DestroyObject(self.session, self.stale_key))
    }

    /// One of each kind that a session may have at a time; those under way already stay.
    fn begin_operations(&mut self) {
        let mut iv = [7_u8; 16];
        let mut cipher = CK_MECHANISM {
            mechanism: CKM_AES_CBC_PAD,
            pParameter: iv.as_mut_ptr().cast(),
            ulParameterLen: 16,
        };
        let plain = |mechanism| CK_MECHANISM {
            mechanism,
            pParameter: std::ptr::null_mut(),
            ulParameterLen: 0,
        };
        let (mut mac, mut digest) = (plain(CKM_AES_CMAC), plain(CKM_SHA256));
        for rv in [
            call!(self, C_EncryptInit(self.session, &raw mut cipher, self.key)),
            call!(self, C_DecryptInit(self.session, &raw mut cipher, self.key)),
            call!(self, C_SignInit(self.session, &raw mut mac, self.key)),
            call!(self, C_VerifyInit(self.session, &raw mut mac, self.key)),
            call!(self, C_DigestInit(self.session, &raw mut digest)),
            call!(self, C_FindObjectsInit(self.session, std::ptr::null_mut(), 0)),
        ] {
            assert!([CKR_OK, CKR_OPERATION_ACTIVE].contains(&rv), "{}", names::ckr(rv));
        }
    }
}
