//! The operations without a network: what PyKMIP does not ask, and what the store is left with.

use std::num::NonZeroU32;

use super::*;
use crate::kmip::attribute::Attribute;
use crate::kmip::ttlv;
use crate::operation::{self, InstallRequest};
use crate::store::Holder;
use crate::token::memory::Memory;
use crate::vault::Vault;
use crate::watch::{Event, Watch};

/// A server and an endpoint of it.
struct Site {
    vault: Vault,
    release: Release,
    certificate: Vec<u8>,
    _directory: tempfile::TempDir,
}

/// Status and reason of an answer, and the payload.
type Answer = Result<Vec<Item>, u32>;

impl Site {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let request = InstallRequest::new("recovery passphrase".into());
        let request = InstallRequest { passphrase_iterations: NonZeroU32::MIN, ..request };
        let loader = Box::new(Memory::new("credential"));
        let vault =
            operation::install_with(directory.path(), &request, loader, Watch::default()).unwrap();
        let certificate = enrol(&vault, "ep");
        let release = Release::named("21.1").unwrap();
        Self { vault, release, certificate, _directory: directory }
    }

    fn send(&self, certificate: &[u8], request: &Item) -> Item {
        let view = self.vault.view();
        let (answer, _) = answer(&view, &self.release, certificate, &request.encode());
        Item::decode(&answer).unwrap()
    }

    /// The answers to a batch.
    fn batch(&self, items: Vec<(u32, Vec<Item>)>) -> Vec<Answer> {
        answers(&self.send(&self.certificate, &request(items)))
    }

    fn ask(&self, operation: u32, payload: Vec<Item>) -> Answer {
        let mut answers = self.batch(vec![(operation, payload)]);
        assert_eq!(answers.len(), 1);
        answers.remove(0)
    }

    fn create(&self, more: Vec<Item>) -> String {
        id_of(&self.ask(0x01, new_key(more)).unwrap())
    }

    fn attribute(&self, id: &str, name: &str) -> Option<Value> {
        let payload = vec![identifier(id), Item::text(tag::ATTRIBUTE_NAME, name)];
        let answer = self.ask(0x0b, payload).unwrap();
        let item = answer.iter().find(|item| item.tag == tag::ATTRIBUTE)?;
        Some(Attribute::read(item).unwrap().0.value)
    }

    fn state(&self, id: &str) -> Option<ObjectState> {
        match self.attribute(id, STATE) {
            Some(Value::Enumeration(state)) => ObjectState::numbered(state),
            _ => None,
        }
    }
}

fn enrol(vault: &Vault, name: &str) -> Vec<u8> {
    let view = vault.view();
    let (_, token) = operation::create_endpoint(&view, name, "ORACLE_DB", "LINUX64", "").unwrap();
    let enrolled = operation::enrol(&view, &token).unwrap();
    data_encoding::HEXLOWER.decode(enrolled.fingerprint.as_bytes()).unwrap()
}

fn request(items: Vec<(u32, Vec<Item>)>) -> Item {
    let header = Item::structure(
        tag::REQUEST_HEADER,
        vec![
            Item::structure(
                tag::PROTOCOL_VERSION,
                vec![
                    Item::integer(tag::PROTOCOL_VERSION_MAJOR, 1),
                    Item::integer(tag::PROTOCOL_VERSION_MINOR, 1),
                ],
            ),
            Item::integer(tag::BATCH_COUNT, i32::try_from(items.len()).unwrap()),
        ],
    );
    let mut parts = vec![header];
    parts.extend(items.into_iter().enumerate().map(|(at, (operation, payload))| {
        Item::structure(
            tag::BATCH_ITEM,
            vec![
                Item::enumeration(tag::OPERATION, operation),
                Item::bytes(tag::UNIQUE_BATCH_ITEM_ID, &[u8::try_from(at).unwrap()]),
                Item::structure(tag::REQUEST_PAYLOAD, payload),
            ],
        )
    }));
    Item::structure(tag::REQUEST_MESSAGE, parts)
}

