//! The rules for output of variable length, which every function that has such output obeys alike.
//!
//! Source: PKCS#11 v2.40, section 5.2, "Conventions for functions returning output in a variable-length buffer".

use luna_client::ck::*;
use luna_client::module::exact::{Input, Left, Purpose, Room};
use luna_client::{Mechanism, ObjectHandle, Session};

use crate::check::{Finding, Outcome, agree, answers, ensure};
use crate::stage::Stage;

/// The clause.
pub(super) const CLAUSE: &str = "section 5.2 (output in a variable-length buffer)";

/// One operation on one message.
#[derive(Debug)]
pub(super) struct Operation<'a> {
    pub(super) session: &'a Session,
    pub(super) purpose: Purpose,
    pub(super) mechanism: &'a Mechanism,
    /// 0 for a digest.
    pub(super) key: ObjectHandle,
    pub(super) data: &'a [u8],
}

impl Operation<'_> {
    fn name(&self) -> &'static str {
        match self.purpose {
            Purpose::Encrypt => "C_Encrypt",
            Purpose::Decrypt => "C_Decrypt",
            Purpose::Digest => "C_Digest",
            Purpose::Sign => "C_Sign",
            Purpose::Verify => "C_Verify",
        }
    }

    /// Starts it, for a check of what comes after: that it starts at all is asked once, by [`Self::starts`].
    pub(super) fn begin(&self, stage: &Stage) -> Outcome {
        let session = self.session.handle().0;
        match stage.exact().init(self.purpose, session, self.mechanism, self.key.0)? {
            CKR_OK => Ok(()),
            rv => {
                let (name, code) = (self.name(), names::ckr(rv));
                let reason = format!("{name}Init answers {code}, which another check asks about");
                Err(Finding::not_applicable(reason))
            }
        }
    }

    /// A mechanism that is listed starts with a key that fits.
    pub(super) fn starts(&self, stage: &Stage) -> Outcome {
        let session = self.session.handle().0;
        let rv = stage.exact().init(self.purpose, session, self.mechanism, self.key.0)?;
        answers(&format!("{}Init", self.name()), rv, &[CKR_OK])?;
        self.give_up(stage);
        Ok(())
    }

    /// The one call that does it all.
    pub(super) fn single(&self, stage: &Stage, room: Room) -> Outcome<Left> {
        let input = Input::Bytes(self.data.to_vec());
        let session = self.session.handle().0;
        Ok(stage.exact().single(self.purpose, session, &input, room)?)
    }

    /// From the beginning to the end, with room enough.
    pub(super) fn whole(&self, stage: &Stage) -> Outcome<Vec<u8>> {
        self.begin(stage)?;
        let left = self.single(stage, Room::Bytes(self.data.len() + 8192))?;
        answers(self.name(), left.rv, &[CKR_OK])?;
        ensure(!left.overrun, "nothing is written behind the buffer", "bytes behind it changed")?;
        let len = usize::try_from(left.len).unwrap_or(usize::MAX);
        let fits = format!("at most {} bytes come out", left.buffer.len());
        ensure(len <= left.buffer.len(), fits, format!("a length of {len}"))?;
        Ok(left.buffer.get(..len).unwrap_or_default().to_vec())
    }

    /// Ends what a check has begun; nothing where it has ended by itself.
    pub(super) fn give_up(&self, stage: &Stage) {
        let _ = self.single(stage, Room::Bytes(self.data.len() + 8192));
    }

    /// A question for the length: it is answered, is enough, and ends nothing.
    pub(super) fn length_query(&self, stage: &Stage, exact: bool) -> Outcome {
        self.begin(stage)?;
        let asked = self.single(stage, Room::Ask)?;
        let name = self.name();
        answers(&format!("{name} with no buffer"), asked.rv, &[CKR_OK])?;
        let said = usize::try_from(asked.len).unwrap_or(usize::MAX);
        let possible = said <= self.data.len() + 8192;
        ensure(possible, "a length that can be", format!("a length of {said}"))?;
        let left = self.single(stage, Room::Bytes(said))?;
        answers(&format!("{name} with as much room as was asked for"), left.rv, &[CKR_OK])?;
        ensure(!left.overrun, "nothing is written behind the buffer", "bytes behind it changed")?;
        let got = usize::try_from(left.len).unwrap_or(usize::MAX);
        if exact {
            agree(
                said == got,
                format!("the question for the length was answered with {said}"),
                format!("{got} bytes came"),
            )
        } else {
            agree(
                got <= said,
                format!("the question for the length was answered with {said}"),
                format!("{got} bytes came"),
            )
        }
    }

    /// One byte too few: told so, with the length, and the operation goes on.
    pub(super) fn short_buffer(&self, stage: &Stage) -> Outcome {
        let whole = self.whole(stage)?;
        if whole.is_empty() {
            return Ok(());
        }
        self.begin(stage)?;
        let name = self.name();
        let left = self.single(stage, Room::Bytes(whole.len() - 1))?;
        answers(&format!("{name} with a byte too few"), left.rv, &[CKR_BUFFER_TOO_SMALL])?;
        ensure(!left.overrun, "nothing is written behind the buffer", "bytes behind it changed")?;
        let least = format!("the length wanted, {} or more", whole.len());
        let said = usize::try_from(left.len).unwrap_or(usize::MAX);
        let told = (whole.len()..=whole.len() + 8192).contains(&said);
        ensure(told, least, format!("a length of {said}"))?;
        let again = self.single(stage, Room::Bytes(said))?;
        answers(&format!("{name} again, with room"), again.rv, &[CKR_OK])
    }

    /// After the call that did it all there is no operation.
    pub(super) fn ends(&self, stage: &Stage) -> Outcome {
        self.whole(stage)?;
        let left = self.single(stage, Room::Bytes(self.data.len() + 8192))?;
        let call = format!("{} after the operation has ended", self.name());
        answers(&call, left.rv, &[CKR_OPERATION_NOT_INITIALIZED])
    }

    /// No pointer to a length is an argument that is bad.
    pub(super) fn no_length(&self, stage: &Stage) -> Outcome {
        self.begin(stage)?;
        let left = self.single(stage, Room::NoLength)?;
        let call = format!("{} with no pointer to a length", self.name());
        answers(&call, left.rv, &[CKR_ARGUMENTS_BAD])?;
        let after = self.single(stage, Room::Bytes(self.data.len() + 8192))?;
        let call = format!("{} after a call that failed", self.name());
        answers(&call, after.rv, &[CKR_OPERATION_NOT_INITIALIZED])
    }
}
