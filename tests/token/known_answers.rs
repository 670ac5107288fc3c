//! Known answers: published test vectors, and some that OpenSSL made.

use luna_ck::*;
use luna_client::{Mechanism, MechanismType};

use crate::keys::{self, and};
use crate::rsa_key::*;
use crate::token::{Kind, Token, hex, refused};

/// SP 800-38A, F.2.1 to F.2.6 and F.1, F.5: key, then what the four blocks become.
const AES_MODES: &[(&str, &str, &str)] = &[
    (
        "cbc",
        "2b7e151628aed2a6abf7158809cf4f3c",
        "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2\
         73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7",
    ),
    (
        "cbc",
        "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
        "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a\
         571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd",
    ),
    (
        "cbc",
        "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
        "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d\
         39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b",
    ),
    (
        "ecb",
        "2b7e151628aed2a6abf7158809cf4f3c",
        "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf\
         43b1cd7f598ece23881b00e3ed0306887b0c785e27e8ad3f8223207104725dd4",
    ),
    (
        "ctr",
        "2b7e151628aed2a6abf7158809cf4f3c",
        "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff\
         5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee",
    ),
];

const BLOCKS: &str = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51\
                      30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710";

#[test]
fn aes_modes() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let counter = hex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff").try_into().unwrap();
    let iv = hex("000102030405060708090a0b0c0d0e0f").try_into().unwrap();
    for (mode, key, sealed) in AES_MODES {
        let mechanism = match *mode {
            "cbc" => Mechanism::aes_cbc(iv),
            "ecb" => Mechanism::Plain(CKM_AES_ECB),
            _ => Mechanism::AesCtr { counter_bits: 128, block: counter },
        };
        let key = keys::aes(session, &hex(key));
        assert_eq!(session.encrypt(&mechanism, key, &hex(BLOCKS)).unwrap(), hex(sealed), "{mode}");
        assert_eq!(session.decrypt(&mechanism, key, &hex(sealed)).unwrap(), hex(BLOCKS), "{mode}");
    }
}

/// The GCM submission's cases 4 to 6 (IVs of 12, 8 and 60 bytes), and one with an IV of 16.
const GCM: &[(&str, &str)] = &[
    (
        "cafebabefacedbaddecaf888",
        "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5a\
         ac84aa051ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47",
    ),
    (
        "cafebabefacedbad",
        "61353b4c2806934a777ff51fa22a4755699b2a714fcdc6f83766e5f97b6c742373806900e49f24b22b097544\
         d4896b424989b5e1ebac0f07c23f45983612d2e79e3b0785561be14aaca2fccb",
    ),
    (
        "9313225df88406e555909c5aff5269aa6a7a9538534f7da1e4c303d2a318a728c3c0c95156809539fcf0e242\
         9a6b525416aedbf5a0de6a57a637b39b",
        "8ce24998625615b603a033aca13fb894be9112a5c3a211a8ba262a3cca7e2ca701e4a9a4fba43c90ccdcb281\
         d48c7c6fd62875d2aca417034c34aee5619cc5aefffe0bfa462af43c1699d050",
    ),
    (
        "000102030405060708090a0b0c0d0e0f",
        "9333269f7190747c0c40f4e68b264bccb425eb7f01668da81e32f7c519b375249297ea2dc3f88c3a2b1c7037\
         3831df37959db053642fb009a4710555e2982c8b98fdd5eaa7d9f52990d8978b",
    ),
];

const GCM_KEY: &str = "feffe9928665731c6d6a8f9467308308";
const GCM_AAD: &str = "feedfacedeadbeeffeedfacedeadbeefabaddad2";
const GCM_TEXT: &str = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
                        1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39";

