//! `container`: lines of containers as Docker, containerd and CRI-O write them, and what the path of the file says of the pod.

use std::sync::LazyLock;

use chrono::DateTime;
use regex::Regex;
use serde::Deserialize;

use super::Outcome;
use super::recombine::Recombine;
use super::regex::groups;
use crate::config::ConfigError;
use crate::stanza::config::Options;
use crate::stanza::entry::Entry;
use crate::stanza::expr::Condition;
use crate::stanza::field::Field;
use crate::stanza::size::ByteSize;
use crate::stanza::value::{Map, Value, object};

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ContainerOptions {
    parse_from: Field,
    format: Option<Format>,
    add_metadata_from_filepath: bool,
    /// Of a line that is put together from parts; 0 is no limit.
    max_log_size: ByteSize,
}

impl Default for ContainerOptions {
    fn default() -> Self {
        Self { parse_from: Field::body(), format: None, add_metadata_from_filepath: true, max_log_size: ByteSize(0) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    Docker,
    Containerd,
    Crio,
}

/// Where kubelet puts the logs of pods; what the parts are called as attributes of the resource.
const METADATA: [(&str, &str); 5] = [
    ("namespace", "k8s.namespace.name"),
    ("pod", "k8s.pod.name"),
    ("uid", "k8s.pod.uid"),
    ("container", "k8s.container.name"),
    ("restarts", "k8s.container.restart_count"),
];

/// The path of a log: `/var/log/pods/NAMESPACE_POD_UID/CONTAINER/RESTARTS.log`.
static PATH: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let pattern = r"^.*[/\\](?P<namespace>[^_/\\]+)_(?P<pod>[^_/\\]+)_(?P<uid>[a-f0-9-]+)[/\\](?P<container>[^._/\\]+)[/\\](?P<restarts>[0-9]+)\.log(\.[0-9-]+)?(\.gz)?$";
    Regex::new(pattern).ok()
});

#[derive(Debug, Clone)]
pub struct Container {
    from: Field,
    format: Option<Format>,
    with_metadata: bool,
    parts: Recombine,
}

impl Container {
    pub fn parse(options: &Options<'_>) -> Result<Self, ConfigError> {
        let ContainerOptions { parse_from, format, add_metadata_from_filepath, max_log_size } = options.parse()?;
        let last = Condition::parse("attributes.logtag == 'F' or attributes.logtag startsWith 'F:'");
        let last = last.map_err(|reason| options.invalid("", reason))?;
        let parts = Recombine::of_containers(max_log_size, last);
        Ok(Self { from: parse_from, format, with_metadata: add_metadata_from_filepath, parts })
    }

    /// Whether the path of the file is needed.
    pub fn needs_path(&self) -> bool {
        self.with_metadata
    }

    pub fn parts(&mut self) -> &mut Recombine {
        &mut self.parts
    }

    pub fn held(&self) -> usize {
        self.parts.held()
    }

    pub fn process(&mut self, mut entry: Entry) -> Outcome {
        match self.read(&mut entry) {
            Err(reason) => Outcome::Failed(Box::new(entry), reason),
            Ok(Format::Docker) => Outcome::Out(vec![entry]),
            Ok(Format::Containerd | Format::Crio) => self.parts.process(entry),
        }
    }

    /// All or nothing, so that what is wrong goes on as it was.
    fn read(&self, entry: &mut Entry) -> Result<Format, String> {
        let value = self.from.get(entry).ok_or_else(|| format!("there is no {} to parse", self.from))?;
        let text = value.as_str().ok_or_else(|| format!("{} is no line of a container", value.kind()))?;
        let (format, line) = match self.format {
            Some(Format::Docker) => (Format::Docker, docker(text)?),
            Some(format) => (format, cri(text)?),
            None if text.starts_with('{') => (Format::Docker, docker(text)?),
            None => (Format::Containerd, cri(text)?),
        };
        let metadata = match self.with_metadata {
            true => metadata(entry)?,
            false => Map::new(),
        };
        let Line { time, stream, tag, log, others } = line;
        entry.timestamp = time;
        let attributes = entry.attributes.make_map();
        attributes.extend(others);
        attributes.insert("log.iostream".to_owned(), Value::String(stream));
        if let Some(tag) = tag {
            attributes.insert("logtag".to_owned(), Value::String(tag));
        }
        entry.resource.make_map().extend(metadata);
        entry.body = Value::String(log);
        Ok(format)
    }
}

/// What a line says, whoever wrote it.
struct Line {
    time: u64,
    stream: String,
    /// `F` where the line is complete, `P` where another part of it follows.
    tag: Option<String>,
    log: String,
    others: Map,
}

fn instant(text: &str) -> Result<u64, String> {
    let time = DateTime::parse_from_rfc3339(text).map_err(|_| format!("`{text}` is no time of a container's log"))?;
    let nanos = time.timestamp_nanos_opt().and_then(|nanos| u64::try_from(nanos).ok());
    nanos.ok_or_else(|| format!("`{text}` is before 1970 or after 2262"))
}

/// `{"log": "…", "stream": "stdout", "time": "…"}`
fn docker(text: &str) -> Result<Line, String> {
    let mut others = object(text)?;
    let mut take = |name: &str| match others.shift_remove(name) {
        Some(Value::String(text)) => Ok(text),
        _ => Err(format!("the JSON of Docker has no text `{name}`")),
    };
    let (time, stream, log) = (take("time")?, take("stream")?, take("log")?);
    Ok(Line { time: instant(&time)?, stream, tag: None, log, others })
}

/// `TIME stdout F LINE`, the same of containerd and CRI-O. (Kubernetes' CRI logging format.)
fn cri(text: &str) -> Result<Line, String> {
    let wrong = || "this is no line as containerd or CRI-O write it, nor Docker's JSON".to_owned();
    let (time, rest) = text.split_once(' ').ok_or_else(wrong)?;
    let (stream, rest) = rest.split_once(' ').ok_or_else(wrong)?;
    if !matches!(stream, "stdout" | "stderr") {
        return Err(wrong());
    }
    let (tag, log) = rest.split_once(' ').unwrap_or((rest, ""));
    let time = instant(time)?;
    Ok(Line { time, stream: stream.to_owned(), tag: Some(tag.to_owned()), log: log.to_owned(), others: Map::new() })
}

fn metadata(entry: &Entry) -> Result<Map, String> {
    let path = Field::attribute("log.file.path");
    let path =
        path.get(entry).and_then(Value::as_str).ok_or("the path of the file is not known (include_file_path)")?;
    let found = PATH.as_ref().and_then(|pattern| groups(pattern, path));
    let mut found =
        found.ok_or_else(|| format!("`{path}` is no path of a pod's log, NAMESPACE_POD_UID/CONTAINER/0.log"))?;
    let member = |(part, name): (&str, &str)| Some((name.to_owned(), found.shift_remove(part)?));
    Ok(METADATA.into_iter().filter_map(member).collect())
}
