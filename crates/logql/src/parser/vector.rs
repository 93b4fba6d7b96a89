//! Aggregations of series, and what they are grouped by.

use super::{Parser, Result};
use crate::ast::{Grouping, Metric, VectorAggregation, VectorOp};
use crate::lexer::Kind;

impl Parser {
    pub(super) fn vector_aggregation(&mut self, op: VectorOp) -> Result<Metric> {
        let token = self.at;
        self.next();
        let before = self.grouping()?;
        self.expect("(")?;
        // A number may also be the beginning of what is aggregated: `sum(2 * rate(…))`.
        let written = match (self.peek(), self.peek_second()) {
            (Kind::Number(text), Kind::Fixed(",")) => Some(text.clone()),
            _ => None,
        };
        let param = match written {
            Some(text) => {
                self.next();
                self.next();
                Some(text)
            }
            None => None,
        };
        let param = self.vector_param(token, op, param)?;
        let of = Box::new(self.metric()?);
        self.expect(")")?;
        let grouping = match before {
            Some(grouping) => Some(grouping),
            None => self.grouping()?,
        };
        Ok(Metric::Vector(VectorAggregation { op, param, of, grouping }))
    }

    fn vector_param(&self, token: usize, op: VectorOp, written: Option<String>) -> Result<Option<usize>> {
        let name = op.name();
        let fail = |message: String| Err(self.fail_at(token, message));
        match (written, op.has_param()) {
            (None, false) => Ok(None),
            (None, true) => fail(format!("parameter required for operation {name}")),
            (Some(text), false) => fail(format!("unsupported parameter for operation {name}({text},")),
            (Some(text), true) => match text.parse::<usize>() {
                Ok(0) => fail(format!("invalid parameter (must be greater than 0) {name}({text}")),
                Ok(count) => Ok(Some(count)),
                Err(_) => fail(format!("invalid parameter {name}({text},")),
            },
        }
    }

    /// `by (…)` or `without (…)`, if it is there.
    pub(super) fn grouping(&mut self) -> Result<Option<Grouping>> {
        let grouping = match self.fixed() {
            Some("by") => Grouping::By,
            Some("without") => Grouping::Without,
            _ => return Ok(None),
        };
        self.next();
        Ok(Some(grouping(self.labels()?)))
    }
}
