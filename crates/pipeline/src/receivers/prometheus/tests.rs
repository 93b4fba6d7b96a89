use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Instant;

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;

use super::config::tests::read;
use super::scrape::tests::{Taken, sink};
use super::*;

async fn target() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let router = Router::new().route("/metrics", get(async || ([("content-type", "text/plain")], "a 1\n")));
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// The interval is the timeout, too, which a busy machine must not exceed.
fn jobs(text: &str) -> Vec<Job> {
    read(&format!("global: {{scrape_interval: 2s}}\nscrape_configs: [{text}]")).unwrap().jobs
}

fn one(name: &str, address: &str) -> String {
    format!("{{job_name: {name}, static_configs: [{{targets: ['{address}']}}]}}")
}

/// Collects samples until `done` says so.
async fn until(taken: &Taken, done: impl Fn(&BTreeMap<String, Vec<String>>) -> bool) -> BTreeMap<String, Vec<String>> {
    let all = Mutex::new(BTreeMap::<String, Vec<String>>::new());
    let start = Instant::now();
    loop {
        for (series, value) in taken.take() {
            all.lock().unwrap().entry(series).or_default().push(value);
        }
        if done(&all.lock().unwrap()) {
            return all.into_inner().unwrap();
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{all:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn jobs_come_and_go_and_those_that_stay_are_left_alone() {
    let (taken, scraping) = (Arc::new(Taken::default()), Scraping::default());
    let manager = Manager::new(sink(&taken), scraping.clone());
    let (a, b) = (target().await, target().await);
    manager.apply(&jobs(&format!("{}, {}", one("a", &a), one("b", &b)))).unwrap();
    let up = |job: &str, address: &str| format!("up{{instance={address},job={job}}}");
    until(&taken, |all| all.contains_key(&up("a", &a)) && all.contains_key(&up("b", &b))).await;
    let before = scraping.pool("a").unwrap().targets().remove(0);

    let changes = manager.apply(&jobs(&format!("{}, {}", one("a", &a), one("c", &b)))).unwrap();
    let expected = [("c", &changes.started), ("b", &changes.stopped), ("a", &changes.kept)];
    assert!(expected.iter().all(|(name, list)| list.as_slice() == [name.to_string()]), "{changes:?}");
    let ended = |all: &BTreeMap<String, Vec<String>>| {
        let last = |series: &str| all.get(series).and_then(|values| values.last().cloned()).unwrap_or_default();
        last(&up("b", &b)) == "stale" && last(&format!("a{{instance={b},job=b}}")) == "stale"
    };
    let all = until(&taken, ended).await;
    assert!(all.contains_key(&up("c", &b)), "it is another job's now");
    let of_a = all.iter().filter(|(series, _)| series.ends_with("job=a}")).flat_map(|(_, values)| values);
    assert!(of_a.clone().count() > 0 && of_a.clone().all(|value| value != "stale"), "{all:?}");
    let after = scraping.pool("a").unwrap().targets().remove(0);
    assert!(Arc::ptr_eq(&before, &after), "the loop is the same");
    assert!(scraping.pool("b").is_none());

    // The same target under changed settings: its series go on.
    let changed = format!("{{job_name: a, sample_limit: 9, static_configs: [{{targets: ['{a}']}}]}}");
    manager.apply(&jobs(&changed)).unwrap();
    let all = until(&taken, |all| all.get(&up("a", &a)).is_some_and(|values| values.len() > 2)).await;
    assert!(all[&up("a", &a)].iter().all(|value| value == "1"), "{all:?}");
    manager.shutdown().await;
    assert!(scraping.pools().is_empty());
    taken.take();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(taken.take().is_empty(), "nothing comes after the end, and no series is told to end");
}

#[tokio::test]
async fn a_job_that_cannot_run_changes_nothing() {
    let (taken, scraping) = (Arc::new(Taken::default()), Scraping::default());
    let manager = Manager::new(sink(&taken), scraping.clone());
    let a = target().await;
    manager.apply(&jobs(&one("a", &a))).unwrap();
    until(&taken, |all| !all.is_empty()).await;
    let bad = "{job_name: b, tls_config: {ca_file: /nonexistent}}";
    let error = manager.apply(&jobs(&format!("{}, {bad}", one("a", &a)))).unwrap_err();
    assert!(error.contains(r#"job "b": tls: ca: /nonexistent"#), "{error}");
    until(&taken, |all| all.keys().any(|series| series.starts_with("up{"))).await;
    manager.shutdown().await;
}

#[test]
fn the_receiver_takes_what_scrapes() {
    let parse = |text: &str| {
        let document = crate::config::Document::verbatim("t.yml", text).unwrap();
        Config::parse(&Section::new(document.root(), &[])).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(parse("config: {scrape_configs: [{job_name: a}]}"), Ok(()));
    assert_eq!(parse("{tenant: t, config: {scrape_configs: [{job_name: a}]}}"), Ok(()));
    for (text, expected) in [
        ("{}", "there is nothing to scrape"),
        (
            "{target_allocator: {}, config: {scrape_configs: [{job_name: a}]}}",
            "target_allocator: this option of the Collector",
        ),
        (
            "config: {rule_files: [a], scrape_configs: [{job_name: a}]}",
            "t.yml:1:22: config.rule_files: the receiver scrapes only",
        ),
        (
            "config: {scrape_configs: [{job_name: a, ec2_sd_configs: []}]}",
            "job `a`: service discovery by ec2 is not supported",
        ),
        ("config: {scrape_configs: [{job_nam: a}]}", "config.scrape_configs[0].job_nam: unknown option"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

fn receiver_config(text: &str) -> Config {
    let document = crate::config::Document::verbatim("t.yml", text).unwrap();
    Config::parse(&Section::new(document.root(), &[])).unwrap()
}

#[tokio::test]
async fn a_running_receiver_takes_over_what_changes_in_its_configuration() {
    let (taken, scraping) = (Arc::new(Taken::default()), Scraping::default());
    let (a, b) = (target().await, target().await);
    let text = |jobs: &str| format!("config: {{global: {{scrape_interval: 2s}}, scrape_configs: [{jobs}]}}");
    let first = receiver_config(&text(&format!("{}, {}", one("a", &a), one("b", &b))));
    let manager = Arc::new(Manager::new(sink(&taken), scraping.clone()));
    let receiver = PrometheusReceiver { manager, jobs: first.prometheus.jobs, tenant: None };
    receiver.start().await.unwrap();
    let up = |job: &str, address: &str| format!("up{{instance={address},job={job}}}");
    until(&taken, |all| all.contains_key(&up("a", &a)) && all.contains_key(&up("b", &b))).await;
    let before = scraping.pool("a").unwrap().targets().remove(0);

    let second = receiver_config(&text(&format!("{}, {}", one("a", &a), one("c", &b))));
    let change = receiver.prepare(&second).unwrap().unwrap();
    assert!(scraping.pool("b").is_some(), "nothing has changed yet");
    change();
    let all = until(&taken, |all| {
        all.contains_key(&up("c", &b))
            && all.get(&up("b", &b)).is_some_and(|values| values.last().is_some_and(|v| v == "stale"))
    })
    .await;
    assert!(all[&up("a", &a)].iter().all(|value| value == "1"), "{all:?}");
    assert!(Arc::ptr_eq(&before, &scraping.pool("a").unwrap().targets()[0]), "the loop is the same");

    let bad =
        receiver_config(&text(&format!("{}, {{job_name: d, tls_config: {{ca_file: /nonexistent}}}}", one("a", &a))));
    let error = receiver.prepare(&bad).unwrap().err().unwrap();
    assert!(error.to_string().contains(r#"job "d": tls: ca: /nonexistent"#), "{error}");
    let other = receiver_config(&format!("tenant: t\n{}", text(&one("a", &a))));
    assert!(receiver.prepare(&other).is_none(), "somebody else's samples need another receiver");
    receiver.shutdown(Duration::ZERO).await;
}
