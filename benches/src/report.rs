//! What a person and what a program gets to read.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use crate::Result;
use crate::machine::{Disturbance, Machine};
use crate::plot::{Chart, Panel, Row};
use crate::rounds::{Figure, Record, Series};
use crate::stats::Spread;

/// Cores that others may have before the table says that it is worth little. On two cores runs with 0.04 agree
/// with undisturbed ones, and a run with 0.9 showed half as much again for the first ratio.
const TOLERATED: f64 = 0.1;

/// How a section is shown.
pub(crate) struct Show {
    /// What stands beside the plugin.
    pub(crate) beside: &'static str,
    /// That of the picture.
    pub(crate) title: &'static str,
    /// The name of the file for every value.
    pub(crate) values: &'static str,
    /// That of the picture, without its ending.
    pub(crate) picture: &'static str,
}

/// The table, as Markdown, with the circumstances of the run.
pub(crate) fn table(record: &Record, show: &Show) -> String {
    let ratio = format!("plugin ÷ {}", show.beside.trim_start_matches("bare "));
    let mut rows = vec![[String::new(), "plugin".to_owned(), show.beside.to_owned(), ratio]];
    rows.extend(record.series.iter().map(row));
    let mut text = markdown(&rows);
    text.push_str(&circumstances(&record.machine, record.seconds, record.quick, &record.disturbance));
    text
}

/// A table whose first row is the head, the first column words and the others numbers. All rows are as long.
#[must_use]
pub fn markdown(rows: &[impl AsRef<[String]>]) -> String {
    let mut widths = Vec::new();
    for row in rows {
        let cells = row.as_ref();
        widths.resize(cells.len(), 0);
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        for (column, (cell, &width)) in row.as_ref().iter().zip(&widths).enumerate() {
            let _ = if column == 0 {
                write!(text, "| {cell:<width$} |")
            } else {
                write!(text, " {cell:>width$} |")
            };
        }
        text.push('\n');
        if index == 0 {
            let _ = write!(text, "|{}|", "-".repeat(widths[0] + 2));
            for width in &widths[1..] {
                let _ = write!(text, "{}:|", "-".repeat(width + 1));
            }
            text.push('\n');
        }
    }
    text
}

/// What a run was made on, and whether it was alone there, under its table.
#[must_use]
pub fn circumstances(machine: &Machine, seconds: f64, quick: bool, disturbance: &[Disturbance]) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "\n{} round(s) in {:.0} s on {} × {}, {}: median (lowest to highest) of the rounds{}.",
        disturbance.len(),
        seconds,
        machine.cores,
        machine.processor,
        machine.system,
        if quick { "; a quick run, too short to conclude from" } else { "" },
    );
    let foreign: Vec<_> = disturbance.iter().map(|round| round.foreign).collect();
    let steal: Vec<_> = disturbance.iter().map(|round| round.steal).collect();
    let _ = writeln!(
        text,
        "Cores that others had meanwhile: {} on this machine, {} stolen from it.",
        cell(&foreign, 2),
        cell(&steal, 2)
    );
    if [&foreign, &steal].iter().any(|had| Spread::of(had).is_some_and(|had| had.median > TOLERATED)) {
        text.push_str("That is too much: run it again when the machine has nothing else to do.\n");
    }
    text
}

fn row(series: &Series) -> [String; 4] {
    let digits = |values: &[f64]| {
        let largest = values.iter().copied().fold(0.0, f64::max);
        usize::from(largest < 1_000.0 && values.iter().any(|value| value.fract() != 0.0))
    };
    [
        label(series),
        cell(&series.plugin, digits(&series.plugin)),
        cell(&series.socket, digits(&series.socket)),
        cell(&series.ratios(), 2),
    ]
}

fn label(series: &Series) -> String {
    let Figure { name, unit } = series.figure;
    if unit.is_empty() { name.to_owned() } else { format!("{name}, {unit}") }
}

/// The median and, in parentheses, the extremes.
#[must_use]
pub fn cell(values: &[f64], digits: usize) -> String {
    Spread::of(values).map_or_else(
        || "–".to_owned(),
        |Spread { median, min, max }| format!("{median:.digits$} ({min:.digits$} to {max:.digits$})"),
    )
}

/// Writes every value of every round to its file in `target/benches`, and gives the path.
pub(crate) fn write(record: &Record, show: &Show) -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    // Two folders up from target/release/benches, wherever `target` is.
    let target = program.ancestors().nth(2).ok_or("this program is in no target folder of cargo")?;
    let folder = target.join("benches");
    fs::create_dir_all(&folder)?;
    let path = folder.join(show.values);
    fs::write(&path, serde_json::to_string_pretty(record)? + "\n")?;
    Ok(path)
}

/// The picture of all ratios, with those of every round.
pub(crate) fn rounds_plot(record: &Record, show: &Show) -> Chart {
    let compared: Vec<_> = record.series.iter().filter(|series| !series.socket.is_empty()).collect();
    let row = |series: &&Series| {
        // A ratio of times has no unit, but of what is done in a second more is better.
        let name =
            if series.figure.unit.ends_with("/s") { label(series) } else { series.figure.name.to_owned() };
        Row { name, ours: true }
    };
    Chart {
        title: show.title.to_owned(),
        note: format!(
            "Bar: median of the rounds, which are the dots. Dashed: the {} of the same round. Lower is better, \
             except for what is done in a second.",
            show.beside
        ),
        rows: compared.iter().map(row).collect(),
        panels: vec![Panel {
            title: String::new(),
            ratios: compared.iter().map(|series| series.ratios()).collect(),
        }],
    }
}
