//! Statuses of a node and what leads from one to the other: a table, looked at by every operation.
//!
//! PAIRING and ACTIVE are Documented; the names of the others are from memory of the real console (Assumed), the actions
//! Documented.

use serde::{Serialize, Serializer};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident: $($(#[$word_doc:meta])* $word:ident $text:literal;)*) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$word_doc])* $word,)* }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$word,)*];

            /// As tables show it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$word => $text,)* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }
    };
}

words! {
    /// Where a node stands.
    NodeStatus:
    /// It is being seeded.
    Pairing "PAIRING";
    /// It takes part.
    Active "ACTIVE";
    /// It is told that it will be disabled.
    Disabling "DISABLING";
    /// Nothing is shipped to it.
    Disabled "DISABLED";
    /// It catches up.
    Enabling "ENABLING";
    /// It is told that it will be deleted.
    Deleting "DELETING";
    /// It takes part no more, and its number is not given again.
    Deleted "DELETED";
}

words! {
    /// What a node may write.
    NodeMode:
    /// Nothing critical: it has no peer, or has lost it.
    ReadOnlyRestricted "Read-Only Restricted";
    /// Everything; its peer has all of it.
    ReadWrite "Read-Write";
    /// Nothing critical: it follows.
    ReadOnly "Read-Only";
}

words! {
    /// What is done to a node.
    NodeAction:
    /// The seed is in place.
    Paired "paired";
    /// The pairing was given up.
    Abort "abort-pairing";
    /// Disable was pressed.
    Disable "disable";
    /// It knows, or cannot be told.
    Disabled "disabled";
    /// Enable was pressed.
    Enable "enable";
    /// It has caught up.
    Enabled "enabled";
    /// Delete was pressed.
    Delete "delete";
    /// It knows.
    Deleted "deleted";
    /// Force Delete was pressed.
    ForceDelete "force-delete";
}

impl NodeStatus {
    /// The status of this name; what no release ever wrote counts as deleted, so that nothing is shipped to it.
    pub fn named(name: &str) -> Self {
        Self::ALL.iter().copied().find(|it| it.name() == name).unwrap_or(Self::Deleted)
    }

    /// Whether other nodes ship their log to it.
    pub const fn is_shipped_to(self) -> bool {
        matches!(self, Self::Active | Self::Disabling | Self::Enabling | Self::Deleting)
    }

    /// Whether it belongs to the cluster.
    pub const fn is_there(self) -> bool {
        !matches!(self, Self::Deleted)
    }

    /// The status after an action; `None` when it cannot be done to a node of this status.
    pub const fn after(self, action: NodeAction) -> Option<Self> {
        Some(match (self, action) {
            (Self::Pairing, NodeAction::Paired) | (Self::Enabling, NodeAction::Enabled) => {
                Self::Active
            }
            (Self::Pairing, NodeAction::Abort | NodeAction::ForceDelete)
            | (Self::Deleting, NodeAction::Deleted | NodeAction::ForceDelete)
            | (
                Self::Active | Self::Disabling | Self::Disabled | Self::Enabling,
                NodeAction::ForceDelete,
            ) => Self::Deleted,
            (Self::Active, NodeAction::Disable) => Self::Disabling,
            (Self::Disabling, NodeAction::Disabled) => Self::Disabled,
            (Self::Disabled, NodeAction::Enable) => Self::Enabling,
            (Self::Active | Self::Deleting, NodeAction::Delete) => Self::Deleting,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::NodeAction as On;
    use super::NodeStatus::{
        self, Active, Deleted, Deleting, Disabled, Disabling, Enabling, Pairing,
    };

    /// Every arrow there is; what is not in the table is refused.
    const ARROWS: [(NodeStatus, On, NodeStatus); 15] = [
        (Pairing, On::Paired, Active),
        (Pairing, On::Abort, Deleted),
        (Pairing, On::ForceDelete, Deleted),
        (Active, On::Disable, Disabling),
        (Active, On::Delete, Deleting),
        (Active, On::ForceDelete, Deleted),
        (Disabling, On::Disabled, Disabled),
        (Disabling, On::ForceDelete, Deleted),
        (Disabled, On::Enable, Enabling),
        (Disabled, On::ForceDelete, Deleted),
        (Enabling, On::Enabled, Active),
        (Enabling, On::ForceDelete, Deleted),
        (Deleting, On::Delete, Deleting),
        (Deleting, On::Deleted, Deleted),
        (Deleting, On::ForceDelete, Deleted),
    ];

    #[test]
    fn statuses_follow_the_table_and_nothing_else() {
        for status in NodeStatus::ALL {
            assert_eq!(NodeStatus::named(status.name()), *status);
            for action in On::ALL {
                let arrow = ARROWS.iter().find(|(from, by, _)| from == status && by == action);
                assert_eq!(status.after(*action), arrow.map(|it| it.2), "{status} {action}");
            }
        }
    }

    #[test]
    fn nothing_is_shipped_to_who_does_not_take_part() {
        let shipped: Vec<_> = NodeStatus::ALL.iter().filter(|it| it.is_shipped_to()).collect();
        assert_eq!(shipped, [&Active, &Disabling, &Enabling, &Deleting]);
        assert!(!NodeStatus::named("no such word").is_there());
    }
}
