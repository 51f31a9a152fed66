//! Time and randomness for partitions.

use crate::probe;
use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use lock::Mutex;
use lpar::machine::{CivilTime, Clock, Failed};
use powernv::Rtc;
use ppc64::spr::timebase;
use spin::Once;

/// The machine's clock: civil time is read from its clock chip once, then kept by the time base, so
/// that no hcall waits for the chip.
#[derive(Debug)]
pub(crate) struct MachineClock {
    start: Once<Start>,
    random: Mutex<Option<ChaCha20Rng>>,
}

#[derive(Debug)]
struct Start {
    hz: u64,
    /// Time base and civil time (nanoseconds since 1970) when the chip was read.
    civil: Option<(u64, i64)>,
}

/// The machine's.
pub(crate) static CLOCK: MachineClock = MachineClock {
    start: Once::new(),
    random: Mutex::new(None),
};

impl MachineClock {
    /// Reads the clock chip and seeds the generator.
    pub(crate) fn start(&self) {
        let Some(info) = probe::info() else { return };
        let device = info.lpc.as_ref().and_then(|lpc| lpc.rtc);
        let now = probe::lpc_bus().zip(device).and_then(|(lpc, device)| {
            match Rtc::new(*lpc, &device).read() {
                Ok(time) => Some(time),
                Err(error) => {
                    log::warn!("clock: {error}");
                    None
                }
            }
        });
        let civil = now.and_then(|now| {
            let time = CivilTime {
                year: now.year,
                month: now.month,
                day: now.day,
                hour: now.hour,
                minute: now.minute,
                second: now.second,
                nanosecond: 0,
            };
            Some((timebase(), time.to_nanos()?))
        });
        match now {
            Some(now) => log::info!(
                "clock: {:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC",
                now.year,
                now.month,
                now.day,
                now.hour,
                now.minute,
                now.second
            ),
            None => log::warn!("the machine has no clock: partitions see none"),
        }
        *self.random.lock() = Some(ChaCha20Rng::from_seed(seed(
            civil.map_or(0, |(_, nanos)| nanos as u64),
        )));
        self.start.call_once(|| Start {
            hz: info.cpu.timebase_hz.into(),
            civil,
        });
    }
}

/// Gathers a seed: the time of day, and how long accesses to a slow bus take. POWER8's own source of
/// random numbers is in NX, which Bulkhead does not drive yet; on an emulator that counts
/// instructions as time this seed is the same at every boot of the same second.
fn seed(time: u64) -> [u8; 32] {
    let mut pool = [time, 0x9e37_79b9_7f4a_7c15, timebase(), 0];
    for round in 0..256u64 {
        if let Some(lpc) = probe::lpc_bus() {
            // Any port will do: what counts is when it answers.
            let _ = powernv::IsaIo::read8(lpc, 0x3fd);
        }
        let noise = timebase()
            .wrapping_mul(0xd6e8_feb8_6659_fd93)
            .rotate_left((round % 64) as u32);
        let [a, b, c, d] = pool;
        pool = [
            b ^ noise,
            c.wrapping_add(noise),
            d.rotate_left(23) ^ a,
            a.wrapping_add(b),
        ];
    }
    let mut bytes = [0; 32];
    for (to, word) in bytes.chunks_exact_mut(8).zip(pool) {
        to.copy_from_slice(&word.to_be_bytes());
    }
    bytes
}

impl Clock for MachineClock {
    fn timebase(&self) -> u64 {
        timebase()
    }
    fn timebase_hz(&self) -> u64 {
        self.start.get().map_or(512_000_000, |start| start.hz)
    }
    fn purr(&self) -> u64 {
        ppc64::mfspr!(PURR)
    }
    fn civil(&self) -> Result<CivilTime, Failed> {
        let start = self.start.get().ok_or(Failed)?;
        let (then, nanos) = start.civil.ok_or(Failed)?;
        let ticks = timebase().wrapping_sub(then);
        let passed = ::trace::in_units(ticks, start.hz, 1_000_000_000);
        let now = nanos
            .checked_add(i64::try_from(passed).map_err(|_| Failed)?)
            .ok_or(Failed)?;
        CivilTime::from_nanos(now).ok_or(Failed)
    }
    fn random(&self) -> Result<u64, Failed> {
        self.random.lock().as_mut().map(Rng::next_u64).ok_or(Failed)
    }
}
