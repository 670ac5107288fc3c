//! The file a profile is written in.

use std::collections::HashMap;

use serde::Deserialize;

use super::{
    Authentication, LimitsOver, Policy, Profile, ProfileError, Provenance, StringsOver,
    VersionsOver,
};
use crate::ck::CK_MECHANISM_TYPE;
use crate::mechanisms::offer::Datum;
use crate::mechanisms::{Functions, current};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    format: u32,
    /// The profile that holds where this file is silent.
    extends: Option<String>,
    #[serde(default)]
    strings: StringsOver,
    #[serde(default)]
    versions: VersionsOver,
    #[serde(default)]
    limits: LimitsOver,
    authentication: Option<Authentication>,
    #[serde(default)]
    partition_policies: Vec<Policy>,
    #[serde(default)]
    hsm_policies: Vec<Policy>,
    #[serde(default)]
    offer: OfferTable,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct OfferTable {
    mechanisms: Vec<MechanismRow>,
    /// Names of mechanisms that the base offers and this firmware does not.
    gone: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MechanismRow {
    name: String,
    kind: CK_MECHANISM_TYPE,
    #[serde(default)]
    old: Option<CK_MECHANISM_TYPE>,
    functions: String,
    min: u64,
    max: u64,
    fips: Option<String>,
    fips_min: Option<u64>,
    fips_legacy_min: Option<u64>,
    #[serde(default)]
    former: bool,
    #[allow(dead_code, reason = "kept so that a row without it is refused")]
    source: Provenance,
}

impl MechanismRow {
    fn datum(&self) -> Result<Datum, String> {
        let functions = |words: &str| {
            Functions::parse(words).ok_or_else(|| {
                format!("{}: `{words}` is no list of functions (encrypt|decrypt|...)", self.name)
            })
        };
        if let Some(old) = self.old
            && current(old) != self.kind
        {
            return Err(format!("{}: no client calls it {old:#x}", self.name));
        }
        if self.min > self.max {
            return Err(format!("{}: from {} to {} bits", self.name, self.min, self.max));
        }
        let fips_min_bits = self.fips_min.unwrap_or(self.min);
        Ok(Datum {
            functions: functions(&self.functions)?,
            fips_functions: self.fips.as_deref().map(functions).transpose()?,
            min_bits: self.min,
            max_bits: self.max,
            fips_min_bits,
            fips_legacy_min_bits: self.fips_legacy_min.unwrap_or(fips_min_bits),
            former: self.former,
        })
    }
}

/// What is offered: in the order of the files, the base first.
#[derive(Default)]
struct Offered {
    order: Vec<CK_MECHANISM_TYPE>,
    mechanisms: HashMap<CK_MECHANISM_TYPE, Datum>,
}

impl Offered {
    fn under(base: Option<&Profile>) -> Self {
        base.map_or_else(Self::default, |base| Self {
            order: base.order.clone(),
            mechanisms: base.mechanisms.clone(),
        })
    }

    fn apply(&mut self, table: &OfferTable) -> Result<(), String> {
        for name in &table.gone {
            let named = |kind: &CK_MECHANISM_TYPE| luna_ck::names::ckm(*kind) == *name;
            let at =
                self.order.iter().position(named).ok_or_else(|| {
                    format!("offer.gone: {name} is not among what the base offers")
                })?;
            self.mechanisms.remove(&self.order.remove(at));
        }
        let mut own = std::collections::HashSet::new();
        for row in &table.mechanisms {
            if !own.insert(row.kind) {
                return Err(format!("{} stands there twice", row.name));
            }
            if self.mechanisms.insert(row.kind, row.datum()?).is_none() {
                self.order.push(row.kind);
            }
        }
        Ok(())
    }
}

/// Policies of the base, changed and joined by the file's own, in order of their numbers.
fn policies(base: Option<&[Policy]>, own: Vec<Policy>) -> Result<Vec<Policy>, String> {
    let mut all: Vec<Policy> = base.unwrap_or_default().to_vec();
    let mut seen = std::collections::HashSet::new();
    for policy in own {
        if !seen.insert(policy.id) {
            return Err(format!("policy {} stands there twice", policy.id));
        }
        all.retain(|other| other.id != policy.id);
        all.push(policy);
    }
    all.sort_by_key(|policy| policy.id);
    Ok(all)
}

pub(super) fn parse(origin: &str, text: &str) -> Result<Profile, ProfileError> {
    let file: File = toml::from_str(text).map_err(|source| ProfileError::Syntax {
        name: origin.to_owned(),
        source: Box::new(source),
    })?;
    let wrong = |what: String| ProfileError::Wrong { name: origin.to_owned(), what };
    if file.format != 1 {
        return Err(wrong(format!("format {}; this release knows 1", file.format)));
    }
    let base = file.extends.as_deref().map(Profile::built_in).transpose()?;
    let base = base.as_ref();
    let missing = |table: &'static str| {
        move |key| wrong(format!("{table}.{key} is wanted where a profile extends no other"))
    };
    let strings = file.strings.over(base.map(|it| &it.strings)).map_err(missing("strings"))?;
    let versions = file.versions.over(base.map(|it| &it.versions)).map_err(missing("versions"))?;
    let limits = file.limits.over(base.map(|it| &it.limits)).map_err(missing("limits"))?;
    let mut offered = Offered::under(base);
    offered.apply(&file.offer).map_err(wrong)?;
    Ok(Profile {
        name: file.name,
        strings,
        versions,
        limits,
        authentication: file
            .authentication
            .or(base.map(|it| it.authentication))
            .unwrap_or_default(),
        partition_policies: policies(
            base.map(|it| it.partition_policies.as_slice()),
            file.partition_policies,
        )
        .map_err(wrong)?,
        hsm_policies: policies(base.map(|it| it.hsm_policies.as_slice()), file.hsm_policies)
            .map_err(wrong)?,
        order: offered.order,
        mechanisms: offered.mechanisms,
    })
}
