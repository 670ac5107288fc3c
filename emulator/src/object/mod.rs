//! Attributes, templates, class rules, and secrets that zero on drop and never print.
//!
//! Knows nothing of sessions, partitions or crypto; everybody who touches a key may read it.

pub mod build;
pub mod held;
pub(crate) mod key_types;
pub mod rules;
pub mod template;

pub use self::template::{Answer, Attribute, Template, Value};
