//! `CA_DeriveKeyAndWrap`: a key is derived, wrapped and forgotten.
//!
//! By the rules of both halves: the derived key must be one that `C_DeriveKey` would make and `C_WrapKey`
//! would let go. Source: vendor page of the function, pycryptoki's `derive_wrap.py` (Documented).

use super::{DERIVING, WRAPPING, not_for, under, whole};
use crate::ck::*;
use crate::error::Result;
use crate::hsm::objects::Held;
use crate::hsm::partition::Partition;
use crate::hsm::session::Session;
use crate::hsm::usage::told;
use crate::mechanisms::keys;
use crate::wire::{DeriveAndWrap, Reply};

impl Partition {
    /// # Errors
    /// Those of deriving and of wrapping.
    pub(in crate::hsm) fn derive_and_wrap(
        &self,
        session: &Session,
        both: &DeriveAndWrap<'_>,
    ) -> Result<Reply> {
        let (using, base) = self.carrier(session, &DERIVING, &both.derive, both.base)?;
        let template = under(&base.object, CKA_DERIVE_TEMPLATE, &both.template)?;
        let row = self.current()?.offer(both.derive.kind)?.row;
        // A mechanism of several keys has none to wrap.
        let derive = row.derive.ok_or_else(|| not_for(&both.derive))?;
        let key =
            self.derivable(session, &base, row, keys::derived_class(&template)?, &template)?;
        let value = derive(&using, keys::wanted_len(key.0, &template)?)?;
        let parts = keys::from_derived(key.0, &value, &template)?;
        let (class, attributes) = whole(key, parts, &template)?;
        let derived = Held::passing(class, attributes);

        let (using, carrier) = self.carrier(session, &WRAPPING, &both.wrap, both.wrapping)?;
        self.may_wrap(&derived, &carrier)?;
        let plain = keys::to_bytes(&derived.object)?;
        let wrapped = (plain.as_slice(), class.class);
        let reply = self.wrap_bytes(session, (&both.wrap, &using), &carrier, wrapped, both.room)?;
        match reply.uncounted().0 {
            Reply::Output(output) if output.is_final() => {
                self.count(&session.application, &base)?;
                Ok(told(&base, Reply::Output(output)))
            }
            other => Ok(other),
        }
    }
}
