//! What an entry says of the file that it is from.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::config::Included;
use crate::stanza::value::{Map, Value};

/// The attributes of all entries of a file.
pub fn of(path: &Path, metadata: &Metadata, included: &Included) -> Map {
    let mut attributes = Map::new();
    let mut put = |wanted: bool, key: &str, value: Option<String>| {
        if let (true, Some(value)) = (wanted, value) {
            attributes.insert(key.to_owned(), Value::String(value));
        }
    };
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    put(included.name, "log.file.name", name(path));
    put(included.path, "log.file.path", Some(path.to_string_lossy().into_owned()));
    let resolved = match included.name_resolved || included.path_resolved {
        true => std::fs::canonicalize(path).ok(),
        false => None,
    };
    put(included.name_resolved, "log.file.name_resolved", resolved.as_deref().and_then(name));
    let resolved = resolved.map(|path| path.to_string_lossy().into_owned());
    put(included.path_resolved, "log.file.path_resolved", resolved);
    let (owner, group) = owners(metadata, included);
    put(included.owner_name, "log.file.owner.name", owner);
    put(included.owner_group_name, "log.file.owner.group.name", group);
    attributes
}

fn owners(metadata: &Metadata, included: &Included) -> (Option<String>, Option<String>) {
    let of = |wanted: bool, list: &str, id: u32| wanted.then(|| named(list, id));
    (
        of(included.owner_name, "/etc/passwd", metadata.uid()),
        of(included.owner_group_name, "/etc/group", metadata.gid()),
    )
}

/// The name of a number in `/etc/passwd` or `/etc/group`; the number itself where it has none there.
fn named(list: &str, id: u32) -> String {
    let list = std::fs::read_to_string(list).unwrap_or_default();
    let wanted = id.to_string();
    let found = list.lines().find_map(|line| {
        let mut parts = line.split(':');
        let name = parts.next()?;
        (parts.nth(1)? == wanted).then(|| name.to_owned())
    });
    found.unwrap_or(wanted)
}
