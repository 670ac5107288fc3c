//! `backup …`: destinations, schedule, restore. Names of services and options are the real ones where known.

use serde_json::json;

use super::{Answer, Call, Kind, OptionSpec, Service};
use crate::error::Error;
use crate::operation::{
    self, BackupStart, DestinationRequest, Operation, RestoreRequest, Role, ScheduleRequest,
};
use crate::store::BackupKind;
use crate::texts::Cause;
use crate::vault::State;

const fn service(
    words: (&'static str, &'static str),
    about: &'static str,
    slow: bool,
    options: &'static [OptionSpec],
    run: fn(&Call<'_>) -> Result<Answer, Error>,
) -> Service {
    let (resource, action) = words;
    Service {
        category: "backup",
        resource,
        action,
        about,
        role: Some(Role::SystemAdministrator),
        extension: false,
        wallet: slow,
        slow,
        options,
        run,
    }
}

const NAME: OptionSpec = OptionSpec::required("name", Kind::Text(64), "letters, digits, _ and -");

pub(super) const SERVICES: &[Service] = &[
    service(
        ("destination", "create"),
        "make or change a destination; it is connected to first",
        true,
        &[
            NAME,
            OptionSpec::optional("transferMethod", Kind::Choice(&["scp", "sftp"]), "scp or sftp"),
            OptionSpec::required("hostName", Kind::Text(255), "name or address"),
            OptionSpec::optional("port", Kind::Number, "22 unless said"),
            OptionSpec::required("path", Kind::Text(255), "directory there, from the root"),
            OptionSpec::required("userName", Kind::Text(64), "who logs in"),
            OptionSpec::optional(
                "authenticationMethod",
                Kind::Choice(&["password", "key"]),
                "password, or key: then the server's public key must be there",
            ),
            OptionSpec::optional("password", Kind::Secret, "for password authentication"),
            OptionSpec::optional("passwordAgain", Kind::Secret, "the same once more"),
            OptionSpec::optional(
                "hostKey",
                Kind::Text(64),
                "the fingerprint the host must show, SHA256:…; what it shows is pinned unless said",
            ),
        ],
        create_destination,
    ),
    service(("destination", "list"), "all destinations", false, &[], list_destinations),
    service(("destination", "delete"), "remove a destination", false, &[NAME], delete_destination),
    Service {
        extension: true,
        ..service(
            ("destination", "public-key"),
            "the line for the destination's authorized_keys",
            true,
            &[],
            public_key,
        )
    },
    service(
        ("schedule", "create"),
        "schedule a backup",
        false,
        &[
            NAME,
            OptionSpec::optional(
                "startTime",
                Kind::Text(32),
                "now, or like 25-MAR-2021 19:30 (UTC)",
            ),
            OptionSpec::required("destination", Kind::Text(64), "a destination's name, or LOCAL"),
            OptionSpec::optional(
                "type",
                Kind::Choice(&["ONE-TIME", "PERIODIC"]),
                "ONE-TIME or PERIODIC",
            ),
            OptionSpec::optional("days", Kind::Number, "between two periodic backups"),
            OptionSpec::optional("hours", Kind::Number, "and so many hours"),
            OptionSpec::optional("minutes", Kind::Number, "and so many minutes"),
        ],
        schedule,
    ),
    service(("schedule", "list"), "scheduled backups", false, &[], list_jobs),
    service(("schedule", "delete"), "take a backup off the schedule", false, &[NAME], delete_job),
    service(("schedule", "pause"), "pause a scheduled backup", false, &[NAME], pause),
    service(("schedule", "resume"), "let a paused backup go on", false, &[NAME], resume),
    Service {
        extension: true,
        ..service(("schedule", "run"), "make a scheduled backup now", true, &[NAME], run)
    },
    Service {
        extension: true,
        ..service(
            ("once", "run"),
            "make a backup now, without a schedule",
            true,
            &[
                NAME,
                OptionSpec::optional(
                    "destination",
                    Kind::Text(64),
                    "a destination's name, or LOCAL",
                ),
            ],
            once,
        )
    },
    service(("history", "list"), "backups that were begun, newest first", false, &[], history),
    service(
        ("restore", "list"),
        "the backups at a source",
        true,
        &[OptionSpec::required("source", Kind::Text(64), "a destination's name, or LOCAL")],
        list_backups,
    ),
    service(
        ("restore", "start"),
        "restore a backup and restart",
        true,
        &[
            OptionSpec::required("source", Kind::Text(64), "a destination's name, or LOCAL"),
            OptionSpec::required("file", Kind::Text(128), "name of the backup's file there"),
            OptionSpec::required(
                "recoveryPassphrase",
                Kind::Secret,
                "of the server and time of the backup",
            ),
        ],
        restore,
    ),
];

fn create_destination(call: &Call<'_>) -> Result<Answer, Error> {
    let options = call.options;
    let refuse = |cause| Error::new(Operation::Destination, cause);
    let password = match options.text("authenticationMethod") {
        Some("key") => None,
        Some("password") | None => {
            match (options.secret("password"), options.secret("passwordAgain")) {
                (Some(first), Some(again)) if first.expose() != again.expose() => {
                    return Err(refuse(Cause::PasswordFieldsDiffer));
                }
                (Some(first), _) => Some(first),
                (None, _) => {
                    let detail = "password: for password authentication";
                    return Err(refuse(Cause::OptionMissing).with_detail(detail));
                }
            }
        }
        Some(_) => return Err(refuse(Cause::OptionUnusable)),
    };
    let port = u16::try_from(options.number("port").unwrap_or(22)).unwrap_or(0);
    let release = call.view.release()?;
    let preset = release.transfer_method.value.as_str();
    let request = DestinationRequest {
        name: options.word("name").to_owned(),
        transfer_method: options.text("transferMethod").unwrap_or(preset).to_owned(),
        host_name: options.word("hostName").to_owned(),
        port,
        path: options.word("path").to_owned(),
        user_name: options.word("userName").to_owned(),
        password,
        host_key: options.text("hostKey").map(|key| key.trim().to_owned()),
    };
    let made = call.vault.lock().save_destination(&request)?;
    let text = format!(
        "The destination {} is saved. Host key {}, pinned from now on",
        made.name, made.host_key
    );
    Answer::new(&made, text)
}

fn list_destinations(call: &Call<'_>) -> Result<Answer, Error> {
    let all = call.view.backup_destinations()?;
    let lines = all.iter().map(|it| {
        format!(
            "{}  {}  {}@{}:{}{}  {}",
            it.name, it.transfer_method, it.user_name, it.host_name, it.port, it.path, it.host_key
        )
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    Answer::new(&all, text)
}

fn delete_destination(call: &Call<'_>) -> Result<Answer, Error> {
    let name = call.options.word("name");
    operation::delete_destination(&mut call.vault.lock(), name)?;
    Answer::new(&json!({ "name": name }), format!("The destination {name} is removed"))
}

fn public_key(call: &Call<'_>) -> Result<Answer, Error> {
    let line = operation::ssh_public_key(call.view)?;
    Answer::new(&json!({ "publicKey": line }), line)
}

fn schedule(call: &Call<'_>) -> Result<Answer, Error> {
    let options = call.options;
    let minutes = [("days", 24 * 60), ("hours", 60), ("minutes", 1)].iter().fold(
        0_u32,
        |sum, (name, factor)| {
            sum.saturating_add(options.number(name).unwrap_or(0).saturating_mul(*factor))
        },
    );
    let request = ScheduleRequest {
        name: options.word("name").to_owned(),
        start: BackupStart::read(options.word("startTime"))?,
        destination: options.word("destination").to_owned(),
        kind: BackupKind::named(options.word("type")).unwrap_or(BackupKind::OneTime),
        every_minutes: Some(minutes),
    };
    let job = call.vault.lock().schedule_backup(&request)?;
    let at = job.next_at.as_deref().unwrap_or_default();
    Answer::new(&job, format!("The backup {} is scheduled for {at}", job.name))
}

fn list_jobs(call: &Call<'_>) -> Result<Answer, Error> {
    let all = call.view.backup_jobs()?;
    let lines = all.iter().map(|job| {
        let at = job.next_at.as_deref().unwrap_or("-");
        let (name, status) = (&job.name, job.status.name());
        format!("{name}  {}  {}  {status}  {at}", job.kind.name(), job.destination)
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    Answer::new(&all, text)
}

fn delete_job(call: &Call<'_>) -> Result<Answer, Error> {
    let name = call.options.word("name");
    operation::unschedule(&mut call.vault.lock(), name)?;
    Answer::new(&json!({ "name": name }), format!("The backup {name} is off the schedule"))
}

fn pause(call: &Call<'_>) -> Result<Answer, Error> {
    let job = operation::pause_backup(&mut call.vault.lock(), call.options.word("name"))?;
    Answer::new(&job, format!("The backup {} is paused", job.name))
}

fn resume(call: &Call<'_>) -> Result<Answer, Error> {
    let job = operation::resume_backup(&mut call.vault.lock(), call.options.word("name"))?;
    Answer::new(&job, format!("The backup {} goes on", job.name))
}

fn run(call: &Call<'_>) -> Result<Answer, Error> {
    let done = call.vault.lock().backup(call.options.word("name"))?;
    let text = format!("The backup {} is done: {}, {} bytes", done.name, done.file, done.bytes);
    Answer::new(&done, text)
}

/// Scheduled and made under one lock: the timer does not come between.
fn once(call: &Call<'_>) -> Result<Answer, Error> {
    let request = ScheduleRequest {
        name: call.options.word("name").to_owned(),
        start: BackupStart::Now,
        destination: call.options.text("destination").unwrap_or("LOCAL").to_owned(),
        kind: BackupKind::OneTime,
        every_minutes: None,
    };
    let mut vault = call.vault.lock();
    vault.schedule_backup(&request)?;
    let done = vault.backup(&request.name)?;
    let text = format!("The backup {} is done: {}, {} bytes", done.name, done.file, done.bytes);
    Answer::new(&done, text)
}

fn history(call: &Call<'_>) -> Result<Answer, Error> {
    let all = call.view.backup_runs()?;
    let lines = all.iter().map(|run| {
        let what = run.run_error.as_deref().or(run.file.as_deref()).unwrap_or("-");
        format!("{}  {}  {}  {what}", run.started_at, run.name, run.status.name())
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    Answer::new(&all, text)
}

fn list_backups(call: &Call<'_>) -> Result<Answer, Error> {
    let all = call.vault.lock().list_backups(call.options.word("source"))?;
    let lines = all.iter().map(|it| format!("{}  {}  {}", it.taken_at, it.kind, it.file));
    let text = lines.collect::<Vec<_>>().join("\n");
    Answer::new(&all, text)
}

fn restore(call: &Call<'_>) -> Result<Answer, Error> {
    let request = RestoreRequest {
        source: call.options.word("source").to_owned(),
        file: call.options.word("file").to_owned(),
        passphrase: call.options.secret_or_empty("recoveryPassphrase"),
    };
    let done = call.vault.lock().restore(&request)?;
    let text = match &done.failure {
        Some(error) => format!("Restored. State {}: {error}", done.state),
        None => format!("Restored the backup of {}. State {}", done.taken_at, done.state),
    };
    Ok(Answer::new(&done, text)?.well(done.state != State::Sealed))
}
