//! An object as the token holds it: its attributes, and what a mechanism parsed from them.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use crate::ck::*;
use crate::object::Template;
use crate::object::rules::Class;

/// Places for parsed keys: parsing an RSA key costs more than a signature, so it is done once.
const PARSED_PLACES: usize = 16;

/// Attributes, secrets among them, in memory only and zeroed when dropped.
#[derive(Debug)]
pub struct Object {
    class: Class,
    attributes: Template,
    parsed: [OnceLock<Arc<dyn Any + Send + Sync>>; PARSED_PLACES],
}

impl Object {
    /// An object of a class, its attributes complete.
    pub fn new(class: Class, attributes: Template) -> Self {
        Self { class, attributes, parsed: [const { OnceLock::new() }; PARSED_PLACES] }
    }

    /// Its class and key type.
    pub fn class(&self) -> Class {
        self.class
    }

    /// Everything it holds. Who shows it to a caller asks [`Object::hides`] first.
    pub fn attributes(&self) -> &Template {
        &self.attributes
    }

    /// Whether the attribute is there and must not be told.
    ///
    /// Source: PKCS#11 v2.40 section 4.2 table 10 note 7: sensitive or unextractable.
    pub fn hides(&self, kind: CK_ATTRIBUTE_TYPE) -> bool {
        let secret = self.class.rule(kind).is_some_and(|rule| rule.secret);
        secret
            && self.class.is_guarded()
            && (self.attributes.flag(CKA_SENSITIVE) == Some(true)
                || self.attributes.flag(CKA_EXTRACTABLE) == Some(false))
    }

    /// A boolean attribute; absent is false.
    pub fn is(&self, kind: CK_ATTRIBUTE_TYPE) -> bool {
        self.attributes.flag(kind).unwrap_or(false)
    }

    /// What a mechanism parsed into that place before, or now by `parse`.
    ///
    /// # Errors
    /// Those of `parse`; nothing is kept then.
    pub fn parsed<T: Send + Sync + 'static, E>(
        &self,
        place: usize,
        parse: impl FnOnce(&Template) -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        if let Some(kept) = self.parsed.get(place).and_then(OnceLock::get)
            && let Ok(kept) = Arc::clone(kept).downcast::<T>()
        {
            return Ok(kept);
        }
        let fresh = Arc::new(parse(&self.attributes)?);
        if let Some(cell) = self.parsed.get(place) {
            let kept: Arc<dyn Any + Send + Sync> = fresh.clone();
            // Losing the race to another thread costs one parse more, nothing else.
            let _ = cell.set(kept);
        }
        Ok(fresh)
    }
}
