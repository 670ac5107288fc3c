//! The JSON API and the guards at the door, with `curl` as a stranger's program.

use std::process::Command;

use luna_tests::{CRYPTO_OFFICER, Instance, scratch};
use serde_json::{Value, json};

use crate::installed;
use crate::vault::{ADMINISTRATOR, Vault};

struct Curl<'a> {
    program: std::path::PathBuf,
    vault: &'a Vault<'a>,
}

impl Curl<'_> {
    /// Status, and the rest of the answer.
    fn ask(&self, path: &str, more: &[&str]) -> (u16, String) {
        let done = Command::new(&self.program)
            .args(["--silent", "--show-error", "--max-time", "120", "--cacert"])
            .arg(self.vault.certificate())
            .args(["--write-out", "\n%{http_code}"])
            .args(more)
            .arg(format!("{}{path}", self.vault.url))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        let (body, status) = text.rsplit_once('\n').unwrap_or_else(|| panic!("{done:?}"));
        (status.parse().unwrap(), body.to_owned())
    }

    fn call(&self, user: &str, words: [&str; 3], options: &Value) -> (u16, Value) {
        let [category, resource, action] = words;
        let request = json!({ "service": {
            "category": category, "resource": resource, "action": action, "options": options,
        }});
        let body = request.to_string();
        let (status, text) = self.ask("/okv/api", &["--user", user, "--data", &body]);
        (status, serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}")))
    }
}

#[test]
fn the_whole_life_of_a_server_by_json() {
    let Some(program) = installed("curl") else { return };
    let instance = Instance::up(&["--partition", "OKV"]);
    let scratch = scratch();
    let vault = Vault::start(&instance, &scratch.path().join("vault"), "21.3");
    let curl = Curl { program, vault: &vault };
    let admin = format!("{ADMINISTRATOR}:{}", vault.password);
    let well = |words: [&str; 3], options: Value| {
        let (status, answer) = curl.call(&admin, words, &options);
        assert_eq!((status, &answer["result"]), (200, &"Success".into()), "{words:?}: {answer}");
        answer["value"].clone()
    };
    let refused = |words: [&str; 3], options: Value, status: u16, cause: &str| {
        let (seen, answer) = curl.call(&admin, words, &options);
        assert_eq!(
            (seen, answer["error"]["cause"].as_str()),
            (status, Some(cause)),
            "{words:?}: {answer}"
        );
        assert_eq!(answer["result"], "Failure");
        assert!(answer["message"].as_str().unwrap().ends_with('.'), "{answer}");
    };
    let initialize = ["hsm", "config", "initialize"];
    let passphrase = vault.passphrase.clone();
    refused(initialize, json!({}), 400, "OptionMissing");
    refused(initialize, json!({ "vendor": 1, "colour": "red" }), 400, "OptionUnknown");
    refused(["hsm", "config", "explode"], json!({}), 404, "ActionUnknown");
    refused(["hsm", "config", "verify"], json!({}), 409, "HsmNotEnabled");
    let mut options = json!({
        "hsmCredential": CRYPTO_OFFICER, "recoveryPassphrase": passphrase,
        "useTokenLabel": true, "tokenLabel": "nowhere",
    });
    refused(initialize, options.clone(), 409, "CouldNotGetSlot");
    options["vendor"] = "Safenet".into();
    refused(initialize, options.clone(), 409, "VendorUnknown");
    options["vendor"] = "Thales Luna".into();
    options["tokenLabel"] = "OKV".into();
    assert_eq!(well(initialize, options.clone())["details"]["token_label"], "OKV");
    refused(initialize, options, 409, "WrongState");
    assert_eq!(well(["hsm", "config", "get"], json!({}))["state"], "ENABLED_OK");
    well(["managed-object", "object", "register"], json!({ "name": "a", "hex": "00ff" }));
    assert_eq!(well(["managed-object", "object", "get"], json!({ "name": "a" }))["hex"], "00ff");
    let done = well(["backup", "once", "run"], json!({ "name": "B", "destination": "LOCAL" }));
    let file = done["file"].as_str().unwrap().to_owned();
    well(["managed-object", "object", "register"], json!({ "name": "b", "hex": "" }));
    let restore = ["backup", "restore", "start"];
    let wrong = json!({ "source": "LOCAL", "file": file, "recoveryPassphrase": "wrong one" });
    refused(restore, wrong, 409, "PassphraseWrong");
    well(restore, json!({ "source": "LOCAL", "file": file, "recoveryPassphrase": passphrase }));
    refused(["managed-object", "object", "get"], json!({ "name": "b" }), 409, "ObjectUnknown");

    // Roles: an auditor reads the trail and nothing else.
    let account = json!({ "name": "eve", "password": "eavesdropper", "auditManager": true });
    well(["admin", "account", "create"], account);
    let eve = "eve:eavesdropper";
    assert_eq!(curl.call(eve, ["audit", "entry", "list"], &json!({})).0, 200);
    for words in [initialize, ["hsm", "config", "get"], ["admin", "account", "list"], restore] {
        let (status, answer) = curl.call(eve, words, &json!({}));
        assert_eq!((status, &answer["error"]["cause"]), (403, &"NotAllowed".into()), "{words:?}");
    }
    refused(["admin", "account", "delete"], json!({ "name": "ADMIN" }), 409, "LastAdministrator");
    well(["admin", "account", "delete"], json!({ "name": "eve" }));
    assert_eq!(curl.call(eve, ["audit", "entry", "list"], &json!({})).0, 401);
}

