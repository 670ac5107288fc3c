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

            /// Every cause, for tests that walk the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];
        }
    };
}

causes! {
    ActionProhibited => CKR_ACTION_PROHIBITED, Caller;
    ArgumentsBad => CKR_ARGUMENTS_BAD, Caller;
    AttributeReadOnly => CKR_ATTRIBUTE_READ_ONLY, Caller;
    AttributeSensitive => CKR_ATTRIBUTE_SENSITIVE, Caller;
    AttributeTypeInvalid => CKR_ATTRIBUTE_TYPE_INVALID, Caller;
    AttributeValueInvalid => CKR_ATTRIBUTE_VALUE_INVALID, Caller;
    AuditLoginFailureThreshold => CKR_AUDIT_LOGIN_FAILURE_THRESHOLD, Caller;
    AuditLoginTimeoutInProgress => CKR_AUDIT_LOGIN_TIMEOUT_IN_PROGRESS, Caller;
    Bip32ChildIndexInvalid => CKR_BIP32_CHILD_INDEX_INVALID, Caller;
    Bip32InvalidHardenedDerivation => CKR_BIP32_INVALID_HARDENED_DERIVATION, Caller;
    Bip32InvalidKeyPathLen => CKR_BIP32_INVALID_KEY_PATH_LEN, Caller;
    Bip32MasterSeedInvalid => CKR_BIP32_MASTER_SEED_INVALID, Caller;
    Bip32MasterSeedLenInvalid => CKR_BIP32_MASTER_SEED_LEN_INVALID, Caller;
    BufferTooSmall => CKR_BUFFER_TOO_SMALL, Caller;
    CantLock => CKR_CANT_LOCK, Caller;
    ChallengeIncorrect => CKR_CHALLENGE_INCORRECT, Caller;
    CloneFailed => CKR_FAILED_TO_CLONE_AN_OBJECT, Caller;
    CloneNotAttempted => CKR_CLONE_NOT_ATTEMPTED, Caller;
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
    KeyFunctionNotPermitted => CKR_KEY_FUNCTION_NOT_PERMITTED, Caller;
    KeyHandleInvalid => CKR_KEY_HANDLE_INVALID, Caller;
    KeyIndigestible => CKR_KEY_INDIGESTIBLE, Caller;
    KeyNotActive => CKR_KEY_NOT_ACTIVE, Caller;
    KeyNotNeeded => CKR_KEY_NOT_NEEDED, Caller;
    KeyNotWrappable => CKR_KEY_NOT_WRAPPABLE, Caller;
    KeySizeRange => CKR_KEY_SIZE_RANGE, Caller;
    KeyTypeInconsistent => CKR_KEY_TYPE_INCONSISTENT, Caller;
    KeyUnextractable => CKR_KEY_UNEXTRACTABLE, Caller;
    LicenseCapacityExceeded => CKR_LICENSE_CAPACITY_EXCEEDED, Caller;
    LogAuditNotInitialized => CKR_LOG_AUDIT_NOT_INITIALIZED, Caller;
    LogBadFileName => CKR_LOG_BAD_FILE_NAME, Caller;
    LogBadRecordHmac => CKR_LOG_BAD_RECORD_HMAC, Caller;
    LogBadTime => CKR_LOG_BAD_TIME, Caller;
    LogFileNotOpen => CKR_LOG_FILE_NOT_OPEN, Caller;
    LogFull => CKR_LOG_FULL, Caller;
    LogNoKcv => CKR_LOG_NO_KCV, Caller;
    MechanismInvalid => CKR_MECHANISM_INVALID, Caller;
    MechanismParamInvalid => CKR_MECHANISM_PARAM_INVALID, Caller;
    MtkStateInvalid => CKR_MTK_STATE_INVALID, Caller;
    MtkZeroized => CKR_MTK_ZEROIZED, Member;
    NeedToCreateThreads => CKR_NEED_TO_CREATE_THREADS, Caller;
    ObjectHandleInvalid => CKR_OBJECT_HANDLE_INVALID, Caller;
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
    SavedStateInvalid => CKR_SAVED_STATE_INVALID, Caller;
    SessionClosed => CKR_SESSION_CLOSED, Caller;
    SessionCount => CKR_SESSION_COUNT, Caller;
    SessionExists => CKR_SESSION_EXISTS, Caller;
    SessionHandleInvalid => CKR_SESSION_HANDLE_INVALID, Caller;
    SessionParallelNotSupported => CKR_SESSION_PARALLEL_NOT_SUPPORTED, Caller;
    SessionReadOnly => CKR_SESSION_READ_ONLY, Caller;
    SessionReadOnlyExists => CKR_SESSION_READ_ONLY_EXISTS, Caller;
    SessionReadWriteSoExists => CKR_SESSION_READ_WRITE_SO_EXISTS, Caller;
    SignatureInvalid => CKR_SIGNATURE_INVALID, Caller;
    SignatureLenRange => CKR_SIGNATURE_LEN_RANGE, Caller;
    SlotIdInvalid => CKR_SLOT_ID_INVALID, Caller;
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
}

/// The answer of everything that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// `rule` is one short sentence for the call log: what rule, whose, with which values.
    pub fn new(cause: Cause, rule: impl Into<Cow<'static, str>>) -> Self {
        Self { cause, rule: rule.into(), attribute: None, policy: None }
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
