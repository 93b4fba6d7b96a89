//! Lets SQL write ids as people see them: `trace_id = '4bf92f3577b34da6a3ce929d0e0e4736'`.
//!
//! Ids are stored as binary. Without this the string would be compared byte for byte and never match.

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable};

#[derive(Debug)]
pub struct HexIds;

impl ExprPlanner for HexIds {
    fn plan_binary_op(&self, mut expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        if let Some(width) = id_width(&expr.left, schema) {
            expr.right = binary_literal(expr.right, width)?;
        } else if let Some(width) = id_width(&expr.right, schema) {
            expr.left = binary_literal(expr.left, width)?;
        }
        Ok(PlannerResult::Original(expr))
    }
}

/// `trace_id IN ('…', '…')`, which no planner is asked about. (The trait is for more than functions: it sees every expression.)
impl FunctionRewrite for HexIds {
    fn name(&self) -> &str {
        "hex_ids"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _config: &ConfigOptions) -> Result<Transformed<Expr>> {
        let Expr::InList(InList { expr, list, negated }) = expr else { return Ok(Transformed::no(expr)) };
        let Some(width) = id_width(&expr, schema) else {
            return Ok(Transformed::no(Expr::InList(InList { expr, list, negated })));
        };
        let list = list.into_iter().map(|id| binary_literal(id, width)).collect::<Result<_>>()?;
        Ok(Transformed::yes(Expr::InList(InList { expr, list, negated })))
    }
}

fn id_width(expr: &Expr, schema: &DFSchema) -> Option<usize> {
    match expr.get_type(schema) {
        Ok(DataType::FixedSizeBinary(width)) => usize::try_from(width).ok(),
        _ => None,
    }
}

fn binary_literal(expr: Expr, width: usize) -> Result<Expr> {
    let text = match &expr {
        Expr::Literal(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)), _) => text,
        _ => return Ok(expr),
    };
    let id = decode_hex(text, width).ok_or_else(|| {
        DataFusionError::Plan(format!("'{text}' is not an id: {} hexadecimal digits are expected", width * 2))
    })?;
    Ok(Expr::Literal(ScalarValue::FixedSizeBinary(width as i32, Some(id)), None))
}

/// The bytes of `text`, which must be exactly `width` bytes in hexadecimal digits of either case.
pub fn decode_hex(text: &str, width: usize) -> Option<Vec<u8>> {
    if text.len() != width * 2 {
        return None;
    }
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
    Some(digits?.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::decode_hex;

    #[test]
    fn decodes_ids_of_the_right_length_only() {
        assert_eq!(decode_hex("00fFa1", 3), Some(vec![0, 255, 161]));
        assert_eq!(decode_hex("00ff", 3), None);
        assert_eq!(decode_hex("00ffg1", 3), None);
        assert_eq!(decode_hex("ééé", 3), None);
    }
}
