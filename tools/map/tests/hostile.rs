//! Logs that are cut, damaged or invented.

use machine_map::{DumpError, Ink, Map};
use proptest::prelude::*;

const PHB: &str = "map1 phb phb=0 kind=ioda1 pes=128 reserved=127 rids=aligned:5 dma=slots:12:28 msis=256 first-msi=0x100 m32-real=0x42c0000000 m32-pci=0xc0000000 m32-shift=23 m32-segments=128";
const AREA: &str = "map1 m64-area phb=0 real=0x5800000000 bytes=0x800000000 windows=16";
const DEVICE: &str =
    "map1 function path=phb0/00.0/00.0 bdf=01:00.0 id=1234:11e8 class=00ff00 pe=1 owner=1";
const KEPT: &str = include_str!("snapshots/p7ioc.dump");

/// A log with a partition, a bridge, and `lines`.
fn log(lines: &[&str]) -> String {
    let all = [
        &[
            "map1 begin",
            "map1 partition lpid=1 name=linux",
            "map1 partition lpid=2 name=db",
            PHB,
            AREA,
        ],
        lines,
    ]
    .concat();
    all.join("\n") + &format!("\nmap1 end lines={}\n", all.len())
}

fn refusal(log: &str) -> String {
    Map::from_dump(log).expect_err("it is wrong").to_string()
}

#[test]
fn what_no_bridge_can_be_set_to_is_refused_with_its_line() {
    Map::from_dump(&log(&[DEVICE])).expect("good");
    let dma = "map1 dma phb=0 pe=1 tve=1 base=0x10000000 bytes=0x20000000 page-shift=12";
    let wide = "map1 m64 phb=0 window=0 base=0x5800000000 bytes=0x40000000 map=single:1";
    let cases: &[(&[&str], &str)] = &[
        (&["map1 phb"], "line 6: the field `phb` is missing here"),
        (&["map1 hello=1"], "line 6: there is no line `hello=1`"),
        (&[PHB], "line 6: bridge 0 is out of order, or twice"),
        (&["map1 begin"], "line 6: a dump begins in a dump"),
        (
            &["map1 partition lpid=3 name=db"],
            "line 6: there is a partition 3 or one called db already",
        ),
        (
            &["map1 segments phb=1 first=0 count=1 pe=1"],
            "line 6: these are not the lines of bridge 1",
        ),
        (
            &["map1 segments phb=0 first=127 count=2 pe=1"],
            "line 6: segments 127 to 129 are not within 128",
        ),
        (
            &["map1 segments phb=0 first=65535 count=65535 pe=1"],
            "line 6: segments 65535 to 131070 are not within 128",
        ),
        (
            &["map1 segments phb=0 first=0 count=1 pe=128"],
            "line 6: PE 128 is none of the bridge's 128",
        ),
        (
            &[
                "map1 segments phb=0 first=2 count=2 pe=1",
                "map1 segments phb=0 first=3 count=1 pe=2",
            ],
            "line 7: some of them are PE 1's already",
        ),
        (
            &[
                dma,
                &dma.replace("pe=1", "pe=2")
                    .replace("tve=1 base=0x1", "tve=2 base=0x2"),
            ],
            "line 7: it meets window 1 of PE 1",
        ),
        (
            &[&dma.replace("tve=1", "tve=2")],
            "line 6: window 2 of PE 1 cannot be there",
        ),
        (
            &[&dma.replace("0x20000000", "0xc0000000")],
            "line 6: window 1 of PE 1 cannot be there",
        ),
        (
            &[&dma.replace("bytes=0x2", "bytes=0xfffffffff")],
            "line 6: 0xfffffffff0000000 bytes from 0x10000000 cannot be",
        ),
        (
            &[wide, &wide.replace("window=0", "window=1")],
            "line 7: it meets window 0",
        ),
        (
            &[&wide.replace("window=0", "window=16")],
            "line 6: there is no 64-bit window 16",
        ),
        (
            &[&wide.replace("bytes=0x4", "bytes=0x100")],
            "line 6: it is not in the area of 64-bit windows",
        ),
        (
            &["map1 msi phb=0 pe=1 first=0x1f0 count=17"],
            "line 6: the bridge has no such interrupts",
        ),
        (
            &["map1 msi phb=0 pe=1 first=0 count=1"],
            "line 6: the bridge has no such interrupts",
        ),
        (
            &[
                "map1 msi phb=0 pe=1 first=0x100 count=8",
                "map1 msi phb=0 pe=2 first=0x107 count=1",
            ],
            "line 7: some of them are PE 1's already",
        ),
        (
            &[
                DEVICE,
                "map1 bar phb=0 bdf=01:00.1 bar=0 pci=0 real=0 bytes=1 place=m32",
            ],
            "line 7: it does not follow its function 01:00.1",
        ),
        (
            &[DEVICE, &DEVICE.replace("00.0/00.0", "00.0/01.0")],
            "line 7: there is a function at phb0/00.0/01.0 or 01:00.0 already",
        ),
        (
            &[
                DEVICE,
                &DEVICE
                    .replace("00.0/00.0", "00.0/01.0")
                    .replace("01:00.0", "01:01.0")
                    .replace("owner=1", "owner=2"),
            ],
            "line 7: PE 1 has functions of two owners",
        ),
        (
            &[&DEVICE.replace("pe=1", "pe=127")],
            "line 6: a partition's function in PE 127, which is nobody's",
        ),
        (
            &[&DEVICE.replace("owner=1", "owner=3")],
            "line 6: there is no partition 3",
        ),
    ];
    for (lines, want) in cases {
        assert_eq!(refusal(&log(lines)), *want);
    }
}

