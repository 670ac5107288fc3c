//! Block ciphers, AES among them, and RC4: a row a mode.

use luna_ck::*;
use luna_client::{Mechanism, MechanismType, ObjectHandle, Session};

use super::{Keys, Sample, text};
use crate::keys::secret;

/// A key of each type but AES; odd parity where the type wants it.
const KEYS: &[(CK_KEY_TYPE, usize)] = &[
    (CKK_DES, 8),
    (CKK_DES3, 24),
    (CKK_RC2, 16),
    (CKK_RC4, 13),
    (CKK_RC5, 16),
    (CKK_CAST5, 16),
    (CKK_ARIA, 32),
    (CKK_SM4, 16),
];

/// 1, 2, 4, 7, 8, 11 and so on: bytes with odd parity, so that they make a DES key of any type.
pub(crate) fn odd(len: usize) -> Vec<u8> {
    (1..=u8::MAX).filter(|byte| byte.count_ones() % 2 == 1).take(len).collect()
}

pub(crate) fn keys(session: &Session) -> Vec<(CK_KEY_TYPE, ObjectHandle)> {
    let key = |(key_type, len): &(CK_KEY_TYPE, usize)| {
        (*key_type, session.create_object(&secret(*key_type, &odd(*len))).unwrap())
    };
    KEYS.iter().map(key).collect()
}

/// How the parameter of a mode is made.
enum Parameter {
    Nothing,
    Iv,
    Counter,
    Length,
}

/// What the parameter of RC2 begins with.
const EFFECTIVE_BITS: CK_ULONG = 64;

/// What the parameter of RC5 begins with.
const WORD_AND_ROUNDS: (CK_ULONG, CK_ULONG) = (4, 12);

fn mechanism(kind: MechanismType, key_type: CK_KEY_TYPE, parameter: Parameter) -> Mechanism {
    use Parameter::*;
    let block = if matches!(key_type, CKK_AES | CKK_ARIA | CKK_SM4) { 16 } else { 8 };
    let (word_bytes, rounds) = WORD_AND_ROUNDS;
    let numbers = |numbers: &[CK_ULONG]| {
        Mechanism::Bytes(kind, numbers.iter().flat_map(|number| number.to_ne_bytes()).collect())
    };
    match (key_type, parameter) {
        (CKK_RC2, Nothing) => Mechanism::ulong(kind, EFFECTIVE_BITS),
        (CKK_RC2, Length) => numbers(&[EFFECTIVE_BITS, 3]),
        (CKK_RC2, _) => {
            Mechanism::Bytes(kind, [&EFFECTIVE_BITS.to_ne_bytes()[..], &[7; 8]].concat())
        }
        (CKK_RC5, Nothing) => numbers(&[word_bytes, rounds]),
        (CKK_RC5, Length) => numbers(&[word_bytes, rounds, 3]),
        (CKK_RC5, _) => Mechanism::Rc5Cbc { mechanism: kind, word_bytes, rounds, iv: vec![7; 8] },
        (_, Nothing) => Mechanism::Plain(kind),
        (_, Length) => Mechanism::ulong(kind, 3),
        (_, Iv) => Mechanism::Bytes(kind, vec![7; block]),
        (_, Counter) => {
            let bits: CK_ULONG = 32;
            Mechanism::Bytes(kind, [&bits.to_ne_bytes()[..], &vec![3; block]].concat())
        }
    }
}

fn sample(
    kind: MechanismType,
    key_type: CK_KEY_TYPE,
    parameter: Parameter,
    keys: &Keys,
    data: &[u8],
) -> Sample {
    let key = match key_type {
        CKK_AES => keys.aes,
        _ => keys.block.iter().find(|(own, _)| *own == key_type).unwrap().1,
    };
    let mechanism = mechanism(kind, key_type, parameter);
    Sample { mechanism, public: key, private: key, data: data.to_vec(), repeats: true }
}

