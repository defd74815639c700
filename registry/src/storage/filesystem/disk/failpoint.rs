//! Places where a test lets the process die, to show what a crash leaves behind. Nothing in a release build.

/// Every step that changes the disk passes a point before it is taken; tests die at the n-th.
#[cfg(debug_assertions)]
mod armed {
    use std::sync::atomic::{AtomicU64, Ordering};

    static PASSED: AtomicU64 = AtomicU64::new(0);
    static FATAL: AtomicU64 = AtomicU64::new(u64::MAX);

    /// Lets the process abort at the `nth` point from now on, counted from 1.
    pub fn abort_at(nth: u64) {
        FATAL.store(passed() + nth, Ordering::SeqCst);
    }

    /// How many points were passed so far.
    pub fn passed() -> u64 {
        PASSED.load(Ordering::SeqCst)
    }

    pub(crate) fn reach(name: &'static str) {
        if PASSED.fetch_add(1, Ordering::SeqCst) + 1 == FATAL.load(Ordering::SeqCst) {
            eprintln!("dies before: {name}");
            std::process::abort();
        }
    }
}

#[cfg(debug_assertions)]
pub(crate) use armed::reach;
#[cfg(debug_assertions)]
pub use armed::{abort_at, passed};

#[cfg(not(debug_assertions))]
#[inline(always)]
pub(crate) fn reach(_name: &'static str) {}
