//! The word itself.
#![cfg_attr(
    not(feature = "loom"),
    expect(unsafe_code, reason = "it promises lock_api that only one has it")
)]

use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
#[cfg(not(feature = "loom"))]
use core::{hint::spin_loop, sync::atomic::AtomicU32};
#[cfg(feature = "loom")]
use loom::{hint::spin_loop, sync::atomic::AtomicU32};

/// A word that one thread has at a time: 0 when it is free, else 1.
#[derive(Debug)]
pub struct Word(AtomicU32);

impl Word {
    #[inline]
    fn take(&self) {
        if self
            .0
            .compare_exchange_weak(0, 1, Acquire, Relaxed)
            .is_err()
        {
            self.wait();
        }
    }

    #[cold]
    #[inline(never)]
    fn wait(&self) {
        while !self.try_take() {
            while self.is_taken() {
                spin_loop();
            }
        }
    }

    #[inline]
    fn try_take(&self) -> bool {
        self.0.compare_exchange(0, 1, Acquire, Relaxed).is_ok()
    }

    #[inline]
    fn give(&self) {
        self.0.store(0, Release);
    }

    #[inline]
    fn is_taken(&self) -> bool {
        self.0.load(Relaxed) != 0
    }
}

#[cfg(not(feature = "loom"))]
// SAFETY: only one of those that change 0 to 1 succeeds, and 0 is stored by who had it.
unsafe impl lock_api::RawMutex for Word {
    const INIT: Self = Self(AtomicU32::new(0));
    type GuardMarker = lock_api::GuardSend;

    #[inline]
    fn lock(&self) {
        self.take();
    }

    #[inline]
    fn try_lock(&self) -> bool {
        self.try_take()
    }

    #[inline]
    unsafe fn unlock(&self) {
        self.give();
    }

    #[inline]
    fn is_locked(&self) -> bool {
        self.is_taken()
    }
}

/// All that threads may do to it, in every order that the memory model allows.
#[cfg(all(test, feature = "loom"))]
mod models {
    use super::*;
    use loom::cell::Cell;
    use loom::sync::Arc;
    use loom::thread;

    fn add(word: &Word, sum: &Cell<u32>) {
        sum.set(sum.get() + 1);
        word.give();
    }

    #[test]
    fn what_it_protects_is_never_touched_by_two() {
        loom::model(|| {
            // loom's cell panics when two threads touch it and nothing orders them.
            let shared = Arc::new((Word(AtomicU32::new(0)), Cell::new(0)));
            let other = Arc::clone(&shared);
            let other = thread::spawn(move || {
                let (word, sum) = &*other;
                word.take();
                add(word, sum);
            });
            let (word, sum) = &*shared;
            let mut wanted = 1;
            if word.try_take() {
                add(word, sum);
                wanted += 1;
            }
            word.take();
            add(word, sum);
            other.join().unwrap();
            word.take();
            assert_eq!(sum.get(), wanted + 1);
        });
    }
}
