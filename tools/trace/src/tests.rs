use crate::{Dump, DumpError};
use trace::{Event, Kind, Record};

fn event(at: u64, kind: Kind, code: u32, ticks: u32) -> Event {
    Event {
        at,
        ticks,
        kind,
        lpid: 2,
        vcpu: 1,
        code,
        result: 0,
        argument: 0x10,
    }
}

/// What two CPUs noted: each by time, one after the other.
fn events() -> Vec<(u32, Event)> {
    vec![
        (0, event(1024, Kind::Hcall, 0x20, 512)),
        (0, event(4096, Kind::Preempt, 2, 2048)),
        (1, event(2048, Kind::Refused, 0xfff0, 0)),
        (1, event(8192, Kind::Freeze, 0x1_0002, 0)),
    ]
}

/// A console log with a dump of `events`, as the hypervisor writes it.
fn log(events: &[(u32, Event)], count: u32) -> String {
    let mut records = vec![
        Record::Begin { hz: 512_000_000 },
        Record::Partition {
            lpid: 2,
            name: "db",
        },
    ];
    let its = events.iter();
    records.extend(its.map(|&(cpu, event)| Record::Event { cpu, event }));
    records.push(Record::End { events: count });
    let lines: Vec<String> = records
        .iter()
        .map(|record| format!("bulkhead| {record}\r"))
        .collect();
    format!("db: login:\n{}\nmonitor> ", lines.join("\n"))
}

#[test]
fn a_dump_is_read_as_it_was_written_and_sorted() {
    let dump = Dump::from_log(&log(&events(), 4)).unwrap();
    assert_eq!(dump.hz, 512_000_000);
    assert_eq!(dump.partitions[&2], "db");
    let mut wanted = events();
    wanted.swap(1, 2);
    assert_eq!(dump.events, wanted);
}

#[test]
fn the_last_dump_counts() {
    let two = log(&events()[..1], 1) + "\n" + &log(&events(), 4);
    assert_eq!(Dump::from_log(&two).unwrap().events.len(), 4);
    let cut = log(&events(), 4) + "\nbulkhead| trace1 begin hz=1\n";
    assert_eq!(Dump::from_log(&cut), Err(DumpError::Cut));
}

#[test]
fn what_is_damaged_is_told() {
    assert_eq!(Dump::from_log("bulkhead| hello\n"), Err(DumpError::None));
    let whole = log(&events(), 4);
    let cut = &whole[..whole.find("trace1 end").unwrap()];
    assert_eq!(Dump::from_log(cut), Err(DumpError::Cut));
    let missing = Dump::from_log(&log(&events()[1..], 4));
    assert_eq!(missing, Err(DumpError::Lost(7, 4, 3)));
    let damaged = whole.replace("cpu=1", "cpu=one");
    assert_eq!(Dump::from_log(&damaged), Err(DumpError::Line(6)));
    let zero = whole.replace("hz=512000000", "hz=0");
    assert_eq!(Dump::from_log(&zero), Err(DumpError::Line(2)));
}

#[test]
fn the_table_has_names() {
    let table = Dump::from_log(&log(&events(), 4)).unwrap().table();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(
        lines[1..],
        [
            "    0.000002000    0  db/1              hcall H_PUT_TCE = 0, 0x10, 512 ticks",
            "    0.000004000    1  db/1              refused 0xfff0 = 0",
            "    0.000008000    0  db/1              preempt cede, ran 2048 ticks",
            "    0.000016000    1  db                freeze pe 1:2, PESTA 0x10",
        ]
    );
}

#[test]
fn a_viewer_gets_durations_instants_and_names() {
    let json = Dump::from_log(&log(&events(), 4)).unwrap().chrome();
    let all = json["traceEvents"].as_array().unwrap();
    let of = |name: &str| {
        let found = all.iter().find(|event| event["name"] == name);
        found.unwrap_or_else(|| panic!("no {name} in {json}"))
    };
    let hcall = of("H_PUT_TCE");
    assert_eq!(
        (&hcall["ph"], &hcall["pid"], &hcall["tid"]),
        (&"X".into(), &2.into(), &1.into())
    );
    assert_eq!(
        (hcall["ts"].as_f64(), hcall["dur"].as_f64()),
        (Some(1.0), Some(1.0))
    );
    let ran = of("db/1");
    assert_eq!(
        (&ran["pid"], &ran["tid"], ran["dur"].as_f64()),
        (&0.into(), &0.into(), Some(4.0))
    );
    assert_eq!(of("freeze")["ph"], "i");
    let names: Vec<&str> = all
        .iter()
        .filter(|event| event["ph"] == "M")
        .filter_map(|event| event["args"]["name"].as_str())
        .collect();
    assert_eq!(names, ["machine", "cpu0", "cpu1", "db", "vcpu 1"]);
}
