//! As much of DER (X.690) as the keys need that aws-lc neither writes nor parses.

use zeroize::Zeroizing;

/// Tags.
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const CONTEXT_1: u8 = 0xa1;

/// One element: tag, length, then the parts one after another. Wiped when dropped: it may be a key.
pub(super) fn wrapped(tag: u8, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    let digits = len.to_be_bytes();
    let digits = digits.get(digits.iter().take_while(|digit| **digit == 0).count()..);
    let mut out = Zeroizing::new(Vec::with_capacity(len + 2 + size_of::<usize>()));
    out.push(tag);
    match (u8::try_from(len), digits) {
        (Ok(short), _) if short < 0x80 => out.push(short),
        (_, Some(digits)) => {
            // At most eight digits, so no bit is lost.
            out.extend(u8::try_from(digits.len()).map(|count| 0x80 | count));
            out.extend_from_slice(digits);
        }
        (_, None) => {}
    }
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

/// Elements one after another.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// What the next element holds, if it has this tag and is whole. Lengths below 64 KiB only, each
    /// in its shortest form, as DER wants.
    pub(super) fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (len, rest) = match self.0 {
            [own, ..] if *own != tag => return None,
            [_, len @ 0..=0x7f, rest @ ..] => (usize::from(*len), rest),
            [_, 0x81, len @ 0x80..=0xff, rest @ ..] => (usize::from(*len), rest),
            [_, 0x82, high @ 1..=0xff, low, rest @ ..] => {
                (usize::from(u16::from_be_bytes([*high, *low])), rest)
            }
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        Some(value)
    }

    /// What was not taken yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(super) fn is_done(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrapped_is_read_back() {
        for len in [0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff] {
            let value = vec![7; len];
            let der = wrapped(OCTET_STRING, &[&value]);
            let mut reader = Reader::new(&der);
            assert_eq!(reader.take(INTEGER), None);
            assert_eq!(reader.take(OCTET_STRING), Some(&value[..]), "{len}");
            assert!(reader.is_done());
            for cut in 0..der.len() {
                assert_eq!(Reader::new(&der[..cut]).take(OCTET_STRING), None, "{cut} of {len}");
            }
        }
    }

    #[test]
    fn long_forms_of_short_lengths_are_refused() {
        for der in [&[4, 0x81, 1, 0][..], &[4, 0x82, 0, 1, 0], &[4, 0x80, 0], &[4, 0x83, 0, 0, 0]] {
            assert_eq!(Reader::new(der).take(OCTET_STRING), None);
        }
    }
}
