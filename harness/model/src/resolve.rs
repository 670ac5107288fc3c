//! From a step to the call it stands for, by what the model believes now.

use luna_ck::*;
use luna_client::module::exact::{Input, Purpose, Room};
use luna_client::{Attribute, Mechanism};

use crate::call::{Call, Object, Session};
use crate::object::Kind;
use crate::operation::Operation;
use crate::oracle;
use crate::state::{MOST_WRONG_PINS, Model};
use crate::step::{Edit, Flaw, Pick, Shape, Signature, Space, Step, Text};

/// Sessions opened at once at most, so that none is refused for their number.
const MOST_SESSIONS: usize = 6;

/// Room that is more than any answer here needs.
const AMPLE: usize = 512;

/// prime256v1, as DER.
const P256: [u8; 10] = [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];

/// Lengths of the messages, around the blocks of a cipher.
const MESSAGES: [u8; 8] = [16, 0, 1, 15, 17, 32, 48, 100];

/// Bytes of AES keys.
const KEY_LENGTHS: [u8; 4] = [32, 16, 24, 32];

/// Handles that never are: zero, all ones, one with bits above the 32nd.
const WRONG: [u64; 4] = [0, u64::MAX, 1 << 40, 0x0bad_cafe];

impl Model {
    /// The call of a step.
    pub(crate) fn resolve(&self, step: &Step) -> Call {
        match step {
            Step::Open(..)
            | Step::Close(_)
            | Step::CloseAll
            | Step::Info(_)
            | Step::Login(..)
            | Step::Logout(_) => self.resolve_session(step),
            Step::Begin(..) | Step::Whole(..) | Step::Part(..) | Step::End(..) => {
                self.resolve_operation(step)
            }
            _ => self.resolve_object(step),
        }
    }

    fn session(&self, pick: Pick) -> Session {
        let open: Vec<_> = self.sessions.keys().copied().collect();
        picked(pick, &open, &self.closed)
    }

    fn handle(&self, pick: Pick) -> Object {
        let all: Vec<_> = self.objects.keys().copied().collect();
        picked(pick, &all, &self.destroyed)
    }

    /// An object to be changed. On a token that others use too, a handle that is stale here may be theirs by now.
    fn changeable(&self, pick: Pick) -> Object {
        match pick {
            Pick::Stale(at) | Pick::Wrong(at) if !self.token.leave.alone => {
                self.handle(Pick::Real(at))
            }
            pick => self.handle(pick),
        }
    }

    /// A template as this token may be given it: labels begin with the mark, and nothing is made on the token
    /// unless that is allowed.
    fn ours(&self, template: Vec<Attribute>) -> Vec<Attribute> {
        let token = &self.token;
        let each = template.into_iter().map(|attribute| match attribute.kind() {
            CKA_LABEL => {
                let label = attribute.value().unwrap_or_default();
                Attribute::bytes(CKA_LABEL, [token.mark.as_bytes(), label].concat())
            }
            CKA_TOKEN if !token.leave.token_objects => Attribute::token(false),
            _ => attribute,
        });
        each.collect()
    }

    /// The same for a new object. Where defaults are the token's own, whether it is private is said.
    fn ours_new(&self, mut template: Vec<Attribute>) -> Vec<Attribute> {
        if !self.token.luna && template.iter().all(|it| it.kind() != CKA_PRIVATE) {
            template.push(Attribute::private(false));
        }
        self.ours(template)
    }

    fn resolve_session(&self, step: &Step) -> Call {
        match step {
            Step::Open(..) if self.sessions.len() >= MOST_SESSIONS => {
                Call::CloseSession(self.session(Pick::Real(0)))
            }
            Step::Open(read_write, odd) => {
                let slot = self.token.slot + if *odd == 1 { 77 } else { 0 };
                let access = if *read_write { CKF_RW_SESSION } else { 0 };
                let serial = if *odd == 2 { 0 } else { CKF_SERIAL_SESSION };
                Call::OpenSession(slot, serial | access)
            }
            Step::Close(session) => Call::CloseSession(self.session(*session)),
            Step::CloseAll => Call::CloseAllSessions(self.token.slot),
            Step::Login(session, who, right) => self.login(self.session(*session), *who, *right),
            Step::Logout(session) => Call::Logout(self.session(*session)),
            _ => Call::SessionInfo(match step {
                Step::Info(session) => self.session(*session),
                _ => 0,
            }),
        }
    }

