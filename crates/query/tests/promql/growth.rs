//! What is kept in memory between questions follows the store: what comes, is flushed, merged, and what goes.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message;
use trefoil_model::{Signal, Tenant};
use trefoil_promql::labels::METRIC_NAME;
use trefoil_query::metrics::{PromqlOptions, SeriesQuestion};
use trefoil_query::{Engine, Limits};
use trefoil_storage::{Storage, StorageConfig};

use crate::bench::{Bench, START, gauge, literal, number, request, shown, wait_until};

const DAY: i64 = 86_400;

fn sample(seconds: i64, series: &str, value: f64) -> ExportMetricsServiceRequest {
    let points = gauge(vec![number(seconds, &[("s", series)], value)]);
    request(&[], vec![literal("x", "gauge", points)])
}

fn everything(start_ms: i64, end_ms: i64) -> SeriesQuestion<'static> {
    SeriesQuestion { selectors: &[], start_ms, end_ms, limit: None }
}

/// Every series of `x` with its last two minutes, at so many seconds.
async fn now(bench: &Bench, seconds: i64) -> String {
    bench.range((seconds, seconds, 1), "sort_by_label(sum by (s) (sum_over_time(x[2m])), \"s\")").await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_is_seen_wherever_it_lies() {
    let bench = Bench::new().await;
    let tenant = Tenant::default();
    bench.append(&tenant, sample(0, "a", 1.0)).await;
    assert_eq!(now(&bench, 0).await, "{s=\"a\"} 1@0");
    bench.append(&tenant, sample(0, "b", 10.0)).await;
    assert_eq!(now(&bench, 0).await, "{s=\"a\"} 1@0\n{s=\"b\"} 10@0");
    bench.storage.flush().await.unwrap();
    assert_eq!(now(&bench, 0).await, "{s=\"a\"} 1@0\n{s=\"b\"} 10@0");
    // Known already, new, and both from a file and from memory.
    for (series, value) in [("a", 2.0), ("c", 100.0)] {
        bench.append(&tenant, sample(30, series, value)).await;
    }
    let all = "{s=\"a\"} 3@30\n{s=\"b\"} 10@30\n{s=\"c\"} 100@30";
    assert_eq!(now(&bench, 30).await, all);
    bench.storage.flush().await.unwrap();
    assert_eq!(now(&bench, 30).await, all);
    bench.storage.compact().await.unwrap();
    assert_eq!(now(&bench, 30).await, all);
    // Out of order, into the midst of what is kept.
    bench.append(&tenant, sample(15, "a", 4.0)).await;
    assert!(now(&bench, 30).await.starts_with("{s=\"a\"} 7@30"));

    // The next day has only what was written on it.
    bench.append(&tenant, sample(DAY, "b", 5.0)).await;
    assert_eq!(now(&bench, DAY).await, format!("{{s=\"b\"}} 5@{DAY}"));
    for stage in ["in memory", "in files", "in merged files"] {
        let on = async |day: i64| {
            let (start, end) = (START + day * DAY * 1000, START + day * DAY * 1000 + 1000);
            bench.engine.label_values(&tenant, "s", &everything(start, end)).await.unwrap().items
        };
        assert_eq!((on(0).await.join(" "), on(1).await.join(" ")), ("a b c".to_owned(), "b".to_owned()), "{stage}");
        match stage {
            "in memory" => bench.storage.flush().await.unwrap(),
            _ => drop(bench.storage.compact().await.unwrap()),
        }
    }
    bench.storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn large_batches_of_the_buffer_are_read_once_and_never_mistaken() {
    let bench = Bench::new().await;
    let tenant = Tenant::default();
    for round in 0..3 {
        let series: Vec<String> = (0..5000).map(|series| series.to_string()).collect();
        let points = series.iter().map(|series| number(round, &[("s", series)], 1.0)).collect();
        bench.append(&tenant, request(&[], vec![literal("x", "gauge", gauge(points))])).await;
        let so_far = f64::from(u32::try_from(round + 1).unwrap()) * 5000.0;
        for _ in 0..2 {
            assert_eq!(bench.at(round, "sum(sum_over_time(x[1m]))").await, format!("{{}} {so_far}"));
        }
        if round == 1 {
            bench.storage.flush().await.unwrap();
        }
    }
    assert_eq!(bench.at(2, "sum(sum_over_time(x{s=~\"12.\"}[1m]))").await, "{} 30");
    bench.storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn caches_without_room_change_no_answer() {
    let bench = Bench::new().await;
    bench.engine.set_limits(Limits { cached_series: 0, cached_sample_bytes: 0, ..Limits::default() });
    let tenant = Tenant::default();
    bench.append(&tenant, sample(0, "a", 1.0)).await;
    bench.storage.flush().await.unwrap();
    bench.append(&tenant, sample(10, "a", 2.0)).await;
    for _ in 0..2 {
        assert_eq!(now(&bench, 10).await, "{s=\"a\"} 3@10");
    }
    bench.storage.close().await.unwrap();
}

/// Asked about nothing yet, and after everything that changes files.
#[tokio::test(flavor = "multi_thread")]
async fn indexes_are_there_before_a_question() {
    let bench = Bench::new().await;
    let (tenant, other) = (Tenant::default(), Tenant::new("other").unwrap());
    for (tenant, count) in [(&tenant, 3), (&other, 2)] {
        for series in 0..count {
            bench.append(tenant, sample(0, &series.to_string(), 1.0)).await;
        }
    }
    bench.storage.flush().await.unwrap();
    let engine = bench.engine.clone();
    let keeping = tokio::spawn(async move { engine.keep_indexed().await });
    wait_until(async || bench.metric("trefoil_query_index_series") == 5.0).await;
    let asked = || bench.metric("trefoil_query_index_hits_total");
    assert_eq!((asked(), bench.metric("trefoil_query_index_updates_total")), (0.0, 2.0));
    assert!(bench.metric("trefoil_query_index_bytes") > 500.0);
    assert_eq!(now(&bench, 0).await, "{s=\"0\"} 1@0\n{s=\"1\"} 1@0\n{s=\"2\"} 1@0");
    assert_eq!((asked(), bench.metric("trefoil_query_index_updates_total")), (1.0, 2.0));
    bench.append(&tenant, sample(0, "3", 1.0)).await;
    bench.storage.flush().await.unwrap();
    wait_until(async || bench.metric("trefoil_query_index_series") == 6.0).await;
    let updates = bench.metric("trefoil_query_index_updates_total");
    assert_eq!(bench.at(0, "count(x)").await, "{} 4");
    assert_eq!((asked(), bench.metric("trefoil_query_index_updates_total")), (2.0, updates));
    // Less room: the tenant that was asked about longest ago goes.
    bench.engine.set_limits(Limits { cached_series: 4, ..Limits::default() });
    assert_eq!(bench.metric("trefoil_query_index_series"), 4.0);
    assert_eq!(bench.metric("trefoil_query_index_evictions_total"), 1.0);
    assert_eq!(bench.at(0, "count(x)").await, "{} 4");
    keeping.abort();
    bench.storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn recent_numbers_are_decoded_before_a_question() {
    let bench = Bench::new().await;
    let tenant = Tenant::default();
    bench.append(&tenant, sample(0, "a", 1.0)).await;
    bench.storage.flush().await.unwrap();
    let counts = || ["hits", "misses"].map(|name| bench.metric(&format!("trefoil_query_sample_cache_{name}_total")));
    bench.engine.decode_numbers_since(&tenant, START + 1).await.unwrap();
    assert_eq!(bench.metric("trefoil_query_sample_cache_bytes"), 0.0, "older than wanted");
    bench.engine.decode_numbers_since(&tenant, START).await.unwrap();
    assert_eq!((counts(), now(&bench, 0).await), ([0.0, 0.0], "{s=\"a\"} 1@0".to_owned()));
    assert_eq!(counts(), [1.0, 0.0]);
    bench.storage.close().await.unwrap();
}

/// What is too large stays out without taking what is there with it.
#[tokio::test(flavor = "multi_thread")]
async fn only_what_there_is_room_for_is_indexed_unasked() {
    let bench = Bench::new().await;
    let (tenant, other) = (Tenant::default(), Tenant::new("other").unwrap());
    for (tenant, count) in [(&tenant, 1), (&other, 5), (&Tenant::new("small").unwrap(), 2)] {
        for series in 0..count {
            bench.append(tenant, sample(0, &series.to_string(), 1.0)).await;
        }
    }
    bench.storage.flush().await.unwrap();
    bench.engine.set_limits(Limits { cached_series: 4, ..Limits::default() });
    let engine = bench.engine.clone();
    let keeping = tokio::spawn(async move { engine.keep_indexed().await });
    wait_until(async || bench.metric("trefoil_query_index_series") == 3.0).await;
    assert_eq!(bench.metric("trefoil_query_index_evictions_total"), 0.0);
    keeping.abort();
    bench.storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_and_kept_is_counted() {
    let bench = Bench::new().await;
    bench.append(&Tenant::default(), sample(0, "a", 1.0)).await;
    bench.storage.flush().await.unwrap();
    bench.append(&Tenant::default(), sample(2 * DAY, "a", 1.0)).await;
    bench.storage.flush().await.unwrap();
    let names = ["index_hits", "index_updates", "sample_cache_hits", "sample_cache_misses"];
    let counts = || names.map(|name| bench.metric(&format!("trefoil_query_{name}_total")));
    let files = || ["files", "pruned_files"].map(|name| bench.metric(&format!("trefoil_storage_scan_{name}_total")));
    assert_eq!((counts(), files()), ([0.0; 4], [0.0; 2]));
    assert_eq!(now(&bench, 0).await, "{s=\"a\"} 1@0");
    // Two files of `series`, and one of two of `samples`.
    assert_eq!((counts(), files()), ([0.0, 1.0, 0.0, 1.0], [3.0, 1.0]));
    assert!(bench.metric("trefoil_query_sample_cache_bytes") > 0.0);
    assert_eq!(now(&bench, 0).await, "{s=\"a\"} 1@0");
    assert_eq!((counts(), files()), ([1.0, 1.0, 1.0, 1.0], [3.0, 2.0]), "what is decoded needs no file");
    bench.engine.set_limits(Limits { cached_sample_bytes: 0, ..Limits::default() });
    assert_eq!(bench.metric("trefoil_query_sample_cache_bytes"), 0.0);
    assert_eq!(bench.metric("trefoil_query_sample_cache_evictions_total"), 1.0);
    bench.storage.close().await.unwrap();
}

/// After a restart a sender's metadata comes later than its samples: the same series is of two metrics then.
#[tokio::test(flavor = "multi_thread")]
async fn a_series_whose_type_was_learned_later_is_one() {
    let directory = tempfile::tempdir().unwrap();
    let tenant = Tenant::default();
    for (round, kind) in ["counter", "unknown", "counter"].into_iter().enumerate() {
        let mut config = StorageConfig::in_directory(directory.path());
        config.compaction.interval = Duration::ZERO;
        config.garbage.interval = Duration::ZERO;
        let storage = Storage::open(config).await.unwrap();
        let engine = Engine::new(storage.clone(), 64 << 20).unwrap();
        let seconds = i64::try_from(round).unwrap() * 10;
        let points = gauge(vec![number(seconds, &[("s", "a")], round as f64)]);
        let message = request(&[], vec![literal("x_total", kind, points)]);
        storage.append(&tenant, Signal::Metrics, message.encode_to_vec().into()).await.unwrap();
        let at = START + seconds * 1000;
        let options = PromqlOptions::default();
        let answer = engine.promql_instant(&tenant, "count_over_time(x_total[1m])", at, &options).await.unwrap();
        assert_eq!(shown(&answer.result), format!("{{s=\"a\"}} {}", round + 1), "{kind}");
        let listed = engine.label_values(&tenant, METRIC_NAME, &everything(at, at)).await.unwrap();
        assert_eq!(listed.items, ["x_total"]);
        storage.close().await.unwrap();
    }
}
