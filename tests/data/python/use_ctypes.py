"""A client with nothing but ctypes: every C_ and CA_ function is looked up by its name, when it is first
called, as the vendor's own Python package does. Goes through what that package's functional tests go
through, on two user slots as a Crypto Officer. Prints a line for each theme that held.

Arguments: the Crypto Officer's password. The library is found as the package finds it: by the variable
CHRYSTOKI_CONF_DLL, else by LibUNIX64 in Chrystoki.conf.
"""

import os
import re
import sys
from ctypes import (CDLL, Structure, addressof, byref, c_char_p, c_ubyte, c_ulong, c_void_p,
                    cast, create_string_buffer, sizeof)

OK = 0
SLOT_FLAGS = 6
CO = 1


class Attribute(Structure):
    _fields_ = [("type", c_ulong), ("value", c_void_p), ("length", c_ulong)]


class Mechanism(Structure):
    _fields_ = [("mechanism", c_ulong), ("parameter", c_void_p), ("length", c_ulong)]


class Migration(Structure):
    _fields_ = [("type", c_ulong), ("source", c_ulong), ("target", c_ulong), ("rv", c_ulong)]


class Extract(Structure):
    _fields_ = [("input_length", c_ulong), ("input", c_void_p), ("session_length", c_ulong),
                ("session", c_void_p), ("flags", c_ulong), ("count", c_ulong), ("types", c_void_p),
                ("handles", c_void_p), ("results", c_void_p), ("lengths", c_void_p),
                ("blobs", c_void_p)]


class Insert(Structure):
    _fields_ = [("input_length", c_ulong), ("input", c_void_p), ("session_length", c_ulong),
                ("session", c_void_p), ("flags", c_ulong), ("count", c_ulong), ("types", c_void_p),
                ("storage", c_void_p), ("lengths", c_void_p), ("blobs", c_void_p),
                ("results", c_void_p), ("handles", c_void_p)]


def library_path():
    direct = os.environ.get("CHRYSTOKI_CONF_DLL")
    if direct:
        return direct
    folder = os.environ.get("ChrystokiConfigurationPath", "/etc")
    with open(os.path.join(folder, "Chrystoki.conf"), encoding="utf-8") as conf:
        text = conf.read()
    sections = re.findall(r"^Chrystoki2\s*=\s*\{([^}]*)\}", text, re.MULTILINE)
    assert len(sections) == 1, "exactly one section Chrystoki2"
    paths = re.findall(r"^\s*LibUNIX64\s*=\s*(.*?);", sections[0], re.MULTILINE)
    assert len(paths) == 1, "exactly one key LibUNIX64"
    return paths[0].strip("\"'")


LIBRARY = CDLL(library_path())


def call(name, *arguments):
    function = getattr(LIBRARY, name)
    function.restype = c_ulong
    return function(*[c_ulong(it) if isinstance(it, int) else it for it in arguments])


def need(name, *arguments):
    rv = call(name, *arguments)
    assert rv == OK, f"{name}: 0x{rv:x}"


def expect(code, name, *arguments):
    rv = call(name, *arguments)
    assert rv == code, f"{name}: 0x{rv:x}, and 0x{code:x} was wanted"


def number(value):
    return bytes(c_ulong(value))


def flag(value):
    return bytes([1 if value else 0])


def template(pairs):
    keep, rows = [], (Attribute * len(pairs))()
    for row, (kind, value) in zip(rows, pairs):
        buffer = create_string_buffer(value, len(value)) if value else None
        keep.append(buffer)
        row.type, row.length = kind, len(value)
        row.value = addressof(buffer) if buffer is not None else None
    rows.keep = keep
    return rows


def mechanism(kind, parameter=b""):
    made = Mechanism(kind, None, len(parameter))
    if parameter:
        made.keep = create_string_buffer(parameter, len(parameter))
        made.parameter = addressof(made.keep)
    return made


