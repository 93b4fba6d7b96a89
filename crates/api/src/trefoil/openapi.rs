//! `GET /api/v1/openapi.json`: Trefoil's own API in OpenAPI 3.1, from the annotations at the handlers.
//!
//! The UI's types are generated from the copy in `ui/openapi.json`; a test keeps it equal.

use axum::response::Json;
use utoipa::OpenApi;

use super::traces::{clock_skew, critical_path, diff, exceptions, propagation, service_graph};
use super::{cardinality, export, logs, search, span, sql, status, trace_logs};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Trefoil",
        description = "Trefoil's own API. The APIs of other systems are under prefixes (`/tempo`, `/otlp`) and described by \
                       those systems."
    ),
    tags(
        (name = "query", description = "Questions in a query language"),
        (name = "traces", description = "Traces as other systems write them, parts of one, what it says, and what many say together; a whole one is Tempo's `/tempo/api/v2/traces/{trace_id}`"),
        (name = "logs", description = "Lines, however many; questions in LogQL are Loki's `/loki/api/v1/query_range`"),
        (name = "metrics", description = "What is known of metrics; PromQL is Prometheus' `/prometheus/api/v1/query`"),
        (name = "server", description = "The server itself"),
    ),
    paths(
        sql::run,
        export::by_query,
        export::by_id,
        span::span,
        trace_logs::logs,
        search::search,
        clock_skew::clock_skew,
        critical_path::critical_path,
        diff::of_traces,
        diff::of_spans,
        exceptions::of_trace,
        exceptions::of_window,
        service_graph::of_trace,
        service_graph::of_window,
        propagation::propagation,
        logs::export,
        cardinality::cardinality,
        status::status,
        document
    )
)]
struct Document;

/// This description
#[utoipa::path(
    get,
    path = "/api/v1/openapi.json",
    operation_id = "openapi",
    tag = "server",
    responses((status = 200, description = "OpenAPI 3.1", body = Object))
)]
pub(super) async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(Document::openapi())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_of_the_ui_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ui/openapi.json");
        let current = Document::openapi().to_pretty_json().unwrap() + "\n";
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            std::fs::write(path, &current).unwrap();
        }
        let copy = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            copy == current,
            "ui/openapi.json is not what the handlers say; refresh it with\n    \
             UPDATE_OPENAPI=1 cargo test -p trefoil-api openapi\nand the UI's types with it"
        );
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn references(value: &serde_json::Value, found: &mut Vec<String>) {
            match value {
                serde_json::Value::Object(members) => {
                    found.extend(members.get("$ref").and_then(|to| to.as_str()).map(str::to_owned));
                    members.values().for_each(|value| references(value, found));
                }
                serde_json::Value::Array(items) => items.iter().for_each(|value| references(value, found)),
                _ => {}
            }
        }
        let document = serde_json::to_value(Document::openapi()).unwrap();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 5);
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }

    #[test]
    fn everything_is_described() {
        let document = serde_json::to_value(Document::openapi()).unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        let paths = document["paths"].as_object().unwrap();
        for (path, operations) in paths {
            for (method, operation) in operations.as_object().unwrap() {
                let said = |value: &serde_json::Value| value.as_str().is_some_and(|text| !text.is_empty());
                assert!(said(&operation["summary"]), "{method} {path}");
                for (status, response) in operation["responses"].as_object().unwrap() {
                    assert!(said(&response["description"]), "{method} {path} {status}");
                }
            }
        }
    }
}
