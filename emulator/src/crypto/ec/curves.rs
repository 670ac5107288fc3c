//! The curves: how each is named, and its numbers where aws-lc has them not.
//!
//! To add a curve: a variant, a row, and its answers in `vectors/ec.txt`. Its order must be a prime
//! and all of its points' (cofactor 1), of 160 bits or more:
//! aws-lc takes no other.
//!
//! Source: SEC 2 version 1, X9.62, RFC 5639, and for Microsoft's curve the parameters that the
//! vendor's Python library sends (Documented).

use super::super::CryptoError;
use super::super::foreign::{Bn, BnCtx, EcGroup, EcPoint, check};
use aws_lc_sys as sys;
use std::sync::OnceLock;

/// A curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Curve {
    /// NIST P-224, secp224r1.
    P224,
    /// NIST P-256, secp256r1, prime256v1.
    P256,
    /// NIST P-384, secp384r1.
    P384,
    /// NIST P-521, secp521r1.
    P521,
    /// secp256k1.
    Secp256k1,
    /// brainpoolP224r1.
    BrainpoolP224r1,
    /// brainpoolP256r1.
    BrainpoolP256r1,
    /// brainpoolP320r1.
    BrainpoolP320r1,
    /// brainpoolP384r1.
    BrainpoolP384r1,
    /// brainpoolP512r1.
    BrainpoolP512r1,
    /// secp160k1.
    Secp160k1,
    /// secp160r1.
    Secp160r1,
    /// secp160r2.
    Secp160r2,
    /// secp192k1.
    Secp192k1,
    /// secp224k1.
    Secp224k1,
    /// NIST P-192, secp192r1, prime192v1.
    Prime192v1,
    /// prime192v2.
    Prime192v2,
    /// prime192v3.
    Prime192v3,
    /// prime239v1.
    Prime239v1,
    /// prime239v2.
    Prime239v2,
    /// prime239v3.
    Prime239v3,
    /// brainpoolP160r1.
    BrainpoolP160r1,
    /// brainpoolP160t1.
    BrainpoolP160t1,
    /// brainpoolP192r1.
    BrainpoolP192r1,
    /// brainpoolP192t1.
    BrainpoolP192t1,
    /// brainpoolP224t1.
    BrainpoolP224t1,
    /// brainpoolP256t1.
    BrainpoolP256t1,
    /// brainpoolP320t1.
    BrainpoolP320t1,
    /// brainpoolP384t1.
    BrainpoolP384t1,
    /// brainpoolP512t1.
    BrainpoolP512t1,
    /// Microsoft's curve of 160 bits, which has no identifier.
    MicrosoftPlayReadyP160,
}

/// What is known of a curve.
struct Row {
    curve: Curve,
    /// Bits of the field, and of the order of the base point.
    bits: (usize, usize),
    /// How keys name it: an object identifier in DER, or explicit parameters where it has none.
    params: &'static [u8],
    group: Source,
}

