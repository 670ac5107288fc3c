//! The attributes of managed objects: a row each, and the list an object has of them.
//!
//! Source of the rows: the standard, section 3, the tables "Attribute Rules" of each. Those that belong to operations
//! this server does not have (leases, archives, usage allocations) are kept or left out, never acted on.

use super::tag;
use super::ttlv::{Bytes, Item, Malformed, Value};
use super::{Reason, Refusal};
use crate::seal;

/// How many attribute instances an object may have. Assumed.
const MOST: usize = 128;

/// How many bytes all attributes of an object may take. Assumed.
const LONGEST: usize = 64 * 1024;

/// Longest text within an attribute, bytes. Assumed.
const LONGEST_TEXT: usize = 4096;

/// What a value must look like.
#[derive(Clone, Copy)]
enum Shape {
    Text,
    Integer,
    Enumeration,
    DateTime,
    Interval,
    /// These fields, each of which must be there.
    Fields(&'static [(u32, Shape)]),
    /// Some structure.
    Structure,
    Any,
}

/// What a client may do with it: set it when the object is made, add it later, change it, remove it.
#[derive(Clone, Copy)]
struct May {
    set: bool,
    add: bool,
    modify: bool,
    delete: bool,
}

const NOTHING: May = May { set: false, add: false, modify: false, delete: false };
const SET: May = May { set: true, ..NOTHING };
const DATE: May = May { set: true, add: true, modify: true, delete: false };
const ALL: May = May { delete: true, ..DATE };

struct Row {
    name: &'static str,
    shape: Shape,
    /// More than one instance.
    multiple: bool,
    may: May,
}

const fn one(name: &'static str, shape: Shape, may: May) -> Row {
    Row { name, shape, multiple: false, may }
}

const fn many(name: &'static str, shape: Shape, may: May) -> Row {
    Row { name, shape, multiple: true, may }
}

pub(crate) const UNIQUE_IDENTIFIER: &str = "Unique Identifier";
pub(crate) const NAME: &str = "Name";
pub(crate) const OBJECT_TYPE: &str = "Object Type";
pub(crate) const ALGORITHM: &str = "Cryptographic Algorithm";
pub(crate) const LENGTH: &str = "Cryptographic Length";
pub(crate) const USAGE_MASK: &str = "Cryptographic Usage Mask";
pub(crate) const CERTIFICATE_TYPE: &str = "Certificate Type";
pub(crate) const CERTIFICATE_LENGTH: &str = "Certificate Length";
pub(crate) const DIGEST: &str = "Digest";
pub(crate) const STATE: &str = "State";
pub(crate) const INITIAL_DATE: &str = "Initial Date";
pub(crate) const ACTIVATION_DATE: &str = "Activation Date";
pub(crate) const PROCESS_START_DATE: &str = "Process Start Date";
pub(crate) const PROTECT_STOP_DATE: &str = "Protect Stop Date";
pub(crate) const DEACTIVATION_DATE: &str = "Deactivation Date";
pub(crate) const DESTROY_DATE: &str = "Destroy Date";
pub(crate) const COMPROMISE_OCCURRENCE_DATE: &str = "Compromise Occurrence Date";
pub(crate) const COMPROMISE_DATE: &str = "Compromise Date";
pub(crate) const REVOCATION_REASON: &str = "Revocation Reason";
pub(crate) const LINK: &str = "Link";
pub(crate) const LAST_CHANGE_DATE: &str = "Last Change Date";

const NAME_FIELDS: &[(u32, Shape)] =
    &[(tag::NAME_VALUE, Shape::Text), (tag::NAME_TYPE, Shape::Enumeration)];
const LINK_FIELDS: &[(u32, Shape)] =
    &[(tag::LINK_TYPE, Shape::Enumeration), (tag::LINKED_OBJECT_IDENTIFIER, Shape::Text)];
const APPLICATION_FIELDS: &[(u32, Shape)] =
    &[(tag::APPLICATION_NAMESPACE, Shape::Text), (tag::APPLICATION_DATA, Shape::Text)];

const ROWS: &[Row] = &[
    one(UNIQUE_IDENTIFIER, Shape::Text, NOTHING),
    many(NAME, Shape::Fields(NAME_FIELDS), ALL),
    one(OBJECT_TYPE, Shape::Enumeration, NOTHING),
    one(ALGORITHM, Shape::Enumeration, SET),
    one(LENGTH, Shape::Integer, SET),
    many("Cryptographic Parameters", Shape::Structure, ALL),
    one("Cryptographic Domain Parameters", Shape::Structure, SET),
    one(CERTIFICATE_TYPE, Shape::Enumeration, NOTHING),
    one(CERTIFICATE_LENGTH, Shape::Integer, NOTHING),
    many(DIGEST, Shape::Structure, NOTHING),
    one("Operation Policy Name", Shape::Text, SET),
    one(USAGE_MASK, Shape::Integer, SET),
    one("Lease Time", Shape::Interval, NOTHING),
    one("Usage Limits", Shape::Structure, ALL),
    one(STATE, Shape::Enumeration, NOTHING),
    one(INITIAL_DATE, Shape::DateTime, NOTHING),
    one(ACTIVATION_DATE, Shape::DateTime, DATE),
    one(PROCESS_START_DATE, Shape::DateTime, DATE),
    one(PROTECT_STOP_DATE, Shape::DateTime, DATE),
    one(DEACTIVATION_DATE, Shape::DateTime, DATE),
    one(DESTROY_DATE, Shape::DateTime, NOTHING),
    one(COMPROMISE_OCCURRENCE_DATE, Shape::DateTime, NOTHING),
    one(COMPROMISE_DATE, Shape::DateTime, NOTHING),
    one(REVOCATION_REASON, Shape::Structure, NOTHING),
    one("Archive Date", Shape::DateTime, NOTHING),
    many("Object Group", Shape::Text, ALL),
    many(LINK, Shape::Fields(LINK_FIELDS), ALL),
    many("Application Specific Information", Shape::Fields(APPLICATION_FIELDS), ALL),
    one("Contact Information", Shape::Text, ALL),
    one(LAST_CHANGE_DATE, Shape::DateTime, NOTHING),
];

/// Attributes of the client's own (`x-`), and of the server's own (`y-`), of which there is none.
const CUSTOM: Row = many("x-", Shape::Any, ALL);
const SERVERS_OWN: Row = many("y-", Shape::Any, NOTHING);

fn row(name: &str) -> Result<&'static Row, Refusal> {
    match name.get(..2) {
        Some("x-") => Ok(&CUSTOM),
        Some("y-") => Ok(&SERVERS_OWN),
        _ => ROWS.iter().find(|row| row.name == name).ok_or_else(|| {
            let name: String = name.chars().take(64).collect();
            Refusal::invalid(&name, "there is no such attribute")
        }),
    }
}

