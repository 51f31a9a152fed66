//! The figures as a table for people and as JSON for programs.

use std::fmt::Write;

use serde_json::{Value, json};

use super::Figure;

pub(super) fn table(figures: &[Figure]) -> String {
    let width = figures
        .iter()
        .map(|figure| figure.name.len())
        .max()
        .unwrap_or(0)
        .max(4);
    let mut text = format!(
        "{:width$}  {:>14}  {:22}  {:>14}         other\n",
        "what", "measured", "unit", "goal"
    );
    for figure in figures {
        let goal = figure.goal.map_or(String::new(), number);
        let other = figure.other.map_or(String::new(), |(value, whose)| {
            format!("{} ({whose})", number(value))
        });
        // Infallible: a String takes everything.
        let _ = writeln!(
            text,
            "{:width$}  {:>14}  {:22}  {goal:>14} {:6}  {other}",
            figure.name,
            number(figure.value),
            figure.unit,
            figure.verdict()
        );
    }
    text.lines()
        .map(|line| line.trim_end().to_owned() + "\n")
        .collect()
}

/// Three digits that matter, thousands apart.
fn number(value: f64) -> String {
    if value < 100.0 && value.fract() != 0.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub(super) fn to_json(figures: &[Figure]) -> Value {
    let figures: Vec<Value> = figures
        .iter()
        .map(|figure| {
            json!({
                "name": figure.name,
                "value": figure.value,
                "unit": figure.unit,
                "goal": figure.goal,
                "met": figure.goal.map(|goal| figure.value <= goal),
                "other": figure.other.map(|(value, whose)| json!({ "value": value, "system": whose })),
            })
        })
        .collect();
    json!({ "version": 1, "figures": figures })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> Vec<Figure> {
        let hcall = Figure {
            name: "hcall, unknown".into(),
            value: 1234.0,
            unit: "instructions",
            goal: Some(100.0),
            other: Some((11609.0, "KVM-HV")),
        };
        let boot = Figure {
            name: "boot".into(),
            value: 8.25,
            unit: "s",
            goal: None,
            other: None,
        };
        vec![
            hcall.clone(),
            Figure {
                value: 99.0,
                ..hcall
            },
            boot,
        ]
    }

    #[test]
    fn the_table_shows_values_goals_and_others() {
        let text = table(&figures());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4);
        assert_eq!(
            lines[1].split_whitespace().collect::<Vec<_>>(),
            [
                "hcall,",
                "unknown",
                "1,234",
                "instructions",
                "100",
                "missed",
                "11,609",
                "(KVM-HV)"
            ]
        );
        assert!(lines[2].contains(" met "));
        assert_eq!(
            lines[3].split_whitespace().collect::<Vec<_>>(),
            ["boot", "8.25", "s"]
        );
    }

    #[test]
    fn json_has_the_plain_numbers() {
        let value = to_json(&figures());
        assert_eq!(value["figures"][0]["value"], 1234.0);
        assert_eq!(value["figures"][0]["other"]["system"], "KVM-HV");
        assert_eq!(value["figures"][2]["goal"], Value::Null);
    }
}
