"""Signs twenty messages with a key on an HA group. Environment: LUNA_MODULE, HSM_TOKEN, HSM_PIN."""

import os
import time

import PyKCS11
from PyKCS11 import CKA_TOKEN, PyKCS11Error

P256 = bytes.fromhex("06082a8648ce3d030107")
MAKE = PyKCS11.Mechanism(PyKCS11.CKM_EC_KEY_PAIR_GEN, None)
SIGN = PyKCS11.Mechanism(PyKCS11.CKM_ECDSA_SHA256, None)


def session_on(label):
    module = PyKCS11.PyKCS11Lib()
    module.load(os.environ["LUNA_MODULE"])
    for slot in module.getSlotList(tokenPresent=True):
        if module.getTokenInfo(slot).label.strip() == label:
            session = module.openSession(slot, PyKCS11.CKF_SERIAL_SESSION | PyKCS11.CKF_RW_SESSION)
            session.login(os.environ["HSM_PIN"])
            return session
    raise SystemExit(f"no token is called {label}")


def key_pair(session):
    """Made again where nobody knows what became of the first: the group does not repeat what may have been done."""
    for attempt in range(3):
        try:
            return session.generateKeyPair(
                [(CKA_TOKEN, True), (PyKCS11.CKA_VERIFY, True), (PyKCS11.CKA_EC_PARAMS, P256)],
                [(CKA_TOKEN, True), (PyKCS11.CKA_SIGN, True)],
                MAKE,
            )
        except PyKCS11Error as error:
            print(f"attempt {attempt + 1} to make a key pair: {error}")
    raise SystemExit("no key pair could be made")


session = session_on(os.environ["HSM_TOKEN"])
public, private = key_pair(session)
for number in range(20):
    time.sleep(0.05)  # Until the next request comes in.
    message = b"message %d" % number
    signature = session.sign(private, message, SIGN)
    assert session.verify(public, message, signature, SIGN), number
print("20 signatures, all verified")
session.logout()
session.closeSession()
