//! Slots, items, certificates, curves: questions that need no login.

use luna_ck::*;
use luna_client::{Context, Rv};
use luna_tests::Instance;

use crate::call::{Order, at, bytes, ca, cell, officer, ok, refused, session, two};

fn number(context: &Context, name: &str, words: &[usize]) -> u64 {
    let mut answer = 0xdead_u64;
    ok(context, name, &[words, &[cell(&mut answer)]].concat());
    answer
}

#[test]
fn slots_are_found_by_label_by_number_and_by_hsm() {
    let instance = two(&["--partition", "extra"]);
    let context = instance.context();
    let mut label = [b' '; 32];
    label[..5].copy_from_slice(b"extra");
    let mut count = 0_u64;
    let words = [at(&label), 0, cell(&mut count)];
    ok(&context, "CA_GetSlotId", &words);
    assert_eq!(count, 1);
    let mut slots = [99_u64; 1];
    ok(&context, "CA_GetSlotId", &[at(&label), cell(&mut slots), cell(&mut count)]);
    let extra = context.slots(true).unwrap().into_iter().find(|slot| slot.0 == slots[0]).unwrap();
    assert_eq!(context.token_info(extra).unwrap().label.trim_end(), "extra");
    // Two partitions share a label, and a list with room for one is told so.
    let mut okv = [b' '; 32];
    okv[..3].copy_from_slice(b"OKV");
    count = 1;
    let words = [at(&okv), cell(&mut slots), cell(&mut count)];
    refused(&context, "CA_GetSlotId", &words, CKR_BUFFER_TOO_SMALL);
    assert_eq!(count, 2);

    assert_eq!(number(&context, "CA_GetSlotIdForPhysicalSlot", &[1]), 1);
    let instance_of = |slot: usize| number(&context, "CA_GetServerInstanceBySlotID", &[slot]);
    let (first, second) = (instance_of(0), instance_of(1));
    assert_ne!(first, second, "members of a group are on HSMs of their own");
    let mut list = [99_u64; 8];
    count = 8;
    let words = [second as usize, cell(&mut list), cell(&mut count)];
    ok(&context, "CA_GetSlotListFromServerInstance", &words);
    assert!(list[..count as usize].contains(&1) && !list[..count as usize].contains(&0));
    let words = [99, cell(&mut list), cell(&mut count)];
    refused(&context, "CA_GetSlotListFromServerInstance", &words, CKR_ARGUMENTS_BAD);
    let mut answer = 0_u64;
    for name in ["CA_GetSlotIdForPhysicalSlot", "CA_GetServerInstanceBySlotID"] {
        refused(&context, name, &[99, cell(&mut answer)], CKR_SLOT_ID_INVALID);
    }
}

#[test]
fn insertions_are_counted() {
    let instance = Instance::up(&[]);
    let context = instance.context();
    let before = number(&context, "CA_GetTokenInsertionCount", &[0]);
    instance.member("down", 0);
    instance.member("up", 0);
    assert!(number(&context, "CA_GetTokenInsertionCount", &[0]) > before);
}

#[test]
fn items_are_told_by_number() {
    let instance = Instance::up(&[]);
    let context = instance.context();
    let item = |item: u64| bytes(&context, "CA_Get", &[0, item as usize], Order::BufferFirst);
    let slot = context.slots(true).unwrap()[0];
    let token = context.token_info(slot).unwrap();
    assert_eq!(item(LUNA_GT_LABEL), token.label.trim_end().as_bytes());
    assert_eq!(item(LUNA_GT_S_N), token.serial_number.trim_end().as_bytes());
    assert_eq!(item(LUNA_GT_MODEL), token.model.trim_end().as_bytes());
    assert_eq!(item(LUNA_GT_MFG), token.manufacturer.trim_end().as_bytes());
    let firmware: Vec<u8> =
        context.firmware_version(slot).unwrap().iter().flat_map(|it| it.to_ne_bytes()).collect();
    assert_eq!(item(LUNA_GT_FWV), firmware);
    assert_eq!(item(LUNA_GT_FLAGS).len(), 8);
    assert_eq!(item(LUNA_GT_SESSIONS).len(), 32);
    assert_eq!(item(LUNA_GT_PIN).len(), 16);
    assert_eq!(item(LUNA_GT_FLASH).len(), 16);
    let vector = number(&context, "CA_GetFPV", &[0]);
    assert_eq!(item(LUNA_GT_FPV), vector.to_ne_bytes());
    for policy in context.token_capabilities(slot).unwrap() {
        assert!(policy.id >= 32 || vector >> policy.id & 1 == 1, "{policy:?}");
    }
    let mut len = 0_u64;
    refused(&context, "CA_Get", &[0, 0x54, 0, cell(&mut len)], CKR_ARGUMENTS_BAD);
    refused(&context, "CA_Get", &[99, 0, 0, cell(&mut len)], CKR_SLOT_ID_INVALID);
}

