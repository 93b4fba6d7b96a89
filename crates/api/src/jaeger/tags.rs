//! What a search says of spans, as TraceQL.

use trefoil_traceql::ast::{Attribute, CompareOp, Field, Intrinsic, Scope};
use trefoil_traceql::value::{Kind, Status, Value};

use super::parameters::parse_bool;
use crate::conditions::{any, compared, service_attribute, typed};

/// Where a tag may be that does not say where.
const SCOPES: [Scope; 5] = [Scope::Span, Scope::Resource, Scope::Instrumentation, Scope::Event, Scope::Link];

/// Holds for spans with this tag. Some names stand for what spans have members of their own for; `resource.` looks at the resource only;
/// all others are looked for everywhere. Values are compared as text, so that `200` is both the text and the number.
pub(super) fn tag(key: &str, value: &str) -> Field {
    let text = |intrinsic| intrinsic_is(intrinsic, Value::string(value));
    match key {
        "error" if parse_bool(value).is_ok() => {
            let is_error = intrinsic_is(Intrinsic::Status, Value::Status(Status::Error));
            if parse_bool(value) == Ok(true) { is_error } else { Field::Not(Box::new(is_error)) }
        }
        "span.status" | "otel.status_code" => {
            let status = Status::named(&value.to_ascii_lowercase()).unwrap_or(Status::Unset);
            intrinsic_is(Intrinsic::Status, Value::Status(status))
        }
        "span.kind" => {
            let kind = Kind::named(&value.to_ascii_lowercase()).unwrap_or(Kind::Unspecified);
            intrinsic_is(Intrinsic::Kind, Value::Kind(kind))
        }
        "scope.name" | "otel.scope.name" => text(Intrinsic::InstrumentationName),
        "scope.version" | "otel.scope.version" => text(Intrinsic::InstrumentationVersion),
        "otel.status_description" => text(Intrinsic::StatusMessage),
        key => match key.strip_prefix("resource.") {
            Some(key) => any(attribute_is(Scope::Resource, key, value)),
            None => any(SCOPES.into_iter().flat_map(|scope| attribute_is(scope, key, value))),
        },
    }
}

pub(super) fn service(name: &str) -> Field {
    compared(service_attribute(), CompareOp::Equal, Value::string(name))
}

pub(super) fn intrinsic_is(intrinsic: Intrinsic, value: Value) -> Field {
    compared(Attribute::Intrinsic(intrinsic), CompareOp::Equal, value)
}

fn attribute_is(scope: Scope, key: &str, value: &str) -> Vec<Field> {
    let attribute = || Attribute::Named { scope: Some(scope), name: key.to_owned() };
    typed(value).into_iter().map(|value| compared(attribute(), CompareOp::Equal, value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_conditions() {
        for (key, value, expected) in [
            ("error", "true", "status = error"),
            ("error", "false", "!(status = error)"),
            ("span.kind", "Server", "kind = server"),
            ("otel.status_code", "OK", "status = ok"),
            ("scope.name", "lib", "instrumentation:name = `lib`"),
            ("resource.host", "a", "resource.host = `a`"),
            ("resource.n", "1", "(resource.n = `1`) || (resource.n = 1)"),
        ] {
            assert_eq!(tag(key, value).to_string(), expected, "{key}={value}");
        }
        insta::assert_snapshot!(tag("n", "72.5"), @"(span.n = `72.5`) || (span.n = 72.5) || (resource.n = `72.5`) || (resource.n = 72.5) || (instrumentation.n = `72.5`) || (instrumentation.n = 72.5) || (event.n = `72.5`) || (event.n = 72.5) || (link.n = `72.5`) || (link.n = 72.5)");
    }
}