#[test]
fn aes_gcm() {
    for kind in [Kind::Plain, Kind::Fips] {
        let token = Token::up(kind);
        let session = &token.session;
        let key = keys::aes(session, &hex(GCM_KEY));
        for (iv, sealed) in GCM {
            let mechanism = Mechanism::aes_gcm(&hex(iv), &hex(GCM_AAD), 128);
            if kind == Kind::Plain {
                let made = session.encrypt(&mechanism, key, &hex(GCM_TEXT)).unwrap();
                assert_eq!(made, hex(sealed), "{iv}");
            }
            // What another HSM sealed can be opened in FIPS mode too.
            let opened = session.decrypt(&mechanism, key, &hex(sealed)).unwrap();
            assert_eq!(opened, hex(GCM_TEXT), "{kind:?} {iv}");
        }
    }
}

/// RFC 3394 section 4.1, RFC 5649 section 6, RFC 4493 section 4 (example 2).
#[test]
fn aes_key_wrap_and_cmac() {
    let token = Token::up(Kind::Fips);
    let session = &token.session;
    let key = keys::aes(session, &hex("000102030405060708090A0B0C0D0E0F"));
    let sealed = hex("1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5");
    let plain = hex("00112233445566778899AABBCCDDEEFF");
    let kw = Mechanism::Plain(CKM_AES_KW);
    assert_eq!(session.encrypt(&kw, key, &plain).unwrap(), sealed);
    assert_eq!(session.decrypt(&kw, key, &sealed).unwrap(), plain);
    let key = keys::aes(session, &hex("5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8"));
    let sealed = hex("138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a");
    let plain = hex("c37b7e6492584340bed12207808941155068f738");
    let kwp = Mechanism::Plain(CKM_AES_KWP);
    assert_eq!(session.encrypt(&kwp, key, &plain).unwrap(), sealed);
    assert_eq!(session.decrypt(&kwp, key, &sealed).unwrap(), plain);
    let key = keys::aes(session, &hex("2b7e151628aed2a6abf7158809cf4f3c"));
    let mac = session.sign(&Mechanism::Plain(CKM_AES_CMAC), key, &hex(&BLOCKS[..32])).unwrap();
    assert_eq!(mac, hex("070a16b46b4d4144f79bdd9dd04a287c"));
}

