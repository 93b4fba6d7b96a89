//! Series lines of test scripts: a metric, and what it has at each interval.

use std::sync::Arc;

use trefoil_promql::histogram::FloatHistogram;
use trefoil_promql::labels::Labels;
use trefoil_promql::parser;
use trefoil_promql::source::STALE_NAN_BITS;

/// A line that wants more values than this is a mistake.
const MOST_VALUES: usize = 1_000_000;

#[derive(Debug, Clone, PartialEq)]
pub enum SequenceValue {
    Omitted,
    Float(f64),
    Histogram {
        histogram: Arc<FloatHistogram>,
        /// The text says a counter reset hint, so an answer has to have the same one.
        has_hint: bool,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub struct SeriesLine {
    pub labels: Labels,
    pub values: Vec<SequenceValue>,
}

/// A line `metric@st -1m _ …`: how far from each sample its start time is (milliseconds), where it has one.
#[derive(Debug, Clone, PartialEq)]
pub struct StartLine {
    /// `None`: of all series lines below that have no line of their own.
    pub labels: Option<Labels>,
    pub offsets: Vec<Option<i64>>,
}

pub fn parse_series(line: &str) -> Result<SeriesLine, String> {
    let (metric, values) = line.split_at(metric_length(line));
    Ok(SeriesLine { labels: parse_metric(metric)?, values: parse_values(values)? })
}

/// `None` for a line of samples.
pub fn parse_start_times(line: &str) -> Option<Result<StartLine, String>> {
    let (metric, offsets) = line.split_once([' ', '\t'])?;
    let metric = metric.strip_suffix("@st")?;
    let labels = match metric {
        "" => Ok(None),
        metric => parse_metric(metric).map(Some),
    };
    Some(labels.and_then(|labels| Ok(StartLine { labels, offsets: parse_offsets(offsets)? })))
}

fn parse_metric(text: &str) -> Result<Labels, String> {
    parser::parse_metric(text).map_err(|error| format!("metric {text:?}: {error}"))
}

/// Where the metric ends: behind its braces, else at the first space. Both may be in quotes.
fn metric_length(line: &str) -> usize {
    let mut depth = 0_usize;
    let mut quote = None;
    let mut escaped = false;
    for (index, character) in line.char_indices() {
        match (quote, character) {
            _ if escaped => escaped = false,
            (Some('"' | '\''), '\\') => escaped = true,
            (Some(open), close) if open == close => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'' | '`') => quote = Some(character),
            (None, '{') => depth += 1,
            (None, '}') if depth == 1 => return index + 1,
            (None, '}') => depth = depth.saturating_sub(1),
            (None, ' ' | '\t') if depth == 0 => return index,
            (None, _) => {}
        }
    }
    line.len()
}

pub fn parse_values(text: &str) -> Result<Vec<SequenceValue>, String> {
    let mut values = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (item, tail) = rest.split_at(item_length(rest));
        parse_item(item, &mut values).map_err(|error| format!("value {item:?}: {error}"))?;
        if values.len() > MOST_VALUES {
            return Err(format!("more than {MOST_VALUES} values"));
        }
        rest = tail.trim_start();
    }
    Ok(values)
}

/// Up to the first space outside of a histogram.
fn item_length(text: &str) -> usize {
    let mut in_histogram = false;
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => in_histogram = true,
            b'}' => in_histogram = false,
            b' ' | b'\t' if !in_histogram => return index,
            _ => {}
        }
    }
    text.len()
}

fn parse_item(item: &str, values: &mut Vec<SequenceValue>) -> Result<(), String> {
    if let Some(rest) = item.strip_prefix('_') {
        let count = if rest.is_empty() { 1 } else { parse_times(rest)? };
        values.extend(std::iter::repeat_n(SequenceValue::Omitted, count));
        return Ok(());
    }
    if item.starts_with("{{") {
        return parse_histograms(item, values);
    }
    let (first, rest) = match item.strip_prefix("stale") {
        Some(rest) => (f64::from_bits(STALE_NAN_BITS), rest),
        None => number_prefix(item)?,
    };
    let (step, times) = match rest.as_bytes().first() {
        None => (None, 0),
        Some(b'x') => (None, parse_times(rest)?),
        Some(_) => {
            let (step, rest) = number_prefix(rest)?;
            (Some(step), parse_times(rest)?)
        }
    };
    let mut value = first;
    for _ in 0..=times {
        values.push(SequenceValue::Float(value));
        // A stale NaN is repeated bit by bit: arithmetic could change it.
        if let Some(step) = step {
            value += step;
        }
    }
    Ok(())
}

