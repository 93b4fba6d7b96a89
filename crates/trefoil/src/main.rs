//! Trefoil: traces, logs and metrics in one program.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod cli;
mod commands;
mod configuration;
mod control;
mod listeners;
mod memory;
mod metrics;
mod patterns;
mod process;
mod prometheus;
mod scraping;
mod serve;
mod settings;
mod store;
mod telemetry;

use std::io::ErrorKind;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use cli::{Cli, Command};

#[tokio::main]
async fn main() -> ExitCode {
    memory::prepare();
    let result = match Cli::parse().command {
        Command::Serve(args) => serve::run(args).await,
        Command::Demo(args) => commands::demo::run(*args).await,
        Command::Check { file } => return commands::check::run(&file),
        Command::Sql(args) => commands::sql::run(args).await,
        Command::Query(args) => commands::query::run(args).await,
        Command::Logs(args) => commands::logs::run(args).await,
        Command::Cardinality(args) => commands::cardinality::run(args).await,
        Command::Trace(args) => commands::trace::run(args).await,
        Command::Exceptions(args) => commands::understand::exceptions(args).await,
        Command::ServiceGraph(args) => commands::understand::service_graph(args).await,
        Command::Propagation(args) => commands::understand::propagation(args).await,
        Command::Export(args) => commands::export::run(args).await,
        Command::Import(args) => commands::import::run(args).await,
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "trefoil", &mut std::io::stdout());
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("trefoil: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// `trefoil sql … | head` is no failure.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
