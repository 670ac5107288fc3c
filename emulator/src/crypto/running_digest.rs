//! Digests in parts, whose state can be taken out and put in again.
//!
//! SHA-1, SHA-2 and MD5 keep their state in structures that aws-lc's public headers lay open, so
//! there is something to save and no allocation; SHA-3 lives behind aws-lc's own pointer and cannot
//! be saved. Nor can those that RustCrypto serves.
#![allow(unsafe_code, reason = "aws-lc-rs offers neither MD5 nor SHA3-224 nor a state")]

use super::CryptoError;
use super::foreign::{MdCtx, check, refused};
use super::hash::rust_crypto::{self, Running};
use super::hash::{Function, Hash};
use aws_lc_sys as sys;
use std::fmt;
use zeroize::{Zeroize, Zeroizing};

/// A digest in parts.
pub struct Digest {
    function: Function,
    context: Context,
}

enum Context {
    Md5(sys::MD5_CTX),
    Sha1(sys::SHA_CTX),
    Sha256(sys::SHA256_CTX),
    Sha512(sys::SHA512_CTX),
    Evp(MdCtx),
    Rust(Box<dyn Running>),
}

// SAFETY: aws-lc's pointer is to heap memory without ties to a thread, the box is `Send`, and no method takes `&self`
// and writes to it.
unsafe impl Send for Digest {}

impl Digest {
    /// An empty digest.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`] when aws-lc has no memory.
    pub fn new(function: impl Into<Function>) -> Result<Self, CryptoError> {
        let function = function.into();
        let context = match function {
            Function::Hash(hash) => match rust_crypto::start(hash) {
                Some(running) => Context::Rust(running),
                None => Self::begin(hash)?,
            },
            Function::Shake(..) => Self::begin_evp(function)?,
        };
        Ok(Self { function, context })
    }

    fn begin_evp(function: Function) -> Result<Context, CryptoError> {
        // SAFETY: a new context, ours, then set up with a static description.
        unsafe {
            let context = MdCtx::adopt(sys::EVP_MD_CTX_new(), CryptoError::Internal)?;
            let begun =
                sys::EVP_DigestInit_ex(context.as_ptr(), function.evp()?, std::ptr::null_mut());
            check(begun, CryptoError::Internal)?;
            Ok(Context::Evp(context))
        }
    }

    fn begin(hash: Hash) -> Result<Context, CryptoError> {
        // SAFETY: the structures are plain numbers, valid as zeros, and each is handed to the
        // function that fills it.
        let context = unsafe {
            match hash {
                Hash::Md5 => {
                    let mut context = std::mem::zeroed();
                    check(sys::MD5_Init(&raw mut context), CryptoError::Internal)?;
                    Context::Md5(context)
                }
                Hash::Sha1 => {
                    let mut context = std::mem::zeroed();
                    check(sys::SHA1_Init(&raw mut context), CryptoError::Internal)?;
                    Context::Sha1(context)
                }
                Hash::Sha224 | Hash::Sha256 => {
                    let mut context = std::mem::zeroed();
                    let begin =
                        if hash == Hash::Sha224 { sys::SHA224_Init } else { sys::SHA256_Init };
                    check(begin(&raw mut context), CryptoError::Internal)?;
                    Context::Sha256(context)
                }
                Hash::Sha384 | Hash::Sha512 => {
                    let mut context = std::mem::zeroed();
                    let begin =
                        if hash == Hash::Sha384 { sys::SHA384_Init } else { sys::SHA512_Init };
                    check(begin(&raw mut context), CryptoError::Internal)?;
                    Context::Sha512(context)
                }
                _ => return Self::begin_evp(Function::Hash(hash)),
            }
        };
        Ok(context)
    }

    /// Which function this is.
    #[must_use]
    pub fn function(&self) -> Function {
        self.function
    }

    /// Length of what [`Digest::finish`] gives, in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "the length of the outcome, not of the input")]
    pub fn len(&self) -> usize {
        self.function.len()
    }

    /// Adds the next bytes.
    pub fn update(&mut self, data: &[u8]) {
        if let Context::Rust(running) = &mut self.context {
            return running.update(data);
        }
        let (at, len) = (data.as_ptr().cast(), data.len());
        // SAFETY: the context is set up and ours alone (`&mut self`), and `len` bytes are read. It
        // cannot fail: aws-lc returns one for every context that is set up and not yet finished.
        unsafe {
            match &mut self.context {
                Context::Md5(context) => sys::MD5_Update(context, at, len),
                Context::Sha1(context) => sys::SHA1_Update(context, at, len),
                Context::Sha256(context) => sys::SHA256_Update(context, at, len),
                Context::Sha512(context) => sys::SHA512_Update(context, at, len),
                Context::Evp(context) => sys::EVP_DigestUpdate(context.as_ptr(), at, len),
                Context::Rust(_) => 1,
            };
        }
    }

