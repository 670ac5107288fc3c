//! Endpoints: made by an administrator with an enrolment token, which their owner redeems once for a certificate.
//!
//! Statuses and arrows: an endpoint is registered, enrols, may be suspended and resumed, and enrols again with a new
//! token, from when on its old certificate is refused (Documented but for the last, which is Assumed). None of it asks
//! the HSM, so all of it goes on beside an operation that does.

use data_encoding::HEXLOWER;
use serde::Serialize;

use super::{Operation, open};
use crate::authority::{Authority, AuthorityError, Issued};
use crate::error::Error;
use crate::seal;
use crate::secret::Secret;
use crate::store::{self, Endpoint, EndpointStatus, StoreError};
use crate::texts::Cause;
use crate::view::View;

/// Longest name of an endpoint, a group or a wallet, characters. Assumed.
pub(crate) const LONGEST_NAME: usize = 64;

/// Length of an enrolment token, characters. Observed.
const TOKEN: usize = 16;

/// Types of endpoints. `ORACLE_DB` Observed, the others Assumed from memory of the command line.
pub const ENDPOINT_TYPES: &[&str] =
    &["ORACLE_DB", "ORACLE_NON_DB", "ORACLE_ACFS", "MYSQL_DB", "OTHER"];

/// Platforms of endpoints. `LINUX64` Observed, the others Assumed from memory of the command line.
pub const ENDPOINT_PLATFORMS: &[&str] =
    &["LINUX64", "SOLARIS_SPARC", "SOLARIS_X64", "HPUX", "AIX53", "AIX61", "WINDOWS"];

/// What an endpoint's owner takes home.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Enrolled {
    /// Its name.
    pub endpoint: String,
    /// PEM of the authority that signed the server's certificate and this one.
    pub ca: String,
    /// PEM.
    pub certificate: String,
    /// PEM of the private key, which the server does not keep.
    #[serde(skip)]
    pub key: Secret,
    /// SHA-256 of the certificate, in hexadecimal digits.
    pub fingerprint: String,
    /// Where the KMIP server listens: `host:port`.
    pub server: String,
}

pub(super) fn failed(operation: Operation) -> impl Fn(StoreError) -> Error {
    move |error| Error::store(operation, &error)
}

fn refuse(cause: Cause, detail: impl std::fmt::Display) -> Error {
    Error::new(Operation::Endpoint, cause).with_detail(detail)
}

/// What an authority's failure means.
pub(crate) fn authority_failed(operation: Operation, error: &AuthorityError) -> Error {
    match error {
        AuthorityError::Store(error) => Error::store(operation, error),
        AuthorityError::Crypto => Error::new(operation, Cause::CryptoFailed),
        AuthorityError::Certificate(error) => {
            Error::new(operation, Cause::CryptoFailed).with_detail(error)
        }
    }
}

/// A name of an endpoint, a group or a wallet.
pub(super) fn usable_name(operation: Operation, name: &str) -> Result<(), Error> {
    let usable = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(usable) {
        let detail = "a name has 1 to 64 of the letters, digits and . _ -";
        return Err(Error::new(operation, Cause::OptionUnusable).with_detail(detail));
    }
    Ok(())
}

/// The endpoint of this name.
pub(crate) fn endpoint(view: &View, name: &str) -> Result<Endpoint, Error> {
    let found = view.store.endpoint(name).map_err(failed(Operation::Endpoint))?;
    found.ok_or_else(|| refuse(Cause::EndpointUnknown, name))
}

/// What a token is sealed as.
fn place(endpoint: &str) -> String {
    format!("enrolment token of {}", endpoint.to_ascii_lowercase())
}

/// Letters and digits, all of them alike often.
fn new_token() -> Result<Secret, seal::Sealed> {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut token = Vec::with_capacity(TOKEN);
    while token.len() < TOKEN {
        for byte in seal::random::<32>()? {
            // 248 is the largest multiple of 62 in a byte.
            let letter = LETTERS.get(usize::from(byte) % LETTERS.len()).filter(|_| byte < 248);
            token.extend(letter.filter(|_| token.len() < TOKEN));
        }
    }
    Ok(Secret::new(token))
}

