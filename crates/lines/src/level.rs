//! The level of a line that names none as a label: `detected_level`.

use std::ops::ControlFlow;

use crate::{json, logfmt};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    Unknown,
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Critical,
    Fatal,
}

/// Keys that name levels, in Loki's order (its default of `log_level_fields`): the first that is there counts.
pub const KEYS: [&str; 14] = [
    "level",
    "LEVEL",
    "Level",
    "log.level",
    "severity",
    "SEVERITY",
    "Severity",
    "SeverityText",
    "lvl",
    "LVL",
    "Lvl",
    "severity_text",
    "Severity_Text",
    "SEVERITY_TEXT",
];

/// Objects within objects that are looked at (Loki's `log_level_from_json_max_depth` is 2 with the outermost).
const DEEPEST: usize = 1;

/// Names that texts have for nothing else.
const PLAIN: [&str; 3] = ["info", "warning", "debug"];

/// So much of a line is looked at for words, bytes.
const LOOKED_AT: usize = 4_096;

impl Level {
    pub const ALL: [Level; 8] = [
        Level::Unknown,
        Level::Trace,
        Level::Debug,
        Level::Info,
        Level::Warn,
        Level::Error,
        Level::Critical,
        Level::Fatal,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Level::Unknown => "unknown",
            Level::Trace => "trace",
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
            Level::Critical => "critical",
            Level::Fatal => "fatal",
        }
    }

    /// By a name in any case, or an abbreviation.
    pub fn of_name(name: &str) -> Option<Level> {
        NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name.trim())).map(|(_, level)| *level)
    }

    /// OpenTelemetry's severity number, 1 to 24.
    pub fn of_severity_number(number: i64) -> Option<Level> {
        match number {
            1..=4 => Some(Level::Trace),
            5..=8 => Some(Level::Debug),
            9..=12 => Some(Level::Info),
            13..=16 => Some(Level::Warn),
            17..=20 => Some(Level::Error),
            21..=24 => Some(Level::Fatal),
            _ => None,
        }
    }
}

const NAMES: [(&str, Level); 15] = [
    ("info", Level::Info),
    ("error", Level::Error),
    ("warn", Level::Warn),
    ("debug", Level::Debug),
    ("warning", Level::Warn),
    ("trace", Level::Trace),
    ("fatal", Level::Fatal),
    ("critical", Level::Critical),
    ("err", Level::Error),
    ("information", Level::Info),
    ("inf", Level::Info),
    ("wrn", Level::Warn),
    ("dbg", Level::Debug),
    ("trc", Level::Trace),
    ("crit", Level::Critical),
];

/// The level of a line: what its labels and metadata (`attributes`) say, else its severity number, else a key of the line where
/// that is JSON or logfmt, else the first word in it that is the name of a level.
pub fn detect<'a>(
    line: &str,
    severity_number: Option<i64>,
    attributes: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Level {
    of_record(severity_number, attributes).unwrap_or_else(|| of_line(line))
}

/// The level that a record has whatever its line says. `None`: that of the line counts.
pub fn of_record<'a>(
    severity_number: Option<i64>,
    attributes: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Option<Level> {
    let mut first = First::default();
    attributes.into_iter().for_each(|(key, value)| first.see(key, value));
    match first.value {
        Some(name) => Some(Level::of_name(name).unwrap_or(Level::Unknown)),
        None => severity_number.and_then(Level::of_severity_number),
    }
}

/// The level that a line tells by itself.
pub fn of_line(line: &str) -> Level {
    of_keys_or_words(of_keys(line), line)
}

/// The same, where it is known what its keys say.
pub(crate) fn of_keys_or_words(of_keys: Option<Level>, line: &str) -> Level {
    of_keys.or_else(|| of_words(line)).unwrap_or(Level::Unknown)
}

/// The value of the key that comes first among [`KEYS`].
#[derive(Default)]
struct First<'a> {
    place: usize,
    value: Option<&'a str>,
}

impl<'a> First<'a> {
    fn see(&mut self, key: &str, value: &'a str) {
        let Some(place) = KEYS.iter().position(|known| *known == key) else { return };
        if self.value.is_none() || place < self.place {
            (self.place, self.value) = (place, Some(value));
        }
    }
}

fn of_keys(line: &str) -> Option<Level> {
    let trimmed = line.trim_start();
    if trimmed.starts_with('{') {
        return of_members(trimmed, 0);
    }
    // Most lines without pairs are known by that.
    if !line.contains('=') {
        return None;
    }
    let (mut best, mut level) = (KEYS.len(), None);
    for pair in logfmt::Pairs::of(line).filter_map(Result::ok) {
        let place = KEYS.iter().position(|known| known.eq_ignore_ascii_case(pair.key));
        if let Some(place) = place.filter(|place| *place < best) {
            (best, level) = (place, Level::of_name(&pair.value.text()));
        }
        if best == 0 {
            break;
        }
    }
    level
}

