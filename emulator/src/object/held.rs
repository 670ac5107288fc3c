//! An object as the token holds it: its attributes, and what a mechanism parsed from them.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;

use crate::ck::*;
use crate::object::Template;
use crate::object::rules::Class;

/// What a mechanism parsed from an object, and the place it is known by.
type Parsed = (usize, Arc<dyn Any + Send + Sync>);

/// Attributes, secrets among them, in memory only and zeroed when dropped.
#[derive(Debug)]
pub struct Object {
    class: Class,
    attributes: Template,
    /// Parsing an RSA key costs more than a signature, so it is done once. Nearly every key has one
    /// use only; who has more shares the list.
    first: OnceLock<Parsed>,
    others: RwLock<Vec<Parsed>>,
}

impl Object {
    /// An object of a class, its attributes complete.
    pub fn new(class: Class, attributes: Template) -> Self {
        Self { class, attributes, first: OnceLock::new(), others: RwLock::default() }
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
        // What is kept of a key's own secret is nobody's to see.
        if kind == CKA_AUTH_DATA {
            return self.attributes.find(kind).is_some();
        }
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
        if let Some(kept) = self.kept(place).and_then(|kept| kept.downcast::<T>().ok()) {
            return Ok(kept);
        }
        let fresh = Arc::new(parse(&self.attributes)?);
        // Losing a race to another thread costs one parse more, nothing else.
        if let Err(second) = self.first.set((place, fresh.clone())) {
            self.others.write().push(second);
        }
        Ok(fresh)
    }

    fn kept(&self, place: usize) -> Option<Arc<dyn Any + Send + Sync>> {
        let first = self.first.get()?;
        if first.0 == place {
            return Some(Arc::clone(&first.1));
        }
        let others = self.others.read();
        others.iter().find(|(own, _)| *own == place).map(|(_, kept)| Arc::clone(kept))
    }
}