    /// A wrong PIN is given only while the role is far from its limit.
    fn login(&self, session: Session, who: u8, right: bool) -> Call {
        let known = &self.token.credentials;
        // Where only right PINs are given, nobody logs in who is not known either.
        let anyhow = if self.token.leave.wrong_pins { None } else { known.first() };
        let Some((user, pin)) = known.get(usize::from(who)).or(anyhow) else {
            if !self.token.leave.wrong_pins {
                return Call::SessionInfo(session);
            }
            return Call::Login(session, 99, b"nobody's PIN".to_vec());
        };
        let wrong = self.wrong_pins.get(user).copied().unwrap_or(0);
        if right || wrong >= MOST_WRONG_PINS || !self.token.leave.wrong_pins {
            return Call::Login(session, *user, pin.clone());
        }
        Call::Login(session, *user, b"a wrong PIN".to_vec())
    }

    fn resolve_object(&self, step: &Step) -> Call {
        match step {
            Step::Create(session, shape) => {
                Call::Create(self.session(*session), self.ours_new(created(shape)))
            }
            Step::Generate(session, shape) => {
                let (mechanism, template) = generated(shape);
                Call::GenerateKey(self.session(*session), mechanism, self.ours_new(template))
            }
            Step::GeneratePair(session, shape) => {
                let (public, private) = pair(shape);
                let mechanism = Mechanism::Plain(CKM_EC_KEY_PAIR_GEN);
                let (public, private) = (self.ours_new(public), self.ours_new(private));
                Call::GenerateKeyPair(self.session(*session), mechanism, public, private)
            }
            Step::Copy(session, source, edits) => {
                let source = self.handle(*source);
                // What is not to be destroyed must not reach the token: it would outlive the test.
                let lasting = self
                    .objects
                    .get(&source)
                    .is_some_and(|entry| entry.flag(CKA_DESTROYABLE) != Some(true));
                let edits = edits.iter().filter(|edit| !lasting || !matches!(edit, Edit::Token(_)));
                let edits = self.ours(edits.map(edited).collect());
                Call::Copy(self.session(*session), source, edits)
            }
            Step::Destroy(session, object) => {
                Call::Destroy(self.session(*session), self.changeable(*object))
            }
            Step::Set(session, object, edits) => {
                let edits = self.ours(edits.iter().map(edited).collect());
                Call::SetAttributes(self.session(*session), self.changeable(*object), edits)
            }
            Step::Get(session, object, asked) => {
                let object = self.handle(*object);
                let asked = asked.iter().map(|(kind, space)| self.asked(object, *kind, *space));
                Call::Attributes(self.session(*session), object, asked.collect())
            }
            Step::FindInit(session, like, by) => {
                Call::FindInit(self.session(*session), self.wanted(self.handle(*like), *by))
            }
            Step::FindNext(session, most) => {
                Call::FindNext(self.session(*session), usize::from(*most))
            }
            Step::FindFinal(session) => Call::FindFinal(self.session(*session)),
            _ => Call::SessionInfo(0),
        }
    }

    /// One of the object's attributes, now and then one it has not.
    fn asked(&self, object: Object, kind: u8, space: Space) -> (CK_ATTRIBUTE_TYPE, Option<usize>) {
        let kinds: Vec<_> = match self.objects.get(&object) {
            Some(entry) => {
                entry.kind.attributes().chain([CKA_MODULUS, 0x0432_1000, CKA_LABEL]).collect()
            }
            None => vec![CKA_LABEL],
        };
        let kind = nth(&kinds, usize::from(kind)).unwrap_or(CKA_LABEL);
        let value = self.objects.get(&object).and_then(|entry| entry.values.get(&kind).cloned());
        let len = value.flatten().map_or(8, |value| value.len());
        let room = match space {
            Space::Ample => Some(AMPLE),
            Space::Exact => Some(len),
            Space::Short => Some(len.saturating_sub(1)),
            Space::Zero => Some(0),
            Space::Ask | Space::NoLength => None,
        };
        (kind, room)
    }

