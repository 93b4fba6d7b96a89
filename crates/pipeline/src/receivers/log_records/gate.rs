//! The last way of a record of a receiver: through its operators, if it has any, into its outlet.

use std::collections::BTreeMap;
use std::time::Duration;

use opentelemetry_proto::tonic::logs::v1::LogRecord;
use tokio::sync::Mutex;

use super::outlet::{Entry, Origin, Outlet, Place, Room};
use super::values::{members, now};
use crate::stanza::entry::Entry as Processed;
use crate::stanza::value::{Value, members_of};
use crate::stanza::{Chain, records};

/// Between looks at what operators hold for too long.
const FLUSH_EVERY: Duration = Duration::from_millis(100);

/// Records go through operators one after the other.
#[derive(Debug)]
pub struct Gate<M> {
    outlet: Outlet<M>,
    room: Room,
    operators: Option<Operators<M>>,
}

#[derive(Debug)]
struct Operators<M> {
    /// Of the receiver, which operators see and may change for a record.
    resource: Value,
    state: Mutex<State<M>>,
}

#[derive(Debug)]
struct State<M> {
    chain: Chain,
    /// Of the last record that came in.
    latest: M,
    /// Of the last one before which operators hold nothing: going on behind it loses nothing.
    safe: M,
}

impl<M: Clone + Default + Send + 'static> Gate<M> {
    /// The default of marks stands for the beginning.
    pub fn new(outlet: Outlet<M>, room: Room, chain: &Chain, resource: &BTreeMap<String, String>) -> Self {
        let operators = (!chain.is_empty()).then(|| Operators {
            resource: Value::Map(members_of(members(resource))),
            state: Mutex::new(State { chain: chain.clone(), latest: M::default(), safe: M::default() }),
        });
        Self { outlet, room, operators }
    }

    pub fn has_operators(&self) -> bool {
        self.operators.is_some()
    }

    /// Waits while the pipelines do not keep up.
    pub async fn hand_in(&self, record: LogRecord, place: Place, mark: M) {
        let Some(operators) = &self.operators else {
            return self.outlet.hand_in(Entry { record, origin: None, place, mark }).await;
        };
        let mut state = operators.state.lock().await;
        let mut out = Vec::new();
        state.chain.process(records::entry(record, &operators.resource), &mut out);
        state.latest = mark;
        self.send(operators, &mut state, out, Some(place)).await;
    }

    /// Lets go what operators have held for long enough.
    async fn flush(&self, operators: &Operators<M>) {
        let mut state = operators.state.lock().await;
        let mut out = Vec::new();
        state.chain.flush(now(), &mut out);
        self.send(operators, &mut state, out, None).await;
    }

    /// Lets go all that operators hold.
    pub async fn flush_all(&self) {
        let Some(operators) = &self.operators else { return };
        let mut state = operators.state.lock().await;
        let mut out = Vec::new();
        state.chain.flush_all(&mut out);
        self.send(operators, &mut state, out, None).await;
    }

    /// Lets go what is held for long enough, for ever.
    pub async fn keep_flushing(&self) {
        let Some(operators) = &self.operators else { return std::future::pending().await };
        loop {
            tokio::time::sleep(FLUSH_EVERY).await;
            self.flush(operators).await;
        }
    }

    /// In order: whoever comes next waits for it.
    async fn send(
        &self,
        operators: &Operators<M>,
        state: &mut State<M>,
        out: Vec<Processed>,
        mut place: Option<Place>,
    ) {
        let before = state.safe.clone();
        if state.chain.held() == 0 {
            state.safe = state.latest.clone();
        }
        let mut left = out.len();
        for entry in out {
            left -= 1;
            let mark = if left == 0 { state.safe.clone() } else { before.clone() };
            // Others that have a place may wait for this one to end, so it must not wait for room.
            let place = place.take().unwrap_or_else(|| self.room.take_or_go_beyond(entry.size()));
            let (record, resource, scope) = records::parted(entry);
            let is_changed = resource != operators.resource || !scope.is_empty();
            let origin = is_changed.then(|| Box::new(Origin::new(resource, scope)));
            self.outlet.hand_in(Entry { record, origin, place, mark }).await;
        }
    }
}
