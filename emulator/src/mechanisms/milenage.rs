//! MILENAGE: what a mobile network asks its HSM for a subscriber, called through `C_Sign`.
//!
//! The key of the call unwraps the subscriber's key by AES-KWP. A vector for authentication is the
//! challenge and what answers it; the challenge is drawn here unless it is the data. A subscriber
//! out of step sends what `CKM_MILENAGE_AUTS` makes for tests, and `CKM_MILENAGE_RESYNC` reads the
//! sequence number out of it.
//!
//! Source: 3GPP TS 35.206 for the functions; thalesdocs "3GPP Mechanisms for 5G Mobile Networks" and
//! the vendor's sample for JCPROV for the parameter, the data, the order of what comes out and
//! `CKR_SIGNATURE_INVALID` (Documented). Of the flags one number was found, so OP and OPc are taken
//! plain, and objects, own constants and tags and lengths in the output are refused. Assumed: the
//! MAC of a subscriber out of step is over the field of the parameter; a key that does not unwrap is
//! a wrong parameter.

use crate::ck::*;
use crate::crypto::milenage::{BLOCK, Operator, Subscriber};
use crate::crypto::random;
use crate::error::{Cause, Error, Result};
use crate::mechanisms::hmac::compare;
use crate::mechanisms::stream::Raw;
use crate::mechanisms::{
    Feed, NOTHING, Params, Row, Shape, Signature, Use, broken, keys, wrong_params,
};

/// Which of the three.
enum Milenage {
    Vector,
    Resync,
    Auts,
}

const fn row(kind: CK_MECHANISM_TYPE, signature: &'static Milenage) -> Row {
    Row { kind, key: Some(CKK_AES), shape: Shape::Milenage, signature: Some(signature), ..NOTHING }
}

/// Vectors for authentication, and what follows when a subscriber is out of step.
pub static ROWS: &[Row] = &[
    row(CKM_MILENAGE, &Milenage::Vector),
    row(CKM_MILENAGE_RESYNC, &Milenage::Resync),
    row(CKM_MILENAGE_AUTS, &Milenage::Auts),
];

/// Bytes of a sequence number.
const SQN: usize = 6;

/// Bytes of what proves either side.
const MAC: usize = 8;

/// Challenge, response, both keys, the hidden sequence number, the network's proof.
const VECTOR: usize = BLOCK + 8 + BLOCK + BLOCK + SQN + MAC;

/// Challenge, the hidden sequence number, the subscriber's proof.
const AUTS: usize = BLOCK + SQN + MAC;

/// A parameter understood, and the functions with it.
struct Asked {
    subscriber: Subscriber,
    sqn: [u8; SQN],
    amf: [u8; 2],
}

fn block(bytes: &[u8], rule: &'static str) -> Result<[u8; BLOCK]> {
    bytes.try_into().map_err(|_| wrong_params(rule))
}

fn asked(using: &Use) -> Result<Asked> {
    let Params::Milenage { flags, subscriber_key, operator, sqn, amf } = &using.params else {
        return Err(wrong_params("MILENAGE wants its parameter"));
    };
    let operator = block(operator, "OP and OPc have 16 bytes")?;
    let operator = match *flags {
        0 => Operator::Op(operator),
        LUNA_5G_OPC => Operator::Opc(operator),
        _ => return Err(wrong_params("of the flags, LUNA_5G_OPC alone is served")),
    };
    let key = keys::aes(&using.key)?
        .kwp_unwrap(subscriber_key)
        .map_err(|_| wrong_params("the subscriber's key does not unwrap"))?;
    using.limits.check(key.len() as u64 * 8)?;
    let key = block(&key, "a subscriber's key has 16 bytes")?;
    Ok(Asked { subscriber: Subscriber::new(key, operator), sqn: *sqn, amf: *amf })
}

fn joined(one: &[u8; SQN], other: [u8; SQN]) -> [u8; SQN] {
    let mut both = *one;
    both.iter_mut().zip(other).for_each(|(byte, more)| *byte ^= more);
    both
}

fn wrong_length(rule: &'static str) -> Error {
    Error::new(Cause::DataLenRange, rule)
}

impl Asked {
    fn vector(&self, data: &[u8]) -> Result<Vec<u8>> {
        let rand = match data {
            [] => random::bytes(BLOCK).map_err(broken)?.as_slice().try_into(),
            given => given.try_into(),
        };
        let rand: [u8; BLOCK] =
            rand.map_err(|_| wrong_length("the data is a challenge of 16 bytes, or nothing"))?;
        let answer = self.subscriber.answer(&rand);
        let mac = self.subscriber.mac_a(&rand, &self.sqn, &self.amf);
        let hidden = joined(&self.sqn, answer.ak);
        Ok([&rand[..], &answer.res, &answer.ck, &answer.ik, &hidden, &mac].concat())
    }

    fn auts(&self, data: &[u8]) -> Result<Vec<u8>> {
        let rand: &[u8; BLOCK] =
            data.try_into().map_err(|_| wrong_length("the data is a challenge of 16 bytes"))?;
        let hidden = joined(&self.sqn, self.subscriber.ak_star(rand));
        let mac = self.subscriber.mac_s(rand, &self.sqn, &self.amf);
        Ok([&rand[..], &hidden, &mac].concat())
    }

    fn resync(&self, data: &[u8]) -> Result<Vec<u8>> {
        let parts = data.split_first_chunk::<BLOCK>().and_then(|(rand, rest)| {
            let (hidden, mac) = rest.split_first_chunk::<SQN>()?;
            (mac.len() == MAC).then_some((rand, hidden, mac))
        });
        let (rand, hidden, mac) =
            parts.ok_or_else(|| wrong_length("the data is what a subscriber out of step sends"))?;
        let sqn = joined(hidden, self.subscriber.ak_star(rand));
        compare(&self.subscriber.mac_s(rand, &sqn, &self.amf), mac, MAC)?;
        Ok(sqn.to_vec())
    }
}

