//! Types, and what else the grammar cannot say. Runs over what has been parsed without error.

use trefoil_go::quote::quote;

use super::lexer::is_space;
use super::{Result, error_at};
use crate::ast::{AggregateOp, Binary, Call, Cardinality, Expr, ValueType, VectorSelector};
use crate::error::Position;
use crate::labels::METRIC_NAME;

/// Checks an expression and settles how its binary operators match.
pub(super) fn check(expr: &mut Expr, query: &str) -> Result<()> {
    Checker { query }.check(expr).map(drop)
}

struct Checker<'q> {
    query: &'q str,
}

impl Checker<'_> {
    fn fail<T>(&self, position: Position, message: impl Into<String>) -> Result<T> {
        Err(error_at(self.query, position, message))
    }

    fn check(&self, expr: &mut Expr) -> Result<ValueType> {
        match expr {
            Expr::Number(_) | Expr::String(_) => {}
            Expr::Vector(selector) => self.selector(selector, Emptiness::Refused)?,
            Expr::Matrix(matrix) => self.selector(&matrix.selector, Emptiness::Refused)?,
            Expr::Paren(paren) => {
                self.check(&mut paren.expr)?;
            }
            Expr::Unary(unary) => {
                let operand = self.check(&mut unary.expr)?;
                if !is_number(operand) {
                    let allowed = "expressions of type scalar or instant vector";
                    let message =
                        format!("unary expression only allowed on {allowed}, got {}", quote(operand.described()));
                    return self.fail(unary.position, message);
                }
            }
            Expr::Subquery(subquery) => {
                let inner = self.check(&mut subquery.expr)?;
                if inner != ValueType::Vector {
                    let message = format!("subquery is only allowed on instant vector, got {} instead", inner.name());
                    return self.fail(subquery.position, message);
                }
            }
            Expr::Aggregate(aggregate) => {
                self.expect(&mut aggregate.expr, ValueType::Vector, "aggregation expression")?;
                if let Some(param) = &mut aggregate.param {
                    let expected = match aggregate.op {
                        AggregateOp::CountValues => ValueType::String,
                        _ => ValueType::Scalar,
                    };
                    self.expect(param, expected, "aggregation parameter")?;
                }
            }
            Expr::Call(call) => self.call(call)?,
            Expr::Binary(binary) => self.binary(binary)?,
        }
        Ok(expr.value_type())
    }

    fn expect(&self, expr: &mut Expr, expected: ValueType, place: &str) -> Result<()> {
        let found = self.check(expr)?;
        self.expect_type(expr.position(), found, expected, place)
    }

    fn expect_type(&self, at: Position, found: ValueType, expected: ValueType, place: &str) -> Result<()> {
        if found == expected {
            return Ok(());
        }
        let (found, expected) = (found.described(), expected.described());
        self.fail(at, format!("expected type {expected} in {place}, got {found}"))
    }

    fn selector(&self, selector: &VectorSelector, emptiness: Emptiness) -> Result<()> {
        if let (Some(name), Some((_, others))) = (&selector.name, selector.matchers.split_last()) {
            return match others.iter().find(|matcher| matcher.name == METRIC_NAME) {
                None => Ok(()),
                Some(other) => {
                    let (name, other) = (quote(name), quote(&other.value));
                    self.fail(selector.position, format!("metric name must not be set twice: {name} or {other}"))
                }
            };
        }
        if emptiness == Emptiness::Allowed || selector.matchers.iter().any(|matcher| !matcher.matches_empty()) {
            return Ok(());
        }
        self.fail(selector.position, "vector selector must contain at least one non-empty matcher")
    }

    fn call(&self, call: &mut Call) -> Result<()> {
        self.argument_count(call)?;
        let Call { function, args, position } = call;
        let place = format!("call to function {}", quote(function.name));
        for (index, arg) in args.iter_mut().enumerate() {
            // The last type is that of all arguments behind it.
            let Some(expected) = function.args.get(index).or(function.args.last()) else { continue };
            let found = match function.name {
                "info" if index == 1 => self.info_selector(arg, *position, &place)?,
                _ => self.check(arg)?,
            };
            self.expect_type(arg.position(), found, *expected, &place)?;
        }
        Ok(())
    }

    fn argument_count(&self, call: &Call) -> Result<()> {
        let (named, given) = (call.function.args.len(), call.args.len());
        let name = quote(call.function.name);
        let problem = match usize::try_from(call.function.variadic) {
            Ok(0) if given == named => return Ok(()),
            Ok(0) => format!("expected {named} argument(s) in call to {name}, got {given}"),
            _ if given + 1 < named => {
                format!("expected at least {} argument(s) in call to {name}, got {given}", named - 1)
            }
            Ok(more) if given + 1 > named + more => {
                format!("expected at most {} argument(s) in call to {name}, got {given}", named - 1 + more)
            }
            _ => return Ok(()),
        };
        self.fail(call.position, problem)
    }

    /// The second argument of `info` is no selection of series, but of labels: it may be empty and names no metric.
    fn info_selector(&self, arg: &Expr, call: Position, place: &str) -> Result<ValueType> {
        let found = arg.value_type();
        self.expect_type(call, found, ValueType::Vector, place)?;
        match arg {
            Expr::Vector(selector) if selector.name.is_some() => {
                self.fail(selector.position, "expected label selectors only, got vector selector instead")
            }
            Expr::Vector(selector) => self.selector(selector, Emptiness::Allowed).map(|()| found),
            other => self.fail(other.position(), "expected label selectors only"),
        }
    }

    fn binary(&self, binary: &mut Binary) -> Result<()> {
        let (lhs, rhs) = (self.check(&mut binary.lhs)?, self.check(&mut binary.rhs)?);
        let op = binary.op;
        if binary.return_bool && !op.is_comparison() {
            return self.fail(self.operator(binary), "bool modifier can only be used on comparison operators");
        }
        if op.is_comparison() && !binary.return_bool && (lhs, rhs) == (ValueType::Scalar, ValueType::Scalar) {
            return self.fail(self.operator(binary), "comparisons between scalars must use BOOL modifier");
        }
        self.labels_once(binary)?;
        let types = "binary expression must contain only scalar and instant vector types";
        if !is_number(lhs) {
            return self.fail(binary.lhs.position(), types);
        }
        if !is_number(rhs) {
            return self.fail(binary.rhs.position(), types);
        }
        match (lhs, rhs) {
            (ValueType::Vector, ValueType::Vector) => self.vector_matching(binary),
            _ => self.no_matching(binary),
        }
    }

    fn labels_once(&self, binary: &Binary) -> Result<()> {
        let Some(matching) = binary.matching.as_ref().filter(|matching| matching.on) else { return Ok(()) };
        match matching.labels.iter().find(|label| matching.include.contains(label)) {
            None => Ok(()),
            Some(label) => {
                let message = format!("label {} must not occur in ON and GROUP clause at once", quote(label));
                self.fail(self.operator(binary), message)
            }
        }
    }

    /// Between two vectors.
    fn vector_matching(&self, binary: &mut Binary) -> Result<()> {
        let (op, position) = (binary.op, binary.position);
        let Some(matching) = binary.matching.as_mut().filter(|_| op.is_set()) else { return Ok(()) };
        if matching.cardinality != Cardinality::OneToOne {
            return self.fail(position, format!("no grouping allowed for {} operation", quote(op.symbol())));
        }
        if matching.fill_left.is_some() || matching.fill_right.is_some() {
            return self.fail(position, "filling in missing series not allowed for set operators");
        }
        matching.cardinality = Cardinality::ManyToMany;
        Ok(())
    }

    /// Where at least one side is a scalar.
    fn no_matching(&self, binary: &mut Binary) -> Result<()> {
        let (op, position) = (binary.op, binary.position);
        if let Some(matching) = binary.matching.take() {
            if !matching.labels.is_empty() {
                return self.fail(position, "vector matching only allowed between instant vectors");
            }
            if matching.fill_left.is_some() || matching.fill_right.is_some() {
                return self.fail(position, "filling in missing series only allowed between instant vectors");
            }
        }
        if op.is_set() {
            let op = quote(op.symbol());
            return self.fail(position, format!("set operator {op} not allowed in binary scalar expression"));
        }
        Ok(())
    }

    /// What is between the operands, without the spaces around it.
    fn operator(&self, binary: &Binary) -> Position {
        let (start, end) = (binary.lhs.position().end, binary.rhs.position().start);
        let between = self.query.get(start..end).unwrap_or_default();
        let start = start + between.len() - between.trim_start_matches(is_space).len();
        Position { start, end: start + between.trim_matches(is_space).len() }
    }
}

/// Whether a selector may select everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Emptiness {
    Refused,
    Allowed,
}

fn is_number(found: ValueType) -> bool {
    matches!(found, ValueType::Scalar | ValueType::Vector)
}

impl ValueType {
    /// As Prometheus' API and some of its errors have it.
    pub fn name(self) -> &'static str {
        match self {
            ValueType::Scalar => "scalar",
            ValueType::String => "string",
            ValueType::Vector => "vector",
            ValueType::Matrix => "matrix",
        }
    }

    /// As Prometheus' documentation and most of its errors have it.
    pub fn described(self) -> &'static str {
        match self {
            ValueType::Vector => "instant vector",
            ValueType::Matrix => "range vector",
            other => other.name(),
        }
    }
}
