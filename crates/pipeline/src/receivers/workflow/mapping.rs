//! What events say of workflows: which part of them is the state, the workflow, the service, and so on.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::Value;

use super::caller::Caller;
use super::change::{Change, Subject};
use super::cloudevents::Event;

/// States that workflow engines commonly end in.
const FINAL: [&str; 12] = [
    "completed",
    "succeeded",
    "finished",
    "done",
    "failed",
    "error",
    "cancelled",
    "canceled",
    "terminated",
    "aborted",
    "timed_out",
    "timedout",
];
const ERRORS: [&str; 5] = ["failed", "error", "aborted", "timed_out", "timedout"];

/// Attributes of spans that the receiver has for itself; data that is called so gets `data.` before it.
const RESERVED: [&str; 2] = ["workflow.", "cloudevents."];

/// The section `mapping`. A member is `data.a.b`, or an attribute of the event (extensions included) by its name.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MappingOptions {
    pub instance: String,
    pub state: String,
    /// Taken away from the beginning of the state. Unset: where the state is the type, all up to its last dot.
    pub state_prefix: Option<String>,
    /// The workflow's name, which the root span has. Unset: what is before the state in the type, else the service.
    pub workflow: Option<String>,
    /// `service.name`; events that do not say it are of their source.
    pub service: String,
    /// `service.namespace`
    pub namespace: Option<String>,
    /// In any case of their letters, and without the prefix.
    pub final_states: Vec<String>,
    pub error_states: Vec<String>,
    /// Members of the data (`customer.id`) and extensions that become attributes; `*` at the end stands for any rest.
    pub attributes: Vec<String>,
    pub traceparent: Traceparent,
}

/// What becomes of the caller that events name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Traceparent {
    /// The workflow's trace is its own and has links to the caller's.
    #[default]
    Link,
    /// The workflow is part of the caller's trace.
    Parent,
    Ignore,
}

impl Default for MappingOptions {
    fn default() -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            instance: "subject".to_owned(),
            state: "type".to_owned(),
            state_prefix: None,
            workflow: None,
            service: "source".to_owned(),
            namespace: None,
            final_states: owned(&FINAL),
            error_states: owned(&ERRORS),
            attributes: owned(&["*"]),
            traceparent: Traceparent::default(),
        }
    }
}

/// A part of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Member {
    Attribute(String),
    /// The way into the data.
    Data(Vec<String>),
}

/// The mapping, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapping {
    instance: Member,
    state: Member,
    state_prefix: Option<String>,
    workflow: Option<Member>,
    service: Member,
    namespace: Option<Member>,
    final_states: HashSet<String>,
    error_states: HashSet<String>,
    attributes: Vec<Pattern>,
    max_attributes: usize,
    traceparent: Traceparent,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Exactly(String),
    Beginning(String),
}

impl Default for Mapping {
    fn default() -> Self {
        MappingOptions::default().compile(64).unwrap_or_else(|_| unreachable!("the defaults are valid"))
    }
}

impl MappingOptions {
    /// The error lists options and what is wrong with them.
    pub fn compile(&self, max_attributes: usize) -> Result<Mapping, Vec<(String, String)>> {
        let mut problems = Vec::new();
        let mut member = |option: &str, text: &str| {
            Member::parse(text).unwrap_or_else(|reason| {
                problems.push((option.to_owned(), reason));
                Member::Attribute(String::new())
            })
        };
        let instance = member("instance", &self.instance);
        let state = member("state", &self.state);
        let service = member("service", &self.service);
        let workflow = self.workflow.as_deref().map(|text| member("workflow", text));
        let namespace = self.namespace.as_deref().map(|text| member("namespace", text));
        let states = |names: &[String]| names.iter().map(|name| name.to_lowercase()).collect();
        for (index, pattern) in self.attributes.iter().enumerate() {
            let stars = pattern.matches('*').count();
            if pattern.is_empty() || stars > 1 || (stars == 1 && !pattern.ends_with('*')) {
                let reason = format!("{pattern:?} is not a name, or the beginning of one with * behind it");
                problems.push((format!("attributes[{index}]"), reason));
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Mapping {
            instance,
            state,
            state_prefix: self.state_prefix.clone(),
            workflow,
            service,
            namespace,
            final_states: states(&self.final_states),
            error_states: states(&self.error_states),
            attributes: self.attributes.iter().map(|pattern| Pattern::parse(pattern)).collect(),
            max_attributes,
            traceparent: self.traceparent,
        })
    }
}

impl Mapping {
    /// What an event that came at `now` (nanoseconds since the epoch) says. The error names the member that it lacks.
    pub fn change(&self, event: &Event, now: u64) -> Result<(Subject, Change), String> {
        let instance = self.instance.required("instance", event)?;
        let (workflow, state) = self.state(event)?;
        let service = self.service.text(event).unwrap_or_else(|| event.source.clone());
        let workflow = match &self.workflow {
            Some(member) => member.text(event),
            None => workflow,
        };
        let caller = self.caller(event)?;
        let joins = caller.as_ref().filter(|_| self.traceparent == Traceparent::Parent);
        let subject = Subject {
            source: event.source.clone(),
            instance,
            joins: joins.map(|caller| caller.trace_id.clone()).unwrap_or_default(),
        };
        let (attributes, dropped) = self.attributes(event);
        let lower = state.to_lowercase();
        let change = Change {
            id: event.id.clone(),
            kind: event.kind.clone(),
            time: event.time.unwrap_or(now),
            sequence: event.attribute("sequence").and_then(|value| text(&value)),
            workflow: workflow.unwrap_or_else(|| service.clone()),
            service,
            namespace: self.namespace.as_ref().and_then(|member| member.text(event)),
            is_final: self.final_states.contains(&lower),
            is_error: self.error_states.contains(&lower),
            state,
            caller,
            attributes,
            dropped,
        };
        Ok((subject, change))
    }

