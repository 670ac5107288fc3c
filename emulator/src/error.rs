//! What went wrong, why, and what the application is told.
//!
//! A cause maps to one CKR_ number in the table below, the only place where those numbers stand.
//! The reason says which rule, attribute or policy spoke; the call log shows it.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ck::*;

/// Who is at fault, which decides whether an HA group tries another member.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Class {
    /// The request is wrong or refused; every member would say so.
    Caller,
    /// This member cannot serve now; another may.
    Member,
    /// The library itself is broken; nothing more is tried.
    Fatal,
}

/// How far a fact about the real product can be trusted.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Provenance {
    /// A vendor page says so.
    Documented,
    /// A vendor's code sample or header says so.
    Sample,
    /// A device said so.
    Observed,
    /// From memory.
    Recalled,
    /// Our choice.
    Assumed,
}

impl Provenance {
    /// Every kind, the best first.
    pub const ALL: [Self; 5] =
        [Self::Documented, Self::Sample, Self::Observed, Self::Recalled, Self::Assumed];

    /// The word that profiles and logs use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Documented => "documented",
            Self::Sample => "sample",
            Self::Observed => "observed",
            Self::Recalled => "recalled",
            Self::Assumed => "assumed",
        }
    }
}

macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident => $rv:ident, $class:ident;)+) => {
        /// Why a call did not succeed; each has one CKR_ number and one class.
        #[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
        pub enum Cause {
            $($(#[$doc])* #[doc = concat!("`", stringify!($rv), "`")] $name,)+
        }

        impl Cause {
            /// The number the application sees.
            pub fn ck_rv(self) -> CK_RV {
                match self { $(Self::$name => $rv,)+ }
            }

            /// Whether another member of an HA group may succeed.
            pub fn class(self) -> Class {
                match self { $(Self::$name => Class::$class,)+ }
            }

            /// Every cause, for those that walk the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The cause of a code by its name, as in `CKR_PIN_LOCKED`.
            pub fn by_name(name: &str) -> Option<Self> {
                match name { $(stringify!($rv) => Some(Self::$name),)+ _ => None }
            }
        }
    };
}

causes! {
    ActionProhibited => CKR_ACTION_PROHIBITED, Caller;
    ArgumentsBad => CKR_ARGUMENTS_BAD, Caller;
    AssignedKeyCannotBeModified => CKR_ASSIGNED_KEY_CANNOT_BE_MODIFIED, Caller;
    AssignedKeyCannotBeReset => CKR_ASSIGNED_KEY_CANNOT_BE_RESET, Caller;
    AssignedKeyFailedAttributeDependencies => CKR_ASSIGNED_KEY_FAILED_ATTRIBUTE_DEPENDENCIES, Caller;
    AssignedKeyNotAllowed => CKR_ASSIGNED_KEY_NOT_ALLOWED, Caller;
    AssignedKeyRequiresAuthData => CKR_ASSIGNED_KEY_REQUIRES_AUTH_DATA, Caller;
    AttributeReadOnly => CKR_ATTRIBUTE_READ_ONLY, Caller;
    AttributeSensitive => CKR_ATTRIBUTE_SENSITIVE, Caller;
    AttributeTypeInvalid => CKR_ATTRIBUTE_TYPE_INVALID, Caller;
    AttributeValueInvalid => CKR_ATTRIBUTE_VALUE_INVALID, Caller;
    AuditLoginFailureThreshold => CKR_AUDIT_LOGIN_FAILURE_THRESHOLD, Caller;
    AuditLoginTimeoutInProgress => CKR_AUDIT_LOGIN_TIMEOUT_IN_PROGRESS, Caller;
    AuthDataIncorrect => CKR_AUTH_DATA_INCORRECT, Caller;
    AuthDataIncorrectAndLimitReached => CKR_AUTH_DATA_INCORRECT_AND_LIMIT_REACHED, Caller;
    AuthDataNotAllowed => CKR_AUTH_DATA_NOT_ALLOWED, Caller;
    AuthDataTooLarge => CKR_AUTH_DATA_TOO_LARGE, Caller;
    AuthDataTooSmall => CKR_AUTH_DATA_TOO_SMALL, Caller;
    Bip32ChildIndexInvalid => CKR_BIP32_CHILD_INDEX_INVALID, Caller;
    Bip32InvalidHardenedDerivation => CKR_BIP32_INVALID_HARDENED_DERIVATION, Caller;
    Bip32InvalidKeyPathLen => CKR_BIP32_INVALID_KEY_PATH_LEN, Caller;
    Bip32MasterSeedInvalid => CKR_BIP32_MASTER_SEED_INVALID, Caller;
    Bip32MasterSeedLenInvalid => CKR_BIP32_MASTER_SEED_LEN_INVALID, Caller;
    BufferTooSmall => CKR_BUFFER_TOO_SMALL, Caller;
    CantLock => CKR_CANT_LOCK, Caller;
    CertificateDataInvalid => CKR_CERTIFICATE_DATA_INVALID, Caller;
    CertificateDataMissing => CKR_CERTIFICATE_DATA_MISSING, Caller;
    CertificateTypeInvalid => CKR_CERTIFICATE_TYPE_INVALID, Caller;
    ChallengeIncorrect => CKR_CHALLENGE_INCORRECT, Caller;
    CloneFailed => CKR_FAILED_TO_CLONE_AN_OBJECT, Caller;
    CloneNotAttempted => CKR_CLONE_NOT_ATTEMPTED, Caller;
    CloningParameterAlreadyExists => CKR_CLONING_PARAMETER_ALREADY_EXISTS, Caller;
    ConfigChangeIllegal => CKR_CONFIG_CHANGE_ILLEGAL, Caller;
    ConfigFailsDependencies => CKR_CONFIG_FAILS_DEPENDENCIES, Caller;
    ConfigIllegal => CKR_CONFIG_ILLEGAL, Caller;
    ContainerHandleInvalid => CKR_CONTAINER_HANDLE_INVALID, Caller;
    ContainerObjectStorageFull => CKR_CONTAINER_OBJECT_STORAGE_FULL, Caller;
    CryptokiAlreadyInitialized => CKR_CRYPTOKI_ALREADY_INITIALIZED, Caller;
    CryptokiNotInitialized => CKR_CRYPTOKI_NOT_INITIALIZED, Caller;
    CurveNotAllowed => CKR_ECC_CURVE_NOT_ALLOWED, Caller;
    CurveNotSupported => CKR_CURVE_NOT_SUPPORTED, Caller;
    DataInvalid => CKR_DATA_INVALID, Caller;
    DataLenRange => CKR_DATA_LEN_RANGE, Caller;
    DeviceError => CKR_DEVICE_ERROR, Member;
    DeviceMemory => CKR_DEVICE_MEMORY, Caller;
    DeviceRemoved => CKR_DEVICE_REMOVED, Member;
    DomainParamsInvalid => CKR_DOMAIN_PARAMS_INVALID, Caller;
    EccPointInvalid => CKR_ECC_POINT_INVALID, Caller;
    EncryptedDataInvalid => CKR_ENCRYPTED_DATA_INVALID, Caller;
    EncryptedDataLenRange => CKR_ENCRYPTED_DATA_LEN_RANGE, Caller;
    FunctionFailed => CKR_FUNCTION_FAILED, Caller;
    FunctionNotParallel => CKR_FUNCTION_NOT_PARALLEL, Caller;
    FunctionNotSupported => CKR_FUNCTION_NOT_SUPPORTED, Caller;
    GeneralError => CKR_GENERAL_ERROR, Fatal;
    HostMemory => CKR_HOST_MEMORY, Caller;
    HsmInTransport => CKR_CMD_NOT_ALLOWED_HSM_IN_TRANSPORT, Member;
    HsmStorageFull => CKR_HSM_STORAGE_FULL, Caller;
    HsmTampered => CKR_HSM_TAMPERED, Member;
    InvalidUtilizationMetrics => CKR_INVALID_UTILIZATION_METRICS, Caller;
    KeyCannotBeAuthorized => CKR_KEY_CANNOT_BE_AUTHORIZED, Caller;
    KeyExtractable => CKR_KEY_EXTRACTABLE, Caller;
    KeyFunctionNotPermitted => CKR_KEY_FUNCTION_NOT_PERMITTED, Caller;
    KeyHandleInvalid => CKR_KEY_HANDLE_INVALID, Caller;
    KeyIndigestible => CKR_KEY_INDIGESTIBLE, Caller;
    KeyInvalidForHaLogin => CKR_KEY_INVALID_FOR_HA_LOGIN, Caller;
    KeyNotActive => CKR_KEY_NOT_ACTIVE, Caller;
    KeyNotAuthorized => CKR_KEY_NOT_AUTHORIZED, Caller;
    KeyNotNeeded => CKR_KEY_NOT_NEEDED, Caller;
    KeyNotWrappable => CKR_KEY_NOT_WRAPPABLE, Caller;
    KeySizeRange => CKR_KEY_SIZE_RANGE, Caller;
    KeyTypeInconsistent => CKR_KEY_TYPE_INCONSISTENT, Caller;
    KeyUnextractable => CKR_KEY_UNEXTRACTABLE, Caller;
    LicenseCapacityExceeded => CKR_LICENSE_CAPACITY_EXCEEDED, Caller;
    KeyringNotFound => CKR_KEYRING_NOT_FOUND, Caller;
    LogAuditNotInitialized => CKR_LOG_AUDIT_NOT_INITIALIZED, Caller;
    LogBadFileName => CKR_LOG_BAD_FILE_NAME, Caller;
    LogBadRecordHmac => CKR_LOG_BAD_RECORD_HMAC, Caller;
    LogBadTime => CKR_LOG_BAD_TIME, Caller;
    LogFileNotOpen => CKR_LOG_FILE_NOT_OPEN, Caller;
    LogFull => CKR_LOG_FULL, Caller;
    LogNoKcv => CKR_LOG_NO_KCV, Caller;
    MaxObjectCountExceeded => CKR_MAX_OBJECT_COUNT_EXCEEDED, Caller;
    MechanismInvalid => CKR_MECHANISM_INVALID, Caller;
    MechanismParamInvalid => CKR_MECHANISM_PARAM_INVALID, Caller;
    MtkStateInvalid => CKR_MTK_STATE_INVALID, Caller;
    MtkZeroized => CKR_MTK_ZEROIZED, Member;
    NeedToCreateThreads => CKR_NEED_TO_CREATE_THREADS, Caller;
    ObjectHandleInvalid => CKR_OBJECT_HANDLE_INVALID, Caller;
    ObjectNotKeyring => CKR_OBJECT_NOT_KEYRING, Caller;
    ObjectTypeInvalid => CKR_OBJECT_TYPE_INVALID, Caller;
    OhAuthDataNotProvided => CKR_OH_AUTH_DATA_NOT_PROVIDED, Caller;
    OperationActive => CKR_OPERATION_ACTIVE, Caller;
    OperationNotAllowed => CKR_OPERATION_NOT_ALLOWED, Caller;
    OperationNotInitialized => CKR_OPERATION_NOT_INITIALIZED, Caller;
    PartitionDisabled => CKR_PARTITION_DISABLED, Member;
    PedClientNotRunning => CKR_PED_CLIENT_NOT_RUNNING, Caller;
    PedUnplugged => CKR_PED_UNPLUGGED, Caller;
    PedUnsupported => CKR_PED_UNSUPPORTED, Caller;
    PinExpired => CKR_PIN_EXPIRED, Caller;
    PinIncorrect => CKR_PIN_INCORRECT, Caller;
    PinInvalid => CKR_PIN_INVALID, Caller;
    PinLenRange => CKR_PIN_LEN_RANGE, Caller;
    PinLocked => CKR_PIN_LOCKED, Caller;
    PolicyIdInvalid => CKR_POLICY_ID_INVALID, Caller;
    RandomNoRng => CKR_RANDOM_NO_RNG, Caller;
    RandomSeedNotSupported => CKR_RANDOM_SEED_NOT_SUPPORTED, Caller;
    RoleCannotMakeKeysAssigned => CKR_ROLE_CANNOT_MAKE_KEYS_ASSIGNED, Caller;
    SavedStateInvalid => CKR_SAVED_STATE_INVALID, Caller;
    SessionClosed => CKR_SESSION_CLOSED, Caller;
    SessionCount => CKR_SESSION_COUNT, Caller;
    SessionExists => CKR_SESSION_EXISTS, Caller;
    SessionHandleInvalid => CKR_SESSION_HANDLE_INVALID, Caller;
    SessionIdInvalid => CKR_SESSION_ID_INVALID, Caller;
    SessionNegotiationInvalid => CKR_SESSION_NEGOTIATION_INVALID, Caller;
    SessionNegotiationNoPsk => CKR_SESSION_NEGOTIATION_NO_PSK, Caller;
    SessionParallelNotSupported => CKR_SESSION_PARALLEL_NOT_SUPPORTED, Caller;
    SessionReadOnly => CKR_SESSION_READ_ONLY, Caller;
    SessionReadOnlyExists => CKR_SESSION_READ_ONLY_EXISTS, Caller;
    SessionReadWriteSoExists => CKR_SESSION_READ_WRITE_SO_EXISTS, Caller;
    SignatureInvalid => CKR_SIGNATURE_INVALID, Caller;
    SignatureLenRange => CKR_SIGNATURE_LEN_RANGE, Caller;
    SimAuthformInvalid => CKR_SIM_AUTHFORM_INVALID, Caller;
    SimAuthorizationFailed => CKR_SIM_AUTHORIZATION_FAILED, Caller;
    SimCorruptData => CKR_SIM_CORRUPT_DATA, Caller;
    SimVersionUnsupported => CKR_SIM_VERSION_UNSUPPORTED, Caller;
    SlotIdInvalid => CKR_SLOT_ID_INVALID, Caller;
    SmkIdNotFound => CKR_SMK_ID_NOT_FOUND, Caller;
    SoLoginFailureThreshold => CKR_SO_LOGIN_FAILURE_THRESHOLD, Caller;
    StateUnsaveable => CKR_STATE_UNSAVEABLE, Caller;
    TemplateIncomplete => CKR_TEMPLATE_INCOMPLETE, Caller;
    TemplateInconsistent => CKR_TEMPLATE_INCONSISTENT, Caller;
    TokenNotPresent => CKR_TOKEN_NOT_PRESENT, Member;
    TokenNotRecognized => CKR_TOKEN_NOT_RECOGNIZED, Caller;
    TokenWriteProtected => CKR_TOKEN_WRITE_PROTECTED, Caller;
    UnableToConnect => CKR_UNABLE_TO_CONNECT, Member;
    UnwrappingKeyHandleInvalid => CKR_UNWRAPPING_KEY_HANDLE_INVALID, Caller;
    UnwrappingKeySizeRange => CKR_UNWRAPPING_KEY_SIZE_RANGE, Caller;
    UnwrappingKeyTypeInconsistent => CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT, Caller;
    UserAlreadyLoggedIn => CKR_USER_ALREADY_LOGGED_IN, Caller;
    UserAnotherAlreadyLoggedIn => CKR_USER_ANOTHER_ALREADY_LOGGED_IN, Caller;
    UserLockedOut => CKR_USER_LOCKED_OUT, Caller;
    UserNotAuthorized => CKR_USER_NOT_AUTHORIZED, Caller;
    UserNotLoggedIn => CKR_USER_NOT_LOGGED_IN, Caller;
    UserPinNotInitialized => CKR_USER_PIN_NOT_INITIALIZED, Caller;
    UserTypeInvalid => CKR_USER_TYPE_INVALID, Caller;
    WrappedKeyInvalid => CKR_WRAPPED_KEY_INVALID, Caller;
    WrappedKeyLenRange => CKR_WRAPPED_KEY_LEN_RANGE, Caller;
    WrappingKeyHandleInvalid => CKR_WRAPPING_KEY_HANDLE_INVALID, Caller;
    WrappingKeySizeRange => CKR_WRAPPING_KEY_SIZE_RANGE, Caller;
    WrappingKeyTypeInconsistent => CKR_WRAPPING_KEY_TYPE_INCONSISTENT, Caller;
}

/// A failed call: its cause, the rule that spoke, and the attribute or policy it spoke of.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Error {
    cause: Cause,
    rule: Cow<'static, str>,
    attribute: Option<CK_ATTRIBUTE_TYPE>,
    policy: Option<u32>,
    source: Option<Provenance>,
}

