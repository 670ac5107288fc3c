use super::*;

fn given<T>(parameter: &mut T, len: usize) -> CK_MECHANISM {
    CK_MECHANISM {
        mechanism: 0,
        pParameter: std::ptr::from_mut(parameter).cast(),
        ulParameterLen: len as CK_ULONG,
    }
}

fn bare(at: usize, len: CK_ULONG) -> CK_MECHANISM {
    CK_MECHANISM {
        mechanism: 0,
        pParameter: std::ptr::without_provenance_mut(at),
        ulParameterLen: len,
    }
}

fn read_as(given: &CK_MECHANISM, shape: Shape) -> Result<Params> {
    // SAFETY: the tests' parameters are their own memory, or are refused unread.
    unsafe { read_shape(given, shape) }
}

fn assert_refused(given: &CK_MECHANISM, shape: Shape) {
    let cause = read_as(given, shape).unwrap_err().cause();
    assert_eq!(cause, Cause::MechanismParamInvalid, "{shape:?} {given:?}");
}

const SHAPES: [Shape; 6] =
    [Shape::None, Shape::Iv(16), Shape::Gcm, Shape::Pss, Shape::Oaep, Shape::Eddsa];

/// Shapes of the block ciphers, and the one length each has.
const BLOCK_SHAPES: [(Shape, CK_ULONG); 11] = [
    (Shape::Xts, 24),
    (Shape::Ctr(16), 24),
    (Shape::Ctr(8), 16),
    (Shape::IvAndData(16), 32),
    (Shape::IvAndData(8), 24),
    (Shape::Rc2(Beside::Nothing), 8),
    (Shape::Rc2(Beside::Iv), 16),
    (Shape::Rc2(Beside::Length), 16),
    (Shape::Rc5(Beside::Nothing), 16),
    (Shape::Rc5(Beside::Iv), 32),
    (Shape::Rc5(Beside::Length), 24),
];

#[test]
fn a_null_mechanism_is_an_argument_error_and_an_unknown_one_is_left_unread() {
    // SAFETY: null is allowed.
    let refused = unsafe { read(std::ptr::null()) };
    assert_eq!(refused.unwrap_err().cause(), Cause::ArgumentsBad);
    let unknown = CK_MECHANISM { mechanism: 0xdead_beef, ..bare(1, CK_ULONG::MAX) };
    // SAFETY: the parameter of a mechanism nobody knows is not read.
    let unread = unsafe { read(&raw const unknown) }.unwrap();
    assert_eq!(unread, Mechanism { kind: 0xdead_beef, params: Params::Unread });
}

#[test]
fn a_length_that_is_not_the_shapes_is_refused_unread() {
    for shape in SHAPES {
        for len in [1, 15, 17, 23, 39, 41, 47, 49, 1 << 32, CK_ULONG::MAX] {
            // Nobody reads from address 1, or this would crash.
            assert_refused(&bare(1, len), shape);
        }
        for len in [16, 24, 40, 48] {
            // A null pointer with a length.
            assert_refused(&bare(0, len), shape);
        }
    }
    assert_refused(&bare(1, 0), Shape::None);
    assert_eq!(read_as(&bare(0, 0), Shape::None).unwrap(), Params::None);
}

#[test]
fn block_ciphers_read_one_length_and_no_other() {
    for (shape, own) in BLOCK_SHAPES {
        for len in (0..=48).chain([1 << 32, CK_ULONG::MAX]).filter(|len| *len != own) {
            // Nobody reads from address 1, or this would crash.
            assert_refused(&bare(1, len), shape);
        }
        assert_refused(&bare(0, own), shape);
    }
    for len in [0, 4, 12, 24] {
        assert_refused(&bare(1, 16), Shape::Ctr(len));
        assert_refused(&bare(1, 24), Shape::IvAndData(len));
    }
}

