use super::*;
use ioda::{Irq, IrqBackend, IrqKind, MsiBlock, MsiError, MsiSource};
use ioda_model::{Delivery, Refusal};

const PE: PeNumber = PeNumber(9);
const CPU: u32 = 0x48;

fn allocated(bench: &mut Bench) -> MsiBlock {
    bench.own(LEFT_BDF, PE, 0x20_0000);
    bench.own(RIGHT_BDF, PeNumber(10), 0x20_1000);
    bench.phb.msi_alloc(PE, 1).expect("there are many")
}

fn sent(bench: &Bench, block: &MsiBlock) -> Result<(), Refusal> {
    bench
        .model
        .message(LEFT, block.address64, block.data.into())
}

fn delivery(block: &MsiBlock) -> Delivery {
    Delivery {
        irq: block.first.0,
        server: CPU,
        priority: 5,
    }
}

fn a_message_reaches_the_thread_it_was_sent_to() {
    for kind in [Kind::Chip, Kind::Emulator] {
        let mut bench = Bench::started(kind);
        let block = allocated(&mut bench);
        bench.port.set_target(block.first, CPU, 5);
        assert_eq!(sent(&bench, &block), Ok(()));
        assert_eq!(
            bench
                .model
                .message(LEFT, block.address32.into(), block.data.into()),
            Ok(()),
            "the 32-bit one too"
        );
        assert_eq!(
            bench.model.deliveries(),
            [delivery(&block)],
            "one in service"
        );
        bench.port.eoi(block.first);
        assert_eq!(
            bench.model.deliveries(),
            [delivery(&block)],
            "the second after the first has ended"
        );
        bench.port.eoi(block.first);
        assert_eq!(bench.model.deliveries(), []);
        bench.good();
    }
}

fn interrupts_can_be_numbered_otherwise() {
    const BASE: u32 = 0x4_2800;
    let numbering = Numbering {
        base: BASE,
        lsi_id: 0x80,
    };
    let mut bench = Bench::numbered(Kind::Chip, numbering);
    bench.model.number_interrupts(BASE);
    bench.run();
    bench.place();
    bench.own(LEFT_BDF, PE, 0x20_0000);
    let block = bench.phb.msi_block(0x604, 4);
    assert_eq!(
        (block.first, block.data, block.address32),
        (Irq(BASE + 0x604), 4, 0xffff_6000)
    );
    bench.port.set_msi_pe(0x606, PE);
    bench.port.set_target(Irq(BASE + 0x606), CPU, 5);
    bench.port.set_lsi_target(2, CPU, 6);
    assert_eq!(bench.model.message(LEFT, block.address32.into(), 6), Ok(()));
    bench.model.pull_intx(2);
    let delivered = bench.model.deliveries();
    let numbers: Vec<_> = delivered.iter().map(|it| (it.irq, it.priority)).collect();
    assert_eq!(numbers, [(BASE + 0x606, 5), (BASE + 0x402, 6)]);
    bench.good();
}

fn a_message_of_another_endpoint_is_refused() {
    let mut bench = Bench::started(Kind::Chip);
    let block = allocated(&mut bench);
    bench.port.set_target(block.first, CPU, 5);
    assert_eq!(
        bench
            .model
            .message(RIGHT, block.address64, block.data.into()),
        Err(Refusal::ForeignMessage)
    );
    assert_eq!(
        bench.phb.freeze_state(PeNumber(10)),
        ioda::Freeze::all(),
        "the sender pays"
    );
    assert!(bench.phb.freeze_state(PE).is_empty());
    let stray = Bdf::new(0xfe, 0x1f, 7);
    assert_eq!(
        bench
            .model
            .forged_message(stray, block.address64, block.data.into()),
        Err(Refusal::ForeignMessage)
    );
    assert_eq!(bench.model.deliveries(), []);
}

fn an_edge_in_service_or_masked_is_not_lost() {
    let mut bench = Bench::started(Kind::Chip);
    let block = allocated(&mut bench);
    sent(&bench, &block).expect("masked, and kept");
    assert_eq!(bench.model.deliveries(), []);
    bench.port.set_target(block.first, CPU, 5);
    assert_eq!(bench.model.deliveries(), [delivery(&block)]);
    bench.port.set_target(block.first, CPU, 0xff);
    sent(&bench, &block).expect("masked in service");
    bench.port.eoi(block.first);
    assert_eq!(bench.model.deliveries(), []);
    bench.port.set_target(block.first, CPU, 5);
    assert_eq!(bench.model.deliveries(), [delivery(&block)]);
    bench.good();
}

fn an_edge_between_the_two_halves_of_the_end_is_not_lost() {
    let mut bench = Bench::started(Kind::Chip);
    let block = allocated(&mut bench);
    bench.port.set_target(block.first, CPU, 5);
    sent(&bench, &block).expect("good");
    assert_eq!(bench.model.deliveries().len(), 1);
    // P is clear in memory already; the bridge reads that, takes a new edge, and only then hears of the end.
    bench.model.ambush(
        (block.first.0 - 0x800) as u16,
        LEFT_BDF,
        block.address64,
        block.data.into(),
    );
    bench.port.eoi(block.first);
    assert_eq!(bench.model.deliveries(), [delivery(&block)]);
    sent(&bench, &block).expect("good");
    assert_eq!(
        bench.model.deliveries(),
        [],
        "the new one is in service still"
    );
    bench.port.eoi(block.first);
    assert_eq!(bench.model.deliveries(), [delivery(&block)]);
    bench.good();
}

