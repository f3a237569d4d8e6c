//! Fetches memory into the near caches before it is needed.
//!
//! Where thousands of symbols are traded, what a trade is added to is mostly far away. A plain load would
//! hold up everything behind it until its value has come, even if nobody needs the value; a prefetch does
//! not. Rust has no safe function for it yet, hence the only `unsafe` of this crate's default build
//! (`benches/findings.md` says what it brings).

#![allow(unsafe_code)]

/// Asks for the cache lines that a value lies in; does nothing else, and nothing at all where there is no
/// such instruction.
#[inline]
pub fn prefetch<T>(value: &T) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        const LINE: usize = 64;
        let begin = std::ptr::from_ref(value).cast::<i8>();
        for offset in (0..size_of::<T>()).step_by(LINE) {
            // SAFETY: the instruction is a hint. It reads and writes nothing that the program could see and
            // does not fault, whatever the address; every x86_64 has it.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(begin.wrapping_add(offset)) }
        }
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = value;
}
