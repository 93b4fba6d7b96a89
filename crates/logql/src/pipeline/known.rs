//! Lines whose fields are known without them: from columns.

use std::borrow::Cow;

use trefoil_lines::logfmt::Options;
use trefoil_lines::{Form, Malformed};

use super::labels::{DUPLICATE, ERROR, ERROR_DETAILS, Labels, PRESERVE_ERROR};
use super::parsers::{JSON, Parser, failed};
use super::{Entry, Op, Pipeline, Runner, Wants, drop_label, is_meant};
use crate::ast::Stage;
use crate::error::ParseError;

/// The form of a line, and the values of the fields that are [asked for](Pipeline::fields), as far as it has them.
#[derive(Debug, Clone, Copy)]
pub struct Known<'e> {
    pub form: Form,
    pub fields: &'e [(&'e str, &'e str)],
}

/// What of lines is enough to tell what becomes of them.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'p> {
    /// What the stage reads; `None`: there is none that reads lines.
    pub form: Option<Form>,
    labels: &'p [String],
}

impl<'p> Fields<'p> {
    /// The names of labels that are looked at. Some may be those of streams.
    pub fn labels(self) -> impl Iterator<Item = &'p str> {
        let labels = self.labels.iter().map(String::as_str);
        labels.filter(|label| !matches!(*label, ERROR | PRESERVE_ERROR))
    }

    /// Whether it is known what the stage finds in lines of a form. As logfmt, objects may have fields, too, which no column has.
    pub fn is_known_of(self, form: Form) -> bool {
        !(self.form == Some(Form::Logfmt) && form == Form::Json)
    }
}

impl Pipeline {
    /// The filters on labels that stand in front of everything but line filters and perhaps a parser, with it. `None`: there are none that
    /// fields [tell](Pipeline::fields) enough for. A line that does not pass them does not pass all stages.
    pub fn first_of_fields(stages: &[Stage]) -> Result<Option<Pipeline>, ParseError> {
        let is_filter = |stage: &Stage| matches!(stage, Stage::LabelFilter(_));
        let others = stages.iter().filter(|stage| !matches!(stage, Stage::LineFilter(_)));
        let first = others.enumerate().take_while(|(place, stage)| *place == 0 || is_filter(stage));
        let first: Vec<Stage> = first.map(|(_, stage)| stage.clone()).collect();
        if !first.iter().any(is_filter) {
            return Ok(None);
        }
        let pipeline = Pipeline::new(&first, &Wants::Labels(Vec::new()))?;
        Ok(Some(pipeline).filter(|pipeline| pipeline.fields().is_some()))
    }

    /// The fields that are enough to tell what becomes of lines, so that nobody has to look at these. `None`: somebody has.
    pub fn fields(&self) -> Option<Fields<'_>> {
        let (form, rest) = match self.ops.as_slice() {
            [Op::Parse(Parser::Json), rest @ ..] => (Some(Form::Json), rest),
            [Op::Parse(Parser::Logfmt(options)), rest @ ..] if *options == Options::default() => {
                (Some(Form::Logfmt), rest)
            }
            all => (None, all),
        };
        let labels = self.needs.only()?;
        let leaves_lines = rest.iter().all(|op| matches!(op, Op::Labels(_) | Op::Drop(_) | Op::Keep(_)));
        // Details of an error tell of the line. Of a name with the suffix for duplicates, it matters which field stands in front.
        let is_plain = |label: &String| label != ERROR_DETAILS && !label.ends_with(DUPLICATE);
        (self.first.is_empty() && leaves_lines && labels.iter().all(is_plain)).then_some(Fields { form, labels })
    }

    /// Whether the label makes no difference to what becomes of a line, beyond being there.
    pub(crate) fn ignores(&self, label: &str) -> bool {
        let mut is_named = false;
        for op in &self.ops {
            match op {
                Op::Labels(test) => test.labels(&mut |name| is_named |= name == label),
                Op::Parse(_) => {}
                _ => return false,
            }
        }
        !is_named
    }
}

impl Runner<'_> {
    /// [`Runner::run`] for a line whose fields are known; the one of `entry` is not looked at. The pipeline is one that
    /// [tells](Pipeline::fields) by them.
    pub fn run_known<T>(
        &mut self,
        entry: &Entry<'_>,
        known: Known<'_>,
        take: impl FnOnce(&Labels<'_>) -> T,
    ) -> Option<T> {
        self.run_known_mut(entry, known, |labels| Some(take(labels)))
    }

    pub(super) fn run_known_mut<T>(
        &mut self,
        entry: &Entry<'_>,
        known: Known<'_>,
        take: impl FnOnce(&mut Labels<'_>) -> Option<T>,
    ) -> Option<T> {
        let lists = std::mem::take(&mut self.lists);
        let mut labels = Labels::new(entry.stream, entry.metadata, lists, &mut self.scratch.names);
        self.find(known, &mut labels);
        let passes = self.labels_pass(&mut labels);
        let taken = if passes { take(&mut labels) } else { None };
        self.lists = labels.into_lists();
        taken
    }

    /// What the parser does.
    fn find<'e>(&mut self, known: Known<'e>, labels: &mut Labels<'e>) {
        let needs = &self.pipeline.needs;
        let Some(Fields { form, .. }) = self.pipeline.fields().filter(|_| !needs.are_none()) else { return };
        match (form, known.form) {
            (Some(Form::Json), Form::Logfmt | Form::Text) => {
                let malformed = Malformed { what: "no object", at: 0, kept: 0 };
                failed(JSON, malformed, labels, needs);
            }
            _ => {
                for (name, value) in known.fields {
                    // They are fewer than there may be.
                    let _ =
                        labels.extract(name, || Cow::Borrowed(*value), |name| needs.has(name), &mut self.scratch.names);
                }
            }
        }
    }

    fn labels_pass(&self, labels: &mut Labels<'_>) -> bool {
        self.pipeline.ops.iter().all(|op| match op {
            Op::Labels(test) => test.holds(labels),
            Op::Drop(dropped) => {
                dropped.iter().for_each(|label| drop_label(label, labels));
                true
            }
            Op::Keep(kept) => {
                labels.retain(|name, value| kept.iter().any(|label| is_meant(label, name, value)));
                true
            }
            _ => true,
        })
    }
}
