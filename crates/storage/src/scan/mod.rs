//! Reading: one table of one tenant, as the files of a catalog snapshot together with the buffered rows beyond it.
//!
//! What a query does not ask for is left out as early as possible: files by what the catalog knows of them and by bloom
//! filters of trace ids, row groups and pages by their statistics, columns by projection; filters run on their own
//! columns first and the others are decoded only for the rows that remain. A promoted column that a file does not have is
//! NULL there.

mod attribute;
mod blame;
mod buffered;
mod columns;
mod constant;
mod grams;
mod groups;
mod provider;
mod prune;
mod reader;
mod sections;

pub use crate::files::grams::GramFilter;
pub use attribute::{AttributeType, attribute_expr, attribute_functions};
pub use grams::Texts;
pub use provider::TableScan;
pub use reader::{Reader, ReaderMetrics};
pub use sections::{SECTION_ROWS, Section, base_columns};
