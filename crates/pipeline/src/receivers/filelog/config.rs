//! The configuration of the receiver `filelog`, in the Collector's schema.

use std::collections::BTreeMap;
use std::time::Duration;

use regex::bytes::Regex;
use serde::Deserialize;
use serde::de::IgnoredAny;
use trefoil_go::pattern;
use trefoil_model::Tenant;

use super::content::Compression;
use super::encoding::Encoding;
use super::glob::Globs;
use super::order::{Choice, OrderingOptions};
use super::split::{Boundary, Splitter};
use crate::component::ComponentId;
use crate::config::{ConfigError, Problems, Section, duration};
use crate::stanza::constants::Constants;
use crate::stanza::expr::Template;
use crate::stanza::size::ByteSize;
use crate::stanza::{self, Chain};

/// What the Collector has and this receiver has not, with the reason.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("header", "what stands at the head of a file is read like any other line; take it apart with operators"),
    ("acquire_fs_lock", "files are read without locks"),
    ("initial_buffer_size", "buffers are as large as they have to be; remove it"),
    ("max_batches", "every file is read in each poll; remove it"),
    ("polls_to_archive", "files that are gone are remembered in any case; remove it"),
];

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    include: Vec<String>,
    exclude: Vec<String>,
    #[serde(with = "duration::option")]
    exclude_older_than: Option<Duration>,
    ordering_criteria: Option<OrderingOptions>,
    start_at: StartAt,
    #[serde(with = "duration")]
    poll_interval: Duration,
    fingerprint_size: ByteSize,
    max_log_size: ByteSize,
    max_concurrent_files: usize,
    encoding: Encoding,
    multiline: Option<Multiline>,
    #[serde(with = "duration")]
    force_flush_period: Duration,
    preserve_leading_whitespaces: bool,
    preserve_trailing_whitespaces: bool,
    include_file_name: bool,
    include_file_path: bool,
    include_file_name_resolved: bool,
    include_file_path_resolved: bool,
    include_file_owner_name: bool,
    include_file_owner_group_name: bool,
    include_file_record_number: bool,
    include_file_record_offset: bool,
    attributes: BTreeMap<String, Template>,
    resource: BTreeMap<String, Template>,
    storage: Option<String>,
    delete_after_read: bool,
    compression: Compression,
    retry_on_failure: Option<Retry>,
    #[serde(rename = "operators")]
    _operators: IgnoredAny,
    tenant: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            include: Vec::new(),
            exclude: Vec::new(),
            exclude_older_than: None,
            ordering_criteria: None,
            start_at: StartAt::default(),
            poll_interval: Duration::from_millis(200),
            fingerprint_size: ByteSize(1000),
            max_log_size: ByteSize(1 << 20),
            max_concurrent_files: 1024,
            encoding: Encoding::default(),
            multiline: None,
            force_flush_period: Duration::from_millis(500),
            preserve_leading_whitespaces: false,
            preserve_trailing_whitespaces: false,
            include_file_name: true,
            include_file_path: false,
            include_file_name_resolved: false,
            include_file_path_resolved: false,
            include_file_owner_name: false,
            include_file_owner_group_name: false,
            include_file_record_number: false,
            include_file_record_offset: false,
            attributes: BTreeMap::new(),
            resource: BTreeMap::new(),
            storage: None,
            delete_after_read: false,
            compression: Compression::default(),
            retry_on_failure: None,
            _operators: IgnoredAny,
            tenant: None,
        }
    }
}

/// Of files that are there when the receiver starts for the first time; later ones are read from their beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StartAt {
    #[default]
    End,
    Beginning,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Multiline {
    line_start_pattern: String,
    line_end_pattern: String,
    omit_pattern: bool,
}

/// When the pipelines refuse for now. Without this section, they are asked until they take it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retry {
    /// Otherwise what is refused is lost.
    pub enabled: bool,
    #[serde(with = "duration")]
    pub initial_interval: Duration,
    #[serde(with = "duration")]
    pub max_interval: Duration,
    /// When it is given up; 0 for never.
    #[serde(with = "duration")]
    pub max_elapsed_time: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            enabled: false,
            initial_interval: Duration::from_secs(1),
            max_interval: Duration::from_secs(30),
            max_elapsed_time: Duration::from_secs(300),
        }
    }
}

