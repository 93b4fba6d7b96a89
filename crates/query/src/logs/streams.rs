//! Streams: what is told apart by its labels.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use ahash::RandomState;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use trefoil_logql::matcher::Matcher;
use trefoil_model::Tenant;
use trefoil_model::logs::{PUSH_SCOPE, SERVICE_NAME, SERVICE_NAME_LABEL, label_of_attribute};
use trefoil_model::promote::Scope;
use trefoil_promql::labels::{Label, Labels};
use trefoil_storage::cache::of_large;
use trefoil_storage::catalog::FileId;

use super::columns::{label_value, stream_ids, text};
use super::names::{label_name, texts_of};
use super::tenants::labelled;
use super::view::LogView;
use crate::QueryError;
use crate::sources::{Rows, Source, Sources};

/// Of a resource that nobody named.
const UNKNOWN_SERVICE: &str = "unknown_service";

/// Where records came from, and what that says of each of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Stream {
    pub labels: Labels,
    /// Attributes of the resource that are no labels.
    pub metadata: Vec<(String, String)>,
    /// It came by Loki's push.
    pub is_pushed: bool,
}

/// Neighbouring rows of one stream.
#[derive(Debug, Clone)]
pub struct Run {
    pub rows: Range<usize>,
    pub stream: Arc<Stream>,
}

impl Stream {
    /// `attributes` of the resource, by their names.
    fn new(view: &LogView, attributes: Vec<(String, String)>, is_pushed: bool) -> Stream {
        let stream = Stream::of_tenant(view, attributes, is_pushed);
        match &view.tenant {
            Some(tenant) => Stream { labels: labelled(&stream.labels, tenant), ..stream },
            None => stream,
        }
    }

    fn of_tenant(view: &LogView, attributes: Vec<(String, String)>, is_pushed: bool) -> Stream {
        if is_pushed {
            let labels = attributes.iter().map(|(name, value)| (label_of_attribute(name), value.as_str()));
            return Stream { labels: Labels::from_pairs(labels), metadata: Vec::new(), is_pushed };
        }
        let is_label = |(name, _): &(String, String)| view.index_labels.iter().any(|label| label == name);
        let (labels, metadata): (Vec<_>, Vec<_>) = attributes.into_iter().partition(is_label);
        let mut all: Vec<(String, String)> =
            labels.into_iter().map(|(name, value)| (label_name(&name), value)).collect();
        let metadata: Vec<(String, String)> =
            metadata.into_iter().map(|(name, value)| (label_name(&name), value)).collect();
        let is_named = all.iter().any(|(name, _)| name == SERVICE_NAME_LABEL);
        if !is_named && !view.discover_service_name.is_empty() {
            let known = all.iter().chain(&metadata);
            let named =
                |wanted: &String| known.clone().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
            let name = view.discover_service_name.iter().find_map(named).unwrap_or_else(|| UNKNOWN_SERVICE.to_owned());
            all.push((SERVICE_NAME_LABEL.to_owned(), name));
        }
        Stream { labels: Labels::from_pairs(all), metadata, is_pushed }
    }

    /// About what it holds in memory.
    fn bytes(&self) -> usize {
        let labels = self.labels.iter().map(|label| size_of::<Label>() + label.name.len() + label.value.len());
        let metadata = self.metadata.iter();
        let metadata = metadata.map(|(name, value)| size_of::<(String, String)>() + name.len() + value.len());
        size_of::<Stream>() + labels.sum::<usize>() + metadata.sum::<usize>()
    }

    /// The names and values of its labels.
    pub fn pairs(&self) -> Vec<(&str, &str)> {
        self.labels.iter().map(|label| (&*label.name, &*label.value)).collect()
    }

    pub fn is_selected(&self, selector: &[Matcher]) -> bool {
        selector.iter().all(|matcher| matcher.matches(self.labels.get(&matcher.name)))
    }
}

const NAMES: [&str; 4] = ["stream_id", "service_name", "resource_attributes", "scope_name"];

/// About how many row groups have their runs kept.
const GROUPS: usize = 1024;

/// About how many streams are known that row groups have in common.
const STREAMS: usize = 16_384;

