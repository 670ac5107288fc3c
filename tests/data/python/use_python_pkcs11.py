"""What a program with python-pkcs11 does with a token called app. Words: module, PIN."""

import sys

import pkcs11
from pkcs11 import (
    KDF,
    MGF,
    Attribute,
    GCMParams,
    KeyType,
    Mechanism,
    MechanismFlag,
    ObjectClass,
)
from pkcs11.exceptions import NoSuchKey, PinIncorrect
from pkcs11.util.ec import encode_named_curve_parameters

DATA = b"the quick brown fox"
OPEN = {Attribute.SENSITIVE: False, Attribute.EXTRACTABLE: True}


def random(session):
    assert len(session.generate_random(256)) == 32
    session.seed_random(b"12345678")


def digest(session):
    import hashlib

    assert session.digest(DATA, mechanism=Mechanism.SHA256) == hashlib.sha256(DATA).digest()


def aes(session):
    key = session.generate_key(KeyType.AES, 256, store=True, label="aes")
    iv = session.generate_random(128)
    gcm = GCMParams(nonce=b"123456789012", aad=b"more", tag_bits=128)
    for mechanism, parameter in [
        (Mechanism.AES_CBC_PAD, iv),
        (Mechanism.AES_GCM, gcm),
    ]:
        options = {"mechanism": mechanism, "mechanism_param": parameter}
        sealed = key.encrypt(DATA, **options)
        assert sealed != DATA and key.decrypt(sealed, **options) == DATA
    # In parts, cut elsewhere on the way back.
    parts = [b"1" * 16] * 4
    sealed = b"".join(key.encrypt(parts, mechanism_param=iv))
    opened = b"".join(key.decrypt([sealed[:20], sealed[20:]], mechanism_param=iv))
    assert opened == b"".join(parts)


def rsa(session):
    public, private = session.generate_keypair(KeyType.RSA, 2048, store=True, label="rsa")
    assert public.verify(DATA, private.sign(DATA))
    assert not public.verify(b"other", private.sign(DATA))
    pss = {
        "mechanism": Mechanism.SHA256_RSA_PKCS_PSS,
        "mechanism_param": (Mechanism.SHA256, MGF.SHA256, 32),
    }
    assert public.verify(DATA, private.sign(DATA, **pss), **pss)
    assert private.decrypt(public.encrypt(DATA)) == DATA


def curve(session):
    name = encode_named_curve_parameters("secp256r1")
    return session.create_domain_parameters(KeyType.EC, {Attribute.EC_PARAMS: name}, local=True)


def ec(session):
    public, private = curve(session).generate_keypair(store=True, label="ec")
    for mechanism in [Mechanism.ECDSA_SHA256, Mechanism.ECDSA]:
        signature = private.sign(DATA, mechanism=mechanism)
        assert public.verify(DATA, signature, mechanism=mechanism)
        assert not public.verify(b"other", signature, mechanism=mechanism)


def agree(session):
    pairs = [curve(session).generate_keypair(capabilities=MechanismFlag.DERIVE) for _ in "ab"]
    secrets = [
        private.derive_key(
            KeyType.AES,
            256,
            mechanism_param=(KDF.NULL, None, public[Attribute.EC_POINT]),
            template={**OPEN, Attribute.VALUE_LEN: 32},
        )[Attribute.VALUE]
        for (_, private), (public, _) in zip(pairs, reversed(pairs))
    ]
    assert secrets[0] == secrets[1] and len(secrets[0]) == 32


def wrap(session):
    key = session.generate_key(KeyType.AES, 256, template=OPEN)
    wrapping = MechanismFlag.WRAP | MechanismFlag.UNWRAP
    wrapper = session.generate_key(KeyType.AES, 256, capabilities=wrapping)
    cbc = {"mechanism": Mechanism.AES_CBC_PAD, "mechanism_param": bytes(16)}
    public, private = session.generate_keypair(KeyType.RSA, 2048, capabilities=wrapping)
    rsa = {"mechanism": Mechanism.RSA_PKCS}
    for there, back, how in [(wrapper, wrapper, cbc), (public, private, rsa)]:
        blob = there.wrap_key(key, **how)
        opened = back.unwrap_key(
            ObjectClass.SECRET_KEY, KeyType.AES, blob, template=OPEN, **how
        )
        assert opened[Attribute.VALUE] == key[Attribute.VALUE]


def mac(session):
    key = session.generate_key(
        KeyType.GENERIC_SECRET,
        256,
        mechanism=Mechanism.GENERIC_SECRET_KEY_GEN,
        capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY,
    )
    tag = key.sign(DATA, mechanism=Mechanism.SHA256_HMAC)
    assert key.verify(DATA, tag, mechanism=Mechanism.SHA256_HMAC)
    assert not key.verify(b"other", tag, mechanism=Mechanism.SHA256_HMAC)


def objects(session):
    key = session.get_key(label="aes", key_type=KeyType.AES)
    key.copy({Attribute.LABEL: "copy"})
    key[Attribute.LABEL] = "renamed"
    assert session.get_key(label="renamed").label == "renamed"
    assert len(list(session.get_objects({Attribute.LABEL: "rsa"}))) == 2
    for half in session.get_objects({Attribute.LABEL: "rsa"}):
        half.destroy()
    assert not list(session.get_objects({Attribute.LABEL: "rsa"}))
    try:
        session.get_key(label="aes")
        raise AssertionError("found by a label that it no longer has")
    except NoSuchKey:
        pass


def main():
    token = pkcs11.lib(sys.argv[1]).get_token(token_label="app")
    with token.open(user_pin=sys.argv[2], rw=True) as session:
        for theme in [random, digest, aes, rsa, ec, agree, wrap, mac, objects]:
            theme(session)
            print("held:", theme.__name__)
    try:
        token.open(user_pin="not the one")
        raise AssertionError("logged in with a wrong PIN")
    except PinIncorrect:
        pass
    # What was stored is there for the next session, and only for who logs in.
    with token.open() as session:
        assert not list(session.get_objects({Attribute.LABEL: "renamed"}))
    with token.open(user_pin=sys.argv[2]) as session:
        assert session.get_key(label="renamed")
    print("held: login")


main()
