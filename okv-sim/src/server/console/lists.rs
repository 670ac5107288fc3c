//! Pages that show what there is: keys, alerts, audit trail, traces.

use std::path::Path;

use super::endpoints;
use super::pages::{Ask, Made};
use super::view::{Action, Block, Cell, Field, FieldKind, Form, Table, time};
use crate::disk::Place;
use crate::error::Error;
use crate::operation::Operation;
use crate::release::Release;
use crate::texts::Cause;
use crate::trace;

/// The most rows a page shows.
const MOST: usize = 500;

pub(super) fn keys(ask: &Ask<'_>, _: &Release) -> Made {
    let objects = ask.desk.view.list_objects()?;
    let hidden = objects.len().saturating_sub(MOST);
    let rows = objects.iter().skip(hidden).map(|it| {
        vec![it.name.as_str().into(), it.bytes.to_string().into(), time(&it.stored_at).into()]
    });
    let mut blocks = Vec::new();
    if hidden > 0 {
        let text = format!("{hidden} older objects are not shown; okv-sim list shows all.");
        blocks.push(Block::Note { class: "info", text });
    }
    blocks.push(Block::Table(Table {
        caption: "Security objects".into(),
        columns: vec!["Name", "Bytes", "Stored (UTC)"],
        rows: rows.collect(),
        empty: "Nothing is stored. Try: okv-sim store NAME".into(),
    }));
    blocks.extend(endpoints::keys(ask)?);
    Ok(("Keys".into(), blocks))
}

pub(super) fn alerts(ask: &Ask<'_>, release: &Release) -> Made {
    let mut blocks = Vec::new();
    if release.alerts.value {
        let seconds = ask.desk.view.check_interval_s()?;
        let configure = format!("{}/configure", ask.address("alerts"));
        blocks.push(Block::Facts(vec![(
            "HSM monitoring interval".into(),
            format!("{seconds} seconds"),
        )]));
        blocks.push(Block::Actions(vec![Action::link("Configure Alerts", configure)]));
    } else {
        let text = format!("Release {} does not check the HSM by itself.", release.name);
        blocks.push(Block::Note { class: "info", text });
    }
    let all = ask.desk.view.alerts()?;
    let rows = all.iter().rev().take(MOST).map(|alert| {
        let state = if alert.cleared_at.is_none() { "STANDING" } else { "CLEARED" };
        vec![
            release.word("alert_type").into(),
            Cell::status(state),
            alert.text.as_str().into(),
            time(&alert.raised_at).into(),
            alert.cleared_at.as_deref().map_or_else(|| "-".to_owned(), time).into(),
        ]
    });
    blocks.push(Block::Table(Table {
        caption: "Alerts".into(),
        columns: vec!["Alert Type", "State", "Description", "Raised (UTC)", "Cleared (UTC)"],
        rows: rows.collect(),
        empty: "There was no alert.".into(),
    }));
    Ok(("Alerts".into(), blocks))
}

pub(super) fn configure_alerts(ask: &Ask<'_>, release: &Release) -> Made {
    if !release.alerts.value {
        return Err(Error::new(Operation::Alerts, Cause::NotInThisRelease));
    }
    let back = ask.address("alerts");
    let seconds = ask.desk.view.check_interval_s()?.to_string();
    let field =
        Field::new("intervalSeconds", "HSM Monitoring Interval (seconds)", FieldKind::Number)
            .value(ask.typed("intervalSeconds", &seconds))
            .help(
                "300 unless changed. Each check loads the library, logs in, decrypts and logs out.",
            )
            .required();
    let form = Form {
        target: "/do/alert/monitor/set".into(),
        is_get: false,
        fields: vec![field],
        submit: "Save".into(),
        cancel: back.clone(),
        back,
    };
    Ok(("Configure Alerts".into(), vec![Block::Form(form)]))
}

pub(super) fn audit(ask: &Ask<'_>, _: &Release) -> Made {
    let all = ask.desk.view.audit()?;
    let rows = all.iter().rev().take(MOST).map(|it| {
        let outcome = match it.outcome.as_str() {
            "success" => Cell::status("success"),
            other => other.into(),
        };
        let who = it.who.as_deref().unwrap_or("the server");
        vec![time(&it.at).into(), who.into(), it.operation.as_str().into(), outcome]
    });
    let table = Table {
        caption: "Audit trail, newest first".into(),
        columns: vec!["Time (UTC)", "User", "Operation", "Outcome"],
        rows: rows.collect(),
        empty: "Nothing happened yet.".into(),
    };
    Ok(("Audit Trail".into(), vec![Block::Table(table)]))
}

pub(super) fn traces(ask: &Ask<'_>, release: &Release) -> Made {
    if !release.traces.value {
        let text = format!("Release {} keeps no traces for its administrators.", release.name);
        return Ok(("HSM Traces".into(), vec![Block::Note { class: "info", text }]));
    }
    let here = ask.address("traces");
    let files = trace::files(&ask.desk.data().join(Place::TraceDirectory.relative()));
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    // Only what is in the list is opened, whatever the address says.
    if let Some(path) = files.iter().find(|path| name(path) == ask.asked("file")) {
        let text = std::fs::read_to_string(path).unwrap_or_else(|error| error.to_string());
        let blocks = vec![
            Block::Actions(vec![Action::link("All traces", here)]),
            Block::Heading("Trace"),
            Block::Text(text),
        ];
        return Ok((name(path), blocks));
    }
    let rows = files.iter().rev().map(|path| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let last = text.lines().last().and_then(|line| line.split_once(": ")).map_or("", |it| it.1);
        let name = name(path);
        vec![Cell::link(name.clone(), format!("{here}?file={name}")), last.into()]
    });
    let table = Table {
        caption: "Traces of operations at the HSM, newest first".into(),
        columns: vec!["File", "Last line"],
        rows: rows.collect(),
        empty: "No operation was at the HSM yet.".into(),
    };
    Ok(("HSM Traces".into(), vec![Block::Table(table)]))
}
