//! The vendor's newer functions, whose places in its table nobody has published (Assumed).

macro_rules! with_later {
    ($callback:ident standard { $($standard:tt)* } vendor { $($vendor:tt)* }) => {
        $callback! {
            standard { $($standard)* }
            vendor {
                $($vendor)*
                CA_GetPartitionPolicyTemplate(
                    slot: CK_SLOT_ID, version: CK_ULONG_PTR, len: CK_ULONG_PTR,
                    template: CK_BYTE_PTR
                ) => guarded(vendor::policies::partition_policy_template);
                CA_Bip32ExportPublicKey(
                    session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE, text: CK_BYTE_PTR,
                    len: CK_ULONG_PTR
                ) => guarded(vendor::extended_keys::export);
                CA_Bip32ImportPublicKey(
                    session: CK_SESSION_HANDLE, text: CK_BYTE_PTR, len: CK_ULONG, template:
                    CK_ATTRIBUTE_PTR, count: CK_ULONG, key: CK_OBJECT_HANDLE_PTR
                ) => guarded(vendor::extended_keys::import);
                CA_TamperClear(
                    session: CK_SESSION_HANDLE
                ) => guarded(vendor::device::tamper_clear);
                CA_CreateContainerWithPolicy(
                    session: CK_SESSION_HANDLE, kind: CK_ULONG, label: CK_CHAR_PTR,
                    label_len: CK_ULONG, pin: CK_CHAR_PTR, pin_len: CK_ULONG, first: CK_ULONG,
                    second: CK_ULONG, third: CK_ULONG, fourth: CK_ULONG, bytes: CK_ULONG,
                    container: CK_ULONG_PTR, version: CK_ULONG, template_len: CK_ULONG,
                    template: CK_BYTE_PTR
                ) => guarded(vendor::containers::create_container_with_policy);
                CA_DeriveKeyAndWrap(
                    session: CK_SESSION_HANDLE, derive: CK_MECHANISM_PTR, base: CK_OBJECT_HANDLE,
                    template: CK_ATTRIBUTE_PTR, count: CK_ULONG, wrap: CK_MECHANISM_PTR, wrapping:
                    CK_OBJECT_HANDLE, wrapped: CK_BYTE_PTR, len: CK_ULONG_PTR
                ) => guarded(vendor::keys::derive_and_wrap);
                CA_Get(
                    slot: CK_SLOT_ID, item: CK_ULONG, buffer: CK_BYTE_PTR, len: CK_ULONG_PTR
                ) => guarded(vendor::items::item);
                CA_InitToken(
                    slot: CK_SLOT_ID, pin: CK_UTF8CHAR_PTR, pin_len: CK_ULONG,
                    label: CK_UTF8CHAR_PTR, domain: CK_BYTE_PTR, domain_len: CK_ULONG,
                    count: CK_ULONG, policies: *mut CK_POLICY_INFO, hsm_count: CK_ULONG,
                    hsm_policies: *mut CK_POLICY_INFO
                ) => guarded(vendor::containers::init_token);
                CA_ResetAuthorizationData(
                    session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE, new: CK_UTF8CHAR_PTR, len:
                    CK_ULONG
                ) => guarded(vendor::keys::reset_authorization_data);
                CA_AssignKey(
                    session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE
                ) => guarded(vendor::keys::assign_key);
                CA_IncrementFailedAuthCount(
                    session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE
                ) => guarded(vendor::keys::increment_failed_auth_count);
                CA_SessionCancel(
                    session: CK_SESSION_HANDLE, flags: CK_FLAGS
                ) => guarded(vendor::applications::cancel);
                CA_MigrateKeys(
                    source: CK_SESSION_HANDLE, target: CK_SESSION_HANDLE, flags: CK_ULONG, count:
                    CK_ULONG, objects: *mut CK_OBJECT_MIGRATION_DATA
                ) => guarded(vendor::journeys::migrate);
                CA_MigrationStartSessionNegotiation(
                    session: CK_SESSION_HANDLE, input_len: CK_ULONG, input: CK_BYTE_PTR, step:
                    CK_ULONG_PTR, output_len: CK_ULONG_PTR, output: CK_BYTE_PTR
                ) => guarded(vendor::journeys::negotiate);
                CA_MigrationContinueSessionNegotiation(
                    session: CK_SESSION_HANDLE, step: CK_ULONG, input_len: CK_ULONG, input:
                    CK_BYTE_PTR, route_len: CK_ULONG, route: CK_BYTE_PTR, next: CK_ULONG_PTR,
                    output_len: CK_ULONG_PTR, output: CK_BYTE_PTR, status: CK_ULONG_PTR, made_len:
                    CK_ULONG_PTR, made: CK_BYTE_PTR
                ) => guarded(vendor::journeys::continue_negotiation);
                CA_MigrationCloseSession(
                    session: CK_SESSION_HANDLE, len: CK_ULONG, name: CK_BYTE_PTR
                ) => guarded(vendor::journeys::close_negotiated);
                CA_RandomizeApplicationID() => guarded(vendor::applications::randomize);
                CA_GetApplicationID(
                    id: *mut CK_APPLICATION_ID
                ) => guarded(vendor::applications::current);
                CA_OpenApplicationIDV2(
                    slot: CK_SLOT_ID, id: *mut CK_APPLICATION_ID
                ) => guarded(vendor::applications::open_long);
                CA_CloseApplicationIDV2(
                    slot: CK_SLOT_ID, id: *mut CK_APPLICATION_ID
                ) => guarded(vendor::applications::close_long);
                CA_SetApplicationIDV2(
                    id: *mut CK_APPLICATION_ID
                ) => guarded(vendor::applications::set_long);
                CA_OpenSessionWithAppIDV2(
                    slot: CK_SLOT_ID, flags: CK_FLAGS, id: *mut CK_APPLICATION_ID, application:
                    CK_VOID_PTR, notify: CK_NOTIFY, session: CK_SESSION_HANDLE_PTR
                ) => guarded(vendor::applications::open_session_as_long);
                CA_OpenApplicationIDForContainerV2(
                    slot: CK_SLOT_ID, id: *mut CK_APPLICATION_ID, container: CK_ULONG
                ) => guarded(vendor::applications::open_long_for_container);
                CA_CloseApplicationIDForContainerV2(
                    slot: CK_SLOT_ID, id: *mut CK_APPLICATION_ID, container: CK_ULONG
                ) => guarded(vendor::applications::close_long_for_container);
                CA_STCRegisterV2() => unserved();
                CA_STCGetClientInfoV2() => unserved();
                CA_STCGetPID() => unserved();
                CA_STCGetAdminPID() => unserved();
                CA_SMKRollover(
                    session: CK_SESSION_HANDLE, deed: CK_ULONG
                ) => guarded(vendor::masking::roll_over);
                CA_ConnectRemotePED(
                    slot: CK_SLOT_ID, id: CK_ULONG, wait: CK_BBOOL, reserved: CK_VOID_PTR
                ) => guarded(vendor::ped::connect_remote_ped);
                CA_DisconnectRemotePED(
                    slot: CK_SLOT_ID, id: CK_ULONG
                ) => guarded(vendor::ped::remote_ped);
                CA_GetSlotId(
                    label: CK_UTF8CHAR_PTR, slots: CK_SLOT_ID_PTR, count: CK_ULONG_PTR
                ) => guarded(vendor::places::slot_id);
                CA_GetUnassignedSlot(slot: CK_SLOT_ID_PTR) => refused(KeyringNotFound);
                CA_GetCurrentHAState(
                    slot: CK_SLOT_ID, status: *mut CK_HA_STATUS
                ) => guarded(vendor::current_ha_state);
                CA_SendFMRequestSession() => unserved();
                CA_SendFMRequestDirect() => unserved();
                CA_EncapsulateKey(
                    session: CK_SESSION_HANDLE, mechanism: CK_MECHANISM_PTR,
                    public: CK_OBJECT_HANDLE, template: CK_ATTRIBUTE_PTR, count: CK_ULONG,
                    ciphertext: CK_BYTE_PTR, len: CK_ULONG_PTR, key: CK_OBJECT_HANDLE_PTR
                ) => guarded(keys::encapsulate);
                CA_DecapsulateKey(
                    session: CK_SESSION_HANDLE, mechanism: CK_MECHANISM_PTR,
                    private: CK_OBJECT_HANDLE, template: CK_ATTRIBUTE_PTR, count: CK_ULONG,
                    ciphertext: CK_BYTE_PTR, len: CK_ULONG, key: CK_OBJECT_HANDLE_PTR
                ) => guarded(keys::decapsulate);
            }
        }
    };
}

pub(in crate::abi) use with_later;