enum Source {
    /// aws-lc has it.
    Library(unsafe extern "C" fn() -> *const sys::EC_GROUP),
    /// aws-lc is told.
    Numbers(&'static Numbers),
}

/// `y^2 = x^3 + ax + b` modulo `p`, its base point and the order of that; hexadecimal.
struct Numbers {
    p: &'static str,
    a: &'static str,
    b: &'static str,
    base: (&'static str, &'static str),
    order: &'static str,
}

/// Every curve served, in the order of the enumeration.
#[rustfmt::skip]
static ROWS: &[Row] = &[
    Row {
        curve: Curve::P224,
        bits: (224, 224),
        params: &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x21],
        group: Source::Library(sys::EC_group_p224),
    },
    Row {
        curve: Curve::P256,
        bits: (256, 256),
        params: &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
        group: Source::Library(sys::EC_group_p256),
    },
    Row {
        curve: Curve::P384,
        bits: (384, 384),
        params: &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22],
        group: Source::Library(sys::EC_group_p384),
    },
    Row {
        curve: Curve::P521,
        bits: (521, 521),
        params: &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23],
        group: Source::Library(sys::EC_group_p521),
    },
    Row {
        curve: Curve::Secp256k1,
        bits: (256, 256),
        params: &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a],
        group: Source::Library(sys::EC_group_secp256k1),
    },
    Row {
        curve: Curve::BrainpoolP224r1,
        bits: (224, 224),
        params: &[0x06, 0x09, 0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x05],
        group: Source::Library(sys::EC_group_brainpoolP224r1),
    },
    Row {
        curve: Curve::BrainpoolP256r1,
        bits: (256, 256),
        params: &[0x06, 0x09, 0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x07],
        group: Source::Library(sys::EC_group_brainpoolP256r1),
    },
    Row {
        curve: Curve::BrainpoolP320r1,
        bits: (320, 320),
        params: &[0x06, 0x09, 0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x09],
        group: Source::Library(sys::EC_group_brainpoolP320r1),
    },
    Row {
        curve: Curve::BrainpoolP384r1,
        bits: (384, 384),
        params: &[0x06, 0x09, 0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x0b],
        group: Source::Library(sys::EC_group_brainpoolP384r1),
    },
    Row {
        curve: Curve::BrainpoolP512r1,
        bits: (512, 512),
        params: &[0x06, 0x09, 0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x0d],
        group: Source::Library(sys::EC_group_brainpoolP512r1),
    },
    Row {
        curve: Curve::Secp160k1,
        bits: (160, 161),
        params: &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x09],
        group: Source::Numbers(&Numbers {
            p: "fffffffffffffffffffffffffffffffeffffac73",
            a: "0000000000000000000000000000000000000000",
            b: "0000000000000000000000000000000000000007",
            base: (
                "3b4c382ce37aa192a4019e763036f4f5dd4d7ebb",
                "938cf935318fdced6bc28286531733c3f03c4fee",
            ),
            order: "0100000000000000000001b8fa16dfab9aca16b6b3",
        }),
    },
    Row {
        curve: Curve::Secp160r1,
        bits: (160, 161),
        params: &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x08],
        group: Source::Numbers(&Numbers {
            p: "ffffffffffffffffffffffffffffffff7fffffff",
            a: "ffffffffffffffffffffffffffffffff7ffffffc",
            b: "1c97befc54bd7a8b65acf89f81d4d4adc565fa45",
            base: (
                "4a96b5688ef573284664698968c38bb913cbfc82",
                "23a628553168947d59dcc912042351377ac5fb32",
            ),
            order: "0100000000000000000001f4c8f927aed3ca752257",
        }),
    },
    Row {
        curve: Curve::Secp160r2,
        bits: (160, 161),
        params: &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x1e],
        group: Source::Numbers(&Numbers {
            p: "fffffffffffffffffffffffffffffffeffffac73",
            a: "fffffffffffffffffffffffffffffffeffffac70",
            b: "b4e134d3fb59eb8bab57274904664d5af50388ba",
            base: (
                "52dcb034293a117e1f4ff11b30f7199d3144ce6d",
                "feaffef2e331f296e071fa0df9982cfea7d43f2e",
            ),
            order: "0100000000000000000000351ee786a818f3a1a16b",
        }),
    },
    Row {
        curve: Curve::Secp192k1,
        bits: (192, 192),
        params: &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x1f],
        group: Source::Numbers(&Numbers {
            p: "fffffffffffffffffffffffffffffffffffffffeffffee37",
            a: "000000000000000000000000000000000000000000000000",
            b: "000000000000000000000000000000000000000000000003",
            base: (
                "db4ff10ec057e9ae26b07d0280b7f4341da5d1b1eae06c7d",
                "9b2f2f6d9c5628a7844163d015be86344082aa88d95e2f9d",
            ),
            order: "fffffffffffffffffffffffe26f2fc170f69466a74defd8d",
        }),
    },
    Row {
        curve: Curve::Secp224k1,
        bits: (224, 225),
        params: &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x20],
        group: Source::Numbers(&Numbers {
            p: "fffffffffffffffffffffffffffffffffffffffffffffffeffffe56d",
            a: "00000000000000000000000000000000000000000000000000000000",
            b: "00000000000000000000000000000000000000000000000000000005",
            base: (
                "a1455b334df099df30fc28a169a467e9e47075a90f7e650eb6b7a45c",
                "7e089fed7fba344282cafbd6f7e319f7c0b0bd59e2ca4bdb556d61a5",
            ),
            order: "010000000000000000000000000001dce8d2ec6184caf0a971769fb1f7",
        }),
    },
    Row {
        curve: Curve::Prime192v1,
        bits: (192, 192),
        params: &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x01],
        group: Source::Numbers(&Numbers {
            p: "fffffffffffffffffffffffffffffffeffffffffffffffff",
            a: "fffffffffffffffffffffffffffffffefffffffffffffffc",
            b: "64210519e59c80e70fa7e9ab72243049feb8deecc146b9b1",
            base: (
                "188da80eb03090f67cbf20eb43a18800f4ff0afd82ff1012",
                "07192b95ffc8da78631011ed6b24cdd573f977a11e794811",
            ),
            order: "ffffffffffffffffffffffff99def836146bc9b1b4d22831",
        }),
    },
    Row {
        curve: Curve::Prime192v2,
        bits: (192, 192),
        params: &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x02],
        group: Source::Numbers(&Numbers {
            p: "fffffffffffffffffffffffffffffffeffffffffffffffff",
            a: "fffffffffffffffffffffffffffffffefffffffffffffffc",
            b: "cc22d6dfb95c6b25e49c0d6364a4e5980c393aa21668d953",
            base: (
                "eea2bae7e1497842f2de7769cfe9c989c072ad696f48034a",
                "6574d11d69b6ec7a672bb82a083df2f2b0847de970b2de15",
            ),
            order: "fffffffffffffffffffffffe5fb1a724dc80418648d8dd31",
        }),
    },
    Row {
        curve: Curve::Prime192v3,
        bits: (192, 192),
        params: &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x03],
        group: Source::Numbers(&Numbers {
            p: "fffffffffffffffffffffffffffffffeffffffffffffffff",
            a: "fffffffffffffffffffffffffffffffefffffffffffffffc",
            b: "22123dc2395a05caa7423daeccc94760a7d462256bd56916",
            base: (
                "7d29778100c65a1da1783716588dce2b8b4aee8e228f1896",
                "38a90f22637337334b49dcb66a6dc8f9978aca7648a943b0",
            ),
            order: "ffffffffffffffffffffffff7a62d031c83f4294f640ec13",
        }),
    },
    Row {
        curve: Curve::Prime239v1,
        bits: (239, 239),
        params: &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x04],
        group: Source::Numbers(&Numbers {
            p: "7fffffffffffffffffffffff7fffffffffff8000000000007fffffffffff",
            a: "7fffffffffffffffffffffff7fffffffffff8000000000007ffffffffffc",
            b: "6b016c3bdcf18941d0d654921475ca71a9db2fb27d1d37796185c2942c0a",
            base: (
                "0ffa963cdca8816ccc33b8642bedf905c3d358573d3f27fbbd3b3cb9aaaf",
                "7debe8e4e90a5dae6e4054ca530ba04654b36818ce226b39fccb7b02f1ae",
            ),
            order: "7fffffffffffffffffffffff7fffff9e5e9a9f5d9071fbd1522688909d0b",
        }),
    },
    Row {
        curve: Curve::Prime239v2,
        bits: (239, 239),
        params: &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x05],
        group: Source::Numbers(&Numbers {
            p: "7fffffffffffffffffffffff7fffffffffff8000000000007fffffffffff",
            a: "7fffffffffffffffffffffff7fffffffffff8000000000007ffffffffffc",
            b: "617fab6832576cbbfed50d99f0249c3fee58b94ba0038c7ae84c8c832f2c",
            base: (
                "38af09d98727705120c921bb5e9e26296a3cdcf2f35757a0eafd87b830e7",
                "5b0125e4dbea0ec7206da0fc01d9b081329fb555de6ef460237dff8be4ba",
            ),
            order: "7fffffffffffffffffffffff800000cfa7e8594377d414c03821bc582063",
        }),
    },
    Row {
        curve: Curve::Prime239v3,
        bits: (239, 239),
        params: &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x06],
        group: Source::Numbers(&Numbers {
            p: "7fffffffffffffffffffffff7fffffffffff8000000000007fffffffffff",
            a: "7fffffffffffffffffffffff7fffffffffff8000000000007ffffffffffc",
            b: "255705fa2a306654b1f4cb03d6a750a30c250102d4988717d9ba15ab6d3e",
            base: (
                "6768ae8e18bb92cfcf005c949aa2c6d94853d0e660bbf854b1c9505fe95a",
                "1607e6898f390c06bc1d552bad226f3b6fcfe48b6e818499af18e3ed6cf3",
            ),
            order: "7fffffffffffffffffffffff7fffff975deb41b3a6057c3c432146526551",
        }),
    },
    Row {
        curve: Curve::BrainpoolP160r1,
        bits: (160, 160),
        params: &[0x06, 0x09, 0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x01],
        group: Source::Numbers(&Numbers {
            p: "e95e4a5f737059dc60dfc7ad95b3d8139515620f",
            a: "340e7be2a280eb74e2be61bada745d97e8f7c300",
            b: "1e589a8595423412134faa2dbdec95c8d8675e58",
            base: (
                "bed5af16ea3f6a4f62938c4631eb5af7bdbcdbc3",
                "1667cb477a1a8ec338f94741669c976316da6321",
            ),
            order: "e95e4a5f737059dc60df5991d45029409e60fc09",
        }),
    },
    Row {
        curve: Curve::BrainpoolP160t1,
        bits: (160, 160),
        params: &[0x06, 0x09, 0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x02],
        group: Source::Numbers(&Numbers {
            p: "e95e4a5f737059dc60dfc7ad95b3d8139515620f",
            a: "e95e4a5f737059dc60dfc7ad95b3d8139515620c",
            b: "7a556b6dae535b7b51ed2c4d7daa7a0b5c55f380",
            base: (
                "b199b13b9b34efc1397e64baeb05acc265ff2378",
                "add6718b7c7c1961f0991b842443772152c9e0ad",
            ),
            order: "e95e4a5f737059dc60df5991d45029409e60fc09",
        }),
    },
    Row {
        curve: Curve::BrainpoolP192r1,
        bits: (192, 192),
        params: &[0x06, 0x09, 0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x03],
        group: Source::Numbers(&Numbers {
            p: "c302f41d932a36cda7a3463093d18db78fce476de1a86297",
            a: "6a91174076b1e0e19c39c031fe8685c1cae040e5c69a28ef",
            b: "469a28ef7c28cca3dc721d044f4496bcca7ef4146fbf25c9",
            base: (
                "c0a0647eaab6a48753b033c56cb0f0900a2f5c4853375fd6",
                "14b690866abd5bb88b5f4828c1490002e6773fa2fa299b8f",
            ),
            order: "c302f41d932a36cda7a3462f9e9e916b5be8f1029ac4acc1",
        }),
    },
    Row {
        curve: Curve::BrainpoolP192t1,
        bits: (192, 192),
        params: &[0x06, 0x09, 0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x04],
        group: Source::Numbers(&Numbers {
            p: "c302f41d932a36cda7a3463093d18db78fce476de1a86297",
            a: "c302f41d932a36cda7a3463093d18db78fce476de1a86294",
            b: "13d56ffaec78681e68f9deb43b35bec2fb68542e27897b79",
            base: (
                "3ae9e58c82f63c30282e1fe7bbf43fa72c446af6f4618129",
                "097e2c5667c2223a902ab5ca449d0084b7e5b3de7ccc01c9",
            ),
            order: "c302f41d932a36cda7a3462f9e9e916b5be8f1029ac4acc1",
        }),
    },
    Row {
        curve: Curve::BrainpoolP224t1,
        bits: (224, 224),
        params: &[0x06, 0x09, 0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x06],
        group: Source::Numbers(&Numbers {
            p: "d7c134aa264366862a18302575d1d787b09f075797da89f57ec8c0ff",
            a: "d7c134aa264366862a18302575d1d787b09f075797da89f57ec8c0fc",
            b: "4b337d934104cd7bef271bf60ced1ed20da14c08b3bb64f18a60888d",
            base: (
                "6ab1e344ce25ff3896424e7ffe14762ecb49f8928ac0c76029b4d580",
                "0374e9f5143e568cd23f3f4d7c0d4b1e41c8cc0d1c6abd5f1a46db4c",
            ),
            order: "d7c134aa264366862a18302575d0fb98d116bc4b6ddebca3a5a7939f",
        }),
    },
    Row {
        curve: Curve::BrainpoolP256t1,
        bits: (256, 256),
        params: &[0x06, 0x09, 0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x08],
        group: Source::Numbers(&Numbers {
            p: "a9fb57dba1eea9bc3e660a909d838d726e3bf623d52620282013481d1f6e5377",
            a: "a9fb57dba1eea9bc3e660a909d838d726e3bf623d52620282013481d1f6e5374",
            b: "662c61c430d84ea4fe66a7733d0b76b7bf93ebc4af2f49256ae58101fee92b04",
            base: (
                "a3e8eb3cc1cfe7b7732213b23a656149afa142c47aafbc2b79a191562e1305f4",
                "2d996c823439c56d7f7b22e14644417e69bcb6de39d027001dabe8f35b25c9be",
            ),
            order: "a9fb57dba1eea9bc3e660a909d838d718c397aa3b561a6f7901e0e82974856a7",
        }),
    },
    Row {
        curve: Curve::BrainpoolP320t1,
        bits: (320, 320),
        params: &[0x06, 0x09, 0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x0a],
        group: Source::Numbers(&Numbers {
            p: "d35e472036bc4fb7e13c785ed201e065f98fcfa6f6f40def4f92b9ec7893ec28fcd412b1f1b32e27",
            a: "d35e472036bc4fb7e13c785ed201e065f98fcfa6f6f40def4f92b9ec7893ec28fcd412b1f1b32e24",
            b: "a7f561e038eb1ed560b3d147db782013064c19f27ed27c6780aaf77fb8a547ceb5b4fef422340353",
            base: (
                "925be9fb01afc6fb4d3e7d4990010f813408ab106c4f09cb7ee07868cc136fff3357f624a21bed52",
                "63ba3a7a27483ebf6671dbef7abb30ebee084e58a0b077ad42a5a0989d1ee71b1b9bc0455fb0d2c3",
            ),
            order: "d35e472036bc4fb7e13c785ed201e065f98fcfa5b68f12a32d482ec7ee8658e98691555b44c59311",
        }),
    },
    Row {
        curve: Curve::BrainpoolP384t1,
        bits: (384, 384),
        params: &[0x06, 0x09, 0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x0c],
        group: Source::Numbers(&Numbers {
            p: "8cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b412b1da197fb71123acd3a729901d1a71874700133107ec53",
            a: "8cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b412b1da197fb71123acd3a729901d1a71874700133107ec50",
            b: "7f519eada7bda81bd826dba647910f8c4b9346ed8ccdc64e4b1abd11756dce1d2074aa263b88805ced70355a33b471ee",
            base: (
                "18de98b02db9a306f2afcd7235f72a819b80ab12ebd653172476fecd462aabffc4ff191b946a5f54d8d0aa2f418808cc",
                "25ab056962d30651a114afd2755ad336747f93475b7a1fca3b88f2b6a208ccfe469408584dc2b2912675bf5b9e582928",
            ),
            order: "8cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b31f166e6cac0425a7cf3ab6af6b7fc3103b883202e9046565",
        }),
    },
    Row {
        curve: Curve::BrainpoolP512t1,
        bits: (512, 512),
        params: &[0x06, 0x09, 0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x0e],
        group: Source::Numbers(&Numbers {
            p: "aadd9db8dbe9c48b3fd4e6ae33c9fc07cb308db3b3c9d20ed6639cca703308717d4d9b009bc66842aecda12ae6a380e62881ff2f2d82c68528aa6056583a48f3",
            a: "aadd9db8dbe9c48b3fd4e6ae33c9fc07cb308db3b3c9d20ed6639cca703308717d4d9b009bc66842aecda12ae6a380e62881ff2f2d82c68528aa6056583a48f0",
            b: "7cbbbcf9441cfab76e1890e46884eae321f70c0bcb4981527897504bec3e36a62bcdfa2304976540f6450085f2dae145c22553b465763689180ea2571867423e",
            base: (
                "640ece5c12788717b9c1ba06cbc2a6feba85842458c56dde9db1758d39c0313d82ba51735cdb3ea499aa77a7d6943a64f7a3f25fe26f06b51baa2696fa9035da",
                "5b534bd595f5af0fa2c892376c84ace1bb4e3019b71634c01131159cae03cee9d9932184beef216bd71df2dadf86a627306ecff96dbb8bace198b61e00f8b332",
            ),
            order: "aadd9db8dbe9c48b3fd4e6ae33c9fc07cb308db3b3c9d20ed6639cca70330870553e5c414ca92619418661197fac10471db1d381085ddaddb58796829ca90069",
        }),
    },
    Row {
        curve: Curve::MicrosoftPlayReadyP160,
        bits: (160, 160),
        params: PLAYREADY,
        group: Source::Numbers(&Numbers {
            p: "89abcdef012345672718281831415926141424f7",
            a: "37a5abccd277bce87632ff3d4780c009ebe41497",
            b: "0dd8dabf725e2f3228e85f1ad78fdedf9328239e",
            base: (
                "8723947fd6a3a1e53510c07dba38daf0109fa120",
                "445744911075522d8c3c5856d4ed7acda379936f",
            ),
            order: "89abcdef012345672716b26eec14904428c2a675",
        }),
    },
];

