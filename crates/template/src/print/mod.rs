//! Values as text, as Go's `fmt` writes them.

mod float;

use std::fmt::Write;

use trefoil_go::{duration, quote};

use crate::fields::Shape;
use crate::limits::DEEPEST_VALUE;
use crate::value::{Text, Value};

/// How a value is written: what stands between the percent sign and the verb.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spec {
    pub width: Option<usize>,
    pub precision: Option<usize>,
    pub minus: bool,
    pub plus: bool,
    pub sharp: bool,
    pub space: bool,
    pub zero: bool,
    /// `%+v`: names of structures' parts.
    pub names: bool,
    /// `%#v`: as source.
    pub source: bool,
}

/// Why nothing was written.
type Written = Result<(), String>;

/// A text that grows up to a limit.
pub(crate) struct Printer {
    pub text: String,
    most: usize,
}

/// For errors: what a value is, shortened.
pub(crate) fn shown(value: &Value<'_>) -> String {
    shown_by(value, 'v')
}

pub(crate) fn shown_by(value: &Value<'_>, verb: char) -> String {
    let mut printer = Printer::new(200);
    match printer.value(value, verb, &Spec::default(), 0) {
        Ok(()) => printer.text,
        Err(_) => printer.text + "…",
    }
}

/// `fmt.Sprint`: with spaces between those neighbours of which none is a text.
pub(crate) fn print(values: &[Value<'_>], most: usize) -> Result<String, String> {
    let mut printer = Printer::new(most);
    let mut after_text = true;
    for value in values {
        let is_text = matches!(value, Value::String(_));
        if !is_text && !after_text {
            printer.push(" ")?;
        }
        printer.value(value, 'v', &Spec::default(), 0)?;
        after_text = is_text;
    }
    Ok(printer.text)
}

/// `fmt.Sprintln`: with spaces between all, and a line end.
pub(crate) fn println(values: &[Value<'_>], most: usize) -> Result<String, String> {
    let mut printer = Printer::new(most);
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            printer.push(" ")?;
        }
        printer.value(value, 'v', &Spec::default(), 0)?;
    }
    printer.push("\n")?;
    Ok(printer.text)
}

impl Printer {
    pub fn new(most: usize) -> Printer {
        Printer { text: String::new(), most }
    }

    fn fits(&self, more: usize) -> Written {
        match self.text.len().saturating_add(more) > self.most {
            true => Err(format!("the text is longer than {} bytes", self.most)),
            false => Ok(()),
        }
    }

    pub fn push(&mut self, text: &str) -> Written {
        self.fits(text.len())?;
        self.text.push_str(text);
        Ok(())
    }

    fn pad(&mut self, text: &str, spec: &Spec) -> Written {
        let missing = spec.width.unwrap_or(0).saturating_sub(text.chars().count());
        self.fits(missing + text.len())?;
        let filler = if spec.zero && !spec.minus { "0" } else { " " };
        let padding = filler.repeat(missing);
        if spec.minus {
            self.text.push_str(text);
            self.text.push_str(&padding);
        } else {
            self.text.push_str(&padding);
            self.text.push_str(text);
        }
        Ok(())
    }

    fn pad_with_spaces(&mut self, text: &str, spec: &Spec) -> Written {
        self.pad(text, &Spec { zero: false, ..*spec })
    }

    /// `depth`: how many lists and maps are around the value.
    pub fn value(&mut self, value: &Value<'_>, verb: char, spec: &Spec, depth: usize) -> Written {
        if depth > DEEPEST_VALUE {
            return Err(format!("the value is more than {DEEPEST_VALUE} levels deep"));
        }
        match (verb, value) {
            ('T', Value::Nil) if depth == 0 => return self.pad("<nil>", spec),
            ('T', value) if depth == 0 => return self.string(value.type_name(), 's', spec),
            _ => {}
        }
        match value {
            Value::Nil if spec.source && depth > 0 => self.push("interface {}(nil)"),
            Value::Nil if depth > 0 => self.push("<nil>"),
            Value::Nil if verb != 'v' => self.bad_verb(value, verb, spec),
            Value::Nil => self.pad("<nil>", spec),
            Value::Bool(truth) => match verb {
                't' | 'v' => self.pad(if *truth { "true" } else { "false" }, spec),
                _ => self.bad_verb(value, verb, spec),
            },
            Value::Int(integer) => match is_integer_verb(verb) {
                true => self.integer(*integer, verb, spec),
                false => self.bad_verb(value, verb, spec),
            },
            Value::Float(float) => match is_float_verb(verb) {
                true => self.float(*float, verb, spec),
                false => self.bad_verb(value, verb, spec),
            },
            Value::String(text) => match is_string_verb(verb) {
                true => self.string(text, verb, spec),
                false => self.bad_verb(value, verb, spec),
            },
            Value::Duration(nanos) => match verb {
                'v' if spec.source => self.integer(*nanos, 'd', spec),
                _ if is_string_verb(verb) => self.string(&duration::written(*nanos), verb, spec),
                _ if is_integer_verb(verb) => self.integer(*nanos, verb, spec),
                _ => self.bad_verb(value, verb, spec),
            },
            Value::Time(time) => match is_string_verb(verb) {
                true => self.string(&time.to_string(), verb, &Spec { source: false, ..*spec }),
                false => self.bad_verb(value, verb, spec),
            },
            Value::List(list) => {
                let (open, between, close) = brackets(spec, value, "[", "]");
                self.push(&open)?;
                for (index, item) in list.items.iter().enumerate() {
                    self.push(if index > 0 { between } else { "" })?;
                    self.value(item, verb, spec, depth + 1)?;
                }
                self.push(close)
            }
            Value::Map(map) => {
                let entries = map.entries.iter().map(|(name, value)| (name.clone(), value.clone()));
                self.entries(value, entries, verb, spec, depth)
            }
            Value::Fields(fields) if matches!(fields.shape(), Shape::Structure(_)) => {
                let (open, between, close) = brackets(spec, value, "{", "}");
                self.push(&open)?;
                for (index, (name, item)) in fields.entries().into_iter().enumerate() {
                    self.push(if index > 0 { between } else { "" })?;
                    if spec.names || spec.source {
                        self.push(&name)?;
                        self.push(":")?;
                    }
                    self.value(&item, verb, spec, depth + 1)?;
                }
                self.push(close)
            }
            Value::Fields(fields) => self.entries(value, fields.entries().into_iter(), verb, spec, depth),
        }
    }

