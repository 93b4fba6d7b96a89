//! What an expression says.

use regex::Regex;

use super::functions::Function;
use crate::stanza::field::Root;
use crate::stanza::value::Value;

#[derive(Debug, Clone)]
pub enum Expr {
    Literal(Value),
    Root(Root),
    /// A value of a map by name, or of a list by number; `lenient` gives nothing of nothing (`?.`).
    Index {
        of: Box<Expr>,
        key: Box<Expr>,
        lenient: bool,
    },
    Not(Box<Expr>),
    Minus(Box<Expr>),
    Binary(Operator, Box<Expr>, Box<Expr>),
    /// With a pattern that is known from the start.
    Matches(Box<Expr>, Regex),
    Choice(Box<Expr>, Box<Expr>, Box<Expr>),
    List(Vec<Expr>),
    Map(Vec<(String, Expr)>),
    Call(Function, Vec<Expr>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Matches,
    Contains,
    StartsWith,
    EndsWith,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
    Coalesce,
}

impl Operator {
    /// A higher one binds more tightly.
    pub const fn precedence(self) -> u8 {
        use Operator::*;
        match self {
            Or => 10,
            And => 15,
            Equal | NotEqual | Less | LessOrEqual | Greater | GreaterOrEqual => 20,
            In | Matches | Contains | StartsWith | EndsWith => 20,
            Add | Subtract => 30,
            Multiply | Divide | Remainder => 60,
            Power => 100,
            Coalesce => 200,
        }
    }

    pub const fn is_condition(self) -> bool {
        self.precedence() <= 20
    }

    pub const fn as_str(self) -> &'static str {
        use Operator::*;
        match self {
            Or => "or",
            And => "and",
            Equal => "==",
            NotEqual => "!=",
            Less => "<",
            LessOrEqual => "<=",
            Greater => ">",
            GreaterOrEqual => ">=",
            In => "in",
            Matches => "matches",
            Contains => "contains",
            StartsWith => "startsWith",
            EndsWith => "endsWith",
            Add => "+",
            Subtract => "-",
            Multiply => "*",
            Divide => "/",
            Remainder => "%",
            Power => "**",
            Coalesce => "??",
        }
    }
}

impl Expr {
    /// What it is instead, as far as that is known without an entry.
    pub fn is_never_a_condition(&self) -> Option<&'static str> {
        match self {
            Expr::Literal(Value::Bool(_)) => None,
            Expr::Literal(value) => Some(value.kind()),
            Expr::Minus(_) => Some("a number"),
            Expr::List(_) => Some("a list"),
            Expr::Map(_) => Some("a map"),
            Expr::Binary(operator, ..) if !operator.is_condition() && *operator != Operator::Coalesce => {
                Some("the result of an operation")
            }
            Expr::Call(function, _) => function.never_a_condition(),
            Expr::Root(Root::Attributes | Root::Resource) => Some("a map"),
            _ => None,
        }
    }
}
