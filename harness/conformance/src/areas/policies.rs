//! Partition policies: how they are told and changed, and what each forbids.
//!
//! One row of [`EFFECTS`] is a policy that is switched off, what is tried and what refuses it. Each is asked on a
//! partition of its own, since most changes of a policy wipe it.

use luna_client::ck::*;
use luna_client::{Attribute, Mechanism, PolicyValue, Session, UserType};

use crate::check::{
    Finding, Mark, Needs, Outcome, Registry, Row, Source, Subject, agree, ensure, refused, same,
};
use crate::keys::{Family, import};
use crate::stage::Stage;

const PAGE: &str = "Partition Capabilities and Policies";

fn luna() -> Needs {
    Needs::public().subject(Subject::Luna)
}

fn fresh() -> Needs {
    Needs::fresh().subject(Subject::Luna).functions(&["CA_SetTokenPolicies"])
}

const ROWS: &[Row] = &[
    Row {
        id: "list.within",
        title: "no policy is above its capability",
        source: (Mark::Documented, PAGE),
        needs: luna,
        run: |stage| {
            let (context, slot) = (stage.context()?, stage.slot()?);
            let capabilities = context.token_capabilities(slot)?;
            for policy in context.token_policies(slot)? {
                let bound = capabilities.iter().find(|it| it.id == policy.id).map(|it| it.value);
                agree(
                    bound.is_some_and(|bound| policy.value <= bound),
                    format!("policy {} is {}", policy.id, policy.value),
                    format!("its capability is {bound:?}"),
                )?;
            }
            Ok(())
        },
    },
    Row {
        id: "list.unique",
        title: "no policy is listed twice",
        source: (Mark::Documented, PAGE),
        needs: luna,
        run: |stage| {
            let mut ids: Vec<_> =
                stage.context()?.token_policies(stage.slot()?)?.iter().map(|it| it.id).collect();
            let listed = ids.len();
            ids.sort_unstable();
            ids.dedup();
            same("policies listed", &ids.len(), &listed)
        },
    },
    Row {
        id: "list.exclusive",
        title: "private keys are cloned or wrapped, not both",
        source: (
            Mark::Documented,
            "Configuring the Partition for Cloning or Export of Private Keys",
        ),
        needs: luna,
        run: |stage| {
            let policies = stage.context()?.token_policies(stage.slot()?)?;
            let on = |id| policies.iter().any(|policy| policy.id == id && policy.value == 1);
            agree(!(on(0) && on(1)), "policy 0 is on", "policy 1 is on too")
        },
    },
    Row {
        id: "list.described",
        title: "every policy has a text",
        source: (Mark::Documented, "CA_GetConfigurationElementDescription"),
        needs: luna,
        run: |stage| {
            let (context, slot) = (stage.context()?, stage.slot()?);
            for policy in context.token_policies(slot)? {
                let text = context.policy_description(slot, policy.id)?.text;
                ensure(!text.is_empty(), format!("a text of policy {}", policy.id), "none")?;
            }
            Ok(())
        },
    },
    Row {
        id: "change.officer",
        title: "the Crypto Officer changes no policy",
        source: (Mark::Documented, "Partition Roles and Procedures"),
        needs: fresh,
        run: |stage| {
            stage.initialise()?;
            let session = officer(stage)?;
            let policy = [PolicyValue { id: 5, value: 0 }];
            let seen = session.set_token_policies(stage.slot()?, &policy);
            refused("CA_SetTokenPolicies", seen, &[CKR_USER_NOT_AUTHORIZED, CKR_USER_NOT_LOGGED_IN])
        },
    },
    Row {
        id: "change.nobody",
        title: "nobody changes a policy without a login",
        source: (Mark::Documented, "Partition Roles and Procedures"),
        needs: fresh,
        run: |stage| {
            stage.initialise()?;
            let policy = [PolicyValue { id: 5, value: 0 }];
            let seen = stage.session()?.set_token_policies(stage.slot()?, &policy);
            refused("CA_SetTokenPolicies", seen, &[CKR_USER_NOT_LOGGED_IN, CKR_USER_NOT_AUTHORIZED])
        },
    },
    Row {
        id: "change.told",
        title: "a policy that was changed is told as changed",
        source: (Mark::Documented, PAGE),
        needs: fresh,
        run: |stage| {
            set(stage, &[(5, 0)])?;
            let policies = stage.context()?.token_policies(stage.slot()?)?;
            let seen = policies.iter().find(|policy| policy.id == 5).map(|policy| policy.value);
            same("policy 5", &Some(0), &seen)
        },
    },
    Row {
        id: "change.both",
        title: "policies 0 and 1 are not both switched on",
        source: (
            Mark::Documented,
            "Configuring the Partition for Cloning or Export of Private Keys",
        ),
        needs: fresh,
        run: |stage| {
            stage.initialise()?;
            let session = so(stage)?;
            let both = [PolicyValue { id: 0, value: 1 }, PolicyValue { id: 1, value: 1 }];
            let seen = session.set_token_policies(stage.slot()?, &both);
            // Where the capability is missing that is said first.
            let codes =
                [CKR_CONFIG_FAILS_DEPENDENCIES, CKR_CONFIG_CHANGE_ILLEGAL, CKR_CONFIG_ILLEGAL];
            refused("CA_SetTokenPolicies", seen, &codes)
        },
    },
    Row {
        id: "change.unknown",
        title: "a policy that is not there is not changed",
        source: (Mark::Assumed, "the vendor's header has CKR_CONFIG_INVALID_PARAMETERS"),
        needs: fresh,
        run: |stage| {
            stage.initialise()?;
            let policy = [PolicyValue { id: 12345, value: 1 }];
            let seen = so(stage)?.set_token_policies(stage.slot()?, &policy);
            ensure(seen.is_err(), "a refusal", "CKR_OK")
        },
    },
    Row {
        id: "change.wipes",
        title: "a destructive change takes the objects",
        source: (Mark::Documented, "Setting Partition Policies Manually"),
        needs: fresh,
        run: |stage| {
            set(stage, &[(5, 0)])?;
            let session = officer(stage)?;
            let template = [vec![Attribute::class(CKO_DATA)], stage.own(true)].concat();
            session.create_object(&template)?;
            session.logout()?;
            session.login(UserType::SO, &stage.security_officer_pin()?)?;
            // On again is the dangerous direction of policy 5.
            session.set_token_policies(stage.slot()?, &[PolicyValue { id: 5, value: 1 }])?;
            drop(session);
            let storage = stage.context()?.token_storage(stage.slot()?)?;
            same("objects left", &0, &storage.objects)
        },
    },
];

