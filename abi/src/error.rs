//! What an hcall answers when it did not simply succeed.

/// How long a caller should wait before it repeats a long-busy call: 10 to this power, in ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Order {
    /// 1 ms
    Ms1 = 0,
    /// 10 ms
    Ms10 = 1,
    /// 100 ms
    Ms100 = 2,
    /// 1 s
    S1 = 3,
    /// 10 s
    S10 = 4,
    /// 100 s
    S100 = 5,
}

macro_rules! hcodes {
    ($($(#[$doc:meta])* $variant:ident = $value:literal, $name:literal;)*) => {
        /// A return code other than `H_SUCCESS`, one variant for each that Bulkhead knows.
        ///
        /// Source: LoPAR 2.9, "Hypervisor Call Return Code Table".
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum HError {
            $($(#[$doc])* #[doc = concat!("`", $name, "`, ", stringify!($value), ".")] #[doc(alias = $name)] $variant,)*
            /// `H_LONG_BUSY_ORDER_*`, 9900 to 9905: repeat the call after that time.
            LongBusy(Order),
            /// `H_UNSUPPORTED_FLAG_START - bit`, -256 and below: flag `bit` (IBM numbering, 0 to 63) is not supported.
            UnsupportedFlag {
                /// The bit's number, 0 the most significant.
                bit: u8,
            },
        }
        impl HError {
            /// The value that goes into the caller's r3.
            #[must_use]
            #[inline]
            pub const fn code(self) -> i64 {
                match self {
                    $(Self::$variant => $value,)*
                    Self::LongBusy(order) => 9900 + order as i64,
                    Self::UnsupportedFlag { bit } => -256 - bit as i64,
                }
            }
            /// The name that LoPAR gives it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::LongBusy(_) => "H_LONG_BUSY",
                    Self::UnsupportedFlag { .. } => "H_UNSUPPORTED_FLAG",
                }
            }
        }
    };
}

hcodes! {
    /// The resource is busy; repeat the call.
    Busy = 1, "H_BUSY";
    /// The partner is not there.
    Closed = 2, "H_CLOSED";
    /// Not available now.
    NotAvailable = 3, "H_NOT_AVAILABLE";
    /// The request was limited.
    Constrained = 4, "H_CONSTRAINED";
    /// Done in part.
    Partial = 5, "H_PARTIAL";
    /// Already in progress.
    InProgress = 14, "H_IN_PROGRESS";
    /// The page is registered.
    PageRegistered = 15, "H_PAGE_REGISTERED";
    /// Stored in part.
    PartialStore = 16, "H_PARTIAL_STORE";
    /// Pending.
    Pending = 17, "H_PENDING";
    /// Continue.
    Continue = 18, "H_CONTINUE";
    /// The hardware failed.
    Hardware = -1, "H_HARDWARE";
    /// There is no such function.
    Function = -2, "H_FUNCTION";
    /// The caller is not in the privileged state.
    Privilege = -3, "H_PRIVILEGE";
    /// A parameter is not valid.
    Parameter = -4, "H_PARAMETER";
    /// The caller's mode does not allow it.
    BadMode = -5, "H_BAD_MODE";
    /// The page table entry group has no free slot.
    PtegFull = -6, "H_PTEG_FULL";
    /// No such thing.
    NotFound = -7, "H_NOT_FOUND";
    /// The address is the hypervisor's.
    ReservedDabr = -8, "H_RESERVED_DABR";
    /// No memory.
    NoMem = -9, "H_NOMEM";
    /// The caller lacks the authority.
    Authority = -10, "H_AUTHORITY";
    /// The caller may not.
    Permission = -11, "H_PERMISSION";
    /// The packet was dropped.
    Dropped = -12, "H_DROPPED";
    /// The source is not valid.
    SourceParm = -13, "H_S_PARM";
    /// The destination is not valid.
    DestParm = -14, "H_D_PARM";
    /// A resource is missing or in use.
    Resource = -16, "H_RESOURCE";
    /// Not enough of a resource.
    NotEnoughResources = -44, "H_NOT_ENOUGH_RESOURCES";
    /// The authority was taken back.
    Rescinded = -46, "H_RESCINDED";
    /// The second parameter (r5) is not valid.
    P2 = -55, "H_P2";
    /// The third parameter (r6) is not valid.
    P3 = -56, "H_P3";
    /// The fourth parameter (r7) is not valid.
    P4 = -57, "H_P4";
    /// The fifth parameter (r8) is not valid.
    P5 = -58, "H_P5";
    /// Too big.
    TooBig = -64, "H_TOO_BIG";
    /// Not supported here.
    Unsupported = -67, "H_UNSUPPORTED";
    /// Ranges overlap.
    Overlap = -68, "H_OVERLAP";
    /// The object is in the wrong state.
    State = -75, "H_STATE";
    /// The object is in use.
    InUse = -77, "H_IN_USE";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_lopar() {
        assert_eq!(HError::Function.code(), -2);
        assert_eq!(HError::LongBusy(Order::S1).code(), 9903);
        assert_eq!(HError::UnsupportedFlag { bit: 62 }.code(), -318);
        assert_eq!(HError::P2.code(), -55);
    }
}
