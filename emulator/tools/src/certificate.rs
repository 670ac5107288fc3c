//! X.509 certificates and requests, signed by whoever has the key: a partition, or this process.
//!
//! The structures are the crate `x509-cert`'s; here is what a tool puts into them. Source: RFC 5280, RFC 2986.

use std::str::FromStr;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use der::asn1::{BitString, ObjectIdentifier, UintRef};
use der::{Any, Encode, Sequence, Tag};
use x509_cert::Certificate;
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::builder::{Builder, CertificateBuilder, RequestBuilder};
use x509_cert::certificate::TbsCertificate;
use x509_cert::ext::{Extension, ToExtension, pkix};
use x509_cert::name::Name;
use x509_cert::request::CertReq;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{
    self, AlgorithmIdentifierOwned, DynSignatureAlgorithmIdentifier, EncodePublicKey,
    SubjectPublicKeyInfoOwned, SubjectPublicKeyInfoRef,
};
use x509_cert::time::Validity;

use crate::failure::Failure;

/// `RSAPublicKey` of RFC 8017.
#[derive(Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    exponent: UintRef<'a>,
}

/// `ECDSA-Sig-Value` of RFC 3279.
#[derive(Sequence)]
struct EcdsaSignature<'a> {
    r: UintRef<'a>,
    s: UintRef<'a>,
}

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SHA256_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");

/// A public RSA key, its numbers as big-endian bytes.
pub(crate) fn rsa_public(
    modulus: &[u8],
    exponent: &[u8],
) -> der::Result<SubjectPublicKeyInfoOwned> {
    let key = RsaPublicKey { modulus: UintRef::new(modulus)?, exponent: UintRef::new(exponent)? };
    let algorithm = AlgorithmIdentifierOwned { oid: RSA, parameters: Some(Any::null()) };
    Ok(SubjectPublicKeyInfoOwned {
        algorithm,
        subject_public_key: BitString::from_bytes(&key.to_der()?)?,
    })
}

/// A public EC key: the parameters as the standard's `CKA_EC_PARAMS` has them, the point without its wrapping.
pub(crate) fn ec_public(params: &[u8], point: &[u8]) -> der::Result<SubjectPublicKeyInfoOwned> {
    let parameters = Some(<Any as der::Decode>::from_der(params)?);
    Ok(SubjectPublicKeyInfoOwned {
        algorithm: AlgorithmIdentifierOwned { oid: EC, parameters },
        subject_public_key: BitString::from_bytes(point)?,
    })
}

/// A signature as PKCS#11 gives it, `r || s` of equal lengths, as a certificate wants it.
pub(crate) fn ecdsa_encoded(signature: &[u8]) -> der::Result<Vec<u8>> {
    let (r, s) = signature.split_at(signature.len() / 2);
    EcdsaSignature { r: UintRef::new(r)?, s: UintRef::new(s)? }.to_der()
}

/// Whoever has a private key.
pub(crate) trait Signs {
    /// The public half.
    fn public(&self) -> &SubjectPublicKeyInfoOwned;
    /// What a certificate calls the signature.
    fn algorithm(&self) -> AlgorithmIdentifierOwned;
    /// Over the whole message, as a certificate wants it.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Failure>;
}

/// [`Signs`] as `x509-cert` asks for it.
struct Signer<'a>(&'a dyn Signs);

/// The public half as `x509-cert` asks for it.
#[derive(Clone)]
struct Public(SubjectPublicKeyInfoOwned);

impl EncodePublicKey for Public {
    fn to_public_key_der(&self) -> spki::Result<der::Document> {
        Ok(der::Document::encode_msg(&self.0)?)
    }
}

impl signature::Keypair for Signer<'_> {
    type VerifyingKey = Public;

    fn verifying_key(&self) -> Public {
        Public(self.0.public().clone())
    }
}

impl DynSignatureAlgorithmIdentifier for Signer<'_> {
    fn signature_algorithm_identifier(&self) -> spki::Result<AlgorithmIdentifierOwned> {
        Ok(self.0.algorithm())
    }
}

/// What goes into a certificate that signs itself.
pub(crate) struct SelfSigned {
    pub(crate) subject: Name,
    pub(crate) serial: SerialNumber,
    pub(crate) validity: Validity,
    pub(crate) key_usage: Option<pkix::KeyUsage>,
    pub(crate) names: Option<pkix::SubjectAltName>,
}

impl BuilderProfile for &SelfSigned {
    fn get_issuer(&self, subject: &Name) -> Name {
        subject.clone()
    }

    fn get_subject(&self) -> Name {
        self.subject.clone()
    }

    fn build_extensions(
        &self,
        key: SubjectPublicKeyInfoRef<'_>,
        _: SubjectPublicKeyInfoRef<'_>,
        to_be_signed: &TbsCertificate,
    ) -> x509_cert::builder::Result<Vec<Extension>> {
        let mut extensions = Vec::new();
        let subject = to_be_signed.subject();
        extensions
            .push(pkix::SubjectKeyIdentifier::try_from(key)?.to_extension(subject, &extensions)?);
        if let Some(usage) = &self.key_usage {
            extensions.push(usage.to_extension(subject, &extensions)?);
        }
        if let Some(names) = &self.names {
            extensions.push(names.to_extension(subject, &extensions)?);
        }
        Ok(extensions)
    }
}

