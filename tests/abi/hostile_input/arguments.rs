//! Which words a function is called with.

use luna_ck::*;
use luna_tests::Seeded;

use super::arena::Arena;
use super::state::State;

/// What an argument is, in the words of the committed list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Shape {
    Session,
    Object,
    Slot,
    Number,
    Mechanism,
    Template,
    Bytes,
    Cell,
    Struct,
}

impl Shape {
    pub(super) fn named(word: &str) -> Self {
        match word {
            "session" => Self::Session,
            "object" => Self::Object,
            "slot" => Self::Slot,
            "number" => Self::Number,
            "mechanism" => Self::Mechanism,
            "template" => Self::Template,
            "bytes" => Self::Bytes,
            "cell" => Self::Cell,
            "struct" => Self::Struct,
            other => panic!("no shape {other}"),
        }
    }

    fn is_length_of(self, before: Option<Self>) -> bool {
        let counted = matches!(before, Some(Self::Bytes | Self::Template | Self::Struct));
        counted && matches!(self, Self::Number | Self::Cell)
    }
}

/// Numbers, and lengths: nothing between what fits an arena and what no call takes.
const NUMBERS: &[usize] = &[
    0,
    1,
    2,
    7,
    16,
    17,
    32,
    255,
    4096,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0010,
    1 << 63,
    usize::MAX - 7,
    usize::MAX,
];

const ATTRIBUTES: &[CK_ATTRIBUTE_TYPE] = &[
    CKA_CLASS,
    CKA_TOKEN,
    CKA_PRIVATE,
    CKA_LABEL,
    CKA_VALUE,
    CKA_VALUE_LEN,
    CKA_KEY_TYPE,
    CKA_ID,
    CKA_MODULUS_BITS,
    CKA_PUBLIC_EXPONENT,
    CKA_EC_PARAMS,
    CKA_START_DATE,
    CKA_UNWRAP_TEMPLATE,
    CKA_ALLOWED_MECHANISMS,
    0x4000_0000,
    CK_ATTRIBUTE_TYPE::MAX,
];

/// Without those that make RSA keys, which take long and are no different at this boundary.
const MECHANISMS: &[CK_MECHANISM_TYPE] = &[
    CKM_AES_KEY_GEN,
    CKM_AES_CBC,
    CKM_AES_CBC_PAD,
    CKM_AES_ECB,
    CKM_AES_CTR,
    CKM_AES_GCM,
    CKM_AES_CMAC,
    CKM_AES_KEY_WRAP,
    CKM_SHA256,
    CKM_SHA256_HMAC,
    CKM_SHA512_HMAC_GENERAL,
    CKM_RSA_PKCS,
    CKM_RSA_PKCS_OAEP,
    CKM_RSA_PKCS_PSS,
    CKM_SHA256_RSA_PKCS_PSS,
    CKM_EC_KEY_PAIR_GEN,
    CKM_ECDSA,
    CKM_ECDH1_DERIVE,
    CKM_GENERIC_SECRET_KEY_GEN,
    CK_MECHANISM_TYPE::MAX,
];

/// Bytes of a list with the longest count that is not absurd, of the largest structures that are listed.
const LIST: usize = 4096 * size_of::<CK_OBJECT_MIGRATION_DATA>();

/// Ways of being wrong for an argument on its own; see [`Arguments::word`].
const WAYS: usize = 16;

/// One arena an argument, and one for what structures point to.
pub(super) struct Arguments {
    arenas: Vec<Arena>,
    inner: Arena,
    chance: Seeded,
}

