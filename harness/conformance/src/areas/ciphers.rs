//! Encryption: each rule for each mechanism of `data/mechanisms.toml`.

use luna_client::ck::*;
use luna_client::module::exact::{Input, Purpose, Room};
use luna_client::{Attribute, AttributeType, Mechanism, ObjectHandle, Session};

use super::output::{self, Operation};
use crate::check::{Finding, Needs, Outcome, Registry, Source, answers, ensure, refused, same};
use crate::keys::{Cached, Family};
use crate::mechanism::{Table, Use, ckm, message_of, to_decrypt, with_parameter};
use crate::software;
use crate::stage::Stage;

type Rule = (&'static str, &'static str, &'static str, fn(&mut Stage, &Use) -> Outcome);

/// Which rows a rule is for.
fn applies(rule: &str, row: &Use) -> bool {
    match rule {
        "length" => row.block > 1,
        "tampered" => row.authenticated,
        "software" => !row.software.is_empty(),
        "parts" | "parts-decrypt" | "parts-short-buffer" => !row.whole,
        "repeats" => !row.random && row.name != "CKM_AES_GCM",
        "differs" => row.random,
        "parameter-extra" => row.parameter.is_empty() && row.key != Family::Rsa,
        "parameter-missing" => !["", "number256", "rc2", "rc5"].contains(&row.parameter.as_str()),
        "parameter-length" => row.parameter.starts_with("iv") || row.parameter.starts_with("ctr"),
        _ => true,
    }
}

/// Each is asked of every mechanism it applies to.
const RULES: &[Rule] = &[
    ("round-trip", "what was encrypted is decrypted to what it was", "section 5.8", round_trip),
    ("changes", "a ciphertext is not the plaintext", "section 5.8", changes),
    (
        "software",
        "the ciphertext is the one another implementation makes",
        "mechanisms, section 2",
        by_software,
    ),
    (
        "repeats",
        "the same message under the same parameter gives the same ciphertext",
        "mechanisms, section 2",
        repeats,
    ),
    (
        "differs",
        "the same message gives another ciphertext each time",
        "mechanisms, section 2.1",
        differs,
    ),
    (
        "parts",
        "a message in parts gives what it gives whole",
        "section 5.8 (C_EncryptUpdate)",
        parts,
    ),
    (
        "parts-decrypt",
        "a ciphertext in parts is decrypted as it is whole",
        "section 5.9 (C_DecryptUpdate)",
        parts_decrypt,
    ),
    (
        "parts-short-buffer",
        "too little room for a part is told and loses nothing",
        output::CLAUSE,
        parts_short,
    ),
    (
        "length-query",
        "a question for the length of a ciphertext is answered and ends nothing",
        output::CLAUSE,
        length_query,
    ),
    (
        "length-query-decrypt",
        "a question for the length of a plaintext is answered and ends nothing",
        output::CLAUSE,
        length_query_decrypt,
    ),
    (
        "short-buffer",
        "too little room for a ciphertext is told and ends nothing",
        output::CLAUSE,
        short_buffer,
    ),
    (
        "short-buffer-decrypt",
        "too little room for a plaintext is told and ends nothing",
        output::CLAUSE,
        short_buffer_decrypt,
    ),
    (
        "no-length",
        "no pointer to a length is refused and ends the operation",
        output::CLAUSE,
        no_length,
    ),
    ("ends", "C_Encrypt ends the operation", "section 5.8 (C_Encrypt)", ends),
    ("ends-decrypt", "C_Decrypt ends the operation", "section 5.9 (C_Decrypt)", ends_decrypt),
    (
        "after-update",
        "C_Encrypt after C_EncryptUpdate is refused",
        "section 5.8 (C_Encrypt)",
        after_update,
    ),
    ("active", "a second C_EncryptInit is refused", "section 5.8 (C_EncryptInit)", active),
    ("key-type", "a key of another type is refused", "section 5.8 (C_EncryptInit)", key_type),
    ("key-handle", "a handle of nothing is refused", "section 5.8 (C_EncryptInit)", key_handle),
    (
        "encrypt-flag",
        "a key without CKA_ENCRYPT does not encrypt",
        "section 5.8 (C_EncryptInit)",
        encrypt_flag,
    ),
    (
        "decrypt-flag",
        "a key without CKA_DECRYPT does not decrypt",
        "section 5.9 (C_DecryptInit)",
        decrypt_flag,
    ),
    (
        "length",
        "a message that is no multiple of the block is refused",
        "section 5.8 (C_Encrypt)",
        length,
    ),
    (
        "length-decrypt",
        "a ciphertext of a length that cannot be is refused",
        "section 5.9 (C_Decrypt)",
        length_decrypt,
    ),
    (
        "tampered",
        "a ciphertext of which a bit was changed is refused",
        "section 5.9 (C_Decrypt)",
        tampered,
    ),
    (
        "parameter-extra",
        "a parameter for a mechanism that has none is refused",
        "section 5.8 (C_EncryptInit)",
        parameter_extra,
    ),
    (
        "parameter-missing",
        "a mechanism without its parameter is refused",
        "section 5.8 (C_EncryptInit)",
        parameter_missing,
    ),
    (
        "parameter-length",
        "a parameter of another length is refused",
        "section 5.8 (C_EncryptInit)",
        parameter_length,
    ),
];

pub(super) fn register(registry: &mut Registry) {
    for row in Table::read().cipher {
        for (rule, title, clause, run) in RULES {
            if !applies(rule, &row) {
                continue;
            }
            let id = format!("cipher.{}.{rule}", row.name);
            let title = format!("{}: {title}", row.name);
            let needs = Needs::session_objects().mechanisms(&[ckm(&row.name)]).functions(&[
                "C_EncryptInit",
                "C_Encrypt",
                "C_DecryptInit",
                "C_Decrypt",
            ]);
            let row = row.clone();
            registry
                .add(id, title, Source::standard(*clause), needs, move |stage| run(stage, &row));
        }
        let id = format!("cipher.{}.unlisted", row.name);
        let title = format!("{}: where the token does not list it, its use is refused", row.name);
        let source = Source::standard("section 5.8 (C_EncryptInit)");
        registry
            .add(id, title, source, Needs::session_objects(), move |stage| unlisted(stage, &row));
    }
}

/// A session, the key, the mechanism and the message of a row.
struct Ready {
    session: Session,
    key: Cached,
    mechanism: Mechanism,
    data: Vec<u8>,
}

fn ready(stage: &mut Stage, row: &Use, functions: CK_FLAGS) -> Outcome<Ready> {
    let kind = ckm(&row.name);
    for flag in [CKF_ENCRYPT, CKF_DECRYPT].into_iter().filter(|flag| functions & flag != 0) {
        stage.wants(kind, flag)?;
    }
    let key = stage.key(row.key)?;
    let mechanism = with_parameter(stage, kind, &row.parameter)?;
    Ok(Ready { session: stage.session()?, key, mechanism, data: message_of(row) })
}

const BOTH: CK_FLAGS = CKF_ENCRYPT | CKF_DECRYPT;

impl Ready {
    fn encryption(&self) -> Operation<'_> {
        Operation {
            session: &self.session,
            purpose: Purpose::Encrypt,
            mechanism: &self.mechanism,
            key: self.key.public,
            data: &self.data,
        }
    }

    fn sealed(&self, stage: &Stage) -> Outcome<(Mechanism, Vec<u8>)> {
        Ok(to_decrypt(&self.mechanism, &self.encryption().whole(stage)?))
    }

    fn decryption<'a>(&'a self, mechanism: &'a Mechanism, sealed: &'a [u8]) -> Operation<'a> {
        let key = self.key.private;
        let purpose = Purpose::Decrypt;
        Operation { session: &self.session, purpose, mechanism, key, data: sealed }
    }
}

