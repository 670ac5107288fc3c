//! A group: what its members go through is not what the application sees.

use luna_ck::{CKO_SECRET_KEY, CKR_DEVICE_ERROR, CKR_OK};
use luna_client::{Attribute, Rv};
use luna_tests::{Instance, officer};

use crate::{encrypt, labels, new_key, plan};

fn group() -> Instance {
    Instance::up(&["--ha", "LUNAHA=one,two"])
}

#[test]
fn a_member_that_fails_a_call_is_replaced_within_it() {
    let instance = group();
    {
        let context = instance.context();
        new_key(&officer(&context, *context.slots(true).unwrap().last().unwrap()), "mine").unwrap();
    }
    for effect in [
        &["refuse"][..],
        &["lose-answer"],
        &["lose-answer", "--after"],
        &["hang", "--for-ms", "100"],
        &["restart"],
        &["cut", "--for-ms", "100"],
    ] {
        // A new application each time: one that lost a member does without it for a minute.
        let context = instance.context();
        let slot = *context.slots(true).unwrap().last().unwrap();
        let session = officer(&context, slot);
        let key = session.find(&[Attribute::class(CKO_SECRET_KEY)]).unwrap()[0];
        plan(&instance, &["clear"]);
        // At rest the first member serves.
        let words = [&["--member", "one", "add"][..], effect, &["--call", "C_Encrypt"]];
        plan(&instance, &words.concat());
        encrypt(&session, key).unwrap_or_else(|error| panic!("{effect:?}: {error}"));
        encrypt(&session, key).unwrap();
        let told = plan(&instance, &["log"]);
        assert!(told.contains(effect[0]), "{effect:?} did not happen: {told}");
        assert_eq!(labels(&session), ["mine"]);
    }
}

#[test]
fn a_lost_answer_makes_no_second_key() {
    let instance = group();
    for (calls, after) in [("one", true), ("one", false), ("two", true)] {
        let label = format!("{calls} {after}");
        let context = instance.context();
        let slots = context.slots(true).unwrap();
        let session = officer(&context, slots[2]);
        let before = labels(&session);
        let call = if calls == "one" { "C_GenerateKey" } else { "clone-in" };
        let when: &[&str] = if after { &["--after"] } else { &[] };
        let words = ["--member", calls, "add", "lose-answer", "--call", call];
        plan(&instance, &[&words[..], when].concat());
        let made = new_key(&session, &label);
        // What the primary may have made is not made again elsewhere; a member that may have taken a
        // copy is left out, and the key is there.
        assert_eq!(made.is_ok(), calls == "two", "{label}: {made:?}");
        if let Err(error) = made {
            assert!(error.is(CKR_DEVICE_ERROR), "{error}");
        }
        drop((session, context));

        // An application that comes later finds what was made, once, on every member.
        let context = instance.context();
        let slots = context.slots(true).unwrap();
        let mut wanted = before;
        wanted.extend(after.then(|| label.clone()));
        wanted.sort();
        let session = officer(&context, slots[2]);
        assert_eq!(labels(&session), wanted, "{label}");
        assert!(
            context.ha_state(slots[2]).unwrap().members.iter().all(|it| it.status == Rv(CKR_OK))
        );
        for slot in &slots[..2] {
            assert_eq!(labels(&officer(&context, *slot)), wanted, "{label}");
        }
    }
}