    /// A search for what some object says of itself; for everything where no bit is set.
    fn wanted(&self, like: Object, by: u8) -> Vec<Attribute> {
        let Some(entry) = self.objects.get(&like) else {
            return vec![Attribute::label("nobody has this label")];
        };
        let kinds = [CKA_LABEL, CKA_CLASS, CKA_TOKEN, CKA_PRIVATE, CKA_KEY_TYPE, CKA_ID];
        let chosen = kinds.iter().enumerate().filter(|(bit, _)| by >> bit & 1 == 1);
        chosen
            .filter_map(|(_, kind)| {
                let value = entry.values.get(kind)?.clone()?;
                Some(Attribute::bytes(*kind, value))
            })
            .collect()
    }

    fn resolve_operation(&self, step: &Step) -> Call {
        match step {
            Step::Begin(session, purpose, mechanism, right, key) => {
                let mechanism = mechanism_for(*purpose, *mechanism, *right);
                let key = match key {
                    Some(key) => self.handle(*key),
                    None => self.fitting(&mechanism, *purpose),
                };
                Call::Init(*purpose, self.session(*session), mechanism, key)
            }
            Step::Whole(session, purpose, text, signature, space) => {
                let (session, purpose) = self.running(*session, *purpose);
                let input = self.input(session, purpose, *text, usize::MAX);
                if purpose == Purpose::Verify {
                    let message = if let Input::Bytes(bytes) = &input { bytes } else { &vec![] };
                    let signature = self.signature(session, message, *signature);
                    return Call::Verify(session, input, signature);
                }
                let most = match (&input, self.active(session, purpose)) {
                    (Input::Bytes(bytes), Some(active)) => {
                        self.outcome(active, purpose, bytes).most()
                    }
                    _ => 16,
                };
                Call::Single(purpose, session, input, room(*space, most))
            }
            Step::Part(session, purpose, text, len, space) => {
                let (session, purpose) = self.running(*session, *purpose);
                let input = self.input(session, purpose, *text, usize::from(*len));
                if !matches!(purpose, Purpose::Encrypt | Purpose::Decrypt) {
                    return Call::Absorb(purpose, session, input);
                }
                let most = match (&input, self.active(session, purpose)) {
                    (Input::Bytes(bytes), Some(active)) => active.most_early(purpose, bytes),
                    _ => 16,
                };
                Call::Update(purpose, session, input, room(*space, most))
            }
            Step::End(session, purpose, signature, space) => {
                let (session, purpose) = self.running(*session, *purpose);
                let active = self.active(session, purpose);
                if purpose == Purpose::Verify {
                    let message = active.map(|active| active.message().to_vec());
                    let message = message.unwrap_or_default();
                    return Call::VerifyFinal(
                        session,
                        self.signature(session, &message, *signature),
                    );
                }
                let most = active.map_or(16, |active| {
                    let outcome = self.outcome(active, purpose, active.message());
                    outcome.most().saturating_sub(active.given())
                });
                Call::Finish(purpose, session, room(*space, most))
            }
            _ => Call::SessionInfo(0),
        }
    }

    fn active(&self, session: Session, purpose: Purpose) -> Option<&Operation> {
        self.sessions.get(&session)?.operations.get(&purpose)
    }

