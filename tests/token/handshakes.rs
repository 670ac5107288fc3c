//! SSL 3.0: secrets of a handshake, the keys of both directions at once, and MACs of records.
//!
//! What is computed is compared with the module's own vectors, which Python made; here it is that handles and
//! vectors come back into the caller's parameter, all or none, and what attributes the keys have.

#![allow(
    unsafe_code,
    reason = "the parameter is written into, which the safe client has no way for"
)]

use std::ptr;

use luna_ck::*;
use luna_client::{Attribute, Mechanism, ObjectHandle, Rv, Session, UserType};
use luna_tests::CRYPTO_OFFICER;

use crate::keys::{self, and, on};
use crate::token::{Kind, Token, hex, refused};

/// The module's own case: version, then bytes that count; what is drawn counts too.
fn pre_master() -> Vec<u8> {
    [vec![3, 0], (0..46).collect()].concat()
}

const MASTER: &str = "18e559eeddb2df83199706cecbf438b284fdd250212364275d554e97ab386866\
                      b35f6ea4fe8837dffdf7773235bcc11b";

/// Both keys for MACs, both for encryption without their parity, both vectors.
const BLOCK: [&str; 4] = [
    "a2ee9d9de29c1aa6501ec25156af270004ff400e",
    "51cd4ec00770cebf6ec31b561d344a8b8dbee30b",
    "86b5ee73ce66de6138952190b430fbd8a5ac56b68f9aa83e",
    "511d18e4da420c176288fcf1681d66b9ec4d57c2d302bcee",
];
const VECTORS: &str = "ffbe3b4e222de1d560f0ba3b30e460d7";

const LABEL: &[u8] = b"handshake";

fn random() -> ([u8; 32], [u8; 32]) {
    (std::array::from_fn(|at| at as u8), std::array::from_fn(|at| 0x80 + at as u8))
}

fn random_data(of: &([u8; 32], [u8; 32])) -> CK_SSL3_RANDOM_DATA {
    CK_SSL3_RANDOM_DATA {
        pClientRandom: of.0.as_ptr().cast_mut(),
        ulClientRandomLen: 32,
        pServerRandom: of.1.as_ptr().cast_mut(),
        ulServerRandomLen: 32,
    }
}

/// `C_DeriveKey` with a parameter that is a structure of the mechanism's, and attributes.
pub(crate) fn derive<T>(
    session: &Session,
    kind: CK_MECHANISM_TYPE,
    base: ObjectHandle,
    params: &mut T,
    attributes: &mut [(CK_ATTRIBUTE_TYPE, Vec<u8>)],
    key: *mut CK_OBJECT_HANDLE,
) -> Rv {
    let function = session.context().module().raw().functions().list.C_DeriveKey.unwrap();
    let mut mechanism = CK_MECHANISM {
        mechanism: kind,
        pParameter: ptr::from_mut(params).cast(),
        ulParameterLen: size_of::<T>() as CK_ULONG,
    };
    let mut template: Vec<_> = attributes
        .iter_mut()
        .map(|(kind, value)| CK_ATTRIBUTE {
            type_: *kind,
            pValue: value.as_mut_ptr().cast(),
            ulValueLen: value.len() as CK_ULONG,
        })
        .collect();
    let count = template.len() as CK_ULONG;
    // SAFETY: parameter and template live through the call, at the lengths they say.
    Rv(unsafe {
        function(session.handle().0, &raw mut mechanism, base.0, template.as_mut_ptr(), count, key)
    })
}

fn master(session: &Session, pre_master: ObjectHandle) -> (Rv, ObjectHandle, CK_VERSION) {
    let drawn = random();
    let mut version = CK_VERSION { major: 9, minor: 9 };
    let mut params = CK_SSL3_MASTER_KEY_DERIVE_PARAMS {
        RandomInfo: random_data(&drawn),
        pVersion: &raw mut version,
    };
    let mut key = 0;
    let kind = CKM_SSL3_MASTER_KEY_DERIVE;
    let rv = derive(session, kind, pre_master, &mut params, &mut [], &raw mut key);
    (rv, ObjectHandle(key), version)
}

