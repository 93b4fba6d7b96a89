//! Stages as text, with the `|` in front.

use std::fmt::{Display, Formatter, Result};

use super::{Joined, quoted};
use crate::ast::{
    Extraction, LabelFormat, LabelSource, LineCondition, LineFilter, LogfmtFlags, NamedLabel, Stage, Unwrap,
};

impl Display for Stage {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Stage::LineFilter(filter) => filter.fmt(f),
            Stage::Json(extractions) => write!(f, "| json{}", Extractions(extractions)),
            Stage::Logfmt { flags, extractions } => write!(f, "| logfmt{flags}{}", Extractions(extractions)),
            Stage::Regexp(pattern) => write!(f, "| regexp {}", quoted(pattern)),
            Stage::Pattern(text) => write!(f, "| pattern {}", quoted(text)),
            Stage::Unpack => f.write_str("| unpack"),
            Stage::LabelFilter(filter) => write!(f, "| {filter}"),
            Stage::LineFormat(template) => write!(f, "| line_format {}", quoted(template)),
            Stage::LabelFormat(formats) => write!(f, "| label_format {}", Joined(formats, ", ")),
            Stage::Decolorize => f.write_str("| decolorize"),
            Stage::Drop(labels) => write!(f, "| drop {}", Joined(labels, ", ")),
            Stage::Keep(labels) => write!(f, "| keep {}", Joined(labels, ", ")),
        }
    }
}

impl Display for LineFilter {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{} {}", self.op.symbol(), Joined(&self.alternatives, " or "))
    }
}

impl Display for LineCondition {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            LineCondition::Text(text) => f.write_str(&quoted(text)),
            LineCondition::Regex(pattern) => f.write_str(&quoted(pattern.text())),
            LineCondition::Ip(addresses) => write!(f, "ip({})", quoted(addresses)),
        }
    }
}

struct Extractions<'s>(&'s [Extraction]);

impl Display for Extractions<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self.0 {
            [] => Ok(()),
            list => write!(f, " {}", Joined(list, ", ")),
        }
    }
}

impl Display for Extraction {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self.label == self.expression {
            true => f.write_str(&self.label),
            false => write!(f, "{}={}", self.label, quoted(&self.expression)),
        }
    }
}

impl Display for LogfmtFlags {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(if self.strict { " --strict" } else { "" })?;
        f.write_str(if self.keep_empty { " --keep-empty" } else { "" })
    }
}

impl Display for LabelFormat {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match &self.source {
            LabelSource::Label(label) => write!(f, "{}={label}", self.label),
            LabelSource::Template(template) => write!(f, "{}={}", self.label, quoted(template)),
        }
    }
}

impl Display for NamedLabel {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            NamedLabel::Name(name) => f.write_str(name),
            NamedLabel::Matcher(matcher) => matcher.fmt(f),
        }
    }
}

impl Display for Unwrap {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self.conversion {
            Some(conversion) => write!(f, "| unwrap {}({})", conversion.name(), self.label)?,
            None => write!(f, "| unwrap {}", self.label)?,
        }
        self.filters.iter().try_for_each(|filter| write!(f, " | {filter}"))
    }
}
