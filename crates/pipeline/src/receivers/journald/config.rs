//! The configuration of the `journald` receiver, in the Collector's schema.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use trefoil_model::Tenant;

use crate::component::ComponentId;
use crate::config::{ConfigError, Problems, Section};
use crate::receivers::log_records::options::check_labels;
use crate::receivers::log_records::retry::RetryOnFailure;
use crate::stanza::{self, Chain};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StartAt {
    Beginning,
    #[default]
    End,
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    directory: Option<String>,
    files: Vec<String>,
    start_at: StartAt,
    units: Vec<String>,
    identifiers: Vec<String>,
    matches: Vec<BTreeMap<String, String>>,
    priority: String,
    grep: String,
    dmesg: bool,
    all: bool,
    namespace: String,
    convert_message_bytes: bool,
    merge: bool,
    root_path: String,
    journalctl_path: String,
    attributes: BTreeMap<String, String>,
    resource: BTreeMap<String, String>,
    storage: Option<String>,
    #[serde(rename = "operators")]
    _operators: IgnoredAny,
    retry_on_failure: RetryOnFailure,
    tenant: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            directory: None,
            files: Vec::new(),
            start_at: StartAt::End,
            units: Vec::new(),
            identifiers: Vec::new(),
            matches: Vec::new(),
            priority: "info".to_owned(),
            grep: String::new(),
            dmesg: false,
            all: false,
            namespace: String::new(),
            convert_message_bytes: false,
            merge: false,
            root_path: String::new(),
            journalctl_path: "journalctl".to_owned(),
            attributes: BTreeMap::new(),
            resource: BTreeMap::new(),
            storage: None,
            _operators: IgnoredAny,
            retry_on_failure: RetryOnFailure::default(),
            tenant: None,
        }
    }
}

#[derive(Debug, Clone)]
pub struct Config {
    pub selection: Selection,
    pub start_at: StartAt,
    /// Makes text of a MESSAGE that came as bytes.
    pub convert_message_bytes: bool,
    /// A directory that journalctl sees as the root of all files; empty for none.
    pub root_path: String,
    /// What is run, below `root_path`.
    pub journalctl_path: String,
    /// Added to every record, and to the resource of all.
    pub attributes: BTreeMap<String, String>,
    pub resource: BTreeMap<String, String>,
    /// What entries go through before they are handed on.
    pub chain: Chain,
    /// The extension that keeps the place in the journal.
    pub storage: Option<ComponentId>,
    pub retry_on_failure: RetryOnFailure,
    /// Whose the entries are, where tenants are told apart. (An option of Trefoil.)
    pub tenant: Option<Tenant>,
}

/// Which entries of which journal.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selection {
    pub directory: Option<String>,
    pub files: Vec<String>,
    pub units: Vec<String>,
    pub identifiers: Vec<String>,
    /// Any of these; each has fields that must all be as told.
    pub matches: Vec<BTreeMap<String, String>>,
    /// `info` and all that is more severe, or a range such as `emerg..err`.
    pub priority: String,
    pub grep: String,
    pub dmesg: bool,
    pub all: bool,
    pub namespace: String,
    pub merge: bool,
}

impl Config {
    pub fn parse(section: &Section<'_>) -> Result<Self, ConfigError> {
        let mut problems = Problems::default();
        let options: Option<Options> = problems.note(section.parse());
        let chain = problems.note(stanza::config::parse(section));
        let (Some(options), Some(chain)) = (options, chain) else {
            return Err(problems.into_error().unwrap_or_else(|| section.invalid("", "cannot be read")));
        };
        let mut problem = |path: &str, message: String| problems.push(section.problem(path, message));
        if options.directory.is_some() && !options.files.is_empty() {
            problem("files", "and `directory` exclude each other".to_owned());
        }
        if options.merge && options.dmesg {
            problem("merge", "and `dmesg` exclude each other in journalctl".to_owned());
        }
        for (index, fields) in options.matches.iter().enumerate() {
            if let Some(name) = fields.keys().find(|name| !is_field(name)) {
                let message = format!("`{name}` is not the name of a field: capitals, digits and `_`");
                problem(&format!("matches[{index}].{name}"), message);
            }
            if fields.is_empty() {
                problem(&format!("matches[{index}]"), "name at least one field".to_owned());
            }
        }
        for (path, value) in [("priority", &options.priority), ("journalctl_path", &options.journalctl_path)] {
            if value.is_empty() {
                problem(path, "must not be empty".to_owned());
            }
        }
        for (path, labels) in [("attributes", &options.attributes), ("resource", &options.resource)] {
            if let Err(reason) = check_labels(labels) {
                problem(path, reason);
            }
        }
        if let Err(reason) = options.retry_on_failure.check() {
            problem("retry_on_failure", reason);
        }
        let storage = options.storage.as_deref().map(str::parse::<ComponentId>).transpose();
        let storage = storage.map_err(|error| problem("storage", error.to_string())).ok().flatten();
        let tenant = options.tenant.as_deref().map(Tenant::new).transpose();
        let tenant = tenant.map_err(|error| problem("tenant", error.to_string())).ok().flatten();
        problems.or(Self {
            selection: Selection {
                directory: options.directory,
                files: options.files,
                units: options.units,
                identifiers: options.identifiers,
                matches: options.matches,
                priority: options.priority,
                grep: options.grep,
                dmesg: options.dmesg,
                all: options.all,
                namespace: options.namespace,
                merge: options.merge,
            },
            start_at: options.start_at,
            convert_message_bytes: options.convert_message_bytes,
            root_path: options.root_path,
            journalctl_path: options.journalctl_path,
            attributes: options.attributes,
            resource: options.resource,
            chain,
            storage,
            retry_on_failure: options.retry_on_failure,
            tenant,
        })
    }
}

fn is_field(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}
