//! Series of lines: the half of LogQL that counts.
//!
//! A query is made a [`Plan`]. For each of its leaves (range aggregations) whoever has the lines runs them through the stages and
//! adds what is left to an [`Accumulator`], in any order and as often as a line counts; the plan makes the answer of them.

mod accumulator;
mod cells;
mod counter;
mod error;
mod evaluate;
mod grid;
mod leaf;
mod plan;
mod quantile;
mod reading;
mod series;
mod settled;
mod slide;
mod summary;
mod windows;

pub use accumulator::{Accumulator, Function, Limits};
pub use error::MetricsError;
pub use evaluate::{Answer, Options};
pub use grid::Grid;
pub use leaf::{Leaf, Measure};
pub use plan::Plan;
pub use reading::Reading;
pub use series::{Errors, Series, SeriesLabels};
pub use windows::Windows;

#[cfg(test)]
mod tests;
