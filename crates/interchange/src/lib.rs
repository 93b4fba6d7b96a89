//! Traces in files, as other systems write them: found out by content, cut into items, read into OTLP.
//!
//! | what | who writes it |
//! |---|---|
//! | `{"resourceSpans": […]}`, one or one a line | the Collector's file exporter, OTLP/JSON of any kind, `trefoil export` |
//! | `{"batches": […]}`, `{"trace": {"resourceSpans": […]}}` | Tempo's API, Grafana's download of a trace |
//! | `{"data": […]}`, a list of traces, one trace | Jaeger's API and the downloads of its UI |
//! | `{"result": {"resourceSpans": […]}}` | Jaeger's API v3 |
//! | a list of spans, a list of such lists, one span a line | Zipkin's API and the downloads of its UI, versions 1 and 2 |
//!
//! Documents may follow each other, with or without line ends between them. Nothing is held but the item that is being read and what
//! is gathered for the next batch, so files may be of any size. What is broken costs only itself: it is told with its place, and
//! reading goes on behind it.
//!
//! The only I/O is the [`std::io::Read`] that a caller hands in.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod batches;
mod compression;
mod form;
mod input;
mod jaeger;
mod otlp;
mod problem;
mod scan;
mod zipkin;

#[cfg(test)]
mod tests;

pub use batches::{Batch, Batches, Part, spans_of, split};
pub use compression::decompressed;
pub use form::Form;
pub use problem::{Place, Problem};