type Tried = fn(&mut Stage, &Session) -> Outcome<luna_client::Result<()>>;

/// A policy with the value that forbids, what is tried, and the codes that refuse it.
type Effect = (u64, u64, &'static str, Mark, Tried, &'static [CK_RV]);

const EFFECTS: &[Effect] = &[
    (5, 0, "a secret key is not wrapped", Mark::Documented, wrap_secret, &[CKR_KEY_NOT_WRAPPABLE]),
    (
        6,
        0,
        "a secret key is not unwrapped",
        Mark::Documented,
        unwrap_secret,
        &[CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_FUNCTION_NOT_SUPPORTED, CKR_OPERATION_NOT_ALLOWED],
    ),
    (10, 0, "a key has one kind of use", Mark::Assumed, multipurpose, &[CKR_TEMPLATE_INCONSISTENT]),
    (11, 0, "a key's uses are not changed", Mark::Assumed, change_use, &[CKR_ATTRIBUTE_READ_ONLY]),
    (
        17,
        0,
        "a key that came in does not sign",
        Mark::Assumed,
        sign_imported,
        &[CKR_KEY_FUNCTION_NOT_PERMITTED],
    ),
    (18, 0, "raw RSA is refused", Mark::Assumed, raw_rsa, &[CKR_MECHANISM_INVALID]),
    (
        28,
        0,
        "the Crypto Officer makes no keys",
        Mark::Assumed,
        generate,
        &[CKR_USER_NOT_AUTHORIZED],
    ),
    (33, 0, "RSA by PKCS #1 v1.5 is refused", Mark::Assumed, pkcs_rsa, &[CKR_MECHANISM_INVALID]),
    // Numbers: 255 less 20, and 20.
    (
        25,
        235,
        "a PIN shorter than policy 25 is refused",
        Mark::Documented,
        short_pin,
        &[CKR_PIN_LEN_RANGE],
    ),
    (
        26,
        20,
        "a PIN longer than policy 26 is refused",
        Mark::Documented,
        long_pin,
        &[CKR_PIN_LEN_RANGE],
    ),
];

pub(super) fn register(registry: &mut Registry) {
    registry.rows("policies", ROWS);
    for (id, value, title, mark, tried, codes) in EFFECTS {
        let source = Source::vendor(*mark, format!("{PAGE}, policy {id}"));
        let title = format!("with policy {id} at {value} {title}");
        let name = format!("policies.effect.{id}");
        registry.add(name, title, source, fresh(), |stage| {
            set(stage, &[(*id, *value)])?;
            let session = officer(stage)?;
            let seen = tried(stage, &session)?;
            refused("what it forbids", seen, codes)
        });
    }
}

fn officer(stage: &Stage) -> Outcome<Session> {
    let session = stage.session()?;
    session.login(UserType::USER, &stage.officer_pin()?)?;
    Ok(session)
}

fn so(stage: &Stage) -> Outcome<Session> {
    let session = stage.session()?;
    session.login(UserType::SO, &stage.security_officer_pin()?)?;
    Ok(session)
}

