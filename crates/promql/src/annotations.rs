//! What an answer is accompanied by: warnings (it may be wrong) and infos (it may not be what was meant).

use std::collections::BTreeMap;

use crate::error::Position;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    Warning,
    Info,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Annotation {
    pub severity: Severity,
    /// Without its prefix: `vector contains …`.
    pub message: String,
    /// Of the expression that it is about, where there is one.
    pub position: Option<Position>,
}

impl Annotation {
    /// As in Prometheus' answers: `PromQL info: metric might not be a counter, … "x" (1:6)`.
    pub fn text(&self, query: &str) -> String {
        let kind = match self.severity {
            Severity::Warning => "warning",
            Severity::Info => "info",
        };
        match self.position {
            None => format!("PromQL {kind}: {}", self.message),
            Some(position) => {
                let (line, column) = position.line_column(query);
                format!("PromQL {kind}: {} ({line}:{column})", self.message)
            }
        }
    }
}

/// The same text only once, at the place where it was said last, as in Prometheus.
#[derive(Debug, Clone, Default)]
pub struct Annotations(BTreeMap<(Severity, String), Annotation>);

impl Annotations {
    pub fn warn(&mut self, message: impl Into<String>, position: Position) {
        self.add(Severity::Warning, message.into(), Some(position));
    }

    pub fn info(&mut self, message: impl Into<String>, position: Position) {
        self.add(Severity::Info, message.into(), Some(position));
    }

    pub fn add(&mut self, severity: Severity, message: String, position: Option<Position>) {
        self.0.insert((severity, message.clone()), Annotation { severity, message, position });
    }

    pub fn iter(&self) -> impl Iterator<Item = &Annotation> {
        self.0.values()
    }

    pub fn of(&self, severity: Severity) -> impl Iterator<Item = &Annotation> {
        self.0.values().filter(move |annotation| annotation.severity == severity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_text_is_told_once() {
        let mut annotations = Annotations::default();
        for start in [1, 7, 4] {
            annotations.warn("a", Position { start, end: 9 });
            annotations.info("a", Position::default());
        }
        let texts: Vec<_> = annotations.iter().map(|annotation| annotation.text("0123456789")).collect();
        assert_eq!(texts, ["PromQL warning: a (1:5)", "PromQL info: a (1:1)"]);
        assert_eq!(annotations.of(Severity::Info).count(), 1);
    }
}
