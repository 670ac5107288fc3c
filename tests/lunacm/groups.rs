//! `hagroup` and its neighbours: what is refused, what is changed in the file, what is carried.

use luna_ck::CKO_DATA;
use luna_client::{Attribute, SlotId};
use luna_tests::{Instance, officer};

use crate::{Run, typed};

const CREATE: &str = "hagroup creategroup -slot 0 -label grp -password crypto-officer";
const ADD: &str = "hagroup addmember -slot 1 -group grp -password crypto-officer";

fn two() -> Instance {
    Instance::up(&["--partition", "one", "--partition", "two"])
}

fn conf(instance: &Instance) -> String {
    std::fs::read_to_string(instance.configuration()).unwrap()
}

#[track_caller]
fn refused(run: &Run, code: i32, result: &str, text: &str) {
    assert_eq!(run.code, Some(code), "{}", run.out);
    assert!(run.out.contains(text), "{text} is not in\n{}", run.out);
    assert!(run.out.contains(&format!("Command Result : {result}")), "{}", run.out);
}

#[test]
fn every_other_byte_of_the_file_stays() {
    let instance = two();
    let before = format!("// mine\n{}\nXTC = {{ Enabled = 1; }} // and this\n", conf(&instance));
    std::fs::write(instance.configuration(), &before).unwrap();
    let run = typed(&instance, &["-q"], &[CREATE, ADD, "hagroup deletegroup -label grp"]);
    assert_eq!(run.code, Some(0), "{}", run.out);
    let after = conf(&instance);
    assert!(after.starts_with(&before), "{after}");
    assert!(!after.contains("grp"), "{after}");
}

#[test]
fn a_group_is_made_and_changed_by_scripts() {
    let instance = two();
    let serial = |number: usize| instance.partitions[number].serial.clone();
    let create = format!(
        "hagroup createGroup -serialNumber {} -label grp -password crypto-officer",
        serial(0)
    );
    let run = typed(&instance, &["-q", "-c", &create], &[]);
    assert_eq!(run.code, Some(0), "{}", run.out);
    let number = run.out.lines().find_map(|line| line.trim().strip_prefix("HA Group Number:"));
    let number = number.unwrap().trim();
    assert_eq!(number, format!("1{}", serial(0)));
    let add = format!(
        "hagroup addMember -group {number} -serialNumber {} -password crypto-officer",
        serial(1)
    );
    let run = typed(&instance, &["-q", "-c", &add], &[]);
    assert!(run.out.contains(&format!("Member {} successfully added to group", serial(1))));
    let text = conf(&instance);
    let members = format!("VirtualToken00Members = {},{};", serial(0), serial(1));
    assert!(text.contains(&members), "{text}");
    // A standby member stays a member; the group's number follows its first member.
    let run = typed(
        &instance,
        &["-q"],
        &[
            "hagroup addstandby -slot 1 -group grp",
            "hagroup addstandby -slot 0 -group grp",
            "hagroup removestandby -slot 1 -group grp",
            "hagroup removemember -slot 0 -group grp",
            "hagroup removemember -slot 1 -group grp",
            "hagroup synchronize -group grp -disable",
            "hagroup listgroups -group grp",
        ],
    );
    assert_eq!(run.code, Some(2), "{}", run.out);
    assert!(run.out.contains("is the only member that does not stand by"), "{}", run.out);
    assert!(run.out.contains("is the last member"), "{}", run.out);
    assert!(run.out.contains(&format!("HA Group Number:  1{}", serial(1))), "{}", run.out);
    assert!(run.out.contains("Synchronization:  disabled"), "{}", run.out);
    assert!(conf(&instance).contains("grp = 0;"));
}