/// A fresh partition with these policies; the Crypto Officer is made anew after what a change has wiped.
fn set(stage: &mut Stage, policies: &[(u64, u64)]) -> Outcome {
    stage.initialise()?;
    let session = so(stage)?;
    let slot = stage.slot()?;
    let known = stage.context()?.token_policies(slot)?;
    for (id, value) in policies {
        if !known.iter().any(|policy| policy.id == *id) {
            return Err(Finding::not_applicable(format!("the partition lists no policy {id}")));
        }
        session.set_token_policies(slot, &[PolicyValue { id: *id, value: *value }])?;
    }
    // What it wiped includes the Crypto Officer, perhaps; the password is long enough for any policy here.
    let _ = session.init_pin(&stage.officer_pin()?);
    session.logout()?;
    Ok(())
}

fn secret(stage: &Stage, session: &Session) -> Outcome<luna_client::ObjectHandle> {
    let attributes = [Attribute::bool(CKA_EXTRACTABLE, true), Attribute::bool(CKA_SIGN, true)];
    import(stage, session, CKK_GENERIC_SECRET, &[7; 32], &attributes)
}

fn wrapper(stage: &Stage, session: &Session, uses: &[u64]) -> Outcome<luna_client::ObjectHandle> {
    let uses: Vec<_> = uses.iter().map(|it| Attribute::bool(*it, true)).collect();
    import(stage, session, CKK_AES, &[7; 32], &uses)
}

fn wrap_secret(stage: &mut Stage, session: &Session) -> Outcome<luna_client::Result<()>> {
    let (by, key) = (wrapper(stage, session, &[CKA_WRAP])?, secret(stage, session)?);
    Ok(session.wrap(&Mechanism::Plain(CKM_AES_KW), by, key).map(drop))
}

fn unwrap_secret(stage: &mut Stage, session: &Session) -> Outcome<luna_client::Result<()>> {
    let by = wrapper(stage, session, &[CKA_WRAP, CKA_UNWRAP])?;
    let key = secret(stage, session)?;
    let wrapped = session.wrap(&Mechanism::Plain(CKM_AES_KW), by, key)?;
    let mut template = stage.own(false);
    template.push(Attribute::class(CKO_SECRET_KEY));
    template.push(Attribute::key_type(CKK_GENERIC_SECRET));
    Ok(session.unwrap(&Mechanism::Plain(CKM_AES_KW), by, &wrapped, &template).map(drop))
}

fn multipurpose(stage: &mut Stage, session: &Session) -> Outcome<luna_client::Result<()>> {
    let mut template = stage.own(false);
    template.push(Attribute::ulong(CKA_VALUE_LEN, 32));
    template.push(Attribute::bool(CKA_ENCRYPT, true));
    template.push(Attribute::bool(CKA_SIGN, true));
    Ok(session.generate_key(&Mechanism::Plain(CKM_AES_KEY_GEN), &template).map(drop))
}

fn change_use(stage: &mut Stage, session: &Session) -> Outcome<luna_client::Result<()>> {
    let key = secret(stage, session)?;
    Ok(session.set_attributes(key, &[Attribute::bool(CKA_VERIFY, true)]))
}

fn sign_imported(stage: &mut Stage, session: &Session) -> Outcome<luna_client::Result<()>> {
    let key = secret(stage, session)?;
    Ok(session.sign_init(&Mechanism::Plain(CKM_SHA256_HMAC), key))
}

fn rsa(stage: &mut Stage, session: &Session, kind: u64) -> Outcome<luna_client::Result<()>> {
    let pair = Family::Rsa.make(stage, session, &[CKA_ENCRYPT, CKA_DECRYPT])?;
    Ok(session.encrypt_init(&Mechanism::Plain(kind), pair.public))
}

fn raw_rsa(stage: &mut Stage, session: &Session) -> Outcome<luna_client::Result<()>> {
    rsa(stage, session, CKM_RSA_X_509)
}

fn pkcs_rsa(stage: &mut Stage, session: &Session) -> Outcome<luna_client::Result<()>> {
    rsa(stage, session, CKM_RSA_PKCS)
}

fn generate(stage: &mut Stage, session: &Session) -> Outcome<luna_client::Result<()>> {
    let template = [vec![Attribute::ulong(CKA_VALUE_LEN, 32)], stage.own(true)].concat();
    Ok(session.generate_key(&Mechanism::Plain(CKM_AES_KEY_GEN), &template).map(drop))
}

fn short_pin(stage: &mut Stage, session: &Session) -> Outcome<luna_client::Result<()>> {
    Ok(session.set_pin(&stage.officer_pin()?, &luna_client::Pin::from("nineteen-characters")))
}

fn long_pin(stage: &mut Stage, session: &Session) -> Outcome<luna_client::Result<()>> {
    Ok(session.set_pin(&stage.officer_pin()?, &luna_client::Pin::from("twenty-one-characters")))
}
