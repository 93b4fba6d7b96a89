//! Values that spans have and queries name.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// A span's status, as OpenTelemetry has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    Error,
    Ok,
    Unset,
}

/// A span's kind, as OpenTelemetry has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Unspecified,
    Internal,
    Client,
    Server,
    Producer,
    Consumer,
}

/// One value. Arrays are of one type, as OpenTelemetry's attributes are.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// What a span has not.
    Nil,
    Int(i64),
    Float(f64),
    String(Arc<str>),
    Bool(bool),
    /// Nanoseconds.
    Duration(i64),
    Status(Status),
    Kind(Kind),
    Ints(Arc<[i64]>),
    Floats(Arc<[f64]>),
    Strings(Arc<[Arc<str>]>),
    Bools(Arc<[bool]>),
}

/// What is known of an expression's value without a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// Attributes have any type.
    Any,
    Nil,
    Int,
    Float,
    String,
    Bool,
    Duration,
    Status,
    Kind,
    Ints,
    Floats,
    Strings,
    Bools,
}

impl Type {
    pub fn is_numeric(self) -> bool {
        matches!(self, Type::Int | Type::Float | Type::Duration)
    }

    /// Of an array, the type of what is in it.
    pub fn element(self) -> Option<Type> {
        match self {
            Type::Ints => Some(Type::Int),
            Type::Floats => Some(Type::Float),
            Type::Strings => Some(Type::String),
            Type::Bools => Some(Type::Bool),
            _ => None,
        }
    }

    /// Whether a binary operator can have both as its operands; which operators is another question.
    pub fn matches(self, other: Type) -> bool {
        match (self, other) {
            (Type::Any | Type::Nil, _) | (_, Type::Any | Type::Nil) => true,
            _ if self == other || (self.is_numeric() && other.is_numeric()) => true,
            _ => match (self.element(), other.element()) {
                (Some(element), None) => element.matches(other),
                (None, Some(element)) => element.matches(self),
                _ => false,
            },
        }
    }
}

impl Value {
    pub fn string(text: &str) -> Value {
        Value::String(text.into())
    }

    pub fn of_type(&self) -> Type {
        match self {
            Value::Nil => Type::Nil,
            Value::Int(_) => Type::Int,
            Value::Float(_) => Type::Float,
            Value::String(_) => Type::String,
            Value::Bool(_) => Type::Bool,
            Value::Duration(_) => Type::Duration,
            Value::Status(_) => Type::Status,
            Value::Kind(_) => Type::Kind,
            Value::Ints(_) => Type::Ints,
            Value::Floats(_) => Type::Floats,
            Value::Strings(_) => Type::Strings,
            Value::Bools(_) => Type::Bools,
        }
    }

    pub fn is_nil(&self) -> bool {
        matches!(self, Value::Nil)
    }

    /// A number as a float, durations in nanoseconds.
    pub fn as_float(&self) -> Option<f64> {
        match self {
            Value::Int(number) | Value::Duration(number) => Some(*number as f64),
            Value::Float(number) => Some(*number),
            _ => None,
        }
    }

    /// What is in an array; of any other value itself.
    pub fn elements(&self) -> Vec<Value> {
        match self {
            Value::Ints(list) => list.iter().copied().map(Value::Int).collect(),
            Value::Floats(list) => list.iter().copied().map(Value::Float).collect(),
            Value::Strings(list) => list.iter().cloned().map(Value::String).collect(),
            Value::Bools(list) => list.iter().copied().map(Value::Bool).collect(),
            one => vec![one.clone()],
        }
    }

