//! Lengths of time that are computed from the query's step and range.

use crate::ast::{BinaryOp, Duration, DurationExpr, Expr, VectorSelector};
use crate::error::Position;
use crate::steps::Steps;

/// What `step()` and `range()` are in a query, seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Durations {
    step: f64,
    range: f64,
}

/// Longer ones do not fit Prometheus' nanoseconds.
const LONGEST: f64 = 9_223_372_036.854_776;

impl Durations {
    pub fn of_instant() -> Self {
        Self { step: 0.0, range: 0.0 }
    }

    pub fn of_range(query: Steps) -> Self {
        Self { step: query.interval as f64 / 1000.0, range: query.end.saturating_sub(query.start) as f64 / 1000.0 }
    }

    /// That all durations of an expression can be computed, before any of it is evaluated.
    pub fn check(&self, expr: &Expr) -> Result<(), String> {
        match expr {
            Expr::Number(_) | Expr::String(_) => Ok(()),
            Expr::Vector(selector) => self.check_selector(selector),
            Expr::Matrix(matrix) => {
                self.check_selector(&matrix.selector)?;
                self.positive(&matrix.range).map(drop)
            }
            Expr::Subquery(subquery) => {
                subquery.offset.iter().try_for_each(|offset| self.any(offset).map(drop))?;
                subquery.step.iter().try_for_each(|step| self.positive(step).map(drop))?;
                self.positive(&subquery.range)?;
                self.check(&subquery.expr)
            }
            Expr::Call(call) => call.args.iter().try_for_each(|arg| self.check(arg)),
            Expr::Aggregate(aggregate) => {
                aggregate.param.iter().try_for_each(|param| self.check(param))?;
                self.check(&aggregate.expr)
            }
            Expr::Binary(binary) => {
                self.check(&binary.lhs)?;
                self.check(&binary.rhs)
            }
            Expr::Unary(unary) => self.check(&unary.expr),
            Expr::Paren(paren) => self.check(&paren.expr),
        }
    }

    fn check_selector(&self, selector: &VectorSelector) -> Result<(), String> {
        selector.offset.iter().try_for_each(|offset| self.any(offset).map(drop))
    }

    /// Milliseconds; of an offset, which may be negative.
    pub fn any(&self, duration: &Duration) -> Result<i64, String> {
        let expr = match duration {
            Duration::Millis(millis) => return Ok(*millis),
            Duration::Computed(expr) => expr,
        };
        let seconds = self.seconds(expr)?;
        if !seconds.is_finite() {
            return Err(at(position(expr), "duration is NaN or infinite"));
        }
        if seconds.abs() > LONGEST {
            return Err(at(position(expr), "duration is out of range"));
        }
        // Fractions of a millisecond are cut off.
        Ok((seconds * 1000.0) as i64)
    }

    /// Milliseconds; of a range or a step.
    pub fn positive(&self, duration: &Duration) -> Result<i64, String> {
        if let Duration::Computed(expr) = duration
            && self.seconds(expr)? <= 0.0
        {
            return Err(at(position(expr), "duration must be greater than 0"));
        }
        self.any(duration)
    }

    fn seconds(&self, expr: &DurationExpr) -> Result<f64, String> {
        Ok(match expr {
            DurationExpr::Number(number) => number.value,
            DurationExpr::Step(_) => self.step,
            DurationExpr::Range(_) => self.range,
            DurationExpr::Min(a, b) => least(self.seconds(a)?, self.seconds(b)?),
            DurationExpr::Max(a, b) => -least(-self.seconds(a)?, -self.seconds(b)?),
            DurationExpr::Sign(BinaryOp::Sub, expr, _) => -self.seconds(expr)?,
            DurationExpr::Sign(_, expr, _) | DurationExpr::Paren(expr) => self.seconds(expr)?,
            DurationExpr::Binary(op, a, b, _) => {
                let (a, b) = (self.seconds(a)?, self.seconds(b)?);
                match op {
                    BinaryOp::Add => a + b,
                    BinaryOp::Sub => a - b,
                    BinaryOp::Mul => a * b,
                    BinaryOp::Div if b == 0.0 => return Err(at(position(expr), "division by zero")),
                    BinaryOp::Div => a / b,
                    BinaryOp::Mod if b == 0.0 => return Err(at(position(expr), "modulo by zero")),
                    BinaryOp::Mod => a % b,
                    BinaryOp::Pow => a.powf(b),
                    _ => return Err(format!("unexpected duration expression operator {:?}", op.symbol())),
                }
            }
        })
    }
}

/// Unlike `f64::min`, NaN where one of them is.
fn least(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() {
        return f64::NAN;
    }
    a.min(b)
}

/// Prometheus names both ends, in bytes.
fn at(Position { start, end }: Position, message: &str) -> String {
    format!("{start}:{end}: {message}")
}

/// Parentheses do not belong to what is in them, nor function names to their operands.
fn position(expr: &DurationExpr) -> Position {
    match expr {
        DurationExpr::Number(number) => number.position,
        DurationExpr::Step(position) | DurationExpr::Range(position) => *position,
        DurationExpr::Sign(_, expr, sign) => Position { start: sign.start, end: position(expr).end },
        DurationExpr::Paren(expr) => position(expr),
        DurationExpr::Min(a, b) | DurationExpr::Max(a, b) | DurationExpr::Binary(_, a, b, _) => {
            Position { start: position(a).start, end: position(b).end }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parser::{ParserOptions, parse};

    #[test]
    fn durations_are_computed_from_step_and_range() {
        let durations = Durations::of_range(Steps::range(0, 100_000, 15_000));
        for (text, expected) in [
            ("step() * 2", Ok(30_000)),
            ("range()", Ok(100_000)),
            ("min_of(step(), 4)", Ok(4_000)),
            ("max_of(step(), 4)", Ok(15_000)),
            ("1.0019 + 0", Ok(1_001)),
            ("7s % 4s", Ok(3_000)),
            ("-step()", Err("2:9: duration must be greater than 0")),
            ("(step() - 15)", Err("3:14: duration must be greater than 0")),
            ("1 / (step() - 15)", Err("2:18: division by zero")),
            ("1 % (step() - 15)", Err("2:18: modulo by zero")),
            ("10 ^ 400", Err("2:10: duration is NaN or infinite")),
            ("10 ^ 10", Err("2:9: duration is out of range")),
        ] {
            let expr = parse(&format!("a[{text}]"), ParserOptions::ALL).unwrap();
            let Expr::Matrix(matrix) = &expr else { panic!("{text}") };
            assert_eq!(durations.positive(&matrix.range), expected.map_err(str::to_owned), "{text}");
            assert_eq!(durations.check(&expr), expected.map(drop).map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn steps_of_instant_queries_are_nothing() {
        let check = |text| Durations::of_instant().check(&parse(text, ParserOptions::ALL).unwrap());
        assert_eq!(check("a offset -step()"), Ok(()));
        assert_eq!(check("1 + rate(a[step()])"), Err("11:17: duration must be greater than 0".to_owned()));
    }
}
