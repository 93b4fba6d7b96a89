//! Queries as text. What is written here is read as the same query.

pub(crate) mod durations;
mod filters;
mod metrics;
mod pretty;
mod stages;

use std::fmt::{Display, Formatter, Result};

use trefoil_go::quote::quote;

pub use pretty::pretty;

use crate::ast::{LogQuery, Query};

/// In double quotes, or in backquotes where escapes would be needed and those will do.
pub(crate) fn quoted(text: &str) -> String {
    let is_raw = text.contains(['\\', '"']) && !text.contains(|c: char| c == '`' || c.is_control());
    if is_raw { format!("`{text}`") } else { quote(text) }
}

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Query::Log(query) => query.fmt(f),
            Query::Metric(metric) => metric.fmt(f),
        }
    }
}

impl Display for LogQuery {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{{{}}}", Joined(&self.selector, ", "))?;
        self.stages.iter().try_for_each(|stage| write!(f, " {stage}"))
    }
}

struct Joined<'l, T>(&'l [T], &'static str);

impl<T: Display> Display for Joined<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for (place, item) in self.0.iter().enumerate() {
            f.write_str(if place == 0 { "" } else { self.1 })?;
            item.fmt(f)?;
        }
        Ok(())
    }
}
