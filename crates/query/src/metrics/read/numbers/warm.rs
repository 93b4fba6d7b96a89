//! Numbers that are decoded before anybody asks.

use std::sync::Arc;

use trefoil_model::{Table, Tenant};
use trefoil_storage::Snapshot;
use trefoil_storage::catalog::DataFile;
use trefoil_storage::scan::{SECTION_ROWS, Section};

use super::super::NANOS_PER_MILLI;
use super::StripeKey;
use super::decode::{COLUMNS, stripe};
use super::read::MOST_SECTIONS;
use crate::Engine;
use crate::metrics::error::PromqlError;

/// The rest of the room is for what is asked for.
const PART: u64 = 2;

impl Engine {
    /// Decodes what a tenant's files have of the time since `since_ms` (milliseconds since the epoch), the newest files first, until
    /// half of `cached_sample_bytes` is taken: after a start the first dashboards are as fast as later ones.
    pub async fn decode_numbers_since(&self, tenant: &Tenant, since_ms: i64) -> Result<(), PromqlError> {
        let snapshot = self.snapshot(tenant).await?;
        let since = since_ms.saturating_mul(NANOS_PER_MILLI);
        let is_new = |times: Option<(i64, i64)>| times.is_none_or(|(_, last)| last >= since);
        let files = snapshot.files(Table::Samples);
        let mut files: Vec<&Arc<DataFile>> = files.iter().filter(|file| is_new(file.time_range())).collect();
        files.sort_by_key(|file| file.time_range().map_or(i64::MIN, |(_, last)| !last));
        for file in files {
            let sections = snapshot.sections(file).await?;
            let wanted: Vec<&Section> = sections.iter().filter(|section| is_new(section.times)).collect();
            let is_next = |a: &&Section, b: &&Section| (a.row_group, a.rows.end) == (b.row_group, b.rows.start);
            for neighbours in wanted.chunk_by(is_next).flat_map(|sections| sections.chunks(MOST_SECTIONS)) {
                if !self.decode_sections(&snapshot, file, neighbours).await? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Whether there is room for more.
    async fn decode_sections(
        &self,
        snapshot: &Snapshot,
        file: &DataFile,
        sections: &[&Section],
    ) -> Result<bool, PromqlError> {
        let stripes = &self.metrics.stripes;
        let (Some(first), Some(last)) = (sections.first(), sections.last()) else { return Ok(true) };
        let (row_group, rows) = (first.row_group, first.rows.start..last.rows.end);
        let number = rows.start / SECTION_ROWS;
        let batches = snapshot.section_numbers(file, row_group, rows, &COLUMNS, &Arc::default()).await?;
        for (number, batch) in (number..).zip(batches) {
            if stripes.bytes() > self.limits().cached_sample_bytes / PART {
                return Ok(false);
            }
            let key = StripeKey::Section { file: file.id, row_group, number };
            stripes.insert(key, Arc::new(stripe(&batch, stripes.times())?));
        }
        Ok(true)
    }
}
