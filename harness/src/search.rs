//! Looks for secrets in the files a run leaves.
//!
//! A secret is looked for as it is, in hexadecimal digits of either case and in base64 at each of its three
//! phases. One of 16 bytes or more is looked for in pieces of 16, so that a part of it is found too: a piece of
//! random bytes is not met by chance. What is shorter than 8 bytes would be, and is not looked for.
//!
//! Every regular file is read whole; links are not followed. A search that could not find anything shows nothing,
//! so [`Search::works`] puts every secret in a file and looks for it there first.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};

use aho_corasick::AhoCorasick;
use anyhow::{Context as _, Result, ensure};
use data_encoding::{BASE64, HEXLOWER, HEXUPPER};
use walkdir::WalkDir;
use zeroize::Zeroizing;

/// Shortest secret that is not met by chance, bytes.
pub const SHORTEST: usize = 8;

/// Length of a piece, bytes.
const PIECE: usize = 16;

/// Something that must not be found.
#[derive(Debug, Clone, Copy)]
pub struct Needle<'a> {
    /// What it is, as printed.
    pub name: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// A secret in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    /// The file.
    pub file: PathBuf,
    /// Which secret.
    pub secret: String,
    /// How it was written, as in `base64`.
    pub form: &'static str,
}

/// What was looked through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Number of files.
    pub files: u64,
    /// Their length, bytes.
    pub bytes: u64,
    /// Secrets, once a file and form.
    pub hits: Vec<Hit>,
}

/// A search for several secrets at once.
pub struct Search {
    automaton: AhoCorasick,
    /// Secret and form of each pattern.
    meaning: Vec<(usize, &'static str)>,
    secrets: Vec<(String, Zeroizing<Vec<u8>>)>,
    /// Secrets too short to be looked for.
    left_out: Vec<String>,
}

impl Search {
    /// # Errors
    /// When the patterns are more than memory holds.
    pub fn new(needles: &[Needle<'_>]) -> Result<Self> {
        let (mut patterns, mut meaning) = (Vec::new(), Vec::new());
        let (mut secrets, mut left_out) = (Vec::new(), Vec::new());
        for needle in needles {
            if needle.bytes.len() < SHORTEST {
                left_out.push(needle.name.to_owned());
                continue;
            }
            for piece in pieces(needle.bytes) {
                for (form, pattern) in forms(piece) {
                    patterns.push(pattern);
                    meaning.push((secrets.len(), form));
                }
            }
            secrets.push((needle.name.to_owned(), Zeroizing::new(needle.bytes.to_vec())));
        }
        Ok(Self { automaton: AhoCorasick::new(patterns)?, meaning, secrets, left_out })
    }

    /// Names of the secrets that are looked for.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.secrets.iter().map(|(name, _)| name.as_str())
    }

    /// Names of those too short for it.
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// Puts every secret in every form in a file of this directory, looks for each, and removes the file.
    ///
    /// # Errors
    /// When one is not found; the file system's.
    pub fn works(&self, directory: &Path) -> Result<usize> {
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        // So that pieces lie across the borders of what is read at once.
        let filler = vec![0_u8; 64 * 1024 - 5];
        let mut expected = BTreeSet::new();
        for (name, bytes) in &self.secrets {
            let texts = [HEXLOWER.encode(bytes), HEXUPPER.encode(bytes), BASE64.encode(bytes)];
            for plain in [bytes.as_slice()].into_iter().chain(texts.iter().map(String::as_bytes)) {
                file.write_all(&filler)?;
                file.write_all(plain)?;
            }
            expected.extend(FORMS.map(|form| (name.as_str(), form)));
        }
        file.flush()?;
        let found = self.file(file.path())?.1;
        let found: BTreeSet<_> = found.iter().map(|it| (it.secret.as_str(), it.form)).collect();
        let missed: Vec<_> = expected
            .iter()
            // Digits without a letter are the same in both cases.
            .filter(|it| !found.contains(*it) && it.1 != FORMS[2])
            .map(|(name, form)| format!("{name} ({form})"))
            .collect();
        ensure!(missed.is_empty(), "the search does not find {}", missed.join(", "));
        Ok(found.len())
    }

    /// Looks through every file below these directories.
    ///
    /// # Errors
    /// A directory or file that cannot be read.
    pub fn through(&self, directories: &[PathBuf]) -> Result<Found> {
        let mut found = Found::default();
        for directory in directories {
            for entry in WalkDir::new(directory).sort_by_file_name() {
                let entry = entry?;
                if !entry.file_type().is_file() {
                    continue;
                }
                let (bytes, hits) = self.file(entry.path())?;
                found.files += 1;
                found.bytes += bytes;
                found.hits.extend(hits);
            }
        }
        Ok(found)
    }

