//! The state between `C_Initialize` and `C_Finalize`, an ordinary value.
//!
//! Wires the rooms: reads the configuration, opens the HSMs, puts links to them under a client.
//! Everything else is handed on.

mod administration;
mod info;
mod slots;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrystoki_conf::Conf;
use parking_lot::Mutex;

pub use self::administration::Whose;
pub use self::info::{
    HaState, LibraryInfo, MechanismInfo, RoleState, SessionInfo, SlotInfo, TokenInfo, TokenStorage,
};

use crate::ck::*;
use crate::env::{Clock, SystemClock, crowd, process};
use crate::error::{Cause, Error, Result};
use crate::host::{self, Host};
use crate::luna::call_log::{Call, CallLog};
use crate::luna::config::LogFormat;
use crate::luna::log::Log;
use crate::luna::{Client, ClientConfig};
use crate::mechanisms::Mechanism;
use crate::network;
use crate::object::{Answer, Template};
use crate::output::{Output, Room};
use crate::profile::Profile;
use crate::wire::{ApplicationId, Counting, Description, Pin, Request};

/// Names the file, or `stderr`, where failed calls and their reasons go, over the configuration's.
const LOG_VARIABLE: &str = "LUNA_EMULATOR_LOG";

/// What is said of a function that is only exported.
pub const UNSERVED: &str = "this module does not serve the function";

/// How `C_Initialize` was called.
#[derive(Clone, Debug)]
pub struct Start {
    /// `CKF_LIBRARY_CANT_CREATE_OS_THREADS` was not set. The library makes none either way.
    pub may_create_threads: bool,
    /// `pReserved` as text: the directory of `Chrystoki.conf`, in place of the environment's.
    pub configuration: Option<String>,
}

/// The library, initialised.
pub struct Library {
    client: Client,
    profile: Arc<Profile>,
    log: Log,
    call_log: Option<CallLog>,
    stopped: AtomicBool,
    /// Functions that were called and are not served: each is told of once.
    unserved: Mutex<BTreeSet<&'static str>>,
    /// The application lets the library make threads.
    threads: bool,
}

/// Who belongs to it may use the vendor's client; its installer makes it. Source: roles.md section 9
/// of the fact pack (Observed; that others see no HSMs: recalled).
const CLIENT_GROUP: &str = "hsmusers";

