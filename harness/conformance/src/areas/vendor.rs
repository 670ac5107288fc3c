//! The vendor's functions that ask, and the vendor's attributes.

use luna_client::ck::*;
use luna_client::{Attribute, Mechanism, UserType};

use crate::check::{Finding, Mark, Needs, Registry, Row, Subject, agree, ensure, refused, same};
use crate::keys::Family;

const PY: &str = "pycryptoki";

fn luna() -> Needs {
    Needs::public().subject(Subject::Luna)
}

fn officer() -> Needs {
    Needs::session_objects().subject(Subject::Luna)
}

const ROWS: &[Row] = &[
    Row {
        id: "firmware.told",
        title: "CA_GetFirmwareVersion tells the firmware that C_GetTokenInfo tells",
        source: (Mark::Documented, "luna-ha-bench, p11-toolkit.c"),
        needs: luna,
        run: |stage| {
            let [major, minor, _] = stage.context()?.firmware_version(stage.slot()?)?;
            let token = stage.token()?.firmware_version;
            agree(
                u64::from(token.major) == major,
                format!("CA_GetFirmwareVersion says {major}.{minor}"),
                format!("C_GetTokenInfo says {token}"),
            )
        },
    },
    Row {
        id: "firmware.bad-slot",
        title: "CA_GetFirmwareVersion of a slot that is not there is refused",
        source: (Mark::Assumed, "as the standard's functions of slots"),
        needs: luna,
        run: |stage| {
            let nowhere = luna_client::SlotId(0x7fff_fff0);
            let seen = stage.context()?.firmware_version(nowhere);
            refused("CA_GetFirmwareVersion", seen, &[CKR_SLOT_ID_INVALID])
        },
    },
    Row {
        id: "policies.bad-slot",
        title: "CA_GetTokenPolicies of a slot that is not there is refused",
        source: (Mark::Assumed, "as the standard's functions of slots"),
        needs: luna,
        run: |stage| {
            let seen = stage.context()?.token_policies(luna_client::SlotId(0x7fff_fff0));
            refused("CA_GetTokenPolicies", seen, &[CKR_SLOT_ID_INVALID])
        },
    },
    Row {
        id: "role.state",
        title: "the Crypto Officer's role is initialised with a password, and has attempts left",
        source: (Mark::Documented, PY),
        needs: || Needs::officer().subject(Subject::Luna),
        run: |stage| {
            if stage.subject()? == Subject::Group {
                return Err(Finding::not_applicable("roles are those of the members"));
            }
            let state = stage.context()?.role_state(stage.slot()?, UserType::CRYPTO_OFFICER)?;
            ensure(state.login_attempts_left > 0, "attempts left", "none")?;
            let known = [1, 2].contains(&state.primary_auth);
            ensure(known, "a password (1) or a PED (2)", format!("{}", state.primary_auth))
        },
    },
    Row {
        id: "container.bits",
        title: "CA_GetContainerStatus sets none but the published bits",
        source: (Mark::Documented, "pycryptoki, partition_management.py"),
        needs: luna,
        run: |stage| {
            let status = stage.context()?.container_status(stage.slot()?, 0)?;
            let small = status.flags >> 32 == 0;
            ensure(small, "flags of 32 bits", format!("{:#x}", status.flags))
        },
    },
    Row {
        id: "ha.physical",
        title: "CA_GetHAState of a slot that is no group is refused",
        source: (Mark::Documented, "luna-ha-bench, p11-toolkit.c"),
        needs: luna,
        run: |stage| {
            if stage.subject()? == Subject::Group {
                return Err(Finding::not_applicable("the slot is a group's"));
            }
            let seen = stage.context()?.ha_state(stage.slot()?);
            refused("CA_GetHAState", seen, &[CKR_FUNCTION_NOT_SUPPORTED])
        },
    },
    Row {
        id: "ha.bad-slot",
        title: "CA_GetHAState of a slot that is not there is refused",
        source: (Mark::Documented, "luna-ha-bench, p11-toolkit.c"),
        needs: luna,
        run: |stage| {
            let seen = stage.context()?.ha_state(luna_client::SlotId(0x7fff_fff0));
            refused("CA_GetHAState", seen, &[CKR_SLOT_ID_INVALID])
        },
    },
    Row {
        id: "operation.active",
        title: "CA_CheckOperationState knows whether an operation is active",
        source: (Mark::Documented, "pycryptoki, defines.py"),
        needs: || officer().mechanisms(&[CKM_SHA256]),
        run: |stage| {
            let session = stage.session()?;
            same("before", &false, &session.is_operation_active(4)?)?;
            session.digest_init(&Mechanism::Plain(CKM_SHA256))?;
            same("after C_DigestInit", &true, &session.is_operation_active(4)?)?;
            session.digest_update(b"x")?;
            session.digest_final()?;
            same("after C_DigestFinal", &false, &session.is_operation_active(4)?)
        },
    },
    Row {
        id: "ouid.twelve-bytes",
        title: "an object on the token has an id of 12 bytes, by which it is found again",
        source: (Mark::Documented, "pycryptoki, test_object_create.py"),
        needs: || Needs::token_objects().subject(Subject::Luna),
        run: |stage| {
            let session = stage.session()?;
            let template = [vec![Attribute::class(CKO_DATA)], stage.own(true)].concat();
            let object = session.create_object(&template)?;
            let ouid = session.attribute(object, CKA_OUID)?.unwrap_or_default();
            let found = session.find(&[Attribute::bytes(CKA_OUID, ouid.as_slice())])?;
            let by_call = stage.context()?.token_object_uid(stage.slot()?, object);
            session.destroy(object)?;
            same("the length of CKA_OUID", &12, &ouid.len())?;
            same("what is found by it", &vec![object], &found)?;
            same("CA_GetTokenObjectUID", &ouid, &by_call?.to_vec())
        },
    },
    Row {
        id: "usage.limit",
        title: "a key with a limit of two uses is used twice",
        source: (Mark::Documented, "pycryptoki, test_usage_limit_and_count.py"),
        needs: || officer().mechanisms(&[CKM_AES_ECB]),
        run: |stage| {
            let session = stage.session()?;
            let key = Family::Aes.make(stage, &session, &[CKA_ENCRYPT])?.public;
            session.set_attributes(key, &[Attribute::ulong(CKA_USAGE_LIMIT, 2)])?;
            let ecb = Mechanism::Plain(CKM_AES_ECB);
            for _ in 0..2 {
                session.encrypt(&ecb, key, &[1; 16])?;
            }
            same("CKA_USAGE_COUNT", &Some(2), &session.attribute_ulong(key, CKA_USAGE_COUNT)?)?;
            let seen = session.encrypt(&ecb, key, &[1; 16]);
            refused("a third use", seen, &[CKR_KEY_NOT_ACTIVE])
        },
    },
    Row {
        id: "fingerprint.length",
        title: "a key has a fingerprint of 32 bytes, its own",
        source: (Mark::Observed, "luna-kmu; larskanis/pkcs11, pkcs11_luna/test"),
        needs: || officer().mechanisms(&[CKM_EC_KEY_PAIR_GEN]),
        run: |stage| {
            let session = stage.session()?;
            let one = stage.key(Family::Ec)?;
            let other = Family::Ec.make(stage, &session, &[CKA_SIGN])?;
            let print = |key| session.attribute(key, CKA_FINGERPRINT_SHA256);
            let (one, other) = (print(one.public)?, print(other.public)?);
            same("the length", &Some(32), &one.as_ref().map(Vec::len))?;
            ensure(one != other, "other fingerprints of other keys", "the same")
        },
    },
    Row {
        id: "generic.bytes",
        title: "CKA_GENERIC_1 keeps what the user puts there",
        source: (Mark::Documented, "luna-kmu"),
        needs: officer,
        run: |stage| {
            let session = stage.session()?;
            let key = Family::Aes.make(stage, &session, &[CKA_ENCRYPT])?.public;
            let mine = Attribute::bytes(CKA_GENERIC_1, b"mine".as_slice());
            session.set_attributes(key, &[mine])?;
            same("CKA_GENERIC_1", &Some(b"mine".to_vec()), &session.attribute(key, CKA_GENERIC_1)?)
        },
    },
];

pub(super) fn register(registry: &mut Registry) {
    registry.rows("vendor", ROWS);
}
