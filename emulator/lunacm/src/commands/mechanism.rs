//! `partition showmechanism`.

use luna_ck::{CKR_MECHANISM_INVALID, names};
use luna_client::{MechanismType, SlotId};

use crate::console::Console;
use crate::failure::Failure;
use crate::present::{MECHANISM_FLAGS, flag_names};
use crate::registry::Request;
use crate::shell::Shell;

/// All mechanisms in the module's order, or one with its sizes and flags.
pub(crate) fn show(
    shell: &mut Shell,
    request: &Request,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let slot = shell.slot()?;
    let mechanisms = shell.context.mechanisms(slot)?;
    if let Some(wanted) = request.value("m") {
        return one(shell, slot, named(wanted, &mechanisms)?, console);
    }
    writeln!(console.out, "        Mechanisms Supported:\n")?;
    for mechanism in mechanisms {
        writeln!(console.out, "        0x{mechanism:08x} - {}", names::ckm(mechanism))?;
    }
    writeln!(console.out)?;
    Ok(())
}

/// The shape is Assumed.
fn one(
    shell: &Shell,
    slot: SlotId,
    mechanism: MechanismType,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let info = shell.context.mechanism_info(slot, mechanism)?;
    writeln!(console.out, "        0x{mechanism:08x} - {}", names::ckm(mechanism))?;
    writeln!(console.out, "            {:<20} {}", "Min Key Size", info.min_key_size)?;
    writeln!(console.out, "            {:<20} {}", "Max Key Size", info.max_key_size)?;
    let flags = flag_names(info.flags, MECHANISM_FLAGS).join(" ");
    writeln!(console.out, "            {:<20} 0x{:x} {flags}\n", "Flags", info.flags)?;
    Ok(())
}

/// A mechanism by number, or by name with or without `CKM_`.
fn named(wanted: &str, mechanisms: &[MechanismType]) -> Result<MechanismType, Failure> {
    let number = match wanted.to_ascii_lowercase().strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => wanted.parse().ok(),
    };
    let upper = wanted.to_ascii_uppercase();
    let found = mechanisms.iter().copied().find(|mechanism| {
        let name = names::ckm(*mechanism);
        Some(*mechanism) == number || name == upper || name.strip_prefix("CKM_") == Some(&upper)
    });
    // A number the list does not have is still worth the module's own answer.
    found.or(number).ok_or_else(|| {
        Failure::refused(CKR_MECHANISM_INVALID, format!("the partition does not list '{wanted}'"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mechanism_is_found_by_name_or_number() {
        let list = [0x1, 0x1082];
        for wanted in ["CKM_AES_CBC", "aes_cbc", "0x1082", "0X1082", "4226"] {
            assert_eq!(named(wanted, &list).unwrap(), 0x1082, "{wanted}");
        }
        assert_eq!(named("0x99", &list).unwrap(), 0x99);
        assert!(named("AES_GCM", &list).is_err());
    }
}
