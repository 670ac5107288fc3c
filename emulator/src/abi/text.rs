//! The fixed text fields of information structures.

/// `text` in a field of `N` bytes, padded with blanks and not terminated, cut where it is too long
/// between two characters.
///
/// Source: PKCS#11 v2.40 section 3 (`CK_INFO`, `CK_SLOT_INFO`, `CK_TOKEN_INFO`).
pub(super) fn blank_padded<const N: usize>(text: &str) -> [u8; N] {
    field(text, N, b' ')
}

/// `text` in a field of `N` bytes, padded with NULs, of which there is at least one.
pub(super) fn terminated<const N: usize>(text: &str) -> [u8; N] {
    field(text, N.saturating_sub(1), 0)
}

fn field<const N: usize>(text: &str, most: usize, padding: u8) -> [u8; N] {
    let mut field = [padding; N];
    let ends = text.char_indices().map(|(start, char)| start + char.len_utf8());
    let end = ends.take_while(|end| *end <= most).last().unwrap_or(0);
    for (to, from) in field.iter_mut().zip(text.bytes().take(end)) {
        *to = from;
    }
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_padded_and_cut_between_characters() {
        assert_eq!(&blank_padded::<6>("Luna"), b"Luna  ");
        assert_eq!(&blank_padded::<4>("LunaSA"), b"Luna");
        assert_eq!(&blank_padded::<4>("abc\u{e9}"), b"abc ");
        assert_eq!(&blank_padded::<5>("abc\u{e9}"), "abc\u{e9}".as_bytes());
        assert_eq!(&terminated::<4>("1234"), b"123\0");
        assert_eq!(&terminated::<4>("12"), b"12\0\0");
        assert_eq!(&terminated::<2>("\u{e9}"), b"\0\0");
    }
}
