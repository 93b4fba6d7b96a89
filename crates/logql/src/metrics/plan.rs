//! A query of series as what is read of lines and what is made of that.
//!
//! What stands above range aggregations means the same as in PromQL, and so is evaluated as that: each range aggregation becomes a
//! selector, whose series have a sample at each step and none between steps.

use trefoil_promql::ast::{self as promql, Expr};
use trefoil_promql::error::Position;
use trefoil_promql::functions::Function;
use trefoil_promql::labels::METRIC_NAME;
use trefoil_promql::matcher::Matcher;

use super::{Leaf, MetricsError};
use crate::ast::{
    Binary, BinaryOp, Cardinality, Grouping, LabelReplace, Matching, Metric, VectorAggregation, VectorOp,
};

/// Selects the series of one leaf, by its place. It is no label of the series.
pub(super) const LEAF: &str = METRIC_NAME;

#[derive(Debug, Clone)]
pub struct Plan {
    leaves: Vec<Leaf>,
    expr: Expr,
    /// What only an instant query can ask for.
    instant_only: Option<&'static str>,
    is_sorted: bool,
}

impl Plan {
    pub fn new(metric: &Metric) -> Result<Plan, MetricsError> {
        let mut translation = Translation { leaves: Vec::new(), instant_only: None, is_sorted: false };
        let expr = translation.expr(metric, None)?;
        let Translation { leaves, instant_only, is_sorted } = translation;
        Ok(Plan { leaves, expr, instant_only, is_sorted })
    }

    /// What lines have to be read for. Range aggregations that are the same are one.
    pub fn leaves(&self) -> &[Leaf] {
        &self.leaves
    }

    pub(super) fn expr(&self) -> &Expr {
        &self.expr
    }

    pub(super) fn instant_only(&self) -> Option<&'static str> {
        self.instant_only
    }

    /// The order of its series is what was asked for.
    pub(super) fn is_sorted(&self) -> bool {
        self.is_sorted
    }
}

struct Translation {
    leaves: Vec<Leaf>,
    instant_only: Option<&'static str>,
    is_sorted: bool,
}

impl Translation {
    /// `around`: the aggregation that stands directly around it.
    fn expr(&mut self, metric: &Metric, around: Option<&VectorAggregation>) -> Result<Expr, MetricsError> {
        match metric {
            Metric::Range(aggregation) => Ok(self.selector(Leaf::new(aggregation, around))),
            Metric::Vector(aggregation) => self.aggregate(aggregation),
            Metric::Binary(binary) => self.binary(binary),
            Metric::LabelReplace(replace) => self.label_replace(replace),
            Metric::Literal(value) => Ok(number(*value)),
            Metric::Constant(value) => call("vector", vec![number(*value)]),
        }
    }

    fn selector(&mut self, leaf: Leaf) -> Expr {
        let known = self.leaves.iter().position(|known| *known == leaf);
        let place = known.unwrap_or(self.leaves.len());
        if known.is_none() {
            self.leaves.push(leaf);
        }
        Expr::Vector(promql::VectorSelector {
            name: None,
            matchers: vec![Matcher::equal(LEAF, place.to_string())],
            offset: None,
            at: None,
            extension: None,
            position: Position::default(),
        })
    }

    fn aggregate(&mut self, aggregation: &VectorAggregation) -> Result<Expr, MetricsError> {
        let VectorAggregation { op, param, of, grouping } = aggregation;
        let of = self.expr(of, Some(aggregation))?;
        let op = match op {
            VectorOp::Sort | VectorOp::SortDesc => {
                self.is_sorted = true;
                return call(op.name(), vec![of]);
            }
            VectorOp::ApproxTopk => {
                self.instant_only = Some("approx_topk can be asked for at one time only, not for a range of times");
                promql::AggregateOp::Topk
            }
            VectorOp::Topk => promql::AggregateOp::Topk,
            VectorOp::Bottomk => promql::AggregateOp::Bottomk,
            VectorOp::Sum => promql::AggregateOp::Sum,
            VectorOp::Avg => promql::AggregateOp::Avg,
            VectorOp::Count => promql::AggregateOp::Count,
            VectorOp::Max => promql::AggregateOp::Max,
            VectorOp::Min => promql::AggregateOp::Min,
            VectorOp::Stddev => promql::AggregateOp::Stddev,
            VectorOp::Stdvar => promql::AggregateOp::Stdvar,
        };
        Ok(Expr::Aggregate(promql::Aggregate {
            op,
            expr: Box::new(of),
            param: param.map(|param| Box::new(number(param as f64))),
            grouping: grouping.as_ref().map_or_else(Vec::new, |grouping| grouping.labels().to_vec()),
            without: matches!(grouping, Some(Grouping::Without(_))),
            position: Position::default(),
        }))
    }

