//! Where tests find other projects' own test data, which is not part of this repository.

use std::path::PathBuf;

/// `path` below `$TREFOIL_CONFORMANCE` or its default beside the checkout.
///
/// `None` where there is no such data and the test has to be skipped; with `CI` set that is a failure.
pub fn directory(path: &str) -> Option<PathBuf> {
    let default = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance"));
    let directory = std::env::var_os("TREFOIL_CONFORMANCE").map_or_else(default, PathBuf::from).join(path);
    if directory.is_dir() {
        return Some(directory);
    }
    assert!(std::env::var_os("CI").is_none(), "conformance data is missing: {}", directory.display());
    eprintln!("skipped: no conformance data at {} (set TREFOIL_CONFORMANCE)", directory.display());
    None
}
