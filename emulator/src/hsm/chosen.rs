//! Refusals leave the HSM with the code that its profile chose.
//!
//! The rules of this room name what is wrong by a cause of their own; what a release answers in that
//! case is profile data. Here the one becomes the other, once, where answers leave: whoever writes a rule
//! need not know, and a rule that has looked its code up by itself is left alone.

use crate::error::{Cause, Error};
use crate::profile::{Code, Codes};

/// A cause of this room, the policy that has to have spoken where one has, and what the profile says of it.
type Row = (Cause, Option<u32>, fn(&Codes) -> Code);

/// The first that fits counts.
const CHOSEN: &[Row] = &[
    (Cause::TemplateInconsistent, Some(10), |codes| codes.multipurpose_off),
    (Cause::AttributeReadOnly, Some(11), |codes| codes.attribute_change_off),
    (Cause::PinLocked, None, |codes| codes.role_locked_out),
    (Cause::SoLoginFailureThreshold, None, |codes| codes.partition_so_zeroised),
    (Cause::PinIncorrect, None, |codes| codes.credential_wrong),
    (Cause::ChallengeIncorrect, None, |codes| codes.challenge_wrong),
    (Cause::PinLenRange, None, |codes| codes.credential_length),
    (Cause::UserNotAuthorized, None, |codes| codes.right_lacking),
    (Cause::UserNotLoggedIn, None, |codes| codes.login_wanted),
    (Cause::UserTypeInvalid, None, |codes| codes.role_absent),
    (Cause::PedUnplugged, None, |codes| codes.ped_absent),
    (Cause::PolicyIdInvalid, None, |codes| codes.policy_unknown),
    (Cause::ConfigIllegal, None, |codes| codes.policy_out_of_bounds),
    (Cause::ConfigFailsDependencies, None, |codes| codes.policy_dependency),
];

/// What FIPS mode refuses.
const IN_FIPS_MODE: &[Row] = &[
    (Cause::KeySizeRange, None, |codes| codes.fips_key_size),
    (Cause::CurveNotAllowed, None, |codes| codes.fips_curve),
];

/// The refusal as an application is told of it.
pub(super) fn as_chosen(error: Error, codes: &Codes, is_fips: bool) -> Error {
    if error.source().is_some() {
        return error;
    }
    let fips = IN_FIPS_MODE.iter().filter(|_| is_fips);
    let fits = |(cause, policy, _): &&Row| {
        error.cause() == *cause && (policy.is_none() || error.policy() == *policy)
    };
    match CHOSEN.iter().chain(fips).find(fits) {
        Some((from, _, choose)) => {
            let code = choose(codes);
            error.recast(*from, code.cause).from_source(code.source)
        }
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{DEFAULT, Profile, Provenance};

    #[test]
    fn the_default_profile_answers_what_the_rules_say() {
        let codes = Profile::built_in(DEFAULT).unwrap().codes;
        for (cause, policy, _) in CHOSEN.iter().chain(IN_FIPS_MODE) {
            let mut error = Error::new(*cause, "a rule");
            if let Some(policy) = policy {
                error = error.by_policy(*policy);
            }
            let told = as_chosen(error.clone(), &codes, true);
            assert_eq!(told.cause(), *cause);
            assert!(told.source().is_some(), "{cause:?}");
            assert_eq!((told.rule(), told.policy()), (error.rule(), error.policy()));
        }
    }

    #[test]
    fn another_profile_answers_otherwise_and_what_was_chosen_stays() {
        let text = "name = 'mine'\nformat = 1\nextends = 'luna-7.4.0'\n[codes]\n\
            role_locked_out = { value = 'CKR_USER_LOCKED_OUT', source = 'observed' }\n\
            multipurpose_off = { value = 'CKR_ATTRIBUTE_VALUE_INVALID', source = 'observed' }\n\
            fips_key_size = { value = 'CKR_ATTRIBUTE_VALUE_INVALID', source = 'observed' }\n";
        let codes = Profile::parse("mine.toml", text).unwrap().codes;
        let told = |error: Error, is_fips| as_chosen(error, &codes, is_fips).cause();
        let locked = Error::new(Cause::PinLocked, "locked");
        assert_eq!(told(locked.clone(), false), Cause::UserLockedOut);
        assert_eq!(told(locked.from_source(Provenance::Assumed), false), Cause::PinLocked);
        let template = Error::new(Cause::TemplateInconsistent, "two purposes");
        assert_eq!(told(template.clone(), false), Cause::TemplateInconsistent);
        assert_eq!(told(template.by_policy(10), false), Cause::AttributeValueInvalid);
        let size = Error::new(Cause::KeySizeRange, "too small");
        assert_eq!(told(size.clone(), false), Cause::KeySizeRange);
        assert_eq!(told(size, true), Cause::AttributeValueInvalid);
    }
}
