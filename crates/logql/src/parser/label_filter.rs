//! Conditions on labels. `and` binds more than `or`. A comma and nothing at all mean `and` too, but take all that follows:
//! `a or b, c or d` is `a or (b and (c or d))`.

use super::{MAX_LIST, Parser, Result};
use crate::ast::{CompareOp, LabelFilter};
use crate::lexer::Kind;
use crate::matcher::{Condition, Matcher};
use crate::pattern::Pattern;

/// Conditions between commas.
#[derive(Default)]
struct Chain {
    /// Those in front of the last `or`.
    alternatives: Vec<LabelFilter>,
    /// Those behind it.
    all: Vec<LabelFilter>,
}

impl Chain {
    /// With the conditions that the last one takes along.
    fn closed(mut self, rest: Option<LabelFilter>) -> LabelFilter {
        self.all.extend(rest);
        self.alternatives.push(LabelFilter::all(self.all));
        LabelFilter::any(self.alternatives)
    }
}

impl Parser {
    pub(super) fn label_filter(&mut self) -> Result<LabelFilter> {
        let mut chains: Vec<Chain> = Vec::new();
        let mut chain = Chain::default();
        let mut conditions = 0;
        loop {
            conditions += 1;
            if conditions > MAX_LIST {
                return Err(self.fail(format!("label filter has more than {MAX_LIST} conditions")));
            }
            chain.all.push(self.condition()?);
            if self.takes("and") {
                continue;
            }
            if self.takes("or") {
                let all = std::mem::take(&mut chain.all);
                chain.alternatives.push(LabelFilter::all(all));
                continue;
            }
            if self.takes(",") || self.is("(") || matches!(self.peek(), Kind::Identifier(_)) {
                chains.push(std::mem::take(&mut chain));
                continue;
            }
            let mut filter = chain.closed(None);
            while let Some(before) = chains.pop() {
                filter = before.closed(Some(filter));
            }
            return Ok(filter);
        }
    }

    fn condition(&mut self) -> Result<LabelFilter> {
        if self.takes("(") {
            let inner = self.within(Parser::label_filter)?;
            self.expect(")")?;
            return Ok(inner);
        }
        let token = self.at;
        let label = match self.peek() {
            Kind::Identifier(_) => self.identifier()?,
            _ => return Err(self.unexpected("IDENTIFIER or (")),
        };
        let Some((op, symbol)) = self.fixed().and_then(|symbol| Some((compare_op(symbol)?, symbol))) else {
            return self.matcher_of(token, label).map(LabelFilter::Text);
        };
        match *self.peek_second() {
            Kind::Text(_) if matches!(symbol, "=" | "!=") => self.matcher_of(token, label).map(LabelFilter::Text),
            Kind::Fixed("ip") if matches!(symbol, "=" | "!=") => {
                self.next();
                let addresses = self.addresses()?;
                Ok(LabelFilter::Ip { label, op, addresses })
            }
            Kind::Duration(value) => {
                self.next();
                self.next();
                Ok(LabelFilter::Duration { label, op, value })
            }
            Kind::Bytes(value) => {
                self.next();
                self.next();
                Ok(LabelFilter::Bytes { label, op, value })
            }
            Kind::Number(_) | Kind::Fixed("+" | "-") => {
                self.next();
                Ok(LabelFilter::Number { label, op, value: self.literal()? })
            }
            _ => {
                self.next();
                Err(self.unexpected(match symbol {
                    "=" | "!=" => "STRING, NUMBER, DURATION, BYTES or ip",
                    _ => "NUMBER, DURATION or BYTES",
                }))
            }
        }
    }

    /// `label="value"`.
    pub(super) fn matcher(&mut self) -> Result<Matcher> {
        let token = self.at;
        let name = self.identifier()?;
        self.matcher_of(token, name)
    }

    /// Behind the name, which is at `token`.
    pub(super) fn matcher_of(&mut self, token: usize, name: String) -> Result<Matcher> {
        let symbol = match self.fixed() {
            Some(symbol @ ("=" | "!=" | "=~" | "!~")) => symbol,
            _ => return Err(self.unexpected("=, !=, =~ or !~")),
        };
        self.next();
        let value = self.text("STRING")?;
        let condition = match symbol {
            "=" => Condition::Equal(value),
            "!=" => Condition::NotEqual(value),
            "=~" => Condition::Regex(self.pattern(token, &value, Pattern::whole)?),
            _ => Condition::NotRegex(self.pattern(token, &value, Pattern::whole)?),
        };
        Ok(Matcher { name, condition })
    }

    /// `ip("…")`.
    pub(super) fn addresses(&mut self) -> Result<String> {
        self.next();
        self.expect("(")?;
        let addresses = self.text("STRING")?;
        self.expect(")")?;
        Ok(addresses)
    }
}

fn compare_op(symbol: &str) -> Option<CompareOp> {
    Some(match symbol {
        "=" | "==" => CompareOp::Equal,
        "!=" => CompareOp::NotEqual,
        ">" => CompareOp::Greater,
        ">=" => CompareOp::GreaterEqual,
        "<" => CompareOp::Less,
        "<=" => CompareOp::LessEqual,
        _ => return None,
    })
}
