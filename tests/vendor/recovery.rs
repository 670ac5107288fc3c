//! Logins by another HSM, and keys derived and wrapped in one step.

use luna_ck::*;
use luna_client::{
    Access, Attribute, Context, Mechanism, ObjectHandle, Pin, Rv, Session, UserType,
};

use crate::call::{
    Order, PARTITION_SO, aes, at, bytes, ca, cell, object, officer, ok, refused, session, slot, two,
};

/// A login key: 4096 bits, good for nothing else (vendor's sample of HA login).
fn login_key(own: &Session, bits: u64, extra: &[Attribute]) -> ObjectHandle {
    let public = [
        Attribute::token(true),
        Attribute::ulong(CKA_MODULUS_BITS, bits),
        Attribute::bytes(CKA_PUBLIC_EXPONENT, [1, 0, 1]),
    ];
    let mut private =
        vec![Attribute::token(true), Attribute::private(true), Attribute::label("login key")];
    private.extend_from_slice(extra);
    let mechanism = Mechanism::Plain(CKM_RSA_PKCS_KEY_PAIR_GEN);
    own.generate_key_pair(&mechanism, &public, &private).unwrap().1
}

fn clone(context: &Context, target: &Session, source: &Session, key: ObjectHandle) -> ObjectHandle {
    let mut copy: CK_OBJECT_HANDLE = 0;
    let words = [session(target), session(source), 0, object(key), cell(&mut copy)];
    ok(context, "CA_CloneObject", &words);
    ObjectHandle(copy)
}

fn state(own: &Session) -> CK_STATE {
    own.info().unwrap().state
}

/// Challenge and answer; the target's session is the one that is to be logged in.
fn exchange(
    context: &Context,
    (source, key): (&Session, ObjectHandle),
    target: &Session,
) -> Result<Vec<u8>, CK_RV> {
    let slot_id = source.info().unwrap().slot;
    let order = Order::BufferFirst;
    let certificate = bytes(context, "CA_HAGetMasterPublic", &[slot(slot_id)], order);
    let words = [session(target), CKU_USER as usize, at(&certificate), certificate.len()];
    let mut len = 0_u64;
    let asked = [&words[..], &[0, cell(&mut len)]].concat();
    match ca(context, "CA_HAGetLoginChallenge", &asked) {
        Rv(CKR_OK) => {}
        Rv(code) => return Err(code),
    }
    let challenge = bytes(context, "CA_HAGetLoginChallenge", &words, order);
    let words = [session(source), object(key), at(&challenge), challenge.len()];
    let mut len = 0_u64;
    let asked = [&words[..], &[0, cell(&mut len)]].concat();
    match ca(context, "CA_HAAnswerLoginChallenge", &asked) {
        Rv(CKR_OK) => Ok(bytes(context, "CA_HAAnswerLoginChallenge", &words, order)),
        Rv(code) => Err(code),
    }
}

fn login(context: &Context, target: &Session, answer: &[u8]) -> Rv {
    let mut len = 7_u64;
    let words = [session(target), at(answer), answer.len(), 0, cell(&mut len)];
    let rv = ca(context, "CA_HALogin", &words);
    assert!(rv != Rv(CKR_OK) || len == 0, "there is no M of N leg");
    rv
}

#[test]
fn who_is_logged_in_on_one_hsm_is_let_into_another() {
    let instance = two(&[]);
    let context = instance.context();
    let (source, target) = (officer(&context, 0), officer(&context, 1));
    let key = login_key(&source, 4096, &[]);
    let copy = clone(&context, &target, &source, key);
    assert_eq!(exchange(&context, (&source, key), &target), Err(CKR_OPERATION_NOT_ALLOWED));
    ok(&context, "CA_HAInit", &[session(&target), object(copy)]);
    target.logout().unwrap();

    assert_eq!(state(&target), CKS_RW_PUBLIC_SESSION);
    refused(&context, "CA_HALogin", &[session(&target), 0, 0, 0, 0], CKR_OPERATION_NOT_INITIALIZED);
    let answer = exchange(&context, (&source, key), &target).unwrap();
    assert_eq!(login(&context, &target, &answer), Rv(CKR_OK));
    assert_eq!(state(&target), CKS_RW_USER_FUNCTIONS);
    aes(&target, "made by it", &[]);

    // An answer is good once, and for its own challenge.
    target.logout().unwrap();
    assert_eq!(login(&context, &target, &answer), Rv(CKR_OPERATION_NOT_INITIALIZED));
    exchange(&context, (&source, key), &target).unwrap();
    assert_eq!(login(&context, &target, &answer), Rv(CKR_CHALLENGE_INCORRECT));
    assert_eq!(state(&target), CKS_RW_PUBLIC_SESSION);
}

