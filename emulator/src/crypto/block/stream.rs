//! Modes that make a stream of a block cipher, and RC4, which is one.

use cipher::consts::{U8, U16};
use cipher::{
    Array, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, InnerIvInit, KeyInit,
    StreamCipher, StreamCipherCoreWrapper,
};

use super::shared::Shared;
use crate::crypto::CryptoError;

/// A mode that makes a stream of a block cipher (NIST SP 800-38A).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Cipher feedback of 8 bits.
    Cfb8,
    /// Cipher feedback of a whole block.
    Cfb,
    /// Output feedback.
    Ofb,
    /// The whole block counts, big-endian; a mechanism whose counter is shorter has to see to it
    /// that it does not run over.
    Counter,
}

/// A message going through a stream cipher in parts.
pub trait KeyStream: Send {
    /// The next part, in place.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Length`] when the stream is at its end.
    fn apply(&mut self, data: &mut [u8]) -> Result<(), CryptoError>;
}

/// One mode of any cipher.
struct Running<T>(T);

impl<T: StreamCipher + Send> KeyStream for Running<T> {
    fn apply(&mut self, data: &mut [u8]) -> Result<(), CryptoError> {
        self.0.try_apply_keystream(data).map_err(|_| CryptoError::Length)
    }
}

/// Modes whose crates have no trait in common.
macro_rules! feedback {
    ($name:ident, $of:ty, $bound:path, |$mode:ident, $data:ident| $apply:expr) => {
        struct $name<C: $bound>($of);

        impl<C: $bound + Send> KeyStream for $name<C> {
            fn apply(&mut self, $data: &mut [u8]) -> Result<(), CryptoError> {
                let $mode = &mut self.0;
                $apply;
                Ok(())
            }
        }
    };
}

feedback!(CfbOut, cfb_mode::BufEncryptor<C>, BlockCipherEncrypt, |mode, data| mode.encrypt(data));
feedback!(CfbIn, cfb_mode::BufDecryptor<C>, BlockCipherEncrypt, |mode, data| mode.decrypt(data));
feedback!(Cfb8Out, cfb8::Encryptor<C>, BlockCipherEncrypt, |mode, data| {
    let (bytes, _) = Array::slice_as_chunks_mut(data);
    mode.encrypt_blocks(bytes);
});
feedback!(Cfb8In, cfb8::Decryptor<C>, BlockCipherEncrypt, |mode, data| {
    let (bytes, _) = Array::slice_as_chunks_mut(data);
    mode.decrypt_blocks(bytes);
});

/// Every mode over ciphers of one block length; the counter alone depends on it.
macro_rules! begin {
    ($name:ident, $size:ty, $counter:ident) => {
        pub(super) fn $name(
            shared: &Shared<$size>,
            mode: Mode,
            iv: &[u8],
            forward: bool,
        ) -> Result<Box<dyn KeyStream>, CryptoError> {
            let iv = Array::try_from(iv).map_err(|_| CryptoError::Parameter)?;
            let cipher = shared.clone();
            Ok(match (mode, forward) {
                (Mode::Cfb8, true) => {
                    Box::new(Cfb8Out(cfb8::Encryptor::inner_iv_init(cipher, &iv)))
                }
                (Mode::Cfb8, false) => {
                    Box::new(Cfb8In(cfb8::Decryptor::inner_iv_init(cipher, &iv)))
                }
                (Mode::Cfb, true) => {
                    Box::new(CfbOut(cfb_mode::BufEncryptor::inner_iv_init(cipher, &iv)))
                }
                (Mode::Cfb, false) => {
                    Box::new(CfbIn(cfb_mode::BufDecryptor::inner_iv_init(cipher, &iv)))
                }
                (Mode::Ofb, _) => {
                    let core = ofb::OfbCore::inner_iv_init(cipher, &iv);
                    Box::new(Running(StreamCipherCoreWrapper::from_core(core)))
                }
                (Mode::Counter, _) => {
                    type Core = ctr::CtrCore<Shared<$size>, ctr::flavors::$counter>;
                    let core = Core::inner_iv_init(cipher, &iv);
                    Box::new(Running(StreamCipherCoreWrapper::from_core(core)))
                }
            })
        }
    };
}

begin!(eight, U8, Ctr64BE);
begin!(sixteen, U16, Ctr128BE);

/// RC4 with a key of 1 to 256 bytes.
///
/// # Errors
///
/// [`CryptoError::Key`] for any other length.
pub fn rc4(key: &[u8]) -> Result<Box<dyn KeyStream>, CryptoError> {
    let cipher = ::rc4::Rc4::new_from_slice(key).map_err(|_| CryptoError::Key)?;
    Ok(Box::new(Running(cipher)))
}