#[test]
fn block_ciphers_read_what_tunes_them_and_what_stands_beside() {
    let mut ctr = CK_DES_CTR_PARAMS { ulCounterBits: 32, cb: *b"8 bytes." };
    let wanted = Params::Ctr { counter_bits: 32, block: b"8 bytes.".to_vec() };
    assert_eq!(read_as(&given(&mut ctr, 16), Shape::Ctr(8)).unwrap(), wanted);
    let mut xts = CK_AES_XTS_PARAMS { hTweakKey: 7, cb: *b"sixteen bytes..." };
    let wanted = Params::Xts { tweak_key: ObjectHandle(7), place: *b"sixteen bytes..." };
    assert_eq!(read_as(&given(&mut xts, 24), Shape::Xts).unwrap(), wanted);
    let mut bits: CK_ULONG = 64;
    let rc2 = |iv: Option<&[u8]>, mac_len| {
        let iv = iv.map(<[u8]>::to_vec);
        Params::Rc2 { effective_bits: 64, iv, mac_len }
    };
    let read = read_as(&given(&mut bits, 8), Shape::Rc2(Beside::Nothing)).unwrap();
    assert_eq!(read, rc2(None, None));
    let mut cbc = CK_RC2_CBC_PARAMS { ulEffectiveBits: 64, iv: *b"8 bytes." };
    let read = read_as(&given(&mut cbc, 16), Shape::Rc2(Beside::Iv)).unwrap();
    assert_eq!(read, rc2(Some(b"8 bytes."), None));
    let mut mac = CK_RC2_MAC_GENERAL_PARAMS { ulEffectiveBits: 64, ulMacLength: 5 };
    let read = read_as(&given(&mut mac, 16), Shape::Rc2(Beside::Length)).unwrap();
    assert_eq!(read, rc2(None, Some(5)));
    let rc5 = |iv: Option<&[u8]>, mac_len| {
        let iv = iv.map(<[u8]>::to_vec);
        Params::Rc5 { word_bytes: 4, rounds: 12, iv, mac_len }
    };
    let mut ecb = CK_RC5_PARAMS { ulWordsize: 4, ulRounds: 12 };
    let read = read_as(&given(&mut ecb, 16), Shape::Rc5(Beside::Nothing)).unwrap();
    assert_eq!(read, rc5(None, None));
    let mut mac = CK_RC5_MAC_GENERAL_PARAMS { ulWordsize: 4, ulRounds: 12, ulMacLength: 5 };
    let read = read_as(&given(&mut mac, 24), Shape::Rc5(Beside::Length)).unwrap();
    assert_eq!(read, rc5(None, Some(5)));
}

/// Two structures point elsewhere, and say how long that is.
#[test]
fn block_ciphers_read_the_pieces_they_point_to() {
    let mut piece = *b"twelve bytes";
    let mut cbc =
        CK_RC5_CBC_PARAMS { ulWordsize: 4, ulRounds: 12, pIv: piece.as_mut_ptr(), ulIvLen: 12 };
    let iv = Some(b"twelve bytes".to_vec());
    let wanted = Params::Rc5 { word_bytes: 4, rounds: 12, iv, mac_len: None };
    assert_eq!(read_as(&given(&mut cbc, 32), Shape::Rc5(Beside::Iv)).unwrap(), wanted);
    let mut data =
        CK_DES_CBC_ENCRYPT_DATA_PARAMS { iv: *b"8 bytes.", pData: piece.as_mut_ptr(), length: 12 };
    let wanted = Params::Data { iv: b"8 bytes.".to_vec(), data: b"twelve bytes".to_vec() };
    assert_eq!(read_as(&given(&mut data, 24), Shape::IvAndData(8)).unwrap(), wanted);
    for len in [PIECE_BYTES_MAX + 1, 1 << 32, CK_ULONG::MAX] {
        (cbc.ulIvLen, data.length) = (len, len);
        assert_refused(&given(&mut cbc, 32), Shape::Rc5(Beside::Iv));
        assert_refused(&given(&mut data, 24), Shape::IvAndData(8));
    }
    (cbc.pIv, cbc.ulIvLen) = (std::ptr::null_mut(), 1);
    (data.pData, data.length) = (std::ptr::null_mut(), 1);
    assert_refused(&given(&mut cbc, 32), Shape::Rc5(Beside::Iv));
    assert_refused(&given(&mut data, 24), Shape::IvAndData(8));
}

