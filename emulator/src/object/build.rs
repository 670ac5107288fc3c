//! From a caller's template to a whole object, by the rules of its class.

use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::object::rules::{
    Change, Class, Default, Form, Given, Origin, Rule, has_key_type, is_known,
};
use crate::object::{Attribute, Template, Value};

/// What the rules need to know beyond the template.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// How the object comes into the token.
    pub origin: Origin,
    /// A Crypto Officer or Crypto User is logged in, so `CKA_PRIVATE` defaults to true.
    pub logged_in: bool,
    /// The Partition SO is logged in, who alone may set `CKA_TRUSTED`.
    pub partition_so: bool,
    /// The mechanism that made the key, for `CKA_KEY_GEN_MECHANISM`.
    pub mechanism: Option<CK_MECHANISM_TYPE>,
}

/// The class a template names, or the one that is implied by the mechanism that makes the key.
///
/// # Errors
/// `TemplateIncomplete` without a class or key type, `TemplateInconsistent` where template and
/// mechanism differ, `AttributeValueInvalid` for a class or key type this module has not.
pub fn class_of(template: &Template, implied: Option<Class>) -> Result<Class> {
    let named = |kind| match template.find(kind) {
        None => Ok(None),
        Some(_) => template.number(kind).map(Some).ok_or_else(|| {
            Error::new(Cause::AttributeValueInvalid, "a number of 8 bytes is wanted").about(kind)
        }),
    };
    let (class, key_type) = (named(CKA_CLASS)?, named(CKA_KEY_TYPE)?);
    if let Some(implied) = implied {
        if class.is_some_and(|class| class != implied.class) {
            return Err(inconsistent(CKA_CLASS, "the mechanism makes another class"));
        }
        if key_type.is_some() && key_type != implied.key_type {
            return Err(inconsistent(CKA_KEY_TYPE, "the mechanism makes another key type"));
        }
        return Ok(implied);
    }
    let class = class.ok_or_else(|| incomplete(CKA_CLASS))?;
    let named = has_key_type(class);
    if named && key_type.is_none() {
        return Err(incomplete(CKA_KEY_TYPE));
    }
    let class = Class::of(class, key_type);
    if class.tables().is_none() {
        let about = if named { CKA_KEY_TYPE } else { CKA_CLASS };
        return Err(Error::new(
            Cause::AttributeValueInvalid,
            "this module has no such object class or key type",
        )
        .about(about));
    }
    Ok(class)
}

/// The whole object but for what the token computes from the key itself.
///
/// # Errors
/// The codes of PKCS#11 v2.40 section 4.1.1: `AttributeTypeInvalid` for an attribute nobody knows,
/// `TemplateInconsistent` for one the class has not, `AttributeReadOnly` for one the token sets,
/// `AttributeValueInvalid` for a value of the wrong form, `TemplateIncomplete` for one missing.
pub fn complete(template: &Template, class: Class, how: Circumstances) -> Result<Template> {
    template.check_no_duplicates()?;
    // Every rule gives at most one attribute; growing would move what there is again and again.
    let mut object = Template(Vec::with_capacity(class.rules().count()));
    for attribute in &template.0 {
        let rule = rule_of(class, attribute)?;
        check_form(rule, attribute)?;
        match rule.given(how.origin) {
            Given::Must | Given::May => object.set(attribute.clone()),
            Given::Echo => {}
            Given::Never => {
                return Err(Error::new(Cause::AttributeReadOnly, "the token sets this attribute")
                    .about(attribute.kind));
            }
        }
        let on = attribute.as_bytes().is_some_and(|bytes| bytes != [0]);
        if rule.change == Change::BySo && on && !how.partition_so {
            return Err(Error::new(
                Cause::AttributeReadOnly,
                "only the Partition SO makes an object trusted",
            )
            .about(attribute.kind));
        }
    }
    for rule in class.rules() {
        if rule.given(how.origin) == Given::Must && object.find(rule.kind).is_none() {
            return Err(incomplete(rule.kind));
        }
        if let Some(attribute) = default_of(rule, &object, class, how) {
            object.set_default(attribute);
        }
    }
    if object.flag(CKA_ALWAYS_AUTHENTICATE) == Some(true) && object.flag(CKA_PRIVATE) != Some(true)
    {
        return Err(inconsistent(
            CKA_ALWAYS_AUTHENTICATE,
            "only a private object asks for the PIN at each use",
        ));
    }
    begin_count(&mut object, template);
    derive_history(&mut object, class, how);
    Ok(object)
}

