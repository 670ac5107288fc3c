//! The call log: which calls, in which shape, why they were refused, and that nothing secret is in it.

use std::path::{Path, PathBuf};

use luna_ck::*;
use luna_client::{Access, Attribute, Mechanism, Pin, UserType};
use luna_tests::{CRYPTO_OFFICER, Instance, first_slot, officer};
use serde_json::Value;

use crate::{context, with};

/// A directory whose calls go to the file, with these keys more in CkLog2 and in Emulator.
fn logged(instance: &Instance, name: &str, log: &str, emulator: &str) -> (PathBuf, PathBuf) {
    let file = instance.directory().join(format!("{name}.log"));
    let sections = format!(
        "CkLog2 = {{ LoggingFile = {}; {log} }}\nEmulator = {{ {emulator} }}",
        file.display()
    );
    (with(instance, name, &sections), file)
}

fn json_lines(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON object a line")).collect()
}

#[test]
fn calls_are_logged_in_the_shape_of_cklog() {
    let instance = Instance::up(&["--partition", "app"]);
    let (directory, file) = logged(&instance, "text", "", "");
    {
        let context = context(&instance, &directory);
        let session = officer(&context, first_slot(&context));
        let template = [Attribute::class(CKO_DATA), Attribute::label("mine")];
        session.create_object(&template).unwrap();
        assert!(session.login(UserType::CRYPTO_OFFICER, &Pin::from(CRYPTO_OFFICER)).is_err());
        session.close().unwrap();
    }
    let text = std::fs::read_to_string(&file).unwrap();
    let prefix = format!("0x{:08x} : 0x", std::process::id());
    let (times, calls): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| line.starts_with("---------- 20"));
    assert!(!times.is_empty() && text.starts_with("----------"), "{text}");
    for line in &calls {
        assert!(line.starts_with(&prefix), "{line}");
        assert!(line.contains(" : Calling C_") || line.contains(" : Calling CA_"), "{line}");
        assert!(line.contains(" Input: ") && line.contains(" Output: "), "{line}");
        assert!(line.contains(" Returning 0 (CKR_OK)") || line.contains("0x100"), "{line}");
    }
    let of = |function: &str| -> Vec<&&str> {
        calls.iter().filter(|line| line.contains(&format!("Calling {function} "))).collect()
    };
    assert_eq!((of("C_Initialize").len(), of("C_Finalize").len()), (1, 1), "{text}");
    let opened = of("C_OpenSession")[0];
    assert!(opened.contains("slot=0x0 flags=0x6"), "{opened}");
    assert!(opened.contains("Output: session=0x1 Returning"), "{opened}");
    assert!(of("C_Login")[0].contains("session=0x1 user=0x1 pin=(hidden) Output:"), "{text}");
    assert!(of("C_Login")[1].contains("Returning 0x100 (CKR_USER_ALREADY_LOGGED_IN)"), "{text}");
    let created = of("C_CreateObject")[0];
    assert!(created.contains("template={CKA_CLASS=0x0,CKA_LABEL} count=0x2"), "{created}");
    assert!(created.contains("Output: object=0x"), "{created}");
}

#[test]
fn the_section_says_which_calls_and_where() {
    let instance = Instance::up(&["--partition", "app"]);
    let use_it = |name: &str, log: &str| {
        let (directory, file) = logged(&instance, name, log, "");
        {
            let context = context(&instance, &directory);
            let session = officer(&context, first_slot(&context));
            session.random(8).unwrap();
        }
        std::fs::read_to_string(&file).unwrap_or_default()
    };
    assert_eq!(use_it("off", "Enabled = 0;"), "");
    let masked = use_it("masked", "LoggingMask = C_Login|C_Generate*;");
    let functions: Vec<&str> = masked
        .lines()
        .filter_map(|line| line.split_once("Calling ")?.1.split_once(' '))
        .map(|(function, _)| function)
        .collect();
    assert_eq!(functions, ["C_Login", "C_GenerateRandom"]);
    assert!(use_it("all", "LoggingMask = ALL_FUNC;").contains("Calling C_GetSlotList "));
    let long = use_it("long", "NewFormat = 0; LoggingMask = C_Login;");
    let words: Vec<&str> = ["Calling C_Login", "Input:", "Output:", "Returning 0 (CKR_OK)"]
        .into_iter()
        .filter(|word| long.lines().any(|line| line.contains(word)))
        .collect();
    assert_eq!(words.len(), 4, "{long}");
    assert_eq!(long.lines().count(), 5, "{long}");
    // What is broken is told in a file of its own too.
    let errors = instance.directory().join("errors.log");
    let (directory, file) =
        logged(&instance, "broken", &format!("Error = {};", errors.display()), "");
    let context = context(&instance, &directory);
    let session = officer(&context, first_slot(&context));
    instance.member("down", 0);
    assert!(session.random(8).unwrap_err().is(CKR_DEVICE_ERROR));
    let text = std::fs::read_to_string(&errors).unwrap();
    assert!(text.contains("C_GenerateRandom") && text.contains("CKR_DEVICE_ERROR"), "{text}");
    assert!(!text.contains("CKR_OK"), "{text}");
    assert!(std::fs::read_to_string(file).unwrap().contains("CKR_DEVICE_ERROR"));
}

