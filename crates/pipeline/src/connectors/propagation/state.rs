//! What is remembered of one tenant's spans: parents that children may name, calls that may be answered, and who waits for either.
//!
//! A span is judged when its parent comes, or once it has waited long enough; until then everything that could speak for it is kept, twice as
//! long as it waits. Where something was forgotten or not taken meanwhile, nothing is concluded.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, Metric, NumberDataPoint, Sum};
use trefoil_trace::propagation::{MOST_TRIED, Reason, TOLERANCE, UNKNOWN};

use super::config::Options;
use crate::connectors::series::{Batches, Hashing, Head, MOST_POINTS, Room, Table, number_point};
use crate::connectors::spans::Ids;
use crate::connectors::spans::attributes::text_attribute;

const SCOPE: &str = "traces_propagation";
const KEPT: &str = "traces_propagation_kept_total";
const HOLES: &str = "traces_propagation_holes_total";

/// How long a pair is told of without a call (nanoseconds).
const SERIES_LIFE: u64 = 15 * 60 * 1_000_000_000;

/// Whom a call is to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum To {
    Service(Arc<str>),
    Queue(Arc<str>),
}

/// What a span does between services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// It is called, as this.
    Entry(To),
    /// It calls somebody, as far as it says whom.
    Call(Option<To>),
    /// It sends a message.
    Message(Option<To>),
    Other,
}

/// A span that has come. Times are Unix nanoseconds.
#[derive(Debug, Clone)]
pub struct Arrived {
    pub ids: Ids,
    pub parent: Option<Ids>,
    pub role: Role,
    pub service: Arc<str>,
    pub has_links: bool,
    pub start: u64,
    pub end: u64,
}

/// A span that is remembered as a parent or a call.
#[derive(Debug)]
struct Seen {
    service: Arc<str>,
    is_call: bool,
    /// Where it waits for an answer.
    open: Option<(To, OpenCall)>,
}

/// By its start; until when it may be answered is beside it.
type OpenCall = (u64, [u8; 16], [u8; 8], u64);

/// A span that is not judged yet.
#[derive(Debug)]
struct Waiting {
    ids: Ids,
    role: Role,
    service: Arc<str>,
    start: u64,
    /// When it came.
    since: u64,
}

#[derive(Debug, Default)]
pub struct State {
    seen: HashMap<Ids, Seen, Hashing>,
    /// Until when they are remembered.
    order: VecDeque<(u64, Ids)>,
    /// Spans without a parent, and children before their parents, in the order of their coming.
    roots: VecDeque<Waiting>,
    children: HashMap<Ids, VecDeque<Waiting>, Hashing>,
    children_order: VecDeque<(u64, Ids)>,
    calls: HashMap<To, BTreeSet<OpenCall>>,
    /// What came before then, or was not taken then, cannot be known; 0 until the first span has come.
    blind: u64,
    kept: Table<u64>,
    holes: Table<u64>,
    series: usize,
}

/// What happened to spans.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// They are remembered.
    pub remembered: u64,
    /// They found no room.
    pub dropped: u64,
    /// They had waited long enough, but what they waited for may have come unseen.
    pub undecided: u64,
}

impl State {
    pub fn add(&mut self, spans: Vec<Arrived>, options: &Options, now: u64) -> Tally {
        let mut tally = Tally::default();
        if self.blind == 0 {
            self.blind = now;
        }
        self.expire(options, now, &mut tally);
        for span in spans {
            self.add_one(span, options, now, &mut tally);
        }
        tally
    }

