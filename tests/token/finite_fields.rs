//! DSA and Diffie-Hellman modulo a prime.

use luna_ck::*;
use luna_client::{Attribute, Mechanism, ObjectHandle, Session, UserType};
use luna_tests::CRYPTO_OFFICER;

use crate::groups::{BITS_1024, BITS_2048, Group};
use crate::keys::{and, in_group, on};
use crate::token::{Kind, Token, hex, refused};

fn value(session: &Session, key: ObjectHandle) -> Vec<u8> {
    session.attribute(key, CKA_VALUE).unwrap().unwrap()
}

#[test]
fn a_dsa_pair_signs_and_its_public_half_can_be_imported() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    for (group, order) in [(&BITS_1024, 20), (&BITS_2048, 32)] {
        let (public, private) = in_group(session, CKM_DSA_KEY_PAIR_GEN, group, &[]).unwrap();
        assert_eq!(session.attribute(private, CKA_PRIME).unwrap().unwrap(), hex(group.p));
        let mechanism = Mechanism::Plain(CKM_DSA_SHA256);
        let signature = session.sign(&mechanism, private, b"sample").unwrap();
        assert_eq!(signature.len(), 2 * order);
        session.verify(&mechanism, public, b"sample", &signature).unwrap();
        let mut template = on(&[CKA_VERIFY]);
        template.extend([
            Attribute::class(CKO_PUBLIC_KEY),
            Attribute::key_type(CKK_DSA),
            Attribute::bytes(CKA_PRIME, hex(group.p)),
            Attribute::bytes(CKA_SUBPRIME, hex(group.q)),
            Attribute::bytes(CKA_BASE, hex(group.g)),
            Attribute::bytes(CKA_VALUE, value(session, public)),
        ]);
        let again = session.create_object(&template).unwrap();
        session.verify(&mechanism, again, b"sample", &signature).unwrap();
        let other = session.verify(&mechanism, again, b"other", &signature);
        refused(other, CKR_SIGNATURE_INVALID);
        let short = session.verify(&mechanism, again, b"sample", &signature[..7]);
        refused(short, CKR_SIGNATURE_LEN_RANGE);
    }
}

#[test]
fn parameters_that_are_none_are_refused() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    for group in [Group { q: BITS_2048.q, ..BITS_1024 }, Group { g: "01", ..BITS_1024 }] {
        let made = in_group(session, CKM_DSA_KEY_PAIR_GEN, &group, &[]);
        refused(made, CKR_DOMAIN_PARAMS_INVALID);
    }
    let small = Group { p: BITS_2048.q, ..BITS_1024 };
    refused(in_group(session, CKM_DSA_KEY_PAIR_GEN, &small, &[]), CKR_KEY_SIZE_RANGE);
    let without = on(&[CKA_VERIFY]);
    let mechanism = Mechanism::Plain(CKM_DSA_KEY_PAIR_GEN);
    let made = session.generate_key_pair(&mechanism, &without, &on(&[CKA_SIGN]));
    refused(made, CKR_TEMPLATE_INCOMPLETE);
}

#[test]
fn a_dsa_key_travels_wrapped() {
    let token = Token::nobody(&["--policy", "0=0", "--policy", "1=1"]);
    token.login(UserType::CRYPTO_OFFICER, CRYPTO_OFFICER).unwrap();
    let session = &token.session;
    let more = [Attribute::bool(CKA_EXTRACTABLE, true)];
    let (public, private) = in_group(session, CKM_DSA_KEY_PAIR_GEN, &BITS_1024, &more).unwrap();
    let by = crate::keys::aes(session, &[7; 32]);
    let mechanism = Mechanism::aes_cbc_pad([1; 16]);
    let wrapped = session.wrap(&mechanism, by, private).unwrap();
    let template =
        and(&on(&[CKA_SIGN]), &[Attribute::class(CKO_PRIVATE_KEY), Attribute::key_type(CKK_DSA)]);
    let again = session.unwrap(&mechanism, by, &wrapped, &template).unwrap();
    let signature = session.sign(&Mechanism::Plain(CKM_DSA), again, &[9; 20]).unwrap();
    session.verify(&Mechanism::Plain(CKM_DSA), public, &[9; 20], &signature).unwrap();
}

#[test]
fn two_sides_of_a_diffie_hellman_share_a_key() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    // pycryptoki sends how long the private value shall be.
    let more = [Attribute::ulong(CKA_VALUE_BITS, 1024)];
    let pair =
        |more: &[Attribute]| in_group(session, CKM_DH_PKCS_KEY_PAIR_GEN, &BITS_1024, more).unwrap();
    let (one, other) = (pair(&more), pair(&[]));
    let aes = and(
        &on(&[CKA_ENCRYPT, CKA_DECRYPT]),
        &[
            Attribute::class(CKO_SECRET_KEY),
            Attribute::key_type(CKK_AES),
            Attribute::ulong(CKA_VALUE_LEN, 32),
        ],
    );
    let derive = |own: ObjectHandle, their: ObjectHandle| {
        let mechanism = Mechanism::Bytes(CKM_DH_PKCS_DERIVE, value(session, their));
        session.derive(&mechanism, own, &aes).unwrap()
    };
    let (here, there) = (derive(one.1, other.0), derive(other.1, one.0));
    let cbc = Mechanism::aes_cbc_pad([3; 16]);
    let sealed = session.encrypt(&cbc, here, b"shared").unwrap();
    assert_eq!(session.decrypt(&cbc, there, &sealed).unwrap(), b"shared");
    for bad in [vec![1], hex(BITS_1024.p)] {
        let made = session.derive(&Mechanism::Bytes(CKM_DH_PKCS_DERIVE, bad), one.1, &aes);
        refused(made, CKR_MECHANISM_PARAM_INVALID);
    }
}
