//! What is checked: anything that answers calls. A module answers them through its function table.

use luna_ck::*;
use luna_client::module::exact::{Left, LeftAttribute};
use luna_client::{Error, Module};

use crate::call::{Call, Names};

/// What came back.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The code.
    pub rv: CK_RV,
    /// The rest, as it was left behind, whatever the code.
    pub given: Given,
}

/// What a call can leave behind beside its code.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    /// Nothing.
    Nothing,
    /// A session or an object.
    Handle(u64),
    /// The public and the private key.
    Pair([u64; 2]),
    /// How many the call says it found, and those there was room for.
    Found(u64, Vec<u64>),
    /// Bytes, and their length.
    Bytes(Left),
    /// Attributes in the order they were asked for.
    Attributes(Vec<LeftAttribute>),
    /// Slot, state and flags.
    Info([u64; 3]),
}

impl Answer {
    /// A code alone.
    pub fn code(rv: CK_RV) -> Self {
        Self { rv, given: Given::Nothing }
    }

    /// For a listing: what the code does not say.
    pub(crate) fn remark(&self, names: &Names) -> String {
        match &self.given {
            Given::Found(_, found) if self.rv == CKR_OK => {
                let found: Vec<_> = found.iter().map(|handle| names.of_object(*handle)).collect();
                format!(": {{{}}}", found.join(", "))
            }
            Given::Bytes(left) if self.rv == CKR_OK || self.rv == CKR_BUFFER_TOO_SMALL => {
                let len = usize::try_from(left.len).unwrap_or(usize::MAX);
                match left.buffer.get(..len) {
                    Some(bytes) => format!(": {}", crate::call::bytes(bytes)),
                    None => format!(": length {}", left.len),
                }
            }
            Given::Attributes(each) => {
                let each: Vec<_> = each.iter().map(attribute_remark).collect();
                format!(": {{{}}}", each.join(" | "))
            }
            Given::Info([_, state, _]) if self.rv == CKR_OK => {
                format!(": {}", luna_ck::names::name(luna_ck::names::CKS, *state))
            }
            _ => String::new(),
        }
    }
}

fn attribute_remark(left: &LeftAttribute) -> String {
    let len = usize::try_from(left.len).unwrap_or(usize::MAX);
    match left.buffer.get(..len) {
        _ if left.len == CK_UNAVAILABLE_INFORMATION => "-1".to_owned(),
        Some(bytes) if !bytes.is_empty() => crate::call::bytes(bytes),
        _ => left.len.to_string(),
    }
}

/// Something that answers calls.
pub trait Target {
    /// Makes the call.
    ///
    /// # Errors
    /// Where it could not be made at all: the function is missing, or would have followed a wrong pointer.
    fn call(&mut self, call: &Call) -> Result<Answer, Error>;
}

impl Target for Module {
    fn call(&mut self, call: &Call) -> Result<Answer, Error> {
        let raw = self.raw();
        let exact = raw.exact();
        let code = |rv| Answer { rv, given: Given::Nothing };
        let handle = |(rv, handle)| Answer { rv, given: Given::Handle(handle) };
        let bytes = |left: Left| Answer { rv: left.rv, given: Given::Bytes(left) };
        Ok(match call {
            Call::OpenSession(slot, flags) => handle(exact.open_session(*slot, *flags)?),
            Call::CloseSession(session) => code(exact.close_session(*session)?),
            Call::CloseAllSessions(slot) => code(exact.close_all_sessions(*slot)?),
            Call::SessionInfo(session) => {
                let (rv, info) = exact.session_info(*session)?;
                Answer { rv, given: Given::Info([info.slotID, info.state, info.flags]) }
            }
            Call::Login(session, user, pin) => code(exact.login(*session, *user, pin)?),
            Call::Logout(session) => code(exact.logout(*session)?),
            Call::Create(session, template) => handle(exact.create(*session, template)?),
            Call::Copy(session, source, template) => {
                handle(exact.copy(*session, *source, template)?)
            }
            Call::Destroy(session, object) => code(exact.destroy(*session, *object)?),
            Call::Attributes(session, object, asked) => {
                let (rv, left) = exact.attributes(*session, *object, asked)?;
                Answer { rv, given: Given::Attributes(left) }
            }
            Call::SetAttributes(session, object, template) => {
                code(exact.set_attributes(*session, *object, template)?)
            }
            Call::FindInit(session, wanted) => code(exact.find_init(*session, wanted)?),
            Call::FindNext(session, most) => {
                let (rv, count, found) = exact.find_next(*session, *most)?;
                Answer { rv, given: Given::Found(count, found) }
            }
            Call::FindFinal(session) => code(exact.find_final(*session)?),
            Call::GenerateKey(session, mechanism, template) => {
                handle(exact.generate_key(*session, mechanism, template)?)
            }
            Call::GenerateKeyPair(session, mechanism, public, private) => {
                let (rv, pair) = exact.generate_key_pair(*session, mechanism, public, private)?;
                Answer { rv, given: Given::Pair(pair) }
            }
            Call::Init(purpose, session, mechanism, key) => {
                code(exact.init(*purpose, *session, mechanism, *key)?)
            }
            Call::Single(purpose, session, input, room) => {
                bytes(exact.single(*purpose, *session, input, *room)?)
            }
            Call::Update(purpose, session, input, room) => {
                bytes(exact.update(*purpose, *session, input, *room)?)
            }
            Call::Absorb(purpose, session, input) => code(exact.absorb(*purpose, *session, input)?),
            Call::Finish(purpose, session, room) => bytes(exact.finish(*purpose, *session, *room)?),
            Call::Verify(session, input, signature) => {
                code(exact.verify(*session, input, signature)?)
            }
            Call::VerifyFinal(session, signature) => code(exact.verify_final(*session, signature)?),
        })
    }
}
