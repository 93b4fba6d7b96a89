//! What makes an axum router an instrumented server: a SERVER span for each request, its duration, a log line.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use http::StatusCode;
use http::uri::Authority;
use opentelemetry::context::FutureExt as _;
use opentelemetry::logs::Severity;
use opentelemetry::trace::{SpanKind, Status, TraceContextExt as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::HeaderExtractor;
use serde_json::json;

use super::failure::Failure;
use crate::services::ServiceName;
use crate::shop::{Job, Shop};
use crate::telemetry::Pod;
use crate::{propagation, tenants};

const MAX_BODY: usize = 64 * 1024;
/// What the semantic conventions call a method that they do not know.
const OTHER: &str = "_OTHER";

/// Adds instrumentation, limits and a health check to the routes of a service.
pub fn instrumented(routes: Router<Arc<Shop>>, service: ServiceName, shop: Arc<Shop>) -> Router {
    routes
        .fallback(async || Failure::new(StatusCode::NOT_FOUND, "there is nothing here"))
        .method_not_allowed_fallback(async || {
            Failure::new(StatusCode::METHOD_NOT_ALLOWED, "this cannot be done with it")
        })
        .layer(from_fn_with_state((shop.clone(), service), instrument))
        // Outside of the instrumentation: the kubelet's probes are no traffic.
        .route("/healthz", axum::routing::get(async move || Json(json!({"service": service, "status": "ok"}))))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(shop)
}

async fn instrument(
    State((shop, service)): State<(Arc<Shop>, ServiceName)>,
    mut request: Request,
    next: Next,
) -> Response {
    let parent = propagation::extract(&HeaderExtractor(request.headers()));
    let tenant = match tenants::of(&parent, &shop.tenants) {
        Ok(tenant) => tenant,
        Err(unknown) => return Failure::bad_request(unknown).into_response(),
    };
    let parent = tenants::put(parent, tenant);
    let pod = shop.telemetry.pod(service, tenant).clone();
    let begin = Instant::now();
    let seen = Seen::of(&request);
    let _active = pod.instruments.request(seen.method);
    let span = pod.span(seen.name(), SpanKind::Server).with_attributes(seen.attributes(&request));
    let context = pod.start(span, &parent);
    request.extensions_mut().insert(Job { shop: shop.clone(), pod: pod.clone() });
    let response = async {
        if let Some(delay) = shop.faults.delay(service) {
            tokio::time::sleep(delay).await;
        }
        next.run(request).await
    };
    let response = response.with_context(context.clone()).await;

    let _current = context.clone().attach();
    conclude(&pod, &context, &seen, &response, begin);
    response
}

/// Tells about the answer: by the span, the histogram and a log line.
fn conclude(pod: &Pod, context: &Context, seen: &Seen, response: &Response, begin: Instant) {
    let status = response.status();
    let span = context.span();
    span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
    let failure = response.extensions().get::<Failure>();
    if status.is_server_error() {
        span.set_attribute(KeyValue::new("error.type", status.as_u16().to_string()));
        match failure {
            Some(Failure { exception: Some(exception), .. }) => pod.record_exception(exception),
            Some(Failure { message, .. }) => span.set_status(Status::error(message.clone())),
            None => span.set_status(Status::error("")),
        }
    }

    let duration = begin.elapsed();
    let mut attributes = vec![
        KeyValue::new("http.request.method", seen.method),
        KeyValue::new("http.response.status_code", i64::from(status.as_u16())),
        KeyValue::new("url.scheme", "http"),
    ];
    if let Some(route) = &seen.route {
        attributes.push(KeyValue::new("http.route", route.clone()));
    }
    if status.is_server_error() {
        attributes.push(KeyValue::new("error.type", status.as_u16().to_string()));
    }
    pod.instruments.http_server.record(duration, &attributes, context);

    let milliseconds = duration.as_secs_f64() * 1000.0;
    let mut message = format!("{} {} responded {} in {milliseconds:.1} ms", seen.asked, seen.path, status.as_u16());
    if let Some(failure) = failure {
        message = format!("{message}: {}", failure.message);
    }
    let severity = match status.as_u16() {
        500.. => Severity::Error,
        400.. => Severity::Warn,
        _ => Severity::Info,
    };
    let exception = failure.and_then(|failure| failure.exception.as_ref());
    attributes.push(KeyValue::new("duration_ms", (milliseconds * 10.0).round() / 10.0));
    attributes.extend(exception.map(|exception| exception.attributes()).unwrap_or_default());
    pod.log(severity, &message, &attributes);
    span.end();
}

/// What was asked.
struct Seen {
    /// The method, or `_OTHER` in place of one that the semantic conventions do not know.
    method: &'static str,
    /// The method as it was sent.
    asked: http::Method,
    path: String,
    /// The template that the path matches.
    route: Option<String>,
}

impl Seen {
    fn of(request: &Request) -> Self {
        Self {
            method: method(request.method()),
            asked: request.method().clone(),
            path: request.uri().path().to_owned(),
            route: request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned()),
        }
    }

    fn name(&self) -> String {
        let method = if self.method == OTHER { "HTTP" } else { self.method };
        match &self.route {
            Some(route) => format!("{method} {route}"),
            None => method.to_owned(),
        }
    }

    fn attributes(&self, request: &Request) -> Vec<KeyValue> {
        let mut attributes = vec![
            KeyValue::new("http.request.method", self.method),
            KeyValue::new("url.path", self.path.clone()),
            KeyValue::new("url.scheme", "http"),
        ];
        if self.method == OTHER {
            attributes.push(KeyValue::new("http.request.method_original", self.asked.to_string()));
        }
        attributes.extend(version(request).map(|version| KeyValue::new("network.protocol.version", version)));
        attributes.extend(self.route.clone().map(|route| KeyValue::new("http.route", route)));
        attributes.extend(request.uri().query().map(|query| KeyValue::new("url.query", query.to_owned())));
        let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        let host = header(http::header::HOST).and_then(|host| host.parse::<Authority>().ok());
        // HTTP/2 has it in the URI.
        if let Some(host) = host.as_ref().or(request.uri().authority()) {
            attributes.push(KeyValue::new("server.address", host.host().to_owned()));
            attributes.push(KeyValue::new("server.port", i64::from(host.port_u16().unwrap_or(80))));
        }
        attributes.extend(
            header(http::header::USER_AGENT).map(|agent| KeyValue::new("user_agent.original", agent.to_owned())),
        );
        attributes
    }
}