fn parse_histograms(item: &str, values: &mut Vec<SequenceValue>) -> Result<(), String> {
    let (first, rest) = histogram_prefix(item)?;
    if rest.is_empty() || rest.starts_with('x') {
        let times = if rest.is_empty() { 0 } else { parse_times(rest)? };
        values.extend(std::iter::repeat_n(first, times + 1));
        return Ok(());
    }
    let combine = match rest.as_bytes().first() {
        Some(b'+') => FloatHistogram::add,
        Some(b'-') => FloatHistogram::sub,
        _ => return Err(format!("{rest:?} behind a histogram")),
    };
    let (step, rest) = histogram_prefix(&rest[1..])?;
    let times = parse_times(rest)?;
    let (SequenceValue::Histogram { histogram: mut current, .. }, SequenceValue::Histogram { histogram: step, .. }) =
        (first.clone(), step)
    else {
        return Err("no histogram".to_owned());
    };
    values.push(first);
    for _ in 0..times {
        if current.schema > step.schema {
            return Err(format!("cannot merge from schema {} to {}", step.schema, current.schema));
        }
        let (combined, _) = combine(&current, &step).map_err(|error| error.to_string())?;
        current = Arc::new(combined);
        values.push(SequenceValue::Histogram { histogram: current.clone(), has_hint: false });
    }
    Ok(())
}

fn histogram_prefix(text: &str) -> Result<(SequenceValue, &str), String> {
    let parsed = FloatHistogram::parse(text).map_err(|error| error.to_string())?;
    let value =
        SequenceValue::Histogram { histogram: parsed.histogram.into(), has_hint: parsed.has_counter_reset_hint };
    Ok((value, &text[parsed.length..]))
}

/// `x5`.
fn parse_times(text: &str) -> Result<usize, String> {
    let times = text.strip_prefix('x').ok_or_else(|| format!("expected x and a number instead of {text:?}"))?;
    match times.parse() {
        Ok(times) if times <= MOST_VALUES => Ok(times),
        _ => Err(format!("{times:?} is no number of times")),
    }
}

/// The number at the start of the text, and what is behind it. Hexadecimal ones would be ambiguous: `0x5` is six zeros.
fn number_prefix(text: &str) -> Result<(f64, &str), String> {
    let sign = text.bytes().take_while(|byte| matches!(byte, b'+' | b'-')).count().min(1);
    let word = text[sign..].get(..3).unwrap_or("");
    let end = match word.to_ascii_lowercase().as_str() {
        "inf" | "nan" => sign + 3,
        _ => sign + digits_length(&text[sign..]),
    };
    let (number, rest) = text.split_at(end);
    let number = number.replace('_', "").parse().map_err(|_| format!("{text:?} is no number"))?;
    Ok((number, rest))
}

/// How long `12.5e-3` is.
fn digits_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mantissa = bytes.iter().take_while(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'_')).count();
    if !matches!(bytes.get(mantissa), Some(b'e' | b'E')) {
        return mantissa;
    }
    let sign = usize::from(matches!(bytes.get(mantissa + 1), Some(b'+' | b'-')));
    let exponent = bytes.iter().skip(mantissa + 1 + sign).take_while(|byte| byte.is_ascii_digit()).count();
    if exponent == 0 { mantissa } else { mantissa + 1 + sign + exponent }
}

fn parse_offsets(text: &str) -> Result<Vec<Option<i64>>, String> {
    let mut offsets = Vec::new();
    for item in text.split_whitespace() {
        parse_offset(item, &mut offsets).map_err(|error| format!("start time {item:?}: {error}"))?;
    }
    Ok(offsets)
}

fn parse_offset(item: &str, offsets: &mut Vec<Option<i64>>) -> Result<(), String> {
    if let Some(rest) = item.strip_prefix('_') {
        let count = if rest.is_empty() { 1 } else { parse_times(rest)? };
        offsets.extend(std::iter::repeat_n(None, count));
        return Ok(());
    }
    let (first, rest) = match item.strip_prefix('*') {
        Some(rest) => (offsets.iter().rev().find_map(|offset| *offset).unwrap_or(0), rest),
        None => duration_prefix(item)?,
    };
    let (step, times) = match rest.as_bytes().first() {
        None => (0, 0),
        Some(b'x') => (0, parse_times(rest)?),
        Some(_) => {
            let (step, rest) = duration_prefix(rest)?;
            (step, parse_times(rest)?)
        }
    };
    let mut offset = first;
    for _ in 0..=times {
        offsets.push(Some(offset));
        offset += step;
    }
    Ok(())
}

