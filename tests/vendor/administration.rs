//! The HSM's own administration, from its admin slot.

mod audit;
mod containers;
mod device;
pub(crate) mod hsm;
mod hsm_policies;
pub(crate) mod lock_outs;
mod members;
mod ped;
pub(crate) mod roles;

/// The functions of these files. Each is named in one of them, where it is called.
const FUNCTIONS: &[&str] = &[
    "CA_InitSlotRolePIN",
    "CA_CreateLoginChallenge",
    "CA_CreateContainerLoginChallenge",
    "CA_Deactivate",
    "CA_FindAdminSlotForSlot",
    "CA_InitializeRemotePEDVector",
    "CA_DeleteRemotePEDVector",
    "CA_GetRemotePEDVectorStatus",
    "CA_ConfigureRemotePED",
    "CA_DismantleRemotePED",
    "CA_Restart",
    "CA_RestartForContainer",
    "CA_ReadUtilizationMetrics",
    "CA_DescribeUtilizationBinId",
    "CA_ReadAndResetUtilizationMetrics",
    "CA_ReadAllUtilizationCounters",
    "CA_GetUserContainerNumber",
    "CA_GetUserContainerName",
    "CA_SetUserContainerName",
    "CA_GetTokenInsertionCount",
    "CA_GetRollbackFirmwareVersion",
    "CA_GetFPV",
    "CA_GetTPV",
    "CA_GetExtendedTPV",
    "CA_GetConfigurationElementDescription",
    "CA_GetHSMCapabilitySet",
    "CA_GetHSMCapabilitySetting",
    "CA_GetHSMPolicySet",
    "CA_GetHSMPolicySetting",
    "CA_GetContainerCapabilitySet",
    "CA_GetContainerCapabilitySetting",
    "CA_GetContainerPolicySet",
    "CA_GetContainerPolicySetting",
    "CA_SetTPV",
    "CA_SetExtendedTPV",
    "CA_SetHSMPolicy",
    "CA_SetHSMPolicies",
    "CA_SetDestructiveHSMPolicy",
    "CA_SetDestructiveHSMPolicies",
    "CA_SetContainerPolicy",
    "CA_SetContainerPolicies",
    "CA_RetrieveLicenseList",
    "CA_QueryLicense",
    "CA_GetContainerStatus",
    "CA_GetTokenStatus",
    "CA_GetPrimarySlot",
    "CA_GetSecondarySlot",
    "CA_ResetDevice",
    "CA_Zeroize",
    "CA_FactoryReset",
    "CA_SetPedId",
    "CA_GetPedId",
    "CA_DeleteContainer",
    "CA_MTKSetStorage",
    "CA_MTKRestore",
    "CA_MTKResplit",
    "CA_MTKZeroize",
    "CA_MTKGetState",
    "CA_STMToggle",
    "CA_STMGetState",
    "CA_GetTSV",
    "CA_GetHSMStats",
    "CA_GetHSMStorageInformation",
    "CA_GetContainerStorageInformation",
    "CA_SetContainerSize",
    "CA_CreateContainer",
    "CA_CreateContainerWithPolicy",
    "CA_InitAudit",
    "CA_LogVerify",
    "CA_LogVerifyFile",
    "CA_LogExternal",
    "CA_LogImportSecret",
    "CA_LogExportSecret",
    "CA_TimeSync",
    "CA_GetTime",
    "CA_LogSetConfig",
    "CA_LogGetConfig",
    "CA_LogGetStatus",
    "CA_DeleteContainerWithHandle",
    "CA_GetContainerList",
    "CA_GetContainerName",
    "CA_GetNumberOfAllowedContainers",
    "CA_GetSlotIdForPhysicalSlot",
    "CA_GetSlotIdForContainer",
    "CA_PerformSelfTest",
    "CA_GetPartitionPolicyTemplate",
    "CA_TamperClear",
    "CA_InitToken",
    "CA_ConnectRemotePED",
    "CA_DisconnectRemotePED",
];

#[test]
fn every_function_is_called_somewhere() {
    let files = [
        include_str!("administration/audit.rs"),
        include_str!("administration/containers.rs"),
        include_str!("administration/device.rs"),
        include_str!("administration/hsm.rs"),
        include_str!("administration/hsm_policies.rs"),
        include_str!("administration/ped.rs"),
        include_str!("administration/roles.rs"),
    ];
    let called = |name: &str| files.iter().any(|file| file.contains(&format!("\"{name}\"")));
    let missing: Vec<_> = FUNCTIONS.iter().filter(|name| !called(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
