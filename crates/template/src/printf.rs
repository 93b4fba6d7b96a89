//! `printf`, with Go's verbs, flags and complaints (<https://pkg.go.dev/fmt>).

use crate::print::{Printer, Spec};
use crate::value::Value;

/// Widths and precisions above this are none to Go.
const LARGEST: usize = 1_000_000;

/// Writes the format with its arguments; an error is only that the text would be longer than `most` bytes.
pub(crate) fn printf(format: &str, arguments: &[Value<'_>], most: usize) -> Result<String, String> {
    let mut directives = Directives { rest: format, arguments, next: 0, reordered: false, printer: Printer::new(most) };
    while let Some((before, behind)) = directives.rest.split_once('%') {
        directives.printer.push(before)?;
        directives.rest = behind;
        if !directives.directive()? {
            break;
        }
    }
    let Directives { rest, next, reordered, mut printer, .. } = directives;
    printer.push(rest)?;
    let extra = arguments.get(next..).unwrap_or_default();
    if !reordered && !extra.is_empty() {
        printer.push("%!(EXTRA ")?;
        for (index, value) in extra.iter().enumerate() {
            printer.push(if index > 0 { ", " } else { "" })?;
            if !matches!(value, Value::Nil) {
                printer.push(value.type_name())?;
                printer.push("=")?;
            }
            printer.value(value, 'v', &Spec::default(), 0)?;
        }
        printer.push(")")?;
    }
    Ok(printer.text)
}

struct Directives<'f, 'a> {
    rest: &'f str,
    arguments: &'f [Value<'a>],
    /// The argument that comes next.
    next: usize,
    /// Whether an argument was named by its number.
    reordered: bool,
    printer: Printer,
}

impl Directives<'_, '_> {
    /// Behind a percent sign. `false`: the format ends within the directive.
    fn directive(&mut self) -> Result<bool, String> {
        let mut spec = Spec::default();
        while let Some(flag) = self.rest.chars().next() {
            match flag {
                '#' => spec.sharp = true,
                '0' => spec.zero = true,
                '+' => spec.plus = true,
                '-' => spec.minus = true,
                ' ' => spec.space = true,
                _ => break,
            }
            self.rest = &self.rest[1..];
        }
        let mut good = true;
        let mut numbered = self.argument_number(&mut good);
        if let Some(rest) = self.rest.strip_prefix('*') {
            self.rest = rest;
            match self.integer_argument() {
                Some(width) => {
                    spec.minus |= width < 0;
                    spec.zero &= width >= 0;
                    spec.width = Some(width.unsigned_abs() as usize);
                }
                None => self.printer.push("%!(BADWIDTH)")?,
            }
            numbered = false;
        } else {
            spec.width = self.number();
            good &= !(numbered && spec.width.is_some());
        }
        if self.rest.len() > 1
            && let Some(rest) = self.rest.strip_prefix('.')
        {
            self.rest = rest;
            good &= !numbered;
            numbered = self.argument_number(&mut good);
            if let Some(rest) = self.rest.strip_prefix('*') {
                self.rest = rest;
                spec.precision = self.integer_argument().and_then(|precision| precision.try_into().ok());
                if spec.precision.is_none() {
                    self.printer.push("%!(BADPREC)")?;
                }
                numbered = false;
            } else {
                spec.precision = Some(self.number().unwrap_or(0));
            }
        }
        if !numbered {
            self.argument_number(&mut good);
        }
        let Some(verb) = self.rest.chars().next() else {
            self.printer.push("%!(NOVERB)")?;
            return Ok(false);
        };
        self.rest = &self.rest[verb.len_utf8()..];
        match (verb, self.arguments.get(self.next)) {
            ('%', _) => self.printer.push("%")?,
            _ if !good => self.printer.push(&format!("%!{verb}(BADINDEX)"))?,
            (_, None) => self.printer.push(&format!("%!{verb}(MISSING)"))?,
            (_, Some(value)) => {
                if verb == 'v' {
                    (spec.source, spec.sharp) = (spec.sharp, false);
                    (spec.names, spec.plus) = (spec.plus, false);
                }
                self.printer.value(value, verb, &spec, 0)?;
                self.next += 1;
            }
        }
        Ok(true)
    }

    /// Digits. What is too large ends the format, as it does in Go.
    fn number(&mut self) -> Option<usize> {
        let length = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, behind) = self.rest.split_at(length);
        if digits.is_empty() {
            return None;
        }
        let mut number = 0;
        for digit in digits.bytes() {
            if number > LARGEST {
                self.rest = "";
                return None;
            }
            number = number * 10 + usize::from(digit - b'0');
        }
        self.rest = behind;
        Some(number)
    }

    /// A width or a precision that is an argument.
    fn integer_argument(&mut self) -> Option<i64> {
        let value = self.arguments.get(self.next)?;
        self.next += 1;
        match value {
            Value::Int(value) | Value::Duration(value) if value.unsigned_abs() <= LARGEST as u64 => Some(*value),
            _ => None,
        }
    }

    /// `[2]`: the second argument comes next. Whether there was such a number.
    fn argument_number(&mut self, good: &mut bool) -> bool {
        if !self.rest.starts_with('[') {
            return false;
        }
        self.reordered = true;
        let Some(end) = self.rest.find(']').filter(|_| self.rest.len() >= 3) else {
            self.rest = &self.rest[1..];
            *good = false;
            return false;
        };
        let number = self.rest[1..end].parse::<usize>().ok();
        let digits = self.rest[1..end].bytes().all(|byte| byte.is_ascii_digit());
        self.rest = &self.rest[end + 1..];
        match number.filter(|_| digits) {
            Some(number) if (1..=self.arguments.len()).contains(&number) => {
                self.next = number - 1;
                true
            }
            Some(_) => {
                *good = false;
                true
            }
            None => {
                *good = false;
                false
            }
        }
    }
}
