//! The exported functions: each hands its words on.

#![allow(
    non_snake_case,
    clippy::too_many_arguments,
    reason = "names and arguments are the standard's and the vendor's"
)]

use luna_ck::*;

use crate::spy::{forward, pass_on};

macro_rules! standard {
    ($($name:ident($($word:ident),*);)+) => {
        $(
            /// Passed on, and written down.
            ///
            /// # Safety
            /// As the function of that name.
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $name($($word: usize),*) -> CK_RV {
                // SAFETY: the caller's.
                unsafe { forward(stringify!($name), &[$($word),*]) }
            }
        )+

        /// The address of each function, by name.
        pub(crate) fn address(name: &str) -> Option<*const ()> {
            match name {
                $(stringify!($name) => Some($name as *const ()),)+
                _ => None,
            }
        }
    };
}

macro_rules! vendor {
    ($($name:ident)+) => {
        $(
            /// Passed on, and written down by name and code.
            ///
            /// # Safety
            /// As the function of that name.
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $name(
                a: usize, b: usize, c: usize, d: usize, e: usize, f: usize, g: usize,
                h: usize, i: usize, j: usize, k: usize, l: usize,
            ) -> CK_RV {
                // SAFETY: the caller's. Words that it did not give are whatever lay there, and the function behind
                // does not look at them.
                unsafe { pass_on(stringify!($name), [a, b, c, d, e, f, g, h, i, j, k, l]) }
            }
        )+
    };
}

standard! {
    C_Initialize(a);
    C_Finalize(a);
    C_GetInfo(a);
    C_GetSlotList(a, b, c);
    C_GetSlotInfo(a, b);
    C_GetTokenInfo(a, b);
    C_GetMechanismList(a, b, c);
    C_GetMechanismInfo(a, b, c);
    C_InitToken(a, b, c, d);
    C_InitPIN(a, b, c);
    C_SetPIN(a, b, c, d, e);
    C_OpenSession(a, b, c, d, e);
    C_CloseSession(a);
    C_CloseAllSessions(a);
    C_GetSessionInfo(a, b);
    C_GetOperationState(a, b, c);
    C_SetOperationState(a, b, c, d, e);
    C_Login(a, b, c, d);
    C_Logout(a);
    C_CreateObject(a, b, c, d);
    C_CopyObject(a, b, c, d, e);
    C_DestroyObject(a, b);
    C_GetObjectSize(a, b, c);
    C_GetAttributeValue(a, b, c, d);
    C_SetAttributeValue(a, b, c, d);
    C_FindObjectsInit(a, b, c);
    C_FindObjects(a, b, c, d);
    C_FindObjectsFinal(a);
    C_EncryptInit(a, b, c);
    C_Encrypt(a, b, c, d, e);
    C_EncryptUpdate(a, b, c, d, e);
    C_EncryptFinal(a, b, c);
    C_DecryptInit(a, b, c);
    C_Decrypt(a, b, c, d, e);
    C_DecryptUpdate(a, b, c, d, e);
    C_DecryptFinal(a, b, c);
    C_DigestInit(a, b);
    C_Digest(a, b, c, d, e);
    C_DigestUpdate(a, b, c);
    C_DigestKey(a, b);
    C_DigestFinal(a, b, c);
    C_SignInit(a, b, c);
    C_Sign(a, b, c, d, e);
    C_SignUpdate(a, b, c);
    C_SignFinal(a, b, c);
    C_SignRecoverInit(a, b, c);
    C_SignRecover(a, b, c, d, e);
    C_VerifyInit(a, b, c);
    C_Verify(a, b, c, d, e);
    C_VerifyUpdate(a, b, c);
    C_VerifyFinal(a, b, c);
    C_VerifyRecoverInit(a, b, c);
    C_VerifyRecover(a, b, c, d, e);
    C_DigestEncryptUpdate(a, b, c, d, e);
    C_DecryptDigestUpdate(a, b, c, d, e);
    C_SignEncryptUpdate(a, b, c, d, e);
    C_DecryptVerifyUpdate(a, b, c, d, e);
    C_GenerateKey(a, b, c, d, e);
    C_GenerateKeyPair(a, b, c, d, e, f, g, h);
    C_WrapKey(a, b, c, d, e, f);
    C_UnwrapKey(a, b, c, d, e, f, g, h);
    C_DeriveKey(a, b, c, d, e, f);
    C_SeedRandom(a, b, c);
    C_GenerateRandom(a, b, c);
    C_GetFunctionStatus(a);
    C_CancelFunction(a);
    C_WaitForSlotEvent(a, b, c);
}

