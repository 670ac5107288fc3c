//! A client directory that was moved, copied or mounted elsewhere: its configuration follows.
//!
//! A directory that `up` made is laid out as the vendor's client is and may be mounted where programs look for that
//! one, `/usr/safenet/lunaclient`. The paths in its configuration are absolute, as the vendor's are.

use std::path::{Path, PathBuf};

use anyhow::Result;
use chrystoki_conf::Conf;

/// Lets every path that pointed into the directory's old place point into this one. Nothing is changed while the
/// old place still has the HSMs, or when this one has none.
///
/// # Errors
/// A path that cannot stand in the file.
pub(crate) fn follow(conf: &mut Conf, directory: &Path) -> Result<()> {
    let Some(state) = conf.value("Emulator", "StateDirectory").map(PathBuf::from) else {
        return Ok(());
    };
    let Some(old) = state.parent() else { return Ok(()) };
    if state.exists() || !directory.join("state").exists() {
        return Ok(());
    }
    let mut changes = Vec::new();
    for section in conf.section_names() {
        for entry in conf.section(section).map(|section| section.entries()).unwrap_or_default() {
            if let Ok(rest) = Path::new(entry.value).strip_prefix(old) {
                let new = directory.join(rest).display().to_string();
                changes.push((section.to_owned(), entry.key.to_owned(), new));
            }
        }
    }
    for (section, key, value) in changes {
        conf.set(&section, &key, &value)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_elsewhere_stays_where_it_is() {
        let place = tempfile::tempdir().unwrap();
        let text = "Chrystoki2 = { LibUNIX64 = /gone/lib/l.so; }\nHAConfiguration = { haLogPath = /var/log; }\n\
                    Emulator = { StateDirectory = /gone/state; Partition00 = 1; }\n";
        let mut conf = Conf::parse(text, "C").unwrap();
        follow(&mut conf, place.path()).unwrap();
        assert_eq!(conf.to_text(), text, "there are no HSMs here");
        std::fs::create_dir(place.path().join("state")).unwrap();
        follow(&mut conf, place.path()).unwrap();
        let here = place.path().display().to_string();
        assert_eq!(conf.to_text(), text.replace("/gone", &here));
    }
}
