//! Text to expressions.

use crate::ast::Expr;
use crate::error::ParseError;

/// What the parser accepts beyond the stable language; the names are Prometheus' feature flags.
#[derive(Debug, Clone, Copy)]
pub struct ParserOptions {
    /// `promql-experimental-functions` (aggregations too).
    pub experimental_functions: bool,
    /// `promql-extended-range-selectors`: `anchored` and `smoothed`.
    pub extended_range_selectors: bool,
    /// `promql-duration-expr`.
    pub duration_expressions: bool,
    /// `promql-binop-fill-modifiers`.
    pub fill_modifiers: bool,
}

impl ParserOptions {
    pub const ALL: Self = Self {
        experimental_functions: true,
        extended_range_selectors: true,
        duration_expressions: true,
        fill_modifiers: true,
    };
}

/// One expression, type-checked.
pub fn parse(_query: &str, _options: ParserOptions) -> Result<Expr, ParseError> {
    todo!()
}