    /// An operation that runs, the one asked for if it does; else what was asked for.
    fn running(&self, pick: Pick, purpose: Purpose) -> (Session, Purpose) {
        let wanted = (self.session(pick), purpose);
        let Pick::Real(place) = pick else { return wanted };
        if self.active(wanted.0, purpose).is_some() || place == 3 {
            return wanted;
        }
        let all: Vec<_> = self
            .sessions
            .iter()
            .flat_map(|(session, open)| open.operations.keys().map(|it| (*session, *it)))
            .collect();
        nth(&all, usize::from(place)).unwrap_or(wanted)
    }

    /// A key that may be used so, if there is one; else some object.
    fn fitting(&self, mechanism: &Mechanism, purpose: Purpose) -> Object {
        let kind = match oracle::fits(mechanism, purpose) {
            Some(Ok(kind)) => kind,
            _ => None,
        };
        let flag = crate::operation::usage(purpose);
        let fits = self.objects.iter().find(|(_, entry)| {
            Some(entry.kind) == kind && entry.flag(flag) == Some(true) && self.is_visible(entry)
        });
        fits.or_else(|| self.objects.iter().next()).map_or(0, |(handle, _)| *handle)
    }

    /// The bytes to feed. To be decrypted is what some message is sealed to, by the part that is next.
    fn input(&self, session: Session, purpose: Purpose, text: Text, most: usize) -> Input {
        let (number, alter) = match text {
            Text::Null => return Input::Null(16),
            Text::Message(number) => (number, false),
            Text::Altered(number) => (number, true),
        };
        let mut bytes = message(number);
        if let (Purpose::Decrypt, Some(active)) = (purpose, self.active(session, purpose)) {
            let sealed = self.outcome(active, Purpose::Encrypt, &bytes);
            if let oracle::Outcome::Bytes(sealed) = sealed {
                bytes = match sealed.strip_prefix(active.message()) {
                    Some(rest) if !rest.is_empty() => rest.to_vec(),
                    _ => sealed,
                };
            }
        }
        bytes.truncate(most);
        if let (true, Some(last)) = (alter, bytes.last_mut()) {
            *last ^= 0x40;
        }
        Input::Bytes(bytes)
    }

    fn signature(&self, session: Session, message: &[u8], wanted: Signature) -> Vec<u8> {
        let Some(active) = self.active(session, Purpose::Verify) else { return vec![0; 32] };
        let right = self.right_signatures(active, message).into_iter().next();
        let len = oracle::fixed_len(&active.mechanism).unwrap_or(32);
        let mut bytes = right.unwrap_or_else(|| vec![0x11; len]);
        match wanted {
            Signature::Right => {}
            Signature::Altered => {
                if let Some(last) = bytes.last_mut() {
                    *last ^= 1;
                }
            }
            Signature::Short => bytes.truncate(1),
        }
        bytes
    }
}

fn nth<T: Copy>(all: &[T], at: usize) -> Option<T> {
    all.get(at.checked_rem(all.len())?).copied()
}

/// One of a few that are there for certain.
fn of<T: Copy + Default>(all: &[T], number: u8) -> T {
    nth(all, usize::from(number)).unwrap_or_default()
}

fn picked(pick: Pick, real: &[u64], stale: &[u64]) -> u64 {
    let wrong = |at: u8| nth(&WRONG, usize::from(at)).unwrap_or(0);
    match pick {
        Pick::Real(at) => nth(real, usize::from(at)).unwrap_or(0),
        Pick::Stale(at) => nth(stale, usize::from(at)).unwrap_or_else(|| wrong(at)),
        Pick::Wrong(at) => wrong(at),
    }
}

fn room(space: Space, most: usize) -> Room {
    match space {
        Space::Ample => Room::Bytes(AMPLE),
        Space::Exact => Room::Bytes(most),
        Space::Short => Room::Bytes(most.saturating_sub(1)),
        Space::Zero => Room::Bytes(0),
        Space::Ask => Room::Ask,
        Space::NoLength => Room::NoLength,
    }
}

fn message(number: u8) -> Vec<u8> {
    let len = nth(&MESSAGES, usize::from(number)).unwrap_or(0);
    (0..len).map(|at| at.wrapping_mul(7).wrapping_add(number)).collect()
}