#[test]
fn who_cannot_join_is_told_why() {
    let instance = two();
    let run = typed(&instance, &["-q", "-c", &CREATE.replace("officer", "nobody")], &[]);
    refused(&run, 1, "0xa0 (CKR_PIN_INCORRECT)", "C_Login");
    assert!(!conf(&instance).contains("VirtualToken"), "nothing is written");
    let run = typed(&instance, &["-q"], &[CREATE, CREATE]);
    refused(&run, 1, "0x7 (CKR_ARGUMENTS_BAD)", "there is an HA group 'grp' already");
    let run = typed(&instance, &["-q", "-c", &ADD.replace("grp", "other")], &[]);
    refused(&run, 1, "0x7", "there is no HA group 'other'; there are: grp");
    let run = typed(&instance, &["-q", "-c", &ADD.replace("-slot 1", "-serialnumber 77")], &[]);
    refused(&run, 1, "0xe0 (CKR_TOKEN_NOT_PRESENT)", "no slot has a partition");
    let run = typed(&instance, &["-q", "-c", &ADD.replace("-slot 1", "-slot 0")], &[]);
    refused(&run, 1, "0x7", "is a member of 'grp' already");
    // Policy 0 off: its private keys cannot be cloned.
    let run = typed(
        &instance,
        &["-q"],
        &[
            "slot set -slot 1",
            "role login -n po -p partition-so",
            "partition changepolicy -policy 0 -value 0 -force",
            ADD,
        ],
    );
    refused(
        &run,
        1,
        "0x80000107 (CKR_CLONE_NOT_ATTEMPTED)",
        "partition policy 0 (Allow private key",
    );
}

#[test]
fn an_empty_partition_cannot_join() {
    let mut instance = Instance::up(&["--partition", "one"]);
    instance.up_again(&["--partition", "one", "--partition", "two", "--empty"]);
    let run = typed(&instance, &["-q"], &[CREATE, ADD]);
    refused(&run, 1, "0xe1 (CKR_TOKEN_NOT_RECOGNIZED)", "it is not initialized");
}

/// From firmware 7.7.1 on a partition tells by its policy 43.
#[test]
fn fips_and_other_members_do_not_mix_with_clients_before_10_4() {
    let scratch = luna_tests::scratch();
    let profile = scratch.path().join("older-client.toml");
    let text = "name = \"older-client\"\nformat = 1\nextends = \"luna-7.8.4\"\n[versions]\n\
                client = { value = [10, 3], source = \"assumed\" }\n";
    std::fs::write(&profile, text).unwrap();
    let profile = ["--profile", profile.to_str().unwrap()];
    for (with, mixes) in [(profile, false), (["--profile", "luna-7.8.4"], true)] {
        let fips = [&with[..], &["--partition", "one", "--fips", "on"]].concat();
        let mut instance = Instance::up(&fips);
        instance.up_again(&[&with[..], &["--partition", "one", "--partition", "two"]].concat());
        let run = typed(&instance, &["-q"], &[CREATE, ADD]);
        if mixes {
            assert_eq!(run.code, Some(0), "{}", run.out);
            continue;
        }
        let text = "which clients before 10.4 do not mix";
        refused(&run, 1, "0x54 (CKR_FUNCTION_NOT_SUPPORTED)", text);
    }
}

/// Older firmware has HSM policy 12 alone, which a client that sees its partition is not told of: nobody
/// can know.
#[test]
fn members_that_do_not_tell_of_fips_mode_are_taken() {
    let mut instance = Instance::up(&["--partition", "one", "--fips", "on"]);
    instance.up_again(&["--partition", "one", "--partition", "two"]);
    let run = typed(&instance, &["-q"], &[CREATE, ADD]);
    assert_eq!(run.code, Some(0), "{}", run.out);
}

#[test]
fn another_cloning_domain_is_refused() {
    let mut instance = Instance::up(&["--partition", "one", "--domain", "one-domain"]);
    instance.up_again(&["--partition", "one", "--partition", "two", "--domain", "another"]);
    let run = typed(&instance, &["-q"], &[CREATE, ADD]);
    let added = conf(&instance).contains(&format!(",{}", instance.partitions[1].serial));
    refused(&run, 1, "0x", "the partitions are not of the same cloning domain");
    assert!(!added, "{}", run.out);
}

