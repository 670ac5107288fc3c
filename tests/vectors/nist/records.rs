//! The form of NIST's files: `[sections]`, and records of `name = value` lines.

use std::collections::HashMap;

/// One case.
pub(super) struct Record {
    /// What stands in brackets above it, one after the other.
    pub(super) section: String,
    fields: HashMap<String, String>,
}

/// The records of a file. A blank line or a name that comes again begins the next one; names `carried` stand
/// once for all records that follow. Comments, and what is neither, are passed over; a bare word is a field
/// without a value.
pub(super) fn records(text: &str, carried: &[&str]) -> Vec<Record> {
    let mut all = Vec::new();
    let (mut section, mut in_sections) = (String::new(), false);
    let mut kept: HashMap<String, String> = HashMap::new();
    let mut fields: HashMap<String, String> = HashMap::new();
    let mut end = |fields: &mut HashMap<String, String>, section: &str| {
        let ended = std::mem::take(fields);
        kept.extend(ended.iter().filter(|(name, _)| carried.contains(&&***name)).map(own));
        if ended.keys().any(|name| !carried.contains(&name.as_str())) {
            let mut fields = kept.clone();
            fields.extend(ended);
            all.push(Record { section: section.to_owned(), fields });
        }
    };
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[') {
            end(&mut fields, &section);
            if !in_sections {
                section.clear();
            }
            in_sections = true;
            section += name.trim_end_matches(']');
            section.push(';');
            continue;
        }
        in_sections = in_sections && line.is_empty();
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        let name = name.trim().to_lowercase();
        if name.is_empty() || fields.contains_key(&name) {
            end(&mut fields, &section);
        }
        if !name.is_empty() {
            fields.insert(name, value.trim().to_owned());
        }
    }
    end(&mut fields, &section);
    all
}

fn own((name, value): (&String, &String)) -> (String, String) {
    (name.clone(), value.clone())
}

impl Record {
    pub(super) fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    #[track_caller]
    pub(super) fn text(&self, name: &str) -> &str {
        self.fields.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.fields))
    }

    #[track_caller]
    pub(super) fn bytes(&self, name: &str) -> Vec<u8> {
        let digits = self.text(name);
        let digits = if digits.len().is_multiple_of(2) { digits } else { &format!("0{digits}") };
        data_encoding::HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).unwrap()
    }

    /// A number without the zeros before it.
    #[track_caller]
    pub(super) fn integer(&self, name: &str) -> Vec<u8> {
        self.bytes(name).into_iter().skip_while(|byte| *byte == 0).collect()
    }

    #[track_caller]
    pub(super) fn number(&self, name: &str) -> usize {
        self.text(name).parse().unwrap()
    }
}

#[test]
fn records_end_at_blank_lines_and_where_a_name_comes_again() {
    let text =
        "# c\n[A]\n[B = 1]\n\nP = 0a\n\nMsg = 1\nR = 02\n\nMsg = 03\n# c\nFAIL\nMsg =\n[C]\nMsg=4";
    let read = records(text, &["p"]);
    let sections: Vec<_> = read.iter().map(|record| record.section.as_str()).collect();
    assert_eq!(sections, ["A;B = 1;", "A;B = 1;", "A;B = 1;", "C;"]);
    assert_eq!(read[0].bytes("msg"), [1]);
    assert_eq!((read[0].number("r"), read[1].bytes("p")), (2, vec![10]));
    assert!(read[1].has("fail") && !read[0].has("fail"));
    assert!(read[2].bytes("msg").is_empty());
}