/// Raw RSA gives back the whole number.
fn opened(row: &Use, opened: Vec<u8>) -> Vec<u8> {
    if row.parameter == "number256" {
        let padding = 256_usize.saturating_sub(opened.len());
        return [vec![0; padding], opened].concat();
    }
    opened
}

fn round_trip(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, BOTH)?;
    ready.encryption().starts(stage)?;
    let (mechanism, sealed) = ready.sealed(stage)?;
    ready.decryption(&mechanism, &sealed).starts(stage)?;
    let text = ready.decryption(&mechanism, &sealed).whole(stage)?;
    same("the plaintext", &ready.data, &opened(row, text))
}

fn changes(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, CKF_ENCRYPT)?;
    let (_, sealed) = ready.sealed(stage)?;
    let beginning = sealed.get(..16).unwrap_or(&sealed);
    let found = ready.data.windows(beginning.len().max(1)).any(|window| window == beginning);
    ensure(!found, "a ciphertext unlike the plaintext", "a piece of the plaintext in it")
}

fn by_software(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, CKF_ENCRYPT)?;
    if matches!(&ready.mechanism, Mechanism::AesGcm { iv, .. } if iv.is_empty()) {
        return Err(Finding::not_applicable("in FIPS mode the HSM makes the vector"));
    }
    let Some(key) = &ready.key.value else {
        return Err(Finding::not_applicable("the token takes no key in, so nobody else has it"));
    };
    let expected = software::encrypt(&row.software, key, &ready.data);
    let unknown = Finding::not_applicable("the other implementation refuses it");
    same("the ciphertext", &expected.ok_or(unknown)?, &ready.encryption().whole(stage)?)
}

