//! Prometheus' own tests of PromQL, over a real store: what they load is written as Prometheus' own ways of intake write it,
//! and read back by `trefoil_query`. The evaluation has its own run of these scripts (`crates/promql/tests/promqltest`, whose
//! reader and comparison this one uses); here the way through the store counts.
//!
//! How many evaluations of a script may fail stands in [`FILES`], each with its reason there. The numbers may only shrink.

#![allow(clippy::unwrap_used)]

// Of the other run's files only a part is needed here.
#[path = "../../../promql/tests/promqltest/chunks.rs"]
#[allow(dead_code)]
mod chunks;
#[path = "../../../promql/tests/promqltest/compare.rs"]
#[allow(dead_code)]
mod compare;
mod load;
#[path = "../../../promql/tests/promqltest/nhcb.rs"]
mod nhcb;
#[path = "../../../promql/tests/promqltest/script.rs"]
#[allow(dead_code)]
mod script;
#[path = "../../../promql/tests/promqltest/series.rs"]
#[allow(dead_code)]
mod series;

use std::path::PathBuf;
use std::time::Duration;

use prost::Message;
use script::{CommandKind, Eval, EvalKind, LoadedSeries};
use trefoil_model::{Signal, Tenant};
use trefoil_promql::eval::{Answer, EngineOptions};
use trefoil_query::Engine;
use trefoil_query::metrics::{PromqlError, PromqlOptions};
use trefoil_storage::{Storage, StorageConfig};

/// Scripts, how many of their evaluations fail, and why.
const FILES: &[(&str, usize, &str)] = &[
    ("aggregators.test", 1, "bytes that are no UTF-8 in an error, as without the store"),
    ("at_modifier.test", 0, ""),
    ("collision.test", 0, ""),
    ("duration_expression.test", 0, ""),
    ("extended_vectors.test", 0, ""),
    ("fill-modifier.test", 0, ""),
    ("functions.test", 0, ""),
    ("histograms.test", 0, ""),
    ("info.test", 0, ""),
    ("limit.test", 0, ""),
    ("literals.test", 0, ""),
    ("name_label_dropping.test", 0, ""),
    ("native_histograms.test", 0, ""),
    ("operators.test", 0, ""),
    ("range_queries.test", 0, ""),
    ("selectors.test", 0, ""),
    ("staleness.test", 0, ""),
    ("start_timestamps.test", 0, ""),
    ("subquery.test", 0, ""),
    ("trig_functions.test", 0, ""),
    ("type_and_unit.test", 0, ""),
];

/// `None` where the data is missing, which is a failure with `CI` set.
fn directory() -> Option<PathBuf> {
    let default = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance"));
    let conformance = std::env::var_os("TREFOIL_CONFORMANCE").map_or_else(default, PathBuf::from);
    let directory = conformance.join("prometheus/promql/promqltest/testdata");
    if directory.is_dir() {
        return Some(directory);
    }
    assert!(std::env::var_os("CI").is_none(), "conformance data is missing: {}", directory.display());
    eprintln!("skipped: no conformance data at {} (set TREFOIL_CONFORMANCE)", directory.display());
    None
}

/// What the Prometheus server has on where it runs these scripts.
fn options(file: &str) -> PromqlOptions {
    let engine = EngineOptions {
        max_samples: 10_000,
        delayed_name_removal: true,
        type_and_unit_labels: file == "type_and_unit.test",
        use_start_timestamps: file == "start_timestamps.test",
        ..EngineOptions::default()
    };
    PromqlOptions { engine, ..PromqlOptions::default() }
}

struct Run<'r> {
    engine: &'r Engine,
    storage: &'r Storage,
    options: PromqlOptions,
    /// `clear` moves on to a tenant that has nothing yet.
    tenant: Tenant,
}

impl Run<'_> {
    async fn load(&self, series: &[LoadedSeries]) {
        let body = load::request(series).encode_to_vec().into();
        let appended = self.storage.append(&self.tenant, Signal::Metrics, body).await.unwrap();
        assert_eq!(appended.rejected, 0, "{:?}", appended.message);
    }

    async fn evaluate(&self, eval: &Eval) -> Result<(), String> {
        let (engine, tenant, query) = (self.engine, &self.tenant, eval.query.as_str());
        let answer: Result<Answer, PromqlError> = match eval.kind {
            EvalKind::Range => engine.promql_range(tenant, query, eval.steps, &self.options).await,
            EvalKind::Instant(time) | EvalKind::InstantOnly(time) => {
                engine.promql_instant(tenant, query, time, &self.options).await
            }
        };
        match (&eval.fail, answer) {
            (None, Ok(answer)) => {
                compare::annotations(eval, &answer.annotations)?;
                compare::result(eval, &answer.result)
            }
            (None, Err(failure)) => Err(format!("failed: {failure}")),
            (Some(_), Ok(_)) => Err("expected a failure".to_owned()),
            (Some(expected), Err(failure)) if expected.fits(&failure.to_string()) => Ok(()),
            (Some(expected), Err(failure)) => Err(format!("expected the failure {expected:?}, got {failure}")),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_pass_through_the_store() {
    let Some(directory) = directory() else { return };
    let place = tempfile::tempdir().unwrap();
    let mut config = StorageConfig::in_directory(place.path());
    config.compaction.interval = Duration::ZERO;
    config.garbage.interval = Duration::ZERO;
    let storage = Storage::open(config).await.unwrap();
    let engine = Engine::new(storage.clone(), 64 << 20).unwrap();
    let mut message = String::new();
    for (number, (file, allowed, reason)) in FILES.iter().enumerate() {
        let text = std::fs::read_to_string(directory.join(file)).unwrap();
        let commands = script::parse(&text).unwrap_or_else(|error| panic!("{file}:{}: {}", error.line, error.message));
        let tenant = |clears: usize| Tenant::new(&format!("script-{number}-{clears}")).unwrap();
        let mut clears = 0;
        let mut run = Run { engine: &engine, storage: &storage, options: options(file), tenant: tenant(clears) };
        let (mut evaluations, mut failures) = (0, Vec::new());
        for command in &commands {
            match &command.kind {
                CommandKind::Clear => {
                    clears += 1;
                    run.tenant = tenant(clears);
                }
                CommandKind::Load(load) => {
                    run.load(&load.series).await;
                    if load.with_nhcb {
                        run.load(&nhcb::convert(&load.series).unwrap()).await;
                    }
                }
                CommandKind::Eval(eval) => {
                    evaluations += 1;
                    if let Err(difference) = run.evaluate(eval).await {
                        let difference: String = difference.chars().take(500).collect();
                        failures.push(format!("{file}:{}: {}\n    {difference}\n", command.line, eval.query));
                    }
                }
            }
        }
        if failures.len() != *allowed {
            let passed = evaluations - failures.len();
            message.push_str(&format!(
                "{file}: {passed} of {evaluations}, {allowed} may fail ({reason})\n{}",
                failures.concat()
            ));
        }
    }
    storage.close().await.unwrap();
    assert!(message.is_empty(), "\n{message}");
}
