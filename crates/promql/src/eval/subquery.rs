//! Subqueries: an expression on a grid of its own, read as samples.
