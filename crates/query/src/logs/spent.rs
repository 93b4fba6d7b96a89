//! What questions cost.

use std::future::Future;
use std::iter::Sum;
use std::ops::Add;
use std::time::{Duration, Instant};

use crate::{Engine, Limits, QueryError};

/// What a question has read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Lines that were looked at.
    pub lines: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of the lines those that columns of fields told enough of: they were not read.
    pub by_fields: u64,
    /// Lines that passed all stages.
    pub passed: u64,
    /// Streams of which lines were looked at; one that lies in several sources counts in each.
    pub streams: u64,
    /// Row groups of files and batches of the buffer that were read.
    pub sources: u64,
    /// How long the question waited for its turn.
    pub waited: Duration,
    /// How long it took from then on.
    pub took: Duration,
}

impl Add for Spent {
    type Output = Spent;

    /// Of questions that were asked one after the other.
    fn add(self, other: Spent) -> Spent {
        Spent {
            lines: self.lines + other.lines,
            bytes: self.bytes + other.bytes,
            by_fields: self.by_fields + other.by_fields,
            passed: self.passed + other.passed,
            streams: self.streams + other.streams,
            sources: self.sources + other.sources,
            waited: self.waited + other.waited,
            took: self.took + other.took,
        }
    }
}

impl Sum for Spent {
    fn sum<I: Iterator<Item = Spent>>(all: I) -> Spent {
        all.fold(Spent::default(), Add::add)
    }
}

impl Engine {
    /// [`Engine::on_thread`], and how long that waited and took.
    pub(super) async fn timed<T, A>(
        &self,
        limits: Limits,
        answer: impl FnOnce(Engine) -> A + Send + 'static,
    ) -> Result<(T, Spent), QueryError>
    where
        T: Send + 'static,
        A: Future<Output = Result<(T, Spent), QueryError>>,
    {
        let asked = Instant::now();
        let answer = move |engine: Engine| async move {
            let began = Instant::now();
            let (answer, spent) = answer(engine).await?;
            Ok((answer, Spent { waited: began - asked, took: began.elapsed(), ..spent }))
        };
        self.on_thread(limits, answer).await
    }
}
