//! The README's tables of mechanisms, from registry, profiles and limits.
//!
//! A test compares; `LUNA_WRITE_README=1 cargo test -p luna-cryptoki mechanisms::table` writes them.

use std::fmt::Write as _;

use crate::ck::*;
use crate::mechanisms::limits::{self, LIMITS, UNLISTED};
use crate::mechanisms::offer::Datum;
use crate::mechanisms::{Functions, find, rows};
use crate::profile::Profile;

/// Every mechanism of a profile, of the registry or of the vendor's headers, by number.
pub fn all(profiles: &[Profile]) -> Vec<CK_MECHANISM_TYPE> {
    let mut all: Vec<_> = profiles.iter().flat_map(|profile| profile.order.clone()).collect();
    all.extend(rows().map(|row| row.kind));
    all.extend(UNLISTED.iter().flat_map(|(kinds, _)| kinds.iter().copied()));
    all.sort_unstable();
    all.dedup();
    all
}

/// The table of mechanisms: a row each, a column a profile.
pub fn mechanisms(profiles: &[Profile]) -> String {
    let mut table = String::from("| mechanism | served |");
    for profile in profiles {
        let _ = write!(table, " {} |", profile.name);
    }
    table.push_str("\n|---|---|");
    table.push_str(&"---|".repeat(profiles.len()));
    table.push('\n');
    for kind in all(profiles) {
        let served = match (find(kind), limits::limit(kind)) {
            (Some(row), _) => words(row.functions()),
            (None, Some(_)) => "limit".to_owned(),
            (None, None) => "no".to_owned(),
        };
        let _ = write!(table, "| `{}` | {served} |", luna_ck::names::ckm(kind));
        for profile in profiles {
            let _ = write!(table, " {} |", offered(kind, profile));
        }
        table.push('\n');
    }
    table
}

/// The table of limits, and of what no firmware lists.
pub fn limits() -> String {
    let mut table = String::from("| mechanisms not served | why |\n|---|---|\n");
    let listed = |kinds: &[CK_MECHANISM_TYPE]| {
        let names: Vec<_> =
            kinds.iter().map(|kind| format!("`{}`", luna_ck::names::ckm(*kind))).collect();
        names.join(", ")
    };
    for limit in LIMITS {
        let _ = writeln!(table, "| {} | {} |", listed(limit.kinds), limit.why);
    }
    for (kinds, why) in UNLISTED {
        let _ =
            writeln!(table, "| {} | listed by no firmware of a profile: {why} |", listed(kinds));
    }
    table
}

/// What a profile says of a mechanism: functions it lacks and FIPS mode, in few words.
fn offered(kind: CK_MECHANISM_TYPE, profile: &Profile) -> String {
    let Some(datum) = profile.mechanisms.get(&kind) else { return "–".to_owned() };
    let all = find(kind).map_or(datum.functions, |row| row.functions());
    let own = if all.difference(datum.functions).is_empty() {
        "yes".to_owned()
    } else {
        words(datum.functions & all)
    };
    format!("{own}{}", fips(datum))
}

fn fips(datum: &Datum) -> String {
    match datum.fips_functions {
        Some(left) if left == datum.functions => ", FIPS".to_owned(),
        Some(left) => format!(", FIPS: {}", words(left)),
        None => String::new(),
    }
}

fn words(functions: Functions) -> String {
    let short = [
        (Functions::ENCRYPT | Functions::DECRYPT, "encrypt"),
        (Functions::SIGN | Functions::VERIFY, "sign"),
        (Functions::WRAP | Functions::UNWRAP, "wrap"),
        (Functions::ENCAPSULATE | Functions::DECAPSULATE, "encapsulate"),
    ];
    let single = [
        (Functions::ENCRYPT, "encrypt only"),
        (Functions::DECRYPT, "decrypt"),
        (Functions::DIGEST, "digest"),
        (Functions::SIGN, "sign only"),
        (Functions::VERIFY, "verify"),
        (Functions::GENERATE, "generate"),
        (Functions::GENERATE_PAIR, "generate"),
        (Functions::WRAP, "wrap only"),
        (Functions::UNWRAP, "unwrap"),
        (Functions::DERIVE, "derive"),
    ];
    let mut left = functions;
    let mut words = Vec::new();
    for (these, word) in short.into_iter().chain(single) {
        if left.contains(these) {
            words.push(word);
            left.remove(these);
        }
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile;

    /// Those that offer something else than one before them.
    fn profiles() -> Vec<Profile> {
        let mut own: Vec<Profile> = Vec::new();
        for profile in profile::names().into_iter().map(|name| Profile::built_in(name).unwrap()) {
            let same = |other: &Profile| other.mechanisms == profile.mechanisms;
            if !own.iter().any(same) {
                own.push(profile);
            }
        }
        own
    }

    #[test]
    fn what_is_offered_is_served_or_a_limit() {
        for profile in profiles() {
            for kind in profile.order {
                let (served, limit) = (find(kind).is_some(), limits::limit(kind).is_some());
                let name = luna_ck::names::ckm(kind);
                assert!(served || limit, "{name} of {} is neither", profile.name);
                assert!(!(served && limit), "{name} is served, and a limit");
            }
        }
        for limit in LIMITS {
            for kind in limit.kinds {
                let offered = profiles().iter().any(|it| it.mechanisms.contains_key(kind));
                assert!(offered, "{} is offered by nobody", luna_ck::names::ckm(*kind));
            }
        }
        for kind in UNLISTED.iter().flat_map(|(kinds, _)| kinds.iter()) {
            let offered = profiles().iter().any(|it| it.mechanisms.contains_key(kind));
            assert!(!offered, "{} is offered", luna_ck::names::ckm(*kind));
        }
    }

    #[test]
    fn every_mechanism_the_vendor_names_is_in_the_table() {
        // So many rows has the researched list of what the vendor's clients know.
        assert_eq!(all(&profiles()).len(), 327);
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "a switch of this test, not of the module")]
    fn the_readme_has_these_tables() {
        let write = std::env::var_os("LUNA_WRITE_README").is_some();
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
        let readme = std::fs::read_to_string(path).unwrap();
        let mut fresh = readme.clone();
        for (name, table) in [("mechanisms", mechanisms(&profiles())), ("limits", limits())] {
            let (from, to) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
            let start = fresh.find(&from).unwrap() + from.len();
            let end = fresh.find(&to).unwrap();
            fresh.replace_range(start..end, &format!("\n{table}\n"));
        }
        let limits: usize = LIMITS.iter().map(|limit| limit.kinds.len()).sum();
        let said = format!("{limits} of the 327 mechanisms the vendor names");
        assert!(readme.contains(&said), "the README does not say: {said}");
        if write {
            std::fs::write(path, &fresh).unwrap();
        }
        assert!(
            readme == fresh || write,
            "the README's tables of mechanisms are old: write them with LUNA_WRITE_README=1"
        );
    }
}
