//! Memory for one run: a pointer that only moves forward.
//!
//! An instance is used once and dropped, so nothing is ever given back. The heap starts where the linker's data ends
//! and first fills the pages that the module declares; only then does the memory grow. The last block grows in place,
//! so pushing to one vector or string copies nothing. Switched off with `default-features = false`.
#![expect(unsafe_code, reason = "`GlobalAlloc` is an unsafe trait")]

use core::{
    alloc::{GlobalAlloc, Layout},
    arch::wasm32,
    cell::Cell,
    ptr,
};

/// One wasm page, in bytes.
const PAGE: usize = 64 * 1024;

#[global_allocator]
static ALLOCATOR: Bump = Bump { next: Cell::new(0), has_begun: Cell::new(false) };

struct Bump {
    /// The address of the next free byte; 0 before the first block.
    next: Cell<usize>,
    /// Whether the run has begun: only there to be written.
    has_begun: Cell<bool>,
}

/// Begins a run: writes to the page in which the data ends and the heap begins, before anything there is read. A page of
/// a fresh mapping that is read first is faulted in twice, the second time to be copied, with every core told.
pub(super) fn begin() {
    // SAFETY: a cell of this thread's own; volatile, because nobody reads it.
    unsafe { ALLOCATOR.has_begun.as_ptr().write_volatile(true) }
}

// SAFETY: a rule has one thread; the host has switched off the threads proposal.
unsafe impl Sync for Bump {}

unsafe extern "C" {
    /// Where the linker's data ends; only its address means something.
    static __heap_base: u8;
}

impl Bump {
    fn next(&self) -> usize {
        match self.next.get() {
            0 => (&raw const __heap_base).addr(),
            next => next,
        }
    }

    /// Makes `start..start + size` the last block, growing the memory if it has to.
    fn claim(&self, start: usize, size: usize) -> *mut u8 {
        let Some(end) = start.checked_add(size) else { return ptr::null_mut() };
        let have = wasm32::memory_size(0) * PAGE;
        if end > have && wasm32::memory_grow(0, (end - have).div_ceil(PAGE)) == usize::MAX {
            return ptr::null_mut();
        }
        self.next.set(end);
        ptr::with_exposed_provenance_mut(start)
    }
}

// SAFETY: blocks never overlap, since `next` only moves forward, past the end of each; a null answer means no memory.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match self.next().checked_next_multiple_of(layout.align()) {
            Some(start) => self.claim(start, layout.size()),
            None => ptr::null_mut(),
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises. Memory that was never handed out is still zero.
        unsafe { self.alloc(layout) }
    }

    unsafe fn dealloc(&self, _block: *mut u8, _layout: Layout) {}

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if size <= layout.size() {
            return block;
        }
        if block.addr() + layout.size() == self.next() {
            return self.claim(block.addr(), size);
        }
        // SAFETY: the old block is valid for its size, the new one is larger and does not overlap it.
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !moved.is_null() {
                ptr::copy_nonoverlapping(block, moved, layout.size());
            }
            moved
        }
    }
}
