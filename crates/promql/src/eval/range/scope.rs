//! What functions know of the series whose windows they see.

use std::cell::{OnceCell, RefCell};

use super::super::Evaluator;
use super::notes::Notes;
use super::over_time::Extreme;
use super::rate::seconds_of;
use super::starts;
use super::window::{Tracks, View, Window};
use crate::ast::Extension;
use crate::error::Position;
use crate::labels::Labels;
use crate::points::Points;

pub(super) struct Scope<'e> {
    pub notes: Notes<'e>,
    pub tracks: Tracks,
    pub extension: Option<Extension>,
    pub range_seconds: f64,
    /// Where the floats were reset, and where their start times overlap. Neighbours are the same in every window, so these
    /// are looked for once for all of them.
    resets: OnceCell<Vec<usize>>,
    overlaps: OnceCell<Vec<usize>>,
    pub extreme: RefCell<Extreme>,
}

impl<'e> Scope<'e> {
    pub fn new(notes: Notes<'e>, tracks: Tracks, extension: Option<Extension>, range: i64) -> Self {
        let (resets, overlaps, extreme) = (OnceCell::new(), OnceCell::new(), RefCell::default());
        Self { notes, tracks, extension, range_seconds: seconds_of(range), resets, overlaps, extreme }
    }

    /// The places, in the track, of floats before which the counter was reset and which are not the first of the window.
    pub fn float_resets(&self, view: &View<'_, f64>) -> impl Iterator<Item = usize> + '_ {
        let resets = self.resets.get_or_init(|| starts::float_resets(&self.tracks.floats));
        inside(resets, view).iter().copied()
    }

    /// Whether any start time overlaps the float before within the window.
    pub fn any_overlap(&self, view: &View<'_, f64>) -> bool {
        let overlaps = self.overlaps.get_or_init(|| starts::start_overlaps(&self.tracks.floats));
        !inside(overlaps, view).is_empty()
    }

    /// Of functions that see only floats.
    pub fn say_ignored_histograms(&self, window: &Window<'_>) {
        if !window.histograms.is_empty() {
            self.notes.ignored_histograms();
        }
    }
}

/// Those of the sorted places that are in the window, and not its first.
fn inside<'a, T>(places: &'a [usize], view: &View<'_, T>) -> &'a [usize] {
    let from = places.partition_point(|place| *place <= view.first);
    let to = places.partition_point(|place| *place < view.first + view.len());
    places.get(from..to).unwrap_or_default()
}

/// Metrics that are counters by convention end like this.
const COUNTER_SUFFIXES: [&str; 4] = ["_total", "_sum", "_count", "_bucket"];

impl Evaluator<'_> {
    /// A rate of something that is no counter, as far as name or type tell, is probably a mistake.
    pub(super) fn say_if_no_counter(&self, notes: &Notes<'_>, labels: &Labels, points: &Points) {
        let has_floats = !points.has_histograms() || points.iter().any(|(_, point)| point.float().is_some());
        if notes.metric.is_empty() || !has_floats {
            return;
        }
        if !self.options.type_and_unit_labels {
            if !COUNTER_SUFFIXES.iter().any(|suffix| notes.metric.ends_with(suffix)) {
                notes.name_is_no_counter();
            }
            return;
        }
        let metric_type = labels.get(crate::labels::METRIC_TYPE);
        if metric_type != "counter" && metric_type != "histogram" {
            notes.type_is_no_counter(metric_type);
        }
    }

    /// Windows whose start times overlapped, counted for each metric.
    pub(super) fn say_overlaps(&self, mut overlaps: Vec<(String, usize)>, position: Position) {
        overlaps.sort();
        for of_metric in overlaps.chunk_by(|(a, _), (b, _)| a == b) {
            let Some((metric, _)) = of_metric.first() else { continue };
            Notes::new(self, metric, position).overlapped(of_metric.iter().map(|(_, count)| count).sum());
        }
    }
}
