//! `label_replace` and `label_join`: functions of labels, not of values.

use std::sync::Arc;

use trefoil_go::pattern;

use super::text_arg;
use crate::ast::Call;
use crate::error::EvalError;
use crate::eval::{Evaluator, names};
use crate::labels::METRIC_NAME;
use crate::value::Value;

impl Evaluator<'_> {
    pub(super) fn label_replace(&self, call: &Call) -> Result<Value, EvalError> {
        let (target, replacement) = (text_arg(call, 1)?, text_arg(call, 2)?);
        let (source, source_pattern) = (text_arg(call, 3)?, text_arg(call, 4)?);
        let wrong =
            |_| EvalError::Execution(format!("invalid regular expression in label_replace(): {source_pattern}"));
        let regex = pattern::compile(source_pattern).map_err(wrong)?;
        check_name(target, "destination", call)?;
        self.set_label(call, target, |labels| {
            let captures = regex.captures(labels.get(source))?;
            let mut value = String::new();
            captures.expand(replacement, &mut value);
            Some(value)
        })
    }

    pub(super) fn label_join(&self, call: &Call) -> Result<Value, EvalError> {
        let (target, separator) = (text_arg(call, 1)?, text_arg(call, 2)?);
        let sources = (3..call.args.len()).map(|index| text_arg(call, index)).collect::<Result<Vec<_>, _>>()?;
        for source in &sources {
            check_name(source, "source", call)?;
        }
        check_name(target, "destination", call)?;
        self.set_label(call, target, |labels| {
            let values: Vec<&str> = sources.iter().map(|source| labels.get(source)).collect();
            Some(values.join(separator))
        })
    }

    fn set_label(
        &self,
        call: &Call,
        target: &str,
        value: impl Fn(&crate::labels::Labels) -> Option<String>,
    ) -> Result<Value, EvalError> {
        let target: Arc<str> = target.into();
        let mut rows = self.vector_arg(call, 0)?;
        for row in &mut rows {
            self.check_running()?;
            let Some(value) = value(&row.labels) else { continue };
            let mut builder = row.labels.builder();
            builder.set(target.clone(), value);
            row.labels = builder.build();
            // A name that is given on purpose belongs to the value.
            row.drop_name &= target.as_ref() != METRIC_NAME;
        }
        names::merge(rows).map(Value::Vector)
    }
}

/// Every text is a name of a label, but the empty one and one with broken characters, which stand in it as U+FFFD.
fn check_name(name: &str, role: &str, call: &Call) -> Result<(), EvalError> {
    match name.is_empty() || name.contains(char::REPLACEMENT_CHARACTER) {
        false => Ok(()),
        true => Err(EvalError::Execution(format!("invalid {role} label name in {}(): {name}", call.function.name))),
    }
}