/// Which streams there are, worked out once for each row group; files never change. Row groups share those that they have in common, for the
/// same streams are in most of them.
#[derive(Debug)]
pub struct Streams {
    pub view: LogView,
    caches: Arc<Caches>,
}

#[derive(Debug)]
struct Caches {
    kept: Cache<GroupKey, Arc<Kept>, Bytes>,
    /// By the hash of what they say.
    known: Cache<u64, Arc<Stream>, Bytes>,
    hasher: RandomState,
}

/// A row group, and whether its streams say whose they are; a file has lines of one tenant.
type GroupKey = (FileId, usize, bool);

/// The runs of a row group.
#[derive(Debug)]
struct Kept {
    runs: Arc<[Run]>,
    bytes: u64,
}

#[derive(Debug, Clone)]
struct Bytes;

impl Weighter<GroupKey, Arc<Kept>> for Bytes {
    fn weight(&self, _: &GroupKey, kept: &Arc<Kept>) -> u64 {
        kept.bytes
    }
}

impl Weighter<u64, Arc<Stream>> for Bytes {
    fn weight(&self, _: &u64, stream: &Arc<Stream>) -> u64 {
        (size_of::<u64>() + stream.bytes()) as u64
    }
}

impl Kept {
    /// Whoever holds a stream with others has its part of it, as many as there are now.
    fn new(runs: Vec<Run>) -> Kept {
        let part = |run: &Run| size_of::<Run>() + run.stream.bytes() / Arc::strong_count(&run.stream);
        let bytes = size_of::<GroupKey>() + size_of::<Kept>() + runs.iter().map(part).sum::<usize>();
        Kept { runs: runs.into(), bytes: bytes as u64 }
    }
}

impl Streams {
    pub fn new(view: LogView, capacity_bytes: u64) -> Streams {
        let kept = of_large(GROUPS, capacity_bytes / 2, Bytes);
        let known = of_large(STREAMS, capacity_bytes / 2, Bytes);
        Streams { view, caches: Arc::new(Caches { kept, known, hasher: RandomState::new() }) }
    }

    /// Those of one tenant among several that a question is about. They are kept with the others.
    pub fn of_tenant(&self, tenant: &Tenant) -> Streams {
        let view = LogView { tenant: Some(tenant.to_string()), ..self.view.clone() };
        Streams { view, caches: self.caches.clone() }
    }

    pub fn set_capacity(&self, bytes: u64) {
        self.caches.kept.set_capacity(bytes / 2);
        self.caches.known.set_capacity(bytes / 2);
    }

    /// The runs of a source, in the order of its rows.
    pub async fn runs(&self, sources: &Sources<'_>, source: &Source) -> Result<Arc<[Run]>, QueryError> {
        let Source::Group { file, row_group, .. } = source else {
            return Ok(runs(sources, source, self).await?.into());
        };
        let key = (file.id, *row_group, self.view.tenant.is_some());
        if let Some(kept) = self.caches.kept.get(&key) {
            return Ok(kept.runs.clone());
        }
        let kept = Arc::new(Kept::new(runs(sources, source, self).await?));
        self.caches.kept.insert(key, kept.clone());
        Ok(kept.runs.clone())
    }

    /// The same stream, as others have it.
    fn shared(&self, stream: Stream) -> Arc<Stream> {
        let Caches { known, hasher, .. } = &*self.caches;
        let hash = hasher.hash_one(&stream);
        if let Some(same) = known.get(&hash).filter(|same| **same == stream) {
            return same;
        }
        let stream = Arc::new(stream);
        known.insert(hash, stream.clone());
        stream
    }
}

async fn runs(sources: &Sources<'_>, source: &Source, known: &Streams) -> Result<Vec<Run>, QueryError> {
    let promoted: Vec<String> = sources.names(source).into_iter().filter(|name| is_of_resource(name)).collect();
    let mut names: Vec<&str> = promoted.iter().map(String::as_str).collect();
    names.extend(NAMES);
    let rows = sources.read(source, &names).await?;
    let ids = stream_ids(&rows)?;
    let mut streams: HashMap<u64, Arc<Stream>> = HashMap::new();
    let mut runs = Vec::new();
    let mut start = 0;
    for same in ids.chunk_by(|a, b| a == b) {
        let id = same[0];
        let stream = match streams.get(&id) {
            Some(stream) => stream.clone(),
            None => {
                let stream = known.shared(at(&rows, &promoted, start, &known.view)?);
                streams.insert(id, stream.clone());
                stream
            }
        };
        runs.push(Run { rows: start..start + same.len(), stream });
        start += same.len();
    }
    Ok(runs)
}