/// `ECParameters` as the vendor's Python library sends them for Microsoft's curve.
static PLAYREADY: &[u8] = &[
    0x30, 0x81, 0x98, 0x02, 0x01, 0x01, 0x30, 0x20, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x01,
    0x01, 0x02, 0x15, 0x00, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45, 0x67, 0x27, 0x18, 0x28, 0x18,
    0x31, 0x41, 0x59, 0x26, 0x14, 0x14, 0x24, 0xf7, 0x30, 0x2c, 0x04, 0x14, 0x37, 0xa5, 0xab, 0xcc,
    0xd2, 0x77, 0xbc, 0xe8, 0x76, 0x32, 0xff, 0x3d, 0x47, 0x80, 0xc0, 0x09, 0xeb, 0xe4, 0x14, 0x97,
    0x04, 0x14, 0x0d, 0xd8, 0xda, 0xbf, 0x72, 0x5e, 0x2f, 0x32, 0x28, 0xe8, 0x5f, 0x1a, 0xd7, 0x8f,
    0xde, 0xdf, 0x93, 0x28, 0x23, 0x9e, 0x04, 0x29, 0x04, 0x87, 0x23, 0x94, 0x7f, 0xd6, 0xa3, 0xa1,
    0xe5, 0x35, 0x10, 0xc0, 0x7d, 0xba, 0x38, 0xda, 0xf0, 0x10, 0x9f, 0xa1, 0x20, 0x44, 0x57, 0x44,
    0x91, 0x10, 0x75, 0x52, 0x2d, 0x8c, 0x3c, 0x58, 0x56, 0xd4, 0xed, 0x7a, 0xcd, 0xa3, 0x79, 0x93,
    0x6f, 0x02, 0x15, 0x00, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45, 0x67, 0x27, 0x16, 0xb2, 0x6e,
    0xec, 0x14, 0x90, 0x44, 0x28, 0xc2, 0xa6, 0x75, 0x02, 0x01, 0x01,
];

