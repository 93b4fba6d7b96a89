//! Tables of queries.
