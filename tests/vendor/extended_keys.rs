//! Public keys of BIP 32 as text.

use luna_ck::*;
use luna_client::{ObjectHandle, Rv};
use luna_tests::Instance;

use crate::call::{Order, aes, at, bytes, ca, cell, object, officer, refused, session};

/// BIP 32, test vector 1, chain m/0H.
const XPUB: &str = "xpub68Gmy5EdvgibQVfPdqkBBCHxA5htiqg55crXYuXoQRKfDBFA1WEjWgP6LHhwBZeNK1VTsfTFUHCdrfp1bgwQ9xv5ski8PX9rL2dZXvgGDnw";

#[test]
fn a_public_key_comes_and_goes_as_text() {
    let instance = Instance::up(&["--profile", "luna-7.9.0"]);
    let context = instance.context();
    let own = officer(&context, 0);
    let mut yes = 1_u8;
    let mut template = [CK_ATTRIBUTE {
        type_: CKA_DERIVE,
        pValue: std::ptr::from_mut(&mut yes).cast(),
        ulValueLen: 1,
    }];
    let mut key: CK_OBJECT_HANDLE = 0;
    let mut words =
        [session(&own), at(XPUB.as_bytes()), XPUB.len(), cell(&mut template), 1, cell(&mut key)];
    let answer = ca(&context, "CA_Bip32ImportPublicKey", &words);
    assert_eq!(answer, Rv(CKR_OK));
    let key = ObjectHandle(key);
    let told = own.attributes(key, &[CKA_BIP32_FINGERPRINT, CKA_BIP32_CHILD_DEPTH]).unwrap();
    assert_eq!(told[0].as_deref(), Some(&[0x5c, 0x1b, 0xd6, 0x48][..]), "the next key's parent");
    assert_eq!(told[1].as_deref(), Some(&1_u64.to_ne_bytes()[..]));

    let words_out = [session(&own), object(key)];
    let text = bytes(&context, "CA_Bip32ExportPublicKey", &words_out, Order::BufferFirst);
    assert_eq!(text, XPUB.as_bytes());

    let other = aes(&own, "other", &[]);
    let mut len = 0_u64;
    let words_out = [session(&own), object(other), 0, cell(&mut len)];
    refused(&context, "CA_Bip32ExportPublicKey", &words_out, CKR_KEY_TYPE_INCONSISTENT);
    let damaged = XPUB.replace("Gmy", "Gmz");
    words[1] = at(damaged.as_bytes());
    refused(&context, "CA_Bip32ImportPublicKey", &words, CKR_DATA_INVALID);
}
