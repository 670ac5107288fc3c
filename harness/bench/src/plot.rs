//! Pictures for the page, as SVG that stands in it.

use anyhow::{Result, anyhow};
use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::prelude::*;

use crate::distribution::duration;
use crate::group::Group;
use crate::report::{Measurement, Report};

/// Colours that are told apart by most eyes. Source: Okabe and Ito's palette.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(90, 90, 90),
];

/// One case's pictures.
#[derive(Debug)]
pub(crate) struct Pictures {
    /// The case.
    pub(crate) case: String,
    /// What one operation is.
    pub(crate) title: String,
    /// Its pictures.
    pub(crate) svg: Vec<String>,
}

fn colour(number: usize) -> RGBColor {
    COLOURS.get(number % COLOURS.len()).copied().unwrap_or(BLACK)
}

/// A picture of this size.
fn drawn(
    size: (u32, u32),
    draw: impl FnOnce(&DrawingArea<SVGBackend<'_>, plotters::coord::Shift>) -> Result<()>,
) -> Result<String> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        area.fill(&WHITE).map_err(|error| anyhow!("{error}"))?;
        draw(&area)?;
        area.present().map_err(|error| anyhow!("{error}"))?;
    }
    Ok(text)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a label on an axis")]
fn time(ns: &f64) -> String {
    duration(ns.max(0.0) as u64)
}

#[allow(clippy::cast_precision_loss, reason = "a place in a picture")]
fn place(ns: u64) -> f64 {
    ns.max(1) as f64
}

/// The least and the greatest, with room around them, on an axis by powers of ten.
fn room(values: impl Iterator<Item = u64> + Clone) -> (f64, f64) {
    let least = values.clone().min().unwrap_or(1);
    let greatest = values.max().unwrap_or(10);
    (place(least) * 0.7, place(greatest) * 1.4)
}

fn measured(report: &Report) -> impl Iterator<Item = &Measurement> + Clone {
    report.measurements.iter().filter(|it| it.latency_ns.is_some())
}

/// Every case at one thread: from the least to the 99th percentile, with the median marked.
pub(crate) fn overview(report: &Report) -> Result<String> {
    let least = measured(report).map(|it| it.threads).min().unwrap_or(1);
    let rows: Vec<&Measurement> = measured(report).filter(|it| it.threads == least).collect();
    if rows.is_empty() {
        return Ok(String::new());
    }
    let count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
    let figures = rows.iter().filter_map(|it| it.latency_ns);
    let (from, to) = room(figures.flat_map(|it| [it.min, it.p99]).collect::<Vec<_>>().into_iter());
    drawn((960, 70 + 20 * count), |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(10)
            .x_label_area_size(30)
            .y_label_area_size(260)
            .build_cartesian_2d((from..to).log_scale(), 0.0..f64::from(count))
            .map_err(|error| anyhow!("{error}"))?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .y_labels(0)
            .x_label_formatter(&time)
            .draw()
            .map_err(|error| anyhow!("{error}"))?;
        let plot = chart.plotting_area();
        for (row, it) in (0_u32..).zip(&rows) {
            let Some(latency) = it.latency_ns else { continue };
            let (low, high) = (f64::from(count - row) - 0.75, f64::from(count - row) - 0.25);
            let side = report.sides.iter().position(|side| side.name == it.side).unwrap_or(0);
            let ink = colour(side);
            let corners = [(place(latency.min), low), (place(latency.p99), high)];
            let median = [(place(latency.p50), low - 0.1), (place(latency.p50), high + 0.1)];
            let style = ("sans-serif", 13).into_text_style(area).color(&ink);
            let (_, y) = plot.map_coordinate(&(from, f64::midpoint(low, high)));
            let objects =
                if it.objects == 0 { String::new() } else { format!(" ({})", it.objects) };
            let name = Text::new(format!("{}{objects}", it.case), (10, y - 7), style);
            plot.draw(&Rectangle::new(corners, ink.mix(0.35).filled()))
                .and_then(|()| plot.draw(&PathElement::new(median, ink.stroke_width(3))))
                .and_then(|()| area.draw(&name))
                .map_err(|error| anyhow!("{error}"))?;
        }
        Ok(())
    })
}

