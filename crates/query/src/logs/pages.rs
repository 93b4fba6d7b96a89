//! Lines that match, all of them, page by page: however many there are, a page is what is held of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use trefoil_logql::pipeline::{Pipeline, Wants};
use trefoil_model::Tenants;

use super::Spent;
use super::found::{Order, Part};
use super::lines::{Direction, FoundLine, LinesRequest};
use super::moment::Moment;
use crate::{Engine, Limits, QueryError};

/// What ends a page.
#[derive(Debug, Clone, Copy)]
pub struct PageBounds {
    pub lines: usize,
    /// About what its lines hold in memory.
    pub bytes: usize,
    /// A page is as far as it got by then, perhaps without lines.
    pub time: Duration,
    /// How long pages are read of one snapshot, whose files do not stay forever.
    pub snapshot: Duration,
}

impl Default for PageBounds {
    fn default() -> Self {
        Self { lines: 10_000, bytes: 8 << 20, time: Duration::from_secs(5), snapshot: Duration::from_secs(120) }
    }
}

/// The lines of an answer. Of what was there when it was asked for none is missing and none comes twice; what arrives later may
/// be among them.
pub struct LinePages {
    engine: Engine,
    tenants: Tenants,
    /// Its period is what is read of the present snapshot, its limit what is still wanted.
    request: LinesRequest,
    pipeline: Arc<Pipeline>,
    bounds: PageBounds,
    opened: Option<Arc<Opened>>,
    /// How far the pages are.
    after: Option<Order>,
    /// What is read of the next snapshot.
    rest: Option<(i64, i64)>,
    is_done: bool,
}

#[derive(Debug, Clone, Default)]
pub struct LinePage {
    pub lines: Vec<FoundLine>,
    pub spent: Spent,
}

/// A moment of the store.
struct Opened {
    moment: Arc<Moment>,
    since: Instant,
}

impl Engine {
    /// Pages of the lines of `tenants` that match; nothing is read before the first is asked for.
    pub fn log_pages(
        &self,
        tenants: impl Into<Tenants>,
        request: LinesRequest,
        bounds: PageBounds,
    ) -> Result<LinePages, QueryError> {
        let pipeline = Pipeline::new(&request.query.stages, &Wants::All);
        let pipeline = pipeline.map_err(|error| QueryError::Invalid(error.to_string()))?;
        Ok(LinePages {
            engine: self.clone(),
            tenants: tenants.into(),
            request,
            pipeline: Arc::new(pipeline),
            bounds,
            opened: None,
            after: None,
            rest: None,
            is_done: false,
        })
    }
}

impl LinePages {
    /// The next page; `None` behind the last. Limits are of a page. Where it is not waited for, it can be asked for again.
    pub async fn next(&mut self, limits: Limits) -> Result<Option<LinePage>, QueryError> {
        if self.is_done || self.request.limit == 0 {
            return Ok(None);
        }
        self.renew();
        let (request, pipeline, opened) = (self.request.clone(), self.pipeline.clone(), self.opened.clone());
        let (tenants, bounds) = (self.tenants.clone(), self.bounds);
        let part = Part { after: self.after, lines: bounds.lines.min(request.limit), bytes: bounds.bytes };
        let answer = move |engine: Engine| async move {
            let opened = match opened {
                Some(opened) => opened,
                None => Arc::new(Opened::new(&engine, &tenants, &request).await?),
            };
            let late = Instant::now() + bounds.time;
            let (found, next) = engine.read_part(&opened.moment, &request, &pipeline, part, Some(late)).await?;
            Ok(((opened, found.lines, next), found.spent))
        };
        let ((opened, lines, next), spent) = self.engine.timed(limits, answer).await?;
        self.opened = Some(opened);
        self.after = next;
        self.request.limit -= lines.len();
        if next.is_none() {
            self.go_on();
        }
        Ok(Some(LinePage { lines, spent }))
    }

    /// Another snapshot has its rows in another order. Lines of the time that the pages have come to are all read of this one.
    fn renew(&mut self) {
        let is_old = self.opened.as_ref().is_some_and(|opened| opened.since.elapsed() >= self.bounds.snapshot);
        let (Some((time, arrival, _)), true, None) = (self.after, is_old, self.rest) else { return };
        let (start, end) = self.request.period;
        // Of a time that no line was read of yet nothing is begun.
        if arrival == i64::MIN {
            let period = match self.request.direction {
                Direction::Forward => (start.max(time), end),
                Direction::Backward => (start, end.min(!time)),
            };
            // Else the next page could end where this one did, again and again.
            if period != self.request.period {
                self.request.period = period;
                (self.opened, self.after) = (None, None);
            }
            return;
        }
        let (begun, rest) = match self.request.direction {
            Direction::Forward => ((time, time), (time.saturating_add(1), end)),
            Direction::Backward => ((!time, !time), (start, (!time).saturating_sub(1))),
        };
        self.request.period = begun;
        self.rest = Some(rest);
    }

    /// To the rest, if there is one.
    fn go_on(&mut self) {
        match self.rest.take() {
            Some(rest) if rest.0 <= rest.1 => {
                self.request.period = rest;
                (self.opened, self.after) = (None, None);
            }
            _ => self.is_done = true,
        }
    }
}

impl Opened {
    async fn new(engine: &Engine, tenants: &Tenants, request: &LinesRequest) -> Result<Self, QueryError> {
        let since = Instant::now();
        let moment = Moment::new(engine, engine.logs_of(tenants).await?, request).await?;
        Ok(Self { moment: Arc::new(moment), since })
    }
}
