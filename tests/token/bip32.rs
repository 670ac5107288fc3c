//! Keys of BIP 32: both halves come back in the parameter, sign and verify, and give the next.
//!
//! What is computed is compared with the published trees by the module's own tests; here it is that the
//! structures are filled in, all or nothing, and what the keys can do. Sources: BIP 32, test vector 1;
//! thalesdocs "BIP32 Mechanism Support and Implementation", the same mechanisms of ProtectToolkit and the
//! vendor's sample of SLIP-10 (Documented).

#![allow(
    unsafe_code,
    reason = "the parameter is written into, which the safe client has no way for"
)]

use std::ptr;

use luna_ck::*;
use luna_client::{Mechanism, ObjectHandle, Rv, Session, UserType};
use luna_tests::CRYPTO_OFFICER;

use crate::handshakes::derive;
use crate::keys;
use crate::token::{Kind, Token, hex, refused};

const SEED: &str = "000102030405060708090a0b0c0d0e0f";

/// m/0'/1: chain code, the public key's x coordinate, the fingerprint of its parent.
const CHAIN_CODE: &str = "2a7857631386ba23dacac34180dd1983734e444fdbf774041578e9b6adb37c19";
const POINT_X: &str = "501e454bf00751f24b1b489aa925215d66af2234e3891c3b21a52bedb3cd711c";
const PARENT: &str = "5c1bd648";

const HARDENED: CK_ULONG = CKF_BIP32_HARDENED;

type Template = Vec<(CK_ATTRIBUTE_TYPE, Vec<u8>)>;

fn public() -> Template {
    let kind = CKK_BIP32.to_ne_bytes().to_vec();
    vec![(CKA_KEY_TYPE, kind), (CKA_VERIFY, vec![1]), (CKA_DERIVE, vec![1])]
}

fn private() -> Template {
    let kind = CKK_BIP32.to_ne_bytes().to_vec();
    vec![(CKA_KEY_TYPE, kind), (CKA_SIGN, vec![1]), (CKA_DERIVE, vec![1]), (CKA_SENSITIVE, vec![1])]
}

fn laid(template: &mut Template) -> Vec<CK_ATTRIBUTE> {
    let attribute = |(kind, value): &mut (CK_ATTRIBUTE_TYPE, Vec<u8>)| CK_ATTRIBUTE {
        type_: *kind,
        pValue: value.as_mut_ptr().cast(),
        ulValueLen: value.len() as CK_ULONG,
    };
    template.iter_mut().map(attribute).collect()
}

fn place(template: &mut Option<Vec<CK_ATTRIBUTE>>) -> (*mut CK_ATTRIBUTE, CK_ULONG) {
    match template {
        Some(attributes) => (attributes.as_mut_ptr(), attributes.len() as CK_ULONG),
        None => (ptr::null_mut(), 0),
    }
}

/// What a call answered: the handles and the index are those it left in the structure.
#[derive(Debug, PartialEq)]
struct Made {
    rv: Rv,
    public: ObjectHandle,
    private: ObjectHandle,
    at_fault: CK_ULONG,
}

fn master(
    session: &Session,
    seed: ObjectHandle,
    public: Option<Template>,
    private: Option<Template>,
) -> Made {
    let [mut public, mut private] = [public, private];
    let mut laid_public = public.as_mut().map(laid);
    let mut laid_private = private.as_mut().map(laid);
    let (public_at, public_count) = place(&mut laid_public);
    let (private_at, private_count) = place(&mut laid_private);
    let mut params = CK_BIP32_MASTER_DERIVE_PARAMS {
        pPublicKeyTemplate: public_at,
        ulPublicKeyAttributeCount: public_count,
        pPrivateKeyTemplate: private_at,
        ulPrivateKeyAttributeCount: private_count,
        hPublicKey: 99,
        hPrivateKey: 99,
    };
    let kind = CKM_BIP32_MASTER_DERIVE;
    let rv = derive(session, kind, seed, &mut params, &mut [], ptr::null_mut());
    let (public, private) = (ObjectHandle(params.hPublicKey), ObjectHandle(params.hPrivateKey));
    Made { rv, public, private, at_fault: 99 }
}

