//! Mechanism parameters and templates that are wrong deep inside: structures with nulls that have a length, lengths
//! that overflow or that no memory holds, structures of another size, templates inside themselves.
//!
//! Every mechanism of the token is asked for by every function that takes one. As in the rest of this theme a
//! pointer is null or points to memory of ours; what no structure is known for is given bytes by chance.

use std::ptr;

use luna_ck::*;
use luna_client::{Attribute, Mechanism, Module};
use luna_tests::{Instance, Seeded};

use super::arena::Arena;
use super::state::{Stage, State};
use super::{Journal, call};

/// So much more memory than it has a child may not take: far above what it needs, far below what a wrong length
/// asks for.
const MEMORY: u64 = 512 << 20;

/// A piece of a structure.
#[derive(Clone, Copy, PartialEq)]
enum Field {
    /// A pointer to bytes; their length stands in another field.
    Pointer,
    /// The length of such bytes.
    Length,
    /// Any other number.
    Number,
    /// Sixteen bytes in the structure itself.
    Block,
    /// A place for results: null, or as long as any structure of them. What stands there is wild where it
    /// should be pointers, and nobody gets as far as following them: no key here is a secret of SSL.
    Place,
}

use Field::{Block, Length, Number, Place, Pointer};

/// Structures of the standard and of the vendor, as they lie in memory.
const STRUCTURES: &[&[Field]] = &[
    &[Number],
    &[Number, Number],
    &[Block],
    &[Number, Block],
    &[Pointer, Length],
    &[Number, Number, Number],
    &[Number, Length, Pointer],
    &[Block, Pointer, Length],
    &[Number, Number, Number, Pointer, Length],
    &[Number, Length, Pointer, Length, Pointer],
    &[Pointer, Length, Pointer, Length, Number],
    &[Pointer, Length, Number, Pointer, Length, Number],
    &[Length, Pointer, Length, Pointer, Length, Number],
    &[Number, Pointer, Length, Pointer, Length, Number, Number],
    &[Number, Pointer, Length, Number, Number, Pointer, Length, Pointer, Length],
    &[Pointer, Length, Pointer, Length, Place],
    &[Number, Number, Number, Number, Pointer, Length, Pointer, Length, Place],
    &[Place, Pointer, Length, Pointer, Length, Number],
    &[Number, Number, Place, Number, Number, Pointer, Length, Pointer, Length, Number],
];

/// Those of a mechanism that is known to have one. A number in the place of a pointer would be wild, so the others
/// get runs of nulls and pointers only.
fn structures(kind: CK_MECHANISM_TYPE) -> Vec<&'static [Field]> {
    let of = |sizes: &[usize]| sizes.iter().map(|at| STRUCTURES[*at]).collect();
    match kind {
        CKM_AES_GCM | CKM_AES_GMAC => of(&[10, 11]),
        CKM_AES_CTR => of(&[3]),
        CKM_RSA_PKCS_OAEP => of(&[8]),
        CKM_ECDH1_DERIVE | CKM_ECDH1_COFACTOR_DERIVE => of(&[9]),
        CKM_AES_ECB_ENCRYPT_DATA => of(&[4]),
        CKM_AES_CBC_ENCRYPT_DATA => of(&[7]),
        CKM_AES_CCM => of(&[12]),
        CKM_AES_XTS => of(&[3]),
        CKM_EDDSA => of(&[6]),
        CKM_PKCS5_PBKD2 => of(&[14]),
        CKM_KEY_TRANSLATE => of(&[18]),
        CKM_SSL3_MASTER_KEY_DERIVE => of(&[15]),
        CKM_SSL3_KEY_AND_MAC_DERIVE => of(&[16]),
        _ => {
            let name = names::ckm(kind);
            match () {
                () if name.contains("ENCRYPT_DATA") => of(&[]),
                () if name.contains("_DUKPT_") => of(&[4]),
                () if name.contains("EDDSA") => of(&[6]),
                () if name.contains("_PBE_") => of(&[17]),
                () if name.contains("_PSS") => of(&[5]),
                () if name.contains("_GENERAL") => of(&[0]),
                () if ["_CBC", "_CFB", "_OFB"].iter().any(|mode| name.contains(mode)) => of(&[2]),
                () if name.contains("_HMAC") || name.contains("_ECB") => of(&[0, 2]),
                () => of(&[0]),
            }
        }
    }
}

