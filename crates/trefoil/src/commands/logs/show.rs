//! How lines are written for whoever reads them.

use std::borrow::Cow;
use std::fmt::Write;

use trefoil_go::quote::quote;
use trefoil_loki::{LineForm, TakenLine, written_time};

use crate::cli::{LogsArgs, LogsOutput};

const DIM: &str = "\x1b[2m";
const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const GREY: &str = "\x1b[90m";
const PLAIN: &str = "\x1b[0m";

/// Which labels a line is shown with.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    OfStream,
    Named(Vec<String>),
    None,
}

/// How lines are shown.
#[derive(Debug, Clone)]
pub struct Shown {
    pub form: LineForm,
    labels: Wanted,
    is_terminal: bool,
    colour: bool,
}

impl Shown {
    pub fn new(args: &LogsArgs, is_terminal: bool) -> Self {
        let labels = match (args.no_labels, args.labels.is_empty()) {
            (true, _) => Wanted::None,
            (false, true) => Wanted::OfStream,
            (false, false) => Wanted::Named(args.labels.clone()),
        };
        let form = match args.output {
            LogsOutput::Text => LineForm::Text,
            LogsOutput::Raw => LineForm::Raw,
            LogsOutput::Jsonl => LineForm::Jsonl,
            LogsOutput::Csv => LineForm::Csv,
        };
        Self { form, labels, is_terminal, colour: is_terminal && std::env::var_os("NO_COLOR").is_none() }
    }

    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    pub fn write(&self, line: &TakenLine, out: &mut String) {
        if self.form != LineForm::Text {
            return self.form.write(line, out);
        }
        let [dim, level, plain] = match self.colour {
            true => [DIM, colour_of(line), PLAIN],
            false => [""; 3],
        };
        // Writing to a string does not fail.
        let _ = write!(out, "{dim}{}", written_time(line.timestamp));
        if let Some(labels) = self.labels_of(line) {
            let _ = write!(out, " {}", self.safe(&labels));
        }
        let _ = writeln!(out, "{plain} {level}{}{plain}", self.safe(&line.line));
    }

    fn labels_of(&self, line: &TakenLine) -> Option<String> {
        let known = [&line.labels, &line.structured_metadata, &line.parsed];
        let pairs: Vec<(&str, &str)> = match &self.labels {
            Wanted::None => return None,
            Wanted::OfStream => line.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
            Wanted::Named(names) => {
                let value = |name: &String| known.iter().find_map(|labels| labels.get(name));
                names.iter().filter_map(|name| Some((name.as_str(), value(name)?.as_str()))).collect()
            }
        };
        let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={}", quote(value))).collect();
        Some(format!("{{{}}}", pairs.join(", ")))
    }

    /// Text from outside must not move the cursor or change colors; where it goes elsewhere it stays as it is.
    fn safe<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let is_harmful = |character: char| character.is_control() && !matches!(character, '\n' | '\t');
        match self.is_terminal && text.contains(is_harmful) {
            true => text.chars().map(|character| if is_harmful(character) { '\u{fffd}' } else { character }).collect(),
            false => Cow::Borrowed(text),
        }
    }
}

fn colour_of(line: &TakenLine) -> &'static str {
    let levels = [line.structured_metadata.get("detected_level"), line.parsed.get("level"), line.labels.get("level")];
    let level = levels.into_iter().flatten().next().map(|level| level.to_ascii_lowercase());
    match level.as_deref() {
        Some("error" | "err" | "critical" | "fatal" | "emerg" | "alert") => RED,
        Some("warn" | "warning") => YELLOW,
        Some("debug" | "trace") => GREY,
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn shown(args: &[&str], is_terminal: bool) -> String {
        let args = ["trefoil", "logs", "{a=\"b\"}"].iter().chain(args);
        let Command::Logs(args) = Cli::try_parse_from(args).unwrap().command else { unreachable!("it is logs") };
        let mut shown = Shown::new(&args, is_terminal);
        // Whoever runs the test may have a wish of their own.
        shown.colour = is_terminal;
        let pairs = |name: &str, value: &str| [(name.to_owned(), value.to_owned())].into();
        let line = TakenLine {
            timestamp: 1,
            labels: pairs("app", "cart"),
            structured_metadata: pairs("detected_level", "error"),
            parsed: pairs("n", "\"1\""),
            line: "no\tstock\x1b[2J".to_owned(),
        };
        let mut out = String::new();
        shown.write(&line, &mut out);
        out
    }

    #[test]
    fn text_is_for_people() {
        let time = "1970-01-01T00:00:00.000000001Z";
        assert_eq!(shown(&[], false), format!("{time} {{app=\"cart\"}} no\tstock\x1b[2J\n"));
        assert_eq!(shown(&["--no-labels"], false), format!("{time} no\tstock\x1b[2J\n"));
        let named = shown(&["--labels", "n,detected_level,none"], false);
        assert_eq!(named, format!("{time} {{n=\"\\\"1\\\"\", detected_level=\"error\"}} no\tstock\x1b[2J\n"));
        let coloured = format!("{DIM}{time} {{app=\"cart\"}}{PLAIN} {RED}no\tstock\u{fffd}[2J{PLAIN}\n");
        assert_eq!(shown(&[], true), coloured);
        assert_eq!(shown(&["-o", "raw"], true), "no\tstock\x1b[2J\n");
        assert!(shown(&["-o", "jsonl"], false).starts_with("{\"timestamp\":\"1970"));
    }
}
