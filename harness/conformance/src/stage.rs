//! What a check plays on: the module in the state the check asked for, the token, keys that fit.

use std::collections::HashMap;
use std::path::PathBuf;

use luna_client::ck::*;
use luna_client::module::exact::Exact;
use luna_client::module::words::Words;
use luna_client::{
    Access, Attribute, Context, InitArgs, MechanismInfo, MechanismType, Module, ObjectHandle, Pin,
    Session, SlotId, TokenInfo, UserType,
};
use serde::{Deserialize, Serialize};

use crate::check::{Finding, Footing, Outcome, Subject};
use crate::keys::{Cached, Family};
use crate::profile::Profile;

/// Every object that is made begins its label so.
pub const LABEL: &str = "luna-harness";

/// A file whose presence says that the credential was refused: nobody logs in any more.
pub const REFUSED: &str = "credential-refused";

/// Which token, and how to reach it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Target {
    /// The module.
    pub module: PathBuf,
    /// Its slot; by label without it.
    pub slot: Option<u64>,
    /// Its label; the first with a token without either.
    pub token_label: Option<String>,
    /// What `pReserved` of `C_Initialize` is given, for modules that take their configuration there.
    pub reserved: Option<String>,
    /// Where the run keeps its own files.
    pub scratch: PathBuf,
    /// Label of this run's objects.
    pub run: String,
    /// The profile to compare with: a built-in one's name, or its text.
    pub profile: ProfileChoice,
}

/// Which profile a token is compared with.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub enum ProfileChoice {
    /// The built-in one of the token's firmware.
    #[default]
    ByFirmware,
    /// This text.
    Text(String),
    /// None: the token is not a Luna's.
    None,
}

/// The secrets of a token.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Secrets {
    /// Of the Crypto Officer.
    pub officer: Option<String>,
    /// Of the security officer.
    pub security_officer: Option<String>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(…)")
    }
}

/// The module in the state a check asked for.
#[derive(Debug)]
pub struct Stage {
    /// The module.
    pub module: Module,
    /// Which token.
    pub target: Target,
    officer: Option<Pin>,
    security_officer: Option<Pin>,
    ground: Option<Ground>,
    /// Sessions and contexts that are to be there when the process ends, without an end of their own.
    abandoned: Vec<(Context, Session)>,
}

/// What there is once the module is initialised.
#[derive(Debug)]
struct Ground {
    context: Context,
    slot: SlotId,
    token: TokenInfo,
    /// Keeps the login and the cached keys; none on a public footing.
    anchor: Option<Session>,
    mechanisms: Vec<MechanismType>,
    keys: HashMap<Family, Cached>,
    /// Made when asked for.
    profile: Option<Option<Box<Profile>>>,
}

impl Stage {
    /// Loads the module; nothing of it is called yet.
    ///
    /// # Errors
    /// The loader's.
    pub fn load(target: Target, secrets: &Secrets) -> luna_client::Result<Self> {
        let module = Module::load(&target.module)?;
        let pin = |secret: &Option<String>| secret.as_deref().map(Pin::from);
        Ok(Self {
            module,
            target,
            officer: pin(&secrets.officer),
            security_officer: pin(&secrets.security_officer),
            ground: None,
            abandoned: Vec::new(),
        })
    }

    /// The Crypto Officer's secret.
    ///
    /// # Errors
    /// Not applicable where none was given.
    pub fn officer_pin(&self) -> Outcome<Pin> {
        self.officer.clone().ok_or(Finding::not_applicable("no password was given (--pin-env)"))
    }

    /// The security officer's secret.
    ///
    /// # Errors
    /// Not applicable where none was given.
    pub fn security_officer_pin(&self) -> Outcome<Pin> {
        let none = "no password of the Partition SO was given (--so-pin-env)";
        self.security_officer.clone().ok_or(Finding::not_applicable(none))
    }

    /// Arguments for `C_Initialize`.
    pub fn init_args(&self) -> InitArgs {
        match self
            .target
            .reserved
            .as_ref()
            .and_then(|text| std::ffi::CString::new(text.as_str()).ok())
        {
            Some(text) => InitArgs::Reserved(text),
            None => InitArgs::OsLocking,
        }
    }

