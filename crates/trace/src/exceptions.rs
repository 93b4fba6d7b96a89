//! Exceptions that are the same: of one service, of one type, thrown at the same place, or, where no stack tells the place, saying the same.
//!
//! What differs from one time to the next is taken out first: numbers, ids, what is quoted. Of a stack trace only the lines that name
//! frames count, and of these the first ones, so that neither the message within it nor who was calling makes another exception of it.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Attributes of an event of this name. <https://opentelemetry.io/docs/specs/semconv/exceptions/exceptions-spans/>
pub const EVENT: &str = "exception";
pub const TYPE: &str = "exception.type";
pub const MESSAGE: &str = "exception.message";
pub const STACKTRACE: &str = "exception.stacktrace";

/// Groups that are told apart; of what comes beyond only the number is kept.
const MOST_GROUPS: usize = 10_000;
/// Bytes of a text that are looked at.
const MOST_TEXT: usize = 16 << 10;
/// Bytes of a message that are kept.
const MOST_MESSAGE: usize = 1 << 10;
/// Frames that tell a place.
const FRAMES: usize = 8;
const EXAMPLES: usize = 5;

/// One exception of a span.
#[derive(Debug, Clone, Copy)]
pub struct Exception<'a> {
    pub service: &'a str,
    pub exception_type: &'a str,
    pub message: &'a str,
    pub stacktrace: &'a str,
    pub trace: u128,
    pub span: u64,
    /// Nanoseconds since the epoch.
    pub time: i64,
}

/// Exceptions that are the same. Times are nanoseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub service: String,
    pub exception_type: String,
    /// Without what differs from one time to the next.
    pub message: String,
    /// Names the group: the same for the same exceptions whenever they are asked for.
    pub fingerprint: u64,
    pub count: u64,
    pub first: i64,
    pub last: i64,
    /// Spans of different traces.
    pub examples: Vec<(u128, u64)>,
}

#[derive(Debug, Default)]
pub struct Groups {
    groups: HashMap<u64, Group>,
    /// Exceptions for which there was no room.
    pub overflow: u64,
    /// All.
    pub count: u64,
    bytes: usize,
}

impl Groups {
    pub fn add(&mut self, exception: &Exception<'_>) {
        self.count += 1;
        let message = normalised(exception.message);
        let fingerprint = fingerprint(exception, &message);
        let is_full = self.groups.len() >= MOST_GROUPS;
        let group = match self.groups.entry(fingerprint) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(_) if is_full => {
                self.overflow += 1;
                return;
            }
            std::collections::hash_map::Entry::Vacant(new) => {
                let message = cut(&message, MOST_MESSAGE).to_owned();
                let service = exception.service.to_owned();
                let exception_type = cut(exception.exception_type, MOST_MESSAGE).to_owned();
                self.bytes += size_of::<Group>() + message.len() + service.len() + exception_type.len() + 200;
                new.insert(Group {
                    service,
                    exception_type,
                    message,
                    fingerprint,
                    count: 0,
                    first: exception.time,
                    last: exception.time,
                    examples: Vec::new(),
                })
            }
        };
        group.count += 1;
        group.first = group.first.min(exception.time);
        group.last = group.last.max(exception.time);
        if group.examples.len() < EXAMPLES && group.examples.iter().all(|(trace, _)| *trace != exception.trace) {
            group.examples.push((exception.trace, exception.span));
        }
    }

    /// About what they take in memory.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The most frequent first.
    pub fn finish(self) -> Vec<Group> {
        let mut groups: Vec<Group> = self.groups.into_values().collect();
        groups.sort_by_key(|group| (std::cmp::Reverse(group.count), group.first, group.fingerprint));
        groups
    }
}

fn fingerprint(exception: &Exception<'_>, message: &str) -> u64 {
    // Its keys are fixed: the same in every process.
    let mut hasher = DefaultHasher::new();
    (exception.service, exception.exception_type).hash(&mut hasher);
    let mut frames = cut(exception.stacktrace, MOST_TEXT).lines().filter_map(frame).take(FRAMES).peekable();
    match frames.peek() {
        Some(_) => frames.flat_map(words).for_each(|word| word.hash(&mut hasher)),
        None => message.hash(&mut hasher),
    }
    hasher.finish()
}

/// The part of a line of a stack trace that names a frame, as runtimes write them: Java, JavaScript and .NET (`at …`), Python
/// (`File "…", line 5, in …`), Ruby (`from …` or `…:5:in …`), Go (`main.f(…)` and `…/f.go:5 +0x1`), Rust (`5: …`, `at …`), PHP (`#0 …`).
fn frame(line: &str) -> Option<&str> {
    let line = line.trim();
    let is_numbered = || {
        let digits = line.trim_start_matches('#').trim_start_matches(|c: char| c.is_ascii_digit());
        digits.len() < line.len() && (line.starts_with('#') || digits.starts_with(": "))
    };
    let is_frame = line.starts_with("at ")
        || line.starts_with("File \"")
        || line.starts_with("from ")
        || line.contains(":in `")
        || line.contains(":in '")
        || line.contains(".go:")
        || is_numbered();
    is_frame.then_some(line)
}

/// What of a frame stays the same while the program does not change there: no line numbers, no addresses.
fn words(frame: &str) -> impl Iterator<Item = &str> {
    let words = frame.split(|c: char| !c.is_alphanumeric());
    words.filter(|word| !word.is_empty() && !word.bytes().any(|byte| byte.is_ascii_digit()))
}

