//! Plans themselves: read, refused, told, the same again.

use luna_tests::{Instance, first_slot, officer};

use crate::{encrypt, fault, load, new_key, plan};

#[test]
fn the_same_seed_is_the_same_trace() {
    let instance = Instance::up(&[]);
    let context = instance.context();
    let session = officer(&context, first_slot(&context));
    let key = new_key(&session, "mine").unwrap();
    let run = |seed: u32| {
        let text = format!(
            "seed = {seed}\n[[fault]]\ncalls = ['C_Encrypt']\nchance = 0.3\ntimes = 0\n\
             effect = 'refuse'\n"
        );
        assert!(load(&instance, &text).status.success());
        let answers: Vec<bool> = (0..40).map(|_| encrypt(&session, key).is_ok()).collect();
        (answers, plan(&instance, &["log", "--json"]))
    };
    let (first, again, other) = (run(1), run(1), run(2));
    assert_eq!(first, again);
    assert_ne!(first.1, other.1);
    assert!((20..38).contains(&first.0.iter().filter(|fine| **fine).count()), "{:?}", first.0);
}

#[test]
fn a_wrong_plan_is_refused_with_its_line_and_the_one_in_force_stays() {
    let instance = Instance::up(&[]);
    assert!(load(&instance, "seed = 5\n[[fault]]\neffect = 'lose-answer'\n").status.success());
    let refused = load(&instance, "[[fault]]\ncalls = ['C_Sing']\neffect = 'cut'\n");
    assert_eq!(refused.status.code(), Some(2));
    let why = String::from_utf8(refused.stderr).unwrap();
    assert!(why.contains("line 2") && why.contains("C_Sing") && why.contains("C_Sign"), "{why}");
    let shown = plan(&instance, &["show"]);
    assert!(shown.contains("seed = 5") && shown.contains("lose-answer"), "{shown}");

    for (words, code, about) in [
        (&["add", "explode"][..], 2, "lose-answer"),
        (&["add", "delay"], 1, "for_ms"),
        (&["add", "cut", "--call", "C_Sing"], 2, "C_Sign"),
        (&["add", "cut", "--chance", "2"], 2, "0 to 1"),
        (&["--member", "nobody", "clear"], 1, "nobody"),
    ] {
        let output = fault(&instance, words);
        let why = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{words:?}: {why}");
        assert!(why.contains(about), "{words:?}: {why}");
    }
    plan(&instance, &["clear"]);
    assert!(plan(&instance, &["show"]).contains("no plan is in force"));
}

#[test]
fn a_plan_spoilt_by_hand_stops_the_hsm_and_says_so() {
    let instance = Instance::up(&[]);
    assert!(load(&instance, "[[fault]]\ncalls = ['C_Sign']\neffect = 'cut'\n").status.success());
    std::fs::write(instance.hsm(0).join("faults.toml"), "[[fault]]\neffekt = 'cut'\n").unwrap();
    let context = instance.context();
    let slot = first_slot(&context);
    assert!(context.open_session(slot, luna_client::Access::ReadOnly).is_err());
    plan(&instance, &["clear"]);
    officer(&context, slot);
}
