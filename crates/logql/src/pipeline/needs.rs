//! Which labels are asked for, so that parsers look for no others.

use std::collections::BTreeSet;

use trefoil_lines::Wanted;

use super::formats::Formats;
use super::labels::{DUPLICATE, ERROR};
use super::{Op, Wants};

/// What the stages and whoever takes their lines look at.
#[derive(Debug, Clone)]
pub(super) struct Needs {
    /// `None`: everything.
    only: Option<Vec<String>>,
}

impl Needs {
    pub fn new(wants: &Wants, ops: &[Op]) -> Needs {
        let Wants::Labels(labels) = wants else { return Needs { only: None } };
        let mut names: BTreeSet<&str> = labels.iter().map(String::as_str).collect();
        for op in ops {
            let is_known = match op {
                Op::Labels(test) => {
                    test.labels(&mut |name| {
                        names.insert(name);
                    });
                    true
                }
                Op::Drop(labels) | Op::Keep(labels) => {
                    names.extend(labels.iter().map(crate::ast::NamedLabel::name));
                    true
                }
                Op::Format(Formats::Line(format)) => format.fields(&mut names),
                Op::Format(Formats::Labels(formats)) => formats.iter().all(|format| format.fields(&mut names)),
                Op::Lines(_) | Op::Parse(_) | Op::Decolorize => true,
            };
            if !is_known {
                return Needs { only: None };
            }
        }
        // What is called so may be called otherwise where it is found.
        let found = names.iter().filter_map(|name| name.strip_suffix(DUPLICATE));
        let all: BTreeSet<&str> = names.iter().copied().chain(found).collect();
        Needs { only: Some(all.into_iter().map(str::to_owned).collect()) }
    }

    pub fn wanted(&self) -> Wanted<'_> {
        match &self.only {
            None => Wanted::All,
            Some(names) => Wanted::Only(names),
        }
    }

    /// `None`: everything.
    pub fn only(&self) -> Option<&[String]> {
        self.only.as_deref()
    }

    pub fn are_none(&self) -> bool {
        self.only.as_ref().is_some_and(Vec::is_empty)
    }

    pub fn has(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|names| names.iter().any(|wanted| wanted == name))
    }

    /// Whether series are to have the errors of their lines.
    pub fn preserve_errors(&self) -> bool {
        self.only.as_ref().is_some_and(|names| names.iter().any(|name| name == ERROR))
    }
}