const LENGTHS: &[usize] = &[
    0,
    1,
    12,
    16,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0010,
    1 << 61,
    1 << 63,
    usize::MAX - 7,
    usize::MAX,
];

/// So many of them begin the list and may be right.
const SANE: usize = 4;

const FUNCTIONS: &[&str] = &[
    "C_EncryptInit",
    "C_DecryptInit",
    "C_SignInit",
    "C_VerifyInit",
    "C_DigestInit",
    "C_WrapKey",
    "C_UnwrapKey",
    "C_DeriveKey",
    "C_GenerateKey",
    "C_GenerateKeyPair",
];

/// What any of the functions may answer to this, by PKCS#11 v2.40 and its general codes for arguments.
const ANSWERS: &[CK_RV] = &[
    CKR_OK,
    CKR_ARGUMENTS_BAD,
    CKR_ATTRIBUTE_READ_ONLY,
    CKR_ATTRIBUTE_SENSITIVE,
    CKR_ATTRIBUTE_TYPE_INVALID,
    CKR_ATTRIBUTE_VALUE_INVALID,
    CKR_BUFFER_TOO_SMALL,
    CKR_DATA_INVALID,
    CKR_DATA_LEN_RANGE,
    CKR_DOMAIN_PARAMS_INVALID,
    CKR_ENCRYPTED_DATA_INVALID,
    CKR_ENCRYPTED_DATA_LEN_RANGE,
    CKR_FUNCTION_NOT_SUPPORTED,
    CKR_KEY_FUNCTION_NOT_PERMITTED,
    CKR_KEY_HANDLE_INVALID,
    CKR_KEY_NOT_WRAPPABLE,
    CKR_KEY_SIZE_RANGE,
    CKR_KEY_TYPE_INCONSISTENT,
    CKR_KEY_UNEXTRACTABLE,
    CKR_MECHANISM_INVALID,
    CKR_MECHANISM_PARAM_INVALID,
    CKR_OPERATION_ACTIVE,
    CKR_TEMPLATE_INCOMPLETE,
    CKR_TEMPLATE_INCONSISTENT,
    CKR_UNWRAPPING_KEY_HANDLE_INVALID,
    CKR_UNWRAPPING_KEY_SIZE_RANGE,
    CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT,
    CKR_WRAPPED_KEY_INVALID,
    CKR_WRAPPED_KEY_LEN_RANGE,
    CKR_WRAPPING_KEY_HANDLE_INVALID,
    CKR_WRAPPING_KEY_SIZE_RANGE,
    CKR_WRAPPING_KEY_TYPE_INCONSISTENT,
    CKR_ECC_POINT_INVALID,
    CKR_CURVE_NOT_SUPPORTED,
];

#[track_caller]
fn survives(options: &[&str]) {
    let instance = Instance::up(&[options, &["--ha", "LUNAHA=OKV,OKV"]].concat());
    let journal = instance.directory().join("last-call");
    let seed = Seeded::new().number().to_string();
    let words = [journal.to_str().unwrap(), instance.module().to_str().unwrap(), &seed];
    let child = luna_tests::child::Child::start("hostile parameters", &words, &instance);
    let ended = child.within(4 * luna_tests::HANG).end();
    let last = std::fs::read_to_string(&journal).unwrap_or_default();
    assert!(
        ended.status.success(),
        "the process ended with {} in\n  {}\n{:#?}\n{}",
        ended.status,
        last.trim_end(),
        ended.said,
        ended.errors
    );
    println!("{:?}", ended.said);
    assert!(ended.said.iter().any(|line| line.starts_with("calls ")), "{:?}", ended.said);
}

#[test]
fn parameters() {
    survives(&[]);
}

#[test]
fn parameters_of_the_newest_firmware() {
    survives(&["--profile", "luna-7.9.0"]);
}

#[test]
fn parameters_in_fips_mode() {
    survives(&["--fips", "on"]);
}

