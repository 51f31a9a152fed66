//! What a partition has of the machine's processors, and has used of them. Source: LoPAR 2.9, "Shared Processor LPAR
//! Option". A processor is a thread of the machine.

use super::{Args, Caller, Class, Hcall, Row, row};
use crate::{HResult, Processors, Refusal};
use papr_abi::token;

/// Entitlement of a processor that is dedicated.
const WHOLE: u64 = 100;
/// R6: the pool of dedicated processors, which have none. The only pool there is has number 0.
const NO_POOL: u64 = 0xffff;
/// R6: where the group is.
const GROUP_SHIFT: u32 = 16;
/// R7, byte 1, bit 7: never more than the entitlement.
const CAPPED: u64 = 1 << 48;
/// R7, byte 2: where the weight is.
const WEIGHT_SHIFT: u32 = 40;
/// R7, bytes 4:5: where the processors of the pool are.
const POOL_SHIFT: u32 = 16;

/// `H_GET_PPP`: tells what the partition has of the machine's processors, and what there is.
///
/// Source: LoPAR 2.9, "H_GET_PPP", level 0 of "ibm,partition-performance-parameters-level". No arguments, no errors.
///
/// Outputs:
/// - r4: what it is entitled to, hundredths of a processor; 100 for each dedicated one.
/// - r5: hundredths of the pool that nobody is entitled to; 0 for dedicated processors.
/// - r6: bytes 4:5: its group, of which it is the only one, so the low half of its id; bytes 6:7: its pool, 0, or
///   0xffff for dedicated processors.
/// - r7: byte 1: 1 if it is capped, as dedicated processors are; byte 2: its weight, 0 if it is capped; byte 3: 0, as
///   weights are parts of no whole; bytes 4:5: processors of the pool, 0 for dedicated ones; bytes 6:7: processors of
///   the machine.
#[doc(alias = "H_GET_PPP")]
#[derive(Debug)]
pub struct GetPpp;

impl Hcall for GetPpp {
    const ROW: Row = Row::new(token::H_GET_PPP, "H_GET_PPP", Class::Normal, "hcall-splpar");

    fn decode(_: &Args) -> Result<Self, Refusal> {
        Ok(Self)
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        let lpar = caller.lpar;
        let capacity = lpar.machine.threads.capacity();
        let (entitlement, unallocated, pool, here) = match lpar.processors {
            Processors::Dedicated => {
                let processors = lpar.vcpus.len() as u64;
                (processors.saturating_mul(WHOLE), 0, NO_POOL, CAPPED)
            }
            Processors::Shared(share) => {
                let capped = if share.weight == 0 { CAPPED } else { 0 };
                let weight = u64::from(share.weight) << WEIGHT_SHIFT;
                let threads = u64::from(capacity.pool) << POOL_SHIFT;
                let unallocated = capacity.unallocated.into();
                let here = capped | weight | threads;
                (share.entitlement.into(), unallocated, 0, here)
            }
        };
        caller.out::<0>(entitlement);
        caller.out::<1>(unallocated);
        caller.out::<2>(u64::from(lpar.lpid & 0xffff) << GROUP_SHIFT | pool);
        caller.out::<3>(here | u64::from(capacity.machine));
        Ok(())
    }
}

/// `H_PURR`: reads the calling processor's PURR, as it can itself.
///
/// Source: LoPAR 2.9, "H_PURR". No arguments, no errors.
///
/// Outputs: r4: how long it has had a thread, ticks of the time base; r5 to r12 are unchanged.
#[doc(alias = "H_PURR")]
#[derive(Debug)]
pub struct Purr;

impl Hcall for Purr {
    const ROW: Row = row(token::H_PURR, "H_PURR");

    fn decode(_: &Args) -> Result<Self, Refusal> {
        Ok(Self)
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        let purr = caller.lpar.machine.clock.purr();
        caller.out::<0>(purr);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PoolShare;
    use crate::testing::bench::{Bench, PURR, call};

    const BEFORE: [u64; 9] = [9, 8, 7, 6, 5, 4, 3, 2, 1];

    /// What a partition of id `lpid` with `processors` is told.
    fn told(lpid: u32, processors: Processors) -> [u64; 4] {
        let bench = Bench::with(|config| {
            config.lpid = lpid;
            config.processors = processors;
        });
        let (code, out, _) = call(&bench, token::H_GET_PPP, &BEFORE);
        assert_eq!(code, 0);
        assert_eq!(out[4..], BEFORE[4..]);
        [out[0], out[1], out[2], out[3]]
    }

    // The machine of the bench has 6 threads, 3 of them in the pool, where 170 hundredths are left.

    #[test]
    fn dedicated_processors_are_whole_capped_and_in_no_pool() {
        let told = told(0x1_0002, Processors::Dedicated);
        assert_eq!(told, [200, 0, 0x0002_ffff, 0x0001_0000_0000_0006]);
    }

    #[test]
    fn shared_processors_have_entitlement_and_weight_or_are_capped() {
        let share = |entitlement, weight| {
            Processors::Shared(PoolShare {
                entitlement,
                weight,
            })
        };
        let uncapped = told(3, share(130, 255));
        assert_eq!(uncapped, [130, 170, 0x0003_0000, 0x0000_ff00_0003_0006]);
        let capped = told(1, share(10, 0));
        assert_eq!(capped, [10, 170, 0x0001_0000, 0x0001_0000_0003_0006]);
    }

    #[test]
    fn purr_is_the_caller_s_and_changes_r4_alone() {
        let (code, out, _) = call(&Bench::new(), token::H_PURR, &BEFORE);
        assert_eq!((code, out[0]), (0, PURR));
        assert_eq!(out[1..], BEFORE[1..]);
    }
}
