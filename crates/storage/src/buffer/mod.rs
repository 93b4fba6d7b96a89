//! Rows that are acknowledged and not in files yet: lists of record batches by tenant and table, queryable at once.
//!
//! At most two generations exist: the *active* one takes new rows; the *frozen* one is being written to files. A
//! generation holds exactly the rows of the records between two log positions: the previous generation's end and its own.
//! It stays visible until [`Buffer::remove`], which comes after the catalog commit that moves the catalog's log position
//! to its end; a reader that sees that commit already leaves it out by comparing the positions ([`View::above`]).

mod coalesce;
mod follow;
mod memory;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::compute::filter_record_batch;
use arrow::record_batch::RecordBatch;
use parking_lot::Mutex;
use trefoil_model::{Table, Tenant};

use self::follow::Followers;
pub use self::follow::Following;
pub use self::memory::memory;
use crate::recent::{News, Recent};

/// The batches of one tenant, by [`Table`] as index.
pub type Tables = [Vec<RecordBatch>; Table::ALL.len()];

/// A batch with fewer rows waits for others to be merged with.
const SMALL_ROWS: usize = 4096;
/// So many small batches of a table are merged into one.
const COALESCE_BATCHES: usize = 16;

/// One table's batches of one tenant.
#[derive(Debug, Default, Clone)]
struct Part {
    small: Vec<RecordBatch>,
    large: Vec<RecordBatch>,
    /// How often `small` was merged: between two merges it only grows.
    merges: u64,
}

impl Part {
    fn batches(&self) -> impl Iterator<Item = &RecordBatch> {
        self.large.iter().chain(&self.small)
    }
}

#[derive(Debug, Default)]
struct Active {
    /// The end of the generation before: no row is of a record below it. (A merge that ran outside the lock also tells by
    /// it whether its generation is still the active one.)
    start: u64,
    tenants: HashMap<Tenant, [Part; Table::ALL.len()]>,
    rows: usize,
    bytes: usize,
    since: Option<Instant>,
}

/// A generation that no longer changes.
#[derive(Debug)]
pub struct Frozen {
    /// Every record below this log position that is not in files is in here.
    pub end: u64,
    pub tenants: HashMap<Tenant, Tables>,
    pub rows: usize,
    pub bytes: usize,
}

#[derive(Debug)]
struct State {
    active: Active,
    frozen: Option<Arc<Frozen>>,
    followers: Followers,
}

/// See the module.
#[derive(Debug)]
pub struct Buffer {
    state: Mutex<State>,
    /// Taken before `state`, where both are.
    recent: Mutex<Recent>,
}

/// Decoded rows of one request.
#[derive(Debug, Default)]
pub struct Arrival {
    pub batches: Vec<(Table, RecordBatch)>,
    /// A hash of each row of the batch of logs; see `trefoil_model::decode::Decoded`.
    pub entries: Vec<u64>,
}

/// What became of an arrival.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Inserted {
    /// Tables that have enough small batches to be [merged](Buffer::coalesce).
    pub due: Vec<Table>,
    /// Rows that were there before.
    pub again: usize,
    /// Something of it is in the active generation, if only because it was there before.
    pub is_open: bool,
}

/// How much the buffer holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    pub active_bytes: usize,
    /// Active and frozen.
    pub bytes: usize,
    pub rows: usize,
}

/// What one tenant had in the buffer at one moment.
#[derive(Debug, Default)]
pub struct View {
    frozen: Option<(u64, Tables)>,
    active_start: u64,
    active: Tables,
}

impl View {
    /// The rows that a catalog snapshot with this log position, *taken after the view*, does not have in files.
    ///
    /// Positions move from one generation's end to the next one's, so the snapshot has all of a generation or nothing.
    /// It may even have the one that was active: frozen and committed between the view and the snapshot.
    pub fn above(self, position: Option<u64>) -> Tables {
        let position = position.unwrap_or(0);
        let mut tables = Tables::default();
        if let Some((end, frozen)) = self.frozen
            && position < end
        {
            tables = frozen;
        }
        if position <= self.active_start {
            for (table, active) in tables.iter_mut().zip(self.active) {
                table.extend(active);
            }
        }
        tables
    }
}

