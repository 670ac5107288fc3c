//! The vendor's functions whose places in its table are published: indexes 0 to 240 of
//! `ThalesGroup/pycryptoki:pycryptoki/cryptoki/_ck_func_list.py` (Documented).

macro_rules! with_vendor {
    ($callback:ident $($before:tt)*) => {
        $crate::abi::functions::later::with_later! {
            $callback
            $($before)*
            vendor {
                CA_GetFunctionList(
                    list: *mut *const CK_SFNT_CA_FUNCTION_LIST
                ) => bare(general::vendor_function_list);
                CA_WaitForSlotEvent(
                    flags: CK_FLAGS, history: CK_ULONG_PTR, slot: CK_SLOT_ID_PTR, reserved:
                    CK_VOID_PTR
                ) => refused(FunctionNotSupported);
                CA_InitIndirectToken() => unserved();
                CA_InitIndirectPIN() => unserved();
                CA_ResetPIN(
                    session: CK_SESSION_HANDLE, pin: CK_CHAR_PTR, len: CK_ULONG
                ) => guarded(vendor::reset_pin);
                CA_InitRolePIN(
                    session: CK_SESSION_HANDLE, user: CK_USER_TYPE, pin: CK_CHAR_PTR, len: CK_ULONG
                ) => guarded(vendor::init_role_pin);
                CA_InitSlotRolePIN(
                    session: CK_SESSION_HANDLE, slot: CK_SLOT_ID, user: CK_USER_TYPE,
                    pin: CK_CHAR_PTR, len: CK_ULONG
                ) => guarded(vendor::containers::init_slot_role_pin);
                CA_RoleStateGet(
                    slot: CK_SLOT_ID, user: CK_USER_TYPE, state: *mut CA_ROLE_STATE
                ) => guarded(vendor::role_state);
                CA_CreateLoginChallenge(
                    session: CK_SESSION_HANDLE, user: CK_USER_TYPE, chosen_len: CK_ULONG,
                    chosen: CK_CHAR_PTR, len: CK_ULONG_PTR, challenge: CK_CHAR_PTR
                ) => guarded(vendor::ped::create_challenge);
                CA_CreateContainerLoginChallenge(
                    session: CK_SESSION_HANDLE, slot: CK_SLOT_ID, user: CK_USER_TYPE,
                    chosen_len: CK_ULONG, chosen: CK_CHAR_PTR, len: CK_ULONG_PTR,
                    challenge: CK_CHAR_PTR
                ) => guarded(vendor::ped::create_container_challenge);
                CA_Deactivate(
                    slot: CK_SLOT_ID, user: CK_USER_TYPE
                ) => guarded(vendor::ped::deactivate);
                CA_FindAdminSlotForSlot(
                    slot: CK_SLOT_ID, admin: CK_SLOT_ID_PTR, previous: CK_SLOT_ID_PTR
                ) => guarded(vendor::containers::admin_slot);
                CA_TokenInsert() => unserved();
                CA_TokenInsertNoAuth() => unserved();
                CA_TokenZeroize() => unserved();
                CA_TokenDelete() => unserved();
                CA_OpenSession(
                    slot: CK_SLOT_ID, container: CK_ULONG, flags: CK_FLAGS, application:
                    CK_VOID_PTR, notify: CK_NOTIFY, session: CK_SESSION_HANDLE_PTR
                ) => guarded(vendor::applications::open_session);
                CA_OpenSessionWithAppID(
                    slot: CK_SLOT_ID, flags: CK_FLAGS, high: CK_ULONG, low: CK_ULONG, application:
                    CK_VOID_PTR, notify: CK_NOTIFY, session: CK_SESSION_HANDLE_PTR
                ) => guarded(vendor::applications::open_session_as);
                CA_IndirectLogin() => unserved();
                CA_InitializeRemotePEDVector(
                    session: CK_SESSION_HANDLE
                ) => guarded(vendor::ped::make_ped_vector);
                CA_DeleteRemotePEDVector(
                    session: CK_SESSION_HANDLE
                ) => guarded(vendor::ped::delete_ped_vector);
                CA_GetRemotePEDVectorStatus(
                    slot: CK_SLOT_ID, status: CK_ULONG_PTR
                ) => guarded(vendor::ped::ped_vector_status);
                CA_ConfigureRemotePED(
                    slot: CK_SLOT_ID, host: CK_CHAR_PTR, port: CK_ULONG, id: CK_ULONG_PTR
                ) => guarded(vendor::ped::configure_remote_ped);
                CA_DismantleRemotePED(
                    slot: CK_SLOT_ID, id: CK_ULONG
                ) => guarded(vendor::ped::remote_ped);
                CA_Restart(
                    slot: CK_SLOT_ID
                ) => guarded(vendor::device::restart);
                CA_RestartForContainer(
                    slot: CK_SLOT_ID, container: CK_ULONG
                ) => guarded(vendor::device::restart_for_container);
                CA_CloseApplicationID(
                    slot: CK_SLOT_ID, high: CK_ULONG, low: CK_ULONG
                ) => guarded(vendor::applications::close);
                CA_CloseApplicationIDForContainer(
                    slot: CK_SLOT_ID, high: CK_ULONG, low: CK_ULONG, container: CK_ULONG
                ) => guarded(vendor::applications::close_for_container);
                CA_OpenApplicationID(
                    slot: CK_SLOT_ID, high: CK_ULONG, low: CK_ULONG
                ) => guarded(vendor::applications::open);
                CA_OpenApplicationIDForContainer(
                    slot: CK_SLOT_ID, high: CK_ULONG, low: CK_ULONG, container: CK_ULONG
                ) => guarded(vendor::applications::open_for_container);
                CA_SetApplicationID(
                    major: CK_ULONG, minor: CK_ULONG
                ) => guarded(vendor::applications::set);
                CA_ReadUtilizationMetrics(
                    session: CK_SESSION_HANDLE
                ) => guarded(vendor::device::read_metrics);
                CA_DescribeUtilizationBinId(
                    bin: CK_ULONG, name: *mut CK_CHAR_PTR
                ) => guarded(vendor::device::describe_bin);
                CA_ReadAndResetUtilizationMetrics(
                    session: CK_SESSION_HANDLE
                ) => guarded(vendor::device::read_and_reset_metrics);
                CA_ReadAllUtilizationCounters(
                    session: CK_SESSION_HANDLE, counters: *mut CK_UTILIZATION_COUNTER,
                    count: CK_ULONG_PTR
                ) => guarded(vendor::device::metrics);
                CA_SetAuthorizationData(
                    session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE, old: CK_UTF8CHAR_PTR,
                    old_len: CK_ULONG, new: CK_UTF8CHAR_PTR, new_len: CK_ULONG
                ) => guarded(vendor::keys::set_authorization_data);
                CA_AuthorizeKey(
                    session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE, secret: CK_UTF8CHAR_PTR, len:
                    CK_ULONG
                ) => guarded(vendor::keys::authorize_key);
                CA_ManualKCV(
                    session: CK_SESSION_HANDLE
                ) => guarded(vendor::journeys::manual_domain);
                CA_SetLKCV(
                    session: CK_SESSION_HANDLE, domain: CK_BYTE_PTR, len: CK_ULONG
                ) => guarded(vendor::journeys::set_legacy_domain);
                CA_SetKCV(
                    session: CK_SESSION_HANDLE, domain: CK_BYTE_PTR, len: CK_ULONG
                ) => guarded(vendor::journeys::set_domain);
                CA_SetRDK(
                    session: CK_SESSION_HANDLE, domain: CK_BYTE_PTR, len: CK_ULONG
                ) => guarded(vendor::journeys::set_recovery_domain);
                CA_SetCloningDomain(
                    domain: CK_BYTE_PTR, len: CK_ULONG
                ) => guarded(vendor::set_cloning_domain);
                CA_ClonePrivateKey(
                    target: CK_SESSION_HANDLE, source: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE,
                    clone: CK_OBJECT_HANDLE_PTR
                ) => guarded(vendor::journeys::clone_private_key);
                CA_CloneObject(
                    target: CK_SESSION_HANDLE, source: CK_SESSION_HANDLE, object_type: CK_ULONG,
                    object: CK_OBJECT_HANDLE, clone: CK_OBJECT_HANDLE_PTR
                ) => guarded(vendor::journeys::clone_object);
                CA_GenerateCloningKEV(
                    session: CK_SESSION_HANDLE, vector: CK_BYTE_PTR, len: CK_ULONG_PTR
                ) => guarded(vendor::journeys::vector);
                CA_CloneAsTargetInit(
                    session: CK_SESSION_HANDLE, certificate: CK_BYTE_PTR, certificate_len: CK_ULONG,
                    vector: CK_BYTE_PTR, vector_len: CK_ULONG, replicate: CK_BBOOL, part:
                    CK_BYTE_PTR, part_len: CK_ULONG_PTR
                ) => guarded(vendor::journeys::target_init);
                CA_CloneAsSource(
                    session: CK_SESSION_HANDLE, object_type: CK_ULONG, object: CK_ULONG, part:
                    CK_BYTE_PTR, part_len: CK_ULONG, replicate: CK_BBOOL, answer: CK_BYTE_PTR,
                    answer_len: CK_ULONG_PTR
                ) => guarded(vendor::journeys::as_source);
                CA_CloneAsTarget(
                    session: CK_SESSION_HANDLE, vector: CK_BYTE_PTR, vector_len: CK_ULONG, part:
                    CK_BYTE_PTR, part_len: CK_ULONG, object_type: CK_ULONG, object: CK_ULONG,
                    replicate: CK_BBOOL, clone: CK_OBJECT_HANDLE_PTR
                ) => guarded(vendor::journeys::as_target);
                CA_SetMofN() => unserved();
                CA_GenerateMofN() => unserved();
                CA_GenerateCloneableMofN() => unserved();
                CA_ModifyMofN() => unserved();
                CA_CloneMofN(
                    session: CK_SESSION_HANDLE, primary: CK_SESSION_HANDLE, reserved: CK_VOID_PTR
                ) => guarded(vendor::journeys::clone_m_of_n);
                CA_CloneModifyMofN() => unserved();
                CA_ActivateMofN() => unserved();
                CA_DeactivateMofN() => unserved();
                CA_GetMofNStatus(
                    slot: CK_SLOT_ID, status: *mut CA_MOFN_STATUS
                ) => guarded(vendor::places::m_of_n_status);
                CA_DuplicateMofN(
                    session: CK_SESSION_HANDLE
                ) => guarded(vendor::journeys::duplicate_m_of_n);
                CA_IsMofNEnabled(
                    slot: CK_SLOT_ID, enabled: CK_ULONG_PTR
                ) => guarded(vendor::places::no_m_of_n);
                CA_IsMofNRequired(
                    slot: CK_SLOT_ID, required: CK_ULONG_PTR
                ) => guarded(vendor::places::no_m_of_n);
                CA_GenerateTokenKeys(
                    session: CK_SESSION_HANDLE, template: CK_ATTRIBUTE_PTR, count: CK_ULONG
                ) => guarded(vendor::items::generate_keys);
                CA_GetTokenCertificateInfo(
                    slot: CK_SLOT_ID, level: CK_ULONG, certificate: CK_BYTE_PTR, len: CK_ULONG_PTR
                ) => guarded(vendor::items::certificate_info);
                CA_SetTokenCertificateSignature(
                    session: CK_SESSION_HANDLE, level: CK_ULONG, customer: CK_ULONG, template:
                    CK_ATTRIBUTE_PTR, count: CK_ULONG, signature: CK_BYTE_PTR, len: CK_ULONG
                ) => guarded(vendor::items::set_certificate_signature);
                CA_GetModuleList() => unserved();
                CA_GetModuleInfo() => unserved();
                CA_LoadModule() => unserved();
                CA_LoadEncryptedModule() => unserved();
                CA_UnloadModule() => unserved();
                CA_PerformModuleCall() => unserved();
                CA_FirmwareUpdate() => unserved();
                CA_FirmwareRollback() => unserved();
                CA_CapabilityUpdate() => unserved();
                CA_GetUserContainerNumber(
                    slot: CK_SLOT_ID, container: CK_ULONG_PTR
                ) => guarded(vendor::containers::own_container);
                CA_GetUserContainerName(
                    slot: CK_SLOT_ID, name: CK_BYTE_PTR, len: CK_ULONG_PTR
                ) => guarded(vendor::containers::own_container_name);
                CA_SetUserContainerName(
                    slot: CK_SLOT_ID, name: CK_BYTE_PTR, len: CK_ULONG
                ) => guarded(vendor::containers::set_own_container_name);
                CA_GetTokenInsertionCount(
                    slot: CK_SLOT_ID, count: CK_ULONG_PTR
                ) => guarded(vendor::places::insertion_count);
                CA_GetRollbackFirmwareVersion(
                    slot: CK_SLOT_ID, version: CK_ULONG_PTR
                ) => guarded(vendor::device::rollback_firmware);
                CA_GetFPV(
                    slot: CK_SLOT_ID, vector: CK_ULONG_PTR
                ) => guarded(vendor::policies::fixed_policy_vector);
                CA_GetTPV(
                    slot: CK_SLOT_ID, vector: CK_ULONG_PTR
                ) => guarded(vendor::policies::policy_vector);
                CA_GetExtendedTPV(
                    slot: CK_SLOT_ID, vector: CK_ULONG_PTR, extension: CK_ULONG_PTR
                ) => guarded(vendor::policies::extended_policy_vector);
                CA_GetConfigurationElementDescription(
                    slot: CK_SLOT_ID, is_container: CK_ULONG, is_capability: CK_ULONG,
                    id: CK_ULONG, bits: CK_ULONG_PTR, destructive: CK_ULONG_PTR,
                    write_restricted: CK_ULONG_PTR, text: CK_CHAR_PTR, len: CK_ULONG_PTR
                ) => guarded(vendor::element_description);
                CA_GetHSMCapabilitySet(
                    slot: CK_SLOT_ID, ids: CK_ULONG_PTR, id_count: CK_ULONG_PTR,
                    values: CK_ULONG_PTR, value_count: CK_ULONG_PTR
                ) => guarded(vendor::policies::hsm_capability_set);
                CA_GetHSMCapabilitySetting(
                    slot: CK_SLOT_ID, id: CK_ULONG, value: CK_ULONG_PTR
                ) => guarded(vendor::policies::hsm_capability);
                CA_GetHSMPolicySet(
                    slot: CK_SLOT_ID, ids: CK_ULONG_PTR, id_count: CK_ULONG_PTR,
                    values: CK_ULONG_PTR, value_count: CK_ULONG_PTR
                ) => guarded(vendor::policies::hsm_policy_set);
                CA_GetHSMPolicySetting(
                    slot: CK_SLOT_ID, id: CK_ULONG, value: CK_ULONG_PTR
                ) => guarded(vendor::policies::hsm_policy);
                CA_GetContainerCapabilitySet(
                    slot: CK_SLOT_ID, container: CK_ULONG, ids: CK_ULONG_PTR,
                    id_count: CK_ULONG_PTR, values: CK_ULONG_PTR, value_count: CK_ULONG_PTR
                ) => guarded(vendor::policies::container_capability_set);
                CA_GetContainerCapabilitySetting(
                    slot: CK_SLOT_ID, container: CK_ULONG, id: CK_ULONG, value: CK_ULONG_PTR
                ) => guarded(vendor::policies::container_capability);
                CA_GetContainerPolicySet(
                    slot: CK_SLOT_ID, container: CK_ULONG, ids: CK_ULONG_PTR,
                    id_count: CK_ULONG_PTR, values: CK_ULONG_PTR, value_count: CK_ULONG_PTR
                ) => guarded(vendor::policies::container_policy_set);
                CA_GetContainerPolicySetting(
                    slot: CK_SLOT_ID, container: CK_ULONG, id: CK_ULONG, value: CK_ULONG_PTR
                ) => guarded(vendor::policies::container_policy);
                CA_SetTPV(
                    session: CK_SESSION_HANDLE, vector: CK_ULONG
                ) => guarded(vendor::policies::set_policy_vector);
                CA_SetExtendedTPV(
                    session: CK_SESSION_HANDLE, vector: CK_ULONG, extension: CK_ULONG
                ) => guarded(vendor::policies::set_extended_policy_vector);
                CA_SetHSMPolicy(
                    session: CK_SESSION_HANDLE, id: CK_ULONG, value: CK_ULONG
                ) => guarded(vendor::policies::set_hsm_policy);
                CA_SetHSMPolicies(
                    session: CK_SESSION_HANDLE, count: CK_ULONG, ids: CK_ULONG_PTR,
                    values: CK_ULONG_PTR
                ) => guarded(vendor::policies::set_hsm_policies);
                CA_SetDestructiveHSMPolicy(
                    session: CK_SESSION_HANDLE, id: CK_ULONG, value: CK_ULONG
                ) => guarded(vendor::policies::set_destructive_hsm_policy);
                CA_SetDestructiveHSMPolicies(
                    session: CK_SESSION_HANDLE, count: CK_ULONG, ids: CK_ULONG_PTR,
                    values: CK_ULONG_PTR
                ) => guarded(vendor::policies::set_destructive_hsm_policies);
                CA_SetContainerPolicy(
                    session: CK_SESSION_HANDLE, container: CK_ULONG, id: CK_ULONG, value: CK_ULONG
                ) => guarded(vendor::policies::set_container_policy);
                CA_SetContainerPolicies(
                    session: CK_SESSION_HANDLE, container: CK_ULONG, count: CK_ULONG,
                    ids: CK_ULONG_PTR, values: CK_ULONG_PTR
                ) => guarded(vendor::policies::set_container_policies);
                CA_GetTokenCapabilities(
                    slot: CK_SLOT_ID, ids: CK_ULONG_PTR, id_count: CK_ULONG_PTR,
                    values: CK_ULONG_PTR, value_count: CK_ULONG_PTR
                ) => guarded(vendor::token_capabilities);
                CA_SetTokenPolicies(
                    session: CK_SESSION_HANDLE, slot: CK_SLOT_ID, count: CK_ULONG,
                    ids: CK_ULONG_PTR, values: CK_ULONG_PTR
                ) => guarded(vendor::set_token_policies);
                CA_GetTokenPolicies(
                    slot: CK_SLOT_ID, ids: CK_ULONG_PTR, id_count: CK_ULONG_PTR,
                    values: CK_ULONG_PTR, value_count: CK_ULONG_PTR
                ) => guarded(vendor::token_policies);
                CA_RetrieveLicenseList(
                    slot: CK_SLOT_ID, count: CK_ULONG_PTR, licences: CK_ULONG_PTR
                ) => guarded(vendor::device::licence_list);
                CA_QueryLicense(
                    slot: CK_SLOT_ID, low: CK_ULONG, high: CK_ULONG, kind: CK_ULONG_PTR,
                    version: CK_ULONG_PTR, reserved: CK_ULONG_PTR, text: CK_BYTE_PTR
                ) => guarded(vendor::device::query_licence);
                CA_GetContainerStatus(
                    slot: CK_SLOT_ID, container: CK_ULONG, flags: CK_ULONG_PTR, so: CK_ULONG_PTR,
                    user: CK_ULONG_PTR, limited: CK_ULONG_PTR
                ) => guarded(vendor::containers::container_status);
                CA_GetTokenStatus(
                    slot: CK_SLOT_ID, flags: CK_ULONG_PTR, sessions: CK_ULONG_PTR,
                    read_write: CK_ULONG_PTR
                ) => guarded(vendor::containers::token_status);
                CA_GetSessionInfo(
                    session: CK_SESSION_HANDLE, high: CK_ULONG_PTR, low: CK_ULONG_PTR, container:
                    CK_ULONG_PTR, level: CK_ULONG_PTR
                ) => guarded(vendor::applications::session_info);
                CA_GetCVFirmwareVersion(
                    slot: CK_SLOT_ID, major: CK_ULONG_PTR, minor: CK_ULONG_PTR,
                    sub_minor: CK_ULONG_PTR
                ) => guarded(vendor::cryptovisor_version);
                CA_ReadCommonStore() => unserved();
                CA_WriteCommonStore() => unserved();
                CA_GetPrimarySlot(
                    session: CK_SESSION_HANDLE, slot: CK_SLOT_ID_PTR
                ) => guarded(vendor::containers::primary_slot);
                CA_GetSecondarySlot(
                    session: CK_SESSION_HANDLE, slot: CK_SLOT_ID_PTR
                ) => guarded(vendor::containers::secondary_slot);
                CA_SwitchSecondarySlot() => unserved();
                CA_CloseSecondarySession() => unserved();
                CA_CloseAllSecondarySessions() => unserved();
                CA_ChoosePrimarySlot() => unserved();
                CA_ChooseSecondarySlot() => unserved();
                CA_CloneObjectToAllSessions(
                    session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE
                ) => guarded(vendor::journeys::clone_to_all_sessions);
                CA_CloneAllObjectsToSession(
                    session: CK_SESSION_HANDLE, slot: CK_SLOT_ID
                ) => guarded(vendor::journeys::clone_all_objects);
                CA_ResetDevice(
                    slot: CK_SLOT_ID, flags: CK_FLAGS
                ) => guarded(vendor::device::reset_device);
                CA_Zeroize(
                    slot: CK_SLOT_ID, flags: CK_FLAGS
                ) => guarded(vendor::device::zeroize);
                CA_FactoryReset(
                    slot: CK_SLOT_ID, flags: CK_FLAGS
                ) => guarded(vendor::device::factory_reset);
                CA_SetPedId(
                    slot: CK_SLOT_ID, id: CK_ULONG
                ) => guarded(vendor::ped::set_ped_id);
                CA_GetPedId(
                    slot: CK_SLOT_ID, id: CK_ULONG_PTR
                ) => guarded(vendor::ped::ped_id);
                CA_SpRawRead() => unserved();
                CA_SpRawWrite() => unserved();
                CA_CheckOperationState(
                    session: CK_SESSION_HANDLE, operation: CK_ULONG, active: *mut CK_BBOOL
                ) => guarded(vendor::check_operation_state);
                CA_DestroyMultipleObjects(
                    session: CK_SESSION_HANDLE, count: CK_ULONG, objects: CK_OBJECT_HANDLE_PTR,
                    failed: CK_ULONG_PTR
                ) => guarded(vendor::destroy_multiple_objects);
                CA_OpenSecureToken() => unserved();
                CA_CloseSecureToken() => unserved();
                CA_ListSecureTokenInit() => unserved();
                CA_ListSecureTokenUpdate() => unserved();
                CA_GetSecureElementMeta() => unserved();
                CA_HAInit(
                    session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE
                ) => guarded(vendor::keys::ha_init);
                CA_HAInitExtended(
                    session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE, exported: CK_BYTE_PTR, len:
                    CK_ULONG, users: CK_ULONG_PTR, flags: CK_ULONG_PTR, count: CK_ULONG
                ) => guarded(vendor::keys::ha_init_extended);
                CA_HAGetMasterPublic(
                    slot: CK_SLOT_ID, certificate: CK_BYTE_PTR, len: CK_ULONG_PTR
                ) => guarded(vendor::keys::ha_master_public);
                CA_HAGetLoginChallenge(
                    session: CK_SESSION_HANDLE, user: CK_USER_TYPE, certificate: CK_BYTE_PTR,
                    certificate_len: CK_ULONG, challenge: CK_BYTE_PTR, len: CK_ULONG_PTR
                ) => guarded(vendor::keys::ha_login_challenge);
                CA_HAAnswerLoginChallenge(
                    session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE, challenge: CK_BYTE_PTR,
                    challenge_len: CK_ULONG, answer: CK_BYTE_PTR, len: CK_ULONG_PTR
                ) => guarded(vendor::keys::ha_answer_login_challenge);
                CA_HALogin(
                    session: CK_SESSION_HANDLE, answer: CK_BYTE_PTR, answer_len: CK_ULONG, m_of_n:
                    CK_BYTE_PTR, m_of_n_len: CK_ULONG_PTR
                ) => guarded(vendor::keys::ha_login);
                CA_HAAnswerMofNChallenge(
                    session: CK_SESSION_HANDLE, blob: CK_BYTE_PTR, blob_len: CK_ULONG, secret:
                    CK_BYTE_PTR, len: CK_ULONG_PTR
                ) => refused(OperationNotAllowed);
                CA_HAActivateMofN(
                    session: CK_SESSION_HANDLE, secret: CK_BYTE_PTR, len: CK_ULONG
                ) => refused(OperationNotAllowed);
                CA_GetHAState(
                    slot: CK_SLOT_ID, status: *mut CK_HA_STATUS
                ) => guarded(vendor::ha_state);
                CA_GetTokenCertificates(
                    slot: CK_SLOT_ID, kind: CK_ULONG, certificate: CK_BYTE_PTR, len: CK_ULONG_PTR
                ) => guarded(vendor::items::certificates);
                CA_ExtractMaskedObject(
                    session: CK_SESSION_HANDLE, object: CK_ULONG, masked: CK_BYTE_PTR, len:
                    CK_ULONG_PTR
                ) => guarded(vendor::masking::extract_masked);
                CA_InsertMaskedObject(
                    session: CK_SESSION_HANDLE, object: CK_ULONG_PTR, masked: CK_BYTE_PTR, len:
                    CK_ULONG
                ) => guarded(vendor::masking::insert_masked);
                CA_MultisignValue() => unserved();
                CA_SIMExtract(
                    session: CK_SESSION_HANDLE, count: CK_ULONG, objects: CK_OBJECT_HANDLE_PTR,
                    secrets: CK_ULONG, subset: CK_ULONG, form: CK_ULONG, lengths: CK_ULONG_PTR,
                    list: *mut CK_BYTE_PTR, delete: CK_BBOOL, len: CK_ULONG_PTR, blob: CK_BYTE_PTR
                ) => guarded(vendor::masking::sim_extract);
                CA_SIMInsert(
                    session: CK_SESSION_HANDLE, secrets: CK_ULONG, form: CK_ULONG, lengths:
                    CK_ULONG_PTR, list: *mut CK_BYTE_PTR, len: CK_ULONG, blob: CK_BYTE_PTR, count:
                    CK_ULONG_PTR, objects: CK_OBJECT_HANDLE_PTR
                ) => guarded(vendor::masking::sim_insert);
                CA_SIMMultiSign(
                    session: CK_SESSION_HANDLE, mechanism: CK_MECHANISM_PTR, secrets: CK_ULONG,
                    form: CK_ULONG, lengths: CK_ULONG_PTR, list: *mut CK_BYTE_PTR, len: CK_ULONG,
                    blob: CK_BYTE_PTR, count: CK_ULONG, input_lengths: CK_ULONG_PTR, inputs: *mut
                    CK_BYTE_PTR, signature_lengths: CK_ULONG_PTR, signatures: *mut CK_BYTE_PTR
                ) => guarded(vendor::masking::sim_multi_sign);
                CA_Extract(
                    session: CK_SESSION_HANDLE, mechanism: CK_MECHANISM_PTR
                ) => guarded(vendor::masking::extract);
                CA_Insert(
                    session: CK_SESSION_HANDLE, mechanism: CK_MECHANISM_PTR
                ) => guarded(vendor::masking::insert);
                CA_GetTokenObjectUID(
                    slot: CK_SLOT_ID, object_type: CK_ULONG, object: CK_ULONG, uid: CK_BYTE_PTR
                ) => guarded(vendor::token_object_uid);
                CA_GetTokenObjectHandle(
                    slot: CK_SLOT_ID, uid: CK_BYTE_PTR, object_type: CK_ULONG_PTR,
                    object: CK_ULONG_PTR
                ) => guarded(vendor::token_object_handle);
                CA_GetObjectUID(
                    slot: CK_SLOT_ID, container: CK_ULONG, object_type: CK_ULONG, object: CK_ULONG,
                    uid: CK_BYTE_PTR
                ) => guarded(vendor::object_uid);
                CA_GetObjectHandle(
                    slot: CK_SLOT_ID, container: CK_ULONG, uid: CK_BYTE_PTR,
                    object_type: CK_ULONG_PTR, object: CK_ULONG_PTR
                ) => guarded(vendor::object_handle);
                CA_DeleteContainer(
                    session: CK_SESSION_HANDLE
                ) => guarded(vendor::containers::delete_container);
                CA_MTKSetStorage(
                    session: CK_SESSION_HANDLE, place: CK_ULONG
                ) => guarded(vendor::device::tamper_key_store);
                CA_MTKRestore(
                    slot: CK_SLOT_ID
                ) => guarded(vendor::device::tamper_key_restore);
                CA_MTKResplit(
                    slot: CK_SLOT_ID
                ) => guarded(vendor::device::tamper_key_resplit);
                CA_MTKZeroize(
                    slot: CK_SLOT_ID
                ) => guarded(vendor::device::tamper_key_zeroize);
                CA_MTKGetState(
                    slot: CK_SLOT_ID, state: CK_ULONG_PTR
                ) => guarded(vendor::device::tamper_key_state);
                CA_STMToggle(
                    session: CK_SESSION_HANDLE, enter: CK_ULONG, user_len: CK_ULONG,
                    user: CK_CHAR_PTR, len: CK_ULONG_PTR, verification: CK_CHAR_PTR
                ) => guarded(vendor::device::transport);
                CA_STMGetState(
                    slot: CK_SLOT_ID, state: CK_ULONG_PTR
                ) => guarded(vendor::device::transport_state);
                CA_GetTSV(
                    slot: CK_SLOT_ID, vector: CK_ULONG_PTR
                ) => guarded(vendor::device::state_vector);
                CA_InvokeServiceInit() => unserved();
                CA_InvokeService() => unserved();
                CA_InvokeServiceFinal() => unserved();
                CA_InvokeServiceAsynch() => unserved();
                CA_InvokeServiceSinglePart() => unserved();
                CA_EncodeECPrimeParams(
                    der: CK_BYTE_PTR, len: CK_ULONG_PTR, prime: CK_BYTE_PTR, prime_len: CK_ULONG, a:
                    CK_BYTE_PTR, a_len: CK_ULONG, b: CK_BYTE_PTR, b_len: CK_ULONG, seed:
                    CK_BYTE_PTR, seed_len: CK_ULONG, x: CK_BYTE_PTR, x_len: CK_ULONG, y:
                    CK_BYTE_PTR, y_len: CK_ULONG, order: CK_BYTE_PTR, order_len: CK_ULONG, cofactor:
                    CK_BYTE_PTR, cofactor_len: CK_ULONG
                ) => guarded(vendor::curves::prime);
                CA_EncodeECChar2Params(
                    der: CK_BYTE_PTR, len: CK_ULONG_PTR, m: CK_ULONG, k1: CK_ULONG, k2: CK_ULONG,
                    k3: CK_ULONG, a: CK_BYTE_PTR, a_len: CK_ULONG, b: CK_BYTE_PTR, b_len: CK_ULONG,
                    seed: CK_BYTE_PTR, seed_len: CK_ULONG, x: CK_BYTE_PTR, x_len: CK_ULONG, y:
                    CK_BYTE_PTR, y_len: CK_ULONG, order: CK_BYTE_PTR, order_len: CK_ULONG, cofactor:
                    CK_BYTE_PTR, cofactor_len: CK_ULONG
                ) => guarded(vendor::curves::binary);
                CA_EncodeECParamsFromFile(
                    der: CK_BYTE_PTR, len: CK_ULONG_PTR, file: CK_BYTE_PTR
                ) => guarded(vendor::curves::from_file);
                CA_GetHSMStats(
                    slot: CK_SLOT_ID, count: CK_ULONG, ids: CK_ULONG_PTR,
                    results: *mut HSM_STATS_PARAMS
                ) => guarded(vendor::device::hsm_stats);
                CA_GetHSMStorageInformation(
                    slot: CK_SLOT_ID, overhead: CK_ULONG_PTR, total: CK_ULONG_PTR,
                    used: CK_ULONG_PTR, free: CK_ULONG_PTR
                ) => guarded(vendor::containers::hsm_storage);
                CA_GetTokenStorageInformation(
                    slot: CK_SLOT_ID, overhead: CK_ULONG_PTR, total: CK_ULONG_PTR,
                    used: CK_ULONG_PTR, free: CK_ULONG_PTR, objects: CK_ULONG_PTR
                ) => guarded(vendor::token_storage);
                CA_GetContainerStorageInformation(
                    slot: CK_SLOT_ID, container: CK_ULONG, overhead: CK_ULONG_PTR,
                    total: CK_ULONG_PTR, used: CK_ULONG_PTR, free: CK_ULONG_PTR,
                    objects: CK_ULONG_PTR
                ) => guarded(vendor::containers::container_storage);
                CA_SetContainerSize(
                    session: CK_SESSION_HANDLE, container: CK_ULONG, bytes: CK_ULONG
                ) => guarded(vendor::containers::set_container_size);
                CA_CreateContainer(
                    session: CK_SESSION_HANDLE, kind: CK_ULONG, label: CK_CHAR_PTR,
                    label_len: CK_ULONG, pin: CK_CHAR_PTR, pin_len: CK_ULONG, first: CK_ULONG,
                    second: CK_ULONG, third: CK_ULONG, fourth: CK_ULONG, bytes: CK_ULONG,
                    container: CK_ULONG_PTR
                ) => guarded(vendor::containers::create_container);
                CA_InitAudit(
                    slot: CK_SLOT_ID, pin: CK_CHAR_PTR, len: CK_ULONG, label: CK_CHAR_PTR
                ) => guarded(vendor::audit::init_audit);
                CA_LogVerify(
                    session: CK_SESSION_HANDLE, lines: CK_BYTE_PTR, len: CK_ULONG,
                    chained: CK_ULONG, count: CK_ULONG_PTR
                ) => guarded(vendor::audit::verify);
                CA_LogVerifyFile(
                    session: CK_SESSION_HANDLE, path: CK_CHAR_PTR, count: CK_ULONG_PTR
                ) => guarded(vendor::audit::verify_file);
                CA_LogExternal(
                    slot: CK_SLOT_ID, session: CK_SESSION_HANDLE, text: CK_CHAR_PTR, len: CK_ULONG
                ) => guarded(vendor::audit::external);
                CA_LogImportSecret(
                    session: CK_SESSION_HANDLE, secret: CK_BYTE_PTR, len: CK_ULONG
                ) => guarded(vendor::audit::import_secret);
                CA_LogExportSecret(
                    session: CK_SESSION_HANDLE, secret: CK_BYTE_PTR, len: CK_ULONG_PTR
                ) => guarded(vendor::audit::export_secret);
                CA_TimeSync(
                    session: CK_SESSION_HANDLE, seconds: CK_ULONG
                ) => guarded(vendor::audit::time_sync);
                CA_GetTime(
                    session: CK_SESSION_HANDLE, seconds: CK_ULONG_PTR
                ) => guarded(vendor::audit::time);
                CA_LogSetConfig(
                    session: CK_SESSION_HANDLE, events: CK_ULONG, rotation_offset: CK_ULONG,
                    rotation_interval: CK_ULONG, rotation_size: CK_ULONG, path: CK_BYTE_PTR
                ) => guarded(vendor::audit::set_configuration);
                CA_LogGetConfig(
                    session: CK_SESSION_HANDLE, events: CK_ULONG_PTR, rotation_offset: CK_ULONG_PTR,
                    rotation_interval: CK_ULONG_PTR, rotation_size: CK_ULONG_PTR, path: CK_BYTE_PTR
                ) => guarded(vendor::audit::configuration);
                CA_ReplaceFastPathKEK() => unserved();
                CA_LogGetStatus(
                    slot: CK_SLOT_ID, initialized: CK_ULONG_PTR, records: CK_ULONG_PTR,
                    most: CK_ULONG_PTR, last: CK_ULONG_PTR, events: CK_ULONG_PTR
                ) => guarded(vendor::audit::status);
                CA_DeleteContainerWithHandle(
                    session: CK_SESSION_HANDLE, container: CK_ULONG
                ) => guarded(vendor::containers::delete_container_with_handle);
                CA_GetContainerList(
                    slot: CK_SLOT_ID, group: CK_ULONG, kind: CK_ULONG, containers: CK_ULONG_PTR,
                    count: CK_ULONG_PTR
                ) => guarded(vendor::containers::container_list);
                CA_GetContainerName(
                    slot: CK_SLOT_ID, container: CK_ULONG, name: CK_BYTE_PTR, len: CK_ULONG_PTR
                ) => guarded(vendor::containers::container_name);
                CA_GetNumberOfAllowedContainers(
                    slot: CK_SLOT_ID, count: CK_ULONG_PTR
                ) => guarded(vendor::containers::allowed_containers);
                CA_GetTunnelSlotNumber(
                    slot: CK_SLOT_ID, tunnel: CK_SLOT_ID_PTR
                ) => refused(FunctionNotSupported);
                CA_GetClusterState(
                    slot: CK_SLOT_ID, state: CK_VOID_PTR
                ) => guarded(vendor::places::cluster_state);
                CA_LockClusteredSlot(slot: CK_SLOT_ID) => guarded(vendor::places::cluster_lock);
                CA_UnlockClusteredSlot(slot: CK_SLOT_ID) => guarded(vendor::places::cluster_lock);
                CA_LKMInitiatorChallenge() => unserved();
                CA_LKMReceiverResponse() => unserved();
                CA_LKMInitiatorComplete() => unserved();
                CA_LKMReceiverComplete() => unserved();
                CA_ModifyUsageCount(
                    session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE, command: CK_ULONG,
                    value: CK_ULONG
                ) => guarded(vendor::modify_usage_count);
                CA_EnableUnauthTokenInsertion() => unserved();
                CA_GetUnauthTokenInsertionStatus() => unserved();
                CA_DisableUnauthTokenInsertion() => unserved();
                CA_STCRegister() => unserved();
                CA_STCDeregister() => unserved();
                CA_STCGetPubKey() => unserved();
                CA_STCGetClientsList() => unserved();
                CA_STCGetClientInfo() => unserved();
                CA_STCGetPartPubKey() => unserved();
                CA_STCGetAdminPubKey() => unserved();
                CA_STCSetCipherAlgorithm() => unserved();
                CA_STCGetCipherAlgorithm() => unserved();
                CA_STCClearCipherAlgorithm() => unserved();
                CA_STCSetDigestAlgorithm() => unserved();
                CA_STCGetDigestAlgorithm() => unserved();
                CA_STCClearDigestAlgorithm() => unserved();
                CA_STCSetKeyLifeTime() => unserved();
                CA_STCGetKeyLifeTime() => unserved();
                CA_STCSetKeyActivationTimeOut() => unserved();
                CA_STCGetKeyActivationTimeOut() => unserved();
                CA_STCSetMaxSessions() => unserved();
                CA_STCGetMaxSessions() => unserved();
                CA_STCSetSequenceWindowSize() => unserved();
                CA_STCGetSequenceWindowSize() => unserved();
                CA_STCIsEnabled(
                    slot: CK_ULONG, enabled: CK_BYTE_PTR
                ) => guarded(vendor::places::channel_enabled);
                CA_STCGetState(
                    slot: CK_ULONG, text: CK_CHAR_PTR, room: CK_BYTE
                ) => guarded(vendor::places::channel_state);
                CA_STCGetCurrentKeyLife() => unserved();
                CA_GetSlotIdForPhysicalSlot(
                    physical: CK_ULONG, slot: CK_SLOT_ID_PTR
                ) => guarded(vendor::places::slot_of_physical);
                CA_GetSlotIdForContainer(
                    slot: CK_ULONG, container: CK_ULONG, found: CK_SLOT_ID_PTR
                ) => guarded(vendor::containers::slot_for_container);
                CA_STCGetChannelID() => unserved();
                CA_STCGetCipherID() => unserved();
                CA_STCGetDigestID() => unserved();
                CA_STCGetCipherIDs() => unserved();
                CA_STCGetCipherNameByID() => unserved();
                CA_STCGetDigestIDs() => unserved();
                CA_STCGetDigestNameByID() => unserved();
                CA_GetServerInstanceBySlotID(
                    slot: CK_SLOT_ID, instance: CK_ULONG_PTR
                ) => guarded(vendor::places::server_instance);
                CA_GetSlotListFromServerInstance(
                    instance: CK_ULONG, slots: CK_SLOT_ID_PTR, count: CK_ULONG_PTR
                ) => guarded(vendor::places::slots_of_instance);
                CA_PerformSelfTest(
                    slot: CK_SLOT_ID, number: CK_ULONG, input: CK_BYTE_PTR, len: CK_ULONG,
                    output: CK_BYTE_PTR, output_len: CK_ULONG_PTR
                ) => guarded(vendor::device::self_test);
                CA_GetFirmwareVersion(
                    slot: CK_SLOT_ID, major: CK_ULONG_PTR, minor: CK_ULONG_PTR,
                    sub_minor: CK_ULONG_PTR
                ) => guarded(vendor::firmware_version);
            }
        }
    };
}

pub(in crate::abi) use with_vendor;
