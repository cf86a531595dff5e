//! Memory that both the case and the framework use.

use core::cell::UnsafeCell;

/// Zeroed memory at an address that does not change, aligned for every C type.
///
/// The framework writes to it through the address, so nobody ever holds a reference to its bytes.
#[derive(Debug)]
pub(crate) struct Block {
    words: Box<[UnsafeCell<u64>]>,
    length: usize,
}

impl Block {
    pub(crate) fn new(length: usize) -> Self {
        let words = (0..length.div_ceil(8).max(1)).map(|_| UnsafeCell::new(0));
        Self {
            words: words.collect(),
            length,
        }
    }

    pub(crate) fn with(bytes: &[u8]) -> Self {
        let block = Self::new(bytes.len());
        block.write(0, bytes);
        block
    }

    pub(crate) fn address(&self) -> usize {
        self.words.as_ptr().expose_provenance()
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        // SAFETY: the block is this long, and only one logical thread runs at a time.
        unsafe { peek(self.address(), self.length) }
    }

    /// Writes as much of `bytes` as there is room for at `offset`.
    pub(crate) fn write(&self, offset: usize, bytes: &[u8]) {
        let count = bytes.len().min(self.length.saturating_sub(offset));
        // SAFETY: the range is inside the block, whose cells may be written to through a shared reference.
        unsafe { poke(self.address() + offset, &bytes[..count]) }
    }

    pub(crate) fn word(&self) -> u64 {
        word(&self.bytes())
    }
}

/// The first eight bytes as an integer, missing ones being zero.
pub(crate) fn word(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    for (to, from) in word.iter_mut().zip(bytes) {
        *to = *from;
    }
    u64::from_le_bytes(word)
}

/// Copies memory.
///
/// # Safety
///
/// `length` bytes at `address` are readable; nobody writes to them meanwhile.
pub(crate) unsafe fn peek(address: usize, length: usize) -> Vec<u8> {
    if address == 0 || length == 0 {
        return Vec::new();
    }
    let mut copy = vec![0; length];
    let from = core::ptr::with_exposed_provenance::<u8>(address);
    // SAFETY: by the caller's promise; the copy is new memory of this length.
    unsafe { core::ptr::copy_nonoverlapping(from, copy.as_mut_ptr(), length) };
    copy
}

/// Overwrites memory.
///
/// # Safety
///
/// As many bytes as `bytes` has are writable at `address`, and nobody has a reference to them.
pub(crate) unsafe fn poke(address: usize, bytes: &[u8]) {
    if address == 0 || bytes.is_empty() {
        return;
    }
    let to = core::ptr::with_exposed_provenance_mut::<u8>(address);
    // SAFETY: by the caller's promise.
    unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
}
