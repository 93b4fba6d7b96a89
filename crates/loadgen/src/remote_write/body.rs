//! Remote-write requests as bytes: everything but times and values is encoded once.
//!
//! A series of either version is its labels (and in 2.0 its metadata) followed by one sample, and the sample is encoded
//! alike in both: <https://prometheus.io/docs/specs/prw/remote_write_spec/>, `prompb/types.proto`,
//! `prompb/io/prometheus/write/v2/types.proto`.

use std::collections::HashMap;

use prost::encoding::{encode_varint, encoded_len_varint};

use super::Version;
use super::pod::{Pod, SERIES_PER_POD, Series};

/// The series of some pods.
pub struct Template {
    pods: Vec<Pod>,
    /// What stands before all series: 2.0's symbols.
    prefix: Vec<u8>,
    /// What stands before the sample of each series, one after the other; `ends` says where each ends.
    heads: Vec<u8>,
    ends: Vec<u32>,
    series_tag: u8,
}

/// Field 2, of bytes: the samples of a series.
const SAMPLE: u8 = 0x12;
/// Of a sample: tag and eight bytes of value, tag and varint of a time in milliseconds since the epoch.
const VALUE: u8 = 0x09;
const TIME: u8 = 0x10;

impl Template {
    pub fn new(version: Version, seed: u64, pods: std::ops::Range<u64>) -> Template {
        let pods: Vec<Pod> = pods.map(|number| Pod::new(seed, number)).collect();
        let (mut heads, mut ends) = (Vec::new(), Vec::with_capacity(pods.len() * SERIES_PER_POD));
        let mut symbols = Symbols::default();
        for one in pods.iter().flat_map(Pod::series) {
            match version {
                Version::One => head_v1(&one, &mut heads),
                Version::Two => head_v2(&one, &mut symbols, &mut heads),
            }
            ends.push(heads.len() as u32);
        }
        heads.shrink_to_fit();
        let (prefix, series_tag) = match version {
            Version::One => (Vec::new(), 0x0a),
            Version::Two => (symbols.encoded, 0x2a),
        };
        Template { pods, prefix, heads, ends, series_tag }
    }

    /// Samples in each request.
    pub fn items(&self) -> usize {
        self.ends.len()
    }

    /// The message of a tick with the values of a tick, not compressed. `start` and `step` are milliseconds.
    pub fn message(&self, tick: u64, values_of: u64, start: u64, step: u64) -> Vec<u8> {
        let mut values = Vec::with_capacity(SERIES_PER_POD);
        let mut message = Vec::with_capacity(self.prefix.len() + self.heads.len() + self.ends.len() * 24);
        message.extend_from_slice(&self.prefix);
        let (mut series, mut begin) = (0, 0);
        for pod in &self.pods {
            let time = start + tick * step + pod.scrape_offset(step);
            let sample = 1 + 8 + 1 + encoded_len_varint(time);
            values.clear();
            pod.values(values_of, start / 1_000, &mut values);
            for value in &values {
                let end = self.ends[series] as usize;
                message.push(self.series_tag);
                encode_varint((end - begin + 2 + sample) as u64, &mut message);
                message.extend_from_slice(&self.heads[begin..end]);
                message.extend_from_slice(&[SAMPLE, sample as u8, VALUE]);
                message.extend_from_slice(&value.to_le_bytes());
                message.push(TIME);
                encode_varint(time, &mut message);
                (series, begin) = (series + 1, end);
            }
        }
        message
    }
}

fn head_v1(series: &Series, to: &mut Vec<u8>) {
    let mut label = Vec::new();
    for (name, value) in &series.labels {
        label.clear();
        bytes_field(1, name.as_bytes(), &mut label);
        bytes_field(2, value.as_bytes(), &mut label);
        bytes_field(1, &label, to);
    }
}

fn head_v2(series: &Series, symbols: &mut Symbols, to: &mut Vec<u8>) {
    let mut references = Vec::new();
    for (name, value) in &series.labels {
        encode_varint(symbols.reference(name), &mut references);
        encode_varint(symbols.reference(value), &mut references);
    }
    bytes_field(1, &references, to);
    let mut metadata = Vec::new();
    number_field(1, series.kind as u64, &mut metadata);
    number_field(3, symbols.reference(&help(series.family)), &mut metadata);
    bytes_field(5, &metadata, to);
}

/// 1.0's metadata of all families, which goes out by itself.
pub fn metadata_v1(series: &[Series]) -> Vec<u8> {
    let (mut message, mut metadata, mut last) = (Vec::new(), Vec::new(), "");
    for one in series.iter().filter(|one| std::mem::replace(&mut last, one.family) != one.family) {
        metadata.clear();
        number_field(1, one.kind as u64, &mut metadata);
        bytes_field(2, one.family.as_bytes(), &mut metadata);
        bytes_field(4, help(one.family).as_bytes(), &mut metadata);
        bytes_field(3, &metadata, &mut message);
    }
    message
}

