//! Zipkin's own forms of spans, read and written, which receivers, exporters and APIs share: JSON and protobuf of version 2
//! ([`Span`]), JSON and thrift of version 1, and what each is in OpenTelemetry ([`translate()`], [`from_otlp`]).
//!
//! The mapping is that of OpenTelemetry's specification ("OpenTelemetry to Zipkin Transformation") and of the Collector's
//! translator, with current names of attributes. [`names`] lists what has no place of its own in one of the two models.
//!
//! Pure computation: no I/O, no clock.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod any_value;
mod embedded;
mod facts;
mod fields;
mod from_otlp;
mod ids;
mod json;
mod meanings;
pub mod names;
mod problem;
mod protobuf;
mod span;
mod tags;
#[cfg(test)]
mod tests;
mod to_otlp;
mod translate;
mod tree;
mod v1;

pub use self::from_otlp::{FromOtlp, from_otlp, span_from_otlp};
pub use self::ids::{parse_span_id, parse_trace_id};
pub use self::json::to_json;
pub use self::problem::{Problem, Rejected, Unreadable};
pub use self::protobuf::to_protobuf;
pub use self::span::{Annotation, Endpoint, Kind, Span};
pub use self::tags::Tags;
pub use self::translate::{Format, Options, Translated, translate};
