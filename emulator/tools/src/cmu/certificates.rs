//! `cmu export`, `import`, `requestCertificate`, `selfSignCertificate`.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use der::asn1::OctetStringRef;
use der::{Any, Decode, DecodePem, Encode, EncodePem};
use luna_ck::{names, *};
use luna_client::{Attribute, Mechanism, ObjectHandle, Session};
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::asn1::{GeneralizedTime, ObjectIdentifier};
use x509_cert::der::flagset::FlagSet;
use x509_cert::ext::pkix::{KeyUsage, KeyUsages};
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::time::{Time, Validity};

use super::{bytes, session};
use crate::certificate::{self, SelfSigned, Signs, ec_public, ecdsa_encoded, rsa_public};
use crate::failure::Failure;
use crate::options::Options;
use crate::start::Surroundings;

/// A way to sign: its option, the key it wants, the mechanism, the name a certificate has for it.
struct Algorithm {
    option: &'static str,
    key: CK_ULONG,
    mechanism: CK_ULONG,
    oid: ObjectIdentifier,
}

const fn algorithm(
    option: &'static str,
    key: CK_ULONG,
    mechanism: CK_ULONG,
    oid: &str,
) -> Algorithm {
    Algorithm { option, key, mechanism, oid: ObjectIdentifier::new_unwrap(oid) }
}

/// Source of the identifiers: RFC 8017, RFC 5758.
const ALGORITHMS: &[Algorithm] = &[
    algorithm("sha256withrsa", CKK_RSA, CKM_SHA256_RSA_PKCS, "1.2.840.113549.1.1.11"),
    algorithm("sha256withecdsa", CKK_EC, CKM_ECDSA_SHA256, "1.2.840.10045.4.3.2"),
    algorithm("sha1withrsa", CKK_RSA, CKM_SHA1_RSA_PKCS, "1.2.840.113549.1.1.5"),
    algorithm("sha224withrsa", CKK_RSA, CKM_SHA224_RSA_PKCS, "1.2.840.113549.1.1.14"),
    algorithm("sha384withrsa", CKK_RSA, CKM_SHA384_RSA_PKCS, "1.2.840.113549.1.1.12"),
    algorithm("sha512withrsa", CKK_RSA, CKM_SHA512_RSA_PKCS, "1.2.840.113549.1.1.13"),
    algorithm("sha1withecdsa", CKK_EC, CKM_ECDSA_SHA1, "1.2.840.10045.4.1"),
    algorithm("sha224withecdsa", CKK_EC, CKM_ECDSA_SHA224, "1.2.840.10045.4.3.1"),
    algorithm("sha384withecdsa", CKK_EC, CKM_ECDSA_SHA384, "1.2.840.10045.4.3.3"),
    algorithm("sha512withecdsa", CKK_EC, CKM_ECDSA_SHA512, "1.2.840.10045.4.3.4"),
];

/// A key pair of the partition.
struct Keys<'a> {
    session: &'a Session,
    private: ObjectHandle,
    public: SubjectPublicKeyInfoOwned,
    algorithm: &'static Algorithm,
}

impl Signs for Keys<'_> {
    fn public(&self) -> &SubjectPublicKeyInfoOwned {
        &self.public
    }

    fn algorithm(&self) -> AlgorithmIdentifierOwned {
        // RFC 5758: ECDSA goes without parameters; RFC 8017: RSA with NULL.
        let parameters = (self.algorithm.key == CKK_RSA).then(Any::null);
        AlgorithmIdentifierOwned { oid: self.algorithm.oid, parameters }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Failure> {
        let mechanism = Mechanism::Plain(self.algorithm.mechanism);
        let signature = self.session.sign(&mechanism, self.private, message)?;
        if self.algorithm.key == CKK_RSA { Ok(signature) } else { Ok(ecdsa_encoded(&signature)?) }
    }
}

/// The key pair that `-publichandle` and `-privatehandle` name.
fn keys<'a>(session: &'a Session, options: &Options) -> Result<Keys<'a>, Failure> {
    let public = key(session, options, "publichandle", CKO_PUBLIC_KEY)?;
    let private = key(session, options, "privatehandle", CKO_PRIVATE_KEY)?;
    let kind = session.attribute_ulong(private, CKA_KEY_TYPE)?.unwrap_or(CK_ULONG::MAX);
    let wanted: Vec<&Algorithm> =
        ALGORITHMS.iter().filter(|algorithm| options.has(algorithm.option)).collect();
    let of_kind = || ALGORITHMS.iter().find(|algorithm| algorithm.key == kind);
    let algorithm = match wanted.as_slice() {
        [] => of_kind().ok_or_else(|| {
            let kind = names::name(names::CKK, kind);
            Failure::refused(format!("keys of type {kind} sign no certificates here"))
        })?,
        [one] if one.key == kind => one,
        [one] => {
            let kind = names::name(names::CKK, kind);
            return Err(Failure::misuse(format!("-{}: the key is of type {kind}", one.option)));
        }
        _ => return Err(Failure::misuse("one algorithm is enough")),
    };
    Ok(Keys { session, private, public: public_info(session, public)?, algorithm })
}