/// Groups made of numbers, once a process; they are never freed.
static MADE: [OnceLock<EcGroup>; ROWS.len()] = [const { OnceLock::new() }; ROWS.len()];

impl Curve {
    /// Every curve served.
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.iter().map(|row| row.curve)
    }

    fn row(self) -> Option<&'static Row> {
        ROWS.get(self as usize)
    }

    /// Size of the field in bits.
    #[must_use]
    pub fn bits(self) -> usize {
        self.row().map_or(0, |row| row.bits.0)
    }

    /// Length of a coordinate in bytes.
    #[must_use]
    pub fn field_len(self) -> usize {
        self.bits().div_ceil(8)
    }

    /// Length of a scalar, and of each half of a signature, in bytes: that of the order, which may
    /// have a bit more than the field.
    #[must_use]
    pub fn order_len(self) -> usize {
        self.row().map_or(0, |row| row.bits.1).div_ceil(8)
    }

    /// How keys name the curve: its object identifier in DER, tag and length included, or its
    /// explicit parameters where it has none.
    #[must_use]
    pub fn params_der(self) -> &'static [u8] {
        self.row().map_or(&[], |row| row.params)
    }

    /// The curve of that name; `None` for any other bytes.
    #[must_use]
    pub fn from_params_der(params: &[u8]) -> Option<Self> {
        ROWS.iter().find(|row| row.params == params).map(|row| row.curve)
    }

    /// Whether aws-lc knows the curve by name, and so writes and parses its keys.
    pub(in crate::crypto) fn is_named(self) -> bool {
        self.row().is_some_and(|row| matches!(row.group, Source::Library(_)))
    }

    /// aws-lc's description of the curve: lives as long as the process, never null.
    pub(super) fn group(self) -> Result<*const sys::EC_GROUP, CryptoError> {
        match self.row().map(|row| &row.group) {
            // SAFETY: each takes nothing and returns a pointer to a static.
            Some(Source::Library(group)) => Ok(unsafe { group() }),
            Some(Source::Numbers(numbers)) => {
                let place = MADE.get(self as usize).ok_or(CryptoError::Internal)?;
                if let Some(made) = place.get() {
                    return Ok(made.as_ptr());
                }
                let fresh = numbers.group()?;
                // Another thread may have been first; its group is the one that stays.
                Ok(place.get_or_init(|| fresh).as_ptr())
            }
            None => Err(CryptoError::Internal),
        }
    }
}

