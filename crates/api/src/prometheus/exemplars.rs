//! `/api/v1/query_exemplars`.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use trefoil_query::metrics::Exemplar;

use super::answer::{List, Notes};
use super::error::PromError;
use super::form::Parameters;
use super::json;
use crate::ApiState;

/// An empty list where the query asks for no series, or they have no exemplars.
pub(super) async fn exemplars(
    State(state): State<ApiState>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, PromError> {
    let tenant = state.tenant(&headers)?;
    let (start, end) = parameters.time_range()?;
    if end < start {
        return Err(PromError::bad_data("end timestamp must not be before start timestamp"));
    }
    let found = state.engine.exemplars(&tenant, parameters.get("query"), start, end).await?;
    Ok(List::array(Notes::default()).of(found, |out, series| {
        out.extend_from_slice(b"{\"seriesLabels\":");
        json::labels(out, &series.labels);
        out.extend_from_slice(b",\"exemplars\":[");
        for (index, exemplar) in series.exemplars.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write_exemplar(out, exemplar);
        }
        out.extend_from_slice(b"]}");
    }))
}

fn write_exemplar(out: &mut Vec<u8>, exemplar: &Exemplar) {
    out.extend_from_slice(b"{\"labels\":");
    json::labels(out, &exemplar.labels);
    out.extend_from_slice(b",\"value\":");
    json::value(out, exemplar.value);
    out.extend_from_slice(b",\"timestamp\":");
    json::time(out, exemplar.time_ms);
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use trefoil_promql::labels::Labels;

    use super::*;

    #[test]
    fn an_exemplar_is_an_object() {
        let labels = Labels::from_pairs([("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736")]);
        let mut out = Vec::new();
        write_exemplar(&mut out, &Exemplar { labels, value: 6.0, time_ms: 1_600_096_945_479 });
        insta::assert_snapshot!(
            String::from_utf8(out).unwrap(),
            @r#"{"labels":{"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"},"value":"6","timestamp":1600096945.479}"#
        );
    }
}
