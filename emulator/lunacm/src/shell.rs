//! What stays from one command to the next: the module, the current slot, who is logged in where.

use std::path::PathBuf;

use chrystoki_conf::Conf;
use luna_ck::{CKF_ADMIN_TOKEN, CKR_SLOT_ID_INVALID, CKR_USER_TYPE_INVALID};
use luna_client::{Access, Context, InitArgs, Session, SlotId, TokenInfo, UserType};

use crate::failure::Failure;
use crate::view::View;

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
    /// A role of a token by its short name or its title. An HSM's roles and a partition's share their numbers, so
    /// that a login by the wrong name would count against another role.
    pub(crate) fn of(token: &TokenInfo, name: &str) -> Result<Self, Failure> {
        let role = Self::named(name)?;
        let admin = token.flags & CKF_ADMIN_TOKEN != 0;
        if role.admin == admin {
            return Ok(role);
        }
        let (own, here) = if admin {
            ("a partition's", "so, ad or au")
        } else {
            ("an HSM's", "po, co, lco or cu")
        };
        let text = format!("'{name}' is one of {own} roles; here there are {here}");
        Err(Failure::refused(CKR_USER_TYPE_INVALID, text))
    }

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

/// The client configuration file.
pub(crate) struct Configuration {
    /// Where it is.
    pub(crate) file: PathBuf,
    /// What it says; `None` when a module was given and no file could be read.
    pub(crate) conf: Option<Conf>,
    /// The copy that the module reads, when there is one.
    pub(crate) view: Option<View>,
}

/// The state of the program.
pub(crate) struct Shell {
    /// Before the context, as its sessions must end first.
    logins: Vec<Login>,
    pub(crate) context: Context,
    configuration: Configuration,
    pub(crate) current: Option<SlotId>,
}

impl Shell {
    pub(crate) fn new(
        context: Context,
        configuration: Configuration,
        current: Option<SlotId>,
    ) -> Self {
        Self { logins: Vec::new(), context, configuration, current }
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

    /// Ends every login.
    pub(crate) fn forget_all(&mut self) {
        self.logins.clear();
    }

    /// A session of its own; it shares in the login, if there is one.
    pub(crate) fn session(&self, slot: SlotId, access: Access) -> Result<Session, Failure> {
        Ok(self.context.open_session(slot, access)?)
    }

    /// The client configuration file.
    pub(crate) fn conf(&self) -> Result<&Conf, Failure> {
        self.configuration.conf.as_ref().ok_or_else(|| {
            Failure::misuse("there is no client configuration file that could be read")
        })
    }

    /// Changes the client configuration file, as it is on the disk now. The module goes on with what it read.
    ///
    /// # Errors
    ///
    /// Those of `change`; the file cannot be read or written, and is as it was.
    pub(crate) fn edit<T>(
        &mut self,
        change: impl FnOnce(&mut Conf) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.conf()?;
        let (done, conf) = chrystoki_conf::edit(&self.configuration.file, change)?;
        self.configuration.conf = Some(conf);
        Ok(done)
    }

    /// Ends every login and starts the module again, with the configuration as it is on the disk now.
    ///
    /// # Errors
    ///
    /// The module does not start: the program has none then, and what is asked of it next says so.
    pub(crate) fn restart(&mut self) -> Result<(), Failure> {
        if self.configuration.conf.is_some() {
            let file = &self.configuration.file;
            let conf = Conf::read(file)?;
            if let Some(view) = &self.configuration.view {
                view.renew(file)?;
            }
            self.configuration.conf = Some(conf);
        }
        self.forget_all();
        let module = self.context.module();
        self.context.clone().finalize()?;
        self.context = module.initialize(InitArgs::OsLocking)?;
        let slots = self.context.slots(true)?;
        if !self.current.is_some_and(|current| slots.contains(&current)) {
            self.current = slots.first().copied();
        }
        Ok(())
    }
}
