//! What a good client does.

use std::path::Path;
use std::process::Command;

use luna_tests::Instance;

use crate::{Site, files, redeeming, service};

const THEMES: [&str; 11] = [
    "create",
    "register",
    "locate",
    "attribute list",
    "attributes",
    "activate",
    "re-key",
    "revoke",
    "destroy",
    "refusals",
    "query",
];

#[test]
fn pykmip_walks_the_whole_life_of_keys() {
    let Some(site) = Site::new() else { return };
    let instance = Instance::up(&["--partition", "OKV"]);
    let vault = site.vault(&instance);
    service(&vault, "manage-access wallet create", &["--wallet", "TDE"]);
    let token = site.enrol(&vault, "hr_db");
    service(
        &vault,
        "manage-access wallet set-default",
        &["--endpoint", "hr_db", "--wallet", "TDE"],
    );
    let told = site.tells("hr_db", &["life"]);
    let held: Vec<_> = told.lines().filter_map(|line| line.strip_prefix("held: ")).collect();
    assert_eq!(held, THEMES, "{told}");
    // Once, and whoever comes too late has lost nothing of what was there.
    let again = site.directory("again");
    let done = redeeming(&vault, &token, &again);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(!done.status.success() && said.contains("token was not accepted"), "{said}");
    assert!(files(&again).is_empty());
    let done = redeeming(&vault, &token, &site.directory("hr_db"));
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(said.contains("is there already"), "{said}");
    site.tells("hr_db", &["create", "after all that"]);
}

/// Who looks at the server's disk finds no key, no token, and no endpoint's private key.
#[test]
fn nothing_secret_lies_on_the_disk_in_clear() {
    let Some(site) = Site::new() else { return };
    let instance = Instance::up(&["--partition", "OKV"]);
    let vault = site.vault(&instance);
    let token = site.enrol(&vault, "hr_db");
    let waiting = service(&vault, "admin endpoint create", &["--endpoint", "waits"]);
    let created = site.tells("hr_db", &["create", "a name to be found"]);
    let (id, digits) = created.split_once(' ').unwrap();
    let password = "70617373776f72642d6f662d612d6461746162617365";
    site.tells("hr_db", &["register", "registered", password]);
    site.tells("hr_db", &["create", "destroyed in the end"]);
    let decode = |digits: &str| {
        let pair = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
        (0..digits.len()).step_by(2).map(pair).collect::<Vec<_>>()
    };
    let key = std::fs::read_to_string(site.directory("hr_db").join("ssl/key.pem")).unwrap();
    let key = key.lines().nth(1).unwrap().to_owned();
    let secrets = [
        decode(digits),
        digits.as_bytes().to_vec(),
        decode(password),
        password.as_bytes().to_vec(),
        token.into_bytes(),
        waiting["enrollmentToken"].as_str().unwrap().as_bytes().to_vec(),
        key.into_bytes(),
        b"a name to be found".to_vec(),
    ];
    service(&vault, "backup once run", &["--name", "B", "--destination", "LOCAL"]);
    let all = files(&site.scratch.path().join("vault"));
    assert!(all.iter().any(|(path, _)| path.ends_with("okv.db")));
    assert!(all.iter().any(|(path, _)| path.to_string_lossy().contains("okvbackup")));
    // The search finds what is there: identifiers are in clear.
    let holds = |needle: &[u8]| {
        let found = all.iter().find(|(_, it)| it.windows(needle.len()).any(|part| part == needle));
        found.map(|(path, _)| path.clone())
    };
    assert!(holds(id.as_bytes()).is_some());
    for (number, secret) in secrets.iter().enumerate() {
        assert_eq!(holds(secret), None, "secret {number}");
    }
}

/// The recipe stands in the README for people to copy.
#[test]
fn the_recipe_of_the_readme_works() {
    let Some(site) = Site::new() else { return };
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let (_, endpoints) = readme.split_once("### Endpoints over KMIP").expect("a part on endpoints");
    let (_, recipe) = endpoints.split_once("```python\n").expect("a recipe");
    let (recipe, _) = recipe.split_once("```").expect("its end");
    let instance = Instance::up(&["--partition", "OKV"]);
    let vault = site.vault(&instance);
    site.enrol(&vault, "hr_db");
    let mut command = Command::new(&site.python);
    command.args(["-c", recipe]).current_dir(site.scratch.path()).env("HOME", site.scratch.path());
    let done = command.output().unwrap();
    let told = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{told}{}", String::from_utf8_lossy(&done.stderr));
    let uuid = told.split_whitespace().next().unwrap();
    let listed = service(&vault, "managed-object endpoint-object list", &[]);
    assert_eq!(listed[0]["uuid"], uuid);
    assert_eq!(listed[0]["state"], "ACTIVE");
    assert_eq!(listed[0]["names"][0], "tde master key");
}
