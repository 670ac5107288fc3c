//! `Chrystoki.conf`, the vendor's client configuration file: parsed, looked up, edited in place.
//!
//! The text is kept as it was read, comments and order included; an edit changes the bytes it must and no
//! others. What the keys mean is left to those who ask for them: the module, `lunacm`, `luna-emulator`.
//!
//! ```text
//! Chrystoki2 = {
//!    LibUNIX64 = /usr/safenet/lunaclient/lib/libCryptoki2_64.so;
//! }
//! LunaSA Client = {
//!    ServerName00 = hsm1.example;   // the order is the order of the slots
//! }
//! HASynchronize = { grp = 1; }
//! ```
//!
//! Grammar. Names of sections and keys may hold blanks and are looked up without regard to case; a value ends
//! at `;` (Observed in the files that the vendor's and others' tools write). `//` begins a comment, a TAB is
//! refused wherever it stands (Documented, *Configuration File Summary*). Where no source says anything:
//! sections of the same name are one, the last value of a key counts, `#` begins a comment where a name could
//! stand, a `;` too many is overlooked, a value may not run over the end of its line, and one that stands whole
//! between quotation marks is what is between them, `;` and braces included (Assumed).

mod edit;
mod error;
mod ha;
mod parse;
mod save;
mod servers;
mod typed;

use std::ffi::OsString;
use std::ops::Range;
use std::path::{Path, PathBuf};

pub use self::error::Error;
pub use self::ha::HaGroup;
pub use self::save::edit;
pub use self::servers::{LunaServer, NTLS_PORT};

/// Name of the file in its directory.
pub const FILE_NAME: &str = "Chrystoki.conf";

/// Name of the environment variable that holds the file's directory.
pub const DIRECTORY_VARIABLE: &str = "ChrystokiConfigurationPath";

/// The directory without that variable.
pub const DEFAULT_DIRECTORY: &str = "/etc";

/// A configuration file, its text and what stands where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conf {
    file: PathBuf,
    text: String,
    blocks: Vec<Block>,
}

/// One `Name = { … }` of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Block {
    name: String,
    /// From the first byte of the name to past the `}`.
    span: Range<usize>,
    /// Between the braces.
    body: Range<usize>,
    line: usize,
    pairs: Vec<Pair>,
}

/// One `Key = value;` of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pair {
    key: String,
    /// From the first byte of the key to past the `;`.
    span: Range<usize>,
    /// The value without the blanks and the quotation marks around it.
    value: Range<usize>,
    /// The value with its quotation marks.
    written: Range<usize>,
    line: usize,
}

/// All blocks of one name, as one section.
#[derive(Debug, Clone, Copy)]
pub struct Section<'a> {
    conf: &'a Conf,
    name: &'a str,
}

/// One key that counts, with its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// As it is spelled in the file.
    pub key: &'a str,
    /// Without the blanks around it; may be empty.
    pub value: &'a str,
    /// Counted from 1.
    pub line: usize,
}

fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

impl Conf {
    /// Where the file is: in `env_dir`, the value of [`DIRECTORY_VARIABLE`], or else in `/etc`. A directory
    /// that is given is the only place looked at, whether or not the file is there. An empty value counts as
    /// none (Assumed).
    pub fn locate(env_dir: Option<OsString>) -> PathBuf {
        let directory = env_dir.filter(|dir| !dir.is_empty()).map(PathBuf::from);
        directory.unwrap_or_else(|| PathBuf::from(DEFAULT_DIRECTORY)).join(FILE_NAME)
    }

    /// Reads and parses a file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or [`Conf::parse`] fails.
    pub fn read(file: &Path) -> Result<Self, Error> {
        let bytes = std::fs::read(file).map_err(|error| Error::unreadable(file, &error))?;
        Self::parse_bytes(&bytes, file)
    }

