//! `partition`: its objects, its state, its making and clearing.

use luna_ck::*;
use luna_client::{
    Access, Attribute, Context, Error, ObjectHandle, Pin, PolicyValue, Result, Session, SlotId,
    TokenInfo, UserType,
};

use super::{policy, slot, template};
use crate::console::Console;
use crate::failure::Failure;
use crate::present::{Shown, TOKEN_FLAGS, count, flag_names};
use crate::registry::Request;
use crate::shell::{Role, Shell};

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
    let at = slot::given(shell, request)?;
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
pub(super) fn fips(context: &Context, slot: SlotId) -> Option<bool> {
    const PARTITION_NON_FIPS: CK_ULONG = 43;
    let policies = context.token_policies(slot).unwrap_or_default();
    let partition = policies.iter().find(|policy| policy.id == PARTITION_NON_FIPS);
    let value = match partition {
        Some(policy) => policy.value,
        None => context.hsm_policy(slot, HSM_CONFIG_NONFIPS_ALGORITHMS).ok()?,
    };
    Some(value == 0)
}

/// `partition init`: passwords are asked for first, then comes the warning (Observed, a transcript of client 7.1).
pub(crate) fn init(shell: &mut Shell, request: &Request, console: &mut Console<'_>) -> Outcome {
    let slot = shell.slot()?;
    let label = request.needed("label")?;
    let template = match request.value("applytemplate") {
        Some(file) => Some(read_template(shell, slot, file)?),
        None => None,
    };
    let password = match request.value("password") {
        Some(password) => Pin::from(password),
        None => console.new_secret("        Enter password for Partition SO: ", "password")?,
    };
    let domain = domain(shell, request, console)?;
    if !request.has("force") {
        console.proceed(
            "You are about to initialize the partition.\n        All contents of the partition will be \
             destroyed.",
        )?;
    }
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
    if template.is_none() && !request.has("auth") {
        return Ok(());
    }
    let session = shell.session(shell.slot()?, Access::ReadWrite)?;
    session.login(UserType::PARTITION_SO, &password)?;
    if let Some(policies) = template {
        session.set_token_policies(session.slot(), &policies).map_err(|error| {
            let text = format!("the partition is initialized, but not by the template: {error}");
            Failure::of(&error, text)
        })?;
    }
    if request.has("auth") {
        shell.keep(Role::named("po")?, session);
    }
    Ok(())
}

/// The cloning domain, given or asked for; `None` for the one every HSM has by default, and for a module that
/// knows of no domains.
fn domain(
    shell: &Shell,
    request: &Request,
    console: &mut Console<'_>,
) -> std::result::Result<Option<Pin>, Failure> {
    match (request.value("domain"), request.has("defaultdomain")) {
        (Some(_), true) => Err(Failure::misuse("-domain and -defaultdomain are two domains")),
        (Some(domain), false) => Ok(Some(Pin::from(domain))),
        (None, false) if takes_domain(&shell.context) => {
            console.new_secret("        Enter the domain name: ", "domain").map(Some)
        }
        (None, _) => Ok(None),
    }
}

/// The policies of a template that differ from what the partition has.
fn read_template(
    shell: &Shell,
    slot: SlotId,
    file: &str,
) -> std::result::Result<Vec<PolicyValue>, Failure> {
    let file = template::place(shell, file);
    let text = std::fs::read_to_string(&file)
        .map_err(|error| Failure::misuse(format!("{}: {error}", file.display())))?;
    let own = policy::current(shell, slot)?;
    let mut changes = Vec::new();
    for row in template::read(&text)? {
        let Some(has) = own.iter().find(|has| has.id == row.id) else {
            let text = format!("the partition has no policy {} ({})", row.id, row.text);
            return Err(Failure::refused(CKR_CONFIG_FAILS_DEPENDENCIES, text));
        };
        if has.destructive != row.destructive {
            let text = format!(
                "policy {} ({}): another destructiveness cannot be set by this library",
                row.id, row.text
            );
            return Err(Failure::refused(CKR_FUNCTION_NOT_SUPPORTED, text));
        }
        if has.value != row.value {
            changes.push(row.policy());
        }
    }
    Ok(changes)
}

/// `partition changelabel`. Which function the vendor's tool calls is not published; this one's name speaks of the
/// partition's name (Assumed), so what came of it is looked at.
pub(crate) fn change_label(shell: &mut Shell, request: &Request, _: &mut Console<'_>) -> Outcome {
    let slot = shell.slot()?;
    let label = request.needed("label")?;
    if label.is_empty() || label.len() > LABEL_LEN {
        return Err(Failure::misuse(format!("-label has 1 to {LABEL_LEN} characters")));
    }
    shell.context.set_container_name(slot, label)?;
    let shown = shell.context.token_info(slot)?.label;
    if shown == label {
        return Ok(());
    }
    let text = format!(
        "the library has given the partition another name, but its token still shows the label '{shown}'"
    );
    Err(Failure::refused(CKR_FUNCTION_FAILED, text))
}

/// `partition restart`: `CA_Restart` closes everything this application has on the slot.
pub(crate) fn restart(shell: &mut Shell, request: &Request, console: &mut Console<'_>) -> Outcome {
    let slot = shell.slot()?;
    if !request.has("force") {
        console.proceed("You are about to close every session of this client on the partition.")?;
    }
    shell.forget(slot);
    Ok(shell.context.restart(slot)?)
}

/// `partition archive`: wants a backup HSM, told by the model of a slot's token (Assumed: `Luna G5`, `Luna G7`,
/// `Luna Backup`), and the functions of its own by which one is filled.
pub(crate) fn archive(shell: &mut Shell, request: &Request, _: &mut Console<'_>) -> Outcome {
    const ACTIONS: [&str; 5] = ["list", "backup", "restore", "contents", "delete"];
    const MODELS: [&str; 3] = ["Luna G5", "Luna G7", "Luna Backup"];
    let action = request.needed("action")?;
    let known = |name: &&str| !action.is_empty() && name.starts_with(action);
    let Some(action) = ACTIONS.iter().find(|name| known(name)) else {
        let text = format!("'archive' knows no '{action}'; it knows {}", ACTIONS.join(", "));
        return Err(Failure::misuse(text));
    };
    let is_backup = |slot: &SlotId| {
        let model = shell.context.token_info(*slot).map(|token| token.model);
        model.is_ok_and(|model| MODELS.iter().any(|name| model.starts_with(name)))
    };
    let there = shell.context.slots(true)?.iter().any(is_backup);
    let why = if there {
        "the functions of the library that fill a backup HSM are not published"
    } else {
        "no backup HSM is connected"
    };
    let text = format!("'partition archive {action}': {why}");
    Err(Failure::refused(CKR_FUNCTION_NOT_SUPPORTED, text))
}

fn takes_domain(context: &Context) -> bool {
    context.module().raw().vendor().CA_SetCloningDomain.is_some()
}

/// The label as far as the field goes, not ending within a character.
pub(super) fn cut(label: &str) -> &str {
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
