//! A command line as the vendor's tools take it: a verb, then `-name=value`, `-name value` or `-switch`, names in
//! any case and cut as long as one only is meant (Observed in scripts: `-modulusBits=2048`, `-slot 3`,
//! `-sha256withrsa`).

use crate::failure::Failure;

/// What follows the name of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing.
    Switch,
    /// A value.
    Value,
}

/// An option a command knows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    /// In lower case.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) help: &'static str,
}

pub(crate) const fn value(name: &'static str, help: &'static str) -> Known {
    Known { name, kind: Kind::Value, help }
}

pub(crate) const fn switch(name: &'static str, help: &'static str) -> Known {
    Known { name, kind: Kind::Switch, help }
}

/// A command of a tool.
pub(crate) struct Verb<Run> {
    /// As it is shown; it is known in any case.
    pub(crate) name: &'static str,
    pub(crate) options: &'static [&'static [Known]],
    pub(crate) help: &'static str,
    pub(crate) run: Run,
}

impl<Run> Verb<Run> {
    fn known(&self) -> impl Iterator<Item = Known> {
        self.options.iter().copied().flatten().copied()
    }
}

/// The options that were given.
#[derive(Debug, Default)]
pub(crate) struct Options(Vec<(&'static str, String)>);

impl Options {
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(given, _)| *given == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    pub(crate) fn needed(&self, name: &str) -> Result<&str, Failure> {
        self.value(name).ok_or_else(|| Failure::misuse(format!("-{name} is needed")))
    }

    /// A whole number.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Failure> {
        let Some(text) = self.value(name) else { return Ok(None) };
        let number = text.parse();
        number.map(Some).map_err(|_| Failure::misuse(format!("-{name}: '{text}' is no number")))
    }

    /// `1`, `T`, `true`, `yes` or `0`, `F`, `false`, `no` (Observed: `-sign=1`, `-sign=T`, `-sign=True`).
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, Failure> {
        let Some(text) = self.value(name) else { return Ok(None) };
        match text.to_ascii_lowercase().as_str() {
            "1" | "t" | "true" | "y" | "yes" => Ok(Some(true)),
            "0" | "f" | "false" | "n" | "no" => Ok(Some(false)),
            _ => Err(Failure::misuse(format!("-{name}: '{text}' is neither 1 nor 0"))),
        }
    }
}

/// The verb a command line begins with, and its options. `Err(Misuse)` with the usage where there is none.
pub(crate) fn parse<'a, Run>(
    tool: &str,
    verbs: &'a [Verb<Run>],
    words: &[String],
) -> Result<(&'a Verb<Run>, Options), Failure> {
    let Some((first, rest)) = words.split_first() else {
        return Err(Failure::misuse(usage(tool, verbs)));
    };
    let asked = first.trim_start_matches('-').to_ascii_lowercase();
    let names = |verb: &&Verb<Run>| verb.name.to_ascii_lowercase();
    let verb = match one(&asked, verbs.iter(), names) {
        Ok(verb) => verb,
        Err(several) => {
            let usage = usage(tool, verbs);
            return Err(Failure::misuse(match several.as_slice() {
                [] => format!("there is no command '{first}'\n\n{usage}"),
                several => format!("'{first}' could be any of: {}\n\n{usage}", several.join(", ")),
            }));
        }
    };
    Ok((verb, options(verb, rest)?))
}