fn fits(shape: Shape, value: &Value) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("must be {what}"));
    match (shape, value) {
        (_, Value::Text(text)) if text.len() > LONGEST_TEXT => {
            Err(format!("longer than {LONGEST_TEXT} bytes"))
        }
        (Shape::Text, Value::Text(text)) if text.is_empty() => Err("empty".into()),
        (Shape::Text, Value::Text(_))
        | (Shape::Integer, Value::Integer(_))
        | (Shape::Enumeration, Value::Enumeration(_))
        | (Shape::DateTime, Value::DateTime(_))
        | (Shape::Interval, Value::Interval(_))
        | (Shape::Structure, Value::Structure(_))
        | (Shape::Any, _) => Ok(()),
        (Shape::Fields(fields), Value::Structure(items)) => {
            for (tag, shape) in fields {
                let item = items.iter().find(|item| item.tag == *tag);
                let item = item.ok_or_else(|| format!("the field {tag:06x} is missing"))?;
                fits(*shape, &item.value)?;
            }
            Ok(())
        }
        (Shape::Text, _) => wrong("a text string"),
        (Shape::Integer, _) => wrong("an integer"),
        (Shape::Enumeration, _) => wrong("an enumeration"),
        (Shape::DateTime, _) => wrong("a date-time"),
        (Shape::Interval, _) => wrong("an interval"),
        (Shape::Structure | Shape::Fields(_), _) => wrong("a structure"),
    }
}

