//! `partition showpolicies`, with its templates, and `changepolicy`.
//!
//! Source: vendor pages of these commands (Documented): a block of capabilities, a block of policies, one
//! `number: words : value` a line; a destructive change asks first.

use luna_client::{Context, ElementDescription, PolicyValue, Session, SlotId};

use super::slot;
use super::template::{self, Row};
use crate::console::Console;
use crate::failure::Failure;
use crate::present::Shown;
use crate::registry::Request;
use crate::shell::Shell;

type Outcome = Result<(), Failure>;

/// `partition showpolicies`.
pub(crate) fn show(shell: &mut Shell, request: &Request, console: &mut Console<'_>) -> Outcome {
    let slot = slot::given(shell, request)?;
    if let Some(file) = request.value("exporttemplate") {
        return export(shell, slot, file, console);
    }
    let token = shell.context.token_info(slot)?;
    let capabilities = shell.context.token_capabilities(slot)?;
    let policies = shell.context.token_policies(slot)?;
    writeln!(console.out, "        Partition: {}\n", token.label)?;
    writeln!(console.out, "        Partition Capabilities")?;
    for capability in capabilities {
        let description = shell.context.capability_description(slot, capability.id).ok();
        let words = words(description.as_ref(), "Enable", capability.id);
        writeln!(console.out, "           {:>2}: {words} : {}", capability.id, capability.value)?;
    }
    writeln!(console.out, "\n        Partition Policies")?;
    for policy in policies {
        let description = shell.context.policy_description(slot, policy.id).ok();
        let words = words(description.as_ref(), "Allow", policy.id);
        let mut line = format!("           {:>2}: {words} : {}", policy.id, policy.value);
        if let (true, Some(description)) = (request.has("verbose"), description) {
            line += if description.destructive { " (destructive)" } else { " (not destructive)" };
            line += if description.write_restricted { " (read only)" } else { "" };
        }
        writeln!(console.out, "{line}")?;
    }
    writeln!(console.out)?;
    Ok(())
}

/// `partition showpolicies -exporttemplate`. A file that is there already is not written over.
fn export(shell: &Shell, slot: SlotId, file: &str, console: &mut Console<'_>) -> Outcome {
    let file = template::place(shell, file);
    let rows = current(shell, slot)?;
    let firmware = Shown::of(&shell.context, slot)?.firmware();
    let text = template::written(&firmware, &rows);
    let mut new = std::fs::OpenOptions::new();
    std::io::Write::write_all(
        &mut new
            .write(true)
            .create_new(true)
            .open(&file)
            .map_err(|error| Failure::misuse(format!("{}: {error}", file.display())))?,
        text.as_bytes(),
    )?;
    let file = file.display();
    writeln!(console.out, "        The policies were written to the template {file}\n")?;
    Ok(())
}

/// The policies as they are, as rows of a template. The library tells of one destructiveness for both directions.
pub(super) fn current(shell: &Shell, slot: SlotId) -> Result<Vec<Row>, Failure> {
    let policies = shell.context.token_policies(slot)?.into_iter();
    Ok(policies
        .map(|PolicyValue { id, value }| {
            let description = shell.context.policy_description(slot, id).ok();
            let destructive = description.as_ref().is_some_and(|it| it.destructive);
            let text = words(description.as_ref(), "Allow", id);
            Row { id, text, value, destructive: [destructive; 2] }
        })
        .collect())
}

/// What a policy is called. A module may give the whole phrase, or only what comes after `Enable` and `Allow`;
/// the latter begins small, and is completed where the value is yes or no (Assumed).
pub(super) fn words(description: Option<&ElementDescription>, verb: &str, id: u64) -> String {
    let Some(description) = description else { return format!("policy {id}") };
    let text = &description.text;
    match text.chars().next() {
        Some(first) if first.is_lowercase() && description.bits == 1 => format!("{verb} {text}"),
        Some(first) => first.to_uppercase().chain(text.chars().skip(1)).collect(),
        None => format!("policy {id}"),
    }
}

/// `partition changepolicy`, all in one call.
pub(crate) fn change(shell: &mut Shell, request: &Request, console: &mut Console<'_>) -> Outcome {
    let slot = slot::given(shell, request)?;
    let ids = numbers(request.needed("policy")?)?;
    let values = numbers(request.needed("value")?)?;
    if ids.len() != values.len() || ids.is_empty() {
        return Err(Failure::misuse("-policy and -value need as many numbers each"));
    }
    let pairs = ids.into_iter().zip(values);
    let policies: Vec<PolicyValue> = pairs.map(|(id, value)| PolicyValue { id, value }).collect();
    let wipes = policies.iter().any(|policy| is_destructive(&shell.context, slot, policy.id));
    if wipes && !request.has("force") {
        console
            .proceed("This change is destructive: the partition's objects will be destroyed.")?;
    }
    let set = |session: &Session| session.set_token_policies(slot, &policies);
    match shell.login(slot) {
        Some((_, session)) => set(session)?,
        None => set(&shell.session(slot, luna_client::Access::ReadWrite)?)?,
    }
    Ok(())
}

/// Whether a change may wipe the partition; what cannot be known counts as if it did.
fn is_destructive(context: &Context, slot: SlotId, id: u64) -> bool {
    context.policy_description(slot, id).map_or(true, |description| description.destructive)
}

pub(super) fn numbers(text: &str) -> Result<Vec<u64>, Failure> {
    let number = |item: &str| {
        item.trim().parse().map_err(|_| Failure::misuse(format!("'{item}' is no number")))
    };
    text.split(',').map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_called_by_a_whole_phrase() {
        let called = |text: &str, bits| {
            let description = ElementDescription {
                text: text.to_owned(),
                bits,
                destructive: false,
                write_restricted: false,
            };
            words(Some(&description), "Allow", 7)
        };
        assert_eq!(called("private key cloning", 1), "Allow private key cloning");
        assert_eq!(called("Allow private key cloning", 1), "Allow private key cloning");
        assert_eq!(called("maximum pin length", 8), "Maximum pin length");
        assert_eq!(called("", 1), "policy 7");
        assert_eq!(words(None, "Allow", 7), "policy 7");
    }

    #[test]
    fn numbers_stand_between_commas() {
        assert_eq!(numbers("33, 37,40").unwrap(), [33, 37, 40]);
        assert!(numbers("1,,2").is_err());
    }
}
