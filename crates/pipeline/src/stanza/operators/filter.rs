//! `filter`: drops entries.

use serde::Deserialize;

use super::Outcome;
use crate::config::ConfigError;
use crate::stanza::config::Options;
use crate::stanza::entry::Entry;
use crate::stanza::expr::Condition;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FilterOptions {
    expr: Condition,
    #[serde(default = "all")]
    drop_ratio: f64,
}

fn all() -> f64 {
    1.0
}

#[derive(Debug, Clone)]
pub struct Filter {
    condition: Condition,
    ratio: f64,
}

impl Filter {
    pub fn parse(options: &Options<'_>) -> Result<Self, ConfigError> {
        let FilterOptions { expr, drop_ratio } = options.parse()?;
        if !(0.0..=1.0).contains(&drop_ratio) {
            return Err(options.invalid("drop_ratio", "must lie between 0 and 1"));
        }
        Ok(Self { condition: expr, ratio: drop_ratio })
    }

    pub fn process(&self, entry: Entry) -> Outcome {
        match self.condition.0.holds(&entry) {
            Err(reason) => Outcome::Failed(Box::new(entry), reason),
            Ok(true) if fastrand::f64() < self.ratio => Outcome::Dropped(entry),
            Ok(_) => Outcome::Out(vec![entry]),
        }
    }
}