vendor! {
    CA_WaitForSlotEvent
    CA_InitIndirectToken
    CA_InitIndirectPIN
    CA_ResetPIN
    CA_InitRolePIN
    CA_InitSlotRolePIN
    CA_RoleStateGet
    CA_CreateLoginChallenge
    CA_CreateContainerLoginChallenge
    CA_Deactivate
    CA_FindAdminSlotForSlot
    CA_TokenInsert
    CA_TokenInsertNoAuth
    CA_TokenZeroize
    CA_TokenDelete
    CA_GetFirmwareVersion
    CA_OpenSession
    CA_OpenSessionWithAppID
    CA_IndirectLogin
    CA_InitializeRemotePEDVector
    CA_DeleteRemotePEDVector
    CA_GetRemotePEDVectorStatus
    CA_ConfigureRemotePED
    CA_DismantleRemotePED
    CA_Restart
    CA_RestartForContainer
    CA_CloseApplicationID
    CA_CloseApplicationIDForContainer
    CA_OpenApplicationID
    CA_OpenApplicationIDForContainer
    CA_SetApplicationID
    CA_ManualKCV
    CA_SetLKCV
    CA_SetKCV
    CA_SetRDK
    CA_SetCloningDomain
    CA_ClonePrivateKey
    CA_CloneObject
    CA_GenerateCloningKEV
    CA_CloneAsTargetInit
    CA_CloneAsSource
    CA_CloneAsTarget
    CA_SetMofN
    CA_GenerateMofN
    CA_GenerateCloneableMofN
    CA_ModifyMofN
    CA_CloneMofN
    CA_CloneModifyMofN
    CA_ActivateMofN
    CA_DeactivateMofN
    CA_GetMofNStatus
    CA_DuplicateMofN
    CA_IsMofNEnabled
    CA_IsMofNRequired
    CA_GenerateTokenKeys
    CA_GetTokenCertificateInfo
    CA_SetTokenCertificateSignature
    CA_GetModuleList
    CA_GetModuleInfo
    CA_LoadModule
    CA_LoadEncryptedModule
    CA_UnloadModule
    CA_PerformModuleCall
    CA_FirmwareUpdate
    CA_FirmwareRollback
    CA_CapabilityUpdate
    CA_GetUserContainerNumber
    CA_GetUserContainerName
    CA_SetUserContainerName
    CA_GetTokenInsertionCount
    CA_GetRollbackFirmwareVersion
    CA_GetFPV
    CA_GetTPV
    CA_GetExtendedTPV
    CA_GetConfigurationElementDescription
    CA_GetHSMCapabilitySet
    CA_GetHSMCapabilitySetting
    CA_GetHSMPolicySet
    CA_GetHSMPolicySetting
    CA_GetContainerCapabilitySet
    CA_GetContainerCapabilitySetting
    CA_GetContainerPolicySet
    CA_GetContainerPolicySetting
    CA_GetPartitionPolicyTemplate
    CA_SetTPV
    CA_SetExtendedTPV
    CA_SetHSMPolicy
    CA_SetHSMPolicies
    CA_SetDestructiveHSMPolicy
    CA_SetDestructiveHSMPolicies
    CA_SetContainerPolicy
    CA_SetContainerPolicies
    CA_GetTokenCapabilities
    CA_SetTokenPolicies
    CA_GetTokenPolicies
    CA_RetrieveLicenseList
    CA_QueryLicense
    CA_GetContainerStatus
    CA_GetTokenStatus
    CA_GetSessionInfo
    CA_ReadCommonStore
    CA_WriteCommonStore
    CA_GetPrimarySlot
    CA_GetSecondarySlot
    CA_SwitchSecondarySlot
    CA_CloseSecondarySession
    CA_CloseAllSecondarySessions
    CA_ChoosePrimarySlot
    CA_ChooseSecondarySlot
    CA_CloneObjectToAllSessions
    CA_CloneAllObjectsToSession
    CA_ResetDevice
    CA_Zeroize
    CA_FactoryReset
    CA_SetPedId
    CA_GetPedId
    CA_SpRawRead
    CA_SpRawWrite
    CA_CheckOperationState
    CA_DestroyMultipleObjects
    CA_OpenSecureToken
    CA_CloseSecureToken
    CA_ListSecureTokenInit
    CA_ListSecureTokenUpdate
    CA_GetSecureElementMeta
    CA_Bip32ExportPublicKey
    CA_Bip32ImportPublicKey
    CA_HAInit
    CA_HAGetMasterPublic
    CA_HAGetLoginChallenge
    CA_HAAnswerLoginChallenge
    CA_HALogin
    CA_HAAnswerMofNChallenge
    CA_HAActivateMofN
    CA_GetHAState
    CA_GetTokenCertificates
    CA_ExtractMaskedObject
    CA_InsertMaskedObject
    CA_MultisignValue
    CA_SIMExtract
    CA_SIMInsert
    CA_SIMMultiSign
    CA_Extract
    CA_Insert
    CA_GetTokenObjectUID
    CA_GetTokenObjectHandle
    CA_GetObjectUID
    CA_GetObjectHandle
    CA_DeleteContainer
    CA_MTKSetStorage
    CA_MTKRestore
    CA_MTKResplit
    CA_MTKZeroize
    CA_MTKGetState
    CA_TamperClear
    CA_STMToggle
    CA_STMGetState
    CA_GetTSV
    CA_InvokeServiceInit
    CA_InvokeService
    CA_InvokeServiceFinal
    CA_InvokeServiceAsynch
    CA_InvokeServiceSinglePart
    CA_EncodeECPrimeParams
    CA_EncodeECChar2Params
    CA_EncodeECParamsFromFile
    CA_GetHSMStats
    CA_GetHSMStorageInformation
    CA_GetTokenStorageInformation
    CA_GetContainerStorageInformation
    CA_SetContainerSize
    CA_CreateContainerWithPolicy
    CA_CreateContainer
    CA_InitAudit
    CA_LogVerify
    CA_LogVerifyFile
    CA_LogExternal
    CA_LogImportSecret
    CA_LogExportSecret
    CA_TimeSync
    CA_GetTime
    CA_LogSetConfig
    CA_LogGetConfig
    CA_ReplaceFastPathKEK
    CA_LogGetStatus
    CA_DeleteContainerWithHandle
    CA_GetContainerList
    CA_GetContainerName
    CA_GetNumberOfAllowedContainers
    CA_GetTunnelSlotNumber
    CA_GetClusterState
    CA_LockClusteredSlot
    CA_UnlockClusteredSlot
    CA_ModifyUsageCount
    CA_EnableUnauthTokenInsertion
    CA_GetUnauthTokenInsertionStatus
    CA_DisableUnauthTokenInsertion
    CA_STCRegister
    CA_STCDeregister
    CA_STCGetPubKey
    CA_STCGetClientsList
    CA_STCGetClientInfo
    CA_STCGetPartPubKey
    CA_STCGetAdminPubKey
    CA_STCSetCipherAlgorithm
    CA_STCGetCipherAlgorithm
    CA_STCClearCipherAlgorithm
    CA_STCSetDigestAlgorithm
    CA_STCGetDigestAlgorithm
    CA_STCClearDigestAlgorithm
    CA_STCSetKeyLifeTime
    CA_STCGetKeyLifeTime
    CA_STCSetKeyActivationTimeOut
    CA_STCGetKeyActivationTimeOut
    CA_STCSetMaxSessions
    CA_STCGetMaxSessions
    CA_STCSetSequenceWindowSize
    CA_STCGetSequenceWindowSize
    CA_STCIsEnabled
    CA_STCGetState
    CA_STCGetCurrentKeyLife
    CA_GetSlotIdForPhysicalSlot
    CA_GetSlotIdForContainer
    CA_STCGetChannelID
    CA_STCGetCipherID
    CA_STCGetDigestID
    CA_STCGetCipherIDs
    CA_STCGetCipherNameByID
    CA_STCGetDigestIDs
    CA_STCGetDigestNameByID
    CA_GetServerInstanceBySlotID
    CA_GetSlotListFromServerInstance
    CA_PerformSelfTest
    CA_DeriveKeyAndWrap
    CA_Get
    CA_InitToken
    CA_ReadUtilizationMetrics
    CA_ReadAndResetUtilizationMetrics
    CA_ReadAllUtilizationCounters
    CA_DescribeUtilizationBinId
    CA_SetAuthorizationData
    CA_AuthorizeKey
    CA_GetCVFirmwareVersion
    CA_HAInitExtended
    CA_LKMInitiatorChallenge
    CA_LKMReceiverResponse
    CA_LKMInitiatorComplete
    CA_LKMReceiverComplete
    CA_ResetAuthorizationData
    CA_AssignKey
    CA_IncrementFailedAuthCount
    CA_SessionCancel
    CA_MigrateKeys
    CA_MigrationStartSessionNegotiation
    CA_MigrationContinueSessionNegotiation
    CA_MigrationCloseSession
    CA_RandomizeApplicationID
    CA_GetApplicationID
    CA_OpenApplicationIDV2
    CA_CloseApplicationIDV2
    CA_SetApplicationIDV2
    CA_OpenSessionWithAppIDV2
    CA_OpenApplicationIDForContainerV2
    CA_CloseApplicationIDForContainerV2
    CA_STCRegisterV2
    CA_STCGetClientInfoV2
    CA_STCGetPID
    CA_STCGetAdminPID
    CA_SMKRollover
    CA_ConnectRemotePED
    CA_DisconnectRemotePED
    CA_GetSlotId
    CA_GetUnassignedSlot
    CA_GetCurrentHAState
    CA_SendFMRequestSession
    CA_SendFMRequestDirect
    CA_EncapsulateKey
    CA_DecapsulateKey
}
