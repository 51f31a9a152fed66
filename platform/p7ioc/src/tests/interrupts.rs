use super::*;
use ioda::{Irq, IrqBackend, IrqKind, MsiBlock, MsiError, MsiSource, Rid};
use ioda_model::{Delivery, Refusal as Fault};

impl Bench {
    /// A device with one message interrupt for thread 9.
    fn with_message(bdf: Bdf, pe: PeNumber) -> (Self, MsiBlock) {
        let mut bench = Self::started();
        bench.phb.assign_pe(RidSel::one(bdf), pe).expect("free");
        let block = bench.phb.msi_alloc(pe, 1).expect("there is");
        bench.port.set_target(block.first, 9, 0x20);
        (bench, block)
    }
}

fn a_message_reaches_its_thread_by_either_address() {
    let (bench, block) = Bench::with_message(LEFT_BDF, PE_LEFT);
    let want = Delivery {
        irq: block.first.0,
        server: 9,
        priority: 0x20,
    };
    for address in [block.address32.into(), block.address64] {
        bench
            .model
            .message(LEFT, address, block.data.into())
            .expect("it is its own");
        assert_eq!(bench.model.deliveries(), [want]);
        bench.port.eoi(block.first);
    }
    bench.good();
}

fn every_thread_can_be_reached_at_priorities_in_steps_of_eight() {
    let (bench, block) = Bench::with_message(LEFT_BDF, PE_LEFT);
    for (server, priority, presented) in [
        (0, 0, 0),
        (1, 8, 8),
        (2, 5, 0),
        (3, 0xfe, 0xf8),
        (0x3ff, 0x28, 0x28),
    ] {
        bench.port.set_target(block.first, server, priority);
        let sent = bench
            .model
            .message(LEFT, block.address64, block.data.into());
        assert_eq!(sent, Ok(()));
        let want = Delivery {
            irq: block.first.0,
            server,
            priority: presented,
        };
        assert_eq!(bench.model.deliveries(), [want]);
    }
    bench.port.set_target(block.first, 7, 0xff);
    let sent = bench
        .model
        .message(LEFT, block.address64, block.data.into());
    assert_eq!((sent, bench.model.deliveries()), (Ok(()), vec![]));
    bench.good();
}

fn a_message_counts_from_its_own_device_and_entry_alone() {
    let (mut bench, left) = Bench::with_message(LEFT_BDF, PE_LEFT);
    bench
        .phb
        .assign_pe(RidSel::one(RIGHT_BDF), PE_RIGHT)
        .expect("free");
    let right = bench.phb.msi_alloc(PE_RIGHT, 1).expect("there is");
    bench.port.set_target(right.first, 9, 0);
    for (address, data, fault) in [
        (left.address64, left.data, Fault::ForeignEntry),
        (left.address32.into(), left.data, Fault::ForeignEntry),
        (right.address64, left.data, Fault::ForeignMessage),
        (right.address64, 256, Fault::NoMessage),
        (right.address64 + (1 << 48), right.data, Fault::NoEntry),
        (0xffff_ffff_u64, right.data, Fault::NoEntry),
    ] {
        let sent = bench.model.message(RIGHT, address, data.into());
        assert_eq!(sent, Err(fault), "{address:#x}");
        assert_eq!(bench.phb.freeze_state(PE_RIGHT), ioda::Freeze::all());
        assert_eq!(bench.phb.freeze_state(PE_LEFT), ioda::Freeze::empty());
        bench
            .phb
            .thaw(PE_RIGHT, ioda::Freeze::all())
            .expect("it runs");
    }
    assert_eq!(bench.model.deliveries(), []);
    bench.good();
}

fn the_entry_follows_its_endpoint_to_other_requesters() {
    let (mut bench, block) = Bench::with_message(LEFT_BDF, PE_LEFT);
    let send = |bench: &Bench, rid: Rid| {
        bench
            .model
            .forged_message(rid, block.address64, block.data.into())
    };
    assert_eq!(send(&bench, LEFT_BDF), Ok(()));
    bench
        .phb
        .release_pe(RidSel::one(LEFT_BDF))
        .expect("it has it");
    assert_eq!(send(&bench, LEFT_BDF), Err(Fault::NoEntry));
    bench.phb.assign_pe(RidSel::bus(9), PE_LEFT).expect("free");
    assert_eq!(send(&bench, LEFT_BDF), Err(Fault::ForeignEntry));
    assert_eq!(send(&bench, Rid::new(9, 1, 1)), Ok(()));
    bench.good();
}

