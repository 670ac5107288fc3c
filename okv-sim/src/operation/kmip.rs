//! What endpoints ask for over KMIP: a file an operation, and here what they share.
//!
//! An operation takes its payload's fields and gives the answer's, or says why not. It reads and writes through
//! [`Call`], which knows who asks, and lets nobody see or change what is not theirs. None of it asks the HSM: the
//! wallet is open in memory, and key service goes on beside an operation that does.
//!
//! Errors are those of the standard's section 11, as far as a 1.1 server has them.

use std::sync::Arc;

use super::Operation;
use crate::error::Error;
use crate::kmip::attribute::{
    self, ACTIVATION_DATE, Attributes, DEACTIVATION_DATE, LAST_CHANGE_DATE, STATE,
};
use crate::kmip::message::{self, Fields, Request};
use crate::kmip::tag::{self, ObjectState, ObjectType};
use crate::kmip::ttlv::{Bytes, Item, Value};
use crate::kmip::{Reason, Refusal};
use crate::release::Release;
use crate::seal::{self, Sealed};
use crate::store::{
    Access, Change, Endpoint, EndpointStatus, SealedSecurityObject, Store, StoreError, acting,
};
use crate::tablespace::{MANAGED_OBJECTS, Tablespace};
use crate::texts::Cause;
use crate::view::View;

mod activate;
mod add_attribute;
mod create;
mod delete_attribute;
mod destroy;
mod get;
mod get_attribute_list;
mod get_attributes;
mod locate;
mod modify_attribute;
mod query;
mod re_key;
mod register;
mod revoke;

/// How many objects an endpoint may make, destroyed ones included. Assumed.
const MOST_OBJECTS: i64 = 50_000;

type Done = Result<Vec<Item>, Refusal>;

/// An operation of the standard.
struct Row {
    number: u32,
    name: &'static str,
    /// Whether it changes something: such operations take turns.
    changes: bool,
    run: fn(&mut Call<'_>, Fields<'_>) -> Done,
}

type Run = fn(&mut Call<'_>, Fields<'_>) -> Done;

const fn changes(number: u32, name: &'static str, run: Run) -> Row {
    Row { number, name, changes: true, run }
}

const fn reads(number: u32, name: &'static str, run: Run) -> Row {
    Row { number, name, changes: false, run }
}

/// All there are; a release has those that it names.
const ROWS: &[Row] = &[
    changes(0x01, "Create", create::run),
    changes(0x03, "Register", register::run),
    changes(0x04, "Re-key", re_key::run),
    reads(0x08, "Locate", locate::run),
    reads(0x0a, "Get", get::run),
    reads(0x0b, "Get Attributes", get_attributes::run),
    reads(0x0c, "Get Attribute List", get_attribute_list::run),
    changes(0x0d, "Add Attribute", add_attribute::run),
    changes(0x0e, "Modify Attribute", modify_attribute::run),
    changes(0x0f, "Delete Attribute", delete_attribute::run),
    changes(0x12, "Activate", activate::run),
    changes(0x13, "Revoke", revoke::run),
    changes(0x14, "Destroy", destroy::run),
    reads(0x18, "Query", query::run),
];

/// Numbers of the operations that a release has.
fn numbers(release: &Release) -> impl Iterator<Item = u32> {
    let has = |row: &&Row| release.kmip_operations.value.iter().any(|name| name == row.name);
    ROWS.iter().filter(has).map(|row| row.number)
}

/// An object that who asks may see.
struct Object {
    id: String,
    attributes: Attributes,
    access: Access,
}

impl Object {
    fn kind(&self) -> Result<ObjectType, Refusal> {
        let number = self.attributes.number(attribute::OBJECT_TYPE);
        number.and_then(ObjectType::numbered).ok_or_else(damaged)
    }

    /// `None` for one that is not cryptographic.
    fn state(&self) -> Option<ObjectState> {
        self.attributes.number(STATE).and_then(ObjectState::numbered)
    }

    fn set_state(&mut self, state: ObjectState) {
        self.attributes.set(STATE, Value::Enumeration(state as u32));
    }

    fn is_destroyed(&self) -> bool {
        self.attributes.get(attribute::DESTROY_DATE).is_some()
    }