fn repeats(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, CKF_ENCRYPT)?;
    let first = ready.encryption().whole(stage)?;
    same("the second ciphertext", &first, &ready.encryption().whole(stage)?)
}

fn differs(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, CKF_ENCRYPT)?;
    let first = ready.encryption().whole(stage)?;
    let second = ready.encryption().whole(stage)?;
    ensure(first != second, "two ciphertexts of one message that differ", "the same twice")
}

/// Feeds a message in pieces of odd sizes; gives all that came out.
fn fed(stage: &Stage, operation: &Operation<'_>) -> Outcome<Vec<u8>> {
    operation.begin(stage)?;
    let session = operation.session.handle().0;
    let (exact, mut out) = (stage.exact(), Vec::new());
    let mut rest = operation.data;
    for size in [1, 16, 5, 33, usize::MAX] {
        let (part, more) = rest.split_at(size.min(rest.len()));
        rest = more;
        let room = Room::Bytes(part.len() + 64);
        let input = Input::Bytes(part.to_vec());
        let left = exact.update(operation.purpose, session, &input, room)?;
        answers("an update", left.rv, &[CKR_OK])?;
        out.extend_from_slice(written(&left.buffer, left.len)?);
    }
    let left = exact.finish(operation.purpose, session, Room::Bytes(256))?;
    answers("the end of a message in parts", left.rv, &[CKR_OK])?;
    out.extend_from_slice(written(&left.buffer, left.len)?);
    Ok(out)
}

fn written(buffer: &[u8], len: CK_ULONG) -> Outcome<&[u8]> {
    let room = format!("at most {} bytes", buffer.len());
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    buffer.get(..len).ok_or_else(|| Finding::unlike(room, format!("a length of {len}")))
}

fn parts(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, CKF_ENCRYPT)?;
    let operation = ready.encryption();
    let whole = operation.whole(stage)?;
    same("the ciphertext in parts", &whole, &fed(stage, &operation)?)
}

fn parts_decrypt(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, BOTH)?;
    let (mechanism, sealed) = ready.sealed(stage)?;
    let text = fed(stage, &ready.decryption(&mechanism, &sealed))?;
    same("the plaintext in parts", &ready.data, &text)
}

fn parts_short(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, CKF_ENCRYPT)?;
    let operation = ready.encryption();
    let whole = operation.whole(stage)?;
    operation.begin(stage)?;
    let (exact, session) = (stage.exact(), operation.session.handle().0);
    let input = Input::Bytes(ready.data.clone());
    let short = exact.update(operation.purpose, session, &input, Room::Bytes(1))?;
    answers("C_EncryptUpdate with room for one byte", short.rv, &[CKR_BUFFER_TOO_SMALL])?;
    let room = Room::Bytes(ready.data.len() + 64);
    let left = exact.update(operation.purpose, session, &input, room)?;
    answers("C_EncryptUpdate again, with room", left.rv, &[CKR_OK])?;
    let end = exact.finish(operation.purpose, session, Room::Bytes(256))?;
    answers("C_EncryptFinal", end.rv, &[CKR_OK])?;
    let made = [written(&left.buffer, left.len)?, written(&end.buffer, end.len)?].concat();
    same("the ciphertext", &whole, &made)
}