impl Library {
    /// `C_Initialize`. An HSM that cannot be opened is a token that is not there.
    ///
    /// # Errors
    /// `GeneralError` for a configuration that is missing or wrong (recalled for a missing one;
    /// Assumed). The reason, with file, line and key, is written to the log, or to standard error
    /// where no log is named: without a configuration there is no other place for it.
    pub fn start(start: &Start) -> Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let wanted = process::var_os(LOG_VARIABLE).map(PathBuf::from);
        let complain =
            Log::to(wanted.as_deref().unwrap_or(Path::new("stderr")), Arc::clone(&clock));
        let directory = match &start.configuration {
            Some(directory) => Some(directory.into()),
            None => process::var_os(chrystoki_conf::DIRECTORY_VARIABLE),
        };
        let mut config = Conf::read(&Conf::locate(directory))
            .and_then(|conf| ClientConfig::of(&conf))
            .map_err(|error| {
                complain.line(&format!("C_Initialize: {error}"));
                Error::new(Cause::GeneralError, error.to_string())
            })?;
        let log = match wanted.as_ref().or(config.emulator.log_file.as_ref()) {
            Some(path) => Log::to(path, Arc::clone(&clock)),
            None => Log::none(Arc::clone(&clock)),
        };
        let call_log = CallLog::of(
            config.call_log.as_ref(),
            wanted.as_ref().or(config.emulator.log_file.as_ref()),
            config.emulator.log_format,
            Arc::clone(&clock),
        );
        if config.emulator.checks_access && !process::acts_for_group(CLIENT_GROUP) {
            let who = "this process acts neither for the superuser nor for the group";
            let what = format!("no HSM is shown: {who} {CLIENT_GROUP} (Emulator/CheckAccess)");
            if log.is_on() { &log } else { &complain }.line(&what);
            config.partitions.clear();
            config.network = None;
            config.cloud = None;
            config.groups.clear();
        }
        // The identity of an application that names none derives from its process (Documented).
        let application = ApplicationId::of_process(process::pid());
        let mut host = Host::open(&config)?;
        // Whether the cloud's slots come before or after those of appliances is not told (Assumed).
        let cloud = network::cloud::connect(&config, application, &clock)?;
        host.join(network::connect(&config, application, &clock)?.and(cloud));
        for complaint in &host.complaints {
            // Something is wrong with a file: worth a line even where nobody asked for a log.
            if log.is_on() { &log } else { &complain }.line(complaint);
        }
        let ha_log = if config.ha_log.is_on() {
            Log::of_groups(&config.ha_log, Arc::clone(&clock))
        } else {
            log.clone()
        };
        // As JSON the refusals are the call log's to tell.
        let log = match config.emulator.log_format {
            LogFormat::Text => log,
            LogFormat::Json => Log::none(Arc::clone(&clock)),
        };
        let missing =
            |serial: &str| host::broken(serial, format!("no HSM here has partition {serial}"));
        let client = Client::new(config, &host.links, &missing, application, &clock, &ha_log)
            .with_further(host.further);
        let stopped = AtomicBool::new(false);
        let unserved = Mutex::default();
        let threads = start.may_create_threads;
        let profile = host.profile;
        let library = Self { client, profile, log, call_log, stopped, unserved, threads };
        library.note("C_Initialize", Ok(()));
        Ok(library)
    }

    /// The call log, when there is one.
    #[inline]
    pub fn call_log(&self) -> Option<&CallLog> {
        self.call_log.as_ref()
    }

    /// A call whose arguments nobody looked at.
    fn note(&self, function: &'static str, outcome: std::result::Result<(), &Error>) {
        if let Some(log) = &self.call_log {
            let (session, slot, took) = (None, None, std::time::Duration::ZERO);
            let (input, output) = (&Vec::new(), Vec::new());
            log.write(&Call { function, session, slot, input, output, outcome, took });
        }
    }

    /// The answer of a function that is always refused.
    ///
    /// # Errors
    /// Always the one given.
    pub fn refuse(&self, function: &'static str, error: Error) -> Result<()> {
        self.note(function, Err(&error));
        Err(error)
    }

    /// The slot of a session, for the call log.
    pub fn slot_of(&self, session: SessionHandle) -> Option<SlotId> {
        self.client.slot_of(session).ok().map(|slot| slot.id)
    }

    /// `C_Finalize`: closes every session. Calls still under way end on their own.
    pub fn stop(&self) {
        if !self.stopped.swap(true, Ordering::AcqRel) {
            self.note("C_Finalize", Ok(()));
            // Without a slot named this cannot fail.
            let _ = self.client.close_all_sessions(None);
        }
    }

    fn running(&self) -> Result<&Client> {
        if self.stopped.load(Ordering::Acquire) {
            return Err(Error::new(Cause::CryptokiNotInitialized, "the library was finalised"));
        }
        Ok(&self.client)
    }

    /// One line in the call log: which function, which code, why.
    pub fn log_failure(&self, function: &'static str, error: &Error) {
        if !self.log.is_on() {
            return;
        }
        let unserved = error.rule() == UNSERVED;
        if unserved && !self.unserved.lock().insert(function) {
            return;
        }
        self.log.line(&format!("{function}: {error}"));
    }

    /// `C_GetInfo`.
    pub fn info(&self) -> LibraryInfo {
        let [major, minor] = self.profile.versions.client;
        LibraryInfo {
            manufacturer: self.profile.strings.library_manufacturer.clone(),
            description: self.profile.strings.library_description.clone(),
            version: (major, minor),
        }
    }

    fn describe(&self, slot: SlotId) -> Result<Description> {
        self.running()?.describe(slot)
    }

    /// `C_InitToken`.
    ///
    /// # Errors
    /// `PinIncorrect`, `PinLenRange`, `SessionExists`.
    pub fn init_token(&self, slot: SlotId, pin: Option<&[u8]>, label: &[u8]) -> Result<()> {
        let label = std::str::from_utf8(label)
            .map_err(|_| Error::new(Cause::ArgumentsBad, "a label is UTF-8 text"))?;
        self.running()?.init_token(slot, &password(pin), label)
    }

    /// `C_InitPIN`: the Partition SO makes the Crypto Officer.
    ///
    /// # Errors
    /// `UserNotLoggedIn`, `UserNotAuthorized`, `PinLenRange`.
    pub fn init_pin(&self, session: SessionHandle, pin: Option<&[u8]>) -> Result<()> {
        self.running()?.init_pin(session, Role::CryptoOfficer, password(pin))
    }

    /// `C_SetPIN`.
    ///
    /// # Errors
    /// `PinIncorrect`, `PinLenRange`, `SessionReadOnly`.
    pub fn set_pin(
        &self,
        session: SessionHandle,
        old: Option<&[u8]>,
        new: Option<&[u8]>,
    ) -> Result<()> {
        self.running()?.set_pin(session, password(old), password(new))
    }

    /// `C_Login`.
    ///
    /// # Errors
    /// `UserTypeInvalid` for a role a user partition has not; those of roles.md section 5.
    pub fn login(
        &self,
        session: SessionHandle,
        user: CK_USER_TYPE,
        pin: Option<&[u8]>,
    ) -> Result<()> {
        let client = self.running()?;
        if user == CKU_CONTEXT_SPECIFIC {
            return client.login_for_operation(session, password(pin));
        }
        client.may_log_in(session, self.profile.versions.client)?;
        client.login(session, role(user)?, password(pin))
    }

    /// `CA_GetCurrentHAState`: as `CA_GetHAState`, after every member was asked, all at the same time and for
    /// `statusTimeout` at most; one that has not answered by then is shown with a fault, and stays
    /// in the group until `ReceiveTimeout` is over. An application that allows no threads is told
    /// what is known (Assumed).
    ///
    /// # Errors
    /// `SlotIdInvalid`, `FunctionNotSupported` where no group is.
    pub fn current_ha_state(&self, slot: SlotId) -> Result<HaState> {
        let client = self.running()?;
        let group = client.group(slot)?;
        if !self.threads {
            return self.ha_state(slot);
        }
        let questions = group
            .links()
            .map(|link| {
                let link = Arc::clone(link);
                Box::new(move || link.call(&Request::Describe).is_ok())
                    as Box<dyn FnOnce() -> bool + Send>
            })
            .collect();
        let answers = crowd::ask_within(client.status_timeout(), questions);
        let mut state = self.ha_state(slot)?;
        for ((_, status), answer) in state.members.iter_mut().zip(answers) {
            if answer != Some(true) && *status == CKR_OK {
                *status = Cause::DeviceError.ck_rv();
            }
        }
        Ok(state)
    }

    /// `CA_GetHAState`.
    ///
    /// # Errors
    /// `SlotIdInvalid`, `FunctionNotSupported` where no group is.
    pub fn ha_state(&self, slot: SlotId) -> Result<HaState> {
        let group = self.running()?.group(slot)?;
        Ok(HaState { serial: group.serial().to_owned(), members: group.state() })
    }

    /// `CA_RoleStateGet`.
    ///
    /// # Errors
    /// `UserTypeInvalid`, `FunctionNotSupported` on a group.
    pub fn role_state(&self, slot: SlotId, user: CK_USER_TYPE) -> Result<RoleState> {
        let state = self.running()?.role_state(slot, role(user)?)?;
        let mut flags = 0;
        for (set, flag) in [
            (state.initialized, CAF_ROLE_STATE_INITIALIZED),
            (state.locked, CAF_ROLE_STATE_LOCKED_OUT),
            (state.activated, CAF_ROLE_STATE_ACTIVATED),
            (state.must_change, CAF_ROLE_STATE_PIN_CHANGE),
            (state.challenge_must_change, CAF_ROLE_STATE_CHALLENGE_CHANGE),
        ] {
            if set {
                flags |= flag;
            }
        }
        Ok(RoleState {
            flags: u8::try_from(flags).unwrap_or(u8::MAX),
            attempts_left: u8::try_from(state.attempts_left).unwrap_or(u8::MAX),
            primary_authentication: state.authentication.0,
            secondary_authentication: state.authentication.1,
        })
    }

    /// `CA_InitRolePIN`.
    ///
    /// # Errors
    /// `UserTypeInvalid`, `UserNotAuthorized`, `PinLenRange`.
    pub fn init_role_pin(
        &self,
        session: SessionHandle,
        user: CK_USER_TYPE,
        pin: Option<&[u8]>,
    ) -> Result<()> {
        self.running()?.init_pin(session, role(user)?, password(pin))
    }

    /// `CA_ResetPIN`.
    ///
    /// # Errors
    /// `UserNotAuthorized`, `OperationNotAllowed` while HSM policy 15 is off, `PinLenRange`.
    pub fn reset_pin(&self, session: SessionHandle, pin: Option<&[u8]>) -> Result<()> {
        self.running()?.reset_pin(session, password(pin))
    }

    /// `CA_SetCloningDomain`: 1 to 128 bytes (roles.md section 3, Documented).
    ///
    /// # Errors
    /// `ArgumentsBad` for a domain of another length.
    pub fn set_cloning_domain(&self, domain: &[u8]) -> Result<()> {
        if domain.is_empty() || domain.len() > 128 {
            return Err(Error::new(Cause::ArgumentsBad, "a cloning domain has 1 to 128 bytes"));
        }
        self.running()?.set_cloning_domain(domain);
        Ok(())
    }

    /// `CA_ModifyUsageCount`: command 1 adds, 2 sets (Documented: pycryptoki's `defines.py`).
    ///
    /// # Errors
    /// `KeyHandleInvalid`, `ArgumentsBad` for another command (Assumed), those of the role.
    pub fn modify_usage_count(
        &self,
        session: SessionHandle,
        key: ObjectHandle,
        command: CK_ULONG,
        value: CK_ULONG,
    ) -> Result<()> {
        let counting = match command {
            CK_MODIFY_USAGE_COUNT_COMMAND_TYPE_INCREMENT => Counting::Add(value),
            CK_MODIFY_USAGE_COUNT_COMMAND_TYPE_SET => Counting::Set(value),
            _ => return Err(Error::new(Cause::ArgumentsBad, "a count is added to (1) or set (2)")),
        };
        self.running()?.modify_usage_count(session, key, counting)
    }

    /// `CA_CheckOperationState`: encrypt 0, decrypt 1, sign 2, verify 3, digest 4 (Documented:
    /// pycryptoki's `defines.py`).
    ///
    /// # Errors
    /// `SessionHandleInvalid`; `ArgumentsBad` for another number (Assumed).
    pub fn is_operation_active(&self, session: SessionHandle, operation: CK_ULONG) -> Result<bool> {
        let purpose = match operation {
            0 => Purpose::Encrypt,
            1 => Purpose::Decrypt,
            2 => Purpose::Sign,
            3 => Purpose::Verify,
            4 => Purpose::Digest,
            _ => return Err(Error::new(Cause::ArgumentsBad, "no operation has that number")),
        };
        self.running()?.is_active(session, purpose)
    }

    /// `CA_GetTokenObjectUID`, for Cryptoki objects.
    ///
    /// # Errors
    /// `ObjectHandleInvalid`; `ArgumentsBad` for another type of object.
    pub fn object_uid(
        &self,
        slot: SlotId,
        object_type: CK_ULONG,
        object: ObjectHandle,
    ) -> Result<[u8; 12]> {
        if object_type != 0 {
            return Err(Error::new(Cause::ArgumentsBad, "only Cryptoki objects (type 0) are here"));
        }
        self.running()?.object_uid(slot, object)
    }

    /// `C_SetOperationState`.
    ///
    /// # Errors
    /// `SavedStateInvalid`; `KeyNotNeeded` for keys that come with a digest's.
    pub fn set_operation_state(
        &self,
        session: SessionHandle,
        state: &[u8],
        encryption_key: Option<ObjectHandle>,
        authentication_key: Option<ObjectHandle>,
    ) -> Result<()> {
        let client = self.running()?;
        client.session_info(session)?;
        if encryption_key.or(authentication_key).is_some() {
            return Err(Error::new(Cause::KeyNotNeeded, "the state of a digest wants no key"));
        }
        client.set_operation_state(session, state)
    }

    /// `C_GetSessionInfo`.
    ///
    /// # Errors
    /// `SessionHandleInvalid`.
    pub fn session_info(&self, session: SessionHandle) -> Result<SessionInfo> {
        let (slot, state, flags) = self.running()?.session_info(session)?;
        Ok(SessionInfo { slot, state, flags, device_error: 0 })
    }

    /// `C_CloseAllSessions`.
    ///
    /// # Errors
    /// `SlotIdInvalid`.
    pub fn close_all_sessions(&self, slot: SlotId) -> Result<()> {
        self.running()?.close_all_sessions(Some(slot))
    }

    /// Ends an operation after an argument error in a call on it.
    pub fn operation_abandon(&self, session: SessionHandle, purpose: Purpose) {
        self.client.operation_abandon(session, purpose);
    }
}

