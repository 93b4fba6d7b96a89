//! Which spans of a trace are parents, children and siblings.

use std::collections::HashMap;

/// The tree (or the trees) of a trace.
///
/// A span whose parent is not there is at the top of a tree, like a root. Spans that are each other's parents are cut apart at the
/// first of them. Of spans with the same id the first is the parent of those that name it.
#[derive(Debug, Clone, Default)]
pub struct Links {
    parents: Vec<Option<u32>>,
    /// Spans with the same number have the same parent, there or not; roots are each other's siblings.
    families: Vec<u32>,
    /// Parents before their children.
    order: Vec<u32>,
    /// Whether a span and all above it lead to a root.
    is_connected: Vec<bool>,
}

/// Places of a span in a walk around the tree, which tell what is below what: Celko's nested sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NestedSet {
    pub left: i64,
    pub right: i64,
    /// The parent's `left`; -1 of a root.
    pub parent: i64,
}

impl Links {
    /// Of spans' ids and their parents' ids; `None` of a root.
    pub fn new(spans: &[([u8; 8], Option<[u8; 8]>)]) -> Links {
        let mut places = HashMap::with_capacity(spans.len());
        for (place, (id, _)) in spans.iter().enumerate() {
            places.entry(*id).or_insert(place as u32);
        }
        let mut families = HashMap::new();
        let family = |(_, parent): &([u8; 8], Option<[u8; 8]>)| {
            let next = families.len() as u32;
            *families.entry(*parent).or_insert(next)
        };
        let families = spans.iter().map(family).collect();
        let parent = |(place, (_, parent)): (usize, &([u8; 8], Option<[u8; 8]>))| {
            places.get(&(*parent)?).copied().filter(|parent| *parent as usize != place)
        };
        let parents = spans.iter().enumerate().map(parent).collect();
        let mut links = Links { parents, families, order: Vec::with_capacity(spans.len()), is_connected: Vec::new() };
        links.sort();
        links.is_connected = vec![false; spans.len()];
        for &span in &links.order {
            links.is_connected[span as usize] = match links.parents[span as usize] {
                Some(parent) => links.is_connected[parent as usize],
                None => spans[span as usize].1.is_none(),
            };
        }
        links
    }

    pub fn len(&self) -> usize {
        self.parents.len()
    }

    pub fn is_empty(&self) -> bool {
        self.parents.is_empty()
    }

    pub fn parent(&self, span: u32) -> Option<u32> {
        self.parents[span as usize]
    }

    /// Equal for siblings.
    pub fn family(&self, span: u32) -> u32 {
        self.families[span as usize]
    }

    /// All spans, parents before their children.
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// How many children each span has.
    pub fn child_counts(&self) -> Vec<u32> {
        let mut counts = vec![0; self.len()];
        self.parents.iter().flatten().for_each(|parent| counts[*parent as usize] += 1);
        counts
    }

    /// Of each span; all zeros where nothing leads to a root.
    pub fn nested_sets(&self) -> Vec<NestedSet> {
        // Sizes from below, then places from above: no recursion, however deep the trace.
        let mut sizes = vec![1i64; self.len()];
        for &span in self.order.iter().rev() {
            if let Some(parent) = self.parent(span) {
                sizes[parent as usize] += sizes[span as usize];
            }
        }
        let mut sets = vec![NestedSet { left: 0, right: 0, parent: 0 }; self.len()];
        let mut next_child = vec![0i64; self.len()];
        let mut next_root = 1;
        for &span in &self.order {
            let place = span as usize;
            if !self.is_connected[place] {
                continue;
            }
            let (free, parent) = match self.parent(span) {
                Some(parent) => (&mut next_child[parent as usize], sets[parent as usize].left),
                None => (&mut next_root, -1),
            };
            let left = *free;
            *free += 2 * sizes[place];
            next_child[place] = left + 1;
            sets[place] = NestedSet { left, right: left + 2 * sizes[place] - 1, parent };
        }
        sets
    }

    /// Fills `order`, and cuts circles.
    fn sort(&mut self) {
        let mut children = vec![Vec::new(); self.len()];
        for (span, parent) in self.parents.iter().enumerate() {
            if let Some(parent) = parent {
                children[*parent as usize].push(span as u32);
            }
        }
        let mut is_placed = vec![false; self.len()];
        let mut next = 0;
        // First below the tops; then, beginning anywhere, around circles and below them.
        for is_circle in [false, true] {
            for span in 0..self.len() {
                if is_placed[span] || (self.parents[span].is_some() && !is_circle) {
                    continue;
                }
                self.parents[span] = None;
                is_placed[span] = true;
                self.order.push(span as u32);
                while let Some(&parent) = self.order.get(next) {
                    next += 1;
                    for &child in &children[parent as usize] {
                        if !std::mem::replace(&mut is_placed[child as usize], true) {
                            self.order.push(child);
                        }
                    }
                }
            }
        }
    }
}
