//! What a case works on: the stage of the conformance checks, with keys, objects and a session a thread.

use std::collections::HashMap;

use luna_client::ck::*;
use luna_client::{Access, Attribute, Context, Mechanism, ObjectHandle, Session, SlotId};
use luna_conformance::check::{Allow, Finding, Footing, Outcome};
use luna_conformance::keys::{Cached, Family, P256, RSA_PAIRS, first_listed, rsa_public};
use luna_conformance::mechanism::{to_decrypt, with_parameter};
use luna_conformance::report::Subject;
use luna_conformance::stage::{Secrets, Stage, Target, leftovers};

use crate::case::{Case, Use, Work};
use crate::pace::Pace;

/// An operation, ready to be done again and again by one thread.
pub type Operation = Box<dyn FnMut() -> luna_client::Result<()> + Send>;

/// The stage and what was put on it.
pub struct Bed {
    stage: Stage,
    allow: Vec<Allow>,
    /// Keys of one label each, by kind of work.
    needles: HashMap<&'static str, ObjectHandle>,
    fillers: Vec<ObjectHandle>,
}

impl Bed {
    /// Loads the module, initialises it and logs in where there is a password for it.
    ///
    /// # Errors
    /// Not applicable where the module or the token cannot be used, or the password was refused.
    pub fn make(target: Target, secrets: &Secrets, allow: &[Allow]) -> Outcome<Self> {
        let mut stage = Stage::load(target, secrets)
            .map_err(|error| Finding::not_applicable(error.to_string()))?;
        let footing = if secrets.officer.is_some() { Footing::Officer } else { Footing::Public };
        stage.enter(footing)?;
        let (needles, fillers) = (HashMap::new(), Vec::new());
        Ok(Self { stage, allow: allow.to_vec(), needles, fillers })
    }

    /// What the module and the token say they are.
    pub fn subject(&self) -> Option<Subject> {
        Subject::of(&self.stage)
    }

    /// The initialised module, and the slot of the token.
    ///
    /// # Errors
    /// None once the bed is made.
    pub fn place(&self) -> Outcome<(Context, SlotId)> {
        Ok((self.stage.context()?.clone(), self.stage.slot()?))
    }

    fn on_token(&self) -> bool {
        self.allow.contains(&Allow::TokenObjects)
    }

    /// So many data objects lie there: on the token where that is allowed, else as session objects.
    ///
    /// # Errors
    /// The module's.
    pub(crate) fn fill(&mut self, count: usize, pace: &Pace) -> Outcome {
        if self.fillers.len() < count {
            let anchor = self.stage.anchor()?;
            for number in self.fillers.len()..count {
                pace.wait();
                let label = format!("{} filler {number}", self.stage.label());
                let mut template = data_object(&label, self.on_token());
                template.push(Attribute::private(true));
                self.fillers.push(anchor.create_object(&template)?);
            }
        }
        Ok(())
    }

    /// Removes what this run has made.
    ///
    /// # Errors
    /// The module's.
    pub fn tidy(&mut self) -> Outcome {
        self.needles.clear();
        let Ok(anchor) = self.stage.anchor() else { return Ok(()) };
        for filler in self.fillers.drain(..) {
            // One that is gone is what is wanted.
            let _ = anchor.destroy(filler);
        }
        if self.allow.contains(&Allow::TokenObjects) {
            let own = self.stage.label();
            for (object, label) in leftovers(anchor)? {
                if label.starts_with(&own) {
                    anchor.destroy(object)?;
                }
            }
        }
        Ok(())
    }

    /// The case's operation, once for each thread.
    ///
    /// # Errors
    /// Not applicable with the reason; else what the module did.
    pub fn prepare(&mut self, case: &Case, threads: usize) -> Outcome<Vec<Operation>> {
        let needs = case.work.needs();
        if let Some(allow) = needs.allow
            && !self.allow.contains(&allow)
        {
            let reason = format!("--allow {} is wanted", allow.name());
            return Err(Finding::NotApplicable(reason));
        }
        if let Some((mechanism, function)) = needs.mechanism {
            self.stage.wants(mechanism, function)?;
        }
        (0..threads).map(|_| self.operation(case.work)).collect()
    }