fn answers(message: &Item) -> Vec<Answer> {
    let Value::Structure(parts) = &message.value else { panic!("{message:?}") };
    Fields(parts)
        .all(tag::BATCH_ITEM)
        .map(|item| {
            let Value::Structure(fields) = &item.value else { panic!("{item:?}") };
            let fields = Fields(fields);
            match fields.enumeration(tag::RESULT_STATUS).unwrap() {
                Some(0) => Ok(fields.structure(tag::RESPONSE_PAYLOAD).unwrap().unwrap().0.to_vec()),
                _ => {
                    assert!(!fields.text(tag::RESULT_MESSAGE).unwrap().unwrap().is_empty());
                    Err(fields.enumeration(tag::RESULT_REASON).unwrap().unwrap())
                }
            }
        })
        .collect()
}

fn id_of(payload: &[Item]) -> String {
    Fields(payload).text(tag::UNIQUE_IDENTIFIER).unwrap().unwrap().to_owned()
}

fn an_attribute(name: &str, value: Value) -> Item {
    Attribute { name: name.into(), index: 0, value }.to_item()
}

fn named(text: &str) -> Value {
    Value::Structure(vec![Item::text(tag::NAME_VALUE, text), Item::enumeration(tag::NAME_TYPE, 1)])
}

/// The payload of a Create of an AES key of 256 bits.
fn new_key(more: Vec<Item>) -> Vec<Item> {
    let mut attributes = vec![
        an_attribute(attribute::ALGORITHM, Value::Enumeration(3)),
        an_attribute(attribute::LENGTH, Value::Integer(256)),
        an_attribute(attribute::USAGE_MASK, Value::Integer(12)),
    ];
    attributes.extend(more);
    vec![
        Item::enumeration(tag::OBJECT_TYPE, ObjectType::SymmetricKey as u32),
        Item::structure(tag::TEMPLATE_ATTRIBUTE, attributes),
    ]
}

fn revocation(code: u32) -> Item {
    Item::structure(
        tag::REVOCATION_REASON,
        vec![Item::enumeration(tag::REVOCATION_REASON_CODE, code)],
    )
}

/// An operation, and a revocation's code.
type Step = (u32, Option<u32>);

/// What is done to a key block.
type Edit<'a> = &'a dyn Fn(&mut Vec<Item>);

const REFUSED: fn(Reason) -> Answer = |reason| Err(reason as u32);

#[test]
fn every_operation_of_the_release_is_there_and_no_other() {
    let site = Site::new();
    assert_eq!(numbers(&site.release).count(), 14);
    let names: Vec<_> = ROWS.iter().map(|row| row.name).collect();
    assert_eq!(site.release.kmip_operations.value, names);
    for operation in 0..0x30 {
        let answer = site.ask(operation, vec![]);
        let is_served = numbers(&site.release).any(|number| number == operation);
        let unknown = answer == REFUSED(Reason::OperationNotSupported);
        assert_eq!(unknown, !is_served, "{operation:#x}: {answer:?}");
    }
}