/// The pictures of each case: its distribution, and how it goes with threads and objects where there are several.
pub(crate) fn cases(report: &Report) -> Result<Vec<Pictures>> {
    let mut ids: Vec<(&str, &str)> = Vec::new();
    for it in measured(report) {
        if ids.iter().all(|id| id.0 != it.case) {
            ids.push((&it.case, &it.title));
        }
    }
    ids.into_iter()
        .map(|(case, title)| {
            let of: Vec<_> = measured(report).filter(|it| it.case == case).collect();
            let mut svg = vec![distribution(report, &of)?];
            let several = |values: Vec<usize>| {
                values.first().is_some_and(|first| values.iter().any(|it| it != first))
            };
            if several(of.iter().map(|it| it.threads).collect()) {
                let least = of.iter().map(|it| it.objects).min().unwrap_or(0);
                let rows = of.iter().filter(|it| it.objects == least);
                svg.push(course(report, "operations a second by threads", rows, |it| {
                    (it.threads, it.rate_per_s)
                })?);
            }
            if several(of.iter().map(|it| it.objects).collect()) {
                let least = of.iter().map(|it| it.threads).min().unwrap_or(1);
                let rows = of.iter().filter(|it| it.threads == least);
                svg.push(course(report, "median in microseconds by other objects", rows, |it| {
                    (it.objects, it.latency_ns.map_or(0.0, |latency| place(latency.p50) / 1e3))
                })?);
            }
            Ok(Pictures { case: case.to_owned(), title: title.to_owned(), svg })
        })
        .collect()
}

/// How a line is called in the legend.
fn name(report: &Report, it: &Measurement) -> String {
    let mut parts = Vec::new();
    if report.sides.len() > 1 {
        parts.push(it.side.clone());
    }
    parts.push(format!("{} threads", it.threads));
    if it.objects > 0 {
        parts.push(format!("{} objects", it.objects));
    }
    parts.join(", ")
}

/// Latency by the part of operations that are no slower: to the right the rare ones, each step ten times as rare.
fn distribution(report: &Report, of: &[&Measurement]) -> Result<String> {
    let values: Vec<u64> = of.iter().flat_map(|it| it.curve.iter().map(|it| it.1)).collect();
    let (from, to) = room(values.into_iter());
    drawn((640, 320), |area| {
        let mut chart = ChartBuilder::on(area)
            .caption("latency by percentile", ("sans-serif", 14))
            .margin(10)
            .x_label_area_size(30)
            .y_label_area_size(70)
            .build_cartesian_2d(0.0..4.2, (from..to).log_scale())
            .map_err(|error| anyhow!("{error}"))?;
        chart
            .configure_mesh()
            .x_labels(5)
            .x_label_formatter(&|nines| percentile(*nines))
            .y_label_formatter(&time)
            .draw()
            .map_err(|error| anyhow!("{error}"))?;
        for (number, it) in of.iter().enumerate() {
            let line = colour(number);
            // The slowest of all has no part of its own on this axis; it is drawn at the end of the line.
            let points = it.curve.iter().map(|(part, ns)| (rarity(*part), place(*ns)));
            chart
                .draw_series(LineSeries::new(points, line.stroke_width(2)))
                .map_err(|error| anyhow!("{error}"))?
                .label(name(report, it))
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 14, y)], line.stroke_width(2))
                });
        }
        legend(&mut chart)
    })
}

/// How many times ten rarer than always: 0 of all, 1 of one in ten, and so on.
fn rarity(part: f64) -> f64 {
    if part >= 1.0 { 4.2 } else { -(1.0 - part).log10() }
}

fn percentile(nines: f64) -> String {
    let part = 100.0 - 100.0 / 10_f64.powf(nines);
    if part == 0.0 { "0 %".into() } else { format!("{part} %") }
}