/// The signed duration at the start of the text (milliseconds), and what is behind it.
fn duration_prefix(text: &str) -> Result<(i64, &str), String> {
    let sign = usize::from(text.starts_with(['+', '-']));
    let digits = text.bytes().skip(sign).take_while(u8::is_ascii_digit).count();
    let unit = text.bytes().skip(sign + digits).take_while(|byte| byte.is_ascii_alphabetic() && *byte != b'x').count();
    let (duration, rest) = text.split_at(sign + digits + unit);
    let millis = parser::parse_duration(&duration[sign..])?;
    Ok((if duration.starts_with('-') { -millis } else { millis }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(text: &str) -> Vec<Option<f64>> {
        let values = parse_values(text).unwrap();
        values
            .into_iter()
            .map(|value| match value {
                SequenceValue::Omitted => None,
                SequenceValue::Float(value) => Some(value),
                SequenceValue::Histogram { .. } => panic!("{text}: a histogram"),
            })
            .collect()
    }

    #[test]
    fn values_are_expanded() {
        for (text, expected) in [
            ("1 2  3", vec![Some(1.0), Some(2.0), Some(3.0)]),
            ("0+10x2", vec![Some(0.0), Some(10.0), Some(20.0)]),
            ("1-2x1 -1e1", vec![Some(1.0), Some(-1.0), Some(-10.0)]),
            ("-1-2x1 _ _x2", vec![Some(-1.0), Some(-3.0), None, None, None]),
            ("0x1", vec![Some(0.0), Some(0.0)]),
            ("1.5e-1+1e0x1", vec![Some(0.15), Some(1.15)]),
            (
                "+Inf -Inf Inf+1x1",
                vec![Some(f64::INFINITY), Some(f64::NEG_INFINITY), Some(f64::INFINITY), Some(f64::INFINITY)],
            ),
            ("", vec![]),
        ] {
            assert_eq!(floats(text), expected, "{text}");
        }
        assert!(floats("NaN")[0].unwrap().is_nan());
        assert_eq!(floats("stalex1")[1].unwrap().to_bits(), STALE_NAN_BITS);
        for wrong in ["1x", "a", "1+x2", "1+2", "_3", "{{", "1x99999999"] {
            assert!(parse_values(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn histograms_are_expanded() {
        let line = parse_series(
            "m {{schema:0 sum:1 count:1}}+{{schema:0 sum:2 count:3}}x2 {{count:5 counter_reset_hint:gauge}}x1",
        )
        .unwrap();
        let seen = line.values.iter().map(|value| match value {
            SequenceValue::Histogram { histogram, has_hint } => (histogram.count, histogram.sum, *has_hint),
            other => panic!("{other:?}"),
        });
        let expected = [(1.0, 1.0, false), (4.0, 3.0, false), (7.0, 5.0, false), (5.0, 0.0, true), (5.0, 0.0, true)];
        assert_eq!(seen.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn metrics_end_where_values_begin() {
        for (line, length) in
            [("a 1", 1), (r#"a{b="} \" {", c="d"} 1"#, 20), ("{} 1", 2), (r#"{"a.b", c='}'} 1"#, 14), ("a", 1)]
        {
            assert_eq!(metric_length(line), length, "{line}");
        }
        let line = parse_series(r#"a{b="c d"} 1"#).unwrap();
        assert_eq!(line.labels, Labels::from_pairs([("__name__", "a"), ("b", "c d")]));
    }

    #[test]
    fn start_times_are_offsets() {
        let line = parse_start_times("a@st _ -30s-1mx2 *x1 _x2 0 +1ms").unwrap().unwrap();
        let expected = [
            None,
            Some(-30_000),
            Some(-90_000),
            Some(-150_000),
            Some(-150_000),
            Some(-150_000),
            None,
            None,
            Some(0),
            Some(1),
        ];
        assert_eq!(line.offsets, expected);
        assert_eq!(line.labels, Some(Labels::from_pairs([("__name__", "a")])));
        assert_eq!(parse_start_times("@st 1s").unwrap().unwrap().labels, None);
        assert!(parse_start_times("a 1").is_none());
        assert!(parse_start_times("a@st 1").unwrap().is_err());
    }
}