    fn entries<'v>(
        &mut self,
        whole: &Value<'_>,
        entries: impl Iterator<Item = (Text<'v>, Value<'v>)>,
        verb: char,
        spec: &Spec,
        depth: usize,
    ) -> Written {
        let (open, between, close) = brackets(spec, whole, "map[", "]");
        self.push(&open)?;
        for (index, (name, value)) in entries.enumerate() {
            self.push(if index > 0 { between } else { "" })?;
            self.value(&Value::String(name), verb, spec, depth + 1)?;
            self.push(":")?;
            self.value(&value, verb, spec, depth + 1)?;
        }
        self.push(close)
    }

    /// `%!d(string=x)`
    fn bad_verb(&mut self, value: &Value<'_>, verb: char, spec: &Spec) -> Written {
        self.push(&format!("%!{verb}("))?;
        match value {
            Value::Nil => self.push("<nil>")?,
            value => {
                self.push(value.type_name())?;
                self.push("=")?;
                self.value(value, 'v', spec, 1)?;
            }
        }
        self.push(")")
    }

    fn string(&mut self, text: &str, verb: char, spec: &Spec) -> Written {
        let shortened = match spec.precision.and_then(|most| text.char_indices().nth(most)) {
            Some((end, _)) => &text[..end],
            None => text,
        };
        match verb {
            'v' if spec.source => self.pad(&quote::quote(text), spec),
            'q' if spec.sharp && can_be_raw(shortened) => self.pad(&format!("`{shortened}`"), spec),
            'q' if spec.plus => self.pad(&ascii_quoted(shortened, '"'), spec),
            'q' => self.pad(&quote::quote(shortened), spec),
            'x' | 'X' => {
                self.fits(text.len().saturating_mul(5))?;
                self.pad(&hexadecimal(text.as_bytes(), verb == 'X', spec), spec)
            }
            _ => self.pad(shortened, spec),
        }
    }

    fn integer(&mut self, value: i64, verb: char, spec: &Spec) -> Written {
        let character = u32::try_from(value).ok().and_then(char::from_u32);
        let magnitude = value.unsigned_abs();
        let mut digits = match verb {
            'c' => return self.pad(&character.unwrap_or(char::REPLACEMENT_CHARACTER).to_string(), spec),
            'q' => {
                let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
                return match spec.plus {
                    true => self.pad(&ascii_quoted(character.encode_utf8(&mut [0; 4]), '\''), spec),
                    false => self.pad(&quote::quote_char(Some(character)), spec),
                };
            }
            'U' => {
                let width = spec.precision.unwrap_or(0).max(4);
                self.fits(width)?;
                let digits = format!("{:X}", value as u64);
                let mut text = format!("U+{}{digits}", "0".repeat(width.saturating_sub(digits.len())));
                if let Some(character) = character.filter(|character| spec.sharp && quote::is_printable(*character)) {
                    text.extend([' ', '\'', character, '\'']);
                }
                return self.pad_with_spaces(&text, spec);
            }
            'b' => format!("{magnitude:b}"),
            'o' | 'O' => format!("{magnitude:o}"),
            'x' => format!("{magnitude:x}"),
            'X' => format!("{magnitude:X}"),
            _ => magnitude.to_string(),
        };
        let negative = value < 0;
        let least = match spec.precision {
            Some(0) if value == 0 => return self.pad_with_spaces("", spec),
            Some(precision) => precision,
            None if spec.zero && !spec.minus => {
                spec.width.unwrap_or(0).saturating_sub(usize::from(negative || spec.plus || spec.space))
            }
            None => 0,
        };
        self.fits(least)?;
        if digits.len() < least {
            digits.insert_str(0, &"0".repeat(least - digits.len()));
        }
        let prefix = match verb {
            'O' => "0o",
            'b' if spec.sharp => "0b",
            'o' if spec.sharp && !digits.starts_with('0') => "0",
            'x' if spec.sharp => "0x",
            'X' if spec.sharp => "0X",
            _ => "",
        };
        let text = format!("{}{prefix}{digits}", sign(negative, spec));
        self.pad_with_spaces(&text, spec)
    }

    fn float(&mut self, value: f64, verb: char, spec: &Spec) -> Written {
        self.fits(spec.precision.unwrap_or(0))?;
        if value.is_nan() {
            let text = format!("{}NaN", sign(false, spec));
            return self.pad_with_spaces(&text, spec);
        }
        if value.is_infinite() {
            let sign = match (value < 0.0, spec.space && !spec.plus) {
                (true, _) => "-",
                (false, true) => " ",
                (false, false) => "+",
            };
            return self.pad_with_spaces(&format!("{sign}Inf"), spec);
        }
        let mut digits = float::unsigned(value.abs(), verb, spec);
        if matches!(verb, 'E' | 'G') {
            digits = digits.replace('e', "E");
        }
        if spec.sharp && verb != 'b' {
            digits = float::with_point(&digits, verb, spec);
        }
        let sign = sign(value.is_sign_negative(), spec);
        let width = spec.width.unwrap_or(0);
        if spec.zero && !spec.minus && !sign.is_empty() && width > digits.len() + 1 {
            self.fits(width)?;
            return self.push(&format!("{sign}{}{digits}", "0".repeat(width - digits.len() - 1)));
        }
        self.pad(&format!("{sign}{digits}"), spec)
    }
}

