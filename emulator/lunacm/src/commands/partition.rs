//! `partition`: its objects, its state, its making and clearing.

use luna_ck::*;
use luna_client::{
    Access, Attribute, Context, Error, ObjectHandle, Pin, Result, Session, SlotId, TokenInfo,
};

use super::slot;
use crate::console::Console;
use crate::failure::Failure;
use crate::present::{Shown, TOKEN_FLAGS, count, flag_names};
use crate::registry::Request;
use crate::shell::Shell;

type Outcome = std::result::Result<(), Failure>;

/// Bytes of a token's label; what is longer is cut. Source: vendor, partition initialisation (Documented).
const LABEL_LEN: usize = 32;

/// `partition contents`. The shape is that of the integration guide (Observed).
pub(crate) fn contents(shell: &mut Shell, _: &Request, console: &mut Console<'_>) -> Outcome {
    let slot = shell.slot()?;
    match shell.login(slot) {
        Some((role, _)) => {
            let title = role.title;
            writeln!(
                console.out,
                "        The '{title}' is currently logged in. Looking for objects\n        \
                 accessible to the '{title}'.\n"
            )?;
        }
        None => {
            writeln!(
                console.out,
                "        No role is currently logged in. Looking for objects\n        \
                 accessible to everyone.\n"
            )?;
        }
    }
    let session =
        shell.session(slot, Access::ReadOnly).or_else(|failure| match shell.login(slot) {
            // A Partition SO's login bars read-only sessions.
            Some(_) => shell.session(slot, Access::ReadWrite),
            None => Err(failure),
        })?;
    let objects = session.find(&[Attribute::token(true)])?;
    writeln!(console.out, "        Object list:\n")?;
    for object in &objects {
        for (name, value) in described(&shell.context, &session, *object)? {
            writeln!(console.out, "{}", format!("        {name:<14} {value}").trim_end())?;
        }
        writeln!(console.out)?;
    }
    writeln!(console.out, "        Number of objects:  {}\n", objects.len())?;
    Ok(())
}