    fn add_one(&mut self, span: Arrived, options: &Options, now: u64, tally: &mut Tally) {
        if self.seen.contains_key(&span.ids) {
            // It was sent again.
            return;
        }
        if self.seen.len() >= options.max_spans {
            tally.dropped += 1;
            self.blind = now;
            return;
        }
        tally.remembered += 1;
        let wait = options.wait_nanos();
        let is_call = matches!(span.role, Role::Call(_) | Role::Message(_));
        let (ids, service) = (span.ids, span.service.clone());
        self.order.push_back((now.saturating_add(2 * wait), ids));
        self.seen.insert(ids, Seen { service: service.clone(), is_call, open: None });
        let lasting = match &span.role {
            Role::Call(Some(to)) => Some((to, TOLERANCE.unsigned_abs())),
            Role::Message(Some(to)) => Some((to, wait)),
            _ => None,
        };
        if let Some((to, lasting)) = lasting {
            let call = (span.start, ids.trace_id, ids.span_id, span.end.saturating_add(lasting));
            self.calls.entry(to.clone()).or_default().insert(call);
            if let Some(seen) = self.seen.get_mut(&ids) {
                seen.open = Some((to.clone(), call));
            }
        }
        for child in self.children.remove(&ids).unwrap_or_default() {
            self.arrived(&ids, &child, options, now);
        }
        let is_entry = matches!(span.role, Role::Entry(_));
        let Arrived { parent, role, start, .. } = span;
        let waiting = Waiting { ids, role, service, start, since: now };
        match parent {
            Some(parent) if self.seen.contains_key(&parent) => self.arrived(&parent, &waiting, options, now),
            Some(parent) => {
                self.children_order.push_back((now.saturating_add(wait), parent));
                self.children.entry(parent).or_default().push_back(waiting);
            }
            None if is_entry && !span.has_links => self.roots.push_back(waiting),
            None => {}
        }
    }

    /// A span whose parent is there.
    fn arrived(&mut self, parent: &Ids, child: &Waiting, options: &Options, now: u64) {
        let Some(caller) = self.seen.get_mut(parent) else { return };
        let is_answer = caller.is_call && matches!(child.role, Role::Entry(_));
        if caller.service == child.service && !is_answer {
            return;
        }
        if let Some((to, call)) = caller.open.take() {
            close(&mut self.calls, &to, &call);
        }
        let client = caller.service.clone();
        let room = Room { table: usize::MAX, taken: &mut self.series, all: options.max_series };
        count(&mut self.kept, room, &client, &child.service, None, now);
    }

    /// Judges what has waited long enough, and forgets what nobody can need any more.
    pub fn expire(&mut self, options: &Options, now: u64, tally: &mut Tally) {
        let wait = options.wait_nanos();
        let is_over = |waiting: &mut Waiting| waiting.since.saturating_add(wait) < now;
        while let Some((_, parent)) = self.children_order.pop_front_if(|(until, _)| *until < now) {
            // One for each that came, in their order; gone where the parent has come.
            let Some(children) = self.children.get_mut(&parent) else { continue };
            let child = children.pop_front_if(is_over);
            if children.is_empty() {
                self.children.remove(&parent);
            }
            if let Some(child) = child {
                self.orphan(&child, options, now, tally);
            }
        }
        while let Some(root) = self.roots.pop_front_if(is_over) {
            self.root(&root, options, now, tally);
        }
        while let Some((_, ids)) = self.order.pop_front_if(|(until, _)| *until < now) {
            if let Some((to, call)) = self.seen.remove(&ids).and_then(|seen| seen.open) {
                close(&mut self.calls, &to, &call);
            }
        }
    }

    fn orphan(&mut self, child: &Waiting, options: &Options, now: u64, tally: &mut Tally) {
        if self.is_blind(child, options) {
            tally.undecided += 1;
            return;
        }
        let client = match &child.role {
            // Its trace was handed on: it was called from there.
            Role::Entry(to) => {
                self.caller(child, to, |call| call.1 == child.ids.trace_id).unwrap_or_else(|| UNKNOWN.into())
            }
            _ => child.service.clone(),
        };
        self.hole(&client, child, Reason::MissingParent, options, now);
    }

    fn root(&mut self, root: &Waiting, options: &Options, now: u64, tally: &mut Tally) {
        let Role::Entry(to) = &root.role else { return };
        if self.is_blind(root, options) {
            tally.undecided += 1;
            return;
        }
        if let Some(client) = self.caller(root, to, |call| call.1 != root.ids.trace_id) {
            self.hole(&client, root, Reason::NewTrace, options, now);
        }
    }

    /// Something that may have been its parent, a call of it, or another's answer to that was not seen.
    fn is_blind(&self, waiting: &Waiting, options: &Options) -> bool {
        waiting.since <= self.blind.saturating_add(2 * options.wait_nanos())
    }