/// An attribute as it came or goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attribute {
    pub(crate) name: String,
    /// Counts the instances of one name.
    pub(crate) index: i32,
    pub(crate) value: Value,
}

impl Attribute {
    /// From the structure of a request; whether an index came with it.
    pub(crate) fn read(item: &Item) -> Result<(Self, bool), Refusal> {
        let Value::Structure(fields) = &item.value else {
            return Err(Refusal::new(Reason::InvalidMessage, "an attribute is a structure"));
        };
        let (mut name, mut index, mut value) = (None, None, None);
        for field in fields {
            match (field.tag, &field.value) {
                (tag::ATTRIBUTE_NAME, Value::Text(text)) => name = Some(text.clone()),
                (tag::ATTRIBUTE_INDEX, Value::Integer(number)) => index = Some(*number),
                (tag::ATTRIBUTE_VALUE, it) => value = Some(it.clone()),
                _ => {
                    let message = "an attribute has a name, an index and a value";
                    return Err(Refusal::new(Reason::InvalidMessage, message));
                }
            }
        }
        let name = name.ok_or_else(|| Refusal::missing("the attribute's name"))?;
        let value = value.ok_or_else(|| Refusal::missing("the attribute's value"))?;
        Ok((Self { name, index: index.unwrap_or(0), value }, index.is_some()))
    }

    /// As the structure of an answer.
    pub(crate) fn to_item(&self) -> Item {
        let mut fields = vec![Item::text(tag::ATTRIBUTE_NAME, self.name.clone())];
        if self.index != 0 {
            fields.push(Item::integer(tag::ATTRIBUTE_INDEX, self.index));
        }
        fields.push(Item::new(tag::ATTRIBUTE_VALUE, self.value.clone()));
        Item::structure(tag::ATTRIBUTE, fields)
    }
}

/// What a client wants to do with an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// With the object itself.
    Set,
    Add,
    Modify,
    Delete,
}

/// Whether a client may do that with the attribute, and whether the value is one.
pub(crate) fn allowed(wish: Wish, name: &str, value: Option<&Value>) -> Result<(), Refusal> {
    let row = row(name)?;
    let (may, word) = match wish {
        Wish::Set => (row.may.set, "set"),
        Wish::Add => (row.may.add, "added"),
        Wish::Modify => (row.may.modify, "modified"),
        Wish::Delete => (row.may.delete, "deleted"),
    };
    if !may {
        let message = format!("{name} cannot be {word} by a client");
        return Err(Refusal::new(Reason::PermissionDenied, message));
    }
    match value {
        Some(value) => fits(row.shape, value).map_err(|why| Refusal::invalid(name, &why)),
        None => Ok(()),
    }
}

/// All attributes of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Attributes(Vec<Attribute>);

impl Attributes {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Attribute> {
        self.0.iter()
    }