#[test]
fn parameters_are_read_unaligned() {
    let mut memory = [0_u8; 64];
    for (at, byte) in memory.iter_mut().enumerate() {
        *byte = u8::try_from(at).unwrap();
    }
    let mut at_odd = |len: CK_ULONG| CK_MECHANISM {
        mechanism: 0,
        pParameter: memory.as_mut_ptr().wrapping_add(1).cast(),
        ulParameterLen: len,
    };
    let iv = read_as(&at_odd(16), Shape::Iv(16)).unwrap();
    assert_eq!(iv, Params::Iv((1..17).collect()));
    let word = |first: u8| {
        CK_ULONG::from_ne_bytes(std::array::from_fn(|at| first + u8::try_from(at).unwrap()))
    };
    let pss = read_as(&at_odd(24), Shape::Pss).unwrap();
    assert_eq!(pss, Params::Pss { hash: word(1), mgf: word(9), salt_len: word(17) });
}

#[test]
fn gcm_is_read_in_both_layouts() {
    let (mut iv, mut aad) = (*b"twelve bytes", *b"aad");
    let mut long = CK_GCM_PARAMS {
        pIv: iv.as_mut_ptr(),
        ulIvLen: 12,
        ulIvBits: 0,
        pAAD: aad.as_mut_ptr(),
        ulAADLen: 3,
        ulTagBits: 128,
    };
    let full =
        Params::Gcm { iv: Some(b"twelve bytes".to_vec()), aad: b"aad".to_vec(), tag_bits: 128 };
    assert_eq!(read_as(&given(&mut long, 48), Shape::Gcm).unwrap(), full);
    let mut short =
        GcmWithoutBits { pIv: long.pIv, ulIvLen: 12, pAAD: long.pAAD, ulAADLen: 3, ulTagBits: 128 };
    assert_eq!(read_as(&given(&mut short, 40), Shape::Gcm).unwrap(), full);

    // The HSM makes the IV when the pointer is null; an empty one is the mechanism's to refuse.
    short.pIv = std::ptr::null_mut();
    short.ulIvLen = 0;
    let Params::Gcm { iv, .. } = read_as(&given(&mut short, 40), Shape::Gcm).unwrap() else {
        panic!("another shape");
    };
    assert_eq!(iv, None);
    short.ulIvLen = 12;
    assert_refused(&given(&mut short, 40), Shape::Gcm);
    long.ulIvLen = 0;
    let Params::Gcm { iv, .. } = read_as(&given(&mut long, 48), Shape::Gcm).unwrap() else {
        panic!("another shape");
    };
    assert_eq!(iv, Some(Vec::new()));
    for len in [PIECE_BYTES_MAX + 1, 1 << 32, CK_ULONG::MAX] {
        long.ulAADLen = len;
        assert_refused(&given(&mut long, 48), Shape::Gcm);
    }
    long.pAAD = std::ptr::null_mut();
    long.ulAADLen = 1;
    assert_refused(&given(&mut long, 48), Shape::Gcm);
}

#[test]
fn oaep_takes_a_label_or_none() {
    let mut label = *b"label";
    let mut params = CK_RSA_PKCS_OAEP_PARAMS {
        hashAlg: CKM_SHA256,
        mgf: CKG_MGF1_SHA256,
        source: CKZ_DATA_SPECIFIED,
        pSourceData: label.as_mut_ptr().cast(),
        ulSourceDataLen: 5,
    };
    let with = |source: &[u8]| Params::Oaep {
        hash: CKM_SHA256,
        mgf: CKG_MGF1_SHA256,
        source: source.to_vec(),
    };
    assert_eq!(read_as(&given(&mut params, 40), Shape::Oaep).unwrap(), with(b"label"));
    params.source = 0;
    assert_refused(&given(&mut params, 40), Shape::Oaep);
    params.ulSourceDataLen = 0;
    params.pSourceData = std::ptr::null_mut();
    assert_eq!(read_as(&given(&mut params, 40), Shape::Oaep).unwrap(), with(b""));
    params.source = CKZ_DATA_SPECIFIED;
    assert_eq!(read_as(&given(&mut params, 40), Shape::Oaep).unwrap(), with(b""));
    params.ulSourceDataLen = 1;
    assert_refused(&given(&mut params, 40), Shape::Oaep);
    params.ulSourceDataLen = CK_ULONG::MAX;
    assert_refused(&given(&mut params, 40), Shape::Oaep);
}

