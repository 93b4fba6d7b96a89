//! What connectors join: every one must begin and end pipelines of signals that fit, and never lead back.

use std::collections::{BTreeMap, BTreeSet};

use trefoil_model::Signal;

use super::configuration::Pipeline;
use super::problem::{Location, Problem, Problems};
use crate::component::{ComponentId, ConnectorFactory};

/// Checks all connectors of `defined` (with the places of their definitions).
pub fn check(
    pipelines: &[Pipeline],
    defined: &BTreeMap<ComponentId, Location>,
    factories: &[ConnectorFactory],
    problems: &mut Problems,
) {
    for (id, at) in defined {
        let takes = signals(pipelines, |pipeline| pipeline.exporters.contains(id));
        let gives = signals(pipelines, |pipeline| pipeline.receivers.contains(id));
        let mut problem =
            |message| problems.push(Problem { at: at.clone(), path: format!("connectors.{id}"), message });
        match (takes.is_empty(), gives.is_empty()) {
            (true, true) => continue,
            (true, false) => problem("it is the receiver of a pipeline but the exporter of none".to_owned()),
            (false, true) => problem("it is the exporter of a pipeline but the receiver of none".to_owned()),
            (false, false) => {}
        }
        let Some(factory) = factories.iter().find(|factory| factory.kind == id.kind()) else { continue };
        let joins = |from: Signal, to: Signal| factory.signals.contains(&(from, to));
        for from in takes.iter().filter(|from| !gives.is_empty() && !gives.iter().any(|to| joins(**from, *to))) {
            problem(format!("it takes {from} but is the receiver of no pipeline that its {from} can go to"));
        }
        for to in gives.iter().filter(|to| !takes.is_empty() && !takes.iter().any(|from| joins(*from, **to))) {
            problem(format!("it is the receiver of a pipeline of {to} but takes nothing that could become {to}"));
        }
    }
    if let Some(cycle) = cycle(pipelines, defined)
        && let Some(first) = cycle.first()
    {
        let names: Vec<String> = cycle.iter().map(|pipeline| pipeline.id.to_string()).collect();
        let message = format!("telemetry would go round in a circle: {} → {}", names.join(" → "), first.id);
        let path = format!("service.pipelines.{}", first.id);
        problems.push(Problem { at: first.at.clone(), path, message });
    }
}

fn signals(pipelines: &[Pipeline], matches: impl Fn(&Pipeline) -> bool) -> BTreeSet<Signal> {
    pipelines.iter().filter(|pipeline| matches(pipeline)).map(|pipeline| pipeline.id.signal).collect()
}

/// One way round, if there is any: what is left after taking away, again and again, the pipelines that lead nowhere.
fn cycle<'a>(pipelines: &'a [Pipeline], connectors: &BTreeMap<ComponentId, Location>) -> Option<Vec<&'a Pipeline>> {
    let mut left: Vec<&Pipeline> = pipelines.iter().collect();
    loop {
        let leads_on = |from: &&Pipeline| left.iter().any(|to| leads_to(from, to, connectors));
        let kept: Vec<&Pipeline> = left.iter().copied().filter(leads_on).collect();
        if kept.len() == left.len() {
            break;
        }
        left = kept;
    }
    let mut way = vec![*left.first()?];
    loop {
        let last = *way.last()?;
        let next = left.iter().copied().find(|next| leads_to(last, next, connectors))?;
        if let Some(back) = way.iter().position(|passed| passed.id == next.id) {
            return Some(way.split_off(back));
        }
        way.push(next);
    }
}

fn leads_to(from: &Pipeline, to: &Pipeline, connectors: &BTreeMap<ComponentId, Location>) -> bool {
    from.exporters.iter().any(|id| connectors.contains_key(id) && to.receivers.contains(id))
}
