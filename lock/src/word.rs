//! The word itself.
#![expect(unsafe_code, reason = "it promises lock_api that only one has it")]

use core::hint::spin_loop;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use lock_api::{GuardSend, RawMutex};

/// A word that one thread has at a time: 0 when it is free, else 1.
#[derive(Debug)]
pub struct Word(AtomicU32);

impl Word {
    #[cold]
    #[inline(never)]
    fn wait(&self) {
        while !self.try_lock() {
            while self.is_locked() {
                spin_loop();
            }
        }
    }
}

// SAFETY: only one of those that change 0 to 1 succeeds, and 0 is stored by who had it.
unsafe impl RawMutex for Word {
    const INIT: Self = Self(AtomicU32::new(0));
    type GuardMarker = GuardSend;

    #[inline]
    fn lock(&self) {
        if self
            .0
            .compare_exchange_weak(0, 1, Acquire, Relaxed)
            .is_err()
        {
            self.wait();
        }
    }

    #[inline]
    fn try_lock(&self) -> bool {
        self.0.compare_exchange(0, 1, Acquire, Relaxed).is_ok()
    }

    #[inline]
    unsafe fn unlock(&self) {
        self.0.store(0, Release);
    }

    #[inline]
    fn is_locked(&self) -> bool {
        self.0.load(Relaxed) != 0
    }
}
