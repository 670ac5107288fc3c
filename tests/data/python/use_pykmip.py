"""PyKMIP as an endpoint of the key vault.

Arguments: the endpoint's directory, then a verb and what it takes. Every theme that held is a line of its own.
"""

import hashlib
import sys
import time

from kmip import enums
from kmip.core import primitives
from kmip.core.factories.attributes import AttributeFactory
from kmip.core.messages import messages, payloads
from kmip.pie import exceptions, objects
from kmip.pie.client import ProxyKmipClient

MASK = [enums.CryptographicUsageMask.ENCRYPT, enums.CryptographicUsageMask.DECRYPT]
AES = enums.CryptographicAlgorithm.AES


def held(theme):
    print(f"held: {theme}", flush=True)


def client(directory, version=enums.KMIPVersion.KMIP_1_1):
    with open(f"{directory}/okvclient.ora", encoding="ascii") as file:
        settings = dict(line.strip().split("=", 1) for line in file)
    host, port = settings["SERVER"].rsplit(":", 1)
    ssl = f"{directory}/{settings['SSL_DIR']}"
    made = ProxyKmipClient(
        hostname=host, port=int(port), cert=f"{ssl}/cert.pem", key=f"{ssl}/key.pem",
        ca=f"{ssl}/CA.pem", kmip_version=version)
    # A loaded machine answers late.
    made.proxy.timeout = 120
    return made