/// Functions the client carries out as they are.
macro_rules! handed_on {
    ($($(#[$doc:meta])* $name:ident => $target:ident($($argument:ident: $kind:ty),*) -> $answer:ty;)+) => {
        impl Library {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// `CryptokiNotInitialized`, and those of the client's function.
                pub fn $name(&self, $($argument: $kind),*) -> Result<$answer> {
                    self.running()?.$target($($argument),*)
                }
            )+
        }
    };
}

pub mod curves;
mod extended_keys;
mod extensions;

pub use self::extensions::SessionBelonging;

handed_on! {
    /// `C_OpenSession`.
    open_session => open_session(slot: SlotId, flags: CK_FLAGS) -> SessionHandle;
    /// Whether the application has such a session.
    need_session => need_session(session: SessionHandle) -> ();
    /// `C_CloseSession`.
    close_session => close_session(session: SessionHandle) -> ();
    /// `C_Logout`.
    logout => logout(session: SessionHandle) -> ();
    /// `C_CreateObject`.
    create_object => create(session: SessionHandle, template: &Template) -> ObjectHandle;
    /// `C_CopyObject`.
    copy_object => copy(session: SessionHandle, object: ObjectHandle, template: &Template) -> ObjectHandle;
    /// `C_DestroyObject`.
    destroy_object => destroy(session: SessionHandle, object: ObjectHandle) -> ();
    /// `C_GetObjectSize`, in bytes.
    object_size => object_size(session: SessionHandle, object: ObjectHandle) -> CK_ULONG;
    /// `C_GetAttributeValue`, in the order asked.
    attributes => attributes(session: SessionHandle, object: ObjectHandle, kinds: &[CK_ATTRIBUTE_TYPE]) -> Vec<Answer>;
    /// `C_SetAttributeValue`.
    set_attributes => set_attributes(session: SessionHandle, object: ObjectHandle, template: &Template) -> ();
    /// `C_FindObjectsInit`.
    find_init => find_init(session: SessionHandle, template: &Template) -> ();
    /// `C_FindObjects`.
    find => find(session: SessionHandle, most: usize) -> Vec<ObjectHandle>;
    /// `C_FindObjectsFinal`.
    find_final => find_final(session: SessionHandle) -> ();
    /// `C_EncryptInit` and its kin.
    operation_init => operation_init(session: SessionHandle, purpose: Purpose, mechanism: Mechanism, key: Option<ObjectHandle>) -> ();
    /// `C_Encrypt` and its kin.
    operation_single => operation_single(session: SessionHandle, purpose: Purpose, input: &[u8], room: Room, out: Option<&mut [u8]>) -> Output;
    /// `C_EncryptUpdate` and its kin.
    operation_update => operation_update(session: SessionHandle, purpose: Purpose, input: &[u8], room: Room) -> Output;
    /// `C_EncryptFinal` and its kin.
    operation_final => operation_final(session: SessionHandle, purpose: Purpose, room: Room) -> Output;
    /// `C_Verify`.
    verify_single => verify_single(session: SessionHandle, data: &[u8], signature: &[u8]) -> ();
    /// `C_VerifyFinal`.
    verify_final => verify_final(session: SessionHandle, signature: &[u8]) -> ();
    /// `C_DigestKey`.
    digest_key => digest_key(session: SessionHandle, key: ObjectHandle) -> ();
    /// `CA_GetTokenObjectHandle`.
    object_by_uid => object_by_uid(slot: SlotId, ouid: [u8; 12]) -> ObjectHandle;
    /// `CA_SetTokenPolicies`.
    set_token_policies => set_token_policies(session: SessionHandle, slot: SlotId, changes: &[(CK_ULONG, CK_ULONG)]) -> ();
    /// `C_GetOperationState`.
    operation_state => operation_state(session: SessionHandle, room: Room) -> Output;
    /// `C_GenerateKey`.
    generate_key => generate_key(session: SessionHandle, mechanism: &Mechanism, template: &Template) -> ObjectHandle;
    /// `C_GenerateKeyPair`.
    generate_key_pair => generate_key_pair(session: SessionHandle, mechanism: &Mechanism, public: &Template, private: &Template) -> (ObjectHandle, ObjectHandle);
    /// `C_WrapKey`.
    wrap_key => wrap(session: SessionHandle, mechanism: &Mechanism, wrapping: ObjectHandle, key: ObjectHandle, room: Room) -> Output;
    /// `C_UnwrapKey`.
    unwrap_key => unwrap(session: SessionHandle, mechanism: &Mechanism, unwrapping: ObjectHandle, wrapped: &[u8], template: &Template) -> ObjectHandle;
    /// `C_DeriveKey`.
    derive_key => derive(session: SessionHandle, mechanism: &Mechanism, base: ObjectHandle, template: &Template) -> (Vec<ObjectHandle>, Vec<Vec<u8>>);
    /// `CA_EncapsulateKey`.
    encapsulate_key => encapsulate(session: SessionHandle, mechanism: &Mechanism, key: ObjectHandle, template: &Template, room: Room) -> (Output, Option<ObjectHandle>);
    /// `CA_DecapsulateKey`.
    decapsulate_key => decapsulate(session: SessionHandle, mechanism: &Mechanism, key: ObjectHandle, ciphertext: &[u8], template: &Template) -> ObjectHandle;
    /// `C_SeedRandom`.
    seed_random => seed_random(session: SessionHandle, seed: &[u8]) -> ();
    /// `C_GenerateRandom`.
    random => random(session: SessionHandle, out: &mut [u8]) -> ();
}

/// A null PIN asks for a PED; whether there is one the HSM knows.
fn password(pin: Option<&[u8]>) -> Pin {
    pin.map_or_else(Pin::from_ped, Pin::new)
}

fn role(user: CK_USER_TYPE) -> Result<Role> {
    Role::from_user_type(user).ok_or_else(|| {
        Error::new(Cause::UserTypeInvalid, format!("a user partition has no role 0x{user:x}"))
    })
}