/// A limit of uses that is given, even the same again, begins the count anew.
///
/// Source: the vendor's functional tests and larskanis/pkcs11 on a device (Documented, Observed).
fn begin_count(object: &mut Template, template: &Template) {
    if template.find(CKA_USAGE_LIMIT).is_some() {
        object.set(Attribute::number(CKA_USAGE_COUNT, 0));
    }
}

/// Whether what a template said of attributes that follow from the key is true of the key.
///
/// # Errors
/// `AttributeValueInvalid` names the attribute that says otherwise.
pub fn check_echoes(
    template: &Template,
    object: &Template,
    class: Class,
    origin: Origin,
) -> Result<()> {
    for sent in &template.0 {
        let echo = class.rule(sent.kind).is_some_and(|rule| rule.given(origin) == Given::Echo);
        if echo && object.find(sent.kind).is_some_and(|own| own != sent) {
            return Err(Error::new(Cause::AttributeValueInvalid, "the key itself says otherwise")
                .about(sent.kind));
        }
    }
    Ok(())
}

/// `CKA_ALWAYS_SENSITIVE` and `CKA_NEVER_EXTRACTABLE`: the vendor's rules on generation; false for
/// what came from outside. A derived key's caller mends them with the base key's.
///
/// Source: vendor page "Key Attribute Defaults" (Documented).
fn derive_history(object: &mut Template, class: Class, how: Circumstances) {
    if !class.is_guarded() {
        return;
    }
    let made_here = how.origin == Origin::Generated;
    let sensitive = object.flag(CKA_SENSITIVE).unwrap_or(false);
    let extractable = object.flag(CKA_EXTRACTABLE).unwrap_or(false);
    object.set(Attribute::flag(CKA_ALWAYS_SENSITIVE, made_here && sensitive));
    object.set(Attribute::flag(CKA_NEVER_EXTRACTABLE, made_here && !extractable));
}

fn default_of(
    rule: &Rule,
    object: &Template,
    class: Class,
    how: Circumstances,
) -> Option<Attribute> {
    let made_here = how.origin == Origin::Generated;
    match rule.default {
        Default::Absent => None,
        Default::Empty => Some(Attribute::bytes(rule.kind, Vec::new())),
        Default::Off => Some(Attribute::flag(rule.kind, false)),
        Default::On => Some(Attribute::flag(rule.kind, true)),
        Default::Is(number) => Some(Attribute::number(rule.kind, number)),
        Default::Computed => match rule.kind {
            CKA_CLASS => Some(Attribute::number(rule.kind, class.class)),
            CKA_KEY_TYPE => class.key_type.map(|key| Attribute::number(rule.kind, key)),
            // A public key, certificate or domain parameter has nothing to hide; the vendor's table
            // does not tell them apart, but a client that asks without login expects to see them
            // (Assumed).
            CKA_PRIVATE => {
                let public =
                    matches!(class.class, CKO_PUBLIC_KEY | CKO_CERTIFICATE | CKO_DOMAIN_PARAMETERS);
                Some(Attribute::flag(rule.kind, how.logged_in && !public))
            }
            // Generated and unwrapped keys are sensitive, others are not (Documented).
            CKA_SENSITIVE => {
                let sensitive = matches!(how.origin, Origin::Generated | Origin::Unwrapped);
                Some(Attribute::flag(rule.kind, sensitive))
            }
            CKA_LOCAL => Some(Attribute::flag(rule.kind, made_here)),
            CKA_KEY_GEN_MECHANISM => Some(Attribute::number(
                rule.kind,
                how.mechanism.filter(|_| made_here).unwrap_or(CK_UNAVAILABLE_INFORMATION),
            )),
            CKA_VALUE_LEN => {
                let len = object.bytes(CKA_VALUE)?.len();
                Some(Attribute::number(rule.kind, CK_ULONG::try_from(len).unwrap_or(0)))
            }
            CKA_PRIME_BITS => bits_of(rule.kind, object.bytes(CKA_PRIME)?),
            CKA_SUBPRIME_BITS => bits_of(rule.kind, object.bytes(CKA_SUBPRIME)?),
            // The rest comes from the key itself or from the store.
            _ => None,
        },
    }
}

/// The length of a big-endian number in bits, its leading zeros not counted.
fn bits_of(kind: CK_ATTRIBUTE_TYPE, number: &[u8]) -> Option<Attribute> {
    let mut digits = number.iter().skip_while(|byte| **byte == 0);
    let first = digits.next().map_or(0, |byte| CK_ULONG::from(8 - byte.leading_zeros()));
    let rest = CK_ULONG::try_from(digits.count()).ok()?;
    Some(Attribute::number(kind, first + rest * 8))
}