    fn operation(&mut self, work: Work) -> Outcome<Operation> {
        let session = self.stage.session()?;
        Ok(match work {
            Work::SessionInfo => Box::new(move || session.info().map(drop)),
            Work::OpenClose => {
                let (context, slot) = self.place()?;
                Box::new(move || context.open_session(slot, Access::ReadWrite)?.close())
            }
            Work::Random(len) => Box::new(move || session.random(len).map(drop)),
            Work::Digest(mechanism, len) => {
                let (mechanism, data) = (Mechanism::Plain(mechanism), vec![0x5a; len]);
                Box::new(move || session.digest(&mechanism, &data).map(drop))
            }
            Work::Sign(it) => {
                let (mechanism, key, data) = self.ready(it)?;
                Box::new(move || session.sign(&mechanism, key.private, &data).map(drop))
            }
            Work::Verify(it) => {
                let (mechanism, key, data) = self.ready(it)?;
                let signature = session.sign(&mechanism, key.private, &data)?;
                Box::new(move || session.verify(&mechanism, key.public, &data, &signature))
            }
            Work::Encrypt(it) => {
                let (mechanism, key, data) = self.ready(it)?;
                Box::new(move || session.encrypt(&mechanism, key.public, &data).map(drop))
            }
            Work::Decrypt(it) => {
                let (mechanism, key, data) = self.ready(it)?;
                let sealed = session.encrypt(&mechanism, key.public, &data)?;
                let (mechanism, sealed) = to_decrypt(&mechanism, &sealed);
                Box::new(move || session.decrypt(&mechanism, key.private, &sealed).map(drop))
            }
            Work::Agree | Work::Wrap | Work::Unwrap => self.over_keys(work, session)?,
            Work::Generate { .. } | Work::Pair(_) | Work::CreateDestroy { .. } => {
                self.making(work, session)?
            }
            Work::Attributes | Work::SetLabel | Work::Find | Work::Request => {
                self.looking(work, session)?
            }
        })
    }

    fn ready(&mut self, it: Use) -> Outcome<(Mechanism, Cached, Vec<u8>)> {
        let mechanism = with_parameter(&self.stage, it.mechanism, it.parameter)?;
        Ok((mechanism, self.stage.key(it.key)?, vec![0x5a; it.len]))
    }

    fn over_keys(&mut self, work: Work, session: Session) -> Outcome<Operation> {
        let wrapping = Mechanism::Plain(CKM_AES_KW);
        let mut template = self.stage.own(false);
        template.extend([Attribute::class(CKO_SECRET_KEY), Attribute::key_type(CKK_AES)]);
        Ok(match work {
            Work::Agree => {
                let pair = self.stage.key(Family::Ec)?;
                let point = session.attribute(pair.public, CKA_EC_POINT)?.unwrap_or_default();
                // DER in most modules, bare in others; the parameter takes the bare point in all.
                let public = point.get(2..).filter(|_| point.len() == 67).unwrap_or(&point);
                let mechanism = Mechanism::Ecdh1 {
                    mechanism: CKM_ECDH1_DERIVE,
                    kdf: CKD_NULL,
                    shared: Vec::new(),
                    public: public.to_vec(),
                };
                template.push(Attribute::ulong(CKA_VALUE_LEN, 32));
                Box::new(move || {
                    let key = session.derive(&mechanism, pair.private, &template)?;
                    session.destroy(key)
                })
            }
            _ => {
                let key = self.stage.key(Family::Aes)?;
                let wrapped = session.wrap(&wrapping, key.public, key.public)?;
                if work == Work::Wrap {
                    Box::new(move || session.wrap(&wrapping, key.public, key.public).map(drop))
                } else {
                    Box::new(move || {
                        session.destroy(session.unwrap(
                            &wrapping,
                            key.private,
                            &wrapped,
                            &template,
                        )?)
                    })
                }
            }
        })
    }