fn length_query(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, CKF_ENCRYPT)?;
    ready.encryption().length_query(stage, false)
}

fn length_query_decrypt(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, BOTH)?;
    let (mechanism, sealed) = ready.sealed(stage)?;
    ready.decryption(&mechanism, &sealed).length_query(stage, false)
}

fn short_buffer(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, CKF_ENCRYPT)?;
    ready.encryption().short_buffer(stage)
}

fn short_buffer_decrypt(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, BOTH)?;
    let (mechanism, sealed) = ready.sealed(stage)?;
    ready.decryption(&mechanism, &sealed).short_buffer(stage)
}

fn no_length(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, CKF_ENCRYPT)?;
    ready.encryption().no_length(stage)
}

fn ends(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, CKF_ENCRYPT)?;
    ready.encryption().ends(stage)
}

fn ends_decrypt(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, BOTH)?;
    let (mechanism, sealed) = ready.sealed(stage)?;
    ready.decryption(&mechanism, &sealed).ends(stage)
}

fn after_update(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, CKF_ENCRYPT)?;
    let operation = ready.encryption();
    operation.begin(stage)?;
    let session = ready.session.handle().0;
    let input = Input::Bytes(ready.data.clone());
    let room = Room::Bytes(ready.data.len() + 64);
    let left = stage.exact().update(Purpose::Encrypt, session, &input, room)?;
    if left.rv != CKR_OK {
        let reason = format!("it takes no parts: {}", names::ckr(left.rv));
        return Err(Finding::not_applicable(reason));
    }
    let left = operation.single(stage, Room::Bytes(ready.data.len() + 8192))?;
    let allowed = [CKR_OPERATION_ACTIVE, CKR_OPERATION_NOT_INITIALIZED, CKR_FUNCTION_FAILED];
    answers("C_Encrypt after C_EncryptUpdate", left.rv, &allowed)
}

fn active(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, CKF_ENCRYPT)?;
    let operation = ready.encryption();
    operation.begin(stage)?;
    let (session, key) = (ready.session.handle().0, ready.key.public.0);
    let rv = stage.exact().init(Purpose::Encrypt, session, &ready.mechanism, key)?;
    operation.give_up(stage);
    answers("a second C_EncryptInit", rv, &[CKR_OPERATION_ACTIVE])
}

/// A key of another family than the row's.
fn other_key(stage: &mut Stage, family: Family) -> Outcome<ObjectHandle> {
    let other = match family {
        Family::Aes => Family::Generic,
        _ => Family::Aes,
    };
    Ok(stage.key(other)?.public)
}

fn key_type(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, CKF_ENCRYPT)?;
    let other = other_key(stage, row.key)?;
    let seen = ready.session.encrypt_init(&ready.mechanism, other);
    refused(
        "C_EncryptInit with a key of another type",
        seen,
        &[CKR_KEY_TYPE_INCONSISTENT, CKR_KEY_FUNCTION_NOT_PERMITTED],
    )
}

fn key_handle(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, CKF_ENCRYPT)?;
    for handle in [0, CK_ULONG::MAX] {
        let seen = ready.session.encrypt_init(&ready.mechanism, ObjectHandle(handle));
        let codes = [CKR_KEY_HANDLE_INVALID, CKR_OBJECT_HANDLE_INVALID];
        refused("C_EncryptInit with a handle of nothing", seen, codes.get(..1).unwrap_or(&codes))?;
    }
    Ok(())
}

fn without(family: Family, flag: AttributeType) -> Vec<AttributeType> {
    family.all_uses().into_iter().filter(|it| *it != flag).collect()
}

fn encrypt_flag(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, CKF_ENCRYPT)?;
    let key = row.key.make(stage, &ready.session, &without(row.key, CKA_ENCRYPT))?;
    let seen = ready.session.encrypt_init(&ready.mechanism, key.public);
    refused("C_EncryptInit", seen, &[CKR_KEY_FUNCTION_NOT_PERMITTED])
}

fn decrypt_flag(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, BOTH)?;
    let key = row.key.make(stage, &ready.session, &without(row.key, CKA_DECRYPT))?;
    // A vector of the caller's is what decryption takes in any mode.
    let (mechanism, _) = to_decrypt(&ready.mechanism, &[0; 40]);
    let seen = ready.session.decrypt_init(&mechanism, key.private);
    refused("C_DecryptInit", seen, &[CKR_KEY_FUNCTION_NOT_PERMITTED])
}

