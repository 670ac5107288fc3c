//! Every function with arguments that no sane caller passes: null, zero, huge, stale, unaligned, and lengths
//! that end exactly where memory ends; before `C_Initialize`, after it, logged in, and amid operations.
//!
//! A pointer is null or points to memory of the caller's, as the functions' Safety sections want; what lies
//! there, and every length, handle and number, is as wrong as it can be. Memory ends at a page that cannot be
//! touched, so that one byte read or written too far is seen.

mod arena;
mod arguments;
pub(crate) mod parameters;
mod state;

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use luna_ck::{CK_RV, names};
use luna_client::Module;
use luna_tests::{Instance, Seeded};

use self::arguments::{Arguments, Shape};
use self::state::{Stage, State};

/// A function as the committed list has it.
struct Function {
    name: &'static str,
    shapes: Vec<Shape>,
}

fn functions() -> Vec<Function> {
    include_str!("../data/functions.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let mut words = line.split(' ');
            Function { name: words.next().unwrap(), shapes: words.map(Shape::named).collect() }
        })
        .collect()
}

/// Those that take a stage away for good: a role may lock, a token may be wiped.
const LAST: &[&str] = &[
    "C_Initialize",
    "C_Finalize",
    "C_Login",
    "C_InitPIN",
    "C_SetPIN",
    "CA_InitRolePIN",
    "CA_ResetPIN",
    "C_InitToken",
    "CA_FactoryReset",
    "CA_Zeroize",
];

/// Combinations by chance, beside every argument wrong on its own.
const BY_CHANCE: usize = 60;

#[track_caller]
fn survives(stage: &str) {
    let instance = Instance::up(&["--fips", "off", "--ha", "LUNAHA=OKV,OKV"]);
    let journal = instance.directory().join("last-call");
    let seed = Seeded::new().number().to_string();
    let words = [stage, journal.to_str().unwrap(), instance.module().to_str().unwrap(), &seed];
    let child = luna_tests::child::Child::start("hostile", &words, &instance);
    let ended = child.within(4 * luna_tests::HANG).end();
    let last = std::fs::read_to_string(&journal).unwrap_or_default();
    assert!(
        ended.status.success(),
        "{stage}: the process ended with {} in\n  {}\n{:#?}\n{}",
        ended.status,
        last.trim_end(),
        ended.said,
        ended.errors
    );
    assert!(ended.said.iter().any(|line| line.starts_with("calls ")), "{:?}", ended.said);
}

#[test]
fn uninitialised() {
    survives("uninitialised");
}

#[test]
fn initialised() {
    survives("initialised");
}

#[test]
fn logged_in() {
    survives("logged in");
}

#[test]
fn amid_operations() {
    survives("amid operations");
}

/// The child: all functions at one stage.
pub(crate) fn application(words: &[String]) {
    let [stage, journal, module, seed] = words else { panic!("{words:?}") };
    let journal = Journal::new(Path::new(journal));
    let module = Module::load(module).unwrap();
    let mut state = State::new(&module, Stage::named(stage));
    let mut arguments = Arguments::new(seed.parse().unwrap());
    let (mut last, functions): (Vec<_>, Vec<_>) =
        functions().into_iter().partition(|function| LAST.contains(&function.name));
    last.sort_by_key(|function| LAST.iter().position(|name| *name == function.name));

    let mut calls = 0;
    let mut worked = BTreeSet::new();
    for function in functions.iter().chain(&last) {
        let lasting = LAST.contains(&function.name);
        for round in 0..arguments.rounds(&function.shapes) + BY_CHANCE {
            state.restore(lasting);
            let words = arguments.choose(&function.shapes, round, &state);
            journal.note(function.name, &words);
            let rv = call(&module, function.name, &words);
            let defined = names::CKR.iter().any(|(number, _)| *number == rv);
            assert!(defined, "{}{words:x?} answers 0x{rv:x}", function.name);
            let uninitialised = luna_ck::CKR_CRYPTOKI_NOT_INITIALIZED;
            if state.stage() == Stage::Uninitialised && !NEEDS_NO_LIBRARY.contains(&function.name) {
                assert_eq!(rv, uninitialised, "{}{words:x?}", function.name);
            }
            if rv == luna_ck::CKR_OK {
                worked.insert(function.name);
            }
            calls += 1;
        }
    }
    // Arguments of which only one is wrong must get past the checks before it.
    for name in state.stage().reached() {
        assert!(worked.contains(name), "{name} was never called as it should be");
    }
    luna_tests::child::say(&format!("calls {calls}"));
}

/// They work before `C_Initialize`.
const NEEDS_NO_LIBRARY: &[&str] =
    &["C_Initialize", "C_Finalize", "C_GetFunctionList", "CA_GetFunctionList"];

/// More than any function takes.
const WORDS: usize = 20;

type AnyFunction = unsafe extern "C" fn(
    usize,
    usize,
    usize,
    usize,
    usize,
    usize,
    usize,
    usize,
    usize,
    usize,
    usize,
    usize,
    usize,
    usize,
    usize,
    usize,
    usize,
    usize,
    usize,
    usize,
) -> CK_RV;

/// Calls a function by its name, its arguments as machine words.
///
/// Every argument of every function is a word or less, and under the calling convention of 64-bit Linux a
/// function does not see words it does not take.
fn call(module: &Module, name: &str, words: &[usize]) -> CK_RV {
    let mut all = [0; WORDS];
    all[..words.len()].copy_from_slice(words);
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t] = all;
    // SAFETY: see above; the pointers among the words are null or point into the arena.
    unsafe {
        let function: AnyFunction =
            module.raw().symbol(name).unwrap_or_else(|| panic!("no {name}"));
        function(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t)
    }
}

/// The call that is being made, in a file that outlives the process.
struct Journal(File);

impl Journal {
    fn new(path: &Path) -> Self {
        Self(File::create(path).unwrap())
    }

    fn note(&self, name: &str, words: &[usize]) {
        let line = format!("{:<300}\n", format!("{name}{words:x?}"));
        self.0.write_all_at(line.as_bytes(), 0).unwrap();
    }
}