    fn binary(&mut self, binary: &Binary) -> Result<Expr, MetricsError> {
        let Binary { op, left, right, return_bool, matching } = binary;
        let (lhs, rhs) = (self.expr(left, None)?, self.expr(right, None)?);
        let are_vectors = [&lhs, &rhs].iter().all(|side| side.value_type() == promql::ValueType::Vector);
        Ok(Expr::Binary(promql::Binary {
            op: operator(*op),
            lhs: Box::new(lhs),
            rhs: Box::new(rhs),
            matching: are_vectors.then(|| vector_matching(*op, matching.as_ref())),
            return_bool: op.is_comparison() && *return_bool,
            position: Position::default(),
        }))
    }

    fn label_replace(&mut self, replace: &LabelReplace) -> Result<Expr, MetricsError> {
        let LabelReplace { of, destination, replacement, source, pattern } = replace;
        let texts = [destination.as_str(), replacement, source, pattern.text()].map(|value| {
            Expr::String(promql::StringLiteral { value: value.to_owned(), position: Position::default() })
        });
        let of = self.expr(of, None)?;
        call("label_replace", [of].into_iter().chain(texts).collect())
    }
}

fn number(value: f64) -> Expr {
    Expr::Number(promql::NumberLiteral { value, is_duration: false, position: Position::default() })
}

fn call(name: &str, args: Vec<Expr>) -> Result<Expr, MetricsError> {
    let function = Function::find(name).ok_or(MetricsError::Invalid("there is no such function"))?;
    Ok(Expr::Call(promql::Call { function, args, position: Position::default() }))
}

fn operator(op: BinaryOp) -> promql::BinaryOp {
    match op {
        BinaryOp::Or => promql::BinaryOp::Or,
        BinaryOp::And => promql::BinaryOp::And,
        BinaryOp::Unless => promql::BinaryOp::Unless,
        BinaryOp::Equal => promql::BinaryOp::Eq,
        BinaryOp::NotEqual => promql::BinaryOp::Ne,
        BinaryOp::Greater => promql::BinaryOp::Gt,
        BinaryOp::GreaterEqual => promql::BinaryOp::Ge,
        BinaryOp::Less => promql::BinaryOp::Lt,
        BinaryOp::LessEqual => promql::BinaryOp::Le,
        BinaryOp::Add => promql::BinaryOp::Add,
        BinaryOp::Sub => promql::BinaryOp::Sub,
        BinaryOp::Mul => promql::BinaryOp::Mul,
        BinaryOp::Div => promql::BinaryOp::Div,
        BinaryOp::Mod => promql::BinaryOp::Mod,
        BinaryOp::Pow => promql::BinaryOp::Pow,
    }
}

fn vector_matching(op: BinaryOp, matching: Option<&Matching>) -> promql::VectorMatching {
    let cardinality = matching.map_or(&Cardinality::OneToOne, |matching| &matching.cardinality);
    let (cardinality, include) = match cardinality {
        _ if op.is_set() => (promql::Cardinality::ManyToMany, Vec::new()),
        Cardinality::OneToOne => (promql::Cardinality::OneToOne, Vec::new()),
        Cardinality::ManyToOne(include) => (promql::Cardinality::ManyToOne, include.clone()),
        Cardinality::OneToMany(include) => (promql::Cardinality::OneToMany, include.clone()),
    };
    promql::VectorMatching {
        cardinality,
        labels: matching.map_or_else(Vec::new, |matching| matching.labels.clone()),
        on: matching.is_some_and(|matching| matching.on),
        include,
        fill_left: None,
        fill_right: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn range_aggregations_that_are_the_same_are_read_once() {
        let plan = |query: &str| Plan::new(&crate::parse_metric(query).unwrap()).unwrap();
        for (query, leaves) in [
            ("1", 0),
            ("vector(1)", 0),
            (r#"rate({a="b"}[1m]) / rate({a="b"}[1m])"#, 1),
            (r#"sum(rate({a="b"}[1m])) / rate({a="b"}[1m])"#, 2),
            (r#"rate({a="b"}[1m]) / rate({a="b"}[2m])"#, 2),
            (r#"rate({a="b"}[1m]) or rate({a="b"}[1m] offset 1m)"#, 2),
        ] {
            assert_eq!(plan(query).leaves().len(), leaves, "{query}");
        }
        assert!(plan(r#"sort(rate({a="b"}[1m])) > 1"#).is_sorted() && !plan("1").is_sorted());
    }
}
