//! Questions about traces: TraceQL over the store.
//!
//! A search goes through the sources of spans (row groups of files, batches of the buffer), newest first. In each the filters
//! of the query run over columns and leave traces that may match; of those all spans are put together, wherever they lie, and
//! the query is evaluated. It ends when there are as many traces as were asked for.

mod assemble;
mod candidates;
mod dependencies;
mod durations;
mod filter;
mod finder;
mod matching;
mod metrics;
mod operations;
mod place;
mod rates;
mod search;
mod source;
mod superseded;
mod tags;
mod texts;
mod understand;
mod value;
mod whole;

pub use dependencies::Dependency;
pub use metrics::{Measured, MetricsRequest};
pub use operations::Operation;
pub use rates::{RateRequest, SpanRates, Window};
pub use search::{Found, FoundSpan, FoundSpanset, SearchRequest, Searched, ServiceStats};
pub use tags::{KnownNames, Names, TagRequest};
pub use understand::*;
