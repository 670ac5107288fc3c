//! The vendor's functions about sessions, objects, keys and cloning.

use crate::ck::*;
use crate::crypto::random;
use crate::error::{Cause, Error, Result};
use crate::library::{Library, role};
use crate::luna::client::Migration;
use crate::mechanisms::Mechanism;
use crate::output::{Output, Room};
use crate::wire::{
    ApplicationId, DeriveAndWrap, Domain, Guard, KeyAuthorization, Negotiated, Pin, RecoveryLogin,
    Rollover, Route,
};

/// `CA_GetSessionInfo`.
#[derive(Clone, Copy, Debug)]
pub struct SessionBelonging {
    /// The two words of the application's identity.
    pub application: (CK_ULONG, CK_ULONG),
    /// The partition's number.
    pub container: CK_ULONG,
    /// `LUNA_SACCESS_` number (which numbers these are: Assumed from the names).
    pub level: CK_ULONG,
}

/// The number of the container that a slot's partition is (Assumed: a partition has one).
const CONTAINER: CK_ULONG = 1;

impl Library {
    /// The identity of the older calls.
    ///
    /// # Errors
    /// `ArgumentsBad` for a word of more than 32 bits (Assumed).
    fn words(high: CK_ULONG, low: CK_ULONG) -> Result<ApplicationId> {
        ApplicationId::of_words(high, low).ok_or_else(|| {
            Error::new(Cause::ArgumentsBad, "an application id is two words of 32 bits")
        })
    }

    /// `CA_SetApplicationID`. 0:0 gives the process back the identity it began with: tools take it for
    /// "none" (Documented: the vendor's OpenSSL engine).
    ///
    /// # Errors
    /// `ArgumentsBad` for a word of more than 32 bits.
    pub fn set_application_id(&self, high: CK_ULONG, low: CK_ULONG) -> Result<()> {
        let id = match (high, low) {
            (0, 0) => ApplicationId::of_process(crate::env::process::pid()),
            _ => Self::words(high, low)?,
        };
        self.running()?.set_application_id(id);
        Ok(())
    }

    /// `CA_SetApplicationIDV2`.
    ///
    /// # Errors
    /// `CryptokiNotInitialized`.
    pub fn set_long_application_id(&self, id: [u8; 16]) -> Result<()> {
        self.running()?.set_application_id(ApplicationId::of_bytes(id));
        Ok(())
    }

    /// `CA_RandomizeApplicationID`.
    ///
    /// # Errors
    /// `FunctionFailed` when there is no randomness.
    pub fn randomize_application_id(&self) -> Result<()> {
        let mut id = [0; 16];
        random::fill(&mut id)
            .map_err(|_| Error::new(Cause::FunctionFailed, "there is no randomness"))?;
        self.set_long_application_id(id)
    }

    /// `CA_GetApplicationID`.
    ///
    /// # Errors
    /// `CryptokiNotInitialized`.
    pub fn application_id(&self) -> Result<[u8; 16]> {
        Ok(self.running()?.application_id().to_bytes())
    }

    /// `CA_OpenApplicationID`.
    ///
    /// # Errors
    /// `SlotIdInvalid`, `DataInvalid` when it is open already.
    pub fn open_application(&self, slot: SlotId, high: CK_ULONG, low: CK_ULONG) -> Result<()> {
        self.running()?.open_application(slot, Self::words(high, low)?)
    }

    /// `CA_CloseApplicationID`.
    ///
    /// # Errors
    /// `SlotIdInvalid`, `DataInvalid` when it is not open.
    pub fn close_application(&self, slot: SlotId, high: CK_ULONG, low: CK_ULONG) -> Result<()> {
        self.running()?.close_application(slot, Self::words(high, low)?)
    }

    /// `CA_OpenApplicationIDV2`.
    ///
    /// # Errors
    /// As [`Library::open_application`].
    pub fn open_long_application(&self, slot: SlotId, id: [u8; 16]) -> Result<()> {
        self.running()?.open_application(slot, ApplicationId::of_bytes(id))
    }

    /// `CA_CloseApplicationIDV2`.
    ///
    /// # Errors
    /// As [`Library::close_application`].
    pub fn close_long_application(&self, slot: SlotId, id: [u8; 16]) -> Result<()> {
        self.running()?.close_application(slot, ApplicationId::of_bytes(id))
    }