    /// Dates that have come take effect: the standard, section 3.17.
    fn settle(&mut self, now: i64) {
        let come = |date: Option<i64>| date.is_some_and(|date| date <= now);
        if self.state() == Some(ObjectState::PreActive)
            && come(self.attributes.date(ACTIVATION_DATE))
        {
            self.set_state(ObjectState::Active);
        }
        if self.state() == Some(ObjectState::Active)
            && come(self.attributes.date(DEACTIVATION_DATE))
        {
            self.set_state(ObjectState::Deactivated);
        }
    }

    fn may_modify(&self) -> Result<(), Refusal> {
        if self.access.modify {
            return Ok(());
        }
        let message = format!("this endpoint may read {}, and not change it", self.id);
        Err(Refusal::new(Reason::PermissionDenied, message))
    }

    fn not_destroyed(&self) -> Result<(), Refusal> {
        if !self.is_destroyed() {
            return Ok(());
        }
        Err(Refusal::new(Reason::PermissionDenied, format!("the object {} is destroyed", self.id)))
    }
}

/// A new object, before it has its identifier.
struct New {
    attributes: Attributes,
    /// The standard's structure; none for a template, which is its attributes.
    value: Option<Item>,
    wallets: Vec<String>,
}

/// One operation of one endpoint.
struct Call<'a> {
    store: &'a Store,
    tablespace: &'a Tablespace,
    endpoint: &'a Endpoint,
    release: &'a Release,
    /// Seconds since 1970, UTC.
    now: i64,
    /// The object of the operation before this one in the batch (the standard's ID Placeholder).
    placeholder: &'a mut Option<String>,
}

fn damaged() -> Refusal {
    Refusal::new(Reason::GeneralFailure, Cause::ObjectDamaged.text().message)
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let error = Error::store(Operation::Kmip, &error);
        Self::new(Reason::GeneralFailure, error.cause.text().message)
    }
}

impl From<Sealed> for Refusal {
    fn from(_: Sealed) -> Self {
        Self::new(Reason::CryptographicFailure, Cause::CryptoFailed.text().message)
    }
}

