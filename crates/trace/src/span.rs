//! A trace in little memory: of each span what the functions here need, its texts as numbers.

use std::collections::HashMap;
use std::sync::Arc;

use trefoil_traceql::eval::Links;
pub use trefoil_traceql::value::Kind;

/// A text, in [`Names`]. The default is the empty text: what is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(u32);

impl Name {
    pub const NONE: Name = Name(0);

    pub fn is_none(self) -> bool {
        self == Name::NONE
    }

    /// Equal for equal names of the same [`Names`].
    pub fn number(self) -> u32 {
        self.0
    }
}

/// Texts, each once.
#[derive(Debug, Clone)]
pub struct Names {
    places: HashMap<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
    bytes: usize,
}

impl Default for Names {
    fn default() -> Self {
        let empty: Arc<str> = "".into();
        Names { places: HashMap::from([(empty.clone(), 0)]), texts: vec![empty], bytes: 0 }
    }
}

impl Names {
    pub fn add(&mut self, text: &str) -> Name {
        if let Some(place) = self.places.get(text) {
            return Name(*place);
        }
        // Texts are of spans, of which there are fewer than 2^32.
        let place = self.texts.len() as u32;
        let text: Arc<str> = text.into();
        self.bytes += text.len() + 64;
        self.places.insert(text.clone(), place);
        self.texts.push(text);
        Name(place)
    }

    /// The text of a name that was added here.
    pub fn text(&self, name: Name) -> &Arc<str> {
        &self.texts[name.0 as usize]
    }

    /// About what they take in memory.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// What is known of a span. Times are nanoseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub trace: u128,
    pub id: u64,
    /// 0: it says that it has none.
    pub parent: u64,
    pub start: i64,
    /// Negative where a clock ran backwards; counts as 0.
    pub duration: i64,
    pub service: Name,
    pub name: Name,
    pub kind: Kind,
    pub is_error: bool,
    /// It names spans beside its parent.
    pub has_links: bool,
    /// Equal for spans whose times are of the same clock, see [`crate::clock`].
    pub clock: Name,
    /// Who is called, as the caller knows it.
    pub peer: Name,
    /// The service that is called, as far as the caller's address tells, see [`crate::propagation::target`].
    pub target: Name,
    /// The database that is called.
    pub database: Name,
    /// Where a message goes, or comes from.
    pub queue: Name,
}

impl Span {
    pub fn end(&self) -> i64 {
        self.start.saturating_add(self.duration.max(0))
    }

    /// The order of spans in a trace.
    pub(crate) fn order(&self) -> (i64, u64, i64, u64) {
        (self.start, self.id, self.duration, self.parent)
    }

    /// It begins what a service does for somebody else.
    pub fn is_entry(&self) -> bool {
        matches!(self.kind, Kind::Server | Kind::Consumer)
    }

    /// It asks somebody else to do something.
    pub fn is_call(&self) -> bool {
        matches!(self.kind, Kind::Client | Kind::Producer)
    }
}

/// Spans of one trace and how they hang together.
///
/// The earliest span comes first. A span that came twice, the same in all that is known of it, is there once.
#[derive(Debug, Clone)]
pub struct Trace {
    spans: Vec<Span>,
    links: Links,
    /// Ids, sorted.
    ids: Vec<u64>,
    /// Where the children of each span are in `children`; one more than spans.
    first_child: Vec<u32>,
    children: Vec<u32>,
}

impl Trace {
    pub fn new(mut spans: Vec<Span>) -> Trace {
        spans.sort_by_key(Span::order);
        spans.dedup();
        let parent = |span: &Span| (span.parent != 0).then(|| span.parent.to_be_bytes());
        let ids: Vec<_> = spans.iter().map(|span| (span.id.to_be_bytes(), parent(span))).collect();
        let links = Links::new(&ids);
        let mut first_child = vec![0; spans.len() + 1];
        let mut next = 0;
        for (place, count) in links.child_counts().into_iter().enumerate() {
            first_child[place] = next;
            next += count;
        }
        first_child[spans.len()] = next;
        let mut free = first_child.clone();
        let mut children = vec![0; next as usize];
        for place in 0..spans.len() as u32 {
            if let Some(parent) = links.parent(place) {
                let free = &mut free[parent as usize];
                children[*free as usize] = place;
                *free += 1;
            }
        }
        let mut ids: Vec<u64> = spans.iter().map(|span| span.id).collect();
        ids.sort_unstable();
        Trace { spans, links, ids, first_child, children }
    }

    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    pub fn span(&self, place: u32) -> &Span {
        &self.spans[place as usize]
    }

    pub fn parent(&self, place: u32) -> Option<u32> {
        self.links.parent(place)
    }

    /// The earliest first.
    pub fn children(&self, place: u32) -> &[u32] {
        let place = place as usize;
        &self.children[self.first_child[place] as usize..self.first_child[place + 1] as usize]
    }

    /// All spans, parents before their children.
    pub fn order(&self) -> &[u32] {
        self.links.order()
    }

    /// Roots, spans whose parents are missing, and one of each circle of parents; the earliest first.
    pub fn tops(&self) -> Vec<u32> {
        (0..self.spans.len() as u32).filter(|place| self.parent(*place).is_none()).collect()
    }

    /// It names a parent that is not here.
    pub fn is_orphan(&self, place: u32) -> bool {
        let parent = self.span(place).parent;
        parent != 0 && self.parent(place).is_none() && self.ids.binary_search(&parent).is_err()
    }

    /// From the start of the first span to the end of the last.
    pub fn period(&self) -> (i64, i64) {
        let start = self.spans.first().map_or(0, |span| span.start);
        (start, self.spans.iter().map(Span::end).max().unwrap_or(start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{span, trace};

    #[test]
    fn texts_are_there_once() {
        let mut names = Names::default();
        let [a, b, again, none] = ["a", "b", "a", ""].map(|text| names.add(text));
        assert_eq!((a, none), (again, Name::NONE));
        assert_eq!((&**names.text(a), &**names.text(b), &**names.text(none)), ("a", "b", ""));
    }

    #[test]
    fn spans_hang_together_whatever_their_order() {
        let trace = trace(vec![span(3, 1, 20, 5), span(2, 1, 10, 5), span(4, 2, 11, 1), span(1, 0, 0, 100)]);
        let ids = |places: &[u32]| places.iter().map(|place| trace.span(*place).id).collect::<Vec<_>>();
        assert_eq!(ids(&trace.tops()), [1]);
        assert_eq!(ids(trace.children(0)), [2, 3]);
        assert_eq!(ids(trace.children(1)), [4]);
        assert_eq!(trace.period(), (0, 100));
    }

    #[test]
    fn what_is_missing_or_turns_in_circles_has_no_parent() {
        let circle = [span(1, 2, 0, 1), span(2, 1, 1, 1), span(3, 3, 2, 1)];
        let trace = trace([&circle[..], &[span(4, 9, 3, 1), span(5, 0, 4, 1), span(5, 0, 4, 1)]].concat());
        assert_eq!(trace.spans().len(), 5, "the same span twice is one");
        assert_eq!(trace.tops(), [0, 2, 3, 4]);
        let orphans: Vec<u32> = (0..5).filter(|place| trace.is_orphan(*place)).collect();
        assert_eq!(orphans, [3]);
    }
}
