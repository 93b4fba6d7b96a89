//! Operators and what stands between them.

use trefoil_go::float;

use super::{MAX_OPERATORS, Parser, Result};
use crate::ast::{Binary, BinaryOp, Cardinality, LabelReplace, Matching, Metric, Query, RangeOp, VectorOp};
use crate::lexer::Kind;
use crate::pattern::Pattern;

const OPERAND: &str = "{, (, NUMBER or an aggregation";

impl Parser {
    /// Operators of this precedence and those that bind more.
    pub(super) fn expression(&mut self, least: u8) -> Result<Query> {
        let mut left = self.within(Parser::operand)?;
        while let Some(op) = self.fixed().and_then(binary_op).filter(|op| op.precedence() >= least) {
            let token = self.at;
            self.operators += 1;
            if self.operators > MAX_OPERATORS {
                return Err(self.fail(format!("query has more than {MAX_OPERATORS} operators")));
            }
            self.next();
            let return_bool = self.takes("bool");
            let matching = self.matching()?;
            // Powers are the only ones that are taken from the right.
            let next = op.precedence() + u8::from(op != BinaryOp::Pow);
            let right = self.within(|parser| parser.expression(next))?;
            let leg = |query, side| match query {
                Query::Metric(metric) => Ok(metric),
                Query::Log(_) => Err(self.fail_at(
                    token,
                    format!("unexpected type for {side} leg of binary operation ({}): a log query", op.symbol()),
                )),
            };
            let binary = Binary { op, left: leg(left, "left")?, right: leg(right, "right")?, return_bool, matching };
            left = Query::Metric(self.combined(token, binary)?);
        }
        Ok(left)
    }

    /// A query for series. What is none fails where it begins.
    pub(super) fn metric(&mut self) -> Result<Metric> {
        let start = self.at;
        let found = self.peek().to_string();
        match self.expression(1)? {
            Query::Metric(metric) => Ok(metric),
            Query::Log(_) => {
                Err(self.fail_at(start, format!("syntax error: unexpected {found}, expecting a metric query")))
            }
        }
    }

    /// Numbers are calculated at once.
    fn combined(&self, token: usize, binary: Binary) -> Result<Metric> {
        let symbol = binary.op.symbol();
        let literal = |side: &str, value: f64| {
            let message =
                format!("unexpected literal for {side} leg of logical/set binary operation ({symbol}): {value:.6}");
            self.fail_at(token, message)
        };
        match (&binary.left, &binary.right) {
            (Metric::Literal(left), _) if binary.op.is_set() => Err(literal("left", *left)),
            (_, Metric::Literal(right)) if binary.op.is_set() => Err(literal("right", *right)),
            (Metric::Literal(left), Metric::Literal(right)) => match binary.op.calculate(*left, *right) {
                Some(value) => Ok(Metric::Literal(value)),
                None => Ok(Metric::Binary(Box::new(binary))),
            },
            _ => Ok(Metric::Binary(Box::new(binary))),
        }
    }

    fn operand(&mut self) -> Result<Query> {
        if self.takes("(") {
            let inner = self.expression(1)?;
            self.expect(")")?;
            return Ok(inner);
        }
        match *self.peek() {
            Kind::Number(_) | Kind::Fixed("+" | "-") => Ok(Query::Metric(Metric::Literal(self.literal()?))),
            Kind::Fixed("{") => self.log_query().map(Query::Log),
            Kind::Fixed("label_replace") => self.label_replace().map(Query::Metric),
            Kind::Fixed("vector") => self.constant().map(Query::Metric),
            Kind::Fixed(name) => match (RangeOp::named(name), VectorOp::named(name)) {
                (Some(op), _) => self.range_aggregation(op).map(Query::Metric),
                (_, Some(op)) => self.vector_aggregation(op).map(Query::Metric),
                _ => Err(self.unexpected(OPERAND)),
            },
            _ => Err(self.unexpected(OPERAND)),
        }
    }

