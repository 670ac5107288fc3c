//! Values with a type; each complaint names the line, the key and what would have been right.

use std::ops::RangeInclusive;

use crate::{Conf, Error};

/// Spellings of on and off in the vendor's files: `HAOnly = 1`, `ShowEmptySlots = no`, `haLogStatus = disabled`.
const ON: [&str; 3] = ["1", "yes", "enabled"];
const OFF: [&str; 3] = ["0", "no", "disabled"];

impl Conf {
    /// A whole number within `range`; `None` when the key is not there.
    ///
    /// # Errors
    ///
    /// The value is no decimal number, or is outside of `range`.
    pub fn number(
        &self,
        section: &str,
        key: &str,
        range: RangeInclusive<i64>,
    ) -> Result<Option<i64>, Error> {
        let Some(value) = self.value(section, key) else { return Ok(None) };
        match value.parse::<i64>() {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            _ => {
                let expected = format!("a number from {} to {}", range.start(), range.end());
                Err(self.wrong(section, key, format!("`{value}`"), expected))
            }
        }
    }

    /// On or off: `1`, `yes`, `enabled` or `0`, `no`, `disabled`, in any case (the set as a whole is
    /// Assumed: each key of the vendor's knows one of the pairs). `None` when the key is not there.
    ///
    /// # Errors
    ///
    /// The value is neither.
    pub fn flag(&self, section: &str, key: &str) -> Result<Option<bool>, Error> {
        let Some(value) = self.value(section, key) else { return Ok(None) };
        let is = |word: &&str| value.eq_ignore_ascii_case(word);
        if ON.iter().any(is) {
            Ok(Some(true))
        } else if OFF.iter().any(is) {
            Ok(Some(false))
        } else {
            Err(self.wrong(section, key, format!("`{value}`"), "0 or 1"))
        }
    }

    /// One of some words, in any case: its place in `words`. `None` when the key is not there.
    ///
    /// # Errors
    ///
    /// The value is none of them.
    pub fn choice(&self, section: &str, key: &str, words: &[&str]) -> Result<Option<usize>, Error> {
        let Some(value) = self.value(section, key) else { return Ok(None) };
        match words.iter().position(|word| value.eq_ignore_ascii_case(word)) {
            Some(place) => Ok(Some(place)),
            None => {
                let expected = format!("one of {}", words.join(", "));
                Err(self.wrong(section, key, format!("`{value}`"), expected))
            }
        }
    }

    /// What stands between commas, without blanks and without what is empty. Empty when the key is not
    /// there.
    pub fn list(&self, section: &str, key: &str) -> Vec<&str> {
        let items = self.value(section, key).unwrap_or_default().split(',').map(str::trim);
        items.filter(|item| !item.is_empty()).collect()
    }

    /// The error for a value that only its reader can judge: it gets the file, and the line of the key when
    /// the key is there.
    pub fn wrong(
        &self,
        section: &str,
        key: &str,
        what: impl Into<String>,
        expected: impl Into<String>,
    ) -> Error {
        let error = Error::new(self.file(), what, expected).in_section(section).in_key(key);
        match self.section(section).and_then(|section| section.entry(key)) {
            Some(entry) => error.on_line(entry.line),
            None => error,
        }
    }
}
