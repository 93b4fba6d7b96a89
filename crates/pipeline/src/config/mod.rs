//! The configuration file: the Collector's schema, and Trefoil's own sections beside it.
//!
//! [`Document`] is the YAML with environment variables expanded, every value with its place. Components read their own
//! [`Section`] of it by serde.

use std::path::Path;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::component::Registry;

mod class;
mod configuration;
mod connections;
mod de;
mod defaults;
pub mod duration;
mod expand;
mod known;
mod node;
mod problem;
mod secret;
mod section;
mod service;
#[cfg(test)]
mod tests;

pub use configuration::{COLLECTOR_SECTIONS, Configuration, Configured, Pipeline, PipelineId};
pub use node::{Entry, Node, Segment, Value};
pub use problem::{ConfigError, Location, Problem, Problems, nearest, suggestion};
pub use secret::Secret;
pub use section::{Section, mentioned};
pub use service::{LogEncoding, LogLevel, Telemetry};

/// What runs when no file is given.
pub const DEFAULT: &str = include_str!("default.yaml");

/// The largest configuration file that is read.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// A configuration file, read and expanded, its parts not yet checked.
#[derive(Debug, Clone)]
pub struct Document {
    root: Node,
    warnings: Vec<Problem>,
}

/// Reads and checks the Collector's part of `document` and starts nothing; `own` names the sections that are not the
/// Collector's, which the caller checks with [`Document::section`].
pub fn check(document: &Document, registry: &Registry, own: &[&str]) -> Result<Configuration, ConfigError> {
    Configuration::parse(document, registry, own)
}

impl Document {
    /// The built-in configuration ([`DEFAULT`]).
    pub fn built_in() -> Result<Self, ConfigError> {
        Self::parse("built-in defaults", DEFAULT, &|_| None)
    }

    /// Reads a file; variables come from the process's environment.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = read(path)?;
        Self::parse(&path.display().to_string(), &text, &|variable| std::env::var(variable).ok())
    }

    /// Reads a file of another program, where `$` has another meaning or none.
    pub fn load_verbatim(path: &Path) -> Result<Self, ConfigError> {
        Self::verbatim(&path.display().to_string(), &read(path)?)
    }

    /// Reads `text` as it stands.
    pub fn verbatim(name: &str, text: &str) -> Result<Self, ConfigError> {
        Ok(Self { root: node::parse(&name.into(), text)?, warnings: Vec::new() })
    }

    /// Reads `text`; `name` stands for the file in messages.
    pub fn parse(name: &str, text: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let file: Arc<str> = name.into();
        let mut root = node::parse(&file, text)?;
        let mut problems = Problems::default();
        let warnings = expand::expand(&mut root, environment, &mut problems);
        if !root.is_null() && !matches!(root.value, Value::Mapping(_)) {
            let message = format!("a configuration is a mapping of sections, found {}", root.describe());
            problems.push(Problem { at: root.at.clone(), path: String::new(), message });
        }
        problems.or(Self { root, warnings })
    }

    pub fn root(&self) -> &Node {
        &self.root
    }

    /// What is odd but no error, found while reading.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// Reads a section of Trefoil's own (`storage`); `None` if the file does not have it.
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ConfigError> {
        let Some(node) = self.root.get(name) else { return Ok(None) };
        Section::new(node, &[Segment::Key(name.to_owned())]).parse().map(Some)
    }

    /// A problem of a section that the types could not see, located in the file: `("storage.retention", "…")`.
    pub fn problem(&self, path: &str, message: impl std::fmt::Display) -> Problem {
        Section::new(&self.root, &[]).problem(path, message)
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let unreadable = |reason: String| Problem {
        at: Location { file: path.display().to_string().into(), line: 1, column: 1 },
        path: String::new(),
        message: format!("the file cannot be read: {reason}"),
    };
    let size = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?.len();
    if size > MAX_FILE_BYTES {
        return Err(unreadable(format!("{size} bytes are more than the limit of {MAX_FILE_BYTES}")).into());
    }
    Ok(std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?)
}