    /// `CA_OpenSessionWithAppID`.
    ///
    /// # Errors
    /// Those of `C_OpenSession`.
    pub fn open_session_as(
        &self,
        slot: SlotId,
        flags: CK_FLAGS,
        high: CK_ULONG,
        low: CK_ULONG,
    ) -> Result<SessionHandle> {
        self.running()?.open_session_as(slot, flags, Self::words(high, low)?)
    }

    /// `CA_OpenSessionWithAppIDV2`.
    ///
    /// # Errors
    /// Those of `C_OpenSession`.
    pub fn open_session_as_long(
        &self,
        slot: SlotId,
        flags: CK_FLAGS,
        id: [u8; 16],
    ) -> Result<SessionHandle> {
        self.running()?.open_session_as(slot, flags, ApplicationId::of_bytes(id))
    }

    /// `CA_GetSessionInfo`.
    ///
    /// # Errors
    /// `SessionHandleInvalid`.
    pub fn session_belonging(&self, session: SessionHandle) -> Result<SessionBelonging> {
        let it = self.running()?.belonging(session)?;
        Ok(SessionBelonging {
            application: it.application.words(),
            container: CONTAINER,
            level: match it.role {
                None => LUNA_SACCESS_PUBLIC,
                Some(Role::PartitionSo) => LUNA_SACCESS_SO,
                Some(_) => LUNA_SACCESS_USER,
            },
        })
    }

    /// `CA_GetSlotId`.
    ///
    /// # Errors
    /// `CryptokiNotInitialized`.
    pub fn slots_labelled(&self, label: &str) -> Result<Vec<SlotId>> {
        Ok(self.running()?.slots_labelled(label))
    }

    /// `CA_SetKCV`, `CA_SetLKCV`, `CA_SetRDK`.
    ///
    /// # Errors
    /// `CloningParameterAlreadyExists`, `UserNotLoggedIn`, `ArgumentsBad` for its length.
    pub fn set_domain(&self, session: SessionHandle, which: Domain, domain: &[u8]) -> Result<()> {
        self.running()?.set_domain(session, which, domain)
    }

    /// `CA_SetAuthorizationData`.
    ///
    /// # Errors
    /// The codes of per-key authorisation.
    pub fn change_key_secret(
        &self,
        session: SessionHandle,
        key: ObjectHandle,
        old: Option<&[u8]>,
        new: &[u8],
    ) -> Result<()> {
        let said = KeyAuthorization::Change(old.map(Pin::new), Pin::new(new));
        self.running()?.authorize_key(session, key, said)
    }

    /// `CA_HAInit` and `CA_HAInitExtended`: for these user types, or the one that is logged in.
    ///
    /// # Errors
    /// `UserTypeInvalid`, those of the key and of the role.
    pub fn install_login_key(
        &self,
        session: SessionHandle,
        key: ObjectHandle,
        users: &[CK_USER_TYPE],
    ) -> Result<()> {
        let roles = users.iter().map(|user| role(*user)).collect::<Result<Vec<_>>>()?;
        self.running()?.install_login_key(session, key, roles)
    }

    /// `CA_HAGetLoginChallenge`.
    ///
    /// # Errors
    /// `UserTypeInvalid`; `OperationNotAllowed` where no login key was installed.
    pub fn login_challenge(
        &self,
        session: SessionHandle,
        user: CK_USER_TYPE,
        certificate: &[u8],
    ) -> Result<Vec<u8>> {
        let step = RecoveryLogin::Challenge(role(user)?, certificate.into());
        self.running()?.recovery_message(session, step)
    }

    /// `CA_HAAnswerLoginChallenge`.
    ///
    /// # Errors
    /// `ChallengeIncorrect`, `KeyInvalidForHaLogin`.
    pub fn login_answer(
        &self,
        session: SessionHandle,
        key: ObjectHandle,
        challenge: &[u8],
    ) -> Result<Vec<u8>> {
        let step = RecoveryLogin::Answer(key, challenge.into());
        self.running()?.recovery_message(session, step)
    }

    /// Whether such a slot is there.
    ///
    /// # Errors
    /// `SlotIdInvalid`.
    pub fn need_slot(&self, slot: SlotId) -> Result<()> {
        self.running()?.slot(slot).map(drop)
    }
}

