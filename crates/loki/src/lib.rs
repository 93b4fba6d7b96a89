//! Loki's own forms of logs, read and written, which receivers, exporters and APIs share: the protobuf and the JSON of its push, and
//! what each is in OpenTelemetry ([`translate()`], [`from_otlp()`]); and lines as people take them away ([`TakenLine`]).
//!
//! A stream becomes a resource whose attributes are its labels, literally, and its one scope says so
//! ([`trefoil_model::logs::PUSH_SCOPE`]). The other way, such requests come out as they came in; all others as the Collector's
//! `lokiexporter` wrote them.
//!
//! Pure computation: no I/O, no clock.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod from_otlp;
mod ids;
mod json;
mod labels;
mod limits;
mod protobuf;
mod rejected;
mod stream;
mod taken;
#[cfg(test)]
mod tests;
mod times;
mod to_otlp;
mod translate;

pub use self::from_otlp::{DefaultLabels, FromOtlp, OfTenant, from_otlp};
pub use self::json::to_json;
pub use self::labels::{InvalidLabels, Labels};
pub use self::limits::Limits;
pub use self::protobuf::to_protobuf;
pub use self::rejected::Rejected;
pub use self::stream::{Entry, Stream};
pub use self::taken::{LineForm, TakenLine, time as written_time};
pub use self::translate::{Format, Options, Translated, Unreadable, translate};
