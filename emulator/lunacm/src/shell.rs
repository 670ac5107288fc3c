//! What stays from one command to the next: the module, the current slot, who is logged in where.

use chrystoki_conf::Conf;
use luna_ck::{CKR_SLOT_ID_INVALID, CKR_USER_TYPE_INVALID};
use luna_client::{Access, Context, Session, SlotId, TokenInfo, UserType};

use crate::failure::Failure;

/// A role by its short name, its title and its number.
///
/// Source: vendor pages on partition roles (Documented), user types of `ThalesGroup/pycryptoki`,
/// `defines.py` (Documented).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Role {
    /// As it is typed.
    pub(crate) name: &'static str,
    /// As it is shown.
    pub(crate) title: &'static str,
    /// As the module knows it.
    pub(crate) user: UserType,
    /// Of an admin partition, not of a user partition.
    pub(crate) admin: bool,
}

const fn role(name: &'static str, title: &'static str, user: UserType, admin: bool) -> Role {
    Role { name, title, user, admin }
}

/// In the order in which they are listed.
pub(crate) const ROLES: [Role; 7] = [
    role("po", "Partition SO", UserType::PARTITION_SO, false),
    role("co", "Crypto Officer", UserType::CRYPTO_OFFICER, false),
    role("lco", "Limited Crypto Officer", UserType::LIMITED_CRYPTO_OFFICER, false),
    role("cu", "Crypto User", UserType::CRYPTO_USER, false),
    role("so", "HSM SO", UserType::SO, true),
    role("ad", "Administrator", UserType::USER, true),
    role("au", "Auditor", UserType::AUDITOR, true),
];

impl Role {
    /// A role by its short name or its title.
    pub(crate) fn named(name: &str) -> Result<Self, Failure> {
        let is = |role: &&Role| {
            name.eq_ignore_ascii_case(role.name) || name.eq_ignore_ascii_case(role.title)
        };
        ROLES.iter().find(is).copied().ok_or_else(|| {
            let names: Vec<&str> = ROLES.iter().map(|role| role.name).collect();
            let text = format!("there is no role '{name}'; there are {}", names.join(", "));
            Failure::refused(CKR_USER_TYPE_INVALID, text)
        })
    }
}

/// The session that carries a login: the module forgets the login when it closes.
struct Login {
    slot: SlotId,
    role: Role,
    session: Session,
}

/// The state of the program.
pub(crate) struct Shell {
    pub(crate) context: Context,
    /// The client configuration file; `None` when a module was given and no file could be read.
    pub(crate) conf: Option<Conf>,
    pub(crate) current: Option<SlotId>,
    logins: Vec<Login>,
}

impl Shell {
    pub(crate) fn new(context: Context, conf: Option<Conf>, current: Option<SlotId>) -> Self {
        Self { context, conf, current, logins: Vec::new() }
    }

    /// The slot that commands are about.
    pub(crate) fn slot(&self) -> Result<SlotId, Failure> {
        let text = "no slot is selected, as there is none";
        self.current.ok_or_else(|| Failure::refused(CKR_SLOT_ID_INVALID, text))
    }

    /// That slot and its token.
    pub(crate) fn token(&self) -> Result<(SlotId, TokenInfo), Failure> {
        let slot = self.slot()?;
        Ok((slot, self.context.token_info(slot)?))
    }

    /// Who is logged in on a slot, and in which session.
    pub(crate) fn login(&self, slot: SlotId) -> Option<(Role, &Session)> {
        let login = self.logins.iter().find(|login| login.slot == slot)?;
        Some((login.role, &login.session))
    }

    /// Takes over a session in which someone has just logged in.
    pub(crate) fn keep(&mut self, role: Role, session: Session) {
        let slot = session.slot();
        self.forget(slot);
        self.logins.push(Login { slot, role, session });
    }

    /// Closes the session that carries a login, which ends it.
    pub(crate) fn forget(&mut self, slot: SlotId) {
        self.logins.retain(|login| login.slot != slot);
    }

    /// A session of its own; it shares in the login, if there is one.
    pub(crate) fn session(&self, slot: SlotId, access: Access) -> Result<Session, Failure> {
        Ok(self.context.open_session(slot, access)?)
    }

    /// The client configuration file.
    pub(crate) fn conf(&self) -> Result<&Conf, Failure> {
        self.conf.as_ref().ok_or_else(|| {
            Failure::misuse("there is no client configuration file that could be read")
        })
    }
}
