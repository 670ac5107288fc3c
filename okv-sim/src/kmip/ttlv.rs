//! Tag, type, length, value: the encoding of KMIP messages (the standard, section 9.1).
//!
//! Whoever decodes has all the bytes already, so no length field makes anybody take memory; depth and number of items
//! are bounded as well. What the standard leaves no choice in is checked: padding, lengths of fixed types, the two
//! booleans. So what was decoded is encoded to the same bytes.

use std::fmt;

use zeroize::Zeroizing;

/// How deep structures may lie in each other. A request needs eight.
pub(crate) const DEEPEST: usize = 16;

/// How many items a message may have.
pub(crate) const MOST_ITEMS: usize = 10_000;

/// Bytes before a value: tag (3), type (1), length (4).
pub(crate) const HEADER: usize = 8;

/// Bytes that may be a secret.
pub(crate) type Bytes = Zeroizing<Vec<u8>>;

/// One tagged value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) tag: u32,
    pub(crate) value: Value,
}

/// A value of one of the ten types.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Structure(Vec<Item>),
    Integer(i32),
    LongInteger(i64),
    /// Two's complement, big-endian, a multiple of eight bytes.
    BigInteger(Bytes),
    Enumeration(u32),
    Boolean(bool),
    Text(String),
    Bytes(Bytes),
    /// Seconds since 1970, UTC.
    DateTime(i64),
    /// Seconds.
    Interval(u32),
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Structure(items) => f.debug_list().entries(items).finish(),
            Self::Integer(it) => write!(f, "Integer({it})"),
            Self::LongInteger(it) => write!(f, "LongInteger({it})"),
            Self::Enumeration(it) => write!(f, "Enumeration(0x{it:x})"),
            Self::Boolean(it) => write!(f, "Boolean({it})"),
            Self::Text(it) => write!(f, "Text({it:?})"),
            Self::DateTime(it) => write!(f, "DateTime({it})"),
            Self::Interval(it) => write!(f, "Interval({it})"),
            // It may be a key.
            Self::BigInteger(it) | Self::Bytes(it) => write!(f, "{} bytes", it.len()),
        }
    }
}

/// Why bytes are no message, in words for whoever sent them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) String);

type Result<T> = std::result::Result<T, Malformed>;

fn malformed<T>(what: impl Into<String>) -> Result<T> {
    Err(Malformed(what.into()))
}

/// What the first eight bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) tag: u32,
    pub(crate) kind: u8,
    /// Without padding.
    pub(crate) length: usize,
}

impl Header {
    pub(crate) fn read(bytes: [u8; HEADER]) -> Self {
        let [a, b, c, kind, l0, l1, l2, l3] = bytes;
        let length = u32::from_be_bytes([l0, l1, l2, l3]);
        Self {
            tag: u32::from_be_bytes([0, a, b, c]),
            kind,
            length: usize::try_from(length).unwrap_or(usize::MAX),
        }
    }
}

impl Value {
    const fn kind(&self) -> u8 {
        match self {
            Self::Structure(_) => 1,
            Self::Integer(_) => 2,
            Self::LongInteger(_) => 3,
            Self::BigInteger(_) => 4,
            Self::Enumeration(_) => 5,
            Self::Boolean(_) => 6,
            Self::Text(_) => 7,
            Self::Bytes(_) => 8,
            Self::DateTime(_) => 9,
            Self::Interval(_) => 10,
        }
    }

    /// Without padding.
    fn length(&self) -> usize {
        match self {
            Self::Structure(items) => items.iter().map(Item::encoded_length).sum(),
            Self::Integer(_) | Self::Enumeration(_) | Self::Interval(_) => 4,
            Self::LongInteger(_) | Self::Boolean(_) | Self::DateTime(_) => 8,
            Self::Text(text) => text.len(),
            Self::BigInteger(bytes) | Self::Bytes(bytes) => bytes.len(),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Structure(items) => items.iter().for_each(|item| item.write(out)),
            Self::Integer(it) => out.extend(it.to_be_bytes()),
            Self::Enumeration(it) | Self::Interval(it) => out.extend(it.to_be_bytes()),
            Self::LongInteger(it) | Self::DateTime(it) => out.extend(it.to_be_bytes()),
            Self::Boolean(it) => out.extend(u64::from(*it).to_be_bytes()),
            Self::Text(text) => out.extend(text.as_bytes()),
            Self::BigInteger(bytes) | Self::Bytes(bytes) => out.extend(bytes.iter()),
        }
    }
}

