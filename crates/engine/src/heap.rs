//! What a rule laid over the memory of the module it runs on.
//!
//! A JavaScript rule has no code of its own: it runs on the interpreter, which is compiled once and warmed. Evaluating
//! the author's source changes some of the warmed memory, and those bytes are all there is of the rule. They are copied
//! into a fresh instance before each run. So all JavaScript rules share one module, one memory image and its warm slots.

use std::{ops::Range, sync::Arc};

use vestibule_abi::limits::WASM_PAGE;
use wasmtime::{AsContextMut, Memory};

/// Bytes that are compared, kept and copied as one. Shorter blocks copy less and more often: measured, see `benches`.
const BLOCK_BYTES: usize = 64;
const WORD: usize = size_of::<u32>();

/// The bytes in which an evaluated memory differs from the one it began as. Cheap to clone.
///
/// Encoded it is pages of memory, number of patches, then offset and length of each patch, all `u32` in little endian,
/// then the bytes of all patches.
#[derive(Debug, Clone)]
pub(crate) struct Heap {
    encoded: Arc<[u8]>,
    pages: u64,
    /// Where each patch goes, and which of the encoded bytes it is.
    patches: Arc<[(usize, Range<usize>)]>,
}

impl Heap {
    /// What `after` changed of `before` from `kept_from` on; what grew is compared with zeros.
    pub(crate) fn between(before: &[u8], after: &[u8], kept_from: usize) -> Self {
        let changed = changed_ranges(before, after, kept_from);
        let mut encoded = Vec::new();
        let mut put =
            |number: usize| encoded.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
        put(after.len() / WASM_PAGE as usize);
        put(changed.len());
        for range in &changed {
            put(range.start);
            put(range.len());
        }
        for range in changed {
            encoded.extend_from_slice(after.get(range).unwrap_or_default());
        }
        // What was just written can be read.
        Self::decode(encoded).unwrap_or_else(|| Self { encoded: Arc::default(), pages: 0, patches: Arc::default() })
    }

    /// Reads an encoded heap; `None` when the bytes are none.
    pub(crate) fn decode(encoded: impl Into<Arc<[u8]>>) -> Option<Self> {
        let encoded = encoded.into();
        let number = |index: usize| {
            let bytes = encoded.get(index * WORD..)?.first_chunk::<WORD>()?;
            usize::try_from(u32::from_le_bytes(*bytes)).ok()
        };
        let (pages, count) = (number(0)?, number(1)?);
        let mut at = count.checked_mul(2)?.checked_add(2)?.checked_mul(WORD)?;
        let mut patches = Vec::with_capacity(count.min(encoded.len() / WORD));
        for index in 0..count {
            let (offset, length) = (number(2 + index * 2)?, number(3 + index * 2)?);
            let end = at.checked_add(length).filter(|end| *end <= encoded.len())?;
            patches.push((offset, at..end));
            at = end;
        }
        let is_whole = at == encoded.len();
        is_whole.then(|| Self { pages: pages as u64, patches: patches.into(), encoded: Arc::clone(&encoded) })
    }

    /// The bytes for the cache.
    pub(crate) fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// Lays itself over the memory of a fresh instance.
    ///
    /// # Errors
    /// When the memory may not have the pages it needs, or is not the one it was taken from.
    pub(crate) fn lay_over(&self, memory: Memory, mut store: impl AsContextMut) -> wasmtime::Result<()> {
        if let Some(more) = self.pages.checked_sub(memory.size(&store)).filter(|more| *more > 0) {
            memory.grow(&mut store, more)?;
        }
        let bytes = memory.data_mut(&mut store);
        for (offset, patch) in self.patches.iter() {
            let target = bytes.get_mut(*offset..*offset + patch.len());
            let (Some(target), Some(patch)) = (target, self.encoded.get(patch.clone())) else {
                return Err(wasmtime::Error::msg("a heap belongs to another memory"));
            };
            target.copy_from_slice(patch);
        }
        Ok(())
    }
}

fn changed_ranges(before: &[u8], after: &[u8], kept_from: usize) -> Vec<Range<usize>> {
    let zeros = [0; BLOCK_BYTES];
    let mut changed: Vec<Range<usize>> = Vec::new();
    let first = kept_from / BLOCK_BYTES * BLOCK_BYTES;
    for (index, block) in after.get(first..).unwrap_or_default().chunks(BLOCK_BYTES).enumerate() {
        let start = first + index * BLOCK_BYTES;
        let was = before.get(start..start + block.len()).unwrap_or(&zeros);
        if block == was.get(..block.len()).unwrap_or_default() {
            continue;
        }
        match changed.last_mut() {
            Some(last) if last.end == start => last.end += block.len(),
            _ => changed.push(start..start + block.len()),
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(changes: &[(usize, u8)]) -> Vec<u8> {
        let mut page = vec![1; WASM_PAGE as usize];
        changes.iter().for_each(|(at, byte)| page[*at] = *byte);
        page
    }

    #[test]
    fn only_what_changed_above_the_stack_is_kept() {
        let after = page(&[(5, 2), (1_000, 3), (1_060, 3), (WASM_PAGE as usize - 1, 4)]);
        let heap = Heap::between(&page(&[]), &after, 512);
        let offsets: Vec<_> = heap.patches.iter().map(|(offset, patch)| (*offset, patch.len())).collect();
        assert_eq!(offsets, [(960, 128), (WASM_PAGE as usize - BLOCK_BYTES, BLOCK_BYTES)]);
    }

    #[test]
    fn what_grew_is_kept_where_it_is_not_zero() {
        let mut after = page(&[]);
        after.resize(after.len() * 2, 0);
        after[WASM_PAGE as usize + 70] = 9;
        let heap = Heap::between(&page(&[]), &after, 0);
        assert_eq!(heap.pages, 2);
        assert_eq!(heap.patches.len(), 1);
    }

    #[test]
    fn a_heap_survives_its_encoding_and_nothing_else_is_one() {
        let heap = Heap::between(&page(&[]), &page(&[(7, 9), (900, 8)]), 0);
        let again = Heap::decode(heap.encoded().to_vec()).unwrap();
        assert_eq!(again.patches, heap.patches);
        for cut in 0..heap.encoded().len() {
            assert!(Heap::decode(heap.encoded()[..cut].to_vec()).is_none(), "{cut} bytes were a heap");
        }
    }
}
