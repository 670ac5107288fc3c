//! PKCS#7 padding to AES blocks (RFC 5652, section 6.3).

use super::super::CryptoError;
use super::BLOCK_LEN;

/// Appends the padding: 1 to 16 bytes, each saying how many.
pub fn pkcs7_pad(data: &mut Vec<u8>) {
    let missing = BLOCK_LEN - data.len() % BLOCK_LEN;
    let byte = u8::try_from(missing).unwrap_or(0);
    data.resize(data.len() + missing, byte);
}

/// Length of `padded` without its padding.
///
/// Looks at every byte of the last block whatever is in it and only then says yes or no, so the
/// time taken does not tell which byte was wrong. Whoever uses the length afterwards reveals
/// it, as whoever answers at all reveals whether the padding was good.
///
/// # Errors
///
/// [`CryptoError::Length`] unless there is at least one block and only whole ones;
/// [`CryptoError::Failed`] for any fault of the padding.
pub fn pkcs7_unpadded_len(padded: &[u8]) -> Result<usize, CryptoError> {
    if !padded.len().is_multiple_of(BLOCK_LEN) {
        return Err(CryptoError::Length);
    }
    let last: &[u8; BLOCK_LEN] = padded.last_chunk().ok_or(CryptoError::Length)?;
    let [.., count] = *last;
    // `bad` collects difference bits; it stays zero for a good padding.
    let mut bad = below(count, 1) | below(16, count);
    for (byte, from_end) in last.iter().rev().zip(0_u8..) {
        bad |= below(from_end, count) & (byte ^ count);
    }
    if std::hint::black_box(bad) == 0 {
        Ok(padded.len() - usize::from(count))
    } else {
        Err(CryptoError::Failed)
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

    #[test]
    fn padding_of_every_length_comes_off_again() {
        for len in 0..=48 {
            let mut data = vec![0x10; len];
            pkcs7_pad(&mut data);
            assert!(data.len().is_multiple_of(16) && data.len() > len && data.len() <= len + 16);
            assert_eq!(pkcs7_unpadded_len(&data), Ok(len));
        }
    }

    #[test]
    fn any_wrong_byte_of_the_padding_is_the_same_fault() {
        for count in 1..=16_usize {
            let mut good = vec![0xaa; 32 - count];
            pkcs7_pad(&mut good);
            for position in 32 - count..32 {
                for bit in 0..8 {
                    let mut changed = good.clone();
                    changed[position] ^= 1 << bit;
                    // Changing only the last byte may make another good padding: of one byte.
                    if changed[31] == 1 {
                        continue;
                    }
                    assert_eq!(
                        pkcs7_unpadded_len(&changed),
                        Err(CryptoError::Failed),
                        "{count} {position} {bit}"
                    );
                }
            }
        }
    }

    #[test]
    fn counts_outside_a_block_are_refused() {
        for count in [0, 17, 32, 128, 255] {
            assert_eq!(pkcs7_unpadded_len(&[count; 32]), Err(CryptoError::Failed));
        }
        assert_eq!(pkcs7_unpadded_len(&[16; 16]), Ok(0));
    }

    #[test]
    fn parts_of_blocks_are_refused_by_length() {
        assert_eq!(pkcs7_unpadded_len(&[]), Err(CryptoError::Length));
        assert_eq!(pkcs7_unpadded_len(&[1; 15]), Err(CryptoError::Length));
        assert_eq!(pkcs7_unpadded_len(&[1; 17]), Err(CryptoError::Length));
    }
}
