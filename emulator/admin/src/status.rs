//! `status`: partitions, groups, and whether they can be reached.

use std::path::Path;

use anyhow::Result;
use comfy_table::Table;

use emulator::env::{ControlPage, Word};
use emulator::hsm::store::CONTROL_FILE;
use serde::Serialize;
use serde_json::json;

use crate::Refused;
use crate::instance::Instance;

#[derive(Serialize)]
struct Row {
    serial: String,
    hsm: String,
    label: String,
    /// What its HSM behaves like.
    profile: String,
    state: String,
    objects: Option<u64>,
    /// Why the HSM cannot be used.
    problem: Option<String>,
}

/// # Errors
/// When the directory is none of ours; when an HSM is damaged, after all were shown.
pub(crate) fn run(directory: &Path, as_json: bool) -> Result<()> {
    let instance = Instance::open(directory)?;
    let config = instance.config()?;
    let mut rows = Vec::new();
    for entry in &config.partitions {
        let page = ControlPage::open(&instance.state()?.join(&entry.hsm).join(CONTROL_FILE));
        let state = match &page {
            Ok(page) if page.word(Word::Link) == 0 => "up",
            Ok(_) => "down",
            Err(_) => "unusable",
        };
        let looked = instance.look_at(entry);
        let problem = looked.as_ref().err().map(|error| format!("{error:#}"));
        let (label, objects) =
            looked.map_or((String::new(), None), |(label, count)| (label, Some(count)));
        rows.push(Row {
            serial: entry.serial.clone(),
            hsm: entry.hsm.clone(),
            label,
            profile: instance.profile_of(entry).unwrap_or_default(),
            state: if problem.is_some() { "unusable".into() } else { state.into() },
            objects,
            problem,
        });
    }
    let problems: Vec<String> = rows.iter().filter_map(|row| row.problem.clone()).collect();
    if as_json {
        let groups: Vec<_> = config
            .groups
            .iter()
            .map(|it| json!({ "label": it.label, "serial": it.serial, "members": it.members }))
            .collect();
        anstream::println!(
            "{:#}",
            json!({ "partitions": rows, "groups": groups, "ha_only": config.ha_only })
        );
    } else {
        let mut table = Table::new();
        table.set_header(["SERIAL", "HSM", "LABEL", "PROFILE", "STATE", "OBJECTS"]);
        for row in &rows {
            let objects = row.objects.map_or("-".into(), |count| count.to_string());
            table.add_row([&row.serial, &row.hsm, &row.label, &row.profile, &row.state, &objects]);
        }
        anstream::println!("{table}");
        for group in &config.groups {
            anstream::println!(
                "group {} ({}): {}",
                group.label,
                group.serial,
                group.members.join(", ")
            );
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(Refused(problems.join("\n")).into()) }
}
