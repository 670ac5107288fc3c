//! Keys that leave wrapped, come in wrapped, or are derived from others.
//!
//! Source: PKCS#11 v2.40 sections 5.13.2 to 5.13.4 and table 10 of section 4.2; partition policies
//! 1, 2, 5 and 6 from policies.md (numbers Documented, codes Assumed where it says so).

mod derive_and_wrap;

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::hsm::objects::{Held, check_value_agrees, expired, gone, matches};
use crate::hsm::operation::check_allowed;
use crate::hsm::partition::Partition;
use crate::hsm::session::Session;
use crate::hsm::usage::{Stage, told};
use crate::mechanisms::{Cipher, Functions, Made, Mechanism, Params, Row, Use, Yield, keys};
use crate::object::build;
use crate::object::held::Object;
use crate::object::rules::{Class, Origin};
use crate::object::{Attribute, Template, Value};
use crate::output::Room;
use crate::profile::Code;
use crate::wire::{Found, Reply};

/// A use of a key to carry or make others.
struct Carrier {
    usage: CK_ATTRIBUTE_TYPE,
    function: Functions,
    handle_invalid: Cause,
    type_inconsistent: Cause,
    size_range: Cause,
}

const WRAPPING: Carrier = Carrier {
    usage: CKA_WRAP,
    function: Functions::WRAP,
    handle_invalid: Cause::WrappingKeyHandleInvalid,
    type_inconsistent: Cause::WrappingKeyTypeInconsistent,
    size_range: Cause::WrappingKeySizeRange,
};

const UNWRAPPING: Carrier = Carrier {
    usage: CKA_UNWRAP,
    function: Functions::UNWRAP,
    handle_invalid: Cause::UnwrappingKeyHandleInvalid,
    type_inconsistent: Cause::UnwrappingKeyTypeInconsistent,
    size_range: Cause::UnwrappingKeySizeRange,
};

const DERIVING: Carrier = Carrier {
    usage: CKA_DERIVE,
    function: Functions::DERIVE,
    handle_invalid: Cause::KeyHandleInvalid,
    type_inconsistent: Cause::KeyTypeInconsistent,
    size_range: Cause::KeySizeRange,
};

const ENCAPSULATING: Carrier =
    Carrier { usage: CKA_ENCAPSULATE, function: Functions::ENCAPSULATE, ..DERIVING };

const DECAPSULATING: Carrier =
    Carrier { usage: CKA_DECAPSULATE, function: Functions::DECAPSULATE, ..DERIVING };

/// Partition policies for private and for secret keys.
const POLICY_WRAPPING: (u32, u32) = (1, 5);
const POLICY_UNWRAPPING: (u32, u32) = (2, 6);

impl Partition {
    /// `C_WrapKey`.
    ///
    /// # Errors
    /// `KeyUnextractable`, `KeyNotWrappable`, and those of the wrapping key under its own names.
    pub(super) fn wrap(
        &self,
        session: &Session,
        mechanism: &Mechanism,
        wrapping: ObjectHandle,
        key: ObjectHandle,
        room: Room,
    ) -> Result<Reply> {
        if let Params::Translate { wrap, unwrap, data, unwrapping } = &mechanism.params {
            if !self.current()?.offer(mechanism.kind)?.functions.contains(Functions::WRAP) {
                return Err(not_for(mechanism));
            }
            if key.0 != CK_INVALID_HANDLE {
                return Err(Error::new(
                    Cause::KeyHandleInvalid,
                    "the key comes with the mechanism",
                ));
            }
            return self.translate(session, (unwrap, *unwrapping, data), (wrap, wrapping), room);
        }
        let (using, carrier) = self.carrier(session, &WRAPPING, mechanism, wrapping)?;
        let held = self
            .seen_by(&session.application, key)
            .map_err(|error| error.recast(Cause::ObjectHandleInvalid, Cause::KeyHandleInvalid))?;
        self.may_wrap(&held, &carrier)?;
        self.need_authorized(session, &held)?;
        let plain = keys::to_bytes(&held.object)?;
        let class = held.object.class().class;
        self.wrap_bytes(session, (mechanism, &using), &carrier, (&plain, class), room)
    }

