//! Objects: made, copied, changed, destroyed.

use luna_client::ck::*;
use luna_client::{Attribute, Mechanism, ObjectHandle, Session};

use crate::check::{Finding, Mark, Needs, Outcome, Registry, Row, agree, ensure, refused, same};
use crate::keys::Family;
use crate::stage::Stage;

const CREATE: &str = "section 5.7 (C_CreateObject); section 4.1.1";

const ROWS: &[Row] = &[
    Row {
        id: "create.values",
        title: "an object has the attributes it was made with",
        source: (Mark::Standard, CREATE),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            let object = data(stage, &session, false, b"value")?;
            let values = session.attributes(object, &[CKA_VALUE, CKA_LABEL, CKA_TOKEN])?;
            same("CKA_VALUE", &Some(b"value".to_vec()), &values.first().cloned().flatten())?;
            same(
                "CKA_LABEL",
                &Some(stage.label().into_bytes()),
                &values.get(1).cloned().flatten(),
            )?;
            same("CKA_TOKEN", &Some(vec![0]), &values.get(2).cloned().flatten())
        },
    },
    Row {
        id: "create.no-class",
        title: "an object without a class is refused",
        source: (Mark::Standard, "section 4.1.1 (CKR_TEMPLATE_INCOMPLETE)"),
        needs: Needs::session_objects,
        run: |stage| {
            let seen = stage.session()?.create_object(&stage.own(false));
            refused("C_CreateObject", seen, &[CKR_TEMPLATE_INCOMPLETE])
        },
    },
    Row {
        id: "create.class",
        title: "an object of a class nobody knows is refused",
        source: (Mark::Standard, "section 4.1.1 (CKR_ATTRIBUTE_VALUE_INVALID)"),
        needs: Needs::session_objects,
        run: |stage| {
            let template = [vec![Attribute::class(0x0eee_0000)], stage.own(false)].concat();
            let seen = stage.session()?.create_object(&template);
            let codes = [CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCONSISTENT];
            refused("C_CreateObject", seen, &codes)
        },
    },
    Row {
        id: "create.key-without-value",
        title: "a secret key without a value is refused",
        source: (Mark::Standard, "section 4.1.1 (CKR_TEMPLATE_INCOMPLETE)"),
        needs: Needs::session_objects,
        run: |stage| {
            let key = vec![Attribute::class(CKO_SECRET_KEY), Attribute::key_type(CKK_AES)];
            let seen = stage.session()?.create_object(&[key, stage.own(false)].concat());
            refused("C_CreateObject", seen, &[CKR_TEMPLATE_INCOMPLETE])
        },
    },
    Row {
        id: "create.key-length",
        title: "an AES key of 17 bytes is refused",
        source: (Mark::Standard, "mechanisms, section 2.8.2; section 4.1.1"),
        needs: Needs::session_objects,
        run: |stage| {
            let template = [secret(CKK_AES, &[7; 17]), stage.own(false)].concat();
            let seen = stage.session()?.create_object(&template);
            let codes =
                [CKR_ATTRIBUTE_VALUE_INVALID, CKR_KEY_SIZE_RANGE, CKR_TEMPLATE_INCONSISTENT];
            refused("C_CreateObject", seen, &codes)
        },
    },
    Row {
        id: "create.local",
        title: "who makes an object does not say that it is local",
        source: (
            Mark::Standard,
            "section 4.7.2 (CKA_LOCAL), section 4.1.1 (CKR_ATTRIBUTE_READ_ONLY)",
        ),
        needs: Needs::session_objects,
        run: |stage| {
            let mut template = [secret(CKK_AES, &[7; 16]), stage.own(false)].concat();
            template.push(Attribute::bool(CKA_LOCAL, true));
            let seen = stage.session()?.create_object(&template);
            let codes =
                [CKR_ATTRIBUTE_READ_ONLY, CKR_TEMPLATE_INCONSISTENT, CKR_ATTRIBUTE_TYPE_INVALID];
            refused("C_CreateObject", seen, &codes)
        },
    },
    Row {
        id: "create.history",
        title: "an imported key was not always sensitive and never unextractable",
        source: (Mark::Standard, "section 4.7.2 (CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE)"),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            let key = import(stage, &session, &[])?;
            for kind in [CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE, CKA_LOCAL] {
                same(&names::cka(kind), &Some(vec![0]), &session.attribute(key, kind)?)?;
            }
            Ok(())
        },
    },
    Row {
        id: "create.all-or-nothing",
        title: "what cannot be made whole is not made",
        source: (Mark::Standard, CREATE),
        needs: Needs::token_objects,
        run: |stage| {
            let session = stage.session()?;
            let mut template = [vec![Attribute::class(CKO_DATA)], stage.own(true)].concat();
            template.push(Attribute::ulong(0x0baf_baf0, 1));
            refused(
                "C_CreateObject",
                session.create_object(&template),
                &[CKR_ATTRIBUTE_TYPE_INVALID, CKR_TEMPLATE_INCONSISTENT],
            )?;
            let found = session.find(&[Attribute::label(&stage.label())])?;
            same("objects made", &0, &found.len())
        },
    },
    Row {
        id: "token.survives",
        title: "an object on the token outlives its session",
        source: (Mark::Standard, "section 5.6 (C_CloseSession)"),
        needs: Needs::token_objects,
        run: |stage| {
            let session = stage.session()?;
            data(stage, &session, true, b"stays")?;
            session.close()?;
            let session = stage.session()?;
            let found = session.find(&[Attribute::label(&stage.label())])?;
            same("objects found", &1, &found.len())
        },
    },
    Row {
        id: "token.survives-finalize",
        title: "an object on the token outlives the library's life",
        source: (Mark::Standard, "section 2 (token objects)"),
        needs: Needs::token_objects,
        run: |stage| {
            let session = stage.session()?;
            data(stage, &session, true, b"stays")?;
            drop(session);
            stage.leave();
            // Nothing of the first life is left to answer from.
            let context = stage.module.initialize(stage.init_args())?;
            let slot = stage.find_slot(&context)?;
            let session = stage.logged_in(&context, slot)?;
            let found = session.find(&[Attribute::label(&stage.label())])?;
            same("objects found", &1, &found.len())?;
            let object = found.first().copied().unwrap_or(ObjectHandle(0));
            let value = session.attribute(object, CKA_VALUE)?;
            same("CKA_VALUE", &Some(b"stays".to_vec()), &value)?;
            Ok(session.destroy(object)?)
        },
    },
    Row {
        id: "private.public-session",
        title: "a private object is not there for nobody",
        source: (Mark::Standard, "section 2 (private objects)"),
        needs: Needs::token_objects,
        run: |stage| {
            let session = stage.session()?;
            let mut template = [vec![Attribute::class(CKO_DATA)], stage.own(true)].concat();
            template.push(Attribute::private(true));
            let object = session.create_object(&template)?;
            session.logout()?;
            let found = session.find(&[Attribute::label(&stage.label())])?;
            let read = session.attribute(object, CKA_LABEL);
            let gone = session.destroy(object);
            stage.login(&session, luna_client::UserType::USER, &stage.officer_pin()?)?;
            session.find(&[Attribute::label(&stage.label())])?.into_iter().for_each(|object| {
                let _ = session.destroy(object);
            });
            same("objects found", &0, &found.len())?;
            let codes = [CKR_OBJECT_HANDLE_INVALID, CKR_USER_NOT_LOGGED_IN];
            refused("C_GetAttributeValue", read, &codes)?;
            refused("C_DestroyObject", gone, &codes)
        },
    },
    Row {
        id: "private.create",
        title: "nobody makes a private object without a login",
        source: (Mark::Standard, "section 5.7 (C_CreateObject), CKR_USER_NOT_LOGGED_IN"),
        needs: || Needs::public().allow(crate::check::Allow::Create),
        run: |stage| {
            let mut template = [vec![Attribute::class(CKO_DATA)], stage.own(false)].concat();
            template.push(Attribute::private(true));
            let seen = stage.session()?.create_object(&template);
            refused("C_CreateObject", seen, &[CKR_USER_NOT_LOGGED_IN])
        },
    },
    Row {
        id: "private.change",
        title: "private does not become public",
        source: (Mark::Standard, "section 4.4 (CKA_PRIVATE)"),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            let mut template = [vec![Attribute::class(CKO_DATA)], stage.own(false)].concat();
            template.push(Attribute::private(true));
            let object = session.create_object(&template)?;
            let seen = session.set_attributes(object, &[Attribute::private(false)]);
            refused("C_SetAttributeValue", seen, READ_ONLY)
        },
    },
    Row {
        id: "destroy.gone",
        title: "a destroyed object is gone, for searches and by its handle",
        source: (Mark::Standard, "section 5.7 (C_DestroyObject)"),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            let object = data(stage, &session, false, b"value")?;
            let template = [Attribute::label(&stage.label()), Attribute::class(CKO_DATA)];
            ensure(session.find(&template)?.contains(&object), "the object", "nothing")?;
            session.destroy(object)?;
            ensure(!session.find(&template)?.contains(&object), "nothing", "the object")?;
            let codes = [CKR_OBJECT_HANDLE_INVALID];
            refused("C_GetAttributeValue", session.attribute(object, CKA_LABEL), &codes)?;
            refused("C_DestroyObject", session.destroy(object), &codes)?;
            refused("C_CopyObject", session.copy(object, &[]), &codes)?;
            refused("C_GetObjectSize", session.object_size(object), &codes)?;
            let label = [Attribute::label("luna-harness other")];
            refused("C_SetAttributeValue", session.set_attributes(object, &label), &codes)
        },
    },
    Row {
        id: "destroy.key",
        title: "a destroyed key is of no use",
        source: (Mark::Standard, "section 5.7 (C_DestroyObject), CKR_KEY_HANDLE_INVALID"),
        needs: || Needs::session_objects().mechanisms(&[CKM_AES_ECB]),
        run: |stage| {
            let session = stage.session()?;
            let key = Family::Aes.make(stage, &session, &[CKA_ENCRYPT])?.public;
            session.destroy(key)?;
            let seen = session.encrypt_init(&Mechanism::Plain(CKM_AES_ECB), key);
            refused("C_EncryptInit", seen, &[CKR_KEY_HANDLE_INVALID])
        },
    },
    Row {
        id: "destroy.forbidden",
        title: "an object with CKA_DESTROYABLE false is not destroyed",
        source: (Mark::Standard, "section 4.4 (CKA_DESTROYABLE), CKR_ACTION_PROHIBITED"),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            let mut template = [vec![Attribute::class(CKO_DATA)], stage.own(false)].concat();
            template.push(Attribute::bool(CKA_DESTROYABLE, false));
            let object = session.create_object(&template).map_err(unknown)?;
            refused("C_DestroyObject", session.destroy(object), &[CKR_ACTION_PROHIBITED])
        },
    },
    Row {
        id: "copy.same",
        title: "a copy has the original's attributes and a handle of its own",
        source: (Mark::Standard, "section 5.7 (C_CopyObject)"),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            let object = data(stage, &session, false, b"value")?;
            let copy = session.copy(object, &[])?;
            agree(copy != object, "a copy was made", "with the handle of the original")?;
            for kind in [CKA_VALUE, CKA_LABEL, CKA_CLASS, CKA_PRIVATE] {
                let (one, other) =
                    (session.attribute(object, kind)?, session.attribute(copy, kind)?);
                same(&names::cka(kind), &one, &other)?;
            }
            Ok(())
        },
    },
    Row {
        id: "copy.changed",
        title: "a copy has what its template says",
        source: (Mark::Standard, "section 5.7 (C_CopyObject)"),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            let object = data(stage, &session, false, b"value")?;
            let copy = session.copy(object, &[Attribute::label("luna-harness copy")])?;
            let label = session.attribute_text(copy, CKA_LABEL)?;
            same("the copy's label", &Some("luna-harness copy".to_owned()), &label)?;
            let label = session.attribute_text(object, CKA_LABEL)?;
            same("the original's label", &Some(stage.label()), &label)
        },
    },
    Row {
        id: "copy.alone",
        title: "a copy outlives its original",
        source: (Mark::Standard, "section 5.7 (C_CopyObject)"),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            let object = data(stage, &session, false, b"value")?;
            let copy = session.copy(object, &[])?;
            session.destroy(object)?;
            same("CKA_VALUE", &Some(b"value".to_vec()), &session.attribute(copy, CKA_VALUE)?)
        },
    },
    Row {
        id: "copy.sensitive",
        title: "a copy of a sensitive key is not made less so",
        source: (Mark::Standard, "section 5.7 (C_CopyObject); section 4.10.2 (CKA_SENSITIVE)"),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            let key = import(stage, &session, &[Attribute::bool(CKA_SENSITIVE, true)])?;
            let seen = session.copy(key, &[Attribute::bool(CKA_SENSITIVE, false)]);
            refused("C_CopyObject", seen, READ_ONLY)
        },
    },
    Row {
        id: "copy.extractable",
        title: "a copy of an unextractable key is not made extractable",
        source: (Mark::Standard, "section 5.7 (C_CopyObject); section 4.10.2 (CKA_EXTRACTABLE)"),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            let key = import(stage, &session, &[Attribute::bool(CKA_EXTRACTABLE, false)])?;
            let seen = session.copy(key, &[Attribute::bool(CKA_EXTRACTABLE, true)]);
            refused("C_CopyObject", seen, READ_ONLY)
        },
    },
    Row {
        id: "copy.value",
        title: "a copy of a key has no value of its own choice",
        source: (Mark::Standard, "section 5.7 (C_CopyObject); section 4.10.2 (CKA_VALUE)"),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            let key = import(stage, &session, &[])?;
            let seen = session.copy(key, &[Attribute::bytes(CKA_VALUE, [9; 16])]);
            refused("C_CopyObject", seen, READ_ONLY)
        },
    },
    Row {
        id: "copy.forbidden",
        title: "an object with CKA_COPYABLE false is not copied",
        source: (Mark::Standard, "section 4.4 (CKA_COPYABLE), CKR_ACTION_PROHIBITED"),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            let mut template = [vec![Attribute::class(CKO_DATA)], stage.own(false)].concat();
            template.push(Attribute::bool(CKA_COPYABLE, false));
            let object = session.create_object(&template).map_err(unknown)?;
            refused("C_CopyObject", session.copy(object, &[]), &[CKR_ACTION_PROHIBITED])
        },
    },
    Row {
        id: "set.label",
        title: "a label is changed, and read as changed",
        source: (Mark::Standard, "section 5.7 (C_SetAttributeValue)"),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            let object = data(stage, &session, false, b"value")?;
            session.set_attributes(object, &[Attribute::label("luna-harness changed")])?;
            let label = session.attribute_text(object, CKA_LABEL)?;
            same("CKA_LABEL", &Some("luna-harness changed".to_owned()), &label)
        },
    },
    Row {
        id: "set.all-or-nothing",
        title: "a change of which a part is refused changes nothing",
        source: (Mark::Standard, "section 5.7 (C_SetAttributeValue)"),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            let object = data(stage, &session, false, b"value")?;
            let change =
                [Attribute::label("luna-harness changed"), Attribute::class(CKO_SECRET_KEY)];
            refused("C_SetAttributeValue", session.set_attributes(object, &change), READ_ONLY)?;
            let label = session.attribute_text(object, CKA_LABEL)?;
            same("CKA_LABEL", &Some(stage.label()), &label)
        },
    },
    Row {
        id: "set.unmodifiable",
        title: "an object with CKA_MODIFIABLE false is not changed",
        source: (Mark::Standard, "section 4.4 (CKA_MODIFIABLE)"),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            let mut template = [vec![Attribute::class(CKO_DATA)], stage.own(false)].concat();
            template.push(Attribute::bool(CKA_MODIFIABLE, false));
            let object = session.create_object(&template)?;
            let seen = session.set_attributes(object, &[Attribute::label("luna-harness changed")]);
            refused("C_SetAttributeValue", seen, READ_ONLY)
        },
    },
    Row {
        id: "set.read-only-session",
        title: "a read-only session changes no object on the token",
        source: (Mark::Standard, "section 5.7 (C_SetAttributeValue), CKR_SESSION_READ_ONLY"),
        needs: Needs::token_objects,
        run: |stage| {
            let session = stage.session()?;
            let object = data(stage, &session, true, b"value")?;
            let reader = stage.read_only_session()?;
            let seen = reader.set_attributes(object, &[Attribute::label("luna-harness changed")]);
            session.destroy(object)?;
            refused("C_SetAttributeValue", seen, &[CKR_SESSION_READ_ONLY])
        },
    },
    Row {
        id: "get.several",
        title: "of several attributes those that can be had are, and the rest are marked",
        source: (Mark::Standard, "section 5.7 (C_GetAttributeValue)"),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            let object = data(stage, &session, false, b"value")?;
            let asked = [(CKA_LABEL, Some(64)), (CKA_MODULUS, Some(64)), (CKA_VALUE, Some(64))];
            let exact = stage.exact();
            let (rv, left) = exact.attributes(session.handle().0, object.0, &asked)?;
            crate::check::answers("C_GetAttributeValue", rv, &[CKR_ATTRIBUTE_TYPE_INVALID])?;
            let lengths: Vec<_> = left.iter().map(|left| left.len).collect();
            let label = stage.label().len() as CK_ULONG;
            same("the lengths", &vec![label, CK_UNAVAILABLE_INFORMATION, 5], &lengths)?;
            ensure(left.iter().all(|left| !left.overrun), "guards as they were", "one was written")
        },
    },
    Row {
        id: "get.short",
        title: "a buffer too short for an attribute is told, and not written to",
        source: (Mark::Standard, "section 5.7 (C_GetAttributeValue), CKR_BUFFER_TOO_SMALL"),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            let object = data(stage, &session, false, b"value")?;
            let asked = [(CKA_VALUE, Some(4)), (CKA_LABEL, Some(64))];
            let exact = stage.exact();
            let (rv, left) = exact.attributes(session.handle().0, object.0, &asked)?;
            crate::check::answers("C_GetAttributeValue", rv, &[CKR_BUFFER_TOO_SMALL])?;
            let len = left.first().map(|left| left.len);
            same("the length told", &Some(CK_UNAVAILABLE_INFORMATION), &len)?;
            let label = left.get(1).map(|left| left.len);
            same("the other's length", &Some(stage.label().len() as CK_ULONG), &label)?;
            let clean = left.iter().all(|left| !left.overrun);
            ensure(clean, "guards as they were", "one was written")
        },
    },
    Row {
        id: "get.length",
        title: "a question for a length is answered and writes nothing",
        source: (Mark::Standard, "section 5.7 (C_GetAttributeValue)"),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            let object = data(stage, &session, false, b"value")?;
            let exact = stage.exact();
            let (rv, left) =
                exact.attributes(session.handle().0, object.0, &[(CKA_VALUE, None)])?;
            crate::check::answers("C_GetAttributeValue", rv, &[CKR_OK])?;
            same("the length", &Some(5), &left.first().map(|left| left.len))
        },
    },
    Row {
        id: "get.empty",
        title: "an empty value is not an absent one",
        source: (Mark::Standard, "section 5.7 (C_GetAttributeValue)"),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            let object = data(stage, &session, false, b"")?;
            same("CKA_VALUE", &Some(Vec::new()), &session.attribute(object, CKA_VALUE)?)
        },
    },
    Row {
        id: "get.sensitive",
        title: "the value of a sensitive key is not told",
        source: (Mark::Standard, "section 5.7 (C_GetAttributeValue), CKR_ATTRIBUTE_SENSITIVE"),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            let key = import(stage, &session, &[Attribute::bool(CKA_SENSITIVE, true)])?;
            not_told(stage, &session, key)
        },
    },
    Row {
        id: "get.unextractable",
        title: "the value of an unextractable key is not told",
        source: (Mark::Standard, "section 5.7 (C_GetAttributeValue), CKR_ATTRIBUTE_SENSITIVE"),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            let attributes =
                [Attribute::bool(CKA_SENSITIVE, false), Attribute::bool(CKA_EXTRACTABLE, false)];
            let key = import(stage, &session, &attributes)?;
            not_told(stage, &session, key)
        },
    },
    Row {
        id: "get.plain",
        title: "the value of a key that is neither sensitive nor unextractable is told",
        source: (Mark::Standard, "section 5.7 (C_GetAttributeValue)"),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            let attributes =
                [Attribute::bool(CKA_SENSITIVE, false), Attribute::bool(CKA_EXTRACTABLE, true)];
            let key = import(stage, &session, &attributes)?;
            same("CKA_VALUE", &Some(vec![7; 16]), &session.attribute(key, CKA_VALUE)?)
        },
    },
    Row {
        id: "sticky.sensitive",
        title: "a key becomes sensitive and not the reverse",
        source: (Mark::Standard, "section 4.10.2 (CKA_SENSITIVE, footnote 11)"),
        needs: Needs::session_objects,
        run: |stage| sticky(stage, CKA_SENSITIVE, true),
    },
    Row {
        id: "sticky.extractable",
        title: "a key becomes unextractable and not the reverse",
        source: (Mark::Standard, "section 4.10.2 (CKA_EXTRACTABLE, footnote 12)"),
        needs: Needs::session_objects,
        run: |stage| sticky(stage, CKA_EXTRACTABLE, false),
    },
    Row {
        id: "sticky.wrap-with-trusted",
        title: "a key comes to be wrapped by trusted keys only, and not the reverse",
        source: (Mark::Standard, "section 4.10.2 (CKA_WRAP_WITH_TRUSTED, footnote 11)"),
        needs: Needs::session_objects,
        run: |stage| sticky(stage, CKA_WRAP_WITH_TRUSTED, true),
    },
    Row {
        id: "sticky.trusted",
        title: "the user does not make a key trusted",
        source: (Mark::Standard, "section 4.10.2 (CKA_TRUSTED, footnote 10)"),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            let key = import(stage, &session, &[])?;
            let seen = session.set_attributes(key, &[Attribute::bool(CKA_TRUSTED, true)]);
            let codes = [
                CKR_ATTRIBUTE_READ_ONLY,
                CKR_USER_NOT_LOGGED_IN,
                CKR_USER_NOT_AUTHORIZED,
                CKR_ATTRIBUTE_TYPE_INVALID,
            ];
            refused("C_SetAttributeValue", seen, &codes)
        },
    },
    Row {
        id: "size.some",
        title: "an object has a size, or the module says that it does not tell",
        source: (Mark::Standard, "section 5.7 (C_GetObjectSize)"),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            let object = data(stage, &session, false, &[7; 100])?;
            match session.object_size(object) {
                Ok(size) => ensure(size >= 100, "100 bytes or more", format!("{size}")),
                Err(error) => {
                    let codes = [CKR_INFORMATION_SENSITIVE, CKR_FUNCTION_NOT_SUPPORTED];
                    refused::<()>("C_GetObjectSize", Err(error), &codes)
                }
            }
        },
    },
];

