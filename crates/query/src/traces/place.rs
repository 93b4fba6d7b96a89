//! Where in the table of spans an attribute is.

use trefoil_traceql::ast::{Attribute, Intrinsic, Scope};

/// The name of a resource's service in a column of its own.
const SERVICE_NAME: &str = "service.name";

/// One of the places of an attribute; the first that has a value counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A column of its own.
    Column(String),
    /// A member of a column's JSON.
    Member { column: &'static str, key: String },
    /// Of each event or link: a member of its struct, or of the JSON in it.
    Item { column: &'static str, of: Item },
    /// Known when all spans of the trace are.
    Trace(Intrinsic),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    Name,
    TimeSinceStart,
    TraceId,
    SpanId,
    Attribute(String),
}

/// The places of an attribute. Columns that the table does not have are among them: they have no values.
pub fn places(attribute: &Attribute) -> Vec<Place> {
    match attribute {
        Attribute::Intrinsic(intrinsic) => vec![intrinsic_place(*intrinsic)],
        Attribute::Named { scope: Some(scope), name } => of_scope(*scope, name),
        Attribute::Named { scope: None, name } => {
            let scopes = [Scope::Span, Scope::Resource, Scope::Event, Scope::Link, Scope::Instrumentation];
            scopes.into_iter().flat_map(|scope| of_scope(scope, name)).collect()
        }
        Attribute::OfParent { .. } => Vec::new(),
    }
}

fn of_scope(scope: Scope, name: &str) -> Vec<Place> {
    let item = |column| vec![Place::Item { column, of: Item::Attribute(name.to_owned()) }];
    match scope {
        Scope::Span => {
            vec![
                Place::Column(format!("span.{name}")),
                Place::Member { column: "span_attributes", key: name.to_owned() },
            ]
        }
        Scope::Resource => {
            let own = if name == SERVICE_NAME { "service_name".to_owned() } else { format!("resource.{name}") };
            vec![Place::Column(own), Place::Member { column: "resource_attributes", key: name.to_owned() }]
        }
        Scope::Instrumentation => vec![Place::Member { column: "scope_attributes", key: name.to_owned() }],
        Scope::Event => item("events"),
        Scope::Link => item("links"),
    }
}

fn intrinsic_place(intrinsic: Intrinsic) -> Place {
    let column = |name: &str| Place::Column(name.to_owned());
    let item = |column, of| Place::Item { column, of };
    match intrinsic {
        Intrinsic::Duration => column("duration_nano"),
        Intrinsic::Name => column("name"),
        Intrinsic::Status => column("status_code"),
        Intrinsic::StatusMessage => column("status_message"),
        Intrinsic::Kind => column("kind"),
        Intrinsic::SpanId => column("span_id"),
        Intrinsic::ParentId => column("parent_span_id"),
        Intrinsic::TraceId => column("trace_id"),
        Intrinsic::InstrumentationName => column("scope_name"),
        Intrinsic::InstrumentationVersion => column("scope_version"),
        Intrinsic::EventName => item("events", Item::Name),
        Intrinsic::EventTimeSinceStart => item("events", Item::TimeSinceStart),
        Intrinsic::LinkTraceId => item("links", Item::TraceId),
        Intrinsic::LinkSpanId => item("links", Item::SpanId),
        Intrinsic::ChildCount
        | Intrinsic::TraceDuration
        | Intrinsic::RootName
        | Intrinsic::RootService
        | Intrinsic::NestedSetLeft
        | Intrinsic::NestedSetRight
        | Intrinsic::NestedSetParent => Place::Trace(intrinsic),
    }
}

impl Place {
    /// The columns that have to be read for it.
    pub fn columns(&self) -> Vec<&str> {
        match self {
            Place::Column(name) => vec![name],
            Place::Member { column, .. } => vec![column],
            Place::Item { column, of: Item::TimeSinceStart } => vec![column, "start_time_unix_nano"],
            Place::Item { column, .. } => vec![column],
            Place::Trace(_) => Vec::new(),
        }
    }
}