    fn wrap_bytes(
        &self,
        session: &Session,
        (mechanism, using): (&Mechanism, &Use),
        carrier: &Held,
        (plain, class): (&[u8], CK_OBJECT_CLASS),
        room: Room,
    ) -> Result<Reply> {
        let cipher =
            self.current()?.offer(mechanism.kind)?.row.wrap.ok_or_else(|| not_for(mechanism))?;
        cipher.prepare(using)?;
        let plain = cipher.padded_for_wrapping(using, plain, class)?;
        let len = if class == CKO_SECRET_KEY { plain.len() } else { usize::MAX };
        self.check_padded(mechanism, len, Cause::KeySizeRange)?;
        let (certain, bound) = cipher.bounds(using, plain.len())?;
        if let Some(refused) = room.refuse(certain, bound) {
            return Ok(Reply::Output(refused));
        }
        let output = room.fit(
            cipher
                .once(using, &plain)
                .map_err(|error| error.recast(Cause::DataLenRange, Cause::KeySizeRange))?,
        );
        self.count_output(&session.application, carrier, output)
    }

    /// What one key wrapped, wrapped by another. A length wanted is no use of the wrapping key, but
    /// one of the other.
    ///
    /// # Errors
    /// Those of unwrapping and of wrapping a secret key.
    fn translate(
        &self,
        session: &Session,
        (unwrap, unwrapping, data): (&Mechanism, ObjectHandle, &[u8]),
        (wrap, wrapping): (&Mechanism, ObjectHandle),
        room: Room,
    ) -> Result<Reply> {
        let (to, wrapper) = self.carrier(session, &WRAPPING, wrap, wrapping)?;
        let (from, unwrapper) = self.carrier(session, &UNWRAPPING, unwrap, unwrapping)?;
        let class = Class { class: CKO_SECRET_KEY, key_type: None };
        self.may_come(class)?;
        self.may_leave(class)?;
        let (_, plain) = self.unwrapped(unwrap, &from, data)?;
        self.count(&session.application, &unwrapper)?;
        self.wrap_bytes(session, (wrap, &to), &wrapper, (&plain, class.class), room)
    }

    /// The bytes that were wrapped, and what unwrapped them.
    fn unwrapped(
        &self,
        mechanism: &Mechanism,
        using: &Use,
        wrapped: &[u8],
    ) -> Result<(&'static dyn Cipher, Zeroizing<Vec<u8>>)> {
        let row = self.current()?.offer(mechanism.kind)?.row;
        let cipher = row.wrap.ok_or_else(|| not_for(mechanism))?;
        cipher.prepare(using)?;
        let plain = cipher.once(using, wrapped).map(Zeroizing::new).map_err(|error| {
            error
                .recast(Cause::EncryptedDataInvalid, Cause::WrappedKeyInvalid)
                .recast(Cause::EncryptedDataLenRange, Cause::WrappedKeyLenRange)
        })?;
        Ok((cipher, plain))
    }

