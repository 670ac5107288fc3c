//! A token in memory, for unit tests: it can answer what no healthy module does.
//!
//! It encrypts with AES-256-GCM, since the sealing room has no CBC; whether padding is judged right is a matter
//! for the tests against a real module.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Found, Handle, Labels, Loader, Result, Token, TokenError};
use crate::blob::KeyNumber;
use crate::seal::{self, Key};
use crate::secret::Secret;
use crate::store::HsmDetails;

/// A call that can be told to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    Load,
    Connect,
    Login,
    Find,
    Generate,
    /// The key is made, but the answer is an error: its reply was lost.
    GenerateReply,
    Record,
    Destroy,
    Encrypt,
    Decrypt,
    Disconnect,
}

#[derive(Clone)]
pub(crate) enum Object {
    Root { id: Vec<u8>, key: Key },
    Number(KeyNumber),
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) objects: Vec<(u64, Object)>,
    pub(crate) credential: Vec<u8>,
    pub(crate) logins: u32,
    pub(crate) loads: u32,
    pub(crate) open: u32,
    /// How often the call fails from now on, and with what.
    pub(crate) faults: HashMap<Call, (u32, u64)>,
    next: u64,
}

impl State {
    fn fault(&mut self, call: Call) -> Result<()> {
        match self.faults.get_mut(&call) {
            Some((left, rv)) if *left > 0 => {
                *left -= 1;
                Err(TokenError { rv: Some(*rv), detail: format!("{call:?}") })
            }
            _ => Ok(()),
        }
    }

    fn add(&mut self, object: Object) -> Handle {
        self.next += 1;
        self.objects.push((self.next, object));
        Handle(self.next)
    }

    fn key(&self, handle: Handle) -> Result<Key> {
        match self.objects.iter().find(|(at, _)| *at == handle.0) {
            Some((_, Object::Root { key, .. })) => Ok(key.clone()),
            _ => Err(TokenError { rv: Some(0x60), detail: "key".to_owned() }),
        }
    }
}

/// The HSM; clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Memory(pub(crate) Arc<Mutex<State>>);

impl Memory {
    pub(crate) fn new(credential: &str) -> Self {
        let memory = Self::default();
        memory.0.lock().credential = credential.as_bytes().to_vec();
        memory
    }

    pub(crate) fn fail(&self, call: Call, times: u32, rv: u64) {
        self.0.lock().faults.insert(call, (times, rv));
    }

    pub(crate) fn objects(&self) -> usize {
        self.0.lock().objects.len()
    }
}

impl Loader for Memory {
    fn load(&self, _: &Path, _: Labels) -> Result<Box<dyn Token>> {
        let mut state = self.0.lock();
        state.loads += 1;
        state.fault(Call::Load)?;
        state.open += 1;
        Ok(Box::new(Run(self.clone())))
    }
}

struct Run(Memory);

impl Drop for Run {
    fn drop(&mut self) {
        self.0.0.lock().open -= 1;
    }
}

impl Token for Run {
    fn connect(&mut self, label: Option<&str>) -> Result<Option<HsmDetails>> {
        self.0.0.lock().fault(Call::Connect)?;
        Ok(label.is_none_or(|label| label == "memory").then(|| HsmDetails {
            slot: 0,
            token_label: "memory".to_owned(),
            manufacturer: String::new(),
            model: String::new(),
            serial_number: String::new(),
            firmware_version: String::new(),
        }))
    }

    fn login(&mut self, credential: &Secret) -> Result<()> {
        let mut state = self.0.0.lock();
        state.logins += 1;
        state.fault(Call::Login)?;
        if state.credential == credential.expose() {
            Ok(())
        } else {
            Err(TokenError { rv: Some(0xa0), detail: "C_Login".to_owned() })
        }
    }

    fn root_keys(&mut self) -> Result<Vec<Found>> {
        let mut state = self.0.0.lock();
        state.fault(Call::Find)?;
        let found = state.objects.iter().filter_map(|(at, object)| match object {
            Object::Root { id, .. } => Some(Found { handle: Handle(*at), id: Some(id.clone()) }),
            Object::Number(_) => None,
        });
        Ok(found.collect())
    }

    fn number_objects(&mut self, number: KeyNumber) -> Result<Vec<Handle>> {
        let state = self.0.0.lock();
        let found = state.objects.iter().filter_map(|(at, object)| match object {
            Object::Number(recorded) if *recorded == number => Some(Handle(*at)),
            _ => None,
        });
        Ok(found.collect())
    }

    fn generate(&mut self, number: KeyNumber) -> Result<Handle> {
        let mut state = self.0.0.lock();
        state.fault(Call::Generate)?;
        let key = seal::random_key().unwrap();
        let handle = state.add(Object::Root { id: number.id().to_vec(), key });
        state.fault(Call::GenerateReply)?;
        Ok(handle)
    }

    fn record_number(&mut self, number: KeyNumber) -> Result<Handle> {
        let mut state = self.0.0.lock();
        state.fault(Call::Record)?;
        Ok(state.add(Object::Number(number)))
    }

    fn destroy(&mut self, object: Handle) -> Result<()> {
        let mut state = self.0.0.lock();
        state.fault(Call::Destroy)?;
        state.objects.retain(|(at, _)| *at != object.0);
        Ok(())
    }

    fn encrypt(&mut self, key: Handle, iv: &[u8; 16], plaintext: &Secret) -> Result<Vec<u8>> {
        let mut state = self.0.0.lock();
        state.fault(Call::Encrypt)?;
        let mut sealed = seal::seal(&state.key(key)?, iv, plaintext.expose()).unwrap();
        // Whole blocks, as the blob wants them: the last byte tells how much was added.
        let more = 16 - sealed.len() % 16;
        sealed.resize(sealed.len() + more, u8::try_from(more).unwrap());
        Ok(sealed)
    }

    fn decrypt(&mut self, key: Handle, iv: &[u8; 16], ciphertext: &[u8]) -> Result<Secret> {
        let mut state = self.0.0.lock();
        state.fault(Call::Decrypt)?;
        let key = state.key(key)?;
        let length = ciphertext.len() - usize::from(*ciphertext.last().unwrap());
        match seal::open(&key, iv, &ciphertext[..length]) {
            Ok(plaintext) => Ok(Secret::new(plaintext.to_vec())),
            Err(_) => Err(TokenError { rv: Some(0x40), detail: "C_Decrypt".to_owned() }),
        }
    }

    fn disconnect(self: Box<Self>) -> Result<()> {
        self.0.0.lock().fault(Call::Disconnect)
    }
}
