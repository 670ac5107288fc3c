//! What Oracle Key Vault needs of a token: the calls of its root of trust, in its way.
//!
//! Sources: "Oracle Key Vault: Integration Guide" (Thales, 007-000318-001), and the calls that a provider made for
//! OKV 21.10 has seen (Cosmian/cli, crate/pkcs11).

use luna_client::ck::*;
use luna_client::{Access, Attribute, Mechanism, ObjectHandle, Session};

use crate::check::{Mark, Needs, Outcome, Registry, Row, ensure, refused, same};
use crate::stage::Stage;

const GUIDE: &str = "Oracle Key Vault: Integration Guide";
const SEEN: &str = "calls of OKV 21.10 seen by Cosmian/cli";

const KEY: &str = "luna-harness OKV root key";

fn root(stage: &Stage, session: &Session, token: bool) -> Outcome<ObjectHandle> {
    stage.wants(CKM_AES_KEY_GEN, CKF_GENERATE)?;
    let label = if token { format!("{} okv", stage.label()) } else { KEY.to_owned() };
    Ok(session.generate_key(
        &Mechanism::Plain(CKM_AES_KEY_GEN),
        &[
            Attribute::class(CKO_SECRET_KEY),
            Attribute::key_type(CKK_AES),
            Attribute::label(&label),
            Attribute::bytes(CKA_ID, 281_109_417_u32.to_be_bytes()),
            Attribute::ulong(CKA_VALUE_LEN, 32),
            Attribute::token(token),
            Attribute::private(true),
            Attribute::bool(CKA_SENSITIVE, true),
            Attribute::bool(CKA_EXTRACTABLE, false),
            Attribute::bool(CKA_MODIFIABLE, false),
            Attribute::bool(CKA_ENCRYPT, true),
            Attribute::bool(CKA_DECRYPT, true),
        ],
    )?)
}

