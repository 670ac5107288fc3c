//! Digests: each rule for each mechanism of `data/mechanisms.toml`.

use luna_client::ck::*;
use luna_client::module::exact::{Input, Purpose, Room};
use luna_client::{Mechanism, ObjectHandle, Session};

use super::output::{self, Operation};
use crate::check::{Finding, Needs, Outcome, Registry, Source, answers, refused, same};
use crate::mechanism::{Hash, Table, ckm, message, with_parameter};
use crate::software;
use crate::stage::Stage;

type Rule = (&'static str, &'static str, &'static str, fn(&mut Stage, &Hash) -> Outcome);

const RULES: &[Rule] = &[
    ("size", "a digest has its length", "section 5.10 (C_Digest)", size),
    (
        "software",
        "the digest is the one another implementation makes",
        "mechanisms, section 2",
        by_software,
    ),
    (
        "parts",
        "a message in parts gives what it gives whole",
        "section 5.10 (C_DigestUpdate)",
        parts,
    ),
    ("empty", "an empty message has a digest", "section 5.10 (C_Digest)", empty),
    (
        "repeats",
        "the same message gives the same digest, another another",
        "mechanisms, section 2",
        repeats,
    ),
    (
        "length-query",
        "a question for the length is answered and ends nothing",
        output::CLAUSE,
        length_query,
    ),
    ("short-buffer", "too little room is told and ends nothing", output::CLAUSE, short_buffer),
    (
        "no-length",
        "no pointer to a length is refused and ends the operation",
        output::CLAUSE,
        no_length,
    ),
    ("ends", "C_Digest ends the operation", "section 5.10 (C_Digest)", ends),
    ("active", "a second C_DigestInit is refused", "section 5.10 (C_DigestInit)", active),
    (
        "after-update",
        "C_Digest after C_DigestUpdate is refused",
        "section 5.10 (C_Digest)",
        after_update,
    ),
    (
        "parameter-extra",
        "a parameter that does not belong there is refused",
        "section 5.10 (C_DigestInit)",
        parameter_extra,
    ),
];

pub(super) fn register(registry: &mut Registry) {
    for row in Table::read().digest {
        for (rule, title, clause, run) in RULES {
            if *rule == "software" && row.software.is_empty() {
                continue;
            }
            let id = format!("digest.{}.{rule}", row.name);
            let title = format!("{}: {title}", row.name);
            // A digest needs no key and leaves no object; on a Luna it needs no login either.
            let needs = Needs::officer().mechanisms(&[ckm(&row.name)]).functions(&[
                "C_DigestInit",
                "C_Digest",
                "C_DigestUpdate",
                "C_DigestFinal",
            ]);
            let row = row.clone();
            registry
                .add(id, title, Source::standard(*clause), needs, move |stage| run(stage, &row));
        }
        let id = format!("digest.{}.unlisted", row.name);
        let title = format!("{}: where the token does not list it, its use is refused", row.name);
        let source = Source::standard("section 5.10 (C_DigestInit)");
        registry.add(id, title, source, Needs::officer(), move |stage| {
            let kind = ckm(&row.name);
            if stage.offers(kind, CKF_DIGEST)? {
                return Err(Finding::not_applicable("the token lists it"));
            }
            let mechanism = with_parameter(stage, kind, &row.parameter)?;
            let seen = stage.session()?.digest_init(&mechanism);
            refused("C_DigestInit", seen, &[CKR_MECHANISM_INVALID])
        });
    }
}

struct Ready {
    session: Session,
    mechanism: Mechanism,
    data: Vec<u8>,
}

fn ready(stage: &Stage, row: &Hash) -> Outcome<Ready> {
    let kind = ckm(&row.name);
    stage.wants(kind, CKF_DIGEST)?;
    let mechanism = with_parameter(stage, kind, &row.parameter)?;
    Ok(Ready { session: stage.session()?, mechanism, data: message(300) })
}

impl Ready {
    fn of<'a>(&'a self, data: &'a [u8]) -> Operation<'a> {
        Operation {
            session: &self.session,
            purpose: Purpose::Digest,
            mechanism: &self.mechanism,
            key: ObjectHandle(0),
            data,
        }
    }

    fn operation(&self) -> Operation<'_> {
        self.of(&self.data)
    }
}

fn size(stage: &mut Stage, row: &Hash) -> Outcome {
    let ready = ready(stage, row)?;
    ready.operation().starts(stage)?;
    same("the digest's length", &row.size, &ready.operation().whole(stage)?.len())
}

