//! The hashes aws-lc does not have, through RustCrypto.

use super::Hash;
use sha3::digest::{Digest, common::BlockSizeUser};

/// A running digest of whichever type.
pub(in crate::crypto) trait Running: Send {
    fn update(&mut self, data: &[u8]);
    /// Gives the digest and begins anew.
    fn finish(&mut self) -> Vec<u8>;
    fn copy(&self) -> Box<dyn Running>;
}

impl<D: Digest + Clone + Send + 'static> Running for D {
    fn update(&mut self, data: &[u8]) {
        Digest::update(self, data);
    }

    fn finish(&mut self) -> Vec<u8> {
        std::mem::replace(self, D::new()).finalize().to_vec()
    }

    fn copy(&self) -> Box<dyn Running> {
        Box::new(self.clone())
    }
}

/// An empty digest, none for a hash that is aws-lc's.
pub(in crate::crypto) fn start(hash: Hash) -> Option<Box<dyn Running>> {
    served(hash).map(|(running, ..)| running)
}

/// Length of the digest and of a block, in bytes, as the library counts them.
#[cfg(test)]
pub(super) fn lengths(hash: Hash) -> Option<(usize, usize)> {
    served(hash).map(|(_, len, block)| (len, block))
}

fn served(hash: Hash) -> Option<(Box<dyn Running>, usize, usize)> {
    fn of<D>() -> (Box<dyn Running>, usize, usize)
    where
        D: Digest + BlockSizeUser + Clone + Send + 'static,
    {
        (Box::new(D::new()), <D as Digest>::output_size(), D::block_size())
    }
    Some(match hash {
        Hash::Md2 => of::<md2::Md2>(),
        Hash::Sm3 => of::<sm3::Sm3>(),
        Hash::Keccak224 => of::<sha3::Keccak224>(),
        Hash::Keccak256 => of::<sha3::Keccak256>(),
        Hash::Keccak384 => of::<sha3::Keccak384>(),
        Hash::Keccak512 => of::<sha3::Keccak512>(),
        _ => return None,
    })
}
