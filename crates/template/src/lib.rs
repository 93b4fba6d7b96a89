//! Go's `text/template`: parsed once, executed over values, with functions that are registered. LogQL's `line_format` and
//! `label_format` are such templates, and so are the texts of alerts and of notifications.
//!
//! The reference is what Go accepts and writes, down to its errors where users see them
//! (<https://pkg.go.dev/text/template>). What differs, and why:
//!
//! - Text is UTF-8. Bytes that are none (a slice through a character, `"\xff"`) become U+FFFD. sprig's `trunc` and `substr` count
//!   characters, not bytes, so that they break none.
//! - There is one type of integer (`int`, 64 bits) and of float (`float64`). What sprig returns as `int64` can be handed on where
//!   an `int` is asked for, which Go refuses.
//! - No complex numbers, channels or functions as values: a literal such as `1i` is an error, `call` has nothing to call.
//! - `len` of a missing key says `len of nil pointer`, which Go says of some of them only.
//! - Values have the methods that [`Fields::method`] gives them; times and durations have those of Go that make text of them.
//! - The local time zone is UTC: what a template writes depends on no machine.
//! - `slice` takes indexes from lists and maps of anything, where Go says that they are of type `interface {}`.
//! - Months and days of the week are texts, not numbers with a name.
//! - Everything has a limit ([`Limits`]; a template is at most 1 MiB long and nested 100 levels deep), where Go would go on for ever or run out of memory.
//!
//! ```
//! use trefoil_template::{Labels, Template, functions};
//!
//! let template = Template::parse("line", "{{.level | ToUpper}} {{.msg}}", functions::loki())?;
//! let labels = Labels(vec![("level", "info"), ("msg", "started")]);
//! let mut line = String::new();
//! template.execute((&labels).into(), 0, &mut line)?;
//! assert_eq!(line, "INFO started");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod ast;
mod error;
mod eval;
mod exec;
mod fields;
pub mod functions;
mod lexer;
mod limits;
mod methods;
mod number;
mod parser;
mod pattern;
mod print;
mod printf;
mod template;
mod time;
mod value;

pub use error::{ExecuteError, ParseError};
pub use fields::{Fields, Labels, Shape};
pub use limits::Limits;
pub use template::{MissingKey, Template};
pub use time::{Time, Zone};
pub use value::{Element, List, Map, Text, Value};