fn length(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, CKF_ENCRYPT)?;
    let odd = ready.data.get(..ready.data.len() - 1).unwrap_or_default();
    let seen = ready.session.encrypt(&ready.mechanism, ready.key.public, odd);
    refused("C_Encrypt of a broken block", seen, &[CKR_DATA_LEN_RANGE])
}

fn length_decrypt(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, BOTH)?;
    let (mechanism, sealed) = ready.sealed(stage)?;
    let stream = sealed.len() == ready.data.len() && row.block == 1 && row.key != Family::Rsa;
    if stream {
        return Err(Finding::not_applicable("a stream has any length"));
    }
    let short = sealed.get(..sealed.len() - 1).unwrap_or_default();
    let seen = ready.session.decrypt(&mechanism, ready.key.private, short);
    refused(
        "C_Decrypt of a ciphertext without its last byte",
        seen,
        &[CKR_ENCRYPTED_DATA_LEN_RANGE, CKR_ENCRYPTED_DATA_INVALID],
    )
}

fn tampered(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, BOTH)?;
    let (mechanism, mut sealed) = ready.sealed(stage)?;
    for at in [0, sealed.len() / 2, sealed.len() - 1] {
        if let Some(byte) = sealed.get_mut(at) {
            *byte ^= 1;
        }
        let seen = ready.session.decrypt(&mechanism, ready.key.private, &sealed);
        refused(
            "C_Decrypt of a changed ciphertext",
            seen,
            &[CKR_ENCRYPTED_DATA_INVALID, CKR_ENCRYPTED_DATA_LEN_RANGE],
        )?;
        if let Some(byte) = sealed.get_mut(at) {
            *byte ^= 1;
        }
    }
    Ok(())
}

const PARAMETER: &[CK_RV] = &[CKR_MECHANISM_PARAM_INVALID];

fn parameter_extra(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, CKF_ENCRYPT)?;
    // Three bytes: no vector and no length of any mechanism.
    let mechanism = Mechanism::Bytes(ckm(&row.name), vec![7; 3]);
    let seen = ready.session.encrypt_init(&mechanism, ready.key.public);
    refused("C_EncryptInit with a parameter", seen, PARAMETER)
}

fn parameter_missing(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, CKF_ENCRYPT)?;
    let mechanism = Mechanism::Plain(ckm(&row.name));
    let seen = ready.session.encrypt_init(&mechanism, ready.key.public);
    let allowed = [CKR_MECHANISM_PARAM_INVALID, CKR_ARGUMENTS_BAD];
    refused("C_EncryptInit without a parameter", seen, &allowed)
}

fn parameter_length(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, CKF_ENCRYPT)?;
    let mechanism = Mechanism::Bytes(ckm(&row.name), vec![7; 7]);
    let seen = ready.session.encrypt_init(&mechanism, ready.key.public);
    refused("C_EncryptInit with 7 bytes of parameter", seen, PARAMETER)
}

fn unlisted(stage: &mut Stage, row: &Use) -> Outcome {
    let kind = ckm(&row.name);
    if stage.offers(kind, CKF_ENCRYPT)? {
        return Err(Finding::not_applicable("the token lists it"));
    }
    // Any key will do: the mechanism comes first.
    let session = stage.session()?;
    let mechanism = with_parameter(stage, kind, &row.parameter)?;
    let made = row.key.make(stage, &session, &row.key.all_uses());
    let key = match made {
        Ok(key) => key.public,
        Err(_) => session
            .create_object(
                &[
                    vec![Attribute::class(CKO_SECRET_KEY), Attribute::key_type(CKK_GENERIC_SECRET)],
                    vec![Attribute::bytes(CKA_VALUE, [1; 16]), Attribute::bool(CKA_ENCRYPT, true)],
                    stage.own(false),
                ]
                .concat(),
            )
            .map_err(|error| Finding::not_applicable(format!("no key to try it with: {error}")))?,
    };
    refused(
        "C_EncryptInit with a mechanism that is not listed",
        session.encrypt_init(&mechanism, key),
        &[CKR_MECHANISM_INVALID],
    )
}
