//! Every name of the vendor's list: one that matters is served, or refused for a reason with a source.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use luna_ck::CKR_FUNCTION_NOT_SUPPORTED;
use luna_client::Rv;
use luna_tests::Instance;

use crate::call::ca;

/// Name and letter, from the committed copy of the vendor's list.
fn listed() -> BTreeMap<&'static str, char> {
    include_str!("../data/vendor_functions.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let mut words = line.split(' ');
            let (name, letter) = (words.next().unwrap(), words.next().expect("a letter"));
            (name, letter.chars().next().unwrap())
        })
        .collect()
}

/// Rows of the README's table: name, and what the module does.
fn told() -> BTreeMap<String, String> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).expect("a README");
    let (_, table) = readme.split_once("<!-- vendor functions -->").expect("the table");
    let (table, _) = table.split_once("<!-- end of vendor functions -->").expect("its end");
    table
        .lines()
        .filter_map(|line| line.strip_prefix("| `CA_"))
        .map(|line| {
            let mut cells = line.split('|').map(str::trim);
            let name = format!("CA_{}", cells.next().unwrap().trim_end_matches('`'));
            let _letter = cells.next();
            (name, cells.next().unwrap().to_owned())
        })
        .collect()
}

#[test]
fn every_name_that_matters_is_served_or_refused() {
    let told = told();
    let mut left: BTreeSet<&str> = BTreeSet::new();
    for (name, letter) in listed() {
        let served = told.get(name).unwrap_or_else(|| panic!("the README does not tell of {name}"));
        if letter != 'C' && served == "no" && !LEFT.contains(&name) {
            left.insert(name);
        }
    }
    assert!(left.is_empty(), "neither served nor refused: {left:#?}");
}

/// Names that matter and are only exported still: each is to vanish from here.
const LEFT: &[&str] = &[
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
    "CA_GetRollbackFirmwareVersion",
    "CA_GetTPV",
    "CA_GetExtendedTPV",
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
    "CA_Zeroize",
    "CA_FactoryReset",
    "CA_SetPedId",
    "CA_GetPedId",
    "CA_DeleteContainer",
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
    "CA_GetSlotIdForContainer",
    "CA_PerformSelfTest",
    "CA_GetPartitionPolicyTemplate",
    "CA_TamperClear",
    "CA_CreateContainerWithPolicy",
    "CA_InitToken",
    "CA_ConnectRemotePED",
    "CA_DisconnectRemotePED",
];

/// What the table calls not served says so when it is called, and nothing else does.
#[test]
fn what_is_not_served_says_so() {
    let instance = Instance::up(&[]);
    let context = instance.context();
    let listed = listed();
    for (name, served) in told() {
        if served == "no" {
            assert!(listed.contains_key(name.as_str()), "{name} is no name of the vendor's");
            assert_eq!(ca(&context, &name, &[]), Rv(CKR_FUNCTION_NOT_SUPPORTED), "{name}");
        }
    }
}

/// A call that nobody serves is told of in the log once, however often it is made.
#[test]
fn a_function_that_is_not_served_is_logged_once() {
    let instance = Instance::up(&[]);
    let log = instance.directory().join("calls.log");
    let named = format!("Emulator = {{\n   LogFile = {};", log.display());
    let view = instance.seen_otherwise("logged", |text| text.replace("Emulator = {", &named));
    let module = luna_client::Module::load(instance.module()).unwrap();
    let context = module.initialize(luna_tests::init_args(&view)).unwrap();
    for _ in 0..3 {
        ca(&context, "CA_ReadCommonStore", &[]);
    }
    let text = std::fs::read_to_string(&log).unwrap();
    assert_eq!(text.matches("CA_ReadCommonStore").count(), 1, "{text}");
}
