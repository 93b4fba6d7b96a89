//! Stages that find labels in a line.

use std::borrow::Cow;

use trefoil_lines::json::{self, Path};
use trefoil_lines::logfmt::{self, Options};
use trefoil_lines::{Malformed, unpack};

use super::labels::{Labels, Name, PRESERVE_ERROR, TooMany};
use super::names::Names;
use super::needs::Needs;
use crate::ast::{Extraction, LogfmtFlags, Stage};
use crate::extract::pattern::Pattern;
use crate::extract::regexp::Regexp;

pub(super) const JSON: &str = "JSONParserErr";
const LOGFMT: &str = "LogfmtParserErr";

#[derive(Debug, Clone)]
pub(super) enum Parser {
    Json,
    JsonPaths { labels: Vec<String>, paths: Vec<Path> },
    Logfmt(Options),
    LogfmtKeys { options: Options, labels: Vec<String>, keys: Vec<String> },
    Regexp(Regexp),
    Pattern(Pattern),
    Unpack,
}

/// What parsers keep from line to line.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub names: Names,
    buffer: String,
    /// How many labels there were in front of each field that was found.
    counts: Vec<usize>,
}

impl Parser {
    /// `None`: the stage is no parser.
    pub fn new(stage: &Stage) -> Result<Option<Parser>, String> {
        Ok(Some(match stage {
            Stage::Json(extractions) if extractions.is_empty() => Parser::Json,
            Stage::Json(extractions) => {
                let paths = extractions.iter().map(|extraction| Path::parse(&extraction.expression));
                let paths = paths.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
                Parser::JsonPaths { labels: labels(extractions), paths }
            }
            Stage::Logfmt { flags: LogfmtFlags { strict, keep_empty }, extractions } => {
                let options = Options { strict: *strict, keep_empty: *keep_empty };
                match extractions.is_empty() {
                    true => Parser::Logfmt(options),
                    false => {
                        let keys = extractions.iter().map(key).collect::<Result<_, _>>()?;
                        Parser::LogfmtKeys { options, labels: labels(extractions), keys }
                    }
                }
            }
            Stage::Regexp(text) => Parser::Regexp(Regexp::compile(text).map_err(|error| error.to_string())?),
            Stage::Pattern(text) => Parser::Pattern(Pattern::compile(text).map_err(|error| error.to_string())?),
            Stage::Unpack => Parser::Unpack,
            _ => return Ok(None),
        }))
    }

    /// `own`: makes values out of the line that live as long as the labels. The line that has been packed into this one, if so.
    pub fn run<'l, 'e>(
        &self,
        line: &'l str,
        own: impl Fn(Cow<'l, str>) -> Cow<'e, str>,
        labels: &mut Labels<'e>,
        needs: &Needs,
        scratch: &mut Scratch,
    ) -> Option<Cow<'l, str>> {
        if needs.are_none() && !matches!(self, Parser::Unpack) {
            return None;
        }
        let Scratch { names, buffer, counts } = scratch;
        counts.clear();
        let wanted = needs.wanted();
        let before = labels.parsed_count();
        let mut excess = None;
        // Fields that parsers find by themselves.
        let mut take = |labels: &mut Labels<'e>, name: &str, value: Cow<'l, str>| {
            counts.push(labels.parsed_count());
            let extracted = labels.extract(name, || own(value), |name| needs.has(name), names);
            excess = excess.or(extracted.err());
        };
        let mut packed = None;
        let parsed = match self {
            Parser::Json => json::flatten(line, wanted, buffer, |name, value| take(labels, name, value)),
            Parser::Logfmt(options) => logfmt::fields(line, *options, wanted, |name, value| take(labels, name, value)),
            Parser::Regexp(regexp) => {
                regexp.fields(line, |name, value| take(labels, name, Cow::Borrowed(value)));
                Ok(())
            }
            Parser::Pattern(pattern) => {
                pattern.fields(line, |name, value| take(labels, name, Cow::Borrowed(value)));
                Ok(())
            }
            Parser::Unpack | Parser::JsonPaths { .. } if line.is_empty() => Ok(()),
            Parser::Unpack => unpack::unpack(line, |name, value| take(labels, name, value)).map(|entry| packed = entry),
            // Another parser may find what this one does not, so that nothing is said about labels here.
            Parser::JsonPaths { .. } if !line.starts_with(['{', '[', '"']) => {
                Err(Malformed { what: "neither object nor array", at: 0, kept: 0 })
            }
            Parser::JsonPaths { labels: of, paths } => {
                json::find(line, paths, |place, value| labels.extract_named(&of[place], own(value), names))
            }
            Parser::LogfmtKeys { options, labels: of, keys } => {
                logfmt::find(line, *options, keys, |place, value| labels.extract_named(&of[place], own(value), names))
            }
        };
        let error = match self {
            Parser::Logfmt(_) | Parser::LogfmtKeys { .. } => LOGFMT,
            _ => JSON,
        };
        if let Err(malformed) = parsed {
            let kept = counts.get(malformed.kept).copied().unwrap_or(labels.parsed_count());
            labels.truncate_parsed(kept.max(before));
            failed(error, malformed, labels, needs);
        }
        if let Some(TooMany) = excess {
            labels.fail(error, TooMany::message());
        }
        packed
    }
}

pub(super) fn failed(error: &'static str, malformed: Malformed, labels: &mut Labels<'_>, needs: &Needs) {
    labels.fail(error, malformed.to_string());
    if needs.preserve_errors() {
        labels.set(Name::Given(PRESERVE_ERROR), Cow::Borrowed("true"));
    }
}

fn labels(extractions: &[Extraction]) -> Vec<String> {
    extractions.iter().map(|extraction| extraction.label.clone()).collect()
}

/// A key in quotes or not.
fn key(extraction: &Extraction) -> Result<String, String> {
    let text = extraction.expression.trim();
    let key = match text.strip_prefix('"') {
        Some(_) => trefoil_go::unquote_checked(text).ok_or_else(|| text.to_owned()),
        None => Ok(text.to_owned()),
    };
    let is_key = |key: &String| !key.is_empty() && !key.contains([' ', '=', '"']);
    key.ok().filter(is_key).ok_or_else(|| format!("cannot parse expression [{}]: no key", extraction.expression))
}