    /// Parses bytes that ought to be UTF-8; `file` is where they came from, for errors.
    ///
    /// # Errors
    ///
    /// They are not UTF-8, or [`Conf::parse`] fails.
    pub fn parse_bytes(bytes: &[u8], file: &Path) -> Result<Self, Error> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::parse(text, file),
            Err(error) => {
                let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
                let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
                Err(Error::new(file, "a byte that is not UTF-8", "plain text").on_line(line))
            }
        }
    }

    /// Parses a text; `file` is where it came from, for errors.
    ///
    /// # Errors
    ///
    /// The first thing that is not of the grammar, with its line.
    pub fn parse(text: &str, file: impl Into<PathBuf>) -> Result<Self, Error> {
        let file = file.into();
        let blocks = parse::blocks(text, &file)?;
        Ok(Self { file, text: text.to_owned(), blocks })
    }

    /// A file with nothing in it yet.
    pub fn empty(file: impl Into<PathBuf>) -> Self {
        Self { file: file.into(), text: String::new(), blocks: Vec::new() }
    }

    /// Where the text came from, as given.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The text, with the edits in it.
    pub fn to_text(&self) -> String {
        self.text.clone()
    }

    /// The names of the sections, each once, as first spelled, in the order of the file.
    pub fn section_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for block in &self.blocks {
            if !names.iter().any(|name| same(name, &block.name)) {
                names.push(&block.name);
            }
        }
        names
    }

    /// A section by name, or `None` when the file has none of that name.
    pub fn section(&self, name: &str) -> Option<Section<'_>> {
        let first = self.blocks.iter().find(|block| same(&block.name, name))?;
        Some(Section { conf: self, name: &first.name })
    }

    /// The value of a key, or `None` when it is not there. It may be empty.
    pub fn value(&self, section: &str, key: &str) -> Option<&str> {
        self.section(section)?.value(key)
    }

    /// Takes numbered keys (`Name00`, `Name01`, …) out: those of each later number move to the one before it, in
    /// place, and the last number's go.
    /// `later` are the numbers in use behind it.
    fn close_gap(
        &mut self,
        section: &str,
        number: usize,
        later: &[usize],
        keys: &[&dyn Fn(usize) -> String],
    ) -> Result<(), Error> {
        let mut free = number;
        for next in later {
            for key in keys {
                match self.value(section, &key(*next)).map(str::to_owned) {
                    Some(value) => self.set(section, &key(free), &value)?,
                    None => {
                        self.remove(section, &key(free));
                    }
                }
            }
            free = *next;
        }
        for key in keys {
            self.remove(section, &key(free));
        }
        Ok(())
    }

    fn entry_of<'a>(&'a self, pair: &'a Pair) -> Entry<'a> {
        let value = self.text.get(pair.value.clone()).unwrap_or_default();
        Entry { key: &pair.key, value, line: pair.line }
    }

    fn blocks_of(&self, name: &str) -> impl DoubleEndedIterator<Item = &Block> {
        self.blocks.iter().filter(move |block| same(&block.name, name))
    }
}

impl<'a> Section<'a> {
    /// Its name, as first spelled.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// The value of a key, or `None` when it is not there.
    pub fn value(&self, key: &str) -> Option<&'a str> {
        self.entry(key).map(|entry| entry.value)
    }

    /// A key with its value and line, or `None` when it is not there.
    pub fn entry(&self, key: &str) -> Option<Entry<'a>> {
        let conf = self.conf;
        let mut pairs = conf.blocks.iter().rev().filter(|block| same(&block.name, self.name));
        pairs.find_map(|block| {
            let pair = block.pairs.iter().rev().find(|pair| same(&pair.key, key))?;
            Some(conf.entry_of(pair))
        })
    }

    /// All keys that count, in the order of the file: of a key that is there twice, the last.
    pub fn entries(&self) -> Vec<Entry<'a>> {
        let conf = self.conf;
        let blocks = conf.blocks.iter().filter(|block| same(&block.name, self.name));
        let mut entries: Vec<Entry<'a>> = Vec::new();
        for entry in blocks.flat_map(|block| &block.pairs).map(|pair| conf.entry_of(pair)) {
            entries.retain(|earlier| !same(earlier.key, entry.key));
            entries.push(entry);
        }
        entries
    }
}
