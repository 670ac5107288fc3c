//! What holds for any file: no bytes make the parser panic, what is written is read back, an edit keeps the rest.

use std::path::Path;

use chrystoki_conf::Conf;
use proptest::prelude::*;

fn name() -> impl Strategy<Value = String> {
    "[A-Za-z][A-Za-z0-9]{0,8}( [A-Z][a-z]{0,4})?"
}

/// A quotation mark at the beginning would be the file's, not the value's.
fn value() -> impl Strategy<Value = String> {
    "([!#-:<-z|~ä€][!-:<-z|~ä€]{0,11})?"
}

fn between() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["", " ", "\n", "\n\n", "\r\n", "\n// a = {;\n", "\n# b\n", " ; "])
        .prop_map(str::to_owned)
}

type Sections = Vec<(String, Vec<(String, String)>)>;

fn sections() -> impl Strategy<Value = Sections> {
    let pairs = prop::collection::vec((name(), value()), 0..5);
    prop::collection::vec((name(), pairs), 0..5)
}

prop_compose! {
    fn file()(sections in sections(), gaps in prop::collection::vec(between(), 1..9))
        -> (Sections, String)
    {
        let mut gaps = gaps.iter().cycle();
        let mut gap = || gaps.next().cloned().unwrap_or_default();
        let mut text = gap();
        for (section, pairs) in &sections {
            text += &format!("{section} = {{{}", gap());
            for (key, value) in pairs {
                text += &format!("{key} = {value} ;{}", gap());
            }
            text += &format!("}}{}", gap());
        }
        (sections, text)
    }
}

/// What ought to be found: the last value of a key in all sections of the name.
fn last(sections: &Sections, section: &str, key: &str) -> Option<String> {
    let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
    let of_name = sections.iter().filter(|(name, _)| same(name, section));
    of_name.flat_map(|(_, pairs)| pairs).rfind(|(name, _)| same(name, key)).map(|(_, v)| v.clone())
}

fn agrees(conf: &Conf, sections: &Sections) -> Result<(), TestCaseError> {
    for (section, pairs) in sections {
        for (key, _) in pairs {
            let expected = last(sections, section, key);
            prop_assert_eq!(conf.value(section, key).map(str::to_owned), expected);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Conf::parse_bytes(&bytes, Path::new("any"));
    }

    #[test]
    fn nothing_near_the_grammar_makes_it_panic(text in "[A-b={};/# \n\t\r\u{feff}ä]{0,60}", key in ".{0,6}") {
        if let Ok(mut conf) = Conf::parse(&text, "any") {
            prop_assert_eq!(&conf.to_text(), &text);
            let names: Vec<String> = conf.section_names().iter().map(|name| name.to_string()).collect();
            for name in names {
                let _ = conf.set(&name, &key, "1");
                conf.remove(&name, &key);
                prop_assert!(Conf::parse(&conf.to_text(), "any").is_ok());
                conf.remove_section(&name);
                prop_assert!(conf.section(&name).is_none());
            }
        }
    }

    #[test]
    fn what_is_written_is_read((sections, text) in file()) {
        let conf = Conf::parse(&text, "any").unwrap();
        prop_assert_eq!(conf.to_text(), text.clone());
        prop_assert_eq!(&Conf::parse(&conf.to_text(), "any").unwrap(), &conf);
        agrees(&conf, &sections)?;
    }

    #[test]
    fn whatever_can_be_set_is_read(key in name(), value in "[ -~ä]{0,12}", again in "[ -~ä]{0,12}") {
        let mut conf = Conf::parse("A = {\n}\n", "any").unwrap();
        for value in [value, again] {
            let before = conf.to_text();
            match conf.set("A", &key, &value) {
                Ok(()) => prop_assert_eq!(conf.value("A", &key), Some(value.as_str())),
                Err(_) => {
                    prop_assert!(value.contains('"'), "{:?}", value);
                    prop_assert_eq!(conf.to_text(), before);
                }
            }
            prop_assert_eq!(&Conf::parse(&conf.to_text(), "any").unwrap(), &conf);
        }
    }

    #[test]
    fn an_edit_keeps_the_rest((mut sections, text) in file(), section in name(), key in name(), value in value()) {
        let mut conf = Conf::parse(&text, "any").unwrap();
        conf.set(&section, &key, &value).unwrap();
        prop_assert_eq!(conf.value(&section, &key), Some(value.as_str()));
        sections.push((section.clone(), vec![(key.clone(), value.clone())]));
        agrees(&conf, &sections)?;
        for comment in ["// a = {;", "# b"] {
            prop_assert_eq!(conf.to_text().matches(comment).count(), text.matches(comment).count());
        }
        prop_assert_eq!(&Conf::parse(&conf.to_text(), "any").unwrap(), &conf);
        // Setting it again changes nothing, and taking it out leaves nothing of it.
        let once = conf.to_text();
        conf.set(&section, &key, &value).unwrap();
        prop_assert_eq!(conf.to_text(), once);
        prop_assert!(conf.remove(&section, &key));
        prop_assert_eq!(conf.value(&section, &key), None);
        for (name, pairs) in &mut sections {
            if name.eq_ignore_ascii_case(&section) {
                pairs.retain(|(k, _)| !k.eq_ignore_ascii_case(&key));
            }
        }
        agrees(&conf, &sections)?;
    }
}