/// `[`, ` ` and `]`, or as source: `[]string{`, `, ` and `}`.
fn brackets<'s>(spec: &Spec, value: &Value<'_>, open: &str, close: &'s str) -> (String, &'s str, &'s str) {
    match spec.source {
        true => (format!("{}{{", value.type_name()), ", ", "}"),
        false => (open.to_owned(), " ", close),
    }
}

fn sign(negative: bool, spec: &Spec) -> &'static str {
    match negative {
        true => "-",
        false if spec.plus => "+",
        false if spec.space => " ",
        false => "",
    }
}

fn is_integer_verb(verb: char) -> bool {
    matches!(verb, 'v' | 'd' | 'b' | 'o' | 'O' | 'x' | 'X' | 'c' | 'q' | 'U')
}

fn is_float_verb(verb: char) -> bool {
    matches!(verb, 'v' | 'b' | 'g' | 'G' | 'x' | 'X' | 'f' | 'F' | 'e' | 'E')
}

fn is_string_verb(verb: char) -> bool {
    matches!(verb, 'v' | 's' | 'x' | 'X' | 'q')
}

fn can_be_raw(text: &str) -> bool {
    text.chars().all(|character| match character {
        '`' | '\u{7f}' | '\u{feff}' => false,
        '\t' => true,
        other => other >= ' ',
    })
}

/// What is not ASCII as escapes.
fn ascii_quoted(text: &str, delimiter: char) -> String {
    let mut quoted = String::from(delimiter);
    for character in text.chars() {
        if !character.is_ascii() {
            let code = u32::from(character);
            let written = match code {
                0..0x1_0000 => write!(quoted, "\\u{code:04x}"),
                _ => write!(quoted, "\\U{code:08x}"),
            };
            debug_assert!(written.is_ok(), "writing to a text does not fail");
            continue;
        }
        let whole = match delimiter {
            '"' => quote::quote(character.encode_utf8(&mut [0; 4])),
            _ => quote::quote_char(Some(character)),
        };
        quoted.push_str(&whole[1..whole.len() - 1]);
    }
    quoted.push(delimiter);
    quoted
}

/// The bytes of a text, as many as the precision says; with spaces between them, and `0x` in front, as the flags say.
fn hexadecimal(bytes: &[u8], upper: bool, spec: &Spec) -> String {
    let bytes = &bytes[..spec.precision.unwrap_or(bytes.len()).min(bytes.len())];
    let prefix = match (spec.sharp && !bytes.is_empty(), upper) {
        (false, _) => "",
        (true, false) => "0x",
        (true, true) => "0X",
    };
    let mut text = String::with_capacity(bytes.len() * 5);
    for (index, byte) in bytes.iter().enumerate() {
        if spec.space && index > 0 {
            text.push(' ');
        }
        if index == 0 || spec.space {
            text.push_str(prefix);
        }
        let written = if upper { write!(text, "{byte:02X}") } else { write!(text, "{byte:02x}") };
        debug_assert!(written.is_ok(), "writing to a text does not fail");
    }
    text
}