# Attribute numbers.
CLASS, TOKEN, PRIVATE, LABEL, VALUE, CERT_TYPE, SUBJECT = 0x0, 0x1, 0x2, 0x3, 0x11, 0x80, 0x101
KEY_TYPE, SENSITIVE, ENCRYPT, DECRYPT, WRAP, UNWRAP, SIGN = 0x100, 0x103, 0x104, 0x105, 0x106, 0x107, 0x108
VERIFY, DERIVE, MODULUS_BITS, EXPONENT, VALUE_LEN, EXTRACTABLE = 0x10a, 0x10c, 0x121, 0x122, 0x161, 0x162
MODIFIABLE, EC_PARAMS, EC_POINT, OUID = 0x170, 0x180, 0x181, 0x80000005
USAGE_COUNT, USAGE_LIMIT = 0x80000101, 0x80000200

# Key types, their generation, ECB, CBC, padded CBC, bytes of a block, bytes of the key.
CIPHERS = {
    "DES": (0x13, 0x120, 0x121, 0x122, 0x125, 8, 8),
    "DES3": (0x15, 0x131, 0x132, 0x133, 0x136, 8, 24),
    "AES": (0x1f, 0x1080, 0x1081, 0x1082, 0x1085, 16, 24),
    "CAST5": (0x18, 0x320, 0x321, 0x322, 0x325, 8, 16),
}


def usages(token=False):
    every = [ENCRYPT, DECRYPT, WRAP, UNWRAP, SIGN, VERIFY, DERIVE, EXTRACTABLE, SENSITIVE, PRIVATE,
             MODIFIABLE]
    return [(kind, flag(True)) for kind in every] + [(TOKEN, flag(token))]


def secret(session, cipher, more=(), token=False, label=b"ctypes"):
    kind, generate, *_, size = CIPHERS[cipher]
    pairs = [(CLASS, number(4)), (KEY_TYPE, number(kind)), (VALUE_LEN, number(size)),
             (LABEL, label)] + usages(token) + list(more)
    rows, key = template(pairs), c_ulong()
    need("C_GenerateKey", session, byref(mechanism(generate)), rows, len(rows), byref(key))
    return key.value


def rsa(session, bits=1024, token=False):
    public = template([(MODULUS_BITS, number(bits)), (EXPONENT, b"\0"), (ENCRYPT, flag(True)),
                       (VERIFY, flag(True)), (WRAP, flag(True)), (TOKEN, flag(token)),
                       (LABEL, b"ctypes")])
    private = template([(DECRYPT, flag(True)), (SIGN, flag(True)), (UNWRAP, flag(True)),
                        (TOKEN, flag(token)), (PRIVATE, flag(True)), (SENSITIVE, flag(True)),
                        (LABEL, b"ctypes")])
    one, two = c_ulong(), c_ulong()
    need("C_GenerateKeyPair", session, byref(mechanism(0)), public, len(public), private,
         len(private), byref(one), byref(two))
    return one.value, two.value


def attribute(session, handle, kind):
    row = (Attribute * 1)(Attribute(kind, None, 0))
    need("C_GetAttributeValue", session, handle, row, 1)
    room = create_string_buffer(row[0].length)
    row[0].value = addressof(room)
    need("C_GetAttributeValue", session, handle, row, 1)
    return room.raw[:row[0].length]


def crypt(session, name, key, way, data):
    need(f"C_{name}Init", session, byref(way), key)
    out, size = create_string_buffer(0xffff), c_ulong(0xffff)
    need(f"C_{name}", session, c_char_p(data), len(data), out, byref(size))
    return out.raw[:size.value]


def in_parts(session, name, key, way, parts):
    need(f"C_{name}Init", session, byref(way), key)
    result = b""
    for part in parts:
        out, size = create_string_buffer(0xffff), c_ulong(0xffff)
        need(f"C_{name}Update", session, c_char_p(part), len(part), out, byref(size))
        result += out.raw[:size.value]
    out, size = create_string_buffer(0xffff), c_ulong(0xffff)
    need(f"C_{name}Final", session, out, byref(size))
    return result + out.raw[:size.value]


def listed(slot):
    count = c_ulong()
    need("C_GetMechanismList", slot, None, byref(count))
    kinds = (c_ulong * count.value)()
    need("C_GetMechanismList", slot, kinds, byref(count))
    return set(kinds)


