//! `kill -9` at every step, write and commit of every operation: the next start finds the server before it or after it, says which, and
//! reads every object.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;

use okv_sim::{
    BackupKind, BackupStart, Event, OpenWith, RestoreRequest, ReverseMigrateRequest,
    ScheduleRequest, State, Vault,
};

use crate::hsm::{CREDENTIAL, Hsm, alone};
use crate::{PASSPHRASE, assert_readable, copy, initialize, install, set_credential};

/// Names the operation and the event to die at, for the process that dies.
const DIE: &str = "OKV_SIM_TEST_DIE";

/// An operation, and the state of the server after it. Before it, it is the state it began with.
struct Operation {
    name: &'static str,
    after: State,
    run: fn(&mut Vault, &Hsm) -> bool,
}

const OPERATIONS: [Operation; 6] = [
    Operation {
        name: "initialize",
        after: State::EnabledOk,
        run: |vault, hsm| vault.initialize(&initialize(hsm)).is_ok(),
    },
    Operation {
        name: "set-credential",
        after: State::EnabledOk,
        run: |vault, hsm| vault.set_credential(&set_credential(hsm, CREDENTIAL)).is_ok(),
    },
    Operation {
        name: "restart",
        after: State::EnabledOk,
        run: |vault, _| vault.restart().is_ok_and(|started| started.failure.is_none()),
    },
    Operation {
        name: "backup",
        after: State::EnabledOk,
        run: |vault, _| vault.schedule_backup(&once()).is_ok() && vault.backup("again").is_ok(),
    },
    Operation {
        name: "restore",
        after: State::EnabledOk,
        run: |vault, _| vault.restore(&of_the_backup(vault)).is_ok(),
    },
    Operation {
        name: "reverse-migrate",
        after: State::NotEnabled,
        run: |vault, _| {
            let request = ReverseMigrateRequest {
                credential: CREDENTIAL.into(),
                passphrase: PASSPHRASE.into(),
                new_passphrase: None,
            };
            vault.reverse_migrate(&request).is_ok()
        },
    },
];

fn once() -> ScheduleRequest {
    ScheduleRequest {
        name: "again".into(),
        start: BackupStart::Now,
        destination: "LOCAL".into(),
        kind: BackupKind::OneTime,
        every_minutes: None,
    }
}

/// The one backup that every enabled server of this test has.
fn of_the_backup(vault: &Vault) -> RestoreRequest {
    let runs = vault.view().backup_runs().unwrap();
    let file = runs.iter().rev().find_map(|run| run.file.clone()).unwrap();
    RestoreRequest { source: "LOCAL".into(), file, passphrase: PASSPHRASE.into() }
}

/// A server for the operation to begin with.
fn start(data: &Path, operation: &str) -> Vault {
    let (mut vault, _) = Vault::start(data).unwrap();
    if operation == "initialize" {
        vault.open_wallet(OpenWith::Passphrase(&PASSPHRASE.into())).unwrap();
    }
    vault
}

/// The process that dies: it never comes back from the event.
fn die(hsm: &Hsm, order: &str) -> ! {
    let (name, event) = order.split_once(' ').unwrap();
    let (event, mut seen): (usize, usize) = (event.parse().unwrap(), 0);
    let operation = OPERATIONS.iter().find(|it| it.name == name).unwrap();
    let mut vault = start(&hsm.data("victim"), name);
    vault.watch(Some(Box::new(move |_: &Event<'_>| {
        seen += 1;
        if seen > event {
            let own = std::process::id().to_string();
            let _ = Command::new("kill").args(["-9", &own]).status();
            std::thread::sleep(std::time::Duration::from_secs(60));
        }
        Ok(())
    })));
    let through = (operation.run)(&mut vault, hsm);
    std::process::exit(if through { 0 } else { 1 });
}

#[test]
fn a_kill_anywhere_in_any_operation_leaves_the_server_before_or_after_it() {
    let test = "kill::a_kill_anywhere_in_any_operation_leaves_the_server_before_or_after_it";
    alone(test, |hsm| {
        if let Some(order) = std::env::var_os(DIE) {
            die(hsm, order.to_str().unwrap());
        }
        drop(install(&hsm.data("plain")));
        copy(&hsm.data("plain"), &hsm.data("enabled"));
        let mut vault = start(&hsm.data("enabled"), "initialize");
        vault.initialize(&initialize(hsm)).unwrap();
        vault.schedule_backup(&once()).unwrap();
        vault.backup("again").unwrap();
        drop(vault);
        for operation in OPERATIONS {
            kill_at_every_event(hsm, test, &operation);
        }
    });
}

fn kill_at_every_event(hsm: &Hsm, test: &str, operation: &Operation) {
    let base = hsm.data(if operation.name == "initialize" { "plain" } else { "enabled" });
    let victim = hsm.data("victim");
    let (mut done, mut not_done) = (0, 0);
    for event in 0.. {
        let _ = std::fs::remove_dir_all(&victim);
        copy(&base, &victim);
        let ended = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(DIE, format!("{} {event}", operation.name))
            .output()
            .unwrap();
        let at = format!("{} killed at event {event}", operation.name);
        if ended.status.signal() != Some(9) {
            assert_eq!(ended.status.code(), Some(0), "{at}: {ended:?}");
            assert!(event > 12, "{at}: it has more events than that");
            break;
        }
        let vault = Vault::open(&victim).unwrap();
        let found = vault.status().unwrap().interrupted;
        drop(vault);
        let (mut vault, started) = Vault::start(&victim).unwrap();
        let before =
            if operation.name == "initialize" { State::NotEnabled } else { State::EnabledOk };
        let expected = match &found {
            Some(found) => {
                assert_eq!(found.operation, operation.name, "{at}");
                if found.done {
                    done += 1;
                } else {
                    not_done += 1;
                }
                if found.done { operation.after } else { before }
            }
            // Before its begin or after its end, there is nothing to say.
            None if started.state == operation.after => operation.after,
            None => before,
        };
        assert_eq!((started.state, started.failure), (expected, None), "{at}: {found:?}");
        if expected == State::NotEnabled {
            vault.open_wallet(OpenWith::Passphrase(&PASSPHRASE.into())).unwrap();
        }
        assert_readable(&vault);
    }
    if operation.name != "restart" {
        assert!(done > 0 && not_done > 2, "{}: {done} done, {not_done} not", operation.name);
    }
}
