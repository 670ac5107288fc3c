//! Calls that make, read, change and destroy objects.
//!
//! Source: PKCS#11 v2.40 section 5.7 and the table of access by session state of section 4.4; the vendor's table
//! of roles for what a Crypto User and a Partition SO may not.

use luna_ck::*;
use luna_client::Attribute;

use crate::allowed::Allowed;
use crate::call::{Call, Object, Session};
use crate::object::{Entry, Kind, Material, Origin, find, judge_change, judge_new, number};
use crate::state::{HIDDEN, Model, Role};
use crate::target::{Answer, Given};

const HANDLE: &[CK_RV] = &[CKR_OBJECT_HANDLE_INVALID];
const ACCESS: &str = "PKCS#11 v2.40 4.4: access to objects by kind of session";
/// What a token does not list it has not.
pub(crate) const LISTED: &str = "PKCS#11 v2.40 5.5, C_GetMechanismInfo";
const ROLES: &str = "the vendor's table of roles";

/// What an object to be made or changed is, as far as rights go.
#[derive(Clone, Copy)]
struct Reach {
    token: bool,
    private: bool,
    guarded: bool,
}

impl Reach {
    fn of(entry: &Entry) -> Self {
        let guarded = entry.kind.is_guarded();
        Self { token: entry.is_token(), private: entry.is_private(), guarded }
    }
}

/// What a template says of a flag.
fn told(template: &[Attribute], kind: CK_ATTRIBUTE_TYPE) -> Option<bool> {
    find(template, kind)?.value().map(|value| value == [1])
}

impl Model {
    /// Whether a template without `CKA_PRIVATE` makes a private object: where the Crypto Officer is logged in,
    /// by the vendor's table of defaults, and never for a public key.
    pub(crate) fn private_by_default(&self, kind: Kind) -> bool {
        self.sees_private() && kind != Kind::EcPublic
    }

    pub(crate) fn judge_object(&self, call: &Call, allowed: &mut Allowed) {
        match call {
            Call::Create(session, template) => {
                let kind = judge_new(template, None, allowed);
                self.judge_maker(*session, kind, template, allowed);
            }
            Call::GenerateKey(session, mechanism, template) => {
                let made = made_by(mechanism.kind());
                let invalid = [CKR_MECHANISM_INVALID];
                allowed.must(made.is_none(), &invalid, "PKCS#11 v2.40 5.13, C_GenerateKey");
                let unlisted = !self.token.lists(mechanism.kind(), CKF_GENERATE);
                allowed.must(unlisted, &invalid, LISTED);
                let len = find(template, CKA_VALUE_LEN).and_then(number);
                let small = len.is_some_and(|len| len < self.token.least(mechanism.kind()));
                allowed.may(small, &[CKR_KEY_SIZE_RANGE, CKR_ATTRIBUTE_VALUE_INVALID], LISTED);
                let kind = judge_new(template, made.or(Some(Kind::Aes)), allowed);
                self.judge_maker(*session, kind, template, allowed);
            }
            Call::GenerateKeyPair(session, mechanism, public, private) => {
                let unlisted = !self.token.lists(mechanism.kind(), CKF_GENERATE_KEY_PAIR);
                allowed.must(unlisted, &[CKR_MECHANISM_INVALID], LISTED);
                for (template, kind) in [(public, Kind::EcPublic), (private, Kind::EcPrivate)] {
                    let kind = judge_new(template, Some(kind), allowed);
                    self.judge_maker(*session, kind, template, allowed);
                }
            }
            Call::Copy(session, source, template) => {
                let Some(entry) = self.object(*source, HANDLE, allowed) else { return };
                prohibited(entry, CKA_COPYABLE, allowed);
                judge_change(entry, template, true, allowed);
                let mut reach = Reach::of(entry);
                reach.token = told(template, CKA_TOKEN).unwrap_or(reach.token);
                reach.private |= told(template, CKA_PRIVATE).unwrap_or(false);
                self.judge_reach(*session, reach, allowed);
            }
            Call::Destroy(session, object) => {
                let Some(entry) = self.object(*object, HANDLE, allowed) else { return };
                prohibited(entry, CKA_DESTROYABLE, allowed);
                self.judge_reach(*session, Reach::of(entry), allowed);
            }
            Call::SetAttributes(session, object, template) => {
                let Some(entry) = self.object(*object, HANDLE, allowed) else { return };
                prohibited(entry, CKA_MODIFIABLE, allowed);
                judge_change(entry, template, false, allowed);
                self.judge_reach(*session, Reach::of(entry), allowed);
            }
            Call::Attributes(_, object, asked) => {
                if let Some(entry) = self.object(*object, HANDLE, allowed) {
                    judge_reading(entry, asked, allowed);
                }
            }
            _ => {}
        }
    }

