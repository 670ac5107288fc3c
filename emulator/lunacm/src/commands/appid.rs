//! `appid`: the identity under which the HSM keeps this process's logins.
//!
//! Source: roles.md section 6, from the vendor's pages on shared login state (Documented). An identity is chosen
//! before sessions are opened, so what is logged in here is logged out first.

use luna_ck::CK_ULONG;

use crate::console::Console;
use crate::failure::Failure;
use crate::registry::Request;
use crate::shell::Shell;

type Outcome = Result<(), Failure>;

/// Both halves, each a number of 32 bits.
fn identity(request: &Request) -> Result<(CK_ULONG, CK_ULONG), Failure> {
    let half = |option| {
        let text = request.needed(option)?;
        let number = text.parse::<u32>().map(CK_ULONG::from);
        number.map_err(|_| Failure::misuse(format!("-{option}: '{text}' is no number of 32 bits")))
    };
    Ok((half("major")?, half("minor")?))
}

/// `appid set`: of the sessions this program opens from now on.
pub(crate) fn set(shell: &mut Shell, request: &Request, _: &mut Console<'_>) -> Outcome {
    let (major, minor) = identity(request)?;
    shell.forget_all();
    Ok(shell.context.set_application_id(major, minor)?)
}

/// `appid open`.
pub(crate) fn open(shell: &mut Shell, request: &Request, _: &mut Console<'_>) -> Outcome {
    let (major, minor) = identity(request)?;
    Ok(shell.context.open_application_id(shell.slot()?, major, minor)?)
}

/// `appid close`.
pub(crate) fn close(shell: &mut Shell, request: &Request, _: &mut Console<'_>) -> Outcome {
    let (major, minor) = identity(request)?;
    Ok(shell.context.close_application_id(shell.slot()?, major, minor)?)
}

/// `appid info`: the 16 bytes; the first eight hold the two halves where an older call set them (Documented:
/// old calls fill eight bytes, their order Assumed).
pub(crate) fn info(shell: &mut Shell, _: &Request, console: &mut Console<'_>) -> Outcome {
    let id = shell.context.application_id()?;
    let digits: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    writeln!(console.out, "        Application Id:  {digits}\n")?;
    Ok(())
}
