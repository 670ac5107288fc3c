//! Attributes, templates, class rules, and secrets that zero on drop and never print.
//!
//! Knows nothing of sessions, partitions or crypto; everybody who touches a key may read it.

pub mod build;
pub mod held;
pub mod rules;
pub mod template;

pub use self::template::{Answer, Attribute, Template, Value};
