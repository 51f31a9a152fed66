//! Work for the secondary processors: start them, give them orders, stop them.
#![expect(unsafe_code, reason = "work is handed over by address")]

use crate::cpu::{self, MAX_CPUS, MSR_EE, TICKS_PER_MS};
use crate::hcall::hcall;
use crate::rtas;
use crate::suite::{Fail, Outcome, status};
use crate::trap;
use crate::tree::Platform;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use papr_abi::{token, vpa};

/// What a secondary processor may be told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Order {
    /// Wait for the next order.
    Wait = 0,
    /// stop-self.
    Stop = 1,
    /// Open MSR[EE] until an interrupt came, take it by H_XIRR, clear the MFRR, end it.
    TakeInterrupt = 2,
    /// H_CEDE once, the decrementer far away.
    Cede = 3,
    /// H_REGISTER_VPA for itself; the order's argument is the area, 0 to deregister.
    RegisterVpa = 5,
    /// H_CEDE until the decrementer ends it, then a second without an hcall, MSR\[EE\] off.
    CedeThenSpin = 6,
    /// H_CEDE for ever, each time woken by an IPI that is then taken and ended.
    CedeForEver = 4,
    /// As many calls with random arguments as the order's argument says.
    Attack = 7,
    /// What [`together`] was given; the order's argument is its address.
    Together = 8,
}

/// In the second result while [`Order::CedeThenSpin`] spins.
pub(crate) const SPINS: u64 = 0x5350_494e;

/// What a processor and its master tell each other.
struct Mailbox {
    order: AtomicU64,
    /// Orders done.
    done: AtomicU64,
    result: [AtomicU64; 4],
    argument: AtomicU64,
    server: AtomicU64,
    stop_self: AtomicU64,
}
static MAILBOXES: [Mailbox; MAX_CPUS] = [const {
    Mailbox {
        order: AtomicU64::new(0),
        done: AtomicU64::new(0),
        result: [const { AtomicU64::new(0) }; 4],
        argument: AtomicU64::new(0),
        server: AtomicU64::new(0),
        stop_self: AtomicU64::new(0),
    }
}; MAX_CPUS];

/// The state of processor `cpu` as query-cpu-stopped-state tells it: 0 stopped, 1 stopping, 2 running.
pub(crate) fn state(platform: &Platform, cpu: usize) -> Option<u32> {
    let reply = rtas::named(
        platform,
        "query-cpu-stopped-state",
        &[*platform.servers.get(cpu)?],
        2,
    )?;
    (reply.status == 0).then_some(reply.out[0])
}

/// Starts processor `cpu` and waits until it is at work.
pub(crate) fn start(platform: &Platform, cpu: usize) -> Outcome {
    if cpu >= platform.cpus {
        return Err(Fail::Skip("one processor only"));
    }
    let mailbox = &MAILBOXES[cpu % MAX_CPUS];
    mailbox
        .server
        .store(u64::from(platform.servers[cpu]), SeqCst);
    mailbox.stop_self.store(
        u64::from(platform.rtas_token("stop-self").unwrap_or(0)),
        SeqCst,
    );
    let before = mailbox.done.load(SeqCst);
    mailbox.order.store(Order::Wait as u64, SeqCst);
    let (entry, r3) = cpu::secondary_start(cpu);
    let reply = rtas::named(
        platform,
        "start-cpu",
        &[platform.servers[cpu], entry as u32, r3 as u32],
        1,
    );
    status("start-cpu", reply.map_or(-3, |reply| reply.status), 0)?;
    wait(cpu, before, "the processor started")
}

/// Stops processor `cpu` and waits until it is.
pub(crate) fn stop(platform: &Platform, cpu: usize) -> Outcome {
    give(cpu, Order::Stop);
    let start = cpu::timebase();
    while cpu::timebase() - start < cpu::PATIENCE {
        if state(platform, cpu) == Some(0) {
            return Ok(());
        }
    }
    Err(Fail::Because("the processor stops in time"))
}

/// Gives `cpu` an order; the number to give to [`wait`].
pub(crate) fn give(cpu: usize, order: Order) -> u64 {
    let mailbox = &MAILBOXES[cpu % MAX_CPUS];
    let before = mailbox.done.load(SeqCst);
    mailbox.order.store(order as u64, SeqCst);
    before
}

/// The same with an argument.
pub(crate) fn give_with(cpu: usize, order: Order, argument: u64) -> u64 {
    MAILBOXES[cpu % MAX_CPUS].argument.store(argument, SeqCst);
    give(cpu, order)
}

/// Has the first `cpus` processors do `work` at once, the others being started; returns when all have done it. It is given
/// the processor's number.
pub(crate) fn together(cpus: usize, work: &(dyn Fn(usize) + Sync)) {
    let address = (&raw const work).expose_provenance() as u64;
    let mut before = [0; MAX_CPUS];
    for (number, before) in before.iter_mut().enumerate().take(cpus).skip(1) {
        *before = give_with(number, Order::Together, address);
    }
    work(0);
    for (number, before) in before.iter().enumerate().take(cpus).skip(1) {
        // It still has the work's address.
        assert!(
            wait(number, *before, "the work is done").is_ok(),
            "processor {number} does not come back"
        );
    }
}

/// What a processor does that is started: the address of what [`living`] was given, 0 to wait for orders.
static LIFE: AtomicUsize = AtomicUsize::new(0);

/// Does `act`, and has each processor that is started meanwhile do `life`, which is given its number and stops it. All that
/// were started must have stopped when `act` is done.
pub(crate) fn living<T>(life: &(dyn Fn(usize) + Sync), act: impl FnOnce() -> T) -> T {
    LIFE.store((&raw const life).expose_provenance(), SeqCst);
    let done = act();
    LIFE.store(0, SeqCst);
    done
}

