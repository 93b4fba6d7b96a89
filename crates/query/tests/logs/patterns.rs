//! Patterns of lines: counted as they arrive, looked for in stored lines for times from before.

use std::time::Duration;

use chrono::Utc;
use tokio::task::JoinHandle;
use trefoil_logql::parse_selector;
use trefoil_model::Tenant;
use trefoil_query::logs::{PatternOptions, PatternsRequest};
use trefoil_query::{Engine, Limits};

use super::{open, push};

const STEP: i64 = 10_000_000_000;
const MINUTE: i64 = 60_000_000_000;

/// Level, pattern and counts of all patterns, the times as steps since `start`.
async fn patterns(engine: &Engine, tenant: &Tenant, query: &str, period: (i64, i64), step: i64) -> Vec<String> {
    let request = PatternsRequest { selector: parse_selector(query).unwrap(), period, step };
    let found = engine.log_patterns(tenant, request, Limits::default()).await.unwrap();
    let told = found.into_iter().map(|found| {
        let counts: Vec<String> =
            found.mined.counts.iter().map(|(time, count)| format!("{}={count}", (time - period.0) / step)).collect();
        format!("{} {} {}", found.level.unwrap_or_default(), found.mined.pattern, counts.join(" "))
    });
    told.collect()
}

/// Lines that arrive after it are looked at.
async fn mine(engine: &Engine) -> JoinHandle<()> {
    let engine = engine.clone();
    let mut mining = Box::pin(async move { engine.mine_patterns().await });
    assert!(futures::poll!(&mut mining).is_pending());
    tokio::spawn(mining)
}

async fn eventually(engine: &Engine, query: &str, period: (i64, i64), expected: &[&str]) {
    let mut found = Vec::new();
    for _ in 0..1_000 {
        found = patterns(engine, &Tenant::default(), query, period, STEP).await;
        if found == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{found:#?} is not {expected:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_and_store_tell_the_same_and_nothing_twice() {
    let (ours, other) = (Tenant::default(), Tenant::new("other").unwrap());
    let directory = tempfile::tempdir().unwrap();
    let (storage, engine) = open(directory.path()).await;
    let now = Utc::now().timestamp_nanos_opt().unwrap();
    let start = now - now.rem_euclid(MINUTE) - 5 * MINUTE;
    push(&storage, &ours, "a", &[(start, "user bob logged in"), (start + STEP, "user eve logged in")]).await;
    push(&storage, &ours, "a", &[(start + STEP + 1, "error: disk 5 full")]).await;
    push(&storage, &ours, "b", &[(start, "other app 1")]).await;
    push(&storage, &other, "a", &[(start, "not ours 1")]).await;
    let expected = ["unknown user <_> logged in 0=1 1=1", "error error: disk 5 full 1=1"];
    let period = (start, start + 60 * MINUTE);
    assert_eq!(patterns(&engine, &ours, r#"{app="a"}"#, period, STEP).await, expected, "nobody counts yet");

    let mining = mine(&engine).await;
    // Behind the time from which on everything is counted, and before it: that is in the store.
    let (later, late) = (start + 10 * MINUTE, start + 2 * STEP);
    push(&storage, &ours, "a", &[(later, "user ann logged in"), (late, "user joe logged in")]).await;
    let expected = ["unknown user <_> logged in 0=1 1=1 2=1 60=1", "error error: disk 5 full 1=1"];
    eventually(&engine, r#"{app="a"}"#, period, &expected).await;
    storage.flush().await.unwrap();
    push(&storage, &ours, "a", &[(later + STEP, "user moe logged in")]).await;
    let expected = ["unknown user <_> logged in 0=1 1=1 2=1 60=1 61=1", "error error: disk 5 full 1=1"];
    eventually(&engine, r#"{app="a"}"#, period, &expected).await;
    let by_minute = ["unknown user <_> logged in 0=3 10=2", "error error: disk 5 full 0=1"];
    assert_eq!(patterns(&engine, &ours, r#"{app="a"}"#, period, MINUTE).await, by_minute);
    let only_later = ["unknown user <_> logged in 0=1"];
    let found = patterns(&engine, &ours, r#"{app="a"}"#, (later + STEP, later + MINUTE), STEP).await;
    assert_eq!(found, only_later, "its template was found with others");
    assert_eq!(patterns(&engine, &other, r#"{app=~".+"}"#, period, STEP).await, ["unknown not ours 1 0=1"]);
    storage.close().await.unwrap();
    mining.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_lines_are_read_within_a_bound_and_deleted_ones_are_forgotten() {
    let ours = Tenant::default();
    let directory = tempfile::tempdir().unwrap();
    let (storage, engine) = open(directory.path()).await;
    let engine = engine.with_patterns(PatternOptions { stored_lines: 3, enabled: false, ..PatternOptions::default() });
    let mining = mine(&engine).await;
    let lines: Vec<(i64, &str)> = (1..6).map(|number| (number * STEP, "same line")).collect();
    push(&storage, &ours, "a", &lines).await;
    let period = (0, 10 * STEP);
    assert_eq!(patterns(&engine, &ours, r#"{app="a"}"#, period, STEP).await, ["unknown same line 3=1 4=1 5=1"]);
    let deletion = trefoil_query::logs::LogDeletion {
        tenant: ours.clone(),
        id: "x".to_owned(),
        query: r#"{app="a"}"#.to_owned(),
        first_nanos: 4 * STEP,
        last_nanos: 10 * STEP,
        created_at: 0,
        status: trefoil_query::logs::DeletionStatus::Received,
    };
    engine.delete_logs(deletion).await.unwrap();
    assert_eq!(patterns(&engine, &ours, r#"{app="a"}"#, period, STEP).await, ["unknown same line 1=1 2=1 3=1"]);
    let none = engine.clone().with_patterns(PatternOptions { stored_lines: 0, ..PatternOptions::default() });
    assert_eq!(patterns(&none, &ours, r#"{app="a"}"#, period, STEP).await, [""; 0]);
    storage.close().await.unwrap();
    mining.abort();
}
