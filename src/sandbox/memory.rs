//! The program's allocator: mimalloc, which is quick where many threads make small values; but the system's own in
//! the helpers.
//!
//! A helper has one thread and little to allocate, and every sandbox and every program in it begins as a copy of one:
//! what an allocator sets aside there is paid for with each copy.
#![expect(unsafe_code, reason = "an allocator can't be written without")]

use super::{janitor, nursery};
use mimalloc::MiMalloc;
use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::{CStr, c_char};
use std::sync::atomic::{AtomicU8, Ordering};

/// What `#[global_allocator]` of the binary is.
#[derive(Debug)]
pub struct Memory;

const UNKNOWN: u8 = 0;
const HARNESS: u8 = 1;
const HELPER: u8 = 2;

/// Which of the two this process is. It is found out with the first allocation and is the same ever after, so that
/// memory goes back to where it came from.
static ROLE: AtomicU8 = AtomicU8::new(UNKNOWN);

// SAFETY: glibc and musl both have it, with this type.
unsafe extern "C" {
    /// `argv[0]`, set by the C library before any code of ours runs.
    static program_invocation_name: *const c_char;
}

fn in_helper() -> bool {
    match ROLE.load(Ordering::Relaxed) {
        UNKNOWN => find_out(),
        role => role == HELPER,
    }
}

/// Allocates nothing. Threads that come here at once find the same.
#[cold]
fn find_out() -> bool {
    // SAFETY: the pointer is read while nothing writes it; it is null or leads to a text that ends with NUL and lives
    // as long as the process.
    let name = unsafe {
        let name = program_invocation_name;
        if name.is_null() { c"" } else { CStr::from_ptr(name) }
    };
    let helper = [nursery::NAME, janitor::NAME].iter().any(|known| known.as_bytes() == name.to_bytes());
    ROLE.store(if helper { HELPER } else { HARNESS }, Ordering::Relaxed);
    helper
}

// SAFETY: each call goes as it came to one of two allocators, for the whole life of the process to the same one.
unsafe impl GlobalAlloc for Memory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those that are asked for.
        unsafe { if in_helper() { System.alloc(layout) } else { MiMalloc.alloc(layout) } }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those that are asked for.
        unsafe { if in_helper() { System.alloc_zeroed(layout) } else { MiMalloc.alloc_zeroed(layout) } }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are those that are asked for, and the memory came from the same allocator.
        unsafe { if in_helper() { System.dealloc(at, layout) } else { MiMalloc.dealloc(at, layout) } }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promises are those that are asked for, and the memory came from the same allocator.
        unsafe {
            if in_helper() { System.realloc(at, layout, size) } else { MiMalloc.realloc(at, layout, size) }
        }
    }
}