#[test]
fn certificates_follow_from_each_other() {
    let instance = two(&[]);
    let context = instance.context();
    let order = Order::BufferFirst;
    let get = |slot: usize, kind: u64| {
        bytes(&context, "CA_GetTokenCertificates", &[slot, kind as usize], order)
    };
    let (root, maker) = (get(0, CKHSC_CERT_TYPE_ECC_ROOT), get(0, CKHSC_CERT_TYPE_ECC_MIC));
    let (origin, wrapping) = (get(0, CKHSC_CERT_TYPE_ECC_HOC), get(0, CKHSC_CERT_TYPE_ECC_TWC));
    for (certificate, issuer) in
        [(&root, &root), (&maker, &root), (&origin, &maker), (&wrapping, &origin)]
    {
        assert!(is_signed(certificate, issuer));
    }
    assert!(!is_signed(&wrapping, &root));
    assert_eq!(get(1, CKHSC_CERT_TYPE_ECC_ROOT), root, "HSMs share the root");
    assert_ne!(get(1, CKHSC_CERT_TYPE_ECC_HOC), origin);
    assert_eq!(get(0, CKHSC_CERT_TYPE_TWC), wrapping);
    assert_eq!(bytes(&context, "CA_GetTokenCertificateInfo", &[0, 1], order), wrapping);
    assert_eq!(bytes(&context, "CA_HAGetMasterPublic", &[0], order), wrapping);
    let mut len = 0_u64;
    let words = |kind: u64, len: usize| [0, kind as usize, 0, len];
    let name = "CA_GetTokenCertificates";
    refused(&context, name, &words(1, cell(&mut len)), CKR_CERTIFICATE_DATA_MISSING);
    refused(&context, name, &words(99, cell(&mut len)), CKR_CERTIFICATE_TYPE_INVALID);
    let words = [0, 7, 0, cell(&mut len)];
    refused(&context, "CA_GetTokenCertificateInfo", &words, CKR_ARGUMENTS_BAD);
}

/// By another library than the module's: the key is the last 32 bytes of the issuer's subject public key.
fn is_signed(certificate: &[u8], issuer: &[u8]) -> bool {
    use der::{Decode, Encode};
    use spki::SubjectPublicKeyInfoRef;
    let parts = |bytes| Vec::<der::Any>::from_der(bytes).expect("a sequence");
    let outer = parts(certificate);
    let to_sign = outer[0].to_der().expect("encodes");
    let signature = outer[2].decode_as::<der::asn1::BitString>().expect("a signature");
    let issuer = parts(&parts(issuer)[0].to_der().expect("encodes"));
    let key = issuer[6].to_der().expect("encodes");
    let key = SubjectPublicKeyInfoRef::from_der(&key).expect("a key");
    ring::signature::UnparsedPublicKey::new(
        &ring::signature::ED25519,
        key.subject_public_key.raw_bytes(),
    )
    .verify(&to_sign, signature.raw_bytes())
    .is_ok()
}

#[test]
fn the_tokens_own_keys_are_nobodys_to_make_or_sign() {
    let instance = Instance::up(&[]);
    let context = instance.context();
    let own = officer(&context, 0);
    let words = [session(&own), 0, 0];
    refused(&context, "CA_GenerateTokenKeys", &words, CKR_OPERATION_NOT_ALLOWED);
    let mut class = CKO_PUBLIC_KEY;
    let mut template = [CK_ATTRIBUTE {
        type_: CKA_CLASS,
        pValue: std::ptr::from_mut(&mut class).cast(),
        ulValueLen: 8,
    }];
    let words = [session(&own), 1, 0, cell(&mut template), 1, at(&[0; 64]), 64];
    let name = "CA_SetTokenCertificateSignature";
    refused(&context, name, &words, CKR_ATTRIBUTE_VALUE_INVALID);
    refused(&context, name, &[999, 1, 0, 0, 0, 0, 0], CKR_SESSION_HANDLE_INVALID);
}

