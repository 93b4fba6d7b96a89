//! How a trace and its baggage get from one service to the next: W3C `traceparent`, `tracestate` and `baggage`, as
//! headers of a request or a message, as columns of the outbox, and in SQL comments.

use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};

/// The context that a carrier brings.
pub fn extract(carrier: &dyn Extractor) -> Context {
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), carrier);
    BaggagePropagator::new().extract_with_context(&context, carrier)
}

/// Hands trace and baggage on.
pub fn inject(context: &Context, carrier: &mut dyn Injector) {
    TraceContextPropagator::new().inject_context(context, carrier);
    inject_baggage(context, carrier);
}

/// The propagation hole: what comes next knows the tenant, but not which trace it belongs to.
pub fn inject_baggage(context: &Context, carrier: &mut dyn Injector) {
    BaggagePropagator::new().inject_context(context, carrier);
}

/// `/* traceparent='00-…' */` for the span of `context`. It stands before the statement, where a database that cuts long
/// statements off keeps it.
pub fn sql_comment(context: &Context) -> String {
    let span = context.span();
    let span = span.span_context();
    let flags = span.trace_flags().to_u8();
    format!("/* traceparent='00-{}-{}-{flags:02x}' */", span.trace_id(), span.span_id())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use opentelemetry::KeyValue;
    use opentelemetry::baggage::BaggageExt as _;
    use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

    use super::*;

    fn context() -> Context {
        let state = TraceState::from_key_value([("shop", "1")]).unwrap();
        let span = SpanContext::new(TraceId::from(0xabc), SpanId::from(0xdef), TraceFlags::SAMPLED, true, state);
        Context::new().with_remote_span_context(span).with_baggage([KeyValue::new("tenant", "acme-books")])
    }

    #[test]
    fn a_carrier_brings_back_what_it_was_given() {
        let mut headers = HashMap::new();
        inject(&context(), &mut headers);
        assert_eq!(headers["traceparent"], format!("00-{:032x}-{:016x}-01", 0xabc, 0xdef));
        assert_eq!(headers["tracestate"], "shop=1");
        assert_eq!(headers["baggage"], "tenant=acme-books");
        let back = extract(&headers);
        assert_eq!(back.span().span_context().span_id(), SpanId::from(0xdef));
        assert_eq!(back.baggage().get("tenant").unwrap().as_str(), "acme-books");
    }

    #[test]
    fn the_hole_keeps_the_tenant_alone() {
        let mut headers = HashMap::new();
        inject_baggage(&context(), &mut headers);
        assert!(!extract(&headers).span().span_context().is_valid());
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["baggage"]);
    }

    #[test]
    fn garbage_is_no_context() {
        let headers = HashMap::from([("traceparent".to_owned(), "00-xyz-1-01".to_owned())]);
        assert!(!extract(&headers).span().span_context().is_valid());
    }

    #[test]
    fn statements_name_their_span() {
        let expected = format!("/* traceparent='00-{:032x}-{:016x}-01' */", 0xabc, 0xdef);
        assert_eq!(sql_comment(&context()), expected);
    }
}