# Themes, in the order of the vendor's test files.

def cpv4(world):
    source, target = world.sessions
    certificate = template([(CLASS, number(1)), (CERT_TYPE, number(0)), (SUBJECT, b""),
                            (VALUE, b"sixteen bytes ok"), (TOKEN, flag(True))])
    data = template([(CLASS, number(0)), (VALUE, b"some data"), (TOKEN, flag(True))])
    handles = []
    for rows in (certificate, data):
        made = c_ulong()
        need("C_CreateObject", source, rows, len(rows), byref(made))
        handles.append(made.value)
    handles += [secret(source, cipher, token=True) for cipher in world.ciphers]
    handles += list(rsa(source, token=True))
    handles += [secret(source, "AES", token=True) for _ in range(100 - len(handles))]
    bad = [(0, 11111)] + [(kind, handles[0]) for kind in (1, 2, 3, 4, 0xffffffffffffffff)]
    rows = [(0, handle) for handle in handles] + bad
    entries = (Migration * len(rows))(*[Migration(kind, handle, 0, 0xff) for kind, handle in rows])
    need("CA_MigrateKeys", source, target, 1, len(rows), entries)
    for entry, handle in zip(entries, handles):
        assert entry.rv == OK and attribute(source, handle, OUID) == attribute(target, entry.target, OUID)
    codes = [entry.rv for entry in entries[len(handles):]]
    assert codes == [0x82] + [0x80000112] * 5, codes
    expect(0x7, "CA_MigrateKeys", source, target, 1, 0, entries)
    clean(target)

    # The handshake, and blobs by it.
    size, step, message = c_ulong(64000), c_ulong(), create_string_buffer(64000)
    need("CA_MigrationStartSessionNegotiation", target, 0, None, byref(step), byref(size), message)
    assert step.value == 2
    hello = message.raw[:size.value]
    route = None
    for session in (source, target):
        size, message = c_ulong(64000), create_string_buffer(64000)
        name_size, name = c_ulong(64000), create_string_buffer(64000)
        status, after = c_ulong(), c_ulong()
        need("CA_MigrationContinueSessionNegotiation", session, step.value, len(hello),
             c_char_p(hello), 0, None, byref(after), byref(size), message, byref(status),
             byref(name_size), name)
        step, hello = after, message.raw[:size.value]
        route = route or name.raw[:name_size.value]
    name = create_string_buffer(route, len(route))
    types, objects, results = (c_ulong * 1)(0), (c_ulong * 1)(handles[2]), (c_ulong * 1)(7)
    lengths, blob = (c_ulong * 1)(64000), create_string_buffer(64000)
    blobs = (c_void_p * 1)(addressof(blob))
    pointer = lambda array: cast(array, c_void_p)
    params = Extract(0, None, len(route), addressof(name), 0, 1, pointer(types), pointer(objects),
                     pointer(results), pointer(lengths), pointer(blobs))
    need("CA_Extract", source, byref(Mechanism(0x80000208, addressof(params), sizeof(params))))
    assert results[0] == OK
    storage, found = (c_ulong * 1)(1), (c_ulong * 1)(0)
    params = Insert(0, None, len(route), addressof(name), 0, 1, pointer(types), pointer(storage),
                    pointer(lengths), pointer(blobs), pointer(results), pointer(found))
    need("CA_Insert", target, byref(Mechanism(0x80000209, addressof(params), sizeof(params))))
    assert results[0] == OK
    assert attribute(source, handles[2], OUID) == attribute(target, found[0], OUID)
    need("CA_MigrationCloseSession", source, len(route), name)
    need("CA_MigrationCloseSession", target, len(route), name)
    clean(source)
    clean(target)


def clean(session):
    rows = template([(TOKEN, flag(True))])
    need("C_FindObjectsInit", session, rows, 1)
    found, count = (c_ulong * 2048)(), c_ulong()
    need("C_FindObjects", session, found, 2048, byref(count))
    need("C_FindObjectsFinal", session)
    if count.value:
        failed = c_ulong()
        need("CA_DestroyMultipleObjects", session, count.value, found, byref(failed))


