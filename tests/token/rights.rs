//! Who may do what: every role, and nobody, over every kind of request.
//!
//! Source: the vendor's table of partition roles (Documented; rows marked there as recalled are not tested).

use luna_ck::*;
use luna_client::{Attribute, Mechanism, ObjectHandle, Pin, Rv, Session, UserType};
use luna_tests::{CRYPTO_OFFICER, Instance};

use crate::keys::{self, and, on};
use crate::token::{CRYPTO_USER, Kind, PARTITION_SO, Token, code};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Role {
    PartitionSo,
    CryptoOfficer,
    CryptoUser,
    Nobody,
}

use Role::{CryptoOfficer, CryptoUser, Nobody, PartitionSo};

/// What the Crypto Officer left on the token.
struct Left {
    aes: ObjectHandle,
    rsa: ObjectHandle,
    public: ObjectHandle,
}

type Request = fn(&Session, &Left) -> luna_client::Result<()>;

fn generate(session: &Session, more: &[Attribute]) -> luna_client::Result<()> {
    keys::generated_aes(session, more).map(drop)
}

/// What is asked, and who is served.
const MATRIX: &[(&str, Request, &[Role])] = &[
    (
        "use a secret key",
        |s, it| s.encrypt(&Mechanism::aes_cbc([0; 16]), it.aes, &[0; 16]).map(drop),
        &[CryptoOfficer, CryptoUser],
    ),
    (
        "sign",
        |s, it| s.sign(&Mechanism::Plain(CKM_SHA256_RSA_PKCS), it.rsa, b"x").map(drop),
        &[CryptoOfficer, CryptoUser],
    ),
    (
        "read a private key's label",
        |s, it| s.attribute(it.rsa, CKA_LABEL).map(drop),
        &[CryptoOfficer, CryptoUser],
    ),
    (
        "read a public object",
        |s, it| s.attribute(it.public, CKA_LABEL).map(drop),
        &[PartitionSo, CryptoOfficer, CryptoUser, Nobody],
    ),
    ("generate a token key", |s, _| generate(s, &[Attribute::token(true)]), &[CryptoOfficer]),
    ("generate a session key", |s, _| generate(s, &[]), &[CryptoOfficer]),
    (
        "generate a public secret key",
        |s, _| generate(s, &[Attribute::private(false)]),
        &[CryptoOfficer],
    ),
    ("generate a pair", |s, _| keys::ec(s, keys::P256).map(drop), &[CryptoOfficer]),
    (
        "import a key",
        |s, _| {
            s.create_object(&and(&keys::secret(CKK_AES, &[1; 16]), &[Attribute::token(true)]))
                .map(drop)
        },
        &[CryptoOfficer],
    ),
    (
        "derive a key",
        |s, it| s.derive(&Mechanism::Plain(CKM_SHA256_KEY_DERIVATION), it.aes, &[]).map(drop),
        &[CryptoOfficer],
    ),
    (
        "wrap a key",
        |s, it| s.wrap(&Mechanism::aes_cbc_pad([0; 16]), it.aes, it.aes).map(drop),
        &[CryptoOfficer, CryptoUser],
    ),
    ("unwrap a key", unwrap, &[CryptoOfficer]),
    (
        "change a private object",
        |s, it| s.set_attributes(it.aes, &[Attribute::label("x")]),
        &[CryptoOfficer],
    ),
    ("copy a private object", |s, it| s.copy(it.aes, &[]).map(drop), &[CryptoOfficer]),
    (
        "make the Crypto User",
        |s, _| s.init_role_pin(UserType::CRYPTO_USER, &Pin::from("another-one")),
        &[CryptoOfficer],
    ),
    ("destroy a private object", |s, it| s.destroy(it.rsa), &[CryptoOfficer]),
];

fn unwrap(session: &Session, left: &Left) -> luna_client::Result<()> {
    // What AES-CBC decrypts of anything is a key of that length.
    let template = [
        Attribute::class(CKO_SECRET_KEY),
        Attribute::key_type(CKK_AES),
        Attribute::ulong(CKA_VALUE_LEN, 32),
    ];
    session.unwrap(&Mechanism::aes_cbc([0; 16]), left.aes, &[5; 32], &template).map(drop)
}

fn left(token: &Token) -> Left {
    let session = &token.session;
    let on_token = [Attribute::token(true), Attribute::bool(CKA_EXTRACTABLE, true)];
    let rsa = keys::rsa_private(crate::rsa_key::RSA_N, crate::rsa_key::RSA_D);
    let public = and(&[Attribute::class(CKO_DATA)], &[Attribute::private(false)]);
    Left {
        aes: keys::generated_aes(session, &on_token).unwrap(),
        rsa: session.create_object(&and(&rsa, &on_token)).unwrap(),
        public: session.create_object(&and(&public, &on(&[CKA_TOKEN]))).unwrap(),
    }
}

#[test]
fn the_matrix() {
    let mut wrong = Vec::new();
    for role in [PartitionSo, CryptoUser, Nobody, CryptoOfficer] {
        let token = Token::up(Kind::Plain);
        let left = left(&token);
        match role {
            PartitionSo => token.change_role(UserType::PARTITION_SO, PARTITION_SO),
            CryptoUser => token.change_role(UserType::CRYPTO_USER, CRYPTO_USER),
            Nobody => token.session.logout().unwrap(),
            CryptoOfficer => {}
        }
        for (what, request, served) in MATRIX {
            let answer = code(request(&token.session, &left));
            let expected: &[Rv] = match (served.contains(&role), role) {
                (true, _) => &[Rv(CKR_OK)],
                (false, Nobody) => &[
                    Rv(CKR_USER_NOT_LOGGED_IN),
                    Rv(CKR_OBJECT_HANDLE_INVALID),
                    Rv(CKR_KEY_HANDLE_INVALID),
                    Rv(CKR_WRAPPING_KEY_HANDLE_INVALID),
                    Rv(CKR_UNWRAPPING_KEY_HANDLE_INVALID),
                ],
                // A private object is not there for the Partition SO.
                (false, _) => &[
                    Rv(CKR_USER_NOT_AUTHORIZED),
                    Rv(CKR_OBJECT_HANDLE_INVALID),
                    Rv(CKR_KEY_HANDLE_INVALID),
                    Rv(CKR_WRAPPING_KEY_HANDLE_INVALID),
                    Rv(CKR_UNWRAPPING_KEY_HANDLE_INVALID),
                ],
            };
            if !expected.contains(&answer) {
                wrong.push((role, what, answer));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Policy 28 off: keys are used, and neither made nor destroyed.
#[test]
fn a_partition_for_using_keys_only() {
    let instance = Instance::up(&["--policy", "28=0"]);
    let token = Token::of(instance);
    token.login(UserType::CRYPTO_OFFICER, CRYPTO_OFFICER).unwrap();
    let made = keys::generated_aes(&token.session, &[]);
    assert_eq!(code(made), Rv(CKR_USER_NOT_AUTHORIZED));
    token.session.create_object(&Attribute::data_object("data")).unwrap();
}
