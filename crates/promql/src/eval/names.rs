//! Metric names: which values lose them, and when.