    /// The first instance.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|it| it.name == name).map(|it| &it.value)
    }

    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Attribute> {
        self.0.iter().filter(move |it| it.name == name)
    }

    pub(crate) fn date(&self, name: &str) -> Option<i64> {
        match self.get(name) {
            Some(Value::DateTime(date)) => Some(*date),
            _ => None,
        }
    }

    pub(crate) fn number(&self, name: &str) -> Option<u32> {
        match self.get(name) {
            Some(Value::Enumeration(number)) => Some(*number),
            _ => None,
        }
    }

    /// Texts of the object's names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.all(NAME).filter_map(|it| name_text(&it.value))
    }

    /// The only instance becomes this.
    pub(crate) fn set(&mut self, name: &str, value: Value) {
        match self.0.iter_mut().find(|it| it.name == name) {
            Some(it) => it.value = value,
            None => self.0.push(Attribute { name: name.to_owned(), index: 0, value }),
        }
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.0.retain(|it| it.name != name);
    }

    /// One more instance; what it is now. The rules have been looked at.
    pub(crate) fn add(&mut self, name: &str, value: Value) -> Result<Attribute, Refusal> {
        let last = self.all(name).map(|it| it.index).max();
        if last.is_some() && !row(name)?.multiple {
            let message = format!("{name} is there already; modify it");
            return Err(Refusal::new(Reason::IllegalOperation, message));
        }
        if self.all(name).any(|it| it.value == value) {
            let message = format!("{name} has an instance of this value already");
            return Err(Refusal::new(Reason::IllegalOperation, message));
        }
        let index = last.map_or(0, |last| last.saturating_add(1));
        let attribute = Attribute { name: name.to_owned(), index, value };
        self.0.push(attribute.clone());
        self.bounded()?;
        Ok(attribute)
    }

    /// The instance with this index gets another value.
    pub(crate) fn modify(
        &mut self,
        name: &str,
        index: i32,
        value: Value,
    ) -> Result<Attribute, Refusal> {
        let found = self.0.iter_mut().find(|it| it.name == name && it.index == index);
        let attribute = found.ok_or_else(|| no_instance(name, index))?;
        attribute.value = value;
        let attribute = attribute.clone();
        self.bounded()?;
        Ok(attribute)
    }

    /// Removes the instance with this index.
    pub(crate) fn delete(&mut self, name: &str, index: i32) -> Result<Attribute, Refusal> {
        let at = self.0.iter().position(|it| it.name == name && it.index == index);
        at.map(|at| self.0.remove(at)).ok_or_else(|| no_instance(name, index))
    }

    fn bounded(&self) -> Result<(), Refusal> {
        if self.0.len() > MOST {
            let message = format!("an object has at most {MOST} attributes");
            return Err(Refusal::new(Reason::IndexOutOfBounds, message));
        }
        let bytes: usize = self.0.iter().map(|it| it.to_item().encoded_length()).sum();
        if bytes > LONGEST {
            let message = format!("the attributes of an object take at most {LONGEST} bytes");
            return Err(Refusal::new(Reason::IndexOutOfBounds, message));
        }
        Ok(())
    }

    /// For the store.
    pub(crate) fn encode(&self) -> Bytes {
        let items = self.0.iter().map(Attribute::to_item).collect();
        Item::structure(tag::TEMPLATE_ATTRIBUTE, items).encode()
    }

    /// From the store.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let read = |item: &Item| {
            Attribute::read(item).map(|it| it.0).map_err(|refusal| Malformed(refusal.message))
        };
        match Item::decode(bytes)?.value {
            Value::Structure(items) => items.iter().map(read).collect::<Result<_, _>>().map(Self),
            _ => Err(Malformed("no list of attributes".into())),
        }
    }
}

fn no_instance(name: &str, index: i32) -> Refusal {
    let name: String = name.chars().take(64).collect();
    Refusal::new(Reason::ItemNotFound, format!("the object has no {name} with index {index}"))
}

/// The text of a Name.
pub(crate) fn name_text(value: &Value) -> Option<&str> {
    let Value::Structure(items) = value else { return None };
    items.iter().find(|item| item.tag == tag::NAME_VALUE).and_then(|item| match &item.value {
        Value::Text(text) => Some(text.as_str()),
        _ => None,
    })
}