    /// The order of `max` and `min`: numbers among themselves, everything else by type first.
    pub fn order(&self, other: &Value) -> Ordering {
        match (self, other) {
            (Value::Int(a) | Value::Duration(a), Value::Int(b) | Value::Duration(b)) => a.cmp(b),
            (Value::String(a), Value::String(b)) => a.cmp(b),
            (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
            (Value::Status(a), Value::Status(b)) => (*a as u8).cmp(&(*b as u8)),
            (Value::Kind(a), Value::Kind(b)) => (*a as u8).cmp(&(*b as u8)),
            (Value::Ints(a), Value::Ints(b)) => a.cmp(b),
            (Value::Strings(a), Value::Strings(b)) => a.cmp(b),
            (Value::Bools(a), Value::Bools(b)) => a.cmp(b),
            (Value::Floats(a), Value::Floats(b)) => {
                let differs = a.iter().zip(b.iter()).map(|(a, b)| a.total_cmp(b)).find(|order| order.is_ne());
                differs.unwrap_or_else(|| a.len().cmp(&b.len()))
            }
            _ => match (self.as_float(), other.as_float()) {
                // `NaN` is less than any number, so that it is never the greatest.
                (Some(a), Some(b)) => a.partial_cmp(&b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan())),
                _ => (self.of_type() as u8).cmp(&(other.of_type() as u8)),
            },
        }
    }

    /// Whether two groups of `by` are one.
    pub fn is_same(&self, other: &Value) -> bool {
        self.of_type() == other.of_type() && self.order(other).is_eq()
    }
}

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Status::Error => "error",
            Status::Ok => "ok",
            Status::Unset => "unset",
        }
    }

    pub fn named(name: &str) -> Option<Status> {
        [Status::Error, Status::Ok, Status::Unset].into_iter().find(|status| status.name() == name)
    }
}

impl Kind {
    pub const ALL: [Kind; 6] =
        [Kind::Unspecified, Kind::Internal, Kind::Client, Kind::Server, Kind::Producer, Kind::Consumer];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Unspecified => "unspecified",
            Kind::Internal => "internal",
            Kind::Client => "client",
            Kind::Server => "server",
            Kind::Producer => "producer",
            Kind::Consumer => "consumer",
        }
    }

    pub fn named(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl Value {
    /// Appends bytes that no other value has, whatever follows them.
    pub fn key(&self, bytes: &mut Vec<u8>) {
        bytes.push(self.of_type() as u8);
        let text = |text: &str, bytes: &mut Vec<u8>| {
            bytes.extend((text.len() as u64).to_le_bytes());
            bytes.extend(text.as_bytes());
        };
        match self {
            Value::Nil => {}
            Value::Int(number) | Value::Duration(number) => bytes.extend(number.to_le_bytes()),
            Value::Float(number) => bytes.extend(number.to_bits().to_le_bytes()),
            Value::String(of) => text(of, bytes),
            Value::Bool(flag) => bytes.push(u8::from(*flag)),
            Value::Status(status) => bytes.push(*status as u8),
            Value::Kind(kind) => bytes.push(*kind as u8),
            Value::Ints(_) | Value::Floats(_) | Value::Strings(_) | Value::Bools(_) => {
                let elements = self.elements();
                bytes.extend((elements.len() as u64).to_le_bytes());
                elements.iter().for_each(|element| element.key(bytes));
            }
        }
    }
}

/// As a query would say it.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Nil => f.write_str("nil"),
            // Its digits alone are one too many.
            Value::Int(i64::MIN) => f.write_str("minInt"),
            Value::Int(number) => write!(f, "{number}"),
            Value::Float(number) => write!(f, "{number:?}"),
            Value::String(text) => f.write_str(&crate::print::quoted(text)),
            Value::Bool(flag) => write!(f, "{flag}"),
            Value::Duration(nanos) => f.write_str(&trefoil_go::duration::written(*nanos)),
            Value::Status(status) => f.write_str(status.name()),
            Value::Kind(kind) => f.write_str(kind.name()),
            list => {
                let elements: Vec<String> = list.elements().iter().map(Value::to_string).collect();
                write!(f, "[{}]", elements.join(", "))
            }
        }
    }
}
