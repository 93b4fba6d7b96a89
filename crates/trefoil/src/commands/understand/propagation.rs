//! `trefoil propagation`.

use serde::Deserialize;

use super::{counted, cut, moment, table};

#[derive(Debug, Deserialize)]
pub struct Answer {
    pairs: Vec<Pair>,
    truncated: bool,
    inspected_spans: u64,
}

#[derive(Debug, Deserialize)]
struct Pair {
    client: String,
    server: String,
    kept: u64,
    lost: u64,
    holes: Vec<Hole>,
}

#[derive(Debug, Deserialize)]
struct Hole {
    reason: String,
    count: u64,
    first_time_unix_nano: String,
    last_time_unix_nano: String,
    examples: Vec<Example>,
}

#[derive(Debug, Deserialize)]
struct Example {
    trace_id: String,
}

pub fn shown(answer: &Answer) -> anyhow::Result<String> {
    let rows = answer.pairs.iter().flat_map(|pair| {
        pair.holes.iter().map(move |hole| {
            let share = pair.lost as f64 * 100.0 / (pair.lost + pair.kept).max(1) as f64;
            [
                pair.client.clone(),
                pair.server.clone(),
                hole.reason.clone(),
                hole.count.to_string(),
                format!("{share:.1} %"),
                moment(&hole.first_time_unix_nano),
                moment(&hole.last_time_unix_nano),
                hole.examples.first().map(|example| example.trace_id.clone()).unwrap_or_default(),
            ]
        })
    });
    let lossy = answer.pairs.iter().filter(|pair| pair.lost > 0).count() as u64;
    let below = format!(
        "{} of {} lose context, in {}{}",
        lossy,
        counted(answer.pairs.len() as u64, "pair"),
        counted(answer.inspected_spans, "span"),
        cut(answer.truncated)
    );
    let titles = ["client", "server", "hole", "times", "lost of all", "since", "last", "for example"];
    table(titles, rows.collect(), &below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_a_table() {
        let answer = r#"{"start_time_unix_nano": "0", "end_time_unix_nano": "9", "truncated": false, "inspected_spans": 40, "pairs": [
            {"client": "orders", "server": "payments", "kept": 1, "lost": 3, "holes": [{"reason": "new_trace", "count": 3,
             "first_time_unix_nano": "1767225600000000000", "last_time_unix_nano": "1767225660000000000",
             "examples": [{"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "00f067aa0ba902b7"}]}]},
            {"client": "gateway", "server": "orders", "kept": 4, "lost": 0, "holes": []}]}"#;
        insta::assert_snapshot!(shown(&super::super::answer(answer.as_bytes()).unwrap()).unwrap());
    }
}