/// The arrows of the life of a key, and those that are not there: each state, each operation.
#[test]
fn states_follow_each_other_as_the_standard_says() {
    use ObjectState::*;

    let site = Site::new();
    let (activate, revoke, destroy) = (0x12, 0x13, 0x14);
    let path: [(ObjectState, &[Step]); 6] = [
        (PreActive, &[]),
        (Active, &[(activate, None)]),
        (Deactivated, &[(activate, None), (revoke, Some(6))]),
        (Compromised, &[(revoke, Some(2))]),
        (Destroyed, &[(destroy, None)]),
        (DestroyedCompromised, &[(revoke, Some(2)), (destroy, None)]),
    ];
    let does = |id: &str, (operation, code): Step| {
        let mut payload = vec![identifier(id)];
        payload.extend(code.map(revocation));
        site.ask(operation, payload)
    };
    for (from, steps) in path {
        for (step, to) in [
            ((activate, None), matches!(from, PreActive).then_some(Active)),
            ((revoke, Some(1)), matches!(from, Active).then_some(Deactivated)),
            (
                (revoke, Some(3)),
                match from {
                    PreActive | Active | Deactivated => Some(Compromised),
                    Destroyed => Some(DestroyedCompromised),
                    Compromised | DestroyedCompromised => None,
                },
            ),
            (
                (destroy, None),
                match from {
                    PreActive | Deactivated => Some(Destroyed),
                    Compromised => Some(DestroyedCompromised),
                    Active | Destroyed | DestroyedCompromised => None,
                },
            ),
        ] {
            let id = site.create(vec![]);
            for step in steps {
                does(&id, *step).unwrap();
            }
            assert_eq!(site.state(&id), Some(from));
            let done = does(&id, step);
            assert_eq!(done.is_ok(), to.is_some(), "{from:?} {step:?}: {done:?}");
            assert_eq!(site.state(&id), Some(to.unwrap_or(from)), "{from:?} {step:?}");
            let there = site.vault.view().store.security_object_value(&id).unwrap();
            let destroyed = matches!(to.unwrap_or(from), Destroyed | DestroyedCompromised);
            assert_eq!(there.is_none(), destroyed, "{from:?} {step:?}");
        }
    }
}

#[test]
fn dates_that_have_come_take_effect() {
    let site = Site::new();
    let now = jiff::Timestamp::now().as_second();
    let dated = |activation: i64, deactivation: i64| {
        site.create(vec![
            an_attribute(ACTIVATION_DATE, Value::DateTime(activation)),
            an_attribute(DEACTIVATION_DATE, Value::DateTime(deactivation)),
        ])
    };
    assert_eq!(site.state(&dated(now + 5000, now + 9000)), Some(ObjectState::PreActive));
    assert_eq!(site.state(&dated(now - 50, now + 9000)), Some(ObjectState::Active));
    assert_eq!(site.state(&dated(now - 50, now - 10)), Some(ObjectState::Deactivated));
    // What has begun keeps its beginning.
    let id = dated(now - 50, now + 9000);
    let later = an_attribute(ACTIVATION_DATE, Value::DateTime(now + 99));
    let answer = site.ask(0x0e, vec![identifier(&id), later]);
    assert_eq!(answer, REFUSED(Reason::PermissionDenied));
}

/// 12 is encryption and decryption; 4 and 8 are the one and the other, 2 is verification.
#[test]
fn keys_are_located_by_bits_of_their_usage_mask() {
    let site = Site::new();
    let id = site.create(vec![]);
    for (mask, found) in [(12, true), (4, true), (8, true), (0, true), (2, false), (14, false)] {
        let wanted = an_attribute(attribute::USAGE_MASK, Value::Integer(mask));
        let located = site.ask(0x08, vec![wanted]).unwrap();
        let expected = if found { vec![identifier(&id)] } else { vec![] };
        assert_eq!(located, expected, "{mask}");
    }
}

#[test]
fn a_batch_hands_its_object_on_and_stops_where_it_fails() {
    let site = Site::new();
    let answers = site.batch(vec![(0x01, new_key(vec![])), (0x12, vec![]), (0x0a, vec![])]);
    assert_eq!(answers.len(), 3);
    let id = id_of(answers[0].as_ref().unwrap());
    assert_eq!(id_of(answers[2].as_ref().unwrap()), id);
    assert_eq!(site.state(&id), Some(ObjectState::Active));
    let answers = site.batch(vec![(0x12, vec![identifier(&id)]), (0x0a, vec![identifier(&id)])]);
    assert_eq!(answers, [REFUSED(Reason::PermissionDenied)]);
    assert_eq!(site.ask(0x0a, vec![]), REFUSED(Reason::MissingData));
}