#[test]
fn a_json_line_says_why() {
    let instance = Instance::up(&["--policy", "5=0", "--partition", "app"]);
    let (directory, file) = logged(&instance, "json", "", "LogFormat = json;");
    {
        let context = context(&instance, &directory);
        let slot = first_slot(&context);
        let session = context.open_session(slot, Access::ReadWrite).unwrap();
        let wrong = Pin::from("not the password");
        assert!(session.login(UserType::CRYPTO_OFFICER, &wrong).is_err());
        session.login(UserType::CRYPTO_OFFICER, &Pin::from(CRYPTO_OFFICER)).unwrap();
        let key = |uses: &[Attribute]| {
            let mut template = vec![Attribute::ulong(CKA_VALUE_LEN, 32)];
            template.extend_from_slice(uses);
            session.generate_key(&Mechanism::Plain(CKM_AES_KEY_GEN), &template).unwrap()
        };
        let wrapping = key(&[Attribute::bool(CKA_WRAP, true)]);
        let secret = key(&[Attribute::bool(CKA_EXTRACTABLE, true)]);
        let mechanism = Mechanism::aes_cbc_pad([0; 16]);
        let refused = session.wrap(&mechanism, wrapping, secret).unwrap_err();
        assert!(refused.is(CKR_KEY_NOT_WRAPPABLE));
        let inside = [Attribute::bool(CKA_EXTRACTABLE, false)];
        assert!(session.wrap(&mechanism, wrapping, key(&inside)).is_err());
    }
    let lines = json_lines(&file);
    for line in &lines {
        assert_eq!(line["pid"], std::process::id());
        assert!(line["duration_us"].is_u64() && line["time"].is_string(), "{line}");
        // Every code that is not OK has its reason.
        assert_eq!(line["rv"] != 0, line["rule"].is_string(), "{line}");
    }
    let refused: Vec<&Value> = lines.iter().filter(|line| line["rv"] != 0).collect();
    let [login, policy, attribute] = refused[..] else { panic!("three refusals: {lines:#?}") };
    assert_eq!(
        (&login["code"], &login["function"]),
        (&"CKR_PIN_INCORRECT".into(), &"C_Login".into())
    );
    assert_eq!((&login["session"], &login["slot"]), (&1.into(), &0.into()));
    assert!(login["rule"].as_str().unwrap().contains("9 attempts"), "{login}");
    assert_eq!((&policy["policy"], &policy["source"]), (&5.into(), &"assumed".into()));
    assert_eq!(policy["input"]["mechanism"], "CKM_AES_CBC_PAD");
    assert_eq!(attribute["attribute"], "CKA_EXTRACTABLE");
    let generated = lines.iter().find(|line| line["function"] == "C_GenerateKey").unwrap();
    assert!(generated["output"]["key"].is_u64(), "{generated}");
    assert_eq!(generated["input"]["template"][0], serde_json::json!(["CKA_VALUE_LEN", 32]));
}

/// Without CkLog2 the same lines are of refused calls alone, where `LogFile` says.
#[test]
fn refusals_alone_are_logged_as_json_too() {
    let instance = Instance::up(&["--partition", "app"]);
    let file = instance.directory().join("refusals.log");
    let sections = format!("Emulator = {{ LogFile = {}; LogFormat = json; }}", file.display());
    {
        let context = context(&instance, &with(&instance, "refusals", &sections));
        let session = officer(&context, first_slot(&context));
        session.random(8).unwrap();
        assert!(session.encrypt_update(b"data").is_err());
    }
    let lines = json_lines(&file);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert_eq!(lines[0]["code"], "CKR_OPERATION_NOT_INITIALIZED");
    assert_eq!(lines[0]["function"], "C_EncryptUpdate");
}