#[test]
fn a_log_that_is_cut_anywhere_is_noticed() {
    for (end, _) in KEPT.match_indices('\n').skip(1) {
        // The last line may lack its end.
        if end + 1 == KEPT.len() {
            continue;
        }
        assert!(
            matches!(Map::from_dump(&KEPT[..end]), Err(DumpError::Cut(_))),
            "{end}"
        );
    }
    let lines: Vec<&str> = KEPT.lines().collect();
    for lost in 1..lines.len() - 1 {
        let mut fewer = lines.clone();
        fewer.remove(lost);
        Map::from_dump(&fewer.join("\n")).expect_err("a line is lost");
    }
    assert_eq!(Map::from_dump("Linux version 6.1"), Err(DumpError::None));
    assert_eq!(Map::from_dump(""), Err(DumpError::None));
}

#[test]
fn the_dump_is_found_in_a_whole_log_and_the_first_one_counts() {
    let forged = KEPT.replace(
        "bulkhead| map1 partition lpid=1 name=linux",
        "bulkhead| map1 partition lpid=1 name=mallory",
    );
    let log = format!(
        "boot\r\nbulkhead|     0.1 cpu0 INFO  map1 is next\r\n{}\r\nlogin: \n{forged}",
        KEPT.replace('\n', "\r\n")
    );
    assert_eq!(Map::from_dump(&log), Map::from_dump(KEPT));
}

#[test]
fn no_text_runs_out_of_its_column() {
    let name = "a-name-as-long-as-a-name-can-be";
    let deep = "/00.0".repeat(15);
    let device = DEVICE
        .replace("phb0/00.0/00.0", &format!("phb0/00.0{deep}"))
        .replace("00ff00", "0c0400");
    let mut path = String::from("phb0/00.0");
    let mut lines: Vec<String> = Vec::new();
    for bus in 0..15 {
        lines.push(format!(
            "map1 bridge path={path} bdf={bus:02x}:00.0 id=1014:03b9 class=060400 pe=127 owner=hypervisor buses=01-ff memory=closed prefetch=closed"
        ));
        path += "/00.0";
    }
    lines.push(device.replace("01:00.0", "0f:00.0"));
    lines.push(
        "map1 bar phb=0 bdf=0f:00.0 bar=0 pci=0xfffffffffffff000 real=0 bytes=0xf01 place=m64:15"
            .into(),
    );
    lines.push(
        "map1 m64 phb=0 window=15 base=0x5ffe000000 bytes=0x1fffffd map=segments:1,2,3,4,5,6,7,1"
            .into(),
    );
    lines.push("map1 segments phb=0 first=100 count=28 pe=1".into());
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let log = log(&lines).replace("name=linux", &format!("name={name}"));
    let svg = Map::from_dump(&log).expect("good").svg();
    let mut texts = 0;
    for line in svg.split("<text ").skip(1) {
        let attribute = |name: &str| {
            let (_, rest) = line.split_once(&format!("{name}=\""))?;
            rest.split_once('"').map(|(value, _)| value)
        };
        // The legend has the whole width.
        if attribute("y").is_none_or(|y| y.parse::<i32>().is_ok_and(|y| y < 110)) {
            continue;
        }
        let class = attribute("class").expect("all have one");
        if attribute("text-anchor").is_some() || matches!(class, "h" | "p" | "s") {
            continue;
        }
        let text = line.split_once('>').expect("a tag ends").1;
        let text = text.split_once('<').expect("text ends").0.trim();
        let size = if class.starts_with('i') { 11.0 } else { 12.0 };
        let x: f64 = attribute("x").expect("a place").parse().expect("a number");
        // Fonts of this kind have letters 0.602 of their size wide.
        let end = x + text.chars().count() as f64 * size * 0.605;
        let limit = if x < 560.0 { 552.0 } else { 1100.0 };
        assert!(end <= limit, "{text} ends at {end}");
        texts += 1;
    }
    assert!(texts > 30, "{texts}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn a_damaged_log_is_refused_or_drawn_and_never_fails(
        changes in prop::collection::vec((0usize..KEPT.len(), b' '..=b'~'), 1..4)
    ) {
        let mut log = KEPT.as_bytes().to_vec();
        for (at, byte) in changes {
            log[at] = byte;
        }
        let log = String::from_utf8(log).expect("ASCII");
        if let Ok(map) = Map::from_dump(&log) {
            let _ = (map.svg(), map.text(Ink::Plain));
        }
    }
}
