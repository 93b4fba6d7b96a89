//! What files know of the texts of bodies, kept in memory.

use std::sync::Arc;

use datafusion::common::{DataFusionError, Result};
use parquet::file::metadata::PageIndexPolicy;

use super::reader::{Reader, named};
use crate::catalog::DataFile;
use crate::files::grams::GramFilter;
use crate::files::text_index::{TextIndex, read_grams};
use crate::files::{FilesError, location};

/// Of one row group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Texts {
    /// `None` where nothing is known.
    pub grams: Option<GramFilter>,
    /// Fields that were looked for in every row whose form is known: where the column of one is NULL, the body does not have it.
    pub fields: Vec<String>,
    /// Columns whose values the grams do not have, where bodies have them between quotes.
    pub left_out: Vec<String>,
}

impl Texts {
    pub(super) fn bytes(&self) -> usize {
        let grams = self.grams.as_ref().map_or(0, GramFilter::bytes);
        size_of::<Self>()
            + grams
            + self.fields.iter().chain(&self.left_out).map(|name| size_of::<String>() + name.len()).sum::<usize>()
    }
}

impl Reader {
    /// What a file knows of its texts, row group by row group.
    pub(crate) async fn texts(&self, file: &DataFile) -> Result<Arc<Vec<Texts>>> {
        if let Some(texts) = self.known_texts(&file.path) {
            return Ok(texts);
        }
        let footer = self.footer(file, PageIndexPolicy::Skip).await?;
        let index = TextIndex::of(&footer);
        let of_groups = (0..footer.num_row_groups()).map(|group| index.group(group));
        let ranges: Vec<_> = of_groups.clone().flatten().filter_map(|known| known.range()).collect();
        let path = location(&file.path).map_err(|error| DataFusionError::External(error.into()))?;
        let bytes = self.object_store().get_ranges(&path, &ranges).await;
        let mut bytes = bytes.map_err(|error| named(&file.path, error.into()))?.into_iter();
        let mut texts = Vec::with_capacity(footer.num_row_groups());
        for known in of_groups {
            let Some(known) = known else {
                texts.push(Texts::default());
                continue;
            };
            let grams = known.range().and_then(|_| bytes.next());
            let grams = grams.map(|grams| read_grams(&grams).ok_or_else(|| broken(file))).transpose()?;
            texts.push(Texts { grams, fields: known.fields.clone(), left_out: known.left_out.clone() });
        }
        let texts = Arc::new(texts);
        self.keep_texts(&file.path, &texts);
        Ok(texts)
    }
}

fn broken(file: &DataFile) -> DataFusionError {
    let error = FilesError::read(&file.path, "its text index cannot be read");
    named(&file.path, DataFusionError::External(error.into()))
}
