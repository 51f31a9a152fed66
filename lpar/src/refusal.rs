//! Why a request was not served: the code for the guest and the cause for the log.

use papr_abi::HError;

/// A refused hcall: what r3 answers, and why in words for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code that the guest sees.
    pub code: HError,
    /// The cause, for people: a short phrase without the partition's name.
    pub cause: &'static str,
}

impl Refusal {
    /// Makes a refusal of `code` because of `cause`.
    #[must_use]
    pub const fn new(code: HError, cause: &'static str) -> Self {
        Self { code, cause }
    }

    /// Makes an answer that is no fault of the caller, such as a full page table group: not logged.
    #[must_use]
    pub const fn ordinary(code: HError) -> Self {
        Self { code, cause: "" }
    }

    /// Returns whether it is worth a line in the log.
    #[must_use]
    #[inline]
    pub const fn is_notable(&self) -> bool {
        !self.cause.is_empty()
    }
}

/// What serving an hcall results in; outputs are set through [`crate::hcall::Caller::out`].
pub type HResult = Result<(), Refusal>;
