//! All sources of one moment that lines are looked for in, on all cores.

use std::sync::Arc;
use std::time::Instant;

use trefoil_logql::pipeline::Pipeline;

use super::found::{FIRST, Found, Order, Part, best};
use super::lines::{FoundLines, LinesRequest};
use super::needles::Needles;
use super::search::Search;
use super::tenants::TenantLogs;
use crate::share::{Items, shared_out};
use crate::sources::{Source, Sources};
use crate::{Engine, QueryError};

/// Sources in the order in which they are looked at.
#[derive(Debug)]
pub struct Moment {
    logs: Vec<TenantLogs>,
    placed: Vec<Placed>,
}

/// A source among all.
#[derive(Debug)]
struct Placed {
    /// Which tenant's.
    of: usize,
    /// Its place, the oldest first.
    arrival: usize,
    source: Source,
    times: Option<(i64, i64)>,
}

impl Moment {
    pub async fn new(engine: &Engine, logs: Vec<TenantLogs>, request: &LinesRequest) -> Result<Self, QueryError> {
        let mut placed = Vec::new();
        for (of, logs) in logs.iter().enumerate().filter(|(_, logs)| logs.is_selected(&request.query.selector)) {
            let mut sources = engine.log_sources(logs).within_times(request.period).await?;
            // They come by their times, those of a file and of the buffer the newest arrivals first.
            sources.reverse();
            sources.sort_by(|(one, _), (other, _)| stored(one).cmp(&stored(other)));
            for (source, times) in sources {
                placed.push(Placed { of, arrival: placed.len(), source, times });
            }
        }
        placed.sort_by_key(|place| place.times.map_or(FIRST, |times| best(request.direction, times)));
        Ok(Self { logs, placed })
    }
}

/// Tells which source was stored before another: whether it is in the buffer, and the name of its file.
fn stored(source: &Source) -> (bool, &str) {
    match source {
        Source::Group { file, .. } => (false, file.name()),
        Source::Batch(_) => (true, ""),
    }
}

/// What all threads share.
struct Reading {
    engine: Engine,
    moment: Arc<Moment>,
    request: LinesRequest,
    pipeline: Arc<Pipeline>,
    needles: Needles,
    found: Found,
    late: Option<Instant>,
}

impl Engine {
    /// The lines of a part of an answer, as far as they are found before it is `late`; and where the next part begins, if there is one.
    pub(super) async fn read_part(
        &self,
        moment: &Arc<Moment>,
        request: &LinesRequest,
        pipeline: &Arc<Pipeline>,
        part: Part,
        late: Option<Instant>,
    ) -> Result<(FoundLines, Option<Order>), QueryError> {
        let reading = Arc::new(Reading {
            engine: self.clone(),
            moment: moment.clone(),
            request: request.clone(),
            pipeline: pipeline.clone(),
            needles: Needles::of(&request.query.stages),
            found: Found::new(request.direction, part, self.memory()),
            late,
        });
        let shared = reading.clone();
        let each = move |places: Items<usize>| {
            let reading = shared.clone();
            async move { reading.read(places).await }
        };
        let mut first: Vec<usize> = (0..moment.placed.len()).collect();
        // Mostly the first source has the whole answer: a second thread would look for nothing.
        let others = first.split_off(first.len().min(1));
        let mut done = shared_out(first, each.clone()).await?;
        done.extend(shared_out(others, each).await?);
        let bound = done.iter().filter_map(|(_, bound)| *bound).min();
        let (lines, next) = reading.found.take(bound);
        let spent = done.into_iter().map(|(spent, _)| spent).sum();
        Ok((FoundLines { lines, spent }, next))
    }
}

impl Reading {
    /// Looks at sources, or until it is late. Then the answer is complete up to the order that is returned.
    async fn read(&self, places: Items<usize>) -> Result<(super::Spent, Option<Order>), QueryError> {
        let Self { engine, moment, request, pipeline, needles, found, late } = self;
        let sources: Vec<Sources<'_>> = moment.logs.iter().map(|logs| engine.log_sources(logs)).collect();
        let mut search = Search::new(request, pipeline, found);
        let (start, end) = request.period;
        while let Some(place) = places.take() {
            let Placed { of, arrival, source, times } = &moment.placed[*place];
            let is_outside = times.is_some_and(|(first, last)| first > end || last < start);
            if is_outside || found.is_left_out(*times) {
                continue;
            }
            if let Some(times) = times
                && late.is_some_and(|late| Instant::now() >= late)
            {
                let bound = best(request.direction, *times);
                // Else this part would be as far as the one before.
                if !found.is_behind(&bound) {
                    return Ok((search.spent(), Some(bound)));
                }
            }
            if needles.may_be_in(&sources[*of], source).await? {
                search.source(&sources[*of], source, &moment.logs[*of].streams, *arrival).await?;
            }
        }
        Ok((search.spent(), None))
    }
}