#[test]
fn what_a_new_member_holds_is_asked_about() {
    let instance = two();
    {
        let context = instance.context();
        let session = officer(&context, SlotId(1));
        let note = [Attribute::class(CKO_DATA), Attribute::token(true), Attribute::label("note")];
        session.create_object(&note).unwrap();
    }
    let run = typed(&instance, &["-q"], &[CREATE, ADD, "quit", "hagroup listgroups"]);
    assert_eq!(run.code, Some(1), "{}", run.out);
    assert!(run.out.contains("the new member holds 1 objects"), "{}", run.out);
    assert!(run.out.contains("Command Result : 0x1 (CKR_CANCEL)"), "{}", run.out);
    assert!(!conf(&instance).contains(&format!(",{}", instance.partitions[1].serial)));
    let run = typed(&instance, &["-q"], &[ADD, "remove"]);
    assert_eq!(run.code, Some(0), "{}", run.out);
    assert!(run.out.contains("Number of objects destroyed:  1"), "{}", run.out);
    let context = instance.context();
    let session = officer(&context, SlotId(1));
    assert!(session.find(&[Attribute::label("note")]).unwrap().is_empty());
}

#[test]
fn members_that_lack_objects_are_told_of_and_given_them() {
    let instance = two();
    {
        let context = instance.context();
        let session = officer(&context, SlotId(0));
        let note = [Attribute::class(CKO_DATA), Attribute::token(true), Attribute::label("note")];
        session.create_object(&note).unwrap();
    }
    let list = "hagroup listgroups -group grp -password crypto-officer";
    let run = typed(&instance, &["-q"], &[CREATE, ADD, list]);
    assert_eq!(run.code, Some(0), "{}", run.out);
    assert!(run.out.contains("Needs sync:  yes"), "{}", run.out);
    let run = typed(
        &instance,
        &["-q"],
        &["hagroup synchronize -group grp -password crypto-officer", list],
    );
    assert_eq!(run.code, Some(0), "{}", run.out);
    assert!(run.out.contains("Number of objects cloned:  1"), "{}", run.out);
    assert!(run.out.contains("Needs sync:  no"), "{}", run.out);
    let context = instance.context();
    let session = officer(&context, SlotId(1));
    assert_eq!(session.find(&[Attribute::label("note")]).unwrap().len(), 1);
}

#[test]
fn a_tool_sees_what_applications_do_not() {
    let instance = Instance::fips_group();
    let run = typed(&instance, &["-q", "slot", "list"], &[]);
    assert_eq!(run.out.matches("Slot Description ->     Net Token Slot").count(), 2, "{}", run.out);
    assert!(run.out.contains("HSM Label ->            LUNAHA"), "{}", run.out);
    assert_eq!(instance.context().slots(true).unwrap().len(), 1);
    let temporary = std::env::temp_dir();
    let left = std::fs::read_dir(temporary).unwrap().flatten().filter(|entry| {
        let copy = entry.path().join("Chrystoki.conf");
        let serial = &instance.partitions[0].serial;
        entry.file_name().to_string_lossy().starts_with("lunacm-")
            && std::fs::read_to_string(copy).is_ok_and(|text| text.contains(serial))
    });
    assert_eq!(left.count(), 0, "the copy of the configuration is gone");
}

#[test]
fn a_lost_member_is_recovered() {
    let instance = Instance::up(&["--ha", "grp=one,two"]);
    instance.member("down", 1);
    let run = typed(&instance, &["-q"], &["hagroup listgroups", "hagroup recover -group grp"]);
    assert_eq!(run.code, Some(0), "{}", run.out);
    let down = run.out.lines().filter(|line| line.ends_with("    down")).count();
    assert_eq!(down, 1, "{}", run.out);
    let serial = &instance.partitions[1].serial;
    assert!(run.out.contains(&format!("Member {serial} is still down.")), "{}", run.out);
    instance.member("up", 1);
    let run = typed(&instance, &["-q"], &["hagroup recover -group grp"]);
    assert_eq!(run.code, Some(0), "{}", run.out);
    assert!(run.out.contains("No member of group grp is down."), "{}", run.out);
}

