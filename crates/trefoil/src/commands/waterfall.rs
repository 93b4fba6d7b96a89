//! A trace drawn with characters: one line a span, indented under its parent, its bar where it ran.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use chrono::{DateTime, SecondsFormat};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, TracesData};

#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// Columns of the terminal.
    pub width: usize,
    pub colour: bool,
}

pub struct Waterfall<'a> {
    trace_id: &'a [u8],
    lines: Vec<Line<'a>>,
    services: usize,
    start: u64,
    end: u64,
}

struct Line<'a> {
    depth: usize,
    service: &'a str,
    span: &'a Span,
    /// It names a parent that the trace does not have.
    orphan: bool,
}

const MIN_LABEL: usize = 24;
const DURATION: usize = 10;

impl<'a> Waterfall<'a> {
    pub fn new(trace: &'a TracesData) -> Self {
        let mut spans: Vec<(&str, &Span)> = Vec::new();
        for resource in &trace.resource_spans {
            let attributes = resource.resource.as_ref().map_or(&[][..], |resource| &resource.attributes);
            let service = service_name(attributes);
            let scopes = resource.scope_spans.iter();
            spans.extend(scopes.flat_map(|scope| &scope.spans).map(|span| (service, span)));
        }
        spans.sort_by_key(|(_, span)| (span.start_time_unix_nano, span.span_id.as_slice()));
        let ids: BTreeSet<&[u8]> = spans.iter().map(|(_, span)| span.span_id.as_slice()).collect();
        let mut children: BTreeMap<&[u8], Vec<usize>> = BTreeMap::new();
        let mut roots = Vec::new();
        for (index, (_, span)) in spans.iter().enumerate() {
            let parent = span.parent_span_id.as_slice();
            match ids.contains(parent) && parent != span.span_id {
                true => children.entry(parent).or_default().push(index),
                false => roots.push(index),
            }
        }
        let mut lines = Vec::with_capacity(spans.len());
        let mut drawn = vec![false; spans.len()];
        // What a cycle of parents keeps from being reached is drawn as further roots.
        for root in roots.into_iter().chain(0..spans.len()) {
            let mut stack = vec![(root, 0)];
            while let Some((index, depth)) = stack.pop() {
                if std::mem::replace(&mut drawn[index], true) {
                    continue;
                }
                let (service, span) = spans[index];
                lines.push(Line { depth, service, span, orphan: depth == 0 && !span.parent_span_id.is_empty() });
                let below = children.get(span.span_id.as_slice()).map_or(&[][..], Vec::as_slice);
                stack.extend(below.iter().rev().map(|&child| (child, depth + 1)));
            }
        }
        Self {
            trace_id: spans.first().map_or(&[], |(_, span)| &span.trace_id),
            services: spans.iter().map(|(service, _)| service).collect::<BTreeSet<_>>().len(),
            start: spans.iter().map(|(_, span)| span.start_time_unix_nano).min().unwrap_or(0),
            end: spans.iter().map(|(_, span)| span.end_time_unix_nano).max().unwrap_or(0),
            lines,
        }
    }

    pub fn render(&self, style: Style) -> String {
        let mut out = self.summary();
        let longest = self.lines.iter().map(|line| line.label().chars().count()).max().unwrap_or(0);
        let label_width = longest.clamp(MIN_LABEL, (style.width / 2).max(MIN_LABEL));
        let bar_width = style.width.saturating_sub(label_width + DURATION + 3).max(10);
        for line in &self.lines {
            let label = fit(&line.label(), label_width);
            let bar = self.bar(line.span, bar_width);
            let took = duration(line.span.end_time_unix_nano.saturating_sub(line.span.start_time_unix_nano));
            let failed = line.failure();
            let (on, off) = match (style.colour, &failed) {
                (false, _) => ("", ""),
                (true, None) => ("\x1b[36m", "\x1b[0m"),
                (true, Some(_)) => ("\x1b[31m", "\x1b[0m"),
            };
            let _ = writeln!(out, "{label} {on}{bar}{off} {took:>DURATION$}");
            let indent = "  ".repeat(line.depth + 1);
            if let Some(message) = failed {
                let _ = writeln!(out, "{on}{}{off}", fit(&format!("{indent}✗ {message}"), style.width).trim_end());
            }
            if line.orphan {
                let parent = hex::encode(&line.span.parent_span_id);
                let _ = writeln!(out, "{indent}? its parent {parent} is not in the trace");
            }
        }
        out
    }

    fn summary(&self) -> String {
        let nanos = i64::try_from(self.start).unwrap_or(i64::MAX);
        format!(
            "trace {} · {} · {} · {} · {}\n",
            hex::encode(self.trace_id),
            counted(self.lines.len(), "span"),
            counted(self.services, "service"),
            duration(self.end.saturating_sub(self.start)),
            DateTime::from_timestamp_nanos(nanos).to_rfc3339_opts(SecondsFormat::Millis, true),
        )
    }

