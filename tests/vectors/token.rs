//! A token with everything switched on, and keys that last for one case.

use std::collections::BTreeMap;

use luna_ck::*;
use luna_client::{
    Attribute, Mechanism, MechanismInfo, MechanismType, ObjectHandle, Result, Session,
};
use luna_tests::{Instance, first_slot, officer};

use crate::tally::Outcome;

/// One partition, all algorithms, the Crypto Officer logged in. The fields are dropped in this order.
pub(crate) struct Token {
    pub(crate) session: Session,
    listed: BTreeMap<MechanismType, MechanismInfo>,
    _instance: Instance,
}

impl Token {
    pub(crate) fn up() -> Self {
        Self::of(&[])
    }

    /// As [`Token::up`], with options of `luna-emulator up`.
    pub(crate) fn of(options: &[&str]) -> Self {
        let instance = Instance::up(options);
        let context = instance.context();
        let slot = first_slot(&context);
        let session = officer(&context, slot);
        let listed = context
            .mechanisms(slot)
            .unwrap()
            .into_iter()
            .map(|kind| (kind, context.mechanism_info(slot, kind).unwrap()))
            .collect();
        Self { session, listed, _instance: instance }
    }

    /// What C_GetMechanismList tells.
    pub(crate) fn listed(&self) -> impl Iterator<Item = MechanismType> {
        self.listed.keys().copied()
    }

    pub(crate) fn lists(&self, mechanism: MechanismType) -> bool {
        self.listed.contains_key(&mechanism)
    }

    /// What C_GetMechanismInfo tells of a mechanism that is listed.
    pub(crate) fn info(&self, mechanism: MechanismType) -> &MechanismInfo {
        &self.listed[&mechanism]
    }

    /// Makes a session object, hands it on and destroys it.
    pub(crate) fn with(
        &self,
        template: &[Attribute],
        run: impl FnOnce(ObjectHandle) -> Outcome,
    ) -> Outcome {
        match self.session.create_object(template) {
            Ok(key) => {
                let outcome = run(key);
                self.session.destroy(key).unwrap();
                outcome
            }
            Err(error) => Outcome::failed(&error),
        }
    }

    /// As [`Token::with`], of a secret key.
    pub(crate) fn with_secret(
        &self,
        key_type: CK_KEY_TYPE,
        value: &[u8],
        run: impl FnOnce(ObjectHandle) -> Outcome,
    ) -> Outcome {
        self.with(&secret(key_type, value), run)
    }

    /// AES-XTS: the first half of a key works on the data, the second on the place of the data, which is
    /// filled up with zeros.
    pub(crate) fn with_xts(
        &self,
        key: &[u8],
        place: &[u8],
        run: impl FnOnce(&Mechanism, ObjectHandle) -> Outcome,
    ) -> Outcome {
        let (data, tweak) = key.split_at(key.len() / 2);
        let mut block = place.to_vec();
        block.resize(16, 0);
        self.with_secret(CKK_AES, tweak, |tweak| {
            let parameter = [&tweak.0.to_ne_bytes()[..], &block].concat();
            let how = Mechanism::Bytes(CKM_AES_XTS, parameter);
            self.with_secret(CKK_AES, data, |key| run(&how, key))
        })
    }

    /// What a derived key holds; the key is destroyed.
    pub(crate) fn value(&self, derived: Result<ObjectHandle>) -> Result<Vec<u8>> {
        let key = derived?;
        let value = self.session.attribute(key, CKA_VALUE);
        self.session.destroy(key).unwrap();
        value.map(|value| value.expect("a key that is not sensitive tells its value"))
    }
}

/// A template of flags that are on.
pub(crate) fn on(kinds: &[CK_ATTRIBUTE_TYPE]) -> Vec<Attribute> {
    kinds.iter().map(|kind| Attribute::bool(*kind, true)).collect()
}

fn secret(key_type: CK_KEY_TYPE, value: &[u8]) -> Vec<Attribute> {
    let mut template = on(&[CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY, CKA_DERIVE]);
    template.extend([
        Attribute::class(CKO_SECRET_KEY),
        Attribute::key_type(key_type),
        Attribute::bytes(CKA_VALUE, value),
    ]);
    template
}

/// The template of a secret that is derived and may be read.
pub(crate) fn readable_secret(len: usize) -> Vec<Attribute> {
    vec![
        Attribute::class(CKO_SECRET_KEY),
        Attribute::key_type(CKK_GENERIC_SECRET),
        Attribute::ulong(CKA_VALUE_LEN, len as CK_ULONG),
        Attribute::bool(CKA_SENSITIVE, false),
        Attribute::bool(CKA_EXTRACTABLE, true),
    ]
}