#[test]
fn the_guards_at_the_door() {
    let Some(program) = installed("curl") else { return };
    let instance = Instance::up(&["--partition", "OKV"]);
    let scratch = scratch();
    let vault = Vault::start(&instance, &scratch.path().join("vault"), "18.5");
    let curl = Curl { program, vault: &vault };
    let (status, body) = curl.ask("/system/hardware-security-module", &["--include"]);
    assert_eq!(status, 303, "{body}");
    assert!(body.contains("location: /login?next=/system/hardware-security-module"), "{body}");
    let (_, body) = curl.ask("/login", &["--include"]);
    for header in ["content-security-policy: default-src 'none'", "x-content-type-options: nosniff"]
    {
        assert!(body.contains(header), "{body}");
    }
    // A form of another site, a form without a session, a body that is too long.
    let form = ["--data", "name=admin&password=x"];
    let from = ["--header", "Origin: https://elsewhere.example"];
    assert_eq!(curl.ask("/login", &[&form[..], &from].concat()).0, 403);
    assert_eq!(curl.ask("/do/hsm/config/verify", &["--data", "csrf=x"]).0, 303);
    let long = "x".repeat(100_000);
    assert_eq!(curl.ask("/login", &["--data", &format!("name={long}")]).0, 413);
    // A session's forms need its token.
    let jar = scratch.path().join("jar");
    let jar = jar.to_str().unwrap();
    let login =
        format!("name={ADMINISTRATOR}&password={}&next=//elsewhere.example", vault.password);
    let (status, body) = curl.ask("/login", &["--include", "--cookie-jar", jar, "--data", &login]);
    assert_eq!(status, 303);
    assert!(body.contains("location: /home"), "{body}");
    for word in ["Secure", "HttpOnly", "SameSite=Strict"] {
        assert!(body.contains(word), "{body}");
    }
    assert_eq!(curl.ask("/home", &["--cookie", jar]).0, 200);
    assert_eq!(curl.ask("/nowhere", &["--cookie", jar]).0, 404);
    let post = ["--cookie", jar, "--data", "csrf=guessed"];
    assert_eq!(curl.ask("/do/server/power/restart", &post).0, 403);
    // Guessing passwords gets slower, and says so, for the right one too.
    let mut seen = Vec::new();
    for _ in 0..8 {
        seen.push(curl.ask("/okv/api", &["--user", "admin:wrong", "--data", "{}"]).0);
    }
    assert!(seen.starts_with(&[401; 5]) && seen.ends_with(&[429]), "{seen:?}");
    let right = format!("{ADMINISTRATOR}:{}", vault.password);
    let (status, body) = curl.ask("/okv/api", &["--user", &right, "--data", "{}"]);
    assert!(status == 429 && body.contains("wait"), "{body}");
}