impl Call<'_> {
    /// The identifier that the payload names, or the batch's last one.
    fn id(&self, fields: Fields<'_>) -> Result<String, Refusal> {
        let named = fields.text(tag::UNIQUE_IDENTIFIER)?.map(str::to_owned);
        named.or_else(|| self.placeholder.clone()).ok_or_else(|| Refusal::missing("the identifier"))
    }

    /// The object that the payload names, if who asks may read it.
    fn object(&self, fields: Fields<'_>) -> Result<Object, Refusal> {
        let id = self.id(fields)?;
        let sealed = self.store.security_object(&id)?.ok_or_else(|| Refusal::not_found(&id))?;
        let object = self.open(sealed)?;
        if object.access.read { Ok(object) } else { Err(Refusal::not_found(&id)) }
    }

    /// The same, if who asks may change it.
    fn object_to_modify(&self, fields: Fields<'_>) -> Result<Object, Refusal> {
        let object = self.object(fields)?;
        object.may_modify()?;
        Ok(object)
    }

    fn open(&self, sealed: SealedSecurityObject) -> Result<Object, Refusal> {
        let attributes = read_attributes(self.tablespace, &sealed).map_err(|_| damaged())?;
        // Who made an object may do everything with it (Assumed).
        let access = if sealed.owner == Some(self.endpoint.id) {
            Access::FULL
        } else {
            self.store.access_to_object(self.endpoint.id, &sealed.id)?
        };
        let mut object = Object { id: sealed.id, attributes, access };
        object.settle(self.now);
        Ok(object)
    }

    /// All objects that who asks may read.
    fn objects(&self) -> Result<Vec<Object>, Refusal> {
        let sealed = self.store.security_objects_for(self.endpoint.id)?;
        let opened = sealed.into_iter().map(|sealed| self.open(sealed));
        opened.filter(|object| !matches!(object, Ok(object) if !object.access.read)).collect()
    }

    /// The structure that holds the object's bytes.
    fn value(&self, object: &Object) -> Result<Option<Item>, Refusal> {
        let Some(sealed) = self.store.security_object_value(&object.id)? else { return Ok(None) };
        let bytes = self.tablespace.open_part(&object.id, "value", &sealed);
        let bytes = bytes.map_err(|_| damaged())?;
        Item::decode(&bytes).map(Some).map_err(|_| damaged())
    }

    /// Refuses a name that another object has. Names are one endpoint's view (Assumed).
    fn name_is_free(&self, value: &Value) -> Result<(), Refusal> {
        let Some(name) = attribute::name_text(value) else { return Ok(()) };
        let has_it = |it: &Object| it.attributes.names().any(|other| other == name);
        let taken = self.objects()?.iter().any(|it| !it.is_destroyed() && has_it(it));
        if !taken {
            return Ok(());
        }
        Err(Refusal::new(Reason::IllegalOperation, "another object has this name"))
    }

    /// The attributes of a template-attribute, those of the templates it names first (the standard, section 2.1.8).
    fn template_attributes(&self, fields: Fields<'_>) -> Result<Attributes, Refusal> {
        let mut attributes = Attributes::default();
        let Some(template) = fields.structure(tag::TEMPLATE_ATTRIBUTE)? else {
            return Ok(attributes);
        };
        let mut own = Vec::new();
        for item in template.0 {
            match (item.tag, &item.value) {
                (tag::ATTRIBUTE, _) => own.push(attribute::Attribute::read(item)?),
                (tag::NAME, value) => self.take_over_template(value, &mut attributes)?,
                _ => {
                    let message = "a template-attribute has names and attributes";
                    return Err(Refusal::new(Reason::InvalidMessage, message));
                }
            }
        }
        // What is said here counts more than what a template says.
        for (it, _) in &own {
            attributes.remove(&it.name);
        }
        for (it, _) in own {
            attribute::allowed(attribute::Wish::Set, &it.name, Some(&it.value))?;
            if it.name == attribute::NAME {
                self.name_is_free(&it.value)?;
            }
            attributes.add(&it.name, it.value)?;
        }
        Ok(attributes)
    }

    fn take_over_template(&self, name: &Value, to: &mut Attributes) -> Result<(), Refusal> {
        let name =
            attribute::name_text(name).ok_or_else(|| Refusal::missing("the template's name"))?;
        let template = self.objects()?.into_iter().find(|it| {
            it.kind() == Ok(ObjectType::Template) && it.attributes.names().any(|its| its == name)
        });
        let template = template.ok_or_else(|| {
            Refusal::new(Reason::ItemNotFound, "there is no template of this name")
        })?;
        for it in template.attributes.iter() {
            let is_its_own = it.name == attribute::NAME;
            if !is_its_own && attribute::allowed(attribute::Wish::Set, &it.name, None).is_ok() {
                to.add(&it.name, it.value.clone())?;
            }
        }
        Ok(())
    }

    /// The attributes that every object has from the beginning.
    fn begin(&self, kind: ObjectType, attributes: &mut Attributes) {
        attributes.set(attribute::OBJECT_TYPE, Value::Enumeration(kind as u32));
        attributes.set(attribute::INITIAL_DATE, Value::DateTime(self.now));
        attributes.set(LAST_CHANGE_DATE, Value::DateTime(self.now));
        if kind.is_cryptographic() {
            attributes.set(STATE, Value::Enumeration(ObjectState::PreActive as u32));
        }
    }

    /// Where new objects of who asks go.
    fn default_wallets(&self) -> Result<Vec<String>, Refusal> {
        let Some(wallet) = &self.endpoint.default_wallet else { return Ok(Vec::new()) };
        let access = self.store.access_to_wallet(self.endpoint.id, wallet)?;
        if access.modify {
            return Ok(vec![wallet.clone()]);
        }
        let message = "this endpoint may not put objects into its default wallet";
        Err(Refusal::new(Reason::PermissionDenied, message))
    }

    /// A change that counts only while the opened tablespace is the store's, with its line in the audit trail.
    fn change(
        &self,
        what: &str,
        work: impl FnOnce(&Change<'_>) -> Result<(), StoreError>,
    ) -> Result<(), Refusal> {
        let change = self.store.change(|change| {
            if !change.has_tablespace(MANAGED_OBJECTS, &self.tablespace.wrapped)? {
                return Err(StoreError::Corrupt("the opened tablespace"));
            }
            work(change)?;
            change.audit(what, "success")
        });
        Ok(change?)
    }

    /// Stores a new object; its identifier.
    fn store_new(&mut self, what: &str, new: New, old: Option<&Object>) -> Result<String, Refusal> {
        if self.store.count_security_objects(self.endpoint.id)? >= MOST_OBJECTS {
            let message =
                format!("this endpoint has made {MOST_OBJECTS} objects, the most there may be");
            return Err(Refusal::new(Reason::GeneralFailure, message));
        }
        let id = new_id()?;
        let New { mut attributes, value, wallets } = new;
        attributes.set(attribute::UNIQUE_IDENTIFIER, Value::Text(id.clone()));
        let mut object = Object { id, attributes, access: Access::FULL };
        object.settle(self.now);
        let sealed = SealedSecurityObject {
            attributes: self.seal_attributes(&object)?,
            owner: Some(self.endpoint.id),
            id: object.id,
        };
        let value = value
            .map(|value| self.tablespace.seal_part(&sealed.id, "value", &value.encode()))
            .transpose()?;
        let old = old.map(|old| self.linked(old, &sealed.id)).transpose()?;
        self.change(what, |change| {
            change.add_security_object(MANAGED_OBJECTS, &sealed, value.as_deref())?;
            for wallet in &wallets {
                change.put_into_wallet(wallet, &sealed.id)?;
            }
            if let Some((id, attributes)) = &old {
                change.security_object_attributes(id, attributes)?;
            }
            Ok(())
        })?;
        *self.placeholder = Some(sealed.id.clone());
        Ok(sealed.id)
    }

    /// What a replaced object is from now on: it gave its names away, and points to the one that has them.
    fn linked(&self, old: &Object, new: &str) -> Result<(String, Vec<u8>), Refusal> {
        let mut object =
            Object { id: old.id.clone(), attributes: old.attributes.clone(), access: old.access };
        object.attributes.remove(attribute::NAME);
        set_link(&mut object.attributes, tag::REPLACEMENT_OBJECT_LINK, new)?;
        object.attributes.set(LAST_CHANGE_DATE, Value::DateTime(self.now));
        let sealed = self.seal_attributes(&object)?;
        Ok((object.id, sealed))
    }

    fn seal_attributes(&self, object: &Object) -> Result<Vec<u8>, Refusal> {
        let bytes = object.attributes.encode();
        Ok(self.tablespace.seal_part(&object.id, "attributes", &bytes)?)
    }

    /// Stores what became of an object.
    fn save(&mut self, what: &str, object: &mut Object) -> Result<(), Refusal> {
        self.save_with(what, object, |_| Ok(()))
    }

    fn save_with(
        &mut self,
        what: &str,
        object: &mut Object,
        more: impl FnOnce(&Change<'_>) -> Result<(), StoreError>,
    ) -> Result<(), Refusal> {
        object.attributes.set(LAST_CHANGE_DATE, Value::DateTime(self.now));
        let attributes = self.seal_attributes(object)?;
        self.change(what, |change| {
            if !change.security_object_attributes(&object.id, &attributes)? {
                return Err(StoreError::Corrupt("a security object"));
            }
            more(change)
        })?;
        *self.placeholder = Some(object.id.clone());
        Ok(())
    }
}

/// The attributes of an object as it was stored.
pub(super) fn read_attributes(
    tablespace: &Tablespace,
    sealed: &SealedSecurityObject,
) -> Result<Attributes, Sealed> {
    let bytes = tablespace.open_part(&sealed.id, "attributes", &sealed.attributes)?;
    Attributes::decode(&bytes).map_err(|_| Sealed)
}

/// The state of an object that was stored, now.
pub(super) fn state_now(attributes: &Attributes) -> Option<ObjectState> {
    let mut object =
        Object { id: String::new(), attributes: attributes.clone(), access: Access::default() };
    object.settle(jiff::Timestamp::now().as_second());
    object.state()
}

/// A Link of this kind points to this object, and to no other.
fn set_link(attributes: &mut Attributes, kind: u32, id: &str) -> Result<(), Refusal> {
    let is_it = |value: &Value| match value {
        Value::Structure(items) => Fields(items).enumeration(tag::LINK_TYPE) == Ok(Some(kind)),
        _ => false,
    };
    let found = attributes.all(attribute::LINK).find(|it| is_it(&it.value)).map(|it| it.index);
    if let Some(index) = found {
        attributes.delete(attribute::LINK, index)?;
    }
    attributes.add(attribute::LINK, attribute::link(kind, id))?;
    Ok(())
}

/// A random UUID in capitals (Assumed: how the product shows them).
fn new_id() -> Result<String, Sealed> {
    let mut bytes: [u8; 16] = seal::random()?;
    let [.., version, _, variant, _, _, _, _, _, _, _] = &mut bytes;
    *version = *version & 0x0f | 0x40;
    *variant = *variant & 0x3f | 0x80;
    let digits = data_encoding::HEXUPPER.encode(&bytes);
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    Ok([part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-"))
}

fn identifier(id: &str) -> Item {
    Item::text(tag::UNIQUE_IDENTIFIER, id)
}

/// The endpoint that shows the certificate of this SHA-256, if it may come in.
pub(crate) fn admitted(store: &Store, certificate: &[u8]) -> Result<Option<Endpoint>, StoreError> {
    let endpoint = store.endpoint_of(certificate)?;
    Ok(endpoint.filter(|endpoint| endpoint.status == EndpointStatus::Enrolled))
}

/// What a request is answered with, and whether the connection may go on.
pub(crate) fn answer(
    view: &View,
    release: &Release,
    certificate: &[u8],
    bytes: &[u8],
) -> (Bytes, bool) {
    let now = jiff::Timestamp::now().as_second();
    let request = match Request::read(bytes) {
        Ok(request) => request,
        // Whatever comes after it may be out of step.
        Err(refusal) => return (message::refuse(now, refusal), false),
    };
    // Asked anew for every request: an endpoint may be suspended while it is connected.
    let endpoint = match admitted(&view.store, certificate) {
        Ok(Some(endpoint)) => endpoint,
        Ok(None) => {
            let message = "this endpoint is not enrolled, or suspended";
            let refusal = Refusal::new(Reason::AuthenticationNotSuccessful, message);
            return (message::refuse(now, refusal), false);
        }
        Err(error) => return (message::refuse(now, error.into()), false),
    };
    let tablespace = super::open(view, Operation::Kmip);
    let mut placeholder = None;
    let answer = request.answer(now, |item| {
        let tablespace: &Arc<Tablespace> = tablespace.as_ref().map_err(|error| {
            let text = error.cause.text();
            Refusal::new(Reason::GeneralFailure, format!("{}. {}", text.message, text.remedy))
        })?;
        let row = ROWS.iter().find(|row| row.number == item.operation);
        let row = row.filter(|_| numbers(release).any(|it| it == item.operation));
        let row = row.ok_or_else(|| {
            let message = format!("the operation 0x{:02x} is not served", item.operation);
            Refusal::new(Reason::OperationNotSupported, message)
        })?;
        // One after the other, so that what was looked at is still so when it is written.
        let _turn = row.changes.then(|| view.kmip_turn.lock());
        let mut call = Call {
            store: &view.store,
            tablespace,
            endpoint: &endpoint,
            release,
            now,
            placeholder: &mut placeholder,
        };
        acting(Some(&format!("endpoint {}", endpoint.name)), || {
            let done = (row.run)(&mut call, Fields(&item.payload));
            if let Err(refusal) = &done {
                note_refusal(&view.store, row.name, refusal);
            }
            done
        })
    });
    (answer, true)
}

/// Who tried what they may not is in the audit trail; what was merely wrong is the endpoint's own matter.
fn note_refusal(store: &Store, operation: &str, refusal: &Refusal) {
    if refusal.reason == Reason::PermissionDenied {
        // One that cannot be written stops nobody.
        let _ = store.change(|change| change.audit(operation, "PermissionDenied"));
    }
}

#[cfg(test)]
mod tests;