fn sealed_token(view: &View, endpoint: &str) -> Result<(Secret, Vec<u8>), Error> {
    let tablespace = open(view, Operation::Endpoint)?;
    let crypto = |_| Error::new(Operation::Endpoint, Cause::CryptoFailed);
    let token = new_token().map_err(crypto)?;
    let sealed = tablespace.seal(&place(endpoint), token.expose()).map_err(crypto)?;
    Ok((token, sealed))
}

/// Makes an endpoint; its enrolment token.
pub(crate) fn create_endpoint(
    view: &View,
    name: &str,
    kind: &str,
    platform: &str,
    description: &str,
) -> Result<(Endpoint, Secret), Error> {
    usable_name(Operation::Endpoint, name)?;
    let (token, sealed) = sealed_token(view, name)?;
    let id = seal::random().map_err(|_| Error::new(Operation::Endpoint, Cause::CryptoFailed))?;
    let new = Endpoint {
        // Positive, and not that of nobody.
        id: i64::from_be_bytes(id) & i64::MAX | 1,
        name: name.to_owned(),
        kind: kind.to_owned(),
        platform: platform.to_owned(),
        description: description.to_owned(),
        status: EndpointStatus::Registered,
        default_wallet: None,
        created_at: store::now(),
        enrolled_at: None,
    };
    let mut made = false;
    let change = view.store.change(|change| {
        made = change.add_endpoint(&new, &sealed)?;
        change.audit("create-endpoint", if made { "success" } else { "EndpointExists" })
    });
    change.map_err(failed(Operation::Endpoint))?;
    if made { Ok((endpoint(view, name)?, token)) } else { Err(refuse(Cause::EndpointExists, name)) }
}

/// The token that was not redeemed yet.
pub(crate) fn enrolment_token(view: &View, name: &str) -> Result<Secret, Error> {
    let endpoint = endpoint(view, name)?;
    let sealed = view.store.enrolment_token(name).map_err(failed(Operation::Endpoint))?;
    let sealed = sealed.ok_or_else(|| {
        let detail =
            format!("{} is {}: its token is used up", endpoint.name, endpoint.status.name());
        refuse(Cause::EndpointStatusWrong, detail)
    })?;
    let tablespace = open(view, Operation::Endpoint)?;
    let token = tablespace.unseal(&place(name), &sealed);
    token.map_err(|_| Error::new(Operation::Endpoint, Cause::CryptoFailed))
}

impl Enrolled {
    /// `okvclient.ora` (Documented by the database vendors that read it).
    pub fn configuration(&self) -> String {
        format!("SERVER={}\nSTANDBY_SERVER=\nSSL_DIR=ssl\n", self.server)
    }
}

/// Redeems a token: its endpoint has a certificate from then on.
pub(crate) fn enrol(view: &View, token: &Secret) -> Result<Enrolled, Error> {
    let store = &view.store;
    let tablespace = open(view, Operation::Endpoint)?;
    let fails = failed(Operation::Endpoint);
    let mut found = None;
    for endpoint in store.endpoints().map_err(&fails)? {
        let Some(sealed) = store.enrolment_token(&endpoint.name).map_err(&fails)? else { continue };
        // Every token is compared, whichever it is.
        let known = tablespace.unseal(&place(&endpoint.name), &sealed);
        if known.is_ok_and(|known| seal::same(known.expose(), token.expose())) {
            found = Some((endpoint, sealed));
        }
    }
    let Some((endpoint, sealed)) = found else {
        // One that cannot be written stops nobody.
        let _ = store.change(|change| change.audit("enroll-endpoint", "TokenRefused"));
        return Err(Error::new(Operation::Endpoint, Cause::TokenRefused));
    };
    let authority = Authority::open(store, &tablespace);
    let authority = authority.map_err(|error| authority_failed(Operation::Endpoint, &error))?;
    let Issued { certificate, digest, key } = authority
        .issue_to_endpoint(&endpoint.name)
        .map_err(|error| authority_failed(Operation::Endpoint, &error))?;
    let mut done = false;
    let change = store.change(|change| {
        done = change.enrol(endpoint.id, &sealed, &digest)?;
        change.audit("enroll-endpoint", if done { "success" } else { "TokenRefused" })
    });
    change.map_err(fails)?;
    if !done {
        return Err(Error::new(Operation::Endpoint, Cause::TokenRefused));
    }
    Ok(Enrolled {
        endpoint: endpoint.name,
        ca: authority.certificate,
        certificate,
        key,
        fingerprint: HEXLOWER.encode(&digest),
        server: view.kmip_server()?,
    })
}

