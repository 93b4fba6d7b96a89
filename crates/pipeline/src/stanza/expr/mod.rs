//! Conditions and values in the language `expr`, as far as configurations of the Collector's log operators use it:
//! fields of the entry, comparison, `matches`, `contains`, `in`, `and`, `or`, `not`, `?:`, `??`, arithmetic, lists, maps, and functions
//! of texts and numbers. What is not known is an error when the configuration is read.
//! (<https://expr-lang.org/docs/language-definition>; precedence and what a missing value does are as there.)

use serde::{Deserialize, Deserializer};

use super::entry::Entry;
use super::value::{Value, from_text};

mod ast;
mod eval;
mod functions;
mod lexer;
mod parser;
mod template;

pub use template::Template;

/// What a text says that is one string of the language and nothing else.
pub fn string_literal(text: &str) -> Option<String> {
    match lexer::tokens(text).ok()?.pop()? {
        (0, lexer::Token::Literal(Value::String(literal))) => Some(literal),
        _ => None,
    }
}

/// A checked expression.
#[derive(Debug, Clone)]
pub struct Program(ast::Expr);

impl Program {
    pub fn parse(text: &str) -> Result<Self, String> {
        parser::parse(text).map(Self).map_err(|reason| format!("the expression `{text}`: {reason}"))
    }

    /// The error says what the values do not allow.
    pub fn evaluate(&self, entry: &Entry) -> Result<Value, String> {
        eval::evaluate(&self.0, entry).map(std::borrow::Cow::into_owned)
    }

    /// A condition.
    pub fn holds(&self, entry: &Entry) -> Result<bool, String> {
        match eval::evaluate(&self.0, entry)?.as_ref() {
            Value::Bool(value) => Ok(*value),
            other => Err(format!("the condition is {}, neither true nor false", other.kind())),
        }
    }
}

impl<'de> Deserialize<'de> for Program {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer, Program::parse)
    }
}

/// An expression that cannot be anything but true or false.
#[derive(Debug, Clone)]
pub struct Condition(pub Program);

impl Condition {
    pub fn parse(text: &str) -> Result<Self, String> {
        let program = Program::parse(text)?;
        match program.0.is_never_a_condition() {
            Some(kind) => Err(format!("the expression `{text}`: it is {kind}, neither true nor false")),
            None => Ok(Self(program)),
        }
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer, Condition::parse)
    }
}
