//! What is kept of an event: a change of state of one instance.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::caller::Caller;

/// One event, mapped. It is kept as JSON: a member that is added later needs a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The event's.
    pub id: String,
    pub kind: String,
    /// Nanoseconds since the epoch.
    pub time: u64,
    /// CloudEvents' extension, which orders events of the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<String>,
    pub state: String,
    pub workflow: String,
    pub service: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The instance ends in this state.
    #[serde(default)]
    pub is_final: bool,
    #[serde(default)]
    pub is_error: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<Caller>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<(String, Value)>,
    /// Attributes beyond the limit.
    #[serde(default)]
    pub dropped: u32,
}

impl Change {
    /// The order in which they took place, whatever the one in which they came: by time, where that is the same by `sequence`,
    /// ends last, and then somehow, but always the same.
    pub fn order(&self) -> impl Ord + '_ {
        (self.time, self.sequence.as_deref(), self.is_final, self.id.as_str())
    }
}

/// Which instance a change is of, within its tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject {
    pub source: String,
    /// What the events call it: their subject, unless the mapping says otherwise.
    pub instance: String,
    /// The trace that it joins (`traceparent: parent`), in hexadecimal digits; else empty.
    pub joins: String,
}