/// The child.
pub(crate) fn application(words: &[String]) {
    let [journal, module, seed] = words else { panic!("{words:?}") };
    let mut module_state = State::new(&Module::load(module).unwrap(), Stage::LoggedIn);
    module_state.restore(false);
    let module = Module::load(module).unwrap();
    let slot = *module_state.slots.last().unwrap();
    let mut hostile = Hostile {
        keys: keys(&module, module_state.session),
        session: module_state.session as usize,
        journal: Journal::new(journal.as_ref()),
        chance: Seeded::from(seed.parse().unwrap()),
        parameter: Arena::new(),
        inner: Arena::new(),
        mechanism: Arena::new(),
        out: Arena::new(),
        calls: 0,
        accepted: 0,
        module,
    };
    let most = address_space() + MEMORY;
    let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
    // SAFETY: it reads one structure, and this process is a child of ours.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) }, 0);
    for kind in mechanisms(&hostile.module, slot) {
        hostile.ask_for(kind);
    }
    hostile.templates();
    assert!(hostile.accepted > 100, "{} calls were taken: all was refused", hostile.accepted);
    luna_tests::child::say(&format!("calls {}, taken {}", hostile.calls, hostile.accepted));
}

/// Bytes of address space this process has now.
fn address_space() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').next().unwrap().parse::<u64>().unwrap() * 4096
}

fn mechanisms(module: &Module, slot: CK_SLOT_ID) -> Vec<CK_MECHANISM_TYPE> {
    let function = module.raw().functions().list.C_GetMechanismList.unwrap();
    let mut count = 0;
    // SAFETY: a place for the count, and then room for as many.
    assert_eq!(unsafe { function(slot, ptr::null_mut(), &raw mut count) }, CKR_OK);
    let mut kinds = vec![0; count as usize];
    // SAFETY: as above.
    assert_eq!(unsafe { function(slot, kinds.as_mut_ptr(), &raw mut count) }, CKR_OK);
    // Those that make RSA and other large keys take long, and take no parameter.
    kinds.retain(|kind| !names::ckm(*kind).contains("_KEY_PAIR_GEN"));
    kinds
}

/// A key of each type, for every use: a parameter is looked at more closely once its key fits.
fn keys(module: &Module, session: CK_SESSION_HANDLE) -> Vec<usize> {
    let raw = module.raw();
    let exact = raw.exact();
    let uses = |kinds: &[CK_ATTRIBUTE_TYPE]| -> Vec<_> {
        kinds.iter().map(|kind| Attribute::bool(*kind, true)).collect()
    };
    let all = [CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY, CKA_WRAP, CKA_UNWRAP, CKA_DERIVE];
    let mut made = Vec::new();
    for kind in [CKM_AES_KEY_GEN, CKM_GENERIC_SECRET_KEY_GEN] {
        let mut template = uses(&all);
        template
            .extend([Attribute::ulong(CKA_VALUE_LEN, 32), Attribute::bool(CKA_EXTRACTABLE, true)]);
        let made_one = exact.generate_key(session, &Mechanism::Plain(kind), &template).unwrap();
        assert_eq!(made_one.0, CKR_OK, "{}", names::ckm(kind));
        made.push(made_one.1 as usize);
    }
    let curve = Attribute::bytes(CKA_EC_PARAMS, [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7]);
    let size = Attribute::ulong(CKA_MODULUS_BITS, 2048);
    for (kind, what) in
        [(CKM_EC_KEY_PAIR_GEN, curve), (CKM_RSA_FIPS_186_3_AUX_PRIME_KEY_PAIR_GEN, size)]
    {
        let mut public = uses(&[CKA_ENCRYPT, CKA_VERIFY, CKA_WRAP]);
        public.push(what);
        let private = uses(&[CKA_DECRYPT, CKA_SIGN, CKA_UNWRAP, CKA_DERIVE]);
        let kind = Mechanism::Plain(kind);
        let (rv, pair) = exact.generate_key_pair(session, &kind, &public, &private).unwrap();
        assert_eq!(rv, CKR_OK, "{kind:?}: {}", names::ckr(rv));
        made.extend(pair.map(|handle| handle as usize));
    }
    made
}

struct Hostile {
    module: Module,
    session: usize,
    keys: Vec<usize>,
    journal: Journal,
    chance: Seeded,
    parameter: Arena,
    inner: Arena,
    mechanism: Arena,
    out: Arena,
    calls: usize,
    accepted: usize,
}

