//! Functions that make series, and what follows them.

use super::field::comparison;
use super::node::Node;
use super::{Parser, Result};
use crate::ast::{Metrics, MetricsFunction, Pipeline, SecondStage};
use crate::lexer::Kind;

/// How many values of an attribute `compare()` gives, unless it says so.
const COMPARED_VALUES: i64 = 10;
/// Sums and what binds more: the constant of a comparison.
const SUM: u8 = 3;

impl Parser {
    /// `rate()` and its like with what is in its parentheses.
    pub(super) fn metrics_function(&mut self) -> Result<Option<MetricsFunction>> {
        let Kind::Word(word) = self.peek() else { return Ok(None) };
        let function: fn(&mut Parser) -> Result<MetricsFunction> = match word.as_str() {
            "rate" => |_| Ok(MetricsFunction::Rate),
            "count_over_time" => |_| Ok(MetricsFunction::CountOverTime),
            "min_over_time" => |parser| Ok(MetricsFunction::MinOverTime(parser.attribute()?)),
            "max_over_time" => |parser| Ok(MetricsFunction::MaxOverTime(parser.attribute()?)),
            "avg_over_time" => |parser| Ok(MetricsFunction::AvgOverTime(parser.attribute()?)),
            "sum_over_time" => |parser| Ok(MetricsFunction::SumOverTime(parser.attribute()?)),
            "histogram_over_time" => |parser| Ok(MetricsFunction::HistogramOverTime(parser.attribute()?)),
            "quantile_over_time" => Parser::quantiles,
            "compare" => Parser::compared,
            _ => return Ok(None),
        };
        self.next();
        self.expect("(")?;
        let function = function(self)?;
        self.expect(")")?;
        Ok(Some(function))
    }

    fn quantiles(&mut self) -> Result<MetricsFunction> {
        let of = self.attribute()?;
        let mut quantiles = Vec::new();
        while self.takes_symbol(",") {
            match *self.peek() {
                Kind::Int(number) => quantiles.push(number as f64),
                Kind::Float(number) => quantiles.push(number),
                _ => return Err(self.unexpected("expected a quantile")),
            }
            self.next();
        }
        if quantiles.is_empty() {
            return Err(self.unexpected("expected , and a quantile"));
        }
        Ok(MetricsFunction::QuantileOverTime { of, quantiles })
    }

    fn compared(&mut self) -> Result<MetricsFunction> {
        let selection = self.filter()?;
        let top = if self.takes_symbol(",") { self.integer()? } else { COMPARED_VALUES };
        let window = if self.takes_symbol(",") {
            let start = self.integer()?;
            self.expect(",")?;
            Some((start, self.integer()?))
        } else {
            None
        };
        Ok(MetricsFunction::Compare { selection, top, window })
    }

    pub(super) fn metrics_of(&mut self, spans: Pipeline, function: MetricsFunction) -> Result<Metrics> {
        let is_grouped = !matches!(function, MetricsFunction::Compare { .. }) && self.takes_word("by");
        let by = if is_grouped { self.list(Parser::attribute)? } else { Vec::new() };
        self.second_stages(Metrics::Query { spans, function, by })
    }

    /// `| topk(n)`, `> 10` and so on, as many as there are.
    pub(super) fn second_stages(&mut self, first: Metrics) -> Result<Metrics> {
        let mut metrics = first;
        loop {
            let stage = match *self.peek() {
                Kind::Symbol("|") => {
                    self.next();
                    self.top()?
                }
                Kind::Symbol(symbol) => match comparison(symbol) {
                    Some(op) => {
                        self.next();
                        match self.operators(SUM)?.node {
                            Node::Constant(value) => self.series_filter(op, value)?,
                            _ => return Err(self.fail("syntax error: series are compared with a constant")),
                        }
                    }
                    None => return Ok(metrics),
                },
                _ => return Ok(metrics),
            };
            metrics = Metrics::Then { of: Box::new(metrics), stage };
        }
    }

    fn top(&mut self) -> Result<SecondStage> {
        let stage = match self.peek() {
            Kind::Word(word) if word == "topk" => SecondStage::TopK,
            Kind::Word(word) if word == "bottomk" => SecondStage::BottomK,
            _ => return Err(self.unexpected("expected topk or bottomk")),
        };
        self.next();
        self.expect("(")?;
        let count = self.integer()?;
        self.expect(")")?;
        Ok(stage(count))
    }
}
