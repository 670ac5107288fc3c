//! Every policy that a partition shows, at each of its values, by what applications can and cannot do
//! then; on every network profile, changed in a partition that is in use.
//!
//! The table of facts says under which policy an operation is refused, and with which code. What no row
//! speaks of must work. Numbers and values are the vendor's (Documented); for the codes see the policies
//! in the emulator, which mark what is Assumed.

use luna_ck::*;
use luna_client::{
    Attribute, Mechanism, ObjectHandle, Pin, PolicyValue, Result, Rv, Session, UserType,
};
use luna_tests::{CRYPTO_OFFICER, Instance};

use crate::administration::hsm::PARTITION_SO;
use crate::rsa_key::{RSA_D, RSA_N};

const PROFILES: [&str; 3] = ["luna-7.4.0", "luna-7.8.4", "luna-7.9.0"];

/// Keys that were made under the policies a partition starts with.
struct Keys {
    cipher: ObjectHandle,
    wrapping: ObjectHandle,
    unwrapping: ObjectHandle,
    deriving: ObjectHandle,
    secret: ObjectHandle,
    small: ObjectHandle,
    generic: ObjectHandle,
    dated: ObjectHandle,
    local: ObjectHandle,
    imported: ObjectHandle,
    /// A private key, wrapped.
    wrapped_private: Vec<u8>,
    /// A secret key of eight bytes, wrapped.
    wrapped_small: Vec<u8>,
    victim: ObjectHandle,
}

type Operation = fn(&Session, &Keys) -> Result<()>;

fn bytes(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(u8::is_ascii_hexdigit).collect();
    let value = |digit: u8| (digit as char).to_digit(16).unwrap() as u8;
    digits.chunks(2).map(|pair| value(pair[0]) << 4 | value(pair[1])).collect()
}

fn on(kinds: &[CK_ATTRIBUTE_TYPE]) -> Vec<Attribute> {
    kinds.iter().map(|kind| Attribute::bool(*kind, true)).collect()
}

/// An AES key of the session.
fn made(session: &Session, more: &[Attribute]) -> Result<ObjectHandle> {
    let template = [&[Attribute::ulong(CKA_VALUE_LEN, 32)], more].concat();
    session.generate_key(&Mechanism::Plain(CKM_AES_KEY_GEN), &template)
}

fn imported(session: &Session, key_type: CK_KEY_TYPE, value: &[u8]) -> Result<ObjectHandle> {
    let mut template = on(&[CKA_ENCRYPT, CKA_EXTRACTABLE]);
    template.extend([
        Attribute::class(CKO_SECRET_KEY),
        Attribute::key_type(key_type),
        Attribute::bytes(CKA_VALUE, value),
    ]);
    session.create_object(&template)
}

fn rsa(usages: &[CK_ATTRIBUTE_TYPE]) -> Vec<Attribute> {
    let mut template = on(usages);
    template.extend([
        Attribute::class(CKO_PRIVATE_KEY),
        Attribute::key_type(CKK_RSA),
        Attribute::bytes(CKA_MODULUS, bytes(RSA_N)),
        Attribute::bytes(CKA_PUBLIC_EXPONENT, [1, 0, 1]),
        Attribute::bytes(CKA_PRIVATE_EXPONENT, bytes(RSA_D)),
    ]);
    template
}

fn ec(session: &Session) -> Result<(ObjectHandle, ObjectHandle)> {
    let curve = Attribute::bytes(CKA_EC_PARAMS, bytes("06082a8648ce3d030107"));
    let public = [on(&[CKA_VERIFY]), vec![curve]].concat();
    let private = on(&[CKA_SIGN, CKA_EXTRACTABLE]);
    session.generate_key_pair(&Mechanism::Plain(CKM_EC_KEY_PAIR_GEN), &public, &private)
}

/// What wraps in FIPS mode too.
const KWP: Mechanism = Mechanism::Plain(CKM_AES_KWP);

fn by_padding() -> Mechanism {
    Mechanism::aes_cbc_pad([0; 16])
}

/// On every key of [`keys`], to see whether a change took them.
const LABEL: &str = "walk";

fn on_token(more: Vec<Attribute>) -> Vec<Attribute> {
    [vec![Attribute::token(true), Attribute::label(LABEL)], more].concat()
}

fn token_key(session: &Session, usages: &[CK_ATTRIBUTE_TYPE]) -> ObjectHandle {
    made(session, &on_token(on(usages))).unwrap()
}

