//! The file a profile is written in.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::data::{CodesOver, FeaturesOver, FlagsOver, LimitsOver, StringsOver, VersionsOver};
use super::{Policy, Profile, ProfileError, Provenance, place};
use crate::ck::CK_MECHANISM_TYPE;
use crate::mechanisms::offer::Datum;
use crate::mechanisms::{Functions, current};

/// The number of the format that this release reads.
const FORMAT: u32 = 1;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    format: Spanned<u32>,
    /// The profile that holds where this file is silent.
    extends: Option<Spanned<String>>,
    #[serde(default)]
    strings: StringsOver,
    #[serde(default)]
    versions: VersionsOver,
    #[serde(default)]
    limits: LimitsOver,
    #[serde(default)]
    flags: FlagsOver,
    #[serde(default)]
    features: FeaturesOver,
    #[serde(default)]
    codes: CodesOver,
    #[serde(default)]
    partition_policies: Vec<Spanned<Policy>>,
    #[serde(default)]
    hsm_policies: Vec<Spanned<Policy>>,
    #[serde(default)]
    offer: OfferTable,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct OfferTable {
    mechanisms: Vec<Spanned<MechanismRow>>,
    /// Names of mechanisms that the base offers and this firmware does not.
    gone: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MechanismRow {
    name: String,
    kind: CK_MECHANISM_TYPE,
    #[serde(default)]
    old: Option<CK_MECHANISM_TYPE>,
    functions: FunctionWords,
    min: u64,
    max: u64,
    fips: Option<FunctionWords>,
    fips_min: Option<u64>,
    fips_legacy_min: Option<u64>,
    #[serde(default)]
    former: bool,
    source: Provenance,
}

/// `sign|verify`.
struct FunctionWords(Functions);

impl<'de> Deserialize<'de> for FunctionWords {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let words = String::deserialize(from)?;
        Functions::parse(&words).map(Self).ok_or_else(|| {
            D::Error::custom(format!(
                "`{words}` is no list of functions; expected some of encrypt|decrypt|digest|sign|\
                 verify|generate|generate_key_pair|wrap|unwrap|derive|encapsulate|decapsulate"
            ))
        })
    }
}

/// What is wrong, and the bytes of the file it is about.
type Complaint = (Range<usize>, String);

impl MechanismRow {
    fn datum(&self) -> Result<Datum, String> {
        let name = &self.name;
        let known = luna_ck::names::ckm(self.kind);
        if known != *name {
            return Err(format!("{name} with the number of another; expected that of {known}"));
        }
        if let Some(old) = self.old
            && current(old) != self.kind
        {
            return Err(format!("{name}: no client calls it {old:#x}"));
        }
        if self.min > self.max {
            return Err(format!(
                "{name}: from {} to {} bits; expected the least first",
                self.min, self.max
            ));
        }
        let fips_min_bits = self.fips_min.unwrap_or(self.min);
        Ok(Datum {
            functions: self.functions.0,
            fips_functions: self.fips.as_ref().map(|words| words.0),
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
    sources: HashMap<CK_MECHANISM_TYPE, Provenance>,
}

impl Offered {
    fn under(base: Option<&Profile>) -> Self {
        base.map_or_else(Self::default, |base| Self {
            order: base.order.clone(),
            mechanisms: base.mechanisms.clone(),
            sources: base.mechanism_sources.clone(),
        })
    }

    fn apply(&mut self, table: &OfferTable) -> Result<(), Complaint> {
        for name in &table.gone {
            let named = |kind: &CK_MECHANISM_TYPE| luna_ck::names::ckm(*kind) == *name.get_ref();
            let at = self.order.iter().position(named).ok_or_else(|| {
                let what =
                    format!("`{}`; expected a mechanism that the base offers", name.get_ref());
                (name.span(), what)
            })?;
            let kind = self.order.remove(at);
            self.mechanisms.remove(&kind);
            self.sources.remove(&kind);
        }
        let mut own = HashSet::new();
        for spanned in &table.mechanisms {
            let row = spanned.get_ref();
            if !own.insert(row.kind) {
                return Err((spanned.span(), format!("{} stands there twice", row.name)));
            }
            let datum = row.datum().map_err(|what| (spanned.span(), what))?;
            if self.mechanisms.insert(row.kind, datum).is_none() {
                self.order.push(row.kind);
            }
            self.sources.insert(row.kind, row.source);
        }
        Ok(())
    }
}

/// Policies of the base, changed and joined by the file's own, in order of their numbers.
fn policies(base: Option<&[Policy]>, own: Vec<Spanned<Policy>>) -> Result<Vec<Policy>, Complaint> {
    let mut all: Vec<Policy> = base.unwrap_or_default().to_vec();
    let mut seen = HashSet::new();
    for spanned in own {
        let span = spanned.span();
        let policy = spanned.into_inner();
        if !seen.insert(policy.id) {
            return Err((span, format!("policy {} stands there twice", policy.id)));
        }
        all.retain(|other| other.id != policy.id);
        all.push(policy);
    }
    all.sort_by_key(|policy| policy.id);
    Ok(all)
}

pub(super) fn parse(origin: &str, text: &str) -> Result<Profile, ProfileError> {
    let wrong = |span: Range<usize>, what: String| ProfileError::Wrong {
        file: origin.to_owned(),
        line: place::line(text, span.start),
        key: place::key(text, span.start),
        what,
    };
    let file: File = toml::from_str(text)
        .map_err(|error| wrong(error.span().unwrap_or(0..0), error.message().to_owned()))?;
    if *file.format.get_ref() != FORMAT {
        let what =
            format!("{}; expected {FORMAT}, which this release reads", file.format.get_ref());
        return Err(wrong(file.format.span(), what));
    }
    let base = match &file.extends {
        None => None,
        Some(name) => Some(
            Profile::built_in(name.get_ref())
                .map_err(|error| wrong(name.span(), error.to_string()))?,
        ),
    };
    let base = base.as_ref();
    let missing = |key: &str| {
        wrong(0..0, format!("{key} is missing; expected where a profile extends no other"))
    };
    let complain = |(span, what)| wrong(span, what);
    let strings = file.strings.over(base.map(|it| &it.strings)).map_err(missing)?;
    let versions = file.versions.over(base.map(|it| &it.versions)).map_err(missing)?;
    let limits = file.limits.over(base.map(|it| &it.limits)).map_err(missing)?;
    let flags = file.flags.over(base.map(|it| &it.flags)).map_err(missing)?;
    let features = file.features.over(base.map(|it| &it.features)).map_err(missing)?;
    let codes = file.codes.over(base.map(|it| &it.codes)).map_err(missing)?;
    let mut offered = Offered::under(base);
    offered.apply(&file.offer).map_err(complain)?;
    Ok(Profile {
        name: file.name,
        extends: file.extends.map(Spanned::into_inner),
        strings,
        versions,
        limits,
        flags,
        authentication: features.authentication,
        features,
        codes,
        partition_policies: policies(
            base.map(|it| it.partition_policies.as_slice()),
            file.partition_policies,
        )
        .map_err(complain)?,
        hsm_policies: policies(base.map(|it| it.hsm_policies.as_slice()), file.hsm_policies)
            .map_err(complain)?,
        order: offered.order,
        mechanisms: offered.mechanisms,
        mechanism_sources: offered.sources,
        recorded: text.to_owned(),
    })
}
