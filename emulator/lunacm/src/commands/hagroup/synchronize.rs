//! `hagroup synchronize` and `recover`: members brought to the same state.

use luna_ck::{CKR_FUNCTION_NOT_SUPPORTED, CKR_OK, CKR_TOKEN_NOT_PRESENT};
use luna_client::{Access, Error, Pin, Session, SlotId, UserType};

use super::settings::switched;
use super::{Outcome, named, slot_of, tokens};
use crate::commands::clone::{Stock, as_officer, carry, officer_password};
use crate::console::Console;
use crate::failure::Failure;
use crate::registry::Request;
use crate::shell::Shell;

/// `hagroup synchronize`: gives every member that can be reached what the others have (Assumed: nothing is ever
/// taken away, so what was destroyed on one member comes back), or switches replication.
pub(crate) fn run(shell: &mut Shell, request: &Request, console: &mut Console<'_>) -> Outcome {
    let mut group = named(shell.conf()?, request.needed("group")?)?;
    if let Some(on) = switched(request)? {
        group.synchronize = on;
        shell.edit(|conf| Ok(conf.put_ha_group(&group)?))?;
        let state = if on { "enabled" } else { "disabled" };
        let label = &group.label;
        writeln!(console.out, "        Synchronization of group {label} has been {state}.\n")?;
        return Ok(());
    }
    let tokens = tokens(&shell.context)?;
    let (mut slots, mut away) = (Vec::new(), Vec::new());
    for serial in &group.members {
        match slot_of(&tokens, serial) {
            Some(slot) => slots.push(slot),
            None => away.push(serial.as_str()),
        }
    }
    let Some(first) = slots.first().copied() else {
        let text = format!("no member of '{}' can be reached", group.label);
        return Err(Failure::refused(CKR_TOKEN_NOT_PRESENT, text));
    };
    let password = officer_password(shell, first, request, console)?;
    let outcome = as_officer(shell, &slots, password.as_ref(), |_, sessions| {
        bring_together(sessions, console)
    });
    for serial in away {
        writeln!(console.out, "        Member {serial} cannot be reached and was left out.")?;
    }
    let (done, refusal) = outcome?;
    writeln!(console.out, "        Number of objects cloned:  {done}")?;
    match refusal {
        Some(error) => Err(Failure::of(&error, format!("some objects were refused: {error}"))),
        None => {
            writeln!(console.out, "        Synchronization completed.\n")?;
            Ok(())
        }
    }
}

/// Every member in turn gets what each of the others has; how many clones, and the first refusal.
fn bring_together(
    sessions: &[Session],
    console: &mut Console<'_>,
) -> Result<(usize, Option<Error>), Failure> {
    let (mut done, mut refusal) = (0, None);
    for (place, target) in sessions.iter().enumerate() {
        let others = sessions.iter().enumerate().filter(|(other, _)| *other != place);
        for (_, source) in others {
            let lacking = Stock::of(source)?.lacking_in(&Stock::of(target)?);
            if lacking.is_empty() {
                continue;
            }
            if !can_clone(source) {
                let text = "members lack objects, and this library cannot clone them: it does not \
                            serve CA_CloneObject";
                return Err(Failure::refused(CKR_FUNCTION_NOT_SUPPORTED, text));
            }
            let (cloned, refused) = carry(source, target, &lacking, console)?;
            done += cloned;
            refusal = refusal.or(refused);
        }
    }
    Ok((done, refusal))
}

fn can_clone(session: &Session) -> bool {
    // Handle 0 is never an object's: a library that serves the function says what is wrong with it.
    match session.clone_object(session, luna_client::ObjectHandle(0)) {
        Err(Error::Missing { .. }) => false,
        Err(error) => !error.is(CKR_FUNCTION_NOT_SUPPORTED),
        Ok(_) => true,
    }
}

/// `hagroup recover`: the library tries lost members when a session on the group's slot is opened and used;
/// with the password, those that come back also get what they missed.
pub(crate) fn recover(shell: &mut Shell, request: &Request, console: &mut Console<'_>) -> Outcome {
    let group = named(shell.conf()?, request.needed("group")?)?;
    let Some(slot) = slot_of(&tokens(&shell.context)?, &group.serial) else {
        let text = format!(
            "group '{}' has no slot in this session; 'clientconfig restart' shows it",
            group.label
        );
        return Err(Failure::refused(CKR_TOKEN_NOT_PRESENT, text));
    };
    let before = lost(shell, slot)?;
    if before.is_empty() {
        writeln!(console.out, "        No member of group {} is down.\n", group.label)?;
        return Ok(());
    }
    {
        let session = shell.session(slot, Access::ReadWrite)?;
        let password = request.value("password").map(Pin::from);
        if let Some(password) = password
            && shell.login(slot).is_none()
        {
            session.login(UserType::CRYPTO_OFFICER, &password)?;
        }
        session.info()?;
    }
    let after = lost(shell, slot)?;
    for serial in &before {
        let state = if after.contains(serial) { "is still down" } else { "has been recovered" };
        writeln!(console.out, "        Member {serial} {state}.")?;
    }
    writeln!(console.out)?;
    Ok(())
}

/// Serial numbers of the members that are down.
fn lost(shell: &Shell, slot: SlotId) -> Result<Vec<String>, Failure> {
    let members = shell.context.ha_state(slot)?.members.into_iter();
    Ok(members.filter(|it| it.status.0 != CKR_OK).map(|it| it.serial).collect())
}
