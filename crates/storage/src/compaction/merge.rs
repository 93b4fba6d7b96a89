//! One job: read the inputs row group by row group, write one file; of some jobs only with the rows that are to stay.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use chrono::Utc;
use object_store::ObjectStoreExt;
use parquet::file::metadata::{ColumnChunkMetaData, PageIndexPolicy, ParquetMetaData};
use tokio::sync::mpsc;
use trefoil_model::{Table, Tenant};

use super::groups::Group;
use super::plan::Job;
use super::rewrite::Keep;
use super::section::{Input, Section};
use super::stitch::Stitcher;
use crate::catalog::{Column, DataFile, NewFile, TableColumns};
use crate::files::text_index::{GroupTexts, TextIndex};
use crate::files::{FileStore, FilesError, created_at, location, new_path, row_group_rows};
use crate::scan::Reader;

/// Small row groups are sorted together up to about so much memory: encoded as they wait (local samples wait in their
/// files), and the widest column decoded (of samples in so far as it is written at a time, which is not counted here).
const POOL_BYTES: usize = 96 << 20;

/// Rows that are sorted together at most. Samples fill many row groups: the more there are of a series in one place, the
/// less each takes, and the fewer places a query has to look at.
const fn pool_rows(table: Table) -> usize {
    match table {
        Table::Samples => 256 << 20,
        Table::Spans | Table::Logs | Table::Series | Table::Exemplars => row_group_rows(table),
    }
}

/// Whether a row group of so many rows is moved, not rewritten. `together`: of logs, the rows that were sorted for it and for those of other
/// forms.
fn is_large(table: Table, file: &DataFile, rows: usize, together: usize, input: &Input) -> bool {
    match table {
        // A large one from a small file has few samples of each series.
        Table::Samples => rows >= row_group_rows(table) / 2 && file.rows >= sorted_rows(input),
        Table::Logs => rows.max(together) >= row_group_rows(table) / 2,
        Table::Spans | Table::Series | Table::Exemplars => rows >= row_group_rows(table) / 8,
    }
}

fn together(footer: &ParquetMetaData, group: usize) -> usize {
    let known = TextIndex::of(footer).group(group).map(|texts| texts.together);
    usize::try_from(known.unwrap_or_default()).unwrap_or(usize::MAX)
}

/// A file of so many samples is not sorted together with others again: those of objects must fit into memory for that, as
/// they are encoded.
const fn sorted_rows(input: &Input) -> u64 {
    match input {
        Input::Held(_) => 16 << 20,
        Input::Stored(_) => 128 << 20,
    }
}

/// What a waiting row group takes: of samples, few at a time are decoded.
fn bytes(table: Table, group: &Group) -> usize {
    match table {
        Table::Samples => group.held_bytes(),
        Table::Spans | Table::Logs | Table::Series | Table::Exemplars => group.bytes(),
    }
}

/// What the writing thread is given, one at a time.
enum Piece {
    /// A row group of an input.
    Group { file: Arc<DataFile>, footer: Arc<ParquetMetaData>, group: usize, input: Input },
    /// Everything was given; complete the file.
    End,
}

/// Writes the job's rows to one new file, complete and durable, in no catalog yet. `None` if none of them stays.
pub(super) async fn merge(
    files: &FileStore,
    reader: &Reader,
    columns: &Arc<TableColumns>,
    job: &Job,
    keep: Option<&Arc<dyn Keep>>,
) -> Result<Option<NewFile>, FilesError> {
    let mut inputs = Vec::with_capacity(job.files.len());
    for file in &job.files {
        let footer = reader
            .footer(file, PageIndexPolicy::Optional)
            .await
            .map_err(|error| FilesError::read(&file.path, error))?;
        check_rows(file, &footer)?;
        inputs.push((Arc::clone(file), footer));
    }
    let present = union_of_columns(columns, &inputs);
    // The name says when the youngest row was stored, which is what retention may go by.
    let stored = job.files.iter().filter_map(|file| created_at(&file.path)).max().unwrap_or_else(Utc::now);
    let path = new_path(job.table, &job.tenant, job.day, stored);
    // One piece waits while one is written: that bounds memory.
    let (pieces, waiting) = mpsc::channel::<Piece>(1);
    let writing = {
        let (files, table, tenant) = (files.clone(), job.table, job.tenant.clone());
        let keep = keep.cloned();
        tokio::task::spawn_blocking(move || {
            let stitcher = Stitcher::create(&files, table, path, present)?;
            write(stitcher, table, &tenant, keep.as_deref(), waiting)
        })
    };
    let reading = read(files, &inputs, keep, &pieces).await;
    if reading.is_ok() {
        // Fails only if the writing side has ended, which then says why.
        drop(pieces.send(Piece::End).await);
    }
    drop(pieces);
    let written = writing.await??;
    reading?;
    match written {
        Written::File(file) => Ok(Some(*file)),
        Written::NoRows => Ok(None),
        Written::Abandoned => Err(ended()),
    }
}