fn an_interrupt_that_was_given_back_is_nobodys() {
    let (mut bench, block) = Bench::with_message(LEFT_BDF, PE_LEFT);
    let second = bench.phb.msi_alloc(PE_LEFT, 1).expect("there is");
    bench.phb.msi_free(&block).expect("it was handed out");
    assert_eq!(bench.phb.msi_free(&block), Err(MsiError::Irq));
    let send = |data: u16| bench.model.message(LEFT, block.address64, data.into());
    assert_eq!(send(block.data), Err(Fault::ForeignMessage));
    bench
        .phb
        .thaw(PE_LEFT, ioda::Freeze::all())
        .expect("it runs");
    assert_eq!(send(second.data), Ok(()));
    bench.phb.msi_free(&second).expect("it was handed out");
    assert_eq!(send(second.data), Err(Fault::NoEntry));
    // To the next one it comes masked.
    let third = bench.phb.msi_alloc(PE_RIGHT, 1).expect("there is");
    assert_eq!(third.first, block.first);
    let _ = bench.model.deliveries();
    bench
        .phb
        .assign_pe(RidSel::one(RIGHT_BDF), PE_RIGHT)
        .expect("free");
    let sent = bench
        .model
        .message(RIGHT, third.address64, third.data.into());
    assert_eq!((sent, bench.model.deliveries()), (Ok(()), vec![]));
    bench.good();
}

fn there_are_256_and_quotas_share_them() {
    let mut bench = Bench::started();
    // What a function can ask for that has message interrupts alone.
    assert_eq!(bench.phb.msi_block_max(), 32);
    bench.phb.set_msi_quota(PE_LEFT, 40).expect("there");
    assert_eq!(bench.phb.msi_alloc(PE_LEFT, 3).err(), Some(MsiError::Count));
    assert_eq!(
        bench.phb.msi_alloc(PE_LEFT, 64).err(),
        Some(MsiError::Count)
    );
    let nobodys = PeNumber(127);
    assert_eq!(
        bench.phb.msi_alloc(nobodys, 1).err(),
        Some(MsiError::Pe(nobodys))
    );
    let block = bench.phb.msi_alloc(PE_LEFT, 32).expect("within the quota");
    assert_eq!(block.data, 0);
    assert_eq!(
        bench.phb.msi_alloc(PE_LEFT, 16).err(),
        Some(MsiError::NoVector)
    );
    let rest = core::iter::from_fn(|| bench.phb.msi_alloc(PE_RIGHT, 1).ok());
    let numbers: Vec<u32> = rest.map(|block| block.first.0).collect();
    assert_eq!(numbers.len(), 224);
    let irqs = bench.port.irqs();
    assert!(numbers.iter().all(|irq| irqs.contains(irq)));
    bench.good();
}

fn wires_have_numbers_and_routes_of_their_own() {
    let bench = Bench::started();
    let first = bench.phb.layout().lsi_irq;
    let kind = |irq| bench.port.kind(Irq(irq));
    assert_eq!(kind(first), Some(IrqKind::Lsi(0)));
    assert_eq!(kind(first + 3), Some(IrqKind::Lsi(3)));
    assert_eq!(kind(first + 4), Some(IrqKind::Bridge(4)));
    assert_eq!(kind(first + 7), Some(IrqKind::Bridge(7)));
    assert_eq!(kind(first + 8), None);
    assert_eq!(kind(first + 0x200), Some(IrqKind::Msi));
    assert_eq!(kind(first + 0x2ff), Some(IrqKind::Msi));
    assert_eq!(kind(first + 0x300), None);
    bench.model.pull_intx(1);
    assert_eq!(bench.model.deliveries(), [], "masked at the start");
    bench.port.set_target(Irq(first + 1), 6, 0x30);
    bench.port.set_target(Irq(first + 0x100), 6, 0x30);
    bench.model.pull_intx(1);
    bench.model.pull_intx(2);
    let want = Delivery {
        irq: first + 1,
        server: 6,
        priority: 0x30,
    };
    assert_eq!(bench.model.deliveries(), [want]);
    bench.port.reset(Irq(first + 1));
    bench.model.pull_intx(1);
    assert_eq!(bench.model.deliveries(), []);
    bench.good();
}

cases::cases!(
    a_message_reaches_its_thread_by_either_address,
    every_thread_can_be_reached_at_priorities_in_steps_of_eight,
    a_message_counts_from_its_own_device_and_entry_alone,
    the_entry_follows_its_endpoint_to_other_requesters,
    an_interrupt_that_was_given_back_is_nobodys,
    there_are_256_and_quotas_share_them,
    wires_have_numbers_and_routes_of_their_own,
);