    /// Brings the module into the state a check asks for.
    ///
    /// # Errors
    /// What hinders it.
    pub fn enter(&mut self, footing: Footing) -> Outcome {
        match footing {
            Footing::Loaded | Footing::Alone | Footing::Fresh => {
                self.leave();
                Ok(())
            }
            Footing::Public => {
                if self.ground.as_ref().is_none_or(|ground| ground.anchor.is_some()) {
                    self.leave();
                    self.ground = Some(self.stand()?);
                }
                Ok(())
            }
            Footing::Officer => {
                if self.ground.as_ref().is_none_or(|ground| ground.anchor.is_none()) {
                    self.leave();
                    let mut ground = self.stand()?;
                    ground.anchor = Some(self.logged_in(&ground.context, ground.slot)?);
                    self.ground = Some(ground);
                }
                Ok(())
            }
        }
    }

    /// Keeps these until the process ends, and ends neither.
    pub fn abandon(&mut self, context: Context, session: Session) {
        self.abandoned.push((context, session));
    }

    /// Whether something was abandoned: then the process is ended as it stands.
    pub fn has_abandoned(&self) -> bool {
        !self.abandoned.is_empty()
    }

    /// Finalises the module, if it is initialised.
    pub fn leave(&mut self) {
        self.ground = None;
    }

    fn stand(&self) -> Outcome<Ground> {
        let context = self.module.initialize(self.init_args())?;
        let slot = self.find_slot(&context)?;
        let token = context.token_info(slot)?;
        let mechanisms = context.mechanisms(slot)?;
        let keys = HashMap::new();
        Ok(Ground { context, slot, token, anchor: None, mechanisms, keys, profile: None })
    }

    /// The slot of the target.
    ///
    /// # Errors
    /// Not applicable where there is none.
    pub fn find_slot(&self, context: &Context) -> Outcome<SlotId> {
        if let Some(slot) = self.target.slot {
            return Ok(SlotId(slot));
        }
        let slot = match &self.target.token_label {
            Some(label) => context.slot_by_label(label)?,
            None => context.slots(true)?.first().copied(),
        };
        slot.ok_or_else(|| match &self.target.token_label {
            Some(label) => Finding::not_applicable(format!("no token is called `{label}`")),
            None => Finding::not_applicable("the module lists no token"),
        })
    }

    /// A session with the Crypto Officer logged in. A password that was refused once, to whichever process of
    /// this run, is never tried again.
    ///
    /// # Errors
    /// Not applicable where no password was given, or it was refused.
    pub fn logged_in(&self, context: &Context, slot: SlotId) -> Outcome<Session> {
        let session = context.open_session(slot, Access::ReadWrite)?;
        self.login(&session, UserType::CRYPTO_OFFICER, &self.officer_pin()?)?;
        Ok(session)
    }

    /// Logs in with a credential that is meant to be right.
    ///
    /// # Errors
    /// As [`Stage::logged_in`].
    pub fn login(&self, session: &Session, user: UserType, pin: &Pin) -> Outcome {
        let mark = self.target.scratch.join(format!("{REFUSED}-{}", user.0));
        if mark.exists() {
            let reason = "the password was refused before and is not tried again";
            return Err(Finding::not_applicable(reason));
        }
        match session.login(user, pin) {
            Ok(()) => Ok(()),
            Err(error) if error.is(CKR_USER_ALREADY_LOGGED_IN) => Ok(()),
            Err(error) => {
                if [CKR_PIN_INCORRECT, CKR_PIN_INVALID, CKR_PIN_LEN_RANGE, CKR_PIN_LOCKED]
                    .iter()
                    .any(|rv| error.is(*rv))
                {
                    // The next process must know, whatever becomes of this one.
                    let _ = std::fs::write(&mark, error.to_string());
                }
                Err(Finding::not_applicable(format!("the login was refused: {error}")))
            }
        }
    }

    /// Whether the credential was refused.
    pub fn credential_refused(&self) -> bool {
        self.target.scratch.join(format!("{REFUSED}-{}", CKU_USER)).exists()
    }

    fn ground(&self) -> Outcome<&Ground> {
        self.ground.as_ref().ok_or(Finding::not_applicable("the module is not initialised"))
    }

    /// The initialised module.
    ///
    /// # Errors
    /// Where the footing has none.
    pub fn context(&self) -> Outcome<&Context> {
        Ok(&self.ground()?.context)
    }

    /// The slot under test.
    ///
    /// # Errors
    /// Where the footing has none.
    pub fn slot(&self) -> Outcome<SlotId> {
        Ok(self.ground()?.slot)
    }

    /// What the token said of itself at the beginning.
    ///
    /// # Errors
    /// Where the footing has none.
    pub fn token(&self) -> Outcome<&TokenInfo> {
        Ok(&self.ground()?.token)
    }

