//! A module that answers wrongly on purpose, in one way at a time.

use luna_ck::*;
use luna_client::module::exact::{Purpose, Room};
use luna_client::{Error, Module};
use luna_model::{Answer, Call, Given, Target};

/// One way to be wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Lie {
    /// A bad signature verifies.
    BadSignatureAccepted,
    /// A good one does not.
    GoodSignatureRefused,
    /// A bit of a digest.
    DigestChanged,
    /// A bit of what a part of a message gives.
    PartChanged,
    /// A key that only the module knows encrypts by chance.
    HiddenKeyForgotten,
    /// One byte less than will come.
    LengthTooShort,
    /// A byte behind the buffer.
    WrittenBehind,
    /// A short buffer ends the operation.
    ShortBufferEnds,
    /// A question for the length ends it.
    QuestionEnds,
    /// An error leaves it running: the next call finds it.
    ErrorEndsNothing,
    /// A second Init is taken.
    SecondInitTaken,
    /// A key does what its flags forbid.
    UsageIgnored,
    /// One object is not found.
    FoundTooFew,
    /// Every object is found twice.
    FoundTwice,
    /// Objects that are gone are found.
    FoundStale,
    /// A label is another.
    AttributeChanged,
    /// The value of a sensitive key is told.
    SecretTold,
    /// A change is said to be done and is not.
    ChangeNotDone,
    /// Of a refused change the first half is done.
    HalfDone,
    /// A copy forgets what it should change.
    CopyChangesNothing,
    /// An object said to be destroyed is not.
    NotDestroyed,
    /// A wrong PIN is said to be right.
    WrongPinAccepted,
    /// A logout is said to be done and is not.
    NotLoggedOut,
    /// A session said to be closed is not.
    NotClosed,
    /// A read-only session is said to write.
    StateWrong,
    /// Another code than the standard's for a wrong handle.
    OddCode,
}

pub(crate) const ALL: [Lie; 26] = [
    Lie::BadSignatureAccepted,
    Lie::GoodSignatureRefused,
    Lie::DigestChanged,
    Lie::PartChanged,
    Lie::HiddenKeyForgotten,
    Lie::LengthTooShort,
    Lie::WrittenBehind,
    Lie::ShortBufferEnds,
    Lie::QuestionEnds,
    Lie::ErrorEndsNothing,
    Lie::SecondInitTaken,
    Lie::UsageIgnored,
    Lie::FoundTooFew,
    Lie::FoundTwice,
    Lie::FoundStale,
    Lie::AttributeChanged,
    Lie::SecretTold,
    Lie::ChangeNotDone,
    Lie::HalfDone,
    Lie::CopyChangesNothing,
    Lie::NotDestroyed,
    Lie::WrongPinAccepted,
    Lie::NotLoggedOut,
    Lie::NotClosed,
    Lie::StateWrong,
    Lie::OddCode,
];

/// The module, and what it is wrong about.
pub(crate) struct Liar {
    pub(crate) module: Module,
    pub(crate) lie: Lie,
    stale: Vec<u64>,
    count: u8,
}

impl Liar {
    pub(crate) fn new(module: Module, lie: Lie) -> Self {
        Self { module, lie, stale: Vec::new(), count: 0 }
    }

    /// Ends an operation behind the caller's back.
    fn end(&mut self, call: &Call) {
        let (purpose, session) = match call {
            Call::Single(purpose, session, ..)
            | Call::Update(purpose, session, ..)
            | Call::Finish(purpose, session, ..) => (*purpose, *session),
            _ => return,
        };
        let _ = self.module.call(&Call::Finish(purpose, session, Room::NoLength));
    }

    /// What is not done although it will be said to be.
    fn left_undone(&self, call: &Call) -> bool {
        matches!(
            (self.lie, call),
            (Lie::ChangeNotDone, Call::SetAttributes(..))
                | (Lie::NotDestroyed, Call::Destroy(..))
                | (Lie::NotLoggedOut, Call::Logout(_))
                | (Lie::NotClosed, Call::CloseSession(_))
        )
    }

    fn changed(&self, call: &Call) -> Call {
        match (self.lie, call) {
            (Lie::CopyChangesNothing, Call::Copy(session, source, _)) => {
                Call::Copy(*session, *source, Vec::new())
            }
            (Lie::HalfDone, Call::SetAttributes(session, object, template)) => {
                let first = template[..template.len().min(1)].to_vec();
                let _ = self.module.clone().call(&Call::SetAttributes(*session, *object, first));
                call.clone()
            }
            _ => call.clone(),
        }
    }