fn options<Run>(verb: &Verb<Run>, words: &[String]) -> Result<Options, Failure> {
    let known: Vec<Known> = verb.known().collect();
    let mut found = Options::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        // A page of the vendor prints a long dash, and people copy it.
        let Some(given) = word.strip_prefix(['-', '–']) else {
            return Err(Failure::misuse(format!("'{word}' is not expected here")));
        };
        let (name, with) = match given.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (given, None),
        };
        let asked = name.to_ascii_lowercase();
        let option = match one(&asked, known.iter(), |option| option.name.to_owned()) {
            Ok(option) => option,
            Err(several) => {
                return Err(Failure::misuse(match several.as_slice() {
                    [] => format!("there is no option '-{name}'\n\n{}", help(verb)),
                    several => format!("'-{name}' could be any of: -{}", several.join(", -")),
                }));
            }
        };
        let value = match (option.kind, with) {
            (Kind::Switch, None) => String::new(),
            (Kind::Switch, Some(_)) => {
                return Err(Failure::misuse(format!("-{} has no value", option.name)));
            }
            (Kind::Value, Some(value)) => value,
            (Kind::Value, None) => words.next().cloned().ok_or_else(|| {
                Failure::misuse(format!("-{} needs a value after it", option.name))
            })?,
        };
        if found.has(option.name) {
            return Err(Failure::misuse(format!("-{} is given twice", option.name)));
        }
        found.0.push((option.name, value));
    }
    Ok(found)
}

/// The one whose name is `word` or begins with it; else the names it could be.
fn one<'a, T>(
    word: &str,
    things: impl Iterator<Item = &'a T>,
    name: impl Fn(&&'a T) -> String,
) -> Result<&'a T, Vec<String>> {
    let mut found = Vec::new();
    for thing in things {
        let own = name(&thing);
        if own == word {
            return Ok(thing);
        }
        if !word.is_empty() && own.starts_with(word) {
            found.push(thing);
        }
    }
    match found.as_slice() {
        [one] => Ok(one),
        several => Err(several.iter().map(name).collect()),
    }
}

/// All commands of a tool.
pub(crate) fn usage<Run>(tool: &str, verbs: &[Verb<Run>]) -> String {
    let rows = verbs.iter().map(|verb| format!("    {tool} {:<20} {}\n", verb.name, verb.help));
    format!("Usage: {tool} <command> [options]\n\n{}", rows.collect::<String>())
}

fn help<Run>(verb: &Verb<Run>) -> String {
    let rows = verb.known().map(|option| {
        let equals = if option.kind == Kind::Value { "=<value>" } else { "" };
        format!("    {:<30} {}\n", format!("-{}{equals}", option.name), option.help)
    });
    format!("{}: {}\n\n{}", verb.name, verb.help, rows.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERBS: &[Verb<()>] = &[
        Verb {
            name: "generateKeyPair",
            options: &[&[value("label", ""), value("labelpublic", ""), switch("force", "")]],
            help: "",
            run: (),
        },
        Verb { name: "getAttribute", options: &[], help: "", run: () },
    ];

    fn parsed(line: &str) -> Result<Options, String> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        parse("t", VERBS, &words).map(|(_, options)| options).map_err(|error| error.to_string())
    }

    #[test]
    fn options_come_in_either_shape_and_any_case() {
        let options = parsed("GENERATEkeypair -LabelPublic=a=b -label c -force").unwrap();
        assert_eq!(options.value("labelpublic"), Some("a=b"));
        assert_eq!(options.value("label"), Some("c"));
        assert!(options.has("force"));
        assert_eq!(parsed("gen -labelp=x").unwrap().value("labelpublic"), Some("x"));
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (line, text) in [
            ("ge", "'ge' could be any of: generatekeypair, getattribute"),
            ("nothing", "there is no command 'nothing'"),
            ("gen -x=1", "there is no option '-x'"),
            ("gen -force=1", "-force has no value"),
            ("gen -label", "-label needs a value"),
            ("gen -label=1 -label=2", "-label is given twice"),
            ("gen word", "'word' is not expected here"),
        ] {
            let error = parsed(line).unwrap_err();
            assert!(error.starts_with(text), "{line}: {error}");
        }
    }

    #[test]
    fn flags_are_read_in_all_spellings() {
        let flag = |text: &str| Options(vec![("sign", text.to_owned())]).flag("sign");
        assert_eq!((flag("T").unwrap(), flag("0").unwrap()), (Some(true), Some(false)));
        assert_eq!((flag("True").unwrap(), flag("no").unwrap()), (Some(true), Some(false)));
        assert!(flag("maybe").is_err());
    }
}