#[test]
fn a_login_key_is_for_nothing_else() {
    let instance = two(&[]);
    let context = instance.context();
    let own = officer(&context, 0);
    let install = |key: ObjectHandle| ca(&context, "CA_HAInit", &[session(&own), object(key)]);
    assert_eq!(install(login_key(&own, 2048, &[])), Rv(CKR_KEY_INVALID_FOR_HA_LOGIN));
    let signs = [Attribute::bool(CKA_SIGN, true)];
    assert_eq!(install(login_key(&own, 4096, &signs)), Rv(CKR_KEY_INVALID_FOR_HA_LOGIN));
    let leaves = [Attribute::bool(CKA_EXTRACTABLE, true)];
    assert_eq!(install(login_key(&own, 4096, &leaves)), Rv(CKR_KEY_EXTRACTABLE));
    assert_eq!(install(aes(&own, "no", &[])), Rv(CKR_KEY_INVALID_FOR_HA_LOGIN));
    assert_eq!(install(ObjectHandle(4_711)), Rv(CKR_KEY_HANDLE_INVALID));
    own.logout().unwrap();
    assert_eq!(install(ObjectHandle(1)), Rv(CKR_USER_NOT_LOGGED_IN));
}

#[test]
fn the_partition_so_installs_a_key_for_the_roles_he_names() {
    let instance = two(&[]);
    let context = instance.context();
    let (source, target) = (officer(&context, 0), officer(&context, 1));
    let key = login_key(&source, 2048, &[]);
    let copy = clone(&context, &target, &source, key);
    target.logout().unwrap();
    target.login(UserType::SO, &Pin::from(PARTITION_SO)).unwrap();
    let (users, flags) = ([CKU_USER], [0_u64]);
    let words = |users: &[u64], flags: &[u64]| {
        [
            session(&target),
            object(copy),
            0,
            0,
            users.as_ptr().addr(),
            flags.as_ptr().addr(),
            users.len(),
        ]
    };
    let admin = [CKF_ADMIN_TOKEN];
    let wrong = words(&users, &admin);
    refused(&context, "CA_HAInitExtended", &wrong, CKR_USER_TYPE_INVALID);
    ok(&context, "CA_HAInitExtended", &words(&users, &flags));
    target.logout().unwrap();
    let answer = exchange(&context, (&source, key), &target).unwrap();
    assert_eq!(login(&context, &target, &answer), Rv(CKR_OK));
    assert_eq!(state(&target), CKS_RW_USER_FUNCTIONS);
    // Nobody else is let in by it.
    let cu = CKU_LIMITED_USER as usize;
    let order = Order::BufferFirst;
    let certificate = bytes(&context, "CA_HAGetMasterPublic", &[0], order);
    let mut len = 0_u64;
    let words = [session(&target), cu, at(&certificate), certificate.len(), 0, cell(&mut len)];
    refused(&context, "CA_HAGetLoginChallenge", &words, CKR_USER_NOT_AUTHORIZED);
}

#[test]
fn policy_21_forbids_it() {
    let instance = two(&["--policy", "21=0"]);
    let context = instance.context();
    let own = officer(&context, 0);
    let key = login_key(&own, 4096, &[]);
    let words = [session(&own), object(key)];
    refused(&context, "CA_HAInit", &words, CKR_OPERATION_NOT_ALLOWED);
}