/// By the first key of an object, or of objects in it. Of a malformed one what can be read counts.
fn of_members(object: &str, depth: usize) -> Option<Level> {
    let (mut is_found, mut level) = (false, None);
    let _ = json::members(object, |key, value| {
        if let Some(name) = value.string().filter(|_| KEYS.contains(&&*key)) {
            (is_found, level) = (true, Level::of_name(&name));
        } else if let Some(inner) = value.object().filter(|_| depth < DEEPEST) {
            level = of_members(inner, depth + 1);
            is_found = level.is_some();
        }
        if is_found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    level
}

/// The first word that is the name of a level and is meant so: in capital letters, in brackets, or in front of a colon. Others stand
/// in texts for other things, but for a few.
fn of_words(line: &str) -> Option<Level> {
    let looked_at = &line[..line.floor_char_boundary(LOOKED_AT)];
    let bytes = looked_at.as_bytes();
    let mut at = 0;
    while let Some(found) = bytes[at..].iter().position(u8::is_ascii_alphabetic) {
        let start = at + found;
        at = start + bytes[start..].iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let word = &looked_at[start..at];
        let Some((name, level)) = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)) else { continue };
        let (before, behind) = (start.checked_sub(1).map(|before| bytes[before]), bytes.get(at));
        let is_marked = behind == Some(&b':') || (before == Some(b'[') && behind == Some(&b']'));
        let is_meant = is_marked || word.bytes().all(|byte| byte.is_ascii_uppercase());
        if is_meant || PLAIN.contains(name) {
            return Some(*level);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_tell_their_level() {
        for (line, expected) in [
            ("", "unknown"),
            ("nothing to see", "unknown"),
            (r#"{"level":"warn","msg":"an error"}"#, "warn"),
            (r#"{"msg":"an error","severity":"DEBUG"}"#, "debug"),
            (r#"{"severity":"info","level":"fatal"}"#, "info"),
            (r#"{"log":{"level":"fatal"},"severity":"info"}"#, "fatal"),
            (r#"{"log":{"log":{"level":"fatal"}},"severity":"info"}"#, "info"),
            (r#"{"log":{"level":7},"severity":"info"}"#, "info"),
            ("severity=info LEVEL=fatal", "fatal"),
            (r#"{"log.level":"Warning"}"#, "warn"),
            (r#"{"level":30,"msg":"error: no"}"#, "error"),
            (r#"{"level":"notice","msg":"[critical] x"}"#, "critical"),
            (r#"{"level":"ERROR"#, "error"),
            (r#"{"a":1,"level":"trc","b":"#, "trace"),
            ("ts=1 level=debug msg=\"an error\"", "debug"),
            ("lvl=WRN x", "warn"),
            ("msg=\"all is well\" lvl=inf", "info"),
            ("2026-01-01 [ERROR] no info", "error"),
            ("2026-01-01 INFO an error", "info"),
            ("I failed: error", "unknown"),
            ("error: I failed", "error"),
            ("it is [error] x", "error"),
            ("Warning: disk", "warn"),
            ("a critical state", "unknown"),
            ("all info is here", "info"),
            ("FATAL: role", "fatal"),
            ("ERR no such key", "error"),
            ("err no such key", "unknown"),
            ("err: no such key", "error"),
            ("trace id 5", "unknown"),
            ("TRACE x", "trace"),
            ("informational terrors", "unknown"),
            ("a=b ERROR", "error"),
        ] {
            assert_eq!(detect(line, None, []).name(), expected, "{line}");
        }
        let long = format!("{}é ERROR", "a ".repeat(LOOKED_AT));
        assert_eq!(detect(&long, None, []), Level::Unknown);
    }

    #[test]
    fn labels_come_before_numbers_and_numbers_before_lines() {
        for (number, attributes, expected) in [
            (None, vec![("level", "info")], "info"),
            (Some(17), vec![("Level", "info"), ("level", "debug")], "debug"),
            (Some(17), vec![("a", "b")], "error"),
            (Some(24), vec![], "fatal"),
            (Some(1), vec![], "trace"),
            (Some(8), vec![], "debug"),
            (Some(12), vec![], "info"),
            (Some(13), vec![], "warn"),
            (Some(0), vec![], "critical"),
            (Some(25), vec![], "critical"),
            (None, vec![("level", "verbose")], "unknown"),
        ] {
            assert_eq!(detect("CRITICAL: x", number, attributes.clone()).name(), expected, "{number:?} {attributes:?}");
        }
    }

    proptest! {
        #[test]
        fn a_level_is_found_in_all_forms(place in 0..NAMES.len(), key in 0..KEYS.len(), text in "[^\"\\\\a-zA-Z=]{0,9}") {
            let ((name, level), key) = (NAMES[place], KEYS[key]);
            prop_assert_eq!(detect(&format!(r#"{{"a":"{text}","{key}":"{name}"}}"#), None, []), level);
            prop_assert_eq!(detect(&format!("a=1 {key}={name}"), None, []), level);
            prop_assert_eq!(detect(&format!("{text} {}", name.to_uppercase()), None, []), level);
            prop_assert_eq!(detect(&text, None, [(key, name)]), level);
        }
    }
}