fn child(
    session: &Session,
    base: ObjectHandle,
    (public, private): (Option<Template>, Option<Template>),
    path: &mut [CK_ULONG],
    key: *mut CK_OBJECT_HANDLE,
) -> Made {
    let [mut public, mut private] = [public, private];
    let mut laid_public = public.as_mut().map(laid);
    let mut laid_private = private.as_mut().map(laid);
    let (public_at, public_count) = place(&mut laid_public);
    let (private_at, private_count) = place(&mut laid_private);
    let mut params = CK_BIP32_CHILD_DERIVE_PARAMS {
        pPublicKeyTemplate: public_at,
        ulPublicKeyAttributeCount: public_count,
        pPrivateKeyTemplate: private_at,
        ulPrivateKeyAttributeCount: private_count,
        pulPath: path.as_mut_ptr(),
        ulPathLen: path.len() as CK_ULONG,
        hPublicKey: 99,
        hPrivateKey: 99,
        ulPathErrorIndex: 99,
    };
    let rv = derive(session, CKM_BIP32_CHILD_DERIVE, base, &mut params, &mut [], key);
    let (public, private) = (ObjectHandle(params.hPublicKey), ObjectHandle(params.hPrivateKey));
    Made { rv, public, private, at_fault: params.ulPathErrorIndex }
}

fn both() -> (Option<Template>, Option<Template>) {
    (Some(public()), Some(private()))
}

fn root(session: &Session) -> Made {
    let seed = keys::generic(session, &hex(SEED));
    let made = master(session, seed, Some(public()), Some(private()));
    assert_eq!(made.rv, Rv(CKR_OK));
    made
}

fn grows(session: &Session) {
    let root = root(session);
    let path = &mut [HARDENED, 1];
    let made = child(session, root.private, both(), path, ptr::null_mut());
    assert_eq!(made.rv, Rv(CKR_OK));
    assert_eq!(made.at_fault, 99, "nothing failed");
    let told = |key, kind| session.attribute(key, kind).unwrap().unwrap();
    for key in [made.public, made.private] {
        assert_eq!(told(key, CKA_BIP32_CHAIN_CODE), hex(CHAIN_CODE));
        assert_eq!(told(key, CKA_BIP32_PARENT_FINGERPRINT), hex(PARENT));
        assert_eq!(told(key, CKA_BIP32_CHILD_DEPTH), 2_u64.to_ne_bytes());
        assert_eq!(told(key, CKA_BIP32_CHILD_INDEX), 1_u64.to_ne_bytes());
        assert_eq!(told(key, CKA_BIP32_ID)[..4], told(key, CKA_BIP32_FINGERPRINT));
        assert_eq!(told(key, CKA_KEY_TYPE), CKK_BIP32.to_ne_bytes());
        assert_eq!(told(key, CKA_EC_PARAMS), hex(keys::SECP256K1));
        assert_eq!(told(key, CKA_LOCAL), [0]);
    }
    let version = told(made.private, CKA_BIP32_VERSION_BYTES);
    assert_eq!(version, CKG_BIP32_VERSION_MAINNET_PRIV.to_ne_bytes());
    assert_eq!(told(made.public, CKA_EC_POINT)[3..35], hex(POINT_X));
    assert!(session.attribute(made.private, CKA_VALUE).unwrap().is_none(), "sensitive");
    // They sign as other keys on curves do.
    let ecdsa = Mechanism::Plain(CKM_ECDSA_SHA256);
    let signature = session.sign(&ecdsa, made.private, b"message").unwrap();
    session.verify(&ecdsa, made.public, b"message", &signature).unwrap();
    // The public key of the step before gives the same public key.
    let parent = child(session, root.private, both(), &mut [HARDENED], ptr::null_mut());
    let alone = child(session, parent.public, (Some(public()), None), &mut [1], ptr::null_mut());
    assert_eq!((alone.rv, alone.private), (Rv(CKR_OK), ObjectHandle(0)));
    assert_eq!(told(alone.public, CKA_EC_POINT), told(made.public, CKA_EC_POINT));
    session.verify(&ecdsa, alone.public, b"message", &signature).unwrap();
}

