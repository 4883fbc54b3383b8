//! Bounds on what a target takes: memory, counted by the allocator, and time, counted by the processor. Neither depends
//! on how fast the machine is or on whether the process is stopped for a while.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::{FREE_BYTES, Target};

/// No input takes so long, even in a build for debugging: the process is aborted then, as a panic cannot end a loop.
const LONGEST_S: u64 = 20;
/// An allocation that would make it this much fails, and with it the process: before the machine suffers.
const REFUSED_BYTES: usize = 2 << 30;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
/// The processor time at which the current input began, in seconds, plus one; 0 between inputs.
static BEGAN_S: AtomicU64 = AtomicU64::new(0);

/// Counts what is allocated.
#[derive(Debug)]
pub struct CountingAllocator;

fn grow(bytes: usize) -> bool {
    let held = HELD.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
    if held > REFUSED_BYTES {
        HELD.fetch_sub(bytes, Ordering::Relaxed);
        return false;
    }
    PEAK.fetch_max(held, Ordering::Relaxed);
    true
}

#[expect(unsafe_code, reason = "an allocator is unsafe by nature; it hands on to the system's what it counts")]
// SAFETY: every call goes to the system's allocator with the arguments that came.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !grow(layout.size()) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !grow(layout.size()) {
            return std::ptr::null_mut();
        }
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if size > layout.size() && !grow(size - layout.size()) {
            return std::ptr::null_mut();
        }
        if size < layout.size() {
            HELD.fetch_sub(layout.size() - size, Ordering::Relaxed);
        }
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

fn processor_s() -> u64 {
    u64::try_from(clock_gettime(ClockId::ProcessCPUTime).tv_sec).unwrap_or(0)
}

/// Aborts the process when an input takes too long: the engine keeps the input of an abort.
#[expect(clippy::disallowed_methods, clippy::print_stderr, reason = "a guard of tests, which is not under test itself")]
fn watch() {
    std::thread::spawn(|| {
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let began = BEGAN_S.load(Ordering::Relaxed);
            if began > 0 && processor_s() + 1 > began + LONGEST_S {
                eprintln!("an input took more than {LONGEST_S} s of the processor");
                std::process::abort();
            }
        }
    });
}

pub(crate) fn run(target: &Target, input: &[u8]) {
    static WATCH: Once = Once::new();
    WATCH.call_once(watch);
    BEGAN_S.store(processor_s() + 1, Ordering::Relaxed);
    let held = HELD.load(Ordering::Relaxed);
    PEAK.store(held, Ordering::Relaxed);
    (target.decode)(input);
    BEGAN_S.store(0, Ordering::Relaxed);
    let taken = PEAK.load(Ordering::Relaxed).saturating_sub(held);
    let bound = FREE_BYTES + target.bytes_per_byte * input.len();
    assert!(
        taken <= bound,
        "{}: took {taken} bytes of memory for an input of {} bytes, where {bound} are enough",
        target.name,
        input.len()
    );
}
