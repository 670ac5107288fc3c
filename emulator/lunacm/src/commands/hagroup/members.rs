//! `hagroup creategroup`, `addmember`, `removemember`, `addstandby`, `removestandby`, `deletegroup`.
//!
//! All of them change the configuration file alone, but for what a member that joins holds already. Messages
//! follow those that set-up scripts made public show and look for (Observed: `pivotal/credhub-release`,
//! `New group with label … created with group number …`, `Member … successfully added to group …`).

use chrystoki_conf::HaGroup;
use luna_ck::*;
use luna_client::{Session, SlotId};

use super::joining::{Candidate, alone, together};
use super::{Outcome, advise, named, present, serial, show, slot_of, tokens};
use crate::commands::clone::{Domain, Stock, as_officer, carry, officer_password, probe_domain};
use crate::console::Console;
use crate::failure::Failure;
use crate::registry::Request;
use crate::shell::Shell;

/// The group's number: a 1 before the serial number of its first member (Documented).
fn number(first: &str) -> String {
    format!("1{first}")
}

fn taken(text: String) -> Failure {
    Failure::refused(CKR_ARGUMENTS_BAD, text)
}

/// `hagroup creategroup`.
pub(crate) fn create(shell: &mut Shell, request: &Request, console: &mut Console<'_>) -> Outcome {
    let label = request.needed("label")?.to_owned();
    if label.is_empty() || label.len() > 32 {
        return Err(Failure::misuse("-label has 1 to 32 characters"));
    }
    let serial = serial(shell, request)?;
    let slot = present(shell, &serial)?;
    let group = HaGroup {
        serial: number(&serial),
        members: vec![serial.clone()],
        standby: Vec::new(),
        synchronize: true,
        label,
    };
    for other in shell.conf()?.ha_groups()? {
        if other.label.eq_ignore_ascii_case(&group.label) {
            return Err(taken(format!("there is an HA group '{}' already", other.label)));
        }
        if other.serial == group.serial {
            let text = format!("partition {serial} has made the HA group '{}'", other.label);
            return Err(taken(text));
        }
    }
    alone(&Candidate::of(&shell.context, slot)?)?;
    let password = officer_password(shell, slot, request, console)?;
    as_officer(shell, &[slot], password.as_ref(), |_, _| Ok(()))?;
    shell.edit(|conf| {
        conf.put_ha_group(&group)?;
        // Switched on with the first group since client 7.2 (Documented); of no use until a path is set.
        if conf.value("HAConfiguration", "haLogStatus").is_none() {
            conf.set("HAConfiguration", "haLogStatus", "enabled")?;
        }
        Ok(())
    })?;
    writeln!(
        console.out,
        "        New group with label \"{}\" created with group number {}.\n        \
         Group configuration is:",
        group.label, group.serial
    )?;
    show(&group, shell, Some(false), console)?;
    advise(console)
}

/// What to do with the objects a new member holds.
enum Holdings {
    /// Give them to the other members.
    Copy,
    /// Destroy them.
    Remove,
}

/// `hagroup addmember`.
pub(crate) fn add(shell: &mut Shell, request: &Request, console: &mut Console<'_>) -> Outcome {
    let mut group = named(shell.conf()?, request.needed("group")?)?;
    let serial = serial(shell, request)?;
    if group.members.contains(&serial) {
        return Err(taken(format!("partition {serial} is a member of '{}' already", group.label)));
    }
    if group.members.len() >= CK_HA_MAX_MEMBERS {
        return Err(taken(format!("'{}' has {CK_HA_MAX_MEMBERS} members already", group.label)));
    }
    let joining = present(shell, &serial)?;
    let tokens = tokens(&shell.context)?;
    let members: Vec<SlotId> = group.members.iter().filter_map(|it| slot_of(&tokens, it)).collect();
    let Some(primary) = members.first().copied() else {
        let text = format!("no member of '{}' can be reached to be compared with", group.label);
        return Err(Failure::refused(CKR_TOKEN_NOT_PRESENT, text));
    };
    let client = shell.context.info()?.library_version;
    let of = |slot| Candidate::of(&shell.context, slot);
    let candidate = of(joining)?;
    together(&of(primary)?, &candidate, client)?;
    // A cloud's latency is not for everyday work: it stands by, unless the client's file says otherwise (cloud.md
    // section 5: Documented; what the switch does: recalled).
    let as_active = shell.conf()?.flag("Toggles", "lunacm_cv_ha_ui")?.unwrap_or(false);
    let stands_by = candidate.cloud && !as_active;
    let password = officer_password(shell, joining, request, console)?;
    let slots: Vec<SlotId> = std::iter::once(joining).chain(members).collect();
    let force = request.has("force");
    as_officer(shell, &slots, password.as_ref(), |_, sessions| {
        let [joining, members @ ..] = sessions else { return Ok(()) };
        join(joining, members, force, console)
    })?;
    group.members.push(serial.clone());
    if stands_by {
        group.standby.push(serial.clone());
    }
    shell.edit(|conf| Ok(conf.put_ha_group(&group)?))?;
    writeln!(
        console.out,
        "        Member {serial} successfully added to group {}. New group configuration is:",
        group.label
    )?;
    show(&group, shell, None, console)?;
    writeln!(
        console.out,
        "        'hagroup synchronize' gives the new member what the others hold.\n"
    )?;
    advise(console)
}