#[test]
fn gmac_takes_a_bare_vector_or_the_structure_of_gcm() {
    let mut iv = [7_u8; 12];
    assert_eq!(read_as(&given(&mut iv, 12), Shape::Gmac).unwrap(), Params::Iv(iv.to_vec()));
    assert_refused(&bare(0, 12), Shape::Gmac);
    assert_refused(&bare(1, 11), Shape::Gmac);
    let mut params = CK_GCM_PARAMS {
        pIv: iv.as_mut_ptr(),
        ulIvLen: 12,
        ulIvBits: 0,
        pAAD: std::ptr::null_mut(),
        ulAADLen: 0,
        ulTagBits: 96,
    };
    let wanted = Params::Gcm { iv: Some(iv.to_vec()), aad: Vec::new(), tag_bits: 96 };
    assert_eq!(read_as(&given(&mut params, 48), Shape::Gmac).unwrap(), wanted);
}

#[test]
fn an_old_number_is_read_as_the_present_one() {
    let mut iv = [3_u8; 16];
    let old = CK_MECHANISM { mechanism: 0x8000_0118, ..given(&mut iv, 16) };
    // SAFETY: the parameter is this test's own memory.
    let read = unsafe { read(&raw const old) }.unwrap();
    assert_eq!(read, Mechanism { kind: CKM_AES_CFB8, params: Params::Iv(iv.to_vec()) });
}

#[test]
fn key_derivation_in_counter_mode_is_read_in_its_parts() {
    let (mut label, mut context) = (*b"label", *b"context");
    let mut params = CK_KDF_PRF_PARAMS {
        prfType: CK_NIST_PRF_KDF_AES_CMAC,
        pLabel: label.as_mut_ptr(),
        ulLabelLen: 5,
        pContext: context.as_mut_ptr(),
        ulContextLen: 7,
        ulCounter: 1,
        ulEncodingScheme: LUNA_PRF_KDF_ENCODING_SCHEME_3,
    };
    let wanted = Params::PrfKdf {
        prf: CK_NIST_PRF_KDF_AES_CMAC,
        label: b"label".to_vec(),
        context: b"context".to_vec(),
        counter: 1,
        scheme: LUNA_PRF_KDF_ENCODING_SCHEME_3,
    };
    assert_eq!(read_as(&given(&mut params, 56), Shape::PrfKdf).unwrap(), wanted);
    for len in [0, 48, 55, 57] {
        assert_refused(&given(&mut params, len), Shape::PrfKdf);
    }
    for len in [PIECE_BYTES_MAX + 1, CK_ULONG::MAX] {
        params.ulContextLen = len;
        assert_refused(&given(&mut params, 56), Shape::PrfKdf);
    }
    params.ulContextLen = 7;
    params.pLabel = std::ptr::null_mut();
    assert_refused(&given(&mut params, 56), Shape::PrfKdf);
}

#[test]
fn the_length_of_a_password_stands_where_the_header_has_a_pointer() {
    let (mut salt, mut password) = (*b"salt", *b"password");
    let mut params = CK_PKCS5_PBKD2_PARAMS {
        saltSource: CKZ_SALT_SPECIFIED,
        pSaltSourceData: salt.as_mut_ptr().cast(),
        ulSaltSourceDataLen: 4,
        iterations: 1000,
        prf: CKP_PKCS5_PBKD2_HMAC_SHA1,
        pPrfData: std::ptr::null_mut(),
        ulPrfDataLen: 0,
        pPassword: password.as_mut_ptr(),
        ulPasswordLen: std::ptr::without_provenance_mut(8),
    };
    let wanted = Params::Pbkd2 {
        salt: b"salt".to_vec(),
        iterations: 1000,
        prf: CKP_PKCS5_PBKD2_HMAC_SHA1,
        password: b"password".to_vec().into(),
    };
    assert_eq!(read_as(&given(&mut params, 72), Shape::Pbkd2).unwrap(), wanted);
    assert_refused(&given(&mut params, 71), Shape::Pbkd2);
    // Where a pointer is taken by the standard's header it is no length, and nobody follows it.
    let mut len = 8;
    for wrong in [&raw mut len, std::ptr::without_provenance_mut(usize::MAX)] {
        params.ulPasswordLen = wrong;
        assert_refused(&given(&mut params, 72), Shape::Pbkd2);
    }
    params.ulPasswordLen = std::ptr::without_provenance_mut(8);
    params.saltSource = 0;
    assert_refused(&given(&mut params, 72), Shape::Pbkd2);
    params.saltSource = CKZ_SALT_SPECIFIED;
    params.ulPrfDataLen = 1;
    assert_refused(&given(&mut params, 72), Shape::Pbkd2);
}