fn is_of_resource(column: &str) -> bool {
    matches!(Scope::split(column), Some((Scope::Resource, _)))
}

fn at(rows: &Rows, promoted: &[String], row: usize, view: &LogView) -> Result<Stream, QueryError> {
    let text_at = |name: &str| rows.column(name).and_then(|column| text(column, row));
    let mut attributes = match text_at("resource_attributes") {
        Some(json) => texts_of(json)?,
        None => Vec::new(),
    };
    for column in promoted {
        let value = rows.column(column).and_then(|values| label_value(values, row));
        if let (Some(value), Some((_, key))) = (value, Scope::split(column)) {
            attributes.push((key.to_owned(), value.into_owned()));
        }
    }
    if let Some(name) = text_at("service_name") {
        attributes.push((SERVICE_NAME.to_owned(), name.to_owned()));
    }
    Ok(Stream::new(view, attributes, text_at("scope_name") == Some(PUSH_SCOPE)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(attributes: &[(&str, &str)], is_pushed: bool) -> (String, usize) {
        let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let stream = Stream::new(&LogView::default(), attributes, is_pushed);
        (stream.labels.to_string(), stream.metadata.len())
    }

    #[test]
    fn labels_are_what_was_pushed_or_what_is_configured() {
        let pushed = stream(&[("service.name", "cart"), ("env", "dev"), ("host_name", "h")], true);
        assert_eq!(pushed, (r#"{env="dev", host_name="h", service_name="cart"}"#.to_owned(), 0));
        let otlp = stream(&[("service.name", "cart"), ("k8s.pod.name", "p"), ("host.name", "h")], false);
        assert_eq!(otlp, (r#"{k8s_pod_name="p", service_name="cart"}"#.to_owned(), 1));
        assert_eq!(stream(&[("app", "a")], false), (r#"{service_name="a"}"#.to_owned(), 1));
        assert_eq!(stream(&[], false).0, r#"{service_name="unknown_service"}"#);
    }

    #[test]
    fn row_groups_share_their_streams() {
        let streams = Streams::new(LogView::default(), 1 << 20);
        let stream = |pod: &str| {
            let attributes = [("service.name", "cart"), ("k8s.pod.name", pod), ("host.name", "h")];
            let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
            streams.shared(Stream::new(&streams.view, attributes, false))
        };
        let runs = || vec![Run { rows: 0..1, stream: stream("a") }, Run { rows: 1..2, stream: stream("b") }];
        let (first, again) = (runs(), runs());
        assert!(Arc::ptr_eq(&first[0].stream, &again[0].stream) && !Arc::ptr_eq(&again[0].stream, &again[1].stream));
        // Those of a question about several tenants are kept as well, and are others.
        let [of_acme, again_of_acme, of_other] = ["acme", "acme", "other"].map(|tenant| {
            let streams = streams.of_tenant(&Tenant::new(tenant).unwrap());
            streams.shared(Stream::new(&streams.view, Vec::new(), false))
        });
        assert!(Arc::ptr_eq(&of_acme, &again_of_acme) && of_acme.labels != of_other.labels);
        let alone: usize = first.iter().map(|run| run.stream.bytes()).sum();
        assert!(Kept::new(again).bytes < Kept::new(Vec::new()).bytes + (alone / 2 + 2 * size_of::<Run>()) as u64);
    }

    #[test]
    fn streams_of_several_tenants_say_whose_they_are() {
        let view = LogView { tenant: Some("acme".to_owned()), ..LogView::default() };
        let attributes = [("service.name", "cart"), ("__tenant_id__", "x")];
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let labels = Stream::new(&view, attributes, true).labels.to_string();
        assert_eq!(labels, r#"{__tenant_id__="acme", original___tenant_id__="x", service_name="cart"}"#);
    }
}