#[test]
fn a_tree_grows_in_a_partition_and_in_a_group() {
    grows(&Token::up(Kind::Plain).session);
    let token = Token::nobody(&["--ha", "LUNAHA=OKV,OKV", "--ha-only"]);
    token.login(UserType::CRYPTO_OFFICER, CRYPTO_OFFICER).unwrap();
    grows(&token.session);
}

/// After a failure the handles are as they were, and no key is there that nobody heard of.
#[test]
fn what_fails_says_where_and_leaves_nothing() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let root = root(session);
    let before = session.find(&[]).unwrap().len();
    let failed = |made: Made, rv, at_fault| {
        let (none, rv) = (ObjectHandle(99), Rv(rv));
        assert_eq!(made, Made { rv, public: none, private: none, at_fault });
    };
    let from = |base, templates, path: &mut [CK_ULONG]| {
        child(session, base, templates, path, ptr::null_mut())
    };
    let public_only = || (Some(public()), None);
    let made = from(root.public, public_only(), &mut [1, 2, HARDENED | 3, HARDENED]);
    failed(made, CKR_BIP32_INVALID_HARDENED_DERIVATION, 2);
    let made = from(root.private, both(), &mut [1, 1 << 32]);
    failed(made, CKR_BIP32_CHILD_INDEX_INVALID, 1);
    failed(from(root.private, both(), &mut []), CKR_BIP32_INVALID_KEY_PATH_LEN, 99);
    failed(from(root.private, both(), &mut [0; 256]), CKR_BIP32_INVALID_KEY_PATH_LEN, 99);
    failed(from(root.private, (None, None), &mut [0]), CKR_MECHANISM_PARAM_INVALID, 99);
    failed(from(root.public, both(), &mut [0]), CKR_KEY_TYPE_INCONSISTENT, 99);
    let (ec, _) = keys::ec(session, keys::SECP256K1).unwrap();
    failed(from(ec, public_only(), &mut [0]), CKR_KEY_TYPE_INCONSISTENT, 99);
    let mut wrong = public();
    wrong[0].1 = CKK_EC.to_ne_bytes().to_vec();
    let made = from(root.private, (Some(wrong), None), &mut [0]);
    failed(made, CKR_TEMPLATE_INCONSISTENT, 99);
    let mut curve = public();
    curve.push((CKA_EC_PARAMS, hex(keys::SECP256K1)));
    let made = from(root.private, (Some(curve), None), &mut [0]);
    failed(made, CKR_TEMPLATE_INCONSISTENT, 99);
    let mut handle = 0;
    let made = child(session, root.private, both(), &mut [0], &raw mut handle);
    failed(made, CKR_ARGUMENTS_BAD, 99);
    let short = keys::generic(session, &[1; 15]);
    let made = master(session, short, Some(public()), None);
    failed(made, CKR_BIP32_MASTER_SEED_LEN_INVALID, 99);
    let made = master(session, keys::aes(session, &[1; 16]), Some(public()), None);
    failed(made, CKR_KEY_TYPE_INCONSISTENT, 99);
    // Two halves of one other pair, a seed and a key were made meanwhile, and nothing else.
    assert_eq!(session.find(&[]).unwrap().len(), before + 4);
}

/// How it would be written is not published.
#[test]
fn a_key_of_bip_32_is_not_wrapped() {
    let token = Token::nobody(&["--policy", "1=1"]);
    token.login(UserType::CRYPTO_OFFICER, CRYPTO_OFFICER).unwrap();
    let session = &token.session;
    let seed = keys::generic(session, &hex(SEED));
    let mut open = private();
    open.push((CKA_EXTRACTABLE, vec![1]));
    let made = master(session, seed, None, Some(open));
    assert_eq!((made.rv, made.public), (Rv(CKR_OK), ObjectHandle(0)));
    let by = keys::aes(session, &[1; 32]);
    let wrapped = session.wrap(&Mechanism::aes_cbc_pad([0; 16]), by, made.private);
    refused(wrapped, CKR_KEY_NOT_WRAPPABLE);
}