#[test]
fn a_password_based_mechanism_gives_its_vector_back() {
    let (mut salt, mut password, mut iv) = (*b"saltsalt", *b"password", [0; 9]);
    let mut params = CK_PBE_PARAMS {
        pInitVector: iv.as_mut_ptr(),
        pPassword: password.as_mut_ptr(),
        ulPasswordLen: 8,
        pSalt: salt.as_mut_ptr(),
        ulSaltLen: 8,
        ulIteration: 1000,
    };
    let wanted = Params::Pbe {
        password: b"password".to_vec().into(),
        salt: b"saltsalt".to_vec(),
        iterations: 1000,
    };
    assert_eq!(read_as(&given(&mut params, 48), Shape::Pbe).unwrap(), wanted);
    assert_refused(&given(&mut params, 47), Shape::Pbe);
    let mechanism = given(&mut params, 48);
    // SAFETY: the vector's place has nine bytes, eight are written.
    unsafe { give_iv(&raw const mechanism, &[7; 8]) }.unwrap();
    assert_eq!(iv, [7, 7, 7, 7, 7, 7, 7, 7, 0]);
    params.pInitVector = std::ptr::null_mut();
    let mechanism = given(&mut params, 48);
    // SAFETY: a null place is passed over.
    unsafe { give_iv(&raw const mechanism, &[7; 8]) }.unwrap();
    params.ulPasswordLen = CK_ULONG::MAX;
    assert_refused(&given(&mut params, 48), Shape::Pbe);
}

#[test]
fn eddsa_takes_nothing_or_its_structure() {
    assert_eq!(read_as(&bare(0, 0), Shape::Eddsa).unwrap(), Params::None);
    assert_refused(&bare(0, 24), Shape::Eddsa);
    let mut context = *b"context";
    let mut params = CK_EDDSA_PARAMS {
        phFlag: CK_TRUE,
        ulContextDataLen: 7,
        pContextData: context.as_mut_ptr(),
    };
    let wanted = Params::Eddsa { prehash: true, context: context.to_vec() };
    assert_eq!(read_as(&given(&mut params, 24), Shape::Eddsa).unwrap(), wanted);
    params.pContextData = std::ptr::null_mut();
    assert_refused(&given(&mut params, 24), Shape::Eddsa);
    params.ulContextDataLen = 0;
    params.phFlag = CK_FALSE;
    let wanted = Params::Eddsa { prehash: false, context: Vec::new() };
    assert_eq!(read_as(&given(&mut params, 24), Shape::Eddsa).unwrap(), wanted);
    params.ulContextDataLen = CK_ULONG::MAX;
    assert_refused(&given(&mut params, 24), Shape::Eddsa);
}

#[test]
fn contexts_of_signatures_are_read_in_both_structures() {
    assert_eq!(read_as(&bare(0, 0), Shape::SignContext).unwrap(), Params::None);
    for len in [1, 23, 25, 31, 33, CK_ULONG::MAX] {
        assert_refused(&bare(1, len), Shape::SignContext);
    }
    for len in [24, 32] {
        assert_refused(&bare(0, len), Shape::SignContext);
    }
    let mut context = *b"context";
    let mut params = CK_HASH_SIGN_ADDITIONAL_CONTEXT {
        hedgeVariant: CKH_HEDGE_REQUIRED,
        pContext: context.as_mut_ptr(),
        ulContextLen: 7,
        hash: CKM_SHA256,
    };
    for (len, hash) in [(24, None), (32, Some(CKM_SHA256))] {
        let wanted =
            Params::SignContext { hedge: CKH_HEDGE_REQUIRED, context: context.to_vec(), hash };
        assert_eq!(read_as(&given(&mut params, len), Shape::SignContext).unwrap(), wanted);
    }
    params.ulContextLen = CK_ULONG::MAX;
    assert_refused(&given(&mut params, 32), Shape::SignContext);
    params.pContext = std::ptr::null_mut();
    params.ulContextLen = 1;
    assert_refused(&given(&mut params, 24), Shape::SignContext);
}

