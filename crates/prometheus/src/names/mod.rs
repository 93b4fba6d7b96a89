//! Names of OpenTelemetry's metrics and attributes → names of Prometheus' metrics and labels.
//!
//! Source: OpenTelemetry's "Prometheus and OpenMetrics Compatibility", "OTLP Metric points to Prometheus", where it leaves
//! room as Prometheus' own OTLP receiver does it (its `otlptranslator`).

mod escaping;
mod units;

pub use escaping::{Escaping, is_classic};

/// How names of OpenTelemetry become names of Prometheus; Prometheus' `otlp.translation_strategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum NameTranslation {
    /// Characters that Prometheus' classic names cannot have become `_`; units and `_total` are appended.
    #[default]
    UnderscoreEscapingWithSuffixes,
    /// Characters become `_`, nothing is appended.
    UnderscoreEscapingWithoutSuffixes,
    /// Names stay as they are, but units and `_total` are appended.
    NoUtf8EscapingWithSuffixes,
    /// Names stay as they are.
    NoTranslation,
}

/// What of a metric's kind its name shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Gauge,
    /// A sum that only grows.
    Counter,
    Other,
}

impl NameTranslation {
    fn escapes(self) -> bool {
        matches!(self, Self::UnderscoreEscapingWithSuffixes | Self::UnderscoreEscapingWithoutSuffixes)
    }

    fn has_suffixes(self) -> bool {
        matches!(self, Self::UnderscoreEscapingWithSuffixes | Self::NoUtf8EscapingWithSuffixes)
    }
}

/// The metric's name; of a classic histogram or a summary without `_bucket`, `_count` and `_sum`. `None` where nothing but
/// underscores would remain: Prometheus does not take such metrics.
pub fn metric_name(translation: NameTranslation, name: &str, unit: &str, shape: Shape) -> Option<String> {
    let translated = match (translation.escapes(), translation.has_suffixes()) {
        (true, true) => escaped_with_suffixes(name, unit, shape),
        (true, false) => {
            let is_allowed = |c: char| c == '_' || is_name_character(c);
            not_beginning_with_digit(join(name.split(|c| !is_allowed(c)).filter(|token| !token.is_empty())))
        }
        (false, true) => with_suffixes(name, unit, shape),
        (false, false) => name.to_owned(),
    };
    has_substance(&translated, name).then_some(translated)
}

/// A label's name. `None` as for [`metric_name`].
pub fn label_name(translation: NameTranslation, key: &str) -> Option<String> {
    if !translation.escapes() {
        return (!key.is_empty()).then(|| key.to_owned());
    }
    let mut name: String = key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        name.insert_str(0, "key_");
    } else if name.starts_with('_') && !name.starts_with("__") {
        name.insert_str(0, "key");
    }
    has_substance(&name, key).then_some(name)
}

/// The unit in Prometheus' words, for metadata.
pub fn unit_name(translation: NameTranslation, unit: &str) -> String {
    let (of, per) = units::words(unit);
    let clean = |text: &str| if translation.escapes() { clean_unit(text) } else { text.to_owned() };
    let (of, per) = (clean(of), clean(per.as_deref().unwrap_or("")));
    let words = join([of.as_str(), per.as_str()].into_iter().filter(|word| !word.is_empty()));
    let words = words.strip_prefix('_').unwrap_or(&words);
    words.strip_suffix('_').unwrap_or(words).to_owned()
}

fn has_substance(translated: &str, original: &str) -> bool {
    !translated.is_empty() && (translated == original || translated.contains(|c| c != '_'))
}

fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == ':'
}

fn join<'a>(tokens: impl IntoIterator<Item = &'a str>) -> String {
    tokens.into_iter().collect::<Vec<_>>().join("_")
}

fn not_beginning_with_digit(name: String) -> String {
    match name.starts_with(|first: char| first.is_ascii_digit()) {
        true => format!("_{name}"),
        false => name,
    }
}

/// By tokens between invalid characters, so that several underscores become one.
fn escaped_with_suffixes(name: &str, unit: &str, shape: Shape) -> String {
    let mut tokens: Vec<&str> = name.split(|c| !is_name_character(c)).filter(|token| !token.is_empty()).collect();
    let (of, per) = units::words(unit);
    let (mut of, per) = (clean_unit(of), clean_unit(per.as_deref().unwrap_or("")));
    let mut per = per.strip_suffix('_').unwrap_or(&per);
    if tokens.contains(&of.as_str()) {
        of.clear();
    }
    if per == "per" || tokens.contains(&per) {
        per = "";
    }
    if !per.is_empty() && of.ends_with('_') {
        of.pop();
    }
    tokens.extend([of.as_str(), per].into_iter().filter(|token| !token.is_empty()));
    if let Some(last) = last_token(unit, shape) {
        tokens.retain(|token| *token != last);
        tokens.push(last);
    }
    not_beginning_with_digit(join(tokens))
}

/// Counters end in `total`, and gauges without a dimension in `ratio`. (Counters of things are often said to have the unit
/// "1", which makes no ratio of them.)
fn last_token(unit: &str, shape: Shape) -> Option<&'static str> {
    match shape {
        Shape::Counter => Some("total"),
        Shape::Gauge if unit == "1" => Some("ratio"),
        Shape::Gauge | Shape::Other => None,
    }
}

/// As far as a unit can stand in a name.
fn clean_unit(unit: &str) -> String {
    let mut clean = String::with_capacity(unit.len());
    for c in unit.chars() {
        match is_name_character(c) {
            true => clean.push(c),
            false if clean.is_empty() || clean.ends_with('_') => {}
            false => clean.push('_'),
        }
    }
    clean
}

