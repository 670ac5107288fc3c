//! The certificate authority of a vault: it signs what endpoints show, and what the KMIP server shows to them.
//!
//! Its key is made at the first need and lies in the store under the tablespace key, so that a closed wallet enrols
//! nobody, and a restored server knows the endpoints of its backup. That endpoints have certificates of the vault's own
//! authority is Documented; keys are ECDSA P-256 and names and validity Assumed.

use std::time::{Duration, SystemTime};

use data_encoding::HEXLOWER;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use crate::seal::{self, Sealed};
use crate::secret::Secret;
use crate::store::{AuthorityRecord, Store, StoreError};
use crate::tablespace::Tablespace;

/// How long the authority's certificate holds: longer than any server of this kind is kept.
const AUTHORITY_VALID: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// How long a certificate of an endpoint or of the KMIP server holds. Assumed: that of the node certificates.
const VALID: Duration = Duration::from_secs(730 * 24 * 3600);

/// A clock that is a little behind shall not refuse a new certificate.
const LEEWAY: Duration = Duration::from_secs(24 * 3600);

/// What the key is sealed as.
const BELONGS_TO: &str = "key of the endpoints' certificate authority";

/// Why there is no authority, or no certificate of it.
#[derive(Debug)]
pub(crate) enum AuthorityError {
    Store(StoreError),
    Crypto,
    Certificate(rcgen::Error),
}

impl From<StoreError> for AuthorityError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Sealed> for AuthorityError {
    fn from(_: Sealed) -> Self {
        Self::Crypto
    }
}

impl From<rcgen::Error> for AuthorityError {
    fn from(error: rcgen::Error) -> Self {
        Self::Certificate(error)
    }
}

/// A certificate and its key.
pub(crate) struct Issued {
    /// PEM.
    pub(crate) certificate: String,
    /// SHA-256 of the certificate's DER.
    pub(crate) digest: [u8; 32],
    /// PKCS#8 in PEM. Kept nowhere but with its owner.
    pub(crate) key: Secret,
}

/// The opened authority.
pub(crate) struct Authority {
    /// PEM.
    pub(crate) certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

/// What follows from its name alone, so that it need not be read out of its certificate.
fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn valid(params: &mut CertificateParams, validity: Duration) {
    let now = SystemTime::now();
    params.not_before = (now - LEEWAY).into();
    params.not_after = (now + validity).into();
}

impl Authority {
    /// The authority of this server; it is made if there is none.
    pub(crate) fn open(store: &Store, tablespace: &Tablespace) -> Result<Self, AuthorityError> {
        let record = match store.authority()? {
            Some(record) => record,
            None => {
                let made = make(tablespace)?;
                // Somebody may have been faster: theirs counts.
                store.change(|change| change.first_authority(&made))?;
                store.authority()?.ok_or(AuthorityError::Crypto)?
            }
        };
        let sealed = HEXLOWER.decode(record.key.as_bytes()).map_err(|_| AuthorityError::Crypto)?;
        let key = tablespace.unseal(BELONGS_TO, &sealed)?;
        let key = std::str::from_utf8(key.expose()).map_err(|_| AuthorityError::Crypto)?;
        let issuer = Issuer::new(params(&record.name), KeyPair::from_pem(key)?);
        Ok(Self { certificate: record.certificate, issuer })
    }

    /// A certificate for an endpoint.
    pub(crate) fn issue_to_endpoint(&self, name: &str) -> Result<Issued, AuthorityError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params)
    }

    /// A certificate for the KMIP server under these names.
    pub(crate) fn issue_to_server(&self, names: &[String]) -> Result<Issued, AuthorityError> {
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        let name = names.first().map_or("okv-sim", String::as_str);
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(params)
    }

    fn issue(&self, mut params: CertificateParams) -> Result<Issued, AuthorityError> {
        valid(&mut params, VALID);
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let made = params.signed_by(&key, &self.issuer)?;
        let digest = seal::sha256(made.der());
        Ok(Issued { certificate: made.pem(), digest, key: Secret::from(key.serialize_pem()) })
    }
}

fn make(tablespace: &Tablespace) -> Result<AuthorityRecord, AuthorityError> {
    let name = format!("OKV Endpoint CA {:016x}", u64::from_be_bytes(seal::random()?));
    let mut params = params(&name);
    valid(&mut params, AUTHORITY_VALID);
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?.pem();
    let pem = Secret::from(key.serialize_pem());
    let key = HEXLOWER.encode(&tablespace.seal(BELONGS_TO, pem.expose())?);
    Ok(AuthorityRecord { name, certificate, key })
}
