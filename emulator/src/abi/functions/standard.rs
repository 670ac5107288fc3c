//! The standard's functions, in the order of `CK_FUNCTION_LIST`.

macro_rules! with_standard {
    ($callback:ident) => {
        $crate::abi::functions::vendor::with_vendor! {
            $callback
            standard {
                C_Initialize(args: CK_VOID_PTR) => bare(general::initialize);
                C_Finalize(reserved: CK_VOID_PTR) => bare(general::finalize);
                C_GetInfo(info: CK_INFO_PTR) => guarded(general::info);
                C_GetFunctionList(list: CK_FUNCTION_LIST_PTR_PTR) => bare(general::function_list);
                C_GetSlotList(
                    token_present: CK_BBOOL, slots: CK_SLOT_ID_PTR, count: CK_ULONG_PTR
                ) => guarded(slot::slot_list);
                C_GetSlotInfo(slot: CK_SLOT_ID, info: CK_SLOT_INFO_PTR) => guarded(slot::slot_info);
                C_GetTokenInfo(
                    slot: CK_SLOT_ID, info: CK_TOKEN_INFO_PTR
                ) => guarded(slot::token_info);
                C_GetMechanismList(
                    slot: CK_SLOT_ID, mechanisms: CK_MECHANISM_TYPE_PTR, count: CK_ULONG_PTR
                ) => guarded(slot::mechanism_list);
                C_GetMechanismInfo(
                    slot: CK_SLOT_ID, kind: CK_MECHANISM_TYPE, info: CK_MECHANISM_INFO_PTR
                ) => guarded(slot::mechanism_info);
                C_InitToken(
                    slot: CK_SLOT_ID, pin: CK_UTF8CHAR_PTR, pin_len: CK_ULONG,
                    label: CK_UTF8CHAR_PTR
                ) => guarded(slot::init_token);
                C_InitPIN(
                    session: CK_SESSION_HANDLE, pin: CK_UTF8CHAR_PTR, len: CK_ULONG
                ) => guarded(slot::init_pin);
                C_SetPIN(
                    session: CK_SESSION_HANDLE, old: CK_UTF8CHAR_PTR, old_len: CK_ULONG,
                    new: CK_UTF8CHAR_PTR, new_len: CK_ULONG
                ) => guarded(slot::set_pin);
                C_OpenSession(
                    slot: CK_SLOT_ID, flags: CK_FLAGS, application: CK_VOID_PTR, notify: CK_NOTIFY,
                    session: CK_SESSION_HANDLE_PTR
                ) => guarded(session::open);
                C_CloseSession(session: CK_SESSION_HANDLE) => guarded(session::close);
                C_CloseAllSessions(slot: CK_SLOT_ID) => guarded(session::close_all);
                C_GetSessionInfo(
                    session: CK_SESSION_HANDLE, info: CK_SESSION_INFO_PTR
                ) => guarded(session::info);
                C_GetOperationState(
                    session: CK_SESSION_HANDLE, state: CK_BYTE_PTR, len: CK_ULONG_PTR
                ) => guarded(session::operation_state);
                C_SetOperationState(
                    session: CK_SESSION_HANDLE, state: CK_BYTE_PTR, len: CK_ULONG,
                    encryption_key: CK_OBJECT_HANDLE, authentication_key: CK_OBJECT_HANDLE
                ) => guarded(session::set_operation_state);
                C_Login(
                    session: CK_SESSION_HANDLE, user: CK_USER_TYPE, pin: CK_UTF8CHAR_PTR,
                    len: CK_ULONG
                ) => guarded(session::login);
                C_Logout(session: CK_SESSION_HANDLE) => guarded(session::logout);
                C_CreateObject(
                    session: CK_SESSION_HANDLE, template: CK_ATTRIBUTE_PTR, count: CK_ULONG,
                    object: CK_OBJECT_HANDLE_PTR
                ) => guarded(object::create);
                C_CopyObject(
                    session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE,
                    template: CK_ATTRIBUTE_PTR, count: CK_ULONG, copy: CK_OBJECT_HANDLE_PTR
                ) => guarded(object::copy);
                C_DestroyObject(
                    session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE
                ) => guarded(object::destroy);
                C_GetObjectSize(
                    session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE, size: CK_ULONG_PTR
                ) => guarded(object::size);
                C_GetAttributeValue(
                    session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE,
                    template: CK_ATTRIBUTE_PTR, count: CK_ULONG
                ) => guarded(object::attributes);
                C_SetAttributeValue(
                    session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE,
                    template: CK_ATTRIBUTE_PTR, count: CK_ULONG
                ) => guarded(object::set_attributes);
                C_FindObjectsInit(
                    session: CK_SESSION_HANDLE, template: CK_ATTRIBUTE_PTR, count: CK_ULONG
                ) => guarded(object::find_init);
                C_FindObjects(
                    session: CK_SESSION_HANDLE, objects: CK_OBJECT_HANDLE_PTR, most: CK_ULONG,
                    count: CK_ULONG_PTR
                ) => guarded(object::find);
                C_FindObjectsFinal(session: CK_SESSION_HANDLE) => guarded(object::find_final);
                C_EncryptInit(
                    session: CK_SESSION_HANDLE, mechanism: CK_MECHANISM_PTR, key: CK_OBJECT_HANDLE
                ) => guarded(encrypt::encrypt_init);
                C_Encrypt(
                    session: CK_SESSION_HANDLE, data: CK_BYTE_PTR, len: CK_ULONG, out: CK_BYTE_PTR,
                    out_len: CK_ULONG_PTR
                ) => guarded(encrypt::encrypt);
                C_EncryptUpdate(
                    session: CK_SESSION_HANDLE, data: CK_BYTE_PTR, len: CK_ULONG, out: CK_BYTE_PTR,
                    out_len: CK_ULONG_PTR
                ) => guarded(encrypt::encrypt_update);
                C_EncryptFinal(
                    session: CK_SESSION_HANDLE, out: CK_BYTE_PTR, out_len: CK_ULONG_PTR
                ) => guarded(encrypt::encrypt_final);
                C_DecryptInit(
                    session: CK_SESSION_HANDLE, mechanism: CK_MECHANISM_PTR, key: CK_OBJECT_HANDLE
                ) => guarded(encrypt::decrypt_init);
                C_Decrypt(
                    session: CK_SESSION_HANDLE, data: CK_BYTE_PTR, len: CK_ULONG, out: CK_BYTE_PTR,
                    out_len: CK_ULONG_PTR
                ) => guarded(encrypt::decrypt);
                C_DecryptUpdate(
                    session: CK_SESSION_HANDLE, data: CK_BYTE_PTR, len: CK_ULONG, out: CK_BYTE_PTR,
                    out_len: CK_ULONG_PTR
                ) => guarded(encrypt::decrypt_update);
                C_DecryptFinal(
                    session: CK_SESSION_HANDLE, out: CK_BYTE_PTR, out_len: CK_ULONG_PTR
                ) => guarded(encrypt::decrypt_final);
                C_DigestInit(
                    session: CK_SESSION_HANDLE, mechanism: CK_MECHANISM_PTR
                ) => guarded(digest::digest_init);
                C_Digest(
                    session: CK_SESSION_HANDLE, data: CK_BYTE_PTR, len: CK_ULONG, out: CK_BYTE_PTR,
                    out_len: CK_ULONG_PTR
                ) => guarded(digest::digest);
                C_DigestUpdate(
                    session: CK_SESSION_HANDLE, data: CK_BYTE_PTR, len: CK_ULONG
                ) => guarded(digest::digest_update);
                C_DigestKey(
                    session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE
                ) => guarded(digest::digest_key);
                C_DigestFinal(
                    session: CK_SESSION_HANDLE, out: CK_BYTE_PTR, out_len: CK_ULONG_PTR
                ) => guarded(digest::digest_final);
                C_SignInit(
                    session: CK_SESSION_HANDLE, mechanism: CK_MECHANISM_PTR, key: CK_OBJECT_HANDLE
                ) => guarded(sign::sign_init);
                C_Sign(
                    session: CK_SESSION_HANDLE, data: CK_BYTE_PTR, len: CK_ULONG, out: CK_BYTE_PTR,
                    out_len: CK_ULONG_PTR
                ) => guarded(sign::sign);
                C_SignUpdate(
                    session: CK_SESSION_HANDLE, data: CK_BYTE_PTR, len: CK_ULONG
                ) => guarded(sign::sign_update);
                C_SignFinal(
                    session: CK_SESSION_HANDLE, out: CK_BYTE_PTR, out_len: CK_ULONG_PTR
                ) => guarded(sign::sign_final);
                C_SignRecoverInit(
                    session: CK_SESSION_HANDLE, mechanism: CK_MECHANISM_PTR, key: CK_OBJECT_HANDLE
                ) => refused(FunctionNotSupported);
                C_SignRecover(
                    session: CK_SESSION_HANDLE, data: CK_BYTE_PTR, len: CK_ULONG, out: CK_BYTE_PTR,
                    out_len: CK_ULONG_PTR
                ) => refused(FunctionNotSupported);
                C_VerifyInit(
                    session: CK_SESSION_HANDLE, mechanism: CK_MECHANISM_PTR, key: CK_OBJECT_HANDLE
                ) => guarded(sign::verify_init);
                C_Verify(
                    session: CK_SESSION_HANDLE, data: CK_BYTE_PTR, len: CK_ULONG,
                    signature: CK_BYTE_PTR, signature_len: CK_ULONG
                ) => guarded(sign::verify);
                C_VerifyUpdate(
                    session: CK_SESSION_HANDLE, data: CK_BYTE_PTR, len: CK_ULONG
                ) => guarded(sign::verify_update);
                C_VerifyFinal(
                    session: CK_SESSION_HANDLE, signature: CK_BYTE_PTR, signature_len: CK_ULONG
                ) => guarded(sign::verify_final);
                C_VerifyRecoverInit(
                    session: CK_SESSION_HANDLE, mechanism: CK_MECHANISM_PTR, key: CK_OBJECT_HANDLE
                ) => refused(FunctionNotSupported);
                C_VerifyRecover(
                    session: CK_SESSION_HANDLE, data: CK_BYTE_PTR, len: CK_ULONG, out: CK_BYTE_PTR,
                    out_len: CK_ULONG_PTR
                ) => refused(FunctionNotSupported);
                C_DigestEncryptUpdate(
                    session: CK_SESSION_HANDLE, data: CK_BYTE_PTR, len: CK_ULONG, out: CK_BYTE_PTR,
                    out_len: CK_ULONG_PTR
                ) => refused(FunctionNotSupported);
                C_DecryptDigestUpdate(
                    session: CK_SESSION_HANDLE, data: CK_BYTE_PTR, len: CK_ULONG, out: CK_BYTE_PTR,
                    out_len: CK_ULONG_PTR
                ) => refused(FunctionNotSupported);
                C_SignEncryptUpdate(
                    session: CK_SESSION_HANDLE, data: CK_BYTE_PTR, len: CK_ULONG, out: CK_BYTE_PTR,
                    out_len: CK_ULONG_PTR
                ) => refused(FunctionNotSupported);
                C_DecryptVerifyUpdate(
                    session: CK_SESSION_HANDLE, data: CK_BYTE_PTR, len: CK_ULONG, out: CK_BYTE_PTR,
                    out_len: CK_ULONG_PTR
                ) => refused(FunctionNotSupported);
                C_GenerateKey(
                    session: CK_SESSION_HANDLE, mechanism: CK_MECHANISM_PTR,
                    template: CK_ATTRIBUTE_PTR, count: CK_ULONG, key: CK_OBJECT_HANDLE_PTR
                ) => guarded(keys::generate);
                C_GenerateKeyPair(
                    session: CK_SESSION_HANDLE, mechanism: CK_MECHANISM_PTR,
                    public: CK_ATTRIBUTE_PTR, public_count: CK_ULONG, private: CK_ATTRIBUTE_PTR,
                    private_count: CK_ULONG, public_key: CK_OBJECT_HANDLE_PTR,
                    private_key: CK_OBJECT_HANDLE_PTR
                ) => guarded(keys::generate_pair);
                C_WrapKey(
                    session: CK_SESSION_HANDLE, mechanism: CK_MECHANISM_PTR,
                    wrapping: CK_OBJECT_HANDLE, key: CK_OBJECT_HANDLE, wrapped: CK_BYTE_PTR,
                    len: CK_ULONG_PTR
                ) => guarded(keys::wrap);
                C_UnwrapKey(
                    session: CK_SESSION_HANDLE, mechanism: CK_MECHANISM_PTR,
                    unwrapping: CK_OBJECT_HANDLE, wrapped: CK_BYTE_PTR, len: CK_ULONG,
                    template: CK_ATTRIBUTE_PTR, count: CK_ULONG, key: CK_OBJECT_HANDLE_PTR
                ) => guarded(keys::unwrap);
                C_DeriveKey(
                    session: CK_SESSION_HANDLE, mechanism: CK_MECHANISM_PTR, base: CK_OBJECT_HANDLE,
                    template: CK_ATTRIBUTE_PTR, count: CK_ULONG, key: CK_OBJECT_HANDLE_PTR
                ) => guarded(keys::derive);
                C_SeedRandom(
                    session: CK_SESSION_HANDLE, seed: CK_BYTE_PTR, len: CK_ULONG
                ) => guarded(random::seed);
                C_GenerateRandom(
                    session: CK_SESSION_HANDLE, data: CK_BYTE_PTR, len: CK_ULONG
                ) => guarded(random::generate);
                C_GetFunctionStatus(session: CK_SESSION_HANDLE) => refused(FunctionNotParallel);
                C_CancelFunction(session: CK_SESSION_HANDLE) => refused(FunctionNotParallel);
                C_WaitForSlotEvent(
                    flags: CK_FLAGS, slot: CK_SLOT_ID_PTR, reserved: CK_VOID_PTR
                ) => refused(FunctionNotSupported);
            }
        }
    };
}

pub(in crate::abi) use with_standard;
