//! The walk from a request through its resources and scopes to the items, the same for spans and log records.

use super::origin::Group;
use super::{Decoded, Place, Report};
use crate::Signal;
use crate::wire::{Reader, WireError};

/// What the items become rows of. A row is an item that was not rejected; rows only grow.
pub(super) trait Items<'a> {
    /// The names of the three levels in messages to the sender.
    const NAMES: [&'static str; 3];

    fn len(&self) -> usize;

    /// Before the first item of a resource.
    fn begin_resource(&mut self, _resource: &Group<'a>) -> Result<(), WireError> {
        Ok(())
    }

    fn item(&mut self, message: Reader<'a>, place: Place) -> Result<(), WireError>;

    /// The rows from `first` on are all of this scope.
    fn end_scope(&mut self, scope: &Group<'a>, first: usize) -> Result<(), WireError>;

    /// The rows from `first` on are all of this resource.
    fn end_resource(&mut self, resource: &Group<'a>, first: usize) -> Result<(), WireError>;
}

/// Reads all of a request into `rows`.
pub(super) fn walk<'a, R: Items<'a>>(body: &'a [u8], rows: &mut R) -> Result<(), WireError> {
    let mut place = Place { names: R::NAMES, indexes: [0; 3] };
    for field in Reader::new(body) {
        let field = field?;
        if field.number == 1 {
            walk_resource(field.message()?, &mut place, rows)?;
            place.indexes[0] += 1;
        }
    }
    Ok(())
}

fn walk_resource<'a, R: Items<'a>>(message: Reader<'a>, place: &mut Place, rows: &mut R) -> Result<(), WireError> {
    let resource = Group::parse(message)?;
    rows.begin_resource(&resource)?;
    let first = rows.len();
    for scope in resource.items() {
        let (index, message) = scope?;
        place.indexes[1] = index;
        walk_scope(message, place, rows)?;
    }
    rows.end_resource(&resource, first)
}

fn walk_scope<'a, R: Items<'a>>(message: Reader<'a>, place: &mut Place, rows: &mut R) -> Result<(), WireError> {
    let scope = Group::parse(message)?;
    let first = rows.len();
    for item in scope.items() {
        let (index, message) = item?;
        place.indexes[2] = index;
        rows.item(message, *place)?;
    }
    rows.end_scope(&scope, first)
}

/// An answer without its batches.
pub(super) fn outcome(signal: Signal, rows: usize, report: &Report, replaced_utf8: u64) -> Decoded {
    Decoded {
        accepted: rows as u64,
        rejected: report.rejected(),
        reasons: report.message(signal.item()),
        replaced_utf8,
        ..Decoded::default()
    }
}