/// Sees that clones can travel, and settles what the new member holds.
fn join(joining: &Session, members: &[Session], force: bool, console: &mut Console<'_>) -> Outcome {
    let Some(primary) = members.first() else { return Ok(()) };
    if probe_domain(primary, joining)? == Domain::Unknown {
        writeln!(
            console.out,
            "        The cloning domain was not compared: this library clones no objects.\n"
        )?;
    }
    let held = Stock::of(joining)?;
    if held.len() == 0 {
        return Ok(());
    }
    let holdings = if force { Holdings::Copy } else { ask(held.len(), console)? };
    match holdings {
        Holdings::Remove => {
            for object in held.handles() {
                joining.destroy(object)?;
            }
            writeln!(console.out, "        Number of objects destroyed:  {}\n", held.len())?;
        }
        Holdings::Copy => {
            let mut copied = 0;
            for member in members {
                let lacking = held.lacking_in(&Stock::of(member)?);
                let (done, refusal) = carry(joining, member, &lacking, console)?;
                copied += done;
                if let Some(error) = refusal {
                    let text = format!("an object was not copied, so nothing was added: {error}");
                    return Err(Failure::of(&error, text));
                }
            }
            writeln!(console.out, "        Number of objects copied:  {copied}\n")?;
        }
    }
    Ok(())
}

/// Source: the vendor's page of `hagroup addmember` tells of the three ways (Documented), the words are Assumed.
fn ask(held: usize, console: &mut Console<'_>) -> Result<Holdings, Failure> {
    writeln!(
        console.out,
        "        Warning: the new member holds {held} objects.\n\n        \
         Type 'copy' to give them to the group, 'remove' to destroy them,\n        or 'quit' to \
         leave everything as it is."
    )?;
    loop {
        match console.ask("        > ")?.as_deref().map(str::trim) {
            Some("copy") => return Ok(Holdings::Copy),
            Some("remove") => return Ok(Holdings::Remove),
            Some("quit") | None => return Err(Failure::Cancelled),
            // From a pipe it would be the next command.
            Some(_) if !console.is_terminal() => return Err(Failure::Cancelled),
            Some(_) => {}
        }
    }
}

/// The group of a request, and one of its members.
fn member(shell: &Shell, request: &Request) -> Result<(HaGroup, String), Failure> {
    let group = named(shell.conf()?, request.needed("group")?)?;
    let serial = serial(shell, request)?;
    if group.members.contains(&serial) {
        return Ok((group, serial));
    }
    let text = format!("partition {serial} is no member of '{}'", group.label);
    Err(Failure::refused(CKR_ARGUMENTS_BAD, text))
}

/// `hagroup removemember`: the group's number follows its first member (Documented).
pub(crate) fn remove(shell: &mut Shell, request: &Request, console: &mut Console<'_>) -> Outcome {
    let (mut group, serial) = member(shell, request)?;
    let made_by = group.members.first().cloned().unwrap_or_default();
    group.members.retain(|other| *other != serial);
    group.standby.retain(|other| *other != serial);
    let Some(first) = group.members.first() else {
        let text = format!("{serial} is the last member; 'hagroup deletegroup' ends the group");
        return Err(Failure::misuse(text));
    };
    if made_by == serial {
        group.serial = number(first);
    }
    shell.edit(|conf| Ok(conf.put_ha_group(&group)?))?;
    writeln!(
        console.out,
        "        Member {serial} successfully removed from group {}. New group configuration is:",
        group.label
    )?;
    show(&group, shell, None, console)?;
    advise(console)
}

/// `hagroup addstandby`.
pub(crate) fn add_standby(
    shell: &mut Shell,
    request: &Request,
    console: &mut Console<'_>,
) -> Outcome {
    let (mut group, serial) = member(shell, request)?;
    if group.standby.contains(&serial) {
        return Err(taken(format!("member {serial} stands by already")));
    }
    let active = group.members.iter().filter(|it| !group.standby.contains(it)).count();
    if active == 1 {
        let text = format!("{serial} is the only member that does not stand by");
        return Err(taken(text));
    }
    group.standby.push(serial.clone());
    let said = format!("Member {serial} successfully added to standby members.");
    stand_by(shell, &group, &said, console)
}

/// `hagroup removestandby`.
pub(crate) fn remove_standby(
    shell: &mut Shell,
    request: &Request,
    console: &mut Console<'_>,
) -> Outcome {
    let (mut group, serial) = member(shell, request)?;
    if !group.standby.contains(&serial) {
        return Err(taken(format!("member {serial} does not stand by")));
    }
    group.standby.retain(|other| *other != serial);
    let said = format!("Member {serial} successfully removed from standby members.");
    stand_by(shell, &group, &said, console)
}

fn stand_by(shell: &mut Shell, group: &HaGroup, said: &str, console: &mut Console<'_>) -> Outcome {
    shell.edit(|conf| Ok(conf.put_ha_group(group)?))?;
    writeln!(console.out, "        {said} New group configuration is:")?;
    show(group, shell, None, console)?;
    advise(console)
}

/// `hagroup deletegroup`: objects stay on the partitions, other clients are not told (Documented).
pub(crate) fn delete(shell: &mut Shell, request: &Request, console: &mut Console<'_>) -> Outcome {
    let group = named(shell.conf()?, request.needed("label")?)?;
    shell.edit(|conf| Ok(conf.remove_ha_group(&group.label)?))?;
    writeln!(console.out, "        The HA group {} was successfully deleted.\n", group.label)?;
    let conf = shell.conf()?;
    if conf.ha_groups()?.is_empty() && conf.flag("HAConfiguration", "HAOnly")? == Some(true) {
        writeln!(
            console.out,
            "        It was the last one, and \"HA Only\" is enabled: applications see no slot until\n        \
             'hagroup haonly -disable'.\n"
        )?;
    }
    advise(console)
}
