//! The lock of all of Bulkhead: `lock_api`'s mutex over a word that is taken by spinning.
//!
//! A word, and not the byte that `spin` has, since POWER7 has no atomic access to less than one: a byte's takes 20
//! instructions more, at each place where a lock is taken (docs/adr/0013).
#![cfg_attr(not(test), no_std)]

#[cfg_attr(
    all(feature = "loom", not(test)),
    expect(dead_code, reason = "only its model is built")
)]
mod word;

pub use word::Word;

#[cfg(not(feature = "loom"))]
/// What only one thread has at a time. Taking it waits, so it is held for a bounded time and never across a wait.
pub type Mutex<T> = lock_api::Mutex<Word, T>;
#[cfg(not(feature = "loom"))]
/// Has the lock until it is dropped.
pub type MutexGuard<'a, T> = lock_api::MutexGuard<'a, Word, T>;

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    #[test]
    fn one_thread_at_a_time_has_it() {
        const THREADS: u32 = 4;
        const ROUNDS: u32 = 10_000;
        let pair = Mutex::new((0u32, 0u32));
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for _ in 0..ROUNDS {
                        let mut pair = pair.lock();
                        pair.0 += 1;
                        pair.1 = pair.0;
                    }
                });
            }
        });
        assert_eq!(pair.into_inner(), (THREADS * ROUNDS, THREADS * ROUNDS));
    }

    #[test]
    fn it_is_free_again_when_the_guard_is_gone() {
        let lock = Mutex::new(1);
        let guard = lock.lock();
        assert!(lock.is_locked());
        assert!(lock.try_lock().is_none());
        drop(guard);
        assert!(!lock.is_locked());
        assert_eq!(lock.try_lock().as_deref(), Some(&1));
    }
}