fn token_secret(session: &Session, value: &[u8]) -> ObjectHandle {
    let mut template = on_token(on(&[CKA_EXTRACTABLE]));
    template.extend([
        Attribute::class(CKO_SECRET_KEY),
        Attribute::key_type(CKK_GENERIC_SECRET),
        Attribute::bytes(CKA_VALUE, value),
    ]);
    session.create_object(&template).unwrap()
}

/// Fresh keys; those that were there go.
fn keys(session: &Session) -> Keys {
    for old in session.find(&[Attribute::token(true)]).unwrap() {
        session.destroy(old).unwrap();
    }
    // What is unwrapped later was encrypted under the same key, since no policy forbids that.
    let same = imported(session, CKK_AES, &[3; 32]).unwrap();
    let wrapped_private = session.encrypt(&by_padding(), same, &pkcs8()).unwrap();
    let wrapped_small = session.encrypt(&by_padding(), same, &[5; 8]).unwrap();
    let curve = Attribute::bytes(CKA_EC_PARAMS, bytes("06082a8648ce3d030107"));
    let (_, local) = session
        .generate_key_pair(
            &Mechanism::Plain(CKM_EC_KEY_PAIR_GEN),
            &on_token([on(&[CKA_VERIFY]), vec![curve]].concat()),
            &on_token(on(&[CKA_SIGN, CKA_EXTRACTABLE])),
        )
        .unwrap();
    let past = Attribute::bytes(CKA_END_DATE, *b"20200101");
    let mut unwraps = on_token(on(&[CKA_UNWRAP]));
    unwraps.extend([
        Attribute::class(CKO_SECRET_KEY),
        Attribute::key_type(CKK_AES),
        Attribute::bytes(CKA_VALUE, [3; 32]),
    ]);
    Keys {
        cipher: token_key(session, &[CKA_ENCRYPT]),
        wrapping: token_key(session, &[CKA_WRAP]),
        unwrapping: session.create_object(&unwraps).unwrap(),
        deriving: token_key(session, &[CKA_DERIVE]),
        secret: token_key(session, &[CKA_ENCRYPT, CKA_EXTRACTABLE]),
        small: token_secret(session, &[7; 8]),
        generic: token_secret(session, &[7; 32]),
        dated: made(session, &on_token([on(&[CKA_ENCRYPT]), vec![past]].concat())).unwrap(),
        local,
        imported: session.create_object(&on_token(rsa(&[CKA_SIGN]))).unwrap(),
        wrapped_private,
        wrapped_small,
        victim: token_key(session, &[CKA_ENCRYPT]),
    }
}

/// A private key of P-256 in PKCS#8: RFC 5958 with the scalar of RFC 5915.
fn pkcs8() -> Vec<u8> {
    let scalar = [0x42; 32];
    let mut key = bytes("3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420");
    key.extend(scalar);
    key
}

fn sign(session: &Session, kind: CK_MECHANISM_TYPE, key: ObjectHandle, data: &[u8]) -> Result<()> {
    session.sign(&Mechanism::Plain(kind), key, data).map(drop)
}

fn pin_of(session: &Session, len: usize) -> Result<()> {
    let (old, new) = (Pin::from(CRYPTO_OFFICER), Pin::from("x".repeat(len).as_str()));
    session.set_pin(&old, &new)?;
    session.set_pin(&new, &old)
}

