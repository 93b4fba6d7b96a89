//! `pprof`: CPU profiles over HTTP, in the format and at the path that `go tool pprof` and Grafana know.
//!
//! `GET /debug/pprof/profile?seconds=30` samples the whole process for that long, one profile at a time. There is no heap,
//! block or mutex profile: those are Go's, and empty for clients that want all of them.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use pprof::protos::Message;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::http::HttpExtension;
use crate::component::{ComponentError, Context, Extension, ExtensionConfig, ExtensionFactory};
use crate::config::{ConfigError, Section};

pub const FACTORY: ExtensionFactory = ExtensionFactory { kind: "pprof", signals: &[], parse };

/// Samples a second: often enough to see, rare enough not to be felt; off the round number, so that it does not beat in
/// time with timers.
const FREQUENCY: i32 = 99;
const MAX_SECONDS: u64 = 300;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    endpoint: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { endpoint: "127.0.0.1:1777".into() }
    }
}

const UNSUPPORTED: &[(&str, &str)] = &[
    ("block_profile_fraction", "it is about Go's runtime"),
    ("mutex_profile_fraction", "it is about Go's runtime"),
    ("save_to_file", "fetch /debug/pprof/profile instead"),
];

fn parse(section: &Section<'_>) -> Result<Box<dyn ExtensionConfig>, ConfigError> {
    Ok(Box::new(section.without(UNSUPPORTED).parse::<Config>()?))
}

impl ExtensionConfig for Config {
    fn build(&self, context: Context) -> Result<Arc<dyn Extension>, ComponentError> {
        Ok(HttpExtension::new(context.id, &self.endpoint, None, router()))
    }
}

/// What Go's runtime has beside it, and `promtool debug` does without none of.
const OF_GO: [&str; 5] = ["block", "goroutine", "heap", "mutex", "threadcreate"];

/// The profiles as routes for other listeners.
pub fn router() -> Router {
    let router = Router::new().route("/debug/pprof/profile", get(profile)).with_state(Arc::new(Mutex::new(())));
    OF_GO.iter().fold(router, |router, kind| router.route(&format!("/debug/pprof/{kind}"), get(nothing)))
}

/// A profile without samples that says so.
async fn nothing() -> Response {
    let string_table = vec![String::new(), "this program takes no such profile".to_owned()];
    let profile = pprof::protos::Profile { string_table, comment: vec![1], ..Default::default() };
    ([(header::CONTENT_TYPE, "application/octet-stream")], profile.encode_to_vec()).into_response()
}

#[derive(Deserialize)]
struct Parameters {
    seconds: Option<u64>,
}

async fn profile(State(turn): State<Arc<Mutex<()>>>, Query(parameters): Query<Parameters>) -> Response {
    let seconds = parameters.seconds.unwrap_or(30);
    if seconds == 0 || seconds > MAX_SECONDS {
        return (StatusCode::BAD_REQUEST, format!("seconds must be 1 to {MAX_SECONDS}\n")).into_response();
    }
    let Ok(_turn) = turn.try_lock() else {
        return (StatusCode::CONFLICT, "another profile is being taken\n").into_response();
    };
    match sample(Duration::from_secs(seconds)).await {
        Ok(bytes) => ([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn sample(duration: Duration) -> Result<Vec<u8>, pprof::Error> {
    let guard = pprof::ProfilerGuardBuilder::default().frequency(FREQUENCY).build()?;
    tokio::time::sleep(duration).await;
    Ok(guard.report().build()?.pprof()?.encode_to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn profiles_of_gos_runtime_are_empty() {
        let body = axum::body::to_bytes(nothing().await.into_body(), 1 << 10).await.unwrap();
        let profile = pprof::protos::Profile::decode(&body[..]).unwrap();
        assert_eq!((profile.sample.len(), profile.comment), (0, vec![1]));
    }

    #[tokio::test]
    async fn a_profile_has_samples_of_busy_code() {
        let busy = std::thread::spawn(|| {
            let end = std::time::Instant::now() + Duration::from_millis(1500);
            let mut x = 1u64;
            while std::time::Instant::now() < end {
                x = std::hint::black_box(x.wrapping_mul(31).wrapping_add(7));
            }
            x
        });
        let bytes = sample(Duration::from_secs(1)).await.unwrap();
        busy.join().unwrap();
        let profile = pprof::protos::Profile::decode(bytes.as_slice()).unwrap();
        assert!(!profile.sample.is_empty());
    }
}