/// A text without what differs from one time to the next: numbers (and words with digits in them, such as ids) become `<n>`, what is
/// quoted `<s>`, and white space one space.
pub fn normalised(text: &str) -> String {
    let text = cut(text, MOST_TEXT);
    let mut shown = String::with_capacity(text.len().min(256));
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if first.is_whitespace() {
            rest = rest.trim_start();
            if !shown.is_empty() && !rest.is_empty() {
                shown.push(' ');
            }
            continue;
        }
        let is_quote = matches!(first, '"' | '\'' | '`');
        // An apostrophe within a word quotes nothing.
        let is_in_word = shown.ends_with(char::is_alphanumeric);
        if is_quote
            && !is_in_word
            && let Some(length) = rest[1..].find([first, '\n']).filter(|end| rest[1 + end..].starts_with(first))
        {
            shown.push_str("<s>");
            rest = &rest[length + 2..];
            continue;
        }
        let word = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
        if word == 0 {
            shown.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        match rest[..word].bytes().any(|byte| byte.is_ascii_digit()) {
            true if shown.ends_with("<n>-") || shown.ends_with("<n>.") || shown.ends_with("<n>:") => {
                shown.pop();
            }
            true => shown.push_str("<n>"),
            false => shown.push_str(&rest[..word]),
        }
        rest = &rest[word..];
    }
    shown
}

/// At most so many bytes, cut between characters.
fn cut(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_differs_is_taken_out() {
        for (text, expected) in [
            ("card was declined", "card was declined"),
            ("order 17 not found", "order <n> not found"),
            ("order  17\n\tnot found  ", "order <n> not found"),
            ("user 4bf92f35-77b3-4da6-a3ce-929d0e0e4736 is gone", "user <n> is gone"),
            ("no route to 10.0.0.1:8080", "no route to <n>"),
            ("key 'abc' of \"d\\e\" is `x`", "key <s> of <s> is <s>"),
            ("can't open it, won't try", "can't open it, won't try"),
            ("'open", "'open"),
            ("0xdeadbeef", "<n>"),
            ("", ""),
        ] {
            assert_eq!(normalised(text), expected, "{text}");
        }
    }

    const JAVA: &str = "java.lang.IllegalStateException: order ORDER is closed
    at shop.Orders.close(Orders.java:120)
    at shop.Orders.main(Orders.java:12)";
    const PYTHON: &str = "Traceback (most recent call last):
  File \"/app/orders.py\", line 120, in close
    raise ClosedError(order)
shop.ClosedError: order ORDER is closed";
    const GO: &str = "goroutine 1 [running]:
main.close(0xc000012345)
\t/app/orders.go:120 +0x1b";

    fn exception<'a>(exception_type: &'a str, message: &'a str, stacktrace: &'a str) -> Exception<'a> {
        Exception { service: "orders", exception_type, message, stacktrace, trace: 1, span: 2, time: 5 }
    }

    #[test]
    fn the_same_place_is_the_same_exception() {
        for stack in [JAVA, PYTHON, GO] {
            let mut groups = Groups::default();
            for order in ["17", "eighteen"] {
                let (message, stack) = (format!("order {order} is closed"), stack.replace("ORDER", order));
                groups.add(&exception("Closed", &message, &stack));
            }
            groups.add(&exception(
                "Closed",
                "order 17 is closed",
                &stack.replace("orders", "invoices").replace("Orders", "Invoices"),
            ));
            groups.add(&exception("Other", "order 17 is closed", &stack.replace("ORDER", "17")));
            groups.add(&Exception { service: "mail", ..exception("Closed", "order 17 is closed", stack) });
            let counts: Vec<u64> = groups.finish().into_iter().map(|group| group.count).collect();
            assert_eq!(counts, [2, 1, 1, 1], "{stack}");
        }
    }

    #[test]
    fn without_a_stack_it_is_what_is_said() {
        let mut groups = Groups::default();
        for (number, message) in
            ["order 17 is closed", "order 18 is closed", "order 18 is lost"].into_iter().enumerate()
        {
            let stacktrace = if number == 0 { "" } else { "no frames here" };
            let time = 100 - number as i64;
            groups.add(&Exception { trace: number as u128, time, ..exception("Closed", message, stacktrace) });
            groups.add(&Exception { trace: number as u128, time, ..exception("Closed", message, stacktrace) });
        }
        let groups = groups.finish();
        assert_eq!((groups.len(), groups[0].count, &*groups[0].message), (2, 4, "order <n> is closed"));
        assert_eq!((groups[0].first, groups[0].last, &groups[0].examples[..]), (99, 100, &[(0, 2), (1, 2)][..]));
    }

    #[test]
    fn groups_and_texts_have_room() {
        let mut groups = Groups::default();
        for number in 0..MOST_GROUPS + 7 {
            let letters: String = number.to_string().bytes().map(|digit| char::from(digit - b'0' + b'a')).collect();
            groups.add(&exception(&letters, "", ""));
        }
        let long = "é ".repeat(MOST_TEXT);
        groups.add(&exception("a", &long, &long));
        assert_eq!((groups.overflow, groups.count), (8, MOST_GROUPS as u64 + 8));
        let mut groups = Groups::default();
        groups.add(&exception("a", &long, &long));
        assert!(groups.finish()[0].message.len() <= MOST_MESSAGE);
    }

    proptest! {
        #[test]
        fn any_text_has_a_form_that_stays(text in any::<String>(), stack in "(at |File \"|#)?[a-z0-9'\"`\\n :.-]{0,60}") {
            for text in [&text, &stack] {
                let once = normalised(text);
                prop_assert!(!once.bytes().any(|byte| byte.is_ascii_digit()), "{}", once);
                prop_assert!(!once.contains("  ") && once.trim() == once, "{:?}", once);
            }
            let mut groups = Groups::default();
            groups.add(&exception("x", &text, &stack));
            prop_assert_eq!(groups.finish().len(), 1);
        }
    }
}