#[test]
fn there_is_no_cluster_no_channel_and_no_backup_hsm() {
    let instance = Instance::up(&[]);
    let context = instance.context();
    let mut state = [0_u8; 320];
    refused(&context, "CA_GetClusterState", &[0, cell(&mut state)], CKR_OBJECT_NOT_KEYRING);
    for name in ["CA_LockClusteredSlot", "CA_UnlockClusteredSlot"] {
        refused(&context, name, &[0], CKR_OBJECT_NOT_KEYRING);
        refused(&context, name, &[99], CKR_SLOT_ID_INVALID);
    }
    let mut slot = 0_u64;
    refused(&context, "CA_GetUnassignedSlot", &[cell(&mut slot)], CKR_KEYRING_NOT_FOUND);
    refused(&context, "CA_GetTunnelSlotNumber", &[0, cell(&mut slot)], CKR_FUNCTION_NOT_SUPPORTED);
    refused(&context, "CA_ResetDevice", &[0, 0], CKR_FUNCTION_NOT_SUPPORTED);
    let words = [CKF_DONT_BLOCK as usize, 0, cell(&mut slot), 0];
    refused(&context, "CA_WaitForSlotEvent", &words, CKR_FUNCTION_NOT_SUPPORTED);
    let mut version = [0_u64; 3];
    let words = [0, cell(&mut version[0]), cell(&mut version[1]), cell(&mut version[2])];
    refused(&context, "CA_GetCVFirmwareVersion", &words, CKR_FUNCTION_NOT_SUPPORTED);

    let mut enabled = 7_u8;
    ok(&context, "CA_STCIsEnabled", &[0, cell(&mut enabled)]);
    assert_eq!(enabled, 0);
    let mut text = [0xff_u8; 32];
    ok(&context, "CA_STCGetState", &[0, cell(&mut text), 32]);
    assert_eq!(&text[..12], b"Not Enabled\0");
    let mut short = [0xff_u8; 5];
    ok(&context, "CA_STCGetState", &[0, cell(&mut short), 4]);
    assert_eq!(&short, b"Not\0\xff");
    refused(&context, "CA_STCGetState", &[99, cell(&mut text), 32], CKR_SLOT_ID_INVALID);
}

/// secp256r1 as explicit parameters; its numbers are the standard's (SEC 2 section 2.4.2).
mod p256 {
    pub(super) const PRIME: &str =
        "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";
    pub(super) const A: &str = "ffffffff00000001000000000000000000000000fffffffffffffffffffffffc";
    pub(super) const B: &str = "5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b";
    pub(super) const SEED: &str = "c49d360886e704936a6678e1139d26b7819f7e90";
    pub(super) const X: &str = "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296";
    pub(super) const Y: &str = "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
    pub(super) const ORDER: &str =
        "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
}

fn hex(digits: &str) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(digits.as_bytes()).unwrap()
}

fn prime_curve(context: &Context) -> Vec<u8> {
    let parts =
        [p256::PRIME, p256::A, p256::B, p256::SEED, p256::X, p256::Y, p256::ORDER, "01"].map(hex);
    let mut der = vec![0_u8; 1024];
    let mut len = 1024_u64;
    let mut words = vec![der.as_mut_ptr().expose_provenance(), cell(&mut len)];
    for part in &parts {
        words.extend([at(part), part.len()]);
    }
    ok(context, "CA_EncodeECPrimeParams", &words);
    let wanted = len;
    words[0] = 0;
    ok(context, "CA_EncodeECPrimeParams", &words);
    assert_eq!(len, wanted);
    der.truncate(len as usize);
    // A part that must be there is.
    words[2] = 0;
    words[3] = 0;
    refused(context, "CA_EncodeECPrimeParams", &words, CKR_ARGUMENTS_BAD);
    der
}

#[test]
fn curves_are_encoded_from_arguments_and_from_a_file() {
    let instance = Instance::up(&[]);
    let context = instance.context();
    let der = prime_curve(&context);
    // The prefix of the explicit parameters of a 256-bit prime curve.
    assert_eq!(&der[..18], hex("3081f7020101302c06072a8648ce3d010102"));
    for part in [p256::PRIME, p256::A, p256::B, p256::SEED, p256::X, p256::Y, p256::ORDER] {
        let part = hex(part);
        assert!(der.windows(part.len()).any(|window| window == part));
    }

    let file = instance.directory().join("curve.txt");
    let text = format!(
        "prime = {}\na = {}\nb = {}\nseed = {}\nx = {}\ny = {}\norder = {}\ncofactor = 1\n",
        p256::PRIME,
        p256::A,
        p256::B,
        p256::SEED,
        p256::X,
        p256::Y,
        p256::ORDER
    );
    std::fs::write(&file, text).unwrap();
    let name = [file.to_str().unwrap().as_bytes(), b"\0"].concat();
    let (mut out, mut len) = (vec![0_u8; 1024], 1024_u64);
    let buffer = out.as_mut_ptr().expose_provenance();
    ok(&context, "CA_EncodeECParamsFromFile", &[buffer, cell(&mut len), at(&name)]);
    assert_eq!(&out[..len as usize], der);
    let words = [buffer, cell(&mut len), at(b"/no/such/file\0")];
    refused(&context, "CA_EncodeECParamsFromFile", &words, CKR_ARGUMENTS_BAD);

    // K-163's field, with made-up numbers: a trinomial and a pentanomial.
    let element = [1_u8];
    for (k, code) in
        [([3, 6, 7], CKR_OK), ([7, 0, 0], CKR_OK), ([7, 6, 3], CKR_DOMAIN_PARAMS_INVALID)]
    {
        len = 1024;
        let mut words = vec![buffer, cell(&mut len), 163];
        words.extend(k);
        for with in [true, true, false, true, true, true, false] {
            words.extend(if with { [at(&element), 1] } else { [0, 0] });
        }
        assert_eq!(ca(&context, "CA_EncodeECChar2Params", &words), Rv(code), "{k:?}");
    }
}