#[test]
fn settings_have_their_ranges() {
    let instance = two();
    for (command, text) in [
        ("hagroup retry -count 501", "'501' is no number from -1 to 500"),
        ("hagroup interval -interval 59", "'59' is no number from 60 to 1200"),
        ("hagroup recoverymode -mode passive", "-mode is activeBasic or activeEnhanced"),
        ("hagroup haonly -enable", "there is no HA group"),
        ("hagroup haonly", "one of -enable, -disable and -show is needed"),
        ("hagroup halog -maxlength 1", "'1' is no number from 256000"),
        ("hagroup halog -path /nowhere/at/all", "there is no directory"),
    ] {
        let run = typed(&instance, &["-q", "-c", command], &[]);
        refused(&run, 2, "0x7 (CKR_ARGUMENTS_BAD)", text);
    }
    let logs = instance.directory().join("logs");
    std::fs::create_dir(&logs).unwrap();
    let log = format!("hagroup halog -enable -maxlength 300000 -path {}", logs.display());
    let run = typed(&instance, &["-q"], &["hagroup haonly -show", &log, "hagroup halog -show"]);
    assert_eq!(run.code, Some(0), "{}", run.out);
    assert!(run.out.contains("\"HA Only\" disabled"), "{}", run.out);
    assert_eq!(run.out.matches("Max File Length: 300000").count(), 2, "{}", run.out);
    let text = conf(&instance);
    assert!(text.contains("haLogStatus = enabled;") && text.contains("logLen = 300000;"), "{text}");
}

#[test]
fn policies_go_through_a_template() {
    let instance = Instance::up(&["--partition", "one"]);
    let run = typed(
        &instance,
        &["-q"],
        &[
            "role login -n po -p partition-so",
            "partition changepolicy -policy 20 -value 4 -force",
            "partition showpolicies -exporttemplate four.ppt",
            "partition changepolicy -policy 20 -value 9 -force",
            "partition init -l again -p partition-so -domain d -applytemplate four.ppt -auth -force",
            "partition showpolicies",
            "role init -n co -p first-password",
        ],
    );
    assert_eq!(run.code, Some(0), "{}", run.out);
    let after = run.out.rsplit("partition init").next().unwrap();
    let policy = after.lines().rfind(|line| line.trim_start().starts_with("20:")).unwrap();
    assert!(policy.ends_with(" : 4"), "{policy}");
    let file = instance.directory().join("data/partition_policy_templates/four.ppt");
    let text = std::fs::read_to_string(&file).unwrap().replace(":4:", ":x:");
    std::fs::write(&file, text).unwrap();
    let init = "partition init -l x -p partition-so -domain d -applytemplate four.ppt -force";
    let run = typed(&instance, &["-q", "-c", init], &[]);
    refused(&run, 2, "0x7 (CKR_ARGUMENTS_BAD)", "of the template: '20:");
    let run = typed(&instance, &["-q", "-c", "role show -n co"], &[]);
    assert!(run.out.contains("Initialized:                             yes"), "nothing was wiped");
}

#[test]
fn an_hsms_roles_are_no_partitions_roles() {
    let instance = Instance::up(&["--partition", "one"]);
    let run = typed(&instance, &["-q", "-c", "role login -n so -p nobody-knows"], &[]);
    refused(
        &run,
        1,
        "0x103 (CKR_USER_TYPE_INVALID)",
        "'so' is one of an HSM's roles; here there are po",
    );
    let run = typed(&instance, &["-q", "-c", "role show -n po"], &[]);
    let left = run.out.lines().find(|line| line.contains("attempts left")).unwrap();
    assert!(left.ends_with(" 10"), "no attempt of the Partition SO was taken: {left}");
}

#[test]
fn what_a_partition_of_a_network_hsm_does_not_have_is_refused() {
    let instance = Instance::up(&["--partition", "one"]);
    for command in [
        "hsm showinfo",
        "hsm showpolicies",
        "hsm showmechanism",
        "hsm init -label x -password partition-so -force",
        "hsm reset -force",
        "hsm changehsmpolicy -policy 12 -value 0 -force",
        "role createchallenge -name co",
        "role deactivate -name co",
        "partition archive list",
        "partition archive backup -slot 3 -partition x",
        "stm show",
        "ped connect -ip 10.0.0.1",
        "audit login -password x",
        "stc status",
        "remotebackup start",
        "srk show",
        "clientconfig deploy -server hsm1 -client me -partition one -user admin -password x",
    ] {
        let run = typed(&instance, &["-q", "-c", command], &[]);
        refused(&run, 1, "0x54 (CKR_FUNCTION_NOT_SUPPORTED)", "Error: ");
    }
}
