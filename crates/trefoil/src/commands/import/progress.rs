//! How far it is: a bar on a terminal, a line now and then elsewhere. All on standard error.

use std::io::{IsTerminal, stderr};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::source::Progressed;

const BETWEEN_LINES: Duration = Duration::from_secs(10);
/// Of a file; the others are counted.
const MESSAGES: u64 = 20;

pub struct Progress {
    name: String,
    source: Progressed,
    bar: Option<ProgressBar>,
    last_line: Instant,
    messages: u64,
}

impl Progress {
    pub fn new(file: &Path, source: Progressed) -> Self {
        let name = file.display().to_string();
        let bar = stderr().is_terminal().then(|| bar(&name, source.length));
        Self { name, source, bar, last_line: Instant::now(), messages: 0 }
    }

    /// Something that people should know.
    pub fn tell(&mut self, message: &str) {
        self.messages += 1;
        if self.messages > MESSAGES {
            return;
        }
        // Text from outside must not move the cursor.
        let message: String = message.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        let line = format!("{}: {message}", self.name);
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{line}")),
            None => eprintln!("{line}"),
        }
    }

    pub fn advance(&mut self, taken: u64) {
        let read = self.source.read.load(Ordering::Relaxed);
        if let Some(bar) = &self.bar {
            bar.set_position(read);
            bar.set_message(format!("{taken} spans"));
            return;
        }
        if self.last_line.elapsed() < BETWEEN_LINES {
            return;
        }
        self.last_line = Instant::now();
        match (read * 100).checked_div(self.source.length) {
            Some(percent) => eprintln!("{}: {percent}% read, {taken} spans taken", self.name),
            None => eprintln!("{}: {} MiB read, {taken} spans taken", self.name, read >> 20),
        }
    }

    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        if self.messages > MESSAGES {
            eprintln!("{}: and {} more", self.name, self.messages - MESSAGES);
        }
    }
}

fn bar(name: &str, length: u64) -> ProgressBar {
    let known = "{prefix} {wide_bar} {bytes}/{total_bytes} {msg} {eta}";
    let unknown = "{prefix} {spinner} {bytes} {msg}";
    let (bar, template) = match length {
        0 => (ProgressBar::new_spinner(), unknown),
        length => (ProgressBar::new(length), known),
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style).with_prefix(name.to_owned())
}
