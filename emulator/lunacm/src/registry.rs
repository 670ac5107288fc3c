//! The table of commands, and how a line finds its row.
//!
//! A command is a row: object, verb, options, help, function. Completeness of help, prefixes and the hiding of
//! secrets follow from the rows.

use luna_ck::CKR_FUNCTION_NOT_SUPPORTED;

use crate::commands::{clientconfig, hagroup, mechanism, partition, policy, role, slot};
use crate::console::Console;
use crate::failure::Failure;
use crate::grammar::{self, Meant, meant};
use crate::shell::Shell;

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) object: &'static str,
    pub(crate) verb: &'static str,
    pub(crate) options: &'static [Opt],
    pub(crate) help: &'static str,
    pub(crate) run: Run,
}

type Run = fn(&mut Shell, &Request, &mut Console<'_>) -> Result<(), Failure>;

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
}

const fn switch(name: &'static str, help: &'static str) -> Opt {
    Opt { name, short: "", kind: Kind::Switch, help }
}

const fn value(name: &'static str, of: &'static str, help: &'static str) -> Opt {
    Opt { name, short: "", kind: Kind::Value(of), help }
}

const fn secret(name: &'static str, help: &'static str) -> Opt {
    Opt { name, short: "", kind: Kind::Secret, help }
}

const SLOT: Opt = value("slot", "number", "the slot, instead of the current one");
const ROLE: Opt = Opt { short: "n", ..value("name", "role", "po, co, lco or cu") };
const FORCE: Opt = switch("force", "do not ask");

/// Groups by object, in the order of the help.
static COMMANDS: &[Command] = &[
    Command { object: "slot", verb: "list", options: &[], help: "Show all slots", run: slot::list },
    Command {
        object: "slot",
        verb: "set",
        options: &[value("slot", "number", "the slot that commands shall be about")],
        help: "Choose the current slot",
        run: slot::set,
    },
    Command {
        object: "partition",
        verb: "contents",
        options: &[],
        help: "Show the objects of the partition",
        run: partition::contents,
    },
    Command {
        object: "partition",
        verb: "showinfo",
        options: &[SLOT],
        help: "Show the partition's identity, state and storage",
        run: partition::show_info,
    },
    Command {
        object: "partition",
        verb: "showmechanism",
        options: &[value("m", "mechanism", "one mechanism by name or number, with its properties")],
        help: "Show the mechanisms of the partition",
        run: mechanism::show,
    },
    Command {
        object: "partition",
        verb: "showpolicies",
        options: &[switch("verbose", "also what a change does")],
        help: "Show the partition's capabilities and policies",
        run: policy::show,
    },
    Command {
        object: "partition",
        verb: "changepolicy",
        options: &[
            value("policy", "numbers", "one or more, with commas"),
            value("value", "numbers", "as many values"),
            FORCE,
        ],
        help: "Change policies of the partition (Partition SO)",
        run: policy::change,
    },
    Command {
        object: "partition",
        verb: "init",
        options: &[
            value("label", "text", "the partition's label, up to 32 characters"),
            secret("password", "the Partition SO's new password"),
            secret("domain", "the cloning domain"),
            FORCE,
        ],
        help: "Initialize the partition; all objects in it are destroyed",
        run: partition::init,
    },
    Command {
        object: "partition",
        verb: "clear",
        options: &[FORCE],
        help: "Destroy the objects of the partition (Crypto Officer)",
        run: partition::clear,
    },
    Command {
        object: "role",
        verb: "list",
        options: &[],
        help: "Show the roles of the slot",
        run: role::list,
    },
    Command {
        object: "role",
        verb: "show",
        options: &[ROLE],
        help: "Show the state of a role",
        run: role::show,
    },
    Command {
        object: "role",
        verb: "login",
        options: &[ROLE, secret("password", "the role's password")],
        help: "Log in",
        run: role::login,
    },
    Command { object: "role", verb: "logout", options: &[], help: "Log out", run: role::logout },
    Command {
        object: "role",
        verb: "init",
        options: &[ROLE, secret("password", "the role's first password")],
        help: "Initialize a role (co by po; cu and lco by co)",
        run: role::init,
    },
    Command {
        object: "role",
        verb: "changepw",
        options: &[
            ROLE,
            secret("oldpw", "the password as it is"),
            secret("newpw", "the password as it shall be"),
        ],
        help: "Change the password of a role",
        run: role::change_password,
    },
    Command {
        object: "role",
        verb: "resetpw",
        options: &[ROLE, secret("password", "the role's new password")],
        help: "Reset the password of a role (co by po; cu and lco by co)",
        run: role::reset_password,
    },
    Command {
        object: "hagroup",
        verb: "listgroups",
        options: &[],
        help: "Show the HA groups and the state of their members",
        run: hagroup::list_groups,
    },
    Command {
        object: "clientconfig",
        verb: "verify",
        options: &[],
        help: "Show the partitions this client reaches",
        run: clientconfig::verify,
    },
];

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
    let object = match one(first, objects().into_iter().chain(ALONE), "command")? {
        "help" => return help(rest),
        "exit" | "quit" => return Ok(Wish::Leave),
        object => object,
    };
    let of_object = || COMMANDS.iter().filter(move |command| command.object == object);
    let Some((verb, rest)) = rest.split_first() else {
        return Err(Failure::misuse(format!("'{object}' needs a verb\n\n{}", help_object(object))));
    };
    if verb == "?" || verb.eq_ignore_ascii_case("help") {
        return Ok(Wish::Help(help_object(object)));
    }
    let verb = one(verb, of_object().map(|command| command.verb), object)?;
    let unknown = || Failure::refused(CKR_FUNCTION_NOT_SUPPORTED, "command not supported");
    let command = of_object().find(|command| command.verb == verb).ok_or_else(unknown)?;
    if rest.iter().any(|word| word == "?") {
        return Ok(Wish::Help(help_command(command)));
    }
    let values = values(command, rest)?;
    Ok(Wish::Run(Request { command, values }))
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
        None => meant(word, command.options, |option| option.name),
    }
}

/// Options and their values.
fn values(
    command: &'static Command,
    words: &[String],
) -> Result<Vec<(&'static str, String)>, Failure> {
    let mut values: Vec<(&'static str, String)> = Vec::new();
    let mut words = words.iter();
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
            Kind::Value(_) | Kind::Secret => words.next().cloned().ok_or_else(|| {
                Failure::misuse(format!("-{} needs a value after it", option.name))
            })?,
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
    let mut rest = rest.iter();
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
    let of_object = COMMANDS.iter().filter(|command| command.object == object);
    match meant(verb, of_object, |command| command.verb) {
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
    text + "\n        help [command]               Show this, or more about a command\n        \
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
    }

    #[test]
    fn what_could_be_several_things_is_refused_by_name() {
        let several = wish("role log").unwrap_err().to_string();
        assert_eq!(several, "'log' could be any of: login, logout");
        let several = wish("h").unwrap_err().to_string();
        assert_eq!(several, "'h' could be any of: hagroup, help");
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