fn many_rounds_lose_and_make_up_nothing_whatever_the_cache_drops() {
    let mut bench = Bench::started(Kind::Chip);
    let block = allocated(&mut bench);
    bench.port.set_target(block.first, CPU, 5);
    for round in 0..100u32 {
        sent(&bench, &block).expect("good");
        assert_eq!(bench.model.deliveries().len(), 1, "round {round}");
        if round % 3 == 0 {
            bench.model.evict((block.first.0 - 0x800) as u16);
        }
        bench.port.eoi(block.first);
        assert_eq!(bench.model.deliveries().len(), 0, "round {round}");
    }
    bench.good();
}

fn a_reset_source_forgets_what_was_pending() {
    let mut bench = Bench::started(Kind::Chip);
    let block = allocated(&mut bench);
    bench.port.set_target(block.first, CPU, 5);
    sent(&bench, &block).expect("good");
    sent(&bench, &block).expect("good");
    assert_eq!(bench.model.deliveries().len(), 1);
    bench.port.reset(block.first);
    sent(&bench, &block).expect("masked");
    assert_eq!(bench.model.deliveries(), []);
    bench.port.reset(block.first);
    bench.port.set_target(block.first, CPU, 5);
    assert_eq!(bench.model.deliveries(), []);
    sent(&bench, &block).expect("good");
    assert_eq!(
        bench.model.deliveries().len(),
        1,
        "nothing seems in service"
    );
    bench.good();
}

fn a_block_of_messages_shares_one_address() {
    let mut bench = Bench::started(Kind::Chip);
    allocated(&mut bench);
    let block = bench.phb.msi_alloc(PE, 8).expect("there are many");
    for message in 0..8 {
        let irq = Irq(block.first.0 + message);
        bench.port.set_target(irq, CPU, 5);
        bench
            .model
            .message(LEFT, block.address64, u32::from(block.data) + message)
            .expect("its own");
        assert_eq!(
            bench.model.deliveries(),
            [Delivery {
                irq: irq.0,
                server: CPU,
                priority: 5
            }]
        );
    }
    bench.good();
}

fn what_was_given_back_is_refused_to_everyone() {
    let mut bench = Bench::started(Kind::Chip);
    let block = allocated(&mut bench);
    bench.port.set_target(block.first, CPU, 5);
    sent(&bench, &block).expect("good");
    bench.phb.msi_free(&block).expect("it was given out");
    assert_eq!(bench.phb.msi_free(&block), Err(MsiError::Irq));
    assert_eq!(bench.model.deliveries().len(), 1);
    assert_eq!(sent(&bench, &block), Err(Refusal::ForeignMessage));
    let again = bench.phb.msi_alloc(PeNumber(10), 1).expect("it is free");
    assert_eq!(again, block);
    bench.port.set_target(block.first, CPU, 5);
    assert_eq!(
        bench
            .model
            .message(RIGHT, block.address64, block.data.into()),
        Ok(())
    );
    assert_eq!(
        bench.model.deliveries().len(),
        1,
        "nothing of the former owner is left"
    );
    bench.good();
}

fn allocation_refuses_what_it_cannot_give() {
    let mut bench = Bench::started(Kind::Emulator);
    assert_eq!(bench.phb.msi_alloc(PE, 3), Err(MsiError::Count));
    assert_eq!(bench.phb.msi_alloc(PE, 0), Err(MsiError::Count));
    assert_eq!(bench.phb.msi_alloc(PE, 64), Err(MsiError::Count));
    assert_eq!(
        bench.phb.msi_alloc(PeNumber(256), 1),
        Err(MsiError::Pe(PeNumber(256)))
    );
    let given = core::iter::from_fn(|| bench.phb.msi_alloc(PE, 32).ok()).count();
    assert_eq!(given, 63, "the last block is not whole");
    assert_eq!(bench.phb.msi_alloc(PE, 32), Err(MsiError::NoVector));
}

fn wires_are_routed_too() {
    let bench = Bench::started(Kind::Chip);
    let inta = Irq(0x800 + 0x7f8);
    assert_eq!(bench.port.irqs(), 0x800..0x1000);
    assert_eq!(bench.port.kind(inta), Some(IrqKind::Lsi(0)));
    assert_eq!(bench.port.kind(Irq(0xfff)), Some(IrqKind::Bridge(7)));
    assert_eq!(bench.port.kind(Irq(0x800)), Some(IrqKind::Msi));
    assert_eq!(bench.port.kind(Irq(0x1000)), None);
    bench.model.pull_intx(0);
    assert_eq!(bench.model.deliveries(), [], "masked from the start");
    bench.port.set_target(inta, CPU, 3);
    bench.model.pull_intx(0);
    assert_eq!(
        bench.model.deliveries(),
        [Delivery {
            irq: inta.0,
            server: CPU,
            priority: 3
        }]
    );
    bench.port.eoi(inta);
    bench.port.set_target(Irq(0x1000), CPU, 3);
    bench.port.eoi(Irq(0));
    bench.good();
}

cases::cases!(
    a_message_reaches_the_thread_it_was_sent_to,
    interrupts_can_be_numbered_otherwise,
    a_message_of_another_endpoint_is_refused,
    an_edge_in_service_or_masked_is_not_lost,
    an_edge_between_the_two_halves_of_the_end_is_not_lost,
    many_rounds_lose_and_make_up_nothing_whatever_the_cache_drops,
    a_reset_source_forgets_what_was_pending,
    a_block_of_messages_shares_one_address,
    what_was_given_back_is_refused_to_everyone,
    allocation_refuses_what_it_cannot_give,
    wires_are_routed_too,
);
