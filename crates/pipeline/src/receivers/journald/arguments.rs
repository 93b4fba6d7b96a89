//! What journalctl is told: the Collector's arguments, in its order.

use super::config::{Config, Selection, StartAt};

/// Where reading begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Beginning,
    /// At what is written from then on, in seconds since the epoch.
    Since(u64),
    /// Behind the entry with this cursor.
    After(String),
}

impl Place {
    /// Without a cursor; `now` is in seconds since the epoch.
    pub fn first(start_at: StartAt, now: u64) -> Self {
        match start_at {
            StartAt::Beginning => Self::Beginning,
            // Following alone would begin with the last ten entries; and so what is written before a first entry was seen is not lost
            // when journalctl has to be started again.
            StartAt::End => Self::Since(now),
        }
    }
}

/// The program and its arguments.
pub fn command(config: &Config, place: &Place) -> Vec<String> {
    let program = config.journalctl_path.clone();
    // It becomes what it runs, so that ending it ends that.
    let chroot = match config.root_path.as_str() {
        "" => Vec::new(),
        root => vec!["chroot".to_owned(), root.to_owned()],
    };
    chroot.into_iter().chain([program]).chain(arguments(&config.selection, place)).collect()
}

fn arguments(selection: &Selection, place: &Place) -> Vec<String> {
    let mut arguments: Vec<String> = ["--utc", "--output=json", "--follow"].map(str::to_owned).to_vec();
    match place {
        Place::Beginning => arguments.push("--no-tail".to_owned()),
        Place::Since(seconds) => {
            arguments.extend(["--no-tail".to_owned(), "--since".to_owned(), format!("@{seconds}")])
        }
        Place::After(cursor) => arguments.extend(["--no-tail".to_owned(), "--after-cursor".to_owned(), cursor.clone()]),
    }
    let mut option = |name: &str, value: &str| arguments.extend([name.to_owned(), value.to_owned()]);
    selection.units.iter().for_each(|unit| option("--unit", unit));
    selection.identifiers.iter().for_each(|identifier| option("--identifier", identifier));
    option("--priority", &selection.priority);
    if !selection.grep.is_empty() {
        option("--grep", &selection.grep);
    }
    if !selection.namespace.is_empty() {
        option("--namespace", &selection.namespace);
    }
    if let Some(directory) = &selection.directory {
        option("--directory", directory);
    }
    selection.files.iter().for_each(|file| option("--file", file));
    let flags = [("--dmesg", selection.dmesg), ("--all", selection.all), ("--merge", selection.merge)];
    arguments.extend(flags.into_iter().filter(|(_, is_set)| *is_set).map(|(flag, _)| flag.to_owned()));
    for (index, fields) in selection.matches.iter().enumerate() {
        if index > 0 {
            arguments.push("+".to_owned());
        }
        arguments.extend(fields.iter().map(|(name, value)| format!("{name}={value}")));
    }
    arguments
}
