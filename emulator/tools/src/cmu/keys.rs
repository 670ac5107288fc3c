//! `cmu generateKeyPair`.

use luna_ck::*;
use luna_client::{Attribute, Mechanism};

use super::{bytes, session};
use crate::failure::Failure;
use crate::options::{Known, Options, value};
use crate::start::Surroundings;

/// Options of the command.
pub(super) const OPTIONS: &[Known] = &[
    value("keytype", "RSA or ECDSA; RSA without"),
    value("modulusbits", "of an RSA key"),
    value("publicexponent", "of an RSA key; 65537 without"),
    value("mech", "how an RSA key is made: pkcs, prime or aux"),
    value("keygenmech", "the same by number: 1 pkcs, 2 prime, 3 aux"),
    value("curvetype", "of an EC key: 1 P-192, 2 P-224, 3 P-256, 4 P-384, 5 P-521"),
    value("label", "of both keys"),
    value("labelpublic", "of the public key"),
    value("labelprivate", "of the private key"),
    value("id", "of both keys, in hexadecimal digits"),
    value("encrypt", "1 or 0: what the public key may do"),
    value("verify", "1 or 0"),
    value("wrap", "1 or 0"),
    value("decrypt", "1 or 0: what the private key may do"),
    value("sign", "1 or 0"),
    value("unwrap", "1 or 0"),
    value("derive", "1 or 0"),
    value("sensitive", "1 or 0; 1 without"),
    value("extractable", "1 or 0"),
    value("modifiable", "1 or 0"),
    value("private", "1 or 0: the private key is seen after a login only; 1 without"),
];

/// Ways to make an RSA key: by name, by number (Observed: `-mech=pkcs`, `-keygenmech=1`).
const RSA_MECHANISMS: &[(&str, &str, CK_ULONG)] = &[
    ("pkcs", "1", CKM_RSA_PKCS_KEY_PAIR_GEN),
    ("prime", "2", CKM_RSA_FIPS_186_3_PRIME_KEY_PAIR_GEN),
    ("aux", "3", CKM_RSA_FIPS_186_3_AUX_PRIME_KEY_PAIR_GEN),
];

/// Curves by number, their names, and the DER of their identifiers (Documented; the encodings are of RFC 5480).
const CURVES: &[(&str, &str, &[u8])] = &[
    ("1", "p192", &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 1]),
    ("2", "p224", &[6, 5, 0x2b, 0x81, 4, 0, 0x21]),
    ("3", "p256", &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7]),
    ("4", "p384", &[6, 5, 0x2b, 0x81, 4, 0, 0x22]),
    ("5", "p521", &[6, 5, 0x2b, 0x81, 4, 0, 0x23]),
];

/// Usages of the public key and of the private one.
const PUBLIC_FLAGS: [(&str, CK_ATTRIBUTE_TYPE); 4] = [
    ("encrypt", CKA_ENCRYPT),
    ("verify", CKA_VERIFY),
    ("wrap", CKA_WRAP),
    ("modifiable", CKA_MODIFIABLE),
];
const PRIVATE_FLAGS: [(&str, CK_ATTRIBUTE_TYPE); 6] = [
    ("decrypt", CKA_DECRYPT),
    ("sign", CKA_SIGN),
    ("unwrap", CKA_UNWRAP),
    ("derive", CKA_DERIVE),
    ("extractable", CKA_EXTRACTABLE),
    ("modifiable", CKA_MODIFIABLE),
];

/// What is wanted of a key pair's kind.
fn kind(
    surroundings: &mut Surroundings<'_>,
    options: &Options,
) -> Result<(Mechanism, Vec<Attribute>), Failure> {
    match options.value("keytype").unwrap_or("RSA").to_ascii_uppercase().as_str() {
        "RSA" => {
            let bits = match options.number("modulusbits")? {
                Some(bits) => bits,
                None => {
                    let answer = surroundings.ask("Enter modulus length in bits", "modulusbits")?;
                    let wrong = |_| Failure::misuse(format!("'{answer}' is no number of bits"));
                    answer.parse().map_err(wrong)?
                }
            };
            let exponent = options.number("publicexponent")?.unwrap_or(65537).to_be_bytes();
            let zeros = exponent.iter().take_while(|byte| **byte == 0).count();
            let exponent = exponent.get(zeros..).unwrap_or_default().to_vec();
            let attributes = vec![
                Attribute::ulong(CKA_MODULUS_BITS, bits),
                Attribute::bytes(CKA_PUBLIC_EXPONENT, exponent),
            ];
            Ok((Mechanism::Plain(rsa_mechanism(options)?), attributes))
        }
        "EC" | "ECDSA" => {
            let wanted = match options.value("curvetype") {
                Some(curve) => curve.to_owned(),
                None => {
                    let question =
                        "Enter curve type: [1] P-192 [2] P-224 [3] P-256 [4] P-384 [5] P-521";
                    surroundings.ask(question, "curvetype")?
                }
            };
            // Scripts write P-384, NISTP384 and p384 too.
            let plain = wanted.to_ascii_lowercase().replace("nist", "").replace('-', "");
            let curve = CURVES.iter().find(|(number, name, _)| plain == *number || plain == *name);
            let (.., parameters) = curve.ok_or_else(|| {
                Failure::misuse(format!("-curvetype: '{wanted}' is no number from 1 to 5"))
            })?;
            let attributes = vec![Attribute::bytes(CKA_EC_PARAMS, *parameters)];
            Ok((Mechanism::Plain(CKM_EC_KEY_PAIR_GEN), attributes))
        }
        other => Err(Failure::misuse(format!("-keytype: '{other}' is neither RSA nor ECDSA"))),
    }
}

fn rsa_mechanism(options: &Options) -> Result<CK_ULONG, Failure> {
    let Some(wanted) = options.value("mech").or(options.value("keygenmech")) else {
        return Ok(CKM_RSA_PKCS_KEY_PAIR_GEN);
    };
    let is = |(name, number, _): &&(&str, &str, CK_ULONG)| {
        wanted.eq_ignore_ascii_case(name) || wanted == *number
    };
    RSA_MECHANISMS.iter().find(is).map(|(.., mechanism)| *mechanism).ok_or_else(|| {
        Failure::misuse(format!("-mech: '{wanted}' is none of pkcs (1), prime (2), aux (3)"))
    })
}

/// `generateKeyPair`: token objects; usages that are not named are the module's own choice.
pub(super) fn generate(
    surroundings: &mut Surroundings<'_>,
    options: &Options,
) -> Result<(), Failure> {
    let (mechanism, mut public) = kind(surroundings, options)?;
    let own = |name| options.value(name).or(options.value("label"));
    public.push(Attribute::token(true));
    let mut private = vec![
        Attribute::token(true),
        Attribute::private(options.flag("private")?.unwrap_or(true)),
        Attribute::bool(CKA_SENSITIVE, options.flag("sensitive")?.unwrap_or(true)),
    ];
    public.extend(own("labelpublic").map(Attribute::label));
    private.extend(own("labelprivate").map(Attribute::label));
    if let Some(id) = options.value("id") {
        let id = Attribute::bytes(CKA_ID, bytes("id", id)?);
        public.push(id.clone());
        private.push(id);
    }
    for (template, flags) in [(&mut public, &PUBLIC_FLAGS[..]), (&mut private, &PRIVATE_FLAGS[..])]
    {
        for (name, attribute) in flags {
            if let Some(on) = options.flag(name)? {
                template.push(Attribute::bool(*attribute, on));
            }
        }
    }
    let session = session(surroundings, options)?;
    session.generate_key_pair(&mechanism, &public, &private)?;
    Ok(())
}