/// What is tried, and the function of a mechanism that FIPS mode may take away from it.
const OPERATIONS: &[(&str, (CK_MECHANISM_TYPE, CK_FLAGS), Operation)] = &[
    ("generate a secret key", (CKM_AES_KEY_GEN, CKF_GENERATE), |s, _| {
        made(s, &on(&[CKA_ENCRYPT])).map(drop)
    }),
    ("generate a pair", (CKM_EC_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR), |s, _| ec(s).map(drop)),
    ("import a secret key", (CKM_AES_CBC_PAD, CKF_ENCRYPT), |s, _| {
        imported(s, CKK_AES, &[1; 32]).map(drop)
    }),
    ("import a private key", (CKM_AES_CBC_PAD, CKF_ENCRYPT), |s, _| {
        s.create_object(&rsa(&[CKA_SIGN])).map(drop)
    }),
    ("derive a key", (CKM_SHA256_KEY_DERIVATION, CKF_DERIVE), |s, k| {
        s.derive(&Mechanism::Plain(CKM_SHA256_KEY_DERIVATION), k.deriving, &[]).map(drop)
    }),
    ("encrypt", (CKM_AES_CBC_PAD, CKF_ENCRYPT), |s, k| {
        s.encrypt(&by_padding(), k.cipher, b"text").map(drop)
    }),
    ("use an expired key", (CKM_AES_CBC_PAD, CKF_ENCRYPT), |s, k| {
        s.encrypt(&by_padding(), k.dated, b"text").map(drop)
    }),
    ("wrap a secret key", (CKM_AES_KWP, CKF_WRAP), |s, k| {
        s.wrap(&KWP, k.wrapping, k.secret).map(drop)
    }),
    ("wrap a private key", (CKM_AES_KWP, CKF_WRAP), |s, k| {
        s.wrap(&KWP, k.wrapping, k.local).map(drop)
    }),
    ("wrap a small key", (CKM_AES_CBC_PAD, CKF_WRAP), |s, k| {
        s.wrap(&by_padding(), k.wrapping, k.small).map(drop)
    }),
    ("unwrap a private key", (CKM_AES_CBC_PAD, CKF_UNWRAP), |s, k| {
        let template = [Attribute::class(CKO_PRIVATE_KEY), Attribute::key_type(CKK_EC)];
        s.unwrap(&by_padding(), k.unwrapping, &k.wrapped_private, &template).map(drop)
    }),
    ("unwrap a small key", (CKM_AES_CBC_PAD, CKF_UNWRAP), |s, k| {
        let template = [Attribute::class(CKO_SECRET_KEY), Attribute::key_type(CKK_GENERIC_SECRET)];
        s.unwrap(&by_padding(), k.unwrapping, &k.wrapped_small, &template).map(drop)
    }),
    ("digest a key", (CKM_SHA256, CKF_DIGEST), |s, k| {
        s.digest_init(&Mechanism::Plain(CKM_SHA256))?;
        let fed = s.digest_key(k.generic);
        if fed.is_ok() {
            s.digest_final()?;
        }
        fed
    }),
    ("make a key of two purposes", (CKM_AES_KEY_GEN, CKF_GENERATE), |s, _| {
        made(s, &on(&[CKA_ENCRYPT, CKA_WRAP])).map(drop)
    }),
    ("change a usage", (CKM_AES_CBC_PAD, CKF_ENCRYPT), |s, k| {
        s.set_attributes(k.secret, &[Attribute::bool(CKA_DECRYPT, true)])
    }),
    ("change an identifier", (CKM_AES_CBC_PAD, CKF_ENCRYPT), |s, k| {
        s.set_attributes(k.secret, &[Attribute::bytes(CKA_ID, *b"new")])
    }),
    ("sign a hash by EC", (CKM_ECDSA, CKF_SIGN), |s, k| sign(s, CKM_ECDSA, k.local, &[1; 32])),
    ("sign a message by EC", (CKM_ECDSA_SHA256, CKF_SIGN), |s, k| {
        sign(s, CKM_ECDSA_SHA256, k.local, b"text")
    }),
    ("sign with an imported key", (CKM_SHA256_RSA_PKCS, CKF_SIGN), |s, k| {
        sign(s, CKM_SHA256_RSA_PKCS, k.imported, b"text")
    }),
    ("sign by raw RSA", (CKM_RSA_X_509, CKF_SIGN), |s, k| {
        sign(s, CKM_RSA_X_509, k.imported, &[1; 256])
    }),
    ("sign a hash by RSA", (CKM_RSA_PKCS, CKF_SIGN), |s, k| {
        sign(s, CKM_RSA_PKCS, k.imported, &[1; 32])
    }),
    ("make a DES key", (CKM_DES_KEY_GEN, CKF_GENERATE), |s, _| {
        s.generate_key(&Mechanism::Plain(CKM_DES_KEY_GEN), &on(&[CKA_ENCRYPT])).map(drop)
    }),
    ("choose a PIN of 12 bytes", (CKM_AES_CBC_PAD, CKF_ENCRYPT), |s, _| pin_of(s, 12)),
    ("choose a PIN of 20 bytes", (CKM_AES_CBC_PAD, CKF_ENCRYPT), |s, _| pin_of(s, 20)),
    ("destroy a key", (CKM_AES_CBC_PAD, CKF_ENCRYPT), |s, k| s.destroy(k.victim)),
];

