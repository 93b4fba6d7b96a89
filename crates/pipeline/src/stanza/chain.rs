//! Operators one after the other.

use std::time::{Duration, Instant};

use serde::Deserialize;

use super::entry::Entry;
use super::expr::Program;
use super::operators::{Operator, Outcome};

/// What an operator does wrong it does with every entry: it is said once in such a time.
const QUIET: Duration = Duration::from_secs(60);

/// What becomes of an entry that an operator cannot deal with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// It goes on as it is.
    #[default]
    Send,
    SendQuiet,
    Drop,
    DropQuiet,
}

/// The ids of all operators, for one of them to find others.
pub struct Places<'a> {
    pub ids: &'a [String],
    /// Where it stands itself.
    pub own: usize,
    /// Options that are wrong, with the reason.
    pub problems: Vec<(String, String)>,
}

/// An operator in its place.
#[derive(Debug, Clone)]
pub struct Link {
    id: String,
    operator: Operator,
    condition: Option<Program>,
    on_error: OnError,
    outputs: Vec<usize>,
    /// When it was last said that something went wrong, and how often it has since.
    told: Option<Instant>,
    more: u64,
}

impl Link {
    pub fn new(
        id: String,
        operator: Operator,
        condition: Option<Program>,
        on_error: OnError,
        outputs: Vec<usize>,
    ) -> Self {
        Self { id, operator, condition, on_error, outputs, told: None, more: 0 }
    }

    fn ways(&self) -> Vec<usize> {
        self.operator.routes().map_or_else(|| self.outputs.clone(), |routes| routes.into_iter().flatten().collect())
    }

    fn tell(&mut self, reason: &str) {
        let is_quiet = matches!(self.on_error, OnError::SendQuiet | OnError::DropQuiet);
        if is_quiet {
            tracing::debug!(operator = self.id, reason, "a log entry could not be dealt with");
            return;
        }
        if self.told.is_some_and(|told| told.elapsed() < QUIET) {
            self.more += 1;
            return;
        }
        let entries = std::mem::take(&mut self.more) + 1;
        self.told = Some(Instant::now());
        tracing::warn!(operator = self.id, entries, reason, "log entries could not be dealt with");
    }
}

/// All operators of a configuration. It holds entries where some are joined ([`Chain::held`]); those that are in it when it is
/// dropped are not settled.
#[derive(Debug, Clone, Default)]
pub struct Chain {
    links: Vec<Link>,
}

impl Chain {
    pub fn new(links: Vec<Link>) -> Self {
        Self { links }
    }

    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// An operator that leads to itself.
    pub fn circle(&self) -> Option<usize> {
        // 1 while it is looked at, 2 when nothing behind it leads back.
        let mut state = vec![0u8; self.links.len()];
        let mut open: Vec<(usize, Vec<usize>)> = Vec::new();
        for start in 0..self.links.len() {
            if state[start] == 0 {
                state[start] = 1;
                open.push((start, self.links[start].ways()));
            }
            while let Some((place, ways)) = open.last_mut() {
                match ways.pop().filter(|way| *way < state.len()) {
                    Some(way) if state[way] == 1 => return Some(way),
                    Some(way) if state[way] == 0 => {
                        state[way] = 1;
                        open.push((way, self.links[way].ways()));
                    }
                    Some(_) => {}
                    None if ways.is_empty() => {
                        state[*place] = 2;
                        open.pop();
                    }
                    None => {}
                }
            }
        }
        None
    }

    /// How many entries can come of one, where none leads to itself.
    pub fn copies(&self) -> u64 {
        let mut known = vec![None; self.links.len()];
        self.copies_from(0, &mut known)
    }

    fn copies_from(&self, place: usize, known: &mut [Option<u64>]) -> u64 {
        let Some(link) = self.links.get(place) else { return 1 };
        if let Some(copies) = known[place] {
            return copies;
        }
        let mut all =
            |ways: &[usize]| ways.iter().fold(0u64, |sum, way| sum.saturating_add(self.copies_from(*way, known)));
        let copies = match link.operator.routes() {
            Some(routes) => routes.iter().map(|ways| all(ways)).max().unwrap_or_default(),
            None => all(&link.outputs),
        };
        known[place] = Some(copies);
        copies
    }

    /// What comes out at the end is added to `out`.
    pub fn process(&mut self, entry: Entry, out: &mut Vec<Entry>) {
        self.run(vec![(0, entry)], out);
    }

    /// Lets go what was held for long enough at `now` (nanoseconds since the epoch).
    pub fn flush(&mut self, now: u64, out: &mut Vec<Entry>) {
        self.release(|operator| operator.expired(now), out);
    }

    /// Lets go everything.
    pub fn flush_all(&mut self, out: &mut Vec<Entry>) {
        self.release(Operator::all, out);
    }

    /// Entries that wait for others to be joined with.
    pub fn held(&self) -> usize {
        self.links.iter().map(|link| link.operator.held()).sum()
    }

    /// Whether an operator reads the path of the file (`log.file.path`).
    pub fn needs_path(&self) -> bool {
        self.links.iter().any(|link| link.operator.needs_path())
    }

    fn release(&mut self, take: impl Fn(&mut Operator) -> Vec<Entry>, out: &mut Vec<Entry>) {
        for place in 0..self.links.len() {
            let link = &mut self.links[place];
            let outputs = link.outputs.clone();
            for entry in take(&mut link.operator) {
                let waiting = fan_out(entry, &outputs);
                self.run(waiting, out);
            }
        }
    }

    /// The last one of `waiting` goes first.
    fn run(&mut self, mut waiting: Vec<(usize, Entry)>, out: &mut Vec<Entry>) {
        while let Some((place, entry)) = waiting.pop() {
            match self.links.get_mut(place) {
                None => out.push(entry),
                Some(link) => waiting.append(&mut step(link, entry)),
            }
        }
    }
}

fn step(link: &mut Link, entry: Entry) -> Vec<(usize, Entry)> {
    match link.condition.as_ref().map(|condition| condition.holds(&entry)) {
        None | Some(Ok(true)) => {}
        Some(Ok(false)) => return fan_out(entry, &link.outputs),
        Some(Err(reason)) => return failed(link, entry, &format!("if: {reason}")),
    }
    match link.operator.process(entry) {
        Outcome::Out(entries) => entries.into_iter().rev().flat_map(|entry| fan_out(entry, &link.outputs)).collect(),
        Outcome::To(places, entry) => fan_out(entry, &places),
        Outcome::Failed(entry, reason) => failed(link, *entry, &reason),
        Outcome::Dropped(entry) => {
            entry.settle();
            Vec::new()
        }
    }
}

fn failed(link: &mut Link, entry: Entry, reason: &str) -> Vec<(usize, Entry)> {
    link.tell(reason);
    match link.on_error {
        OnError::Send | OnError::SendQuiet => fan_out(entry, &link.outputs),
        OnError::Drop | OnError::DropQuiet => {
            entry.settle();
            Vec::new()
        }
    }
}

/// The same entry to each of the places, for the last one first; nowhere, it is done with.
fn fan_out(entry: Entry, places: &[usize]) -> Vec<(usize, Entry)> {
    let Some((first, others)) = places.split_first() else {
        entry.settle();
        return Vec::new();
    };
    let mut copies: Vec<(usize, Entry)> = others.iter().rev().map(|place| (*place, entry.clone())).collect();
    copies.push((*first, entry));
    copies
}
