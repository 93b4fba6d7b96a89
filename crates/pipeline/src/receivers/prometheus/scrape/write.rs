//! What a scrape found → OTLP export requests, with names and labels as they are (`docs/decisions/0011-remote-write.md`).

use bytes::Bytes;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogramDataPoint, HistogramDataPoint, NumberDataPoint, number_data_point,
};

use super::cache::{Cache, Series};
use super::collect::{Point, Sample};
use super::report::Gauge;
use crate::receivers::prometheus::relabel::Labels;
use crate::receivers::prometheusremotewrite::families::{Described, MetricType, of_series};
use crate::receivers::prometheusremotewrite::groups::{Groups, Kind, TooLarge};
use crate::receivers::prometheusremotewrite::histogram::Native;
use crate::receivers::prometheusremotewrite::labels::METRIC_NAME;
use crate::receivers::prometheusremotewrite::times::NO_RECORDED_VALUE;

/// Bytes of one request. A scrape may be several.
const MAX_REQUEST: usize = 8 << 20;

/// An `ExportMetricsServiceRequest` and the points in it.
pub type Request = (Bytes, u64);

pub struct Writer<'a> {
    cache: &'a Cache,
    groups: Groups<'a>,
    done: Vec<Request>,
    labels: Vec<(&'a str, &'a str)>,
}

/// What is written of a series.
enum Written<'p> {
    Number(NumberDataPoint),
    Exponential(&'p ExponentialHistogramDataPoint),
    Custom(&'p HistogramDataPoint),
}

impl<'a> Writer<'a> {
    pub fn new(cache: &'a Cache) -> Self {
        Self { cache, groups: Groups::new(MAX_REQUEST), done: Vec::new(), labels: Vec::new() }
    }

    pub fn sample(&mut self, sample: Sample) {
        let Some(series) = self.cache.get(sample.series) else { return };
        let described = self.described(&sample.exposed_name);
        let Sample { time_unix_nano, start_time_unix_nano, exemplars, .. } = sample;
        match sample.point {
            Point::Float(value) => {
                let value = Some(number_data_point::Value::AsDouble(value));
                let point =
                    NumberDataPoint { time_unix_nano, start_time_unix_nano, value, exemplars, ..Default::default() };
                self.series(series, Kind::Number, described, &Written::Number(point));
            }
            Point::Native(native) => match *native {
                Native::Exponential(point) => {
                    let point =
                        ExponentialHistogramDataPoint { time_unix_nano, start_time_unix_nano, exemplars, ..point };
                    self.series(series, Kind::Exponential, described, &Written::Exponential(&point));
                }
                Native::Custom(point) => {
                    let point = HistogramDataPoint { time_unix_nano, start_time_unix_nano, exemplars, ..point };
                    self.series(series, Kind::CustomBuckets, described, &Written::Custom(&point));
                }
            },
        }
    }

    /// The series ends.
    pub fn end(&mut self, index: usize, time_unix_nano: u64) {
        let Some(series) = self.cache.get(index) else { return };
        // The family may be gone by now; what is known of the series stays.
        let described = self.described(series.labels.get(METRIC_NAME));
        let flags = NO_RECORDED_VALUE;
        let kind = series.kind;
        match kind {
            Kind::Number | Kind::Family => {
                let point = NumberDataPoint { time_unix_nano, flags, ..Default::default() };
                self.series(series, kind, described, &Written::Number(point));
            }
            Kind::Exponential => {
                let point = ExponentialHistogramDataPoint { time_unix_nano, flags, ..Default::default() };
                self.series(series, kind, described, &Written::Exponential(&point));
            }
            Kind::CustomBuckets => {
                let point = HistogramDataPoint { time_unix_nano, flags, ..Default::default() };
                self.series(series, kind, described, &Written::Custom(&point));
            }
        }
    }

    /// A series about the scrape itself; without a value it ends.
    pub fn gauge(&mut self, gauge: &Gauge, target: &'a Labels, time_unix_nano: u64) {
        let value = gauge.value.map(number_data_point::Value::AsDouble);
        let flags = if value.is_some() { 0 } else { NO_RECORDED_VALUE };
        let point = NumberDataPoint { time_unix_nano, value, flags, ..Default::default() };
        let described = Described { kind: MetricType::Gauge, help: gauge.help, unit: "", refs: (u32::MAX, 0) };
        self.labels.clear();
        self.labels.extend(target.iter());
        self.write(gauge.name, Kind::Number, described, &Written::Number(point));
    }

    pub fn finish(mut self) -> Vec<Request> {
        self.cut();
        self.done
    }

    fn series(&mut self, series: &'a Series, kind: Kind, described: Described<'a>, written: &Written<'_>) {
        self.labels.clear();
        self.labels.extend(series.labels.iter());
        self.write(series.labels.get(METRIC_NAME), kind, described, written);
    }

    fn write(&mut self, name: &'a str, kind: Kind, described: Described<'a>, written: &Written<'_>) {
        if self.try_write(name, kind, described, written).is_err() {
            self.cut();
            if self.try_write(name, kind, described, written).is_err() {
                tracing::warn!(name, "one sample is larger than a request may be; it is left out");
            }
        }
    }

    fn try_write(
        &mut self,
        name: &'a str,
        kind: Kind,
        described: Described<'a>,
        written: &Written<'_>,
    ) -> Result<(), TooLarge> {
        let place = self.groups.place(name, kind, described, &self.labels)?;
        match written {
            Written::Number(point) => self.groups.push(place, point),
            Written::Exponential(point) => self.groups.push(place, *point),
            Written::Custom(point) => self.groups.push(place, *point),
        }
    }

    fn cut(&mut self) {
        let groups = std::mem::replace(&mut self.groups, Groups::new(MAX_REQUEST));
        let count = groups.count();
        if count > 0 {
            self.done.push((groups.finish(), count));
        }
    }

    fn described(&self, exposed_name: &str) -> Described<'a> {
        let families = self.cache.families();
        let find = |name: &str| {
            let family = families.get(name)?;
            Some(Described { kind: family.kind, help: &family.help, unit: &family.unit, refs: (family.number, 0) })
        };
        of_series(exposed_name, find).unwrap_or_default()
    }
}