/// Under which value of which policy an operation is refused, and how. The first row that fits speaks.
const FACTS: &[(&[&str], u64, fn(u64) -> bool, CK_RV)] = &[
    (
        &[
            "generate a secret key",
            "generate a pair",
            "import a secret key",
            "import a private key",
            "derive a key",
            "unwrap a private key",
            "unwrap a small key",
            "make a key of two purposes",
            "change a usage",
            "change an identifier",
            "make a DES key",
            "destroy a key",
        ],
        28,
        off,
        CKR_USER_NOT_AUTHORIZED,
    ),
    (&["make a DES key", "sign by raw RSA"], 43, off, CKR_MECHANISM_INVALID),
    (&["wrap a private key"], 1, off, CKR_KEY_NOT_WRAPPABLE),
    (&["wrap a secret key", "wrap a small key"], 5, off, CKR_KEY_NOT_WRAPPABLE),
    (&["unwrap a private key"], 2, off, CKR_KEY_FUNCTION_NOT_PERMITTED),
    (&["unwrap a small key"], 6, off, CKR_KEY_FUNCTION_NOT_PERMITTED),
    (&["digest a key"], 9, off, CKR_KEY_INDIGESTIBLE),
    (&["make a key of two purposes"], 10, off, CKR_TEMPLATE_INCONSISTENT),
    (&["change a usage"], 11, off, CKR_ATTRIBUTE_READ_ONLY),
    (&["sign by raw RSA"], 18, off, CKR_MECHANISM_INVALID),
    (&["sign a hash by RSA"], 33, off, CKR_MECHANISM_INVALID),
    (
        &["sign with an imported key", "sign by raw RSA", "sign a hash by RSA"],
        17,
        off,
        CKR_KEY_FUNCTION_NOT_PERMITTED,
    ),
    (&["wrap a small key"], 34, off, CKR_KEY_SIZE_RANGE),
    (&["unwrap a small key"], 34, off, CKR_WRAPPED_KEY_LEN_RANGE),
    (&["use an expired key"], 39, |value| value != 0, CKR_KEY_NOT_ACTIVE),
    (&["choose a PIN of 12 bytes"], 25, |value| value < 255 - 12, CKR_PIN_LEN_RANGE),
    (&["choose a PIN of 20 bytes"], 26, |value| value < 20, CKR_PIN_LEN_RANGE),
];

fn off(value: u64) -> bool {
    value == 0
}

/// What else has to change with a policy, and values that cannot be set here, with the code.
const WITH: &[((u64, u64), (u64, u64))] = &[((1, 1), (0, 0)), ((40, 1), (41, 1))];
/// Where keys want a secret of their own, none is made without; the rest is `authorization`'s.
const KEYS_WANT_SECRETS: (u64, u64) = (40, 1);
const UNSETTABLE: &[((u64, u64), CK_RV)] = &[((37, 1), CKR_CONFIG_FAILS_DEPENDENCIES)];

/// Values to try of a policy that is a number.
fn values(id: u64, capability: u64) -> Vec<u64> {
    match id {
        20 => vec![1, 5, 10],
        25 => vec![241, 243, capability],
        26 => vec![16, 20, 255],
        _ => vec![0, 1],
    }
}

struct Partition {
    context: luna_client::Context,
    slot: luna_client::SlotId,
    session: Session,
    /// Last, so that it goes last.
    _instance: Instance,
}

impl Partition {
    fn up(profile: &str) -> Self {
        let instance = Instance::up(&["--profile", profile]);
        let context = instance.context();
        let slot = context.slots(true).unwrap()[0];
        let session = context.open_session(slot, luna_client::Access::ReadWrite).unwrap();
        Self { session, slot, context, _instance: instance }
    }

    fn policies(&self) -> Vec<(u64, u64)> {
        let all = self.context.token_policies(self.slot).unwrap();
        all.iter().map(|it| (it.id, it.value)).collect()
    }

    fn capability(&self, id: u64) -> u64 {
        let all = self.context.token_capabilities(self.slot).unwrap();
        all.iter().find(|it| it.id == id).unwrap().value
    }

    /// The Partition SO sets policies; nobody is logged in afterwards.
    fn set(&self, changes: &[(u64, u64)]) -> Result<()> {
        let _ = self.session.logout();
        self.session.login(UserType::PARTITION_SO, &Pin::from(PARTITION_SO)).unwrap();
        let changes: Vec<_> =
            changes.iter().map(|(id, value)| PolicyValue { id: *id, value: *value }).collect();
        let outcome = self.session.set_token_policies(self.slot, &changes);
        self.session.logout().unwrap();
        outcome
    }

    fn officer(&self) {
        self.session.login(UserType::CRYPTO_OFFICER, &Pin::from(CRYPTO_OFFICER)).unwrap();
    }

    /// Whether FIPS mode leaves a function of a mechanism.
    fn offers(&self, kind: CK_MECHANISM_TYPE, function: CK_FLAGS) -> bool {
        self.context.mechanism_info(self.slot, kind).is_ok_and(|it| it.flags & function != 0)
    }

