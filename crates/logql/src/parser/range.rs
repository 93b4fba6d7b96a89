//! Aggregations of the lines of a range.

use trefoil_go::float;

use super::{Parser, Result};
use crate::ast::{Conversion, LogQuery, LogRange, Metric, RangeAggregation, RangeOp, Unwrap};
use crate::lexer::Kind;

/// A range as far as it has been read.
struct Open {
    query: LogQuery,
    unwrap: Option<Unwrap>,
    /// The length and the offset.
    range: Option<(i64, i64)>,
}

impl Parser {
    pub(super) fn range_aggregation(&mut self, op: RangeOp) -> Result<Metric> {
        let token = self.at;
        self.next();
        self.expect("(")?;
        let param = match self.peek() {
            Kind::Number(_) => {
                let text = self.number()?;
                self.expect(",")?;
                Some(text)
            }
            _ => None,
        };
        let param = self.range_param(token, op, param)?;
        let Open { query, unwrap, range } = self.open_range()?;
        let (range, offset) = range.ok_or_else(|| self.unexpected("RANGE or a stage"))?;
        self.expect(")")?;
        let grouping = self.grouping()?;
        let range = LogRange { query, unwrap, range, offset };
        Ok(Metric::Range(RangeAggregation { op, param, range, grouping }))
    }

    fn range_param(&self, token: usize, op: RangeOp, written: Option<String>) -> Result<Option<f64>> {
        let name = op.name();
        let fail = |message: String| Err(self.fail_at(token, message));
        match (written, op == RangeOp::QuantileOverTime) {
            (None, false) => Ok(None),
            (None, true) => fail(format!("parameter required for operation {name}")),
            (Some(text), false) => fail(format!("parameter {text} not supported for operation {name}")),
            (Some(text), true) => match float::parse(&text) {
                Ok(value) => Ok(Some(value)),
                Err(reason) => fail(format!(
                    "invalid parameter for operation {name}: strconv.ParseFloat: parsing {text:?}: {reason}"
                )),
            },
        }
    }

    /// The length stands behind the selector or behind the stages; all of it or the part in front of the length may be in parentheses.
    fn open_range(&mut self) -> Result<Open> {
        let mut open = match self.takes("(") {
            true => {
                let inner = self.within(Parser::open_range)?;
                self.expect(")")?;
                inner
            }
            false => {
                Open { query: LogQuery { selector: self.selector()?, stages: Vec::new() }, unwrap: None, range: None }
            }
        };
        self.length(&mut open)?;
        if open.query.stages.is_empty() && open.unwrap.is_none() {
            open.query.stages = self.stages()?;
            if self.is_unwrap() {
                open.unwrap = Some(self.unwrap_stage()?);
            }
            self.length(&mut open)?;
        }
        Ok(open)
    }

    /// `[5m] offset 1h`, if it is there and has not been before.
    fn length(&mut self, open: &mut Open) -> Result<()> {
        let Kind::Range(range) = *self.peek() else { return Ok(()) };
        if open.range.is_some() {
            return Err(self.unexpected(")"));
        }
        self.next();
        let mut offset = 0;
        if self.takes("offset") {
            let Kind::Duration(nanos) = *self.peek() else { return Err(self.unexpected("DURATION")) };
            self.next();
            offset = nanos;
        }
        open.range = Some((range, offset));
        Ok(())
    }

    pub(super) fn is_unwrap(&self) -> bool {
        self.is("|") && *self.peek_second() == Kind::Fixed("unwrap")
    }

    /// `| unwrap label` with the label filters behind it.
    fn unwrap_stage(&mut self) -> Result<Unwrap> {
        self.next();
        self.next();
        let conversion = self.fixed().and_then(|name| Conversion::ALL.into_iter().find(|of| of.name() == name));
        let label = match conversion {
            Some(_) => {
                self.next();
                self.expect("(")?;
                let label = self.identifier()?;
                self.expect(")")?;
                label
            }
            None => match self.peek() {
                Kind::Identifier(_) => self.identifier()?,
                _ => return Err(self.unexpected("IDENTIFIER, bytes, duration or duration_seconds")),
            },
        };
        let mut filters = Vec::new();
        while self.is("|") {
            self.next();
            self.count_stage(filters.len())?;
            filters.push(self.label_filter()?);
        }
        Ok(Unwrap { label, conversion, filters })
    }
}
