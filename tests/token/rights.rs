//! Who may do what: every role, and nobody, over every kind of request.
//!
//! Source: the vendor's table of partition roles (Documented; rows marked there as recalled are not tested).

use luna_ck::*;
use luna_client::{Attribute, Mechanism, ObjectHandle, Pin, PolicyValue, Rv, Session, UserType};
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
        "change a policy",
        |s, _| s.set_token_policies(s.slot(), &[PolicyValue { id: 20, value: 9 }]),
        &[PartitionSo],
    ),
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

/// Changes policies as whoever is logged in, and tells the code.
fn change(token: &Token, pairs: &[(CK_ULONG, CK_ULONG)]) -> Rv {
    let policies: Vec<_> = pairs.iter().map(|&(id, value)| PolicyValue { id, value }).collect();
    code(token.session.set_token_policies(token.slot, &policies))
}

fn policy(token: &Token, id: CK_ULONG) -> Option<CK_ULONG> {
    let policies = token.context.token_policies(token.slot).unwrap();
    policies.iter().find(|policy| policy.id == id).map(|policy| policy.value)
}

/// A Crypto Officer changes no policy, not even one he set his password by; nothing is changed by halves.
#[test]
fn policies_are_the_partition_sos() {
    let token = Token::up(Kind::Fips);
    assert_eq!(change(&token, &[(20, 5)]), Rv(CKR_USER_NOT_AUTHORIZED));
    token.change_role(UserType::PARTITION_SO, PARTITION_SO);
    assert_eq!(change(&token, &[(20, 5), (25, 245)]), Rv(CKR_OK));
    assert_eq!((policy(&token, 20), policy(&token, 25)), (Some(5), Some(245)));
    for (wrong, code) in [
        (&[(20, 6), (9999, 1)][..], CKR_POLICY_ID_INVALID),
        (&[(20, 6), (20, 11)], CKR_CONFIG_ILLEGAL),
        (&[(20, 6), (20, 0)], CKR_CONFIG_ILLEGAL),
        (&[(20, 6), (25, 256)], CKR_CONFIG_ILLEGAL),
        (&[(20, 6), (39, 2)], CKR_CONFIG_ILLEGAL),
        (&[(20, 6), (CK_ULONG::MAX, 1)], CKR_POLICY_ID_INVALID),
    ] {
        assert_eq!(change(&token, wrong), Rv(code), "{wrong:?}");
        assert_eq!(policy(&token, 20), Some(5), "{wrong:?}: none of it");
    }
    let both = change(&token, &[(1, 1)]);
    assert_eq!(both, Rv(CKR_CONFIG_FAILS_DEPENDENCIES), "0 and 1 exclude each other");
    assert_eq!(change(&token, &[]), Rv(CKR_OK), "nothing to change");
    token.change_role(UserType::CRYPTO_OFFICER, CRYPTO_OFFICER);
    let set = token.session.set_pin(&CRYPTO_OFFICER.into(), &Pin::from("nine-byte"));
    assert_eq!(code(set), Rv(CKR_PIN_LEN_RANGE), "policy 25 at 245 wants ten");
    // It is kept, and another process sees it.
    let token = token.restart();
    assert_eq!(policy(&token, 25), Some(245));
}

/// A destructive change takes the objects, and leaves roles and label.
#[test]
fn a_destructive_change_empties_the_partition() {
    let token = Token::up(Kind::Plain);
    let on_token = [Attribute::token(true), Attribute::label("mine")];
    keys::generated_aes(&token.session, &on_token).unwrap();
    token.change_role(UserType::PARTITION_SO, PARTITION_SO);
    assert_eq!(change(&token, &[(39, 1)]), Rv(CKR_OK), "on is not destructive");
    token.change_role(UserType::CRYPTO_OFFICER, CRYPTO_OFFICER);
    assert_eq!(token.session.find(&on_token).unwrap().len(), 1);
    token.change_role(UserType::PARTITION_SO, PARTITION_SO);
    assert_eq!(change(&token, &[(39, 0)]), Rv(CKR_OK), "off is");
    token.change_role(UserType::CRYPTO_OFFICER, CRYPTO_OFFICER);
    assert_eq!(token.session.find(&on_token).unwrap(), []);
    assert_eq!(token.context.token_storage(token.slot).unwrap().objects, 0);
    keys::generated_aes(&token.session, &on_token).unwrap();
}

/// Policies are administration: done on the members, one by one.
#[test]
fn a_group_has_no_policies_of_its_own() {
    let token = Token::up(Kind::Group);
    assert_eq!(change(&token, &[(20, 5)]), Rv(CKR_FUNCTION_NOT_SUPPORTED));
}

/// HSM policy 15, off by default, is what lets the Partition SO reset a Crypto Officer.
#[test]
fn the_partition_so_resets_no_crypto_officer_unless_the_hsm_allows() {
    let token = Token::up(Kind::Plain);
    let reset = || code(token.session.reset_pin(&Pin::from("another-one")));
    assert_eq!(reset(), Rv(CKR_USER_NOT_AUTHORIZED));
    token.change_role(UserType::PARTITION_SO, PARTITION_SO);
    assert_eq!(reset(), Rv(CKR_OPERATION_NOT_ALLOWED));
    token.change_role(UserType::CRYPTO_OFFICER, CRYPTO_OFFICER);
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
