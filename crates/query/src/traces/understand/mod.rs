//! Understanding traces: [`trefoil_trace`] over the store.
//!
//! One trace, or all spans of a window, are read column by column into little memory, counted as what a query holds, and handed to pure
//! functions away from the threads that answer others.

mod diff;
mod exceptions;
mod graph;
mod propagation;
mod read;
mod trace;

pub use diff::{ChangedValue, DifferentSpan, FoundDiff, FoundDifference};
pub use exceptions::{ExceptionsOf, ExceptionsRequest, FoundExceptions};
pub use graph::{GraphEdge, GraphNode, NodeType, ServiceGraph};
pub use propagation::{LostContext, PropagationRequest, ServicePair};
pub use trace::{PathSection, Share, SpanTime, TopPath, TracePaths, TraceSkew};
