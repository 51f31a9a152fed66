use super::*;
use crate::hcall::HCALLS;
use crate::machine::Failed;
use crate::rtas::CALLS;
use crate::testing::RAM_BYTES;
use crate::testing::bench::{BUIDS, Bench, LSI};
use fdt::Fdt;

const CPU: CpuFacts = CpuFacts::power8(0x004d_0200, 512_000_000, 4_000_000_000);

const FACTS: BootFacts<'_> = BootFacts {
    bootargs: "console=hvc0 quiet",
    kernel_end: 0x3_0001,
    initrd_bytes: 0x1_2345,
    rma_bytes: RAM_BYTES / 2,
    cpu: &CPU,
};

/// Reads a property; panics when node or property are missing.
fn property(tree: &[u8], path: &str, name: &str) -> Vec<u8> {
    find(tree, path, name).unwrap_or_else(|| panic!("{path} {name}"))
}

fn find(tree: &[u8], path: &str, name: &str) -> Option<Vec<u8>> {
    let fdt = Fdt::new_unaligned(tree).unwrap();
    let node = fdt.find_node(path).unwrap_or_else(|| panic!("no {path}"));
    node.raw_property(name).map(|found| found.value.to_vec())
}

fn cells(tree: &[u8], path: &str, name: &str) -> Vec<u32> {
    let bytes = property(tree, path, name);
    let (cells, rest) = bytes.as_chunks();
    assert!(rest.is_empty(), "{path} {name}");
    cells.iter().map(|cell| u32::from_be_bytes(*cell)).collect()
}

fn text(tree: &[u8], path: &str, name: &str) -> String {
    let bytes = property(tree, path, name);
    String::from_utf8(bytes.strip_suffix(b"\0").unwrap().to_vec()).unwrap()
}

fn texts(tree: &[u8], path: &str, name: &str) -> Vec<String> {
    text(tree, path, name)
        .split('\0')
        .map(String::from)
        .collect()
}

fn names(tree: &[u8], path: &str) -> Vec<String> {
    let fdt = Fdt::new_unaligned(tree).unwrap();
    let node = fdt.find_node(path).unwrap();
    let children = node.children();
    children
        .iter()
        .map(|child| child.name().to_string())
        .collect()
}

fn prepared(bench: &Bench) -> (Layout, Vec<u8>) {
    let layout = prepare(bench.lpar, &FACTS).unwrap();
    let mut tree = vec![0; layout.fdt_bytes as usize];
    bench.lpar.ram.read(layout.fdt, &mut tree).unwrap();
    (layout, tree)
}

