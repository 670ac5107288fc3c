//! `role`: logging in and out, and the secrets of roles.
//!
//! Rights and order (who makes whose secret) are the module's to judge. Source of the flow: vendor pages on
//! initialising, changing and resetting role credentials (Documented).

use luna_ck::*;
use luna_client::{Access, Attribute, Error, Mechanism, ObjectHandle, Pin, SlotId};

use super::slot;

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
    let (slot, token) = shell.token()?;
    let role = match (request.value("name"), shell.login(slot)) {
        (Some(name), _) => Role::of(&token, name)?,
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
    let role = Role::of(&token, request.needed("name")?)?;
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
    let (slot, token) = shell.token()?;
    let role = Role::of(&token, request.needed("name")?)?;
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
    let (slot, token) = shell.token()?;
    let role = Role::of(&token, request.needed("name")?)?;
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
    let (slot, token) = shell.token()?;
    let role = Role::of(&token, request.needed("name")?)?;
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

/// A slot and the role a command is about, on a partition that authenticates by PED.
fn by_ped(shell: &Shell, request: &Request) -> Result<(SlotId, Role), Failure> {
    let (slot, token) = shell.token()?;
    let role = Role::of(&token, request.needed("name")?)?;
    if token.flags & CKF_PROTECTED_AUTHENTICATION_PATH != 0 {
        return Ok((slot, role));
    }
    let text = "this partition authenticates by password: it has no challenges and no activation";
    Err(Failure::refused(CKR_FUNCTION_NOT_SUPPORTED, text))
}

/// `role createchallenge`: the HSM makes it, and it is shown once.
pub(crate) fn create_challenge(
    shell: &mut Shell,
    request: &Request,
    console: &mut Console<'_>,
) -> Outcome {
    let (slot, role) = by_ped(shell, request)?;
    let challenge = match shell.login(slot) {
        Some((_, session)) => session.create_login_challenge(role.user)?,
        None => shell.session(slot, Access::ReadWrite)?.create_login_challenge(role.user)?,
    };
    let shown = String::from_utf8_lossy(challenge.expose());
    let shown = shown.trim_end_matches('\0');
    writeln!(console.out, "        The challenge of role '{}':  {shown}\n", role.title)?;
    Ok(())
}

/// `role deactivate`.
pub(crate) fn deactivate(shell: &mut Shell, request: &Request, _: &mut Console<'_>) -> Outcome {
    let (slot, role) = by_ped(shell, request)?;
    Ok(shell.context.deactivate(slot, role.user)?)
}

/// Bits of the key that recovery logins are answered with, which is good for nothing else (Documented, the vendor's
/// sample of HA login).
const RECOVERY_KEY_BITS: CK_ULONG = 4096;

/// `role recoveryinit`: an RSA key pair, given or made, becomes the one that recovery logins are answered with.
pub(crate) fn recovery_init(
    shell: &mut Shell,
    request: &Request,
    console: &mut Console<'_>,
) -> Outcome {
    let (slot, token) = shell.token()?;
    let role = Role::of(&token, request.needed("name")?)?;
    let Some((logged_in, session)) = shell.login(slot) else {
        return Err(Failure::refused(CKR_USER_NOT_LOGGED_IN, "nobody is logged in"));
    };
    if logged_in.user != role.user {
        let text = format!("'{}' is logged in, not '{}'", logged_in.title, role.title);
        return Err(Failure::refused(CKR_USER_ANOTHER_ALREADY_LOGGED_IN, text));
    }
    let key = match request.value("keyhandle") {
        Some(text) => {
            let key = handle(text)?;
            session.ha_init(key)?;
            key
        }
        None => {
            let (public, private) = recovery_key(session)?;
            session.ha_init(private).inspect_err(|_| {
                // What was made for nothing goes again, as far as the module lets it.
                let _ = session.destroy(private);
                let _ = session.destroy(public);
            })?;
            private
        }
    };
    writeln!(console.out, "        Recovery logins are answered with key {key}.\n")?;
    Ok(())
}

fn handle(text: &str) -> Result<ObjectHandle, Failure> {
    let number = text.parse().map(ObjectHandle);
    number.map_err(|_| Failure::misuse(format!("'{text}' is no object handle")))
}

/// The public key and the private one.
fn recovery_key(session: &luna_client::Session) -> Result<(ObjectHandle, ObjectHandle), Failure> {
    let label = Attribute::label("HA recovery key");
    let public = [
        Attribute::token(true),
        label.clone(),
        Attribute::ulong(CKA_MODULUS_BITS, RECOVERY_KEY_BITS),
        Attribute::bytes(CKA_PUBLIC_EXPONENT, [1, 0, 1]),
    ];
    let private = [
        Attribute::token(true),
        Attribute::private(true),
        label,
        Attribute::bool(CKA_SENSITIVE, true),
    ];
    let mechanism = Mechanism::Plain(CKM_RSA_PKCS_KEY_PAIR_GEN);
    Ok(session.generate_key_pair(&mechanism, &public, &private)?)
}

/// `role recoverylogin`: the other slot's key answers for this one's login, so that nobody types a password.
pub(crate) fn recovery_login(shell: &mut Shell, request: &Request, _: &mut Console<'_>) -> Outcome {
    let (to, token) = shell.token()?;
    let role = Role::of(&token, request.needed("name")?)?;
    let from = slot::number(shell, request.needed("slot")?)?;
    let key = handle(request.needed("keyhandle")?)?;
    let certificate = shell.context.ha_master_public(from)?;
    let session = shell.session(to, Access::ReadWrite)?;
    let challenge = session.ha_login_challenge(role.user, &certificate)?;
    let Some((_, primary)) = shell.login(from) else {
        let text = format!("nobody is logged in on slot {from} to answer the challenge");
        return Err(Failure::refused(CKR_USER_NOT_LOGGED_IN, text));
    };
    let answer = primary.ha_answer_challenge(key, &challenge)?;
    session.ha_login(&answer)?;
    shell.keep(role, session);
    Ok(())
}