impl Numbers {
    fn group(&self) -> Result<EcGroup, CryptoError> {
        let (p, a, b) = (number(self.p)?, number(self.a)?, number(self.b)?);
        let (x, y) = (number(self.base.0)?, number(self.base.1)?);
        let (order, one, scratch) = (number(self.order)?, Bn::from_be(&[1])?, BnCtx::new()?);
        let scratch = scratch.as_ptr();
        // SAFETY: live numbers; the new group and point are ours, the setters copy.
        unsafe {
            let made = sys::EC_GROUP_new_curve_GFp(p.as_ptr(), a.as_ptr(), b.as_ptr(), scratch);
            let group = EcGroup::adopt(made, CryptoError::Internal)?;
            let base = EcPoint::adopt(sys::EC_POINT_new(group.as_ptr()), CryptoError::Internal)?;
            let returned = sys::EC_POINT_set_affine_coordinates_GFp(
                group.as_ptr(),
                base.as_ptr(),
                x.as_ptr(),
                y.as_ptr(),
                scratch,
            );
            check(returned, CryptoError::Internal)?;
            let returned = sys::EC_GROUP_set_generator(
                group.as_ptr(),
                base.as_ptr(),
                order.as_ptr(),
                one.as_ptr(),
            );
            check(returned, CryptoError::Internal)?;
            Ok(group)
        }
    }
}

