//! Keys of one transaction each (DUKPT), as the server derives them: from the base derivation key
//! and the serial number that came with the transaction.
//!
//! Source: ANSI X9.24-1:2009, annex A (its algorithm and its variants are printed in many public
//! implementations); thalesdocs, CKM_DES2_DUKPT_DATA and its kin, for the parameter, the type of
//! the key and what it may be used for by default (Documented). That PIN and IPEK keys have no
//! default uses follows from their absence there, and that keys for data go once more through the
//! cipher, as the edition of 2009 has it, is Assumed.

use zeroize::Zeroizing;

use crate::ck::*;
use crate::crypto::block::{Algorithm, BlockCipher};
use crate::error::Result;
use crate::mechanisms::derive::{impose, presume};
use crate::mechanisms::{NOTHING, Params, Row, Shape, Use, Yield, broken, keys, wrong_params};
use crate::object::{Attribute, Template};

const KSN_LEN: usize = 10;

/// A key of two halves of DES.
type Pair = Zeroizing<[u8; 16]>;

/// Sets the key apart from the one that future keys are made of.
const FUTURE: u128 = 0xc0c0_c0c0_0000_0000_c0c0_c0c0_0000_0000;

/// What sets keys for a purpose apart.
enum Purpose {
    /// The key a device begins with: no variant.
    Initial,
    /// The byte of each half that is turned over, counted from the left.
    Variant(u32),
    /// That, and each half encrypted under the whole.
    Data(u32),
}

macro_rules! row {
    ($kind:expr, $purpose:expr, $uses:expr) => {
        Row {
            kind: $kind,
            key: Some(CKK_DES2),
            also: &[CKK_DES3],
            shape: Shape::Data,
            derives: Some(|using, template| derive(using, template, &$purpose, $uses)),
            ..NOTHING
        }
    };
}

/// Every purpose.
pub static ROWS: &[Row] = &[
    row!(CKM_DES2_DUKPT_IPEK, Purpose::Initial, &[]),
    row!(CKM_DES2_DUKPT_PIN, Purpose::Variant(7), &[]),
    row!(CKM_DES2_DUKPT_MAC, Purpose::Variant(6), &[CKA_SIGN, CKA_VERIFY]),
    row!(CKM_DES2_DUKPT_MAC_RESP, Purpose::Variant(4), &[CKA_SIGN]),
    row!(CKM_DES2_DUKPT_DATA, Purpose::Data(5), &[CKA_DECRYPT, CKA_ENCRYPT]),
    row!(CKM_DES2_DUKPT_DATA_RESP, Purpose::Data(3), &[CKA_ENCRYPT]),
];

fn derive(
    using: &Use,
    template: &Template,
    purpose: &Purpose,
    uses: &[CK_ATTRIBUTE_TYPE],
) -> Result<Yield> {
    let ksn = match &using.params {
        Params::Data { data, .. } => <[u8; KSN_LEN]>::try_from(data.as_slice()).ok(),
        _ => None,
    }
    .ok_or_else(|| wrong_params("the key serial number, 10 bytes, is wanted"))?;
    let mut template = template.clone();
    impose(&mut template, &[Attribute::number(CKA_KEY_TYPE, CKK_DES2)])?;
    presume(&mut template, uses);
    let (initial, serial, counter) = initial(keys::value(&using.key)?, ksn)?;
    let value = match purpose {
        Purpose::Initial => initial,
        Purpose::Variant(byte) => varied(&transaction(initial, serial, counter)?, *byte),
        Purpose::Data(byte) => {
            let key = varied(&transaction(initial, serial, counter)?, *byte);
            let mut halves = key.clone();
            encrypt(Algorithm::TripleDes, &*key, &mut *halves)?;
            halves
        }
    };
    Ok(Yield::one(template, Zeroizing::new(value.to_vec())))
}

fn encrypt(algorithm: Algorithm, key: &[u8], blocks: &mut [u8]) -> Result<()> {
    keys::tuned(algorithm, key)?.ecb(blocks, true).map_err(broken)
}

fn masked(key: &Pair, mask: u128) -> Pair {
    Zeroizing::new((u128::from_be_bytes(**key) ^ mask).to_be_bytes())
}

fn varied(key: &Pair, byte: u32) -> Pair {
    let half = 0xff_u128 << (8 * (7 - byte));
    masked(key, half << 64 | half)
}