    /// The service of the call under way that began last, of those that may be the one; it is answered now.
    fn caller(&mut self, called: &Waiting, to: &To, may_be: impl Fn(&OpenCall) -> bool) -> Option<Arc<str>> {
        let latest = called.start.saturating_add(TOLERANCE.unsigned_abs());
        let calls = self.calls.get(to)?;
        let before = calls.range(..=(latest, [u8::MAX; 16], [u8::MAX; 8], u64::MAX)).rev().take(MOST_TRIED);
        let call = before.into_iter().find(|call| call.3 >= called.start && may_be(call)).copied()?;
        close(&mut self.calls, to, &call);
        let seen = self.seen.get_mut(&Ids { trace_id: call.1, span_id: call.2 })?;
        seen.open = None;
        Some(seen.service.clone())
    }

    fn hole(&mut self, client: &str, called: &Waiting, reason: Reason, options: &Options, now: u64) {
        let room = Room { table: usize::MAX, taken: &mut self.series, all: options.max_series };
        count(&mut self.holes, room, client, &called.service, Some(reason), now);
    }

    /// Forgets pairs that have had no call for long.
    pub fn clean(&mut self, now: u64) {
        for table in [&mut self.kept, &mut self.holes] {
            self.series -= table.retain(|series| series.seen.saturating_add(SERIES_LIFE) >= now);
        }
    }

    /// All series as points of this time.
    pub fn tell(&mut self, now: u64) -> Vec<ExportMetricsServiceRequest> {
        let mut batches = Batches::new(SCOPE);
        batches.resource(&[]);
        for (name, table) in [(KEPT, &mut self.kept), (HOLES, &mut self.holes)] {
            let mut points = Vec::new();
            for series in table.iter_mut() {
                let attributes = series.attributes.clone();
                let head = |start, time| Head { attributes: attributes.clone(), start, time, exemplars: Vec::new() };
                if let Some(beginning) = series.beginning(now) {
                    points.push(number_point(head(beginning, beginning), 0));
                }
                points.push(number_point(head(series.start, now), series.value));
                if points.len() >= MOST_POINTS - 1 {
                    push(&mut batches, name, std::mem::take(&mut points));
                }
            }
            push(&mut batches, name, points);
        }
        batches.finish()
    }

    /// Series that are held.
    pub fn len(&self) -> usize {
        self.series
    }

    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
            && self.roots.is_empty()
            && self.children.is_empty()
            && self.kept.is_empty()
            && self.holes.is_empty()
    }
}

fn close(calls: &mut HashMap<To, BTreeSet<OpenCall>>, to: &To, call: &OpenCall) {
    let Some(open) = calls.get_mut(to) else { return };
    open.remove(call);
    if open.is_empty() {
        calls.remove(to);
    }
}

fn count(table: &mut Table<u64>, room: Room<'_>, client: &str, server: &str, reason: Option<Reason>, now: u64) {
    let reason = reason.map(Reason::as_str);
    // Texts are of labels, which are cut long before.
    let mut key = (client.len() as u32).to_le_bytes().to_vec();
    [client, server, reason.unwrap_or_default()].iter().for_each(|text| {
        key.extend_from_slice(text.as_bytes());
        key.push(0xff);
    });
    let attributes = || {
        let sides = [text_attribute("client", client), text_attribute("server", server)];
        sides.into_iter().chain(reason.map(|reason| text_attribute("reason", reason))).collect()
    };
    let (series, _) = table.entry(&key, room, now, attributes, || 0);
    series.value += 1;
}

fn push(batches: &mut Batches, name: &str, data_points: Vec<NumberDataPoint>) {
    let points = data_points.len();
    let aggregation_temporality = AggregationTemporality::Cumulative.into();
    let sum = Sum { data_points, aggregation_temporality, is_monotonic: true };
    batches.metric(Metric { name: name.to_owned(), data: Some(Data::Sum(sum)), ..Metric::default() }, points);
}

impl Options {
    pub fn wait_nanos(&self) -> u64 {
        // Twice as long, and from any time, it must still be a time.
        u64::try_from(self.wait.as_nanos()).unwrap_or(u64::MAX).min(u64::MAX / 8)
    }
}