/// The object as `C_SetAttributeValue` or `C_CopyObject` leaves it; all or nothing.
///
/// # Errors
/// `AttributeReadOnly` for a change the attribute's rule forbids, and those of [`complete`].
pub fn change(
    object: &Template,
    class: Class,
    template: &Template,
    on_copy: bool,
    partition_so: bool,
) -> Result<Template> {
    template.check_no_duplicates()?;
    let mut changed = object.clone();
    for attribute in &template.0 {
        let rule = rule_of(class, attribute)?;
        check_form(rule, attribute)?;
        let old = object.find(attribute.kind);
        if old.is_some_and(|old| old.value == attribute.value) {
            continue;
        }
        let on = attribute.as_bytes().is_some_and(|bytes| bytes != [0]);
        let allowed = match rule.change {
            Change::Free => true,
            Change::Never => false,
            Change::OnlyOn => on,
            Change::OnlyOff => !on,
            Change::OnCopy => on_copy,
            Change::BySo => partition_so || !on,
        };
        if !allowed {
            return Err(Error::new(Cause::AttributeReadOnly, "the attribute cannot change so")
                .about(attribute.kind));
        }
        changed.set(attribute.clone());
    }
    begin_count(&mut changed, template);
    Ok(changed)
}

fn rule_of(class: Class, attribute: &Attribute) -> Result<&'static Rule> {
    class.rule(attribute.kind).ok_or_else(|| {
        if is_known(attribute.kind) {
            inconsistent(attribute.kind, "the class has no such attribute")
        } else {
            Error::new(Cause::AttributeTypeInvalid, "nobody knows this attribute")
                .about(attribute.kind)
        }
    })
}

/// Whether the value has the form its rule says.
fn check_form(rule: &Rule, attribute: &Attribute) -> Result<()> {
    let fits = match (&attribute.value, rule.form) {
        (Value::Bytes(bytes), Form::Flag) => matches!(bytes.as_slice(), [0 | 1]),
        (Value::Bytes(bytes), Form::Number) => bytes.len() == size_of::<CK_ULONG>(),
        (Value::Bytes(bytes), Form::Mechanisms) => {
            bytes.len().is_multiple_of(size_of::<CK_ULONG>())
        }
        (Value::Bytes(bytes), Form::Date) => {
            bytes.is_empty() || (bytes.len() == 8 && bytes.iter().all(u8::is_ascii_digit))
        }
        (Value::Bytes(_), Form::Bytes) | (Value::Template(_), Form::Template) => true,
        (Value::Bytes(bytes), Form::Template) => bytes.is_empty(),
        (Value::Template(_), _) => false,
    };
    if fits {
        return Ok(());
    }
    Err(Error::new(Cause::AttributeValueInvalid, "the value has not the form of this attribute")
        .about(attribute.kind))
}

fn incomplete(kind: CK_ATTRIBUTE_TYPE) -> Error {
    Error::new(Cause::TemplateIncomplete, "the template must give this attribute").about(kind)
}