/// Keys of triple DES and SHA-1, and vectors of 8 bytes, between guards.
fn material(
    session: &Session,
    master: ObjectHandle,
    more: &[(CK_ATTRIBUTE_TYPE, Vec<u8>)],
) -> (Rv, [ObjectHandle; 4], Vec<u8>) {
    let drawn = random();
    let mut vectors = [0xa5_u8; 32];
    let at = vectors.as_mut_ptr();
    let mut out = CK_SSL3_KEY_MAT_OUT {
        hClientMacSecret: 0,
        hServerMacSecret: 0,
        hClientKey: 0,
        hServerKey: 0,
        pIVClient: at.wrapping_add(4),
        pIVServer: at.wrapping_add(16),
    };
    let mut params = CK_SSL3_KEY_MAT_PARAMS {
        ulMacSizeInBits: 160,
        ulKeySizeInBits: 192,
        ulIVSizeInBits: 64,
        bIsExport: CK_FALSE,
        RandomInfo: random_data(&drawn),
        pReturnedKeyMaterial: &raw mut out,
    };
    let kind = CKM_SSL3_KEY_AND_MAC_DERIVE;
    let mut template = more.to_vec();
    template.push((CKA_KEY_TYPE, CKK_DES3.to_ne_bytes().to_vec()));
    let rv = derive(session, kind, master, &mut params, &mut template, ptr::null_mut());
    for guard in [0..4, 12..16, 24..32] {
        assert_eq!(vectors[guard.clone()], vec![0xa5; guard.len()], "written beside a vector");
    }
    let keys = [out.hClientMacSecret, out.hServerMacSecret, out.hClientKey, out.hServerKey];
    (rv, keys.map(ObjectHandle), [&vectors[4..12], &vectors[16..24]].concat())
}

fn secret(session: &Session, value: &[u8]) -> ObjectHandle {
    let open = [Attribute::bool(CKA_SENSITIVE, false), Attribute::bool(CKA_EXTRACTABLE, true)];
    session.create_object(&and(&keys::secret(CKK_GENERIC_SECRET, value), &open)).unwrap()
}

fn value(session: &Session, key: ObjectHandle) -> Vec<u8> {
    session.attribute(key, CKA_VALUE).unwrap().unwrap()
}

fn with_parity(key: &[u8]) -> Vec<u8> {
    key.iter().map(|byte| byte ^ u8::from(byte.count_ones().is_multiple_of(2))).collect()
}

#[test]
fn a_handshake_gives_all_its_keys_and_vectors() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let (rv, _, version) = master(session, secret(session, &pre_master()));
    assert_eq!((rv, version.major, version.minor), (Rv(CKR_OK), 3, 0));
    let (rv, made, vectors) = material(session, secret(session, &hex(MASTER)), &[]);
    assert_eq!((rv, vectors), (Rv(CKR_OK), hex(VECTORS)));
    for (at, key) in made.into_iter().enumerate() {
        let (mac, block) = (at < 2, hex(BLOCK[at]));
        let wanted = if mac { block } else { with_parity(&block) };
        assert_eq!(value(session, key), wanted, "key {at}");
        let wanted = if mac { CKK_GENERIC_SECRET } else { CKK_DES3 };
        assert_eq!(session.attribute_ulong(key, CKA_KEY_TYPE).unwrap(), Some(wanted));
        let flag = |kind| session.attribute(key, kind).unwrap() == Some(vec![1]);
        assert_eq!((flag(CKA_SIGN), flag(CKA_ENCRYPT), flag(CKA_DERIVE)), (mac, !mac, true));
    }
}

/// The secrets stay inside: made, derived and used, nothing of them is told.
#[test]
fn a_secret_made_here_leads_to_a_record() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let version = Mechanism::Bytes(CKM_SSL3_PRE_MASTER_KEY_GEN, vec![3, 0]);
    let made = session.generate_key(&version, &on(&[CKA_DERIVE, CKA_SENSITIVE])).unwrap();
    assert_eq!(session.attribute_ulong(made, CKA_VALUE_LEN).unwrap(), Some(48));
    let (rv, secret, version) = master(session, made);
    assert_eq!((rv, version.major, version.minor), (Rv(CKR_OK), 3, 0));
    let derive = [Attribute::bool(CKA_DERIVE, true)];
    session.set_attributes(secret, &derive).unwrap();
    let (rv, [client_mac, server_mac, client, _], _) = material(session, secret, &[]);
    assert_eq!(rv, Rv(CKR_OK));
    for (kind, len) in [(CKM_SSL3_SHA1_MAC, 20_u64), (CKM_SSL3_MD5_MAC, 16)] {
        let mechanism = Mechanism::Bytes(kind, len.to_ne_bytes().to_vec());
        let mac = session.sign(&mechanism, client_mac, b"record").unwrap();
        assert_eq!(mac.len() as u64, len);
        session.verify(&mechanism, client_mac, b"record", &mac).unwrap();
        refused(session.verify(&mechanism, server_mac, b"record", &mac), CKR_SIGNATURE_INVALID);
        refused(session.sign(&mechanism, client, b"record"), CKR_KEY_TYPE_INCONSISTENT);
    }
    let des = Mechanism::Bytes(CKM_DES3_CBC_PAD, vec![0; 8]);
    let sealed = session.encrypt(&des, client, b"record").unwrap();
    assert_eq!(session.decrypt(&des, client, &sealed).unwrap(), b"record");
}

