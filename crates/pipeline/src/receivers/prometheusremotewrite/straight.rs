//! The short way into the store: samples of series whose labels have been seen before.
//!
//! Nearly all that comes is one more number for a series that is known. Its labels are neither checked nor encoded again: a
//! hash of their bytes finds the series' id, and what is stored is that id, the time and the number. Everything else (new
//! series, histograms, exemplars, the first sample of a day) goes the long way, in the same request.

use trefoil_model::active::{Flight, Labelled, LabelledSeries, Reason, Verdict};
use trefoil_model::samples::KnownSamples;
use trefoil_model::wire::{Reader, WireError};

use super::labels::{METRIC_NAME, Symbols};
use super::message::{LABELS, Metadata, SAMPLES, Sample, Version};
use super::times::{nanos, optional_nanos};

/// What the samples of one request are judged by, and those that go the short way.
pub struct Straight {
    pub flight: Flight,
    pub samples: KnownSamples,
    /// Hashes of the symbols of 2.0.
    symbols: Vec<u64>,
    /// What was learned of labels that went the long way.
    learned: Vec<(u128, Labelled)>,
    // Memory that is used again for every series.
    key: Vec<u8>,
    points: Vec<(Sample, i64)>,
    judged: Vec<(i64, u64)>,
    verdicts: Vec<Verdict>,
}

/// Why a series cannot go the short way, if it is not broken.
pub enum Otherwise {
    LongWay,
    Broken(WireError),
}

impl From<WireError> for Otherwise {
    fn from(error: WireError) -> Self {
        Otherwise::Broken(error)
    }
}

impl Straight {
    pub fn new(flight: Flight, symbols: &Symbols<'_>) -> Self {
        let series = flight.series();
        let hash = |symbol: Option<&str>| series.hash_labels(symbol.unwrap_or_default().as_bytes()) as u64;
        let symbols = symbols.iter().map(hash).collect();
        let mut samples = KnownSamples::default();
        samples.era = flight.era();
        Self {
            flight,
            samples,
            symbols,
            learned: Vec::new(),
            key: Vec::new(),
            points: Vec::new(),
            judged: Vec::new(),
            verdicts: Vec::new(),
        }
    }

    /// Takes the samples of a series if it is known and has nothing else. The number of samples that are stored now or were
    /// before, and why others are refused.
    pub fn take<'a>(
        &mut self,
        version: Version,
        message: Reader<'a>,
        symbols: &Symbols<'a>,
        known: &mut LabelledSeries<'_>,
    ) -> Result<(u64, Vec<Reason>), Otherwise> {
        let (labels, rest) = split_labels(message.bytes()).ok_or(Otherwise::LongWay)?;
        let mut unit = 0;
        let mut created = 0;
        self.points.clear();
        for field in Reader::new(rest) {
            // The long way tells where in the request it is broken.
            let field = field.map_err(|_| Otherwise::LongWay)?;
            match (version, field.number) {
                (_, SAMPLES) => {
                    let sample = Sample::parse(field.message()?).map_err(|_| Otherwise::LongWay)?;
                    let time = nanos(sample.timestamp).ok_or(Otherwise::LongWay)?;
                    self.points.push((sample, time as i64));
                }
                (Version::V2, METADATA) => unit = Metadata::parse(version, field.message()?)?.unit_ref,
                (Version::V2, CREATED) => created = field.int64()?,
                _ => return Err(Otherwise::LongWay),
            }
        }
        if self.points.is_empty() {
            return Err(Otherwise::LongWay);
        }
        let hash = self.hash(version, labels, unit).ok_or(Otherwise::LongWay)?;
        let known = known.get(hash).ok_or(Otherwise::LongWay)?;
        let name = name_at(version, labels, known.name, symbols).ok_or(Otherwise::LongWay)?;

        self.judged.clear();
        self.judged.extend(self.points.iter().map(|(sample, time)| (*time, sample.value.to_bits())));
        self.verdicts.clear();
        if !self.flight.judge_labelled(known, &self.judged, &mut self.verdicts) {
            return Err(Otherwise::LongWay);
        }
        let metric = self.samples.metric(name);
        let (mut written, mut refused) = (0, Vec::new());
        for ((sample, time), verdict) in self.points.iter().zip(&self.verdicts) {
            match verdict {
                Verdict::Accepted => {
                    let start = if sample.start_timestamp != 0 { sample.start_timestamp } else { created };
                    let start = optional_nanos(start) as i64;
                    self.samples.push(metric, known.series_id, *time, start, sample.value);
                    written += 1;
                }
                Verdict::Duplicate => written += 1,
                Verdict::Refused(reason) => refused.push(*reason),
            }
        }
        Ok((written, refused))
    }

    /// The labels of this series, which went the long way, stand for `series_id`.
    pub fn learn(&mut self, version: Version, message: Reader<'_>, symbols: &Symbols<'_>, unit: u32, series_id: u64) {
        let Some((labels, _)) = split_labels(message.bytes()) else { return };
        let Some(name) = find_name(version, labels, symbols) else { return };
        if let Some(hash) = self.hash(version, labels, unit) {
            self.learned.push((hash, Labelled::new(series_id, name)));
        }
    }

    /// What goes to the store; what was learned holds from now on.
    pub fn finish(self) -> (Flight, KnownSamples) {
        self.flight.series().learn(&self.learned);
        (self.flight, self.samples)
    }

    /// In 2.0 the labels are references, which mean something in their request only; and the unit is part of the identity.
    fn hash(&mut self, version: Version, labels: &[u8], unit: u32) -> Option<u128> {
        let series = self.flight.series();
        if version == Version::V1 {
            return Some(series.hash_labels(labels));
        }
        self.key.clear();
        for reference in references(labels)?.chain([u64::from(unit)]) {
            let symbol = self.symbols.get(usize::try_from(reference).ok()?)?;
            self.key.extend_from_slice(&symbol.to_le_bytes());
        }
        Some(series.hash_labels(&self.key))
    }
}

