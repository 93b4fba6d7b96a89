//! Compiled patterns, kept for as long as their template is: nearly all of them are literals that meet every line.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use regex::Regex;

use crate::functions::Call;
use crate::limits::{BYTES_A_STEP_OF_PATTERNS, LARGEST_PATTERN, STEPS_A_PATTERN};

/// More are compiled anew each time.
const KEPT: usize = 32;

#[derive(Debug, Default)]
pub(crate) struct Patterns {
    compiled: RwLock<HashMap<Box<str>, Arc<Regex>>>,
}

impl Patterns {
    /// To be used on one text.
    pub fn for_text(&self, call: &Call<'_>, pattern: &str, text: &str) -> Result<Arc<Regex>, String> {
        call.step(text.len() as u64 / BYTES_A_STEP_OF_PATTERNS)?;
        let known = self.compiled.read().unwrap_or_else(PoisonError::into_inner).get(pattern).cloned();
        if let Some(regex) = known {
            return Ok(regex);
        }
        call.step(STEPS_A_PATTERN)?;
        let regex =
            trefoil_go::pattern::search_up_to(pattern, LARGEST_PATTERN).map_err(|error| message(pattern, &error))?;
        let regex = Arc::new(regex);
        let mut compiled = self.compiled.write().unwrap_or_else(PoisonError::into_inner);
        if compiled.len() < KEPT {
            compiled.insert(pattern.into(), regex.clone());
        }
        Ok(regex)
    }
}

/// In Go's form, on one line: our library draws the pattern, its words come last.
fn message(pattern: &str, error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or(&text);
    format!("error parsing regexp: {}: `{pattern}`", last.strip_prefix("error: ").unwrap_or(last))
}