/// A certificate over a key, signed by that key.
pub(crate) fn self_signed(content: &SelfSigned, key: &dyn Signs) -> Result<Certificate, Failure> {
    let signer = Signer(key);
    let mut builder = CertificateBuilder::new(
        content,
        content.serial.clone(),
        content.validity,
        key.public().clone(),
    )?;
    let message = builder.finalize(&signer)?;
    let signature = BitString::from_bytes(&key.sign(&message)?)?;
    Ok(builder.assemble(signature, &signer)?)
}

/// A request for a certificate over a key, signed by that key.
pub(crate) fn request(subject: Name, key: &dyn Signs) -> Result<CertReq, Failure> {
    let signer = Signer(key);
    let mut builder = RequestBuilder::new(subject)?;
    let message = builder.finalize(&signer)?;
    let signature = BitString::from_bytes(&key.sign(&message)?)?;
    Ok(builder.assemble(signature, &signer)?)
}

/// The parts of a distinguished name in their usual order: the option, the attribute, the string it is.
pub(crate) const NAME_PARTS: [(&str, &str, Tag); 7] = [
    ("c", "2.5.4.6", Tag::PrintableString),
    ("s", "2.5.4.8", Tag::Utf8String),
    ("l", "2.5.4.7", Tag::Utf8String),
    ("o", "2.5.4.10", Tag::Utf8String),
    ("ou", "2.5.4.11", Tag::Utf8String),
    ("cn", "2.5.4.3", Tag::Utf8String),
    ("e", "1.2.840.113549.1.9.1", Tag::Ia5String),
];

/// A distinguished name of the parts that `value` gives.
///
/// # Errors
///
/// `Misuse` for a country that has not two letters, for a part with characters its string does not allow, and for
/// a name without parts.
pub(crate) fn name<'a>(value: impl Fn(&str) -> Option<&'a str>) -> Result<Name, Failure> {
    let mut parts = Vec::new();
    for (option, attribute, tag) in NAME_PARTS {
        let Some(text) = value(option).filter(|text| !text.is_empty()) else { continue };
        let sound = match option {
            "c" => text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic()),
            "e" => text.is_ascii(),
            _ => true,
        };
        if !sound {
            return Err(Failure::misuse(format!("-{option}: '{text}' cannot stand in a name")));
        }
        let encoded = Any::new(tag, text.as_bytes())?.to_der()?;
        let digits: String = encoded.iter().map(|byte| format!("{byte:02x}")).collect();
        parts.push(format!("{attribute}=#{digits}"));
    }
    if parts.is_empty() {
        return Err(Failure::misuse("a name is needed, by -cn and others"));
    }
    // RFC 4514 writes the last part first.
    parts.reverse();
    Ok(Name::from_str(&parts.join(","))?)
}

/// An RSA key of this process's own, for a client's identity.
pub(crate) struct OwnKey {
    pair: RsaKeyPair,
    public: SubjectPublicKeyInfoOwned,
}

impl OwnKey {
    /// Makes one of 2048 bits, as the vendor's tool does.
    pub(crate) fn generate() -> Result<Self, Failure> {
        use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
        let failed = |_| Failure::refused("no RSA key could be made");
        let pair = RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).map_err(failed)?;
        let public: PublicKeyX509Der<'_> =
            AsDer::as_der(aws_lc_rs::signature::KeyPair::public_key(&pair)).map_err(failed)?;
        let public = <SubjectPublicKeyInfoOwned as der::Decode>::from_der(public.as_ref())?;
        Ok(Self { pair, public })
    }

    /// The private key as PEM of PKCS#1, which the vendor's client wants (Observed: a PKCS#8 one fails silently).
    pub(crate) fn private_pem(&self) -> Result<String, Failure> {
        use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
        let failed = |_| Failure::refused("the RSA key cannot be written");
        let whole: Pkcs8V1Der<'_> = self.pair.as_der().map_err(failed)?;
        let info = pkcs8::PrivateKeyInfoRef::try_from(whole.as_ref())
            .map_err(|error| Failure::refused(error.to_string()))?;
        let line_end = der::pem::LineEnding::LF;
        let text =
            der::pem::encode_string("RSA PRIVATE KEY", line_end, info.private_key.as_bytes());
        text.map_err(|error| Failure::refused(error.to_string()))
    }
}

impl Signs for OwnKey {
    fn public(&self) -> &SubjectPublicKeyInfoOwned {
        &self.public
    }

    fn algorithm(&self) -> AlgorithmIdentifierOwned {
        AlgorithmIdentifierOwned { oid: SHA256_WITH_RSA, parameters: Some(Any::null()) }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Failure> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let done = self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature);
        done.map_err(|_| Failure::refused("the RSA key did not sign"))?;
        Ok(signature)
    }
}
