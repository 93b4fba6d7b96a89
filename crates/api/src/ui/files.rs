//! Where the files of the UI come from: `ui/dist`, as `npm run build` leaves it.

use std::borrow::Cow;

/// A folder of files. Paths are relative and have been checked: no segment is empty or begins with a dot.
pub(super) trait Files: Send + Sync + 'static {
    fn get(path: &str) -> Option<Cow<'static, [u8]>>;
}

/// Part of the binary.
#[cfg(not(debug_assertions))]
#[derive(rust_embed::RustEmbed)]
#[folder = "../../ui/dist"]
#[allow_missing = true]
pub(super) struct Dist;

#[cfg(not(debug_assertions))]
impl Files for Dist {
    fn get(path: &str) -> Option<Cow<'static, [u8]>> {
        <Self as rust_embed::RustEmbed>::get(path).map(|file| file.data)
    }
}

/// Read anew each time, so that a new build of the UI needs none of the server. (Not by `rust-embed`, which would not see a
/// folder that has come to be after the server was built.)
#[cfg(debug_assertions)]
pub(super) struct Dist;

#[cfg(debug_assertions)]
impl Files for Dist {
    fn get(path: &str) -> Option<Cow<'static, [u8]>> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui/dist");
        std::fs::read(folder.join(path)).ok().map(Cow::Owned)
    }
}
