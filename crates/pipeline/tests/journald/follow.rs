use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use trefoil_model::Tenancy;
use trefoil_pipeline::Refused;
use trefoil_pipeline::component::{Component, ComponentError, ComponentId, Storage, StorageClient, Storages};

use crate::running::{Journal, WAIT, build, entries, field, is_running, parse, records, start, wait_until};
use crate::support::{PATIENCE, Recorder};

#[tokio::test]
async fn entries_become_records() {
    let journal = Journal::new(&format!("{}echo 'a complaint' >&2\n{WAIT}", entries(1, 2)));
    let recorder = Recorder::new();
    let config = journal.config("units: [ssh], attributes: {site: b1}, resource: {host.name: web1}, tenant: acme");
    let running = build(&config, Tenancy::Multi, recorder.clone());
    running.receiver.start().await.unwrap();
    let all = records(&recorder, 2).await;
    assert_eq!(field(&all[0], "MESSAGE"), "entry 1");
    assert_eq!(field(&all[1], "__CURSOR"), "c2");
    assert_eq!((all[1].time_unix_nano, all[1].severity_text.as_str()), (2_000_000_000, "err"));
    assert_eq!(all[0].attributes[0].key, "site");
    assert_eq!(recorder.wait_for(1).await[0].tenant.as_str(), "acme");
    assert_eq!(running.metric("journald_receiver_journalctl_starts_total", ""), 1);
    let runs = journal.runs();
    assert!(runs[0].starts_with("--utc --output=json --follow --no-tail --since @"), "{runs:?}");
    assert!(runs[0].ends_with(" --unit ssh --priority info"), "{runs:?}");

    let pid = journal.pid();
    assert!(is_running(&pid));
    running.receiver.shutdown(PATIENCE).await;
    assert!(!is_running(&pid));
}

#[tokio::test]
async fn it_goes_on_behind_the_last_entry_that_was_taken() {
    let script = format!(
        "case \"$*\" in\n*c3*) {}{WAIT} ;;\n*c2*) {}exit 0 ;;\n*) {}echo gone >&2\nexit 3 ;;\nesac",
        entries(4, 4),
        entries(3, 3),
        entries(1, 2)
    );
    let journal = Journal::new(&script);
    let recorder = Recorder::new();
    let running = start(&journal.config("start_at: beginning"), recorder.clone()).await;
    let messages: Vec<String> = records(&recorder, 4).await.iter().map(|record| field(record, "MESSAGE")).collect();
    assert_eq!(messages, ["entry 1", "entry 2", "entry 3", "entry 4"]);
    let plain = "--utc --output=json --follow --no-tail";
    let expected = [
        format!("{plain} --priority info"),
        format!("{plain} --after-cursor c2 --priority info"),
        format!("{plain} --after-cursor c3 --priority info"),
    ];
    assert_eq!(journal.runs(), expected);
    assert_eq!(running.metric("journald_receiver_journalctl_starts_total", ""), 3);
    running.receiver.shutdown(PATIENCE).await;
}

#[tokio::test]
async fn before_a_first_entry_it_begins_where_it_began() {
    let journal = Journal::new("[ $(wc -l < \"$HERE/arguments\") -ge 3 ] && exec sleep 1000\nexit 1");
    let running = start(&journal.config(""), Recorder::new()).await;
    wait_until("three runs", || journal.runs().len() == 3).await;
    let runs = journal.runs();
    assert!(runs[0].contains("--since @") && runs.iter().all(|run| *run == runs[0]), "{runs:?}");
    running.receiver.shutdown(PATIENCE).await;
}

#[tokio::test]
async fn what_cannot_be_read_is_left_out_and_counted() {
    let script = format!("echo '-- nonsense --'\necho '{{}}'\n{}{WAIT}", entries(7, 7));
    let journal = Journal::new(&script);
    let recorder = Recorder::new();
    let running = start(&journal.config(""), recorder.clone()).await;
    assert_eq!(field(&records(&recorder, 1).await[0], "MESSAGE"), "entry 7");
    assert_eq!(running.metric("journald_receiver_malformed_entries_total", ""), 2);
    running.receiver.shutdown(PATIENCE).await;
}

#[tokio::test]
async fn an_entry_that_is_too_large_costs_only_itself() {
    let script = format!("head -c 17000000 /dev/zero | tr '\\0' x\necho\n{}{WAIT}", entries(7, 7));
    let journal = Journal::new(&script);
    let recorder = Recorder::new();
    let running = start(&journal.config(""), recorder.clone()).await;
    assert_eq!(field(&records(&recorder, 1).await[0], "MESSAGE"), "entry 7");
    assert_eq!(running.metric("journald_receiver_malformed_entries_total", ""), 1);
    running.receiver.shutdown(PATIENCE).await;
}

