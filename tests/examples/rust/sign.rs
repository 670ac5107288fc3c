//! Signs twenty messages with a key on an HA group. Environment: LUNA_MODULE, HSM_TOKEN, HSM_PIN.

use std::error::Error;
use std::time::Duration;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;

/// OID 1.2.840.10045.3.1.7, DER.
const P256: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

fn main() -> Result<(), Box<dyn Error>> {
    let session = session_on(&std::env::var("HSM_TOKEN")?)?;
    let (public, private) = key_pair(&session)?;
    for number in 0..20 {
        // Until the next request comes in.
        std::thread::sleep(Duration::from_millis(50));
        let message = format!("message {number}");
        let signature = session.sign(&Mechanism::EcdsaSha256, private, message.as_bytes())?;
        session.verify(&Mechanism::EcdsaSha256, public, message.as_bytes(), &signature)?;
    }
    println!("20 signatures, all verified");
    Ok(())
}

fn session_on(label: &str) -> Result<Session, Box<dyn Error>> {
    let module = Pkcs11::new(std::env::var("LUNA_MODULE")?)?;
    module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))?;
    for slot in module.get_slots_with_token()? {
        if module.get_token_info(slot)?.label() == label {
            let session = module.open_rw_session(slot)?;
            session.login(UserType::User, Some(&AuthPin::from(std::env::var("HSM_PIN")?)))?;
            return Ok(session);
        }
    }
    Err(format!("no token is called {label}").into())
}

/// Made again where nobody knows what became of the first: the group does not repeat what may have been done.
fn key_pair(session: &Session) -> Result<(ObjectHandle, ObjectHandle), Box<dyn Error>> {
    let public =
        [Attribute::Token(true), Attribute::Verify(true), Attribute::EcParams(P256.to_vec())];
    let private = [Attribute::Token(true), Attribute::Sign(true)];
    for attempt in 1..=3 {
        match session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private) {
            Ok(pair) => return Ok(pair),
            Err(error) => println!("attempt {attempt} to make a key pair: {error}"),
        }
    }
    Err("no key pair could be made".into())
}