/// Of a series of 2.0.
const METADATA: u32 = Version::V2.layout().metadata;
const CREATED: u32 = Version::V2.layout().created_timestamp;

/// The labels of a series, if they come before everything else, and the rest.
#[inline]
fn split_labels(message: &[u8]) -> Option<(&[u8], &[u8])> {
    const TAG: u8 = (LABELS << 3) as u8 | 2;
    let mut at = 0;
    while message.get(at) == Some(&TAG) {
        let (length, begin) = match message.get(at + 1..)? {
            [one @ ..0x80, ..] => (usize::from(*one), at + 2),
            [one, two @ ..0x80, ..] => (usize::from(one & 0x7f) | usize::from(*two) << 7, at + 3),
            _ => return None,
        };
        at = begin + length;
    }
    if at == 0 { None } else { message.split_at_checked(at) }
}

/// The references of the labels of a series of 2.0, where they are one packed list.
fn references(labels: &[u8]) -> Option<impl Iterator<Item = u64> + '_> {
    let field = Reader::new(labels).next()?.ok()?;
    let packed = field.bytes().ok()?;
    // One field, and nothing after it.
    let is_all = packed.as_ptr_range().end == labels.as_ptr_range().end;
    is_all.then_some(Varints(packed))
}

struct Varints<'a>(&'a [u8]);

impl Iterator for Varints<'_> {
    type Item = u64;

    #[inline]
    fn next(&mut self) -> Option<u64> {
        let mut value = 0;
        for (index, byte) in self.0.iter().enumerate().take(5) {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                self.0 = &self.0[index + 1..];
                return Some(value);
            }
        }
        // Whatever it is, no symbol has this number.
        let is_empty = self.0.is_empty();
        self.0 = &[];
        (!is_empty).then_some(u64::MAX)
    }
}

/// Where the metric's name is: in 1.0 by offset and length, in 2.0 by the place of its reference.
fn find_name(version: Version, labels: &[u8], symbols: &Symbols<'_>) -> Option<(u32, u32)> {
    if version == Version::V2 {
        let references: Vec<u64> = references(labels)?.collect();
        let symbol = |reference: u64| symbols.get(u32::try_from(reference).ok()?).ok();
        let pair = references.chunks_exact(2).position(|pair| symbol(pair[0]) == Some(METRIC_NAME))?;
        return Some((u32::try_from(2 * pair + 1).ok()?, 0));
    }
    for field in Reader::new(labels) {
        let (name, value) = super::message::label(&field.ok()?).ok()?;
        if name == METRIC_NAME.as_bytes() {
            let offset = (value.as_ptr() as usize).checked_sub(labels.as_ptr() as usize)?;
            return Some((u32::try_from(offset).ok()?, u32::try_from(value.len()).ok()?));
        }
    }
    None
}

#[inline]
fn name_at<'a>(version: Version, labels: &'a [u8], (at, length): (u32, u32), symbols: &Symbols<'a>) -> Option<&'a str> {
    match version {
        Version::V1 => {
            let bytes = labels.get(at as usize..)?.get(..length as usize)?;
            std::str::from_utf8(bytes).ok()
        }
        Version::V2 => symbols.get(u32::try_from(references(labels)?.nth(at as usize)?).ok()?).ok(),
    }
}
