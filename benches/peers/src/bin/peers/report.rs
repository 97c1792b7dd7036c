//! What a person gets to read and to see.

use std::fmt::Write;

use benches::plot::{Chart, Panel, Row};
use benches::report::{cell, circumstances, markdown};
use benches::stats::Spread;

use crate::list::{ECHOES, LATENCY, LAUNCH, OURS, RATE};
use crate::rounds::{Record, Series};

/// A table of each figure, and one of all ratios, as Markdown.
pub(crate) fn tables(record: &Record) -> String {
    let mut text = String::new();
    for series in by_figure(record) {
        let figure = &series[0].figure;
        let head = if figure.unit.is_empty() {
            figure.name.to_owned()
        } else {
            format!("{}, {}", figure.name, figure.unit)
        };
        let mut rows = vec![[&head, "", "bare socket", "÷ bare socket"].map(str::to_owned)];
        rows.extend(series.iter().map(|series| {
            let digits = |values: &[f64]| {
                usize::from(values.iter().any(|value| value.fract() != 0.0 && *value < 1_000.0))
            };
            [
                series.peer.to_owned(),
                cell(&series.values, digits(&series.values)),
                cell(&series.socket, digits(&series.socket)),
                cell(&series.ratios(), 2),
            ]
        }));
        text.push_str(&markdown(&rows));
        text.push('\n');
    }
    text.push_str(&ratios(record));
    text.push_str(&circumstances(&record.machine, record.seconds, record.quick, &record.disturbance));
    let _ = writeln!(text, "{}.", record.versions.join(", "));
    text
}

/// One row a peer, one column a figure.
fn ratios(record: &Record) -> String {
    let figures: Vec<_> =
        by_figure(record).into_iter().filter(|series| !series[0].figure.short.is_empty()).collect();
    let Some(peers) = figures.first() else { return String::new() };
    let head = figures.iter().map(|series| series[0].figure.short.to_owned());
    let mut rows: Vec<Vec<_>> = vec![["÷ bare socket, median".to_owned()].into_iter().chain(head).collect()];
    for (index, peer) in peers.iter().enumerate() {
        let ratio = |series: &&[Series]| {
            Spread::of(&series[index].ratios())
                .map_or_else(String::new, |spread| format!("{:.2}", spread.median))
        };
        rows.push([peer.peer.to_owned()].into_iter().chain(figures.iter().map(ratio)).collect());
    }
    markdown(&rows)
}

/// The pictures, with the names of their files.
pub(crate) fn charts(record: &Record) -> Vec<(&'static str, Chart)> {
    let echoes: Vec<_> = ECHOES.iter().map(|(name, short, ..)| (*name, *short)).collect();
    let all = [
        ("latency", "A call of 16 bytes by one caller: time", false, vec![(LATENCY, "")]),
        ("rate", "Calls of 16 bytes by 64 callers: calls a second", true, vec![(RATE, "")]),
        ("echo", "Bytes there and back: time", false, echoes),
        ("launch", "Launch to first reply: time", false, vec![(LAUNCH, "")]),
    ];
    let chart = |(file, title, more_is_better, panels): (_, &str, _, Vec<(&str, &str)>)| {
        let panels: Vec<_> =
            panels.into_iter().filter_map(|(name, title)| Some((find(record, name)?, title))).collect();
        let (first, _) = panels.first()?;
        let better = if more_is_better { "Higher" } else { "Lower" };
        let rows = first.iter().map(|series| Row { name: series.peer.to_owned(), ours: series.peer == OURS });
        let chart = Chart {
            title: format!("{title}, ÷ bare socket"),
            note: format!(
                "{better} is better. Bar: median of the rounds, which are the dots. Dashed: the bare socket \
                 of the same round."
            ),
            rows: rows.collect(),
            panels: panels
                .iter()
                .map(|(series, title)| Panel {
                    title: (*title).to_owned(),
                    ratios: series.iter().map(Series::ratios).collect(),
                })
                .collect(),
        };
        Some((file, chart))
    };
    all.into_iter().filter_map(chart).collect()
}

fn find<'a>(record: &'a Record, name: &str) -> Option<&'a [Series]> {
    by_figure(record).into_iter().find(|series| series[0].figure.name == name)
}

fn by_figure(record: &Record) -> Vec<&[Series]> {
    record.series.chunk_by(|a, b| a.figure.name == b.figure.name).collect()
}
