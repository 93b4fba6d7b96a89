//! What was deleted is gone at once and wherever it lies, may come back for a while, and nothing else goes.

use std::path::Path;
use std::time::Duration;

use trefoil_model::{Table, Tenant};
use trefoil_query::Engine;
use trefoil_query::logs::{Cancelled, DeletionStatus, LogDeletion};
use trefoil_storage::Storage;

use super::{lines, open, push};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn request(id: &str, query: &str, (first_nanos, last_nanos): (i64, i64)) -> LogDeletion {
    LogDeletion {
        tenant: Tenant::default(),
        id: id.to_owned(),
        query: query.to_owned(),
        first_nanos,
        last_nanos,
        created_at: chrono::Utc::now().timestamp_millis(),
        status: DeletionStatus::Received,
    }
}

async fn delete(engine: &Engine, id: &str, query: &str, period: (i64, i64)) -> u64 {
    engine.delete_logs(request(id, query, period)).await.unwrap()
}

async fn status(engine: &Engine) -> Vec<(String, DeletionStatus)> {
    let deletions = engine.log_deletions(&Tenant::default()).await.unwrap();
    deletions.into_iter().map(|deletion| (deletion.id, deletion.status)).collect()
}

const ALL: (i64, i64) = (0, i64::MAX);

/// Some lie in a merged file, some in one as it was flushed, some in the buffer.
async fn fill(storage: &Storage) {
    let ours = Tenant::default();
    push(storage, &ours, "a", &[(1, "one error"), (2, "two")]).await;
    storage.flush().await.unwrap();
    push(storage, &ours, "b", &[(3, "three error"), (4, r#"{"level":"debug"}"#)]).await;
    storage.flush().await.unwrap();
    storage.compact().await.unwrap();
    push(storage, &ours, "a", &[(5, "five"), (6, "six error")]).await;
    storage.flush().await.unwrap();
    push(storage, &ours, "b", &[(7, "seven")]).await;
    push(storage, &ours, "a", &[(8, "eight error")]).await;
}

const FILLED: [&str; 8] = [
    "a:one error",
    "a:two",
    "b:three error",
    r#"b:{"level":"debug"}"#,
    "a:five",
    "a:six error",
    "b:seven",
    "a:eight error",
];

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_gone_wherever_they_lie_and_come_back() {
    // The numbers of the lines that go.
    let cases: [(&str, (i64, i64), &[usize]); 8] = [
        (r#"{app="a"}"#, ALL, &[1, 2, 5, 6, 8]),
        (r#"{app="a"} |= "error""#, ALL, &[1, 6, 8]),
        (r#"{app=~".+"} |= "error""#, (3, 6), &[3, 6]),
        (r#"{app="b"} != "three""#, ALL, &[4, 7]),
        (r#"{app="b"} | json | level="debug""#, ALL, &[4]),
        (r#"{app=~".+"} | detected_level="debug""#, ALL, &[4]),
        (r#"{app=~".+"}"#, ALL, &[1, 2, 3, 4, 5, 6, 7, 8]),
        (r#"{app="c"}"#, ALL, &[]),
    ];
    let (ours, other) = (Tenant::default(), Tenant::new("other").unwrap());
    let directory = tempfile::tempdir().unwrap();
    let (storage, engine) = open(directory.path()).await;
    push(&storage, &other, "a", &[(1, "not ours, error")]).await;
    fill(&storage).await;
    for (number, (query, period, gone)) in cases.into_iter().enumerate() {
        let id = number.to_string();
        assert_eq!(delete(&engine, &id, query, period).await, gone.len() as u64, "{query}");
        let left = (1..).zip(FILLED).filter(|(number, _)| !gone.contains(number)).map(|(_, line)| line);
        assert_eq!(lines(&engine, &ours).await, left.collect::<Vec<_>>(), "{query}");
        assert_eq!(status(&engine).await, [(id.clone(), DeletionStatus::Withheld)]);
        // What nobody lists is collected; what can come back is kept.
        storage.compact().await.unwrap();
        storage.clean().await.unwrap();
        storage.collect().await.unwrap();
        assert_eq!(engine.cancel_log_deletion(&other, &id, true).await.unwrap(), Cancelled::NoSuchRequest);
        assert_eq!(engine.cancel_log_deletion(&ours, &id, false).await.unwrap(), Cancelled::Restored);
        assert_eq!(lines(&engine, &ours).await, FILLED, "{query}");
        assert_eq!(status(&engine).await, []);
        assert_eq!(engine.cancel_log_deletion(&ours, &id, false).await.unwrap(), Cancelled::NoSuchRequest);
    }
    assert_eq!(lines(&engine, &other).await, ["a:not ours, error"]);
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_afterwards_stays() {
    let directory = tempfile::tempdir().unwrap();
    let (storage, engine) = open(directory.path()).await;
    fill(&storage).await;
    assert_eq!(delete(&engine, "x", r#"{app="a"}"#, ALL).await, 5);
    push(&storage, &Tenant::default(), "a", &[(2, "two")]).await;
    let left = ["a:two", "b:three error", r#"b:{"level":"debug"}"#, "b:seven"];
    assert_eq!(lines(&engine, &Tenant::default()).await, left);
    storage.flush().await.unwrap();
    storage.compact().await.unwrap();
    engine.finish_deletions(DAY).await.unwrap();
    assert_eq!(lines(&engine, &Tenant::default()).await, left);
    storage.close().await.unwrap();
    let (storage, engine) = open(directory.path()).await;
    assert_eq!(lines(&engine, &Tenant::default()).await, left);
    engine.finish_deletions(Duration::ZERO).await.unwrap();
    assert_eq!(lines(&engine, &Tenant::default()).await, left);
    storage.close().await.unwrap();
}

/// Objects of logs.
fn objects(directory: &Path) -> usize {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { objects(&path) } else { 1 }).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_while_they_are_gone_for_good() {
    let ours = Tenant::default();
    let directory = tempfile::tempdir().unwrap();
    let (storage, engine) = open(directory.path()).await;
    fill(&storage).await;
    delete(&engine, "x", r#"{app="a"}"#, ALL).await;
    engine.finish_deletions(DAY).await.unwrap();
    assert_eq!(status(&engine).await, [("x".to_owned(), DeletionStatus::Withheld)]);
    storage.clean().await.unwrap();
    let listed = async || storage.snapshot(&ours).await.unwrap().files(Table::Logs).len();
    assert!(objects(&directory.path().join("data")) > listed().await, "what was deleted is there");
    tokio::time::sleep(Duration::from_millis(2)).await;
    engine.finish_deletions(Duration::ZERO).await.unwrap();
    assert_eq!(status(&engine).await, [("x".to_owned(), DeletionStatus::Processed)]);
    assert_eq!(objects(&directory.path().join("data")), listed().await, "nothing else is there");
    assert_eq!(engine.cancel_log_deletion(&ours, "x", false).await.unwrap(), Cancelled::TooLate);
    assert_eq!(engine.cancel_log_deletion(&ours, "x", true).await.unwrap(), Cancelled::Forgotten);
    assert_eq!(status(&engine).await, []);
    assert_eq!(lines(&engine, &ours).await, ["b:three error", r#"b:{"level":"debug"}"#, "b:seven"]);
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_only_remembered_is_worked_off_by_the_next_process() {
    let directory = tempfile::tempdir().unwrap();
    let (storage, engine) = open(directory.path()).await;
    fill(&storage).await;
    let remembered = request("x", r#"{app="a"}"#, ALL);
    storage.deletions().add_deletion(&remembered, 10).await.unwrap().unwrap();
    storage.close().await.unwrap();
    drop(engine);
    let (storage, engine) = open(directory.path()).await;
    assert_eq!(lines(&engine, &Tenant::default()).await, FILLED);
    engine.finish_deletions(DAY).await.unwrap();
    assert_eq!(lines(&engine, &Tenant::default()).await.len(), 3);
    assert_eq!(status(&engine).await, [("x".to_owned(), DeletionStatus::Withheld)]);
    engine.finish_deletions(DAY).await.unwrap();
    assert_eq!(engine.cancel_log_deletion(&Tenant::default(), "x", false).await.unwrap(), Cancelled::Restored);
    assert_eq!(lines(&engine, &Tenant::default()).await, FILLED);
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_request_takes_nothing_and_half_a_one_gives_everything_back() {
    let ours = Tenant::default();
    let directory = tempfile::tempdir().unwrap();
    let (storage, engine) = open(directory.path()).await;
    fill(&storage).await;
    let deletion = request("x", r#"{app="a"}"#, ALL);
    let pick_all = |rows: usize| {
        let mut picked = trefoil_storage::Picked::default();
        picked.insert(0, arrow::buffer::BooleanBuffer::new_set(rows));
        picked
    };
    // Nobody remembers it: it is as if it was cancelled meanwhile.
    let begun = storage.begin_deletion(&ours).await.unwrap();
    let files = begun.snapshot().files(Table::Logs);
    let mut withholding = begun.withholding(&deletion);
    withholding.take(&files[0], pick_all(files[0].rows as usize)).await.unwrap();
    assert!(matches!(withholding.finish().await, Err(trefoil_storage::WithholdError::Cancelled)));
    assert_eq!(objects(&directory.path().join("data")), files.len() + 2, "what it wrote is gone (two were merged)");

    // The process that worked on it ended in between.
    storage.deletions().add_deletion(&deletion, 10).await.unwrap().unwrap();
    assert_eq!(storage.deletions().add_deletion(&request("y", "{}", ALL), 1).await.unwrap(), None, "there is one");
    let wrong = trefoil_storage::Picked::default();
    let mut withholding = begun.withholding(&deletion);
    withholding.take(&files[1], wrong).await.unwrap();
    let too_few = pick_all(1);
    if files[1].rows > 1 {
        assert!(withholding.take(&files[1], too_few).await.is_err());
    }
    withholding.give_up().await;
    drop(begun);
    assert_eq!(lines(&engine, &ours).await, FILLED);
    assert_eq!(status(&engine).await, [("x".to_owned(), DeletionStatus::Received)]);
    assert_eq!(engine.cancel_log_deletion(&ours, "x", false).await.unwrap(), Cancelled::Restored);
    engine.finish_deletions(DAY).await.unwrap();
    assert_eq!((lines(&engine, &ours).await.len(), status(&engine).await), (8, vec![]));
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_query_of_lines_is_not_remembered() {
    let directory = tempfile::tempdir().unwrap();
    let (storage, engine) = open(directory.path()).await;
    for query in ["", "{", "rate({a=\"b\"}[5m])", r#"{app="a"} |~ "(""#] {
        assert!(engine.delete_logs(request("x", query, ALL)).await.is_err(), "{query}");
    }
    assert_eq!(status(&engine).await, []);
    storage.close().await.unwrap();
}