fn version(request: &Request) -> Option<&'static str> {
    match request.version() {
        http::Version::HTTP_10 => Some("1.0"),
        http::Version::HTTP_11 => Some("1.1"),
        http::Version::HTTP_2 => Some("2"),
        _ => None,
    }
}

fn method(method: &http::Method) -> &'static str {
    const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or(OTHER)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
        attributes.iter().find(|attribute| attribute.key.as_str() == key).map(|attribute| attribute.value.to_string())
    }

    #[test]
    fn unknown_methods_are_named_by_the_conventions() {
        let request =
            Request::builder().method("BREW").uri("/pot").header("host", "[::1]").body(Body::empty()).unwrap();
        let seen = Seen::of(&request);
        assert_eq!((seen.name().as_str(), seen.method), ("HTTP", "_OTHER"));
        let attributes = seen.attributes(&request);
        for (key, value) in [
            ("http.request.method", "_OTHER"),
            ("http.request.method_original", "BREW"),
            ("network.protocol.version", "1.1"),
            ("server.address", "[::1]"),
            ("server.port", "80"),
        ] {
            assert_eq!(attribute(&attributes, key).as_deref(), Some(value), "{key}");
        }
    }

    #[test]
    fn the_host_of_http_2_is_in_the_uri() {
        let request = Request::builder().uri("http://shop:81/x?y=1").version(http::Version::HTTP_2).body(Body::empty());
        let request = request.unwrap();
        let attributes = Seen::of(&request).attributes(&request);
        for (key, value) in
            [("network.protocol.version", "2"), ("server.address", "shop"), ("server.port", "81"), ("url.query", "y=1")]
        {
            assert_eq!(attribute(&attributes, key).as_deref(), Some(value), "{key}");
        }
        assert_eq!(attribute(&attributes, "http.request.method_original"), None);
    }
}
