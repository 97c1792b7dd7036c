//! Pictures of ratios to the bare socket: horizontal bars, written as SVG.
//!
//! One kind of picture is all that the benchmark needs. A plotting library would draw it with as much code, since
//! its axes know no rows with words, panels or reference lines, and would be four more crates.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::stats::Spread;

/// Panels beside each other, which have the same rows.
pub struct Chart {
    /// What is shown.
    pub title: String,
    /// How to read it, under the title.
    pub note: String,
    /// What the rows are called.
    pub rows: Vec<Row>,
    /// At least one.
    pub panels: Vec<Panel>,
}

/// A row's name.
pub struct Row {
    /// What stands in front of it.
    pub name: String,
    /// Whether it has the colour that stands out.
    pub ours: bool,
}

/// Bars on an axis of their own.
pub struct Panel {
    /// Stands above it; may be empty.
    pub title: String,
    /// Of each row the ratios of all rounds. A row without any has no bar.
    pub ratios: Vec<Vec<f64>>,
}

// In pixels; the widths of characters are estimates for 12 px, on the safe side for the usual fonts.
const WIDTH: f64 = 860.0;
const MARGIN: f64 = 16.0;
const CHARACTER: f64 = 7.2;
const HEAD: f64 = 84.0;
const ROW: f64 = 24.0;
const BAR: f64 = 14.0;
const FOOT: f64 = 34.0;
/// Room for the number behind the longest bar.
const NUMBER: f64 = 44.0;

// The background is drawn, so that the colours need not fit those of the page: dark pages show a light card.
const BACKGROUND: &str = "#ffffff";
const EDGE: &str = "#d0d7de";
const TEXT: &str = "#1f2328";
const MUTED: &str = "#59636e";
const GRID: &str = "#e4e7eb";
const OURS: &str = "#2f6fbf";
const OTHERS: &str = "#a9b4bf";
const LIMIT: &str = "#b4451f";

impl Chart {
    /// Writes the picture to `FOLDER/NAME.svg`, and gives the path.
    ///
    /// # Errors
    /// The folder or the file cannot be made.
    pub fn write(&self, folder: &Path, name: &str) -> Result<PathBuf> {
        fs::create_dir_all(folder)?;
        let path = folder.join(name).with_extension("svg");
        fs::write(&path, self.render())?;
        Ok(path)
    }

    fn render(&self) -> String {
        let characters = self.rows.iter().map(|row| row.name.chars().count()).max().unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "names are short")]
        let names = MARGIN + characters as f64 * CHARACTER;
        #[expect(clippy::cast_precision_loss, reason = "there are a few rows and panels")]
        let (rows, panels) = (self.rows.len() as f64, self.panels.len() as f64);
        let height = HEAD + rows * ROW + FOOT;
        let title = escape(&self.title);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"{WIDTH}\" height=\"{height}\" \
             viewBox=\"0 0 {WIDTH} {height}\" font-family=\"system-ui, sans-serif\" font-size=\"12\">\n\
             <title>{title}</title>\n\
             <rect x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"6\" fill=\"{BACKGROUND}\" \
             stroke=\"{EDGE}\"/>\n\
             <text x=\"{MARGIN}\" y=\"28\" font-size=\"16\" font-weight=\"600\" fill=\"{TEXT}\">{title}</text>\n\
             <text x=\"{MARGIN}\" y=\"48\" fill=\"{MUTED}\">{}</text>\n",
            WIDTH - 1.0,
            height - 1.0,
            escape(&self.note),
        );
        for (row, y) in self.rows.iter().zip(rows_at()) {
            text(&mut svg, (names, y + 4.0), "end", TEXT, "", &escape(&row.name));
        }
        let width = (WIDTH - MARGIN - names) / panels;
        let mut left = names;
        for panel in &self.panels {
            panel.render(&mut svg, &self.rows, left + 10.0, width - 10.0 - NUMBER);
            left += width;
        }
        svg.push_str("</svg>\n");
        svg
    }
}