def digests(world):
    session = world.sessions[0]
    for kind, size in ((0x200, 16), (0x220, 20), (0x255, 28), (0x250, 32), (0x260, 48), (0x270, 64)):
        need("C_DigestInit", session, byref(mechanism(kind)))
        out, length = create_string_buffer(64), c_ulong(64)
        need("C_Digest", session, c_char_p(b"some data" * 2), 18, out, byref(length))
        assert length.value == size
        whole = out.raw[:size]
        need("C_DigestInit", session, byref(mechanism(kind)))
        for _ in range(2):
            need("C_DigestUpdate", session, c_char_p(b"some data"), 9)
        length = c_ulong(64)
        need("C_DigestFinal", session, out, byref(length))
        assert out.raw[:size] == whole


def encryption(world):
    session = world.sessions[0]
    for cipher in world.ciphers:
        _, _, ecb, cbc, padded, block, _ = CIPHERS[cipher]
        key = secret(session, cipher)
        iv = b"12345678" * (block // 8)
        for kind, parameter, any_length in ((ecb, b"", False), (cbc, iv, False), (padded, iv, True)):
            way = mechanism(kind, parameter)
            for data in (b"a" * 32, b"b" * 65520):
                sealed = crypt(session, "Encrypt", key, way, data)
                assert crypt(session, "Decrypt", key, way, sealed)[:len(data)] == data
            parts = [b"c" * 32] * 4
            sealed = in_parts(session, "Encrypt", key, way, parts)
            back = in_parts(session, "Decrypt", key, way, [sealed])
            assert back.rstrip(b"\0") == b"".join(parts)
            if not any_length:
                need("C_EncryptInit", session, byref(way), key)
                out, size = create_string_buffer(64), c_ulong(64)
                expect(0x21, "C_Encrypt", session, c_char_p(b"eleven byte"), 11, out, byref(size))
        need("C_DestroyObject", session, key)


def tokens(world):
    count = c_ulong()
    need("C_GetSlotList", c_ubyte(1), None, byref(count))
    slots = (c_ulong * count.value)()
    need("C_GetSlotList", c_ubyte(1), slots, byref(count))
    for slot in slots:
        info = create_string_buffer(208)
        need("C_GetTokenInfo", slot, info)
        flags = int.from_bytes(info.raw[96:104], sys.byteorder)
        assert flags & (0x400 | 0x4 | 0x20)
        major, minor, sub = c_ulong(), c_ulong(), c_ulong()
        need("CA_GetFirmwareVersion", slot, byref(major), byref(minor), byref(sub))
        assert major.value >= 7


def management(world):
    session = world.sessions[0]
    rows = template([(CLASS, number(4)), (KEY_TYPE, number(0x1f))])
    expect(0x13, "CA_SetTokenCertificateSignature", session, 1, 0, rows, len(rows),
           c_char_p(b"signature"), 9)
    # A Crypto Officer's key of 1024 bits that is good for much else logs nobody in.
    assert call("CA_HAInit", session, rsa(session)[1]) != OK
    key = secret(session, world.ciphers[0])
    for command in (1, 2):
        need("CA_ModifyUsageCount", session, key, command, 0)
    expect(0xb3, "CA_CloneMofN", session, 0, None)


def keys(world):
    session = world.sessions[0]
    made = []
    for cipher in world.ciphers:
        key = secret(session, cipher)
        made.append(key)
        if cipher == "AES":
            data = create_string_buffer(b"d" * 32, 32)
            params = number(addressof(data)) + number(32)
            rows = template([(CLASS, number(4)), (KEY_TYPE, number(0x1f)), (VALUE_LEN, number(32))])
            derived = c_ulong()
            need("C_DeriveKey", session, byref(mechanism(0x1104, params)), key, rows, len(rows),
                 byref(derived))
            made.append(derived.value)
    made += list(rsa(session))
    for curve in (b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", b"\x06\x05\x2b\x81\x04\x00\x22"):
        pairs = [(EC_PARAMS, curve), (VERIFY, flag(True)), (DERIVE, flag(True)), (ENCRYPT, flag(True))]
        public = template(pairs + [(TOKEN, flag(False))])
        private = template([(SIGN, flag(True)), (DERIVE, flag(True)), (DECRYPT, flag(True)),
                            (TOKEN, flag(False))])
        ends = []
        for _ in range(2):
            one, two = c_ulong(), c_ulong()
            need("C_GenerateKeyPair", session, byref(mechanism(0x1040)), public, len(public), private,
                 len(private), byref(one), byref(two))
            ends.append((one.value, two.value))
            made += [one.value, two.value]
        values = []
        for own, other in ((0, 1), (1, 0)):
            point = attribute(session, ends[other][0], EC_POINT)
            data = create_string_buffer(point, len(point))
            params = number(1) + number(0) + number(0) + number(len(point)) + number(addressof(data))
            rows = template([(CLASS, number(4)), (KEY_TYPE, number(0x1f)), (VALUE_LEN, number(32)),
                             (ENCRYPT, flag(True)), (DECRYPT, flag(True))])
            derived = c_ulong()
            need("C_DeriveKey", session, byref(mechanism(0x1050, params)), ends[own][1], rows,
                 len(rows), byref(derived))
            values.append(crypt(session, "Encrypt", derived.value, mechanism(0x1081), b"e" * 16))
            made.append(derived.value)
        assert values[0] == values[1]
    failed, handles = c_ulong(), (c_ulong * len(made))(*made)
    need("CA_DestroyMultipleObjects", session, len(made), handles, byref(failed))
    expect(0x82, "CA_DestroyMultipleObjects", session, len(made), handles, byref(failed))
    assert failed.value == 0


def chance(world):
    session = world.sessions[0]
    out = create_string_buffer(64)
    need("C_GenerateRandom", session, out, 64)
    assert out.raw != bytes(64)
    need("C_SeedRandom", session, c_char_p(b"seed"), 4)


def objects(world):
    session = world.sessions[0]
    rows = template([(CLASS, number(1)), (CERT_TYPE, number(0)), (SUBJECT, b""),
                     (VALUE, b"sixteen bytes ok"), (TOKEN, flag(True))])
    made = c_ulong()
    need("C_CreateObject", session, rows, len(rows), byref(made))
    assert attribute(session, made.value, VALUE) == b"sixteen bytes ok"
    assert attribute(session, made.value, SUBJECT) == b""
    ouid = attribute(session, made.value, OUID)
    high, low, container, level = c_ulong(), c_ulong(), c_ulong(), c_ulong()
    need("CA_GetSessionInfo", session, byref(high), byref(low), byref(container), byref(level))
    kind, handle = c_ulong(7), c_ulong()
    need("CA_GetObjectHandle", world.slots[0], container.value,
         create_string_buffer(ouid, len(ouid)), byref(kind), byref(handle))
    assert (kind.value, handle.value) == (0, made.value)
    told = create_string_buffer(12)
    need("CA_GetObjectUID", world.slots[0], container.value, 0, made.value, told)
    assert told.raw == ouid
    need("C_DestroyObject", session, made.value)


def signatures(world):
    session = world.sessions[0]
    public, private = rsa(session)
    need("C_SignInit", session, byref(mechanism(0x1)), private)
    out, size = create_string_buffer(128), c_ulong(128)
    need("C_Sign", session, c_char_p(b"f" * 33), 33, out, byref(size))
    need("C_VerifyInit", session, byref(mechanism(0x1)), public)
    need("C_Verify", session, c_char_p(b"f" * 33), 33, out, size.value)
    key = secret(session, "AES")
    for kind in (0x1083, 0x108a):
        if kind not in world.mechanisms:
            continue
        need("C_SignInit", session, byref(mechanism(kind)), key)
        for _ in range(2):
            need("C_SignUpdate", session, c_char_p(b"g" * 1024), 1024)
        out, size = create_string_buffer(64), c_ulong(64)
        need("C_SignFinal", session, out, byref(size))
        need("C_VerifyInit", session, byref(mechanism(kind)), key)
        need("C_Verify", session, c_char_p(b"g" * 2048), 2048, out, size.value)


def limits(world):
    session = world.sessions[0]
    way = mechanism(0x1081)
    at_birth = secret(session, "AES", [(USAGE_LIMIT, number(5))])
    later = secret(session, "AES")
    rows = template([(USAGE_LIMIT, number(5))])
    need("C_SetAttributeValue", session, later, rows, 1)
    for key in (at_birth, later):
        for used in range(5):
            assert attribute(session, key, USAGE_COUNT) == number(used)
            crypt(session, "Encrypt", key, way, b"h" * 16)
        assert attribute(session, key, USAGE_COUNT) == number(5)
        expect(0x80000136, "C_EncryptInit", session, byref(way), key)


def wrapping(world):
    session = world.sessions[0]
    for cipher in world.ciphers:
        kind, _, ecb, cbc, padded, block, size = CIPHERS[cipher]
        wrapper, key = secret(session, cipher), secret(session, cipher)
        iv = b"12345678" * (block // 8)
        ways = [(cbc, iv), (padded, iv)] if size % block else [(ecb, b""), (cbc, iv), (padded, iv)]
        for number_of, parameter in ways:
            if size % block and number_of != padded:
                continue
            way = mechanism(number_of, parameter)
            length = c_ulong()
            need("C_WrapKey", session, byref(way), wrapper, key, None, byref(length))
            out = create_string_buffer(length.value)
            need("C_WrapKey", session, byref(way), wrapper, key, out, byref(length))
            rows = template([(CLASS, number(4)), (KEY_TYPE, number(kind)), (VALUE_LEN, number(size))]
                            + usages())
            back = c_ulong()
            need("C_UnwrapKey", session, byref(way), wrapper, out, length.value, rows, len(rows),
                 byref(back))
            sealed = crypt(session, "Encrypt", key, mechanism(ecb), b"i" * 32)
            assert crypt(session, "Decrypt", back.value, mechanism(ecb), sealed) == b"i" * 32
    # Derived and wrapped by KWP, without a vector and with one of four bytes.
    base, wrapper = secret(session, "AES"), secret(session, "AES")
    data = create_string_buffer(b"j" * 32, 32)
    derive = mechanism(0x1104, number(addressof(data)) + number(32))
    rows = template([(CLASS, number(4)), (KEY_TYPE, number(0x1f)), (VALUE_LEN, number(32))] + usages())
    for iv in (b"", b"1234"):
        out, length = create_string_buffer(2048), c_ulong(2048)
        need("CA_DeriveKeyAndWrap", session, byref(derive), base, rows, len(rows),
             byref(mechanism(0x80000171, iv)), wrapper, out, byref(length))
        assert length.value >= 40


def sharing(world):
    session, slot = world.sessions[0], world.slots[0]
    need("CA_OpenApplicationID", slot, 7, 8)
    expect(0x20, "CA_OpenApplicationID", slot, 7, 8)
    need("CA_CloseApplicationID", slot, 7, 8)
    assert call("CA_CloseApplicationID", slot, 7, 8) != OK
    need("CA_SessionCancel", session, 0xffff)
    if call("CA_GetTime", session, byref(c_ulong())) != 0x54:
        need("CA_GetTime", session, byref(c_ulong()))


class World:
    def __init__(self, password):
        need("C_Initialize", None)
        count = c_ulong(2)
        self.slots, self.sessions = [0, 1], []
        for slot in self.slots:
            session = c_ulong()
            need("C_OpenSession", slot, SLOT_FLAGS, None, None, byref(session))
            need("C_Login", session.value, CO, c_char_p(password), len(password))
            self.sessions.append(session.value)
        self.mechanisms = listed(self.slots[0])
        self.ciphers = [it for it, row in CIPHERS.items() if row[1] in self.mechanisms]
        assert "AES" in self.ciphers and count.value == 2

    def end(self):
        for session in self.sessions:
            need("C_Logout", session)
            need("C_CloseSession", session)
        need("C_Finalize", None)


THEMES = [cpv4, digests, encryption, tokens, management, keys, chance, objects, signatures, limits,
          wrapping, sharing]


def main():
    world = World(sys.argv[1].encode())
    for theme in THEMES:
        theme(world)
        print(f"held: {theme.__name__}")
    world.end()
    print("held: end")


main()