impl Buffer {
    /// An empty buffer for the rows of records from the log position `start` on.
    pub(crate) fn new(start: u64, recent: Recent) -> Self {
        let active = Active { start, ..Active::default() };
        let state = State { active, frozen: None, followers: Followers::default() };
        Self { state: Mutex::new(state), recent: Mutex::new(recent) }
    }

    /// Makes rows visible, but for entries of logs that are there already. Called by the one sequencer, in log order.
    pub fn insert(&self, tenant: &Tenant, arrival: Arrival) -> Inserted {
        let Arrival { mut batches, entries } = arrival;
        let News { mask, again, is_open } = self.recent.lock().note(&entries);
        if let Some(mask) = mask {
            for (_, batch) in batches.iter_mut().filter(|(table, _)| *table == Table::Logs) {
                match filter_record_batch(batch, &mask) {
                    Ok(new) => *batch = new,
                    // There is an entry for each row; if not, rows twice are better than none.
                    Err(error) => tracing::error!(%error, "cannot leave out log entries that are there already"),
                }
            }
        }
        let has_rows = batches.iter().any(|(_, batch)| batch.num_rows() > 0);
        let due = self.insert_rows(tenant, batches);
        Inserted { due, again, is_open: is_open || has_rows }
    }

    fn insert_rows(&self, tenant: &Tenant, batches: Vec<(Table, RecordBatch)>) -> Vec<Table> {
        let mut due = Vec::new();
        let has_rows = |(_, batch): &(Table, RecordBatch)| batch.num_rows() > 0;
        let measured = |(table, batch)| (table, memory(&batch), batch);
        let batches: Vec<(Table, usize, RecordBatch)> = batches.into_iter().filter(has_rows).map(measured).collect();
        let mut state = self.state.lock();
        let State { active, followers, .. } = &mut *state;
        if !active.tenants.contains_key(tenant) {
            active.tenants.insert(tenant.clone(), Default::default());
        }
        let Some(parts) = active.tenants.get_mut(tenant) else { return due };
        for (table, bytes, batch) in batches {
            active.since.get_or_insert_with(Instant::now);
            active.rows += batch.num_rows();
            active.bytes += bytes;
            followers.tell(tenant, table, &batch);
            let part = &mut parts[table as usize];
            if batch.num_rows() >= SMALL_ROWS {
                part.large.push(batch);
                continue;
            }
            part.small.push(batch);
            if part.small.len() == COALESCE_BATCHES {
                due.push(table);
            }
        }
        due
    }

    /// Merges small batches of one table, outside the lock. Rows stay visible throughout; if the generation is frozen
    /// meanwhile, the merge was in vain.
    pub fn coalesce(&self, tenant: &Tenant, table: Table) {
        let (start, merges, small) = {
            let state = self.state.lock();
            let Some(parts) = state.active.tenants.get(tenant) else { return };
            let part = &parts[table as usize];
            (state.active.start, part.merges, part.small.clone())
        };
        if small.len() < COALESCE_BATCHES {
            return;
        }
        let merged = match coalesce::merge(&small) {
            Ok(merged) => merged,
            Err(error) => {
                tracing::warn!(table = table.name(), %error, "cannot merge small batches; queries read them one by one");
                return;
            }
        };
        let mut state = self.state.lock();
        let active = &mut state.active;
        if active.start != start {
            return;
        }
        let Some(parts) = active.tenants.get_mut(tenant) else { return };
        let part = &mut parts[table as usize];
        if part.merges != merges {
            return;
        }
        part.merges += 1;
        let before: usize = part.small.drain(..small.len()).map(|batch| memory(&batch)).sum();
        active.bytes = (active.bytes + memory(&merged)).saturating_sub(before);
        if merged.num_rows() >= SMALL_ROWS {
            part.large.push(merged);
        } else {
            part.small.insert(0, merged);
        }
    }

