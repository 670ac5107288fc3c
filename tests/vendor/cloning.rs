//! Objects from partition to partition: in one call, step by step, by negotiated sessions; and domains.

use luna_ck::*;
use luna_client::{Attribute, Context, ObjectHandle, Rv, Session};
use luna_tests::Instance;

use crate::call::{
    Order, PARTITION_SO, aes, at, bytes, ca, cell, encrypts, logged_in, object, officer, ok, ouid,
    refused, session, slot, two,
};

/// A world of two partitions: slots 0 and 1, and a session of a Crypto Officer on each.
struct Two {
    source: Session,
    target: Session,
    context: Context,
    _instance: Instance,
}

impl Two {
    fn up(options: &[&str]) -> Self {
        let instance = two(options);
        let context = instance.context();
        let (source, target) = (officer(&context, 0), officer(&context, 1));
        Self { source, target, context, _instance: instance }
    }

    /// The source's domain is another than the target's.
    fn apart() -> Self {
        let instance = two(&[]);
        let context = instance.context();
        let slot_id = context.slots(true).unwrap()[1];
        let domain = luna_client::Pin::from("another domain");
        context.set_cloning_domain(&domain).unwrap();
        let so = luna_client::Pin::from(PARTITION_SO);
        context.init_token(slot_id, Some(&so), "other").unwrap();
        let owner = context.open_session(slot_id, luna_client::Access::ReadWrite).unwrap();
        owner.login(luna_client::UserType::SO, &so).unwrap();
        owner.init_pin(&luna_client::Pin::from("first-password")).unwrap();
        owner.logout().unwrap();
        owner
            .login(luna_client::UserType::CRYPTO_OFFICER, &luna_client::Pin::from("first-password"))
            .unwrap();
        let own = luna_client::Pin::from(luna_tests::CRYPTO_OFFICER);
        owner.set_pin(&luna_client::Pin::from("first-password"), &own).unwrap();
        let source = officer(&context, 0);
        Self { source, target: owner, context, _instance: instance }
    }

    fn clone(&self, key: ObjectHandle) -> (Rv, u64) {
        let mut copy: CK_OBJECT_HANDLE = 0;
        let words = [session(&self.target), session(&self.source), 0, object(key), cell(&mut copy)];
        (ca(&self.context, "CA_CloneObject", &words), copy)
    }
}

#[test]
fn an_object_is_cloned_within_its_domain_and_keeps_its_identity() {
    let two = Two::up(&[]);
    let key = aes(&two.source, "travels", &[Attribute::private(true)]);
    let sealed = encrypts(&two.source, key).unwrap();
    let (rv, copy) = two.clone(key);
    assert_eq!(rv, Rv(CKR_OK));
    let copy = ObjectHandle(copy);
    assert_eq!(ouid(&two.target, copy), ouid(&two.source, key));
    assert_eq!(encrypts(&two.target, copy).unwrap(), sealed);

    let words = [session(&two.target), session(&two.source), 0, 11_111, cell(&mut 0_u64)];
    refused(&two.context, "CA_CloneObject", &words, CKR_OBJECT_HANDLE_INVALID);
    let words = [session(&two.target), session(&two.source), 3, object(key), cell(&mut 0_u64)];
    refused(&two.context, "CA_CloneObject", &words, CKR_OBJECT_TYPE_INVALID);
    let words = [session(&two.target), 999, 0, object(key), cell(&mut 0_u64)];
    refused(&two.context, "CA_CloneObject", &words, CKR_SESSION_HANDLE_INVALID);
}

#[test]
fn another_domain_refuses() {
    let two = Two::apart();
    let key = aes(&two.source, "stays", &[Attribute::private(true)]);
    assert_eq!(two.clone(key).0, Rv(CKR_FAILED_TO_CLONE_AN_OBJECT));
    assert!(two.target.find(&[Attribute::label("stays")]).unwrap().is_empty());

    // Unless the target is given the domain as that of an older HSM, once.
    let words = |domain: &'static [u8]| [session(&two.target), at(domain), domain.len()];
    let exists = CKR_CLONING_PARAMETER_ALREADY_EXISTS;
    refused(&two.context, "CA_SetKCV", &words(b"mine"), exists);
    refused(&two.context, "CA_ManualKCV", &[session(&two.target)], exists);
    refused(&two.context, "CA_SetLKCV", &words(b""), CKR_ARGUMENTS_BAD);
    ok(&two.context, "CA_SetLKCV", &words(b"luna-tests"));
    refused(&two.context, "CA_SetLKCV", &words(b"luna-tests"), exists);
    assert_eq!(two.clone(key).0, Rv(CKR_FAILED_TO_CLONE_AN_OBJECT));
    // The domain that `luna-emulator up` gives where none is named.
    ok(&two.context, "CA_SetRDK", &words(b"luna-emulator"));
    refused(&two.context, "CA_SetRDK", &words(b"luna-emulator"), exists);
    assert_eq!(two.clone(key).0, Rv(CKR_OK));
}