impl Hostile {
    /// Every function, with a parameter of every wrong form.
    fn ask_for(&mut self, kind: CK_MECHANISM_TYPE) {
        for len in 0..=64 {
            // As long as a structure that may hold pointers, it holds none that is wild.
            let at = if len > 8 && len % 8 == 0 { self.words(len) } else { self.bytes(len) };
            self.each_function(kind, at, len, 1);
        }
        for (at, len) in [(0, 16), (0, usize::MAX), (self.parameter.ending(0), 1 << 32)] {
            self.each_function(kind, at, len, 1);
        }
        for fields in structures(kind) {
            let whole = size(fields);
            for round in 0..24 {
                let at = self.structure(fields, whole, round);
                self.each_function(kind, at, whole, self.keys.len());
            }
            // One byte more or less than the structure.
            for len in [whole - 1, whole + 1] {
                let at = self.structure(fields, len, 1);
                self.each_function(kind, at, len, 1);
            }
        }
    }

    /// Nulls and pointers: taken for a length, a pointer is absurd.
    fn words(&mut self, len: usize) -> usize {
        let at = self.parameter.ending(len);
        for offset in (0..len).step_by(8) {
            let word = [0, self.inner.ending(4096)][self.chance.below(2) as usize];
            self.parameter.put(at + offset, word);
        }
        at
    }

    fn bytes(&mut self, len: usize) -> usize {
        let at = self.parameter.ending(len);
        for offset in 0..len {
            let byte = self.chance.below(256) as u8;
            self.parameter.put(at + offset, byte);
        }
        at
    }

    /// A structure cut to or padded to so many bytes; an odd round leaves it unaligned.
    fn structure(&mut self, fields: &[Field], len: usize, round: usize) -> usize {
        self.inner.fill(0x30);
        self.parameter.fill(0);
        // Half of them sane, so that what is wrong beside them is reached.
        let mut length = |_| match self.chance.below(2) {
            0 => *self.chance.of(&LENGTHS[..SANE]),
            _ => *self.chance.of(LENGTHS),
        };
        let lengths: Vec<usize> = fields.iter().map(&mut length).collect();
        let mut bytes = Vec::new();
        for (place, field) in fields.iter().enumerate() {
            let word = match field {
                Block => {
                    bytes.extend([round as u8; 16]);
                    continue;
                }
                Length => lengths[place],
                Number => [0, 1, 2, 128, CKM_SHA256 as usize, 96, lengths[place]][round % 7],
                Pointer | Place if self.chance.below(3) == 0 => 0,
                Place => self.inner.ending(64),
                // It is as long as either field beside it says, where that is no absurdity.
                Pointer => {
                    let beside = [place.wrapping_sub(1), place + 1];
                    let longest = beside
                        .iter()
                        .filter(|place| fields.get(**place) == Some(&Length))
                        .map(|place| lengths[*place])
                        .filter(|len| *len <= 4096)
                        .max();
                    self.inner.ending(longest.unwrap_or(16))
                }
            };
            bytes.extend(word.to_ne_bytes());
        }
        bytes.resize(len, 0);
        let at = self.parameter.ending(len) - round % 2;
        for (offset, byte) in bytes.iter().enumerate() {
            self.parameter.put(at + offset, *byte);
        }
        at
    }

    fn each_function(&mut self, kind: CK_MECHANISM_TYPE, at: usize, len: usize, keys: usize) {
        let mechanism = CK_MECHANISM {
            mechanism: kind,
            pParameter: at as CK_VOID_PTR,
            ulParameterLen: len as CK_ULONG,
        };
        let place = self.mechanism.ending(size_of::<CK_MECHANISM>() + len % 2);
        self.mechanism.put(place, mechanism);
        for name in FUNCTIONS {
            for number in 0..keys {
                let key = match keys {
                    1 => *self.chance.of(&self.keys),
                    _ => self.keys[number],
                };
                self.one(name, place, key);
            }
        }
    }