const READ_ONLY: &[CK_RV] =
    &[CKR_ATTRIBUTE_READ_ONLY, CKR_TEMPLATE_INCONSISTENT, CKR_ACTION_PROHIBITED];

pub(super) fn register(registry: &mut Registry) {
    registry.rows("objects", ROWS);
}

/// An attribute of 2.40 that a module of an older version need not know.
fn unknown(error: luna_client::Error) -> Finding {
    if error.is(CKR_ATTRIBUTE_TYPE_INVALID) {
        return Finding::not_applicable("the module does not know the attribute");
    }
    error.into()
}

fn data(stage: &Stage, session: &Session, token: bool, value: &[u8]) -> Outcome<ObjectHandle> {
    let mut template = [vec![Attribute::class(CKO_DATA)], stage.own(token)].concat();
    template.push(Attribute::bytes(CKA_VALUE, value));
    Ok(session.create_object(&template)?)
}

fn secret(key_type: CK_KEY_TYPE, value: &[u8]) -> Vec<Attribute> {
    vec![
        Attribute::class(CKO_SECRET_KEY),
        Attribute::key_type(key_type),
        Attribute::bytes(CKA_VALUE, value),
    ]
}

fn import(stage: &Stage, session: &Session, more: &[Attribute]) -> Outcome<ObjectHandle> {
    crate::keys::import(stage, session, CKK_AES, &[7; 16], more)
}