impl Retry {
    const FOR_EVER: Retry = Retry {
        enabled: true,
        initial_interval: Duration::from_secs(1),
        max_interval: Duration::from_secs(30),
        max_elapsed_time: Duration::ZERO,
    };
}

/// What entries say of their file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Included {
    pub name: bool,
    pub path: bool,
    pub name_resolved: bool,
    pub path_resolved: bool,
    pub owner_name: bool,
    pub owner_group_name: bool,
    pub record_number: bool,
    pub record_offset: bool,
}

/// What is taken away at the ends of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trim {
    pub leading: bool,
    pub trailing: bool,
}

/// Which files, and how they are read.
#[derive(Debug, Clone)]
pub struct Reading {
    pub include: Vec<Globs>,
    pub exclude: Vec<Globs>,
    pub exclude_older_than: Option<Duration>,
    pub ordering: Option<Choice>,
    pub start_at: StartAt,
    pub fingerprint_size: usize,
    pub max_open: usize,
    pub splitter: Splitter,
    pub trim: Trim,
    /// Zero is never.
    pub flush_after: Duration,
    pub included: Included,
    pub constants: Constants,
    pub compression: Compression,
    pub delete_after_read: bool,
}

#[derive(Debug, Clone)]
pub struct Config {
    pub reading: Reading,
    pub chain: Chain,
    pub poll_interval: Duration,
    pub retry: Retry,
    pub storage: Option<ComponentId>,
    /// Whose the records are, where tenants are told apart. (An option of Trefoil.)
    pub tenant: Option<Tenant>,
}

impl Config {
    pub fn parse(section: &Section<'_>) -> Result<Self, ConfigError> {
        let section = section.without(UNSUPPORTED);
        let mut problems = Problems::default();
        let options: Option<Options> = problems.note(section.parse());
        let chain = problems.note(stanza::config::parse(&section));
        let (Some(options), Some(chain)) = (options, chain) else {
            return Err(problems.into_error().unwrap_or_else(|| section.invalid("", "cannot be read")));
        };
        let mut problem = |path: &str, reason: String| problems.push(section.problem(path, reason));
        for (path, reason) in options.check(&chain) {
            problem(path, reason.to_owned());
        }
        let mut globs = |option: &str, texts: &[String]| -> Vec<Globs> {
            let parsed = texts.iter().enumerate().filter_map(|(place, text)| {
                Globs::parse(text).map_err(|reason| problem(&format!("{option}[{place}]"), reason)).ok()
            });
            parsed.collect()
        };
        let (include, exclude) = (globs("include", &options.include), globs("exclude", &options.exclude));
        let boundary = options.boundary().map_err(|(path, reason)| problem(path, reason)).unwrap_or(Boundary::Line);
        let storage = options.storage.as_deref().map(str::parse::<ComponentId>).transpose();
        let storage = storage.map_err(|error| problem("storage", error.to_string())).unwrap_or_default();
        let tenant = options.tenant.as_deref().map(Tenant::new).transpose();
        let tenant = tenant.map_err(|error| problem("tenant", error.to_string())).unwrap_or_default();
        let ordering = options.ordering_criteria.clone().map(|options| options.build(&section)).transpose();
        let ordering = problems.note(ordering).flatten();
        let reading = options.reading(include, exclude, ordering, boundary);
        let (poll_interval, retry) = (options.poll_interval, options.retry_on_failure.unwrap_or(Retry::FOR_EVER));
        problems.or(Self { reading, chain, poll_interval, retry, storage, tenant })
    }
}