fn mechanism_for(purpose: Purpose, number: u8, right: bool) -> Mechanism {
    let iv: Vec<u8> = (0..if right { 16 } else { 8 }).map(|at| at + number % 2).collect();
    let cipher = matches!(purpose, Purpose::Encrypt | Purpose::Decrypt);
    match (purpose, number % 6) {
        _ if number == u8::MAX => Mechanism::Plain(CKM_AES_KEY_GEN),
        (Purpose::Digest, _) if !right => Mechanism::ulong(CKM_SHA256, 1),
        (Purpose::Digest, 0 | 1) => Mechanism::Plain(CKM_SHA_1),
        (Purpose::Digest, 2 | 3) => Mechanism::Plain(CKM_SHA256),
        (Purpose::Digest, _) => Mechanism::Plain(CKM_SHA512),
        (_, 0) if cipher => Mechanism::Bytes(CKM_AES_CBC_PAD, iv),
        (_, 1) if cipher => Mechanism::Bytes(CKM_AES_CBC, iv),
        (_, 2) if cipher && right => Mechanism::Plain(CKM_AES_ECB),
        (_, 3) if cipher => {
            let counter_bits = if right { 128 } else { 129 };
            Mechanism::AesCtr { counter_bits, block: [number % 2; 16] }
        }
        _ if cipher => {
            let tag_bits = if right { 128 } else { of(&[0, 129, 4], number) };
            Mechanism::aes_gcm(&[number % 2; 12], &[0xaa; 5], tag_bits)
        }
        (_, 0) if !right => Mechanism::ulong(CKM_SHA256_HMAC, 16),
        (_, 0 | 1) => Mechanism::Plain(CKM_SHA256_HMAC),
        (_, 2) => Mechanism::Plain(CKM_SHA512_HMAC),
        (_, 3) => Mechanism::Plain(CKM_AES_CMAC),
        _ => Mechanism::Plain(CKM_ECDSA_SHA256),
    }
}

/// Attributes every template has, its flaws of any kind among them.
fn storage(shape: &Shape) -> Vec<Attribute> {
    let mut template = vec![
        Attribute::label(of(&["red", "green", "blue", "red"], shape.number)),
        Attribute::token(shape.token),
    ];
    template.extend(shape.private.map(Attribute::private));
    match shape.flaw {
        Flaw::Unknown => template.push(Attribute::bytes(0x0432_1000, [1])),
        Flaw::Foreign => template.push(Attribute::bytes(CKA_MODULUS, [1, 2, 3])),
        Flaw::ReadOnly => template.push(Attribute::bool(CKA_LOCAL, true)),
        Flaw::Twice => template.push(Attribute::label("another")),
        Flaw::LongFlag => template.push(Attribute::bytes(CKA_MODIFIABLE, [1, 0, 0, 0, 0, 0, 0, 0])),
        _ => {}
    }
    let bit = |bit: u8| shape.bits >> bit & 1 == 1;
    if bit(5) && shape.flaw != Flaw::LongFlag {
        template.push(Attribute::bool(CKA_MODIFIABLE, false));
    }
    if bit(6) {
        template.push(Attribute::bool(CKA_COPYABLE, false));
    }
    // On the token it would outlive the test.
    if bit(7) && !shape.token {
        template.push(Attribute::bool(CKA_DESTROYABLE, false));
    }
    template
}

fn usages(shape: &Shape) -> Vec<Attribute> {
    let bit = |bit: u8| shape.bits >> bit & 1 == 1;
    let mut template = Vec::new();
    for (off, kinds) in [(bit(0), [CKA_ENCRYPT, CKA_SIGN]), (bit(1), [CKA_DECRYPT, CKA_VERIFY])] {
        if !off {
            template.extend(kinds.map(|kind| Attribute::bool(kind, true)));
        }
    }
    template
}

