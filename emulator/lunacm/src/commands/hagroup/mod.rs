//! `hagroup`: the groups of the client configuration file, and how their members are.
//!
//! Groups live in the file only (Documented), so that is where they are read and written; the library is asked
//! for the state of members, and reads the file anew when it is started again. Source of the keys: vendor pages on
//! HA groups; of the shape of the listing: `hagroup listgroups` (both Documented).

pub(crate) mod joining;
pub(crate) mod members;
pub(crate) mod settings;
pub(crate) mod synchronize;

use chrystoki_conf::{Conf, HaGroup};
use luna_ck::{CKR_ARGUMENTS_BAD, CKR_OK, CKR_TOKEN_NOT_PRESENT};
use luna_client::{Context, HaState, SlotId, TokenInfo};

use super::clone::{Stock, as_officer};
use super::slot;
use crate::console::Console;
use crate::failure::Failure;
use crate::registry::Request;
use crate::shell::Shell;

type Outcome = Result<(), Failure>;

/// A group by its label or its number.
fn named(conf: &Conf, name: &str) -> Result<HaGroup, Failure> {
    let groups = conf.ha_groups()?;
    let is = |group: &&HaGroup| group.label.eq_ignore_ascii_case(name) || group.serial == name;
    match groups.iter().find(is) {
        Some(group) => Ok(group.clone()),
        None => {
            let labels: Vec<&str> = groups.iter().map(|group| group.label.as_str()).collect();
            let there = if labels.is_empty() { "none".to_owned() } else { labels.join(", ") };
            let text = format!("there is no HA group '{name}'; there are: {there}");
            Err(Failure::refused(CKR_ARGUMENTS_BAD, text))
        }
    }
}

/// The slots with a token, each with what the token tells.
fn tokens(context: &Context) -> Result<Vec<(SlotId, TokenInfo)>, Failure> {
    let slots = context.slots(true)?.into_iter();
    Ok(slots.filter_map(|slot| Some((slot, context.token_info(slot).ok()?))).collect())
}

fn slot_of(tokens: &[(SlotId, TokenInfo)], serial: &str) -> Option<SlotId> {
    tokens.iter().find(|(_, token)| token.serial_number == serial).map(|(slot, _)| *slot)
}

/// The serial number of the member a request is about, by `-serialnumber` or `-slot`.
fn serial(shell: &Shell, request: &Request) -> Result<String, Failure> {
    match (request.value("serialnumber"), request.value("slot")) {
        (Some(serial), None) => Ok(serial.to_owned()),
        (None, Some(text)) => {
            Ok(shell.context.token_info(slot::number(shell, text)?)?.serial_number)
        }
        _ => Err(Failure::misuse("either -serialnumber or -slot is needed")),
    }
}

/// The slot of a partition, which must be reachable.
fn present(shell: &Shell, serial: &str) -> Result<SlotId, Failure> {
    slot_of(&tokens(&shell.context)?, serial).ok_or_else(|| {
        let text = format!("no slot has a partition with the serial number {serial}");
        Failure::refused(CKR_TOKEN_NOT_PRESENT, text)
    })
}

/// `hagroup listgroups`: all, or the one of `-group`.
pub(crate) fn list_groups(
    shell: &mut Shell,
    request: &Request,
    console: &mut Console<'_>,
) -> Outcome {
    let conf = shell.conf()?;
    let groups = match request.value("group") {
        Some(name) => vec![named(conf, name)?],
        None => conf.ha_groups()?,
    };
    let settings = settings::all(conf)?;
    if groups.is_empty() {
        writeln!(console.out, "        No HA groups are configured.\n")?;
        return Ok(());
    }
    for (name, value) in settings {
        writeln!(console.out, "        {name}: {value}")?;
    }
    let password = request.value("password").filter(|password| !password.is_empty());
    for group in groups {
        let needs = match password {
            Some(password) => {
                Some(lacks_something(shell, &group, &luna_client::Pin::from(password))?)
            }
            None => None,
        };
        show(&group, shell, needs, console)?;
    }
    Ok(())
}

/// Whether any member that is there lacks what another one has.
fn lacks_something(
    shell: &mut Shell,
    group: &HaGroup,
    password: &luna_client::Pin,
) -> Result<bool, Failure> {
    let tokens = tokens(&shell.context)?;
    let slots: Vec<SlotId> =
        group.members.iter().filter_map(|serial| slot_of(&tokens, serial)).collect();
    as_officer(shell, &slots, Some(password), |_, sessions| {
        let stocks: Result<Vec<Stock>, Failure> = sessions.iter().map(Stock::of).collect();
        let stocks = stocks?;
        let lacking = |one: &Stock| stocks.iter().any(|two| !one.lacking_in(two).is_empty());
        Ok(stocks.iter().any(lacking))
    })
}

/// The block of one group.
fn show(
    group: &HaGroup,
    shell: &Shell,
    needs_sync: Option<bool>,
    console: &mut Console<'_>,
) -> Outcome {
    let tokens = tokens(&shell.context)?;
    let own = slot_of(&tokens, &group.serial);
    let state = own.and_then(|slot| shell.context.ha_state(slot).ok());
    let listed = |serials: &[String]| match serials {
        [] => "<none>".to_owned(),
        serials => serials.join(", "),
    };
    let slot = own.map_or_else(|| "------".to_owned(), |slot| slot.to_string());
    // What each member lacks can only be found by reading both with the password (Documented); one alone lacks
    // nothing.
    let needs = match needs_sync {
        Some(true) => "yes",
        None if group.members.len() > 1 => "unknown (needs the password)",
        Some(false) | None => "no",
    };
    let rows = [
        ("HA Group Label", group.label.clone()),
        ("HA Group Number", group.serial.clone()),
        ("HA Group Slot ID", slot),
        ("Synchronization", if group.synchronize { "enabled" } else { "disabled" }.to_owned()),
        ("Group Members", listed(&group.members)),
        ("Needs sync", needs.to_owned()),
        ("Standby Members", listed(&group.standby)),
    ];
    writeln!(console.out)?;
    for (name, value) in rows {
        writeln!(console.out, "{name:>22}:  {value}")?;
    }
    writeln!(console.out, "\n  Slot #    Member S/N     Member Label    Status")?;
    writeln!(console.out, "  ======    ==========     ============    ======")?;
    let alone = group.standby.iter().filter(|serial| !group.members.contains(serial));
    for serial in group.members.iter().chain(alone) {
        let token = tokens.iter().find(|(_, token)| token.serial_number == *serial);
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

/// What is said after the groups of the file have changed (Documented: lunacm is to be restarted).
fn advise(console: &mut Console<'_>) -> Outcome {
    writeln!(
        console.out,
        "        The slots follow when lunacm is started again, or with 'clientconfig restart'.\n"
    )?;
    Ok(())
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
";

    #[test]
    fn a_group_is_meant_by_label_or_number() {
        let conf = Conf::parse(FILE, "C").unwrap();
        assert_eq!(named(&conf, "GRP").unwrap().label, "grp");
        assert_eq!(named(&conf, "11234567890123").unwrap().label, "grp");
        let refusal = named(&conf, "three").unwrap_err().to_string();
        assert_eq!(refusal, "there is no HA group 'three'; there are: grp, two");
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