def refused(reason, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except exceptions.KmipOperationFailure as error:
        assert error.reason == reason, error
        assert error.message, error
        return error
    except Exception as error:
        # The layer below says the same in another way.
        assert getattr(error, "reason", None) == reason, repr(error)
        return error
    raise AssertionError(f"{call.__name__} was not refused")


def state(it, uid):
    _, attributes = it.get_attributes(uid, ["State"])
    return attributes[0].attribute_value.value


def attribute(name, value):
    return AttributeFactory().create_attribute(name, value)


def name_of(text):
    return attribute(enums.AttributeType.NAME, text)


def life(it):
    """The whole life of keys and other objects."""
    uid = it.create(AES, 256, name="first key", cryptographic_usage_mask=MASK)
    key = it.get(uid)
    assert len(key.value) == 32 and key.cryptographic_length == 256, key
    assert state(it, uid) == enums.State.PRE_ACTIVE
    held("create")

    secret = bytes(range(32))
    registered = it.register(objects.SymmetricKey(AES, 256, secret, masks=MASK, name="brought key"))
    assert it.get(registered).value == secret
    _, digests = it.get_attributes(registered, ["Digest"])
    assert digests[0].attribute_value.digest_value.value == hashlib.sha256(secret).digest()
    password = it.register(objects.SecretData(b"a password of eight words", enums.SecretDataType.PASSWORD))
    assert it.get(password).value == b"a password of eight words"
    opaque = it.register(objects.OpaqueObject(b"\x00wallet" * 1000, enums.OpaqueDataType.NONE, name="wallet file"))
    assert it.get(opaque).value == b"\x00wallet" * 1000
    certificate = it.register(objects.X509Certificate(b"0\x03\x02\x01\x01", name="certificate"))
    assert it.get(certificate).value == b"0\x03\x02\x01\x01"
    private = it.register(objects.PrivateKey(
        enums.CryptographicAlgorithm.RSA, 2048, b"pkcs 8", enums.KeyFormatType.PKCS_8,
        masks=[enums.CryptographicUsageMask.SIGN], name="private"))
    assert it.get(private).value == b"pkcs 8"
    held("register")

    assert it.locate(attributes=[name_of("first key")]) == [uid]
    keys = [attribute(enums.AttributeType.OBJECT_TYPE, enums.ObjectType.SYMMETRIC_KEY)]
    assert set(it.locate(attributes=keys)) == {uid, registered}
    assert len(it.locate(maximum_items=2)) == 2
    assert it.locate(attributes=[name_of("nobody's")]) == []
    now = int(time.time())
    dates = [attribute(enums.AttributeType.INITIAL_DATE, at) for at in (now - 600, now + 600)]
    assert len(it.locate(attributes=dates)) == 6
    held("locate")

    names = it.get_attribute_list(uid)
    for name in ["Unique Identifier", "Object Type", "State", "Initial Date", "Digest", "Name", "Last Change Date"]:
        assert name in names, names
    held("attribute list")

    add_attribute(it, uid, attribute(enums.AttributeType.CONTACT_INFORMATION, "who to ask"))
    _, found = it.get_attributes(uid, ["Contact Information"])
    assert found[0].attribute_value.value == "who to ask"
    changed = attribute(enums.AttributeType.CONTACT_INFORMATION, "somebody else")
    it.modify_attribute(uid, attribute=changed)
    _, found = it.get_attributes(uid, ["Contact Information"])
    assert found[0].attribute_value.value == "somebody else"
    it.delete_attribute(uid, attribute_name="Contact Information", attribute_index=0)
    assert "Contact Information" not in it.get_attribute_list(uid)
    held("attributes")

    it.activate(uid)
    assert state(it, uid) == enums.State.ACTIVE
    refused(enums.ResultReason.PERMISSION_DENIED, it.activate, uid)
    refused(enums.ResultReason.PERMISSION_DENIED, it.destroy, uid)
    held("activate")

    new = it.rekey(uid)
    assert new != uid and it.get(new).value != it.get(uid).value
    assert it.locate(attributes=[name_of("first key")]) == [new]
    # What a link holds is more than PyKMIP reads.
    assert "Link" in it.get_attribute_list(new) and "Link" in it.get_attribute_list(uid)
    assert state(it, new) == enums.State.ACTIVE
    held("re-key")

    it.revoke(enums.RevocationReasonCode.CESSATION_OF_OPERATION, uid, "no longer needed")
    assert state(it, uid) == enums.State.DEACTIVATED
    it.revoke(enums.RevocationReasonCode.KEY_COMPROMISE, registered, compromise_occurrence_date=1)
    assert state(it, registered) == enums.State.COMPROMISED
    held("revoke")

    it.destroy(uid)
    refused(enums.ResultReason.PERMISSION_DENIED, it.get, uid)
    assert state(it, uid) == enums.State.DESTROYED
    it.destroy(registered)
    assert state(it, registered) == enums.State.DESTROYED_COMPROMISED
    held("destroy")

    refused(enums.ResultReason.ITEM_NOT_FOUND, it.get, "no such object")
    refused(enums.ResultReason.ILLEGAL_OPERATION, it.create, AES, 256, name="wallet file", cryptographic_usage_mask=MASK)
    refused(enums.ResultReason.INVALID_FIELD, it.create, AES, 512, cryptographic_usage_mask=MASK)
    refused(enums.ResultReason.OPERATION_NOT_SUPPORTED, it.create_key_pair, enums.CryptographicAlgorithm.RSA, 2048)
    held("refusals")

    answer = it.proxy.query(query_functions=[
        enums.QueryFunction.QUERY_OPERATIONS, enums.QueryFunction.QUERY_OBJECTS,
        enums.QueryFunction.QUERY_SERVER_INFORMATION])
    assert len(answer.operations) == 14, answer.operations
    assert "simulated" in str(answer.vendor_identification), answer.vendor_identification
    held("query")


def add_attribute(it, uid, value):
    """PyKMIP has no call for Add Attribute; Modify Attribute's request has the same fields."""
    payload = payloads.ModifyAttributeRequestPayload(unique_identifier=uid, attribute=value)
    item = messages.RequestBatchItem(
        operation=primitives.Enumeration(
            enums.Operation, enums.Operation.ADD_ATTRIBUTE, enums.Tags.OPERATION),
        request_payload=payload)
    it.proxy._send_message(it.proxy._build_request_message(None, [item]))
    answer = bytes(it.proxy._receive_message().buffer)
    success = bytes.fromhex("42007f05 00000004 00000000 00000000")
    assert success in answer, answer.hex()


def main():
    directory, verb, *rest = sys.argv[1:]
    with client(directory) as it:
        if verb == "life":
            life(it)
        elif verb == "create":
            # A key of this name: its identifier and its bytes.
            uid = it.create(AES, 256, name=rest[0], cryptographic_usage_mask=MASK)
            print(uid, it.get(uid).value.hex())
        elif verb == "register":
            print(it.register(objects.SecretData(bytes.fromhex(rest[1]), enums.SecretDataType.PASSWORD, name=rest[0])))
        elif verb == "get":
            print(it.get(rest[0]).value.hex())
        elif verb == "locate":
            print("\n".join(it.locate(attributes=[name_of(rest[0])])))
        elif verb == "activate":
            it.activate(rest[0])
        elif verb == "destroy":
            it.destroy(rest[0])
        else:
            raise SystemExit(f"no verb {verb}")


try:
    main()
except (exceptions.KmipOperationFailure, OSError) as error:
    reason = getattr(error, "reason", None)
    raise SystemExit(f"refused: {reason.name if reason else type(error).__name__}: {error}") from None