#[test]
fn a_policy_keeps_keys_where_they_are() {
    let two = Two::up(&["--policy", "4=0"]);
    let key = aes(&two.source, "stays", &[]);
    assert_eq!(two.clone(key).0, Rv(CKR_CLONE_NOT_ATTEMPTED));
}

#[test]
fn private_keys_have_a_call_of_their_own() {
    let two = Two::up(&[]);
    let (public, private) = two
        .source
        .generate_key_pair(
            &luna_client::Mechanism::Plain(CKM_EC_KEY_PAIR_GEN),
            &[
                Attribute::token(true),
                Attribute::bytes(CKA_EC_PARAMS, [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7]),
            ],
            &[Attribute::token(true), Attribute::bool(CKA_SIGN, true)],
        )
        .unwrap();
    let mut copy: CK_OBJECT_HANDLE = 0;
    let mut words = [session(&two.target), session(&two.source), object(private), cell(&mut copy)];
    ok(&two.context, "CA_ClonePrivateKey", &words);
    let signs = luna_client::Mechanism::Plain(CKM_ECDSA);
    two.target.sign(&signs, ObjectHandle(copy), &[1; 32]).unwrap();
    words[2] = object(public);
    refused(&two.context, "CA_ClonePrivateKey", &words, CKR_KEY_HANDLE_INVALID);
}

#[test]
fn the_steps_of_cloning_carry_an_object() {
    let two = Two::up(&[]);
    let key = aes(&two.source, "walks", &[Attribute::private(true)]);
    for with_vector in [true, false] {
        let (rv, copy) = walk(&two, key, with_vector);
        assert_eq!(rv, Rv(CKR_OK));
        assert_eq!(ouid(&two.target, ObjectHandle(copy)), ouid(&two.source, key));
    }
}

/// All four steps; a vector is optional (vendor's `CloningSample`).
fn walk(two: &Two, key: ObjectHandle, with_vector: bool) -> (Rv, u64) {
    let context = &two.context;
    let (source, target) = (session(&two.source), session(&two.target));
    let kind = CKHSC_CERT_TYPE_TWC as usize;
    let first = Order::BufferFirst;
    let slots = context.slots(true).unwrap();
    let words = [slot(slots[0]), kind];
    let certificate = bytes(context, "CA_GetTokenCertificates", &words, first);
    let vector = if with_vector {
        bytes(context, "CA_GenerateCloningKEV", &[target], first)
    } else {
        Vec::new()
    };
    let words = [target, at(&certificate), certificate.len(), at(&vector), vector.len(), 0];
    let part = bytes(context, "CA_CloneAsTargetInit", &words, first);
    let mut answer = vec![0_u8; 1 << 16];
    let mut len = answer.len() as CK_ULONG;
    let buffer = answer.as_mut_ptr().expose_provenance();
    let words = [source, 0, object(key), at(&part), part.len(), 0, buffer, cell(&mut len)];
    let rv = ca(context, "CA_CloneAsSource", &words);
    if rv != Rv(CKR_OK) {
        return (rv, 0);
    }
    let mut copy: CK_OBJECT_HANDLE = 0;
    let words =
        [target, at(&vector), vector.len(), at(&answer), len as usize, 0, 0, 0, cell(&mut copy)];
    // What was changed on the way is refused.
    answer[len as usize - 1] ^= 1;
    refused(context, "CA_CloneAsTarget", &words, CKR_FAILED_TO_CLONE_AN_OBJECT);
    answer[len as usize - 1] ^= 1;
    (ca(context, "CA_CloneAsTarget", &words), copy)
}

#[test]
fn the_steps_lead_nowhere_between_domains_or_with_a_wrong_certificate() {
    let two = Two::apart();
    let key = aes(&two.source, "walks", &[]);
    assert_eq!(walk(&two, key, true).0, Rv(CKR_FAILED_TO_CLONE_AN_OBJECT));
    let mut len: CK_ULONG = 0;
    let target = session(&two.target);
    let words = [target, 0, 0, 0, 0, 0, 0, cell(&mut len)];
    refused(&two.context, "CA_CloneAsTargetInit", &words, CKR_CERTIFICATE_DATA_MISSING);
    let words = [target, at(b"nonsense"), 8, 0, 0, 0, 0, cell(&mut len)];
    refused(&two.context, "CA_CloneAsTargetInit", &words, CKR_CERTIFICATE_DATA_INVALID);
}