#[test]
fn what_both_sides_drew_and_sizes_are_read_and_results_are_not() {
    let (mut client, mut server) = ([1_u8; 32], [2_u8; 32]);
    let drawn = CK_SSL3_RANDOM_DATA {
        pClientRandom: client.as_mut_ptr(),
        ulClientRandomLen: 32,
        pServerRandom: server.as_mut_ptr(),
        ulServerRandomLen: 32,
    };
    // Nobody reads from where results go, or this would crash.
    let mut master = CK_SSL3_MASTER_KEY_DERIVE_PARAMS {
        RandomInfo: drawn,
        pVersion: std::ptr::without_provenance_mut(1),
    };
    let wanted = Params::Ssl3Random { client: client.to_vec(), server: server.to_vec() };
    assert_eq!(read_as(&given(&mut master, 40), Shape::Ssl3Random).unwrap(), wanted);
    let mut material = CK_SSL3_KEY_MAT_PARAMS {
        ulMacSizeInBits: 160,
        ulKeySizeInBits: 192,
        ulIVSizeInBits: 64,
        bIsExport: CK_TRUE,
        RandomInfo: drawn,
        pReturnedKeyMaterial: std::ptr::without_provenance_mut(1),
    };
    let wanted = Params::Ssl3KeyMaterial {
        mac_bits: 160,
        key_bits: 192,
        iv_bits: 64,
        export: true,
        client: client.to_vec(),
        server: server.to_vec(),
    };
    assert_eq!(read_as(&given(&mut material, 72), Shape::Ssl3KeyMaterial).unwrap(), wanted);
    for len in [PIECE_BYTES_MAX + 1, CK_ULONG::MAX] {
        master.RandomInfo.ulServerRandomLen = len;
        material.RandomInfo.ulClientRandomLen = len;
        assert_refused(&given(&mut master, 40), Shape::Ssl3Random);
        assert_refused(&given(&mut material, 72), Shape::Ssl3KeyMaterial);
    }
    for (shape, own) in [(Shape::Ssl3Random, 40), (Shape::Ssl3KeyMaterial, 72)] {
        assert_refused(&bare(0, own), shape);
        for len in (0..=96).chain([CK_ULONG::MAX]).filter(|len| *len != own) {
            assert_refused(&bare(1, len), shape);
        }
    }
}

#[test]
fn a_translation_has_two_mechanisms_of_its_own() {
    let (mut iv, mut data) = (*b"sixteen bytes iv", *b"wrapped");
    let mut params = KeyTranslateParams {
        flags: 0,
        wrapMech: CK_MECHANISM { mechanism: CKM_AES_CBC, ..given(&mut iv, 16) },
        unWrapMech: CK_MECHANISM { mechanism: CKM_AES_KWP, ..bare(0, 0) },
        pData: data.as_mut_ptr(),
        ulDataLen: 7,
        hUnwrapKey: 9,
    };
    let of = |kind, params| Box::new(Mechanism { kind, params });
    let Params::Translate { wrap, data, unwrapping, .. } =
        read_as(&given(&mut params, 80), Shape::Translate).unwrap()
    else {
        panic!("another shape");
    };
    assert_eq!(wrap, of(CKM_AES_CBC, Params::Iv(iv.to_vec())));
    assert_eq!((data, unwrapping), (b"wrapped".to_vec(), ObjectHandle(9)));
    for len in [8001, PIECE_BYTES_MAX + 1, CK_ULONG::MAX] {
        params.ulDataLen = len;
        assert_refused(&given(&mut params, 80), Shape::Translate);
    }
    params.ulDataLen = 7;
    params.wrapMech.ulParameterLen = 15;
    assert_refused(&given(&mut params, 80), Shape::Translate);
    // One in the other, and so on for ever.
    params.unWrapMech.mechanism = CKM_KEY_TRANSLATE;
    params.unWrapMech.pParameter = (&raw mut params).cast();
    params.unWrapMech.ulParameterLen = 80;
    params.wrapMech.ulParameterLen = 16;
    assert_refused(&given(&mut params, 80), Shape::Translate);
    for len in (0..=96).chain([CK_ULONG::MAX]).filter(|len| *len != 80) {
        assert_refused(&bare(1, len), Shape::Translate);
    }
}

