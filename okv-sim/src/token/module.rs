//! A token behind a real PKCS#11 library.
//!
//! `C_Initialize` counts per process, so runs of one process take turns, and nothing else in the process may
//! hold the same library file initialised meanwhile (a copy of the file is a library of its own).
//! The library finds its configuration as it does for anyone: through the process's environment.

use std::path::Path;

use luna_client::ck::{
    CKA_CLASS, CKA_DECRYPT, CKA_DERIVE, CKA_ENCRYPT, CKA_EXTRACTABLE, CKA_ID, CKA_KEY_TYPE,
    CKA_LABEL, CKA_MODIFIABLE, CKA_PRIVATE, CKA_SENSITIVE, CKA_SIGN, CKA_TOKEN, CKA_UNWRAP,
    CKA_VALUE, CKA_VALUE_LEN, CKA_VERIFY, CKA_WRAP, CKK_AES, CKM_AES_KEY_GEN, CKO_DATA,
    CKO_SECRET_KEY,
};
use luna_client::{
    Access, Attribute, Context, InitArgs, Mechanism, Module, ObjectHandle, Pin, Session, SlotId,
    UserType,
};
use parking_lot::{Mutex, MutexGuard};

use super::{Found, Handle, Labels, Loader, ROOT_KEY_LEN, Result, Token, TokenError};
use crate::blob::KeyNumber;
use crate::secret::Secret;
use crate::store::HsmDetails;

static TURN: Mutex<()> = Mutex::new(());

impl From<luna_client::Error> for TokenError {
    fn from(error: luna_client::Error) -> Self {
        let rv = error.rv().map(|rv| rv.0);
        let detail = match (rv, error.function()) {
            (Some(_), Some(function)) => function.to_owned(),
            _ => error.to_string(),
        };
        Self { rv, detail }
    }
}

/// Loads shared libraries.
#[derive(Debug, Default)]
pub(crate) struct Modules;

impl Loader for Modules {
    fn load(&self, path: &Path, labels: Labels) -> Result<Box<dyn Token>> {
        let turn = TURN.lock();
        let context = Module::load(path)?.initialize(InitArgs::OsLocking)?;
        Ok(Box::new(Connection { session: None, logged_in: false, labels, context, _turn: turn }))
    }
}

/// Fields are dropped in this order: session, library, turn.
struct Connection {
    session: Option<Session>,
    logged_in: bool,
    labels: Labels,
    context: Context,
    _turn: MutexGuard<'static, ()>,
}

impl Connection {
    fn session(&self) -> Result<&Session> {
        self.session
            .as_ref()
            .ok_or_else(|| TokenError { rv: None, detail: "no session is open".to_owned() })
    }

    fn slot(&self, label: Option<&str>) -> Result<Option<SlotId>> {
        match label {
            // The field is blank-padded on the token, the label somebody typed may be too.
            Some(label) => Ok(self.context.slot_by_label(label.trim_end_matches(' '))?),
            None => Ok(self.context.slots(true)?.first().copied()),
        }
    }
}

impl Token for Connection {
    fn connect(&mut self, label: Option<&str>) -> Result<Option<HsmDetails>> {
        let Some(slot) = self.slot(label)? else { return Ok(None) };
        let token = self.context.token_info(slot)?;
        self.session = Some(self.context.open_session(slot, Access::ReadWrite)?);
        Ok(Some(HsmDetails {
            slot: slot.0,
            token_label: token.label,
            manufacturer: token.manufacturer,
            model: token.model,
            serial_number: token.serial_number,
            firmware_version: token.firmware_version.to_string(),
        }))
    }

    fn login(&mut self, credential: &Secret) -> Result<()> {
        let pin = Pin::new(credential.expose().to_vec());
        self.session()?.login(UserType::CRYPTO_OFFICER, &pin)?;
        self.logged_in = true;
        Ok(())
    }

    fn root_keys(&mut self) -> Result<Vec<Found>> {
        let session = self.session()?;
        let mut found = Vec::new();
        for handle in session.find(&[Attribute::text(CKA_LABEL, &self.labels.root_key)])? {
            let id = session.attribute(handle, CKA_ID)?;
            found.push(Found { handle: Handle(handle.0), id });
        }
        Ok(found)
    }

    fn number_objects(&mut self, number: KeyNumber) -> Result<Vec<Handle>> {
        let found = self.session()?.find(&[
            Attribute::text(CKA_LABEL, &self.labels.key_number),
            Attribute::bytes(CKA_VALUE, number.id()),
        ])?;
        Ok(found.into_iter().map(|handle| Handle(handle.0)).collect())
    }

    fn generate(&mut self, number: KeyNumber) -> Result<Handle> {
        let template = [
            Attribute::ulong(CKA_CLASS, CKO_SECRET_KEY),
            Attribute::ulong(CKA_KEY_TYPE, CKK_AES),
            Attribute::text(CKA_LABEL, &self.labels.root_key),
            Attribute::bytes(CKA_ID, number.id()),
            Attribute::ulong(CKA_VALUE_LEN, ROOT_KEY_LEN),
            Attribute::bool(CKA_TOKEN, true),
            Attribute::bool(CKA_PRIVATE, true),
            Attribute::bool(CKA_SENSITIVE, true),
            Attribute::bool(CKA_EXTRACTABLE, false),
            Attribute::bool(CKA_MODIFIABLE, false),
            Attribute::bool(CKA_ENCRYPT, true),
            Attribute::bool(CKA_DECRYPT, true),
            Attribute::bool(CKA_WRAP, false),
            Attribute::bool(CKA_UNWRAP, false),
            Attribute::bool(CKA_SIGN, false),
            Attribute::bool(CKA_VERIFY, false),
            Attribute::bool(CKA_DERIVE, false),
        ];
        let handle = self.session()?.generate_key(&Mechanism::Plain(CKM_AES_KEY_GEN), &template)?;
        Ok(Handle(handle.0))
    }

    fn record_number(&mut self, number: KeyNumber) -> Result<Handle> {
        let handle = self.session()?.create_object(&[
            Attribute::ulong(CKA_CLASS, CKO_DATA),
            Attribute::bool(CKA_TOKEN, true),
            Attribute::bool(CKA_PRIVATE, true),
            Attribute::text(CKA_LABEL, &self.labels.key_number),
            Attribute::bytes(CKA_VALUE, number.id()),
        ])?;
        Ok(Handle(handle.0))
    }

    fn destroy(&mut self, object: Handle) -> Result<()> {
        Ok(self.session()?.destroy(ObjectHandle(object.0))?)
    }

    fn encrypt(&mut self, key: Handle, iv: &[u8; 16], plaintext: &Secret) -> Result<Vec<u8>> {
        let mechanism = Mechanism::aes_cbc_pad(*iv);
        Ok(self.session()?.encrypt(&mechanism, ObjectHandle(key.0), plaintext.expose())?)
    }

    fn decrypt(&mut self, key: Handle, iv: &[u8; 16], ciphertext: &[u8]) -> Result<Secret> {
        let mechanism = Mechanism::aes_cbc_pad(*iv);
        let plaintext = self.session()?.decrypt(&mechanism, ObjectHandle(key.0), ciphertext)?;
        Ok(Secret::new(plaintext))
    }

    fn disconnect(self: Box<Self>) -> Result<()> {
        let Self { session, logged_in, context, labels: _, _turn } = *self;
        let logged_out = match &session {
            Some(session) if logged_in => session.logout(),
            _ => Ok(()),
        };
        let closed = session.map_or(Ok(()), Session::close);
        let finalized = context.finalize();
        Ok(logged_out.and(closed).and(finalized)?)
    }
}