fn migration(kind: u64, handle: u64) -> CK_OBJECT_MIGRATION_DATA {
    CK_OBJECT_MIGRATION_DATA { objectType: kind, sourceHandle: handle, targetHandle: 7, rv: 7 }
}

fn migrate(two: &Two, flags: u64, data: &mut [CK_OBJECT_MIGRATION_DATA]) -> Rv {
    let words = [
        session(&two.source),
        session(&two.target),
        flags as usize,
        data.len(),
        data.as_mut_ptr().expose_provenance(),
    ];
    ca(&two.context, "CA_MigrateKeys", &words)
}

#[test]
fn many_keys_migrate_with_an_outcome_each() {
    let two = Two::up(&[]);
    let keys: Vec<_> =
        (0..100).map(|number| aes(&two.source, &format!("key {number}"), &[])).collect();
    let mut data: Vec<_> = keys.iter().map(|key| migration(0, key.0)).collect();
    data.push(migration(0, 11_111));
    for kind in [1, 2, 3, 4, u64::MAX] {
        data.push(migration(kind, keys[0].0));
    }
    assert_eq!(migrate(&two, CKF_CPV4_CONTINUE_ON_ERR, &mut data), Rv(CKR_OK));
    for (key, entry) in keys.iter().zip(&data) {
        assert_eq!(entry.rv, CKR_OK);
        let copy = ObjectHandle(entry.targetHandle);
        assert_eq!(ouid(&two.source, *key), ouid(&two.target, copy));
    }
    let codes: Vec<_> = data[100..].iter().map(|entry| entry.rv).collect();
    assert_eq!(codes[0], CKR_OBJECT_HANDLE_INVALID);
    assert!(codes[1..].iter().all(|code| *code == CKR_OBJECT_TYPE_INVALID), "{codes:x?}");
    assert!(data[100..].iter().all(|entry| entry.targetHandle == 0));

    // Without the flag nothing is attempted after a failure.
    let mut data = [migration(0, 11_111), migration(0, keys[0].0)];
    assert_eq!(migrate(&two, 0, &mut data), Rv(CKR_OK));
    assert_eq!(data[1].rv, CKR_CLONE_NOT_ATTEMPTED);
    assert_eq!(migrate(&two, 0, &mut []), Rv(CKR_ARGUMENTS_BAD));
}

/// The answer to a step of a negotiation.
struct Step {
    rv: Rv,
    next: u64,
    message: Vec<u8>,
    status: u64,
    route: Vec<u8>,
}

fn negotiate(two: &Two, on: &Session, step: Option<(u64, &[u8])>) -> Step {
    // The sizes that pycryptoki gives.
    let (mut message, mut route) = (vec![0_u8; 64_000], vec![0_u8; 64_000]);
    let (mut len, mut route_len) = (64_000_u64, 64_000_u64);
    let (mut next, mut status) = (0_u64, 7_u64);
    let (out, made) =
        (message.as_mut_ptr().expose_provenance(), route.as_mut_ptr().expose_provenance());
    let rv = match step {
        None => {
            let words = [session(on), 0, 0, cell(&mut next), cell(&mut len), out];
            ca(&two.context, "CA_MigrationStartSessionNegotiation", &words)
        }
        Some((step, input)) => {
            let words = [
                session(on),
                step as usize,
                input.len(),
                at(input),
                0,
                0,
                cell(&mut next),
                cell(&mut len),
                out,
                cell(&mut status),
                cell(&mut route_len),
                made,
            ];
            ca(&two.context, "CA_MigrationContinueSessionNegotiation", &words)
        }
    };
    if rv == Rv(CKR_OK) {
        message.truncate(len as usize);
        route.truncate(if step.is_some() { route_len as usize } else { 0 });
    }
    Step { rv, next, message, status, route }
}