fn not_told(stage: &Stage, session: &Session, key: ObjectHandle) -> Outcome {
    let exact = stage.exact();
    let (rv, left) = exact.attributes(session.handle().0, key.0, &[(CKA_VALUE, Some(64))])?;
    crate::check::answers("C_GetAttributeValue", rv, &[CKR_ATTRIBUTE_SENSITIVE])?;
    let len = left.first().map(|left| left.len);
    same("the length told", &Some(CK_UNAVAILABLE_INFORMATION), &len)?;
    let written = left.iter().any(|left| left.buffer.windows(4).any(|bytes| bytes == [7; 4]));
    ensure(!written, "a buffer without the value", "the value in it")
}

fn sticky(stage: &mut Stage, kind: luna_client::AttributeType, end: bool) -> Outcome {
    let session = stage.session()?;
    let first = [
        Attribute::bool(CKA_SENSITIVE, false),
        Attribute::bool(CKA_EXTRACTABLE, true),
        Attribute::bool(CKA_WRAP_WITH_TRUSTED, false),
    ];
    let key = import(stage, &session, &first)?;
    session.set_attributes(key, &[Attribute::bool(kind, end)])?;
    let seen = session.set_attributes(key, &[Attribute::bool(kind, !end)]);
    refused("C_SetAttributeValue back", seen, READ_ONLY)?;
    let value = session.attribute(key, kind)?;
    same(&names::cka(kind), &Some(vec![u8::from(end)]), &value)
}
