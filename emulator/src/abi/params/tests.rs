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

const SHAPES: [Shape; 5] = [Shape::None, Shape::Iv(16), Shape::Gcm, Shape::Pss, Shape::Oaep];

/// Shapes of the block ciphers, and the one length each has.
const BLOCK_SHAPES: [(Shape, CK_ULONG); 10] = [
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
