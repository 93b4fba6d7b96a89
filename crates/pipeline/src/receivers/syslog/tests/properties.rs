use std::borrow::Cow;

use chrono::{DateTime, SecondsFormat};
use chrono_tz::Tz;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::framing::{EITHER, cut};
use super::reading;
use crate::receivers::syslog::framing::Framing;
use crate::receivers::syslog::message::{Element, Message};
use crate::receivers::syslog::{rfc3164, rfc5424};

/// A message with texts of its own.
#[derive(Debug, Clone)]
struct Owned {
    priority: u8,
    version: u16,
    timestamp: Option<u64>,
    names: [Option<String>; 4],
    elements: Vec<(String, Vec<(String, String)>)>,
    message: Option<String>,
}

impl Owned {
    /// As RFC 5424 writes it.
    fn print(&self) -> String {
        let nil = |name: &Option<String>| name.clone().unwrap_or_else(|| "-".to_owned());
        let time = self.timestamp.map(|nanos| {
            DateTime::from_timestamp_nanos(i64::try_from(nanos).unwrap()).to_rfc3339_opts(SecondsFormat::Nanos, true)
        });
        let [host, app, process, id] = self.names.each_ref().map(nil);
        let mut text = format!("<{}>{} {} {host} {app} {process} {id} ", self.priority, self.version, nil(&time));
        if self.elements.is_empty() {
            text.push('-');
        }
        for (id, params) in &self.elements {
            text.push_str(&format!("[{id}"));
            for (name, value) in params {
                let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace(']', "\\]");
                text.push_str(&format!(" {name}=\"{value}\""));
            }
            text.push(']');
        }
        if let Some(message) = &self.message {
            text.push(' ');
            text.push_str(message);
        }
        text
    }

    /// But for the priority.
    fn expected(&self) -> Message<'_> {
        let [hostname, appname, proc_id, msg_id] = self.names.each_ref().map(Option::as_deref);
        Message {
            priority: None,
            version: Some(self.version),
            timestamp: self.timestamp,
            hostname,
            appname,
            proc_id,
            msg_id,
            structured_data: self
                .elements
                .iter()
                .map(|(id, params)| Element {
                    id,
                    params: params.iter().map(|(name, value)| (name.as_str(), Cow::Borrowed(value.as_str()))).collect(),
                })
                .collect(),
            message: self.message.as_deref(),
        }
    }
}

fn message() -> impl Strategy<Value = Owned> {
    let name = || option::of("[!-~]{1,40}".prop_filter("it means none", |name| name != "-"));
    let sd_name = || "[!#-<>-\\\\^-~]{1,12}";
    let params = vec((sd_name(), "\\PC{0,20}"), 0..4);
    let elements = vec((sd_name(), params), 0..4);
    let names = [name(), name(), name(), name()];
    let text = option::of("[^\u{feff}]\\PC{0,60}");
    (0_u8..=191, 1_u16..=999, option::of(0..9_000_000_000_000_000_000_u64), names, elements, text).prop_map(
        |(priority, version, timestamp, names, elements, message)| Owned {
            priority,
            version,
            timestamp,
            names,
            elements,
            message,
        },
    )
}

proptest! {
    #[test]
    fn what_is_printed_is_read_again(owned in message()) {
        let text = owned.print();
        let read = rfc5424::parse(&text, false).unwrap();
        prop_assert_eq!(read.priority.unwrap().value(), owned.priority);
        prop_assert_eq!(Message { priority: None, ..read }, owned.expected());
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,80}", may_lack_priority: bool) {
        let _ = rfc5424::parse(&text, may_lack_priority);
        let _ = rfc3164::parse(&text, &rfc3164::Reading { may_lack_priority, ..reading(Tz::Europe__Berlin) });
    }

    #[test]
    fn a_cut_message_is_read_or_refused(owned in message(), length: prop::sample::Index) {
        let text = owned.print();
        let end = (0..=length.index(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
        let _ = rfc5424::parse(&text[..end], false);
        let _ = rfc3164::parse(&text[..end], &reading(Tz::UTC));
    }

    /// RFC 3164 keeps all of a text that says nothing of its own form.
    #[test]
    fn texts_without_a_form_are_messages(text in "[a-z]{1,10}( [a-z]{1,10}){0,5}") {
        let line = format!("<13>{text}");
        let read = rfc3164::parse(&line, &reading(Tz::UTC)).unwrap();
        prop_assert_eq!((read.message, read.appname, read.hostname), (Some(text.as_str()), None, None));
    }

    #[test]
    fn counted_messages_come_whole(messages in vec(vec(any::<u8>(), 1..40), 0..6), cuts in vec(any::<prop::sample::Index>(), 0..5)) {
        let mut stream = Vec::new();
        for message in &messages {
            stream.extend_from_slice(format!("{} ", message.len()).as_bytes());
            stream.extend_from_slice(message);
        }
        let expected: Vec<(String, bool)> =
            messages.iter().map(|bytes| (String::from_utf8_lossy(bytes).into_owned(), false)).collect();
        prop_assert_eq!(cut(Framing::OctetCount(EITHER), 100, chopped(&stream, &cuts)), expected);
    }

    #[test]
    fn lines_come_whole(messages in vec("[^\n\0\r]{1,40}", 0..6), cuts in vec(any::<prop::sample::Index>(), 0..5)) {
        let stream: String = messages.iter().map(|message| format!("{message}\n")).collect();
        let expected: Vec<(String, bool)> = messages.iter().map(|message| (message.clone(), false)).collect();
        prop_assert_eq!(cut(Framing::Trailer(EITHER), 1000, chopped(stream.as_bytes(), &cuts)), expected);
    }

    /// However it is chopped, a stream of any bytes gives the same messages, none above the limit.
    #[test]
    fn chopping_makes_no_difference(
        stream in "([0-9]{1,3} |[a-z<>]{0,9}|\n|\0|\r)*",
        limit in 1..20_usize,
        cuts in vec(any::<prop::sample::Index>(), 0..5),
        framing in prop::sample::select(vec![
            Framing::OctetCount(EITHER), Framing::Trailer(b"\n"), Framing::Trailer(b"\0"), Framing::Trailer(EITHER), Framing::Whole,
        ]),
    ) {
        let at_once = cut(framing, limit, [stream.as_bytes()]);
        prop_assert!(at_once.iter().all(|(text, _)| text.len() <= limit.max(10)));
        prop_assert_eq!(cut(framing, limit, chopped(stream.as_bytes(), &cuts)), at_once);
    }
}

/// The stream in pieces.
fn chopped<'a>(stream: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
    places.extend([0, stream.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect()
}
