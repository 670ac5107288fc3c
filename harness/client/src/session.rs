//! One session: login, objects, keys and operations.

use std::cell::Cell;

use luna_ck::{CK_SESSION_HANDLE, CK_ULONG};

use crate::module::Library;
use crate::{
    Attribute, AttributeType, Context, Mechanism, ObjectHandle, Pin, Result, SessionHandle,
    SessionInfo, SlotId, UserType,
};

/// An open session; closed when dropped. It may move to another thread, but only one at a time uses it:
/// the standard gives a session one operation of a kind.
///
/// The single-part calls (`encrypt`, `sign`, …) start the operation and end it. When the first half works
/// and the second fails, the operation is left as the module left it.
#[derive(Debug)]
pub struct Session {
    context: Context,
    slot: SlotId,
    handle: CK_SESSION_HANDLE,
    /// Whether dropping it closes it. The cell also makes the session `!Sync`.
    open: Cell<bool>,
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.open.get() && !self.context.ended() {
            // Nobody is left to hear of an error.
            let _ = self.library().close_session(self.handle);
        }
    }
}

/// The session itself, and who is logged in.
impl Session {
    pub(crate) fn new(context: Context, slot: SlotId, handle: CK_SESSION_HANDLE) -> Self {
        Self { context, slot, handle, open: Cell::new(true) }
    }

    pub(crate) fn library(&self) -> &Library {
        self.context.library()
    }

    /// The module this session belongs to.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The slot it was opened on.
    pub fn slot(&self) -> SlotId {
        self.slot
    }

    /// The handle the module gave.
    pub fn handle(&self) -> SessionHandle {
        SessionHandle(self.handle)
    }

    /// `C_CloseSession` now, with its answer. Whatever it is, nothing is closed again by the drop.
    pub fn close(self) -> Result<()> {
        self.open.set(false);
        self.library().close_session(self.handle)
    }

    /// `C_GetSessionInfo`.
    pub fn info(&self) -> Result<SessionInfo> {
        self.library().session_info(self.handle).map(SessionInfo::from)
    }

    /// `C_GetOperationState`.
    pub fn operation_state(&self) -> Result<Vec<u8>> {
        self.library().operation_state(self.handle)
    }

    /// `C_SetOperationState`; a key's handle is given where the state's operation wants it.
    pub fn set_operation_state(
        &self,
        state: &[u8],
        encryption: Option<ObjectHandle>,
        authentication: Option<ObjectHandle>,
    ) -> Result<()> {
        let keys = [encryption, authentication].map(|key| key.map_or(0, |key| key.0));
        self.library().set_operation_state(self.handle, state, keys)
    }

    /// `C_Login`.
    pub fn login(&self, user: UserType, pin: &Pin) -> Result<()> {
        self.library().login(self.handle, user.0, Some(pin.expose()))
    }

    /// `C_Login` with a null pointer: the secret is typed elsewhere.
    pub fn login_elsewhere(&self, user: UserType) -> Result<()> {
        self.library().login(self.handle, user.0, None)
    }

    /// `C_Logout`.
    pub fn logout(&self) -> Result<()> {
        self.library().logout(self.handle)
    }

    /// `C_InitPIN`, by the security officer.
    pub fn init_pin(&self, pin: &Pin) -> Result<()> {
        self.library().init_pin(self.handle, Some(pin.expose()))
    }

    /// `C_SetPIN`, of whoever is logged in.
    pub fn set_pin(&self, old: &Pin, new: &Pin) -> Result<()> {
        self.library().set_pin(self.handle, Some(old.expose()), Some(new.expose()))
    }
}

/// Objects.
impl Session {
    /// `C_CreateObject`.
    pub fn create_object(&self, template: &[Attribute]) -> Result<ObjectHandle> {
        self.library().create_object(self.handle, template).map(ObjectHandle)
    }

    /// `C_CopyObject`; the template says what differs.
    pub fn copy(&self, object: ObjectHandle, template: &[Attribute]) -> Result<ObjectHandle> {
        self.library().copy_object(self.handle, object.0, template).map(ObjectHandle)
    }

    /// `C_DestroyObject`.
    pub fn destroy(&self, object: ObjectHandle) -> Result<()> {
        self.library().destroy_object(self.handle, object.0)
    }

    /// `C_GetObjectSize`, in bytes.
    pub fn object_size(&self, object: ObjectHandle) -> Result<CK_ULONG> {
        self.library().object_size(self.handle, object.0)
    }