/// What became of the new file.
enum Written {
    File(Box<NewFile>),
    /// Nothing is left of the inputs, so nothing is left behind.
    NoRows,
    /// The reading side gave up; nothing is left behind.
    Abandoned,
}

/// What the footer says must be what the catalog says: a merge takes its word for which rows there are.
pub(super) fn check_rows(file: &DataFile, footer: &ParquetMetaData) -> Result<(), FilesError> {
    let groups = footer.row_groups().iter().map(|group| u64::try_from(group.num_rows()).ok());
    match groups.sum::<Option<u64>>() {
        Some(rows) if rows == file.rows => Ok(()),
        _ => Err(FilesError::read(
            &file.path,
            format!("its footer does not count {} rows, as the catalog does", file.rows),
        )),
    }
}

/// Fetches the inputs' row groups, in order. Stops quietly when nobody takes them any more.
async fn read(
    files: &FileStore,
    inputs: &[(Arc<DataFile>, Arc<ParquetMetaData>)],
    keep: Option<&Arc<dyn Keep>>,
    pieces: &mpsc::Sender<Piece>,
) -> Result<(), FilesError> {
    for (file, footer) in inputs {
        let stored = stored(files, file).await?;
        for group in (0..footer.num_row_groups()).filter(|group| !keep.is_some_and(|keep| keep.leaves_out(*group))) {
            let input = match &stored {
                Some(file) => Input::Stored(Arc::clone(file)),
                None => Input::Held(bytes_at(files, file, group_range(file, footer, group)?).await?),
            };
            let piece = Piece::Group { file: Arc::clone(file), footer: Arc::clone(footer), group, input };
            if pieces.send(piece).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The file to read samples from where they are wanted: those of many files are sorted together. Others are read ahead, and
/// so is what lies in an object store, which is slow to answer.
async fn stored(files: &FileStore, file: &DataFile) -> Result<Option<Arc<File>>, FilesError> {
    let Some(directory) = files.directory().filter(|_| file.table == Table::Samples) else { return Ok(None) };
    let opened = tokio::fs::File::open(directory.join(location(&file.path)?.as_ref())).await;
    let opened = opened.map_err(|error| FilesError::read(&file.path, error))?;
    Ok(Some(Arc::new(opened.into_std().await)))
}

/// Moves large row groups and sorts small ones together.
fn write(
    mut stitcher: Stitcher,
    table: Table,
    tenant: &Tenant,
    keep: Option<&dyn Keep>,
    mut pieces: mpsc::Receiver<Piece>,
) -> Result<Written, FilesError> {
    let mut pool = Pool::default();
    let mut rows_kept = 0;
    while let Some(piece) = pieces.blocking_recv() {
        let Piece::Group { file, footer, group, input } = piece else {
            pool.sort_into(&mut stitcher)?;
            return match rows_kept {
                0 => Ok(Written::NoRows),
                _ => Ok(Written::File(Box::new(stitcher.finish(tenant)?))),
            };
        };
        let mut rows = usize::try_from(footer.row_group(group).num_rows()).unwrap_or_default();
        let mut kept = None;
        if let Some(keep) = keep {
            let whole = Group::new(Arc::clone(&file), Arc::clone(&footer), group, input.clone())?;
            let mask = keep.kept(&whole)?;
            rows = mask.true_count();
            kept = Some(mask).filter(|mask| rows < mask.len());
        }
        rows_kept += rows;
        if rows == 0 {
            continue;
        }
        let stays = keep.is_some() || is_large(table, &file, rows, together(&footer, group), &input);
        if kept.is_none() && stays {
            let section = input.section(group_range(&file, &footer, group)?);
            stitcher.move_group(&footer, group, &section.map_err(|error| FilesError::read(&file.path, error))?)?;
            continue;
        }
        let mut group = Group::new(file, footer, group, input)?;
        if let Some(kept) = kept {
            group = group.keeping(kept);
        }
        let bytes = bytes(table, &group);
        if pool.rows + rows > pool_rows(table) || pool.bytes + bytes > POOL_BYTES {
            pool.sort_into(&mut stitcher)?;
        }
        pool.add(group, bytes);
    }
    Ok(Written::Abandoned)
}

/// Small row groups, waiting to be sorted together.
#[derive(Default)]
struct Pool {
    groups: Vec<Group>,
    rows: usize,
    bytes: usize,
}

impl Pool {
    fn add(&mut self, group: Group, bytes: usize) {
        self.rows += group.rows();
        self.bytes += bytes;
        self.groups.push(group);
    }

    fn sort_into(&mut self, stitcher: &mut Stitcher) -> Result<(), FilesError> {
        let pool = std::mem::take(self);
        if pool.rows == 0 { Ok(()) } else { stitcher.sort(&pool.groups) }
    }
}

fn ended() -> FilesError {
    FilesError::Encode { path: "a merged file".into(), reason: "the reading side ended early".into() }
}

/// The catalog's columns that at least one input holds.
fn union_of_columns(columns: &TableColumns, inputs: &[(Arc<DataFile>, Arc<ParquetMetaData>)]) -> Vec<Column> {
    let holds = |name: &str| {
        inputs.iter().any(|(_, footer)| {
            footer.file_metadata().schema_descr().root_schema().get_fields().iter().any(|field| field.name() == name)
        })
    };
    columns.all().iter().filter(|column| holds(&column.name)).cloned().collect()
}

/// From the first to the last of the row group's columns that are `wanted`.
pub(super) async fn column_bytes(
    files: &FileStore,
    file: &DataFile,
    footer: &ParquetMetaData,
    group: usize,
    wanted: impl Fn(&str) -> bool,
) -> Result<Section, FilesError> {
    bytes_at(files, file, byte_range(file, footer, group, wanted)?).await
}

async fn bytes_at(files: &FileStore, file: &DataFile, range: Range<u64>) -> Result<Section, FilesError> {
    let start = range.start;
    let bytes = files.object_store().get_range(&location(&file.path)?, range).await;
    let bytes = bytes.map_err(|error| FilesError::read(&file.path, error))?;
    Ok(Section { offset: start, bytes })
}

/// Where in the file all of a row group lies, what is known of its texts included, which follows it.
fn group_range(file: &DataFile, footer: &ParquetMetaData, group: usize) -> Result<Range<u64>, FilesError> {
    let columns = byte_range(file, footer, group, |_| true)?;
    let texts = TextIndex::of(footer).group(group).and_then(GroupTexts::range).unwrap_or(columns.clone());
    match texts.end <= file.size_bytes && texts.start >= columns.start {
        true => Ok(columns.start..columns.end.max(texts.end)),
        false => Err(FilesError::read(&file.path, "its text index points beyond its row group")),
    }
}

/// Where in the file they lie.
fn byte_range(
    file: &DataFile,
    footer: &ParquetMetaData,
    group: usize,
    wanted: impl Fn(&str) -> bool,
) -> Result<Range<u64>, FilesError> {
    // A bloom filter follows its row group.
    let bloom = |chunk: &ColumnChunkMetaData| {
        let offset = u64::try_from(chunk.bloom_filter_offset()?).ok()?;
        Some((offset, u64::try_from(chunk.bloom_filter_length()?).ok()?))
    };
    let chunks = footer.row_group(group).columns().iter().filter(|chunk| wanted(chunk.column_path().string().as_str()));
    let ranges = chunks.flat_map(|chunk| std::iter::once(chunk.byte_range()).chain(bloom(chunk)));
    let (start, end) = ranges.fold((u64::MAX, 0), |(start, end), (offset, length)| {
        (start.min(offset), end.max(offset.saturating_add(length)))
    });
    if start > end || end > file.size_bytes {
        return Err(FilesError::read(&file.path, "its footer points beyond its end"));
    }
    Ok(start..end)
}
