//! Masked objects: out, guarded by secrets, and in again; the masking key; policies.

use luna_ck::*;
use luna_client::{Attribute, Context, Mechanism, ObjectHandle, Rv, Session};
use luna_tests::Instance;

use crate::call::{aes, at, ca, cell, encrypts, object, officer, ok, ouid, refused, session, two};

/// Masking came with firmware 7.7, and is off until somebody allows it.
const MASKING: &[&str] = &["--profile", "luna-7.8.4", "--policy", "3=1", "--policy", "7=1"];

struct One {
    session: Session,
    context: Context,
    _instance: Instance,
}

impl One {
    fn up(options: &[&str]) -> Self {
        let instance = Instance::up(options);
        let context = instance.context();
        let session = officer(&context, 0);
        Self { session, context, _instance: instance }
    }
}

/// What guards a blob.
struct Secrets {
    form: u64,
    subset: usize,
    secrets: Vec<&'static [u8]>,
}

const NOBODY: Secrets = Secrets { form: CKA_SIM_NO_AUTHORIZATION, subset: 0, secrets: Vec::new() };

fn by(form: u64, subset: usize, secrets: &[&'static [u8]]) -> Secrets {
    Secrets { form, subset, secrets: secrets.to_vec() }
}

/// The arguments of secrets, kept for the call.
struct Lists {
    lengths: Vec<u64>,
    pointers: Vec<usize>,
}

fn lists(secrets: &[&[u8]]) -> Lists {
    Lists {
        lengths: secrets.iter().map(|it| it.len() as u64).collect(),
        pointers: secrets.iter().map(|it| at(it)).collect(),
    }
}

/// `CA_SIMExtract` with a size pass before it, as the vendor's demo does.
fn extract(
    (context, own): (&Context, &Session),
    objects: &[ObjectHandle],
    guard: &Secrets,
    delete: bool,
) -> Result<Vec<u8>, CK_RV> {
    let handles: Vec<u64> = objects.iter().map(|it| it.0).collect();
    let lists = lists(&guard.secrets);
    let mut len = 0_u64;
    let words = |buffer: usize, len: usize| {
        [
            session(own),
            handles.len(),
            handles.as_ptr().addr(),
            guard.secrets.len(),
            guard.subset,
            guard.form as usize,
            lists.lengths.as_ptr().addr(),
            lists.pointers.as_ptr().addr(),
            usize::from(delete),
            len,
            buffer,
        ]
    };
    match ca(context, "CA_SIMExtract", &words(0, cell(&mut len))) {
        Rv(CKR_OK) => {}
        Rv(code) => return Err(code),
    }
    let mut blob = vec![0_u8; len as usize];
    let buffer = blob.as_mut_ptr().expose_provenance();
    match ca(context, "CA_SIMExtract", &words(buffer, cell(&mut len))) {
        Rv(CKR_OK) => Ok(blob),
        Rv(code) => Err(code),
    }
}

/// `CA_SIMInsert` with its count asked first.
fn insert(
    (context, own): (&Context, &Session),
    blob: &[u8],
    guard: &Secrets,
) -> Result<Vec<ObjectHandle>, CK_RV> {
    let lists = lists(&guard.secrets);
    let mut count = 0_u64;
    let words = |handles: usize, count: usize| {
        [
            session(own),
            guard.secrets.len(),
            guard.form as usize,
            lists.lengths.as_ptr().addr(),
            lists.pointers.as_ptr().addr(),
            blob.len(),
            at(blob),
            count,
            handles,
        ]
    };
    match ca(context, "CA_SIMInsert", &words(0, cell(&mut count))) {
        Rv(CKR_OK) => {}
        Rv(code) => return Err(code),
    }
    let wanted = count as usize;
    let mut handles = vec![0_u64; wanted];
    let list = handles.as_mut_ptr().expose_provenance();
    count -= 1;
    assert_eq!(
        ca(context, "CA_SIMInsert", &words(list, cell(&mut count))),
        Rv(CKR_BUFFER_TOO_SMALL)
    );
    assert_eq!(count as usize, wanted, "the count is always written");
    match ca(context, "CA_SIMInsert", &words(list, cell(&mut count))) {
        Rv(CKR_OK) => Ok(handles.into_iter().map(ObjectHandle).collect()),
        Rv(code) => Err(code),
    }
}

#[test]
fn objects_leave_and_come_back_in_their_order() {
    let one = One::up(MASKING);
    let own = (&one.context, &one.session);
    let keys: Vec<_> = ["a", "b", "c"].iter().map(|it| aes(&one.session, it, &[])).collect();
    let names: Vec<_> = keys.iter().map(|key| ouid(&one.session, *key)).collect();
    let sealed = encrypts(&one.session, keys[2]).unwrap();
    let order = [keys[2], keys[0], keys[1]];
    let blob = extract(own, &order, &NOBODY, true).unwrap();
    assert!(one.session.find(&[]).unwrap().is_empty(), "deleted after they were given");
    let back = insert(own, &blob, &NOBODY).unwrap();
    let told: Vec<_> = back.iter().map(|key| ouid(&one.session, *key)).collect();
    assert_eq!(told, [names[2].clone(), names[0].clone(), names[1].clone()]);
    assert_eq!(encrypts(&one.session, back[0]).unwrap(), sealed);

    // No handle at all is every object.
    let all = extract(own, &[], &NOBODY, false).unwrap();
    assert_eq!(insert(own, &all, &NOBODY).unwrap().len(), 3);
}

#[test]
fn the_size_is_told_without_deleting_and_a_short_buffer_deletes_nothing() {
    let one = One::up(MASKING);
    let key = aes(&one.session, "stays", &[]);
    let mut handle = key.0;
    let mut len = 0_u64;
    let words = |buffer: usize, len: usize, handle: usize| {
        [session(&one.session), 1, handle, 0, 0, 0, 0, 0, 1, len, buffer]
    };
    let handles = cell(&mut handle);
    ok(&one.context, "CA_SIMExtract", &words(0, cell(&mut len), handles));
    let mut blob = vec![0_u8; len as usize];
    let buffer = blob.as_mut_ptr().expose_provenance();
    len -= 1;
    let words = words(buffer, cell(&mut len), handles);
    refused(&one.context, "CA_SIMExtract", &words, CKR_BUFFER_TOO_SMALL);
    encrypts(&one.session, key).unwrap();
}

#[test]
fn some_of_the_secrets_are_enough_and_fewer_are_not() {
    let one = One::up(MASKING);
    let own = (&one.context, &one.session);
    let key = aes(&one.session, "guarded", &[]);
    let form = CKA_SIM_PASSWORD;
    let all = by(form, 2, &[b"first secret", b"second secret", b"third secret"]);
    let blob = extract(own, &[key], &all, true).unwrap();
    for (secrets, code) in [
        (&[&b"first secret"[..]][..], CKR_SIM_AUTHORIZATION_FAILED),
        (&[b"first secret", b"wrong"], CKR_SIM_AUTHORIZATION_FAILED),
        (&[b"first secret", b"first secret"], CKR_SIM_AUTHORIZATION_FAILED),
        (&[], CKR_SIM_AUTHFORM_INVALID),
    ] {
        assert_eq!(insert(own, &blob, &by(form, 0, secrets)), Err(code), "{secrets:?}");
    }
    assert_eq!(insert(own, &blob, &NOBODY), Err(CKR_SIM_AUTHFORM_INVALID));
    let two = by(form, 0, &[b"third secret", b"first secret"]);
    encrypts(&one.session, insert(own, &blob, &two).unwrap()[0]).unwrap();

    for (subset, secrets) in [(0, &[&b"one"[..]][..]), (2, &[b"one"])] {
        let guard = by(form, subset, secrets);
        let key = one.session.find(&[]).unwrap()[0];
        assert_eq!(extract(own, &[key], &guard, false), Err(CKR_ARGUMENTS_BAD));
    }
    for form in [CKA_SIM_CHALLENGE, CKA_SIM_SECURE_PORT, 99] {
        let guard = by(form, 1, &[b"one"]);
        assert_eq!(extract(own, &[], &guard, false), Err(CKR_SIM_AUTHFORM_INVALID));
    }
}

#[test]
fn damaged_blobs_are_told_from_those_of_another_key() {
    let one = One::up(MASKING);
    let own = (&one.context, &one.session);
    let key = aes(&one.session, "key", &[]);
    let blob = extract(own, &[key], &NOBODY, false).unwrap();
    let mut changed = blob.clone();
    *changed.last_mut().unwrap() ^= 1;
    assert_eq!(insert(own, &changed, &NOBODY), Err(CKR_SIM_CORRUPT_DATA));
    assert_eq!(insert(own, b"nonsense", &NOBODY), Err(CKR_SIM_CORRUPT_DATA));
    let mut newer = blob.clone();
    newer[4] = 99;
    assert_eq!(insert(own, &newer, &NOBODY), Err(CKR_SIM_VERSION_UNSUPPORTED));
    let other = One::up(MASKING);
    let elsewhere = (&other.context, &other.session);
    assert_eq!(insert(elsewhere, &blob, &NOBODY), Err(CKR_SMK_ID_NOT_FOUND));
}

#[test]
fn portable_blobs_go_to_partitions_of_the_domain() {
    let instance = two(MASKING);
    let context = instance.context();
    let (first, second) = (officer(&context, 0), officer(&context, 1));
    let key = aes(&first, "key", &[]);
    let portable = by(CKA_SIM_PORTABLE_PASSWORD, 1, &[b"the secret"]);
    let blob = extract((&context, &first), &[key], &portable, false).unwrap();
    insert((&context, &second), &blob, &portable).unwrap();

    // Others go there once the masking key was cloned.
    let blob = extract((&context, &first), &[key], &NOBODY, false).unwrap();
    assert_eq!(insert((&context, &second), &blob, &NOBODY), Err(CKR_SMK_ID_NOT_FOUND));
    let mut none = 0_u64;
    let words = [session(&second), session(&first), 1, 24, cell(&mut none)];
    ok(&context, "CA_CloneObject", &words);
    insert((&context, &second), &blob, &NOBODY).unwrap();
}

#[test]
fn a_rollover_lets_old_blobs_in_until_it_ends() {
    let one = One::up(MASKING);
    let own = (&one.context, &one.session);
    let roll = |deed: usize| ca(&one.context, "CA_SMKRollover", &[session(&one.session), deed]);
    let key = aes(&one.session, "key", &[]);
    let old = extract(own, &[key], &NOBODY, false).unwrap();
    assert_eq!(roll(1), Rv(CKR_OPERATION_NOT_INITIALIZED));
    assert_eq!(roll(2), Rv(CKR_OPERATION_NOT_INITIALIZED));
    assert_eq!(roll(0), Rv(CKR_OK));
    assert_eq!(roll(2), Rv(CKR_OK));
    assert_eq!(roll(0), Rv(CKR_OPERATION_ACTIVE));
    insert(own, &old, &NOBODY).unwrap();
    let new = extract(own, &[key], &NOBODY, false).unwrap();
    assert_eq!(roll(1), Rv(CKR_OK));
    assert_eq!(insert(own, &old, &NOBODY), Err(CKR_SMK_ID_NOT_FOUND));
    insert(own, &new, &NOBODY).unwrap();
    assert_eq!(roll(9), Rv(CKR_ARGUMENTS_BAD));
}

#[test]
fn policies_keep_keys_in_and_out() {
    let one = One::up(&["--profile", "luna-7.8.4"]);
    let key = aes(&one.session, "stays", &[]);
    let own = (&one.context, &one.session);
    assert_eq!(extract(own, &[key], &NOBODY, false), Err(CKR_OPERATION_NOT_ALLOWED));
    let one = One::up(&["--profile", "luna-7.4.0"]);
    let key = aes(&one.session, "stays", &[]);
    let own = (&one.context, &one.session);
    assert_eq!(extract(own, &[key], &NOBODY, false), Err(CKR_OPERATION_NOT_ALLOWED));
    // What is no key is not held back.
    let data = one.session.create_object(&Attribute::data_object("data")).unwrap();
    let blob = extract(own, &[data], &NOBODY, false).unwrap();
    assert_eq!(insert(own, &blob, &NOBODY).unwrap().len(), 1);

    let mut options = MASKING.to_vec();
    options.extend(["--policy", "32=0"]);
    let one = One::up(&options);
    let key = aes(&one.session, "out", &[]);
    let own = (&one.context, &one.session);
    let blob = extract(own, &[key], &NOBODY, false).unwrap();
    assert_eq!(insert(own, &blob, &NOBODY), Err(CKR_OPERATION_NOT_ALLOWED));
}

#[test]
fn a_key_signs_from_within_its_blob() {
    let one = One::up(MASKING);
    let own = (&one.context, &one.session);
    let key = one
        .session
        .generate_key(
            &Mechanism::Plain(CKM_GENERIC_SECRET_KEY_GEN),
            &[
                Attribute::token(true),
                Attribute::ulong(CKA_VALUE_LEN, 32),
                Attribute::bool(CKA_SIGN, true),
            ],
        )
        .unwrap();
    let hmac = Mechanism::Plain(CKM_SHA256_HMAC);
    let expected: Vec<_> =
        [&b"one"[..], b"two"].iter().map(|it| one.session.sign(&hmac, key, it).unwrap()).collect();
    let guard = by(CKA_SIM_PASSWORD, 1, &[b"the secret"]);
    let blob = extract(own, &[key], &guard, true).unwrap();

    let secrets = lists(&guard.secrets);
    let inputs = lists(&[b"one", b"two"]);
    let mut outputs = [[0_u8; 40]; 2];
    let mut lengths = [40_u64; 2];
    let pointers: Vec<usize> =
        outputs.iter_mut().map(|it| it.as_mut_ptr().expose_provenance()).collect();
    let mut mechanism = CK_MECHANISM {
        mechanism: CKM_SHA256_HMAC,
        pParameter: std::ptr::null_mut(),
        ulParameterLen: 0,
    };
    let words = [
        session(&one.session),
        cell(&mut mechanism),
        1,
        guard.form as usize,
        secrets.lengths.as_ptr().addr(),
        secrets.pointers.as_ptr().addr(),
        blob.len(),
        at(&blob),
        2,
        inputs.lengths.as_ptr().addr(),
        inputs.pointers.as_ptr().addr(),
        cell(&mut lengths),
        pointers.as_ptr().addr(),
    ];
    ok(&one.context, "CA_SIMMultiSign", &words);
    assert_eq!(lengths, [32, 32]);
    for (made, wanted) in outputs.iter().zip(&expected) {
        assert_eq!(&made[..32], wanted);
    }
    assert!(one.session.find(&[]).unwrap().is_empty(), "no key was left behind");
}

#[test]
fn one_object_has_calls_of_its_own() {
    let one = One::up(MASKING);
    let key = aes(&one.session, "key", &[]);
    let sealed = encrypts(&one.session, key).unwrap();
    let words = [session(&one.session), object(key)];
    let order = crate::call::Order::BufferFirst;
    let blob = crate::call::bytes(&one.context, "CA_ExtractMaskedObject", &words, order);
    one.session.destroy(key).unwrap();
    let mut back = 0_u64;
    let words = [session(&one.session), cell(&mut back), at(&blob), blob.len()];
    ok(&one.context, "CA_InsertMaskedObject", &words);
    assert_eq!(encrypts(&one.session, ObjectHandle(back)).unwrap(), sealed);
}

#[test]
fn the_mechanism_forms_mask_too_and_only_to_the_host() {
    let one = One::up(MASKING);
    let key = aes(&one.session, "key", &[]);
    let mut blob = vec![0_u8; 1 << 14];
    let mut len = blob.len() as u64;
    let mut params = CK_AES_CBC_PAD_EXTRACT_PARAMS {
        ulType: 0,
        ulHandle: key.0,
        ulDeleteAfterExtract: 1,
        pBuffer: blob.as_mut_ptr(),
        pulBufferLen: &raw mut len,
        ulStorage: 1,
        pedId: 0,
        pbFileName: std::ptr::null_mut(),
        ctxID: 0,
    };
    let mut mechanism = CK_MECHANISM {
        mechanism: CKM_AES_CBC_PAD_EXTRACT,
        pParameter: std::ptr::from_mut(&mut params).cast(),
        ulParameterLen: size_of::<CK_AES_CBC_PAD_EXTRACT_PARAMS>() as u64,
    };
    let words = [session(&one.session), cell(&mut mechanism)];
    refused(&one.context, "CA_Extract", &words, CKR_PED_UNPLUGGED);
    params.ulStorage = 0;
    mechanism.pParameter = std::ptr::from_mut(&mut params).cast();
    let words = [session(&one.session), cell(&mut mechanism)];
    ok(&one.context, "CA_Extract", &words);
    assert!(one.session.find(&[]).unwrap().is_empty());

    let (mut kind, mut handle) = (7_u64, 0_u64);
    let mut params = CK_AES_CBC_PAD_INSERT_PARAMS {
        ulStorageType: 1,
        ulContainerState: 0,
        pBuffer: blob.as_mut_ptr(),
        ulBufferLen: len,
        pulType: &raw mut kind,
        pulHandle: &raw mut handle,
        ulStorage: 0,
        pedId: 0,
        pbFileName: std::ptr::null_mut(),
        ctxID: 0,
        ulContainerNumber: 1,
    };
    let mut mechanism = CK_MECHANISM {
        mechanism: CKM_AES_CBC_PAD_INSERT,
        pParameter: std::ptr::from_mut(&mut params).cast(),
        ulParameterLen: size_of::<CK_AES_CBC_PAD_INSERT_PARAMS>() as u64,
    };
    ok(&one.context, "CA_Insert", &[session(&one.session), cell(&mut mechanism)]);
    assert_eq!(kind, 0);
    encrypts(&one.session, ObjectHandle(handle)).unwrap();
}
