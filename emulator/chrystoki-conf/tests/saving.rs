//! The file on disk: changed whole, with everything else in it as it was.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use chrystoki_conf::{Error, edit};

const SAMPLE: &str = include_str!("Chrystoki.conf");

#[test]
fn one_value_is_changed_and_every_other_byte_stays() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("Chrystoki.conf");
    fs::write(&file, SAMPLE).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    let link = directory.path().join("link.conf");
    symlink(&file, &link).unwrap();
    let ((), conf) = edit(&link, |conf| conf.set("HAConfiguration", "reconnAtt", "7")).unwrap();
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(text, conf.to_text());
    let differs = text.lines().filter(|line| !SAMPLE.lines().any(|old| old == *line)).count();
    assert_eq!(differs, 1, "{text}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "nothing is left over");
}

#[test]
fn a_change_that_fails_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("Chrystoki.conf");
    fs::write(&file, SAMPLE).unwrap();
    let failed = edit(&file, |conf| -> Result<(), Error> {
        conf.set("Misc", "One", "1")?;
        conf.set("Misc", "Two;", "2")
    });
    assert!(failed.is_err());
    assert_eq!(fs::read_to_string(&file).unwrap(), SAMPLE);
    let missing = directory.path().join("nothing.conf");
    let error = edit(&missing, |conf| conf.set("Misc", "One", "1")).unwrap_err();
    assert!(error.to_string().contains("nothing.conf: cannot be read"), "{error}");
}

#[test]
fn changes_made_at_the_same_time_are_all_there() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("Chrystoki.conf");
    fs::write(&file, "Misc = {\n}\n").unwrap();
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let file = &file;
            scope.spawn(move || {
                for number in 0..8 {
                    edit(file, |conf| conf.set("Misc", &format!("Key{writer}{number}"), "1"))
                        .unwrap();
                }
            });
        }
    });
    assert_eq!(fs::read_to_string(&file).unwrap().matches("= 1;").count(), 64);
}
