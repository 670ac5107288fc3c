//! The standard's functions, and what each of their arguments is.

/// An argument, or two or three that belong together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Arg {
    /// A number.
    Number,
    /// A boolean, of which only the lowest byte counts.
    Flag,
    /// A slot's number.
    Slot,
    /// A session's handle.
    Session,
    /// An object's handle.
    Object,
    /// A `CK_MECHANISM`.
    Mechanism,
    /// Attributes that go in: array and count.
    Template,
    /// Attributes that are asked for: array and count.
    Attributes,
    /// Bytes that go in: pointer and length.
    Input,
    /// A credential: pointer and length.
    Pin,
    /// 32 bytes of text.
    Label,
    /// Bytes that come out: pointer and pointer to the length.
    Output,
    /// As many bytes of chance as are asked for: pointer and length.
    Random,
    /// A session's handle that comes out.
    NewSession,
    /// An object's handle that comes out.
    NewObject,
    /// Handles that come out: array, room, pointer to the count.
    Found,
    /// Numbers that come out: array and pointer to the count.
    Numbers,
    /// One number that comes out.
    NumberOut,
    /// A structure that comes out.
    Info(Info),
    /// What `C_Initialize` is given.
    InitArgs,
    /// A pointer that means nothing to a trace: reserved, or the application's own.
    Opaque,
}

/// Structures of which a trace tells something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(missing_docs, reason = "the names are the structures'")]
pub enum Info {
    Library,
    Slot,
    Token,
    Mechanism,
    Session,
}

impl Arg {
    /// How many C arguments it takes.
    pub const fn words(self) -> usize {
        match self {
            Self::Found => 3,
            Self::Template
            | Self::Attributes
            | Self::Input
            | Self::Pin
            | Self::Output
            | Self::Random
            | Self::Numbers => 2,
            _ => 1,
        }
    }
}

/// A function.
#[derive(Debug)]
pub struct Signature {
    /// Its name.
    pub name: &'static str,
    /// Its arguments, in their order.
    pub args: &'static [Arg],
}

macro_rules! signatures {
    ($($name:ident [$($arg:expr),*];)+) => {
        /// Every function of the standard's table but `C_GetFunctionList`.
        pub static SIGNATURES: &[Signature] = &[
            $(Signature { name: stringify!($name), args: &[$($arg),*] },)+
        ];
    };
}

use Arg::{
    Attributes, Flag, Found, InitArgs, Input, Label, Mechanism, NewObject, NewSession, Number,
    NumberOut, Numbers, Object, Opaque, Output, Pin, Random, Session, Slot, Template,
};

signatures! {
    C_Initialize [InitArgs];
    C_Finalize [Opaque];
    C_GetInfo [Arg::Info(Info::Library)];
    C_GetSlotList [Flag, Numbers];
    C_GetSlotInfo [Slot, Arg::Info(Info::Slot)];
    C_GetTokenInfo [Slot, Arg::Info(Info::Token)];
    C_GetMechanismList [Slot, Numbers];
    C_GetMechanismInfo [Slot, Number, Arg::Info(Info::Mechanism)];
    C_InitToken [Slot, Pin, Label];
    C_InitPIN [Session, Pin];
    C_SetPIN [Session, Pin, Pin];
    C_OpenSession [Slot, Number, Opaque, Opaque, NewSession];
    C_CloseSession [Session];
    C_CloseAllSessions [Slot];
    C_GetSessionInfo [Session, Arg::Info(Info::Session)];
    C_GetOperationState [Session, Output];
    C_SetOperationState [Session, Input, Object, Object];
    C_Login [Session, Number, Pin];
    C_Logout [Session];
    C_CreateObject [Session, Template, NewObject];
    C_CopyObject [Session, Object, Template, NewObject];
    C_DestroyObject [Session, Object];
    C_GetObjectSize [Session, Object, NumberOut];
    C_GetAttributeValue [Session, Object, Attributes];
    C_SetAttributeValue [Session, Object, Template];
    C_FindObjectsInit [Session, Template];
    C_FindObjects [Session, Found];
    C_FindObjectsFinal [Session];
    C_EncryptInit [Session, Mechanism, Object];
    C_Encrypt [Session, Input, Output];
    C_EncryptUpdate [Session, Input, Output];
    C_EncryptFinal [Session, Output];
    C_DecryptInit [Session, Mechanism, Object];
    C_Decrypt [Session, Input, Output];
    C_DecryptUpdate [Session, Input, Output];
    C_DecryptFinal [Session, Output];
    C_DigestInit [Session, Mechanism];
    C_Digest [Session, Input, Output];
    C_DigestUpdate [Session, Input];
    C_DigestKey [Session, Object];
    C_DigestFinal [Session, Output];
    C_SignInit [Session, Mechanism, Object];
    C_Sign [Session, Input, Output];
    C_SignUpdate [Session, Input];
    C_SignFinal [Session, Output];
    C_SignRecoverInit [Session, Mechanism, Object];
    C_SignRecover [Session, Input, Output];
    C_VerifyInit [Session, Mechanism, Object];
    C_Verify [Session, Input, Input];
    C_VerifyUpdate [Session, Input];
    C_VerifyFinal [Session, Input];
    C_VerifyRecoverInit [Session, Mechanism, Object];
    C_VerifyRecover [Session, Input, Output];
    C_DigestEncryptUpdate [Session, Input, Output];
    C_DecryptDigestUpdate [Session, Input, Output];
    C_SignEncryptUpdate [Session, Input, Output];
    C_DecryptVerifyUpdate [Session, Input, Output];
    C_GenerateKey [Session, Mechanism, Template, NewObject];
    C_GenerateKeyPair [Session, Mechanism, Template, Template, NewObject, NewObject];
    C_WrapKey [Session, Mechanism, Object, Object, Output];
    C_UnwrapKey [Session, Mechanism, Object, Input, Template, NewObject];
    C_DeriveKey [Session, Mechanism, Object, Template, NewObject];
    C_SeedRandom [Session, Input];
    C_GenerateRandom [Session, Random];
    C_GetFunctionStatus [Session];
    C_CancelFunction [Session];
    C_WaitForSlotEvent [Number, NumberOut, Opaque];
}

/// The function of a name.
pub fn find(name: &str) -> Option<&'static Signature> {
    SIGNATURES.iter().find(|signature| signature.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_the_standards_but_one_are_there_once() {
        let mut seen = std::collections::HashSet::new();
        for signature in SIGNATURES {
            assert!(seen.insert(signature.name), "{} twice", signature.name);
            let words: usize = signature.args.iter().map(|arg| arg.words()).sum();
            assert!(words <= 8, "{}", signature.name);
        }
        // 68 with C_GetFunctionList.
        assert_eq!(seen.len(), 67);
    }
}
