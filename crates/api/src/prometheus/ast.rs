//! Expressions as JSON, in the shape that Prometheus' query page draws its tree from.

use serde_json::{Value, json};
use trefoil_go::number::decimal;
use trefoil_promql::ast::{
    Aggregate, At, Binary, Call, Cardinality, Duration, DurationExpr, Expr, Extension, MatrixSelector, NumberLiteral,
    Subquery, ValueType, VectorMatching, VectorSelector,
};
use trefoil_promql::matcher::Matcher;

pub(super) fn tree(expr: &Expr) -> Value {
    match expr {
        Expr::Number(number) => json!({ "type": "numberLiteral", "val": decimal(number.value) }),
        Expr::String(string) => json!({ "type": "stringLiteral", "val": string.value }),
        Expr::Vector(selector) => vector_selector(selector),
        Expr::Matrix(selector) => matrix_selector(selector),
        Expr::Subquery(query) => subquery(query),
        Expr::Call(function) => call(function),
        Expr::Aggregate(aggregate) => aggregation(aggregate),
        Expr::Binary(operation) => binary(operation),
        Expr::Unary(unary) => json!({ "type": "unaryExpr", "op": unary.op.symbol(), "expr": tree(&unary.expr) }),
        Expr::Paren(paren) => json!({ "type": "parenExpr", "expr": tree(&paren.expr) }),
    }
}

fn aggregation(aggregate: &Aggregate) -> Value {
    json!({
        "type": "aggregation",
        "op": aggregate.op.name(),
        "expr": tree(&aggregate.expr),
        "param": aggregate.param.as_deref().map(tree),
        "grouping": aggregate.grouping,
        "without": aggregate.without,
    })
}

fn binary(binary: &Binary) -> Value {
    json!({
        "type": "binaryExpr",
        "op": binary.op.symbol(),
        "lhs": tree(&binary.lhs),
        "rhs": tree(&binary.rhs),
        "matching": binary.matching.as_ref().map(matching),
        "bool": binary.return_bool,
    })
}

fn matching(matching: &VectorMatching) -> Value {
    let cardinality = match matching.cardinality {
        Cardinality::OneToOne => "one-to-one",
        Cardinality::ManyToOne => "many-to-one",
        Cardinality::OneToMany => "one-to-many",
        Cardinality::ManyToMany => "many-to-many",
    };
    json!({
        "card": cardinality,
        "labels": matching.labels,
        "on": matching.on,
        "include": matching.include,
        "fillValues": { "lhs": matching.fill_left, "rhs": matching.fill_right },
    })
}

fn call(call: &Call) -> Value {
    let function = call.function;
    json!({
        "type": "call",
        "func": {
            "name": function.name,
            "argTypes": function.args.iter().map(|arg| type_name(*arg)).collect::<Vec<_>>(),
            "variadic": function.variadic,
            "returnType": type_name(function.returns),
        },
        "args": call.args.iter().map(tree).collect::<Vec<_>>(),
    })
}

fn type_name(value_type: ValueType) -> &'static str {
    match value_type {
        ValueType::Scalar => "scalar",
        ValueType::String => "string",
        ValueType::Vector => "vector",
        ValueType::Matrix => "matrix",
    }
}

fn vector_selector(selector: &VectorSelector) -> Value {
    let (offset, offset_expr) = duration(selector.offset.as_ref());
    let (timestamp, start_or_end) = at(selector.at);
    json!({
        "type": "vectorSelector",
        "name": selector.name.as_deref().unwrap_or_default(),
        "offset": offset,
        "offsetExpr": offset_expr,
        "matchers": matchers(&selector.matchers),
        "timestamp": timestamp,
        "startOrEnd": start_or_end,
        "anchored": selector.extension == Some(Extension::Anchored),
        "smoothed": selector.extension == Some(Extension::Smoothed),
    })
}

fn matrix_selector(matrix: &MatrixSelector) -> Value {
    let mut value = vector_selector(&matrix.selector);
    let (range, range_expr) = duration(Some(&matrix.range));
    value["type"] = "matrixSelector".into();
    value["range"] = range.into();
    value["rangeExpr"] = range_expr;
    value
}

fn subquery(subquery: &Subquery) -> Value {
    let (range, range_expr) = duration(Some(&subquery.range));
    let (offset, offset_expr) = duration(subquery.offset.as_ref());
    let (step, step_expr) = duration(subquery.step.as_ref());
    let (timestamp, start_or_end) = at(subquery.at);
    json!({
        "type": "subquery",
        "expr": tree(&subquery.expr),
        "range": range,
        "rangeExpr": range_expr,
        "offset": offset,
        "offsetExpr": offset_expr,
        "step": step,
        "stepExpr": step_expr,
        "timestamp": timestamp,
        "startOrEnd": start_or_end,
    })
}

fn matchers(matchers: &[Matcher]) -> Vec<Value> {
    let described =
        |matcher: &Matcher| json!({ "name": matcher.name, "value": matcher.value, "type": matcher.op.to_string() });
    matchers.iter().map(described).collect()
}

/// Milliseconds since the epoch, or at which end of the query.
fn at(at: Option<At>) -> (Option<i64>, Option<&'static str>) {
    match at {
        None => (None, None),
        Some(At::Time(millis)) => (Some(millis), None),
        Some(At::Start) => (None, Some("start")),
        Some(At::End) => (None, Some("end")),
    }
}