/// A number of whole bytes in hexadecimal.
fn number(digits: &str) -> Result<Bn, CryptoError> {
    let bytes: Option<Vec<u8>> = (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok())
        .collect();
    Bn::from_be(&bytes.ok_or(CryptoError::Internal)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::vectors::hex;

    #[test]
    fn rows_stand_in_the_order_of_the_enumeration() {
        for (at, row) in ROWS.iter().enumerate() {
            assert_eq!(row.curve as usize, at, "{:?}", row.curve);
        }
    }

    /// The order less 1 times the base point is the base point mirrored, so the order times it is
    /// infinity.
    #[test]
    fn numbers_are_those_of_a_curve() {
        use super::super::EcPrivateKey;
        for row in ROWS {
            let Source::Numbers(numbers) = &row.group else { continue };
            let one = EcPrivateKey::from_scalar(row.curve, &[1]).unwrap();
            let order = hex(numbers.order);
            assert!(EcPrivateKey::from_scalar(row.curve, &order).is_err());
            let mut last = order;
            *last.last_mut().unwrap() -= 1;
            let last = EcPrivateKey::from_scalar(row.curve, &last).unwrap();
            let [one, last] = [one, last].map(|key| key.public().unwrap().point().unwrap());
            let len = row.curve.field_len();
            let base = hex(&[numbers.base.0, numbers.base.1].concat());
            assert_eq!(one[1..], base, "{:?}", row.curve);
            assert_eq!(last[..=len], one[..=len], "{:?}", row.curve);
            assert_ne!(last[len + 1..], one[len + 1..], "{:?}", row.curve);
        }
    }
}
