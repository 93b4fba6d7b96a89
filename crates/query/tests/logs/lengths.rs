//! How long lines are, counted by streams: the same wherever they lie, and also where no column says it.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value::Value};
use trefoil_logql::parse_log;
use trefoil_model::Tenant;
use trefoil_query::{Engine, Limits};
use trefoil_storage::Storage;

use super::{config, push, push_bodies, text};

const LINES: [(i64, &str); 4] = [(10_000, ""), (11_000, "four"), (11_999, "é"), (15_000, r#"{"level":"info"}"#)];

/// Bytes of each stream in each thousand nanoseconds.
type Volumes = Vec<(String, BTreeMap<usize, u64>)>;

/// And bytes of all of them together, and how many lines there are.
async fn volumes(engine: &Engine) -> (Volumes, u64, u64) {
    let tenant = Tenant::default();
    let selector = parse_log(r#"{app=~".+"}"#).unwrap().selector;
    let period = (10_000, 20_000);
    let group = Box::new(|labels: &_| vec![Clone::clone(labels)]);
    let of = engine.log_volume(&tenant, selector.clone(), period, 1_000, group, Limits::default()).await.unwrap();
    let stats = engine.log_stats(&tenant, selector, period, Limits::default()).await.unwrap();
    let of = of.into_iter().map(|volume| (volume.labels.to_string(), volume.bytes));
    (of.collect(), stats.bytes, stats.entries)
}

async fn append(storage: &Storage) {
    push(storage, &Tenant::default(), "text", &LINES).await;
    // A line that is made of a value when it is asked for.
    let number = Some(AnyValue { value: Some(Value::IntValue(12_345)) });
    push_bodies(storage, &Tenant::default(), "mixed", vec![(10_000, number), (12_500, text("six…")), (17_000, None)])
        .await;
}

fn expected() -> (Volumes, u64, u64) {
    let mixed = (r#"{app="mixed"}"#, [(0, 5), (2, 6)].as_slice());
    let text = (r#"{app="text"}"#, [(1, 6), (5, 16)].as_slice());
    let volumes = [mixed, text].map(|(labels, bytes)| (labels.to_owned(), bytes.iter().copied().collect()));
    (volumes.to_vec(), 33, 7)
}

#[tokio::test(flavor = "multi_thread")]
async fn volumes_are_the_same_wherever_lines_lie() {
    let directory = tempfile::tempdir().unwrap();
    let open = |columns: usize| {
        let mut config = config(directory.path());
        config.fields.max_columns = columns;
        async move {
            let storage = Storage::open(config).await.unwrap();
            let engine = Engine::new(storage.clone(), 256 << 20).unwrap();
            (storage, engine)
        }
    };
    let (storage, engine) = open(0).await;
    append(&storage).await;
    assert_eq!(volumes(&engine).await, expected());
    // A file without a column of lengths.
    storage.flush().await.unwrap();
    assert_eq!(volumes(&engine).await, expected());
    storage.close().await.unwrap();
    drop((storage, engine));

    let (storage, engine) = open(10).await;
    let tenant = Tenant::default();
    push(&storage, &tenant, "more", &[(13_000, "new")]).await;
    storage.flush().await.unwrap();
    let (mut volumes_of_all, bytes, entries) = expected();
    let more = (r#"{app="more"}"#.to_owned(), BTreeMap::from([(3, 3)]));
    volumes_of_all.insert(1, more);
    let of_all = (volumes_of_all, bytes + 3, entries + 1);
    assert_eq!(volumes(&engine).await, of_all);
    assert!(storage.compact().await.unwrap() > 0);
    assert_eq!(volumes(&engine).await, of_all);
}