/// Milliseconds, or 0 and how they are computed.
fn duration(duration: Option<&Duration>) -> (i64, Value) {
    match duration {
        None => (0, Value::Null),
        Some(Duration::Millis(millis)) => (*millis, Value::Null),
        Some(Duration::Computed(expr)) => (0, duration_expr(expr, false)),
    }
}

fn duration_expr(expr: &DurationExpr, wrapped: bool) -> Value {
    let operation = |op: &str, lhs: Option<&DurationExpr>, rhs: Option<&DurationExpr>| {
        let operand = |operand: Option<&DurationExpr>| operand.map(|operand| duration_expr(operand, false));
        json!({ "type": "durationExpr", "op": op, "lhs": operand(lhs), "rhs": operand(rhs), "wrapped": wrapped })
    };
    match expr {
        DurationExpr::Number(number) => duration_literal(number),
        DurationExpr::Step(_) => operation("step", None, None),
        DurationExpr::Range(_) => operation("range", None, None),
        DurationExpr::Min(lhs, rhs) => operation("min_of", Some(lhs), Some(rhs)),
        DurationExpr::Max(lhs, rhs) => operation("max_of", Some(lhs), Some(rhs)),
        DurationExpr::Sign(op, operand, _) => operation(op.symbol(), None, Some(operand)),
        DurationExpr::Binary(op, lhs, rhs, _) => operation(op.symbol(), Some(lhs), Some(rhs)),
        DurationExpr::Paren(inner) => duration_expr(inner, true),
    }
}

fn duration_literal(number: &NumberLiteral) -> Value {
    json!({ "type": "numberLiteral", "val": decimal(number.value), "duration": number.is_duration })
}

#[cfg(test)]
mod tests {
    use trefoil_promql::parser::{ParserOptions, parse};

    use super::*;

    fn parsed(query: &str) -> Value {
        tree(&parse(query, ParserOptions::ALL).unwrap())
    }

    #[test]
    fn selectors_say_what_they_ask_for() {
        let selector = json!({
            "type": "vectorSelector",
            "name": "foo",
            "offset": 300_000,
            "offsetExpr": null,
            "matchers": [
                { "name": "bar", "value": "a|b", "type": "=~" },
                { "name": "__name__", "value": "foo", "type": "=" },
            ],
            "timestamp": 1_000,
            "startOrEnd": null,
            "anchored": false,
            "smoothed": false,
        });
        assert_eq!(parsed("foo{bar=~'a|b'} @ 1 offset 5m"), selector);
        let mut matrix = parsed("rate(foo{bar=~'a|b'}[1m] @ 1 offset 5m)")["args"][0].take();
        let members = matrix.as_object_mut().unwrap();
        assert_eq!((members.remove("range"), members.remove("rangeExpr")), (Some(json!(60_000)), Some(Value::Null)));
        matrix["type"] = "vectorSelector".into();
        assert_eq!(matrix, selector);
    }

    #[test]
    fn operations_have_operands() {
        let none = json!({ "lhs": null, "rhs": null });
        let operation = parsed("-(sum by (a) (1 * x)) / on (a) group_left (b) y");
        assert_eq!((&operation["type"], &operation["op"]), (&json!("binaryExpr"), &json!("/")));
        assert_eq!(
            operation["matching"],
            json!({ "card": "many-to-one", "labels": ["a"], "on": true, "include": ["b"], "fillValues": none })
        );
        let aggregation = &operation["lhs"]["expr"]["expr"];
        assert_eq!(aggregation["op"], "sum");
        assert_eq!((&aggregation["grouping"], &aggregation["without"]), (&json!(["a"]), &json!(false)));
        assert_eq!(aggregation["param"], Value::Null);
        assert_eq!(aggregation["expr"]["matching"], Value::Null);
        assert_eq!(aggregation["expr"]["lhs"], json!({ "type": "numberLiteral", "val": "1" }));
        let call = parsed("histogram_quantile(0.9, x)");
        assert_eq!(
            call["func"],
            json!({
                "name": "histogram_quantile", "argTypes": ["scalar", "vector"], "variadic": 0, "returnType": "vector",
            })
        );
    }

    #[test]
    fn computed_durations_are_trees() {
        let query = parsed("x[(2 * step()):5m] @ end() offset -min_of(1m, 2)");
        let step = json!({ "type": "durationExpr", "op": "step", "lhs": null, "rhs": null, "wrapped": false });
        let two = json!({ "type": "numberLiteral", "val": "2", "duration": false });
        assert_eq!(
            query["rangeExpr"],
            json!({ "type": "durationExpr", "op": "*", "lhs": two, "rhs": step, "wrapped": true })
        );
        assert_eq!((&query["range"], &query["step"], &query["stepExpr"]), (&json!(0), &json!(300_000), &Value::Null));
        assert_eq!((&query["timestamp"], &query["startOrEnd"]), (&Value::Null, &json!("end")));
        assert_eq!((&query["offsetExpr"]["op"], &query["offsetExpr"]["lhs"]), (&json!("-"), &Value::Null));
        assert_eq!(query["offsetExpr"]["rhs"]["op"], "min_of");
        assert_eq!(
            query["offsetExpr"]["rhs"]["lhs"],
            json!({ "type": "numberLiteral", "val": "60", "duration": true })
        );
    }
}
