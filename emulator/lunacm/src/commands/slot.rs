//! `slot`: what there is, and which of it commands are about.

use std::io;

use luna_ck::CKR_SLOT_ID_INVALID;
use luna_client::SlotId;

use crate::console::Console;
use crate::failure::Failure;
use crate::present::Shown;
use crate::registry::Request;
use crate::shell::Shell;

/// The slots with their tokens, as after the banner. A slot that does not tell about its token is shown with
/// the reason.
pub(crate) fn overview(shell: &Shell, console: &mut Console<'_>) -> io::Result<()> {
    writeln!(console.out, "        Available HSMs:\n")?;
    match shell.context.slots(true) {
        Ok(slots) => {
            for slot in slots {
                match Shown::of(&shell.context, slot) {
                    Ok(shown) => shown.write(console)?,
                    Err(error) => {
                        writeln!(console.out, "        {:<23} {slot}", "Slot Id ->")?;
                        writeln!(console.out, "        {:<23} {error}\n", "Status ->")?;
                    }
                }
            }
        }
        Err(error) => writeln!(console.out, "        {error}\n")?,
    }
    let current = shell.current.map_or_else(|| "None".to_owned(), |slot| slot.to_string());
    writeln!(console.out, "        Current Slot Id: {current}\n")
}

/// `slot list`.
pub(crate) fn list(
    shell: &mut Shell,
    _: &Request,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    Ok(overview(shell, console)?)
}

/// `slot set -slot n`. Logins stay where they are.
pub(crate) fn set(
    shell: &mut Shell,
    request: &Request,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let slot = number(shell, request.needed("slot")?)?;
    shell.current = Some(slot);
    let shown = Shown::of(&shell.context, slot)?;
    writeln!(console.out, "        Current Slot Id: {slot} ({})\n", shown.title())?;
    Ok(())
}

/// The slot of `-slot`, or else the current one.
pub(crate) fn given(shell: &Shell, request: &Request) -> Result<SlotId, Failure> {
    request.value("slot").map_or_else(|| shell.slot(), |text| number(shell, text))
}

/// A slot by its number, which the module must list.
pub(crate) fn number(shell: &Shell, text: &str) -> Result<SlotId, Failure> {
    let slot = text.parse().map(SlotId);
    let slot = slot.map_err(|_| Failure::misuse(format!("'{text}' is no slot number")))?;
    if shell.context.slots(true)?.contains(&slot) {
        Ok(slot)
    } else {
        Err(Failure::refused(CKR_SLOT_ID_INVALID, format!("there is no slot {slot}")))
    }
}
