//! Deletion by selectors.
//!
//! A point is deleted whole or not at all. A classic histogram that came as OTLP is one point in the store and many series to
//! Prometheus: a selector that wants only some of them is refused rather than deleting more than it says.

use std::collections::HashMap;

use trefoil_model::Tenant;
use trefoil_promql::matcher::{MatchOp, Matcher};
use trefoil_storage::{Deleted, Deletion, StorageError};

use super::error::PromqlError;
use super::family::{Family, Part, Parts};
use super::read::{Period, ReadLimits, Store, TARGET_INFO, name_matchers};
use super::source::wanted;
use crate::{Engine, QueryError};

/// How often a deletion begins again because another process replaced one of its files.
const ATTEMPTS: usize = 10;

impl Engine {
    /// Deletes the samples from `start_ms` to `end_ms` (milliseconds, both inclusive) of the series that fulfil all matchers of
    /// one of `selectors`, with their exemplars: those that were acknowledged before the call. On return no question shows
    /// them any more. Fails without deleting anything.
    pub async fn delete_series(
        &self,
        tenant: &Tenant,
        selectors: &[Vec<Matcher>],
        start_ms: i64,
        end_ms: i64,
    ) -> Result<Deleted, PromqlError> {
        let period = Period { start_ms, end_ms };
        if start_ms > end_ms {
            return Ok(Deleted::default());
        }
        for _ in 0..ATTEMPTS {
            let begun = self.storage().begin_deletion(tenant).await?;
            let limits = ReadLimits { max_raw_samples: 0, max_series: self.limits().max_series };
            let store = Store::on(self, begun.snapshot().clone(), limits).await?;
            let deletion = self.in_time(store.chosen(selectors, period)).await?;
            if let Some(deleted) = begun.delete(deletion).await? {
                return Ok(deleted);
            }
        }
        let reason = "other processes kept replacing the files to delete from; try again later";
        Err(PromqlError::Timeout(reason.to_owned()))
    }

    /// Deletes the files that nobody can see any more, so that deleted samples are physically gone.
    pub async fn clean_tombstones(&self) -> Result<usize, PromqlError> {
        Ok(self.storage().clean().await?)
    }

    /// Copies the tenant's metrics as files, see `Storage::back_up`.
    pub async fn back_up(&self, tenant: &Tenant, name: &str, with_memory: bool) -> Result<(), PromqlError> {
        self.storage().back_up(tenant, name, with_memory).await?;
        Ok(())
    }
}

impl From<StorageError> for PromqlError {
    fn from(error: StorageError) -> Self {
        QueryError::from(error).into()
    }
}

impl Store {
    async fn chosen(&self, selectors: &[Vec<Matcher>], period: Period) -> Result<Deletion, PromqlError> {
        let (first_nanos, last_nanos) = period.nanos();
        let mut deletion = Deletion { first_nanos, last_nanos, ..Deletion::default() };
        let families = self.families(period);
        // What the selectors together want of each series.
        let mut chosen: HashMap<u64, (&Family, Parts)> = HashMap::new();
        for matchers in selectors {
            if is_about_targets(matchers) {
                let reason = format!("{TARGET_INFO} is made of the resources of other series; delete those");
                return Err(PromqlError::Execution(reason));
            }
            let wanted = wanted(&families, matchers);
            if wanted.is_empty() {
                continue;
            }
            let is_whole = |part: Part| part.own_label().is_none_or(|own| matchers.iter().all(|m| m.name != own));
            for series in self.stored_series(&wanted, matchers, period)?.series {
                let parts = series.parts.filter(is_whole);
                let (_, known) = chosen.entry(series.id).or_insert((wanted[series.family].0, Parts::default()));
                *known = known.iter().chain(parts.iter()).collect();
            }
        }
        for (id, (family, parts)) in chosen {
            if parts != family.parts() {
                return Err(PromqlError::Execution(partial(family)));
            }
            deletion.series.insert(id);
            deletion.metrics.insert(family.key.name.clone());
        }
        self.find_emptied(&mut deletion).await?;
        Ok(deletion)
    }
}

fn is_about_targets(matchers: &[Matcher]) -> bool {
    name_matchers(matchers).iter().any(|matcher| matcher.op == MatchOp::Equal && matcher.value == TARGET_INFO)
}

fn partial(family: &Family) -> String {
    let names: Vec<String> = family.parts().iter().map(|part| family.part_name(part).to_string()).collect();
    format!(
        "{} is stored as one: select all of {} and no single bucket or quantile to delete it; nothing was deleted",
        family.name,
        names.join(", ")
    )
}