fn by_software(stage: &mut Stage, row: &Hash) -> Outcome {
    let ready = ready(stage, row)?;
    for len in [1, 55, 64, 111, 300] {
        let data = message(len);
        let expected = software::hash(&row.software, &data).unwrap_or_default();
        same(&format!("the digest of {len} bytes"), &expected, &ready.of(&data).whole(stage)?)?;
    }
    Ok(())
}

fn parts(stage: &mut Stage, row: &Hash) -> Outcome {
    let ready = ready(stage, row)?;
    let operation = ready.operation();
    let whole = operation.whole(stage)?;
    operation.begin(stage)?;
    let (exact, session) = (stage.exact(), ready.session.handle().0);
    for range in [0..1, 1..1, 1..64, 64..129, 129..300] {
        let piece = Input::Bytes(ready.data.get(range).unwrap_or_default().to_vec());
        answers("C_DigestUpdate", exact.absorb(Purpose::Digest, session, &piece)?, &[CKR_OK])?;
    }
    let asked = exact.finish(Purpose::Digest, session, Room::Ask)?;
    answers("C_DigestFinal with no buffer", asked.rv, &[CKR_OK])?;
    let left = exact.finish(Purpose::Digest, session, Room::Bytes(row.size))?;
    answers("C_DigestFinal", left.rv, &[CKR_OK])?;
    same("the digest in parts", &whole, &left.buffer)
}

fn empty(stage: &mut Stage, row: &Hash) -> Outcome {
    let ready = ready(stage, row)?;
    let made = ready.of(&[]).whole(stage)?;
    same("the length of the digest of nothing", &row.size, &made.len())?;
    match software::hash(&row.software, &[]) {
        Some(expected) => same("the digest of nothing", &expected, &made),
        None => Ok(()),
    }
}

fn repeats(stage: &mut Stage, row: &Hash) -> Outcome {
    let ready = ready(stage, row)?;
    let first = ready.operation().whole(stage)?;
    same("the second digest", &first, &ready.operation().whole(stage)?)?;
    let mut other = ready.data.clone();
    if let Some(byte) = other.last_mut() {
        *byte ^= 1;
    }
    let second = ready.of(&other).whole(stage)?;
    crate::check::ensure(first != second, "another digest of another message", "the same")
}

fn length_query(stage: &mut Stage, row: &Hash) -> Outcome {
    ready(stage, row)?.operation().length_query(stage, true)
}

fn short_buffer(stage: &mut Stage, row: &Hash) -> Outcome {
    ready(stage, row)?.operation().short_buffer(stage)
}

fn no_length(stage: &mut Stage, row: &Hash) -> Outcome {
    ready(stage, row)?.operation().no_length(stage)
}

fn ends(stage: &mut Stage, row: &Hash) -> Outcome {
    ready(stage, row)?.operation().ends(stage)
}

fn active(stage: &mut Stage, row: &Hash) -> Outcome {
    let ready = ready(stage, row)?;
    let operation = ready.operation();
    operation.begin(stage)?;
    let session = ready.session.handle().0;
    let rv = stage.exact().init(Purpose::Digest, session, &ready.mechanism, 0)?;
    operation.give_up(stage);
    answers("a second C_DigestInit", rv, &[CKR_OPERATION_ACTIVE])
}

fn after_update(stage: &mut Stage, row: &Hash) -> Outcome {
    let ready = ready(stage, row)?;
    let operation = ready.operation();
    operation.begin(stage)?;
    let input = Input::Bytes(vec![1; 10]);
    let rv = stage.exact().absorb(Purpose::Digest, ready.session.handle().0, &input)?;
    answers("C_DigestUpdate", rv, &[CKR_OK])?;
    let left = operation.single(stage, Room::Bytes(512))?;
    let allowed = [CKR_OPERATION_ACTIVE, CKR_OPERATION_NOT_INITIALIZED, CKR_FUNCTION_FAILED];
    answers("C_Digest after C_DigestUpdate", left.rv, &allowed)
}

fn parameter_extra(stage: &mut Stage, row: &Hash) -> Outcome {
    let ready = ready(stage, row)?;
    let mechanism = Mechanism::Bytes(ckm(&row.name), vec![7; 3]);
    let seen = ready.session.digest_init(&mechanism);
    refused("C_DigestInit with three bytes of parameter", seen, &[CKR_MECHANISM_PARAM_INVALID])
}
