//! Parameters of Zipkin's search, and the TraceQL that they are.

use std::collections::BTreeMap;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use trefoil_query::traces::SearchRequest;
use trefoil_traceql::ast::{Attribute, CompareOp, Field, Intrinsic, Pipeline, Scope, Spanset, SpansetOp, Stage};
use trefoil_traceql::value::{Status, Value};
use trefoil_zipkin::names;

use super::ZipkinError;
use crate::conditions::{all, any, compared, service_attribute, typed};

const DEFAULT_LIMIT: i64 = 10;
const MAX_LIMIT: i64 = 10_000;
/// Each of them may hold for another span.
const MAX_CONDITIONS: usize = 30;
const DEFAULT_LOOKBACK: i64 = 86_400_000;
const MICROSECOND: i64 = 1_000;
const MILLISECOND: i64 = 1_000_000;

#[derive(Debug, Default)]
pub(super) struct Parameters(BTreeMap<String, String>);

impl<S: Sync> FromRequestParts<S> for Parameters {
    type Rejection = ZipkinError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let read = Query::<BTreeMap<String, String>>::try_from_uri(&parts.uri);
        read.map(|Query(pairs)| Self(pairs)).map_err(|error| ZipkinError::bad_request(error.to_string()))
    }
}

impl Parameters {
    #[cfg(test)]
    fn parse(query: &str) -> Self {
        Self(Query::try_from_uri(&format!("/?{query}").parse().unwrap()).unwrap().0)
    }

    /// Empty without one.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }

    pub fn required(&self, name: &str) -> Result<&str, ZipkinError> {
        let is_there = self.0.contains_key(name);
        is_there
            .then(|| self.get(name))
            .ok_or_else(|| ZipkinError::bad_request(format!("{name} parameter is required")))
    }

    pub fn number(&self, name: &str) -> Result<Option<i64>, ZipkinError> {
        match self.get(name) {
            "" => Ok(None),
            text => text
                .parse()
                .map(Some)
                .map_err(|_| ZipkinError::bad_request(format!("{name}: {text:?} is not a number"))),
        }
    }

    /// From `endTs`, milliseconds since the epoch, so many milliseconds back; inclusive, nanoseconds since the epoch.
    pub fn period(&self, now: i64) -> Result<(i64, i64), ZipkinError> {
        let end = self.number("endTs")?.unwrap_or(now / MILLISECOND);
        let lookback = self.number("lookback")?.unwrap_or(DEFAULT_LOOKBACK);
        if end <= 0 || lookback <= 0 {
            return Err(ZipkinError::bad_request(if end <= 0 { "endTs <= 0" } else { "lookback <= 0" }));
        }
        Ok((end.saturating_sub(lookback).saturating_mul(MILLISECOND), end.saturating_mul(MILLISECOND)))
    }

    /// Traces that match, the newest. Each condition holds for some span of the service, not all of them for the same one.
    pub fn search(&self, now: i64) -> Result<SearchRequest, ZipkinError> {
        let limit = self.number("limit")?.unwrap_or(DEFAULT_LIMIT);
        if limit <= 0 {
            return Err(ZipkinError::bad_request("limit <= 0"));
        }
        if limit > MAX_LIMIT {
            return Err(ZipkinError::bad_request(format!("limit > {MAX_LIMIT}")));
        }
        let period = self.period(now)?;
        Ok(SearchRequest {
            pipeline: Pipeline(vec![Stage::Spanset(self.spanset()?)]),
            period,
            limit: limit as usize,
            // The traces are wanted, not which of their spans.
            spans_per_spanset: 0,
            is_most_recent: true,
        })
    }

    fn spanset(&self) -> Result<Spanset, ZipkinError> {
        let name = |name: &str| Some(self.get(name)).filter(|name| !name.is_empty());
        let service = name("serviceName").map(|name| is_named(service_attribute(), name));
        let mut conditions = Vec::new();
        conditions.extend(name("remoteServiceName").map(is_remote));
        let span = name("spanName").filter(|name| *name != "all");
        conditions.extend(span.map(|name| is_named(Attribute::Intrinsic(Intrinsic::Name), name)));
        conditions.extend(annotations(self.get("annotationQuery")));
        conditions.extend(self.durations()?);
        if conditions.len() > MAX_CONDITIONS {
            return Err(ZipkinError::bad_request(format!("annotationQuery has more than {MAX_CONDITIONS} parts")));
        }
        let of_service = |condition: Option<Field>| Spanset::Filter(all(service.iter().cloned().chain(condition)));
        let both =
            |left, right| Spanset::Operation { op: SpansetOp::And, left: Box::new(left), right: Box::new(right) };
        let filters = conditions.into_iter().map(|condition| of_service(Some(condition)));
        Ok(filters.reduce(both).unwrap_or_else(|| of_service(None)))
    }

    /// Both bounds are of the same span.
    fn durations(&self) -> Result<Option<Field>, ZipkinError> {
        let (least, most) = (self.number("minDuration")?, self.number("maxDuration")?);
        if least.is_some_and(|least| least <= 0) {
            return Err(ZipkinError::bad_request("minDuration <= 0"));
        }
        match (least, most) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(ZipkinError::bad_request("maxDuration is only valid with minDuration")),
            (Some(least), Some(most)) if most < least => Err(ZipkinError::bad_request("maxDuration < minDuration")),
            (least, most) => {
                let bound = |op, micros: i64| {
                    let nanos = Value::Duration(micros.saturating_mul(MICROSECOND));
                    compared(Attribute::Intrinsic(Intrinsic::Duration), op, nanos)
                };
                let least = least.map(|micros| bound(CompareOp::GreaterEqual, micros));
                let most = most.map(|micros| bound(CompareOp::LessEqual, micros));
                Ok(Some(all(least.into_iter().chain(most))))
            }
        }
    }
}

