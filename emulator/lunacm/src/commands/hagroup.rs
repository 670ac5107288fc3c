//! `hagroup`: the groups of the client configuration file, and how their members are.
//!
//! Groups live in the file only (Documented), so that is where they are read; the library is asked for the
//! state of members. Source of the keys: vendor pages on HA groups; of the shape: `hagroup listgroups` (both
//! Documented).

use chrystoki_conf::Conf;
use luna_ck::CKR_OK;
use luna_client::{Context, HaState, SlotId, TokenInfo};

use crate::console::Console;
use crate::failure::Failure;
use crate::registry::Request;
use crate::shell::Shell;

/// A group as the file has it.
struct Group {
    label: String,
    serial: String,
    members: Vec<String>,
    standby: Vec<String>,
    synchronize: bool,
}

/// `VirtualToken00Label`, `VirtualToken01Label` and so on, as far as they go without a gap.
fn groups(conf: &Conf) -> Result<Vec<Group>, chrystoki_conf::Error> {
    let section = "VirtualToken";
    let owned = |items: Vec<&str>| items.into_iter().map(str::to_owned).collect();
    let mut groups = Vec::new();
    while let Some(label) = conf.value(section, &format!("VirtualToken{:02}Label", groups.len())) {
        let number = groups.len();
        let serial = conf.value(section, &format!("VirtualToken{number:02}SN"));
        let members = conf.list(section, &format!("VirtualToken{number:02}Members"));
        let standby = conf.list("HAConfiguration", &format!("{label}StandbyMembers"));
        groups.push(Group {
            label: label.to_owned(),
            serial: serial.unwrap_or_default().to_owned(),
            members: owned(members),
            standby: owned(standby),
            synchronize: conf.flag("HASynchronize", label)?.unwrap_or(true),
        });
    }
    Ok(groups)
}

/// `hagroup listgroups`.
pub(crate) fn list_groups(
    shell: &mut Shell,
    _: &Request,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let conf = shell.conf()?;
    let wrong = |error: chrystoki_conf::Error| Failure::misuse(error.to_string());
    let groups = groups(conf).map_err(wrong)?;
    let settings = settings(conf).map_err(wrong)?;
    if groups.is_empty() {
        writeln!(console.out, "        No HA groups are configured.\n")?;
        return Ok(());
    }
    for (name, value) in settings {
        writeln!(console.out, "        {name}: {value}")?;
    }
    let slots = shell.context.slots(true)?;
    let tokens: Vec<(SlotId, TokenInfo)> = slots
        .into_iter()
        .filter_map(|slot| Some((slot, shell.context.token_info(slot).ok()?)))
        .collect();
    for group in groups {
        show(&group, &shell.context, &tokens, console)?;
    }
    Ok(())
}

/// The lines before the groups.
fn settings(conf: &Conf) -> Result<Vec<(&'static str, String)>, chrystoki_conf::Error> {
    let section = "HAConfiguration";
    let attempts = conf.number(section, "reconnAtt", -1..=500)?.unwrap_or(0);
    let interval = conf.number(section, "AutoReconnectInterval", 60..=1200)?.unwrap_or(60);
    let on = |on: bool, yes: &str, no: &str| if on { yes.to_owned() } else { no.to_owned() };
    let logging = conf.flag(section, "haLogStatus")?.unwrap_or(false);
    let only = conf.flag(section, "HAOnly")?.unwrap_or(false);
    let mode = conf.value("VirtualToken", "VirtualTokenActiveRecovery").unwrap_or("activeBasic");
    let most = if attempts == -1 { "infinite".to_owned() } else { attempts.to_string() };
    Ok(vec![
        ("HA auto recovery", on(attempts != 0, "enabled", "disabled")),
        ("HA recovery mode", mode.to_owned()),
        ("Maximum auto recovery retry", most),
        ("Auto recovery poll interval", format!("{interval} seconds")),
        ("HA logging", on(logging, "enabled", "disabled")),
        ("Only Show HA Slots", on(only, "yes", "no")),
    ])
}