const fn padding(length: usize) -> usize {
    length.wrapping_neg() % 8
}

impl Item {
    pub(crate) const fn new(tag: u32, value: Value) -> Self {
        Self { tag, value }
    }

    pub(crate) const fn structure(tag: u32, items: Vec<Self>) -> Self {
        Self::new(tag, Value::Structure(items))
    }

    pub(crate) const fn integer(tag: u32, value: i32) -> Self {
        Self::new(tag, Value::Integer(value))
    }

    pub(crate) const fn enumeration(tag: u32, value: u32) -> Self {
        Self::new(tag, Value::Enumeration(value))
    }

    pub(crate) fn text(tag: u32, value: impl Into<String>) -> Self {
        Self::new(tag, Value::Text(value.into()))
    }

    pub(crate) fn bytes(tag: u32, value: &[u8]) -> Self {
        Self::new(tag, Value::Bytes(Zeroizing::new(value.to_vec())))
    }

    pub(crate) const fn date_time(tag: u32, value: i64) -> Self {
        Self::new(tag, Value::DateTime(value))
    }

    /// With header and padding.
    pub(crate) fn encoded_length(&self) -> usize {
        let length = self.value.length();
        HEADER + length + padding(length)
    }

    fn write(&self, out: &mut Vec<u8>) {
        let [_, a, b, c] = self.tag.to_be_bytes();
        out.extend([a, b, c, self.value.kind()]);
        let length = self.value.length();
        // A message is bounded long before.
        out.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        self.value.write(out);
        out.extend(std::iter::repeat_n(0, padding(length)));
    }

    /// The bytes of this item. Room is taken once, so that no secret stays behind where the bytes grew out of.
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = Zeroizing::new(Vec::with_capacity(self.encoded_length()));
        self.write(&mut out);
        out
    }

    /// The one item that these bytes are.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader { rest: bytes, items: 0 };
        let item = reader.item(0)?;
        if reader.rest.is_empty() {
            Ok(item)
        } else {
            malformed("there are bytes after the message")
        }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    items: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize, what: &str) -> Result<&'a [u8]> {
        let Some((taken, rest)) = self.rest.split_at_checked(length) else {
            return malformed(format!("{what} is longer than what it lies in"));
        };
        self.rest = rest;
        Ok(taken)
    }

    fn item(&mut self, depth: usize) -> Result<Item> {
        self.items += 1;
        if self.items > MOST_ITEMS {
            return malformed(format!("more than {MOST_ITEMS} items"));
        }
        let header = self.take(HEADER, "a header")?;
        let Ok(header) = header.try_into() else { return malformed("a header is cut short") };
        let Header { tag, kind, length } = Header::read(header);
        let here = format!("the item with tag {tag:06x}");
        if kind == 1 {
            if depth >= DEEPEST {
                return malformed(format!("{here}: structures lie more than {DEEPEST} deep"));
            }
            let inside = self.take(length, &here)?;
            let outside = std::mem::replace(&mut self.rest, inside);
            let mut items = Vec::new();
            while !self.rest.is_empty() {
                items.push(self.item(depth + 1)?);
            }
            self.rest = outside;
            return Ok(Item::structure(tag, items));
        }
        let bytes = self.take(length, &here)?;
        let value =
            primitive(kind, bytes).map_err(|Malformed(why)| Malformed(format!("{here}: {why}")))?;
        let pad = self.take(padding(length), &here)?;
        if pad.iter().any(|byte| *byte != 0) {
            return malformed(format!("{here}: padding that is not zero"));
        }
        Ok(Item::new(tag, value))
    }
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
    bytes
        .try_into()
        .or_else(|_| malformed(format!("{} bytes where there must be {N}", bytes.len())))
}