    fn judge_maker(
        &self,
        session: Session,
        kind: Option<Kind>,
        template: &[Attribute],
        allowed: &mut Allowed,
    ) {
        // An object nobody can name may be refused for any right.
        let of = kind.unwrap_or(Kind::Aes);
        let private = told(template, CKA_PRIVATE).unwrap_or_else(|| self.private_by_default(of));
        let token = told(template, CKA_TOKEN).unwrap_or(false);
        self.judge_reach(session, Reach { token, private, guarded: of.is_guarded() }, allowed);
    }

    /// Whether the session and the role may make, change or destroy such an object.
    fn judge_reach(&self, session: Session, reach: Reach, allowed: &mut Allowed) {
        let read_write = self.sessions.get(&session).is_some_and(|open| open.read_write);
        allowed.must(reach.token && !read_write, &[CKR_SESSION_READ_ONLY], ACCESS);
        let refusals = [CKR_USER_NOT_LOGGED_IN, CKR_USER_NOT_AUTHORIZED];
        match self.role {
            Some(Role::Officer) => {}
            Some(Role::CryptoUser) => {
                let guarded = reach.private || reach.guarded;
                allowed.must(guarded && reach.token, &refusals, ROLES);
                allowed.may(guarded, &refusals, ROLES);
            }
            role => {
                allowed.must(reach.private, &refusals, ACCESS);
                // The vendor's Partition SO makes no objects; nobody makes a key without a login.
                allowed.may(role.is_some() || reach.guarded, &refusals, ROLES);
            }
        }
    }

    pub(crate) fn follow_object(&mut self, call: &Call, answer: &Answer) -> Result<(), String> {
        if let (Call::Attributes(_, object, asked), Given::Attributes(left)) = (call, &answer.given)
        {
            return self.follow_reading(*object, asked, left, answer.rv);
        }
        if answer.rv != CKR_OK {
            return Ok(());
        }
        match (call, &answer.given) {
            (Call::Create(session, template), Given::Handle(handle)) => {
                let kind = judge_new(template, None, &mut Allowed::new());
                let kind = kind.ok_or("it made an object of no class")?;
                self.made(*session, *handle, kind, Origin::Created, template, 0, None)
            }
            (Call::GenerateKey(session, mechanism, template), Given::Handle(handle)) => {
                let kind = made_by(mechanism.kind()).ok_or("it made a key of no kind")?;
                let by = mechanism.kind();
                self.made(*session, *handle, kind, Origin::Generated, template, by, None)
            }
            (Call::GenerateKeyPair(session, mechanism, public, private), Given::Pair(pair)) => {
                let material = Material::Hidden(self.fresh());
                let halves = [(Kind::EcPublic, public), (Kind::EcPrivate, private)];
                for (handle, (kind, template)) in pair.iter().zip(halves) {
                    let by = mechanism.kind();
                    let same = Some(material.clone());
                    self.made(*session, *handle, kind, Origin::Generated, template, by, same)?;
                }
                Ok(())
            }
            (Call::Copy(session, source, template), Given::Handle(handle)) => {
                let mut entry = self.objects.get(source).cloned().ok_or("a copy of nothing")?;
                for attribute in template {
                    let value = attribute.value().map(<[u8]>::to_vec);
                    entry.values.insert(attribute.kind(), value);
                }
                self.add(*session, *handle, entry)
            }
            (Call::Destroy(_, object), _) => {
                self.objects.remove(object);
                self.destroyed.push(*object);
                self.disturb(*object);
                Ok(())
            }
            (Call::SetAttributes(_, object, template), _) => {
                if let Some(entry) = self.objects.get_mut(object) {
                    for attribute in template {
                        let value = attribute.value().map(<[u8]>::to_vec);
                        entry.values.insert(attribute.kind(), value);
                    }
                }
                self.disturb(*object);
                Ok(())
            }
            _ => Err("an answer of another call".to_owned()),
        }
    }

    #[allow(clippy::too_many_arguments, reason = "what an object is made from")]
    fn made(
        &mut self,
        session: Session,
        handle: Object,
        kind: Kind,
        origin: Origin,
        template: &[Attribute],
        mechanism: CK_MECHANISM_TYPE,
        material: Option<Material>,
    ) -> Result<(), String> {
        let private = self.private_by_default(kind);
        let fresh = self.fresh();
        let luna = self.token.luna;
        let mut entry = Entry::new(luna, kind, origin, template, private, mechanism, fresh);
        entry.material = material.unwrap_or(entry.material);
        self.add(session, handle, entry)
    }

    fn add(&mut self, session: Session, handle: Object, mut entry: Entry) -> Result<(), String> {
        if handle == CK_INVALID_HANDLE || self.objects.contains_key(&handle) {
            return Err(format!("{handle} is no handle of a new object"));
        }
        entry.owner = (!entry.is_token()).then_some(session);
        self.destroyed.retain(|stale| *stale != handle);
        self.objects.insert(handle, entry);
        self.disturb(handle);
        Ok(())
    }