impl Arguments {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            arenas: (0..20).map(|_| Arena::new()).collect(),
            inner: Arena::new(),
            chance: Seeded::from(seed),
        }
    }

    /// Rounds in which one argument is wrong and the others are right, four in which all are wrong alike, and
    /// one in which all are right.
    pub(super) fn rounds(&self, shapes: &[Shape]) -> usize {
        shapes.len() * WAYS + 5
    }

    /// The words of a round; rounds from [`Arguments::rounds`] on are by chance.
    pub(super) fn choose(&mut self, shapes: &[Shape], round: usize, state: &State) -> Vec<usize> {
        let alike = shapes.len() * WAYS;
        let mut words = Vec::with_capacity(shapes.len());
        // The length that the argument before was given.
        let mut lengths = Vec::with_capacity(shapes.len());
        for (at, shape) in shapes.iter().enumerate() {
            let way = match round {
                round if round < alike && round / WAYS == at => Some(round % WAYS),
                round if round < alike => None,
                round if round < alike + 4 => Some([0, 1, WAYS - 1, WAYS - 2][round - alike]),
                round if round == alike + 4 => None,
                _ if self.chance.below(3) == 0 => None,
                _ => Some(self.chance.below(WAYS as u64) as usize),
            };
            let next = shapes.get(at + 1);
            let length = next.filter(|next| next.is_length_of(Some(*shape))).map(|_| {
                let way = match round {
                    round if round < alike && round / WAYS == at + 1 => Some(round % WAYS),
                    round if round < alike || round == alike + 4 => None,
                    _ => Some(self.chance.below(WAYS as u64) as usize),
                };
                // One attribute: sixteen would be the same one sixteen times.
                way.map_or(if *shape == Shape::Template { 1 } else { 16 }, |way| {
                    NUMBERS[way % NUMBERS.len()]
                })
            });
            let given = if at == 0 { None } else { lengths[at - 1] };
            words.push(self.word(at, *shape, way, length, given, state));
            lengths.push(length);
        }
        words
    }

    /// One word: as it should be (`way` is none), or wrong in one of the [`WAYS`].
    fn word(
        &mut self,
        at: usize,
        shape: Shape,
        way: Option<usize>,
        length: Option<usize>,
        given: Option<usize>,
        state: &State,
    ) -> usize {
        let handle = |good: CK_ULONG, stale: CK_ULONG| {
            let good = good as usize;
            let high = (1 << 32) | good;
            let wrong = [0, stale as usize, high, usize::MAX, good.wrapping_add(1), 1 << 63];
            way.map_or(good, |way| wrong[way % wrong.len()])
        };
        match shape {
            Shape::Session => handle(state.session, state.stale_session),
            Shape::Object => handle(state.key, state.stale_key),
            Shape::Slot => handle(*state.slots.last().unwrap(), 99),
            Shape::Number => match given {
                Some(given) => given,
                None => way.map_or(0, |way| NUMBERS[way % NUMBERS.len()]),
            },
            Shape::Cell => self.cell(at, way, given),
            Shape::Bytes => self.bytes(at, way, length),
            Shape::Struct => self.structure(at, way, length),
            Shape::Mechanism => self.mechanism(at, way),
            Shape::Template => self.template(at, way, length),
        }
    }

    /// A length, exactly; or where a list of numbers may go.
    fn cell(&mut self, at: usize, way: Option<usize>, given: Option<usize>) -> usize {
        if way == Some(0) {
            return 0;
        }
        let odd = usize::from(way.is_some_and(|way| way % 2 == 1));
        let room = if given.is_some() { size_of::<CK_ULONG>() } else { LIST };
        let address = self.arenas[at].ending(room + odd);
        let value = given.unwrap_or_else(|| way.map_or(16, |way| NUMBERS[way % NUMBERS.len()]));
        self.arenas[at].put(address, value as CK_ULONG);
        address
    }

    /// Octets that end where the arena does.
    fn bytes(&mut self, at: usize, way: Option<usize>, length: Option<usize>) -> usize {
        if way == Some(0) {
            return 0;
        }
        let arena = &self.arenas[at];
        arena.fill([0, 0xff, b'a', 0x30][way.unwrap_or(2) % 4]);
        // Without a length of its own it is a fixed field or a text.
        let address = arena.ending(length.unwrap_or(64));
        if length.is_none() {
            arena.put(address + 63, 0_u8);
        }
        address
    }

    /// Room for any structure, and for a list of as many words as a count that is not absurd.
    fn structure(&mut self, at: usize, way: Option<usize>, length: Option<usize>) -> usize {
        if way == Some(0) {
            return 0;
        }
        let arena = &self.arenas[at];
        // Zeroes only: a structure may hold pointers, and these may not be wild.
        arena.fill(0);
        let odd = usize::from(way.is_some_and(|way| way % 2 == 1));
        let room = length.map_or(LIST, |length| {
            // What is counted is words; the largest structure has under 2 KiB.
            length.saturating_mul(size_of::<CK_ULONG>()).max(2048)
        });
        arena.ending(room.saturating_add(odd))
    }

    fn mechanism(&mut self, at: usize, way: Option<usize>) -> usize {
        if way == Some(0) {
            return 0;
        }
        let kind = *self.chance.of(MECHANISMS);
        let (parameter, len) = match way {
            None => (self.inner.ending(16), 16),
            Some(1) => (0, 0),
            Some(2) => (0, 16),
            Some(3) => (self.inner.ending(16), usize::MAX),
            Some(4) => (self.inner.ending(0), 0),
            Some(5) => (self.inner.ending(7), 7),
            Some(6) => (self.inner.ending(16), 1 << 32),
            Some(way) => {
                let len = [1, 4, 8, 16, 24, 32, 40, 48, 56, 64][way % 10];
                (self.parameter(len), len)
            }
        };
        let odd = usize::from(way.is_some_and(|way| way % 2 == 1));
        let address = self.arenas[at].ending(size_of::<CK_MECHANISM>() + odd);
        let mechanism = CK_MECHANISM {
            mechanism: if way.is_none() { CKM_AES_CBC_PAD } else { kind },
            pParameter: parameter as CK_VOID_PTR,
            ulParameterLen: len as CK_ULONG,
        };
        self.arenas[at].put(address, mechanism);
        address
    }

    /// A parameter as a run of words, each of them null or a pointer into the arena, whatever shape the
    /// mechanism gives them.
    fn parameter(&mut self, len: usize) -> usize {
        let address = self.inner.ending(len);
        self.inner.fill(0);
        let null = self.chance.below(2) == 0;
        for offset in (0..len / 8).map(|word| word * 8) {
            // Taken for a length, a pointer is absurd; another number, taken for a pointer, would be wild.
            let pointer = if null { 0 } else { self.inner.ending(4096) };
            let value = if self.chance.below(2) == 0 { pointer } else { 0 };
            self.inner.put(address + offset, value);
        }
        address
    }

    /// A whole array behind any count that a template may have; the first attributes are wrong.
    fn template(&mut self, at: usize, way: Option<usize>, count: Option<usize>) -> usize {
        if way == Some(0) {
            return 0;
        }
        let count = count.unwrap_or(1).min(1024);
        let size = size_of::<CK_ATTRIBUTE>();
        let odd = usize::from(way.is_some_and(|way| way % 2 == 1));
        let address = self.arenas[at].ending(count * size + odd);
        self.inner.fill(0);
        for index in 0..count {
            let attribute = match way {
                None => self.attribute(CKA_LABEL, 3),
                Some(way) => {
                    let kind = *self.chance.of(ATTRIBUTES);
                    self.attribute(kind, way)
                }
            };
            self.arenas[at].put(address + index * size, attribute);
        }
        address
    }

    fn attribute(&self, kind: CK_ATTRIBUTE_TYPE, way: usize) -> CK_ATTRIBUTE {
        let (value, len) = match way % 8 {
            0 => (0, 0),
            1 => (0, 8),
            2 => (self.inner.ending(1), 1),
            3 => (self.inner.ending(8), 8),
            // As room for an answer these two are too much, but there is more than any answer needs.
            4 => (self.inner.ending(8192), usize::MAX),
            5 => (self.inner.ending(8192), 1 << 32),
            6 => (self.inner.ending(4), 4),
            _ => (self.inner.ending(4096), 4096),
        };
        CK_ATTRIBUTE { type_: kind, pValue: value as CK_VOID_PTR, ulValueLen: len as CK_ULONG }
    }
}
