//! Padding to whole blocks.

use crate::crypto::CryptoError;

/// How a message is filled up to whole blocks. Every message gets at least one byte more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// PKCS#7: as many bytes as are missing, each saying how many (RFC 5652, section 6.3).
    Pkcs7,
    /// Bytes 1, 2, 3 and so on, and a last byte that says how many these were (RFC 4303, section
    /// 2.4, without the byte that names the next header).
    Counting,
}

impl Padding {
    /// Appends the padding, for blocks of at most 16 bytes.
    pub fn pad(self, data: &mut Vec<u8>, block: usize) {
        let missing = block - data.len() % block;
        let count = u8::try_from(missing).unwrap_or(0);
        match self {
            Self::Pkcs7 => data.resize(data.len() + missing, count),
            Self::Counting => {
                data.extend(1..count);
                data.push(count.saturating_sub(1));
            }
        }
    }

    /// Length of `padded` without its padding.
    ///
    /// Looks at every byte of the last block whatever is in it and only then says yes or no, so
    /// the time taken does not tell which byte was wrong. Whoever uses the length afterwards
    /// reveals it, as whoever answers at all reveals whether the padding was good.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Length`] unless there is at least one block and only whole ones;
    /// [`CryptoError::Failed`] for any fault of the padding.
    pub fn unpadded_len(self, padded: &[u8], block: usize) -> Result<usize, CryptoError> {
        let len = padded.len();
        let last = len.checked_sub(block).and_then(|from| padded.get(from..));
        let (Some(last), true) = (last, len.is_multiple_of(block)) else {
            return Err(CryptoError::Length);
        };
        let said = last.last().copied().ok_or(CryptoError::Length)?;
        let whole = u8::try_from(block).map_err(|_| CryptoError::Length)?;
        // Bytes to take off. A last byte of 255 wraps to none and is refused for it.
        let count = match self {
            Self::Pkcs7 => said,
            Self::Counting => said.wrapping_add(1),
        };
        // `bad` collects difference bits; it stays zero for a good padding.
        let mut bad = below(count, 1) | below(whole, count);
        for (byte, from_end) in last.iter().rev().zip(0_u8..) {
            let wanted = match self {
                Self::Pkcs7 => count,
                Self::Counting if from_end == 0 => said,
                Self::Counting => count.wrapping_sub(from_end),
            };
            bad |= below(from_end, count) & (byte ^ wanted);
        }
        if std::hint::black_box(bad) == 0 {
            Ok(len - usize::from(count))
        } else {
            Err(CryptoError::Failed)
        }
    }
}

/// All ones when `a < b`, all zeros otherwise, without a branch.
fn below(a: u8, b: u8) -> u8 {
    let borrow = (u16::from(a).wrapping_sub(u16::from(b)) >> 8).to_le_bytes();
    let [low, _] = borrow;
    std::hint::black_box(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: [(Padding, usize); 4] = [
        (Padding::Pkcs7, 8),
        (Padding::Pkcs7, 16),
        (Padding::Counting, 8),
        (Padding::Counting, 16),
    ];

    #[test]
    fn padding_looks_as_its_source_says() {
        let padded = |padding: Padding| {
            let mut data = b"abc".to_vec();
            padding.pad(&mut data, 8);
            data
        };
        assert_eq!(padded(Padding::Pkcs7), b"abc\x05\x05\x05\x05\x05");
        assert_eq!(padded(Padding::Counting), b"abc\x01\x02\x03\x04\x04");
        let mut full = b"abcdefg".to_vec();
        Padding::Counting.pad(&mut full, 8);
        assert_eq!(full, b"abcdefg\x00");
    }

    #[test]
    fn padding_of_every_length_comes_off_again() {
        for (padding, block) in EVERY {
            for len in 0..=48 {
                let mut data = vec![0x10; len];
                padding.pad(&mut data, block);
                assert!(data.len().is_multiple_of(block));
                assert!(data.len() > len && data.len() <= len + block);
                assert_eq!(padding.unpadded_len(&data, block), Ok(len), "{padding:?} {len}");
            }
        }
    }

    #[test]
    fn any_wrong_byte_of_the_padding_is_the_same_fault() {
        for (padding, block) in EVERY {
            for count in 1..=block {
                let mut good = vec![0xaa; 2 * block - count];
                padding.pad(&mut good, block);
                for position in 2 * block - count..2 * block {
                    for bit in 0..8 {
                        let mut changed = good.clone();
                        changed[position] ^= 1 << bit;
                        // Changing only the last byte may make another good padding: the shortest.
                        let shortest = u8::from(padding == Padding::Pkcs7);
                        if changed[2 * block - 1] == shortest {
                            continue;
                        }
                        assert_eq!(
                            padding.unpadded_len(&changed, block),
                            Err(CryptoError::Failed),
                            "{padding:?} {count} {position} {bit}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn counts_outside_a_block_are_refused() {
        for count in [0, 17, 32, 128, 255] {
            let refused = Padding::Pkcs7.unpadded_len(&[count; 32], 16);
            assert_eq!(refused, Err(CryptoError::Failed));
        }
        for count in [16, 17, 128, 254, 255] {
            let refused = Padding::Counting.unpadded_len(&[count; 32], 16);
            assert_eq!(refused, Err(CryptoError::Failed));
        }
        assert_eq!(Padding::Pkcs7.unpadded_len(&[16; 16], 16), Ok(0));
    }

    #[test]
    fn parts_of_blocks_are_refused_by_length() {
        for (padding, block) in EVERY {
            for len in [0, 1, block - 1, block + 1] {
                let refused = padding.unpadded_len(&vec![1; len], block);
                assert_eq!(refused, Err(CryptoError::Length));
            }
        }
    }
}
