//! [`Still`]: a value that all threads look at without a lock, as its readers cannot pay for one, and that changes only while
//! whoever changes it knows that nobody looks.
#![cfg_attr(not(test), no_std)]
#![expect(unsafe_code, reason = "its whole purpose: to change what is shared")]

use core::cell::UnsafeCell;
use core::ops::Deref;

/// A value that stands still.
#[derive(Debug, Default)]
pub struct Still<T>(UnsafeCell<T>);

// SAFETY: shared references lead to shared references of the value, and by `change`, whose caller excludes all others, to a
// mutable one, on whichever thread.
unsafe impl<T: Send + Sync> Sync for Still<T> {}

impl<T> Still<T> {
    /// Makes one.
    #[must_use]
    pub const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Returns the value, for who has it alone.
    pub const fn get_mut(&mut self) -> &mut T {
        self.0.get_mut()
    }

    /// Changes the value by `change`; returns what that returns.
    ///
    /// # Safety
    /// 1. From the beginning of `change` to its end nobody else makes or uses a reference to the value, or to what it owns.
    pub unsafe fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: duty 1.
        change(unsafe { &mut *self.0.get() })
    }
}

impl<T> Deref for Still<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: mutable references are `change`'s, whose duty 1 excludes this one.
        unsafe { &*self.0.get() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_is_seen_by_all() {
        let mut still = Still::new(vec![]);
        still.get_mut().push(1);
        // SAFETY: this thread alone has it.
        let before = unsafe { still.change(|value| core::mem::replace(value, vec![2, 3])) };
        assert_eq!(before, [1]);
        std::thread::scope(|scope| {
            let seen = scope.spawn(|| still.len());
            assert_eq!((seen.join().unwrap(), still.last()), (2, Some(&3)));
        });
    }
}
