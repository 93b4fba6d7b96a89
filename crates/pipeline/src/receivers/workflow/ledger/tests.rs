use std::path::Path;
use std::time::Duration;

use super::*;

const RETIRE: Retire = Retire { finished: Duration::from_secs(10), idle: Duration::from_secs(100) };
const AGES: Ages = Ages { pending: Duration::ZERO, refresh: Duration::from_secs(1), retire: RETIRE };
const LIMITS: Limits = Limits { max_instances: 3, max_states: 4, max_event_bytes: 1000, max_attributes: 10 };

fn change(instance: &str, id: &str, state: &str) -> (Subject, Change) {
    let subject = Subject { source: "/s".into(), instance: instance.into(), joins: String::new() };
    let json = serde_json::json!({"id": id, "kind": state, "time": 5, "state": state, "workflow": "w", "service": "s",
        "is_final": state == "done"});
    (subject, serde_json::from_value(json).unwrap())
}

async fn open(directory: &Path) -> Ledger {
    Ledger::open(directory.join("w"), LIMITS).await.unwrap()
}

async fn record(ledger: &Ledger, changes: Vec<(Subject, Change)>, now: i64) -> Recorded {
    ledger.record(Tenant::default(), changes, now).await.unwrap()
}

fn events(known: &Known) -> Vec<&str> {
    known.instance.changes.iter().map(|change| change.id.as_str()).collect()
}

#[tokio::test]
async fn an_event_is_there_once_and_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = open(directory.path()).await;
    let first = record(&ledger, vec![change("a", "1", "x"), change("a", "1", "x"), change("b", "2", "x")], 1).await;
    assert_eq!(first.outcomes, [Outcome::New, Outcome::Duplicate, Outcome::New]);
    assert_eq!(first.instances.iter().map(events).collect::<Vec<_>>(), [["1"], ["2"]]);
    ledger.delivered(vec![(first.instances[0].place, 1)], 1).await;
    // Without a word, as in a crash: what was answered is on disk.
    drop(ledger);

    let ledger = open(directory.path()).await;
    let again = record(&ledger, vec![change("a", "1", "x"), change("a", "3", "done")], 2).await;
    assert_eq!(again.outcomes, [Outcome::Duplicate, Outcome::New]);
    assert_eq!((events(&again.instances[0]), again.instances[0].instance.delivered), (vec!["1", "3"], 1));
    assert!(again.instances[0].instance.is_finished());
    let swept = ledger.sweep(3, AGES).await.unwrap();
    assert_eq!((swept.running, swept.finished, swept.retired), (1, 1, 0));
    assert_eq!(swept.pending.iter().map(events).collect::<Vec<_>>(), [vec!["2"], vec!["1", "3"]]);
    ledger.close().await;
    assert!(matches!(ledger.sweep(3, AGES).await, Err(LedgerError::Failed)));
}

#[tokio::test]
async fn source_and_id_are_of_one_instance_and_tenants_know_nothing_of_each_other() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = open(directory.path()).await;
    let recorded = record(&ledger, vec![change("a", "1", "x"), change("b", "1", "x")], 1).await;
    assert!(matches!(&recorded.outcomes[1], Outcome::Refused(reason) if reason.contains("another instance")));
    let other = ledger.record(Tenant::new("acme").unwrap(), vec![change("b", "1", "x")], 1).await.unwrap();
    assert_eq!(other.outcomes, [Outcome::New]);
    let mut elsewhere = change("b", "1", "x");
    elsewhere.0.source = "/t".into();
    assert_eq!(record(&ledger, vec![elsewhere], 1).await.outcomes, [Outcome::New]);
}