/// All four are on every member, whether they are objects of the token or of the session.
#[test]
fn a_group_has_all_keys_on_every_member() {
    let token = Token::nobody(&["--ha", "LUNAHA=OKV,OKV"]);
    let slots = token.context.slots(true).unwrap();
    let group = *slots.last().unwrap();
    let session = token.context.open_session(group, luna_client::Access::ReadWrite).unwrap();
    session.login(UserType::CRYPTO_OFFICER, &CRYPTO_OFFICER.into()).unwrap();
    let base = secret(&session, &hex(MASTER));
    let stored = [(CKA_TOKEN, vec![1]), (CKA_LABEL, LABEL.to_vec())];
    let (rv, made, vectors) = material(&session, base, &stored);
    assert_eq!((rv, vectors), (Rv(CKR_OK), hex(VECTORS)));
    assert_eq!(value(&session, made[1]), hex(BLOCK[1]));
    assert_eq!(slots.len(), 3, "two members and their group");
    for slot in slots {
        let own = token.context.open_session(slot, luna_client::Access::ReadWrite).unwrap();
        // The group's login is its members' here, or is not.
        let _ = own.login(UserType::CRYPTO_OFFICER, &CRYPTO_OFFICER.into());
        let found = own.find(&[Attribute::bytes(CKA_LABEL, LABEL)]).unwrap();
        let mut values: Vec<_> = found.into_iter().map(|key| value(&own, key)).collect();
        values.sort();
        let mut wanted = vec![
            hex(BLOCK[0]),
            hex(BLOCK[1]),
            with_parity(&hex(BLOCK[2])),
            with_parity(&hex(BLOCK[3])),
        ];
        wanted.sort();
        assert_eq!(values, wanted, "slot {slot:?}");
    }
}

#[test]
fn without_a_place_for_every_result_nothing_is_made() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let base = secret(session, &hex(MASTER));
    let (drawn, mut vector) = (random(), [0_u8; 8]);
    let at = vector.as_mut_ptr();
    let count = || session.find(&[Attribute::class(CKO_SECRET_KEY)]).unwrap().len();
    let before = count();
    let nowhere = ptr::null_mut();
    for (client, server, bits, there) in [
        (nowhere, at, 64, true),
        (at, nowhere, 64, true),
        (at, at, 64, false),
        (at, at, 65, true),
        (at, at, CK_ULONG::MAX - 7, true),
    ] {
        let mut out = CK_SSL3_KEY_MAT_OUT {
            hClientMacSecret: 7,
            hServerMacSecret: 7,
            hClientKey: 7,
            hServerKey: 7,
            pIVClient: client,
            pIVServer: server,
        };
        let mut params = CK_SSL3_KEY_MAT_PARAMS {
            ulMacSizeInBits: 160,
            ulKeySizeInBits: 192,
            ulIVSizeInBits: bits,
            bIsExport: CK_FALSE,
            RandomInfo: random_data(&drawn),
            pReturnedKeyMaterial: if there { &raw mut out } else { ptr::null_mut() },
        };
        let mut template = [(CKA_KEY_TYPE, CKK_DES3.to_ne_bytes().to_vec())];
        let kind = CKM_SSL3_KEY_AND_MAC_DERIVE;
        let rv = derive(session, kind, base, &mut params, &mut template, ptr::null_mut());
        assert_eq!(rv, Rv(CKR_MECHANISM_PARAM_INVALID));
        assert_eq!((out.hClientMacSecret, out.hServerKey), (7, 7));
    }
    assert_eq!((count(), vector), (before, [0; 8]));
    // Of the wrong length for a block of its kind: the first keys are not left behind.
    let wrong = [(CKA_VALUE_LEN, 1000_u64.to_ne_bytes().to_vec())];
    let (rv, ..) = material(session, base, &wrong);
    assert_eq!(rv, Rv(CKR_KEY_SIZE_RANGE));
    assert_eq!(count(), before);
}

#[test]
fn the_keys_are_guarded_as_their_base_is() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let base = secret(session, &hex(MASTER));
    let sensitive = [(CKA_SENSITIVE, vec![1])];
    let (rv, ..) = material(session, base, &sensitive);
    assert_eq!(rv, Rv(CKR_TEMPLATE_INCONSISTENT));
    let guarded = and(
        &keys::secret(CKK_GENERIC_SECRET, &hex(MASTER)),
        &[Attribute::bool(CKA_SENSITIVE, true), Attribute::bool(CKA_EXTRACTABLE, false)],
    );
    let base = session.create_object(&guarded).unwrap();
    let (rv, made, _) = material(session, base, &[]);
    assert_eq!(rv, Rv(CKR_OK));
    for key in made {
        assert_eq!(session.attribute(key, CKA_SENSITIVE).unwrap(), Some(vec![1]));
        assert_eq!(session.attribute(key, CKA_EXTRACTABLE).unwrap(), Some(vec![0]));
        assert_eq!(session.attribute(key, CKA_VALUE).unwrap(), None);
    }
}
