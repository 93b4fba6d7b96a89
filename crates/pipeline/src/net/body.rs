//! Reading request bodies within two bounds: the size of one body, and the bytes of all bodies under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body as _;
use thiserror::Error;

#[derive(Debug, Error, PartialEq, Eq)]
pub enum BodyError {
    #[error("the body is larger than the limit of {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the body did not arrive whole: {0}")]
    Broken(String),
    #[error("requests under way already hold the {limit} bytes that all of them together may hold")]
    Busy { limit: usize },
}

/// Counts the bytes of all requests under way, so that many clients at once cannot take more memory than this.
#[derive(Debug, Clone)]
pub struct Admission {
    limit: usize,
    taken: Arc<AtomicUsize>,
}

impl Admission {
    pub fn new(limit: usize) -> Self {
        Self { limit, taken: Arc::default() }
    }

    /// A reservation of nothing yet; it gives back what it took when it is dropped.
    pub fn start(&self) -> Reservation {
        Reservation { admission: self.clone(), bytes: 0 }
    }
}

#[derive(Debug)]
pub struct Reservation {
    admission: Admission,
    bytes: usize,
}

impl Reservation {
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Changes the reservation to `bytes`.
    pub fn resize(&mut self, bytes: usize) -> Result<(), BodyError> {
        let Some(more) = bytes.checked_sub(self.bytes) else {
            self.admission.taken.fetch_sub(self.bytes - bytes, Ordering::AcqRel);
            self.bytes = bytes;
            return Ok(());
        };
        let before = self.admission.taken.fetch_add(more, Ordering::AcqRel);
        self.bytes = bytes;
        if before.saturating_add(more) > self.admission.limit {
            return Err(BodyError::Busy { limit: self.admission.limit });
        }
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.admission.taken.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

/// Reads a body of at most `limit` bytes. One that arrives in one piece is not copied.
pub async fn read(mut body: Body, limit: usize, reservation: &mut Reservation) -> Result<Bytes, BodyError> {
    let expected = body.size_hint().lower();
    if expected > limit as u64 {
        return Err(BodyError::TooLarge { limit });
    }
    let mut first: Option<Bytes> = None;
    let mut rest: Vec<u8> = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| BodyError::Broken(e.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        let length = first.as_ref().map_or(0, Bytes::len).max(rest.len()) + data.len();
        if length > limit {
            return Err(BodyError::TooLarge { limit });
        }
        reservation.resize(length)?;
        match first.take() {
            None if rest.is_empty() => first = Some(data),
            None => rest.extend_from_slice(&data),
            Some(start) => {
                rest.reserve((expected as usize).max(length));
                rest.extend_from_slice(&start);
                rest.extend_from_slice(&data);
            }
        }
    }
    Ok(first.unwrap_or_else(|| rest.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunked(chunks: &[&'static str]) -> Body {
        let chunks: Vec<Result<&'static str, std::io::Error>> = chunks.iter().map(|c| Ok(*c)).collect();
        Body::from_stream(futures::stream::iter(chunks))
    }

    #[tokio::test]
    async fn joins_pieces_up_to_the_limit() {
        let admission = Admission::new(100);
        for chunks in [&["abcdef"][..], &["abc", "def"], &["a", "b", "", "cde", "f"], &["", "abcdef"]] {
            assert_eq!(read(chunked(chunks), 6, &mut admission.start()).await, Ok("abcdef".into()), "{chunks:?}");
            let too_large = read(chunked(chunks), 5, &mut admission.start()).await;
            assert_eq!(too_large, Err(BodyError::TooLarge { limit: 5 }));
        }
        assert_eq!(read(chunked(&[]), 5, &mut admission.start()).await, Ok(Bytes::new()));
        assert_eq!(admission.taken.load(Ordering::Acquire), 0);
    }

    #[tokio::test]
    async fn all_bodies_together_are_bounded() {
        let admission = Admission::new(10);
        let mut held = admission.start();
        assert!(read(chunked(&["abcdef"]), 100, &mut held).await.is_ok());
        let refused = read(chunked(&["abc", "def"]), 100, &mut admission.start()).await;
        assert_eq!(refused, Err(BodyError::Busy { limit: 10 }));
        drop(held);
        assert!(read(chunked(&["abc", "def"]), 100, &mut admission.start()).await.is_ok());
    }
}