/// A new token; the certificate of before is no longer let in.
pub(crate) fn re_enrol(view: &View, name: &str) -> Result<Secret, Error> {
    let endpoint = endpoint(view, name)?;
    let (token, sealed) = sealed_token(view, name)?;
    let change = view.store.change(|change| {
        change.register_again(endpoint.id, &sealed)?;
        change.audit("re-enroll-endpoint", "success")
    });
    change.map_err(failed(Operation::Endpoint))?;
    Ok(token)
}

fn set_status(
    view: &View,
    name: &str,
    (from, to): (EndpointStatus, EndpointStatus),
    word: &str,
) -> Result<Endpoint, Error> {
    let endpoint = endpoint(view, name)?;
    let mut done = false;
    let change = view.store.change(|change| {
        done = change.endpoint_status(endpoint.id, from, to)?;
        change.audit(word, if done { "success" } else { "EndpointStatusWrong" })
    });
    change.map_err(failed(Operation::Endpoint))?;
    if !done {
        let (is, wants) = (endpoint.status.name(), from.name());
        let detail = format!("{} is {is}, and must be {wants}", endpoint.name);
        return Err(refuse(Cause::EndpointStatusWrong, detail));
    }
    Ok(Endpoint { status: to, ..endpoint })
}

/// Its certificate is not let in until it is resumed.
pub(crate) fn suspend(view: &View, name: &str) -> Result<Endpoint, Error> {
    set_status(
        view,
        name,
        (EndpointStatus::Enrolled, EndpointStatus::Suspended),
        "suspend-endpoint",
    )
}

/// Its certificate is let in again.
pub(crate) fn resume(view: &View, name: &str) -> Result<Endpoint, Error> {
    set_status(view, name, (EndpointStatus::Suspended, EndpointStatus::Enrolled), "resume-endpoint")
}

/// Removes an endpoint with its grants. Its objects stay: others may have access to them.
pub(crate) fn delete_endpoint(view: &View, name: &str) -> Result<(), Error> {
    let mut there = false;
    let change = view.store.change(|change| {
        there = change.remove_endpoint(name)?;
        change.audit("delete-endpoint", if there { "success" } else { "EndpointUnknown" })
    });
    change.map_err(failed(Operation::Endpoint))?;
    if there { Ok(()) } else { Err(refuse(Cause::EndpointUnknown, name)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_sixteen_letters_and_digits_and_never_the_same() {
        let (one, other) = (new_token().unwrap(), new_token().unwrap());
        assert_eq!(one.len(), TOKEN);
        assert!(one.expose().iter().all(u8::is_ascii_alphanumeric));
        assert_ne!(one.expose(), other.expose());
    }

    #[test]
    fn names_are_plain() {
        for name in ["hr_db", "HR.db-1", "x"] {
            usable_name(Operation::Endpoint, name).unwrap();
        }
        for name in ["", "a b", "a/b", "é", "a\n", &"x".repeat(65)] {
            let error = usable_name(Operation::Endpoint, name).unwrap_err();
            assert_eq!(error.cause, Cause::OptionUnusable, "{name}");
        }
    }
}