    /// A read-write session of the check's own.
    ///
    /// # Errors
    /// The module's.
    pub fn session(&self) -> Outcome<Session> {
        let ground = self.ground()?;
        Ok(ground.context.open_session(ground.slot, Access::ReadWrite)?)
    }

    /// A read-only session of the check's own.
    ///
    /// # Errors
    /// The module's.
    pub fn read_only_session(&self) -> Outcome<Session> {
        let ground = self.ground()?;
        Ok(ground.context.open_session(ground.slot, Access::ReadOnly)?)
    }

    /// The session that keeps the login.
    ///
    /// # Errors
    /// Where nobody is logged in.
    pub fn anchor(&self) -> Outcome<&Session> {
        let nobody = Finding::not_applicable("nobody is logged in");
        self.ground()?.anchor.as_ref().ok_or(nobody)
    }

    /// Calls as they are.
    pub fn exact(&self) -> Exact<'_> {
        self.module.raw().exact()
    }

    /// Calls with any argument.
    pub fn words(&self) -> Words<'_> {
        self.module.raw().words()
    }

    /// Whether the token lists the mechanism.
    ///
    /// # Errors
    /// Where the footing has no token.
    pub fn lists(&self, mechanism: MechanismType) -> Outcome<bool> {
        Ok(self.ground()?.mechanisms.contains(&mechanism))
    }

    /// The token's mechanisms.
    ///
    /// # Errors
    /// Where the footing has no token.
    pub fn mechanisms(&self) -> Outcome<&[MechanismType]> {
        Ok(&self.ground()?.mechanisms)
    }

    /// What the token says of a mechanism.
    ///
    /// # Errors
    /// The module's.
    pub fn mechanism_info(&self, mechanism: MechanismType) -> Outcome<MechanismInfo> {
        let ground = self.ground()?;
        Ok(ground.context.mechanism_info(ground.slot, mechanism)?)
    }

    /// Whether the token lists the mechanism with this function.
    ///
    /// # Errors
    /// The module's.
    pub fn offers(&self, mechanism: MechanismType, function: CK_FLAGS) -> Outcome<bool> {
        Ok(self.lists(mechanism)? && self.mechanism_info(mechanism)?.flags & function != 0)
    }

    /// The mechanism must be listed with this function.
    ///
    /// # Errors
    /// Not applicable where it is not.
    pub fn wants(&self, mechanism: MechanismType, function: CK_FLAGS) -> Outcome {
        if self.offers(mechanism, function)? {
            return Ok(());
        }
        let name = names::ckm(mechanism);
        Err(Finding::not_applicable(match self.lists(mechanism)? {
            false => format!("the token does not list {name}"),
            true => format!("the token does not offer {name} for this"),
        }))
    }

    /// Which kind of token it is.
    ///
    /// # Errors
    /// Where the footing has no token.
    pub fn subject(&self) -> Outcome<Subject> {
        if self.token()?.model == "LunaVirtual" {
            return Ok(Subject::Group);
        }
        // Not the manufacturer's name, which others use too.
        let luna = self.module.raw().vendor().CA_GetTokenPolicies.is_some();
        Ok(if luna { Subject::Luna } else { Subject::Any })
    }

    /// Whether the partition is in FIPS mode, by HSM policy 12 and partition policy 43. Other modules are not.
    ///
    /// # Errors
    /// Where the footing has no token.
    pub fn fips(&self) -> Outcome<bool> {
        let ground = self.ground()?;
        let hsm = ground.context.hsm_policy(ground.slot, 12).is_ok_and(|value| value == 0);
        let policies = ground.context.token_policies(ground.slot).unwrap_or_default();
        let partition = policies.iter().any(|policy| policy.id == 43 && policy.value == 0);
        // A client is not told the HSM's policies everywhere; what has vanished tells as well.
        let vanished = [CKM_DES_ECB, CKM_RC4, CKM_RSA_X_509, CKM_MD2]
            .iter()
            .all(|kind| !ground.mechanisms.contains(kind));
        Ok(hsm || partition || (vanished && self.subject()? != Subject::Any))
    }

    /// The profile the token is compared with.
    ///
    /// # Errors
    /// Not applicable where there is none.
    pub fn profile(&mut self) -> Outcome<&Profile> {
        if self.ground()?.profile.is_none() {
            let found = self.find_profile()?;
            if let Some(ground) = &mut self.ground {
                ground.profile = Some(found.map(Box::new));
            }
        }
        let none = "the token is compared with no profile (--profile)";
        match self.ground()?.profile.as_ref().and_then(Option::as_deref) {
            Some(profile) => Ok(profile),
            None => Err(Finding::not_applicable(none)),
        }
    }

    /// The name of the profile; empty for none, or where it was not asked for yet.
    pub fn profile_name(&self) -> String {
        let found = self.find_profile().ok().flatten();
        found.map(|profile| profile.name).unwrap_or_default()
    }

    fn find_profile(&self) -> Outcome<Option<Profile>> {
        match &self.target.profile {
            ProfileChoice::None => Ok(None),
            ProfileChoice::Text(text) => match Profile::parse(text) {
                Ok(profile) => Ok(Some(profile)),
                Err(error) => Err(Finding::not_applicable(format!("the profile: {error:#}"))),
            },
            ProfileChoice::ByFirmware => {
                if self.subject()? == Subject::Any {
                    return Ok(None);
                }
                let ground = self.ground()?;
                let firmware = ground.context.firmware_version(ground.slot)?;
                Ok(Profile::of_firmware(firmware))
            }
        }
    }

    /// A key of this family, for all uses it has, made once for all checks of this process.
    ///
    /// # Errors
    /// Not applicable where the token makes no such key.
    pub fn key(&mut self, family: Family) -> Outcome<Cached> {
        if let Some(cached) = self.ground()?.keys.get(&family) {
            return Ok(cached.clone());
        }
        let made = family.make(self, self.anchor()?, &family.all_uses())?;
        if let Some(ground) = &mut self.ground {
            ground.keys.insert(family, made.clone());
        }
        Ok(made)
    }

    /// The label of an object of this run.
    pub fn label(&self) -> String {
        format!("{LABEL} {}", self.target.run)
    }

    /// Attributes that make an object this run's, on the token or not.
    pub fn own(&self, token: bool) -> Vec<Attribute> {
        vec![Attribute::token(token), Attribute::label(&self.label())]
    }

    /// Destroys what earlier checks of this process left on the token.
    ///
    /// # Errors
    /// None: what cannot be destroyed is left to the run's end.
    pub fn tidy(&self) {
        let label = [Attribute::token(true), Attribute::label(&self.label())];
        let Ok(anchor) = self.anchor() else { return };
        for object in anchor.find(&label).unwrap_or_default() {
            let _ = anchor.destroy(object);
        }
    }

    /// Ends what a check has left behind, before the next one.
    pub fn settle(&mut self) {
        let broken = match (&self.ground, self.anchor()) {
            (Some(_), Ok(anchor)) => {
                // A check may have logged out, or closed all sessions.
                !anchor.info().is_ok_and(|info| {
                    [CKS_RW_USER_FUNCTIONS, CKS_RO_USER_FUNCTIONS].contains(&info.state)
                })
            }
            (Some(ground), Err(_)) => ground.context.info().is_err(),
            (None, _) => false,
        };
        if broken {
            self.leave();
        }
    }

    /// Makes a fresh partition of the target: initialised, with the roles' passwords.
    ///
    /// # Errors
    /// Not applicable where the secrets are not known, or the module does not initialise tokens.
    pub fn initialise(&mut self) -> Outcome {
        self.leave();
        let ground = self.stand()?;
        let (so, officer) = (self.security_officer_pin()?, self.officer_pin()?);
        let label = ground.token.label.clone();
        let initialised = ground.context.init_token(ground.slot, Some(&so), &label);
        if let Err(error) = initialised {
            let reason = format!("the token is not initialised through this module: {error}");
            return Err(Finding::not_applicable(reason));
        }
        let slot = self.find_slot(&ground.context)?;
        let session = ground.context.open_session(slot, Access::ReadWrite)?;
        session.login(UserType::SO, &so)?;
        session.init_pin(&officer)?;
        session.logout()?;
        // What the security officer gave must be changed first, on a Luna; elsewhere it may stay.
        session.login(UserType::USER, &officer)?;
        let _ = session.set_pin(&officer, &officer);
        drop(session);
        drop(ground);
        self.ground = Some(self.stand()?);
        Ok(())
    }
}

/// Finds what runs have left, by the beginning of its label.
///
/// # Errors
/// The module's.
pub fn leftovers(session: &Session) -> luna_client::Result<Vec<(ObjectHandle, String)>> {
    let mut found = Vec::new();
    for object in session.find(&[Attribute::token(true)])? {
        // One that goes meanwhile is none of ours.
        if let Ok(Some(label)) = session.attribute_text(object, CKA_LABEL)
            && label.starts_with(LABEL)
        {
            found.push((object, label));
        }
    }
    Ok(found)
}