/// A Link.
pub(crate) fn link(kind: u32, id: &str) -> Value {
    Value::Structure(vec![
        Item::enumeration(tag::LINK_TYPE, kind),
        Item::text(tag::LINKED_OBJECT_IDENTIFIER, id),
    ])
}

/// A Digest: SHA-256 of an object's bytes, which are in this format.
pub(crate) fn digest(bytes: &[u8], format: u32) -> Value {
    Value::Structure(vec![
        Item::enumeration(tag::HASHING_ALGORITHM, tag::SHA_256),
        Item::bytes(tag::DIGEST_VALUE, &seal::sha256(bytes)),
        Item::enumeration(tag::KEY_FORMAT_TYPE, format),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Value {
        Value::Structure(vec![
            Item::text(tag::NAME_VALUE, text),
            Item::enumeration(tag::NAME_TYPE, 1),
        ])
    }

    #[test]
    fn instances_are_counted_and_come_back() {
        let mut attributes = Attributes::default();
        assert_eq!(attributes.add(NAME, name("a")).unwrap().index, 0);
        assert_eq!(attributes.add(NAME, name("b")).unwrap().index, 1);
        assert_eq!(attributes.add(NAME, name("b")).unwrap_err().reason, Reason::IllegalOperation);
        attributes.set(STATE, Value::Enumeration(1));
        attributes.delete(NAME, 0).unwrap();
        assert_eq!(attributes.add(NAME, name("c")).unwrap().index, 2);
        assert_eq!(attributes.delete(NAME, 0).unwrap_err().reason, Reason::ItemNotFound);
        assert_eq!(attributes.names().collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!(Attributes::decode(&attributes.encode()).unwrap(), attributes);
        let single = "Contact Information";
        attributes.add(single, Value::Text("me".into())).unwrap();
        let again = attributes.add(single, Value::Text("you".into())).unwrap_err();
        assert_eq!(again.reason, Reason::IllegalOperation);
    }

    #[test]
    fn rules_are_kept() {
        let refused =
            |wish, name, value: &Value| allowed(wish, name, Some(value)).unwrap_err().reason;
        allowed(Wish::Set, NAME, Some(&name("a"))).unwrap();
        allowed(Wish::Add, "x-mine", Some(&Value::Boolean(true))).unwrap();
        assert_eq!(refused(Wish::Add, STATE, &Value::Enumeration(2)), Reason::PermissionDenied);
        assert_eq!(refused(Wish::Modify, LENGTH, &Value::Integer(1)), Reason::PermissionDenied);
        assert_eq!(refused(Wish::Set, LENGTH, &Value::Enumeration(1)), Reason::InvalidField);
        assert_eq!(refused(Wish::Set, NAME, &Value::Structure(vec![])), Reason::InvalidField);
        assert_eq!(refused(Wish::Set, "Colour", &Value::Integer(1)), Reason::InvalidField);
        assert_eq!(refused(Wish::Set, "y-theirs", &Value::Integer(1)), Reason::PermissionDenied);
        let long = Value::Text("x".repeat(LONGEST_TEXT + 1));
        assert_eq!(refused(Wish::Add, "x-long", &long), Reason::InvalidField);
    }

    #[test]
    fn an_object_has_so_many_attributes_and_no_more() {
        let mut attributes = Attributes::default();
        let mut refused = None;
        for number in 0..=MOST {
            let number = i32::try_from(number).unwrap();
            refused = attributes.add("x-n", Value::Integer(number)).err();
        }
        assert_eq!(refused.unwrap().reason, Reason::IndexOutOfBounds);
        let mut attributes = Attributes::default();
        let bytes = |fill| Value::Bytes(zeroize::Zeroizing::new(vec![fill; LONGEST / 2]));
        attributes.add("x-b", bytes(1)).unwrap();
        assert_eq!(attributes.add("x-b", bytes(2)).unwrap_err().reason, Reason::IndexOutOfBounds);
    }
}
