//! What an answer took, in Loki's members. What Trefoil has no equivalent of is zero.

use serde_json::{Value, json};
use trefoil_query::logs::Spent;

/// Grafana shows the total of bytes, `logcli --stats` all of it. `returned`: lines or samples of the answer.
pub(super) fn stats(spent: &Spent, returned: usize) -> Value {
    let (took, waited) = (spent.took.as_secs_f64(), spent.waited.as_secs_f64());
    // Of nothing that took no time there is no rate.
    let a_second = |total: u64| if took > 0.0 { (total as f64 / took) as u64 } else { 0 };
    json!({
        "summary": {
            "bytesProcessedPerSecond": a_second(spent.bytes), "linesProcessedPerSecond": a_second(spent.lines),
            "totalBytesProcessed": spent.bytes, "totalLinesProcessed": spent.lines, "execTime": took, "queueTime": waited,
            "subqueries": 0, "totalEntriesReturned": returned, "splits": 0, "shards": 0, "totalPostFilterLines": spent.passed,
            "totalStructuredMetadataBytesProcessed": 0,
        },
        "querier": {"store": store(spent)},
        "ingester": {
            "totalReached": 0, "totalChunksMatched": 0, "totalBatches": 0, "totalLinesSent": 0,
            "store": store(&Spent::default()),
        },
    })
}

fn store(spent: &Spent) -> Value {
    json!({
        "totalChunksRef": 0, "totalChunksDownloaded": 0, "chunksDownloadTime": 0, "queryReferencedStructuredMetadata": false,
        "chunk": {"headChunkBytes": 0, "headChunkLines": 0, "decompressedBytes": spent.bytes, "decompressedLines": spent.lines,
            "compressedBytes": 0, "totalDuplicates": 0, "postFilterLines": spent.passed},
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn totals_and_rates_agree() {
        let (took, waited) = (Duration::from_millis(500), Duration::from_millis(250));
        let spent = Spent { lines: 10, bytes: 300, passed: 4, streams: 2, waited, took, ..Spent::default() };
        let summary = &stats(&spent, 3)["summary"];
        for (member, expected) in [
            ("totalBytesProcessed", 300.0),
            ("totalLinesProcessed", 10.0),
            ("bytesProcessedPerSecond", 600.0),
            ("linesProcessedPerSecond", 20.0),
            ("totalPostFilterLines", 4.0),
            ("totalEntriesReturned", 3.0),
            ("execTime", 0.5),
            ("queueTime", 0.25),
        ] {
            assert_eq!(summary[member].as_f64(), Some(expected), "{member}");
        }
        assert_eq!(stats(&Spent::default(), 0)["summary"]["bytesProcessedPerSecond"], 0);
    }
}
