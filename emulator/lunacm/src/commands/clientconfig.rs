//! `clientconfig`: what this client is set up to reach.

use crate::console::Console;
use crate::failure::Failure;
use crate::present::Shown;
use crate::registry::Request;
use crate::shell::Shell;

/// `clientconfig verify`: the partitions, without HA groups. The shape is that of the vendor's `vtl verify`
/// (Documented).
pub(crate) fn verify(
    shell: &mut Shell,
    _: &Request,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let mut partitions = Vec::new();
    for slot in shell.context.slots(true)? {
        let shown = Shown::of(&shell.context, slot)?;
        if !shown.is_ha_group() {
            partitions.push(shown);
        }
    }
    writeln!(console.out, "        The following Luna SA Slots/Partitions were found:\n")?;
    writeln!(console.out, "        Slot    Serial #            Label")?;
    writeln!(console.out, "        ====    ================    =====")?;
    for shown in partitions {
        let (slot, serial, label) = (shown.slot, &shown.token.serial_number, &shown.token.label);
        let line = format!("        {slot:>4}    {serial:<16}    {label}");
        writeln!(console.out, "{}", line.trim_end())?;
    }
    writeln!(console.out)?;
    Ok(())
}
