//! How often services are called, how often they fail and how long they take, step by step, from the spans themselves.
//!
//! Time is cut into slots as long as a step; what a step tells is of the slots that its window covers.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{Int32Type, Int64Type, TimestampNanosecondType};
use trefoil_model::Tenant;
use trefoil_traceql::value::Kind;

use super::source::{Rows, START, Sources};
use super::superseded::Superseded;
use super::texts::{Code, Texts};
use super::value::kind;
use crate::memory::Held;
use crate::{Engine, Limits, QueryError};

const COLUMNS: [&str; 6] = ["service_name", "name", "kind", "status_code", START, "duration_nano"];
const ERROR: i32 = 2;
/// Buckets of durations between a number and its double: neighbours differ by 4.4 percent.
const PER_DOUBLING: f64 = 16.0;
/// Up to the longest duration that 63 bits of nanoseconds hold.
const BUCKETS: usize = 63 * 16 + 1;

#[derive(Debug, Clone)]
pub struct RateRequest {
    pub services: Vec<String>,
    /// Spans of these kinds count.
    pub kinds: Vec<Kind>,
    /// Apart by the names of spans, too.
    pub by_operation: bool,
    /// Of the first step, nanoseconds since the epoch.
    pub start: i64,
    /// No step lies behind it.
    pub end: i64,
    pub step: i64,
    /// What a step looks back on; whole steps, so that it is rounded up.
    pub window: i64,
}

/// What is known of one service, or one of its operations.
#[derive(Debug)]
pub struct SpanRates {
    pub service: Arc<str>,
    pub operation: Option<Arc<str>>,
    slots: Vec<Slot>,
    per_window: usize,
}

#[derive(Debug, Clone, Default)]
struct Slot {
    calls: u64,
    errors: u64,
    /// Calls by bucket of their durations.
    durations: Vec<(u16, u32)>,
}

/// What happened before a step, as long as its window is.
#[derive(Debug)]
pub struct Window {
    pub calls: u64,
    pub errors: u64,
    durations: Vec<u64>,
}

impl RateRequest {
    /// Steps in the answer.
    pub fn steps(&self) -> usize {
        ((self.end.saturating_sub(self.start)) / self.step + 1).max(0) as usize
    }

    /// What the window really is, nanoseconds.
    pub fn whole_window(&self) -> i64 {
        (self.per_window() as i64).saturating_mul(self.step)
    }

    fn per_window(&self) -> usize {
        (self.window.max(1) as u64).div_ceil(self.step as u64) as usize
    }

    /// The slot of a span that starts then; a slot ends with the step that it lies before.
    fn slot(&self, start: i64) -> Option<usize> {
        let behind = i128::from(start) - i128::from(self.start);
        let step = i128::from(self.step);
        let steps = behind.div_euclid(step) + i128::from(behind.rem_euclid(step) > 0);
        usize::try_from(steps + self.per_window() as i128 - 1).ok().filter(|slot| *slot < self.slots())
    }

    fn slots(&self) -> usize {
        self.steps() + self.per_window() - 1
    }

    fn check(&self, limits: Limits) -> Result<(), QueryError> {
        if self.step <= 0 || self.start > self.end {
            return Err(QueryError::Invalid("the step must be positive, and the start not behind the end".to_owned()));
        }
        let most = limits.max_points;
        match self.steps() > most + 1 || self.per_window() > most {
            true => Err(QueryError::LimitExceeded(format!(
                "more than {most} steps: make the step longer, or look back on less"
            ))),
            false => Ok(()),
        }
    }
}

impl Engine {
    /// The rates of the services that have any spans of these kinds, by their names.
    pub async fn span_rates(
        &self,
        tenant: &Tenant,
        request: &RateRequest,
        limits: Limits,
    ) -> Result<Vec<SpanRates>, QueryError> {
        request.check(limits)?;
        let (tenant, request) = (tenant.clone(), request.clone());
        self.on_thread(limits, move |engine| async move { engine.read_rates(&tenant, &request).await }).await
    }