fn be32(bytes: &[u8], at: usize) -> usize {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

#[test]
fn linux_finds_the_platform_its_command_line_and_its_ramdisk() {
    let (layout, tree) = prepared(&Bench::new());
    assert_eq!(text(&tree, "/", "device_type"), "chrp");
    assert_eq!(text(&tree, "/", "ibm,partition-name"), "test");
    assert_eq!(cells(&tree, "/", "ibm,partition-no"), [1]);
    assert_eq!(text(&tree, "/chosen", "bootargs"), FACTS.bootargs);
    let initrd = layout.initrd.unwrap();
    assert_eq!(
        cells(&tree, "/chosen", "linux,initrd-start"),
        [0, initrd.start as u32]
    );
    assert_eq!(
        cells(&tree, "/chosen", "linux,initrd-end"),
        [0, initrd.end as u32]
    );
    assert_eq!(initrd.end - initrd.start, FACTS.initrd_bytes);
    assert_eq!(cells(&tree, "/chosen", "linux,pci-probe-only"), [1]);
    assert_eq!(property(&tree, "/chosen", "rng-seed").len(), 32);
    let vector = property(&tree, "/chosen", "ibm,architecture-vec-5");
    assert_eq!((vector.len(), vector[0]), (27, 26));
    // XICS and hash: what a guest takes for the opposite if the property is too short.
    assert_eq!((vector[23], vector[24]), (0, 0));
}

#[test]
fn the_terminal_is_where_stdout_points_and_where_the_hcalls_serve_it() {
    let (_, tree) = prepared(&Bench::new());
    let path = text(&tree, "/chosen", "stdout-path");
    assert_eq!(text(&tree, "/chosen", "linux,stdout-path"), path);
    assert_eq!(text(&tree, &path, "compatible"), "hvterm1");
    assert_eq!(text(&tree, &path, "device_type"), "serial");
    assert_eq!(
        cells(&tree, &path, "reg"),
        [crate::hcall::term::VTERM as u32]
    );
    assert_eq!(text(&tree, "/vdevice", "compatible"), "IBM,vdevice");
}

#[test]
fn memory_is_the_real_mode_area_first_and_then_the_rest() {
    let (_, tree) = prepared(&Bench::new());
    let half = RAM_BYTES as u32 / 2;
    assert_eq!(cells(&tree, "/memory@0", "reg"), [0, 0, 0, half]);
    assert_eq!(cells(&tree, "/memory@80000", "reg"), [0, half, 0, half]);
    let nodes = names(&tree, "/");
    let memory: Vec<_> = nodes
        .iter()
        .filter(|name| name.starts_with("memory"))
        .collect();
    assert_eq!(memory, ["memory@0", "memory@80000"]);

    let bench = Bench::new();
    let facts = BootFacts {
        rma_bytes: RAM_BYTES,
        ..FACTS
    };
    let layout = prepare(bench.lpar, &facts).unwrap();
    let tree = build(bench.lpar, &facts, &layout).unwrap();
    assert_eq!(
        cells(&tree, "/memory@0", "reg"),
        [0, 0, 0, RAM_BYTES as u32]
    );
    assert!(!names(&tree, "/").contains(&"memory@80000".into()));
}

#[test]
fn every_processor_has_a_node_with_what_linux_needs() {
    let bench = Bench::new();
    let (_, tree) = prepared(&bench);
    assert_eq!(
        names(&tree, "/cpus"),
        ["PowerPC,POWER8@0", "PowerPC,POWER8@1"]
    );
    for server in 0..2 {
        let path = format!("/cpus/PowerPC,POWER8@{server}");
        let cells = |name| cells(&tree, &path, name);
        assert_eq!(text(&tree, &path, "device_type"), "cpu");
        assert_eq!(cells("reg"), [server]);
        assert_eq!(cells("ibm,ppc-interrupt-server#s"), [server]);
        assert_eq!(cells("ibm,ppc-interrupt-gserver#s"), [server, 0]);
        assert_eq!(cells("cpu-version"), [0x004d_0200]);
        assert_eq!(cells("timebase-frequency"), [512_000_000]);
        assert_eq!(cells("clock-frequency"), [4_000_000_000]);
        assert_eq!(cells("d-cache-line-size"), [128]);
        assert_eq!(cells("i-cache-block-size"), [128]);
        assert_eq!(cells("ibm,slb-size"), [32]);
        assert_eq!(cells("ibm,pft-size"), [0, bench.lpar.hpt.log2_bytes()]);
        assert_eq!(
            cells("ibm,processor-segment-sizes"),
            [28, 40, u32::MAX, u32::MAX]
        );
        assert_eq!(
            cells("ibm,segment-page-sizes"),
            [12, 0, 1, 12, 0, 16, 0x110, 1, 16, 1]
        );
        assert_eq!(property(&tree, &path, "64-bit"), []);
    }
}

#[test]
fn the_features_of_a_power8_are_told_without_what_is_not_offered() {
    let (_, tree) = prepared(&Bench::new());
    let features = property(&tree, "/cpus/PowerPC,POWER8@0", "ibm,pa-features");
    assert_eq!(
        features,
        [
            24, 0, 0xf2, 0x17, 0xc7, 0xc0, 0, 0xf0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0x80,
            0, 0x80, 0, 0, 0
        ]
    );
    // Attribute byte 22, bit 0: transactional memory.
    assert_eq!(features[2 + 22] & 0x80, 0);
}

#[test]
fn rtas_publishes_every_call_and_every_function_set() {
    let (layout, tree) = prepared(&Bench::new());
    for call in CALLS {
        let token = cells(&tree, "/rtas", call.row.name);
        assert_eq!(token, [0x2000 + call.row.index], "{}", call.row.name);
    }
    let sets = texts(&tree, "/rtas", "ibm,hypertas-functions");
    for entry in HCALLS.iter().filter(|e| !e.row.function_set.is_empty()) {
        let times = sets
            .iter()
            .filter(|set| *set == entry.row.function_set)
            .count();
        assert_eq!(times, 1, "{}", entry.row.name);
    }
    for set in [
        "hcall-pft",
        "hcall-interrupt",
        "hcall-term",
        "hcall-set-mode",
    ] {
        assert!(sets.iter().any(|s| s == set), "{set}");
    }
    assert!(!sets.iter().any(|set| set.is_empty() || set == "hcall-dabr"));
    let at = layout.rtas.0 as u32;
    assert_eq!(cells(&tree, "/rtas", "linux,rtas-base"), [at]);
    assert_eq!(cells(&tree, "/rtas", "linux,rtas-entry"), [at]);
    assert_eq!(cells(&tree, "/rtas", "rtas-size"), [4096]);
    assert_eq!(property(&tree, "/rtas", "ibm,extended-os-term"), []);
}

#[test]
fn rtas_brings_its_argument_block_to_the_hypervisor() {
    let bench = Bench::new();
    let (layout, _) = prepared(&bench);
    let code: Vec<u64> = (0..5)
        .map(|i| bench.read(layout.rtas.0 + 4 * i, 4))
        .collect();
    // mr r4,r3; lis r3,0; ori r3,r3,0xf000; sc 1; blr
    assert_eq!(
        code,
        [
            0x7c64_1b78,
            0x3c60_0000,
            0x6063_f000,
            0x4400_0022,
            0x4e80_0020
        ]
    );
}

#[test]
fn the_random_facility_is_there_only_when_the_machine_has_one() {
    let bench = Bench::new();
    let (_, tree) = prepared(&bench);
    let path = "/ibm,platform-facilities/ibm,random-v1@0";
    assert_eq!(text(&tree, path, "device_type"), "ibm,random-v1");
    let random = String::from("hcall-random");
    assert!(texts(&tree, "/rtas", "ibm,hypertas-functions").contains(&random));

    bench.clock.break_random();
    let (_, tree) = prepared(&bench);
    assert!(!names(&tree, "/").contains(&"ibm,platform-facilities".into()));
    assert!(!texts(&tree, "/rtas", "ibm,hypertas-functions").contains(&random));
    assert_eq!(find(&tree, "/chosen", "rng-seed"), None);
    assert_eq!(bench.lpar.machine.clock.random(), Err(Failed));
}

#[test]
fn interrupts_of_a_function_lead_to_the_presentation_controller() {
    let (_, tree) = prepared(&Bench::new());
    let xics = cells(&tree, "/interrupt-controller", "phandle");
    assert_eq!(
        text(&tree, "/interrupt-controller", "compatible"),
        "IBM,ppc-xicp"
    );
    assert_eq!(
        cells(&tree, "/interrupt-controller", "#interrupt-cells"),
        [2]
    );
    assert_eq!(
        cells(
            &tree,
            "/interrupt-controller",
            "ibm,interrupt-server-ranges"
        ),
        [0, 2]
    );
    let bridge = format!("/pci@{:x}", BUIDS[0].0);
    let map = cells(&tree, &bridge, "interrupt-map");
    assert_eq!(map, [0x1_0000, 0, 0, 1, xics[0], LSI.0, 1]);
    assert_eq!(
        cells(&tree, &bridge, "interrupt-map-mask"),
        [0x00ff_ff00, 0, 0, 7]
    );
    let device = format!("{bridge}/pci8086,10d3@0");
    assert_eq!(cells(&tree, &device, "interrupts"), [1]);
    let other = format!("/pci@{:x}", BUIDS[1].0);
    assert_eq!(find(&tree, &other, "interrupt-map"), None);
    assert_eq!(
        find(&tree, &format!("{other}/pci1b36,10@0"), "interrupts"),
        None
    );
}

#[test]
fn a_function_has_its_ids_its_registers_and_its_messages() {
    let (_, tree) = prepared(&Bench::new());
    let device = format!("/pci@{:x}/pci8086,10d3@0", BUIDS[0].0);
    let get = |name| cells(&tree, &device, name);
    assert_eq!(get("vendor-id"), [0x8086]);
    assert_eq!(get("device-id"), [0x10d3]);
    assert_eq!(get("class-code"), [0x02_0000]);
    assert_eq!(get("revision-id"), [0]);
    assert_eq!(get("subsystem-id"), [0xa01f]);
    assert_eq!(get("ibm,req#msi"), [1]);
    assert_eq!(get("ibm,req#msi-x"), [5]);
    assert_eq!(get("ibm,pci-config-space-type"), [1]);
    assert!(find(&tree, &device, "ibm,pe-reset-is-flr").is_some());
    assert_eq!(
        get("reg"),
        [
            0x1_0000,
            0,
            0,
            0,
            0, //
            0x0201_0010,
            0,
            0,
            0,
            0x2_0000, //
            0x0201_001c,
            0,
            0,
            0,
            0x4000
        ]
    );
    assert_eq!(
        get("assigned-addresses"),
        [
            0x8201_0010,
            0,
            0x8080_0000,
            0,
            0x2_0000, //
            0x8201_001c,
            0,
            0x8082_0000,
            0,
            0x4000
        ]
    );
    assert_eq!(text(&tree, &device, "ibm,loc-code"), "phb0/00.0/00.0");
    let disk = format!("/pci@{:x}/pci1b36,10@0", BUIDS[1].0);
    assert_eq!(
        cells(&tree, &disk, "assigned-addresses"),
        [0xc301_0010, 0x3_d010, 0, 0, 0x4000]
    );
    assert_eq!(cells(&tree, &disk, "ibm,req#msi"), [8]);
    assert_eq!(find(&tree, &disk, "ibm,req#msi-x"), None);
    assert_eq!(find(&tree, &disk, "ibm,pe-reset-is-flr"), None);
}

#[test]
fn a_host_bridge_has_one_window_for_registers_that_lie_alike() {
    let (_, tree) = prepared(&Bench::new());
    let bridge = format!("/pci@{:x}", BUIDS[0].0);
    assert_eq!(
        cells(&tree, &bridge, "reg"),
        [0x8000_0000, 0x2000_0001, 0, 0]
    );
    assert_eq!(
        cells(&tree, &bridge, "ranges"),
        [
            0x0200_0000,
            0,
            0x8080_0000,
            0x3_ff80,
            0x0080_0000,
            0,
            0x2_4000
        ]
    );
    assert_eq!(
        cells(&tree, &bridge, "ibm,dma-window"),
        [0x8000_0001, 0, 0, 0, 0x4000_0000]
    );
    assert_eq!(cells(&tree, &bridge, "ibm,#dma-address-cells"), [2]);
    assert_eq!(cells(&tree, &bridge, "ibm,pe-total-#msi"), [16]);
    let other = format!("/pci@{:x}", BUIDS[1].0);
    assert_eq!(
        cells(&tree, &other, "ranges"),
        [0x0300_0000, 0x3_d010, 0, 0x3_d010, 0, 0, 0x4000]
    );
    assert_eq!(cells(&tree, &other, "linux,pci-domain"), [1]);
}

#[test]
fn what_is_placed_is_reserved_within_reach_and_apart_from_everything_else() {
    let bench = Bench::new();
    let (layout, tree) = prepared(&bench);
    let mut ranges = [
        0..FACTS.kernel_end,
        layout.rtas.0..layout.rtas.0 + 4096,
        layout.fdt.0..layout.fdt.0 + tree.len() as u64,
        layout.initrd.clone().unwrap(),
    ];
    let reserve = be32(&tree, 16);
    for (i, range) in ranges[1..].iter().enumerate() {
        let entry = &tree[reserve + 16 * i..][..16];
        let bytes = range.end - range.start;
        let expected = [range.start.to_be_bytes(), bytes.to_be_bytes()].concat();
        assert_eq!(entry, expected, "{i}");
    }
    assert_eq!(tree[reserve + 48..][..16], [0; 16]);
    ranges.sort_by_key(|range| range.start);
    for pair in ranges.windows(2) {
        assert!(pair[0].end <= pair[1].start, "{pair:?}");
    }
    assert!(ranges[3].end <= FACTS.rma_bytes);
    assert_eq!(be32(&tree, 28), 0, "boot processor");
    assert_eq!(be32(&tree, 4), tree.len());
}

#[test]
fn nothing_is_placed_above_what_a_kernel_reaches_early() {
    let facts = BootFacts {
        rma_bytes: 4 << 30,
        ..FACTS
    };
    let layout = Layout::new(&facts, 8 << 30, 5000).unwrap();
    assert_eq!(layout.initrd.unwrap().start, REAL_MODE_LIMIT - 0x2_0000);
    let facts = BootFacts {
        initrd_bytes: 0,
        ..facts
    };
    let layout = Layout::new(&facts, 256 << 20, 5000).unwrap();
    assert_eq!(layout.initrd, None);
    assert_eq!(layout.fdt.0, (256 << 20) - 0x1_0000);
    assert_eq!(layout.rtas.0, (256 << 20) - 0x2_0000);
}

#[test]
fn too_small_a_memory_is_an_error_that_says_how_much_is_needed() {
    let bench = Bench::new();
    for (kernel_end, initrd_bytes) in [
        (RAM_BYTES / 2, 0),
        (0x6_0001, 0),
        (0x4_0000, 0x3_0000),
        (1, 0x6_0000),
        (u64::MAX, u64::MAX),
    ] {
        let facts = BootFacts {
            kernel_end,
            initrd_bytes,
            ..FACTS
        };
        let Err(TreeError::NoRoom(error)) = prepare(bench.lpar, &facts) else {
            panic!("{kernel_end:#x} {initrd_bytes:#x}");
        };
        assert!(error.needed > error.available, "{error}");
        assert_eq!(error.available, RAM_BYTES / 2);
    }
    let facts = BootFacts {
        kernel_end: 0x4_0000,
        initrd_bytes: 0x2_0000,
        ..FACTS
    };
    assert!(prepare(bench.lpar, &facts).is_ok());
}

#[test]
fn text_that_no_tree_can_hold_is_an_error() {
    let facts = BootFacts {
        bootargs: "a\0b",
        ..FACTS
    };
    let error = prepare(Bench::new().lpar, &facts).unwrap_err();
    assert_eq!(error, TreeError::ZeroByte("bootargs"));
}

#[test]
fn linux_finds_its_ethernet_adapters() {
    use crate::testing::{cells as words, leak};
    use crate::vio;
    let adapter = |number| -> &'static llan::Adapter {
        let settings = vio::settings(number, 0x0242_4800_0100 + u64::from(number));
        leak(llan::Adapter::new(settings, words(4)))
    };
    let bench = Bench::with(|config| config.ethernet = vec![adapter(0), adapter(1)]);
    let (_, tree) = prepared(&bench);
    assert_eq!(
        cells(&tree, "/vdevice", "ibm,max-virtual-dma-size"),
        [0x2_0000]
    );
    for (node, unit, irq, last) in [
        ("/vdevice/l-lan@30000010", 0x3000_0010, 0xff_f001, 0),
        ("/vdevice/l-lan@30000011", 0x3000_0011, 0xff_f002, 1),
    ] {
        assert_eq!(text(&tree, node, "device_type"), "network");
        assert_eq!(text(&tree, node, "compatible"), "IBM,l-lan");
        assert_eq!(cells(&tree, node, "reg"), [unit]);
        let window = cells(&tree, node, "ibm,my-dma-window");
        assert_eq!(window, [unit, 0, 0, 0, 64 << 20]);
        assert_eq!(cells(&tree, node, "interrupts"), [irq, 0]);
        let mac = property(&tree, node, "local-mac-address");
        assert_eq!(mac, [0x02, 0x42, 0x48, 0x00, 0x01, last]);
        assert_eq!(cells(&tree, node, "ibm,mac-address-filters"), [32]);
    }
    let (_, tree) = prepared(&Bench::new());
    assert_eq!(names(&tree, "/vdevice"), ["vty@30000000"]);
}

#[test]
fn linux_finds_the_interrupt_that_warns_it_and_the_sensor_behind_it() {
    let (_, tree) = prepared(&Bench::new());
    let node = "/event-sources";
    assert_eq!(text(&tree, node, "device_type"), "event-sources");
    assert_eq!(property(&tree, node, "interrupt-controller"), []);
    assert_eq!(cells(&tree, node, "#interrupt-cells"), [2]);
    assert_eq!(cells(&tree, node, "interrupt-ranges"), [0xff_f000, 1]);
    let events = "/event-sources/epow-events";
    assert_eq!(cells(&tree, events, "interrupts"), [0xff_f000, 0]);
    assert_eq!(names(&tree, node), ["epow-events"]);
    assert_eq!(cells(&tree, "/rtas", "rtas-sensors"), [9, 0]);
}
