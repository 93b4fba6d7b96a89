//! `/api/v1/format_query` and `/api/v1/parse_query`, which look at the text of a query alone. They answer without a tenant.

use axum::response::Response;
use trefoil_promql::ast::Expr;
use trefoil_promql::parser::{self, ParserOptions};
use trefoil_promql::print;

use super::answer::small;
use super::ast;
use super::error::PromError;
use super::form::Parameters;

/// The query over several lines where it is long.
pub(super) async fn format_query(parameters: Parameters) -> Result<Response, PromError> {
    Ok(small(&print::pretty(&parse(&parameters)?).into()))
}

/// The query as a tree.
pub(super) async fn parse_query(parameters: Parameters) -> Result<Response, PromError> {
    Ok(small(&ast::tree(&parse(&parameters)?)))
}

fn parse(parameters: &Parameters) -> Result<Expr, PromError> {
    let parsed = parser::parse(parameters.get("query"), ParserOptions::ALL);
    parsed.map_err(|error| PromError::invalid_parameter("query", error))
}
