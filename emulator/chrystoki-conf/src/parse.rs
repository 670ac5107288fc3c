//! From text to what stands where in it.

use std::ops::Range;
use std::path::Path;

use crate::{Block, Error, Pair};

/// Where a reader is in the text. Everything that means something is ASCII, so a place before or after it is
/// never inside a character.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    file: &'a Path,
}

/// All blocks of a text, in its order.
pub(crate) fn blocks(text: &str, file: &Path) -> Result<Vec<Block>, Error> {
    if let Some(at) = text.find('\t') {
        let before = text.get(..at).unwrap_or_default();
        let line = 1 + before.matches('\n').count();
        return Err(Error::new(file, "a TAB character", "blanks").on_line(line));
    }
    let mut cursor = Cursor { text, at: 0, line: 1, file };
    if text.starts_with('\u{feff}') {
        cursor.at += '\u{feff}'.len_utf8();
    }
    let mut blocks = Vec::new();
    loop {
        cursor.skip_between();
        if cursor.peek().is_none() {
            return Ok(blocks);
        }
        blocks.push(cursor.block()?);
    }
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn advance(&mut self) {
        if self.peek() == Some(b'\n') {
            self.line += 1;
        }
        self.at += 1;
    }

    fn error(&self, what: impl Into<String>, expected: &str) -> Error {
        Error::new(self.file, what, expected).on_line(self.line)
    }

    /// Passes over blanks, line ends, comments and a `;` too many.
    fn skip_between(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\r' | b'\n' | b';' => self.advance(),
                b'#' => self.skip_line(),
                b'/' if self.rest().starts_with("//") => self.skip_line(),
                _ => return,
            }
        }
    }

    fn skip_line(&mut self) {
        let rest = self.rest();
        self.at += rest.find('\n').unwrap_or(rest.len());
    }

    /// The text up to one of the characters that end a name or a value, without blanks at its end.
    fn word(&mut self, ends: &[char]) -> Range<usize> {
        let rest = self.rest();
        let word = rest.get(..rest.find(ends).unwrap_or(rest.len())).unwrap_or_default();
        let start = self.at;
        self.at += word.len();
        start..start + word.trim_end().len()
    }

    fn slice(&self, range: &Range<usize>) -> &'a str {
        self.text.get(range.clone()).unwrap_or_default()
    }

    /// A name and the `=` after it.
    fn name(&mut self, expected: &str) -> Result<Range<usize>, Error> {
        let name = self.word(&['=', ';', '{', '}', '\n']);
        let spelled = self.slice(&name);
        if self.peek() != Some(b'=') {
            let what = match self.peek() {
                Some(b'{' | b'}') if spelled.is_empty() => "a brace out of place".to_owned(),
                _ => format!("`{spelled}` without a `=` after it"),
            };
            return Err(self.error(what, expected));
        }
        if spelled.is_empty() {
            return Err(self.error("a `=` without a name before it", expected));
        }
        self.advance();
        Ok(name)
    }

    /// `Name = { … }`.
    fn block(&mut self) -> Result<Block, Error> {
        let line = self.line;
        let named = self.name("`Section = {`")?;
        let name = self.slice(&named);
        while let Some(b' ' | b'\r' | b'\n') = self.peek() {
            self.advance();
        }
        if self.peek() != Some(b'{') {
            let what = format!("`{name} = …` stands outside of every section");
            return Err(Error::new(self.file, what, "`Section = {`").on_line(line));
        }
        self.advance();
        let body_start = self.at;
        let mut pairs = Vec::new();
        loop {
            self.skip_between();
            match self.peek() {
                None => {
                    let what = "the section is not closed";
                    return Err(Error::new(self.file, what, "`}`").on_line(line).in_section(name));
                }
                Some(b'}') => break,
                Some(_) => pairs.push(self.pair().map_err(|error| error.in_section(name))?),
            }
        }
        let body = body_start..self.at;
        self.advance();
        Ok(Block { name: name.to_owned(), span: named.start..self.at, body, line, pairs })
    }

    /// `Key = value;`.
    fn pair(&mut self) -> Result<Pair, Error> {
        let line = self.line;
        let named = self.name("`Key = value;` or `}`")?;
        let key = self.slice(&named);
        while let Some(b' ') = self.peek() {
            self.advance();
        }
        let (written, value) = match self.quoted() {
            Some((written, value)) => (written, value),
            None => {
                let word = self.word(&[';', '{', '}', '\n']);
                (word.clone(), word)
            }
        };
        match self.peek() {
            Some(b';') => self.advance(),
            Some(b'{') => {
                let what = "a section inside a section (is the `}` before it missing?)";
                return Err(self.error(what, "`Key = value;` or `}`").in_key(key));
            }
            _ => {
                let what = "the value does not end";
                return Err(self.error(what, "`;` on the same line").in_key(key));
            }
        }
        Ok(Pair { key: key.to_owned(), span: named.start..self.at, value, written, line })
    }

    /// A value between quotation marks with nothing but blanks before its `;`: with them, and without.
    /// None where the value is of another form, of which a quotation mark may be a part.
    fn quoted(&mut self) -> Option<(Range<usize>, Range<usize>)> {
        let inside = self.rest().strip_prefix('"')?;
        let len = inside.find(['"', '\n']).filter(|end| inside.get(*end..=*end) == Some("\""))?;
        let behind = inside.get(len + 1..)?.trim_start_matches(' ');
        if !behind.starts_with(';') {
            return None;
        }
        let start = self.at;
        self.at = self.text.len() - behind.len();
        Some((start..start + len + 2, start + 1..start + 1 + len))
    }
}