handed_on! {
    /// `CA_SessionCancel`.
    cancel_operations => cancel(session: SessionHandle, flags: CK_FLAGS) -> ();
    /// `CA_CloneObject`: target, source.
    clone_object => clone_object(target: SessionHandle, source: SessionHandle, object_type: CK_ULONG, object: ObjectHandle) -> ObjectHandle;
    /// `CA_ClonePrivateKey`: target, source.
    clone_private_key => clone_private_key(target: SessionHandle, source: SessionHandle, key: ObjectHandle) -> ObjectHandle;
    /// `CA_MigrateKeys`: source, target.
    migrate_keys => migrate(source: SessionHandle, target: SessionHandle, flags: CK_FLAGS, objects: &mut [Migration]) -> ();
    /// `CA_CloneObjectToAllSessions`.
    clone_to_all_sessions => clone_to_all(session: SessionHandle, object: ObjectHandle) -> ();
    /// `CA_CloneAllObjectsToSession`.
    clone_all_objects => clone_all(session: SessionHandle, slot: SlotId) -> ();
    /// `CA_GenerateCloningKEV`.
    cloning_vector => cloning_vector(session: SessionHandle) -> Vec<u8>;
    /// `CA_CloneAsTargetInit`.
    clone_as_target_init => clone_as_target_init(session: SessionHandle, certificate: &[u8], vector: &[u8]) -> Vec<u8>;
    /// `CA_CloneAsSource`.
    clone_as_source => clone_as_source(session: SessionHandle, object_type: CK_ULONG, object: ObjectHandle, message: &[u8]) -> Vec<u8>;
    /// `CA_CloneAsTarget`.
    clone_as_target => clone_as_target(session: SessionHandle, vector: &[u8], message: &[u8]) -> Option<ObjectHandle>;
    /// `CA_MigrationStartSessionNegotiation`, and its continuation.
    negotiate => negotiate(session: SessionHandle, step: Option<(CK_ULONG, &[u8])>) -> Negotiated;
    /// `CA_MigrationCloseSession`.
    close_negotiated => hang(session: SessionHandle, route: Route) -> ();
    /// `CA_Extract` of one object by a negotiated session.
    send_object => send(session: SessionHandle, route: Route, object_type: CK_ULONG, object: ObjectHandle) -> Vec<u8>;
    /// `CA_Insert` of one object by a negotiated session.
    receive_object => receive(session: SessionHandle, route: Route, blob: &[u8], in_memory: bool) -> ObjectHandle;
    /// `CA_SIMExtract` and its kin.
    mask_objects => mask(session: SessionHandle, objects: &[ObjectHandle], guard: Guard, delete: bool, room: Room) -> Output;
    /// How many objects a masked blob holds.
    count_masked => count_masked(session: SessionHandle, guard: Guard, blob: &[u8]) -> u64;
    /// `CA_SIMInsert` and its kin.
    unmask_objects => unmask(session: SessionHandle, guard: Guard, blob: &[u8]) -> Vec<ObjectHandle>;
    /// `CA_SIMMultiSign`.
    sign_masked => sign_masked(session: SessionHandle, mechanism: &Mechanism, guard: Guard, blob: &[u8], inputs: &[&[u8]]) -> Vec<Vec<u8>>;
    /// `CA_SMKRollover`.
    roll_over => roll_over(session: SessionHandle, rollover: Rollover) -> ();
    /// `CA_AuthorizeKey`, `CA_ResetAuthorizationData`, `CA_AssignKey`, `CA_IncrementFailedAuthCount`.
    authorize_key => authorize_key(session: SessionHandle, key: ObjectHandle, said: KeyAuthorization) -> ();
    /// `CA_DeriveKeyAndWrap`.
    derive_and_wrap => derive_and_wrap(session: SessionHandle, both: DeriveAndWrap<'_>) -> Output;
    /// `CA_HAGetMasterPublic`.
    login_certificate => login_certificate(slot: SlotId) -> Vec<u8>;
    /// `CA_HALogin`.
    recovery_login => recovery_login(session: SessionHandle, answer: &[u8]) -> ();
    /// `CA_GetTokenCertificates`.
    certificate => certificate(slot: SlotId, kind: CK_ULONG) -> Vec<u8>;
    /// `CA_GetServerInstanceBySlotID`.
    server_instance => server_instance(slot: SlotId) -> CK_ULONG;
    /// `CA_GetSlotListFromServerInstance`.
    slots_of_instance => slots_of_instance(instance: CK_ULONG) -> Vec<SlotId>;
    /// `CA_GetTokenInsertionCount`.
    insertions => insertions(slot: SlotId) -> CK_ULONG;
}