fn show(
    group: &Group,
    context: &Context,
    tokens: &[(SlotId, TokenInfo)],
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let slot_of = |serial: &str| tokens.iter().find(|(_, token)| token.serial_number == serial);
    let own = slot_of(&group.serial).map(|(slot, _)| *slot);
    let state = own.and_then(|slot| context.ha_state(slot).ok());
    let listed = |serials: &[String]| match serials {
        [] => "<none>".to_owned(),
        serials => serials.join(", "),
    };
    let slot = own.map_or_else(|| "------".to_owned(), |slot| slot.to_string());
    // What each member lacks can only be found by reading both with the password (Documented).
    let rows = [
        ("HA Group Label", group.label.clone()),
        ("HA Group Number", group.serial.clone()),
        ("HA Group Slot ID", slot),
        ("Synchronization", if group.synchronize { "enabled" } else { "disabled" }.to_owned()),
        ("Group Members", listed(&group.members)),
        ("Needs sync", "unknown (needs the password)".to_owned()),
        ("Standby Members", listed(&group.standby)),
    ];
    writeln!(console.out)?;
    for (name, value) in rows {
        writeln!(console.out, "{name:>22}:  {value}")?;
    }
    writeln!(console.out, "\n  Slot #    Member S/N     Member Label    Status")?;
    writeln!(console.out, "  ======    ==========     ============    ======")?;
    for serial in group.members.iter().chain(&group.standby) {
        let token = slot_of(serial);
        let slot = token.map_or_else(|| "------".to_owned(), |(slot, _)| slot.to_string());
        let label = token.map_or("", |(_, token)| token.label.as_str());
        let status = status(serial, state.as_ref(), token.is_some());
        writeln!(console.out, "  {slot:>6}  {serial:>13}  {label:>14}  {status:>8}")?;
    }
    writeln!(console.out)?;
    Ok(())
}

/// The library's word on a member; of one it does not tell about, whether its slot is there.
fn status(serial: &str, state: Option<&HaState>, present: bool) -> &'static str {
    let known = state.and_then(|state| state.members.iter().find(|m| m.serial == serial));
    let alive = known.map_or(present, |member| member.status.0 == CKR_OK);
    if alive { "alive" } else { "down" }
}

#[cfg(test)]
mod tests {
    use luna_client::{HaMember, Rv};

    use super::*;

    const FILE: &str = "VirtualToken = {
   VirtualToken00Label = grp;
   VirtualToken00SN = 11234567890123;
   VirtualToken00Members = 1234567890123, 1234567890456;
   VirtualToken01Label = two;
}
HASynchronize = { two = 0; }
HAConfiguration = { HAOnly = 1; reconnAtt = -1; grpStandbyMembers = 99; }
";

    #[test]
    fn groups_are_read_from_the_file() {
        let conf = Conf::parse(FILE, "C").unwrap();
        let groups = groups(&conf).unwrap();
        let labels: Vec<&str> = groups.iter().map(|group| group.label.as_str()).collect();
        assert_eq!(labels, ["grp", "two"]);
        assert_eq!(groups[0].members, ["1234567890123", "1234567890456"]);
        assert_eq!(groups[0].standby, ["99"]);
        assert_eq!((groups[0].synchronize, groups[1].synchronize), (true, false));
        let settings = settings(&conf).unwrap();
        assert!(settings.contains(&("HA auto recovery", "enabled".to_owned())));
        assert!(settings.contains(&("Maximum auto recovery retry", "infinite".to_owned())));
        assert!(settings.contains(&("Only Show HA Slots", "yes".to_owned())));
    }

    #[test]
    fn the_library_has_the_last_word_on_a_member() {
        let member = HaMember { serial: "1".to_owned(), status: Rv(0x30) };
        let state = HaState { serial: "11".to_owned(), members: vec![member] };
        assert_eq!(status("1", Some(&state), true), "down");
        assert_eq!(status("2", Some(&state), true), "alive");
        assert_eq!(status("2", None, false), "down");
    }
}