    async fn read_rates(&self, tenant: &Tenant, request: &RateRequest) -> Result<Vec<SpanRates>, QueryError> {
        let snapshot = self.snapshot(tenant).await?;
        let sources = Sources::of_spans(&snapshot, &self.span_columns);
        let memory = self.memory();
        let mut found = Gathered { request, memory: &memory, groups: HashMap::new() };
        let first = request.start.saturating_sub(request.whole_window());
        let list = sources.within((first, request.end)).await?;
        let superseded = Superseded::among(&sources, &list, &memory).await?;
        for (place, source) in list.iter().enumerate() {
            tokio::task::yield_now().await;
            let rows = sources.read(source, &COLUMNS).await?;
            let mut last: Vec<u32> = (0..source.rows() as u32).collect();
            superseded.leave_last(place, &mut last);
            found.add(&rows, &last)?;
        }
        let mut rates: Vec<SpanRates> = found.groups.into_values().collect();
        rates.sort_by(|a, b| (&a.service, &a.operation).cmp(&(&b.service, &b.operation)));
        Ok(rates)
    }
}

struct Gathered<'r> {
    request: &'r RateRequest,
    memory: &'r Held,
    groups: HashMap<(Arc<str>, Option<Arc<str>>), SpanRates>,
}

impl Gathered<'_> {
    fn add(&mut self, rows: &Rows, among: &[u32]) -> Result<(), QueryError> {
        let (services, names) = (Texts::of(rows, "service_name"), Texts::of(rows, "name"));
        let is_wanted = services.table(|name| self.request.services.iter().any(|service| service == name));
        let number = |name: &str| rows.column(name).and_then(|array| array.as_primitive_opt::<Int32Type>());
        let (kinds, codes) = (number("kind"), number("status_code"));
        let starts = rows.column(START).and_then(|array| array.as_primitive_opt::<TimestampNanosecondType>());
        let durations = rows.column("duration_nano").and_then(|array| array.as_primitive_opt::<Int64Type>());
        let (Some(starts), Some(durations)) = (starts, durations) else { return Ok(()) };
        // By the codes of this source, so that names are looked at once.
        let mut here: HashMap<(Code, Code), Vec<Call>> = HashMap::new();
        for row in among.iter().map(|row| *row as usize).filter(|row| *is_wanted.get(services.code(*row))) {
            let of_kind = kind(kinds.map_or(0, |kinds| kinds.value(row)));
            let Some(slot) = self.request.slot(starts.value(row)) else { continue };
            if !self.request.kinds.contains(&of_kind) {
                continue;
            }
            let name = if self.request.by_operation { names.code(row) } else { 0 };
            let is_error = codes.is_some_and(|codes| codes.value(row) == ERROR);
            let bucket = bucket(durations.value(row));
            here.entry((services.code(row), name)).or_default().push(Call { slot, is_error, bucket });
        }
        for ((service, name), calls) in here {
            let operation = self.request.by_operation.then(|| Arc::from(names.text(name)));
            self.take((Arc::from(services.text(service)), operation), &calls)?;
        }
        Ok(())
    }

    fn take(&mut self, key: (Arc<str>, Option<Arc<str>>), calls: &[Call]) -> Result<(), QueryError> {
        let slots = self.request.slots();
        // Buckets are counted before they are made, as if every call made one.
        let new = if self.groups.contains_key(&key) { 0 } else { slots * size_of::<Slot>() };
        let bytes = new + calls.len() * size_of::<(u16, u32)>();
        self.memory.grow(bytes).map_err(|error| QueryError::LimitExceeded(error.to_string()))?;
        let per_window = self.request.per_window();
        let group = self.groups.entry(key.clone()).or_insert_with(|| {
            let (service, operation) = key;
            SpanRates { service, operation, slots: vec![Slot::default(); slots], per_window }
        });
        let made = |group: &SpanRates| group.slots.iter().map(|slot| slot.durations.len()).sum::<usize>();
        let before = made(group);
        calls.iter().for_each(|call| group.slots[call.slot].add(call));
        let surplus = calls.len().saturating_sub(made(group) - before);
        self.memory.shrink(surplus * size_of::<(u16, u32)>());
        Ok(())
    }
}

struct Call {
    slot: usize,
    is_error: bool,
    bucket: u16,
}

impl Slot {
    fn add(&mut self, call: &Call) {
        self.calls += 1;
        self.errors += u64::from(call.is_error);
        match self.durations.binary_search_by_key(&call.bucket, |(bucket, _)| *bucket) {
            Ok(place) => self.durations[place].1 += 1,
            Err(place) => self.durations.insert(place, (call.bucket, 1)),
        }
    }
}

fn bucket(nanos: i64) -> u16 {
    ((nanos.max(1) as f64).log2() * PER_DOUBLING) as u16
}

