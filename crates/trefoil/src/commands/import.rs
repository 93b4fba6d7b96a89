//! `trefoil import`: files are read on a thread of their own, and what was read is sent while more is.

mod progress;
mod send;
mod source;

use std::path::Path;

use anyhow::bail;
use futures::{StreamExt, stream};
use tokio::sync::mpsc;
use trefoil_interchange::{Form, Part};

use self::progress::Progress;
use self::send::{Sender, Sent};
use self::source::Source;
use crate::cli::{ImportArgs, ImportFormat};

/// Batches that are under way to the server, and that wait for it.
const AT_ONCE: usize = 4;
const WAITING: usize = 2;

pub async fn run(args: ImportArgs) -> anyhow::Result<()> {
    let form = args.format.map(|format| match format {
        ImportFormat::Otlp | ImportFormat::Tempo => Form::Otlp,
        ImportFormat::Jaeger => Form::Jaeger,
        ImportFormat::Zipkin => Form::Zipkin,
    });
    let sender = Sender::new(&args)?;
    let mut all = Tally::default();
    for file in &args.files {
        let (tally, stopped) = import(file, form, &sender).await;
        println!("{}: {tally}", file.display());
        all.add(&tally);
        stopped?;
    }
    if args.files.len() > 1 {
        println!("all: {all}");
    }
    if all.is_lost() {
        bail!("not everything was taken: {all}");
    }
    Ok(())
}

/// The second is why nothing more can be sent, of this file or another.
async fn import(file: &Path, form: Option<Form>, sender: &Sender) -> (Tally, anyhow::Result<()>) {
    let mut tally = Tally::default();
    let source = match Source::open(file) {
        Ok(source) => source,
        Err(error) => {
            eprintln!("{}: {error}", file.display());
            tally.broken += 1;
            return (tally, Ok(()));
        }
    };
    let mut progress = Progress::new(file, source.progress());
    let (parts, received) = mpsc::channel(WAITING);
    let reading = tokio::task::spawn_blocking(move || source.read(form, &parts));
    let received = stream::unfold(received, |mut received| async { Some((received.recv().await?, received)) });
    let deliver = |part| async {
        match part {
            Part::Batch(batch) => sender.send(batch).await,
            Part::Problem(problem) => {
                let refused = problem.spans.unwrap_or(0);
                let broken = u64::from(problem.spans.is_none());
                Ok(Sent { taken: 0, refused, broken, messages: vec![problem.to_string()] })
            }
        }
    };
    let mut answers = std::pin::pin!(received.map(deliver).buffered(AT_ONCE));
    let mut stopped = Ok(());
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(sent) => {
                sent.messages.iter().for_each(|message| progress.tell(message));
                tally.add(&Tally { taken: sent.taken, refused: sent.refused, broken: sent.broken, forms: Vec::new() });
                progress.advance(tally.taken);
            }
            Err(error) => {
                stopped = Err(error);
                break;
            }
        }
    }
    if stopped.is_ok() {
        match reading.await {
            Ok(Ok(forms)) => tally.forms = forms,
            Ok(Err(error)) => {
                tally.broken += 1;
                progress.tell(&format!("it cannot be read further: {error}"));
            }
            Err(panic) => stopped = Err(panic.into()),
        }
    }
    progress.finish();
    (tally, stopped)
}

/// What became of a file, or of all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Tally {
    forms: Vec<Form>,
    taken: u64,
    /// Spans.
    refused: u64,
    /// Places where it is not known how many spans are lost.
    broken: u64,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.taken += other.taken;
        self.refused += other.refused;
        self.broken += other.broken;
        for form in &other.forms {
            if !self.forms.contains(form) {
                self.forms.push(*form);
            }
        }
    }

    fn is_lost(&self) -> bool {
        self.refused > 0 || self.broken > 0
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { forms, taken, refused, broken } = self;
        if !forms.is_empty() {
            let names: Vec<String> = forms.iter().map(Form::to_string).collect();
            write!(f, "{}, ", names.join(" and "))?;
        }
        write!(f, "{taken} span{} taken, {refused} refused", if *taken == 1 { "" } else { "s" })?;
        match broken {
            0 => Ok(()),
            1 => write!(f, ", 1 broken place"),
            _ => write!(f, ", {broken} broken places"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_says_what_became_of_it() {
        let mut tally = Tally { forms: vec![Form::Jaeger], taken: 1, ..Tally::default() };
        assert_eq!(tally.to_string(), "Jaeger, 1 span taken, 0 refused");
        assert!(!tally.is_lost());
        tally.add(&Tally { forms: vec![Form::Otlp, Form::Jaeger], taken: 4, refused: 2, broken: 1 });
        assert_eq!(tally.to_string(), "Jaeger and OTLP, 5 spans taken, 2 refused, 1 broken place");
        assert!(tally.is_lost());
    }
}
