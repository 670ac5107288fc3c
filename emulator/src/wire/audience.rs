//! Who of an HA group hears a request, and which requests may be sent again.

use super::{Counting, Request, Sharing};

/// Who of an HA group has to hear a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Audience {
    /// Any one member; the least busy.
    Any,
    /// The member the operation began on.
    Pinned,
    /// Every member that is up.
    All,
    /// The primary, who passes on what comes of it.
    Primary,
    /// The members themselves, never the group: administration.
    Member,
}

impl Request<'_> {
    /// Who of an HA group has to hear it. Source: ha.md sections 5 to 7 (Documented).
    pub fn audience(&self) -> Audience {
        match self {
            Self::Perform { .. }
            | Self::Check(_)
            | Self::Wrap(..)
            | Self::Random(..)
            | Self::Attributes(..)
            | Self::ObjectSize(..)
            | Self::Find(..)
            | Self::SessionState(_)
            | Self::SeedRandom(..)
            | Self::DeriveAndWrap(..)
            | Self::Sharing(Sharing::Belonging(_))
            | Self::Reauthenticate(..) => Audience::Any,
            Self::Begin(_)
            | Self::Update { .. }
            | Self::Finish { .. }
            | Self::DigestKey(..)
            | Self::SaveState(..)
            | Self::LoadState(..)
            | Self::Abandon(..) => Audience::Pinned,
            Self::OpenSession { .. }
            | Self::CloseSession(_)
            | Self::Login(..)
            | Self::Logout(_)
            | Self::Destroy(..)
            | Self::SetAttributes(..)
            | Self::AuthorizeKey(..)
            | Self::Count(_, _, Counting::Add(_) | Counting::Set(_)) => Audience::All,
            Self::Create(..)
            | Self::Copy(..)
            | Self::Unwrap(..)
            | Self::Derive(..)
            | Self::Encapsulate(..)
            | Self::Decapsulate(..)
            | Self::GenerateKey(..)
            | Self::GenerateKeyPair(..) => Audience::Primary,
            Self::Recovery(_, recovery) => recovery.audience(),
            Self::Describe
            | Self::RoleState(_)
            | Self::InitToken { .. }
            | Self::InitPin(..)
            | Self::SetPin { .. }
            | Self::SetPolicies(..)
            | Self::Sharing(Sharing::Open(_) | Sharing::Close(_))
            | Self::Cloning(..)
            | Self::Certificate(_)
            | Self::Count(_, _, Counting::Used(_))
            | Self::Locate(..)
            | Self::Extract(..)
            | Self::Insert(..)
            | Self::Bury(..)
            | Self::Administer(..)
            | Self::Inventory(_) => Audience::Member,
        }
    }

    /// Whether hearing it twice leaves the partition as hearing it once. Only such a request is
    /// sent again when its answer was lost.
    pub fn is_repeatable(&self) -> bool {
        match self {
            Self::Describe
            | Self::RoleState(_)
            | Self::SessionState(_)
            | Self::ObjectSize(..)
            | Self::Attributes(..)
            | Self::SetAttributes(..)
            | Self::Find(..)
            | Self::Locate(..)
            | Self::Check(_)
            | Self::Perform { .. }
            | Self::Begin(_)
            | Self::SaveState(..)
            | Self::LoadState(..)
            | Self::Abandon(..)
            | Self::Wrap(..)
            | Self::Random(..)
            | Self::SeedRandom(..)
            | Self::Extract(..)
            | Self::Count(_, _, Counting::Set(_))
            | Self::Bury(..)
            | Self::Sharing(Sharing::Belonging(_))
            | Self::Certificate(_)
            | Self::Inventory(_) => true,
            Self::Cloning(_, cloning) => cloning.is_repeatable(),
            Self::AuthorizeKey(_, _, said) => said.is_repeatable(),
            Self::Recovery(_, recovery) => recovery.is_repeatable(),
            Self::Administer(_, what) => what.is_question(),
            // Two sessions, two wrong PINs counted, two keys, a part fed twice.
            Self::InitToken { .. }
            | Self::OpenSession { .. }
            | Self::CloseSession(_)
            | Self::Login(..)
            | Self::Reauthenticate(..)
            | Self::Logout(_)
            | Self::InitPin(..)
            | Self::SetPin { .. }
            | Self::SetPolicies(..)
            | Self::Count(_, _, Counting::Used(_) | Counting::Add(_))
            | Self::Create(..)
            | Self::Copy(..)
            | Self::Destroy(..)
            | Self::Update { .. }
            | Self::Finish { .. }
            | Self::DigestKey(..)
            | Self::GenerateKey(..)
            | Self::GenerateKeyPair(..)
            | Self::Unwrap(..)
            | Self::Derive(..)
            | Self::Encapsulate(..)
            | Self::Decapsulate(..)
            | Self::DeriveAndWrap(..)
            | Self::Sharing(Sharing::Open(_) | Sharing::Close(_))
            | Self::Insert(..) => false,
        }
    }
}