/// Suffixes on a name that stays as it is otherwise; one that is there already is not doubled.
fn with_suffixes(name: &str, unit: &str, shape: Shape) -> String {
    let last = last_token(unit, shape);
    let (of, per) = units::words(unit);
    let mut name = last.map_or(name, |suffix| without_suffix(name, suffix));
    if let Some(per) = &per {
        name = without_suffix(name, per);
    }
    let of = Some(of).filter(|of| !of.is_empty() && !name.ends_with(of));
    join([Some(name), of, per.as_deref(), last].into_iter().flatten())
}

/// Without the suffix and the character before it.
fn without_suffix<'a>(name: &'a str, suffix: &str) -> &'a str {
    let before = name.strip_suffix(suffix).and_then(|rest| {
        let mut characters = rest.chars();
        characters.next_back()?;
        Some(characters.as_str())
    });
    before.filter(|rest| !rest.is_empty()).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::NameTranslation::*;
    use super::Shape::*;
    use super::*;

    #[test]
    fn metrics_get_prometheus_names() {
        for (name, unit, shape, expected) in [
            ("http.server.request.duration", "s", Other, "http_server_request_duration_seconds"),
            ("http.server.request.count", "{request}", Counter, "http_server_request_count_total"),
            ("requests_total", "", Counter, "requests_total"),
            ("total.requests", "1", Counter, "requests_total"),
            ("system.cpu.utilization", "1", Gauge, "system_cpu_utilization_ratio"),
            ("ratio.of.things", "1", Gauge, "of_things_ratio"),
            ("queue.size", "1", Other, "queue_size"),
            ("system.memory.usage", "By", Gauge, "system_memory_usage_bytes"),
            ("memory_usage_bytes", "By", Gauge, "memory_usage_bytes"),
            ("bytes.sent", "By", Counter, "bytes_sent_total"),
            ("disk.io", "By/s", Gauge, "disk_io_bytes_per_second"),
            ("disk.io", "{operation}/s", Gauge, "disk_io_per_second"),
            ("limit", "{x}/{y}", Gauge, "limit"),
            ("speed", "m/s", Gauge, "speed_meters_per_second"),
            ("fan", "{rev}/min", Gauge, "fan_per_min"),
            ("cpu.time", "ms", Counter, "cpu_time_milliseconds_total"),
            ("a  b..c", "", Gauge, "a_b_c"),
            ("__a__b__", "", Gauge, "a_b"),
            ("job:x:rate5m", "", Gauge, "job:x:rate5m"),
            ("3d.points", "", Gauge, "_3d_points"),
            ("grüße", "%", Gauge, "gr_e_percent"),
            ("x", "widgets of/$", Gauge, "x_widgets_of"),
            ("x", "ÄÖ", Gauge, "x"),
        ] {
            let translated = metric_name(UnderscoreEscapingWithSuffixes, name, unit, shape);
            assert_eq!(translated.as_deref(), Some(expected), "{name} in {unit}");
        }
        assert_eq!(metric_name(UnderscoreEscapingWithSuffixes, "äöü", "", Gauge), None);
        assert_eq!(metric_name(UnderscoreEscapingWithoutSuffixes, "_", "", Gauge).as_deref(), Some("_"));
    }

    #[test]
    fn other_strategies_do_less() {
        for (translation, name, unit, shape, expected) in [
            (UnderscoreEscapingWithoutSuffixes, "http.server.duration", "s", Counter, "http_server_duration"),
            (UnderscoreEscapingWithoutSuffixes, "a..b__c", "s", Gauge, "a_b__c"),
            (UnderscoreEscapingWithoutSuffixes, "1x", "s", Gauge, "_1x"),
            (NoUtf8EscapingWithSuffixes, "http.server.duration", "s", Other, "http.server.duration_seconds"),
            (NoUtf8EscapingWithSuffixes, "grüße.total", "", Counter, "grüße_total"),
            (NoUtf8EscapingWithSuffixes, "disk.io_per_second_total", "By/s", Counter, "disk.io_bytes_per_second_total"),
            (NoUtf8EscapingWithSuffixes, "used.ratio", "1", Gauge, "used_ratio"),
            (NoUtf8EscapingWithSuffixes, "total", "", Counter, "total_total"),
            (NoUtf8EscapingWithSuffixes, "sent.bytes", "By", Gauge, "sent.bytes"),
            (NoTranslation, "http.server.duration", "s", Counter, "http.server.duration"),
        ] {
            assert_eq!(metric_name(translation, name, unit, shape).as_deref(), Some(expected), "{name} in {unit}");
        }
    }

    #[test]
    fn attributes_get_label_names() {
        for (key, expected) in [
            ("http.request.method", Some("http_request_method")),
            ("a..b", Some("a__b")),
            ("1st", Some("key_1st")),
            ("_private", Some("key_private")),
            ("__name__", Some("__name__")),
            ("a:b", Some("a_b")),
            ("ä", Some("key_")),
            ("äö", None),
            ("", None),
        ] {
            assert_eq!(label_name(UnderscoreEscapingWithSuffixes, key).as_deref(), expected, "{key}");
        }
        assert_eq!(label_name(NoTranslation, "http.method").as_deref(), Some("http.method"));
        assert_eq!(label_name(NoUtf8EscapingWithSuffixes, ""), None);
    }

    #[test]
    fn units_are_words() {
        for (unit, expected) in [
            ("s", "seconds"),
            ("By/s", "bytes_per_second"),
            ("{request}", ""),
            ("1", ""),
            ("k W", "k_W"),
            ("/s", "per_second"),
        ] {
            assert_eq!(unit_name(UnderscoreEscapingWithSuffixes, unit), expected, "{unit}");
        }
    }
}