    fn making(&mut self, work: Work, session: Session) -> Outcome<Operation> {
        self.stage.anchor()?;
        Ok(match work {
            Work::Generate { token } => {
                let mechanism = Mechanism::Plain(CKM_AES_KEY_GEN);
                let mut template = self.stage.own(token);
                template.push(Attribute::ulong(CKA_VALUE_LEN, 32));
                template.push(Attribute::bool(CKA_ENCRYPT, true));
                Box::new(move || session.destroy(session.generate_key(&mechanism, &template)?))
            }
            Work::Pair(family) => {
                let (mechanism, mut public) = if family == Family::Rsa {
                    (first_listed(&self.stage, RSA_PAIRS)?, rsa_public(2048))
                } else {
                    self.stage.wants(CKM_EC_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR)?;
                    (CKM_EC_KEY_PAIR_GEN, vec![Attribute::bytes(CKA_EC_PARAMS, P256)])
                };
                public.extend(self.stage.own(false));
                public.push(Attribute::bool(CKA_VERIFY, true));
                let mut private = self.stage.own(false);
                private.push(Attribute::bool(CKA_SIGN, true));
                let mechanism = Mechanism::Plain(mechanism);
                Box::new(move || {
                    let (public, private) =
                        session.generate_key_pair(&mechanism, &public, &private)?;
                    session.destroy(public)?;
                    session.destroy(private)
                })
            }
            _ => {
                let token = work == Work::CreateDestroy { token: true };
                let template = data_object(&self.stage.label(), token);
                Box::new(move || session.destroy(session.create_object(&template)?))
            }
        })
    }

    fn looking(&mut self, work: Work, session: Session) -> Outcome<Operation> {
        let label = format!("{} needle", self.stage.label());
        let needle = self.needle("needle", &label)?;
        let template = vec![Attribute::class(CKO_SECRET_KEY), Attribute::label(&label)];
        let found = session.find(&template)?.len();
        if found != 1 {
            return Err(Finding::unlike("one key of this class and label", format!("{found}")));
        }
        Ok(match work {
            Work::Attributes => Box::new(move || {
                session.attributes(needle, &[CKA_CLASS, CKA_KEY_TYPE, CKA_LABEL]).map(drop)
            }),
            Work::SetLabel => {
                let label = format!("{} moved", self.stage.label());
                let moved = self.needle("moved", &label)?;
                let change = [Attribute::label(&label)];
                Box::new(move || session.set_attributes(moved, &change))
            }
            Work::Request => {
                let (context, slot) = self.place()?;
                let mechanism = Mechanism::Plain(CKM_SHA256_HMAC);
                Box::new(move || {
                    let session = context.open_session(slot, Access::ReadWrite)?;
                    for key in session.find(&template)? {
                        session.sign(&mechanism, key, &[0x5a; 64])?;
                    }
                    session.close()
                })
            }
            _ => Box::new(move || session.find(&template).map(drop)),
        })
    }

    /// A secret key that alone has this label, as a session object.
    fn needle(&mut self, name: &'static str, label: &str) -> Outcome<ObjectHandle> {
        if let Some(known) = self.needles.get(name) {
            return Ok(*known);
        }
        let anchor = self.stage.anchor()?;
        let mut template = vec![
            Attribute::class(CKO_SECRET_KEY),
            Attribute::key_type(CKK_GENERIC_SECRET),
            Attribute::token(false),
            Attribute::label(label),
            Attribute::bool(CKA_SIGN, true),
        ];
        let mut imported = template.clone();
        imported.push(Attribute::bytes(CKA_VALUE, Family::Generic.value()));
        let made = match anchor.create_object(&imported) {
            Ok(made) => made,
            // In FIPS mode keys do not come from outside.
            Err(_) => {
                self.stage.wants(CKM_GENERIC_SECRET_KEY_GEN, CKF_GENERATE)?;
                template.remove(0);
                template.push(Attribute::ulong(CKA_VALUE_LEN, 48));
                anchor.generate_key(&Mechanism::Plain(CKM_GENERIC_SECRET_KEY_GEN), &template)?
            }
        };
        self.needles.insert(name, made);
        Ok(made)
    }
}

fn data_object(label: &str, token: bool) -> Vec<Attribute> {
    vec![
        Attribute::class(CKO_DATA),
        Attribute::token(token),
        Attribute::label(label),
        Attribute::bytes(CKA_VALUE, [0x5a; 16]),
    ]
}