#[test]
fn a_replaced_key_and_its_replacement_know_each_other() {
    let site = Site::new();
    let old = site.create(vec![an_attribute(attribute::NAME, named("tde"))]);
    let new = id_of(&site.ask(0x04, vec![identifier(&old)]).unwrap());
    assert_eq!(
        site.attribute(&old, attribute::LINK),
        Some(attribute::link(tag::REPLACEMENT_OBJECT_LINK, &new))
    );
    assert_eq!(
        site.attribute(&new, attribute::LINK),
        Some(attribute::link(tag::REPLACED_OBJECT_LINK, &old))
    );
    assert_eq!(site.attribute(&old, attribute::NAME), None);
    assert_eq!(site.attribute(&new, attribute::NAME), Some(named("tde")));
    // With an offset it begins later.
    let offset = Item::new(tag::OFFSET, Value::Interval(3600));
    let next = id_of(&site.ask(0x04, vec![identifier(&new), offset.clone()]).unwrap());
    assert_eq!(site.state(&next), Some(ObjectState::PreActive));
    let date = Item::structure(
        tag::TEMPLATE_ATTRIBUTE,
        vec![an_attribute(ACTIVATION_DATE, Value::DateTime(1))],
    );
    let both = site.ask(0x04, vec![identifier(&next), offset, date]);
    assert_eq!(both, REFUSED(Reason::InvalidMessage));
}

#[test]
fn a_template_gives_its_attributes() {
    let site = Site::new();
    let template = Item::structure(
        tag::TEMPLATE,
        vec![
            an_attribute(attribute::NAME, named("keys of the department")),
            an_attribute(attribute::ALGORITHM, Value::Enumeration(3)),
            an_attribute(attribute::LENGTH, Value::Integer(128)),
            an_attribute(attribute::USAGE_MASK, Value::Integer(12)),
        ],
    );
    let kind = Item::enumeration(tag::OBJECT_TYPE, ObjectType::Template as u32);
    let made = id_of(&site.ask(0x03, vec![kind, template.clone()]).unwrap());
    let got = site.ask(0x0a, vec![identifier(&made)]).unwrap();
    assert_eq!(Fields(&got).get(tag::TEMPLATE), Some(&template));
    let by = |name: &str, more: Vec<Item>| {
        let mut fields = vec![Item::new(tag::NAME, named(name))];
        fields.extend(more);
        site.ask(
            0x01,
            vec![
                Item::enumeration(tag::OBJECT_TYPE, ObjectType::SymmetricKey as u32),
                Item::structure(tag::TEMPLATE_ATTRIBUTE, fields),
            ],
        )
    };
    let id = id_of(&by("keys of the department", vec![]).unwrap());
    assert_eq!(site.attribute(&id, attribute::LENGTH), Some(Value::Integer(128)));
    let own = vec![an_attribute(attribute::LENGTH, Value::Integer(192))];
    let id = id_of(&by("keys of the department", own).unwrap());
    assert_eq!(site.attribute(&id, attribute::LENGTH), Some(Value::Integer(192)));
    assert_eq!(by("of nobody", vec![]), REFUSED(Reason::ItemNotFound));
    assert_eq!(site.ask(0x12, vec![identifier(&made)]), REFUSED(Reason::IllegalOperation));
}

#[test]
fn what_is_wrong_with_a_key_that_is_brought_is_said() {
    let site = Site::new();
    let register = |edit: Edit<'_>| {
        let mut block = vec![
            Item::enumeration(tag::KEY_FORMAT_TYPE, tag::RAW),
            Item::structure(tag::KEY_VALUE, vec![Item::bytes(tag::KEY_MATERIAL, &[7; 16])]),
            Item::enumeration(tag::CRYPTOGRAPHIC_ALGORITHM, 3),
            Item::integer(tag::CRYPTOGRAPHIC_LENGTH, 128),
        ];
        edit(&mut block);
        let mask = an_attribute(attribute::USAGE_MASK, Value::Integer(12));
        site.ask(
            0x03,
            vec![
                Item::enumeration(tag::OBJECT_TYPE, ObjectType::SymmetricKey as u32),
                Item::structure(tag::TEMPLATE_ATTRIBUTE, vec![mask]),
                Item::structure(tag::SYMMETRIC_KEY, vec![Item::structure(tag::KEY_BLOCK, block)]),
            ],
        )
    };
    let id = id_of(&register(&|_| ()).unwrap());
    assert_eq!(site.attribute(&id, attribute::LENGTH), Some(Value::Integer(128)));
    let edits: [(Edit<'_>, Reason); 6] = [
        (&|block| block.retain(|it| it.tag != tag::KEY_FORMAT_TYPE), Reason::MissingData),
        (&|block| block.retain(|it| it.tag != tag::KEY_VALUE), Reason::MissingData),
        (&|block| block.retain(|it| it.tag != tag::CRYPTOGRAPHIC_ALGORITHM), Reason::MissingData),
        (&|block| block[3] = Item::integer(tag::CRYPTOGRAPHIC_LENGTH, 256), Reason::InvalidField),
        (
            &|block| block.push(Item::structure(tag::KEY_WRAPPING_DATA, vec![])),
            Reason::FeatureNotSupported,
        ),
        (
            &|block| block.push(Item::enumeration(tag::KEY_COMPRESSION_TYPE, 1)),
            Reason::KeyCompressionTypeNotSupported,
        ),
    ];
    for (edit, reason) in edits {
        assert_eq!(register(edit), REFUSED(reason));
    }
}

