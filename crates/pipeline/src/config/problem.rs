//! What is wrong in a configuration, where, and what to do about it.

use std::fmt;
use std::sync::Arc;

/// A place in a configuration file; lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Location {
    pub file: Arc<str>,
    pub line: u32,
    pub column: u32,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One error or warning: `trefoil.yaml:12:5: processors.batch.timout: unknown option; did you mean `timeout`?`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub at: Location,
    /// The way to it, dotted: `receivers.otlp/2.protocols.grpc`; empty for the document as a whole.
    pub path: String,
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.at)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// Everything found wrong in a configuration, in the order of the file; at least one problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(Vec<Problem>);

impl ConfigError {
    pub fn problems(&self) -> &[Problem] {
        &self.0
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

/// Collects problems, so that one run of a check tells all of them.
#[derive(Debug, Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Keeps the value, or notes what was wrong with it.
    pub fn note<T>(&mut self, result: Result<T, ConfigError>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.0.extend(error.0);
                None
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value if nothing was noted.
    pub fn or<T>(self, value: T) -> Result<T, ConfigError> {
        match self.into_error() {
            None => Ok(value),
            Some(error) => Err(error),
        }
    }

    pub fn into_error(mut self) -> Option<ConfigError> {
        if self.0.is_empty() {
            return None;
        }
        self.0.sort_by(|a, b| a.at.cmp(&b.at));
        self.0.dedup();
        Some(ConfigError(self.0))
    }
}

/// The name among `known` that `wrong` was probably meant to be.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const ALIKE: f64 = 0.6;
    // The comparison takes memory by the product of the lengths, and no name is nearly as long as this.
    const LONGEST: usize = 200;
    if wrong.len() > LONGEST {
        return None;
    }
    let wrong = wrong.to_lowercase();
    known
        .into_iter()
        .map(|name| (name, likeness(&wrong, &name.to_lowercase())))
        .filter(|(_, likeness)| *likeness >= ALIKE)
        .max_by(|(_, a), (_, b)| a.total_cmp(b))
        .map(|(name, _)| name)
}

/// Typing errors count by edit distance; a name that contains the other (`otlp_http`, `limit`) counts as alike too.
fn likeness(wrong: &str, known: &str) -> f64 {
    let edits = strsim::normalized_damerau_levenshtein(wrong, known);
    let contained = wrong.len() >= 3 && known.len() >= 3 && (wrong.contains(known) || known.contains(wrong));
    if contained { edits.max(0.6) } else { edits }
}

/// "; did you mean `x`?", or all that there is, if it is few.
pub fn suggestion<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    const FEW: usize = 40;
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(near) = nearest(wrong, known.iter().copied()) {
        return format!("; did you mean `{near}`?");
    }
    match known.as_slice() {
        [] => String::new(),
        [only] => format!("; the only one is `{only}`"),
        _ if known.len() > FEW => String::new(),
        [..] => format!("; known are {}", known.join(", ")),
    }
}
