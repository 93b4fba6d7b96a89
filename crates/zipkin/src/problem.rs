//! What is wrong with a body, or with single spans of it.

use std::borrow::Cow;
use std::fmt;

use thiserror::Error;

/// So many are kept; the rest is counted.
const KEPT: usize = 5;

/// A span cannot be taken: where (`[3].localEndpoint.port`), and why. It becomes text only when somebody asks: a body may hold
/// millions of spans that are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The innermost first.
    place: Vec<Step>,
    reason: Cow<'static, str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Member(Cow<'static, str>),
    Element(usize),
}

impl Problem {
    /// Of a member; of the whole, if that has no name.
    pub(crate) fn new(member: impl Into<Cow<'static, str>>, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { place: Vec::with_capacity(2), reason: reason.into() }.within(member)
    }

    /// The same, seen from around the member.
    pub(crate) fn within(mut self, member: impl Into<Cow<'static, str>>) -> Self {
        let member = member.into();
        if !member.is_empty() {
            self.place.push(Step::Member(member));
        }
        self
    }

    /// The same, seen from the list in which it is the element `index`.
    pub(crate) fn at(mut self, index: usize) -> Self {
        self.place.push(Step::Element(index));
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, step) in self.place.iter().rev().enumerate() {
            match step {
                Step::Element(index) => write!(f, "[{index}]")?,
                Step::Member(name) if depth == 0 || name.starts_with('[') => f.write_str(name)?,
                Step::Member(name) => write!(f, ".{name}")?,
            }
        }
        write!(f, ": {}", self.reason)
    }
}

impl std::error::Error for Problem {}

/// Spans that were left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rejected {
    pub spans: u64,
    /// What is wrong with the first of them.
    pub problems: Vec<Problem>,
}

impl Rejected {
    pub(crate) fn add(&mut self, problem: Problem) {
        self.spans += 1;
        if self.problems.len() < KEPT {
            self.problems.push(problem);
        }
    }

    /// `2 spans cannot be taken: [0].id: is missing; [7].traceId: is zero`; `None` if there are none.
    pub fn message(&self) -> Option<String> {
        if self.spans == 0 {
            return None;
        }
        let problems: Vec<String> = self.problems.iter().map(Problem::to_string).collect();
        let what = if self.spans == 1 { "1 span cannot be taken" } else { "spans cannot be taken" };
        let count = if self.spans == 1 { String::new() } else { format!("{} ", self.spans) };
        let more = if self.spans > problems.len() as u64 { "; …" } else { "" };
        Some(format!("{count}{what}: {}{more}", problems.join("; ")))
    }
}

/// The body is not of the format, so that none of it can be taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the body is not a list of spans in {format}: {reason}")]
pub struct Unreadable {
    pub format: crate::Format,
    pub reason: String,
}

impl fmt::Display for crate::Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            crate::Format::JsonV2 => "Zipkin's JSON (v2)",
            crate::Format::ProtobufV2 => "Zipkin's protobuf",
            crate::Format::JsonV1 => "Zipkin's JSON (v1)",
            crate::Format::ThriftV1 => "Zipkin's thrift",
        })
    }
}
