//! RSA signatures of ANSI X9.31: padding around the bare operation.
//!
//! The number signed is `6b bb … bb ba || hash || hash identifier || cc`; of a root and its
//! complement the smaller one is the signature. Source: PKCS#11 v2.40 Current Mechanisms, section
//! 2.1.11 and 2.1.12 (without a hash the caller brings the trailer); identifiers from ISO/IEC
//! 10118-3. The names with NON_FIPS are the vendor's; that they differ only in vanishing in FIPS
//! mode is Assumed.

use crate::ck::*;
use crate::crypto::hash::Hash;
use crate::crypto::hmac::same;
use crate::error::{Cause, Error, Result};
use crate::mechanisms::rsa::{
    check_signature_len, check_size, data_too_long, modulus_len, unverified,
};
use crate::mechanisms::stream::Hashed;
use crate::mechanisms::{Feed, NOTHING, Row, Signature, Use, broken, keys};

/// A hash and its identifier; none where the caller brings digest and trailer.
struct X931(Option<(Hash, u8)>);

const fn row(kind: CK_MECHANISM_TYPE, signature: &'static X931) -> Row {
    Row { kind, key: Some(CKK_RSA), signature: Some(signature), ..NOTHING }
}

/// X9.31 under the standard's names and the vendor's.
pub static ROWS: &[Row] = &[
    row(CKM_RSA_X9_31, &X931(None)),
    row(CKM_SHA1_RSA_X9_31, &X931(Some((Hash::Sha1, 0x33)))),
    row(CKM_SHA224_RSA_X9_31, &X931(Some((Hash::Sha224, 0x38)))),
    row(CKM_SHA256_RSA_X9_31, &X931(Some((Hash::Sha256, 0x34)))),
    row(CKM_SHA384_RSA_X9_31, &X931(Some((Hash::Sha384, 0x36)))),
    row(CKM_SHA512_RSA_X9_31, &X931(Some((Hash::Sha512, 0x35)))),
    row(CKM_RSA_X9_31_NON_FIPS, &X931(None)),
    row(CKM_SHA1_RSA_X9_31_NON_FIPS, &X931(Some((Hash::Sha1, 0x33)))),
    row(CKM_SHA224_RSA_X9_31_NON_FIPS, &X931(Some((Hash::Sha224, 0x38)))),
    row(CKM_SHA256_RSA_X9_31_NON_FIPS, &X931(Some((Hash::Sha256, 0x34)))),
    row(CKM_SHA384_RSA_X9_31_NON_FIPS, &X931(Some((Hash::Sha384, 0x36)))),
    row(CKM_SHA512_RSA_X9_31_NON_FIPS, &X931(Some((Hash::Sha512, 0x35)))),
];

/// First and last byte of the padding.
const PADDING: usize = 2;

impl X931 {
    /// The number to sign, as long as the modulus.
    fn encode(&self, using: &Use, fed: &[u8]) -> Result<Vec<u8>> {
        let len = modulus_len(using)?;
        let trailer = match self.0 {
            Some((_, identifier)) => vec![identifier, 0xcc],
            None => Vec::new(),
        };
        let most = len.saturating_sub(PADDING + trailer.len());
        let filling = most.checked_sub(fed.len()).ok_or_else(|| data_too_long(most))?;
        let mut number = vec![0x6b];
        number.resize(1 + filling, 0xbb);
        number.push(0xba);
        number.extend_from_slice(fed);
        number.extend_from_slice(&trailer);
        Ok(number)
    }
}

/// `modulus - number`; both as long, and the number the smaller.
fn complement(modulus: &[u8], number: &[u8]) -> Vec<u8> {
    let mut borrow = false;
    let mut digits: Vec<u8> = modulus
        .iter()
        .zip(number)
        .rev()
        .map(|(from, less)| {
            let (digit, under) = from.overflowing_sub(*less);
            let (digit, again) = digit.overflowing_sub(u8::from(borrow));
            borrow = under || again;
            digit
        })
        .collect();
    digits.reverse();
    digits
}

impl Signature for X931 {
    /// The modulus fills its bytes, as the padding does: the standard knows no other.
    fn prepare(&self, using: &Use) -> Result<()> {
        check_size(using)?;
        if keys::bits(&using.key)?.is_multiple_of(8) {
            return Ok(());
        }
        Err(Error::new(Cause::KeySizeRange, "X9.31 wants a modulus of whole bytes"))
    }

    fn len(&self, using: &Use) -> Result<usize> {
        modulus_len(using)
    }

    fn feed(&self, _using: &Use) -> Result<Box<dyn Feed>> {
        Hashed::or_raw(self.0.map(|(hash, _)| hash))
    }

    fn sign(&self, using: &Use, fed: &[u8]) -> Result<Vec<u8>> {
        let key = keys::rsa_private(&using.key)?;
        let root = key.private_raw(&self.encode(using, fed)?).map_err(broken)?.to_vec();
        let other = complement(&key.public().modulus().map_err(broken)?, &root);
        Ok(root.min(other))
    }

    fn verify(&self, using: &Use, fed: &[u8], signature: &[u8]) -> Result<()> {
        check_signature_len(using, signature)?;
        let wanted = self.encode(using, fed)?;
        let key = keys::rsa_public(&using.key)?;
        let power = key.public_raw(signature).map_err(unverified)?;
        let other = complement(&key.modulus().map_err(broken)?, &power);
        if same(&power, &wanted) || same(&other, &wanted) {
            return Ok(());
        }
        Err(Error::new(Cause::SignatureInvalid, "RSA does not verify"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complements_borrow_across_digits() {
        assert_eq!(complement(&[1, 0, 0], &[0, 0, 1]), [0, 255, 255]);
        assert_eq!(complement(&[9, 0, 5], &[8, 255, 255]), [0, 0, 6]);
        assert_eq!(complement(&[7, 7], &[7, 7]), [0, 0]);
    }
}