    /// All objects that match: `C_FindObjectsInit`, `C_FindObjects` until it gives none, `C_FindObjectsFinal`.
    pub fn find(&self, template: &[Attribute]) -> Result<Vec<ObjectHandle>> {
        Ok(self.library().find(self.handle, template)?.into_iter().map(ObjectHandle).collect())
    }

    /// `C_GetAttributeValue`, once for the lengths and once for the values. One entry for each type asked,
    /// in order; `None` where the object has no such attribute or does not tell it. Types that hold a
    /// template are given as the module's own structures and are of little use.
    pub fn attributes(
        &self,
        object: ObjectHandle,
        kinds: &[AttributeType],
    ) -> Result<Vec<Option<Vec<u8>>>> {
        self.library().attributes(self.handle, object.0, kinds)
    }

    /// One attribute, as [`Session::attributes`].
    pub fn attribute(&self, object: ObjectHandle, kind: AttributeType) -> Result<Option<Vec<u8>>> {
        Ok(self.attributes(object, &[kind])?.pop().flatten())
    }

    /// One attribute that is a `CK_ULONG`; `None` also for a value of another length.
    pub fn attribute_ulong(
        &self,
        object: ObjectHandle,
        kind: AttributeType,
    ) -> Result<Option<CK_ULONG>> {
        let value = self.attribute(object, kind)?;
        Ok(value.and_then(|value| value.try_into().ok()).map(CK_ULONG::from_ne_bytes))
    }

    /// One attribute that is a text; what is not UTF-8 is replaced.
    pub fn attribute_text(
        &self,
        object: ObjectHandle,
        kind: AttributeType,
    ) -> Result<Option<String>> {
        let value = self.attribute(object, kind)?;
        Ok(value.map(|value| String::from_utf8_lossy(&value).into_owned()))
    }

    /// `C_SetAttributeValue`.
    pub fn set_attributes(&self, object: ObjectHandle, template: &[Attribute]) -> Result<()> {
        self.library().set_attributes(self.handle, object.0, template)
    }
}

/// Keys and randomness.
impl Session {
    /// `C_GenerateKey`.
    pub fn generate_key(
        &self,
        mechanism: &Mechanism,
        template: &[Attribute],
    ) -> Result<ObjectHandle> {
        self.library().generate_key(self.handle, mechanism, template).map(ObjectHandle)
    }

    /// `C_GenerateKeyPair`: the public key, then the private one.
    pub fn generate_key_pair(
        &self,
        mechanism: &Mechanism,
        public: &[Attribute],
        private: &[Attribute],
    ) -> Result<(ObjectHandle, ObjectHandle)> {
        let (public, private) =
            self.library().generate_key_pair(self.handle, mechanism, public, private)?;
        Ok((ObjectHandle(public), ObjectHandle(private)))
    }

    /// `C_WrapKey`.
    pub fn wrap(
        &self,
        mechanism: &Mechanism,
        wrapping_key: ObjectHandle,
        key: ObjectHandle,
    ) -> Result<Vec<u8>> {
        self.library().wrap_key(self.handle, mechanism, wrapping_key.0, key.0)
    }

    /// `C_UnwrapKey`.
    pub fn unwrap(
        &self,
        mechanism: &Mechanism,
        unwrapping_key: ObjectHandle,
        wrapped: &[u8],
        template: &[Attribute],
    ) -> Result<ObjectHandle> {
        self.library()
            .unwrap_key(self.handle, mechanism, unwrapping_key.0, wrapped, template)
            .map(ObjectHandle)
    }

    /// `C_DeriveKey`.
    pub fn derive(
        &self,
        mechanism: &Mechanism,
        base: ObjectHandle,
        template: &[Attribute],
    ) -> Result<ObjectHandle> {
        self.library().derive_key(self.handle, mechanism, base.0, template).map(ObjectHandle)
    }

    /// `C_GenerateRandom`: as many bytes as asked for.
    pub fn random(&self, len: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.library().random(self.handle, &mut bytes)?;
        Ok(bytes)
    }

    /// `C_SeedRandom`.
    pub fn seed_random(&self, seed: &[u8]) -> Result<()> {
        self.library().seed_random(self.handle, seed)
    }
}

/// Encryption and decryption.
impl Session {
    /// `C_EncryptInit` and `C_Encrypt`.
    pub fn encrypt(
        &self,
        mechanism: &Mechanism,
        key: ObjectHandle,
        data: &[u8],
    ) -> Result<Vec<u8>> {
        self.encrypt_init(mechanism, key)?;
        self.library().encrypt(self.handle, data)
    }

