//! A panic behind the C boundary, in the module as it was built.

use luna_ck::*;
use luna_client::{InitArgs, Module};
use luna_tests::Instance;
use luna_tests::child::{self, Child};

/// Makes the named function panic; read by `C_Initialize`.
const PANIC_IN: &str = "LUNA_EMULATOR_PANIC_IN";

#[test]
fn a_panic_is_a_general_error_until_finalize() {
    let instance = Instance::up(&[]);
    let mut command = Child::command("guard", &[], instance.directory());
    let module = instance.module();
    let ended = Child::begin(command.env(PANIC_IN, "C_GetInfo").env("LUNA_MODULE", module)).end();
    let said = ended.well();
    assert_eq!(said, ["done"]);
}

pub(crate) fn application() {
    let module = Module::load(std::env::var("LUNA_MODULE").unwrap()).unwrap();
    for _ in 0..2 {
        let context = module.initialize(InitArgs::SingleThread).unwrap();
        assert_eq!(context.slots(true).unwrap().len(), 1, "sound before the panic");
        for _ in 0..2 {
            assert!(context.info().unwrap_err().is(CKR_GENERAL_ERROR));
            assert!(context.slots(true).unwrap_err().is(CKR_GENERAL_ERROR));
        }
        let again = module.initialize(InitArgs::SingleThread).unwrap_err();
        assert!(again.is(CKR_CRYPTOKI_ALREADY_INITIALIZED), "{again}");
        context.finalize().unwrap();
    }
    // SAFETY: this process has one thread that reads or writes the environment.
    unsafe { std::env::remove_var(PANIC_IN) };
    let context = module.initialize(InitArgs::SingleThread).unwrap();
    context.info().unwrap();
    assert_eq!(context.slots(true).unwrap().len(), 1);
    child::say("done");
}
