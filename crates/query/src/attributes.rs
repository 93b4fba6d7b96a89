//! Lets SQL name an attribute without knowing where it lives: `attribute(span_attributes, 'http.route')`.
//!
//! The storage crate's functions look into the JSON column only; here a call on a column that has a promoted sibling
//! becomes "the promoted column, else the JSON".

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{Expr, cast, when};

#[derive(Debug)]
pub struct PromotedAttributes;

impl FunctionRewrite for PromotedAttributes {
    fn name(&self) -> &str {
        "promoted_attributes"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _config: &ConfigOptions) -> Result<Transformed<Expr>> {
        let Expr::ScalarFunction(call) = &expr else { return Ok(Transformed::no(expr)) };
        match promoted(call, schema) {
            // Not `coalesce`: that can only be executed once the optimizer has made a CASE of it, and of one that stands in
            // a comparison it does not.
            Some(promoted) => {
                let either = when(promoted.clone().is_not_null(), promoted).otherwise(expr)?;
                Ok(Transformed::yes(either))
            }
            None => Ok(Transformed::no(expr)),
        }
    }
}

/// The promoted column that the call is about, in the type of the call, if the table has one.
fn promoted(call: &ScalarFunction, schema: &DFSchema) -> Option<Expr> {
    let wanted = match call.func.name() {
        "attribute" => DataType::Utf8View,
        "attribute_number" => DataType::Float64,
        _ => return None,
    };
    let [Expr::Column(json), Expr::Literal(key, _)] = call.args.as_slice() else { return None };
    let (ScalarValue::Utf8(Some(key)) | ScalarValue::Utf8View(Some(key))) = key else { return None };
    let scope = json.name.strip_suffix("_attributes")?;
    let name = match (scope, key.as_str()) {
        ("resource", "service.name") => "service_name".to_owned(),
        _ => format!("{scope}.{key}"),
    };
    let field = schema.field_with_name(json.relation.as_ref(), &name).ok()?;
    let is_number = matches!(field.data_type(), DataType::Int64 | DataType::Float64);
    if wanted == DataType::Float64 && !is_number {
        return None;
    }
    let column = Expr::Column(Column::new(json.relation.clone(), name));
    Some(if *field.data_type() == wanted { column } else { cast(column, wanted) })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, RecordBatch, StringViewArray};
    use datafusion::execution::FunctionRegistry;
    use datafusion::prelude::SessionContext;
    use trefoil_storage::scan::attribute_functions;

    use super::*;

    #[tokio::test]
    async fn an_attribute_is_found_in_either_place() {
        let mut context = SessionContext::new();
        for function in attribute_functions() {
            FunctionRegistry::register_udf(&mut context, function).unwrap();
        }
        context.register_function_rewrite(Arc::new(PromotedAttributes)).unwrap();
        let spans = RecordBatch::try_from_iter_with_nullable([
            ("span_attributes", Arc::new(StringViewArray::from(vec![None, Some(r#"{"n":"7","x":"y"}"#)])) as _, true),
            ("span.n", Arc::new(Int64Array::from(vec![Some(5), None])) as _, true),
        ]);
        context.register_batch("spans", spans.unwrap()).unwrap();
        let sql = "SELECT attribute(s.span_attributes, 'n') AS n, attribute_number(span_attributes, 'n') AS number, \
                   attribute(span_attributes, 'x') AS x FROM spans s WHERE attribute(span_attributes, 'n') IS NOT NULL";
        let rows = context.sql(sql).await.unwrap().collect().await.unwrap();
        let text = arrow::util::pretty::pretty_format_batches(&rows).unwrap().to_string();
        let cells: Vec<Vec<&str>> = text.lines().skip(3).map(|line| line.split('|').map(str::trim).collect()).collect();
        assert_eq!(cells[0][1..4], ["5", "5.0", ""], "{text}");
        assert_eq!(cells[1][1..4], ["7", "", "y"], "{text}");
        for condition in ["attribute(span_attributes, 'n') = '5'", "attribute_number(span_attributes, 'n') > 4"] {
            let frame = context.sql(&format!("SELECT * FROM spans WHERE {condition}")).await.unwrap();
            let rows: usize = frame.collect().await.unwrap().iter().map(RecordBatch::num_rows).sum();
            assert_eq!(rows, 1, "{condition}");
        }
    }
}
