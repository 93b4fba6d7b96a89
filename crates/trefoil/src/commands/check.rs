//! `trefoil check`.

use std::path::Path;
use std::process::ExitCode;

use crate::configuration::Configuration;

pub fn run(file: &Path) -> ExitCode {
    let configuration = match Configuration::load(Some(file)) {
        Ok(configuration) => configuration,
        Err(error) => {
            eprintln!("{error}");
            let mistakes = error.problems().len();
            eprintln!("{mistakes} mistake{}", if mistakes == 1 { "" } else { "s" });
            return ExitCode::FAILURE;
        }
    };
    for warning in configuration.warnings() {
        eprintln!("warning: {warning}");
    }
    println!("{} is a valid configuration", file.display());
    ExitCode::SUCCESS
}
