use super::*;
use ioda::{Bdf, DmaModel, M32Caps, M64Window, PeNumber, RidRule};
use pci::{Place, Window};
use proptest::prelude::*;

const PHB: Record<'static> = Record::Phb {
    phb: 3,
    generation: Generation::Ioda1,
    pes: 128,
    reserved: PeNumber(127),
    rids: RidRule::OneSelection { max_bus_shift: 5 },
    dma: DmaModel::SharedSlots {
        count: 12,
        slot_shift: 28,
    },
    msis: 256,
    first_msi: 0xc00,
    m32: M32Caps {
        real: 0x3d_c000_0000,
        pci: 0xc000_0000,
        segment_shift: 23,
        segments: 128,
    },
};

fn examples() -> Vec<Record<'static>> {
    let path = "phb3/00.0/1f.7".parse().expect("a path");
    let bdf = Bdf::new(0x1f, 3, 7);
    let pe = PeNumber(17);
    let function = |owner, role| Record::Function {
        path,
        bdf,
        id: (0x1014, 0x03b9),
        class: 0x01_0802,
        pe,
        owner,
        role,
    };
    let window = |owner| Record::M64 {
        phb: 3,
        window: M64Window(15),
        base: 0x4_0000_0000,
        bytes: 1 << 30,
        owner,
    };
    let bar = |place| Record::Bar {
        phb: 3,
        bdf,
        bar: 5,
        pci: 0xc000_0000,
        real: u64::MAX,
        bytes: 4096,
        place,
    };
    vec![
        Record::Begin,
        Record::Partition {
            lpid: 1,
            name: "db-2_x",
        },
        PHB,
        Record::M64Area {
            phb: 3,
            real: 0x4_0000_0000,
            bytes: 32 << 30,
            windows: 16,
        },
        function(Owner::Partition(7), FunctionRole::Device),
        function(Owner::Nobody, FunctionRole::Device),
        function(
            Owner::Hypervisor,
            FunctionRole::Bridge {
                first: 1,
                last: 0xff,
                memory: Window {
                    base: 0xc000_0000,
                    bytes: 1 << 20,
                },
                prefetch: Window::default(),
            },
        ),
        bar(Place::M32),
        bar(Place::M64(M64Window(2))),
        Record::Segments {
            phb: 3,
            first: 2,
            count: 3,
            pe,
        },
        window(M64Owner::Single(pe)),
        window(M64Owner::SegmentIsPe),
        window(M64Owner::Segments([1, 2, 3, 4, 5, 6, 7, 127].map(PeNumber))),
        Record::Dma {
            phb: 3,
            pe,
            tve: 2,
            base: 0x2000_0000,
            bytes: 1 << 28,
            page_shift: 12,
        },
        Record::Msi {
            phb: 3,
            pe,
            first: 0xc10,
            count: 16,
        },
        Record::Lsi {
            phb: 3,
            pe,
            irq: 0xc01,
        },
        Record::End { lines: 12 },
    ]
}

#[test]
fn every_record_reads_as_it_is_written_and_fits_a_console_line() {
    for record in examples() {
        let line = record.to_string();
        assert_eq!(Record::parse(&line), Some(Ok(record)), "{line}");
        assert!(line.len() <= 230, "{} bytes: {line}", line.len());
    }
}

#[test]
fn a_line_without_one_of_its_words_or_with_one_too_many_is_refused() {
    for record in examples() {
        let line = record.to_string();
        let words: Vec<&str> = line.split(' ').collect();
        for left_out in 1..words.len() {
            let mut fewer = words.clone();
            fewer.remove(left_out);
            let fewer = fewer.join(" ");
            let parsed = Record::parse(&fewer);
            assert!(!matches!(parsed, Some(Ok(_))), "{line} without {left_out}");
        }
        let more = line + " more=1";
        assert_eq!(
            Record::parse(&more),
            Some(Err(ParseError::Extra("more=1"))),
            "{more}"
        );
    }
}

#[test]
fn values_out_of_range_are_named() {
    let error = |line| {
        Record::parse(line)
            .expect("a line")
            .expect_err("bad")
            .to_string()
    };
    for (line, want) in [
        ("map1 hello", "there is no line `hello`"),
        ("map1 ", "there is no line ``"),
        ("map1 end lines=-1", "`lines=-1` has no possible value"),
        ("map1 end lines=+1", "`lines=+1` has no possible value"),
        ("map1 end lines=0x", "`lines=0x` has no possible value"),
        (
            "map1 end lines=4294967296",
            "`lines=4294967296` has no possible value",
        ),
        (
            "map1 lsi phb=256 pe=1 irq=1",
            "`phb=256` has no possible value",
        ),
        ("map1 lsi pe=1 irq=1", "the field `phb` is missing here"),
        (
            "map1 partition lpid=1 name=<b>",
            "`name=<b>` has no possible value",
        ),
        (
            "map1 bar phb=0 bdf=00:20.0",
            "`bdf=00:20.0` has no possible value",
        ),
        (
            "map1 m64 phb=0 window=0 base=0 bytes=1 map=segments:1,2,3,4,5,6,7",
            "`map=segments:1,2,3,4,5,6,7` has no possible value",
        ),
    ] {
        assert_eq!(error(line), want);
    }
    assert_eq!(Record::parse("map2 begin"), None);
    assert_eq!(Record::parse("map1"), None);
    assert_eq!(Record::parse("a partition says map1 begin"), None);
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_fail(text in "map1 [a-z0-9=:.,+-]{0,16}( [a-z0-9=:.,+/-]{0,24}){0,12}") {
        let _ = Record::parse(&text);
    }

    #[test]
    fn what_is_read_is_written_so_that_it_reads_the_same(index in 0usize..17, at in 0usize..200, byte in b' '..=b'~') {
        let mut line = examples()[index].to_string().into_bytes();
        if let Some(place) = line.get_mut(at) {
            *place = byte;
        }
        let line = String::from_utf8(line).expect("ASCII");
        if let Some(Ok(record)) = Record::parse(&line) {
            let again = record.to_string();
            prop_assert_eq!(Record::parse(&again), Some(Ok(record)));
        }
    }
}
