//! The functions that are known.

use std::borrow::Cow;

use crate::config::suggestion;
use crate::stanza::value::{Value, object};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    Len,
    Lower,
    Upper,
    Trim,
    TrimPrefix,
    TrimSuffix,
    HasPrefix,
    HasSuffix,
    IndexOf,
    Replace,
    Split,
    Join,
    Repeat,
    Int,
    Float,
    String,
    Type,
    Abs,
    Max,
    Min,
    Env,
    ToJson,
    FromJson,
}

/// With how many arguments each takes.
const KNOWN: [(&str, Function, usize, usize); 23] = [
    ("len", Function::Len, 1, 1),
    ("lower", Function::Lower, 1, 1),
    ("upper", Function::Upper, 1, 1),
    ("trim", Function::Trim, 1, 2),
    ("trimPrefix", Function::TrimPrefix, 2, 2),
    ("trimSuffix", Function::TrimSuffix, 2, 2),
    ("hasPrefix", Function::HasPrefix, 2, 2),
    ("hasSuffix", Function::HasSuffix, 2, 2),
    ("indexOf", Function::IndexOf, 2, 2),
    ("replace", Function::Replace, 3, 3),
    ("split", Function::Split, 2, 2),
    ("join", Function::Join, 1, 2),
    ("repeat", Function::Repeat, 2, 2),
    ("int", Function::Int, 1, 1),
    ("float", Function::Float, 1, 1),
    ("string", Function::String, 1, 1),
    ("type", Function::Type, 1, 1),
    ("abs", Function::Abs, 1, 1),
    ("max", Function::Max, 1, 100),
    ("min", Function::Min, 1, 100),
    ("env", Function::Env, 1, 1),
    ("toJSON", Function::ToJson, 1, 1),
    ("fromJSON", Function::FromJson, 1, 1),
];

/// Texts that a function makes are no longer than this.
const LONGEST: usize = 1 << 20;

impl Function {
    pub fn named(name: &str) -> Result<Self, String> {
        let found = KNOWN.iter().find(|(known, ..)| *known == name);
        found.map(|(_, function, ..)| *function).ok_or_else(|| {
            format!(
                "the function `{name}` is not supported by Trefoil{}",
                suggestion(name, KNOWN.iter().map(|(name, ..)| *name))
            )
        })
    }

