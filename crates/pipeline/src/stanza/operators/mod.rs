//! What is done with entries, by the names that configurations have for it.

use super::chain::Places;
use super::config::Options;
use super::entry::Entry;
use crate::config::{ConfigError, suggestion};

mod container;
mod csv;
mod filter;
mod json;
mod key_value;
mod parser;
mod recombine;
mod regex;
mod router;
mod syslog;
mod transform;

pub use self::container::Container;
use self::filter::Filter;
use self::parser::Parser;
use self::recombine::Recombine;
use self::router::Router;
use self::transform::Transform;

/// One operator.
#[derive(Debug, Clone)]
pub enum Operator {
    /// Entry by entry, in place.
    Transform(Transform),
    Parser(Box<Parser>),
    Filter(Filter),
    Router(Router),
    Recombine(Box<Recombine>),
    Container(Box<Container>),
}

/// What became of an entry.
pub enum Outcome {
    /// It, or what it was joined to, goes on; nothing, if it is kept for now.
    Out(Vec<Entry>),
    /// To these operators instead of the next one.
    To(Vec<usize>, Entry),
    Failed(Box<Entry>, String),
    /// For good, because that is wanted.
    Dropped(Entry),
}

/// What the Collector has and Trefoil has not.
const UNSUPPORTED: &[&str] = &[
    "file_input",
    "file_output",
    "json_array_parser",
    "journald_input",
    "k8s_event_input",
    "metadata",
    "rate_limit",
    "restructure",
    "stanza_input",
    "stdin",
    "stdout",
    "syslog_input",
    "tcp_input",
    "udp_input",
    "uri_parser",
    "windows_eventlog_input",
    "xml_parser",
];

const KNOWN: &[&str] = &[
    "add",
    "assign_keys",
    "container",
    "copy",
    "csv_parser",
    "filter",
    "flatten",
    "json_parser",
    "key_value_parser",
    "move",
    "noop",
    "recombine",
    "regex_parser",
    "regex_replace",
    "remove",
    "retain",
    "router",
    "scope_name_parser",
    "severity_parser",
    "syslog_parser",
    "time_parser",
    "trace_parser",
    "unquote",
];

pub fn parse(kind: &str, options: &Options<'_>) -> Result<Operator, ConfigError> {
    Ok(match kind {
        "container" => Operator::Container(Box::new(Container::parse(options)?)),
        "recombine" => Operator::Recombine(Box::new(Recombine::parse(options)?)),
        "filter" => Operator::Filter(Filter::parse(options)?),
        "router" => Operator::Router(Router::parse(options)?),
        "csv_parser" | "json_parser" | "key_value_parser" | "regex_parser" | "syslog_parser" => {
            Operator::Parser(Box::new(Parser::parse(kind, options)?))
        }
        _ if KNOWN.contains(&kind) => Operator::Transform(Transform::parse(kind, options)?),
        _ if UNSUPPORTED.contains(&kind) => {
            let reason = format!(
                "the operator `{kind}` of the Collector is not supported by Trefoil; supported are {}",
                KNOWN.join(", ")
            );
            return Err(options.section().invalid("type", reason));
        }
        _ => {
            let reason = format!("unknown operator `{kind}`{}", suggestion(kind, KNOWN.iter().copied()));
            return Err(options.section().invalid("type", reason));
        }
    })
}

impl Operator {
    /// Once it is known where the others are.
    pub fn placed(mut self, places: &mut Places<'_>) -> Self {
        if let Operator::Router(router) = &mut self {
            router.place(places);
        }
        self
    }

    /// Where else than to its outputs it sends.
    pub fn routes(&self) -> Option<Vec<Vec<usize>>> {
        match self {
            Operator::Router(router) => Some(router.ways()),
            _ => None,
        }
    }

    pub fn process(&mut self, mut entry: Entry) -> Outcome {
        let done = match self {
            Operator::Transform(transform) => transform.apply(&mut entry),
            Operator::Parser(parser) => parser.apply(&mut entry),
            Operator::Filter(filter) => return filter.process(entry),
            Operator::Router(router) => return router.process(entry),
            Operator::Recombine(recombine) => return recombine.process(entry),
            Operator::Container(container) => return container.process(entry),
        };
        match done {
            Ok(()) => Outcome::Out(vec![entry]),
            Err(reason) => Outcome::Failed(Box::new(entry), reason),
        }
    }

    fn joins(&mut self) -> Option<&mut Recombine> {
        match self {
            Operator::Recombine(recombine) => Some(recombine),
            Operator::Container(container) => Some(container.parts()),
            _ => None,
        }
    }

    /// What was held for long enough.
    pub fn expired(&mut self, now: u64) -> Vec<Entry> {
        self.joins().map(|recombine| recombine.expired(now)).unwrap_or_default()
    }

    /// All that is held.
    pub fn all(&mut self) -> Vec<Entry> {
        self.joins().map(Recombine::all).unwrap_or_default()
    }

    pub fn needs_path(&self) -> bool {
        matches!(self, Operator::Container(container) if container.needs_path())
    }

    pub fn held(&self) -> usize {
        match self {
            Operator::Recombine(recombine) => recombine.held(),
            Operator::Container(container) => container.held(),
            _ => 0,
        }
    }
}