/// FIPS 180-4, the message `abc`.
const DIGESTS: &[(MechanismType, &str)] = &[
    (CKM_SHA_1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
    (CKM_SHA224, "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"),
    (CKM_SHA256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
        CKM_SHA384,
        "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed\
         8086072ba1e7cc2358baeca134c825a7",
    ),
    (
        CKM_SHA512,
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
         2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    ),
];

#[test]
fn digests() {
    let token = Token::up(Kind::Fips);
    for (mechanism, digest) in DIGESTS {
        let made = token.session.digest(&Mechanism::Plain(*mechanism), b"abc").unwrap();
        assert_eq!(made, hex(digest), "{}", names::ckm(*mechanism));
    }
}

/// RFC 4231 case 2 (a key of four bytes) and case 6 (a key longer than a block); RFC 2202 for SHA-1.
const MACS: &[(MechanismType, &str, &str)] = &[
    (
        CKM_SHA_1_HMAC,
        "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
        "aa4ae5e15272d00e95705637ce8a3b55ed402112",
    ),
    (
        CKM_SHA224_HMAC,
        "a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44",
        "95e9a0db962095adaebe9b2d6f0dbce2d499f112f2d2b7273fa6870e",
    ),
    (
        CKM_SHA256_HMAC,
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
    (
        CKM_SHA384_HMAC,
        "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e\
         8e2240ca5e69e2c78b3239ecfab21649",
        "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c6\
         0c2ef6ab4030fe8296248df163f44952",
    ),
    (
        CKM_SHA512_HMAC,
        "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554\
         9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
        "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352\
         6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598",
    ),
];

/// The key of four bytes is below what SHA-384 takes here, so that one case is left to the long key.
#[test]
fn macs_with_keys_shorter_and_longer_than_the_digest() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let short = (keys::generic(session, b"Jefe"), &b"what do ya want for nothing?"[..]);
    for (mechanism, with_short, with_long) in MACS {
        let name = names::ckm(*mechanism);
        let len = if *mechanism == CKM_SHA_1_HMAC { 80 } else { 131 };
        let long = keys::generic(session, &vec![0xaa; len]);
        let long = (long, &b"Test Using Larger Than Block-Size Key - Hash Key First"[..]);
        let mechanism = Mechanism::Plain(*mechanism);
        for ((key, data), mac) in [(short, with_short), (long, with_long)] {
            if key == short.0 && mechanism == Mechanism::Plain(CKM_SHA384_HMAC) {
                refused(session.sign(&mechanism, key, data), CKR_KEY_SIZE_RANGE);
                continue;
            }
            assert_eq!(session.sign(&mechanism, key, data).unwrap(), hex(mac), "{name}");
            session.verify(&mechanism, key, data, &hex(mac)).unwrap();
        }
    }
}

#[test]
fn rsa_signatures_made_elsewhere() {
    for kind in [Kind::Plain, Kind::Fips] {
        let token = Token::up(kind);
        let session = &token.session;
        let (public, private) = keys::rsa(session);
        for (mechanism, signature) in [
            (CKM_SHA1_RSA_PKCS, RSA_PKCS_SHA1),
            (CKM_SHA224_RSA_PKCS, RSA_PKCS_SHA224),
            (CKM_SHA256_RSA_PKCS, RSA_PKCS_SHA256),
            (CKM_SHA384_RSA_PKCS, RSA_PKCS_SHA384),
            (CKM_SHA512_RSA_PKCS, RSA_PKCS_SHA512),
        ] {
            let how = Mechanism::Plain(mechanism);
            session.verify(&how, public, b"sample", &hex(signature)).unwrap();
            if mechanism != CKM_SHA1_RSA_PKCS || kind == Kind::Plain {
                assert_eq!(session.sign(&how, private, b"sample").unwrap(), hex(signature));
            }
        }
        for (mechanism, hash, signature) in [
            (CKM_SHA1_RSA_PKCS_PSS, CKM_SHA_1, RSA_PSS_SHA1),
            (CKM_SHA256_RSA_PKCS_PSS, CKM_SHA256, RSA_PSS_SHA256),
            (CKM_SHA512_RSA_PKCS_PSS, CKM_SHA512, RSA_PSS_SHA512),
        ] {
            let Some(Mechanism::RsaPss { mgf, salt_len, .. }) = Mechanism::rsa_pss(hash) else {
                panic!("no such hash")
            };
            let how = Mechanism::RsaPss { mechanism, hash, mgf, salt_len };
            session.verify(&how, public, b"sample", &hex(signature)).unwrap();
        }
    }
}

/// What FIPS mode still verifies: an RSA key of 1024 bits, which signs nothing there.
#[test]
fn old_keys_verify_and_do_not_sign_in_fips_mode() {
    let token = Token::up(Kind::Fips);
    let session = &token.session;
    let public = session.create_object(&keys::rsa_public(RSA_1024_N)).unwrap();
    let private = keys::rsa_private(RSA_1024_N, RSA_1024_D);
    let private = session.create_object(&and(&private, &[])).unwrap();
    for (mechanism, signature) in
        [(CKM_SHA1_RSA_PKCS, RSA_1024_SHA1), (CKM_SHA256_RSA_PKCS, RSA_1024_SHA256)]
    {
        let how = Mechanism::Plain(mechanism);
        session.verify(&how, public, b"sample", &hex(signature)).unwrap();
    }
    let how = Mechanism::Plain(CKM_SHA256_RSA_PKCS);
    refused(session.sign_init(&how, private), CKR_KEY_SIZE_RANGE);
    let how = Mechanism::Plain(CKM_RSA_PKCS);
    refused(session.encrypt_init(&how, public), CKR_KEY_SIZE_RANGE);
}