fn primitive(kind: u8, bytes: &[u8]) -> Result<Value> {
    Ok(match kind {
        2 => Value::Integer(i32::from_be_bytes(fixed(bytes)?)),
        3 => Value::LongInteger(i64::from_be_bytes(fixed(bytes)?)),
        4 if bytes.is_empty() || !bytes.len().is_multiple_of(8) => {
            return malformed("a big integer has a multiple of eight bytes");
        }
        4 => Value::BigInteger(Zeroizing::new(bytes.to_vec())),
        5 => Value::Enumeration(u32::from_be_bytes(fixed(bytes)?)),
        6 => match u64::from_be_bytes(fixed(bytes)?) {
            0 => Value::Boolean(false),
            1 => Value::Boolean(true),
            _ => return malformed("a boolean is 0 or 1"),
        },
        7 => match std::str::from_utf8(bytes) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => return malformed("text that is not UTF-8"),
        },
        8 => Value::Bytes(Zeroizing::new(bytes.to_vec())),
        9 => Value::DateTime(i64::from_be_bytes(fixed(bytes)?)),
        10 => Value::Interval(u32::from_be_bytes(fixed(bytes)?)),
        kind => return malformed(format!("there is no type {kind:#04x}")),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn items() -> impl Strategy<Value = Item> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..40).prop_map(Zeroizing::new);
        let big =
            (1_usize..4).prop_flat_map(|words| proptest::collection::vec(any::<u8>(), words * 8));
        let leaf = prop_oneof![
            any::<i32>().prop_map(Value::Integer),
            any::<i64>().prop_map(Value::LongInteger),
            big.prop_map(|bytes| Value::BigInteger(Zeroizing::new(bytes))),
            any::<u32>().prop_map(Value::Enumeration),
            any::<bool>().prop_map(Value::Boolean),
            ".{0,20}".prop_map(Value::Text),
            bytes().prop_map(Value::Bytes),
            any::<i64>().prop_map(Value::DateTime),
            any::<u32>().prop_map(Value::Interval),
        ];
        let tag = || 0_u32..0x0100_0000;
        let item = (tag(), leaf).prop_map(|(tag, value)| Item::new(tag, value));
        item.prop_recursive(6, 60, 8, move |inner| {
            (tag(), proptest::collection::vec(inner, 0..8))
                .prop_map(|(tag, items)| Item::structure(tag, items))
        })
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back(item in items()) {
            let bytes = item.encode();
            prop_assert_eq!(bytes.len(), item.encoded_length());
            prop_assert_eq!(Item::decode(&bytes).unwrap(), item);
        }

        #[test]
        fn any_bytes_are_refused_or_come_back_as_they_were(
            item in items(), at in any::<prop::sample::Index>(), to in any::<u8>()
        ) {
            let mut bytes = item.encode().to_vec();
            let at = at.index(bytes.len());
            bytes[at] = to;
            if let Ok(read) = Item::decode(&bytes) {
                prop_assert_eq!(read.encode().to_vec(), bytes.clone());
            }
            prop_assert!(Item::decode(&bytes[..at]).is_err());
        }

        #[test]
        fn noise_is_no_message(noise in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(read) = Item::decode(&noise) {
                prop_assert_eq!(read.encode().to_vec(), noise);
            }
        }
    }

    /// The examples of the standard, section 9.1.2.
    #[test]
    fn the_examples_of_the_standard() {
        let hex =
            |text: &str| data_encoding::HEXUPPER.decode(text.replace(' ', "").as_bytes()).unwrap();
        for (text, item) in [
            ("42 00 20 02 00 00 00 04 00 00 00 08 00 00 00 00", Item::integer(0x42_0020, 8)),
            (
                "42 00 20 03 00 00 00 08 01 B6 9B 4B A5 74 92 00",
                Item::new(0x42_0020, Value::LongInteger(123_456_789_000_000_000)),
            ),
            (
                "42 00 20 04 00 00 00 10 00 00 00 00 03 FD 35 EB 6B C2 DF 46 18 08 00 00",
                Item::new(
                    0x42_0020,
                    Value::BigInteger(Zeroizing::new(
                        1_234_567_890_000_000_000_000_000_000_u128.to_be_bytes().to_vec(),
                    )),
                ),
            ),
            ("42 00 20 05 00 00 00 04 00 00 00 FF 00 00 00 00", Item::enumeration(0x42_0020, 255)),
            (
                "42 00 20 06 00 00 00 08 00 00 00 00 00 00 00 01",
                Item::new(0x42_0020, Value::Boolean(true)),
            ),
            (
                "42 00 20 07 00 00 00 0B 48 65 6C 6C 6F 20 57 6F 72 6C 64 00 00 00 00 00",
                Item::text(0x42_0020, "Hello World"),
            ),
            ("42 00 20 08 00 00 00 03 01 02 03 00 00 00 00 00", Item::bytes(0x42_0020, &[1, 2, 3])),
            (
                "42 00 20 09 00 00 00 08 00 00 00 00 47 DA 67 F8",
                Item::date_time(0x42_0020, 1_205_495_800),
            ),
            (
                "42 00 20 0A 00 00 00 04 00 0D 2F 00 00 00 00 00",
                Item::new(0x42_0020, Value::Interval(864_000)),
            ),
            (
                "42 00 20 01 00 00 00 20 42 00 04 05 00 00 00 04 00 00 00 FE 00 00 00 00 \
                 42 00 05 02 00 00 00 04 00 00 00 FF 00 00 00 00",
                Item::structure(
                    0x42_0020,
                    vec![Item::enumeration(0x42_0004, 254), Item::integer(0x42_0005, 255)],
                ),
            ),
        ] {
            assert_eq!(item.encode().as_slice(), hex(text), "{item:?}");
            assert_eq!(Item::decode(&hex(text)).unwrap(), item);
        }
    }

    #[test]
    fn hostile_lengths_depths_and_numbers_are_refused() {
        let huge = [0x42, 0, 0x20, 8, 0xff, 0xff, 0xff, 0xff];
        assert!(Item::decode(&huge).unwrap_err().0.contains("longer"));
        let nest = |depth| {
            (0..depth)
                .fold(Item::integer(1, 1), |inner, _| Item::structure(2, vec![inner]))
                .encode()
        };
        Item::decode(&nest(DEEPEST)).unwrap();
        assert!(Item::decode(&nest(DEEPEST + 1)).unwrap_err().0.contains("deep"));
        let many = Item::structure(1, vec![Item::structure(2, vec![]); MOST_ITEMS]);
        assert!(Item::decode(&many.encode()).unwrap_err().0.contains("items"));
        for (bytes, why) in [
            (&[][..], "header"),
            (&[0x42, 0, 0x20, 2, 0, 0, 0, 5, 0, 0, 0, 0, 1, 0, 0, 0], "must be 4"),
            (&[0x42, 0, 0x20, 6, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 2], "boolean"),
            (&[0x42, 0, 0x20, 7, 0, 0, 0, 1, 0xff, 0, 0, 0, 0, 0, 0, 0], "UTF-8"),
            (&[0x42, 0, 0x20, 7, 0, 0, 0, 1, 0x41, 0, 0, 0, 0, 0, 0, 1], "padding"),
            (&[0x42, 0, 0x20, 4, 0, 0, 0, 0], "multiple"),
            (&[0x42, 0, 0x20, 11, 0, 0, 0, 0], "no type"),
            (&[0x42, 0, 0x20, 1, 0, 0, 0, 0, 0], "after"),
        ] {
            let Malformed(said) = Item::decode(bytes).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn a_key_is_not_printed() {
        let shown = format!("{:?}", Item::bytes(0x42_0043, b"geheim"));
        assert!(!shown.contains("103") && shown.contains("6 bytes"), "{shown}");
    }
}
