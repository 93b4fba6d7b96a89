//! Label filters as text.

use std::fmt::{Display, Formatter, Result};

use trefoil_go::number;

use super::{durations::Duration, quoted};
use crate::ast::LabelFilter;

impl Display for LabelFilter {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            LabelFilter::Text(matcher) => matcher.fmt(f),
            LabelFilter::Number { label, op, value } => {
                write!(f, "{label} {} {}", op.symbol(), number::general(*value))
            }
            LabelFilter::Duration { label, op, value } => write!(f, "{label} {} {}", op.symbol(), Duration(*value)),
            LabelFilter::Bytes { label, op, value } => write!(f, "{label} {} {}", op.symbol(), Bytes(*value)),
            LabelFilter::Ip { label, op, addresses } => write!(f, "{label}{}ip({})", op.symbol(), quoted(addresses)),
            LabelFilter::All(list) => chain(f, list, " and "),
            LabelFilter::Any(list) => chain(f, list, " or "),
        }
    }
}

/// `or` is in parentheses within `and`.
fn chain(f: &mut Formatter<'_>, list: &[LabelFilter], between: &str) -> Result {
    for (place, filter) in list.iter().enumerate() {
        f.write_str(if place == 0 { "" } else { between })?;
        match filter {
            LabelFilter::Any(_) => write!(f, "({filter})")?,
            _ => filter.fmt(f)?,
        }
    }
    Ok(())
}

/// From largest to smallest.
const UNITS: [(&str, u64); 10] = [
    ("PiB", 1 << 50),
    ("PB", 1_000_000_000_000_000),
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1_000),
];

/// In the largest unit of which it is a whole number.
struct Bytes(u64);

impl Display for Bytes {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let unit = UNITS.into_iter().find(|(_, size)| self.0 > 0 && self.0.is_multiple_of(*size));
        match unit {
            Some((unit, size)) => write!(f, "{}{unit}", self.0 / size),
            None => write!(f, "{}B", self.0),
        }
    }
}
