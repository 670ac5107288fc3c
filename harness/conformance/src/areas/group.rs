//! HA groups, as an application sees them while all members are up. What happens when one goes is asked by
//! `luna-harness okv` and `simulate`, which have members to kill.

use luna_client::ck::*;
use luna_client::{Attribute, Mechanism};

use crate::check::{Mark, Needs, Registry, Row, Subject, ensure, same};
use crate::keys::Family;

const PAGE: &str = "Setting Up an HA Group; PKCS#11 Extension HA Status Call";

fn group() -> Needs {
    Needs::public().subject(Subject::Group)
}

fn objects() -> Needs {
    Needs::session_objects().subject(Subject::Group)
}

const ROWS: &[Row] = &[
    Row {
        id: "state.members",
        title: "CA_GetHAState tells the members, each by its serial number",
        source: (Mark::Documented, PAGE),
        needs: group,
        run: |stage| {
            let state = stage.context()?.ha_state(stage.slot()?)?;
            ensure(!state.members.is_empty(), "members", "none")?;
            let digits =
                |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
            let plain = state.members.iter().all(|member| digits(&member.serial));
            ensure(plain, "serial numbers of digits", format!("{:?}", state.members))
        },
    },
    Row {
        id: "state.up",
        title: "every member is up",
        source: (Mark::Documented, PAGE),
        needs: group,
        run: |stage| {
            let state = stage.context()?.ha_state(stage.slot()?)?;
            let down = state.members.iter().filter(|member| member.status.0 != CKR_OK).count();
            same("members that are down", &0, &down)
        },
    },
    Row {
        id: "state.serial",
        title: "the group's serial number is that of its token, 1 before the first member's",
        source: (Mark::Documented, "Setting Up an HA Group; cloudfoundry/java-buildpack"),
        needs: group,
        run: |stage| {
            let state = stage.context()?.ha_state(stage.slot()?)?;
            same("the group's serial", &stage.token()?.serial_number, &state.serial)?;
            let first = state.members.first().map(|member| format!("1{}", member.serial));
            same("the group's serial", &first, &Some(state.serial))
        },
    },
    Row {
        id: "slot.flags",
        title: "the group's slot is not removable",
        source: (Mark::Sample, "luna-samples, Python README"),
        needs: group,
        run: |stage| {
            let flags = stage.context()?.slot_info(stage.slot()?)?.flags;
            same("the flags", &(CKF_TOKEN_PRESENT | CKF_HW_SLOT), &flags)
        },
    },
    Row {
        id: "objects.one",
        title: "an object of a group is one object, not one a member",
        source: (Mark::Documented, "HA: Key Replication"),
        needs: objects,
        run: |stage| {
            let session = stage.session()?;
            let label = Attribute::label("luna-harness one of a group");
            let template = [Attribute::class(CKO_DATA), Attribute::token(false), label.clone()];
            let made = session.create_object(&template)?;
            same("what is found", &vec![made], &session.find(&[label])?)
        },
    },
    Row {
        id: "objects.gone",
        title: "an object of a group that is destroyed is gone on all members",
        source: (Mark::Documented, "HA: Key Replication"),
        needs: objects,
        run: |stage| {
            let session = stage.session()?;
            let label = Attribute::label("luna-harness gone from a group");
            let template = [Attribute::class(CKO_DATA), Attribute::token(false), label.clone()];
            let made = session.create_object(&template)?;
            session.destroy(made)?;
            same("what is found", &Vec::new(), &session.find(&[label])?)
        },
    },
    Row {
        id: "keys.same",
        title: "a key of a group is the same key whichever member works",
        source: (Mark::Documented, "HA: Performance (load balancing)"),
        needs: || objects().mechanisms(&[CKM_AES_ECB]),
        run: |stage| {
            let session = stage.session()?;
            let key = Family::Aes.make(stage, &session, &[CKA_ENCRYPT])?.public;
            let ecb = Mechanism::Plain(CKM_AES_ECB);
            let first = session.encrypt(&ecb, key, &[1; 16])?;
            for _ in 0..20 {
                same("the ciphertext", &first, &session.encrypt(&ecb, key, &[1; 16])?)?;
            }
            Ok(())
        },
    },
];

pub(super) fn register(registry: &mut Registry) {
    registry.rows("ha", ROWS);
}
