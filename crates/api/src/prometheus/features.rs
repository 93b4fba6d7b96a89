//! `/api/v1/features`: what of Prometheus' language and API there is, by Prometheus' names.

use axum::extract::State;
use axum::response::Response;
use serde_json::{Map, Value, json};
use trefoil_promql::ast::{AggregateOp, BinaryOp};
use trefoil_promql::functions::Function;
use trefoil_query::metrics::PrometheusView;

use super::answer::small;
use super::surface::PrometheusApi;
use crate::ApiState;

const BINARY: [BinaryOp; 17] = [
    BinaryOp::Add,
    BinaryOp::Sub,
    BinaryOp::Mul,
    BinaryOp::Div,
    BinaryOp::Mod,
    BinaryOp::Pow,
    BinaryOp::Atan2,
    BinaryOp::Eq,
    BinaryOp::Ne,
    BinaryOp::Gt,
    BinaryOp::Lt,
    BinaryOp::Ge,
    BinaryOp::Le,
    BinaryOp::TrimUpper,
    BinaryOp::TrimLower,
    BinaryOp::And,
    BinaryOp::Or,
];

pub(super) async fn features(State(state): State<ApiState>) -> Response {
    small(&all(&state.prometheus, state.engine.prometheus_view(), state.admin_api))
}

fn all(api: &PrometheusApi, view: &PrometheusView, admin: bool) -> Value {
    let binary = BINARY.iter().map(|op| op.symbol()).chain([BinaryOp::Unless.symbol(), "=~", "!~", "@"]);
    let aggregations = AggregateOp::ALL.iter().map(|(name, _)| *name);
    json!({
        "api": {
            "admin": admin,
            "exclude_alerts": true,
            "label_values_match": true,
            "lifecycle": api.lifecycle.is_some(),
            "openapi_3.1": true,
            "openapi_3.2": true,
            "otlp_write_receiver": api.otlp,
            "query_stats": true,
            "query_warnings": true,
            "remote_write_receiver": api.remote_write,
            "search": true,
            "search_fuzz_alg_jarowinkler": true,
            "search_fuzz_alg_subsequence": true,
            "time_range_labels": true,
            "time_range_series": true,
        },
        "promql": {
            "anchored": true,
            "at_modifier": true,
            "bool": true,
            "by": true,
            "delayed_name_removal": false,
            "duration_expr": true,
            "fill": true,
            "fill_left": true,
            "fill_right": true,
            "group_left": true,
            "group_right": true,
            "ignoring": true,
            "negative_offset": true,
            "offset": true,
            "on": true,
            "per_query_lookback_delta": true,
            "per_step_stats": true,
            "smoothed": true,
            "subqueries": true,
            "type_and_unit_labels": view.type_and_unit_labels,
            "without": true,
        },
        "promql_functions": enabled(Function::all().iter().map(|function| function.name)),
        "promql_operators": enabled(binary.chain(aggregations)),
        // Deltas are stored as deltas and read as totals: docs/decisions/0010-prometheus-view.md.
        "otlp_receiver": { "delta_conversion": true, "native_delta_ingestion": false },
        "tsdb": { "exemplar_storage": true, "native_histograms": true },
    })
}

fn enabled<'n>(names: impl Iterator<Item = &'n str>) -> Map<String, Value> {
    names.map(|name| (name.to_owned(), true.into())).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// Prometheus' own list, where the conformance data is at hand.
    fn reference() -> Option<Value> {
        let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance");
        let folder = std::env::var_os("TREFOIL_CONFORMANCE").map_or_else(|| PathBuf::from(beside), PathBuf::from);
        let path = folder.join("prometheus/cmd/prometheus/testdata/features.json");
        match std::fs::read_to_string(&path) {
            Ok(text) => Some(serde_json::from_str(&text).unwrap()),
            Err(error) => {
                assert!(std::env::var_os("CI").is_none(), "{}: {error}", path.display());
                eprintln!("skipped: {} is missing", path.display());
                None
            }
        }
    }

    #[test]
    fn names_are_those_of_prometheus() {
        let Some(reference) = reference() else { return };
        let ours = all(&PrometheusApi::default(), &PrometheusView::default(), false);
        for (group, features) in ours.as_object().unwrap() {
            let theirs = reference[group].as_object().unwrap();
            for name in features.as_object().unwrap().keys() {
                assert!(theirs.contains_key(name), "{group}.{name}");
            }
        }
        for group in ["api", "promql", "promql_functions", "promql_operators"] {
            for name in reference[group].as_object().unwrap().keys() {
                assert!(ours[group].get(name).is_some(), "{group}.{name} is missing");
            }
        }
    }
}
