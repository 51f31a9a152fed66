//! Draws a [`Screen`].

use operator_console::{MONITOR, Sample};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Paragraph};

use super::state::{Pane, Screen};

/// Rows of the log, and of the monitor with its frame.
const LOG_ROWS: u16 = 3;
const MONITOR_ROWS: u16 = 8;

/// Draws all of it.
pub(crate) fn draw(screen: &Screen, frame: &mut Frame<'_>) {
    let rows = Layout::vertical([
        Constraint::Min(4),
        Constraint::Length(MONITOR_ROWS),
        Constraint::Length(LOG_ROWS),
        Constraint::Length(1),
    ]);
    let [partitions, monitor, log, hint] = rows.areas(frame.area());
    grid(screen, frame, partitions);
    if let Some((last, pane)) = screen.panes.iter().enumerate().next_back() {
        let style = style(screen.selected == last);
        show(
            pane,
            " monitor ".to_owned(),
            String::new(),
            style,
            frame,
            monitor,
        );
    }
    let shown = screen.log.len().saturating_sub(LOG_ROWS.into());
    let lines: Vec<Line<'_>> = screen
        .log
        .iter()
        .skip(shown)
        .map(|line| Line::from(line.as_str()))
        .collect();
    frame.render_widget(Paragraph::new(lines), log);
    let hint_style = Style::new().add_modifier(Modifier::REVERSED);
    frame.render_widget(Paragraph::new(screen.hint()).style(hint_style), hint);
}

/// The partitions' consoles, side by side in two columns, or the selected one alone.
fn grid(screen: &Screen, frame: &mut Frame<'_>, area: Rect) {
    let selected = |place: &usize| !screen.is_zoomed || *place == screen.selected;
    let shown: Vec<usize> = (0..screen.panes.len().saturating_sub(1))
        .filter(selected)
        .collect();
    let columns = if shown.len() > 1 { 2 } else { 1 };
    let lines = shown.len().div_ceil(columns).max(1);
    let rows = Layout::vertical(vec![Constraint::Fill(1); lines]).split(area);
    for (row, places) in rows.iter().zip(shown.chunks(columns)) {
        let cells = Layout::horizontal(vec![Constraint::Fill(1); places.len()]).split(*row);
        for (cell, &place) in cells.iter().zip(places) {
            let pane = &screen.panes[place];
            let (title, figures) = told(&screen.samples, pane.source);
            let style = style(screen.selected == place);
            show(pane, title, figures, style, frame, *cell);
        }
    }
}

/// A pane's title and its figures.
fn told([now, before]: &[Sample; 2], lpid: u32) -> (String, String) {
    let Some(of) = now.partition(lpid) else {
        return (format!(" {lpid} "), String::new());
    };
    let rates = now.rates(before, lpid);
    let title = format!(" {lpid} {}: {} ", of.name, of.state.name());
    let frozen = now.endpoints.iter();
    let frozen = frozen
        .filter(|pe| pe.lpid == lpid && pe.stopped != 0)
        .count();
    let frozen = match frozen {
        0 => String::new(),
        count => format!(", {count} frozen now"),
    };
    let figures = format!(
        " cpu {:.2} of {}, {:.1} s; {:.0} hcalls/s; {:.0} irq/s; {} freezes{frozen} ",
        rates.cpus,
        of.cpus,
        of.ran as f64 / now.hz.max(1) as f64,
        rates.hcalls,
        rates.interrupts,
        of.freezes
    );
    (title, figures)
}

fn style(is_selected: bool) -> Style {
    if is_selected {
        Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD)
    } else {
        Style::new()
    }
}

fn show(
    pane: &Pane,
    title: String,
    figures: String,
    style: Style,
    frame: &mut Frame<'_>,
    area: Rect,
) {
    let block = Block::bordered()
        .border_style(style)
        .title_top(title)
        .title_bottom(figures);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let rows = pane.rows(inner.height, inner.width);
    let is_wanted = pane.source == MONITOR || inner.height > 0;
    if is_wanted {
        let lines: Vec<Line<'_>> = rows.into_iter().map(Line::from).collect();
        frame.render_widget(Paragraph::new(lines), inner);
    }
}
