//! What decides a case where the vector leaves it open, or where the HSM is known to differ from the vector.
//!
//! Each rule has its reason beside it, and a test of its name in the family it belongs to.

/// A rule of ours.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Rule {
    /// RFC 3394 wraps two blocks or more; one block of 8 bytes is not wrapped, as in SP 800-38F.
    KeyWrapOfOneBlock,
    /// ECDSA as the standard has it takes both s and n - s; that only the lower is good is Bitcoin's own rule.
    EcdsaHighHalf,
    /// Halves shorter than the order are taken when they are equal, since Java sends them.
    EcdsaShortHalves,
    /// Points in their compressed form: PKCS#11 v2.40 lets a token take them.
    CompressedPoint,
    /// A public key whose wrapping can be read, and whose BIT STRING holds more, less or other than a point.
    WrappedBytesAreNoPoint,
    /// X25519 and X448 with a point of low order give zeros, which RFC 7748 lets a user refuse.
    ZeroSharedSecret,
    /// RFC 7748 defines X25519 and X448 on every string of the length, twisted or not reduced.
    EveryCoordinateIsAPoint,
    /// RFC 8017 wants a NULL in the DigestInfo; verifiers that compare what they would sign refuse without.
    DigestInfoWithoutParameters,
    /// SP 800-56B (section 7.1.2) decrypts no ciphertext of 0, of 1 and of the modulus less 1.
    SmallIntegerText,
    /// IEEE 1619 has XTS with keys of 128 and 256 bits alone.
    XtsOf192Bits,
    /// Keys of a MAC below the profile's smallest size; C_GetMechanismInfo tells it.
    KeyTooShortForTheProfile,
}

impl Rule {
    /// Whether the module takes such a case.
    pub(crate) fn accepts(self) -> bool {
        match self {
            Self::EcdsaHighHalf
            | Self::EcdsaShortHalves
            | Self::CompressedPoint
            | Self::EveryCoordinateIsAPoint => true,
            Self::KeyWrapOfOneBlock
            | Self::XtsOf192Bits
            | Self::WrappedBytesAreNoPoint
            | Self::SmallIntegerText
            | Self::KeyTooShortForTheProfile
            | Self::ZeroSharedSecret
            | Self::DigestInfoWithoutParameters => false,
        }
    }
}