    /// `C_UnwrapKey`.
    ///
    /// # Errors
    /// `WrappedKeyInvalid`, `WrappedKeyLenRange`, those of the template, and those of the
    /// unwrapping key under its own names.
    pub(super) fn unwrap(
        &self,
        session: &Session,
        mechanism: &Mechanism,
        unwrapping: ObjectHandle,
        wrapped: &[u8],
        template: &Template,
    ) -> Result<Reply> {
        let (using, carrier) = self.carrier(session, &UNWRAPPING, mechanism, unwrapping)?;
        let template = under(&carrier.object, CKA_UNWRAP_TEMPLATE, template)?;
        let class = build::class_of(&template, None)?;
        if !class.is_guarded() {
            return Err(Error::new(
                Cause::TemplateInconsistent,
                "a secret or a private key can be unwrapped",
            )
            .about(CKA_CLASS));
        }
        self.may_come(class)?;
        let (cipher, plain) = self.unwrapped(mechanism, &using, wrapped)?;
        let len = if class.class == CKO_SECRET_KEY { plain.len() } else { usize::MAX };
        self.check_padded(mechanism, len, Cause::WrappedKeyLenRange)?;
        if let Some(len) = keys::wanted_len(class, &template)?
            && !cipher.fills_up(&using, &plain, len)?
        {
            return Err(Error::new(
                Cause::WrappedKeyLenRange,
                format!("the wrapped key has {} bytes", plain.len()),
            )
            .about(CKA_VALUE_LEN));
        }
        let how = Self::circumstances(session, Origin::Unwrapped, None);
        let attributes = build::complete(&template, class, how)?;
        self.may_add(session, class, &attributes)?;
        let parts = keys::from_bytes(class, &plain, &template)?;
        self.add_made(session, &carrier, (class, attributes), parts, &template)
    }

    /// `C_DeriveKey`.
    ///
    /// # Errors
    /// Those of the mechanism and of the template.
    pub(super) fn derive(
        &self,
        session: &Session,
        mechanism: &Mechanism,
        base: ObjectHandle,
        template: &Template,
    ) -> Result<Reply> {
        let (using, carrier) = self.carrier(session, &DERIVING, mechanism, base)?;
        let template = under(&carrier.object, CKA_DERIVE_TEMPLATE, template)?;
        let row = self.current()?.offer(mechanism.kind)?.row;
        if let Some(derives) = row.derives {
            let yielded = derives(&using, &template)?;
            return self.add_yielded(session, &carrier, row, &yielded);
        }
        let derive = row.derive.ok_or_else(|| not_for(mechanism))?;
        let class = keys::derived_class(&template)?;
        let key = self.derivable(session, &carrier, row, class, &template)?;
        let value = derive(&using, keys::wanted_len(key.0, &template)?)?;
        let parts = keys::from_derived(key.0, &value, &template)?;
        self.add_made(session, &carrier, key, parts, &template)
    }

    /// The attributes of a key that is to be derived, but for its value.
    fn derivable(
        &self,
        session: &Session,
        carrier: &Held,
        row: &Row,
        class: Class,
        template: &Template,
    ) -> Result<(Class, Template)> {
        let how = Self::circumstances(session, Origin::Derived, None);
        let mut attributes = build::complete(template, class, how)?;
        self.may_add(session, class, &attributes)?;
        if row.keeps_guard {
            if carrier.object.is(CKA_SENSITIVE) {
                attributes.set(Attribute::flag(CKA_SENSITIVE, true));
            }
            if !carrier.object.is(CKA_EXTRACTABLE) {
                attributes.set(Attribute::flag(CKA_EXTRACTABLE, false));
            }
        }
        if !class.is_guarded() {
            return Ok((class, attributes));
        }
        // Inherited on derivation (Documented: "Key Attribute Defaults").
        for (kind, own) in [
            (CKA_ALWAYS_SENSITIVE, attributes.flag(CKA_SENSITIVE) == Some(true)),
            (CKA_NEVER_EXTRACTABLE, attributes.flag(CKA_EXTRACTABLE) == Some(false)),
        ] {
            attributes.set(Attribute::flag(kind, own && carrier.object.is(kind)));
        }
        Ok((class, attributes))
    }