/// Secrets of a busy run, in every form that a log could have them in.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let spaced: Vec<String> = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let listed: Vec<String> = secret.iter().map(u8::to_string).collect();
    vec![
        secret.to_vec(),
        hex.to_uppercase().into_bytes(),
        hex.into_bytes(),
        spaced.join(" ").into_bytes(),
        listed.join(",").into_bytes(),
        listed.join(", ").into_bytes(),
        data_encoding::BASE64.encode(secret).into_bytes(),
    ]
}

#[test]
fn no_log_holds_a_secret() {
    let pins = ["the-officers-own-password", "a-wrong-password-4711", "the-partition-so-password"];
    let key: Vec<u8> = (0..32).map(|byte| 0x90 ^ (byte * 7)).collect();
    let (plain, seed) =
        (b"attack at dawn, attack at dawn!!".to_vec(), b"a seed of 20 bytes!!".to_vec());
    let mut searched = 0;
    for (name, log, emulator) in
        [("text", "", ""), ("long", "NewFormat = 0;", ""), ("json", "", "LogFormat = json;")]
    {
        let options = ["--password", pins[0], "--po-password", pins[2], "--ha", "grp=one,two"];
        let instance = Instance::up(&options);
        let extra = instance.directory();
        let refusals = format!("LogFile = {}; {emulator}", extra.join("refusals.log").display());
        let log = format!("{log} Error = {};", extra.join("errors.log").display());
        let (directory, _) = logged(&instance, name, &log, &refusals);
        let ha = format!(
            "HAConfiguration = {{ haLogStatus = enabled; haLogPath = {}; }}",
            extra.display()
        );
        let file = directory.join("Chrystoki.conf");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("{text}\n{ha}\n")).unwrap();
        let mut secrets: Vec<Vec<u8>> = pins.iter().map(|pin| pin.as_bytes().to_vec()).collect();
        secrets.extend([key.clone(), plain.clone(), seed.clone()]);
        {
            let context = context(&instance, &directory);
            let slot = context.slot_by_label("grp").unwrap().unwrap();
            let session = context.open_session(slot, Access::ReadWrite).unwrap();
            assert!(session.login(UserType::CRYPTO_OFFICER, &Pin::from(pins[1])).is_err());
            session.login(UserType::CRYPTO_OFFICER, &Pin::from(pins[0])).unwrap();
            session.set_pin(&Pin::from(pins[1]), &Pin::from(pins[0])).unwrap_err();
            session.seed_random(&seed).unwrap();
            let random = session.random(32).unwrap();
            let template = [
                Attribute::class(CKO_SECRET_KEY),
                Attribute::ulong(CKA_KEY_TYPE, CKK_AES),
                Attribute::token(true),
                Attribute::bool(CKA_ENCRYPT, true),
                Attribute::bool(CKA_DECRYPT, true),
                Attribute::bool(CKA_WRAP, true),
                Attribute::bool(CKA_SENSITIVE, false),
                Attribute::bool(CKA_EXTRACTABLE, true),
                Attribute::bytes(CKA_VALUE, key.clone()),
            ];
            let object = session.create_object(&template).unwrap();
            session.find(&template).unwrap();
            assert_eq!(session.attribute(object, CKA_VALUE).unwrap().unwrap(), key);
            let mut wrong = template.to_vec();
            wrong.push(Attribute::ulong(CKA_MODULUS_BITS, 7));
            session.create_object(&wrong).unwrap_err();
            let mechanism = Mechanism::aes_cbc_pad([3; 16]);
            let sealed = session.encrypt(&mechanism, object, &plain).unwrap();
            assert_eq!(session.decrypt(&mechanism, object, &sealed).unwrap(), plain);
            session.decrypt(&mechanism, object, &plain[..15]).unwrap_err();
            session.wrap(&mechanism, object, object).unwrap();
            instance.member("down", 0);
            session.encrypt(&mechanism, object, &plain).unwrap();
            instance.member("down", 1);
            session.encrypt(&mechanism, object, &plain).unwrap_err();
            secrets.extend([random, sealed]);
        }
        for entry in std::fs::read_dir(extra).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|kind| kind != "log")
                && !path.ends_with("haErrorLog.txt")
            {
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            assert!(!bytes.is_empty(), "{}", path.display());
            searched += 1;
            for secret in &secrets {
                for form in forms(secret) {
                    let found = bytes.windows(form.len()).position(|window| window == form);
                    assert_eq!(
                        found,
                        None,
                        "{}: {:?}",
                        path.display(),
                        String::from_utf8_lossy(&form)
                    );
                }
            }
        }
    }
    assert_eq!(searched, 3 * 4, "calls, errors, refusals, the groups': each was written");
}