/// A use as a cipher, where the mechanism is a block cipher's in a mode they share.
pub(crate) fn cipher(kind: MechanismType, keys: &Keys) -> Option<Sample> {
    use Parameter::*;
    let text = text();
    let whole = &text[..96];
    let (key_type, parameter, data) = match kind {
        CKM_AES_ECB => (CKK_AES, Nothing, whole),
        CKM_AES_CBC => (CKK_AES, Iv, whole),
        CKM_AES_CBC_PAD | CKM_AES_CBC_PAD_IPSEC | CKM_AES_CFB8 | CKM_AES_CFB128 | CKM_AES_OFB => {
            (CKK_AES, Iv, &text[..])
        }
        CKM_AES_CTR => (CKK_AES, Counter, &text[..]),
        CKM_DES_ECB => (CKK_DES, Nothing, whole),
        CKM_DES_CBC => (CKK_DES, Iv, whole),
        CKM_DES_CBC_PAD | CKM_DES_OFB64 | CKM_DES_CFB64 | CKM_DES_CFB8 => (CKK_DES, Iv, &text[..]),
        CKM_DES3_ECB => (CKK_DES3, Nothing, whole),
        CKM_DES3_CBC => (CKK_DES3, Iv, whole),
        CKM_DES3_CBC_PAD | CKM_DES3_CBC_PAD_IPSEC => (CKK_DES3, Iv, &text[..]),
        CKM_DES3_CTR => (CKK_DES3, Counter, &text[..]),
        CKM_RC2_ECB => (CKK_RC2, Nothing, whole),
        CKM_RC2_CBC => (CKK_RC2, Iv, whole),
        CKM_RC2_CBC_PAD => (CKK_RC2, Iv, &text[..]),
        CKM_RC4 => (CKK_RC4, Nothing, &text[..]),
        CKM_RC5_ECB => (CKK_RC5, Nothing, whole),
        CKM_RC5_CBC => (CKK_RC5, Iv, whole),
        CKM_RC5_CBC_PAD => (CKK_RC5, Iv, &text[..]),
        CKM_CAST5_ECB => (CKK_CAST5, Nothing, whole),
        CKM_CAST5_CBC => (CKK_CAST5, Iv, whole),
        CKM_CAST5_CBC_PAD => (CKK_CAST5, Iv, &text[..]),
        CKM_ARIA_ECB => (CKK_ARIA, Nothing, whole),
        CKM_ARIA_CBC => (CKK_ARIA, Iv, whole),
        CKM_ARIA_CBC_PAD | CKM_ARIA_CFB8 | CKM_ARIA_CFB128 | CKM_ARIA_OFB => {
            (CKK_ARIA, Iv, &text[..])
        }
        CKM_ARIA_CTR => (CKK_ARIA, Counter, &text[..]),
        CKM_SM4_ECB => (CKK_SM4, Nothing, whole),
        CKM_SM4_CBC => (CKK_SM4, Iv, whole),
        CKM_SM4_CBC_PAD => (CKK_SM4, Iv, &text[..]),
        _ => return None,
    };
    Some(sample(kind, key_type, parameter, keys, data))
}

/// A use as a MAC.
pub(super) fn mac(kind: MechanismType, keys: &Keys) -> Option<Sample> {
    use Parameter::*;
    let (key_type, parameter) = match kind {
        CKM_AES_MAC | CKM_AES_CMAC => (CKK_AES, Nothing),
        CKM_AES_MAC_GENERAL | CKM_AES_CMAC_GENERAL => (CKK_AES, Length),
        CKM_DES_MAC => (CKK_DES, Nothing),
        CKM_DES_MAC_GENERAL => (CKK_DES, Length),
        CKM_DES3_MAC | CKM_DES3_CMAC | CKM_DES3_X919_MAC => (CKK_DES3, Nothing),
        CKM_DES3_MAC_GENERAL | CKM_DES3_CMAC_GENERAL => (CKK_DES3, Length),
        CKM_RC2_MAC => (CKK_RC2, Nothing),
        CKM_RC2_MAC_GENERAL => (CKK_RC2, Length),
        CKM_RC5_MAC => (CKK_RC5, Nothing),
        CKM_RC5_MAC_GENERAL => (CKK_RC5, Length),
        CKM_CAST5_MAC => (CKK_CAST5, Nothing),
        CKM_CAST5_MAC_GENERAL => (CKK_CAST5, Length),
        CKM_ARIA_MAC | CKM_ARIA_CMAC => (CKK_ARIA, Nothing),
        CKM_ARIA_MAC_GENERAL | CKM_ARIA_CMAC_GENERAL => (CKK_ARIA, Length),
        _ => return None,
    };
    Some(sample(kind, key_type, parameter, keys, &text()))
}
