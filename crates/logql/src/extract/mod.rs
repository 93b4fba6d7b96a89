//! Fields that a query itself says how to find: by patterns and regular expressions. Those of JSON and logfmt are found by
//! `trefoil_lines`.

pub mod pattern;
pub mod regexp;
