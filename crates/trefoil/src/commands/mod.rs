//! The commands that ask a running server, or none.

pub mod cardinality;
pub mod check;
pub mod client;
pub mod demo;
pub mod export;
pub mod import;
pub mod logs;
pub mod query;
pub mod sql;
pub mod trace;
pub mod understand;
pub mod waterfall;