    /// The state, and what is before it in the type.
    fn state(&self, event: &Event) -> Result<(Option<String>, String), String> {
        let whole = self.state.required("state", event)?;
        let is_type = self.state == Member::Attribute("type".to_owned());
        let (before, state) = match &self.state_prefix {
            Some(prefix) => match whole.strip_prefix(prefix.as_str()) {
                Some(rest) => (prefix.trim_end_matches(['.', '/', ':']), rest),
                None => ("", whole.as_str()),
            },
            None if is_type => whole.rsplit_once('.').unwrap_or(("", &whole)),
            None => ("", whole.as_str()),
        };
        if state.is_empty() {
            return Err(format!("state: nothing is left of {whole:?}"));
        }
        Ok((Some(before.to_owned()).filter(|before| is_type && !before.is_empty()), state.to_owned()))
    }

    fn caller(&self, event: &Event) -> Result<Option<Caller>, String> {
        if self.traceparent == Traceparent::Ignore {
            return Ok(None);
        }
        let Some(traceparent) = event.attribute("traceparent").and_then(|value| text(&value)) else { return Ok(None) };
        let caller = Caller::parse(&traceparent)
            .ok_or_else(|| format!("traceparent: {traceparent:?} is not one of W3C's Trace Context"))?;
        let state = event.attribute("tracestate").and_then(|value| text(&value)).unwrap_or_default();
        Ok(Some(Caller { state, ..caller }))
    }

    /// What the span gets from the event, and how much there was beyond the limit.
    fn attributes(&self, event: &Event) -> (Vec<(String, Value)>, u32) {
        let mut found = Vec::new();
        match &event.data {
            Value::Null => {}
            Value::Object(_) => flatten("", &event.data, &mut found),
            other => found.push(("data".to_owned(), other)),
        }
        found.retain(|(name, _)| self.is_wanted(name));
        let of_data = found.into_iter().map(|(name, value)| match RESERVED.iter().any(|own| name.starts_with(own)) {
            true => (format!("data.{name}"), value.clone()),
            false => (name, value.clone()),
        });
        let has_place = |name: &str| matches!(name, "traceparent" | "tracestate" | "sequence");
        let extensions = event.extensions.iter().filter(|(name, _)| !has_place(name) && self.is_wanted(name));
        let extensions = extensions.map(|(name, value)| (format!("cloudevents.{name}"), value.clone()));
        let mut attributes: Vec<_> = of_data.chain(extensions).collect();
        // `{"a.b": 1, "a": {"b": 2}}`: a span has each once.
        let mut names = HashSet::new();
        attributes.retain(|(name, _)| names.insert(name.clone()));
        let dropped = attributes.len().saturating_sub(self.max_attributes);
        attributes.truncate(self.max_attributes);
        (attributes, u32::try_from(dropped).unwrap_or(u32::MAX))
    }

    fn is_wanted(&self, name: &str) -> bool {
        self.attributes.iter().any(|pattern| match pattern {
            Pattern::Exactly(wanted) => name == wanted,
            Pattern::Beginning(beginning) => name.starts_with(beginning.as_str()),
        })
    }
}

impl Pattern {
    fn parse(pattern: &str) -> Pattern {
        match pattern.strip_suffix('*') {
            Some(beginning) => Pattern::Beginning(beginning.to_owned()),
            None => Pattern::Exactly(pattern.to_owned()),
        }
    }
}

impl Member {
    fn parse(text: &str) -> Result<Member, String> {
        if let Some(path) = text.strip_prefix("data.") {
            let path: Vec<String> = path.split('.').map(str::to_owned).collect();
            return match path.iter().any(String::is_empty) {
                true => Err(format!("{text:?} has a part without a name")),
                false => Ok(Member::Data(path)),
            };
        }
        let is_name = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        match is_name && !matches!(text, "data" | "time" | "specversion") {
            true => Ok(Member::Attribute(text.to_owned())),
            false => Err(format!("{text:?} is neither data.MEMBER nor an attribute of events such as type or subject")),
        }
    }

    fn text(&self, event: &Event) -> Option<String> {
        match self {
            Member::Attribute(name) => text(&event.attribute(name)?),
            Member::Data(path) => text(path.iter().try_fold(&event.data, |data, name| data.get(name))?),
        }
    }

    fn required(&self, what: &str, event: &Event) -> Result<String, String> {
        self.text(event).ok_or_else(|| match self {
            Member::Attribute(name) => format!("{name}: is missing, but says the {what}"),
            Member::Data(path) => format!("data.{}: is missing or no text, but says the {what}", path.join(".")),
        })
    }
}

/// Of what can be written in a line; empty is nothing.
fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    Some(text).filter(|text| !text.is_empty())
}

/// Members of members as `a.b`. Values are at most as deep as JSON may be read.
fn flatten<'v>(name: &str, value: &'v Value, found: &mut Vec<(String, &'v Value)>) {
    match value {
        Value::Null => {}
        Value::Object(members) => {
            for (member, value) in members.iter().filter(|(member, _)| !member.is_empty()) {
                match name {
                    "" => flatten(member, value, found),
                    name => flatten(&format!("{name}.{member}"), value, found),
                }
            }
        }
        other => found.push((name.to_owned(), other)),
    }
}