#[tokio::test]
async fn what_is_refused_for_now_is_sent_again_before_it_goes_on() {
    let script = format!("case \"$*\" in\n*c2*) {WAIT} ;;\n*) {}exit 0 ;;\nesac", entries(1, 2));
    let journal = Journal::new(&script);
    let recorder = Recorder::answering([Err(Refused::unavailable("disk full"))]);
    let retry = "retry_on_failure: {enabled: true, initial_interval: 5ms}";
    let running = start(&journal.config(retry), recorder.clone()).await;
    assert_eq!(recorder.wait_for(2).await.len(), 2);
    wait_until("a second run", || journal.runs().len() == 2).await;
    assert_eq!(running.metric("receiver_accepted_log_records_total", ",transport=\"journald\""), 2);
    assert_eq!(running.metric("receiver_refused_log_records_total", ",transport=\"journald\""), 0);
    running.receiver.shutdown(PATIENCE).await;
}

#[tokio::test]
async fn a_shutdown_ends_in_time_whatever_the_pipelines_do() {
    let journal = Journal::new(&format!("{}{WAIT}", entries(1, 1)));
    let recorder = Recorder::closed();
    let running = start(&journal.config(""), recorder.clone()).await;
    recorder.wait_for(1).await;
    let pid = journal.pid();
    running.receiver.shutdown(Duration::from_millis(10)).await;
    assert!(!is_running(&pid));
    assert_eq!(running.metric("receiver_refused_log_records_total", ",transport=\"journald\""), 1);
}

#[tokio::test]
async fn a_program_that_is_not_there_is_an_error_at_the_start() {
    let running = build(&parse("journalctl_path: /nonexistent/journalctl"), Tenancy::Single, Recorder::new());
    let error = running.receiver.start().await.unwrap_err().to_string();
    assert!(error.contains("cannot run /nonexistent/journalctl: No such file"), "{error}");
    running.receiver.shutdown(PATIENCE).await;
}

/// A storage that outlives who uses it.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

#[async_trait]
impl Storage for Kept {
    async fn client(&self, class: &str, id: &ComponentId) -> Result<Arc<dyn StorageClient>, ComponentError> {
        assert_eq!((class, id.to_string().as_str()), ("receiver", "journald/a"));
        Ok(Arc::new(self.clone()))
    }
}

#[async_trait]
impl StorageClient for Kept {
    async fn all(&self) -> Result<Vec<(String, Vec<u8>)>, ComponentError> {
        Ok(self.0.lock().clone().into_iter().collect())
    }

    async fn write(&self, changes: Vec<(String, Option<Vec<u8>>)>) -> Result<(), ComponentError> {
        self.0.lock().extend(changes.into_iter().filter_map(|(key, value)| Some((key, value?))));
        Ok(())
    }

    async fn close(&self) {}
}

impl Kept {
    fn storages(&self) -> Storages {
        let storages = Storages::default();
        storages.add("file_storage".parse().unwrap(), Arc::new(self.clone()));
        storages
    }

    fn cursor(&self) -> String {
        self.0.lock().get("cursor").map(|cursor| String::from_utf8_lossy(cursor).into_owned()).unwrap_or_default()
    }
}

#[tokio::test]
async fn with_a_storage_it_goes_on_after_a_restart() {
    let script = format!("case \"$*\" in\n*c2*) {}{WAIT} ;;\n*) {}{WAIT} ;;\nesac", entries(3, 3), entries(1, 2));
    let journal = Journal::new(&script);
    let config = journal.config("start_at: beginning, storage: file_storage");
    let kept = Kept::default();
    for (count, cursor) in [(2, "c2"), (1, "c3")] {
        let recorder = Recorder::new();
        let running = build(&config, Tenancy::Single, recorder.clone());
        let receiver = running.receiver.keeping(kept.storages(), "journald/a".parse().unwrap());
        receiver.start().await.unwrap();
        assert_eq!(records(&recorder, count).await.len(), count);
        receiver.shutdown(PATIENCE).await;
        assert_eq!(kept.cursor(), cursor);
    }
    let plain = "--utc --output=json --follow --no-tail";
    let expected = [format!("{plain} --priority info"), format!("{plain} --after-cursor c2 --priority info")];
    assert_eq!(journal.runs(), expected);

    let receiver = build(&config, Tenancy::Single, Recorder::new()).receiver;
    let error = receiver.keeping(Storages::default(), "journald/a".parse().unwrap()).start().await.unwrap_err();
    assert!(error.to_string().contains("no extension `file_storage` runs"), "{error}");
}

#[tokio::test]
async fn what_operators_hold_is_read_again() {
    let journal = Journal::new(&format!("{}{WAIT}", entries(1, 3)));
    let joined = "operators: [{type: recombine, combine_field: body.MESSAGE, force_flush_period: 1h,
        is_last_entry: 'body.MESSAGE == \"entry 2\"'}, {type: add, field: attributes.seen, value: yes}]";
    let config = journal.config(&format!("start_at: beginning, storage: file_storage, {joined}"));
    let (kept, recorder) = (Kept::default(), Recorder::new());
    let running = build(&config, Tenancy::Single, recorder.clone());
    let receiver = running.receiver.keeping(kept.storages(), "journald/a".parse().unwrap());
    receiver.start().await.unwrap();
    let all = records(&recorder, 1).await;
    assert_eq!(field(&all[0], "MESSAGE"), "entry 1\nentry 2");
    assert_eq!(all[0].attributes[0].key, "seen");
    receiver.shutdown(PATIENCE).await;
    assert_eq!(records(&recorder, 1).await.len(), 1, "the third one is still held");
    assert_eq!(kept.cursor(), "c2");
}