/// Each of these has numbers, lengths and pointers in one order; nothing is read that is not there.
#[test]
fn structures_with_several_pieces_are_read_whole_or_refused() {
    let (mut info, mut more) = (*b"info", *b"more!");
    let mut ecies = CK_ECIES_PARAMS {
        dhPrimitive: 1,
        kdf: 2,
        ulSharedDataLen1: 4,
        pSharedData1: info.as_mut_ptr(),
        encScheme: 3,
        ulEncKeyLenInBits: 128,
        macScheme: 5,
        ulMacKeyLenInBits: 256,
        ulMacLenInBits: 64,
        ulSharedDataLen2: 5,
        pSharedData2: more.as_mut_ptr(),
    };
    let wanted = Ecies {
        primitive: 1,
        kdf: 2,
        shared: b"info".to_vec(),
        scheme: 3,
        key_bits: 128,
        mac_scheme: 5,
        mac_key_bits: 256,
        mac_bits: 64,
        mac_shared: b"more!".to_vec(),
    };
    let read = read_as(&given(&mut ecies, 88), Shape::Ecies).unwrap();
    assert_eq!(read, Params::Ecies(Box::new(wanted)));
    for len in [0, 87, 89, 104, 1 << 32, CK_ULONG::MAX] {
        // Nobody reads from address 1, or this would crash.
        assert_refused(&bare(1, len), Shape::Ecies);
    }
    assert_refused(&bare(0, 88), Shape::Ecies);
    for len in [1, PIECE_BYTES_MAX + 1, CK_ULONG::MAX] {
        let null = CK_ECIES_PARAMS { pSharedData1: std::ptr::null_mut(), ..ecies };
        assert_refused(
            &given(&mut CK_ECIES_PARAMS { ulSharedDataLen1: len, ..null }, 88),
            Shape::Ecies,
        );
        let null = CK_ECIES_PARAMS { pSharedData2: std::ptr::null_mut(), ..ecies };
        assert_refused(
            &given(&mut CK_ECIES_PARAMS { ulSharedDataLen2: len, ..null }, 88),
            Shape::Ecies,
        );
    }
    let mut hybrid = CK_X9_42_DH2_DERIVE_PARAMS {
        kdf: 1,
        ulOtherInfoLen: 4,
        pOtherInfo: info.as_mut_ptr(),
        ulPublicDataLen: 2,
        pPublicData: more.as_mut_ptr(),
        ulPrivateDataLen: 99,
        hPrivateData: 7,
        ulPublicDataLen2: 5,
        pPublicData2: more.as_mut_ptr(),
    };
    let wanted = Params::X942Hybrid {
        kdf: 1,
        info: b"info".to_vec(),
        public: b"mo".to_vec(),
        key: ObjectHandle(7),
        second_public: b"more!".to_vec(),
    };
    assert_eq!(read_as(&given(&mut hybrid, 72), Shape::X942Hybrid).unwrap(), wanted);
    for len in [0, 40, 71, 73, CK_ULONG::MAX] {
        assert_refused(&bare(1, len), Shape::X942Hybrid);
    }
    let null = CK_X9_42_DH2_DERIVE_PARAMS { pPublicData2: std::ptr::null_mut(), ..hybrid };
    for len in [1, PIECE_BYTES_MAX + 1, CK_ULONG::MAX] {
        let mut null = CK_X9_42_DH2_DERIVE_PARAMS { ulPublicDataLen2: len, ..null };
        assert_refused(&given(&mut null, 72), Shape::X942Hybrid);
    }
}