/// `retried and http.method=GET`: events, or tags of any value, and tags of one value.
fn annotations(query: &str) -> Vec<Field> {
    let parts = query.split(" and ").map(str::trim).filter(|part| !part.is_empty() && !part.starts_with('='));
    let condition = |part: &str| match part.split_once('=') {
        Some((key, value)) if !value.is_empty() => tag(key, value),
        Some((key, _)) => is_there(key),
        None => is_there(part),
    };
    parts.map(condition).collect()
}

fn is_there(name: &str) -> Field {
    let mut either = vec![compared(Attribute::Intrinsic(Intrinsic::EventName), CompareOp::Equal, Value::string(name))];
    either.extend(scopes(name).map(|attribute| Field::Exists(Box::new(Field::Attribute(attribute)))));
    if name == names::ERROR {
        either.push(failed());
    }
    Field::Or(either)
}

fn tag(key: &str, value: &str) -> Field {
    let values = typed(value);
    let mut either: Vec<Field> = scopes(key)
        .flat_map(|attribute| {
            values.iter().map(move |value| compared(attribute.clone(), CompareOp::Equal, value.clone()))
        })
        .collect();
    if key == names::ERROR {
        // The description of a failure is its value; without one it is `true`.
        let described =
            compared(Attribute::Intrinsic(Intrinsic::StatusMessage), CompareOp::Equal, Value::string(value));
        either.push(if value == "true" { failed() } else { Field::And(vec![failed(), described]) });
    }
    Field::Or(either)
}

fn failed() -> Field {
    compared(Attribute::Intrinsic(Intrinsic::Status), CompareOp::Equal, Value::Status(Status::Error))
}

/// To Zipkin, attributes of resources and scopes are tags as well.
fn scopes(name: &str) -> impl Iterator<Item = Attribute> {
    let named = |scope| Attribute::Named { scope: Some(scope), name: name.to_owned() };
    [Scope::Span, Scope::Resource, Scope::Instrumentation].map(named).into_iter()
}

/// The names of services on the other side of calls.
pub(super) fn remote_attributes() -> impl Iterator<Item = Attribute> {
    let named = |name: &&str| Attribute::Named { scope: Some(Scope::Span), name: (*name).to_owned() };
    names::REMOTE_SERVICES.iter().map(named).collect::<Vec<_>>().into_iter()
}

fn is_remote(name: &str) -> Field {
    any(remote_attributes().map(|attribute| is_named(attribute, name)))
}

/// In either case.
pub(super) fn is_named(attribute: Attribute, name: &str) -> Field {
    let pattern = format!("(?i){}", regex::escape(name));
    compared(attribute, CompareOp::Regex, Value::string(&pattern))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_000_000_000;

    fn asked(query: &str) -> Result<SearchRequest, String> {
        Parameters::parse(query).search(NOW).map_err(|error| error.1)
    }

    #[test]
    fn every_condition_may_hold_for_another_span() {
        let text = |query: &str| asked(query).unwrap().pipeline.to_string();
        assert_eq!(text(""), "{ true }");
        assert_eq!(text("serviceName=&spanName=all"), "{ true }");
        assert_eq!(text("serviceName=web"), "{ resource.service.name =~ `(?i)web` }");
        insta::assert_snapshot!(text("serviceName=web&spanName=get%20%2F&minDuration=10&maxDuration=2000"), @"{ (resource.service.name =~ `(?i)web`) && (name =~ `(?i)get /`) } && { (resource.service.name =~ `(?i)web`) && ((duration >= 10µs) && (duration <= 2ms)) }");
        insta::assert_snapshot!(text("annotationQuery=retried%20and%20error%20and%20n%3D5"), @"({ (event:name = `retried`) || (span.retried != nil) || (resource.retried != nil) || (instrumentation.retried != nil) } && { (event:name = `error`) || (span.error != nil) || (resource.error != nil) || (instrumentation.error != nil) || (status = error) }) && { (span.n = `5`) || (span.n = 5) || (resource.n = `5`) || (resource.n = 5) || (instrumentation.n = `5`) || (instrumentation.n = 5) }");
        insta::assert_snapshot!(text("remoteServiceName=db"), @"{ (span.peer.service =~ `(?i)db`) || (span.service.peer.name =~ `(?i)db`) }");
    }

    #[test]
    fn periods_end_now_and_are_a_day() {
        assert_eq!(asked("").unwrap().period, (NOW - 86_400_000_000_000, NOW));
        let request = asked("endTs=5000&lookback=1000&limit=7").unwrap();
        assert_eq!((request.period, request.limit), ((4_000_000_000, 5_000_000_000), 7));
    }

    #[test]
    fn wrong_parameters_are_named() {
        for (query, told) in [
            ("limit=0", "limit <= 0"),
            ("limit=10001", "limit > 10000"),
            ("limit=x", "limit: \"x\" is not a number"),
            ("endTs=0", "endTs <= 0"),
            ("lookback=-1", "lookback <= 0"),
            ("minDuration=0", "minDuration <= 0"),
            (&format!("annotationQuery=a{}", "%20and%20a".repeat(40)), "annotationQuery has more than 30 parts"),
            ("maxDuration=5", "maxDuration is only valid with minDuration"),
            ("minDuration=5&maxDuration=4", "maxDuration < minDuration"),
        ] {
            assert_eq!(asked(query).map(|_| ()).unwrap_err(), told, "{query}");
        }
    }
}