    /// All keys of a derivation or none: one use of the base.
    fn add_yielded(
        &self,
        session: &Session,
        carrier: &Held,
        row: &Row,
        yielded: &Yield,
    ) -> Result<Reply> {
        let mut made = Vec::new();
        for key in &yielded.keys {
            let class = match &key.made {
                Made::Secret(_) => keys::derived_class(&key.template)?,
                Made::Half(class, _) => *class,
            };
            let (class, attributes) =
                self.derivable(session, carrier, row, class, &key.template)?;
            let parts = match &key.made {
                Made::Secret(value) => keys::from_derived(class, value, &key.template)?,
                Made::Half(_, parts) => parts.clone(),
            };
            made.push(whole((class, attributes), parts, &key.template)?);
        }
        self.count(&session.application, carrier)?;
        let mut found = self.add_all(session, made)?;
        let reply = match (found.len(), yielded.told.is_empty()) {
            (1, true) => Reply::Object(found.pop().ok_or_else(gone)?),
            _ => Reply::Derived(found, yielded.told.clone()),
        };
        Ok(told(carrier, reply))
    }

    /// `CA_EncapsulateKey`: the ciphertext, and the key in it. Without room there is neither.
    ///
    /// # Errors
    /// Those of the mechanism and of the template.
    pub(super) fn encapsulate(
        &self,
        session: &Session,
        mechanism: &Mechanism,
        public: ObjectHandle,
        template: &Template,
        room: Room,
    ) -> Result<Reply> {
        let (using, carrier) = self.carrier(session, &ENCAPSULATING, mechanism, public)?;
        let kem =
            self.current()?.offer(mechanism.kind)?.row.kem.ok_or_else(|| not_for(mechanism))?;
        kem.prepare(&using)?;
        let len = kem.len(&using)?;
        if let Some(refused) = room.refuse(len, len) {
            return Ok(Reply::Encapsulated(refused, None));
        }
        let key = self.travelling(session, template)?;
        let (ciphertext, secret) = kem.encapsulate(&using)?;
        let found = self.add_secret(session, &carrier, key, &secret, template)?;
        Ok(told(&carrier, Reply::Encapsulated(room.fit(ciphertext), Some(found))))
    }

    /// `CA_DecapsulateKey`.
    ///
    /// # Errors
    /// Those of the mechanism and of the template; `WrappedKeyLenRange`.
    pub(super) fn decapsulate(
        &self,
        session: &Session,
        mechanism: &Mechanism,
        private: ObjectHandle,
        ciphertext: &[u8],
        template: &Template,
    ) -> Result<Reply> {
        let (using, carrier) = self.carrier(session, &DECAPSULATING, mechanism, private)?;
        let kem =
            self.current()?.offer(mechanism.kind)?.row.kem.ok_or_else(|| not_for(mechanism))?;
        kem.prepare(&using)?;
        let key = self.travelling(session, template)?;
        let secret = kem.decapsulate(&using, ciphertext)?;
        let found = self.add_secret(session, &carrier, key, &secret, template)?;
        Ok(told(&carrier, Reply::Object(found)))
    }

    /// The attributes of a key whose value comes out of a ciphertext, or goes into one; it has no
    /// history in this token.
    fn travelling(&self, session: &Session, template: &Template) -> Result<(Class, Template)> {
        let class = keys::derived_class(template)?;
        let how = Self::circumstances(session, Origin::Derived, None);
        let mut attributes = build::complete(template, class, how)?;
        for kind in [CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE] {
            attributes.set(Attribute::flag(kind, false));
        }
        self.may_add(session, class, &attributes)?;
        Ok((class, attributes))
    }

    fn add_secret(
        &self,
        session: &Session,
        carrier: &Held,
        (class, attributes): (Class, Template),
        secret: &[u8],
        template: &Template,
    ) -> Result<Found> {
        let parts = keys::from_bytes(class, secret, template)?;
        self.add_found(session, carrier, (class, attributes), parts, template)
    }

    fn add_made(
        &self,
        session: &Session,
        carrier: &Held,
        made: (Class, Template),
        parts: Template,
        template: &Template,
    ) -> Result<Reply> {
        let found = self.add_found(session, carrier, made, parts, template)?;
        Ok(told(carrier, Reply::Object(found)))
    }