/// The rows of one object.
fn described(
    context: &Context,
    session: &Session,
    object: ObjectHandle,
) -> Result<Vec<(&'static str, String)>> {
    let kinds = [CKA_LABEL, CKA_CLASS, CKA_USAGE_LIMIT, CKA_OUID];
    let mut values = session.attributes(object, &kinds)?.into_iter();
    let mut next = || values.next().flatten();
    let label = next().unwrap_or_default();
    let class = number(next());
    let limit = number(next());
    let uid = next()
        .or_else(|| context.token_object_uid(session.slot(), object).ok().map(|uid| uid.to_vec()));
    let mut rows = vec![
        ("Label:", String::from_utf8_lossy(&label).trim_end_matches('\0').to_owned()),
        ("Handle:", object.to_string()),
        ("Object Type:", class_name(class)),
    ];
    if matches!(class, Some(CKO_SECRET_KEY | CKO_PRIVATE_KEY | CKO_PUBLIC_KEY)) {
        // The vendor's number for "as often as you like" is not published; a count of all ones is none.
        let limit = limit.filter(|limit| *limit != CK_UNAVAILABLE_INFORMATION && *limit != 0);
        rows.push(("Usage Limit:", limit.map_or_else(|| "none".to_owned(), |n| n.to_string())));
    }
    let uid = uid.map(|uid| uid.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    rows.push(("Object UID:", uid.unwrap_or_else(|| "N/A".to_owned())));
    Ok(rows)
}

fn number(value: Option<Vec<u8>>) -> Option<CK_ULONG> {
    value?.try_into().ok().map(CK_ULONG::from_ne_bytes)
}

/// Type words of the guide (Observed: Data, Symmetric Key; the others Assumed).
fn class_name(class: Option<CK_ULONG>) -> String {
    match class {
        Some(CKO_DATA) => "Data".to_owned(),
        Some(CKO_CERTIFICATE) => "Certificate".to_owned(),
        Some(CKO_PUBLIC_KEY) => "Public Key".to_owned(),
        Some(CKO_PRIVATE_KEY) => "Private Key".to_owned(),
        Some(CKO_SECRET_KEY) => "Symmetric Key".to_owned(),
        Some(class) => luna_ck::names::name(luna_ck::names::CKO, class),
        None => "N/A".to_owned(),
    }
}

/// `partition showinfo`. Names of the rows are the vendor's (Documented), their order is Assumed.
pub(crate) fn show_info(
    shell: &mut Shell,
    request: &Request,
    console: &mut Console<'_>,
) -> Outcome {
    let at = match request.value("slot") {
        Some(text) => slot::number(shell, text)?,
        None => shell.slot()?,
    };
    let shown = Shown::of(&shell.context, at)?;
    let token = &shown.token;
    let initialized = if token.initialized() { "OK" } else { "Zeroized" };
    let role = shell.login(at).map_or("none logged in", |(role, _)| role.title);
    let mut row = |name: &str, value: &str| {
        writeln!(console.out, "{}", format!("        {name:<35} {value}").trim_end())
    };
    row("Partition Label ->", &token.label)?;
    row("Partition Manufacturer ->", &token.manufacturer)?;
    row("Partition Model ->", &token.model)?;
    row("Partition Serial Number ->", &token.serial_number)?;
    row("Partition Status ->", initialized)?;
    row("Partition Firmware Version ->", &shown.firmware())?;
    row("Token Flags ->", "")?;
    for flag in flag_names(token.flags, TOKEN_FLAGS) {
        row("", &flag)?;
    }
    row("Slot Id ->", &at.to_string())?;
    row("Role Status ->", role)?;
    let of = |now, most| format!("{} of {}", count(now), count(most));
    row("Sessions ->", &of(token.session_count, token.max_session_count))?;
    row("Read-Write Sessions ->", &of(token.rw_session_count, token.max_rw_session_count))?;
    row("Password Length ->", &format!("{} to {}", token.min_pin_len, token.max_pin_len))?;
    writeln!(console.out, "\n        Partition Storage:")?;
    for (name, value) in storage(&shell.context, at, token)? {
        writeln!(console.out, "            {name:<31} {value}")?;
    }
    writeln!(console.out)?;
    if let Some(fips) = fips(&shell.context, at) {
        let not = if fips { "" } else { "NOT " };
        writeln!(console.out, "        *** The partition is {not}in FIPS mode. ***\n")?;
    }
    Ok(())
}

/// By the vendor's function, else what the token tells.
fn storage(
    context: &Context,
    slot: SlotId,
    token: &TokenInfo,
) -> Result<Vec<(&'static str, String)>> {
    let rows = match context.token_storage(slot) {
        Ok(storage) => vec![
            ("Total Storage Space:", storage.total.to_string()),
            ("Used Storage Space:", storage.used.to_string()),
            ("Free Storage Space:", storage.free.to_string()),
            ("Object Count:", storage.objects.to_string()),
            ("Overhead:", storage.overhead.to_string()),
        ],
        Err(Error::Missing { .. }) => vec![
            ("Total Storage Space:", count(token.total_private_memory)),
            ("Free Storage Space:", count(token.free_private_memory)),
        ],
        Err(error) => return Err(error),
    };
    Ok(rows)
}

/// FIPS mode is the absence of non-FIPS algorithms: by partition policy 43 where the firmware has it, else by
/// HSM policy 12 (Documented). `None` when neither can be asked for.
fn fips(context: &Context, slot: SlotId) -> Option<bool> {
    const PARTITION_NON_FIPS: CK_ULONG = 43;
    let policies = context.token_policies(slot).unwrap_or_default();
    let partition = policies.iter().find(|policy| policy.id == PARTITION_NON_FIPS);
    let value = match partition {
        Some(policy) => policy.value,
        None => context.hsm_policy(slot, HSM_CONFIG_NONFIPS_ALGORITHMS).ok()?,
    };
    Some(value == 0)
}

/// `partition init`.
pub(crate) fn init(shell: &mut Shell, request: &Request, console: &mut Console<'_>) -> Outcome {
    let slot = shell.slot()?;
    let label = request.needed("label")?;
    if !request.has("force") {
        console.proceed(
            "You are about to initialize the partition. All objects in it will be destroyed.",
        )?;
    }
    let password = match request.value("password") {
        Some(password) => Pin::from(password),
        None => console.new_secret("        Enter password for Partition SO: ", "password")?,
    };
    let domain = match request.value("domain") {
        Some(domain) => Some(Pin::from(domain)),
        None if takes_domain(&shell.context) => {
            Some(console.new_secret("        Enter the domain name: ", "domain")?)
        }
        None => None,
    };
    if let Some(domain) = &domain {
        shell.context.set_cloning_domain(domain)?;
    }
    shell.forget(slot);
    shell.context.close_all_sessions(slot)?;
    shell.context.init_token(slot, Some(&password), cut(label))?;
    // Some modules move the token to another slot.
    let slots = shell.context.slots(true)?;
    if !slots.contains(&slot) {
        shell.current = shell.context.slot_by_label(cut(label))?;
    }
    Ok(())
}

fn takes_domain(context: &Context) -> bool {
    context.module().raw().vendor().CA_SetCloningDomain.is_some()
}

/// The label as far as the field goes, not ending within a character.
fn cut(label: &str) -> &str {
    let mut end = label.len().min(LABEL_LEN);
    while !label.is_char_boundary(end) {
        end -= 1;
    }
    label.get(..end).unwrap_or_default()
}

/// `partition clear`: one object after the other, and the first refusal ends it.
pub(crate) fn clear(shell: &mut Shell, request: &Request, console: &mut Console<'_>) -> Outcome {
    let slot = shell.slot()?;
    if !request.has("force") {
        console.proceed("You are about to destroy the objects of the partition.")?;
    }
    let session = shell.session(slot, Access::ReadWrite)?;
    let objects = session.find(&[Attribute::token(true)])?;
    for object in &objects {
        session.destroy(*object)?;
    }
    writeln!(console.out, "        Number of objects destroyed:  {}\n", objects.len())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_cut_between_characters() {
        assert_eq!(cut("OKV"), "OKV");
        assert_eq!(cut(&"ä".repeat(20)), "ä".repeat(16));
        assert_eq!(cut(&format!("x{}", "ä".repeat(20))), format!("x{}", "ä".repeat(15)));
    }
}
