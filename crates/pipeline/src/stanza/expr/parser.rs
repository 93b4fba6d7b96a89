//! From tokens to an expression.

use trefoil_go::pattern;

use super::ast::{Expr, Operator};
use super::functions::Function;
use super::lexer::{Token, tokens};
use crate::stanza::field::Root;
use crate::stanza::value::Value;

/// Longer texts are no conditions.
const LONGEST: usize = 64 << 10;
/// As deep as an expression of operators one after the other can be.
const MOST_TOKENS: usize = 1000;
const DEEPEST: usize = 100;

const NOT: u8 = 50;
const MINUS: u8 = 90;

pub fn parse(text: &str) -> Result<Expr, String> {
    if text.len() > LONGEST {
        return Err(format!("it is longer than {LONGEST} bytes"));
    }
    let tokens = tokens(text)?;
    if tokens.len() > MOST_TOKENS {
        return Err(format!("it has more than {MOST_TOKENS} parts"));
    }
    let mut parser = Parser { tokens, next: 0, depth: 0 };
    let expr = parser.expression(0)?;
    match parser.peek() {
        None => Ok(expr),
        Some(_) => Err(format!("{} comes unexpectedly", parser.here())),
    }
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    next: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(_, token)| token)
    }

    /// What comes next, for messages.
    fn here(&self) -> String {
        match self.tokens.get(self.next) {
            None => "the end".to_owned(),
            Some((at, Token::Name(name))) => format!("`{name}` at character {}", at + 1),
            Some((at, Token::Sign(sign))) => format!("`{sign}` at character {}", at + 1),
            Some((at, Token::Literal(value))) => format!("{} at character {}", value.kind(), at + 1),
        }
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let is_here = matches!(self.peek(), Some(Token::Sign(here)) if *here == sign);
        self.next += usize::from(is_here);
        is_here
    }

    fn take_name(&mut self, name: &str) -> bool {
        let is_here = matches!(self.peek(), Some(Token::Name(here)) if here == name);
        self.next += usize::from(is_here);
        is_here
    }

    fn expect(&mut self, sign: &str) -> Result<(), String> {
        match self.take_sign(sign) {
            true => Ok(()),
            false => Err(format!("expected `{sign}`, found {}", self.here())),
        }
    }

    fn expression(&mut self, lowest: u8) -> Result<Expr, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("it is nested deeper than {DEEPEST} levels"));
        }
        let mut left = self.unary()?;
        while let Some((operator, is_negated, length)) = self.operator() {
            if operator.precedence() < lowest {
                break;
            }
            self.next += length;
            // Of equals, the left one first; but powers from the right.
            let above = operator.precedence() + u8::from(operator != Operator::Power);
            let right = self.expression(above)?;
            left = binary(operator, left, right)?;
            if is_negated {
                left = Expr::Not(Box::new(left));
            }
        }
        if lowest == 0 && self.take_sign("?") {
            if self.take_sign(":") {
                return Err("`?:` is not supported by Trefoil; write `a ? a : b`, or `a ?? b`".to_owned());
            }
            let yes = self.expression(0)?;
            self.expect(":")?;
            let no = self.expression(0)?;
            left = Expr::Choice(Box::new(left), Box::new(yes), Box::new(no));
        }
        self.depth -= 1;
        Ok(left)
    }

    /// What stands between two operands, whether `not` is before it, and how many tokens that takes.
    fn operator(&self) -> Option<(Operator, bool, usize)> {
        use Operator::*;
        let word = |name: &str| match name {
            "in" => Some(In),
            "matches" => Some(Matches),
            "contains" => Some(Contains),
            "startsWith" => Some(StartsWith),
            "endsWith" => Some(EndsWith),
            _ => None,
        };
        let operator = match self.peek()? {
            Token::Name(name) if name == "not" => {
                let Some((_, Token::Name(next))) = self.tokens.get(self.next + 1) else { return None };
                return word(next).map(|operator| (operator, true, 2));
            }
            Token::Name(name) => match name.as_str() {
                "or" => Or,
                "and" => And,
                other => word(other)?,
            },
            Token::Sign(sign) => match *sign {
                "||" => Or,
                "&&" => And,
                "==" => Equal,
                "!=" => NotEqual,
                "<" => Less,
                "<=" => LessOrEqual,
                ">" => Greater,
                ">=" => GreaterOrEqual,
                "+" => Add,
                "-" => Subtract,
                "*" => Multiply,
                "/" => Divide,
                "%" => Remainder,
                "**" | "^" => Power,
                "??" => Coalesce,
                _ => return None,
            },
            Token::Literal(_) => return None,
        };
        Some((operator, false, 1))
    }

    fn unary(&mut self) -> Result<Expr, String> {
        if self.take_sign("!") || self.take_name("not") {
            return Ok(Expr::Not(Box::new(self.expression(NOT)?)));
        }
        if self.take_sign("-") {
            return Ok(Expr::Minus(Box::new(self.expression(MINUS)?)));
        }
        if self.take_sign("+") {
            return self.expression(MINUS);
        }
        let mut value = self.primary()?;
        loop {
            let lenient = self.take_sign("?.");
            if self.take_sign("[") {
                let key = self.expression(0)?;
                if self.take_sign(":") {
                    return Err("parts of lists (`[a:b]`) are not supported by Trefoil".to_owned());
                }
                self.expect("]")?;
                value = Expr::Index { of: Box::new(value), key: Box::new(key), lenient };
            } else if lenient || self.take_sign(".") {
                let key = match self.peek() {
                    Some(Token::Name(name)) => name.clone(),
                    _ => return Err(format!("expected a name behind the dot, found {}", self.here())),
                };
                self.next += 1;
                if matches!(self.peek(), Some(Token::Sign("("))) {
                    return Err(format!("the method `{key}` is not supported by Trefoil"));
                }
                let key = Box::new(Expr::Literal(Value::String(key)));
                value = Expr::Index { of: Box::new(value), key, lenient };
            } else {
                return Ok(value);
            }
        }
    }

    fn primary(&mut self) -> Result<Expr, String> {
        if self.take_sign("(") {
            let inner = self.expression(0)?;
            self.expect(")")?;
            return Ok(inner);
        }
        if self.take_sign("[") {
            return self.list("]").map(Expr::List);
        }
        if self.take_sign("{") {
            return self.map();
        }
        let here = self.here();
        let token = self.peek().cloned().ok_or("it ends where a value is expected")?;
        self.next += 1;
        match token {
            Token::Literal(value) => Ok(Expr::Literal(value)),
            Token::Name(name) => self.name(&name),
            Token::Sign("#" | "|" | "->" | "..") => Err(format!("{here} is not supported by Trefoil")),
            Token::Sign(_) => Err(format!("expected a value, found {here}")),
        }
    }

    fn name(&mut self, name: &str) -> Result<Expr, String> {
        match name {
            "true" => return Ok(Expr::Literal(Value::Bool(true))),
            "false" => return Ok(Expr::Literal(Value::Bool(false))),
            "nil" | "null" => return Ok(Expr::Literal(Value::Null)),
            "timestamp" => return Err("`timestamp` is not supported by Trefoil in expressions".to_owned()),
            _ => {}
        }
        if self.take_sign("(") {
            let function = Function::named(name)?;
            let arguments = self.list(")")?;
            function.check(arguments.len())?;
            return Ok(Expr::Call(function, arguments));
        }
        if let Some(root) = Root::named(name) {
            return Ok(Expr::Root(root));
        }
        Err(format!("`{name}` is not known; an entry has body, attributes and resource, and a text stands in quotes"))
    }

    /// Up to and with `end`.
    fn list(&mut self, end: &str) -> Result<Vec<Expr>, String> {
        let mut items = Vec::new();
        while !self.take_sign(end) {
            if !items.is_empty() {
                self.expect(",")?;
                if self.take_sign(end) {
                    break;
                }
            }
            items.push(self.expression(0)?);
        }
        Ok(items)
    }

    fn map(&mut self) -> Result<Expr, String> {
        let mut members = Vec::new();
        while !self.take_sign("}") {
            if !members.is_empty() {
                self.expect(",")?;
                if self.take_sign("}") {
                    break;
                }
            }
            let here = self.here();
            let key = match self.peek().cloned() {
                Some(Token::Name(name)) => name,
                Some(Token::Literal(value)) => value.to_string(),
                _ => return Err(format!("expected the name of a member, found {here}")),
            };
            self.next += 1;
            self.expect(":")?;
            members.push((key, self.expression(0)?));
        }
        Ok(Expr::Map(members))
    }
}

fn binary(operator: Operator, left: Expr, right: Expr) -> Result<Expr, String> {
    if operator != Operator::Matches {
        return Ok(Expr::Binary(operator, Box::new(left), Box::new(right)));
    }
    match right {
        Expr::Literal(Value::String(text)) => {
            let regex = pattern::search(&text).map_err(|error| format!("`{text}` is no pattern: {error}"))?;
            Ok(Expr::Matches(Box::new(left), regex))
        }
        Expr::Literal(other) => Err(format!("`matches` takes a pattern, not {}", other.kind())),
        right => Ok(Expr::Binary(operator, Box::new(left), Box::new(right))),
    }
}