    /// `C_EncryptInit`.
    pub fn encrypt_init(&self, mechanism: &Mechanism, key: ObjectHandle) -> Result<()> {
        self.library().encrypt_init(self.handle, mechanism, key.0)
    }

    /// `C_EncryptUpdate`.
    pub fn encrypt_update(&self, part: &[u8]) -> Result<Vec<u8>> {
        self.library().encrypt_update(self.handle, part)
    }

    /// `C_EncryptFinal`.
    pub fn encrypt_final(&self) -> Result<Vec<u8>> {
        self.library().encrypt_final(self.handle)
    }

    /// `C_DecryptInit` and `C_Decrypt`.
    pub fn decrypt(
        &self,
        mechanism: &Mechanism,
        key: ObjectHandle,
        data: &[u8],
    ) -> Result<Vec<u8>> {
        self.decrypt_init(mechanism, key)?;
        self.library().decrypt(self.handle, data)
    }

    /// `C_DecryptInit`.
    pub fn decrypt_init(&self, mechanism: &Mechanism, key: ObjectHandle) -> Result<()> {
        self.library().decrypt_init(self.handle, mechanism, key.0)
    }

    /// `C_DecryptUpdate`.
    pub fn decrypt_update(&self, part: &[u8]) -> Result<Vec<u8>> {
        self.library().decrypt_update(self.handle, part)
    }

    /// `C_DecryptFinal`.
    pub fn decrypt_final(&self) -> Result<Vec<u8>> {
        self.library().decrypt_final(self.handle)
    }
}

/// Digests.
impl Session {
    /// `C_DigestInit` and `C_Digest`.
    pub fn digest(&self, mechanism: &Mechanism, data: &[u8]) -> Result<Vec<u8>> {
        self.digest_init(mechanism)?;
        self.library().digest(self.handle, data)
    }

    /// `C_DigestInit`.
    pub fn digest_init(&self, mechanism: &Mechanism) -> Result<()> {
        self.library().digest_init(self.handle, mechanism)
    }

    /// `C_DigestUpdate`.
    pub fn digest_update(&self, part: &[u8]) -> Result<()> {
        self.library().digest_update(self.handle, part)
    }

    /// `C_DigestKey`.
    pub fn digest_key(&self, key: ObjectHandle) -> Result<()> {
        self.library().digest_key(self.handle, key.0)
    }

    /// `C_DigestFinal`.
    pub fn digest_final(&self) -> Result<Vec<u8>> {
        self.library().digest_final(self.handle)
    }
}

/// Signatures and their verification.
impl Session {
    /// `C_SignInit` and `C_Sign`.
    pub fn sign(&self, mechanism: &Mechanism, key: ObjectHandle, data: &[u8]) -> Result<Vec<u8>> {
        self.sign_init(mechanism, key)?;
        self.library().sign(self.handle, data)
    }

    /// `C_SignInit`.
    pub fn sign_init(&self, mechanism: &Mechanism, key: ObjectHandle) -> Result<()> {
        self.library().sign_init(self.handle, mechanism, key.0)
    }

    /// `C_SignUpdate`.
    pub fn sign_update(&self, part: &[u8]) -> Result<()> {
        self.library().sign_update(self.handle, part)
    }

    /// `C_SignFinal`.
    pub fn sign_final(&self) -> Result<Vec<u8>> {
        self.library().sign_final(self.handle)
    }

    /// `C_VerifyInit` and `C_Verify`.
    ///
    /// # Errors
    ///
    /// A signature that does not fit is an error too: `CKR_SIGNATURE_INVALID` or `CKR_SIGNATURE_LEN_RANGE`.
    pub fn verify(
        &self,
        mechanism: &Mechanism,
        key: ObjectHandle,
        data: &[u8],
        signature: &[u8],
    ) -> Result<()> {
        self.verify_init(mechanism, key)?;
        self.library().verify(self.handle, data, signature)
    }

    /// `C_VerifyInit`.
    pub fn verify_init(&self, mechanism: &Mechanism, key: ObjectHandle) -> Result<()> {
        self.library().verify_init(self.handle, mechanism, key.0)
    }

    /// `C_VerifyUpdate`.
    pub fn verify_update(&self, part: &[u8]) -> Result<()> {
        self.library().verify_update(self.handle, part)
    }

    /// `C_VerifyFinal`.
    pub fn verify_final(&self, signature: &[u8]) -> Result<()> {
        self.library().verify_final(self.handle, signature)
    }
}
