//! X25519 key pairs. They agree by the mechanisms of [`super::ecdh`].
//!
//! Source: PKCS#11 v3.0 section 2.3.10. X448 is not served.

use crate::ck::*;
use crate::crypto::curve25519::X25519PrivateKey;
use crate::error::Result;
use crate::mechanisms::{Limits, NOTHING, Params, Row, broken, keys};
use crate::object::Template;

/// Key pairs.
pub static ROWS: &[Row] = &[Row {
    kind: CKM_EC_MONTGOMERY_KEY_PAIR_GEN,
    key: Some(CKK_EC_MONTGOMERY),
    generate_pair: Some(generate_pair),
    ..NOTHING
}];

fn generate_pair(
    public: &Template,
    private: &Template,
    _params: &Params,
    limits: Limits,
) -> Result<(Template, Template)> {
    keys::x25519_params(public)?;
    limits.check(255)?;
    let key = X25519PrivateKey::generate().map_err(broken)?;
    keys::pair_of((public, private), keys::x25519_params, (&key.public(), key.bytes()))
}
