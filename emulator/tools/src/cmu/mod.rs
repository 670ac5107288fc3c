//! `cmu`: keys, certificates and other objects of a partition.
//!
//! Sources: the vendor's pages on CMU (Documented) for commands and options; guides that print sessions for the
//! password's question, the rows of `list` and the mechanism of `requestCertificate` (Observed).

mod certificates;
mod keys;
mod objects;

use luna_client::{Access, Context, Session, SlotId, UserType};

use crate::failure::Failure;
use crate::options::{self, Known, Options, Verb, switch, value};
use crate::start::Surroundings;

type Run = fn(&mut Surroundings<'_>, &Options) -> Result<(), Failure>;

/// Options of all commands.
const WHERE: &[Known] = &[
    value("slot", "the slot, where there is more than one"),
    value("password", "the Crypto Officer's password"),
    switch("cu", "log in as Crypto User"),
];

const HANDLE: Known = value("handle", "the object");
const OUTPUT: Known = value("outputfile", "the file to be written");

/// The parts of a subject's name.
const SUBJECT: &[Known] = &[
    value("c", "country, two letters"),
    value("s", "state or province"),
    value("l", "locality"),
    value("o", "organization"),
    value("ou", "organization unit"),
    value("cn", "common name"),
    value("e", "mail address"),
];

/// The keys that sign, and how.
const SIGNER: &[Known] = &[
    value("publichandle", "the public key"),
    value("privatehandle", "the private key"),
    switch("sha1withrsa", ""),
    switch("sha224withrsa", ""),
    switch("sha256withrsa", "the algorithm; SHA-256 without any"),
    switch("sha384withrsa", ""),
    switch("sha512withrsa", ""),
    switch("sha1withecdsa", ""),
    switch("sha224withecdsa", ""),
    switch("sha256withecdsa", ""),
    switch("sha384withecdsa", ""),
    switch("sha512withecdsa", ""),
];

const VERBS: &[Verb<Run>] = &[
    Verb {
        name: "list",
        options: &[
            WHERE,
            &[
                value("class", "data, certificate, public, private or secret"),
                value("keytype", "rsa, ec, aes and so on"),
                value("label", "objects of this label"),
                value("id", "objects of this identifier, in hexadecimal digits"),
                value("display", "what to show, with commas: handle, label, class, keytype, id"),
            ],
        ],
        help: "Show objects",
        run: objects::list,
    },
    Verb {
        name: "generateKeyPair",
        options: &[WHERE, keys::OPTIONS],
        help: "Make a key pair",
        run: keys::generate,
    },
    Verb {
        name: "getAttribute",
        options: &[WHERE, &[HANDLE, value("attributes", "their names, with commas; all without")]],
        help: "Show attributes of an object",
        run: objects::get_attribute,
    },
    Verb {
        name: "setAttribute",
        options: &[WHERE, &[HANDLE], objects::SETTABLE],
        help: "Change attributes of an object",
        run: objects::set_attribute,
    },
    Verb {
        name: "delete",
        options: &[WHERE, &[HANDLE, switch("force", "do not ask")]],
        help: "Destroy an object",
        run: objects::delete,
    },
    Verb {
        name: "export",
        options: &[
            WHERE,
            &[
                HANDLE,
                value("label", "the object, by its label"),
                OUTPUT,
                switch("key", "a public key"),
            ],
        ],
        help: "Write a certificate, or with -key a public key, to a file",
        run: certificates::export,
    },
    Verb {
        name: "import",
        options: &[
            WHERE,
            &[
                value("inputfile", "the file of a certificate"),
                value("label", "its label"),
                value("id", "its identifier, in hexadecimal digits"),
                value("private", "1 for a private object"),
            ],
        ],
        help: "Put a certificate on the partition",
        run: certificates::import,
    },
    Verb {
        name: "requestCertificate",
        options: &[WHERE, SIGNER, SUBJECT, &[OUTPUT]],
        help: "Ask for a certificate, in a file to be sent to an authority",
        run: certificates::request,
    },
    Verb {
        name: "selfSignCertificate",
        options: &[
            WHERE,
            SIGNER,
            SUBJECT,
            &[
                value("label", "its label"),
                value("id", "its identifier, in hexadecimal digits"),
                value("private", "1 for a private object"),
                value("serialnumber", "hexadecimal digits; random without"),
                value("startdate", "YYYYMMDD"),
                value("enddate", "YYYYMMDD"),
                value("keyusage", "names with commas, as in digitalsignature,keycertsign"),
                OUTPUT,
            ],
        ],
        help: "Make a certificate that signs itself, and put it on the partition",
        run: certificates::self_sign,
    },
];

/// Runs the program and gives its exit code: 0 done, 1 refused, 2 misuse or broken set-up.
pub fn run(mut surroundings: Surroundings<'_>) -> u8 {
    let words = surroundings.arguments.clone();
    let done = options::parse("cmu", VERBS, &words)
        .and_then(|(verb, options)| (verb.run)(&mut surroundings, &options));
    match done {
        Ok(()) => 0,
        Err(failure) => {
            let _ = writeln!(surroundings.errors, "cmu: {failure}");
            failure.code()
        }
    }
}

/// A session on the slot that is meant, with its owner logged in.
///
/// # Errors
///
/// There are several slots and none is named; the module's.
fn session(surroundings: &mut Surroundings<'_>, options: &Options) -> Result<Session, Failure> {
    let context = surroundings.module()?;
    let slot = slot(&context, surroundings, options)?;
    let session = context.open_session(slot, Access::ReadWrite)?;
    let user = if options.has("cu") { UserType::CRYPTO_USER } else { UserType::CRYPTO_OFFICER };
    let elsewhere = luna_ck::CKF_PROTECTED_AUTHENTICATION_PATH;
    if options.value("password").is_none() && context.token_info(slot)?.flags & elsewhere != 0 {
        session.login_elsewhere(user)?;
    } else {
        let password = surroundings.password(options.value("password"), slot)?;
        session.login(user, &password)?;
    }
    // A handle that another process was told means something only to one that has met the object in a search: so
    // on an HA slot (Documented by `ThalesGroup/luna-kmu`), and so with other modules.
    session.find(&[])?;
    Ok(session)
}

fn slot(
    context: &Context,
    surroundings: &mut Surroundings<'_>,
    options: &Options,
) -> Result<SlotId, Failure> {
    let slots = context.slots(true)?;
    let named = match (options.number("slot")?, slots.as_slice()) {
        (Some(slot), _) => slot,
        (None, []) => return Err(Failure::refused("there is no slot with a token")),
        (None, [one]) => one.0,
        (None, several) => {
            for slot in several {
                let label = context.token_info(*slot).map_or(String::new(), |token| token.label);
                writeln!(surroundings.errors, "    slot {slot}: {label}")?;
            }
            let answer = surroundings.ask("Select a slot", "slot")?;
            let slot = answer.parse();
            slot.map_err(|_| Failure::misuse(format!("'{answer}' is no slot number")))?
        }
    };
    if slots.contains(&SlotId(named)) {
        Ok(SlotId(named))
    } else {
        Err(Failure::refused(format!("there is no slot {named}")))
    }
}

/// Hexadecimal digits as bytes.
fn bytes(option: &str, digits: &str) -> Result<Vec<u8>, Failure> {
    let wrong =
        || Failure::misuse(format!("-{option}: '{digits}' is no row of hexadecimal digits"));
    if digits.is_empty() || !digits.len().is_multiple_of(2) || !digits.is_ascii() {
        return Err(wrong());
    }
    let pair = |at| u8::from_str_radix(digits.get(at..at + 2).unwrap_or_default(), 16);
    (0..digits.len()).step_by(2).map(|at| pair(at).map_err(|_| wrong())).collect()
}

/// Bytes as hexadecimal digits.
fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_bytes_and_back() {
        assert_eq!(digits(&bytes("id", "00ffA1").unwrap()), "00ffa1");
        for wrong in ["", "1", "xy", "ä1"] {
            assert!(bytes("id", wrong).is_err(), "{wrong}");
        }
    }
}
