//! Messages that the services share: times, names, summaries.

use prost::Message;

/// `google.protobuf.Timestamp`, or `Duration`, which is the same on the wire.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Time {
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

/// Of Go's zero time, which clients send where they mean none.
const YEAR_ONE: i64 = -62_135_596_800;

impl Time {
    /// Nanoseconds, as near as 64 bits come.
    pub fn nanoseconds(self) -> i64 {
        self.seconds.saturating_mul(1_000_000_000).saturating_add(i64::from(self.nanos))
    }

    pub fn of(nanoseconds: i64) -> Self {
        let (seconds, nanos) = (nanoseconds.div_euclid(1_000_000_000), nanoseconds.rem_euclid(1_000_000_000));
        Self { seconds, nanos: nanos as i32 }
    }
}

/// A time that is one.
pub(super) fn set(time: Option<Time>) -> Option<i64> {
    time.filter(|time| time.seconds > YEAR_ONE).map(Time::nanoseconds)
}

/// Both ends of a period, where both are times.
pub(super) fn hint(start: Option<Time>, end: Option<Time>) -> Option<(i64, i64)> {
    set(start).zip(set(end)).filter(|(start, end)| *start > 0 && start <= end)
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Empty {}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Services {
    #[prost(string, repeated, tag = "1")]
    pub services: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct OperationsRequest {
    #[prost(string, tag = "1")]
    pub service: String,
    #[prost(string, tag = "2")]
    pub span_kind: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Operation {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub span_kind: String,
}

impl From<crate::jaeger::search::Operation> for Operation {
    fn from(operation: crate::jaeger::search::Operation) -> Self {
        Self { name: operation.name, span_kind: operation.kind.to_owned() }
    }
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Operations {
    #[prost(message, repeated, tag = "1")]
    pub operations: Vec<Operation>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct DependenciesRequest {
    #[prost(message, optional, tag = "1")]
    pub start_time: Option<Time>,
    #[prost(message, optional, tag = "2")]
    pub end_time: Option<Time>,
}

impl DependenciesRequest {
    pub fn period(&self) -> Result<(i64, i64), tonic::Status> {
        let required =
            |time, name| set(time).ok_or_else(|| tonic::Status::invalid_argument(format!("{name} is required")));
        let period = (required(self.start_time, "start_time")?, required(self.end_time, "end_time")?);
        match period.0 < period.1 {
            true => Ok(period),
            false => Err(tonic::Status::invalid_argument("end_time must be after start_time")),
        }
    }
}

/// `source` says where it was found out, which only some of the services tell.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Dependency {
    #[prost(string, tag = "1")]
    pub parent: String,
    #[prost(string, tag = "2")]
    pub child: String,
    #[prost(uint64, tag = "3")]
    pub call_count: u64,
}

impl From<trefoil_query::traces::Dependency> for Dependency {
    fn from(of: trefoil_query::traces::Dependency) -> Self {
        Self { parent: of.parent.to_string(), child: of.child.to_string(), call_count: of.calls }
    }
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Dependencies {
    #[prost(message, repeated, tag = "1")]
    pub dependencies: Vec<Dependency>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ServiceSummary {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(int32, tag = "2")]
    pub span_count: i32,
    #[prost(int32, tag = "3")]
    pub error_span_count: i32,
}

/// What a summary says beside its trace's id, which is text in one service and bytes in the other.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Summed {
    pub root_service_name: String,
    pub root_operation_name: String,
    pub start: u64,
    pub end: u64,
    pub spans: i32,
    pub errors: i32,
    pub orphans: i32,
    pub services: Vec<ServiceSummary>,
}

impl From<&trefoil_query::traces::Found> for Summed {
    fn from(found: &trefoil_query::traces::Found) -> Self {
        let count = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        let services = found.services.iter().map(|(name, stats)| ServiceSummary {
            name: name.to_string(),
            span_count: count(stats.spans),
            error_span_count: count(stats.errors),
        });
        let (operation, service) = found.root.clone().unwrap_or_default();
        Self {
            root_service_name: service.to_string(),
            root_operation_name: operation.to_string(),
            start: found.start.max(0) as u64,
            end: found.start.saturating_add(found.duration).max(0) as u64,
            spans: count(found.services.values().map(|stats| stats.spans).sum()),
            errors: count(found.services.values().map(|stats| stats.errors).sum()),
            orphans: count(found.orphans),
            services: services.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_nanoseconds() {
        for nanoseconds in [0, 1, -1, 1_500_000_000, i64::MAX] {
            assert_eq!(Time::of(nanoseconds).nanoseconds(), nanoseconds);
        }
        assert_eq!(set(Some(Time { seconds: YEAR_ONE, nanos: 0 })), None);
        assert_eq!(set(Some(Time { seconds: i64::MAX, nanos: 0 })), Some(i64::MAX));
        assert_eq!(hint(Some(Time::of(5)), Some(Time::of(3))), None);
    }
}