    fn follow_reading(
        &mut self,
        object: Object,
        asked: &[(CK_ATTRIBUTE_TYPE, Option<usize>)],
        left: &[luna_client::module::exact::LeftAttribute],
        rv: CK_RV,
    ) -> Result<(), String> {
        let filled =
            [CKR_OK, CKR_ATTRIBUTE_SENSITIVE, CKR_ATTRIBUTE_TYPE_INVALID, CKR_BUFFER_TOO_SMALL];
        let overrun = left.iter().any(|left| left.overrun);
        let Some(entry) = self.objects.get_mut(&object) else { return Ok(()) };
        if overrun {
            return Err("a byte behind a buffer was written".to_owned());
        }
        if !filled.contains(&rv) {
            return Ok(());
        }
        let open = |kind| self.token.exceptions.iter().any(|it| it.leaves_open(kind));
        for ((kind, room), left) in asked.iter().zip(left).filter(|((kind, _), _)| !open(*kind)) {
            read(entry, *kind, *room, left)
                .map_err(|what| format!("{}: {what}", names::cka(*kind)))?;
        }
        Ok(())
    }
}

fn made_by(mechanism: CK_MECHANISM_TYPE) -> Option<Kind> {
    match mechanism {
        CKM_AES_KEY_GEN => Some(Kind::Aes),
        CKM_GENERIC_SECRET_KEY_GEN => Some(Kind::Generic),
        _ => None,
    }
}

fn prohibited(entry: &Entry, flag: CK_ATTRIBUTE_TYPE, allowed: &mut Allowed) {
    let clause = "PKCS#11 v2.40 4.4: CKA_COPYABLE, CKA_DESTROYABLE, CKA_MODIFIABLE";
    let codes = [CKR_ACTION_PROHIBITED];
    match entry.flag(flag) {
        Some(permitted) => allowed.must(!permitted, &codes, clause),
        None => allowed.may(true, &codes, clause),
    }
    let older = flag == CKA_MODIFIABLE && entry.flag(flag) == Some(false);
    allowed.may(older, &[CKR_ATTRIBUTE_READ_ONLY], "PKCS#11 v2.20, C_SetAttributeValue");
}

/// The code of any of the attributes that cannot be had.
fn judge_reading(
    entry: &Entry,
    asked: &[(CK_ATTRIBUTE_TYPE, Option<usize>)],
    allowed: &mut Allowed,
) {
    let clause = "PKCS#11 v2.40 5.7, C_GetAttributeValue";
    for (kind, room) in asked {
        let (hidden, perhaps) = entry.hides(*kind);
        allowed.must(hidden, &[CKR_ATTRIBUTE_SENSITIVE], HIDDEN);
        allowed.may(perhaps, &[CKR_ATTRIBUTE_SENSITIVE], HIDDEN);
        let value = entry.values.get(kind);
        allowed.must(value.is_none(), &[CKR_ATTRIBUTE_TYPE_INVALID], clause);
        let short = match (value, room) {
            (Some(Some(value)), Some(room)) => Some(*room < value.len()),
            (Some(None), Some(_)) => None,
            _ => Some(false),
        };
        allowed.must(short == Some(true) && !perhaps, &[CKR_BUFFER_TOO_SMALL], clause);
        allowed.may(short != Some(false), &[CKR_BUFFER_TOO_SMALL], clause);
    }
}

/// One attribute as it was left, against what is known of it; learns what is not.
fn read(
    entry: &mut Entry,
    kind: CK_ATTRIBUTE_TYPE,
    room: Option<usize>,
    left: &luna_client::module::exact::LeftAttribute,
) -> Result<(), String> {
    let unavailable = left.len == CK_UNAVAILABLE_INFORMATION;
    let (hidden, perhaps) = entry.hides(kind);
    let known = match entry.values.get(&kind) {
        _ if hidden || (perhaps && unavailable) => None,
        None => None,
        Some(Some(value)) => Some(value.clone()),
        Some(None) => {
            // Not known until now: a whole value is taken for the truth.
            let len = usize::try_from(left.len).unwrap_or(usize::MAX);
            if let (Some(value), true) = (left.buffer.get(..len), room.is_some()) {
                entry.values.insert(kind, Some(value.to_vec()));
            }
            return Ok(());
        }
    };
    let untouched = left.buffer.iter().all(|byte| *byte == 0xa5);
    match (known, room) {
        (None, _) if unavailable && untouched => Ok(()),
        (None, _) => Err("must have length -1 and no value".to_owned()),
        (Some(value), None) if left.len == value.len() as CK_ULONG => Ok(()),
        (Some(value), None) => Err(format!("must say length {}", value.len())),
        (Some(value), Some(room)) if room < value.len() => {
            if unavailable && untouched {
                Ok(())
            } else {
                Err("must have length -1".to_owned())
            }
        }
        (Some(value), Some(_)) => {
            let whole = left.len == value.len() as CK_ULONG && left.buffer.starts_with(&value);
            let beyond = left.buffer.get(value.len()..).unwrap_or_default();
            if whole && beyond.iter().all(|byte| *byte == 0xa5) {
                return Ok(());
            }
            Err(format!("must be {}", crate::call::bytes(&value)))
        }
    }
}
