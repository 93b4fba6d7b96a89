//! The functions there are: names and types. `eval::functions` says what they do.

use crate::ast::ValueType;

#[derive(Debug)]
pub struct Function {
    pub name: &'static str,
    pub args: &'static [ValueType],
    /// 0: exactly `args`. n > 0: the last of `args` may be missing or come up to n times. -1: it may be missing or come any
    /// number of times.
    pub variadic: i32,
    pub returns: ValueType,
    pub is_experimental: bool,
}
