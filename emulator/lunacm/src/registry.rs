//! The table of commands, and how a line finds its row.
//!
//! A command is a row: object, verb, options, help, function. Completeness of help, prefixes and the hiding of
//! secrets follow from the rows.

use luna_ck::CKR_FUNCTION_NOT_SUPPORTED;

use crate::console::Console;
use crate::failure::Failure;
use crate::grammar::{self, Meant, meant};
use crate::shell::Shell;
use crate::table::{COMMANDS, UNSUPPORTED};

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Command {
    pub(crate) object: &'static str,
    pub(crate) verb: &'static str,
    /// What the verb may be cut to even where another one begins so too, or none does.
    pub(crate) short: &'static str,
    pub(crate) options: &'static [Opt],
    pub(crate) help: &'static str,
    pub(crate) run: Run,
}

pub(crate) type Run = fn(&mut Shell, &Request, &mut Console<'_>) -> Result<(), Failure>;

/// A row of the table.
pub(crate) const fn row(
    object: &'static str,
    verb: &'static str,
    options: &'static [Opt],
    help: &'static str,
    run: Run,
) -> Command {
    Command { object, verb, short: "", options, help, run }
}

/// An option of a command.
#[derive(Debug)]
pub(crate) struct Opt {
    pub(crate) name: &'static str,
    /// What it may be cut to even where another option begins so too.
    pub(crate) short: &'static str,
    pub(crate) kind: Kind,
    pub(crate) help: &'static str,
}

/// What follows an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing.
    Switch,
    /// A value of this name.
    Value(&'static str),
    /// A value that is not to be shown.
    Secret,
    /// Itself a value, without a name before it: the first word after the verb, one of these.
    Word(&'static str),
}

pub(crate) const fn switch(name: &'static str, help: &'static str) -> Opt {
    Opt { name, short: "", kind: Kind::Switch, help }
}

pub(crate) const fn value(name: &'static str, of: &'static str, help: &'static str) -> Opt {
    Opt { name, short: "", kind: Kind::Value(of), help }
}

pub(crate) const fn secret(name: &'static str, help: &'static str) -> Opt {
    Opt { name, short: "", kind: Kind::Secret, help }
}

/// A row with the values that were given.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) command: &'static Command,
    /// Option name and value; a switch has an empty one.
    values: Vec<(&'static str, String)>,
}

impl Request {
    /// The value of an option, if it was given.
    pub(crate) fn value(&self, option: &str) -> Option<&str> {
        self.values.iter().find(|(name, _)| *name == option).map(|(_, value)| value.as_str())
    }

    /// Whether a switch was given.
    pub(crate) fn has(&self, option: &str) -> bool {
        self.value(option).is_some()
    }

    /// The value of an option that must be given.
    pub(crate) fn needed(&self, option: &str) -> Result<&str, Failure> {
        self.value(option).ok_or_else(|| Failure::misuse(format!("-{option} is needed")))
    }
}

/// What a line asks for.
#[derive(Debug)]
pub(crate) enum Wish {
    /// A row of the table.
    Run(Request),
    /// This text.
    Help(String),
    /// The end.
    Leave,
}

/// Words that are no object and stand alone.
const ALONE: [&str; 3] = ["help", "exit", "quit"];

/// Finds the row for a line; `words` has at least one.
pub(crate) fn request(words: &[String]) -> Result<Wish, Failure> {
    let Some((first, rest)) = words.split_first() else { return Ok(Wish::Help(help_all())) };
    if first == "?" {
        return help(rest);
    }
    let unsupported = UNSUPPORTED.iter().map(|(object, _)| *object);
    let objects = objects().into_iter().chain(unsupported).chain(ALONE);
    let object = match one(first, objects, "command")? {
        "help" => return help(rest),
        "exit" | "quit" => return Ok(Wish::Leave),
        object => object,
    };
    if let Some((object, why)) = UNSUPPORTED.iter().find(|(name, _)| *name == object) {
        let text = format!("'{object}': command not supported; {why}");
        return Err(Failure::refused(CKR_FUNCTION_NOT_SUPPORTED, text));
    }
    let of_object = || COMMANDS.iter().filter(move |command| command.object == object);
    let Some((verb, rest)) = rest.split_first() else {
        return Err(Failure::misuse(format!("'{object}' needs a verb\n\n{}", help_object(object))));
    };
    if verb == "?" || verb.eq_ignore_ascii_case("help") {
        return Ok(Wish::Help(help_object(object)));
    }
    let short = of_object().find(|command| is_short(command, verb));
    let command = match short {
        Some(command) => command,
        None => {
            let verb = one(verb, of_object().map(|command| command.verb), object)?;
            let unknown = || Failure::refused(CKR_FUNCTION_NOT_SUPPORTED, "command not supported");
            of_object().find(|command| command.verb == verb).ok_or_else(unknown)?
        }
    };
    if rest.iter().any(|word| word == "?") {
        return Ok(Wish::Help(help_command(command)));
    }
    let values = values(command, rest)?;
    Ok(Wish::Run(Request { command, values }))
}

fn is_short(command: &Command, word: &str) -> bool {
    !command.short.is_empty() && command.short.eq_ignore_ascii_case(word)
}

fn one(
    word: &str,
    names: impl IntoIterator<Item = &'static str>,
    what: &str,
) -> Result<&'static str, Failure> {
    match meant(word, names, |name| name) {
        Meant::One(name) => Ok(name),
        Meant::Several(names) => {
            Err(Failure::misuse(format!("'{word}' could be any of: {}", names.join(", "))))
        }
        Meant::None if what == "command" => {
            Err(Failure::misuse(format!("there is no command '{word}'; see 'help'")))
        }
        Meant::None => {
            Err(Failure::misuse(format!("'{what}' knows no '{word}'; see '{what} help'")))
        }
    }
}

/// The option that a word, without its `-`, stands for.
fn option(command: &'static Command, word: &str) -> Meant<&'static Opt> {
    let short = |option: &&Opt| !option.short.is_empty() && word.eq_ignore_ascii_case(option.short);
    match command.options.iter().find(short) {
        Some(option) => Meant::One(option),
        None => {
            let named =
                command.options.iter().filter(|option| !matches!(option.kind, Kind::Word(_)));
            meant(word, named, |option| option.name)
        }
    }
}

/// Options and their values.
fn values(
    command: &'static Command,
    words: &[String],
) -> Result<Vec<(&'static str, String)>, Failure> {
    let mut values: Vec<(&'static str, String)> = Vec::new();
    let mut words = words.iter().peekable();
    if let Some(first) = command.options.iter().find(|option| matches!(option.kind, Kind::Word(_)))
        && let Some(word) = words.next_if(|word| !word.starts_with('-'))
    {
        values.push((first.name, word.to_lowercase()));
    }
    while let Some(word) = words.next() {
        let Some(name) = word.strip_prefix('-') else {
            return Err(Failure::misuse(format!("'{word}' is not expected here")));
        };
        let option = match option(command, name) {
            Meant::One(option) => option,
            Meant::Several(names) => {
                let names = names.join(", -");
                return Err(Failure::misuse(format!("'{word}' could be any of: -{names}")));
            }
            Meant::None => {
                let usage = help_command(command);
                return Err(Failure::misuse(format!("there is no option '{word}'\n\n{usage}")));
            }
        };
        if values.iter().any(|(given, _)| *given == option.name) {
            return Err(Failure::misuse(format!("-{} is given twice", option.name)));
        }
        let value = match option.kind {
            Kind::Switch => String::new(),
            Kind::Value(_) | Kind::Secret | Kind::Word(_) => {
                words.next().cloned().ok_or_else(|| {
                    Failure::misuse(format!("-{} needs a value after it", option.name))
                })?
            }
        };
        values.push((option.name, value));
    }
    Ok(values)
}

/// A line as it may be shown: the values of secret options as asterisks. Of a line that is no command, and of
/// an option that is none, nothing is shown that could be a secret put in the wrong place.
pub(crate) fn without_secrets(line: &str) -> String {
    let words = grammar::words(line).unwrap_or_default();
    let Some((command, rest)) = named(&words) else {
        let mut words = line.split_whitespace();
        let start: Vec<&str> = words.by_ref().take(2).collect();
        return if words.next().is_none() { line.to_owned() } else { start.join(" ") + " ..." };
    };
    let mut shown: Vec<String> = words.iter().take(words.len() - rest.len()).cloned().collect();
    let mut rest = rest.iter().peekable();
    if command.options.iter().any(|option| matches!(option.kind, Kind::Word(_))) {
        shown.extend(rest.next_if(|word| !word.starts_with('-')).cloned());
    }
    while let Some(word) = rest.next() {
        let name = word.strip_prefix('-');
        shown.push(if name.is_some() { word.clone() } else { HIDDEN.to_owned() });
        let Some(name) = name else { continue };
        let kind = match option(command, name) {
            Meant::One(option) => option.kind,
            Meant::Several(_) | Meant::None => Kind::Secret,
        };
        if kind != Kind::Switch {
            let shows = matches!(kind, Kind::Value(_));
            shown.extend(rest.next().map(|v| if shows { v.clone() } else { HIDDEN.to_owned() }));
        }
    }
    if shown == words { line.to_owned() } else { shown.join(" ") }
}

/// What stands in place of a secret.
const HIDDEN: &str = "********";

/// The row the first two words name, and the words after them.
fn named(words: &[String]) -> Option<(&'static Command, &[String])> {
    let [object, verb, rest @ ..] = words else { return None };
    let Meant::One(object) = meant(object, objects(), |name| name) else { return None };
    let of_object = || COMMANDS.iter().filter(|command| command.object == object);
    if let Some(command) = of_object().find(|command| is_short(command, verb)) {
        return Some((command, rest));
    }
    match meant(verb, of_object(), |command| command.verb) {
        Meant::One(command) => Some((command, rest)),
        Meant::Several(_) | Meant::None => None,
    }
}

fn objects() -> Vec<&'static str> {
    let mut objects: Vec<&'static str> = COMMANDS.iter().map(|command| command.object).collect();
    objects.dedup();
    objects
}

fn help(words: &[String]) -> Result<Wish, Failure> {
    let mut words = words.to_vec();
    if words.is_empty() {
        return Ok(Wish::Help(help_all()));
    }
    words.push("?".to_owned());
    match request(&words)? {
        Wish::Help(text) => Ok(Wish::Help(text)),
        Wish::Leave | Wish::Run(_) => Ok(Wish::Help(help_all())),
    }
}

fn help_all() -> String {
    let mut text = String::from(
        "\nCommands are two words and options; each may be cut as long as one thing only is meant.\n",
    );
    for object in objects() {
        text += &help_object(object);
    }
    for (object, why) in UNSUPPORTED {
        text += &format!("\n        {object:<28} (not supported: {why})");
    }
    text + "\n\n        help [command]               Show this, or more about a command\n        \
            exit                         Leave\n"
}

fn help_object(object: &str) -> String {
    let rows = COMMANDS.iter().filter(|command| command.object == object);
    let rows = rows.map(|command| {
        let name = format!("{} {}", command.object, command.verb);
        format!("        {name:<28} {}\n", command.help)
    });
    format!("\n{}", rows.collect::<String>())
}

fn help_command(command: &Command) -> String {
    let mut text = format!("\n        {} {}", command.object, command.verb);
    let mut rows = String::new();
    for option in command.options {
        let given = match option.kind {
            Kind::Switch => format!("-{}", option.name),
            Kind::Value(of) => format!("-{} <{of}>", option.name),
            Kind::Secret => format!("-{} <secret>", option.name),
            Kind::Word(of) => format!("<{of}>"),
        };
        text += &format!(" [{given}]");
        rows += &format!("            {given:<24} {}\n", option.help);
    }
    format!("{text}\n\n        {}\n{rows}", command.help)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(line: &str) -> Result<Wish, Failure> {
        request(&grammar::words(line).unwrap())
    }

    fn found(line: &str) -> (&'static str, &'static str) {
        match wish(line) {
            Ok(Wish::Run(request)) => (request.command.object, request.command.verb),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn the_words_of_the_guide_are_understood() {
        assert_eq!(found("par con"), ("partition", "contents"));
        assert_eq!(found("PAR CON"), ("partition", "contents"));
        assert_eq!(found("role logi -n co -p pw"), ("role", "login"));
        assert_eq!(found("ha l"), ("hagroup", "listgroups"));
        assert_eq!(found("slot l"), ("slot", "list"));
        assert_eq!(found("ha rt -count 5"), ("hagroup", "retry"));
        assert_eq!(found("ha rm -group g -serialNum 1"), ("hagroup", "removemember"));
    }

    #[test]
    fn what_could_be_several_things_is_refused_by_name() {
        let several = wish("role log").unwrap_err().to_string();
        assert_eq!(several, "'log' could be any of: login, logout");
        let several = wish("h").unwrap_err().to_string();
        assert_eq!(several, "'h' could be any of: hagroup, hsm, help");
        assert!(matches!(wish("par nothing"), Err(Failure::Misuse(_))));
        assert!(matches!(wish("nothing"), Err(Failure::Misuse(_))));
        assert!(matches!(wish("role"), Err(Failure::Misuse(_))));
    }

    #[test]
    fn options_have_values_and_come_once() {
        let Ok(Wish::Run(request)) = wish("role login -n co -pass -weird") else { panic!() };
        assert_eq!(request.value("name"), Some("co"));
        assert_eq!(request.value("password"), Some("-weird"), "whatever it looks like");
        for line in
            ["role login -n", "role login -n co -name cu", "role login co", "role login -x 1"]
        {
            assert!(matches!(wish(line), Err(Failure::Misuse(_))), "{line}");
        }
    }

    #[test]
    fn secrets_are_not_echoed() {
        assert_eq!(without_secrets("role login -n co -p geheim"), "role login -n co -p ********");
        assert_eq!(
            without_secrets("role ch -n co -o alt1 -NEW neu2"),
            "role ch -n co -o ******** -NEW ********"
        );
        assert_eq!(without_secrets("role login -p 'open"), "role login ...");
        assert_eq!(without_secrets("roel login -n co -p geheim"), "roel login ...");
        assert_eq!(without_secrets("role login -pw geheim"), "role login -pw ********");
        assert_eq!(without_secrets("role login -n co geheim"), "role login -n co ********");
        assert_eq!(without_secrets("par init -f -l 'x y' -p a"), "par init -f -l x y -p ********");
        assert_eq!(without_secrets("slot set -slot 3"), "slot set -slot 3");
        assert_eq!(without_secrets("  par   con "), "  par   con ");
    }

    #[test]
    fn help_is_there_for_all_and_for_each() {
        let text = |line| match wish(line) {
            Ok(Wish::Help(text)) => text,
            other => panic!("{line}: {other:?}"),
        };
        for line in ["help", "?", "role ?", "help role", "role login ?", "help role login"] {
            assert!(text(line).contains("role login"), "{line}");
        }
        assert!(text("role login ?").contains("-password <secret>"));
        assert!(matches!(wish("exit"), Ok(Wish::Leave)));
        assert!(matches!(wish("q"), Ok(Wish::Leave)));
    }

    #[test]
    fn no_two_rows_share_a_name() {
        let mut names: Vec<_> = COMMANDS.iter().map(|row| (row.object, row.verb)).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
        for row in COMMANDS {
            let mut names: Vec<_> = row.options.iter().map(|option| option.name).collect();
            names.sort_unstable();
            assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{} {}", row.object, row.verb);
        }
    }
}
