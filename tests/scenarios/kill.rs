//! `kill -9` at every event of every service there is, a real process each time: the next start finds the server as it
//! was before or as it is after, says which where the service has steps, and no key is lost.
//!
//! Services come from the registry, so that a new one cannot be forgotten: one without a row in [`ROWS`] is tried
//! without options, and must then change nothing, or the test says that it wants a row. Events are the key vault's
//! own: every step, every file written, replaced or removed, every transaction before and after its commit, every
//! piece of a backup that has gone.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use luna_tests::CRYPTO_OFFICER;
use okv_sim::api::{self, Answer, Call, Options, Service};
use okv_sim::{
    BackupKind, BackupStart, Cause, Event, OpenWith, Role, ScheduleRequest, Secret,
    SetCredentialRequest, State, Vault,
};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::alone::{LABEL, OBJECT, PASSPHRASE, Place, alone, copy};
use crate::sshd::{PASSWORD, Sshd, USER};

/// Which server a service begins with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Base {
    /// No HSM.
    Plain,
    /// An HSM, accounts, a destination, backups made and scheduled.
    Enabled,
    /// Prepared for the restore of a backup of `Enabled`.
    Prepared,
}

/// How a service is called so that it does its work.
struct Row {
    service: &'static str,
    base: Base,
    /// JSON, with `$` words for what the test knows.
    options: &'static str,
    /// The state afterwards, where it is another.
    after: Option<State>,
    /// What may be answered when it is called again and was done already.
    again: &'static [Cause],
}

const fn row(service: &'static str, options: &'static str, again: &'static [Cause]) -> Row {
    Row { service, base: Base::Enabled, options, after: None, again }
}

const HSM: &str = r#"{"hsmCredential":"$PIN","recoveryPassphrase":"$PASSPHRASE","useTokenLabel":"true",
    "tokenLabel":"$LABEL","module":"$MODULE"}"#;
const CREDENTIAL: &str =
    r#"{"hsmCredential":"$PIN","useTokenLabel":"true","tokenLabel":"$LABEL","module":"$MODULE"}"#;
const NIGHTLY: &str = r#"{"name":"nightly"}"#;

