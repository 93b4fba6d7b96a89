//! Where series come from, and which of them are active.

use trefoil_model::Tenant;
use trefoil_promql::matcher::{MatchOp, Matcher};
use trefoil_query::metrics::CardinalityQuestion;

use crate::bench::{Bench, START, gauge, literal, number, request};
use crate::{CART, every_kind};

const HOUR: i64 = 3600;

/// Two hours that end so many seconds after the start.
fn asked(end: i64, matchers: &[Matcher]) -> CardinalityQuestion {
    let end_ms = START + end * 1000;
    CardinalityQuestion {
        matchers: matchers.to_vec(),
        start_ms: end_ms - 2 * HOUR * 1000,
        end_ms,
        ago_ms: Some(24 * HOUR * 1000),
        limit: 10,
        ..CardinalityQuestion::default()
    }
}

/// Metrics with their series in the window and a day before.
async fn metrics(bench: &Bench, end: i64, matchers: &[Matcher]) -> String {
    let counted = bench.engine.cardinality(&Tenant::default(), &asked(end, matchers)).await.unwrap();
    let metrics = counted.metrics.iter().map(|metric| format!("{} {:?}", metric.name, metric.series));
    let labels = counted.labels.iter().map(|label| format!("{} {:?} {}", label.name, label.series, label.values));
    let lists = [metrics.collect::<Vec<_>>().join(", "), labels.collect::<Vec<_>>().join(", ")];
    format!("{:?}: {}", counted.series, lists.join("; "))
}

#[tokio::test(flavor = "multi_thread")]
async fn series_count_where_they_have_samples_wherever_those_lie() {
    let bench = Bench::new().await;
    let tenant = Tenant::default();
    let append = async |seconds: i64, name: &str, series: &[&str]| {
        let points = series.iter().map(|of| number(seconds, &[("s", of), ("job", "j")], 1.0)).collect();
        bench.append(&tenant, request(&[], vec![literal(name, "gauge", gauge(points))])).await;
    };
    let now = 10 * HOUR;
    append(now - 24 * HOUR - 60, "up", &["a", "b"]).await;
    append(now - 5 * HOUR, "up", &["a", "old"]).await;
    append(now - 60, "up", &["a", "new"]).await;
    append(now - 90, "jobs", &["a"]).await;
    // Of its day the first sample is hours before the window.
    append(now - 3 * HOUR, "up", &["b"]).await;
    append(now - HOUR, "up", &["b"]).await;
    for stage in ["in memory", "in files", "in merged files", "after a change of the type"] {
        match stage {
            "in memory" => {}
            "in files" => bench.storage.flush().await.unwrap(),
            "in merged files" => {
                append(now - 80, "jobs", &["a"]).await;
                bench.storage.flush().await.unwrap();
                assert!(bench.storage.compact().await.unwrap() > 0);
            }
            _ => {
                let points = gauge(vec![number(now - 50, &[("s", "a"), ("job", "j")], 1.0)]);
                bench.append(&tenant, request(&[], vec![literal("up", "counter", points)])).await;
            }
        }
        let all = "[4, 2]: up [3, 2], jobs [1, 0]; job [4, 2] 1, s [4, 2] 3";
        assert_eq!(metrics(&bench, now, &[]).await, all, "{stage}");
        let some = [Matcher::new(MatchOp::Regex, "s", "b|old|new").unwrap(), Matcher::equal("__name__", "up")];
        assert_eq!(metrics(&bench, now, &some).await, "[2, 1]: up [2, 1]; job [2, 1] 1, s [2, 1] 2", "{stage}");
        assert_eq!(metrics(&bench, now, &[Matcher::equal("s", "none")]).await, "[0, 0]: ; ", "{stage}");
    }
    bench.storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn active_series_are_those_that_prometheus_would_have() {
    let bench = Bench::new().await;
    let tenant = Tenant::default();
    bench.append(&tenant, request(CART, every_kind(0, 1))).await;
    let late = gauge(vec![number(3 * HOUR, &[("job", "node"), ("instance", "n:1")], 1.0)]);
    bench.append(&tenant, request(&[], vec![literal("up", "gauge", late)])).await;
    let active = async |matchers: &[Matcher], from: i64, to: i64| {
        let (start, end) = (START + from * 1000, START + to * 1000);
        let found = bench.engine.active_series(&tenant, matchers, start, end).await.unwrap();
        found.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let name = |name: &str| vec![Matcher::equal("__name__", name)];
    for flushed in [false, true] {
        if flushed {
            bench.storage.flush().await.unwrap();
        }
        let everything = active(&[], -60, 60).await;
        assert_eq!(bench.at(0, "count({__name__=~\".+\"})").await, format!("{{}} {}", everything.len()));
        assert_eq!(
            active(&name("up"), 2 * HOUR, 4 * HOUR).await,
            ["{__name__=\"up\", instance=\"n:1\", job=\"node\"}"]
        );
        assert_eq!(active(&[], 2 * HOUR, 4 * HOUR).await.len(), 1);
        let buckets = active(&name("http_duration_seconds_bucket"), -60, 60).await;
        assert_eq!(buckets.len(), 3, "{buckets:?}");
        assert_eq!(active(&name("target_info"), -60, 60).await.len(), 1);
        assert_eq!(active(&name("target_info"), 2 * HOUR, 4 * HOUR).await, Vec::<String>::new());
        assert_eq!(active(&[], 60, -60).await, Vec::<String>::new());
    }
    bench.storage.close().await.unwrap();
}
