//! A request in two: metrics that somebody has to look at, and the rest, which goes on as it came.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use prost::encoding::encode_varint;
use trefoil_model::wire::{Reader, WireError};

use super::batch::Batch;
use super::labels::{Labels, Symbols, metric_name, resolve};
use super::write::{Outcome, Sent, Source, WriteRequest};

/// What says whether a series, by its metric's name and its labels (that name among them), has to be looked at.
pub(crate) type Concerns<'c> = dyn Fn(&str, &Labels<'_>) -> bool + Sync + 'c;

/// The parts of a request; one at least is there.
pub(crate) struct Parted {
    /// Metrics of which at least one series is concerned.
    pub concerned: Option<WriteRequest>,
    pub rest: Option<WriteRequest>,
}

impl WriteRequest {
    /// Parts whole metrics: what becomes of one series may depend on the others. What cannot be read goes with the rest, whose
    /// reader tells what is wrong.
    pub(crate) fn part(&self, concerns: &Concerns<'_>) -> Parted {
        let parted = match &self.source {
            Source::Sent(sent) => sent.part(concerns).ok().flatten().map(|parts| parts.map(Source::Sent)),
            Source::Found(batch) => {
                batch.part_by(concerns).map(|parts| parts.map(|batch| Source::Found(Arc::new(batch))))
            }
        };
        let of = |source: Source| WriteRequest { source, outcome: Arc::default(), ..self.clone() };
        match parted {
            None => Parted { concerned: None, rest: Some(of(self.source.clone())) },
            Some([concerned, rest]) => {
                let [concerned, rest] = [concerned, rest].map(of);
                Parted { rest: (!rest.is_empty()).then_some(rest), concerned: Some(concerned) }
            }
        }
    }

    /// Takes for its own what became of its parts.
    pub(crate) fn settle(&self, parts: &Parted) {
        let mut settled: Option<Outcome> = None;
        for part in [&parts.rest, &parts.concerned].into_iter().flatten() {
            match part.take_outcome() {
                Some(Ok(outcome)) => {
                    let before = settled.take().unwrap_or_default();
                    settled = Some(before.and(outcome));
                }
                Some(Err(unreadable)) => {
                    *self.outcome.lock() = Some(Err(unreadable));
                    return;
                }
                None => {}
            }
        }
        if let Some(settled) = settled {
            *self.outcome.lock() = Some(Ok(settled));
        }
    }

    fn is_empty(&self) -> bool {
        matches!(&self.source, Source::Found(batch) if batch.points() == 0)
    }
}

impl Outcome {
    fn and(mut self, other: Outcome) -> Outcome {
        self.report.add(other.report);
        for family in other.told {
            if !self.told.contains(&family) {
                self.told.push(family);
            }
        }
        self
    }
}

impl Sent {
    /// Symbols and families are in both parts. `None`: no metric is concerned.
    fn part(&self, concerns: &Concerns<'_>) -> Result<Option<[Sent; 2]>, WireError> {
        let symbols = Symbols::collect(self.version, Reader::new(&self.body))?;
        let series_field = self.version.layout().series;
        let mut labels = Labels::new();
        let mut names: Vec<Option<&str>> = Vec::new();
        let mut concerned: HashSet<&str> = HashSet::new();
        for field in Reader::new(&self.body) {
            let field = field?;
            if field.number != series_field {
                continue;
            }
            let fit = resolve(self.version, field.message()?, &symbols, &mut labels)?;
            let name = fit.and_then(|()| metric_name(&labels)).ok();
            if let Some(name) = name.filter(|name| !concerned.contains(name) && concerns(name, &labels)) {
                concerned.insert(name);
            }
            names.push(name);
        }
        if concerned.is_empty() {
            return Ok(None);
        }
        let mut parts: [Vec<u8>; 2] = Default::default();
        let mut names = names.into_iter();
        for field in Reader::new(&self.body) {
            let field = field?;
            // Everything that the messages have is of this kind.
            let Ok(bytes) = field.bytes() else { continue };
            let mut put = |part: usize| {
                encode_varint(u64::from(field.number << 3 | 2), &mut parts[part]);
                encode_varint(bytes.len() as u64, &mut parts[part]);
                parts[part].extend_from_slice(bytes);
            };
            if field.number != series_field {
                put(0);
                put(1);
                continue;
            }
            let is_concerned = names.next().flatten().is_some_and(|name| concerned.contains(name));
            put(usize::from(!is_concerned));
        }
        Ok(Some(parts.map(|body| Sent { body: Bytes::from(body), ..self.clone() })))
    }
}

impl Batch {
    /// `None`: no metric is concerned.
    fn part_by(&self, concerns: &Concerns<'_>) -> Option<[Batch; 2]> {
        let mut labels: Labels<'_> = Vec::new();
        let mut concerned: HashSet<&str> = HashSet::new();
        for sample in self.samples() {
            let name = sample.series.name();
            if concerned.contains(name) {
                continue;
            }
            labels.clear();
            labels.extend(sample.series.labels().iter());
            if concerns(name, &labels) {
                concerned.insert(name);
            }
        }
        if concerned.is_empty() {
            return None;
        }
        let of = |is_concerned: bool| {
            let samples = self.samples().iter().filter(|one| concerned.contains(one.series.name()) == is_concerned);
            Batch::part(samples.cloned(), usize::MAX).pop().unwrap_or_default()
        };
        Some([of(true), of(false)])
    }
}
