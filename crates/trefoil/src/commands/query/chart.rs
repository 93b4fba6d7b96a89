//! Series over time, drawn with block characters.

use trefoil_go::number::general_with;
use trefoil_promql::parser::format_duration;

use super::answer::Series;
use super::table::shown;

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Columns that are kept for minimum, maximum and last value.
const FIGURES: usize = 44;
const NARROWEST: usize = 10;
const DIGITS: usize = 4;

/// A chart for each series, each on a scale of its own. Times are milliseconds since the epoch, `width` the terminal's.
pub fn charts(series: &[Series], start: i64, end: i64, step: i64, width: usize) -> String {
    let time = |millis: i64| shown(millis as f64 / 1000.0);
    let counted = format!("{} series", series.len());
    let mut text = format!("{} to {}, step {}, {counted}\n", time(start), time(end), format_duration(step));
    // More columns than steps would be gaps.
    let steps = usize::try_from(end.saturating_sub(start) / step.max(1)).unwrap_or(usize::MAX).saturating_add(1);
    let columns = width.saturating_sub(FIGURES).max(NARROWEST).min(steps);
    for series in series {
        text.push_str(&format!("\n{}\n", fit(&series.metric.to_string(), width)));
        text.push_str(&chart(series, start, end, columns));
    }
    text
}

fn chart(series: &Series, start: i64, end: i64, columns: usize) -> String {
    let points: Vec<(f64, f64)> = series.values.iter().filter_map(|point| Some((point.0, parse(&point.1)?))).collect();
    let mut lines = String::new();
    let finite = || points.iter().map(|(_, value)| *value).filter(|value| value.is_finite());
    let (min, max) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    if let Some((_, last)) = points.last() {
        let line = sparkline(&points, start, end, columns, min, max);
        let figure = |value: f64| if min <= max { general_with(value, DIGITS) } else { "none".to_owned() };
        let last = general_with(*last, DIGITS);
        lines.push_str(&format!("{line}  min {}  max {}  last {last}\n", figure(min), figure(max)));
    }
    if let Some(last) = series.histograms.last() {
        lines.push_str(&format!("{} histograms, the last: {}\n", series.histograms.len(), last.1));
    }
    lines
}

fn parse(value: &str) -> Option<f64> {
    value.parse().ok()
}

/// The mean of each column's values; a blank where it has none.
fn sparkline(points: &[(f64, f64)], start: i64, end: i64, columns: usize, min: f64, max: f64) -> String {
    let mut sums = vec![(0.0, 0_u32); columns];
    let length = (end.saturating_sub(start) as f64).max(1.0);
    for (time, value) in points.iter().filter(|(_, value)| value.is_finite()) {
        let share = (time * 1000.0 - start as f64) / length;
        let column = ((share * columns as f64) as usize).min(columns.saturating_sub(1));
        if let Some((sum, count)) = sums.get_mut(column) {
            *sum += value / (max - min).max(1.0);
            *count += 1;
        }
    }
    let scale = (max - min).max(1.0);
    sums.into_iter()
        .map(|(sum, count)| match count {
            0 => ' ',
            count => block(sum / f64::from(count) * scale, min, max),
        })
        .collect()
}

fn block(value: f64, min: f64, max: f64) -> char {
    let height = if max > min { (value - min) / (max - min) } else { 0.5 };
    let most = BLOCKS.len() - 1;
    BLOCKS[((height * most as f64).round() as usize).min(most)]
}

/// At most `width` characters, control characters as `·`.
fn fit(text: &str, width: usize) -> String {
    let mut shown: String = text.chars().map(|c| if c.is_control() { '·' } else { c }).take(width).collect();
    if text.chars().count() > width {
        shown.pop();
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(metric: &str, values: &[(i64, &str)]) -> Series {
        let values: Vec<_> = values.iter().map(|(time, value)| (*time as f64, *value)).collect();
        let text = serde_json::json!({ "metric": { "job": metric }, "values": values });
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn series_are_drawn() {
        let numbers: Vec<String> = (0..=12).map(|number| number.to_string()).collect();
        let rising: Vec<(i64, &str)> =
            numbers.iter().enumerate().map(|(at, text)| (at as i64, text.as_str())).collect();
        let all = [
            series("rising", &rising),
            series("flat", &[(2, "7"), (3, "7"), (12, "7")]),
            series("odd", &[(0, "NaN"), (5, "+Inf"), (6, "-1e300"), (12, "1e300")]),
            series("never", &[(0, "NaN")]),
            series("nothing", &[]),
        ];
        insta::assert_snapshot!(charts(&all, 0, 12_000, 1_000, 58), @r#"
        1970-01-01T00:00:00Z to 1970-01-01T00:00:12Z, step 1s, 5 series

        {job="rising"}
        ▁▂▂▃▃▄▅▅▆▆▇▇█  min 0  max 12  last 12

        {job="flat"}
          ▅▅        ▅  min 7  max 7  last 7

        {job="odd"}
              ▁     █  min -1e+300  max 1e+300  last 1e+300

        {job="never"}
                       min none  max none  last NaN

        {job="nothing"}
        "#);
        assert!(charts(&all, 0, 12_000, 1_000, 10).lines().all(|line| line.chars().count() < 80));
    }
}
