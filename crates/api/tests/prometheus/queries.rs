//! Queries: their answers, what is wrong with them, and what bounds them.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use serde_json::json;
use trefoil_model::Tenancy;
use trefoil_query::Limits;

use crate::fixture::NOW;
use crate::server::{Server, parsed};

#[tokio::test(flavor = "multi_thread")]
async fn an_instant_query_has_four_kinds_of_answers() {
    let server = Server::with_metrics().await;
    let labels = json!({ "__name__": "queue_size", "http_route": "/a", "instance": "1", "job": "shop/web" });
    for flushed in [false, true] {
        if flushed {
            server.storage.flush().await.unwrap();
        }
        assert_eq!(
            server.data(&format!("/api/v1/query?query=queue_size&time={NOW}.25")).await,
            json!({
                "resultType": "vector",
                "result": [{ "metric": labels, "value": [NOW as f64 + 0.25, "15"] }],
            })
        );
    }
    let matrix = server.data("/api/v1/query?query=queue_size[20s]&time=2026-01-01T00:00:00Z").await;
    assert_eq!(
        matrix,
        json!({
            "resultType": "matrix",
            "result": [{ "metric": labels, "values": [[NOW - 10, "12.5"], [NOW, "15"]] }],
        })
    );
    let scalar = server.data(&format!("/api/v1/query?query=1/0&time={NOW}")).await;
    assert_eq!(scalar, json!({ "resultType": "scalar", "result": [NOW, "+Inf"] }));
    let string = server.data(&format!("/api/v1/query?query=%27a%22%27&time={NOW}")).await;
    assert_eq!(string, json!({ "resultType": "string", "result": [NOW, "a\""] }));
    let nothing = server.data("/api/v1/query?query=nothing").await;
    assert_eq!(nothing, json!({ "resultType": "vector", "result": [] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_native_histogram_shows_its_buckets() {
    let server = Server::with_metrics().await;
    let answer = server.data(&format!("/api/v1/query?query=rpc_duration_milliseconds&time={NOW}")).await;
    let point = json!([
        NOW,
        { "count": "180", "sum": "60", "buckets": [[3, "0", "0", "60"], [0, "1", "2", "60"], [0, "2", "4", "60"]] },
    ]);
    assert_eq!(answer["result"][0].get("value"), None);
    let mut histogram = answer["result"][0]["histogram"].clone();
    // How wide the zero bucket is says the store.
    for bound in [1, 2] {
        histogram[1]["buckets"][0][bound] = "0".into();
    }
    assert_eq!(histogram, point);
    let (start, end) = (NOW - 20, NOW);
    let path = format!("/api/v1/query_range?query=rpc_duration_milliseconds&start={start}&end={end}&step=10");
    let answer = server.data(&path).await;
    assert_eq!(answer["result"][0]["histograms"].as_array().unwrap().len(), 3);
    assert_eq!(answer["result"][0].get("values"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_query_answers_steps() {
    let server = Server::with_metrics().await;
    let answer = server
        .data(&format!(
            "/api/v1/query_range?query=sum(http_server_requests_total)&start={}&end={NOW}&step=30s",
            NOW - 60
        ))
        .await;
    let values = json!([[NOW - 30, "60"], [NOW, "120"]]);
    assert_eq!(answer, json!({ "resultType": "matrix", "result": [{ "metric": {}, "values": values }] }));
    let quantile = "histogram_quantile(0.5,rate(http_server_request_duration_seconds_bucket[1m]))";
    let answer = server.data(&format!("/api/v1/query?query={quantile}&time={NOW}")).await;
    assert_eq!(answer["result"][0]["value"], json!([NOW, "0.30000000000000004"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_come_as_a_form_too() {
    let server = Server::with_metrics().await;
    let post = |path: &str, body: &str| {
        let form = "application/x-www-form-urlencoded";
        Request::post(path).header(header::CONTENT_TYPE, form).body(Body::from(body.to_owned())).unwrap()
    };
    let (status, body) = parsed(server.ask(post(&format!("/api/v1/query?time={NOW}"), "query=queue_size")).await).await;
    assert_eq!((status, &body["data"]["result"][0]["value"][1]), (StatusCode::OK, &json!("15")));
    for (path, form, found) in [
        ("/api/v1/series", "match[]=queue_size&match[]=nothing", json!(["queue_size"])),
        ("/api/v1/labels", "match[]=queue_size", json!(["__name__", "http_route", "instance", "job"])),
    ] {
        let (_, body) = parsed(server.ask(post(path, form)).await).await;
        let items = body["data"].as_array().unwrap().iter();
        let items: Vec<_> = items.map(|item| item.get("__name__").unwrap_or(item)).collect();
        assert_eq!(json!(items), found, "{path}");
    }
    let (_, body) = parsed(server.ask(post("/api/v1/format_query", "query=a%2Bb")).await).await;
    assert_eq!(body["data"], "a + b");
    let long = post("/api/v1/query", &format!("query={}", "x".repeat(3 << 20)));
    let (status, body) = parsed(server.ask(long).await).await;
    assert_eq!((status, &body["errorType"]), (StatusCode::BAD_REQUEST, &json!("bad_data")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_question_is_said_as_prometheus_says_it() {
    let server = Server::with_metrics().await;
    let steps = "query=up&start=0&end=100000&step=1";
    let resolution =
        "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)";
    let step = "invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a positive integer";
    for (path, error) in [
        ("query?query=1+%2B", "invalid parameter \"query\": 1:4: parse error: unexpected end of input"),
        ("query", "invalid parameter \"query\": unknown position: parse error: no expression found in input"),
        (
            "query?query=1&time=x",
            "invalid parameter \"time\": invalid time value for 'time': cannot parse \"x\" to a valid timestamp",
        ),
        ("query?query=1&timeout=x", "invalid parameter \"timeout\": cannot parse \"x\" to a valid duration"),
        (
            "query?query=1&lookback_delta=x",
            "error parsing lookback delta duration: cannot parse \"x\" to a valid duration",
        ),
        ("query?query=1&limit=-1", "invalid parameter \"limit\": limit must be non-negative"),
        (&format!("query_range?{steps}"), resolution),
        ("query_range?query=up&start=0&end=1&step=0", step),
        (
            "query_range?query=up[1m]&start=0&end=1&step=1",
            "invalid parameter \"query\": invalid expression type \"range vector\" for range query, must be Scalar or instant Vector",
        ),
        (
            "query_range?query=up&start=2&end=1&step=1",
            "invalid parameter \"end\": end timestamp must not be before start time",
        ),
        ("query_exemplars?query=up&start=2&end=1", "end timestamp must not be before start timestamp"),
        ("series", "no match[] parameter provided"),
        (
            "series?match[]=%7Ba=~%22.*%22%7D",
            "invalid parameter \"match[]\": match[] must contain at least one non-empty matcher",
        ),
        ("labels?match[]=%7Ba=%22%22%7D", "match[] must contain at least one non-empty matcher"),
        ("label/U__/values", "invalid label name: \"\""),
        (
            "labels?start=x",
            "invalid parameter \"start\": invalid time value for 'start': cannot parse \"x\" to a valid timestamp",
        ),
        ("metadata?limit=x", "limit must be a number"),
        ("metadata?limit_per_metric=x", "limit_per_metric must be a number"),
        ("status/tsdb?limit=0", "limit must be a positive number"),
        ("rules?type=x", "invalid parameter \"type\": not supported value \"x\""),
        ("scrape_pools/config", "no scrapePool parameter provided"),
        ("scrape_pools/config?scrapePool=x", "error retrieving scrape config: scrape pool \"x\" not found"),
        ("targets/relabel_steps?scrapePool=x", "no labels parameter provided"),
        ("targets/metadata?limit=x", "limit must be a number"),
    ] {
        server.refused(&format!("/api/v1/{path}"), 400, "bad_data", error).await;
    }
    let many = "queue_size%20*%20on(job)%20http_server_requests_total";
    let (status, body) = server.json(&format!("/api/v1/query?query={many}&time={NOW}")).await;
    assert_eq!((status.as_u16(), &body["errorType"]), (422, &json!("execution")), "{body}");
    let (status, body) = server.json("/api/v1/query?query=sum(queue_size)&timeout=0").await;
    assert_eq!((status.as_u16(), &body["errorType"]), (503, &json!("timeout")), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_have_limits_and_notes() {
    let server = Server::with_metrics().await;
    let truncated = json!(["results truncated due to limit"]);
    for path in [
        "query?query=http_server_requests_total&limit=1&time=1767225600",
        "series?match[]=http_server_requests_total&limit=1",
        "labels?limit=1",
        "label/__name__/values?limit=1",
    ] {
        let (status, body) = server.json(&format!("/api/v1/{path}")).await;
        assert_eq!((status, &body["warnings"]), (StatusCode::OK, &truncated), "{path}: {body}");
        let list = body["data"].get("result").unwrap_or(&body["data"]);
        assert_eq!(list.as_array().unwrap().len(), 1, "{path}");
    }
    let (_, body) = server.json(&format!("/api/v1/query?query=rate(queue_size[1m])&time={NOW}")).await;
    let info = "PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"queue_size\" (1:6)";
    assert_eq!(body["infos"], json!([info]));
    for (stats, warned) in [("true", false), ("all", false), ("yes", true)] {
        let (_, body) = server.json(&format!("/api/v1/query?query=queue_size&time={NOW}&stats={stats}")).await;
        let samples = &body["data"]["stats"]["samples"];
        assert_eq!(samples["totalQueryableSamples"], 1, "{body}");
        assert!(samples["peakSamples"].as_u64().unwrap() >= 1);
        assert!(body["data"]["stats"]["timings"]["evalTotalTime"].as_f64().unwrap() > 0.0);
        assert_eq!(body.get("warnings").is_some(), warned, "{stats}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_shown_as_a_tree() {
    let server = Server::new(Tenancy::Multi).await;
    let tree = server.data("/api/v1/parse_query?query=-a").await;
    assert_eq!((&tree["type"], &tree["expr"]["name"]), (&json!("unaryExpr"), &json!("a")));
    server
        .refused(
            "/api/v1/parse_query?query=a%20b",
            400,
            "bad_data",
            "invalid parameter \"query\": 1:3: parse error: unexpected identifier \"b\"",
        )
        .await;
}

#[tokio::test]
async fn limits_hold_from_the_next_question_on() {
    let server = Server::with_metrics().await;
    let limits = Limits {
        timeout: Duration::from_secs(120),
        max_samples: 1,
        max_points: 10,
        max_concurrency: 3,
        lookback_delta: Duration::from_secs(60),
        ..Limits::default()
    };
    let range = |points: u64| format!("/api/v1/query_range?query=1&start={NOW}&end={}&step=1", NOW + points);
    assert_eq!(server.json(&range(11)).await.0, StatusCode::OK);
    server.state.engine.set_limits(limits);
    let flags = server.data("/api/v1/status/flags").await;
    for (flag, value) in [
        ("query.lookback-delta", "1m"),
        ("query.max-concurrency", "3"),
        ("query.max-samples", "1"),
        ("query.timeout", "2m"),
    ] {
        assert_eq!(flags[flag], value, "{flag}");
    }
    let too_fine =
        "exceeded maximum resolution of 10 points per timeseries. Try decreasing the query resolution (?step=XX)";
    server.refused(&range(11), 400, "bad_data", too_fine).await;
    let all = format!("/api/v1/query?query=%7B__name__%3D~%22.%2B%22%7D&time={NOW}");
    let too_many = "query processing would load too many samples into memory in query execution";
    server.refused(&all, 422, "execution", too_many).await;
    server.storage.close().await.unwrap();
}