    /// What is to be answered to an operation.
    fn wanted(&self, what: &str, needs: (CK_MECHANISM_TYPE, CK_FLAGS)) -> Rv {
        let policies = self.policies();
        let value = |id: u64| policies.iter().find(|(own, _)| *own == id).map(|(_, value)| *value);
        // What FIPS mode takes is in the profile, and shows in the list of mechanisms.
        if value(43) == Some(0) && !self.offers(needs.0, needs.1) {
            return Rv(CKR_MECHANISM_INVALID);
        }
        let mut facts = FACTS.iter().filter(|(operations, ..)| operations.contains(&what));
        let refused = facts.find(|(_, id, refused, _)| value(*id).is_some_and(refused));
        refused.map_or(Rv(CKR_OK), |(.., code)| Rv(*code))
    }
}

fn code(outcome: Result<()>) -> Rv {
    match outcome {
        Ok(()) => Rv(CKR_OK),
        Err(error) => error.rv().unwrap_or_else(|| panic!("{error}")),
    }
}

/// Runs every operation under the policies as they are now.
fn check(partition: &Partition, keys: &Keys, case: &str, wrong: &mut Vec<String>) -> usize {
    for (what, needs, operation) in OPERATIONS {
        let wanted = partition.wanted(what, *needs);
        let got = code(operation(&partition.session, keys));
        if got != wanted {
            wrong.push(format!("{case}: {what}: wanted {wanted:?}, got {got:?}"));
        }
    }
    OPERATIONS.len()
}

#[test]
fn every_policy_at_every_value() {
    let (mut cases, mut changes) = (0, 0);
    let mut shown = std::collections::BTreeSet::new();
    let mut wrong = Vec::new();
    for profile in PROFILES {
        let partition = Partition::up(profile);
        let defaults = partition.policies();
        for (id, _) in &defaults {
            shown.insert(*id);
            for value in values(*id, partition.capability(*id)) {
                let case = format!("{profile}, policy {id} = {value}");
                partition.set(&defaults).unwrap();
                partition.officer();
                let mut fresh = keys(&partition.session);
                let with = WITH.iter().filter(|(of, _)| *of == (*id, value)).map(|(_, it)| *it);
                let wanted: Vec<_> = with.chain([(*id, value)]).collect();
                let outcome = partition.set(&wanted);
                changes += 1;
                if let Some((_, code)) = UNSETTABLE.iter().find(|(of, _)| *of == (*id, value)) {
                    if !outcome.as_ref().is_err_and(|error| error.is(*code)) {
                        wrong.push(format!("{case}: {outcome:?}"));
                    }
                    continue;
                }
                outcome.unwrap_or_else(|error| panic!("{case}: {error}"));
                partition.officer();
                if (*id, value) == KEYS_WANT_SECRETS {
                    let made = code(made(&partition.session, &on(&[CKA_ENCRYPT])).map(drop));
                    if made != Rv(CKR_OH_AUTH_DATA_NOT_PROVIDED) {
                        wrong.push(format!("{case}: {made:?}"));
                    }
                    cases += 1;
                    continue;
                }
                // A destructive change took the keys with it.
                let left = partition.session.find(&[Attribute::label(LABEL)]).unwrap();
                if left.is_empty() {
                    fresh = keys(&partition.session);
                }
                cases += check(&partition, &fresh, &case, &mut wrong);
            }
        }
    }
    let (profiles, policies) = (PROFILES.len(), shown.len());
    luna_tests::told(&format!(
        "policies: {profiles} profiles, {policies} partition policies, {changes} changes, {cases} operations"
    ));
    assert!(wrong.is_empty(), "{} of {cases}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cases > 2000, "{cases}");
}

/// Policies 43 and 45 together: in FIPS mode of one partition a caller's hash is signed with 45 alone.
#[test]
fn hashes_of_the_callers_in_fips_mode() {
    let partition = Partition::up("luna-7.9.0");
    for (prehash, signs) in [(0, false), (1, true)] {
        partition.set(&[(43, 1), (45, 0)]).unwrap();
        partition.set(&[(43, 0), (45, prehash)]).unwrap();
        for kind in [CKM_ECDSA, CKM_RSA_PKCS, CKM_RSA_PKCS_PSS] {
            assert!(partition.offers(kind, CKF_VERIFY), "{kind:x}");
            assert_eq!(partition.offers(kind, CKF_SIGN), signs, "{kind:x} with 45 = {prehash}");
        }
    }
}
