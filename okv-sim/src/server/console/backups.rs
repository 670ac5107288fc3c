//! Backup pages: destinations, schedule, what was made, restore. Fields and columns are the guide's (Documented).

use tokio::runtime::Handle;

use super::pages::{Ask, Made};
use super::view::{Action, Block, Cell, Field, FieldKind, Form, Table, time};
use crate::api::{self, Options};
use crate::error::Error;
use crate::operation;
use crate::release::Release;
use crate::secret::Secret;
use crate::store::{BackupJob, BackupRun, BackupStatus};

fn own(text: Option<&String>) -> Cell {
    Cell::from(text.map_or_else(|| "-".to_owned(), |text| time(text)))
}

pub(super) fn page(ask: &Ask<'_>, release: &Release) -> Made {
    let here = ask.address("backup");
    let view = &ask.desk.view;
    let link = |label, below: &str| Action::link(label, format!("{here}/{below}"));
    let mut blocks = Vec::new();
    if let Some(job) = ask.desk.busy()
        && job.service.name() == "backup restore start"
    {
        let text = "A restore is ONGOING. Change no configuration until it is over.";
        blocks.push(Block::Note { class: "warn", text: text.into() });
    }
    blocks.push(Block::Actions(vec![
        link("Manage Backup Destinations", "destinations"),
        link("Backup", "create").primary(),
        link("Restore", "restore"),
    ]));
    let jobs = view.backup_jobs()?;
    blocks.push(Block::Table(Table {
        caption: "Scheduled Backups".into(),
        columns: vec![
            "Name",
            "Type",
            "Destination",
            "Status",
            "Next run (UTC)",
            "Every",
            "Runs",
            "",
        ],
        rows: jobs.iter().map(|job| job_row(job, &here)).collect(),
        empty: "No backup is scheduled.".into(),
    }));
    let runs = view.backup_runs()?;
    blocks.push(Block::Table(Table {
        caption: "Completed Backups".into(),
        columns: vec![
            "Name",
            "Type",
            "Destination",
            "Status",
            "Run Index",
            "Run Error",
            "Schedule Time",
            "Start Time",
            "Backup Time",
            "Last Full Backup Time",
            "File",
        ],
        rows: runs.iter().map(run_row).collect(),
        empty: "No backup was made yet.".into(),
    }));
    Ok((release.word("backup_page").to_owned(), blocks))
}

fn job_row(job: &BackupJob, here: &str) -> Vec<Cell> {
    let call = |label, action| {
        Action::call(label, &format!("backup/schedule/{action}"), here).with("name", &job.name)
    };
    let mut actions = Vec::new();
    match job.status {
        BackupStatus::Active => actions.extend([call("Run now", "run"), call("Pause", "pause")]),
        BackupStatus::Paused => actions.push(call("Resume", "resume")),
        BackupStatus::Ongoing | BackupStatus::Done => {}
    }
    if job.status != BackupStatus::Ongoing {
        let sure = format!("Take {} off the schedule? Backups that were made stay.", job.name);
        actions.push(call("Delete", "delete").confirm(&sure));
    }
    let every = job.every_minutes.map_or_else(
        || "-".to_owned(),
        |minutes| format!("{} d {} h {} min", minutes / 1440, minutes / 60 % 24, minutes % 60),
    );
    vec![
        job.name.as_str().into(),
        job.kind.name().into(),
        job.destination.as_str().into(),
        Cell::status(job.status.name()),
        own(job.next_at.as_ref()),
        every.into(),
        job.runs.to_string().into(),
        Cell::actions(actions),
    ]
}

fn run_row(run: &BackupRun) -> Vec<Cell> {
    let full = run.ended_at.as_ref().filter(|_| run.status == BackupStatus::Done);
    vec![
        run.name.as_str().into(),
        run.kind.listed().into(),
        run.destination.as_str().into(),
        Cell::status(run.status.name()),
        run.run_index.to_string().into(),
        run.run_error.as_deref().unwrap_or_default().into(),
        time(&run.scheduled_at).into(),
        time(&run.started_at).into(),
        own(run.ended_at.as_ref()),
        own(full),
        run.file.as_deref().unwrap_or("-").into(),
    ]
}

