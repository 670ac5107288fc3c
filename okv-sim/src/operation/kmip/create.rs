//! Create: the server makes a symmetric key. The standard, section 4.1.

use zeroize::Zeroizing;

use super::{Call, Done, New, identifier};
use crate::kmip::Refusal;
use crate::kmip::attribute::{self, Attributes};
use crate::kmip::message::Fields;
use crate::kmip::tag::{self, ObjectType};
use crate::kmip::ttlv::{Bytes, Item, Value};
use crate::seal::{self, Sealed};

/// 3DES.
const TRIPLE_DES: u32 = 2;

/// What a length means that is not that of the bytes: 112 and 168 leave the parity bits out.
const WITH_PARITY: [(i32, usize); 2] = [(112, 16), (168, 24)];

pub(super) fn run(call: &mut Call<'_>, fields: Fields<'_>) -> Done {
    let kind = fields.enumeration(tag::OBJECT_TYPE)?;
    let kind = kind.ok_or_else(|| Refusal::missing("the object type"))?;
    if ObjectType::numbered(kind) != Some(ObjectType::SymmetricKey) {
        return Err(Refusal::invalid("Object Type", "only a symmetric key can be created"));
    }
    let mut attributes = call.template_attributes(fields)?;
    if attributes.get(attribute::USAGE_MASK).is_none() {
        return Err(Refusal::missing("the attribute Cryptographic Usage Mask"));
    }
    let (algorithm, length) = wanted(&attributes)?;
    let bytes = new_key(algorithm, length)?;
    let value = symmetric_key(algorithm, length, &bytes);
    call.begin(ObjectType::SymmetricKey, &mut attributes);
    attributes.set(attribute::DIGEST, attribute::digest(&bytes, tag::RAW));
    let new = New { attributes, value: Some(value), wallets: call.default_wallets()? };
    let id = call.store_new("Create", new, None)?;
    Ok(vec![Item::enumeration(tag::OBJECT_TYPE, kind), identifier(&id)])
}

/// Algorithm and length of the key to make.
pub(super) fn wanted(attributes: &Attributes) -> Result<(u32, i32), Refusal> {
    let number = attributes.number(attribute::ALGORITHM);
    let number = number.ok_or_else(|| Refusal::missing("the attribute Cryptographic Algorithm"))?;
    let known = tag::algorithm(number);
    let Some((_, name, lengths)) = known.filter(|(.., lengths)| !lengths.is_empty()) else {
        let what = known.map_or("this algorithm", |(_, name, _)| name);
        return Err(Refusal::invalid(what, "keys of it are not made here"));
    };
    match attributes.get(attribute::LENGTH) {
        Some(Value::Integer(length)) if lengths.contains(length) => Ok((number, *length)),
        Some(_) => Err(Refusal::invalid(name, &format!("a key has {lengths:?} bits"))),
        None => Err(Refusal::missing("the attribute Cryptographic Length")),
    }
}

/// Random bytes that are a key of so many bits.
pub(super) fn new_key(algorithm: u32, length: i32) -> Result<Bytes, Sealed> {
    let known = WITH_PARITY.iter().find(|(bits, _)| *bits == length && algorithm == TRIPLE_DES);
    let bytes = match known {
        Some((_, bytes)) => *bytes,
        None => usize::try_from(length / 8).map_err(|_| Sealed)?,
    };
    let random = Zeroizing::new(seal::random::<64>()?);
    let mut key = Zeroizing::new(random.get(..bytes).ok_or(Sealed)?.to_vec());
    if algorithm == TRIPLE_DES {
        for byte in key.iter_mut() {
            // Odd parity, as FIPS 46-3 has it.
            *byte = *byte & 0xfe | u8::from((*byte >> 1).count_ones() % 2 == 0);
        }
    }
    Ok(key)
}

/// The structure of a key in the format Raw.
pub(super) fn symmetric_key(algorithm: u32, length: i32, bytes: &[u8]) -> Item {
    let block = vec![
        Item::enumeration(tag::KEY_FORMAT_TYPE, tag::RAW),
        Item::structure(tag::KEY_VALUE, vec![Item::bytes(tag::KEY_MATERIAL, bytes)]),
        Item::enumeration(tag::CRYPTOGRAPHIC_ALGORITHM, algorithm),
        Item::integer(tag::CRYPTOGRAPHIC_LENGTH, length),
    ];
    Item::structure(tag::SYMMETRIC_KEY, vec![Item::structure(tag::KEY_BLOCK, block)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_their_length_and_triple_des_its_parity() {
        for (number, name, lengths) in tag::ALGORITHMS {
            for length in *lengths {
                let key = new_key(*number, *length).unwrap();
                let bits = i32::try_from(key.len()).unwrap() * 8;
                assert!(
                    bits == *length || WITH_PARITY.iter().any(|(it, _)| it == length),
                    "{name}"
                );
                assert_ne!(key, new_key(*number, *length).unwrap());
            }
        }
        assert!(new_key(TRIPLE_DES, 168).unwrap().iter().all(|byte| byte.count_ones() % 2 == 1));
    }
}