#[test]
fn two_partitions_negotiate_a_session_and_objects_travel_by_it() {
    let two = Two::up(&[]);
    let hello = negotiate(&two, &two.target, None);
    assert_eq!((hello.rv, hello.next), (Rv(CKR_OK), 2));
    let answer = negotiate(&two, &two.source, Some((2, &hello.message)));
    assert_eq!((answer.rv, answer.status, answer.route.len()), (Rv(CKR_OK), 1, 16));
    let end = negotiate(&two, &two.target, Some((answer.next, &answer.message)));
    assert_eq!((end.rv, end.status, &end.route), (Rv(CKR_OK), 1, &answer.route));

    let key = aes(&two.source, "sent", &[Attribute::private(true)]);
    let blob = extract(&two, &answer.route, object(key)).unwrap();
    for storage in [LUNA_STORAGE_FLASH, LUNA_STORAGE_RAM] {
        let found = insert(&two, &answer.route, &blob, storage).unwrap();
        assert_eq!(ouid(&two.target, found), ouid(&two.source, key));
        let token = two.target.attributes(found, &[CKA_TOKEN]).unwrap().remove(0).unwrap();
        assert_eq!(token, [u8::from(storage == LUNA_STORAGE_FLASH)]);
        two.target.destroy(found).unwrap();
    }
    assert_eq!(extract(&two, &answer.route, 11_111), Err(CKR_OBJECT_HANDLE_INVALID));

    for own in [&two.source, &two.target] {
        let words = [session(own), 16, at(&answer.route)];
        ok(&two.context, "CA_MigrationCloseSession", &words);
        refused(&two.context, "CA_MigrationCloseSession", &words, CKR_SESSION_ID_INVALID);
    }
    assert_eq!(extract(&two, &answer.route, object(key)), Err(CKR_SESSION_ID_INVALID));
}

#[test]
fn nothing_is_negotiated_between_domains() {
    let two = Two::apart();
    let hello = negotiate(&two, &two.target, None);
    let answer = negotiate(&two, &two.source, Some((2, &hello.message)));
    assert_eq!(answer.rv, Rv(CKR_SESSION_NEGOTIATION_NO_PSK));
    let nonsense = negotiate(&two, &two.source, Some((2, b"nonsense")));
    assert_eq!(nonsense.rv, Rv(CKR_SESSION_NEGOTIATION_INVALID));
    let unknown = negotiate(&two, &two.source, Some((9, &hello.message)));
    assert_eq!(unknown.rv, Rv(CKR_SESSION_NEGOTIATION_INVALID));
}

fn mechanism<T>(kind: u64, params: &mut T) -> CK_MECHANISM {
    CK_MECHANISM {
        mechanism: kind,
        pParameter: std::ptr::from_mut(params).cast(),
        ulParameterLen: size_of::<T>() as CK_ULONG,
    }
}

/// One object by `CA_Extract`: its outcome stands in the result, two passes.
fn extract(two: &Two, route: &[u8], handle: usize) -> Result<Vec<u8>, CK_RV> {
    let (mut kind, mut handle, mut result) = (0_u64, handle as u64, 7_u64);
    let mut len = 0_u64;
    let mut name = route.to_vec();
    let mut run = |blob: &mut *mut u8, len: &mut u64| {
        let mut params = CK_CPV4_EXTRACT_PARAMS {
            inputLength: 0,
            input: std::ptr::null_mut(),
            sessionOuidLen: name.len() as CK_ULONG,
            sessionOuid: name.as_mut_ptr(),
            extractionFlags: 0,
            numberOfObjects: 1,
            objectType: &raw mut kind,
            objectHandle: &raw mut handle,
            result: &raw mut result,
            keyBlobLen: std::ptr::from_mut(len),
            keyBlob: std::ptr::from_mut(blob),
        };
        let mut mechanism = mechanism(CKM_CPV4_EXTRACT, &mut params);
        let words = [session(&two.source), cell(&mut mechanism)];
        match ca(&two.context, "CA_Extract", &words) {
            Rv(CKR_OK) => result,
            Rv(other) => other,
        }
    };
    match run(&mut std::ptr::null_mut(), &mut len) {
        CKR_OK => {}
        code => return Err(code),
    }
    let mut blob = vec![0_u8; len as usize];
    match run(&mut blob.as_mut_ptr(), &mut len) {
        CKR_OK => Ok(blob),
        code => Err(code),
    }
}

fn insert(two: &Two, route: &[u8], blob: &[u8], storage: u64) -> Result<ObjectHandle, CK_RV> {
    let (mut kind, mut storage, mut handle, mut result) = (0_u64, storage, 0_u64, 7_u64);
    let (mut name, mut blob) = (route.to_vec(), blob.to_vec());
    let mut len = blob.len() as CK_ULONG;
    let mut pointer = blob.as_mut_ptr();
    let mut params = CK_CPV4_INSERT_PARAMS {
        inputLength: 0,
        input: std::ptr::null_mut(),
        sessionOuidLen: name.len() as CK_ULONG,
        sessionOuid: name.as_mut_ptr(),
        insertionFlags: 0,
        numberOfObjects: 1,
        objectType: &raw mut kind,
        storageType: &raw mut storage,
        keyBlobLen: &raw mut len,
        keyBlob: &raw mut pointer,
        result: &raw mut result,
        objectHandle: &raw mut handle,
    };
    let mut mechanism = mechanism(CKM_CPV4_INSERT, &mut params);
    let words = [session(&two.target), cell(&mut mechanism)];
    match ca(&two.context, "CA_Insert", &words) {
        Rv(CKR_OK) if result == CKR_OK => Ok(ObjectHandle(handle)),
        Rv(CKR_OK) => Err(result),
        Rv(code) => Err(code),
    }
}