pub(super) fn destinations(ask: &Ask<'_>, release: &Release) -> Made {
    let back = ask.address("backup");
    let here = format!("{back}/destinations");
    let create = Action::link("Create", format!("{here}/create")).primary();
    let back_link = Action::link(release.word("backup_page"), back);
    let rows = ask.desk.view.backup_destinations()?;
    let rows = rows.iter().map(|it| {
        let sure = format!("Remove {}? Backups that lie there stay.", it.name);
        let delete = Action::call("Delete", "backup/destination/delete", &here)
            .with("name", &it.name)
            .confirm(&sure);
        let mut edit = Action::link("Edit", format!("{here}/create?name={}", it.name));
        edit.about = format!(" {}", it.name);
        vec![
            it.name.as_str().into(),
            it.transfer_method.as_str().into(),
            format!("{}:{}", it.host_name, it.port).into(),
            it.path.as_str().into(),
            it.user_name.as_str().into(),
            it.authentication_method.as_str().into(),
            it.host_key.as_str().into(),
            Cell::actions(vec![edit, delete]),
        ]
    });
    let table = Table {
        caption: "Backup Destinations".into(),
        columns: vec![
            "Destination Name",
            "Transfer Method",
            "Host",
            "Destination Path",
            "User Name",
            "Authentication",
            "Host key (pinned)",
            "",
        ],
        rows: rows.collect(),
        empty: "No remote destination yet. LOCAL, a directory of this server, is always there; \
                a remote one survives it."
            .into(),
    };
    let blocks = vec![Block::Actions(vec![create, back_link]), Block::Table(table)];
    Ok(("Manage Backup Destinations".into(), blocks))
}

pub(super) fn create_destination(ask: &Ask<'_>, release: &Release) -> Made {
    let list = format!("{}/destinations", ask.address("backup"));
    let all = ask.desk.view.backup_destinations()?;
    let old = all.iter().find(|it| it.name == ask.asked("name"));
    let text = |name, label, longest, value: &str| {
        Field::new(name, label, FieldKind::Text)
            .value(ask.typed(name, value))
            .longest(longest)
            .required()
    };
    let preset =
        |value: fn(&crate::store::BackupDestination) -> String| old.map(value).unwrap_or_default();
    let method = old.map_or(release.transfer_method.value.as_str(), |it| &it.transfer_method);
    let authentication = old.map_or("password", |it| it.authentication_method.as_str());
    let port = old.map_or_else(|| "22".to_owned(), |it| it.port.to_string());
    let public_key = match operation::ssh_public_key(&ask.desk.view) {
        Ok(key) => key,
        Err(error) => ask.desk.describe(&error),
    };
    let fields = vec![
        text("name", "Destination Name", 64, &preset(|it| it.name.clone())),
        Field::new("transferMethod", "Transfer Method", FieldKind::Radio)
            .choices(&[("scp", "scp"), ("sftp", "sftp")])
            .value(ask.typed("transferMethod", method))
            .required(),
        text("hostName", "Hostname", 255, &preset(|it| it.host_name.clone())),
        Field::new("port", "Port", FieldKind::Number).value(ask.typed("port", &port)).required(),
        text("path", "Destination Path", 255, &preset(|it| it.path.clone()))
            .help("From the root, without spaces or quotes. It cannot be changed later."),
        text("userName", "User Name", 64, &preset(|it| it.user_name.clone()))
            .help("Needs to read and write the path."),
        Field::new("authenticationMethod", "Authentication Method", FieldKind::Radio)
            .choices(&[("key", "Key-based Authentication"), ("password", "Password Authentication")])
            .value(ask.typed("authenticationMethod", authentication))
            .required(),
        Field::new("password", "Password", FieldKind::NewPassword)
            .help("For password authentication.")
            .longest(1024),
        Field::new("passwordAgain", "Re-enter Password", FieldKind::NewPassword).longest(1024),
        Field::new("hostKey", "Host Key Fingerprint", FieldKind::Text)
            .value(ask.typed("hostKey", &preset(|it| it.host_key.clone())))
            .help("SHA256:… as ssh-keygen -lf shows it. Empty pins what the host shows now; it is listed then."),
    ];
    let form = Form {
        target: "/do/backup/destination/create".into(),
        is_get: false,
        fields,
        submit: "Save".into(),
        cancel: list.clone(),
        back: list,
    };
    let blocks = vec![
        Block::Note {
            class: "info",
            text: "Save connects to the destination first; what cannot be used is not saved."
                .into(),
        },
        Block::Form(form),
        Block::Heading("Public key of this server"),
        Block::Note {
            class: "info",
            text:
                "For key-based authentication this line belongs into authorized_keys of the user."
                    .into(),
        },
        Block::Text(public_key),
    ];
    let title = if old.is_some() { "Edit Backup Destination" } else { "Create Backup Destination" };
    Ok((title.into(), blocks))
}

fn sources(ask: &Ask<'_>) -> Result<Vec<(String, String)>, Error> {
    let mut all: Vec<_> = ask
        .desk
        .view
        .backup_destinations()?
        .into_iter()
        .map(|it| (it.name.clone(), it.name))
        .collect();
    all.push(("LOCAL".into(), "LOCAL".into()));
    Ok(all)
}