fn inconsistent(kind: CK_ATTRIBUTE_TYPE, rule: &'static str) -> Error {
    Error::new(Cause::TemplateInconsistent, rule).about(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AES: Class = Class { class: CKO_SECRET_KEY, key_type: Some(CKK_AES) };
    const HOW: Circumstances = Circumstances {
        origin: Origin::Generated,
        logged_in: true,
        partition_so: false,
        mechanism: Some(CKM_AES_KEY_GEN),
    };

    #[test]
    fn a_generated_key_gets_the_vendors_defaults() {
        let template = Template::from_iter([Attribute::number(CKA_VALUE_LEN, 32)]);
        let object = complete(&template, AES, HOW).unwrap();
        for (kind, value) in [
            (CKA_TOKEN, false),
            (CKA_PRIVATE, true),
            (CKA_SENSITIVE, true),
            (CKA_EXTRACTABLE, false),
            (CKA_ALWAYS_SENSITIVE, true),
            (CKA_NEVER_EXTRACTABLE, true),
            (CKA_ENCRYPT, false),
            (CKA_LOCAL, true),
        ] {
            assert_eq!(object.flag(kind), Some(value), "{}", names::cka(kind));
        }
    }

    #[test]
    fn wrong_templates_get_the_standards_codes() {
        for (attribute, cause) in [
            (Attribute::bytes(0x1234_5678, vec![1]), Cause::AttributeTypeInvalid),
            (Attribute::bytes(CKA_MODULUS, vec![1]), Cause::TemplateInconsistent),
            (Attribute::flag(CKA_LOCAL, true), Cause::AttributeReadOnly),
            (Attribute::bytes(CKA_TOKEN, vec![1; 8]), Cause::AttributeValueInvalid),
            (Attribute::bytes(CKA_VALUE_LEN, vec![1; 4]), Cause::AttributeValueInvalid),
            (Attribute::flag(CKA_TRUSTED, true), Cause::AttributeReadOnly),
        ] {
            let error = complete(&Template(vec![attribute]), AES, HOW).unwrap_err();
            assert_eq!(error.cause(), cause, "{error}");
        }
    }

    #[test]
    fn a_limit_of_uses_begins_its_count_each_time_it_is_given() {
        let limit = Template(vec![Attribute::number(CKA_USAGE_LIMIT, 3)]);
        let mut object = complete(&Template::new(), AES, HOW).unwrap();
        assert_eq!((object.number(CKA_USAGE_LIMIT), object.number(CKA_USAGE_COUNT)), (None, None));
        for _ in 0..2 {
            object.set(Attribute::number(CKA_USAGE_COUNT, 2));
            object = change(&object, AES, &limit, false, false).unwrap();
            assert_eq!(object.number(CKA_USAGE_COUNT), Some(0));
        }
        let label = Template(vec![Attribute::bytes(CKA_LABEL, *b"x")]);
        object.set(Attribute::number(CKA_USAGE_COUNT, 2));
        object = change(&object, AES, &label, false, false).unwrap();
        assert_eq!(object.number(CKA_USAGE_COUNT), Some(2));
        let count = Template(vec![Attribute::number(CKA_USAGE_COUNT, 0)]);
        let error = change(&object, AES, &count, false, false).unwrap_err();
        assert_eq!(error.cause(), Cause::AttributeReadOnly);
    }

    #[test]
    fn domain_parameters_count_their_bits() {
        let class = Class { class: CKO_DOMAIN_PARAMETERS, key_type: Some(CKK_DSA) };
        let how = Circumstances { origin: Origin::Created, mechanism: None, ..HOW };
        let number = |kind, bytes: &[u8]| Attribute::bytes(kind, bytes);
        let template = Template(vec![
            Attribute::number(CKA_CLASS, CKO_DOMAIN_PARAMETERS),
            Attribute::number(CKA_KEY_TYPE, CKK_DSA),
            number(CKA_PRIME, &[0, 0x80, 0, 0]),
            number(CKA_SUBPRIME, &[0x1f]),
            number(CKA_BASE, &[2]),
        ]);
        let object = complete(&template, class, how).unwrap();
        assert_eq!(object.number(CKA_PRIME_BITS), Some(24));
        assert_eq!(object.flag(CKA_PRIVATE), Some(false));
        for missing in [CKA_PRIME, CKA_SUBPRIME, CKA_BASE] {
            let mut template = template.clone();
            template.remove(missing);
            let error = complete(&template, class, how).unwrap_err();
            assert_eq!(error.cause(), Cause::TemplateIncomplete);
        }
    }

    #[test]
    fn a_pin_at_each_use_is_for_private_objects() {
        let class = Class { class: CKO_PRIVATE_KEY, key_type: Some(CKK_EC) };
        for (private, fits) in [(true, true), (false, false)] {
            let template = Template(vec![
                Attribute::flag(CKA_PRIVATE, private),
                Attribute::flag(CKA_ALWAYS_AUTHENTICATE, true),
            ]);
            assert_eq!(complete(&template, class, HOW).is_ok(), fits);
        }
    }

    #[test]
    fn sticky_attributes_stick() {
        let object = complete(&Template::new(), AES, HOW).unwrap();
        for (attribute, cause) in [
            (Attribute::flag(CKA_SENSITIVE, false), Some(Cause::AttributeReadOnly)),
            (Attribute::flag(CKA_EXTRACTABLE, true), Some(Cause::AttributeReadOnly)),
            (Attribute::flag(CKA_TOKEN, true), Some(Cause::AttributeReadOnly)),
            (Attribute::flag(CKA_WRAP_WITH_TRUSTED, true), None),
            (Attribute::bytes(CKA_LABEL, *b"new"), None),
        ] {
            let kind = attribute.kind;
            let changed = change(&object, AES, &Template(vec![attribute]), false, false);
            assert_eq!(changed.err().map(|e| e.cause()), cause, "{}", names::cka(kind));
        }
    }
}
