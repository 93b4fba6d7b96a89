//! `/api/v1/openapi.yaml`: this API, described in OpenAPI for whoever generates clients or asks what there is.
//!
//! It is made from the tables here and written as JSON, which is YAML. Tests compare the tables with the routes.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::form::Parameters;

/// A path below `/api/v1`.
struct Operation {
    path: &'static str,
    /// Of `get`, `post`, `put`.
    methods: &'static [&'static str],
    summary: &'static str,
    /// By name; with `!` where it must not be absent.
    parameters: &'static str,
    answer: Answer,
}

/// What a successful answer is.
#[derive(Clone, Copy)]
enum Answer {
    /// The envelope with `data` of that schema.
    Data(&'static str),
    /// Lines of JSON.
    Lines,
    /// Server-sent events, which OpenAPI knows since 3.2.
    Events,
    Bytes(&'static str),
    Nothing,
}

use Answer::{Bytes, Data, Events, Lines, Nothing};

const GET: &[&str] = &["get"];
const POST: &[&str] = &["post"];
const BOTH: &[&str] = &["get", "post"];
const WRITE: &[&str] = &["post", "put"];

const fn operation(
    path: &'static str,
    methods: &'static [&'static str],
    summary: &'static str,
    parameters: &'static str,
    answer: Answer,
) -> Operation {
    Operation { path, methods, summary, parameters, answer }
}

const SEARCH: &str = "match[] search[] fuzz_threshold fuzz_alg case_sensitive sort_by sort_dir include_score start end limit \
                      batch_size";

#[rustfmt::skip]
const OPERATIONS: &[Operation] = &[
    operation("/query", BOTH, "Evaluate an expression at one time", "query! time timeout limit lookback_delta stats explain", Data("QueryData")),
    operation("/query_range", BOTH, "Evaluate an expression over a range of time", "query! start! end! step! timeout limit lookback_delta stats explain", Data("QueryData")),
    operation("/query_exemplars", BOTH, "The exemplars of the series of an expression", "query! start end", Data("Objects")),
    operation("/format_query", BOTH, "An expression, formatted", "query!", Data("Text")),
    operation("/parse_query", BOTH, "An expression as a tree", "query!", Data("Object")),
    operation("/series", BOTH, "The label sets of series", "match[]! start end limit", Data("LabelSets")),
    operation("/labels", BOTH, "The names of labels", "match[] start end limit", Data("Texts")),
    operation("/label/{name}/values", GET, "The values of a label", "name! match[] start end limit", Data("Texts")),
    operation("/metadata", GET, "Types, helps and units of metrics", "metric limit limit_per_metric", Data("Object")),
    operation("/search/metric_names", BOTH, "Names of metrics that fit a text", SEARCH, Lines),
    operation("/search/label_names", BOTH, "Names of labels that fit a text", SEARCH, Lines),
    operation("/search/label_values", BOTH, "Values of a label that fit a text", SEARCH, Lines),
    operation("/read", POST, "Remote read, as samples or as streamed chunks", "", Bytes("application/x-protobuf")),
    operation("/write", POST, "Remote write, 1.0 and 2.0", "", Nothing),
    operation("/otlp/v1/metrics", POST, "Metrics by OTLP over HTTP, as protobuf or JSON", "", Bytes("application/x-protobuf")),
    operation("/rules", GET, "Groups of rules", "type rule_name[] rule_group[] file[] match[] exclude_alerts group_limit group_next_token", Data("Object")),
    operation("/alerts", GET, "Active alerts", "", Data("Object")),
    operation("/alertmanagers", GET, "Where alerts go", "", Data("Object")),
    operation("/targets", GET, "What is scraped", "state scrapePool", Data("Object")),
    operation("/targets/metadata", GET, "Metadata that targets told", "match_target metric limit", Data("Objects")),
    operation("/targets/relabel_steps", GET, "How a target's labels come about", "scrapePool! labels!", Data("Object")),
    operation("/scrape_pools", GET, "The names of all groups of targets", "", Data("Object")),
    operation("/scrape_pools/config", GET, "The configuration of a group of targets", "scrapePool!", Data("Object")),
    operation("/status/buildinfo", GET, "The version", "", Data("Object")),
    operation("/status/runtimeinfo", GET, "The running process", "", Data("Object")),
    operation("/status/config", GET, "The configuration", "", Data("Object")),
    operation("/status/flags", GET, "The options of the command line", "", Data("Object")),
    operation("/status/tsdb", GET, "Where series come from", "limit", Data("Object")),
    operation("/status/tsdb/blocks", GET, "Blocks of the storage", "", Data("Object")),
    operation("/status/walreplay", GET, "How far the log has been replayed", "", Data("Object")),
    operation("/status/self_metrics", GET, "The server's own metrics", "metric_name_pattern", Data("Objects")),
    operation("/cardinality/label_names", BOTH, "Labels by how many values they have (Mimir's)", "selector limit", Data("Object")),
    operation("/cardinality/label_values", BOTH, "Values of labels by how many series they have (Mimir's)", "label_names[]! selector limit", Data("Object")),
    operation("/cardinality/active_series", BOTH, "The series that have had a sample in the last 20 minutes (Mimir's)", "selector!", Data("Object")),
    operation("/admin/tsdb/delete_series", WRITE, "Delete samples", "match[]! start end", Nothing),
    operation("/admin/tsdb/clean_tombstones", WRITE, "Free the room of what was deleted", "", Nothing),
    operation("/admin/tsdb/snapshot", WRITE, "Copy the tenant's metrics", "skip_head", Data("Object")),
    operation("/features", GET, "What of Prometheus' features there is", "", Data("Object")),
    operation("/notifications", GET, "What whoever runs the server should know now", "", Data("Objects")),
    operation("/notifications/live", GET, "The same as it changes", "", Events),
    operation("/openapi.yaml", GET, "This description", "openapi_version", Bytes("application/yaml")),
];

/// Name, type (`[…]`: may come several times), meaning.
#[rustfmt::skip]
const PARAMETERS: &[(&str, &str, &str)] = &[
    ("query", "string", "An expression of PromQL"),
    ("time", "string", "Seconds since 1970, or RFC 3339; now where it is absent"),
    ("start", "string", "Seconds since 1970, or RFC 3339"),
    ("end", "string", "Seconds since 1970, or RFC 3339"),
    ("step", "string", "Seconds, or a duration such as 15s"),
    ("timeout", "string", "Seconds or a duration; can only shorten the server's own"),
    ("limit", "integer", "How many results at most; 0 for all (searches: 100)"),
    ("lookback_delta", "string", "How old a sample may be to count, as seconds or a duration"),
    ("stats", "string", "`true` or `all` for what the evaluation took; `all` for each step, too"),
    ("explain", "boolean", "What was read, pruned and spent (not of Prometheus)"),
    ("match[]", "[string]", "A selector; of several, series that fulfil any"),
    ("name", "path", "A label, in `U__` escapes where it has other characters than letters, digits and underscores"),
    ("metric", "string", "The name of a metric"),
    ("limit_per_metric", "integer", "How many at most of one metric"),
    ("search[]", "[string]", "A text; of several, names that fit any"),
    ("fuzz_threshold", "integer", "The least score, 0 to 100"),
    ("fuzz_alg", "string", "`subsequence` or `jarowinkler`"),
    ("case_sensitive", "boolean", "Whether capitals are told from small letters; true where it is absent"),
    ("sort_by", "string", "`alpha` or `score`"),
    ("sort_dir", "string", "`asc` or `dsc`"),
    ("include_score", "boolean", "Whether to tell scores"),
    ("include_metadata", "boolean", "Whether to tell type, help and unit"),
    ("batch_size", "integer", "Results of one line"),
    ("label", "string", "The name of a label, as it is"),
    ("selector", "string", "A selector of the series that count"),
    ("label_names[]", "[string]", "The name of a label"),
    ("skip_head", "boolean", "Whether to leave out what is not in files yet"),
    ("type", "string", "`alert` or `record`"),
    ("rule_name[]", "[string]", "The name of a rule"),
    ("rule_group[]", "[string]", "The name of a group"),
    ("file[]", "[string]", "The name of a file"),
    ("exclude_alerts", "boolean", "Whether to leave out active alerts"),
    ("group_limit", "integer", "Groups of one answer"),
    ("group_next_token", "string", "Where the answer before ended"),
    ("state", "string", "`active`, `dropped` or `any`"),
    ("scrapePool", "string", "The name of a group of targets"),
    ("labels", "string", "The labels of a target before relabelling, as JSON"),
    ("match_target", "string", "A selector of targets"),
    ("metric_name_pattern", "string", "A regular expression for whole names of metrics"),
    ("openapi_version", "string", "`3.1` or `3.2`; 3.1 where it is absent"),
];

/// 3.1 unless it is asked for 3.2.
pub(super) async fn openapi(parameters: Parameters) -> Response {
    let is_newest = matches!(parameters.get("openapi_version"), "3.2" | "3.2.0");
    let description = describe(if is_newest { "3.2.0" } else { "3.1.0" });
    ([(header::CONTENT_TYPE, "application/yaml; charset=utf-8")], format!("{description:#}\n")).into_response()
}

fn describe(version: &str) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for operation in OPERATIONS {
        if matches!(operation.answer, Events) && version == "3.1.0" {
            continue;
        }
        let methods = operation.methods.iter().map(|method| ((*method).to_owned(), operation.describe(method)));
        paths.insert(operation.path.to_owned(), Value::Object(methods.collect()));
    }
    json!({
        "openapi": version,
        "info": {
            "title": "Prometheus' API of Trefoil",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What Trefoil serves of Prometheus' HTTP API. Every request can name its tenant in X-Scope-OrgID.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/api/v1" }],
        "paths": paths,
        "components": { "schemas": schemas() },
    })
}

fn schemas() -> Value {
    json!({
        "Object": { "type": "object" },
        "Objects": { "type": "array", "items": { "type": "object" } },
        "Text": { "type": "string" },
        "Texts": { "type": "array", "items": { "type": "string" } },
        "LabelSet": { "type": "object", "additionalProperties": { "type": "string" } },
        "LabelSets": { "type": "array", "items": { "$ref": "#/components/schemas/LabelSet" } },
        "QueryData": {
            "type": "object",
            "required": ["resultType", "result"],
            "properties": {
                "resultType": { "type": "string", "enum": ["matrix", "vector", "scalar", "string"] },
                "result": { "type": "array" },
                "stats": { "type": "object" },
                "explain": { "type": "object" },
            },
        },
        "Error": {
            "type": "object",
            "required": ["status", "errorType", "error"],
            "properties": {
                "status": { "const": "error" },
                "errorType": { "type": "string" },
                "error": { "type": "string" },
            },
        },
    })
}

impl Operation {
    fn describe(&self, method: &str) -> Value {
        let id = self.path.trim_start_matches('/').replace(['/', '{', '}', '.'], "-");
        let mut described = json!({
            "operationId": format!("{method}-{id}"),
            "summary": self.summary,
            "responses": {
                "default": {
                    "description": "What went wrong",
                    "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } },
                },
            },
        });
        let (status, success) = self.success();
        described["responses"][status] = success;
        let parameters = self.parameters();
        if method == "get" || parameters.iter().any(|parameter| parameter["in"] == "path") {
            described["parameters"] = parameters.into();
        } else if !self.parameters.is_empty() {
            described["requestBody"] = form(&parameters);
        }
        described
    }