#[test]
fn other_mechanisms_extract_nothing() {
    let two = Two::up(&[]);
    let mut plain = CK_MECHANISM {
        mechanism: CKM_AES_CBC,
        pParameter: std::ptr::null_mut(),
        ulParameterLen: 0,
    };
    for name in ["CA_Extract", "CA_Insert"] {
        let words = [session(&two.source), cell(&mut plain)];
        refused(&two.context, name, &words, CKR_MECHANISM_INVALID);
        refused(&two.context, name, &[session(&two.source), 0], CKR_ARGUMENTS_BAD);
    }
    plain.mechanism = CKM_CPV4_EXTRACT;
    let words = [session(&two.source), cell(&mut plain)];
    refused(&two.context, "CA_Extract", &words, CKR_MECHANISM_PARAM_INVALID);
}

#[test]
fn everything_of_a_slot_is_cloned_to_a_session() {
    let two = Two::up(&[]);
    for label in ["one", "two", "three"] {
        aes(&two.source, label, &[]);
    }
    let slots = two.context.slots(true).unwrap();
    let words = [session(&two.target), slot(slots[0])];
    ok(&two.context, "CA_CloneAllObjectsToSession", &words);
    ok(&two.context, "CA_CloneAllObjectsToSession", &words);
    assert_eq!(two.target.find(&[]).unwrap().len(), 3);
    let words = [session(&two.target), 99];
    refused(&two.context, "CA_CloneAllObjectsToSession", &words, CKR_SLOT_ID_INVALID);
    let words = [session(&two.source), 1];
    refused(&two.context, "CA_CloneObjectToAllSessions", &words, CKR_FUNCTION_NOT_SUPPORTED);
}

#[test]
fn one_object_is_pushed_to_every_member_of_a_group() {
    let instance = two(&[]);
    let context = instance.context();
    let group = officer(&context, 2);
    let member = logged_in(&context, 0);
    // Made on the member's own slot, so that the other lacks it.
    aes(&member, "pushed", &[]);
    let found = group.find(&[Attribute::label("pushed")]).unwrap()[0];
    ok(&context, "CA_CloneObjectToAllSessions", &[session(&group), object(found)]);
    let other = logged_in(&context, 1);
    assert_eq!(other.find(&[Attribute::label("pushed")]).unwrap().len(), 1);
    let words = [session(&group), 4_711];
    refused(&context, "CA_CloneObjectToAllSessions", &words, CKR_OBJECT_HANDLE_INVALID);
}

#[test]
fn a_password_hsm_has_no_m_of_n() {
    let two = Two::up(&[]);
    let own = session(&two.source);
    refused(&two.context, "CA_CloneMofN", &[own, 0, 0], CKR_SESSION_HANDLE_INVALID);
    refused(&two.context, "CA_CloneMofN", &[0, own, 0], CKR_SESSION_HANDLE_INVALID);
    let words = [own, session(&two.target), 0];
    refused(&two.context, "CA_CloneMofN", &words, CKR_OPERATION_NOT_ALLOWED);
    refused(&two.context, "CA_DuplicateMofN", &[own], CKR_PED_UNPLUGGED);
    refused(
        &two.context,
        "CA_HAAnswerMofNChallenge",
        &[own, 0, 0, 0, 0],
        CKR_OPERATION_NOT_ALLOWED,
    );
    refused(&two.context, "CA_HAActivateMofN", &[own, 0, 0], CKR_OPERATION_NOT_ALLOWED);
    let mut status = CA_MOFN_STATUS { ulN: 7, ..CA_MOFN_STATUS::default() };
    ok(&two.context, "CA_GetMofNStatus", &[0, cell(&mut status)]);
    assert_eq!(status.ulN, 0);
    for name in ["CA_IsMofNEnabled", "CA_IsMofNRequired"] {
        let mut answer = 7_u64;
        ok(&two.context, name, &[0, cell(&mut answer)]);
        assert_eq!(answer, 0);
        refused(&two.context, name, &[99, cell(&mut answer)], CKR_SLOT_ID_INVALID);
    }
}