impl Options {
    fn check(&self, chain: &Chain) -> Vec<(&'static str, &'static str)> {
        const POSITIVE: &str = "must be positive";
        let needs_path = chain.needs_path() && !self.include_file_path;
        let deletes_from_end = self.delete_after_read && self.start_at == StartAt::End;
        let retry = self.retry_on_failure.as_ref();
        let checks = [
            ("include", !self.include.is_empty(), "at least one pattern of paths is needed"),
            ("poll_interval", !self.poll_interval.is_zero(), POSITIVE),
            ("fingerprint_size", (16..=1 << 20).contains(&self.fingerprint_size.0), "must lie between 16B and 1MiB"),
            ("max_log_size", (4..=64 << 20).contains(&self.max_log_size.0), "must lie between 4B and 64MiB"),
            (
                "max_concurrent_files",
                (1..=1_000_000).contains(&self.max_concurrent_files),
                "must lie between 1 and 1000000",
            ),
            (
                "include_file_path",
                !needs_path,
                "the operator `container` needs it to be true; or set its add_metadata_from_filepath to false",
            ),
            ("delete_after_read", !deletes_from_end, "needs `start_at: beginning`, or else files are deleted unread"),
            (
                "retry_on_failure.initial_interval",
                retry.is_none_or(|retry| !retry.initial_interval.is_zero()),
                POSITIVE,
            ),
            ("retry_on_failure.max_interval", retry.is_none_or(|retry| !retry.max_interval.is_zero()), POSITIVE),
        ];
        checks.into_iter().filter(|(_, holds, _)| !holds).map(|(path, _, reason)| (path, reason)).collect()
    }

    fn boundary(&self) -> Result<Boundary, (&'static str, String)> {
        let Some(Multiline { line_start_pattern, line_end_pattern, omit_pattern: omit }) = self.multiline.clone()
        else {
            return Ok(if self.encoding == Encoding::Nop { Boundary::Nowhere } else { Boundary::Line });
        };
        if self.encoding.is_wide() {
            return Err(("multiline", "patterns are for bytes, and do not find text in UTF-16".to_owned()));
        }
        let compiled = |option: &'static str, text: &str| -> Result<Regex, (&'static str, String)> {
            pattern::search_lines(text).map_err(|error| (option, format!("`{text}` is no pattern: {error}")))
        };
        match (line_start_pattern.as_str(), line_end_pattern.as_str()) {
            ("", "") if !omit => Ok(Boundary::Line),
            (start, "") if !start.is_empty() => {
                let pattern = compiled("multiline.line_start_pattern", start)?;
                Ok(Boundary::Start { pattern, omit })
            }
            ("", end) if !end.is_empty() => {
                let pattern = compiled("multiline.line_end_pattern", end)?;
                Ok(Boundary::End { pattern, omit })
            }
            _ => {
                let reason = "one of `line_start_pattern` and `line_end_pattern` is needed, and only one";
                Err(("multiline", reason.to_owned()))
            }
        }
    }

    fn reading(
        &self,
        include: Vec<Globs>,
        exclude: Vec<Globs>,
        ordering: Option<Choice>,
        boundary: Boundary,
    ) -> Reading {
        Reading {
            include,
            exclude,
            exclude_older_than: self.exclude_older_than,
            ordering,
            start_at: self.start_at,
            fingerprint_size: self.fingerprint_size.0,
            max_open: self.max_concurrent_files,
            splitter: Splitter { boundary, encoding: self.encoding, limit: self.max_log_size.0 },
            trim: Trim { leading: !self.preserve_leading_whitespaces, trailing: !self.preserve_trailing_whitespaces },
            flush_after: self.force_flush_period,
            included: Included {
                name: self.include_file_name,
                path: self.include_file_path,
                name_resolved: self.include_file_name_resolved,
                path_resolved: self.include_file_path_resolved,
                owner_name: self.include_file_owner_name,
                owner_group_name: self.include_file_owner_group_name,
                record_number: self.include_file_record_number,
                record_offset: self.include_file_record_offset,
            },
            constants: Constants::new(self.attributes.clone(), self.resource.clone()),
            compression: self.compression,
            delete_after_read: self.delete_after_read,
        }
    }
}