    fn names(&self) -> impl Iterator<Item = (&'static str, bool)> {
        let own = match self.path {
            "/search/metric_names" => "include_metadata",
            "/search/label_values" => "label!",
            _ => "",
        };
        let names = self.parameters.split_whitespace().chain(own.split_whitespace());
        names.map(|name| (name.trim_end_matches('!'), name.ends_with('!')))
    }

    fn parameters(&self) -> Vec<Value> {
        let described = self.names().filter_map(|(name, required)| {
            let (_, kind, description) = PARAMETERS.iter().find(|(known, ..)| *known == name)?;
            let place = if *kind == "path" { "path" } else { "query" };
            let schema = match kind.strip_prefix('[') {
                Some(item) => json!({ "type": "array", "items": { "type": item.trim_end_matches(']') } }),
                None if *kind == "path" => json!({ "type": "string" }),
                None => json!({ "type": kind }),
            };
            Some(json!({
                "name": name, "in": place, "required": required, "description": description, "schema": schema,
            }))
        });
        described.collect()
    }

    fn success(&self) -> (&'static str, Value) {
        let of = |media_type: &str, schema: Value| {
            ("200", json!({ "description": "Success", "content": { media_type: { "schema": schema } } }))
        };
        match self.answer {
            Data(schema) => of(
                "application/json",
                json!({
                    "type": "object",
                    "required": ["status", "data"],
                    "properties": {
                        "status": { "const": "success" },
                        "data": { "$ref": format!("#/components/schemas/{schema}") },
                        "warnings": { "$ref": "#/components/schemas/Texts" },
                        "infos": { "$ref": "#/components/schemas/Texts" },
                    },
                }),
            ),
            Lines => of("application/x-ndjson", json!({ "$ref": "#/components/schemas/Object" })),
            Bytes(media_type) => of(media_type, json!({})),
            Events => {
                let item = json!({ "itemSchema": { "$ref": "#/components/schemas/Object" } });
                ("200", json!({ "description": "Success", "content": { "text/event-stream": item } }))
            }
            Nothing => ("204", json!({ "description": "Success" })),
        }
    }
}

/// The same parameters in a body.
fn form(parameters: &[Value]) -> Value {
    let mut properties = Map::new();
    for parameter in parameters {
        let mut schema = parameter["schema"].clone();
        schema["description"] = parameter["description"].clone();
        properties.insert(parameter["name"].as_str().unwrap_or_default().to_owned(), schema);
    }
    let required: Vec<_> = parameters
        .iter()
        .filter(|parameter| parameter["required"] == true)
        .map(|parameter| &parameter["name"])
        .collect();
    json!({
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": { "type": "object", "properties": properties, "required": required },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The paths below `/api/v1` that this surface has routes for, as its source says.
    fn routes() -> BTreeSet<&'static str> {
        let lines = include_str!("mod.rs").lines().filter_map(|line| line.trim().strip_prefix(".route(\""));
        let paths = lines.filter_map(|line| line.split('"').next());
        paths.take_while(|path| *path != "/federate").collect()
    }

    #[test]
    fn every_route_is_described_and_nothing_else() {
        let described: BTreeSet<_> = OPERATIONS.iter().map(|operation| operation.path).collect();
        // Those that the pipelines serve.
        let elsewhere = BTreeSet::from(["/write", "/otlp/v1/metrics"]);
        assert_eq!(described.difference(&elsewhere).copied().collect::<BTreeSet<_>>(), routes());
    }

    #[test]
    fn every_parameter_is_known_and_used() {
        let used: BTreeSet<_> =
            OPERATIONS.iter().flat_map(|operation| operation.names().map(|(name, _)| name)).collect();
        assert_eq!(used, PARAMETERS.iter().map(|(name, ..)| *name).collect());
    }

    #[test]
    fn the_newest_version_has_events() {
        for (version, has_events) in [("3.1.0", false), ("3.2.0", true)] {
            let description = describe(version);
            assert_eq!(description["openapi"], version);
            assert_eq!(description["paths"].get("/notifications/live").is_some(), has_events);
            let query = &description["paths"]["/query"];
            assert_eq!(query["get"]["parameters"][0]["name"], "query");
            let form = &query["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"];
            assert_eq!(form["required"], json!(["query"]));
            let path = &description["paths"]["/label/{name}/values"]["get"]["parameters"][0];
            assert_eq!((&path["in"], &path["required"]), (&json!("path"), &json!(true)));
        }
    }
}