    fn add_found(
        &self,
        session: &Session,
        carrier: &Held,
        made: (Class, Template),
        parts: Template,
        template: &Template,
    ) -> Result<Found> {
        let made = whole(made, parts, template)?;
        self.count(&session.application, carrier)?;
        self.add_all(session, vec![made])?.pop().ok_or_else(gone)
    }

    /// The key that carries or makes others, found fit for it.
    fn carrier(
        &self,
        session: &Session,
        carrier: &Carrier,
        mechanism: &Mechanism,
        handle: ObjectHandle,
    ) -> Result<(Use, Arc<Held>)> {
        let state = self.current()?;
        let offer = state.offer(mechanism.kind)?;
        if !offer.functions.contains(carrier.function) {
            return Err(not_for(mechanism));
        }
        let held = self
            .seen_by(&session.application, handle)
            .map_err(|error| error.recast(Cause::ObjectHandleInvalid, carrier.handle_invalid))?;
        if session.application.login().is_some_and(|login| login.must_change) {
            return Err(expired(&state));
        }
        // There is no call between finding the key and using it in which the PIN could be given.
        self.may_use(session, &held, Stage::Run(None))?;
        let class = held.object.class();
        let wanted = if offer.row.is_symmetric() {
            CKO_SECRET_KEY
        } else if matches!(carrier.function, Functions::WRAP | Functions::ENCAPSULATE) {
            CKO_PUBLIC_KEY
        } else {
            CKO_PRIVATE_KEY
        };
        let public = class.class == CKO_PUBLIC_KEY
            && offer.row.from_public
            && carrier.function == Functions::DERIVE;
        let any_secret = offer.row.key.is_none() && class.class == CKO_SECRET_KEY;
        if !any_secret && ((class.class != wanted && !public) || !offer.row.takes(class.key_type)) {
            return Err(Error::new(
                carrier.type_inconsistent,
                format!("{} wants another kind of key", names::ckm(mechanism.kind)),
            ));
        }
        if !held.object.is(carrier.usage) {
            return Err(Error::new(Cause::KeyFunctionNotPermitted, "the key is not for this")
                .about(carrier.usage));
        }
        check_allowed(&held.object, mechanism.kind)?;
        let limits = offer.limits(carrier.function);
        if offer.row.key.is_some() {
            limits
                .check(keys::bits(&held.object)?)
                .map_err(|error| error.recast(Cause::KeySizeRange, carrier.size_range))?;
        }
        let using = Use {
            key: Arc::clone(&held.object),
            others: self.others(session, &mechanism.params)?,
            params: mechanism.params.clone(),
            limits,
            forward: carrier.function == Functions::WRAP,
        };
        Ok((using, held))
    }

    /// Whether that key may leave under that wrapping key.
    fn may_wrap(&self, held: &Held, wrapping: &Held) -> Result<()> {
        let (key, by) = (&held.object, &wrapping.object);
        if !key.class().is_guarded() {
            return Err(Error::new(Cause::KeyNotWrappable, "secret and private keys are wrapped"));
        }
        if !key.is(CKA_EXTRACTABLE) {
            return Err(Error::new(Cause::KeyUnextractable, "the key stays in the token")
                .about(CKA_EXTRACTABLE));
        }
        if key.is(CKA_WRAP_WITH_TRUSTED) && !by.is(CKA_TRUSTED) {
            return Err(Error::new(Cause::KeyNotWrappable, "only a trusted key may wrap it")
                .about(CKA_WRAP_WITH_TRUSTED));
        }
        self.may_leave(key.class())?;
        if let Some(Value::Template(wanted)) =
            by.attributes().find(CKA_WRAP_TEMPLATE).map(|attribute| &attribute.value)
            && !matches(key, wanted)
        {
            return Err(Error::new(
                Cause::KeyHandleInvalid,
                "the key does not match the wrapping key's template",
            )
            .about(CKA_WRAP_TEMPLATE));
        }
        Ok(())
    }

