//! Where sources are sent.

use super::*;

fn xive(bench: &Bench, irq: Irq) -> Vec<i32> {
    rtas(bench, "ibm,get-xive", &[irq.0], 3).0
}

#[test]
fn a_source_begins_masked_and_off_and_is_sent_where_it_is_set_once_on() {
    let bench = Bench::new();
    assert_eq!(xive(&bench, MSI), [OK, 0, 0xff]);
    // LoPAR: never enabled by int-on since boot, so set-xive only sets the saved priority.
    assert_eq!(status(&bench, "ibm,set-xive", &[MSI.0, 1, 5], 1), OK);
    assert_eq!(bench.sources.target(MSI), Some((PIRS[1], 0xff)));
    assert_eq!(xive(&bench, MSI), [OK, 1, 5]);
    assert_eq!(status(&bench, "ibm,int-on", &[MSI.0], 1), OK);
    assert_eq!(bench.sources.target(MSI), Some((PIRS[1], 5)));
    assert_eq!(status(&bench, "ibm,set-xive", &[MSI.0, 0, 6], 1), OK);
    assert_eq!(bench.sources.target(MSI), Some((PIRS[0], 6)));
}

#[test]
fn off_masks_and_keeps_the_priority_for_on() {
    let bench = Bench::new();
    status(&bench, "ibm,set-xive", &[LSI.0, 1, 5], 1);
    status(&bench, "ibm,int-on", &[LSI.0], 1);
    assert_eq!(status(&bench, "ibm,int-off", &[LSI.0], 1), OK);
    assert_eq!(bench.sources.target(LSI), Some((PIRS[1], 0xff)));
    // LoPAR: the saved value is what get-xive presents.
    assert_eq!(xive(&bench, LSI), [OK, 1, 5]);
    // What Linux does to mask: off, then the least favoured priority.
    assert_eq!(status(&bench, "ibm,set-xive", &[LSI.0, 1, 0xff], 1), OK);
    assert_eq!(xive(&bench, LSI), [OK, 1, 0xff]);
    status(&bench, "ibm,set-xive", &[LSI.0, 0, 5], 1);
    assert_eq!(status(&bench, "ibm,int-on", &[LSI.0], 1), OK);
    assert_eq!(bench.sources.target(LSI), Some((PIRS[0], 5)));
}

#[test]
fn sources_that_do_not_exist_are_refused() {
    let bench = Bench::new();
    for irq in [0, 2, 0x7ff, 0x1000, 0xff_ffff, u32::MAX] {
        assert_eq!(status(&bench, "ibm,set-xive", &[irq, 0, 5], 1), PARAMETER);
        assert_eq!(status(&bench, "ibm,get-xive", &[irq], 3), PARAMETER);
        assert_eq!(status(&bench, "ibm,int-on", &[irq], 1), PARAMETER);
        assert_eq!(status(&bench, "ibm,int-off", &[irq], 1), PARAMETER);
    }
}

#[test]
fn lopar_wants_silent_success_without_effect_for_sources_of_others() {
    // "RTAS Access to Hypervisor Virtualized Resources", R1-20 to R1-24.
    let bench = Bench::new();
    assert_eq!(status(&bench, "ibm,set-xive", &[FOREIGN.0, 0, 5], 1), OK);
    assert_eq!(status(&bench, "ibm,int-on", &[FOREIGN.0], 1), OK);
    assert_eq!(status(&bench, "ibm,int-off", &[FOREIGN.0], 1), OK);
    assert_eq!(xive(&bench, FOREIGN), [OK, -1, 0xff]);
    assert_eq!(bench.sources.target(FOREIGN), None);
}

#[test]
fn servers_and_priorities_out_of_range_are_refused_and_change_nothing() {
    let bench = Bench::new();
    for (server, priority) in [
        (2, 5),
        (PIRS[1], 5),
        (u32::MAX, 5),
        (0, 0x100),
        (0, u32::MAX),
    ] {
        let inputs = [MSI.0, server, priority];
        assert_eq!(status(&bench, "ibm,set-xive", &inputs, 1), PARAMETER);
    }
    assert_eq!(xive(&bench, MSI), [OK, 0, 0xff]);
    assert_eq!(bench.sources.target(MSI), None);
}

#[test]
fn what_the_machine_did_not_do_is_not_remembered() {
    let bench = Bench::new();
    bench.sources.break_it();
    assert_eq!(status(&bench, "ibm,set-xive", &[MSI.0, 1, 5], 1), HARDWARE);
    assert_eq!(status(&bench, "ibm,int-on", &[MSI.0], 1), HARDWARE);
    assert_eq!(xive(&bench, MSI), [OK, 0, 0xff]);
}
