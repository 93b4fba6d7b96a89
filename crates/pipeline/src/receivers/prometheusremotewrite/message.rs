//! The two protobuf messages of remote write as they lie on the wire: `prometheus.WriteRequest` (1.0) and
//! `io.prometheus.write.v2.Request` (2.0).
//!
//! Requests and series are walked, not decoded: a series of two bytes must not become a struct of hundreds. What is
//! decoded, one at a time, is what has structure: histograms. Both versions number the fields of samples and histograms
//! alike; where 2.0 has more, 1.0 has nothing. Sources: prompb/types.proto and prompb/io/prometheus/write/v2/types.proto
//! of Prometheus, and the specifications 1.0 and 2.0-rc.4.

use trefoil_model::wire::{Field, Reader, WireError};
pub use trefoil_prometheus::remote::{BucketSpan, Histogram};

/// Which of the two messages a body holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    V1,
    V2,
}

/// `MetricMetadata` of 1.0.
pub const METADATA: u32 = 3;
/// The strings that 2.0 refers to.
pub const SYMBOLS: u32 = 4;

/// The numbers of the fields that the versions number differently.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Of the request.
    pub series: u32,
    /// Of a series, as all below.
    pub histograms: u32,
    pub exemplars: u32,
    /// `u32::MAX` where the version does not have it.
    pub metadata: u32,
    pub created_timestamp: u32,
}

/// Of a series, in both versions: `Label` messages, or references to symbols.
pub const LABELS: u32 = 1;
pub const SAMPLES: u32 = 2;

impl Version {
    /// The name of its message.
    pub const fn message(self) -> &'static str {
        match self {
            Version::V1 => "prometheus.WriteRequest",
            Version::V2 => "io.prometheus.write.v2.Request",
        }
    }

    pub const fn other(self) -> Self {
        match self {
            Version::V1 => Version::V2,
            Version::V2 => Version::V1,
        }
    }

    pub const fn layout(self) -> Layout {
        match self {
            Version::V1 => {
                Layout { series: 1, exemplars: 3, histograms: 4, metadata: u32::MAX, created_timestamp: u32::MAX }
            }
            // Since 2.0-rc.4 the start is told by sample; before, by series.
            Version::V2 => Layout { series: 5, histograms: 3, exemplars: 4, metadata: 5, created_timestamp: 6 },
        }
    }
}

/// Times are milliseconds since the epoch; no start is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sample {
    pub value: f64,
    pub timestamp: i64,
    pub start_timestamp: i64,
}

impl Sample {
    pub fn parse(message: Reader<'_>) -> Result<Self, WireError> {
        let mut sample = Sample::default();
        for field in message {
            let field = field?;
            match field.number {
                1 => sample.value = field.double()?,
                2 => sample.timestamp = field.int64()?,
                3 => sample.start_timestamp = field.int64()?,
                _ => {}
            }
        }
        Ok(sample)
    }
}

/// An exemplar whose labels are not looked at yet.
#[derive(Debug, Clone, Copy)]
pub struct Exemplar<'a> {
    pub message: Reader<'a>,
    pub value: f64,
    /// Milliseconds since the epoch; 0 where none was told.
    pub timestamp: i64,
}

impl<'a> Exemplar<'a> {
    pub fn parse(message: Reader<'a>) -> Result<Self, WireError> {
        let mut exemplar = Exemplar { message, value: 0.0, timestamp: 0 };
        for field in message {
            let field = field?;
            match field.number {
                2 => exemplar.value = field.double()?,
                3 => exemplar.timestamp = field.int64()?,
                _ => {}
            }
        }
        Ok(exemplar)
    }
}

/// `MetricMetadata` of 1.0, or with references instead of texts `Metadata` of 2.0.
#[derive(Debug, Clone, Copy, Default)]
pub struct Metadata<'a> {
    pub kind: i32,
    pub family: &'a [u8],
    pub help: &'a [u8],
    pub unit: &'a [u8],
    pub help_ref: u32,
    pub unit_ref: u32,
}

impl<'a> Metadata<'a> {
    pub fn parse(version: Version, message: Reader<'a>) -> Result<Self, WireError> {
        let mut metadata = Metadata::default();
        for field in message {
            let field = field?;
            match (version, field.number) {
                (_, 1) => metadata.kind = field.int32()?,
                (Version::V1, 2) => metadata.family = field.bytes()?,
                (Version::V1, 4) => metadata.help = field.bytes()?,
                (Version::V1, 5) => metadata.unit = field.bytes()?,
                (Version::V2, 3) => metadata.help_ref = field.uint32()?,
                (Version::V2, 4) => metadata.unit_ref = field.uint32()?,
                _ => {}
            }
        }
        Ok(metadata)
    }
}

/// A `Label` of 1.0: name and value.
pub fn label<'a>(field: &Field<'a>) -> Result<(&'a [u8], &'a [u8]), WireError> {
    let (mut name, mut value): (&[u8], &[u8]) = (&[], &[]);
    for field in field.message()? {
        let field = field?;
        match field.number {
            1 => name = field.bytes()?,
            2 => value = field.bytes()?,
            _ => {}
        }
    }
    Ok((name, value))
}