#[tokio::test]
async fn limits_are_errors_and_finished_instances_make_room() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = open(directory.path()).await;
    let many = (0..5).map(|id| change("a", &id.to_string(), "x")).collect();
    let recorded = record(&ledger, many, 1).await;
    assert_eq!(recorded.outcomes[3], Outcome::New);
    assert!(matches!(&recorded.outcomes[4], Outcome::Refused(reason) if reason.contains("limits.max_states")));

    let done = record(&ledger, vec![change("b", "b", "done"), change("c", "c", "x"), change("d", "d", "x")], 1).await;
    assert!(matches!(&done.outcomes[2], Outcome::Full(reason) if reason.contains("limits.max_instances")));
    let place = done.instances.iter().find(|known| known.instance.is_finished()).unwrap().place;
    ledger.delivered(vec![(place, 1)], 1).await;
    assert_eq!(record(&ledger, vec![change("d", "d", "x")], 1).await.outcomes, [Outcome::New]);
    assert!(matches!(record(&ledger, vec![change("b", "b", "x")], 1).await.outcomes[0], Outcome::Full(_)));

    let mut long = change("c", "long", "x");
    long.1.kind = "x".repeat(5 << 20);
    assert!(
        matches!(&record(&ledger, vec![long], 1).await.outcomes[0], Outcome::Refused(reason) if reason.contains("bytes"))
    );
}

#[tokio::test]
async fn what_is_finished_or_idle_for_long_is_retired() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = open(directory.path()).await;
    let recorded = record(&ledger, vec![change("a", "1", "done"), change("b", "2", "x")], 0).await;
    ledger.delivered(recorded.instances.iter().map(|known| (known.place, 1)).collect(), 0).await;
    let swept = ledger.sweep(10_000, AGES).await.unwrap();
    assert_eq!((swept.retired, swept.pending.len(), swept.idle.len(), swept.finished), (0, 0, 0, 1));
    let swept = ledger.sweep(10_001, AGES).await.unwrap();
    assert_eq!((swept.retired, swept.idle.len(), swept.finished, swept.running), (1, 0, 0, 1));
    let idle = ledger.sweep(100_001, AGES).await.unwrap().idle;
    assert_eq!(events(&idle[0]), ["2"]);
    // It is not idle any more.
    record(&ledger, vec![change("b", "3", "x")], 100_001).await;
    ledger.forget(vec![(idle[0].place, 1)]).await;
    assert_eq!(ledger.sweep(100_002, AGES).await.unwrap().running, 1);
    ledger.forget(vec![(idle[0].place, 2)]).await;
    assert_eq!(ledger.sweep(100_002, AGES).await.unwrap().running, 0);
    assert_eq!(record(&ledger, vec![change("b", "2", "x")], 100_003).await.outcomes, [Outcome::New]);
}

#[tokio::test]
async fn what_was_written_otherwise_is_not_touched() {
    let directory = tempfile::tempdir().unwrap();
    open(directory.path()).await.close().await;
    let path = directory.path().join("w/workflows.sqlite");
    let url = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let mut connection = <sqlx::SqliteConnection as sqlx::Connection>::connect_with(&url).await.unwrap();
    sqlx::raw_sql("PRAGMA user_version = 2").execute(&mut connection).await.unwrap();
    drop(connection);
    let error = Ledger::open(directory.path().join("w"), LIMITS).await.err().unwrap().to_string();
    assert!(error.contains("written by another release (version 2"), "{error}");
    std::fs::write(
        &path,
        "no database at all, but long enough to have a header of a hundred bytes, which is what is looked at first",
    )
    .unwrap();
    assert!(Ledger::open(directory.path().join("w"), LIMITS).await.is_err());
}

#[tokio::test]
async fn what_runs_is_told_again_ever_more_rarely() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = open(directory.path()).await;
    let mut begun = change("a", "1", "x");
    begun.1.time = 1_000_000_000;
    let place = record(&ledger, vec![begun, change("b", "2", "done")], 1_000).await.instances[0].place;
    let is_due = async |now| {
        let due = ledger.sweep(now, AGES).await.unwrap().running_on;
        due.iter().map(|known| known.place).collect::<Vec<_>>()
    };
    assert_eq!(is_due(5_000).await, [0; 0], "it has yet to be handed on");
    ledger.delivered(vec![(place, 1)], 1_000).await;
    assert_eq!(is_due(1_999).await, [0; 0]);
    assert_eq!(is_due(2_000).await, [place]);
    ledger.delivered(vec![(place, 1)], 51_000).await;
    assert_eq!(is_due(55_999).await, [0; 0], "a tenth of 50 seconds");
    assert_eq!(is_due(56_000).await, [place]);
}
