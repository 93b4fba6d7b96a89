//! Prometheus' samples through the guard: what no rule concerns keeps its short way.

use trefoil_model::Tenant;

use super::*;
use crate::config::{Document, Segment};
use crate::metrics::Metrics;
use crate::receivers::otlp::workshop::Workshop;
use crate::receivers::prometheusremotewrite::batch::{Batch, Family, FoundSample, FoundSeries, Point};

/// What came as it was, and what came as OTLP: samples.
#[derive(Default)]
struct Sink(Mutex<(u64, u64)>);

#[async_trait]
impl Consumer for Sink {
    async fn consume(&self, telemetry: Telemetry) -> Result<Accepted, Refused> {
        self.0.lock().1 += telemetry.payload.items();
        Ok(Accepted::all())
    }

    async fn consume_write(&self, request: WriteRequest) -> Result<Accepted, Refused> {
        let items = request.items();
        // As the store does, somebody looks inside.
        let (_, refused) = request.into_telemetry().await?;
        self.0.lock().0 += items;
        Ok(refused)
    }
}

fn batch(series: &[&str]) -> Batch {
    let samples = series.iter().map(|text| {
        let labels = text.split_whitespace().filter_map(|pair| pair.split_once('=')).collect();
        let series = Arc::new(FoundSeries::new(Arc::new(labels), Arc::new(Family::default())));
        FoundSample {
            series,
            time: 1_800_000_000_000_000_000,
            start: 0,
            point: Point::Float(1.0),
            exemplars: Vec::new(),
        }
    });
    Batch::part(samples, usize::MAX).pop().unwrap_or_default()
}

async fn guarded(rules: &str, series: &[&str]) -> ((u64, u64), u64) {
    let document = Document::parse("t.yaml", rules, &|_| None).unwrap();
    let path = [Segment::Key("cardinality_guard".to_owned())];
    let options = config::read(&Section::new(document.root(), &path)).unwrap();
    let sink = Arc::new(Sink::default());
    let guard = Guard::new(options, sink.clone(), Metrics::default().guard("cardinality_guard"), now);
    let request = WriteRequest::found(Tenant::default(), batch(series), 1, Workshop::default());
    let clone = request.clone();
    assert_eq!(guard.consume_write(request).await, Ok(Accepted::all()));
    let written = clone.take_outcome().unwrap().unwrap().report.written.samples;
    let seen = *sink.0.lock();
    (seen, written)
}

#[tokio::test]
async fn only_metrics_with_a_label_of_a_rule_become_otlp() {
    let rules = "rules: [{metrics: [a], labels: [user_id], action: drop}]";
    let none = ["__name__=a x=1", "__name__=b user_id=1"];
    assert_eq!(guarded(rules, &none).await, ((2, 0), 2));
    // All series of the metric: they may be the same once the label is gone.
    let some = ["__name__=a x=1", "__name__=a x=1 user_id=1", "__name__=b user_id=1", "__name__=c"];
    let ((as_it_was, as_otlp), written) = guarded(rules, &some).await;
    assert_eq!((as_it_was, as_otlp, written), (2, 1, 4), "two of one metric became one");
    assert_eq!(guarded(rules, &["__name__=a user_id=1"]).await, ((0, 1), 1));
}
