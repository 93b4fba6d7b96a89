//! `trefoil logs`.

mod export;
mod follow;
mod period;
mod progress;
mod seen;
mod show;

use std::io::{IsTerminal, Read, stdin, stdout};

use anyhow::{Context, bail};
use trefoil_logql::ast::Query;

use self::export::Question;
use self::period::Period;
use self::show::Shown;
use crate::cli::{LogsArgs, LogsOutput};

/// Where lines are for people, who read no more.
const LINES_FOR_PEOPLE: u64 = 100;

pub async fn run(args: LogsArgs) -> anyhow::Result<()> {
    if args.output != LogsOutput::Text && (args.no_labels || !args.labels.is_empty()) {
        bail!("--labels and --no-labels are for --output text");
    }
    let query = query(&args.query)?;
    let period = Period::of(&args)?;
    let is_terminal = stdout().is_terminal();
    let shown = Shown::new(&args, is_terminal);
    if args.follow {
        let lines = args.limit.unwrap_or(LINES_FOR_PEOPLE);
        return follow::run(&args.server, query, period.start, lines, shown).await;
    }
    let limit = args.limit.or(is_terminal.then_some(LINES_FOR_PEOPLE));
    export::run(&args.server, Question { query, period, forward: args.forward, limit }, shown).await
}

fn query(text: &str) -> anyhow::Result<String> {
    let query = match text {
        "-" => {
            let mut query = String::new();
            stdin().read_to_string(&mut query).context("reading the query from standard input")?;
            query
        }
        query => query.to_owned(),
    };
    // What this program cannot read the server may.
    if let Ok(Query::Metric(_)) = trefoil_logql::parse(&query) {
        bail!("the query asks for a metric, not for lines: `trefoil query --language logql` answers it");
    }
    Ok(query)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_asks_for_lines() {
        assert_eq!(query("{app=\"a\"} |= `x`").unwrap(), "{app=\"a\"} |= `x`");
        assert_eq!(query("{").unwrap(), "{");
        assert!(query("rate({app=\"a\"}[1m])").unwrap_err().to_string().contains("--language logql"));
    }
}