#[test]
fn an_answer_is_no_longer_than_who_asks_can_take() {
    let site = Site::new();
    let mut whole = request(vec![(0x18, vec![Item::enumeration(tag::QUERY_FUNCTION, 1)])]);
    let Value::Structure(parts) = &mut whole.value else { panic!() };
    let Value::Structure(header) = &mut parts[0].value else { panic!() };
    header.insert(1, Item::integer(tag::MAXIMUM_RESPONSE_SIZE, 200));
    let answer = site.send(&site.certificate, &whole);
    assert_eq!(answers(&answer), [REFUSED(Reason::ResponseTooLarge)]);
}

#[test]
fn a_closed_wallet_serves_nobody_and_says_why() {
    let site = Site::new();
    let id = site.create(vec![]);
    site.vault.view().close();
    for (operation, payload) in [(0x0a, vec![identifier(&id)]), (0x01, new_key(vec![]))] {
        assert_eq!(site.ask(operation, payload), REFUSED(Reason::GeneralFailure));
    }
}

/// A restore may put another tablespace in the place of the opened one: nothing is sealed under the old one then.
#[test]
fn nothing_is_sealed_under_a_tablespace_that_is_gone() {
    let site = Site::new();
    let id = site.create(vec![]);
    let store = site.vault.view().store.clone();
    store.change(|change| change.tablespace(MANAGED_OBJECTS, b"other", b"other")).unwrap();
    assert_eq!(site.ask(0x01, new_key(vec![])), REFUSED(Reason::GeneralFailure));
    assert_eq!(site.ask(0x12, vec![identifier(&id)]), REFUSED(Reason::GeneralFailure));
    assert_eq!(store.security_objects().unwrap().len(), 1);
}

#[test]
fn what_is_cut_short_at_its_commit_never_was() {
    let site = Site::new();
    let view = site.vault.view();
    let (_, token) = operation::create_endpoint(&view, "late", "OTHER", "LINUX64", "").unwrap();
    let id = site.create(vec![]);
    site.vault.watch(Some(Box::new(|event: &Event<'_>| match event {
        Event::Committing => Err("stop".to_owned()),
        _ => Ok(()),
    })));
    assert_eq!(operation::enrol(&view, &token).unwrap_err().cause, Cause::Stopped);
    assert_eq!(site.ask(0x01, new_key(vec![])), REFUSED(Reason::GeneralFailure));
    assert_eq!(site.ask(0x14, vec![identifier(&id)]), REFUSED(Reason::GeneralFailure));
    // To read needs no commit: the line of the audit trail that cannot be written stops nobody.
    site.ask(0x0a, vec![identifier(&id)]).unwrap();
    site.vault.watch(None);
    assert_eq!(site.state(&id), Some(ObjectState::PreActive));
    assert_eq!(view.store.security_objects().unwrap().len(), 1);
    operation::enrol(&view, &token).unwrap();
    assert_eq!(operation::enrol(&view, &token).unwrap_err().cause, Cause::TokenRefused);
}

