"""What a program with PyKCS11 does with the first token. Words: module, PIN."""

import hashlib
import sys

import PyKCS11
from PyKCS11 import CKA_CLASS, CKA_ID, CKA_KEY_TYPE, CKA_LABEL, CKA_TOKEN, PyKCS11Error

DATA = b"the quick brown fox"
P256 = bytes.fromhex("06082a8648ce3d030107")


def mechanism(name, parameter=None):
    return PyKCS11.Mechanism(getattr(PyKCS11, name), parameter)


def secret(label, *usages):
    template = [
        (CKA_CLASS, PyKCS11.CKO_SECRET_KEY),
        (CKA_KEY_TYPE, PyKCS11.CKK_AES),
        (CKA_LABEL, label),
        (PyKCS11.CKA_VALUE_LEN, 32),
        (PyKCS11.CKA_EXTRACTABLE, True),
        (PyKCS11.CKA_SENSITIVE, False),
    ]
    return template + [(usage, True) for usage in usages]


def random(session):
    assert len(session.generateRandom(32)) == 32
    session.seedRandom(b"12345678")


def digest(session):
    assert bytes(session.digest(DATA)) == hashlib.sha1(DATA).digest()
    told = session.digest(DATA, mechanism("CKM_SHA256"))
    assert bytes(told) == hashlib.sha256(DATA).digest()


def aes(session):
    template = secret("aes", PyKCS11.CKA_ENCRYPT, PyKCS11.CKA_DECRYPT)
    key = session.generateKey(template + [(CKA_TOKEN, True)])
    gcm = PyKCS11.AES_GCM_Mechanism(b"123456789012", b"more", 128)
    for how in [mechanism("CKM_AES_CBC_PAD", bytes(16)), gcm]:
        sealed = session.encrypt(key, DATA, how)
        assert bytes(session.decrypt(key, sealed, how)) == DATA != bytes(sealed)


def pair(session, public, private, how):
    common = [(CKA_TOKEN, True), (CKA_ID, b"\x07"), (CKA_LABEL, "pair")]
    return session.generateKeyPair(
        common + public + [(PyKCS11.CKA_VERIFY, True)],
        common + private + [(PyKCS11.CKA_SIGN, True)],
        how,
    )


def signs(session, public, private, how):
    signature = session.sign(private, DATA, how)
    assert session.verify(public, DATA, signature, how)
    assert not session.verify(public, b"other", signature, how)


def rsa(session):
    exponent = (PyKCS11.CKA_PUBLIC_EXPONENT, (1, 0, 1))
    public, private = pair(
        session,
        [(PyKCS11.CKA_MODULUS_BITS, 2048), exponent, (PyKCS11.CKA_ENCRYPT, True)],
        [(PyKCS11.CKA_DECRYPT, True)],
        PyKCS11.MechanismRSAGENERATEKEYPAIR,
    )
    signs(session, public, private, mechanism("CKM_SHA256_RSA_PKCS"))
    pss = PyKCS11.RSA_PSS_Mechanism(
        PyKCS11.CKM_SHA256_RSA_PKCS_PSS, PyKCS11.CKM_SHA256, PyKCS11.CKG_MGF1_SHA256, 32
    )
    signs(session, public, private, pss)
    oaep = PyKCS11.RSAOAEPMechanism(PyKCS11.CKM_SHA256, PyKCS11.CKG_MGF1_SHA256)
    sealed = session.encrypt(public, DATA, oaep)
    assert bytes(session.decrypt(private, sealed, oaep)) == DATA


def ec(session):
    generate = mechanism("CKM_EC_KEY_PAIR_GEN")
    public, private = pair(session, [(PyKCS11.CKA_EC_PARAMS, P256)], [], generate)
    signs(session, public, private, mechanism("CKM_ECDSA_SHA256"))


def wrap(session):
    key = session.generateKey(secret("key"))
    wrapper = session.generateKey(secret("wrapper", PyKCS11.CKA_WRAP, PyKCS11.CKA_UNWRAP))
    how = mechanism("CKM_AES_CBC_PAD", bytes(16))
    template = [row for row in secret("back") if row[0] != PyKCS11.CKA_VALUE_LEN]
    back = session.unwrapKey(wrapper, session.wrapKey(wrapper, key, how), template, how)
    values = [session.getAttributeValue(one, [PyKCS11.CKA_VALUE])[0] for one in (key, back)]
    assert values[0] == values[1] and len(values[0]) == 32


def objects(session):
    pairs = session.findObjects([(CKA_LABEL, "pair")])
    assert len(pairs) == 4
    for one in pairs:
        # Reads every attribute that it knows of, most of which an object does not have.
        assert one.to_dict()["CKA_LABEL"] == "pair"
        session.destroyObject(one)
    assert not session.findObjects([(CKA_LABEL, "pair")])
    # One row more than a search hands out at once.
    data = [(CKA_CLASS, PyKCS11.CKO_DATA), (CKA_LABEL, "data")]
    for _ in range(11):
        session.createObject(data)
    assert len(session.findObjects(data)) == 11


def main():
    library = PyKCS11.PyKCS11Lib()
    library.load(sys.argv[1])
    slot = library.getSlotList(tokenPresent=True)[0]
    assert library.getTokenInfo(slot).label.strip() == "app"
    # PyKCS11 1.5.20 adds this one to every list, whatever the token said.
    for one in set(library.getMechanismList(slot)) - {"CKM_ML_DSA"}:
        library.getMechanismInfo(slot, one)
    session = library.openSession(slot, PyKCS11.CKF_SERIAL_SESSION | PyKCS11.CKF_RW_SESSION)
    session.login(sys.argv[2])
    for theme in [random, digest, aes, rsa, ec, wrap, objects]:
        theme(session)
        print("held:", theme.__name__)
    session.logout()
    try:
        session.login("not the one")
        raise AssertionError("logged in with a wrong PIN")
    except PyKCS11Error as error:
        assert error.value == PyKCS11.CKR_PIN_INCORRECT, error
    assert not session.findObjects([(CKA_LABEL, "aes")])
    session.login(sys.argv[2])
    assert len(session.findObjects([(CKA_LABEL, "aes")])) == 1
    session.closeSession()
    print("held: login")


main()
