//! `configurator`: values of the client configuration file.
//!
//! Source: the vendor's pages that tell to call `configurator setValue -s <section> -e <entry> -v <value>`
//! (Documented); `getValue` and `deleteValue` are its counterparts (Assumed).

use chrystoki_conf::Conf;

use crate::failure::Failure;
use crate::options::{self, Known, Options, Verb, value};
use crate::start::Surroundings;

type Run = fn(&mut Surroundings<'_>, &Options) -> Result<(), Failure>;

const PLACE: &[Known] = &[value("s", "the section"), value("e", "the entry")];

const VERBS: &[Verb<Run>] = &[
    Verb {
        name: "setValue",
        options: &[PLACE, &[value("v", "the value")]],
        help: "Give an entry a value",
        run: set_value,
    },
    Verb {
        name: "getValue",
        options: &[PLACE],
        help: "Show the value of an entry",
        run: get_value,
    },
    Verb { name: "deleteValue", options: &[PLACE], help: "Take an entry out", run: delete_value },
];

/// Runs the program and gives its exit code: 0 done, 1 refused, 2 misuse or broken set-up.
pub fn run(mut surroundings: Surroundings<'_>) -> u8 {
    let words = surroundings.arguments.clone();
    let done = options::parse("configurator", VERBS, &words)
        .and_then(|(verb, options)| (verb.run)(&mut surroundings, &options));
    match done {
        Ok(()) => 0,
        Err(failure) => {
            let _ = writeln!(surroundings.errors, "configurator: {failure}");
            failure.code()
        }
    }
}

fn set_value(surroundings: &mut Surroundings<'_>, options: &Options) -> Result<(), Failure> {
    let (section, entry) = (options.needed("s")?, options.needed("e")?);
    let value = options.needed("v")?;
    chrystoki_conf::edit(&surroundings.file(), |conf| {
        Ok::<_, Failure>(conf.set(section, entry, value)?)
    })?;
    Ok(())
}

fn get_value(surroundings: &mut Surroundings<'_>, options: &Options) -> Result<(), Failure> {
    let (section, entry) = (options.needed("s")?, options.needed("e")?);
    let conf = Conf::read(&surroundings.file())?;
    match conf.value(section, entry) {
        Some(value) => Ok(writeln!(surroundings.out, "{value}")?),
        None => Err(Failure::refused(format!("there is no entry {section}/{entry}"))),
    }
}

fn delete_value(surroundings: &mut Surroundings<'_>, options: &Options) -> Result<(), Failure> {
    let (section, entry) = (options.needed("s")?, options.needed("e")?);
    let edited = chrystoki_conf::edit(&surroundings.file(), |conf| {
        Ok::<_, Failure>(conf.remove(section, entry))
    })?;
    if edited.0 {
        Ok(())
    } else {
        Err(Failure::refused(format!("there is no entry {section}/{entry}")))
    }
}
