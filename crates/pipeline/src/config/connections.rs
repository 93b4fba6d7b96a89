//! What connectors join: every one must begin and end pipelines of signals that fit, and never lead back.

use std::collections::{BTreeMap, BTreeSet};

use trefoil_model::Signal;

use super::configuration::{Pipeline, PipelineId};
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
    for cycle in cycles(pipelines, defined) {
        let names: Vec<String> = cycle.iter().map(|pipeline| pipeline.id.to_string()).collect();
        let first = cycle.first().map(|pipeline| (pipeline.at.clone(), pipeline.id.to_string()));
        let Some((at, id)) = first else { continue };
        let message = format!("telemetry would go round in a circle: {} → {id}", names.join(" → "));
        problems.push(Problem { at, path: format!("service.pipelines.{id}"), message });
    }
}

fn signals(pipelines: &[Pipeline], matches: impl Fn(&Pipeline) -> bool) -> BTreeSet<Signal> {
    pipelines.iter().filter(|pipeline| matches(pipeline)).map(|pipeline| pipeline.id.signal).collect()
}

/// One way round for each set of pipelines that lead back to themselves.
fn cycles<'a>(pipelines: &'a [Pipeline], connectors: &BTreeMap<ComponentId, Location>) -> Vec<Vec<&'a Pipeline>> {
    let mut found = Vec::new();
    let mut done: BTreeSet<&PipelineId> = BTreeSet::new();
    for start in pipelines {
        // Depth first with the way so far; connectors are few, so the way is short.
        let mut stack = vec![vec![start]];
        while let Some(way) = stack.pop() {
            let Some(last) = way.last() else { continue };
            if done.contains(&last.id) {
                continue;
            }
            let mut leads_on = false;
            for next in pipelines.iter().filter(|next| leads_to(last, next, connectors)) {
                if let Some(back) = way.iter().position(|passed| passed.id == next.id) {
                    done.extend(way[back..].iter().map(|pipeline| &pipeline.id));
                    found.push(way[back..].to_vec());
                    break;
                }
                leads_on = true;
                let mut longer = way.clone();
                longer.push(next);
                stack.push(longer);
            }
            if !leads_on {
                done.insert(&last.id);
            }
        }
        done.insert(&start.id);
    }
    found
}

fn leads_to(from: &Pipeline, to: &Pipeline, connectors: &BTreeMap<ComponentId, Location>) -> bool {
    from.exporters.iter().any(|id| connectors.contains_key(id) && to.receivers.contains(id))
}