const ROWS: &[Row] = &[
    row("server wallet open", "{}", &[]),
    row("server power restart", "{}", &[]),
    row("hsm config verify", "{}", &[]),
    row("hsm check run", "{}", &[]),
    row("backup destination public-key", "{}", &[]),
    row("server release upgrade", r#"{"release":"21.3"}"#, &[Cause::ReleaseNotNewer]),
    row("alert monitor set", r#"{"intervalSeconds":"60"}"#, &[]),
    Row {
        base: Base::Plain,
        after: Some(State::EnabledOk),
        ..row("hsm config initialize", HSM, &[Cause::WrongState])
    },
    row("hsm credential set", CREDENTIAL, &[]),
    Row {
        base: Base::Plain,
        after: Some(State::CredentialSet),
        ..row("hsm credential set", CREDENTIAL, &[])
    },
    Row {
        after: Some(State::NotEnabled),
        ..row(
            "hsm config reverse-migrate",
            r#"{"hsmCredential":"$PIN","recoveryPassphrase":"$PASSPHRASE"}"#,
            &[Cause::HsmNotEnabled],
        )
    },
    row(
        "primary-standby hsm adopt",
        r#"{"useTokenLabel":"true","tokenLabel":"$LABEL","module":"$MODULE"}"#,
        &[],
    ),
    row(
        "backup destination create",
        r#"{"name":"E","hostName":"127.0.0.1","port":"$PORT","path":"$PATH","userName":"$USER",
            "password":"$PASSWORD"}"#,
        &[],
    ),
    row("backup destination delete", r#"{"name":"D"}"#, &[Cause::DestinationUnknown]),
    row(
        "backup schedule create",
        r#"{"name":"new","destination":"LOCAL","startTime":"01-JAN-2099 00:00"}"#,
        &[Cause::BackupExists],
    ),
    row("backup schedule delete", NIGHTLY, &[Cause::BackupUnknown]),
    row("backup schedule pause", NIGHTLY, &[Cause::WrongState]),
    row("backup schedule resume", r#"{"name":"resting"}"#, &[Cause::WrongState]),
    row("backup schedule run", NIGHTLY, &[]),
    row("backup once run", r#"{"name":"now"}"#, &[Cause::BackupExists]),
    row("backup once run", r#"{"name":"far","destination":"D"}"#, &[Cause::BackupExists]),
    row(
        "backup restore start",
        r#"{"source":"LOCAL","file":"$FILE","recoveryPassphrase":"$PASSPHRASE"}"#,
        &[],
    ),
    Row {
        base: Base::Prepared,
        after: Some(State::EnabledOk),
        ..row(
            "backup restore start",
            r#"{"source":"LOCAL","file":"$FILE","recoveryPassphrase":"$PASSPHRASE"}"#,
            &[],
        )
    },
    row("backup restore list", r#"{"source":"D"}"#, &[]),
    row(
        "admin account create",
        r#"{"name":"new","password":"password-1","auditManager":"true"}"#,
        &[Cause::AccountExists],
    ),
    row("admin account set-password", r#"{"name":"other","password":"password-2"}"#, &[]),
    row("admin account delete", r#"{"name":"other"}"#, &[Cause::AccountUnknown]),
    row("managed-object object register", r#"{"name":"new","hex":"00ff"}"#, &[Cause::ObjectExists]),
    row("managed-object object get", r#"{"name":"key"}"#, &[]),
    row("admin endpoint create", r#"{"endpoint":"new"}"#, &[Cause::EndpointExists]),
    row("admin endpoint get", r#"{"endpoint":"first"}"#, &[]),
    row("admin endpoint get-enrollment-token", r#"{"endpoint":"first"}"#, &[]),
    row("admin endpoint enroll", r#"{"token":"$TOKEN"}"#, &[Cause::TokenRefused]),
    row("admin endpoint re-enroll", r#"{"endpoint":"enrolled"}"#, &[]),
    row("admin endpoint suspend", r#"{"endpoint":"enrolled"}"#, &[Cause::EndpointStatusWrong]),
    row("admin endpoint resume", r#"{"endpoint":"suspended"}"#, &[Cause::EndpointStatusWrong]),
    row("admin endpoint delete", r#"{"endpoint":"first"}"#, &[Cause::EndpointUnknown]),
    row("manage-access wallet create", r#"{"wallet":"new"}"#, &[Cause::VirtualWalletExists]),
    row("manage-access wallet delete", r#"{"wallet":"W"}"#, &[Cause::VirtualWalletUnknown]),
    row(
        "manage-access wallet add-access",
        r#"{"wallet":"W","endpoint":"first","access":"RM"}"#,
        &[Cause::MembershipUnchanged],
    ),
    row(
        "manage-access wallet update-access",
        r#"{"wallet":"W","endpoint":"enrolled","access":"RM_MW"}"#,
        &[Cause::MembershipUnchanged],
    ),
    row(
        "manage-access wallet delete-access",
        r#"{"wallet":"W","endpoint":"enrolled"}"#,
        &[Cause::MembershipUnchanged],
    ),
    row("manage-access wallet list-access", r#"{"wallet":"W"}"#, &[]),
    row("manage-access wallet set-default", r#"{"endpoint":"enrolled","wallet":"W"}"#, &[]),
    row("manage-access wallet get-default", r#"{"endpoint":"enrolled"}"#, &[]),
    row(
        "manage-access endpoint-group create",
        r#"{"endpointGroup":"new"}"#,
        &[Cause::EndpointGroupExists],
    ),
    row(
        "manage-access endpoint-group delete",
        r#"{"endpointGroup":"G"}"#,
        &[Cause::EndpointGroupUnknown],
    ),
    row(
        "manage-access endpoint-group add-endpoint",
        r#"{"endpointGroup":"G","endpoint":"first"}"#,
        &[Cause::MembershipUnchanged],
    ),
    row(
        "manage-access endpoint-group remove-endpoint",
        r#"{"endpointGroup":"G","endpoint":"enrolled"}"#,
        &[Cause::MembershipUnchanged],
    ),
];

/// Services that one server without its process cannot be asked for, by the beginning of their names, and the test
/// that kills or breaks off what they do.
const ELSEWHERE: &[(&str, &str)] = &[
    ("cluster ", "tests/cluster/kills.rs"),
    ("hsm bundle ", "tests/cluster/bundle.rs"),
    ("managed-object wallet ", "tests/endpoints"),
];

/// Names the service, the row's place and the event to the process that dies.
const DIE: &str = "LUNA_TEST_OKV_DIE";

/// What `$` words stand for.
const WORDS: &str = "LUNA_TEST_OKV_WORDS";

const TEST: &str =
    "kill::a_kill_at_every_event_of_every_service_leaves_the_server_before_or_after_it";

#[test]
fn a_kill_at_every_event_of_every_service_leaves_the_server_before_or_after_it() {
    let ssh = |command: &mut Command| {
        let sshd = Sshd::start();
        if let Some(sshd) = &sshd {
            let path = sshd.destination.to_str().unwrap();
            let words = json!({ "PORT": sshd.port.to_string(), "PATH": path });
            command.env(WORDS, words.to_string());
        }
        sshd
    };
    alone(TEST, ssh, |place| match std::env::var(DIE) {
        Ok(order) => die(place, &serde_json::from_str(&order).unwrap()),
        Err(_) => every_service(place),
    });
}

/// Everything the registry has, by name; those with rows by their rows.
fn calls() -> Vec<(&'static Service, Option<usize>)> {
    let mut calls = Vec::new();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for service in api::services() {
        let name = service.name();
        if let Some((_, test)) = ELSEWHERE.iter().find(|(begins, _)| name.starts_with(begins)) {
            assert!(root.join(test).exists(), "{name}: there is no {test} any more");
            continue;
        }
        let rows: Vec<_> = (0..ROWS.len()).filter(|at| ROWS[*at].service == name).collect();
        if rows.is_empty() {
            calls.push((service, None));
        }
        calls.extend(rows.into_iter().map(|at| (service, Some(at))));
    }
    for row in ROWS {
        let known = api::services().any(|service| service.name() == row.service);
        assert!(known, "there is no service `{}` any more", row.service);
    }
    calls
}

fn every_service(place: &Place) {
    let ssh = std::env::var_os(WORDS).is_some();
    make_bases(place, ssh);
    let calls: Vec<_> = calls()
        .into_iter()
        .filter(|(_, at)| ssh || !at.is_some_and(|at| needs_ssh(&ROWS[at])))
        .collect();
    let next = AtomicUsize::new(0);
    let killed = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for hand in 0..4 {
            let (calls, next, killed) = (&calls, &next, &killed);
            scope.spawn(move || {
                while let Some((service, at)) = calls.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let events = kill_everywhere(place, hand, service, *at);
                    let base = at.map_or(Base::Enabled, |at| ROWS[at].base);
                    let name = format!("{} ({base:?}, row {at:?})", service.name());
                    killed.lock().insert(name, events);
                }
            });
        }
    });
    let killed = killed.into_inner();
    let all: usize = killed.values().sum();
    eprintln!("okv: {all} kills in {} calls: {killed:?}", killed.len());
    assert_eq!(killed.len(), calls.len());
    assert!(all > 300, "{killed:#?}");
}

fn needs_ssh(row: &Row) -> bool {
    row.options.contains("$PORT") || row.options.contains("\"D\"")
}

/// The three servers that services begin with.
fn make_bases(place: &Place, ssh: bool) {
    drop(place.install("plain"));
    let mut vault = place.install("enabled");
    place.initialize(&mut vault);
    for name in ["admin", "other"] {
        vault.create_account(name, &"password-1".into(), &[Role::SystemAdministrator]).unwrap();
    }
    let mut schedule = |name: &str, kind, every_minutes| {
        let start = BackupStart::Now;
        let destination = "LOCAL".into();
        let request =
            ScheduleRequest { name: name.into(), start, destination, kind, every_minutes };
        vault.schedule_backup(&request).unwrap();
        vault.backup(name).unwrap()
    };
    let made = schedule("first", BackupKind::OneTime, None);
    schedule("nightly", BackupKind::Periodic, Some(24 * 60));
    schedule("resting", BackupKind::Periodic, Some(24 * 60));
    let vault = Mutex::new(vault);
    call(&vault, "backup schedule pause", &json!({ "name": "resting" })).unwrap();
    make_endpoints(place, &vault);
    if ssh {
        let at = ROWS.iter().position(|row| row.service == "backup destination create");
        let mut options = options(place, at);
        options["name"] = "D".into();
        call(&vault, "backup destination create", &options).unwrap();
    }
    drop(vault);

    let mut prepared = place.install("prepared");
    let file = std::path::Path::new("backup").join(&made.file);
    std::fs::copy(place.data("enabled").join(&file), place.data("prepared").join(&file)).unwrap();
    let request = SetCredentialRequest { hsm: place.settings(), credential: CRYPTO_OFFICER.into() };
    prepared.set_credential(&request).unwrap();
    std::fs::write(place.data("backup-file"), made.file).unwrap();
}

/// Endpoints of each status, a wallet and a group.
fn make_endpoints(place: &Place, vault: &Mutex<Vault>) {
    let made = |service: &str, options: Value| call(vault, service, &options).unwrap().value;
    for name in ["first", "enrolled", "suspended"] {
        let made_one = made("admin endpoint create", json!({ "endpoint": name }));
        let token = made_one["enrollmentToken"].as_str().unwrap().to_owned();
        if name == "first" {
            std::fs::write(place.data("token"), token).unwrap();
        } else {
            made("admin endpoint enroll", json!({ "token": token }));
        }
    }
    made("admin endpoint suspend", json!({ "endpoint": "suspended" }));
    made("manage-access wallet create", json!({ "wallet": "W" }));
    made("manage-access endpoint-group create", json!({ "endpointGroup": "G" }));
    let member = json!({ "endpointGroup": "G", "endpoint": "enrolled" });
    made("manage-access endpoint-group add-endpoint", member);
    let access = json!({ "wallet": "W", "endpoint": "enrolled", "access": "RO" });
    made("manage-access wallet add-access", access);
}

fn words() -> BTreeMap<String, String> {
    std::env::var(WORDS).ok().map(|it| serde_json::from_str(&it).unwrap()).unwrap_or_default()
}

/// The options of a row, with what the test knows in them.
fn options(place: &Place, at: Option<usize>) -> Value {
    let Some(at) = at else { return json!({}) };
    let mut text = ROWS[at].options.to_owned();
    let file = std::fs::read_to_string(place.data("backup-file")).unwrap_or_default();
    let token = std::fs::read_to_string(place.data("token")).unwrap_or_default();
    let module = place.module.display().to_string();
    let known = [
        ("$PIN", CRYPTO_OFFICER),
        ("$PASSPHRASE", PASSPHRASE),
        ("$PASSWORD", PASSWORD),
        ("$LABEL", LABEL),
        ("$MODULE", &module),
        ("$FILE", &file),
        ("$TOKEN", &token),
        ("$USER", USER),
    ];
    for (word, value) in known {
        text = text.replace(word, value);
    }
    for (word, value) in words() {
        text = text.replace(&format!("${word}"), &value);
    }
    serde_json::from_str(&text).unwrap()
}

fn call(vault: &Mutex<Vault>, service: &str, options: &Value) -> Result<Answer, okv_sim::Error> {
    let words: Vec<_> = service.split(' ').collect();
    let service = api::service(words[0], words[1], words[2])?;
    let view = vault.lock().view();
    let options = Options::from_json(service, options)?;
    (service.run)(&Call { vault, view: &view, options: &options })
}

/// Starts a server as its machine does, and opens its wallet where a passphrase does that.
fn start(data: &std::path::Path) -> (Vault, okv_sim::Started) {
    let (mut vault, started) = Vault::start(data).unwrap();
    if matches!(vault.state(), State::NotEnabled | State::CredentialSet) {
        vault.open_wallet(OpenWith::Passphrase(&Secret::from(PASSPHRASE))).unwrap();
    }
    (vault, started)
}

/// The process that dies: it never comes back from the event.
fn die(place: &Place, order: &Value) {
    let event = usize::try_from(order["event"].as_u64().unwrap()).unwrap();
    let at = order["row"].as_u64().map(|at| usize::try_from(at).unwrap());
    let data = place.data(order["victim"].as_str().unwrap());
    let (vault, _) = start(&data);
    let seen = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&seen);
    vault.watch(Some(Box::new(move |_: &Event<'_>| {
        if counter.fetch_add(1, Ordering::Relaxed) >= event {
            let own = std::process::id().to_string();
            let _ = Command::new("kill").args(["-9", &own]).status();
            std::thread::sleep(std::time::Duration::from_secs(60));
        }
        Ok(())
    })));
    let vault = Mutex::new(vault);
    let options = options(place, at);
    if let Err(error) = call(&vault, order["service"].as_str().unwrap(), &options) {
        eprintln!("refused: {error}");
        std::process::exit(1);
    }
    std::process::exit(0);
}

fn strike(victim: &str, service: &Service, at: Option<usize>, event: usize) -> Output {
    let order = json!({ "victim": victim, "service": service.name(), "row": at, "event": event });
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", TEST, "--nocapture"])
        .env(DIE, order.to_string())
        .output()
        .unwrap()
}

/// How often it was killed before it came through.
fn kill_everywhere(place: &Place, hand: usize, service: &Service, at: Option<usize>) -> usize {
    let row = at.map(|at| &ROWS[at]);
    let base = row.map_or(Base::Enabled, |row| row.base);
    let victim = format!("victim-{hand}");
    let data = place.data(&victim);
    for event in 0.. {
        let _ = std::fs::remove_dir_all(&data);
        copy(&place.data(&format!("{base:?}").to_lowercase()), &data);
        let ended = strike(&victim, service, at, event);
        let name = service.name();
        let told = format!("{name} ({base:?}) killed at event {event}");
        if ended.status.signal() == Some(9) {
            assert!(row.is_some(), "{name} changes something: it wants a row in ROWS");
            look(&data, &told, row.unwrap(), &options(place, at));
            continue;
        }
        let said = String::from_utf8_lossy(&ended.stderr);
        let missing = said.contains("A value is missing");
        assert!(!missing, "{name} has options: it wants a row in ROWS");
        assert_eq!(ended.status.code(), Some(0), "{told}: {ended:?}");
        return event;
    }
    unreachable!("a service comes to an end")
}

/// Looks at what a death left.
fn look(data: &std::path::Path, told: &str, row: &Row, options: &Value) {
    let opened = Vault::open(data).unwrap();
    let found = opened.status().unwrap().interrupted;
    drop(opened);
    let before = match row.base {
        Base::Plain => State::NotEnabled,
        Base::Enabled => State::EnabledOk,
        Base::Prepared => State::CredentialSet,
    };
    let after = row.after.unwrap_or(before);
    let (vault, started) = start(data);
    assert_eq!(started.failure, None, "{told}");
    let expected = match &found {
        Some(found) if found.done => after,
        Some(_) => before,
        None => vault.state(),
    };
    assert!([before, after].contains(&expected), "{told}: {expected}");
    assert_eq!(vault.state(), expected, "{told}: {found:?}");
    assert_eq!(vault.read_object("key").unwrap().expose(), OBJECT, "{told}");
    let ongoing = |run: &okv_sim::BackupRun| run.status == okv_sim::BackupStatus::Ongoing;
    assert!(!vault.view().backup_runs().unwrap().iter().any(ongoing), "{told}");
    // Done again it comes through, or says that it was done.
    let vault = Mutex::new(vault);
    if let Err(error) = call(&vault, row.service, options) {
        assert!(row.again.contains(&error.cause), "{told}, and again: {error}");
    }
    let vault = vault.into_inner();
    assert_eq!(vault.read_object("key").unwrap().expose(), OBJECT, "{told}, and again");
}
