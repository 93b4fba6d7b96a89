//! What questions hold of the memory of all queries: whatever they read, and their answers for as long as those are kept.

use trefoil_model::Tenant;
use trefoil_promql::eval::Answer;
use trefoil_promql::steps::Steps;
use trefoil_query::metrics::{PromqlError, PromqlOptions, SeriesQuestion};
use trefoil_query::{Limits, QueryError};

use super::bench::{Bench, START, gauge, metric, number, request};
use super::{CART, every_kind};

const MIB: f64 = 1_048_576.0;
const MEMORY: &str = "trefoil_query_memory_bytes";
/// Of a hundred series 8 MiB of doubles.
const STEPS: i64 = 11_000;

async fn bench() -> Bench {
    let bench = Bench::new().await;
    let points = (0..100).map(|n| number(0, &[("n", &n.to_string())], f64::from(n))).collect();
    bench.append(&Tenant::default(), request(CART, vec![metric("x", "", gauge(points))])).await;
    bench
}

async fn ask(bench: &Bench, query: &str) -> Result<Answer, PromqlError> {
    let steps = Steps::range(START, START + STEPS * 10, 10);
    bench.engine.promql_range(&Tenant::default(), query, steps, &PromqlOptions::default()).await
}

fn is_refused(error: &PromqlError) -> bool {
    matches!(error, PromqlError::Execution(text) if text.contains("64MiB") && text.contains("query.max_memory"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_held_until_it_is_gone() {
    let bench = bench().await;
    let answer = ask(&bench, "x").await.unwrap();
    let held = bench.metric(MEMORY) / MIB;
    assert!((8.0..10.0).contains(&held), "{held} MiB");
    let other = ask(&bench, "x").await.unwrap();
    assert_eq!(bench.metric(MEMORY) / MIB, 2.0 * held);
    drop(answer);
    assert_eq!(bench.metric(MEMORY) / MIB, held);
    drop(other);
    assert_eq!(bench.metric(MEMORY), 0.0);
    assert_eq!(bench.metric("trefoil_query_memory_limit_bytes") / MIB, 64.0);
    bench.storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn all_languages_share_one_memory() {
    let bench = bench().await;
    let sort =
        "SELECT value % 1000 AS v, count(*) FROM generate_series(1, 300000) AS t(value) GROUP BY value ORDER BY 2, 1";
    let sql = async || bench.engine.sql(&Tenant::default(), sort, Limits::default()).await?.collect().await;
    let before = ask(&bench, "sum(x > 1)").await.unwrap().stats.samples;
    assert!(sql().await.is_ok());

    let others = bench.engine.memory();
    others.grow(64 << 20).unwrap();
    let refused = ask(&bench, "sum(x > 1)").await.unwrap_err();
    assert!(is_refused(&refused), "{refused}");
    let refused = sql().await.unwrap_err();
    assert!(matches!(&refused, QueryError::LimitExceeded(text) if text.contains("query.max_memory")), "{refused}");
    // What holds little is answered: what is read and added up in batches, too.
    assert!(bench.at(0, "sum(x)").await.ends_with(" 4950"));
    assert_eq!(bench.metric("trefoil_query_memory_refusals_total"), 1.0);

    drop(others);
    assert_eq!(bench.metric(MEMORY), 0.0);
    assert_eq!(ask(&bench, "sum(x > 1)").await.unwrap().stats.samples, before);
    assert!(sql().await.is_ok());
    bench.storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_of_every_kind_give_back_what_they_held() {
    let bench = Bench::new().await;
    let tenant = Tenant::default();
    for round in 1..=3 {
        bench.append(&tenant, request(CART, every_kind(i64::try_from(round).unwrap() * 15, round))).await;
    }
    let all = [vec![]];
    let question = SeriesQuestion { selectors: &all, start_ms: START, end_ms: START + 60_000, limit: None };
    for is_in_files in [false, true] {
        for query in ["{__name__=~\".+\"}", "target_info", "{__name__=~\".+\"}[1m]", "count({__name__=~\".+\"})"] {
            assert!(!bench.at(60, query).await.is_empty(), "{query}");
        }
        let series = bench.engine.series(&tenant, &question).await.unwrap();
        assert!(series.memory.bytes() > series.items.len() * 80, "{series:?}");
        let names = bench.engine.label_names(&tenant, &question).await.unwrap();
        let texts: usize = names.items.iter().map(String::len).sum();
        assert_eq!(names.memory.bytes(), texts + names.items.len() * size_of::<String>());
        let mut stream = bench.engine.series_stream(&tenant, vec![], START, START + 60_000, 1_000_000).await.unwrap();
        while stream.next().await.unwrap().is_some() {}
        // Questions so small hold no whole MiB, so that a full memory refuses none of them.
        let others = bench.engine.memory();
        others.grow(64 << 20).unwrap();
        assert!(!bench.at(60, "{__name__=~\".+\"}").await.contains("execution"));
        drop(others);
        assert_eq!(bench.metric(MEMORY), 0.0);
        if !is_in_files {
            bench.storage.flush().await.unwrap();
        }
    }
    bench.storage.close().await.unwrap();
}
