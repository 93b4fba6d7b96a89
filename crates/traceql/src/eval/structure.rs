//! Structural operators, each in time linear in the spans of the trace.

use super::Links;
use crate::ast::{Outcome, Relation};

/// The spans that `left relation right` gives, ascending.
pub fn related(links: &Links, relation: Relation, outcome: Outcome, left: &[u32], right: &[u32]) -> Vec<u32> {
    let of_right = reached(links, relation, left);
    match outcome {
        Outcome::Related => right.iter().copied().filter(|span| of_right(*span)).collect(),
        Outcome::Unrelated => right.iter().copied().filter(|span| !of_right(*span)).collect(),
        Outcome::Both => {
            let of_left = reached(links, inverse(relation), right);
            let mut both: Vec<u32> = left.iter().copied().filter(|span| of_left(*span)).collect();
            both.extend(right.iter().copied().filter(|span| of_right(*span)));
            both.sort_unstable();
            both.dedup();
            both
        }
    }
}

fn inverse(relation: Relation) -> Relation {
    match relation {
        Relation::Child => Relation::Parent,
        Relation::Parent => Relation::Child,
        Relation::Descendant => Relation::Ancestor,
        Relation::Ancestor => Relation::Descendant,
        Relation::Sibling => Relation::Sibling,
    }
}

/// Tells of a span whether it is so to one of `from`.
fn reached<'l>(links: &'l Links, relation: Relation, from: &[u32]) -> Box<dyn Fn(u32) -> bool + 'l> {
    let mut is_from = vec![false; links.len()];
    from.iter().for_each(|span| is_from[*span as usize] = true);
    match relation {
        Relation::Child => Box::new(move |span| links.parent(span).is_some_and(|parent| is_from[parent as usize])),
        Relation::Parent => {
            let mut is_parent = vec![false; links.len()];
            from.iter().filter_map(|span| links.parent(*span)).for_each(|parent| is_parent[parent as usize] = true);
            Box::new(move |span| is_parent[span as usize])
        }
        Relation::Descendant => {
            let mut is_below = vec![false; links.len()];
            for &span in links.order() {
                is_below[span as usize] =
                    links.parent(span).is_some_and(|parent| is_from[parent as usize] || is_below[parent as usize]);
            }
            Box::new(move |span| is_below[span as usize])
        }
        Relation::Ancestor => {
            let mut is_above = vec![false; links.len()];
            for &span in links.order().iter().rev() {
                if let Some(parent) = links.parent(span) {
                    is_above[parent as usize] |= is_from[span as usize] || is_above[span as usize];
                }
            }
            Box::new(move |span| is_above[span as usize])
        }
        Relation::Sibling => {
            let families = from.iter().map(|span| links.family(*span) as usize);
            // There are no more families than spans.
            let mut members = vec![0u32; links.len()];
            families.for_each(|family| members[family] += 1);
            Box::new(move |span| members[links.family(span) as usize] > u32::from(is_from[span as usize]))
        }
    }
}
