//! Selectors and the stages behind them.

use super::{MAX_LIST, MAX_STAGES, Parser, Result};
use crate::ast::{
    Extraction, LabelFormat, LabelSource, LineCondition, LineFilter, LineOp, LogQuery, LogfmtFlags, NamedLabel, Stage,
};
use crate::lexer::Kind;
use crate::matcher::Matcher;
use crate::pattern::Pattern;

impl Parser {
    pub(super) fn log_query(&mut self) -> Result<LogQuery> {
        let selector = self.selector()?;
        let stages = self.stages()?;
        if self.is_unwrap() {
            self.next();
            return Err(self.unexpected("a stage of a query for lines: samples are made of ranges"));
        }
        Ok(LogQuery { selector, stages })
    }

    pub(super) fn selector(&mut self) -> Result<Vec<Matcher>> {
        self.expect("{")?;
        if self.takes("}") {
            return Ok(Vec::new());
        }
        if !matches!(self.peek(), Kind::Identifier(_)) {
            return Err(self.unexpected("IDENTIFIER or }"));
        }
        let matchers = self.list(Parser::matcher)?;
        match self.takes("}") {
            true => Ok(matchers),
            false => Err(self.unexpected("} or ,")),
        }
    }

    /// All up to `| unwrap` or what is no stage.
    pub(super) fn stages(&mut self) -> Result<Vec<Stage>> {
        let mut stages = Vec::new();
        loop {
            self.count_stage(stages.len())?;
            match self.fixed() {
                Some("|") if self.is_unwrap() => return Ok(stages),
                Some("|") => {
                    self.next();
                    stages.push(self.stage()?);
                }
                Some(symbol) => match LineOp::ALL.into_iter().find(|op| op.symbol() == symbol) {
                    Some(op) => self.line_filters(op, &mut stages)?,
                    None => return Ok(stages),
                },
                None => return Ok(stages),
            }
        }
    }

    pub(super) fn count_stage(&self, already: usize) -> Result<()> {
        match already > MAX_STAGES {
            true => Err(self.fail(format!("query has more than {MAX_STAGES} stages"))),
            false => Ok(()),
        }
    }

    /// One filter, or as many as a negation has alternatives.
    fn line_filters(&mut self, op: LineOp, stages: &mut Vec<Stage>) -> Result<()> {
        self.next();
        let mut alternatives = vec![self.line_condition(op)?];
        while self.takes("or") {
            if alternatives.len() >= MAX_LIST {
                return Err(self.fail(format!("line filter has more than {MAX_LIST} alternatives")));
            }
            alternatives.push(self.line_condition(op)?);
        }
        match op.is_negation() {
            true => stages.extend(
                alternatives.into_iter().map(|one| Stage::LineFilter(LineFilter { op, alternatives: vec![one] })),
            ),
            false => stages.push(Stage::LineFilter(LineFilter { op, alternatives })),
        }
        Ok(())
    }

    fn line_condition(&mut self, op: LineOp) -> Result<LineCondition> {
        if self.is("ip") {
            return self.addresses().map(LineCondition::Ip);
        }
        let token = self.at;
        let text = self.text("STRING or ip")?;
        match op {
            LineOp::Regex | LineOp::NotRegex => self.pattern(token, &text, Pattern::anywhere).map(LineCondition::Regex),
            _ => Ok(LineCondition::Text(text)),
        }
    }

    /// Behind its `|`.
    fn stage(&mut self) -> Result<Stage> {
        let Some(word) = self.fixed().filter(|word| *word != "(") else {
            return match self.peek() {
                Kind::Identifier(_) | Kind::Fixed("(") => self.label_filter().map(Stage::LabelFilter),
                _ => Err(self.no_stage()),
            };
        };
        if !matches!(
            word,
            "json"
                | "logfmt"
                | "regexp"
                | "pattern"
                | "unpack"
                | "line_format"
                | "label_format"
                | "decolorize"
                | "drop"
                | "keep"
        ) {
            return Err(self.no_stage());
        }
        self.next();
        match word {
            "json" => self.extractions().map(Stage::Json),
            "logfmt" => {
                let flags = self.logfmt_flags();
                self.extractions().map(|extractions| Stage::Logfmt { flags, extractions })
            }
            "regexp" => {
                let token = self.at;
                let text = self.text("STRING")?;
                self.pattern(token, &text, |text| {
                    Pattern::anywhere(text).map_err(|error| format!("invalid regexp parser: {error}"))
                })?;
                Ok(Stage::Regexp(text))
            }
            "pattern" => self.text("STRING").map(Stage::Pattern),
            "unpack" => Ok(Stage::Unpack),
            "line_format" => self.text("STRING").map(Stage::LineFormat),
            "label_format" => self.list(Parser::label_format).map(Stage::LabelFormat),
            "decolorize" => Ok(Stage::Decolorize),
            "drop" => self.list(Parser::named_label).map(Stage::Drop),
            _ => self.list(Parser::named_label).map(Stage::Keep),
        }
    }

    fn no_stage(&self) -> crate::ParseError {
        self.unexpected(
            "json, logfmt, regexp, pattern, unpack, line_format, label_format, decolorize, drop, keep or a label filter",
        )
    }

    fn logfmt_flags(&mut self) -> LogfmtFlags {
        let mut flags = LogfmtFlags::default();
        loop {
            if self.takes("--strict") {
                flags.strict = true;
            } else if self.takes("--keep-empty") {
                flags.keep_empty = true;
            } else {
                return flags;
            }
        }
    }

    /// `label="expression"` or the label alone, any number of times.
    fn extractions(&mut self) -> Result<Vec<Extraction>> {
        if !matches!(self.peek(), Kind::Identifier(_)) {
            return Ok(Vec::new());
        }
        self.list(|parser| {
            let label = parser.identifier()?;
            let expression = match parser.takes("=") {
                true => parser.text("STRING")?,
                false => label.clone(),
            };
            Ok(Extraction { label, expression })
        })
    }

    fn label_format(&mut self) -> Result<LabelFormat> {
        let label = self.identifier()?;
        self.expect("=")?;
        let source = match self.peek() {
            Kind::Identifier(_) => LabelSource::Label(self.identifier()?),
            _ => LabelSource::Template(self.text("IDENTIFIER or STRING")?),
        };
        Ok(LabelFormat { label, source })
    }

    fn named_label(&mut self) -> Result<NamedLabel> {
        let token = self.at;
        let name = self.identifier()?;
        match self.fixed() {
            Some("=" | "!=" | "=~" | "!~") => self.matcher_of(token, name).map(NamedLabel::Matcher),
            _ => Ok(NamedLabel::Name(name)),
        }
    }
}
