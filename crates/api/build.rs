//! Tells cargo what a release build embeds: without this it would not notice files that are new in `ui/dist`.

use std::env;
use std::path::Path;

const DIST: &str = "../../ui/dist";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // A development build reads the folder while it runs.
    if env::var_os("CARGO_CFG_DEBUG_ASSERTIONS").is_some() {
        return;
    }
    println!("cargo:rerun-if-changed={DIST}");
    if !Path::new(DIST).join("index.html").exists() {
        println!("cargo:warning=ui/dist is missing, so this build has no screens: `make ui` makes them");
    }
}