/// What an object's bytes are sealed with tells which object they are of.
#[test]
fn the_bytes_of_two_objects_cannot_be_swapped() {
    let site = Site::new();
    let (one, other) = (site.create(vec![]), site.create(vec![]));
    let directory = site._directory.path().join("okv.db");
    drop(site.vault);
    let file = rusqlite::Connection::open(directory).unwrap();
    let text = "UPDATE security_object SET value =
         (SELECT value FROM security_object WHERE id = ?2) WHERE id = ?1";
    assert_eq!(file.execute(text, [&one, &other]).unwrap(), 1);
    drop(file);
    let mut vault = Vault::open(site._directory.path()).unwrap();
    vault.open_wallet(operation::OpenWith::Passphrase(&"recovery passphrase".into())).unwrap();
    let site = Site { vault, ..site };
    assert_eq!(site.ask(0x0a, vec![identifier(&one)]), REFUSED(Reason::GeneralFailure));
    site.ask(0x0a, vec![identifier(&other)]).unwrap();
}

/// Every field of every payload gone or of another type: an answer, never a panic.
#[test]
fn any_payload_is_answered() {
    let site = Site::new();
    let id = site.create(vec![an_attribute(attribute::NAME, named("x"))]);
    let values = [
        Value::Structure(vec![]),
        Value::Integer(-1),
        Value::LongInteger(i64::MIN),
        Value::Enumeration(u32::MAX),
        Value::Boolean(true),
        Value::Text(String::new()),
        Value::Bytes(ttlv::Bytes::default()),
        Value::DateTime(i64::MAX),
        Value::Interval(u32::MAX),
    ];
    let payloads = [
        new_key(vec![an_attribute(ACTIVATION_DATE, Value::DateTime(i64::MAX))]),
        vec![identifier(&id), an_attribute("x-a", Value::Integer(1))],
        vec![identifier(&id), Item::text(tag::ATTRIBUTE_NAME, "Name"), revocation(1)],
        vec![identifier(&id), Item::new(tag::OFFSET, Value::Interval(u32::MAX))],
        vec![Item::integer(tag::MAXIMUM_ITEMS, 1), Item::enumeration(tag::QUERY_FUNCTION, 1)],
    ];
    for row in ROWS {
        for payload in &payloads {
            for at in 0..payload.len() {
                for value in &values {
                    let mut changed = payload.clone();
                    changed[at].value = value.clone();
                    let _ = site.ask(row.number, changed);
                }
                let mut less = payload.clone();
                less.remove(at);
                let _ = site.ask(row.number, less);
            }
        }
    }
}

/// Rights to an object, each by each way of having them.
#[test]
fn rights_come_by_making_by_grant_and_by_group() {
    let site = Site::new();
    let view = site.vault.view();
    let other = enrol(&site.vault, "other");
    operation::create_wallet(&view, "w", "").unwrap();
    operation::set_default_wallet(&view, "ep", Some("W")).unwrap();
    operation::create_group(&view, "g", "").unwrap();
    operation::set_member(&view, "g", "other", true).unwrap();
    let id = site.create(vec![]);
    let asks = |operation, id: &str| {
        let request = request(vec![(operation, vec![identifier(id)])]);
        answers(&site.send(&other, &request)).remove(0).map(|_| ())
    };
    let (get, activate) = (0x0a, 0x12);
    let none = Err(Reason::ItemNotFound as u32);
    assert_eq!((asks(get, &id), asks(activate, &id)), (none, none));
    for holder in [Holder::Endpoint("other".into()), Holder::EndpointGroup("g".into())] {
        for (name, _, access) in Access::ALL {
            operation::set_access(&view, "w", &holder, Some(access)).unwrap();
            assert_eq!(asks(get, &id), Ok(()), "{name}");
            // One that is active already is refused for another reason.
            let done = asks(activate, &site.create(vec![]));
            assert_eq!(done.is_ok(), access.modify, "{name}");
        }
        operation::set_access(&view, "w", &holder, None).unwrap();
        assert_eq!(asks(get, &id), none);
    }
}
