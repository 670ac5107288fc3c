//! The configuration as this program's module reads it: with the partitions that applications do not see.
//!
//! With `HAOnly = 1` an application is shown the groups alone, while an administrator's tool still shows every
//! slot (Documented). How the vendor's tool asks its library for that is not published. Any library reads the
//! file where `ChrystokiConfigurationPath` points, so the program starts itself anew with a copy in a directory
//! of its own, in which `HAOnly` is off. The file itself is what commands show and change.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use chrystoki_conf::{Conf, DIRECTORY_VARIABLE, FILE_NAME};

/// Names, to the program started anew, the directory of the file itself; with the process's number before it,
/// so that no child of this program takes it for its own.
const VARIABLE: &str = "LUNACM_CONFIGURATION";

/// Begins the name of the directory of the copy.
const PREFIX: &str = "lunacm-";

/// The copy; removed when dropped.
#[derive(Debug)]
pub struct View {
    directory: PathBuf,
}

/// What the environment tells the program.
#[derive(Debug)]
pub struct Told {
    /// The value of `ChrystokiConfigurationPath` as the user set it, if it is set.
    pub configuration_directory: Option<OsString>,
    /// The copy that the module reads, when there is one.
    pub view: Option<View>,
}

/// Starts the program anew with a copy of the configuration, or tells what it was started with.
///
/// Returns in the first process only when there is no configuration to copy or no room for a copy; the program
/// then goes on with what the module shows.
pub fn enter(variable: impl Fn(&str) -> Option<OsString>) -> Told {
    let configured = variable(DIRECTORY_VARIABLE);
    if let (Some(own), Some(copy)) = (variable(VARIABLE).and_then(mine), &configured) {
        let configuration_directory = (!own.is_empty()).then_some(own);
        return Told { configuration_directory, view: Some(View { directory: copy.into() }) };
    }
    if let Some(view) = View::of(&Conf::locate(configured.clone())) {
        // Only a failure comes back.
        let _ = again(&view, configured.as_ref());
    }
    Told { configuration_directory: configured, view: None }
}

/// The directory after our own process's number.
fn mine(value: OsString) -> Option<OsString> {
    let value = value.into_string().ok()?;
    let own = value.strip_prefix(&format!("{}:", std::process::id()))?;
    Some(own.into())
}

fn again(view: &View, configured: Option<&OsString>) -> io::Result<()> {
    let mut own = OsString::from(format!("{}:", std::process::id()));
    own.push(configured.map_or(OsString::new(), OsString::clone));
    let program = std::env::current_exe()?;
    Err(Command::new(program)
        .args(std::env::args_os().skip(1))
        .env(DIRECTORY_VARIABLE, &view.directory)
        .env(VARIABLE, own)
        .exec())
}

impl View {
    /// A copy of a file, where there is one that can be read.
    fn of(file: &Path) -> Option<Self> {
        let text = shown(file)?;
        // Readable by this user alone.
        let directory = tempfile::Builder::new().prefix(PREFIX).tempdir().ok()?;
        fs::write(directory.path().join(FILE_NAME), text).ok()?;
        // From here on it is the view's to remove.
        Some(Self { directory: directory.keep() })
    }

    /// Copies the file again, as it now is.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub(crate) fn renew(&self, file: &Path) -> io::Result<()> {
        let text = shown(file).ok_or_else(|| io::Error::other("the file cannot be read"))?;
        fs::write(self.directory.join(FILE_NAME), text)
    }
}

/// The text with `HAOnly` off; nothing of a file that cannot be read, of which the program then complains.
fn shown(file: &Path) -> Option<String> {
    let mut conf = Conf::read(file).ok()?;
    if conf.value("HAConfiguration", "HAOnly").is_some() {
        conf.set("HAConfiguration", "HAOnly", "0").ok()?;
    }
    Some(conf.to_text())
}

impl Drop for View {
    fn drop(&mut self) {
        let name = self.directory.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(PREFIX) {
            // What cannot be removed holds no secret.
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_differs_in_one_value_and_goes_away() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(FILE_NAME);
        fs::write(&file, "HAConfiguration = { HAOnly = 1; reconnAtt = 3; }\n").unwrap();
        let view = View::of(&file).unwrap();
        let copy = view.directory.join(FILE_NAME);
        let text = fs::read_to_string(&copy).unwrap();
        assert_eq!(text, "HAConfiguration = { HAOnly = 0; reconnAtt = 3; }\n");
        fs::write(&file, "Misc = { ToolsDir = x; }\n").unwrap();
        view.renew(&file).unwrap();
        assert_eq!(fs::read_to_string(&copy).unwrap(), "Misc = { ToolsDir = x; }\n");
        drop(view);
        assert!(!copy.exists());
    }

    #[test]
    fn what_another_process_was_told_is_not_for_us() {
        assert_eq!(mine("1:/etc".into()), None);
        assert_eq!(mine(format!("{}:/x", std::process::id()).into()), Some("/x".into()));
        let told = enter(|_| Some("/nowhere".into()));
        assert_eq!(told.configuration_directory, Some("/nowhere".into()));
        assert!(told.view.is_none());
    }
}