    fn bar(&self, span: &Span, width: usize) -> String {
        let total = self.end.saturating_sub(self.start).max(1) as f64;
        let column = |time: u64| (time.saturating_sub(self.start) as f64 / total * width as f64).round() as usize;
        let from = column(span.start_time_unix_nano).min(width - 1);
        let to = column(span.end_time_unix_nano).clamp(from + 1, width);
        format!("{}{}{}", "·".repeat(from), "█".repeat(to - from), "·".repeat(width - to))
    }
}

impl Line<'_> {
    fn label(&self) -> String {
        format!("{}{} {}", "  ".repeat(self.depth), self.service, self.span.name)
    }

    fn failure(&self) -> Option<&str> {
        let status = self.span.status.as_ref().filter(|status| status.code == StatusCode::Error as i32)?;
        Some(if status.message.is_empty() { "error" } else { &status.message })
    }
}

fn service_name(attributes: &[KeyValue]) -> &str {
    attributes
        .iter()
        .find(|attribute| attribute.key == "service.name")
        .and_then(|attribute| attribute.value.as_ref()?.value.as_ref())
        .and_then(|value| match value {
            Value::StringValue(name) => Some(name.as_str()),
            _ => None,
        })
        .unwrap_or("unknown_service")
}

/// Exactly `width` characters: padded, or cut with an ellipsis. Control characters are shown as `·`.
fn fit(text: &str, width: usize) -> String {
    let mut shown: String = text.chars().map(|c| if c.is_control() { '·' } else { c }).take(width).collect();
    if text.chars().count() > width {
        shown.pop();
        shown.push('…');
    }
    format!("{shown:<width$}")
}

pub fn duration(nanos: u64) -> String {
    match nanos {
        0..1_000 => format!("{nanos} ns"),
        1_000..1_000_000 => format!("{:.1} µs", nanos as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} ms", nanos as f64 / 1e6),
        _ => format!("{:.2} s", nanos as f64 / 1e9),
    }
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::AnyValue;
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Status};

    use super::*;

    fn span(id: u8, parent: u8, name: &str, start: u64, end: u64) -> Span {
        Span {
            trace_id: vec![7; 16],
            span_id: vec![id; 8],
            parent_span_id: if parent == 0 { vec![] } else { vec![parent; 8] },
            name: name.into(),
            start_time_unix_nano: start * 1_000_000,
            end_time_unix_nano: end * 1_000_000,
            ..Default::default()
        }
    }

    fn service(name: &str, spans: Vec<Span>) -> ResourceSpans {
        let value = Some(AnyValue { value: Some(Value::StringValue(name.into())) });
        let attributes = vec![KeyValue { key: "service.name".into(), value, ..Default::default() }];
        ResourceSpans {
            resource: Some(Resource { attributes, ..Default::default() }),
            scope_spans: vec![ScopeSpans { spans, ..Default::default() }],
            ..Default::default()
        }
    }

    fn drawn(resource_spans: Vec<ResourceSpans>) -> String {
        Waterfall::new(&TracesData { resource_spans }).render(Style { width: 70, colour: false })
    }

    #[test]
    fn draws_children_under_parents() {
        let mut failing = span(3, 2, "INSERT", 30, 90);
        failing.status = Some(Status { code: StatusCode::Error as i32, message: "disk\nfull".into() });
        let orders = service("orders", vec![failing, span(2, 1, "POST /orders", 20, 100)]);
        let gateway = service("gateway", vec![span(1, 0, "POST /checkout", 0, 100), span(4, 9, "lost", 50, 60)]);
        insta::assert_snapshot!(drawn(vec![orders, gateway]), @"
        trace 07070707070707070707070707070707 · 4 spans · 2 services · 100.0 ms · 1970-01-01T00:00:00.000Z
        gateway POST /checkout   █████████████████████████████████   100.0 ms
          orders POST /orders    ·······██████████████████████████    80.0 ms
            orders INSERT        ··········████████████████████···    60.0 ms
              ✗ disk·full
        gateway lost             ·················███·············    10.0 ms
          ? its parent 0909090909090909 is not in the trace
        ");
    }

    #[test]
    fn a_cycle_of_parents_is_drawn_once() {
        let text = drawn(vec![service("a", vec![span(1, 2, "one", 0, 1), span(2, 1, "two", 0, 1)])]);
        assert_eq!(text.matches("one").count(), 1, "{text}");
        assert_eq!(text.matches("two").count(), 1, "{text}");
    }

    #[test]
    fn a_deep_trace_and_an_empty_one_are_no_trouble() {
        assert!(drawn(vec![]).contains("0 spans"));
        let deep = (1..=200).map(|id| span(id, id - 1, "step", u64::from(id), 300)).collect();
        assert_eq!(drawn(vec![service("a", deep)]).lines().count(), 201);
    }
}
