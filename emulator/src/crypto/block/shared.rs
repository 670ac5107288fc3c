//! One face for all ciphers of a block length, so that each mode is built once a length.

use std::sync::Arc;

use cipher::array::ArraySize;
use cipher::consts::U1;
use cipher::inout::InOut;
use cipher::{
    Array, BlockCipherDecBackend, BlockCipherDecClosure, BlockCipherDecrypt, BlockCipherEncBackend,
    BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, ParBlocksSizeUser,
};

/// A cipher with its key, its type forgotten.
pub(super) trait Raw<N: ArraySize>: Send + Sync {
    /// One block.
    fn encrypt(&self, block: InOut<'_, '_, Array<u8, N>>);

    /// One block.
    fn decrypt(&self, block: InOut<'_, '_, Array<u8, N>>);
}

impl<N, C> Raw<N> for C
where
    N: ArraySize,
    C: BlockCipherEncrypt + BlockCipherDecrypt + BlockSizeUser<BlockSize = N> + Send + Sync,
{
    fn encrypt(&self, block: InOut<'_, '_, Array<u8, N>>) {
        self.encrypt_block_inout(block);
    }

    fn decrypt(&self, block: InOut<'_, '_, Array<u8, N>>) {
        self.decrypt_block_inout(block);
    }
}

/// A cipher as the crates of modes take it: copies share the key schedule, which the cipher's own
/// crate wipes when the last of them goes.
pub(super) struct Shared<N: ArraySize>(Arc<dyn Raw<N>>);

impl<N: ArraySize> Shared<N> {
    pub(super) fn new(cipher: impl Raw<N> + 'static) -> Self {
        Self(Arc::new(cipher))
    }
}

impl<N: ArraySize> Clone for Shared<N> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<N: ArraySize> BlockSizeUser for Shared<N> {
    type BlockSize = N;
}

impl<N: ArraySize> ParBlocksSizeUser for Shared<N> {
    type ParBlocksSize = U1;
}

impl<N: ArraySize> BlockCipherEncrypt for Shared<N> {
    fn encrypt_with_backend(&self, f: impl BlockCipherEncClosure<BlockSize = N>) {
        f.call(self);
    }
}

impl<N: ArraySize> BlockCipherEncBackend for Shared<N> {
    fn encrypt_block(&self, block: InOut<'_, '_, Array<u8, N>>) {
        self.0.encrypt(block);
    }
}

impl<N: ArraySize> BlockCipherDecrypt for Shared<N> {
    fn decrypt_with_backend(&self, f: impl BlockCipherDecClosure<BlockSize = N>) {
        f.call(self);
    }
}

impl<N: ArraySize> BlockCipherDecBackend for Shared<N> {
    fn decrypt_block(&self, block: InOut<'_, '_, Array<u8, N>>) {
        self.0.decrypt(block);
    }
}