/// The handle of an option; without it the only object of that class.
fn key(
    session: &Session,
    options: &Options,
    option: &str,
    class: CK_ULONG,
) -> Result<ObjectHandle, Failure> {
    if let Some(handle) = options.number(option)? {
        return Ok(ObjectHandle(handle));
    }
    match session.find(&[Attribute::token(true), Attribute::class(class)])?.as_slice() {
        [one] => Ok(*one),
        [] => Err(Failure::refused(format!("there is no key for -{option}"))),
        several => {
            let handles: Vec<String> = several.iter().map(ToString::to_string).collect();
            let text = format!("-{option} is needed: there are {}", handles.join(", "));
            Err(Failure::misuse(text))
        }
    }
}

/// A public key of the partition in the encoding of certificates.
fn public_info(
    session: &Session,
    object: ObjectHandle,
) -> Result<SubjectPublicKeyInfoOwned, Failure> {
    let lacks = || Failure::refused(format!("object {object} is no public key of RSA or EC"));
    let attribute = |kind| session.attribute(object, kind)?.ok_or_else(lacks);
    match session.attribute_ulong(object, CKA_KEY_TYPE)? {
        Some(CKK_RSA) => {
            Ok(rsa_public(&attribute(CKA_MODULUS)?, &attribute(CKA_PUBLIC_EXPONENT)?)?)
        }
        Some(CKK_EC) => {
            let wrapped = attribute(CKA_EC_POINT)?;
            let point = <&OctetStringRef>::from_der(&wrapped)?;
            Ok(ec_public(&attribute(CKA_EC_PARAMS)?, point.as_bytes())?)
        }
        _ => Err(lacks()),
    }
}

/// Writes a file that is not there yet.
fn write(options: &Options, text: &str) -> Result<(), Failure> {
    let file = Path::new(options.needed("outputfile")?);
    let mut new = OpenOptions::new();
    new.write(true)
        .create_new(true)
        .open(file)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| Failure::of_file(file, &error))
}

/// `requestCertificate`.
pub(super) fn request(
    surroundings: &mut Surroundings<'_>,
    options: &Options,
) -> Result<(), Failure> {
    let subject = certificate::name(|part| options.value(part))?;
    options.needed("outputfile")?;
    let session = session(surroundings, options)?;
    let keys = keys(&session, options)?;
    let request = certificate::request(subject, &keys)?;
    write(options, &request.to_pem(der::pem::LineEnding::LF)?)?;
    say_mechanism(surroundings, &keys)
}

/// Observed: `Using "CKM_SHA256_RSA_PKCS" Mechanism`.
fn say_mechanism(surroundings: &mut Surroundings<'_>, keys: &Keys<'_>) -> Result<(), Failure> {
    let mechanism = names::ckm(keys.algorithm.mechanism);
    Ok(writeln!(surroundings.out, "Using \"{mechanism}\" Mechanism")?)
}

/// A day as `YYYYMMDD`, at midnight.
fn day(option: &str, text: &str) -> Result<Time, Failure> {
    let wrong = || Failure::misuse(format!("-{option}: '{text}' is no day as YYYYMMDD"));
    if text.len() != 8 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let number = |range: std::ops::Range<usize>| {
        text.get(range).unwrap_or_default().parse::<u16>().unwrap_or(0)
    };
    let (year, month, day) = (number(0..4), number(4..6), number(6..8));
    let small = |number: u16| u8::try_from(number).unwrap_or(0);
    let date = der::DateTime::new(year, small(month), small(day), 0, 0, 0).map_err(|_| wrong())?;
    // The builder makes of it what RFC 5280 wants for the year.
    Ok(Time::GeneralTime(GeneralizedTime::from_date_time(date)))
}

/// Usages by the names of RFC 5280.
const USAGES: [(&str, KeyUsages); 7] = [
    ("digitalsignature", KeyUsages::DigitalSignature),
    ("nonrepudiation", KeyUsages::NonRepudiation),
    ("keyencipherment", KeyUsages::KeyEncipherment),
    ("dataencipherment", KeyUsages::DataEncipherment),
    ("keyagreement", KeyUsages::KeyAgreement),
    ("keycertsign", KeyUsages::KeyCertSign),
    ("crlsign", KeyUsages::CRLSign),
];

fn usages(text: &str) -> Result<KeyUsage, Failure> {
    let mut usages: FlagSet<KeyUsages> = FlagSet::default();
    for wanted in text.split(',').map(str::trim) {
        let found = USAGES.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        let (_, usage) = found.ok_or_else(|| {
            let names: Vec<&str> = USAGES.iter().map(|(name, _)| *name).collect();
            Failure::misuse(format!("-keyusage: '{wanted}' is none of {}", names.join(", ")))
        })?;
        usages |= *usage;
    }
    Ok(KeyUsage(usages))
}