impl SpanRates {
    /// What `of` says of the window of each step, in their order.
    pub fn windows<T>(&self, mut of: impl FnMut(&Window) -> T) -> Vec<T> {
        let mut window = Window { calls: 0, errors: 0, durations: vec![0; BUCKETS] };
        let mut told = Vec::with_capacity(self.slots.len() + 1 - self.per_window);
        for (place, slot) in self.slots.iter().enumerate() {
            window.change(slot, |sum, count| *sum += count);
            if let Some(left) = place.checked_sub(self.per_window) {
                window.change(&self.slots[left], |sum, count| *sum -= count);
            }
            if place + 1 >= self.per_window {
                told.push(of(&window));
            }
        }
        told
    }
}

impl Window {
    fn change(&mut self, slot: &Slot, by: impl Fn(&mut u64, u64)) {
        by(&mut self.calls, slot.calls);
        by(&mut self.errors, slot.errors);
        slot.durations.iter().for_each(|(bucket, count)| by(&mut self.durations[*bucket as usize], u64::from(*count)));
    }

    /// The duration, in nanoseconds, that this part (0 to 1) of the calls do not exceed; `None` without calls.
    pub fn quantile(&self, part: f64) -> Option<f64> {
        let rank = part.clamp(0.0, 1.0) * self.calls as f64;
        let mut below = 0.0;
        let mut last = None;
        for (bucket, count) in self.durations.iter().enumerate().filter(|(_, count)| **count > 0) {
            let count = *count as f64;
            let within = ((rank - below) / count).clamp(0.0, 1.0);
            last = Some(((bucket as f64 + within) / PER_DOUBLING).exp2());
            if below + count >= rank {
                return last;
            }
            below += count;
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> RateRequest {
        let services = vec!["shop".to_owned()];
        RateRequest {
            services,
            kinds: vec![Kind::Server],
            by_operation: false,
            start: 100,
            end: 130,
            step: 10,
            window: 20,
        }
    }

    #[test]
    fn a_step_tells_what_is_in_its_window() {
        let request = request();
        assert_eq!((request.steps(), request.slots(), request.whole_window()), (4, 5, 20));
        let slots: Vec<_> = [80, 81, 90, 91, 100, 101, 130, 131].map(|start| request.slot(start)).into();
        assert_eq!(slots, [None, Some(0), Some(0), Some(1), Some(1), Some(2), Some(4), None]);

        let mut rates =
            SpanRates { service: "shop".into(), operation: None, slots: vec![Slot::default(); 5], per_window: 2 };
        for (slot, is_error) in [(0, false), (1, true), (1, false), (4, true)] {
            rates.slots[slot].add(&Call { slot, is_error, bucket: bucket(1000) });
        }
        let told = rates.windows(|window| (window.calls, window.errors, window.quantile(0.5).is_some()));
        assert_eq!(told, [(3, 1, true), (2, 1, true), (0, 0, false), (1, 1, true)]);
    }

    #[test]
    fn quantiles_are_near() {
        let mut slot = Slot::default();
        for micros in 1..=1000 {
            slot.add(&Call { slot: 0, is_error: false, bucket: bucket(micros * 1000) });
        }
        let rates = SpanRates { service: "shop".into(), operation: None, slots: vec![slot], per_window: 1 };
        let quantiles =
            rates.windows(|window| [0.0, 0.5, 0.95, 1.0].map(|part| window.quantile(part).unwrap() / 1000.0));
        for (found, expected) in quantiles[0].iter().zip([1.0, 500.0, 950.0, 1000.0]) {
            assert!((found / expected - 1.0).abs() < 0.045, "{found} is not {expected}");
        }
        for nanos in [i64::MIN, 0, 1, i64::MAX] {
            assert!((bucket(nanos) as usize) < BUCKETS, "{nanos}");
        }
    }

    #[test]
    fn too_many_steps_are_refused() {
        let limits = Limits { max_points: 2, ..Limits::default() };
        assert!(matches!(request().check(limits), Err(QueryError::LimitExceeded(_))));
        for wrong in [RateRequest { step: 0, ..request() }, RateRequest { start: 131, ..request() }] {
            assert!(matches!(wrong.check(Limits::default()), Err(QueryError::Invalid(_))));
        }
        assert!(request().check(Limits::default()).is_ok());
    }
}