    /// The file's length and what was found in it.
    fn file(&self, path: &Path) -> Result<(u64, BTreeSet<Hit>)> {
        let context = || path.display().to_string();
        let mut reader =
            Counting { inner: BufReader::new(File::open(path).with_context(context)?), bytes: 0 };
        let mut hits = BTreeSet::new();
        for found in self.automaton.stream_find_iter(&mut reader) {
            let pattern = found.with_context(context)?.pattern();
            let Some((secret, form)) = self.meaning.get(pattern.as_usize()) else { continue };
            let Some((name, _)) = self.secrets.get(*secret) else { continue };
            hits.insert(Hit { file: path.to_owned(), secret: name.clone(), form });
        }
        Ok((reader.bytes, hits))
    }
}

struct Counting<R> {
    inner: R,
    bytes: u64,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.bytes += read as u64;
        Ok(read)
    }
}

const FORMS: [&str; 4] = ["as it is", "hexadecimal", "hexadecimal, upper case", "base64"];

/// Pieces that cover the secret, but for a rest shorter than a piece.
fn pieces(secret: &[u8]) -> Vec<&[u8]> {
    if secret.len() < PIECE { vec![secret] } else { secret.chunks_exact(PIECE).collect() }
}

/// What a piece looks like within a text that holds the secret. Of base64 only whole groups are sure: what
/// stands around the piece decides where they begin, so each of three beginnings is a pattern.
fn forms(piece: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let [raw, lower, upper, base64] = FORMS;
    let mut forms = vec![
        (raw, piece.to_vec()),
        (lower, HEXLOWER.encode(piece).into_bytes()),
        (upper, HEXUPPER.encode(piece).into_bytes()),
    ];
    for phase in 0..3 {
        let rest = piece.get(phase..).unwrap_or_default();
        let whole = rest.get(..rest.len() - rest.len() % 3).unwrap_or_default();
        // Less than two groups would be met by chance.
        if whole.len() >= 6 {
            forms.push((base64, BASE64.encode(whole).into_bytes()));
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn bytes(len: usize) -> Vec<u8> {
        // Different at every place, so that no piece is another's.
        (0..len).map(|at| u8::try_from((at * 97 + at / 256 * 31 + 11) % 256).unwrap()).collect()
    }

    fn hits(secret: &[u8], content: &[u8]) -> Vec<&'static str> {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("below")).unwrap();
        fs::write(directory.path().join("below/file"), content).unwrap();
        fs::write(directory.path().join("other"), "nothing").unwrap();
        let search = Search::new(&[Needle { name: "secret", bytes: secret }]).unwrap();
        let found = search.through(&[directory.path().to_owned()]).unwrap();
        assert_eq!((found.files, found.bytes), (2, content.len() as u64 + 7));
        assert!(found.hits.iter().all(|hit| hit.file.ends_with("below/file")));
        found.hits.iter().map(|hit| hit.form).collect()
    }

    #[test]
    fn a_secret_is_found_in_each_form_wherever_it_lies() {
        let secret = bytes(100);
        for before in [0, 1, 2, 5, 65_530, 131_071] {
            let inside = [vec![b'.'; before], secret.clone(), vec![b'.'; 9]].concat();
            assert_eq!(hits(&secret, &inside), [FORMS[0]], "{before}");
            assert_eq!(hits(&secret, HEXLOWER.encode(&inside).as_bytes()), [FORMS[1]], "{before}");
            assert_eq!(hits(&secret, HEXUPPER.encode(&inside).as_bytes()), [FORMS[2]], "{before}");
            assert_eq!(hits(&secret, BASE64.encode(&inside).as_bytes()), [FORMS[3]], "{before}");
        }
    }

    #[test]
    fn a_part_of_a_secret_is_found() {
        let secret = bytes(100);
        assert_eq!(hits(&secret, &secret[40..72]), [FORMS[0]]);
        assert!(hits(&secret, &secret[1..16]).is_empty(), "less than a piece is not");
    }

    #[test]
    fn a_short_secret_is_looked_for_whole_and_a_shorter_one_not_at_all() {
        assert_eq!(hits(b"password", b"a password."), [FORMS[0]]);
        assert!(hits(b"password", b"passwor").is_empty());
        let search = Search::new(&[Needle { name: "pin", bytes: b"1234" }]).unwrap();
        assert_eq!(search.left_out(), ["pin"]);
        assert_eq!(search.names().count(), 0);
    }

    #[test]
    fn the_search_proves_itself() {
        let directory = tempfile::tempdir().unwrap();
        let (long, short) = (bytes(5_000), *b"another secret, of its own");
        let needles =
            [Needle { name: "long", bytes: &long }, Needle { name: "short", bytes: &short }];
        let search = Search::new(&needles).unwrap();
        assert_eq!(search.works(directory.path()).unwrap(), 8);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "the file is gone");
    }

    #[test]
    fn a_directory_that_is_not_there_is_an_error() {
        let search = Search::new(&[Needle { name: "x", bytes: b"12345678" }]).unwrap();
        assert!(search.through(&["/nowhere/at/all".into()]).is_err());
    }
}