/// Does what is at `address`, with the number of the processor that does it.
///
/// # Safety
/// 1. `address` is that of a reference to the work, and both live until this is done.
unsafe fn work_at(address: usize) {
    let work = core::ptr::with_exposed_provenance::<&(dyn Fn(usize) + Sync)>(address);
    // SAFETY: duty 1.
    let work = unsafe { *work };
    work(cpu::this_cpu());
}

/// Has `cpu` register `area` as its VPA, or deregister it with 0.
pub(crate) fn register_vpa(cpu: usize, area: u64) -> Outcome {
    let before = give_with(cpu, Order::RegisterVpa, area);
    wait(cpu, before, "H_REGISTER_VPA returns in time")?;
    status("H_REGISTER_VPA", result(cpu)[0].cast_signed(), 0)
}

/// Waits until `cpu` has done one more than `before` orders.
pub(crate) fn wait(cpu: usize, before: u64, what: &'static str) -> Outcome {
    let start = cpu::timebase();
    while cpu::timebase() - start < cpu::PATIENCE {
        if MAILBOXES[cpu % MAX_CPUS].done.load(SeqCst) != before {
            return Ok(());
        }
    }
    Err(Fail::Because(what))
}

/// Whether `cpu` has done more than `before` orders.
pub(crate) fn is_done(cpu: usize, before: u64) -> bool {
    MAILBOXES[cpu % MAX_CPUS].done.load(SeqCst) != before
}

/// What the last order left: for both interrupt orders the vector, XIRR and timebase.
pub(crate) fn result(cpu: usize) -> [u64; 4] {
    core::array::from_fn(|n| MAILBOXES[cpu % MAX_CPUS].result[n].load(SeqCst))
}

/// Called by `guest_secondary_entry`.
pub(crate) extern "C" fn secondary_main() -> ! {
    let mailbox = &MAILBOXES[cpu::this_cpu() % MAX_CPUS];
    let msr = cpu::msr();
    cpu::set_dec(cpu::DEC_FAR);
    let life = LIFE.load(SeqCst);
    if life != 0 {
        // SAFETY: `living` keeps what is there until this processor has stopped.
        unsafe { work_at(life) };
    }
    let _ = hcall(token::H_CPPR, [0xff]);
    mailbox.result[0].store(msr, SeqCst);
    mailbox.done.fetch_add(1, SeqCst);
    loop {
        let order = mailbox.order.swap(Order::Wait as u64, SeqCst);
        if order == Order::Stop as u64 {
            let _ = hcall(token::H_CPPR, [0]);
            let stop = mailbox.stop_self.load(SeqCst) as u32;
            let _ = rtas::call(stop, &[], 1);
        } else if order == Order::TakeInterrupt as u64 {
            take(mailbox, || {
                let start = cpu::timebase();
                cpu::set_ee(MSR_EE);
                while cpu::msr() & MSR_EE != 0 && cpu::timebase() - start < cpu::PATIENCE {}
            });
        } else if order == Order::Cede as u64 {
            take(mailbox, || {
                let _ = hcall(token::H_CEDE, []);
            });
        } else if order == Order::CedeThenSpin as u64 {
            let (_, trap) = trap::expecting(|| {
                cpu::set_dec(30 * TICKS_PER_MS);
                let _ = hcall(token::H_CEDE, []);
                cpu::set_ee(0);
                mailbox.result[1].store(SPINS, SeqCst);
                let _ = cpu::until(|| trap::so_far().1 == 0x100);
                mailbox.result[1].store(0, SeqCst);
            });
            mailbox.result[0].store(trap.vector, SeqCst);
            mailbox.done.fetch_add(1, SeqCst);
        } else if order == Order::RegisterVpa as u64 {
            let (area, server) = (mailbox.argument.load(SeqCst), mailbox.server.load(SeqCst));
            let function = if area == 0 {
                vpa::function::DEREGISTER_VPA
            } else {
                vpa::function::REGISTER_VPA
            };
            let answer = hcall(token::H_REGISTER_VPA, [function << 45, server, area]);
            mailbox.result[0].store(answer.status.cast_unsigned(), SeqCst);
            mailbox.done.fetch_add(1, SeqCst);
        } else if order == Order::Attack as u64 {
            let calls = mailbox.argument.load(SeqCst);
            crate::attack::storm(cpu::this_cpu(), calls, None);
            mailbox.done.fetch_add(1, SeqCst);
        } else if order == Order::Together as u64 {
            // SAFETY: `together` waits until this is done, and keeps what is there until then.
            unsafe { work_at(mailbox.argument.load(SeqCst) as usize) };
            mailbox.done.fetch_add(1, SeqCst);
        } else if order == Order::CedeForEver as u64 {
            loop {
                take(mailbox, || {
                    let _ = hcall(token::H_CEDE, []);
                });
            }
        }
    }
}

/// Lets `until` bring an interrupt, and handles it if it was one from outside.
fn take(mailbox: &Mailbox, until: impl FnOnce()) {
    let (_, trap) = trap::expecting(|| {
        until();
        mailbox.result[2].store(cpu::timebase(), SeqCst);
        cpu::set_ee(MSR_EE);
        cpu::set_ee(0);
        cpu::set_dec(cpu::DEC_FAR);
    });
    let mut xirr = 0;
    if trap.vector == 0x500 {
        xirr = hcall(token::H_XIRR, []).out[0];
        let _ = hcall(token::H_IPI, [mailbox.server.load(SeqCst), 0xff]);
        let _ = hcall(token::H_EOI, [xirr]);
    }
    mailbox.result[0].store(trap.vector, SeqCst);
    mailbox.result[1].store(xirr, SeqCst);
    mailbox.done.fetch_add(1, SeqCst);
}
