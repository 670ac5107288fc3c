//! The server dies in Initialize: whatever was on disk then is a server without HSM or one with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use okv_sim::{Event, Place, State, Vault};

use crate::hsm::alone;
use crate::{assert_readable, copy, initialize, install, open_with_passphrase};

#[test]
fn the_disk_of_any_moment_of_initialize_is_a_whole_server() {
    alone("crash::the_disk_of_any_moment_of_initialize_is_a_whole_server", |hsm| {
        let mut vault = install(&hsm.data("okv"));
        let taken = Arc::new(AtomicUsize::new(0));
        let (counter, from, to) = (Arc::clone(&taken), hsm.data("okv"), hsm.directory.clone());
        vault.watch(Some(Box::new(move |_: &Event<'_>| {
            let at = counter.fetch_add(1, Ordering::Relaxed);
            copy(&from, &to.join(format!("moment-{at}")));
            Ok(())
        })));
        vault.initialize(&initialize(hsm)).unwrap();
        vault.watch(None);

        let (mut before, mut after) = (0, 0);
        for at in 0..taken.load(Ordering::Relaxed) {
            let (mut vault, started) = Vault::start(&hsm.data(&format!("moment-{at}"))).unwrap();
            assert_eq!(started.failure, None, "moment {at}");
            match started.state {
                State::NotEnabled => {
                    before += 1;
                    for place in [Place::CredentialWallet, Place::Blob, Place::RestoreWallet] {
                        assert!(!vault.path(place).exists(), "moment {at}");
                    }
                    open_with_passphrase(&mut vault);
                }
                State::EnabledOk => after += 1,
                state => panic!("{state} at moment {at}"),
            }
            assert_readable(&vault);
        }
        assert!(before > 15 && after > 8, "{before} before, {after} after");
        vault.verify().unwrap();
    });
}