/// The key the device began with; the right half of its serial number without the counter; and the
/// counter, which is the last 21 bits.
fn initial(base: &[u8], ksn: [u8; KSN_LEN]) -> Result<(Pair, u64, u64)> {
    const COUNTER: u64 = (1 << 21) - 1;
    let [a, b, rest @ ..] = ksn;
    let low = u64::from_be_bytes(rest);
    let (serial, counter) = (low & !COUNTER, low & COUNTER);
    let whole = u128::from(u16::from_be_bytes([a, b])) << 64 | u128::from(serial);
    // The first eight bytes of the ten.
    let [_, _, _, _, _, _, left @ .., _, _] = whole.to_be_bytes();
    // A base key of three halves is used as it is (Assumed: the vendor's page allows 192 bits).
    let mut out = Zeroizing::new([0; 16]);
    let (first, second) = out.split_at_mut(8);
    first.copy_from_slice(&left);
    second.copy_from_slice(&left);
    encrypt(Algorithm::TripleDes, base, first)?;
    let mut other = Zeroizing::new(base.to_vec());
    for (byte, mask) in other.iter_mut().zip(FUTURE.to_be_bytes().into_iter().cycle()) {
        *byte ^= mask;
    }
    encrypt(Algorithm::TripleDes, &other, second)?;
    Ok((out, serial, counter))
}

/// The key of that transaction: one step for each bit of the counter, from the highest down.
fn transaction(initial: Pair, serial: u64, counter: u64) -> Result<Pair> {
    let mut key = initial;
    let mut register = serial;
    for bit in (0..21).rev().map(|place| 1_u64 << place).filter(|bit| counter & bit != 0) {
        register |= bit;
        let right = half(&key, register)?;
        let left = half(&masked(&key, FUTURE), register)?;
        key = Zeroizing::new((u128::from(left) << 64 | u128::from(right)).to_be_bytes());
    }
    Ok(key)
}

/// DES with the left half, of the register masked by the right half, masked again.
fn half(key: &Pair, register: u64) -> Result<u64> {
    let (left, right) = key.split_at(8);
    let mut block: Zeroizing<Vec<u8>> =
        Zeroizing::new(right.iter().zip(register.to_be_bytes()).map(|(a, b)| a ^ b).collect());
    encrypt(Algorithm::Des, left, &mut block)?;
    let masked = block.iter().zip(right);
    Ok(masked.fold(0, |number, (a, b)| number << 8 | u64::from(a ^ b)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::crypto::vectors::cases;
    use crate::error::Cause;
    use crate::mechanisms::Limits;
    use crate::object::held::Object;
    use crate::object::rules::Class;

    fn using(base: &[u8], ksn: &[u8]) -> Use {
        let class = Class { class: CKO_SECRET_KEY, key_type: Some(CKK_DES2) };
        let attributes = Template::from_iter([Attribute::bytes(CKA_VALUE, base.to_vec())]);
        Use {
            key: Arc::new(Object::new(class, attributes)),
            others: Vec::new(),
            params: Params::Data { iv: Vec::new(), data: ksn.to_vec() },
            limits: Limits { min_bits: 128, max_bits: 192, fips: false, former: false },
            forward: true,
        }
    }

    #[test]
    fn every_purpose_gives_the_published_keys() {
        let mut seen = std::collections::BTreeSet::new();
        for case in cases(include_str!("vectors/dukpt.txt")) {
            let name = case.text("mechanism");
            let row = ROWS.iter().find(|row| names::ckm(row.kind) == name).unwrap();
            let using = using(&case.bytes("key"), &case.bytes("data"));
            let made = row.derives.unwrap()(&using, &Template::new()).unwrap();
            assert!(made.told.is_empty());
            let [key] = made.keys.as_slice() else { panic!("one key") };
            assert_eq!(key.secret(), case.bytes("result"), "{name} of {:?}", case.text("data"));
            assert_eq!(key.template.number(CKA_KEY_TYPE), Some(CKK_DES2));
            seen.insert(row.kind);
        }
        assert_eq!(seen.len(), ROWS.len());
    }

    #[test]
    fn another_type_of_key_and_another_length_of_the_number_are_refused() {
        let aes = Template::from_iter([Attribute::number(CKA_KEY_TYPE, CKK_AES)]);
        let derives = ROWS[1].derives.unwrap();
        let refused = derives(&using(&[1; 16], &[0; 10]), &aes).unwrap_err();
        assert_eq!(refused.cause(), Cause::TemplateInconsistent);
        for len in [0, 8, 9, 11] {
            let refused = derives(&using(&[1; 16], &vec![0; len]), &Template::new()).unwrap_err();
            assert_eq!(refused.cause(), Cause::MechanismParamInvalid, "{len} bytes");
        }
    }
}