impl Signature for Milenage {
    fn prepare(&self, using: &Use) -> Result<()> {
        asked(using).map(drop)
    }

    fn len(&self, _using: &Use) -> Result<usize> {
        Ok(match self {
            Self::Vector => VECTOR,
            Self::Resync => SQN,
            Self::Auts => AUTS,
        })
    }

    fn feed(&self, _using: &Use) -> Result<Box<dyn Feed>> {
        Ok(Box::<Raw>::default())
    }

    fn sign(&self, using: &Use, fed: &[u8]) -> Result<Vec<u8>> {
        let asked = asked(using)?;
        match self {
            Self::Vector => asked.vector(fed),
            Self::Resync => asked.resync(fed),
            Self::Auts => asked.auts(fed),
        }
    }

    /// No firmware offers it.
    fn verify(&self, _using: &Use, _fed: &[u8], _signature: &[u8]) -> Result<()> {
        Err(Error::new(Cause::MechanismInvalid, "what MILENAGE gives is not verified"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::crypto::aes::AesKey;
    use crate::crypto::vectors::{Case, cases};
    use crate::mechanisms::Limits;
    use crate::object::held::Object;
    use crate::object::rules::Class;
    use crate::object::{Attribute, Template};

    const STORAGE: [u8; 32] = [0x31; 32];

    fn using(flags: CK_ULONG, key: &[u8], operator: Vec<u8>, case: &Case) -> Use {
        let class = Class { class: CKO_SECRET_KEY, key_type: Some(CKK_AES) };
        let value = Template::from_iter([Attribute::bytes(CKA_VALUE, STORAGE)]);
        Use {
            key: Arc::new(Object::new(class, value)),
            others: Vec::new(),
            params: Params::Milenage {
                flags,
                subscriber_key: AesKey::new(&STORAGE).unwrap().kwp_wrap(key).unwrap(),
                operator: operator.into(),
                sqn: case.bytes("sqn").try_into().unwrap(),
                amf: case.bytes("amf").try_into().unwrap(),
            },
            limits: Limits { min_bits: 128, max_bits: 128, fips: false, former: false },
            forward: true,
        }
    }

    #[test]
    fn published_test_sets() {
        for case in cases(include_str!("vectors/milenage.txt")) {
            let (rand, key) = (case.bytes("rand"), case.bytes("key"));
            let hide = |with: &str| -> Vec<u8> {
                let pairs = case.bytes("sqn").into_iter().zip(case.bytes(with));
                pairs.map(|(one, other)| one ^ other).collect()
            };
            let vector = [
                rand.clone(),
                case.bytes("f2"),
                case.bytes("f3"),
                case.bytes("f4"),
                hide("f5"),
                case.bytes("f1"),
            ];
            let auts = [rand.clone(), hide("f5*"), case.bytes("f1*")].concat();
            for (flags, operator) in [(0, "op"), (LUNA_5G_OPC, "opc")] {
                let using = using(flags, &key, case.bytes(operator), &case);
                let sign = |which: &Milenage, data: &[u8]| {
                    which.prepare(&using).unwrap();
                    let made = which.sign(&using, data).unwrap();
                    assert_eq!(made.len(), which.len(&using).unwrap());
                    made
                };
                assert_eq!(sign(&Milenage::Vector, &rand), vector.concat());
                assert_eq!(sign(&Milenage::Auts, &rand), auts);
                assert_eq!(sign(&Milenage::Resync, &auts), case.bytes("sqn"));
                let (one, other) = (sign(&Milenage::Vector, &[]), sign(&Milenage::Vector, &[]));
                assert_ne!(one[..16], other[..16], "a challenge is drawn");
                for at in 0..auts.len() {
                    let mut wrong = auts.clone();
                    wrong[at] ^= 1;
                    let refused = Milenage::Resync.sign(&using, &wrong).unwrap_err();
                    assert_eq!(refused.cause(), Cause::SignatureInvalid, "{at}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_parameter_and_no_data_is_refused() {
        let case = &cases(include_str!("vectors/milenage.txt"))[0];
        let (key, op) = (case.bytes("key"), case.bytes("op"));
        for (flags, key, operator) in [
            (2, &key[..], op.clone()),
            (LUNA_5G_OPC | 4, &key, op.clone()),
            (0, &key, op[1..].to_vec()),
            (0, &key, Vec::new()),
        ] {
            let refused = Milenage::Vector.prepare(&using(flags, key, operator, case)).unwrap_err();
            assert_eq!(refused.cause(), Cause::MechanismParamInvalid);
        }
        let long = Milenage::Vector.prepare(&using(0, &[1; 32], op.clone(), case)).unwrap_err();
        assert_eq!(long.cause(), Cause::KeySizeRange);
        let mut using = using(0, &key, op, case);
        for (which, lengths) in [
            (&Milenage::Vector, &[1, 15, 17][..]),
            (&Milenage::Auts, &[0, 15, 17]),
            (&Milenage::Resync, &[0, 16, 22, 29, 31]),
        ] {
            for len in lengths {
                let refused = which.sign(&using, &vec![0; *len]).unwrap_err();
                assert_eq!(refused.cause(), Cause::DataLenRange, "{len} bytes");
            }
        }
        if let Params::Milenage { subscriber_key, .. } = &mut using.params {
            subscriber_key[3] ^= 1;
        }
        let refused = Milenage::Vector.prepare(&using).unwrap_err();
        assert_eq!(refused.cause(), Cause::MechanismParamInvalid);
    }
}