/// A figure as it goes with a number, a line a side.
fn course<'a>(
    report: &Report,
    title: &str,
    rows: impl Iterator<Item = &'a &'a Measurement> + Clone,
    figure: impl Fn(&Measurement) -> (usize, f64),
) -> Result<String> {
    let points: Vec<(&str, (f64, f64))> = rows
        .map(|it| {
            let (at, value) = figure(it);
            (it.side.as_str(), (f64::from(u32::try_from(at).unwrap_or(u32::MAX)), value))
        })
        .collect();
    let right = points.iter().map(|it| it.1.0).fold(1.0, f64::max);
    let top = points.iter().map(|it| it.1.1).fold(f64::MIN_POSITIVE, f64::max);
    drawn((640, 260), |area| {
        let mut chart = ChartBuilder::on(area)
            .caption(title, ("sans-serif", 14))
            .margin(10)
            .x_label_area_size(30)
            .y_label_area_size(70)
            .build_cartesian_2d(0.0..right * 1.05, 0.0..top * 1.15)
            .map_err(|error| anyhow!("{error}"))?;
        chart.configure_mesh().draw().map_err(|error| anyhow!("{error}"))?;
        for (number, side) in report.sides.iter().enumerate() {
            let line = colour(number);
            let own: Vec<_> = points.iter().filter(|it| it.0 == side.name).map(|it| it.1).collect();
            let dots = own.iter().map(|at| Circle::new(*at, 4, line.filled()));
            chart.draw_series(dots).map_err(|error| anyhow!("{error}"))?;
            chart
                .draw_series(LineSeries::new(own, line.stroke_width(2)))
                .map_err(|error| anyhow!("{error}"))?
                .label(side.name.clone())
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 14, y)], line.stroke_width(2))
                });
        }
        legend(&mut chart)
    })
}

fn legend<'a, X, Y>(chart: &mut ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, Y>>) -> Result<()>
where
    X: Ranged + ValueFormatter<X::ValueType>,
    Y: Ranged + ValueFormatter<Y::ValueType>,
{
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.2))
        .draw()
        .map_err(|error| anyhow!("{error}"))
}

/// Operations by columns of time, with what was done to the members.
pub(crate) fn timeline(group: &Group) -> Result<String> {
    let flow = &group.flow;
    let seconds = |ms: u64| place(ms) / 1e3;
    let end = flow.bins.last().map_or(1.0, |bin| seconds(bin.at_ms + 10));
    let (from, to) = room(flow.bins.iter().map(|bin| bin.slowest_ns));
    drawn((960, 320), |area| {
        let mut chart = ChartBuilder::on(area)
            .caption(
                "the slowest operation of each 10 ms; red where one failed",
                ("sans-serif", 14),
            )
            .margin(10)
            .x_label_area_size(30)
            .y_label_area_size(70)
            .build_cartesian_2d(0.0..end, (from..to).log_scale())
            .map_err(|error| anyhow!("{error}"))?;
        chart
            .configure_mesh()
            .y_label_formatter(&time)
            .x_label_formatter(&|at| format!("{at:.1} s"))
            .draw()
            .map_err(|error| anyhow!("{error}"))?;
        for (name, at) in &flow.marks {
            let mut words = name.split(' ');
            let (what, member) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
            if !["down", "up"].contains(&what) {
                continue;
            }
            let at = place(*at) / 1e9;
            let line = PathElement::new([(at, from), (at, to)], BLACK.mix(0.5));
            chart.draw_series([line]).map_err(|error| anyhow!("{error}"))?;
            let words = format!("{member} {what}");
            let text = Text::new(words, (at, to * 0.9), ("sans-serif", 12));
            chart.draw_series([text]).map_err(|error| anyhow!("{error}"))?;
        }
        let dots = flow.bins.iter().map(|bin| {
            let ink = if bin.failed > 0 { RED } else { colour(0) };
            Circle::new((seconds(bin.at_ms), place(bin.slowest_ns)), 2, ink.filled())
        });
        chart.draw_series(dots).map_err(|error| anyhow!("{error}"))?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn each_ten_times_as_rare_is_a_step_to_the_right() {
        assert!((rarity(0.9) - 1.0).abs() < 1e-9 && (rarity(0.999) - 3.0).abs() < 1e-9);
        assert_eq!([0.0, 1.0, 2.0].map(percentile), ["0 %", "90 %", "99 %"]);
    }

    #[test]
    fn a_case_at_two_numbers_of_threads_has_two_pictures() {
        let mut report = sample(&[("a/b/1", 100), ("a/b/1", 90)]);
        report.measurements[1].threads = 2;
        let pictures = cases(&report).unwrap();
        assert_eq!((pictures.len(), pictures[0].svg.len()), (1, 2));
        assert!(overview(&report).unwrap().contains("a/b/1"));
        assert_eq!(overview(&sample(&[])).unwrap(), "");
    }
}
