//! Conditions on lines beside texts and regular expressions.

pub mod ip;
pub mod pattern;