    /// The digest of everything added.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`]; not known to happen.
    pub fn finish(mut self) -> Result<Vec<u8>, CryptoError> {
        if let Context::Rust(running) = &mut self.context {
            return Ok(running.finish());
        }
        let mut out = vec![0; self.function.len()];
        let (at, len) = (out.as_mut_ptr(), out.len());
        let is = |hash| self.function == Function::Hash(hash);
        // SAFETY: each writes exactly as many bytes as the function gives: the structures know which
        // of their two hashes they were set up for, a SHAKE is told. The size pointer may be null.
        let returned = unsafe {
            match &mut self.context {
                Context::Md5(context) => sys::MD5_Final(at, context),
                Context::Sha1(context) => sys::SHA1_Final(at, context),
                Context::Sha256(context) if is(Hash::Sha224) => sys::SHA224_Final(at, context),
                Context::Sha256(context) => sys::SHA256_Final(at, context),
                Context::Sha512(context) if is(Hash::Sha384) => sys::SHA384_Final(at, context),
                Context::Sha512(context) => sys::SHA512_Final(at, context),
                Context::Evp(context) if matches!(self.function, Function::Shake(..)) => {
                    sys::EVP_DigestFinalXOF(context.as_ptr(), at, len)
                }
                Context::Evp(context) => {
                    sys::EVP_DigestFinal_ex(context.as_ptr(), at, std::ptr::null_mut())
                }
                Context::Rust(_) => 1,
            }
        };
        check(returned, CryptoError::Internal)?;
        Ok(out)
    }

    /// A second digest that goes on from here.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`] when aws-lc has no memory.
    pub fn try_clone(&self) -> Result<Self, CryptoError> {
        let context = match &self.context {
            Context::Rust(running) => Context::Rust(running.copy()),
            Context::Md5(context) => Context::Md5(*context),
            Context::Sha1(context) => Context::Sha1(*context),
            Context::Sha256(context) => Context::Sha256(*context),
            Context::Sha512(context) => Context::Sha512(*context),
            // SAFETY: copies between two live contexts, the new one ours.
            Context::Evp(context) => unsafe {
                let copy = MdCtx::adopt(sys::EVP_MD_CTX_new(), CryptoError::Internal)?;
                if sys::EVP_MD_CTX_copy_ex(copy.as_ptr(), context.as_ptr()) != 1 {
                    return Err(refused(CryptoError::Internal));
                }
                Context::Evp(copy)
            },
        };
        Ok(Self { function: self.function, context })
    }

    /// The state, for [`Digest::resume`] on any machine; none for a hash that cannot be saved. It
    /// holds the last bytes that were added, as many as did not fill a block.
    ///
    /// Big-endian: the words of the state, the number of bytes added (16 bytes), those bytes.
    #[must_use]
    pub fn state(&self) -> Option<Zeroizing<Vec<u8>>> {
        match &self.context {
            Context::Md5(context) => Some(context.save()),
            Context::Sha1(context) => Some(context.save()),
            Context::Sha256(context) => Some(context.save()),
            Context::Sha512(context) => Some(context.save()),
            Context::Evp(_) | Context::Rust(_) => None,
        }
    }

    /// Bytes added so far, where that can be told.
    #[must_use]
    pub fn added(&self) -> Option<u128> {
        match &self.context {
            Context::Md5(context) => Some(context.added()),
            Context::Sha1(context) => Some(context.added()),
            Context::Sha256(context) => Some(context.added()),
            Context::Sha512(context) => Some(context.added()),
            Context::Evp(_) | Context::Rust(_) => None,
        }
    }

    /// A digest that goes on from a state.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`] for bytes that are no state of this hash.
    pub fn resume(hash: Hash, state: &[u8]) -> Result<Self, CryptoError> {
        let mut digest = Self::new(hash)?;
        let loaded = match &mut digest.context {
            Context::Md5(context) => context.load(state),
            Context::Sha1(context) => context.load(state),
            Context::Sha256(context) => context.load(state),
            Context::Sha512(context) => context.load(state),
            Context::Evp(_) | Context::Rust(_) => None,
        };
        loaded.map(|()| digest).ok_or(CryptoError::Internal)
    }
}

impl Drop for Digest {
    fn drop(&mut self) {
        match &mut self.context {
            Context::Md5(context) => context.wipe(),
            Context::Sha1(context) => context.wipe(),
            Context::Sha256(context) => context.wipe(),
            Context::Sha512(context) => context.wipe(),
            // aws-lc clears what it frees, RustCrypto what it drops.
            Context::Evp(_) | Context::Rust(_) => {}
        }
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.function {
            Function::Hash(hash) => write!(f, "Digest({})", hash.name()),
            Function::Shake(shake, len) => write!(f, "Digest({shake:?}, {len} bytes)"),
        }
    }
}

