//! What `std` would bring: an allocator, a panic handler, and the two pieces
//! that tie a component on `wasm32-wasip2` together.

#![allow(unsafe_code)]

use alloc::alloc::{alloc, realloc};
use core::alloc::Layout;
use core::panic::PanicInfo;

#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// A panic is a trap: the host gets an error in place of a text.
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

// memcpy and its kin; `std` links them by itself.
#[link(name = "c")]
unsafe extern "C" {}

/// The canonical ABI's allocator. wit-bindgen brings one only for targets
/// without a libc of their own; on wasip2 it counts on `std` for it.
///
/// # Safety
///
/// `old` is null with `old_size` 0, or a block of `old_size` bytes and
/// alignment `align` that this function returned.
#[unsafe(no_mangle)]
unsafe extern "C" fn cabi_realloc(
    old: *mut u8,
    old_size: usize,
    align: usize,
    new_size: usize,
) -> *mut u8 {
    let Ok(layout) =
        Layout::from_size_align(if old_size == 0 { new_size } else { old_size }, align)
    else {
        core::arch::wasm32::unreachable()
    };
    if new_size == 0 {
        return core::ptr::without_provenance_mut(align);
    }
    // SAFETY: `layout` has a size above 0 and, for a block to resize, is the
    // one that the block was allocated with.
    let block =
        unsafe { if old_size == 0 { alloc(layout) } else { realloc(old, layout, new_size) } };
    if block.is_null() {
        core::arch::wasm32::unreachable()
    }
    block
}
