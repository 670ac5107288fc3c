//! Python: `python-pkcs11` and PyKCS11, each with a program of its own in `tests/data/python`.
//!
//! They live in the virtual environment that `.ci/run` makes beside the profile's directory.

use std::path::{Path, PathBuf};

use luna_tests::artefacts;

use crate::{CRYPTO_OFFICER, Instance, command, found, run, said, text};

/// The interpreter that knows both.
pub(crate) fn interpreter() -> Option<PathBuf> {
    let target = artefacts::directory().parent().expect("a profile lies in a directory").to_owned();
    found("target/clients-venv", std::iter::once(target.join("clients-venv/bin/python")))
}

/// Runs a program; it prints a line for each theme that held.
fn goes_through(program: &str, themes: &[&str]) {
    let Some(python) = interpreter() else { return };
    let instance = Instance::up(&["--partition", "app"]);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/python").join(program);
    let told =
        run(&instance, &python, &["-B", text(&source), text(instance.module()), CRYPTO_OFFICER]);
    let held: Vec<_> = told.lines().filter_map(|line| line.strip_prefix("held: ")).collect();
    assert_eq!(held, themes, "{told}");
}

#[test]
fn python_pkcs11_works() {
    goes_through(
        "use_python_pkcs11.py",
        &["random", "digest", "aes", "rsa", "ec", "agree", "wrap", "mac", "objects", "login"],
    );
}

#[test]
fn pykcs11_works() {
    goes_through(
        "use_pykcs11.py",
        &["random", "digest", "aes", "rsa", "ec", "wrap", "objects", "login"],
    );
}

#[test]
fn the_recipe_of_the_readme_works() {
    let Some(python) = interpreter() else { return };
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).expect("a README");
    let (_, recipe) = readme.split_once("```python\n").expect("a recipe");
    let (recipe, _) = recipe.split_once("```").expect("its end");
    let instance = Instance::up(&["--partition", "app"]);
    let shown = format!("{recipe}    print(key)\n");
    let mut command = command(&instance, &python);
    let (told, _) = said(command.args(["-c", &shown]).env("LUNA_MODULE", instance.module()));
    assert!(told.contains("mine"), "{told}");
}
