//! `role`: logging in and out, and the secrets of roles.
//!
//! Rights and order (who makes whose secret) are the module's to judge. Source of the flow: vendor pages on
//! initialising, changing and resetting role credentials (Documented).

use luna_ck::*;
use luna_client::{Access, Error, Pin, SlotId};

use crate::console::Console;
use crate::failure::Failure;
use crate::registry::Request;
use crate::shell::{ROLES, Role, Shell};

type Outcome = Result<(), Failure>;

/// `role list`: the roles the module knows; without the vendor's function, the standard's two.
pub(crate) fn list(shell: &mut Shell, _: &Request, console: &mut Console<'_>) -> Outcome {
    let (slot, token) = shell.token()?;
    let admin = token.flags & CKF_ADMIN_TOKEN != 0;
    writeln!(console.out, "        Roles on slot {slot}:\n")?;
    for role in ROLES.iter().filter(|role| role.admin == admin) {
        let there = match shell.context.role_state(slot, role.user) {
            Ok(_) => true,
            Err(Error::Missing { .. }) => [CKU_SO, CKU_USER].contains(&role.user.0),
            Err(_) => false,
        };
        if there {
            writeln!(console.out, "        {} ({})", role.title, role.name)?;
        }
    }
    writeln!(console.out)?;
    Ok(())
}

/// `role show`: of the role named, or of the one logged in.
pub(crate) fn show(shell: &mut Shell, request: &Request, console: &mut Console<'_>) -> Outcome {
    let slot = shell.slot()?;
    let role = match (request.value("name"), shell.login(slot)) {
        (Some(name), _) => Role::named(name)?,
        (None, Some((role, _))) => role,
        (None, None) => return Err(Failure::misuse("-name is needed, as nobody is logged in")),
    };
    let state = shell.context.role_state(slot, role.user)?;
    let yes = |bit: CK_ULONG| if state.flags & bit != 0 { "yes" } else { "no" };
    let locked = state.flags & CAF_ROLE_STATE_LOCKED_OUT != 0;
    writeln!(console.out, "        State of role '{}':", role.title)?;
    let mut row = |name: &str, value: &str| writeln!(console.out, "            {name:<40} {value}");
    row("Primary authentication type:", authentication(state.primary_auth))?;
    row("Secondary authentication type:", authentication(state.secondary_auth))?;
    row("Partition Login attempts left:", &state.login_attempts_left.to_string())?;
    row("Locked out:", if locked { "yes" } else { "no" })?;
    row("Initialized:", yes(CAF_ROLE_STATE_INITIALIZED))?;
    row("Activated:", yes(CAF_ROLE_STATE_ACTIVATED))?;
    row("Credential must be changed:", yes(CAF_ROLE_STATE_PIN_CHANGE))?;
    writeln!(console.out)?;
    Ok(())
}

/// Numbers of `CA_ROLE_STATE`. Source: `ThalesGroup/pycryptoki`, `defines.py` (Documented).
fn authentication(number: u8) -> &'static str {
    match number {
        0 => "None",
        1 => "Password",
        2 => "PED",
        _ => "Invalid",
    }
}

/// `role login`.
pub(crate) fn login(shell: &mut Shell, request: &Request, console: &mut Console<'_>) -> Outcome {
    let (slot, token) = shell.token()?;
    let role = Role::named(request.needed("name")?)?;
    let session = shell.session(slot, Access::ReadWrite)?;
    let elsewhere = token.flags & CKF_PROTECTED_AUTHENTICATION_PATH != 0;
    match request.value("password") {
        Some(password) => session.login(role.user, &Pin::from(password))?,
        None if elsewhere => session.login_elsewhere(role.user)?,
        None => {
            session.login(role.user, &console.secret("        Enter password: ", "password")?)?;
        }
    }
    shell.keep(role, session);
    Ok(())
}

/// `role logout`.
pub(crate) fn logout(shell: &mut Shell, _: &Request, _: &mut Console<'_>) -> Outcome {
    let slot = shell.slot()?;
    match shell.login(slot) {
        Some((_, session)) => session.logout()?,
        // The module has the word for it.
        None => shell.session(slot, Access::ReadOnly)?.logout()?,
    }
    shell.forget(slot);
    Ok(())
}

/// The secret given with an option, or asked for twice.
fn new_password(
    request: &Request,
    option: &'static str,
    console: &mut Console<'_>,
) -> Result<Pin, Failure> {
    match request.value(option) {
        Some(password) => Ok(Pin::from(password)),
        None => console.new_secret("        Enter new password: ", option),
    }
}

/// `role init`: the vendor's function, or for the Crypto Officer the standard's.
pub(crate) fn init(shell: &mut Shell, request: &Request, console: &mut Console<'_>) -> Outcome {
    let slot = shell.slot()?;
    let role = Role::named(request.needed("name")?)?;
    let password = new_password(request, "password", console)?;
    in_session(shell, slot, |session| match session.init_role_pin(role.user, &password) {
        Err(Error::Missing { .. }) if role.user.0 == CKU_USER => session.init_pin(&password),
        answer => answer,
    })
}

/// `role resetpw`: of the Crypto Officer by the Partition SO, of the others by the Crypto Officer.
pub(crate) fn reset_password(
    shell: &mut Shell,
    request: &Request,
    console: &mut Console<'_>,
) -> Outcome {
    let slot = shell.slot()?;
    let role = Role::named(request.needed("name")?)?;
    let password = new_password(request, "password", console)?;
    in_session(shell, slot, |session| {
        if role.user.0 == CKU_USER {
            session.reset_pin(&password)
        } else {
            session.init_role_pin(role.user, &password)
        }
    })
}

/// In the session of who is logged in, or in one of nobody's: the module then says what it thinks of that.
fn in_session(
    shell: &Shell,
    slot: SlotId,
    call: impl FnOnce(&luna_client::Session) -> luna_client::Result<()>,
) -> Outcome {
    match shell.login(slot) {
        Some((_, session)) => Ok(call(session)?),
        None => Ok(call(&shell.session(slot, Access::ReadWrite)?)?),
    }
}

/// `role changepw`: by the role itself. Who is not logged in is, for the time it takes.
pub(crate) fn change_password(
    shell: &mut Shell,
    request: &Request,
    console: &mut Console<'_>,
) -> Outcome {
    let slot = shell.slot()?;
    let role = Role::named(request.needed("name")?)?;
    let old = match request.value("oldpw") {
        Some(password) => Pin::from(password),
        None => console.secret("        Enter existing password: ", "oldpw")?,
    };
    let new = new_password(request, "newpw", console)?;
    match shell.login(slot) {
        Some((logged_in, session)) if logged_in.user == role.user => session.set_pin(&old, &new)?,
        _ => {
            let session = shell.session(slot, Access::ReadWrite)?;
            session.login(role.user, &old)?;
            let changed = session.set_pin(&old, &new);
            // The password is changed or it is not; the logout has no say in it.
            let _ = session.logout();
            changed?;
        }
    }
    Ok(())
}
