//! How much goes in and comes out.

use luna_client::ck::*;
use luna_client::{Attribute, Mechanism};

use crate::check::{Mark, Needs, Registry, Row, Subject, agree, ensure, refused, same};
use crate::keys::Family;

const ROWS: &[Row] = &[
    Row {
        id: "message.large",
        title: "a message of 64 KiB is encrypted and comes back",
        source: (Mark::Standard, "section 5.8 (C_Encrypt)"),
        needs: || Needs::session_objects().mechanisms(&[CKM_AES_CBC_PAD]),
        run: |stage| {
            stage.wants(CKM_AES_CBC_PAD, CKF_DECRYPT)?;
            let key = stage.key(Family::Aes)?;
            let session = stage.session()?;
            let data = crate::mechanism::message(65536);
            let mechanism = Mechanism::aes_cbc_pad([1; 16]);
            let sealed = session.encrypt(&mechanism, key.public, &data)?;
            let opened = session.decrypt(&mechanism, key.private, &sealed)?;
            ensure(opened == data, "the message", "another")
        },
    },
    Row {
        id: "digest.large",
        title: "a message of a megabyte has its digest",
        source: (Mark::Standard, "section 5.10 (C_Digest)"),
        needs: || Needs::officer().mechanisms(&[CKM_SHA256]),
        run: |stage| {
            let data = crate::mechanism::message(1 << 20);
            let expected = crate::software::hash("sha256", &data).unwrap_or_default();
            let session = stage.session()?;
            session.digest_init(&Mechanism::Plain(CKM_SHA256))?;
            for part in data.chunks(40_000) {
                session.digest_update(part)?;
            }
            same("the digest", &expected, &session.digest_final()?)
        },
    },
    Row {
        id: "object.large",
        title: "a data object of 4 KiB comes back whole",
        source: (Mark::Standard, "section 5.7 (C_CreateObject)"),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            let data = crate::mechanism::message(4096);
            let mut template = [vec![Attribute::class(CKO_DATA)], stage.own(false)].concat();
            template.push(Attribute::bytes(CKA_VALUE, data.as_slice()));
            let object = session.create_object(&template)?;
            let seen = session.attribute(object, CKA_VALUE)?;
            ensure(seen.as_deref() == Some(&data), "the value", "another")
        },
    },
    Row {
        id: "objects.many",
        title: "two hundred objects are made, found and destroyed",
        source: (Mark::Standard, "section 5.7"),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            let label = Attribute::label("luna-harness two hundred");
            for n in 0..200_u32 {
                session.create_object(&[
                    Attribute::class(CKO_DATA),
                    Attribute::token(false),
                    label.clone(),
                    Attribute::bytes(CKA_VALUE, n.to_be_bytes()),
                ])?;
            }
            let found = session.find(std::slice::from_ref(&label))?;
            same("objects found", &200, &found.len())?;
            found.into_iter().try_for_each(|object| session.destroy(object))?;
            same("objects left", &0, &session.find(&[label])?.len())
        },
    },
    Row {
        id: "rsa.pkcs1-message",
        title: "a message too long for its modulus is refused by PKCS #1 encryption",
        source: (Mark::Standard, "mechanisms, section 2.1.6 (CKR_DATA_LEN_RANGE)"),
        needs: || Needs::session_objects().mechanisms(&[CKM_RSA_PKCS]),
        run: |stage| {
            stage.wants(CKM_RSA_PKCS, CKF_ENCRYPT)?;
            let key = stage.key(Family::Rsa)?;
            let session = stage.session()?;
            let mechanism = Mechanism::Plain(CKM_RSA_PKCS);
            session.encrypt(&mechanism, key.public, &[7; 245])?;
            let seen = session.encrypt(&mechanism, key.public, &[7; 246]);
            refused("C_Encrypt of 246 bytes", seen, &[CKR_DATA_LEN_RANGE])
        },
    },
    Row {
        id: "rsa.oaep-message",
        title: "a message too long for its modulus is refused by OAEP",
        source: (Mark::Standard, "mechanisms, section 2.1.8 (CKR_DATA_LEN_RANGE)"),
        needs: || Needs::session_objects().mechanisms(&[CKM_RSA_PKCS_OAEP]),
        run: |stage| {
            let key = stage.key(Family::Rsa)?;
            let session = stage.session()?;
            let none = crate::check::Finding::not_applicable("no mask");
            let mechanism = Mechanism::rsa_oaep(CKM_SHA256).ok_or(none)?;
            session.encrypt(&mechanism, key.public, &[7; 190])?;
            let seen = session.encrypt(&mechanism, key.public, &[7; 191]);
            refused("C_Encrypt of 191 bytes", seen, &[CKR_DATA_LEN_RANGE])
        },
    },
    Row {
        id: "rsa.sign-message",
        title: "a digest too long for its modulus is refused by PKCS #1 signing",
        source: (Mark::Standard, "mechanisms, section 2.1.6 (CKR_DATA_LEN_RANGE)"),
        needs: || Needs::session_objects().mechanisms(&[CKM_RSA_PKCS]),
        run: |stage| {
            stage.wants(CKM_RSA_PKCS, CKF_SIGN)?;
            let key = stage.key(Family::Rsa)?;
            let session = stage.session()?;
            let mechanism = Mechanism::Plain(CKM_RSA_PKCS);
            session.sign(&mechanism, key.private, &[7; 245])?;
            let seen = session.sign(&mechanism, key.private, &[7; 246]);
            refused("C_Sign of 246 bytes", seen, &[CKR_DATA_LEN_RANGE])
        },
    },
    Row {
        id: "storage.adds-up",
        title: "the storage that is used and that is free are the whole",
        source: (Mark::Documented, "pycryptoki, CA_GetTokenStorageInformation"),
        needs: || Needs::officer().subject(Subject::Luna),
        run: |stage| {
            let storage = stage.context()?.token_storage(stage.slot()?)?;
            let sum = storage.used.saturating_add(storage.free);
            let whole = sum == storage.total || sum + storage.overhead == storage.total;
            let parts = format!("{} used and {} free", storage.used, storage.free);
            agree(whole, parts, format!("{} in all", storage.total))
        },
    },
    Row {
        id: "storage.grows",
        title: "an object on the token takes storage and gives it back",
        source: (Mark::Documented, "pycryptoki, CA_GetTokenStorageInformation"),
        needs: || Needs::token_objects().subject(Subject::Luna),
        run: |stage| {
            let slot = stage.slot()?;
            let used = |stage: &crate::stage::Stage| -> crate::check::Outcome<u64> {
                Ok(stage.context()?.token_storage(slot)?.objects)
            };
            let before = used(stage)?;
            let session = stage.session()?;
            let template = [vec![Attribute::class(CKO_DATA)], stage.own(true)].concat();
            let object = session.create_object(&template)?;
            let with = used(stage)?;
            session.destroy(object)?;
            // Others may work on the token too, but a count that stands still is none.
            ensure(with > before, format!("more than {before} objects"), format!("{with}"))
        },
    },
];

pub(super) fn register(registry: &mut Registry) {
    registry.rows("limits", ROWS);
}