    /// Policy 34: secret keys under CBC with padding have a smallest size, in bytes. Which, and the
    /// codes, are Assumed: the smallest AES key.
    fn check_padded(&self, mechanism: &Mechanism, len: usize, cause: Cause) -> Result<()> {
        const POLICY_SMALL_PADDED: u32 = 34;
        const LEAST: usize = 16;
        const PADDED: &[CK_MECHANISM_TYPE] = &[
            CKM_AES_CBC_PAD,
            CKM_AES_CBC_PAD_IPSEC,
            CKM_ARIA_CBC_PAD,
            CKM_CAST3_CBC_PAD,
            CKM_CAST5_CBC_PAD,
            CKM_DES_CBC_PAD,
            CKM_DES3_CBC_PAD,
            CKM_DES3_CBC_PAD_IPSEC,
            CKM_RC2_CBC_PAD,
            CKM_RC5_CBC_PAD,
            CKM_SM4_CBC_PAD,
        ];
        if len >= LEAST
            || !PADDED.contains(&mechanism.kind)
            || self.current()?.allows(POLICY_SMALL_PADDED)
        {
            return Ok(());
        }
        Err(Error::new(cause, format!("such a key has at least {LEAST} bytes"))
            .by_policy(POLICY_SMALL_PADDED))
    }

    /// Policies 1 and 5: whether keys of that class may be wrapped.
    fn may_leave(&self, class: Class) -> Result<()> {
        let codes = &self.profile.codes;
        self.policy_of(
            class,
            POLICY_WRAPPING,
            (codes.private_wrapping_off, codes.secret_wrapping_off),
        )
    }

    /// Policies 2 and 6: whether keys of that class may be unwrapped.
    fn may_come(&self, class: Class) -> Result<()> {
        let codes = &self.profile.codes;
        self.policy_of(
            class,
            POLICY_UNWRAPPING,
            (codes.private_unwrapping_off, codes.secret_unwrapping_off),
        )
    }

    fn policy_of(&self, class: Class, policies: (u32, u32), codes: (Code, Code)) -> Result<()> {
        let private = class.class == CKO_PRIVATE_KEY;
        let (policy, code) = if private { (policies.0, codes.0) } else { (policies.1, codes.1) };
        if self.current()?.allows(policy) {
            return Ok(());
        }
        Err(code.error("the partition forbids it").by_policy(policy))
    }
}

/// A key with the parts that come of its bytes.
fn whole(
    (class, mut attributes): (Class, Template),
    parts: Template,
    template: &Template,
) -> Result<(Class, Template)> {
    for part in parts.0 {
        attributes.set(part);
    }
    for part in keys::admit(class, &attributes)?.0 {
        attributes.set(part);
    }
    check_value_agrees(template, class, &attributes)?;
    Ok((class, attributes))
}

/// A caller's template under the template that a key imposes.
fn under(by: &Object, kind: CK_ATTRIBUTE_TYPE, template: &Template) -> Result<Template> {
    template.check_no_duplicates()?;
    let mut merged = template.clone();
    if let Some(Value::Template(imposed)) = by.attributes().find(kind).map(|it| &it.value) {
        for attribute in &imposed.0 {
            if merged.find(attribute.kind).is_some_and(|own| own != attribute) {
                return Err(Error::new(
                    Cause::TemplateInconsistent,
                    "the key imposes another value",
                )
                .about(attribute.kind));
            }
            merged.set(attribute.clone());
        }
    }
    Ok(merged)
}

fn not_for(mechanism: &Mechanism) -> Error {
    Error::new(
        Cause::MechanismInvalid,
        format!("{} is not for this function", names::ckm(mechanism.kind)),
    )
}
