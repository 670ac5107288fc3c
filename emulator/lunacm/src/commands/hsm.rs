//! `hsm`: the whole HSM, where this client may see it: on the admin slot of a card.
//!
//! On a partition of a network HSM all of it is refused: its HSM is administered on the appliance (Documented). The
//! code of that refusal is Assumed.

use luna_ck::{CKF_ADMIN_TOKEN, CKR_FUNCTION_NOT_SUPPORTED};
use luna_client::{Access, Pin, PolicyValue, SlotId, TokenInfo};

use super::partition::cut;
use super::policy::{numbers, words};
use super::{mechanism, partition};
use crate::console::Console;
use crate::failure::Failure;
use crate::present::{Shown, TOKEN_FLAGS, flag_names};
use crate::registry::Request;
use crate::shell::Shell;

type Outcome = Result<(), Failure>;

/// The current slot, if it is an HSM's admin slot.
fn admin(shell: &Shell) -> Result<(SlotId, TokenInfo), Failure> {
    let (slot, token) = shell.token()?;
    if token.flags & CKF_ADMIN_TOKEN != 0 {
        return Ok((slot, token));
    }
    let text = format!(
        "slot {slot} is a partition, not an HSM's admin slot: its HSM is administered on the appliance"
    );
    Err(Failure::refused(CKR_FUNCTION_NOT_SUPPORTED, text))
}

/// `hsm showinfo`. Names of the rows follow `partition showinfo` (Assumed).
pub(crate) fn show_info(shell: &mut Shell, _: &Request, console: &mut Console<'_>) -> Outcome {
    let (slot, token) = admin(shell)?;
    let shown = Shown::of(&shell.context, slot)?;
    let initialized = if token.initialized() { "OK" } else { "Zeroized" };
    let role = shell.login(slot).map_or("none logged in", |(role, _)| role.title);
    let mut row = |name: &str, value: &str| {
        writeln!(console.out, "{}", format!("        {name:<35} {value}").trim_end())
    };
    row("HSM Label ->", &token.label)?;
    row("HSM Manufacturer ->", &token.manufacturer)?;
    row("HSM Model ->", &token.model)?;
    row("HSM Serial Number ->", &token.serial_number)?;
    row("HSM Status ->", initialized)?;
    row("HSM Firmware Version ->", &shown.firmware())?;
    row("Token Flags ->", "")?;
    for flag in flag_names(token.flags, TOKEN_FLAGS) {
        row("", &flag)?;
    }
    row("Slot Id ->", &slot.to_string())?;
    row("Role Status ->", role)?;
    if let Ok(storage) = shell.context.hsm_storage(slot) {
        writeln!(console.out, "\n        HSM Storage:")?;
        for (name, value) in [
            ("Total Storage Space:", storage.total),
            ("Used Storage Space:", storage.used),
            ("Free Storage Space:", storage.free),
        ] {
            writeln!(console.out, "            {name:<31} {value}")?;
        }
    }
    writeln!(console.out)?;
    if let Some(fips) = partition::fips(&shell.context, slot) {
        let not = if fips { "" } else { "NOT " };
        writeln!(console.out, "        *** The HSM is {not}in FIPS mode. ***\n")?;
    }
    Ok(())
}

/// `hsm showpolicies`.
pub(crate) fn show_policies(
    shell: &mut Shell,
    request: &Request,
    console: &mut Console<'_>,
) -> Outcome {
    let (slot, token) = admin(shell)?;
    writeln!(console.out, "        HSM: {}", token.label)?;
    let verbose = request.has("verbose");
    for (title, capability, list, verb) in [
        ("HSM Capabilities", true, shell.context.hsm_capabilities(slot)?, "Enable"),
        ("HSM Policies", false, shell.context.hsm_policies(slot)?, "Allow"),
    ] {
        writeln!(console.out, "\n        {title}")?;
        for PolicyValue { id, value } in list {
            let description = shell.context.hsm_element_description(slot, capability, id).ok();
            let words = words(description.as_ref(), verb, id);
            let mut line = format!("           {id:>2}: {words} : {value}");
            if let (true, false, Some(description)) = (verbose, capability, description) {
                line +=
                    if description.destructive { " (destructive)" } else { " (not destructive)" };
            }
            writeln!(console.out, "{line}")?;
        }
    }
    writeln!(console.out)?;
    Ok(())
}

/// `hsm showmechanism`.
pub(crate) fn show_mechanism(
    shell: &mut Shell,
    request: &Request,
    console: &mut Console<'_>,
) -> Outcome {
    admin(shell)?;
    mechanism::show(shell, request, console)
}

/// `hsm init`: all partitions go with it.
pub(crate) fn init(shell: &mut Shell, request: &Request, console: &mut Console<'_>) -> Outcome {
    let (slot, _) = admin(shell)?;
    let label = request.needed("label")?;
    let password = match request.value("password") {
        Some(password) => Pin::from(password),
        None => console.new_secret("        Enter password for HSM SO: ", "password")?,
    };
    if let Some(domain) = request.value("domain") {
        shell.context.set_cloning_domain(&Pin::from(domain))?;
    }
    if !request.has("force") {
        console.proceed(
            "You are about to initialize the HSM. All partitions and their objects will be destroyed.",
        )?;
    }
    shell.forget_all();
    shell.context.close_all_sessions(slot)?;
    Ok(shell.context.init_token(slot, Some(&password), cut(label))?)
}

/// `hsm reset`.
pub(crate) fn reset(shell: &mut Shell, request: &Request, console: &mut Console<'_>) -> Outcome {
    let (slot, _) = admin(shell)?;
    if !request.has("force") {
        console.proceed(
            "You are about to reset the HSM. All partitions, roles and settings will be destroyed.",
        )?;
    }
    shell.forget_all();
    shell.context.close_all_sessions(slot)?;
    Ok(shell.context.factory_reset(slot)?)
}

/// `hsm changehsmpolicy`: destructive changes go through a function of their own (Documented, pycryptoki).
pub(crate) fn change_policy(
    shell: &mut Shell,
    request: &Request,
    console: &mut Console<'_>,
) -> Outcome {
    let (slot, _) = admin(shell)?;
    let ids = numbers(request.needed("policy")?)?;
    let values = numbers(request.needed("value")?)?;
    if ids.len() != values.len() || ids.is_empty() {
        return Err(Failure::misuse("-policy and -value need as many numbers each"));
    }
    let pairs = ids.into_iter().zip(values);
    let policies: Vec<PolicyValue> = pairs.map(|(id, value)| PolicyValue { id, value }).collect();
    let wipes = policies.iter().any(|policy| {
        let description = shell.context.hsm_element_description(slot, false, policy.id);
        // What cannot be known counts as if it did.
        description.map_or(true, |description| description.destructive)
    });
    if wipes && !request.has("force") {
        console.proceed("This change is destructive: all partitions of the HSM are destroyed.")?;
    }
    match shell.login(slot) {
        Some((_, session)) => Ok(session.set_hsm_policies(&policies, wipes)?),
        None => Ok(shell.session(slot, Access::ReadWrite)?.set_hsm_policies(&policies, wipes)?),
    }
}
