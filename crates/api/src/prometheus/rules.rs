//! `/api/v1/rules`, `/api/v1/alerts`, `/api/v1/alertmanagers`. There are no rules yet, so all of them answer that there are
//! none; parameters are checked nevertheless.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::json;
use trefoil_go::quote::quote;

use super::answer::small;
use super::error::PromError;
use super::form::Parameters;
use crate::ApiState;

pub(super) async fn rules(
    State(state): State<ApiState>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, PromError> {
    state.tenant(&headers)?;
    check(&parameters)?;
    Ok(small(&json!({ "groups": [] })))
}

fn check(parameters: &Parameters) -> Result<(), PromError> {
    parameters.selectors().map_err(PromError::bad_data)?;
    let kind = parameters.get("type").to_lowercase();
    if !matches!(kind.as_str(), "" | "alert" | "record") {
        return Err(PromError::invalid_parameter("type", format!("not supported value {}", quote(&kind))));
    }
    let exclude_alerts = parameters.get("exclude_alerts").to_lowercase();
    if !matches!(exclude_alerts.as_str(), "" | "1" | "t" | "true" | "0" | "f" | "false") {
        let parsing = format!("strconv.ParseBool: parsing {}: invalid syntax", quote(&exclude_alerts));
        let reason = format!("error converting exclude_alerts: {parsing}");
        return Err(PromError::invalid_parameter("exclude_alerts", reason));
    }
    check_page(parameters.get("group_limit"), parameters.get("group_next_token"))
}

fn check_page(limit: &str, token: &str) -> Result<(), PromError> {
    let of_token = |reason: String| PromError::invalid_parameter("group_next_token", reason);
    let of_limit = |reason: String| PromError::invalid_parameter("group_limit", reason);
    if limit.is_empty() {
        return match token.is_empty() {
            true => Ok(()),
            false => Err(of_token("group_limit needs to be present in order to paginate over the groups".to_owned())),
        };
    }
    let groups: i32 = limit.parse().map_err(|_| {
        let parsing = format!("strconv.ParseInt: parsing {}: invalid syntax", quote(limit));
        of_limit(format!("group_limit needs to be a valid number: {parsing}"))
    })?;
    if groups <= 0 {
        return Err(of_limit("group_limit needs to be greater than 0".to_owned()));
    }
    if !token.is_empty() {
        return Err(of_token(format!("invalid group_next_token '{token}'. were rule groups changed?")));
    }
    Ok(())
}

pub(super) async fn alerts(State(state): State<ApiState>, headers: HeaderMap) -> Result<Response, PromError> {
    state.tenant(&headers)?;
    Ok(small(&json!({ "alerts": [] })))
}

pub(super) async fn alertmanagers() -> Response {
    small(&json!({ "activeAlertmanagers": [], "droppedAlertmanagers": [] }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_checked() {
        let check = |query: &str| check(&Parameters::from(query)).map_err(|error| error.message);
        for accepted in [
            "",
            "type=alert&exclude_alerts=true&group_limit=100&rule_name[]=x&file[]=y&file=y&match[]={a=\"b\"}",
            "type=Record&exclude_alerts=F",
        ] {
            assert_eq!(check(accepted), Ok(()), "{accepted}");
        }
        for (refused, error) in [
            ("type=x", r#"invalid parameter "type": not supported value "x""#),
            (
                "exclude_alerts=x",
                "invalid parameter \"exclude_alerts\": error converting exclude_alerts: strconv.ParseBool: parsing \
                 \"x\": invalid syntax",
            ),
            (
                "group_next_token=x",
                "invalid parameter \"group_next_token\": group_limit needs to be present in order to paginate over the \
                 groups",
            ),
            (
                "group_limit=x",
                "invalid parameter \"group_limit\": group_limit needs to be a valid number: strconv.ParseInt: parsing \
                 \"x\": invalid syntax",
            ),
            ("group_limit=0", r#"invalid parameter "group_limit": group_limit needs to be greater than 0"#),
            (
                "group_limit=1&group_next_token=x",
                "invalid parameter \"group_next_token\": invalid group_next_token 'x'. were rule groups changed?",
            ),
            ("match[]={}", "match[] must contain at least one non-empty matcher"),
        ] {
            assert_eq!(check(refused), Err(error.to_owned()), "{refused}");
        }
    }
}
