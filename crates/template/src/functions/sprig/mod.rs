//! Functions of sprig (<https://masterminds.github.io/sprig/>), with its conversions: what cannot be converted is zero.

pub(super) mod decimals;
pub(super) mod numbers;
pub(super) mod text;
