//! Edits of the text that leave alone what they are not about.

use std::ops::Range;

use crate::{Block, Conf, Error, parse, same};

/// Indentation of a key when the file shows none, as the vendor's samples have it.
const INDENTATION: &str = "   ";

/// Whether a value has to stand between quotation marks.
fn needs_quotes(value: &str) -> bool {
    value.contains([';', '{', '}']) || value.trim() != value || value.starts_with('"')
}

fn can_be_written(value: &str) -> bool {
    let one_line = !value.contains(['\t', '\n', '\r']);
    one_line && !(needs_quotes(value) && value.contains('"'))
}

/// A value as it stands in the file.
fn written(value: &str) -> String {
    if needs_quotes(value) { format!("\"{value}\"") } else { value.to_owned() }
}

impl Conf {
    /// Gives a key a value: in place when it is there, else at the end of its section, else in a new section
    /// at the end of the file. Of a key that is there twice, the one that counts is changed.
    ///
    /// # Errors
    ///
    /// The name or the value cannot stand in such a file; nothing is changed then.
    pub fn set(&mut self, section: &str, key: &str, value: &str) -> Result<(), Error> {
        self.check(section, key, value)?;
        if self.value(section, key) == Some(value) {
            return Ok(());
        }
        let value = &written(value);
        let counting = self.blocks_of(section).rev().find_map(|block| {
            block
                .pairs
                .iter()
                .rev()
                .find(|pair| same(&pair.key, key))
                .map(|pair| pair.written.clone())
        });
        let last = self.blocks_of(section).next_back();
        let (place, text) = match (counting, last) {
            // `Key =;` has no room for a blank of its own.
            (Some(place), _) if place.is_empty() && self.ends_with_equals(place.start) => {
                (place, format!(" {value}"))
            }
            (Some(place), _) => (place, value.to_owned()),
            (None, Some(block)) => self.addition(block, key, value),
            (None, None) => {
                let end = self.text.len();
                let gap = if self.text.is_empty() || self.text.ends_with('\n') { "" } else { "\n" };
                (end..end, format!("{gap}{section} = {{\n{INDENTATION}{key} = {value};\n}}\n"))
            }
        };
        self.splice(place, &text)
    }

    /// Takes a key out, however often it is there, with a comment behind it on its line. `false` when it was
    /// not there.
    pub fn remove(&mut self, section: &str, key: &str) -> bool {
        let found: Vec<Range<usize>> = self
            .blocks_of(section)
            .flat_map(|block| &block.pairs)
            .filter(|pair| same(&pair.key, key))
            .map(|pair| pair.span.clone())
            .collect();
        self.take_out(&found)
    }

    /// Takes out all sections of a name. `false` when there was none.
    pub fn remove_section(&mut self, section: &str) -> bool {
        let found: Vec<Range<usize>> =
            self.blocks_of(section).map(|block| block.span.clone()).collect();
        self.take_out(&found)
    }

    fn check(&self, section: &str, key: &str, value: &str) -> Result<(), Error> {
        let sound = |text: &str, barred: &[char]| {
            !text.contains(barred) && !text.contains(['\t', '\n', '\r', ';', '{', '}'])
        };
        let name = |text: &str| {
            let comment = text.starts_with("//") || text.starts_with(['#', '\u{feff}']);
            !text.is_empty() && text.trim() == text && sound(text, &['=']) && !comment
        };
        let complaint = if !name(section) {
            (format!("the name `{section}`"), "a section name of one line without = ; { }")
        } else if !name(key) {
            (format!("the name `{key}`"), "a key of one line without = ; { }")
        } else if !can_be_written(value) {
            (
                format!("the value `{value}`"),
                "a value of one line, without a quotation mark where it has ; { } or begins with one",
            )
        } else {
            return Ok(());
        };
        let (what, expected) = complaint;
        Err(Error::new(&self.file, what, expected).in_section(section).in_key(key))
    }

    fn ends_with_equals(&self, at: usize) -> bool {
        self.text.get(..at).is_some_and(|before| before.ends_with('='))
    }

    /// A key at the end of a block, in the block's own manner.
    fn addition(&self, block: &Block, key: &str, value: &str) -> (Range<usize>, String) {
        let body = self.text.get(block.body.clone()).unwrap_or_default();
        let close = block.body.end;
        let Some(last_line) = body.rfind('\n') else {
            // On one line: `{ a = 1; }`.
            let gap = if body.ends_with(' ') { "" } else { " " };
            return (close..close, format!("{gap}{key} = {value}; "));
        };
        let indentation =
            block.pairs.last().map_or(INDENTATION, |pair| self.blanks_before(pair.span.start));
        // The line of the `}` usually holds nothing else; what does stand before it is kept.
        let at = block.body.start + last_line + 1;
        let alone = self.text.get(at..close).is_some_and(|before| before.trim().is_empty());
        if alone {
            (at..at, format!("{indentation}{key} = {value};\n"))
        } else {
            (close..close, format!(" {key} = {value}; "))
        }
    }

    /// The blanks a line starts with, when there is nothing but them before `at`.
    fn blanks_before(&self, at: usize) -> &str {
        let before = self.text.get(..at).unwrap_or_default();
        let line = before.rfind('\n').map_or(0, |end| end + 1);
        before.get(line..).filter(|line| line.trim().is_empty()).unwrap_or(INDENTATION)
    }

    fn take_out(&mut self, spans: &[Range<usize>]) -> bool {
        let whole: Vec<Range<usize>> = spans.iter().map(|span| self.with_its_line(span)).collect();
        let mut text = self.text.clone();
        for span in whole.iter().rev() {
            text.replace_range(span.clone(), "");
        }
        // What is left is of the grammar still, as whole statements were taken.
        if let Ok(blocks) = parse::blocks(&text, &self.file) {
            (self.text, self.blocks) = (text, blocks);
        }
        !spans.is_empty()
    }

    /// A statement with the line it fills; the statement alone when others share its line.
    fn with_its_line(&self, span: &Range<usize>) -> Range<usize> {
        let before = self.text.get(..span.start).unwrap_or_default();
        let after = self.text.get(span.end..).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        let line_end = after.find('\n').map_or(after.len(), |end| end + 1);
        let rest = after.get(..line_end).unwrap_or_default().trim();
        let first = before.get(line_start..).is_some_and(|blanks| blanks.trim().is_empty());
        let last = rest.is_empty() || rest.starts_with("//") || rest.starts_with('#');
        if first && last {
            line_start..span.end + line_end
        } else {
            let blanks = after.len() - after.trim_start_matches(' ').len();
            span.start..span.end + blanks
        }
    }

    fn splice(&mut self, place: Range<usize>, with: &str) -> Result<(), Error> {
        let mut text = self.text.clone();
        text.replace_range(place, with);
        let blocks = parse::blocks(&text, &self.file)?;
        (self.text, self.blocks) = (text, blocks);
        Ok(())
    }
}
