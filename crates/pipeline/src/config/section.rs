//! A part of the document and the way from it to a typed configuration.

use std::fmt;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::de::{Error, Kind, NodeDeserializer};
use super::node::{Node, Segment, Value, dotted};
use super::problem::{ConfigError, Location, Problem, Problems};

/// A file with more errors than this is not a configuration of this program.
const MAX_PROBLEMS: usize = 100;

/// A mapping of the document (`receivers.otlp/2`), not yet given a type.
#[derive(Debug, Clone, Copy)]
pub struct Section<'a> {
    node: &'a Node,
    path: &'a [Segment],
    unsupported: &'a [(&'a str, &'a str)],
}

impl<'a> Section<'a> {
    pub fn new(node: &'a Node, path: &'a [Segment]) -> Self {
        Self { node, path, unsupported: &[] }
    }

    /// Names options of the Collector that Trefoil does not have, each with the reason or what to do instead: they are
    /// reported as such and not as unknown. `protocols.grpc.auth` is dotted below the section; `[]` stands for any
    /// index of a list.
    #[must_use]
    pub fn without(self, unsupported: &'a [(&'a str, &'a str)]) -> Self {
        Self { unsupported, ..self }
    }

    pub fn node(&self) -> &'a Node {
        self.node
    }

    pub fn path(&self) -> &'a [Segment] {
        self.path
    }

    pub fn at(&self) -> &'a Location {
        &self.node.at
    }

    /// Reads the section; nothing (`batch:`) reads as an empty mapping. The error holds everything that is wrong, as far
    /// as it can be told.
    ///
    /// Types are ordinary `Deserialize` types with `#[serde(default, deny_unknown_fields)]`. Avoid `flatten` and
    /// `untagged`: serde loses the places of what is inside.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        let mut rest = self.node.clone();
        let mut problems = Problems::default();
        let mut removed: Vec<Vec<Segment>> = Vec::new();
        for _ in 0..MAX_PROBLEMS {
            let error = match T::deserialize(NodeDeserializer(&rest)) {
                Ok(value) => return problems.or(value),
                Err(error) => error,
            };
            let path: Vec<Segment> = error.path.iter().rev().cloned().collect();
            if !is_consequence(&error, &path, &removed) {
                problems.push(self.report(&error, &path));
            }
            // Serde stops at the first error, so take it away and read again for the next.
            if path.is_empty() || !remove(&mut rest, &path) {
                break;
            }
            removed.push(path);
        }
        Err(problems.into_error().unwrap_or_else(|| self.problem("", "cannot be read").into()))
    }

    fn report(&self, error: &Error, path: &[Segment]) -> Problem {
        let at = error.at.clone().unwrap_or_else(|| self.node.at.clone());
        let full: Vec<Segment> = self.path.iter().chain(path).cloned().collect();
        let message = match (&error.kind, self.reason(path)) {
            (Kind::UnknownKey(_), Some(reason)) => {
                format!("this option of the Collector is not supported by Trefoil: {reason}")
            }
            _ => error.message.clone(),
        };
        Problem { at, path: dotted(&full), message }
    }

    fn reason(&self, path: &[Segment]) -> Option<&'a str> {
        let generic: Vec<&str> = path
            .iter()
            .map(|segment| match segment {
                Segment::Key(key) => key.as_str(),
                Segment::Index(_) => "[]",
            })
            .collect();
        let generic = generic.join(".");
        self.unsupported.iter().find(|(option, _)| *option == generic).map(|(_, reason)| *reason)
    }

    /// A problem with the option at `path` (dotted, `actions[2].key`), located there if it is in the file, else at its
    /// nearest parent that is.
    pub fn problem(&self, path: &str, message: impl fmt::Display) -> Problem {
        let mut node = self.node;
        for part in path.split(['.', '[']).filter(|part| !part.is_empty()) {
            let next = match part.strip_suffix(']') {
                Some(index) => match (&node.value, index.parse::<usize>()) {
                    (Value::Sequence(items), Ok(index)) => items.get(index),
                    _ => None,
                },
                None => node.get(part),
            };
            let Some(next) = next else { break };
            node = next;
        }
        let prefix = dotted(self.path);
        let full = match (prefix.is_empty(), path.is_empty()) {
            (true, _) => path.to_owned(),
            (false, true) => prefix,
            (false, false) => format!("{prefix}.{path}"),
        };
        Problem { at: node.at.clone(), path: full, message: message.to_string() }
    }

    /// The same as an error.
    pub fn invalid(&self, path: &str, message: impl fmt::Display) -> ConfigError {
        self.problem(path, message).into()
    }
}

/// An option is missing only because it was wrong and has been taken away.
fn is_consequence(error: &Error, path: &[Segment], removed: &[Vec<Segment>]) -> bool {
    let Kind::Missing(field) = error.kind else { return false };
    removed
        .iter()
        .any(|gone| matches!(gone.split_last(), Some((Segment::Key(key), parent)) if key == field && parent == path))
}

fn remove(root: &mut Node, path: &[Segment]) -> bool {
    let mut node = root;
    for segment in path {
        match node.get_mut(segment) {
            Some(next) => node = next,
            None => return false,
        }
    }
    let was_there = node.value != Value::Removed;
    node.value = Value::Removed;
    was_there
}

/// For options that are switched on by being mentioned, with nothing or a mapping as their value (`grpc:`):
/// `#[serde(default, deserialize_with = "config::mentioned")] grpc: Option<Grpc>`.
pub fn mentioned<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