/// A `CK_MECHANISM` over bytes that outlive it.
fn mechanism(kind: u64, parameter: &mut [u8]) -> CK_MECHANISM {
    CK_MECHANISM {
        mechanism: kind,
        pParameter: if parameter.is_empty() {
            std::ptr::null_mut()
        } else {
            parameter.as_mut_ptr().cast()
        },
        ulParameterLen: parameter.len() as CK_ULONG,
    }
}

#[test]
fn a_key_is_derived_and_leaves_wrapped_without_a_handle() {
    let instance = luna_tests::Instance::up(&[]);
    let context = instance.context();
    let own = officer(&context, 0);
    let base = aes(&own, "base", &[Attribute::bool(CKA_DERIVE, true)]);
    let wrapping = aes(
        &own,
        "wrapping",
        &[Attribute::bool(CKA_WRAP, true), Attribute::bool(CKA_UNWRAP, true)],
    );
    let before = own.find(&[]).unwrap().len();
    let mut data = [5_u8; 32];
    let mut params = CK_KEY_DERIVATION_STRING_DATA { pData: data.as_mut_ptr(), ulLen: 32 };
    let mut derive = CK_MECHANISM {
        mechanism: CKM_AES_ECB_ENCRYPT_DATA,
        pParameter: std::ptr::from_mut(&mut params).cast(),
        ulParameterLen: size_of::<CK_KEY_DERIVATION_STRING_DATA>() as CK_ULONG,
    };
    let mut iv = [7_u8; 16];
    let mut wrap = mechanism(CKM_AES_CBC_PAD, &mut iv);
    let (mut class, mut kind, mut len, mut yes) = (CKO_SECRET_KEY, CKK_AES, 32_u64, 1_u8);
    let attribute = |type_, value: usize, len: usize| CK_ATTRIBUTE {
        type_,
        pValue: std::ptr::with_exposed_provenance_mut(value),
        ulValueLen: len as CK_ULONG,
    };
    let mut template = [
        attribute(CKA_CLASS, cell(&mut class), 8),
        attribute(CKA_KEY_TYPE, cell(&mut kind), 8),
        attribute(CKA_VALUE_LEN, cell(&mut len), 8),
        attribute(CKA_EXTRACTABLE, cell(&mut yes), 1),
        attribute(CKA_ENCRYPT, cell(&mut yes), 1),
    ];
    let count = template.len();
    let words = [
        session(&own),
        cell(&mut derive),
        object(base),
        cell(&mut template),
        count,
        cell(&mut wrap),
        object(wrapping),
    ];
    let blob = bytes(&context, "CA_DeriveKeyAndWrap", &words, Order::BufferFirst);
    assert_eq!(own.find(&[]).unwrap().len(), before, "no object was made");

    // It is the key that both steps would have made.
    let shape = [
        Attribute::class(CKO_SECRET_KEY),
        Attribute::key_type(CKK_AES),
        Attribute::bool(CKA_ENCRYPT, true),
    ];
    let derived = own
        .derive(
            &Mechanism::StringData { mechanism: CKM_AES_ECB_ENCRYPT_DATA, data: vec![5; 32] },
            base,
            &[&shape[..], &[Attribute::ulong(CKA_VALUE_LEN, 32)]].concat(),
        )
        .unwrap();
    let unwrapped = own.unwrap(&Mechanism::aes_cbc_pad([7; 16]), wrapping, &blob, &shape).unwrap();
    let sealed = crate::call::encrypts(&own, derived).unwrap();
    assert_eq!(crate::call::encrypts(&own, unwrapped).unwrap(), sealed);

    // What C_WrapKey would not let go does not leave so either.
    template[3].type_ = CKA_SENSITIVE;
    let mut out = [0_u8; 2048];
    let mut room = 2048_u64;
    let mut words = [&words[..], &[cell(&mut out), cell(&mut room)]].concat();
    words[3] = cell(&mut template);
    refused(&context, "CA_DeriveKeyAndWrap", &words, CKR_KEY_UNEXTRACTABLE);
    let _ = context.open_session(own.info().unwrap().slot, Access::ReadOnly).unwrap();
}