fn help(family: &str) -> String {
    format!("The bookstore's {}.", family.replace('_', " "))
}

/// Texts by number, the first of which is empty.
struct Symbols {
    numbers: HashMap<String, u64>,
    encoded: Vec<u8>,
}

impl Default for Symbols {
    fn default() -> Symbols {
        let mut symbols = Symbols { numbers: HashMap::new(), encoded: Vec::new() };
        symbols.reference("");
        symbols
    }
}

impl Symbols {
    fn reference(&mut self, text: &str) -> u64 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.numbers.len() as u64;
        self.numbers.insert(text.to_owned(), number);
        bytes_field(4, text.as_bytes(), &mut self.encoded);
        number
    }
}

fn bytes_field(number: u64, bytes: &[u8], to: &mut Vec<u8>) {
    encode_varint(number << 3 | 2, to);
    encode_varint(bytes.len() as u64, to);
    to.extend_from_slice(bytes);
}

fn number_field(number: u64, value: u64, to: &mut Vec<u8>) {
    encode_varint(number << 3, to);
    encode_varint(value, to);
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    #[derive(Clone, PartialEq, Message)]
    struct Request {
        #[prost(message, repeated, tag = "1")]
        one: Vec<One>,
        #[prost(string, repeated, tag = "4")]
        symbols: Vec<String>,
        #[prost(message, repeated, tag = "5")]
        two: Vec<Two>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct One {
        #[prost(message, repeated, tag = "1")]
        labels: Vec<Label>,
        #[prost(message, repeated, tag = "2")]
        samples: Vec<Sample>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct Label {
        #[prost(string, tag = "1")]
        name: String,
        #[prost(string, tag = "2")]
        value: String,
    }

    #[derive(Clone, PartialEq, Message)]
    struct Two {
        #[prost(uint32, repeated, tag = "1")]
        labels_refs: Vec<u32>,
        #[prost(message, repeated, tag = "2")]
        samples: Vec<Sample>,
        #[prost(message, optional, tag = "5")]
        metadata: Option<Metadata>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct Metadata {
        #[prost(int32, tag = "1")]
        kind: i32,
        #[prost(uint32, tag = "3")]
        help_ref: u32,
    }

    #[derive(Clone, Copy, PartialEq, Message)]
    struct Sample {
        #[prost(double, tag = "1")]
        value: f64,
        #[prost(int64, tag = "2")]
        time: i64,
    }

    const START: u64 = 1_700_000_000_000;

    fn message(version: Version) -> Request {
        let template = Template::new(version, 1, 4..6);
        assert_eq!(template.items(), 2 * SERIES_PER_POD);
        Request::decode(template.message(3, 3, START, 15_000).as_slice()).unwrap()
    }

    #[test]
    fn both_versions_say_the_same() {
        let (one, two) = (message(Version::One).one, message(Version::Two));
        let expected: Vec<Series> = (4..6).flat_map(|number| Pod::new(1, number).series()).collect();
        assert_eq!((one.len(), two.two.len()), (expected.len(), expected.len()));
        assert_eq!(two.symbols[0], "");
        for ((one, two_), expected) in one.iter().zip(&two.two).zip(&expected) {
            let symbol = |number: &u32| two.symbols[*number as usize].clone();
            let labels: Vec<(&str, String)> =
                one.labels.iter().map(|label| (label.name.as_str(), label.value.clone())).collect();
            assert_eq!(labels, expected.labels);
            let flat: Vec<String> = two_.labels_refs.iter().map(symbol).collect();
            assert_eq!(flat.len(), 2 * labels.len());
            assert!(flat.chunks(2).zip(&labels).all(|(pair, label)| pair[0] == label.0 && pair[1] == label.1));
            assert_eq!(one.samples, two_.samples);
            assert!((START + 45_000..START + 60_000).contains(&(one.samples[0].time as u64)));
            let metadata = two_.metadata.clone().unwrap();
            assert_eq!((metadata.kind, symbol(&metadata.help_ref)), (expected.kind as i32, help(expected.family)));
        }
    }

    #[test]
    fn a_series_is_scraped_at_the_same_moment_of_each_interval() {
        let template = Template::new(Version::One, 1, 4..5);
        let time = |tick| {
            Request::decode(template.message(tick, tick, START, 15_000).as_slice()).unwrap().one[9].samples[0].time
        };
        assert!((0..15_000).contains(&(time(0) - START as i64)));
        assert_eq!(time(7) - time(0), 7 * 15_000);
    }
}