/// The answer of everything that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// `rule` is one short sentence for the call log: what rule, whose, with which values.
    pub fn new(cause: Cause, rule: impl Into<Cow<'static, str>>) -> Self {
        Self { cause, rule: rule.into(), attribute: None, policy: None, source: None }
    }

    /// The same error, naming the attribute it is about.
    #[must_use]
    pub fn about(mut self, attribute: CK_ATTRIBUTE_TYPE) -> Self {
        self.attribute = Some(attribute);
        self
    }

    /// The same error, naming the policy that spoke.
    #[must_use]
    pub fn by_policy(mut self, policy: u32) -> Self {
        self.policy = Some(policy);
        self
    }

    /// The same error, saying how far its code can be trusted to be the real product's.
    #[must_use]
    pub fn from_source(mut self, source: Provenance) -> Self {
        self.source = Some(source);
        self
    }

    /// The rule that spoke: one short sentence.
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// The attribute it is about.
    pub fn attribute(&self) -> Option<CK_ATTRIBUTE_TYPE> {
        self.attribute
    }

    /// The partition policy that spoke.
    pub fn policy(&self) -> Option<u32> {
        self.policy
    }

    /// How far its code can be trusted, where a profile chose it.
    pub fn source(&self) -> Option<Provenance> {
        self.source
    }

    /// What went wrong.
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// The same reason under another code, where the standard names the thing differently in
    /// another function (a wrapping key's handle is not a key handle).
    #[must_use]
    pub fn recast(mut self, from: Cause, to: Cause) -> Self {
        if self.cause == from {
            self.cause = to;
        }
        self
    }

    /// The number the application sees.
    pub fn ck_rv(&self) -> CK_RV {
        self.cause.ck_rv()
    }

    /// Whether another member of an HA group may succeed.
    pub fn class(&self) -> Class {
        self.cause.class()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", names::ckr(self.ck_rv()), self.rule)?;
        if let Some(attribute) = self.attribute {
            write!(f, " [{}]", names::cka(attribute))?;
        }
        if let Some(policy) = self.policy {
            write!(f, " [partition policy {policy}]")?;
        }
        if let Some(source) = self.source {
            write!(f, " ({})", source.word())?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_a_number_of_its_own_and_a_name() {
        let mut seen = std::collections::HashSet::new();
        for cause in Cause::ALL {
            assert!(seen.insert(cause.ck_rv()), "{cause:?} shares its number");
            assert!(names::ckr(cause.ck_rv()).starts_with("CKR_"), "{cause:?} has no name");
        }
    }
}
