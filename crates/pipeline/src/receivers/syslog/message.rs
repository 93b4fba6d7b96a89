//! What a message says, whatever protocol it came in.

use std::borrow::Cow;

use super::priority::Priority;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Message<'a> {
    pub priority: Option<Priority>,
    /// Only of RFC 5424.
    pub version: Option<u16>,
    /// Nanoseconds since the epoch.
    pub timestamp: Option<u64>,
    pub hostname: Option<&'a str>,
    pub appname: Option<&'a str>,
    pub proc_id: Option<&'a str>,
    pub msg_id: Option<&'a str>,
    /// Elements in their order; an id may come again.
    pub structured_data: Vec<Element<'a>>,
    /// The text behind all of this.
    pub message: Option<&'a str>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Element<'a> {
    pub id: &'a str,
    /// Names and values, without escapes, in their order; a name may come again.
    pub params: Vec<(&'a str, Cow<'a, str>)>,
}