impl Panel {
    fn render(&self, svg: &mut String, rows: &[Row], left: f64, width: f64) {
        let largest = self.ratios.iter().flatten().copied().fold(1.0, f64::max);
        let step = step(largest, width);
        let end = (largest / step).ceil() * step;
        let x = |ratio: f64| left + ratio / end * width;
        #[expect(clippy::cast_precision_loss, reason = "there are a few rows")]
        let bottom = HEAD + rows.len() as f64 * ROW;
        text(svg, (left, HEAD - 14.0), "start", TEXT, " font-weight=\"600\"", &escape(&self.title));
        let mut tick = 0.0;
        while tick <= end + step / 2.0 {
            line(svg, (x(tick), HEAD - 4.0), (x(tick), bottom), &format!("stroke=\"{GRID}\""));
            let label = format!("{}", (tick * 100.0).round() / 100.0);
            text(svg, (x(tick), bottom + 16.0), "middle", MUTED, " font-size=\"11\"", &label);
            tick += step;
        }
        let measured = || {
            let rows = rows.iter().zip(&self.ratios).zip(rows_at());
            rows.filter_map(|((row, ratios), y)| Some((row, ratios, Spread::of(ratios)?, y)))
        };
        for (row, _, spread, y) in measured() {
            let colour = if row.ours { OURS } else { OTHERS };
            let _ = writeln!(
                svg,
                "<rect x=\"{left:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>",
                y - BAR / 2.0,
                x(spread.median) - left,
            );
        }
        // Over the bars, under dots and numbers.
        let dashed = format!("stroke=\"{LIMIT}\" stroke-width=\"1.5\" stroke-dasharray=\"4 3\"");
        line(svg, (x(1.0), HEAD - 4.0), (x(1.0), bottom), &dashed);
        for (_, ratios, spread, y) in measured() {
            for ratio in ratios {
                let _ = writeln!(
                    svg,
                    "<circle cx=\"{:.1}\" cy=\"{y:.1}\" r=\"2.2\" fill=\"{TEXT}\" fill-opacity=\"0.55\"/>",
                    x(*ratio),
                );
            }
            let digits = if spread.median < 10.0 { 2 } else { 1 };
            let number = format!("{:.digits$}", spread.median);
            let halo = format!(" paint-order=\"stroke\" stroke=\"{BACKGROUND}\" stroke-width=\"3\"");
            text(svg, (x(spread.max) + 6.0, y + 4.0), "start", TEXT, &halo, &number);
        }
    }
}

/// The middles of the rows.
fn rows_at() -> impl Iterator<Item = f64> {
    std::iter::successors(Some(HEAD + ROW / 2.0), |y| Some(y + ROW))
}

/// The distance of ticks: 1, 2 or 5 times a power of ten, and none closer than 40 px.
fn step(largest: f64, width: f64) -> f64 {
    let least = largest * 40.0 / width;
    let power = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|step| *step >= least)
        .unwrap_or(10.0 * power)
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, colour: &str, more: &str, content: &str) {
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{colour}\"{more}>{content}</text>"
    );
}

fn line(svg: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64), look: &str) {
    let _ = writeln!(svg, "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" {look}/>");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(ratios: Vec<Vec<f64>>) -> String {
        let rows = (0..ratios.len()).map(|index| Row { name: format!("a<b & {index}"), ours: index == 0 });
        let panels = vec![Panel { title: "1 > 0".to_owned(), ratios: ratios.clone() }];
        Chart { title: "t".to_owned(), note: "n".to_owned(), rows: rows.collect(), panels }.render()
    }

    #[test]
    fn every_element_ends_and_no_text_is_markup() {
        let svg = chart(vec![vec![1.0, 2.0, 1.5], vec![12.0]]);
        let mut open = Vec::new();
        for tag in svg.split('<').skip(1) {
            let (tag, after) = tag.split_once('>').expect("a tag ends");
            assert!(!after.contains('>'), "{after}");
            let name = tag.split([' ', '/']).find(|part| !part.is_empty()).unwrap();
            if tag.starts_with('/') {
                assert_eq!(open.pop(), Some(name));
            } else if !tag.ends_with('/') {
                open.push(name);
            }
        }
        assert!(open.is_empty(), "{open:?}");
        assert!(svg.contains("a&lt;b &amp; 1"));
    }

    #[test]
    fn bars_end_at_the_median_and_within_the_picture() {
        let svg = chart(vec![vec![3.0, 4.0, 100.0]]);
        let bar = svg.lines().find(|line| line.contains(OURS)).unwrap();
        let attribute = |line: &str, name: &str| -> f64 {
            let rest = line.split(&format!(" {name}=\"")).nth(1).unwrap();
            rest.split('"').next().unwrap().parse().unwrap()
        };
        let dots: Vec<_> =
            svg.lines().filter(|line| line.contains("<circle")).map(|line| attribute(line, "cx")).collect();
        let end = attribute(bar, "x") + attribute(bar, "width");
        assert!((end - dots[1]).abs() < 0.2, "{end} {dots:?}");
        assert!(dots.iter().all(|x| *x < WIDTH - NUMBER), "{dots:?}");
    }

    #[test]
    fn a_row_without_values_has_no_bar() {
        let svg = chart(vec![Vec::new(), vec![1.0]]);
        assert!(!svg.contains(OURS) && svg.contains(OTHERS), "{svg}");
    }
}