    fn code(&self, call: &Call, rv: CK_RV) -> CK_RV {
        let lies: &[(Lie, CK_RV, CK_RV)] = &[
            (Lie::BadSignatureAccepted, CKR_SIGNATURE_INVALID, CKR_OK),
            (Lie::ErrorEndsNothing, CKR_OPERATION_NOT_INITIALIZED, CKR_DATA_LEN_RANGE),
            (Lie::SecondInitTaken, CKR_OPERATION_ACTIVE, CKR_OK),
            (Lie::UsageIgnored, CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_OK),
            (Lie::WrongPinAccepted, CKR_PIN_INCORRECT, CKR_OK),
            (Lie::OddCode, CKR_OBJECT_HANDLE_INVALID, CKR_GENERAL_ERROR),
        ];
        if (self.lie, rv) == (Lie::GoodSignatureRefused, CKR_OK)
            && matches!(call, Call::Verify(..) | Call::VerifyFinal(..))
        {
            return CKR_SIGNATURE_INVALID;
        }
        lies.iter().find(|lie| (lie.0, lie.1) == (self.lie, rv)).map_or(rv, |lie| lie.2)
    }

    fn given(&mut self, call: &Call, answer: &mut Answer) {
        let ok = answer.rv == CKR_OK;
        match (self.lie, call, &mut answer.given) {
            (Lie::DigestChanged, Call::Single(Purpose::Digest, ..), Given::Bytes(left))
            | (Lie::PartChanged, Call::Update(..), Given::Bytes(left)) => flip(&mut left.buffer, 0),
            (Lie::HiddenKeyForgotten, Call::Single(Purpose::Encrypt, ..), Given::Bytes(left)) => {
                self.count = self.count.wrapping_add(1);
                flip(&mut left.buffer, self.count);
            }
            (Lie::LengthTooShort, Call::Single(.., Room::Ask), Given::Bytes(left)) if ok => {
                left.len = left.len.saturating_sub(1);
            }
            (Lie::WrittenBehind, _, Given::Bytes(left)) => left.overrun = true,
            (Lie::ShortBufferEnds, ..) if answer.rv == CKR_BUFFER_TOO_SMALL => self.end(call),
            (Lie::QuestionEnds, Call::Single(.., Room::Ask), _) if ok => self.end(call),
            (Lie::FoundTooFew, _, Given::Found(count, found)) => {
                found.pop();
                *count = found.len() as u64;
            }
            (Lie::FoundTwice, Call::FindNext(_, most), Given::Found(count, found)) => {
                let again = found.clone();
                found.extend(again);
                found.truncate(*most);
                *count = found.len() as u64;
            }
            (Lie::FoundStale, Call::FindNext(_, most), Given::Found(count, found))
                if found.len() < *most && !found.is_empty() =>
            {
                found.extend(self.stale.first());
                *count = found.len() as u64;
            }
            (Lie::AttributeChanged, Call::Attributes(_, _, asked), Given::Attributes(left)) => {
                let label = asked.iter().position(|(kind, _)| *kind == CKA_LABEL);
                label.into_iter().for_each(|at| flip(&mut left[at].buffer, 0));
            }
            (Lie::SecretTold, _, Given::Attributes(left))
                if answer.rv == CKR_ATTRIBUTE_SENSITIVE =>
            {
                let hidden = left.iter_mut().find(|left| left.len == CK_ULONG::MAX);
                hidden.into_iter().for_each(|left| left.len = 16);
            }
            (Lie::StateWrong, _, Given::Info(info)) if info[1] == CKS_RO_USER_FUNCTIONS => {
                info[1] = CKS_RW_USER_FUNCTIONS;
            }
            _ => {}
        }
    }
}

fn flip(buffer: &mut [u8], with: u8) {
    if let Some(first) = buffer.first_mut() {
        *first ^= 0x80 | with;
    }
}

impl Target for Liar {
    fn call(&mut self, call: &Call) -> Result<Answer, Error> {
        // Only what would have worked is worth lying about.
        if self.left_undone(call) {
            let known = match call {
                Call::SetAttributes(session, object, _) | Call::Destroy(session, object) => {
                    self.module.call(&Call::SetAttributes(*session, *object, Vec::new()))?.rv
                }
                Call::Logout(session) | Call::CloseSession(session) => {
                    self.module.call(&Call::SessionInfo(*session))?.rv
                }
                _ => CKR_OK,
            };
            if known == CKR_OK {
                return Ok(Answer::code(CKR_OK));
            }
        }
        if let Call::Destroy(_, object) = call {
            self.stale.push(*object);
        }
        let mut answer = self.module.call(&self.changed(call))?;
        answer.rv = self.code(call, answer.rv);
        self.given(call, &mut answer);
        Ok(answer)
    }
}