/// A state that lies open.
trait Open {
    fn save(&self) -> Zeroizing<Vec<u8>>;
    fn added(&self) -> u128;
    fn load(&mut self, state: &[u8]) -> Option<()>;
    fn wipe(&mut self);
}

macro_rules! open {
    ($($context:ty, $word:ty, $block:ident;)+) => { $(
        impl Open for $context {
            fn save(&self) -> Zeroizing<Vec<u8>> {
                let mut state = Zeroizing::new(Vec::with_capacity(256));
                for word in self.h {
                    state.extend_from_slice(&word.to_be_bytes());
                }
                state.extend_from_slice(&self.added().to_be_bytes());
                let buffered = usize::try_from(self.num).unwrap_or(0);
                state.extend_from_slice(self.$block.get(..buffered).unwrap_or_default());
                state
            }

            fn added(&self) -> u128 {
                // Two words of a count of bits.
                ((u128::from(self.Nh) << <$word>::BITS) | u128::from(self.Nl)) / 8
            }

            fn load(&mut self, state: &[u8]) -> Option<()> {
                let (words, rest) = state.split_at_checked(size_of_val(&self.h))?;
                let (added, block) = rest.split_at_checked(size_of::<u128>())?;
                let bits = u128::from_be_bytes(added.try_into().ok()?).checked_mul(8)?;
                let buffered = usize::try_from(bits / 8 % self.$block.len() as u128).ok()?;
                if block.len() != buffered || bits.checked_shr(<$word>::BITS * 2).unwrap_or(0) != 0 {
                    return None;
                }
                for (word, bytes) in self.h.iter_mut().zip(words.chunks_exact(size_of::<$word>())) {
                    *word = <$word>::from_be_bytes(bytes.try_into().ok()?);
                }
                self.Nl = <$word>::try_from(bits & u128::from(<$word>::MAX)).ok()?;
                self.Nh = <$word>::try_from(bits >> <$word>::BITS).ok()?;
                self.num = u32::try_from(buffered).ok()?;
                self.$block.get_mut(..buffered)?.copy_from_slice(block);
                Some(())
            }

            fn wipe(&mut self) {
                self.h.zeroize();
                self.$block.zeroize();
            }
        }
    )+ };
}

open! {
    sys::MD5_CTX, u32, data;
    sys::SHA_CTX, u32, data;
    sys::SHA256_CTX, u32, data;
    sys::SHA512_CTX, u64, p;
}

#[cfg(test)]
mod tests {
    use super::super::hash::digest;
    use super::*;

    #[test]
    fn a_clone_goes_its_own_way() {
        for hash in Hash::ALL {
            let mut first = Digest::new(hash).unwrap();
            first.update(b"shared");
            let mut second = first.try_clone().unwrap();
            first.update(b" one");
            second.update(b" two");
            assert_eq!(first.finish().unwrap(), digest(hash, b"shared one").unwrap());
            assert_eq!(second.finish().unwrap(), digest(hash, b"shared two").unwrap());
        }
    }

    #[test]
    fn a_state_goes_on_where_it_was_taken() {
        let message: Vec<u8> = (0..=255).cycle().take(700).collect();
        for hash in Hash::ALL {
            for cut in [0, 1, 55, 63, 64, 65, 111, 127, 128, 129, 500, 700] {
                let (before, after) = message.split_at(cut);
                let mut digest_of = Digest::new(hash).unwrap();
                digest_of.update(before);
                let Some(state) = digest_of.state() else {
                    let open = ["SHA-", "MD5"].iter().any(|name| hash.name().starts_with(name));
                    assert!(!open, "{}", hash.name());
                    continue;
                };
                assert_eq!(digest_of.added(), Some(cut as u128));
                let mut again = Digest::resume(hash, &state).unwrap();
                again.update(after);
                let whole = digest(hash, &message).unwrap();
                assert_eq!(again.finish().unwrap(), whole, "{} at {cut}", hash.name());
            }
        }
    }

    #[test]
    fn what_is_no_state_is_refused() {
        for hash in Hash::ALL {
            let mut running = Digest::new(hash).unwrap();
            running.update(&[7; 70]);
            let Some(state) = running.state() else {
                assert!(Digest::resume(hash, &[0; 200]).is_err());
                continue;
            };
            let long = [&state[..], &[0]].concat();
            let mut bent = state.to_vec();
            // Another count wants another number of bytes behind it.
            let count_ends = bent.len() - 70 % hash.block_len() - 1;
            bent[count_ends] ^= 1;
            for wrong in [&[][..], &state[..state.len() - 1], &long, &bent, &[0xff; 400]] {
                assert!(Digest::resume(hash, wrong).is_err(), "{}", hash.name());
            }
        }
    }
}
