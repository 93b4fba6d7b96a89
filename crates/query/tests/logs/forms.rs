//! Lines of different forms lie in row groups of their own, which nobody notices who asks for lines.

use trefoil_logql::parse_log;
use trefoil_model::{Table, Tenant};
use trefoil_query::logs::{Direction, LinesRequest};
use trefoil_query::{Engine, Limits};
use trefoil_storage::Storage;

use super::{open, push};

const QUERIES: [&str; 7] = [
    r#"{app=~".+"}"#,
    r#"{app="one"}"#,
    r#"{app=~".+"} |= "took 1""#,
    r#"{app="two"} |= "number\":1""#,
    r#"{app=~".+"} | json | __error__="" | number=~"1.*1""#,
    r#"{app=~".+"} | json | __error__!="" |= "took""#,
    r#"{app=~".+"} != "took""#,
];

/// At first three lines of a stream have one moment, which are of two forms then. Lines of two streams have none in common.
fn time(row: i64, app: &str) -> i64 {
    1_000 + 2 * if row < 1_500 { row / 3 } else { row } + i64::from(app == "two")
}

fn line(number: i64) -> String {
    match number % 7 {
        0 | 3 => format!("worker took {number}"),
        _ => format!(r#"{{"number":{number},"msg":"done"}}"#),
    }
}

async fn answers(engine: &Engine) -> Vec<Vec<String>> {
    let mut answers = Vec::new();
    for query in QUERIES {
        for direction in [Direction::Forward, Direction::Backward] {
            for (limit, period) in [(100, (i64::MIN, i64::MAX)), (100_000, (i64::MIN, i64::MAX)), (100, (4_000, 6_000))]
            {
                let query = parse_log(query).unwrap();
                let request = LinesRequest { query, period, limit, direction, now: 0 };
                let found = engine.log_lines(&Tenant::default(), &request, Limits::default()).await.unwrap().lines;
                answers.push(found.into_iter().map(|found| format!("{} {}", found.time, found.line)).collect());
            }
        }
    }
    answers
}

async fn groups(storage: &Storage) -> Vec<usize> {
    let snapshot = storage.snapshot(&Tenant::default()).await.unwrap();
    let mut groups = Vec::new();
    for file in snapshot.files(Table::Logs).iter() {
        groups.extend(snapshot.group_rows(file).await.unwrap());
    }
    groups
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_two_forms_are_answered_as_if_they_lay_together() {
    let directory = tempfile::tempdir().unwrap();
    let (storage, engine) = open(directory.path()).await;
    let mut asked = Vec::new();
    for (number, app) in [(0, "one"), (1, "two"), (2, "one")] {
        let texts: Vec<String> = (0..9_000).map(|row| line(number * 9_000 + row)).collect();
        let lines: Vec<(i64, &str)> = (0..).map(|row| time(row, app)).zip(texts.iter().map(String::as_str)).collect();
        push(&storage, &Tenant::default(), app, &lines).await;
        if number == 1 {
            storage.flush().await.unwrap();
            assert_eq!(groups(&storage).await.len(), 2, "texts are apart");
        }
    }
    // The first file and the buffer.
    asked.push(answers(&engine).await);
    storage.flush().await.unwrap();
    asked.push(answers(&engine).await);
    assert!(storage.compact().await.unwrap() > 0);
    assert_eq!(groups(&storage).await.len(), 2);
    asked.push(answers(&engine).await);
    assert!(asked[0].iter().all(|lines| !lines.is_empty()));
    assert_eq!(asked[0][1].len(), 27_000);
    assert_eq!(asked[0], asked[1]);
    assert_eq!(asked[0], asked[2]);
    // In the order of their arrival where they are of one moment.
    let first: Vec<&str> = asked[0][7].iter().map(String::as_str).take(4).collect();
    assert_eq!(
        first,
        [
            "1000 worker took 0",
            "1000 {\"number\":1,\"msg\":\"done\"}",
            "1000 {\"number\":2,\"msg\":\"done\"}",
            "1000 worker took 18000"
        ]
    );
}