fn guards(shape: &Shape) -> Vec<Attribute> {
    let bit = |bit: u8| shape.bits >> bit & 1 == 1;
    let mut template = vec![Attribute::bytes(CKA_ID, [shape.number])];
    if bit(2) || bit(3) {
        template.push(Attribute::bool(CKA_SENSITIVE, bit(2)));
    }
    if bit(4) || shape.number == 3 {
        template.push(Attribute::bool(CKA_EXTRACTABLE, true));
    }
    template
}

fn created(shape: &Shape) -> Vec<Attribute> {
    let (class, key_type) = shape.kind.class();
    let mut template = Vec::new();
    match shape.flaw {
        Flaw::NoClass => {}
        Flaw::ShortNumber => template.push(Attribute::bytes(CKA_CLASS, [4, 0, 0, 0])),
        _ => template.push(Attribute::class(class)),
    }
    template.extend(key_type.map(Attribute::key_type));
    template.extend(storage(shape));
    if shape.kind == Kind::Data {
        template.push(Attribute::text(CKA_APPLICATION, "model"));
    } else {
        template.extend(usages(shape));
        template.extend(guards(shape));
    }
    let len = match (shape.flaw, shape.kind) {
        (Flaw::NoValue, _) => return template,
        (Flaw::Length, _) => 9,
        (_, Kind::Aes) => usize::from(of(&KEY_LENGTHS, shape.number)),
        (_, Kind::Generic) => 64,
        _ => usize::from(shape.number) * 20,
    };
    template.push(Attribute::bytes(CKA_VALUE, vec![0x40 + shape.number; len]));
    template
}

fn generated(shape: &Shape) -> (Mechanism, Vec<Attribute>) {
    let mut template = storage(shape);
    template.extend(usages(shape));
    template.extend(guards(shape));
    let aes = shape.kind != Kind::Generic;
    let len = match (shape.flaw, aes) {
        (Flaw::Length, _) => 9,
        (_, true) => CK_ULONG::from(of(&KEY_LENGTHS, shape.number)),
        (_, false) => 64,
    };
    if shape.flaw == Flaw::ShortNumber {
        template.push(Attribute::bytes(CKA_VALUE_LEN, [32, 0, 0, 0]));
    } else if shape.flaw != Flaw::NoValue {
        template.push(Attribute::ulong(CKA_VALUE_LEN, len));
    }
    let kind = if aes { CKM_AES_KEY_GEN } else { CKM_GENERIC_SECRET_KEY_GEN };
    (Mechanism::Plain(kind), template)
}

fn pair(shape: &Shape) -> (Vec<Attribute>, Vec<Attribute>) {
    let bit = |bit: u8| shape.bits >> bit & 1 == 1;
    let (mut public, mut private) = (storage(shape), storage(shape));
    if shape.flaw != Flaw::NoValue {
        public.push(Attribute::bytes(CKA_EC_PARAMS, P256));
    }
    public.push(Attribute::bool(CKA_VERIFY, !bit(1)));
    private.push(Attribute::bool(CKA_SIGN, !bit(0)));
    private.extend(guards(shape));
    (public, private)
}

fn edited(edit: &Edit) -> Attribute {
    match edit {
        Edit::Label(number) => {
            Attribute::label(of(&["red", "green", "", "long label, longer than any"], *number))
        }
        Edit::Usage(purpose, on) => Attribute::bool(crate::operation::usage(*purpose), *on),
        Edit::Sensitive(on) => Attribute::bool(CKA_SENSITIVE, *on),
        Edit::Extractable(on) => Attribute::bool(CKA_EXTRACTABLE, *on),
        Edit::Token(on) => Attribute::token(*on),
        Edit::Private(on) => Attribute::private(*on),
        Edit::Modifiable(on) => Attribute::bool(CKA_MODIFIABLE, *on),
        Edit::Fixed => Attribute::class(CKO_PUBLIC_KEY),
        Edit::Unknown => Attribute::bytes(0x0432_1000, [1]),
        Edit::Value(number) => Attribute::bytes(CKA_VALUE, vec![*number; usize::from(*number)]),
    }
}
