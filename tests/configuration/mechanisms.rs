//! RSA key generation, run by other mechanisms than those asked for.

use luna_ck::{
    CKA_MODULUS_BITS, CKA_PUBLIC_EXPONENT, CKM_RSA_FIPS_186_3_PRIME_KEY_PAIR_GEN,
    CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_X9_31_KEY_PAIR_GEN, CKR_MECHANISM_INVALID,
};
use luna_client::{Attribute, Context, Mechanism, Result};
use luna_tests::{Instance, first_slot, officer};

use crate::{context, seen_with};

fn generated(context: &Context, kind: u64) -> Result<()> {
    let session = officer(context, first_slot(context));
    let public = [
        Attribute::ulong(CKA_MODULUS_BITS, 2048),
        Attribute::bytes(CKA_PUBLIC_EXPONENT, [1, 0, 1]),
    ];
    session.generate_key_pair(&Mechanism::Plain(kind), &public, &[]).map(drop)
}

#[test]
fn in_fips_mode_the_old_names_run_where_configured() {
    let instance = Instance::up(&["--fips", "on"]);
    for (configured, works) in [("0", false), ("1", true)] {
        let directory = instance.seen_otherwise(&format!("remap{configured}"), |text| {
            let asked = format!("RSAKeyGenMechRemap = {configured}");
            text.replace("RSAKeyGenMechRemap = 1", &asked)
        });
        let context = context(&instance, &directory);
        let listed = context.mechanisms(first_slot(&context)).unwrap();
        for kind in [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_X9_31_KEY_PAIR_GEN] {
            assert_eq!(listed.contains(&kind), works, "{configured}: {kind:#x}");
            match generated(&context, kind) {
                Ok(()) => assert!(works, "{configured}: {kind:#x}"),
                Err(error) => assert!(!works && error.is(CKR_MECHANISM_INVALID), "{error}"),
            }
        }
    }
}

/// A firmware that does not know FIPS 186-3 is a profile that leaves those mechanisms out.
#[test]
fn on_old_firmware_the_new_names_run_where_configured() {
    let scratch = luna_tests::scratch();
    let file = scratch.path().join("old.toml");
    let text = "name = 'old'\nformat = 1\nextends = 'luna-7.4.0'\n[offer]\ngone = [\
        'CKM_RSA_FIPS_186_3_PRIME_KEY_PAIR_GEN', 'CKM_RSA_FIPS_186_3_AUX_PRIME_KEY_PAIR_GEN']\n";
    std::fs::write(&file, text).unwrap();
    let instance = Instance::up(&["--profile", file.to_str().unwrap()]);
    let kind = CKM_RSA_FIPS_186_3_PRIME_KEY_PAIR_GEN;
    let plain = instance.context();
    assert!(!plain.mechanisms(first_slot(&plain)).unwrap().contains(&kind));
    assert!(generated(&plain, kind).unwrap_err().is(CKR_MECHANISM_INVALID));
    drop(plain);
    let section = "Misc = { RSAPre1863KeyGenMechRemap = 1; }";
    let context = seen_with(&instance, "pre", section);
    assert!(context.mechanisms(first_slot(&context)).unwrap().contains(&kind));
    generated(&context, kind).unwrap();
}