/// `selfSignCertificate`: the certificate is put on the partition, and written where a file is named.
pub(super) fn self_sign(
    surroundings: &mut Surroundings<'_>,
    options: &Options,
) -> Result<(), Failure> {
    let subject = certificate::name(|part| options.value(part))?;
    let validity = Validity::new(
        day("startdate", options.needed("startdate")?)?,
        day("enddate", options.needed("enddate")?)?,
    );
    let key_usage = options.value("keyusage").map(usages).transpose()?;
    let serial = options.value("serialnumber").map(|digits| bytes("serialnumber", digits));
    let serial = serial.transpose()?;
    let session = session(surroundings, options)?;
    let serial = match serial {
        Some(serial) => serial,
        None => {
            let mut random = session.random(16)?;
            // A positive number without a zero at its front.
            if let Some(first) = random.first_mut() {
                *first = (*first & 0x7f) | 0x40;
            }
            random
        }
    };
    let serial = SerialNumber::new(&serial)?;
    let keys = keys(&session, options)?;
    let content = SelfSigned { subject, serial, validity, key_usage, names: None };
    let made = certificate::self_signed(&content, &keys)?;
    if options.has("outputfile") {
        write(options, &made.to_pem(der::pem::LineEnding::LF)?)?;
    }
    put(&session, &made.to_der()?, options)?;
    say_mechanism(surroundings, &keys)
}

/// A certificate as an object of the partition.
fn put(session: &Session, encoded: &[u8], options: &Options) -> Result<ObjectHandle, Failure> {
    // With certificates of others, what RFC 5280 forbids is none of our business.
    let certificate = CertificateInner::<Raw>::from_der(encoded)?;
    let content = certificate.tbs_certificate();
    let mut template = vec![
        Attribute::class(CKO_CERTIFICATE),
        Attribute::ulong(CKA_CERTIFICATE_TYPE, CKC_X_509),
        Attribute::token(true),
        Attribute::private(options.flag("private")?.unwrap_or(false)),
        Attribute::bytes(CKA_SUBJECT, content.subject().to_der()?),
        Attribute::bytes(CKA_ISSUER, content.issuer().to_der()?),
        Attribute::bytes(CKA_SERIAL_NUMBER, content.serial_number().to_der()?),
        Attribute::bytes(CKA_VALUE, encoded),
    ];
    template.extend(options.value("label").map(Attribute::label));
    if let Some(id) = options.value("id") {
        template.push(Attribute::bytes(CKA_ID, bytes("id", id)?));
    }
    Ok(session.create_object(&template)?)
}

/// `import`: a certificate, as PEM or DER.
pub(super) fn import(
    surroundings: &mut Surroundings<'_>,
    options: &Options,
) -> Result<(), Failure> {
    let file = Path::new(options.needed("inputfile")?);
    let content = fs::read(file).map_err(|error| Failure::of_file(file, &error))?;
    let read = CertificateInner::<Raw>::from_pem(&content)
        .or_else(|_| CertificateInner::<Raw>::from_der(&content));
    let certificate = read
        .map_err(|error| Failure::misuse(format!("{}: no certificate: {error}", file.display())))?;
    let session = session(surroundings, options)?;
    put(&session, &certificate.to_der()?, options)?;
    Ok(())
}

/// `export`: a certificate as it is on the partition, or with `-key` a public key, as PEM.
pub(super) fn export(
    surroundings: &mut Surroundings<'_>,
    options: &Options,
) -> Result<(), Failure> {
    options.needed("outputfile")?;
    let session = session(surroundings, options)?;
    let class = if options.has("key") { CKO_PUBLIC_KEY } else { CKO_CERTIFICATE };
    let object = exported(&session, options, class)?;
    let text = if options.has("key") {
        public_info(&session, object)?.to_pem(der::pem::LineEnding::LF)?
    } else {
        let value = session.attribute(object, CKA_VALUE)?;
        let encoded =
            value.ok_or_else(|| Failure::refused(format!("object {object} is no certificate")))?;
        let text = der::pem::encode_string("CERTIFICATE", der::pem::LineEnding::LF, &encoded);
        text.map_err(|error| Failure::refused(error.to_string()))?
    };
    write(options, &text)
}

/// The object of `-handle` or `-label`, or the only one of its class.
fn exported(
    session: &Session,
    options: &Options,
    class: CK_ULONG,
) -> Result<ObjectHandle, Failure> {
    if let Some(handle) = options.number("handle")? {
        return Ok(ObjectHandle(handle));
    }
    let mut template = vec![Attribute::token(true), Attribute::class(class)];
    template.extend(options.value("label").map(Attribute::label));
    match session.find(&template)?.as_slice() {
        [one] => Ok(*one),
        [] => Err(Failure::refused("there is no such object")),
        several => {
            let handles: Vec<String> = several.iter().map(ToString::to_string).collect();
            Err(Failure::misuse(format!("-handle is needed: there are {}", handles.join(", "))))
        }
    }
}
