//! `/api/v1/notifications` and, as a stream of events, `/api/v1/notifications/live`: what whoever runs this should know now.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, BoxStream, StreamExt};
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender, channel};

use super::answer::small;
use super::status::rfc3339;
use crate::ApiState;

/// Prometheus' `web.max-notifications-subscribers`.
const MOST_LISTENERS: usize = 16;
/// Changes that a slow listener may be behind.
const MOST_BEHIND: usize = 64;

/// Prometheus' words, which its own screens know.
pub const RELOAD_FAILED: &str = "Configuration reload has failed.";
pub const SHUTTING_DOWN: &str = "Prometheus is shutting down and gracefully stopping all operations.";

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Notification {
    text: String,
    date: String,
    active: bool,
}

/// The notifications of one process. Clones are the same.
#[derive(Clone)]
pub struct Notifications(Arc<Shared>);

struct Shared {
    active: Mutex<BTreeMap<String, Notification>>,
    changes: Sender<Notification>,
}

impl Default for Notifications {
    fn default() -> Self {
        Self(Arc::new(Shared { active: Mutex::default(), changes: channel(MOST_BEHIND).0 }))
    }
}

impl fmt::Debug for Notifications {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.active().keys()).finish()
    }
}

impl Notifications {
    /// From now on it is so.
    pub fn raise(&self, text: &str) {
        let notification = Notification { text: text.to_owned(), date: rfc3339(SystemTime::now()), active: true };
        let mut active = self.active();
        active.insert(text.to_owned(), notification.clone());
        // Nobody need listen.
        let _ = self.0.changes.send(notification);
    }

    /// It is so no longer.
    pub fn clear(&self, text: &str) {
        let mut active = self.active();
        if let Some(notification) = active.remove(text) {
            let _ = self.0.changes.send(Notification { active: false, ..notification });
        }
    }

    fn active(&self) -> MutexGuard<'_, BTreeMap<String, Notification>> {
        self.0.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is so now and whatever changes later; `None` where too many listen already. Ends with the process.
    fn live(&self) -> Option<BoxStream<'static, Notification>> {
        let active = self.active();
        if self.0.changes.receiver_count() >= MOST_LISTENERS {
            return None;
        }
        let changes = self.0.changes.subscribe();
        let now: Vec<_> = active.values().cloned().collect();
        drop(active);
        Some(stream::iter(now).chain(stream::unfold(Some(changes), later)).boxed())
    }
}

async fn later(changes: Option<Receiver<Notification>>) -> Option<(Notification, Option<Receiver<Notification>>)> {
    let mut changes = changes?;
    loop {
        match changes.recv().await {
            Ok(last) if last.text == SHUTTING_DOWN => return Some((last, None)),
            Ok(notification) => return Some((notification, Some(changes))),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return None,
        }
    }
}

pub(super) async fn notifications(State(state): State<ApiState>) -> Response {
    let active: Vec<_> = state.prometheus.notifications.active().values().cloned().collect();
    small(&serde_json::json!(active))
}

pub(super) async fn live(State(state): State<ApiState>) -> Response {
    let Some(notifications) = state.prometheus.notifications.live() else {
        return (StatusCode::NO_CONTENT, [(header::CONTENT_TYPE, "text/event-stream")]).into_response();
    };
    let events = notifications.map(|notification| Ok::<_, Infallible>(event(&notification)));
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

fn event(notification: &Notification) -> Event {
    // Texts and a flag are always JSON.
    Event::default().data(serde_json::to_string(notification).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn listeners_hear_what_is_and_what_changes() {
        let notifications = Notifications::default();
        notifications.raise(RELOAD_FAILED);
        let mut live = notifications.live().unwrap();
        let first = live.next().await.unwrap();
        assert_eq!((first.text.as_str(), first.active), (RELOAD_FAILED, true));
        notifications.clear(RELOAD_FAILED);
        notifications.clear("never was");
        assert!(!live.next().await.unwrap().active);
        notifications.raise(SHUTTING_DOWN);
        assert_eq!(live.next().await.unwrap().text, SHUTTING_DOWN);
        assert!(live.next().await.is_none(), "a listener must not hold up the shutdown");
    }

    #[test]
    fn listeners_are_counted() {
        let notifications = Notifications::default();
        let all: Vec<_> = (0..MOST_LISTENERS).map(|_| notifications.live().unwrap()).collect();
        assert!(notifications.live().is_none());
        drop(all);
        assert!(notifications.live().is_some());
    }
}