#[test]
fn templates_and_paths_are_read_or_refused_unread() {
    let (mut flag, mut path) = (1_u8, [1, 2 | CKF_BIP32_HARDENED]);
    let mut attribute =
        CK_ATTRIBUTE { type_: CKA_DERIVE, pValue: (&raw mut flag).cast(), ulValueLen: 1 };
    let template = &raw mut attribute;
    let none = std::ptr::null_mut();
    let good = CK_BIP32_CHILD_DERIVE_PARAMS {
        pPublicKeyTemplate: template,
        ulPublicKeyAttributeCount: 1,
        pPrivateKeyTemplate: none,
        ulPrivateKeyAttributeCount: 7,
        pulPath: path.as_mut_ptr(),
        ulPathLen: 2,
        hPublicKey: 0,
        hPrivateKey: 0,
        ulPathErrorIndex: 0,
    };
    let derives = Template::from_iter([crate::object::Attribute::flag(CKA_DERIVE, true)]);
    let wanted =
        Params::Bip32 { public: Some(derives.clone()), private: None, path: path.to_vec() };
    let read = |mut params: CK_BIP32_CHILD_DERIVE_PARAMS| {
        read_as(&given(&mut params, 72), Shape::Bip32Child)
    };
    assert_eq!(read(good).unwrap(), wanted);
    // A template of nothing asks for nothing, wherever it lies.
    let unasked = CK_BIP32_CHILD_DERIVE_PARAMS {
        pPrivateKeyTemplate: std::ptr::without_provenance_mut(1),
        ulPrivateKeyAttributeCount: 0,
        ..good
    };
    assert_eq!(read(unasked).unwrap(), wanted);
    let refused = |params| read(params).unwrap_err().cause();
    let far = std::ptr::without_provenance_mut(8);
    for len in [CKG_BIP32_MAX_PATH_LEN + 1, 1 << 32, CK_ULONG::MAX] {
        let long = CK_BIP32_CHILD_DERIVE_PARAMS { pulPath: far, ulPathLen: len, ..good };
        assert_eq!(refused(long), Cause::Bip32InvalidKeyPathLen);
    }
    let null = CK_BIP32_CHILD_DERIVE_PARAMS { pulPath: std::ptr::null_mut(), ..good };
    assert_eq!(refused(null), Cause::MechanismParamInvalid);
    let many = CK_BIP32_CHILD_DERIVE_PARAMS { ulPublicKeyAttributeCount: CK_ULONG::MAX, ..good };
    assert_eq!(refused(many), Cause::ArgumentsBad);
    let mut master = CK_BIP32_MASTER_DERIVE_PARAMS {
        pPublicKeyTemplate: none,
        ulPublicKeyAttributeCount: 0,
        pPrivateKeyTemplate: template,
        ulPrivateKeyAttributeCount: 1,
        hPublicKey: 0,
        hPrivateKey: 0,
    };
    let wanted = Params::Bip32 { public: None, private: Some(derives), path: Vec::new() };
    assert_eq!(read_as(&given(&mut master, 48), Shape::Bip32Master).unwrap(), wanted);
    for (shape, own) in [(Shape::Bip32Master, 48), (Shape::Bip32Child, 72)] {
        for len in [0, 8, 47, 49, 71, 73, CK_ULONG::MAX] {
            assert_refused(&bare(1, len), shape);
        }
        assert_refused(&bare(0, own), shape);
    }
}

#[test]
fn the_parameter_of_milenage_is_read_whole_or_refused() {
    let (mut key, mut operator) = ([1_u8; 24], [2_u8; 16]);
    let good = CK_MILENAGE_SIGN_PARAMS {
        ulMilenageFlags: LUNA_5G_OPC,
        ulEncKiLen: 24,
        pEncKi: key.as_mut_ptr(),
        ulEncOPcLen: 16,
        pEncOPc: operator.as_mut_ptr(),
        hSecondaryKey: 7,
        hRCKey: 8,
        sqn: [3; 6],
        amf: [4; 2],
    };
    let wanted = Params::Milenage {
        flags: 1,
        subscriber_key: vec![1; 24],
        operator: vec![2; 16].into(),
        sqn: [3; 6],
        amf: [4; 2],
    };
    assert_eq!(read_as(&given(&mut good.clone(), 64), Shape::Milenage).unwrap(), wanted);
    for len in [0, 63, 65, 72, CK_ULONG::MAX] {
        assert_refused(&bare(1, len), Shape::Milenage);
    }
    assert_refused(&bare(0, 64), Shape::Milenage);
    for len in [1, PIECE_BYTES_MAX + 1, CK_ULONG::MAX] {
        let null = std::ptr::null_mut();
        let mut no_key = CK_MILENAGE_SIGN_PARAMS { pEncKi: null, ulEncKiLen: len, ..good };
        assert_refused(&given(&mut no_key, 64), Shape::Milenage);
        let mut no_operator = CK_MILENAGE_SIGN_PARAMS { pEncOPc: null, ulEncOPcLen: len, ..good };
        assert_refused(&given(&mut no_operator, 64), Shape::Milenage);
    }
}
