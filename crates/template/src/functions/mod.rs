//! Functions that templates call, in tables by name.

mod builtin;
mod compare;
mod escape;
mod loki;
mod sprig;

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use crate::limits::{BYTES_A_STEP, Limits};
use crate::pattern::Patterns;
use crate::value::Value;

pub(crate) use builtin::zero;
pub use loki::loki;

/// What a parameter takes. A literal becomes what is asked for; a value has to be it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `interface {}`
    Any,
    Bool,
    Int,
    Float,
    String,
    Time,
    Duration,
}

impl Kind {
    pub(crate) fn type_name(self) -> &'static str {
        match self {
            Kind::Any => "interface {}",
            Kind::Bool => "bool",
            Kind::Int => "int",
            Kind::Float => "float64",
            Kind::String => "string",
            Kind::Time => "time.Time",
            Kind::Duration => "time.Duration",
        }
    }

    pub(crate) fn takes(self, value: &Value<'_>) -> bool {
        matches!(
            (self, value),
            (Kind::Any, _)
                | (Kind::Bool, Value::Bool(_))
                | (Kind::Int, Value::Int(_))
                | (Kind::Float, Value::Float(_))
                | (Kind::String, Value::String(_))
                | (Kind::Time, Value::Time(_))
                | (Kind::Duration, Value::Duration(_))
        )
    }
}

/// What a function answers; the error is what is wrong, without the place.
pub type Answer<'a> = Result<Value<'a>, String>;

type Apply = dyn for<'a, 'b> Fn(&'b Call<'a>, &'b [Value<'a>]) -> Answer<'a> + Send + Sync;

pub(crate) enum Body {
    /// `and`, which looks at no more of its arguments than it needs.
    And,
    Or,
    Apply(Box<Apply>),
}

/// A function with its signature. Its arguments are checked before it is called: there are as many as it takes, and they are of the kinds
/// that it names.
pub struct Function {
    pub(crate) parameters: Vec<Kind>,
    /// Of any number of further arguments.
    pub(crate) rest: Option<Kind>,
    pub(crate) body: Body,
}

impl std::fmt::Debug for Function {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "fn({:?}, {:?}…)", self.parameters, self.rest)
    }
}

/// What functions know beside their arguments.
pub struct Call<'a> {
    /// Nanoseconds since 1970.
    pub now: i64,
    /// What the template is executed over.
    pub data: Value<'a>,
    pub(crate) limits: Limits,
    pub(crate) patterns: &'a Patterns,
    pub(crate) steps: Cell<u64>,
}

impl Call<'_> {
    /// Counts work; an error once there has been too much of it.
    pub fn step(&self, steps: u64) -> Result<(), String> {
        let done = self.steps.get().saturating_add(steps);
        self.steps.set(done);
        match done > self.limits.steps {
            true => Err(format!("the template takes more than {} steps", self.limits.steps)),
            false => Ok(()),
        }
    }

    /// To be asked before a text of so many bytes is made.
    pub fn text_fits(&self, bytes: usize) -> Result<(), String> {
        self.text_still_fits(bytes)?;
        self.step(bytes as u64 / BYTES_A_STEP)
    }

    /// To be asked while a text grows.
    pub fn text_still_fits(&self, bytes: usize) -> Result<(), String> {
        match bytes > self.limits.output {
            true => Err(format!("the text is longer than {} bytes", self.limits.output)),
            false => Ok(()),
        }
    }

    /// A text that was made, if it is not too long.
    pub fn text<'a>(&self, text: String) -> Answer<'a> {
        self.text_fits(text.len())?;
        Ok(text.into())
    }
}

/// Functions by name. Go's own ones are always there; one of the same name takes their place.
#[derive(Debug, Clone, Default)]
pub struct Functions {
    functions: HashMap<String, Arc<Function>>,
}

impl Functions {
    pub fn new() -> Functions {
        Functions::default()
    }

    /// A function that takes just these arguments.
    pub fn with<F>(self, name: &str, parameters: &[Kind], function: F) -> Functions
    where
        F: for<'a, 'b> Fn(&'b Call<'a>, &'b [Value<'a>]) -> Answer<'a> + Send + Sync + 'static,
    {
        self.add(name, parameters, None, function)
    }

    /// A function that takes any number of further arguments.
    pub fn with_rest<F>(self, name: &str, parameters: &[Kind], rest: Kind, function: F) -> Functions
    where
        F: for<'a, 'b> Fn(&'b Call<'a>, &'b [Value<'a>]) -> Answer<'a> + Send + Sync + 'static,
    {
        self.add(name, parameters, Some(rest), function)
    }

    fn add<F>(mut self, name: &str, parameters: &[Kind], rest: Option<Kind>, function: F) -> Functions
    where
        F: for<'a, 'b> Fn(&'b Call<'a>, &'b [Value<'a>]) -> Answer<'a> + Send + Sync + 'static,
    {
        let function = Function { parameters: parameters.to_vec(), rest, body: Body::Apply(Box::new(function)) };
        self.functions.insert(name.to_owned(), Arc::new(function));
        self
    }

    fn with_body(mut self, name: &str, body: Body) -> Functions {
        let function = Function { parameters: vec![Kind::Any], rest: Some(Kind::Any), body };
        self.functions.insert(name.to_owned(), Arc::new(function));
        self
    }

    pub(crate) fn find(&self, name: &str) -> Option<Arc<Function>> {
        self.functions.get(name).or_else(|| BUILTIN.functions.get(name)).cloned()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.functions.contains_key(name)
    }
}

static BUILTIN: LazyLock<Functions> = LazyLock::new(builtin::functions);

/// The text of an argument whose kind has been checked.
pub(crate) fn text<'b>(arguments: &'b [Value<'_>], index: usize) -> &'b str {
    match arguments.get(index) {
        Some(Value::String(text)) => text,
        _ => "",
    }
}

/// The integer of an argument whose kind has been checked.
pub(crate) fn int(arguments: &[Value<'_>], index: usize) -> i64 {
    match arguments.get(index) {
        Some(Value::Int(value)) => *value,
        _ => 0,
    }
}