    /// A number with a sign or without.
    pub(super) fn literal(&mut self) -> Result<f64> {
        let is_negative = self.is("-");
        if is_negative || self.is("+") {
            self.next();
        }
        let value = self.float("literal")?;
        Ok(if is_negative { -value } else { value })
    }

    /// A number without a sign.
    pub(super) fn float(&mut self, of: &str) -> Result<f64> {
        let token = self.at;
        let text = self.number()?;
        float::parse(&text).map_err(|reason| {
            let message = format!("unable to parse {of} as a float: strconv.ParseFloat: parsing {text:?}: {reason}");
            self.fail_at(token, message)
        })
    }

    fn constant(&mut self) -> Result<Metric> {
        self.next();
        self.expect("(")?;
        let value = self.float("vectorExpr")?;
        self.expect(")")?;
        Ok(Metric::Constant(value))
    }

    fn label_replace(&mut self) -> Result<Metric> {
        self.next();
        self.expect("(")?;
        let of = Box::new(self.metric()?);
        let mut argument = || {
            self.expect(",")?;
            self.text("STRING")
        };
        let (destination, replacement, source) = (argument()?, argument()?, argument()?);
        self.expect(",")?;
        let token = self.at;
        let text = self.text("STRING")?;
        let pattern = self.pattern(token, &text, |text| {
            Pattern::whole(text).map_err(|error| format!("invalid regex in label_replace: {error}"))
        })?;
        self.expect(")")?;
        Ok(Metric::LabelReplace(LabelReplace { of, destination, replacement, source, pattern }))
    }

    /// `on (…)` or `ignoring (…)`, with `group_left` or `group_right` behind it.
    fn matching(&mut self) -> Result<Option<Matching>> {
        let on = self.is("on");
        if !on && !self.is("ignoring") {
            return Ok(None);
        }
        self.next();
        let labels = self.labels()?;
        let cardinality = match self.fixed() {
            Some("group_left") => Cardinality::ManyToOne(self.included()?),
            Some("group_right") => Cardinality::OneToMany(self.included()?),
            _ => Cardinality::OneToOne,
        };
        Ok(Some(Matching { on, labels, cardinality }))
    }

    fn included(&mut self) -> Result<Vec<String>> {
        self.next();
        match self.is("(") {
            // A vector on the right side may stand in parentheses, too.
            true if matches!(self.peek_second(), Kind::Identifier(_) | Kind::Fixed(")")) => self.labels(),
            _ => Ok(Vec::new()),
        }
    }

    /// Any number of labels in parentheses.
    pub(super) fn labels(&mut self) -> Result<Vec<String>> {
        self.expect("(")?;
        if self.takes(")") {
            return Ok(Vec::new());
        }
        let labels = self.list(Parser::identifier)?;
        match self.takes(")") {
            true => Ok(labels),
            false => Err(self.unexpected(", or )")),
        }
    }
}

impl RangeOp {
    fn named(name: &str) -> Option<RangeOp> {
        RangeOp::ALL.into_iter().find(|op| op.name() == name)
    }
}

impl VectorOp {
    fn named(name: &str) -> Option<VectorOp> {
        VectorOp::ALL.into_iter().find(|op| op.name() == name)
    }
}

fn binary_op(symbol: &str) -> Option<BinaryOp> {
    Some(match symbol {
        "or" => BinaryOp::Or,
        "and" => BinaryOp::And,
        "unless" => BinaryOp::Unless,
        "==" => BinaryOp::Equal,
        "!=" => BinaryOp::NotEqual,
        ">" => BinaryOp::Greater,
        ">=" => BinaryOp::GreaterEqual,
        "<" => BinaryOp::Less,
        "<=" => BinaryOp::LessEqual,
        "+" => BinaryOp::Add,
        "-" => BinaryOp::Sub,
        "*" => BinaryOp::Mul,
        "/" => BinaryOp::Div,
        "%" => BinaryOp::Mod,
        "^" => BinaryOp::Pow,
        _ => return None,
    })
}
