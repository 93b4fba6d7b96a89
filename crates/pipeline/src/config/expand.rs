//! `${env:NAME}`, `${env:NAME:-default}` and `${NAME}` in values, as the Collector expands them; `$$` is a `$`.
//!
//! A value that is nothing but one reference takes the type (or the list or mapping) that the variable holds; inside a
//! longer text the variable is text. An unset variable without a default is empty, with a warning.

use super::node::{self, Node, Value, quoted};
use super::problem::{Problem, Problems};

/// Variables may refer to others; a loop must end.
const MAX_DEPTH: usize = 8;
/// What one value may grow to.
const MAX_LENGTH: usize = 1 << 20;

/// How to look a variable up; a parameter so that tests need not change the process.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Expands every value below `root`; keys are left alone. Returns the warnings.
pub fn expand(root: &mut Node, environment: Environment<'_>, problems: &mut Problems) -> Vec<Problem> {
    let mut expander = Expander { environment, problems, warnings: Vec::new(), path: Vec::new() };
    expander.node(root);
    expander.warnings
}

struct Expander<'a> {
    environment: Environment<'a>,
    problems: &'a mut Problems,
    warnings: Vec<Problem>,
    path: Vec<node::Segment>,
}

impl Expander<'_> {
    fn node(&mut self, target: &mut Node) {
        match &mut target.value {
            Value::Sequence(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.path.push(node::Segment::Index(index));
                    self.node(item);
                    self.path.pop();
                }
            }
            Value::Mapping(entries) => {
                for entry in entries {
                    self.path.push(node::Segment::Key(entry.key.clone()));
                    self.node(&mut entry.value);
                    self.path.pop();
                }
            }
            Value::Scalar { text, .. } if text.contains('$') => match self.scalar(&text.clone(), target) {
                Ok(()) => {}
                Err(message) => {
                    self.problems.push(self.problem(target, message));
                    target.value = Value::Removed;
                }
            },
            Value::Scalar { .. } | Value::Removed => {}
        }
    }

    fn problem(&self, node: &Node, message: String) -> Problem {
        Problem { at: node.at.clone(), path: node::dotted(&self.path), message }
    }

    fn scalar(&mut self, text: &str, target: &mut Node) -> Result<(), String> {
        let mut unset = Vec::new();
        let expanded = text_of(text, self.environment, &mut unset, 0)?;
        for name in unset {
            let message = format!("the environment variable {name} is not set; its value is taken as empty");
            self.warnings.push(self.problem(target, message));
        }
        let whole = text.starts_with("${") && closing_brace(text, 2) == Some(text.len() - 1);
        if !whole {
            let plain = matches!(target.value, Value::Scalar { plain: true, .. }) && !text.contains("${");
            target.value = Value::Scalar { text: expanded, plain };
            return Ok(());
        }
        let parsed = node::parse(&target.at.file, &expanded).ok();
        match parsed.map(|node| node.value) {
            Some(mut value @ (Value::Sequence(_) | Value::Mapping(_))) => {
                relocate(&mut value, target);
                target.value = value;
                target.original = Some(expanded.into());
            }
            _ => target.value = Value::Scalar { text: expanded.trim().to_owned(), plain: true },
        }
        Ok(())
    }
}

/// What came from a variable is where its reference is.
fn relocate(value: &mut Value, target: &Node) {
    match value {
        Value::Sequence(items) => {
            for item in items {
                item.at = target.at.clone();
                relocate(&mut item.value, target);
            }
        }
        Value::Mapping(entries) => {
            for entry in entries {
                entry.key_at = target.at.clone();
                entry.value.at = target.at.clone();
                relocate(&mut entry.value.value, target);
            }
        }
        Value::Scalar { .. } | Value::Removed => {}
    }
}

/// The byte index of the `}` that ends the reference whose inside begins at `start`.
fn closing_brace(text: &str, start: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut depth = 1_usize;
    let mut at = start;
    while at < bytes.len() {
        match bytes[at] {
            b'$' if bytes.get(at + 1) == Some(&b'{') => {
                depth += 1;
                at += 1;
            }
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

fn text_of(text: &str, environment: Environment<'_>, unset: &mut Vec<String>, depth: usize) -> Result<String, String> {
    if depth > MAX_DEPTH {
        return Err(format!("environment variables refer to one another more than {MAX_DEPTH} levels deep"));
    }
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        result.push_str(&rest[..dollar]);
        let after = &rest[dollar..];
        if let Some(after) = after.strip_prefix("$$") {
            result.push('$');
            rest = after;
            continue;
        }
        let Some(end) = after.starts_with("${").then(|| closing_brace(after, 2)).flatten() else {
            result.push('$');
            rest = &after[1..];
            continue;
        };
        let reference = text_of(&after[2..end], environment, unset, depth + 1)?;
        result.push_str(&look_up(&reference, environment, unset, depth)?);
        if result.len() > MAX_LENGTH {
            return Err(format!("the value grows beyond {MAX_LENGTH} bytes by its environment variables"));
        }
        rest = &after[end + 1..];
    }
    result.push_str(rest);
    Ok(result)
}

fn look_up(
    reference: &str,
    environment: Environment<'_>,
    unset: &mut Vec<String>,
    depth: usize,
) -> Result<String, String> {
    let (name, default) = match reference.split_once(':') {
        None => (reference, None),
        Some(("env", variable)) => match variable.split_once(":-") {
            None => (variable, None),
            Some((name, default)) => (name, Some(default)),
        },
        Some((name, rest)) if rest.starts_with('-') => {
            return Err(format!("write ${{env:{name}:{rest}}} for a variable with a default"));
        }
        Some((scheme, _)) => {
            return Err(format!(
                "`{scheme}:` in {} is not supported; only ${{env:NAME}} is, and $$ stands for a dollar sign",
                quoted(&format!("${{{reference}}}"))
            ));
        }
    };
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts_well || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(format!(
            "{} is not the name of an environment variable: only letters, digits and `_`, no digit first; \
             $$ stands for a dollar sign",
            quoted(name)
        ));
    }
    match (environment(name), default) {
        (Some(value), _) => text_of(&value, environment, unset, depth + 1),
        (None, Some(default)) => Ok(default.to_owned()),
        (None, None) => {
            unset.push(name.to_owned());
            Ok(String::new())
        }
    }
}