    fn known(self) -> &'static (&'static str, Function, usize, usize) {
        KNOWN.iter().find(|(_, function, ..)| *function == self).unwrap_or(&KNOWN[0])
    }

    pub fn check(self, arguments: usize) -> Result<(), String> {
        let (name, _, least, most) = self.known();
        match (*least..=*most).contains(&arguments) {
            true => Ok(()),
            false if least == most => Err(format!("`{name}` takes {least} arguments, not {arguments}")),
            false => Err(format!("`{name}` takes {least} to {most} arguments, not {arguments}")),
        }
    }

    pub const fn never_a_condition(self) -> Option<&'static str> {
        match self {
            Function::HasPrefix | Function::HasSuffix | Function::FromJson | Function::Max | Function::Min => None,
            Function::Len | Function::IndexOf | Function::Int | Function::Float | Function::Abs => Some("a number"),
            Function::Split => Some("a list"),
            _ => Some("a string"),
        }
    }

    /// As many arguments as were checked.
    pub fn call(self, arguments: &[Cow<'_, Value>]) -> Result<Value, String> {
        let text = |place: usize| match arguments.get(place).map(AsRef::as_ref) {
            Some(Value::String(text)) => Ok(text.as_str()),
            other => Err(format!("`{}` takes a string, not {}", self.known().0, other.map_or("nothing", Value::kind))),
        };
        let first = arguments.first().map_or(&Value::Null, AsRef::as_ref);
        let wrong = || format!("`{}` does not take {}", self.known().0, first.kind());
        let string = |text: &str| Value::String(text.to_owned());
        Ok(match self {
            Function::Len => Value::Int(match first {
                Value::String(text) => text.chars().count(),
                Value::Bytes(bytes) => bytes.len(),
                Value::List(items) => items.len(),
                Value::Map(map) => map.len(),
                _ => return Err(wrong()),
            } as i64),
            Function::Lower => Value::String(text(0)?.to_lowercase()),
            Function::Upper => Value::String(text(0)?.to_uppercase()),
            Function::Trim if arguments.len() == 1 => string(text(0)?.trim()),
            Function::Trim => {
                let set = text(1)?;
                string(text(0)?.trim_matches(|c| set.contains(c)))
            }
            Function::TrimPrefix => string(text(0)?.strip_prefix(text(1)?).unwrap_or(text(0)?)),
            Function::TrimSuffix => string(text(0)?.strip_suffix(text(1)?).unwrap_or(text(0)?)),
            Function::HasPrefix => Value::Bool(text(0)?.starts_with(text(1)?)),
            Function::HasSuffix => Value::Bool(text(0)?.ends_with(text(1)?)),
            Function::IndexOf => Value::Int(text(0)?.find(text(1)?).map_or(-1, |place| place as i64)),
            Function::Replace => bounded(text(0)?.replace(text(1)?, text(2)?))?,
            Function::Split => Value::List(text(0)?.split(text(1)?).map(Value::from).collect()),
            Function::Join => {
                let Value::List(items) = first else { return Err(wrong()) };
                let between = if arguments.len() > 1 { text(1)? } else { "" };
                bounded(items.iter().map(ToString::to_string).collect::<Vec<_>>().join(between))?
            }
            Function::Repeat => {
                let Some(Value::Int(times)) = arguments.get(1).map(AsRef::as_ref) else { return Err(wrong()) };
                let times = usize::try_from(*times).map_err(|_| "`repeat` does not take a negative number")?;
                if text(0)?.len().saturating_mul(times) > LONGEST {
                    return Err(format!("the text would be longer than {LONGEST} bytes"));
                }
                Value::String(text(0)?.repeat(times))
            }
            Function::Int => Value::Int(match first {
                Value::Int(number) => *number,
                Value::Double(number) => *number as i64,
                Value::String(text) => {
                    text.trim().parse().map_err(|_| format!("`int` does not take the text {text:?}"))?
                }
                _ => return Err(wrong()),
            }),
            Function::Float => Value::Double(match first {
                Value::Int(number) => *number as f64,
                Value::Double(number) => *number,
                Value::String(text) => {
                    text.trim().parse().map_err(|_| format!("`float` does not take the text {text:?}"))?
                }
                _ => return Err(wrong()),
            }),
            Function::String => Value::String(first.to_string()),
            Function::Type => string(match first {
                Value::Null => "nil",
                Value::Bool(_) => "bool",
                Value::Int(_) => "int",
                Value::Double(_) => "float",
                Value::String(_) => "string",
                Value::Bytes(_) | Value::List(_) => "array",
                Value::Map(_) => "map",
            }),
            Function::Abs => match first {
                Value::Int(number) => Value::Int(number.saturating_abs()),
                Value::Double(number) => Value::Double(number.abs()),
                _ => return Err(wrong()),
            },
            Function::Max => extreme(arguments, std::cmp::Ordering::Greater)?,
            Function::Min => extreme(arguments, std::cmp::Ordering::Less)?,
            Function::Env => Value::String(std::env::var(text(0)?).unwrap_or_default()),
            Function::ToJson => Value::String(serde_json::to_string(first).map_err(|error| error.to_string())?),
            Function::FromJson => object(text(0)?).map(Value::Map).map(Value::with_doubles)?,
        })
    }
}

fn bounded(text: String) -> Result<Value, String> {
    match text.len() > LONGEST {
        true => Err(format!("the text would be longer than {LONGEST} bytes")),
        false => Ok(Value::String(text)),
    }
}

pub fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(number) => Some(*number as f64),
        Value::Double(number) => Some(*number),
        _ => None,
    }
}

fn extreme(arguments: &[Cow<'_, Value>], wanted: std::cmp::Ordering) -> Result<Value, String> {
    let mut best: Option<(&Value, f64)> = None;
    for argument in arguments {
        let of = number(argument).ok_or_else(|| format!("a number is needed, not {}", argument.kind()))?;
        if best.is_none_or(|(_, best)| of.partial_cmp(&best) == Some(wanted)) {
            best = Some((argument, of));
        }
    }
    best.map(|(value, _)| value.clone()).ok_or_else(|| "there is no number".to_owned())
}
