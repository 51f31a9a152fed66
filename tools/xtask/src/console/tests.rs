//! The screen, as a terminal of 80 columns shows it.

use operator_console::{Endpoint, Event, LOG, MONITOR, Partition, Sample, State};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::draw::draw;
use super::state::{Act, Screen};

fn partition(lpid: u32, name: &str, at: u64, ran: u64) -> Partition {
    Partition {
        lpid,
        name: name.to_owned(),
        state: State::Running,
        cpus: 2,
        at,
        ran,
        hcalls: at / 2,
        interrupts: at / 100,
        freezes: lpid - 1,
        refusals: 0,
        has_console: true,
    }
}

fn sample(at: u64) -> Sample {
    let stopped = Endpoint {
        lpid: 2,
        phb: 0,
        pe: 1,
        stopped: 3,
        location: "phb0/00.0/00.0".to_owned(),
    };
    Sample {
        hz: 1000,
        partitions: vec![
            partition(1, "linux", at, at),
            partition(2, "db", at, at / 2),
        ],
        endpoints: vec![stopped],
    }
}

fn output(from: u32, text: &str) -> Event {
    let bytes = text.as_bytes().to_vec();
    Event::Output { from, bytes }
}

fn screen() -> Screen {
    let mut screen = Screen::new();
    screen.sample(sample(1000));
    screen.sample(sample(2000));
    screen.take(output(1, "\x1b[2Jboot\r\nlogin: "));
    screen.take(output(2, "a\r\nb\r\n"));
    screen.take(output(MONITOR, "monitor> "));
    screen.take(output(LOG, "partition db: vcpu 0 starts\x1b[2J"));
    screen.take(Event::Plain(b"bulkhead| STOP power-off\r\nrest".to_vec()));
    screen
}

/// The lines of the screen, 80 by 20, without trailing blanks.
fn drawn(screen: &Screen) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(80, 20)).expect("a terminal");
    terminal.draw(|frame| draw(screen, frame)).expect("drawn");
    let buffer = terminal.backend().buffer();
    let rows = buffer.content.chunks(80);
    rows.map(|row| {
        let text: String = row.iter().map(|cell| cell.symbol()).collect();
        text.trim_end().to_owned()
    })
    .collect()
}

#[test]
fn all_partitions_are_side_by_side_over_the_monitor_and_the_log() {
    let lines = drawn(&screen());
    let text = lines.join("\n");
    assert_eq!(
        lines[0],
        "┌ 1 linux: running ────────────────────┐┌ 2 db: running ───────────────────────┐"
    );
    assert_eq!(lines[1], format!("│{:38}││{:38}│", "boot", "a"), "{text}");
    assert_eq!(
        lines[2],
        format!("│{:38}││{:38}│", "login: ", "b"),
        "{text}"
    );
    assert!(
        lines[7].starts_with("└ cpu 1.00 of 2, 2.0 s; 500 hcalls/s; 1"),
        "{text}"
    );
    assert!(lines[8].starts_with("┌ monitor ───"), "{text}");
    assert!(lines[9].starts_with("│monitor> "), "{text}");
    assert_eq!(lines[16], "partition db: vcpu 0 starts?[2J", "{text}");
    assert_eq!(lines[17], "bulkhead| STOP power-off", "{text}");
    assert!(
        lines[19].starts_with("keys go to the marked console;"),
        "{text}"
    );
}

#[test]
fn the_selected_one_can_be_shown_alone_with_all_its_figures() {
    let mut screen = screen();
    screen.key(b"\x1d");
    screen.key(b"2");
    screen.key(b"\x1d");
    screen.key(b"z");
    let lines = drawn(&screen);
    assert!(
        lines[0].starts_with("┌ 2 db: running ──"),
        "{}",
        lines.join("\n")
    );
    assert!(!lines[0].contains("linux"));
    let figures = "└ cpu 0.50 of 2, 1.0 s; 500 hcalls/s; 10 irq/s; 1 freezes, 1 frozen now ─";
    assert!(lines[7].starts_with(figures), "{}", lines[7]);
}

#[test]
fn a_small_terminal_and_a_machine_of_nothing_are_drawn_too() {
    for (columns, rows) in [(1, 1), (10, 3), (200, 60)] {
        for screen in [&Screen::new(), &screen()] {
            let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("a terminal");
            terminal.draw(|frame| draw(screen, frame)).expect("drawn");
        }
    }
}

#[test]
fn keys_go_to_the_selected_console_and_the_escape_key_selects() {
    let mut screen = screen();
    assert_eq!(screen.selected(), 1);
    assert_eq!(screen.key(b"ls"), Act::Type(b"ls".to_vec()));
    assert_eq!(screen.key(b""), Act::Nothing);
    for (key, selected) in [
        ("2", 2),
        ("7", 2),
        ("m", MONITOR),
        ("n", 1),
        ("n", 2),
        ("n", MONITOR),
        ("1", 1),
    ] {
        assert_eq!(screen.key(b"\x1d"), Act::Nothing);
        assert!(screen.hint().contains("q: quit"));
        assert_eq!(screen.key(key.as_bytes()), Act::Nothing);
        assert_eq!(screen.selected(), selected, "{key}");
    }
    screen.key(b"\x1d");
    assert_eq!(screen.key(b"\x1d"), Act::Type(vec![0x1d]));
    screen.key(b"\x1d");
    assert_eq!(screen.key(b"q"), Act::Quit);
}

#[test]
fn a_partition_that_comes_later_does_not_take_the_keys() {
    let mut screen = screen();
    screen.key(b"\x1d");
    screen.key(b"m");
    screen.take(output(3, "new"));
    assert_eq!(screen.selected(), MONITOR);
    screen.key(b"\x1d");
    screen.key(b"3");
    assert_eq!(screen.selected(), 3);
}

#[test]
fn the_end_of_the_machine_is_told() {
    let mut screen = screen();
    screen.take(Event::Closed);
    assert!(drawn(&screen)[19].starts_with("the machine has ended"));
}

#[test]
fn no_output_leaves_its_pane() {
    let mut screen = screen();
    let escape = "\x1b[1;1H\x1b]0;title\x07\x1b[?1049h\u{9b}2J\u{202e}forged\r\n".repeat(40);
    screen.take(output(1, &escape));
    let lines = drawn(&screen);
    assert!(
        lines[8].starts_with("┌ monitor ───"),
        "{}",
        lines.join("\n")
    );
    assert!(
        lines[0].contains("┐┌ 2 db: running"),
        "{}",
        lines.join("\n")
    );
}