pub(super) fn create(ask: &Ask<'_>, _: &Release) -> Made {
    let back = ask.address("backup");
    let mut destination = Field::new("destination", "Destination", FieldKind::Select)
        .value(ask.typed("destination", ""))
        .required();
    destination.choices = sources(ask)?;
    let number =
        |name, label| Field::new(name, label, FieldKind::Number).value(ask.typed(name, "0"));
    let fields = vec![
        Field::new("name", "Name", FieldKind::Text)
            .value(ask.typed("name", ""))
            .longest(64)
            .required(),
        Field::new("startTime", "Start Time", FieldKind::Text)
            .value(ask.typed("startTime", "Now"))
            .help("Now, or like 25-MAR-2021 19:30 (UTC).")
            .longest(32)
            .required(),
        destination,
        Field::new("type", "Type", FieldKind::Radio)
            .choices(&[("ONE-TIME", "ONE-TIME"), ("PERIODIC", "PERIODIC")])
            .value(ask.typed("type", "ONE-TIME"))
            .required(),
        number("days", "Days").help("These three are for PERIODIC."),
        number("hours", "Hours"),
        number("minutes", "Mins"),
    ];
    let form = Form {
        target: "/do/backup/schedule/create".into(),
        is_get: false,
        fields,
        submit: "Schedule".into(),
        cancel: back.clone(),
        back,
    };
    Ok(("Backup".into(), vec![Block::Form(form)]))
}

pub(super) fn restore(ask: &Ask<'_>, _: &Release) -> Made {
    let back = ask.address("backup");
    let mut source =
        Field::new("source", "Source", FieldKind::Select).value(ask.asked("source")).required();
    source.choices = sources(ask)?;
    let form = Form {
        target: format!("{back}/restore"),
        is_get: true,
        fields: vec![source],
        submit: "Show backups".into(),
        cancel: back.clone(),
        back: back.clone(),
    };
    let mut blocks = vec![
        Block::Note {
            class: "warn",
            text: "A restore replaces everything on this server, accounts included, and restarts it. Onto an \
                   HSM-enabled server only backups taken in HSM mode can be restored, with the HSM and root of \
                   trust of that time."
                .into(),
        },
        Block::Form(form),
    ];
    if !ask.asked("source").is_empty() {
        blocks.push(found(ask, &back)?);
    }
    Ok(("Restore".into(), blocks))
}

/// The backups at the source that was chosen.
fn found(ask: &Ask<'_>, back: &str) -> Result<Block, Error> {
    let service = api::service("backup", "restore", "list")?;
    let source = ask.asked("source");
    let came = [("source".to_owned(), Secret::from(source))];
    let options = Options::read(service, came)?;
    let who = Some(ask.session.account.name.as_str());
    let answer = match Handle::current().block_on(ask.desk.call(service, options, who)) {
        Ok(answer) => answer,
        Err(error) => {
            let text = ask.desk.describe(&error);
            return Ok(Block::Note { class: "bad", text });
        }
    };
    let rows = answer.value.as_array().map(Vec::as_slice).unwrap_or_default();
    let rows = rows.iter().map(|it| {
        let word = |name: &str| it[name].as_str().unwrap_or_default().to_owned();
        let file = word("file");
        let mut choose =
            Action::link("Restore", format!("{back}/restore/confirm?source={source}&file={file}"));
        choose.about = format!(" {file}");
        let mode = if it["hsm"] == true { "HSM" } else { "without HSM" };
        vec![
            Cell::actions(vec![choose]),
            word("type").into(),
            file.into(),
            mode.into(),
            time(&word("taken_at")).into(),
        ]
    });
    Ok(Block::Table(Table {
        caption: format!("Backups at {source}"),
        columns: vec!["Restore", "Type", "File", "Mode", "Backup Time (UTC)"],
        rows: rows.collect(),
        empty: "There is no backup at this source.".into(),
    }))
}

pub(super) fn confirm_restore(ask: &Ask<'_>, release: &Release) -> Made {
    let back = ask.address("backup");
    let hidden =
        |name| Field::new(name, "", FieldKind::Hidden).value(ask.typed(name, ask.asked(name)));
    let (source, file) = (hidden("source"), hidden("file"));
    let facts = Block::Facts(vec![
        ("Source".into(), source.value.clone()),
        ("File".into(), file.value.clone()),
    ]);
    let passphrase =
        Field::new("recoveryPassphrase", release.word("passphrase"), FieldKind::Password)
            .help("Of the server and time of the backup.")
            .longest(1024)
            .required();
    let form = Form {
        target: "/do/backup/restore/start".into(),
        is_get: false,
        fields: vec![source, file, passphrase],
        submit: "Restore".into(),
        cancel: format!("{back}/restore"),
        back,
    };
    Ok(("Restore".into(), vec![facts, Block::Form(form)]))
}