    fn one(&mut self, name: &'static str, mechanism: usize, key: usize) {
        let (session, handle) = (self.session, self.out.ending(8));
        let (buffer, len) = (self.out.ending(4096), self.out.ending(16));
        self.out.put(len, 2048 as CK_ULONG);
        let words: Vec<usize> = match name {
            "C_DigestInit" => vec![session, mechanism],
            "C_WrapKey" => vec![session, mechanism, key, self.keys[0], buffer, len],
            "C_UnwrapKey" => vec![session, mechanism, key, buffer, 40, 0, 0, handle],
            "C_DeriveKey" => vec![session, mechanism, key, 0, 0, handle],
            "C_GenerateKey" => vec![session, mechanism, 0, 0, handle],
            "C_GenerateKeyPair" => vec![session, mechanism, 0, 0, 0, 0, handle, handle],
            _ => vec![session, mechanism, key],
        };
        let rv = self.call(name, &words);
        if rv != CKR_OK {
            return;
        }
        self.accepted += 1;
        // What was begun is carried out, so that the parameter is used, and ended.
        let single = match name {
            "C_EncryptInit" => "C_Encrypt",
            "C_DecryptInit" => "C_Decrypt",
            "C_SignInit" => "C_Sign",
            "C_DigestInit" => "C_Digest",
            "C_VerifyInit" => {
                self.call("C_Verify", &[session, buffer, 32, buffer, 64]);
                return;
            }
            _ => return,
        };
        self.call(single, &[session, buffer, 32, buffer, len]);
        self.call(single, &[session, buffer, 32, buffer, 0]);
    }

    fn call(&mut self, name: &'static str, words: &[usize]) -> CK_RV {
        self.journal.note(name, words);
        let rv = call(&self.module, name, words);
        self.calls += 1;
        let ends = [CKR_OPERATION_NOT_INITIALIZED, CKR_SIGNATURE_INVALID, CKR_SIGNATURE_LEN_RANGE];
        let known = ANSWERS.contains(&rv) || (!name.ends_with("Init") && ends.contains(&rv));
        assert!(known, "{name}{words:x?} answers {}", names::ckr(rv));
        rv
    }

    /// Templates that hold themselves, that go a thousand deep, and counts that multiply to little.
    fn templates(&mut self) {
        let size = size_of::<CK_ATTRIBUTE>();
        let attribute = |kind, at: usize, len: usize| CK_ATTRIBUTE {
            type_: kind,
            pValue: at as CK_VOID_PTR,
            ulValueLen: len as CK_ULONG,
        };
        for kind in [CKA_WRAP_TEMPLATE, CKA_UNWRAP_TEMPLATE, CKA_DERIVE_TEMPLATE] {
            let itself = self.inner.ending(size);
            self.inner.put(itself, attribute(kind, itself, size));
            self.each_template(itself, 1);

            let first = self.inner.ending(1000 * size);
            for level in 0..1000 {
                let at = first + level * size;
                let next = if level == 999 { 0 } else { at + size };
                let len = if level == 999 { 0 } else { size };
                self.inner.put(at, attribute(kind, next, len));
            }
            self.each_template(first, 1);
            self.each_template(first, 500);

            for len in [1, size - 1, size + 1, 1 << 32, 1 << 61, (1 << 61) * 3, usize::MAX] {
                let one = self.inner.ending(2 * size);
                self.inner.put(one, attribute(kind, one, len));
                self.inner.put(one + size, attribute(CKA_LABEL, one, 1));
                self.each_template(one, 1);
            }
        }
        let one = self.inner.ending(size);
        self.inner.put(one, attribute(CKA_LABEL, one, 1));
        // 24 times these are 0, 8 and little more, modulo 2^64.
        let wrapped = (usize::MAX / 3) + 1;
        for count in [1 << 32, 1 << 61, 1 << 60, wrapped, 1 << 63, usize::MAX, usize::MAX / size] {
            self.each_template(one, count);
        }
    }

    fn each_template(&mut self, at: usize, count: usize) {
        let (session, key, handle) = (self.session, self.keys[0], self.out.ending(8));
        let mechanism = self.mechanism.ending(size_of::<CK_MECHANISM>());
        self.mechanism.put(
            mechanism,
            CK_MECHANISM {
                mechanism: CKM_AES_KEY_GEN,
                pParameter: ptr::null_mut(),
                ulParameterLen: 0,
            },
        );
        self.call("C_CreateObject", &[session, at, count, handle]);
        self.call("C_GenerateKey", &[session, mechanism, at, count, handle]);
        self.call("C_CopyObject", &[session, key, at, count, handle]);
        self.call("C_SetAttributeValue", &[session, key, at, count]);
        if self.call("C_FindObjectsInit", &[session, at, count]) == CKR_OK {
            self.call("C_FindObjectsFinal", &[session]);
        }
        self.call("C_GetAttributeValue", &[session, key, at, count]);
    }
}

fn size(fields: &[Field]) -> usize {
    fields.iter().map(|field| if *field == Block { 16 } else { 8 }).sum()
}