    /// Ends the active generation at a log position and begins the next. `None` if it is empty. The generation frozen
    /// before must have been removed.
    pub fn freeze(&self, end: u64) -> Option<Arc<Frozen>> {
        let mut recent = self.recent.lock();
        let mut state = self.state.lock();
        debug_assert!(state.frozen.is_none(), "one flush at a time");
        if state.active.rows == 0 {
            return None;
        }
        recent.freeze();
        let next = Active { start: end, ..Active::default() };
        let active = std::mem::replace(&mut state.active, next);
        let tables = |parts: [Part; Table::ALL.len()]| {
            parts.map(|part| {
                let mut batches = part.large;
                batches.extend(part.small);
                batches
            })
        };
        let frozen = Arc::new(Frozen {
            end,
            tenants: active.tenants.into_iter().map(|(tenant, parts)| (tenant, tables(parts))).collect(),
            rows: active.rows,
            bytes: active.bytes,
        });
        state.frozen = Some(frozen.clone());
        Some(frozen)
    }

    /// Forgets the frozen generation: it is in files.
    pub fn remove(&self, end: u64) {
        if self.take_frozen(end) {
            self.recent.lock().settle();
        }
    }

    /// Forgets the frozen generation, of which, without a log, its senders were told that it is not stored.
    pub fn refuse(&self, end: u64) {
        // First the entries: whoever comes again must be taken.
        let mut recent = self.recent.lock();
        if self.take_frozen(end) {
            recent.forget();
        }
    }

    fn take_frozen(&self, end: u64) -> bool {
        let mut state = self.state.lock();
        // Dropped outside the lock: it may be hundreds of megabytes.
        let removed = match &state.frozen {
            Some(frozen) if frozen.end == end => state.frozen.take(),
            _ => None,
        };
        drop(state);
        removed.is_some()
    }

    /// The entries of logs in the frozen generation, in no order.
    pub fn frozen_entries(&self) -> Vec<u64> {
        self.recent.lock().frozen()
    }

    /// Entries of logs that are in files are new again.
    pub fn forget_stored_entries(&self) {
        self.recent.lock().forget_stored();
    }

    /// Memory of what is known of entries that came.
    pub fn recent_bytes(&self) -> u64 {
        self.recent.lock().bytes()
    }

    /// What the tenant has here now.
    pub fn view(&self, tenant: &Tenant) -> View {
        Self::view_of(&self.state.lock(), tenant)
    }

    /// What the tenant has here now, and what comes to a table of it afterwards: no row is in both or in neither.
    pub fn follow(&self, tenant: &Tenant, table: Table) -> (View, Following) {
        let mut state = self.state.lock();
        let following = state.followers.add(Some(tenant), table);
        (Self::view_of(&state, tenant), following)
    }

    /// What comes to a table of all tenants from now on.
    pub fn follow_all(&self, table: Table) -> Following {
        self.state.lock().followers.add(None, table)
    }

    fn view_of(state: &State, tenant: &Tenant) -> View {
        let frozen =
            state.frozen.as_ref().map(|frozen| (frozen.end, frozen.tenants.get(tenant).cloned().unwrap_or_default()));
        let active = match state.active.tenants.get(tenant) {
            Some(parts) => std::array::from_fn(|table| parts[table].batches().cloned().collect()),
            None => Tables::default(),
        };
        View { frozen, active_start: state.active.start, active }
    }

    pub fn size(&self) -> Size {
        let state = self.state.lock();
        let (frozen_bytes, frozen_rows) = state.frozen.as_ref().map_or((0, 0), |frozen| (frozen.bytes, frozen.rows));
        Size {
            active_bytes: state.active.bytes,
            bytes: state.active.bytes + frozen_bytes,
            rows: state.active.rows + frozen_rows,
        }
    }

    /// How long the oldest row of the active generation has been waiting.
    pub fn age(&self) -> Option<Duration> {
        self.state.lock().active.since.map(|since| since.elapsed())
    }
}

#[cfg(test)]
mod tests;