const ROWS: &[Row] = &[
    Row {
        id: "token.found-by-label",
        title: "the token is found by its label in the list of slots",
        source: (Mark::Documented, GUIDE),
        needs: Needs::public,
        run: |stage| {
            let label = stage.token()?.label.clone();
            same("the slot", &Some(stage.slot()?), &stage.context()?.slot_by_label(&label)?)
        },
    },
    Row {
        id: "key.generate",
        title: "the root key is generated with all attributes the vault gives",
        source: (Mark::Observed, SEEN),
        needs: || Needs::session_objects().mechanisms(&[CKM_AES_KEY_GEN]),
        run: |stage| root(stage, &stage.session()?, false).map(drop),
    },
    Row {
        id: "key.token",
        title: "the root key on the token is found again in another session, by its label alone",
        source: (Mark::Observed, SEEN),
        needs: || Needs::token_objects().mechanisms(&[CKM_AES_KEY_GEN]),
        run: |stage| {
            let session = stage.session()?;
            let key = root(stage, &session, true)?;
            session.close()?;
            let session = stage.session()?;
            let label = [Attribute::label(&format!("{} okv", stage.label()))];
            let found = session.find(&label)?;
            for object in session.find(&label)? {
                let _ = session.destroy(object);
            }
            same("what is found", &vec![key], &found)
        },
    },
    Row {
        id: "key.several",
        title: "two root keys of one label are both found",
        source: (Mark::Observed, SEEN),
        needs: || Needs::session_objects().mechanisms(&[CKM_AES_KEY_GEN]),
        run: |stage| {
            let session = stage.session()?;
            let mut made = vec![root(stage, &session, false)?, root(stage, &session, false)?];
            let mut found = session.find(&[Attribute::label(KEY), Attribute::token(false)])?;
            made.sort_unstable();
            found.sort_unstable();
            same("what is found", &made, &found)
        },
    },
    Row {
        id: "key.id",
        title: "the key's number is in CKA_ID, byte for byte, and finds it",
        source: (Mark::Observed, SEEN),
        needs: || Needs::session_objects().mechanisms(&[CKM_AES_KEY_GEN]),
        run: |stage| {
            let session = stage.session()?;
            let key = root(stage, &session, false)?;
            let id = 281_109_417_u32.to_be_bytes();
            same("CKA_ID", &Some(id.to_vec()), &session.attribute(key, CKA_ID)?)?;
            let template = [Attribute::label(KEY), Attribute::bytes(CKA_ID, id)];
            same("what is found", &vec![key], &session.find(&template)?)
        },
    },
    Row {
        id: "key.hidden",
        title: "the root key is not told",
        source: (Mark::Documented, GUIDE),
        needs: || Needs::session_objects().mechanisms(&[CKM_AES_KEY_GEN]),
        run: |stage| {
            let session = stage.session()?;
            let key = root(stage, &session, false)?;
            same("CKA_VALUE", &None, &session.attribute(key, CKA_VALUE)?)
        },
    },
    Row {
        id: "key.not-extracted",
        title: "the root key does not leave the token",
        source: (Mark::Documented, GUIDE),
        needs: || Needs::session_objects().mechanisms(&[CKM_AES_KEY_GEN, CKM_AES_KW]),
        run: |stage| {
            let by = stage.key(crate::keys::Family::Aes)?;
            let session = stage.session()?;
            let key = root(stage, &session, false)?;
            let seen = session.wrap(&Mechanism::Plain(CKM_AES_KW), by.public, key);
            refused("C_WrapKey", seen, &[CKR_KEY_UNEXTRACTABLE, CKR_MECHANISM_INVALID])
        },
    },
    Row {
        id: "key.unmodifiable",
        title: "the root key is not changed",
        source: (Mark::Observed, SEEN),
        needs: || Needs::session_objects().mechanisms(&[CKM_AES_KEY_GEN]),
        run: |stage| {
            let session = stage.session()?;
            let key = root(stage, &session, false)?;
            let seen = session.set_attributes(key, &[Attribute::label("luna-harness other")]);
            let codes = [CKR_ATTRIBUTE_READ_ONLY, CKR_ACTION_PROHIBITED, CKR_TEMPLATE_INCONSISTENT];
            refused("C_SetAttributeValue", seen, &codes)
        },
    },
    Row {
        id: "wallet.round-trip",
        title: "the wallet's password is encrypted by AES-CBC-PAD and comes back",
        source: (Mark::Observed, SEEN),
        needs: || Needs::session_objects().mechanisms(&[CKM_AES_KEY_GEN, CKM_AES_CBC_PAD]),
        run: |stage| {
            let session = stage.session()?;
            let key = root(stage, &session, false)?;
            for len in [1, 15, 16, 30, 64, 255] {
                let password = crate::mechanism::message(len);
                let mechanism = Mechanism::aes_cbc_pad([9; 16]);
                let sealed = session.encrypt(&mechanism, key, &password)?;
                same("the ciphertext's length", &(len - len % 16 + 16), &sealed.len())?;
                same("the password", &password, &session.decrypt(&mechanism, key, &sealed)?)?;
            }
            Ok(())
        },
    },
    Row {
        id: "wallet.wrong-key",
        title: "the wallet's password under another key is refused or another, never the password",
        source: (Mark::Assumed, "what the vault's alert of a wrong key stands on"),
        needs: || Needs::session_objects().mechanisms(&[CKM_AES_KEY_GEN, CKM_AES_CBC_PAD]),
        run: |stage| {
            let session = stage.session()?;
            let (key, other) = (root(stage, &session, false)?, root(stage, &session, false)?);
            let mechanism = Mechanism::aes_cbc_pad([9; 16]);
            let sealed = session.encrypt(&mechanism, key, b"the wallet's password")?;
            let seen = session.decrypt(&mechanism, other, &sealed);
            let told = seen.is_ok_and(|text| text == b"the wallet's password");
            ensure(!told, "anything else", "the password")
        },
    },
    Row {
        id: "number.object",
        title: "the key's number is kept in a data object and found by its label",
        source: (Mark::Documented, GUIDE),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            let label = Attribute::label("luna-harness OKV key number");
            let made = session.create_object(&[
                Attribute::class(CKO_DATA),
                Attribute::token(false),
                Attribute::private(true),
                label.clone(),
                Attribute::bytes(CKA_VALUE, b"281109417".as_slice()),
            ])?;
            same("what is found", &vec![made], &session.find(&[label])?)?;
            same("CKA_VALUE", &Some(b"281109417".to_vec()), &session.attribute(made, CKA_VALUE)?)
        },
    },
    Row {
        id: "credential.again",
        title: "the vault's periodic check logs in and out again and again",
        source: (Mark::Documented, GUIDE),
        needs: Needs::alone,
        run: |stage| {
            for _ in 0..3 {
                let context = stage.module.initialize(stage.init_args())?;
                let slot = stage.find_slot(&context)?;
                let session = stage.logged_in(&context, slot)?;
                session.find(&[Attribute::label("luna-harness nothing")])?;
                session.logout()?;
                context.open_session(slot, Access::ReadOnly)?.close()?;
                session.close()?;
                context.finalize()?;
            }
            Ok(())
        },
    },
    Row {
        id: "fips.both",
        title: "what the vault uses is there in FIPS mode as well",
        source: (Mark::Documented, GUIDE),
        needs: Needs::officer,
        run: |stage| {
            stage.wants(CKM_AES_KEY_GEN, CKF_GENERATE)?;
            stage.wants(CKM_AES_CBC_PAD, CKF_ENCRYPT)?;
            stage.wants(CKM_AES_CBC_PAD, CKF_DECRYPT)
        },
    },
];

pub(super) fn register(registry: &mut Registry) {
    registry.rows("okv", ROWS);
}
