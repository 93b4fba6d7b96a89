//! Cuts documents into the items that they list, without holding more than one of them.
//!
//! Only what is around items is understood here; what an item means is found out by who reads it. So an item may be wrong and those
//! around it are not. Where even brackets and quotes do not fit, reading goes on at the next line that an object or a list begins.

use std::io::{self, Read};

use crate::form::Form;
use crate::input::Input;
use crate::problem::{Place, Problem};

/// One span (Zipkin), trace (Jaeger) or `ResourceSpans`, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub form: Form,
    pub json: Vec<u8>,
    pub place: Place,
}

/// No item may be longer.
pub(crate) const MAX_ITEM_BYTES: usize = 256 << 20;
/// No more brackets may be open within an item.
const MAX_DEPTH: usize = 200;
/// Lists in lists, and objects around them.
const MAX_LEVELS: usize = 4;
const MAX_NAME_BYTES: usize = 256;

/// The first member of an object that is an item itself.
const OF_ITEMS: [&str; 17] = [
    "traceID",
    "traceId",
    "spans",
    "processes",
    "id",
    "name",
    "parentId",
    "kind",
    "timestamp",
    "duration",
    "localEndpoint",
    "remoteEndpoint",
    "annotations",
    "tags",
    "resource",
    "scopeSpans",
    "instrumentationLibrarySpans",
];

/// A line that begins with one of them begins a document, whatever is open before it.
const BEGINNINGS: [&[u8]; 5] =
    [br#"{"resourceSpans""#, br#"{"batches""#, br#"{"resourceMetrics""#, br#"{"resourceLogs""#, br#"{"trace":{"#];

pub(crate) struct Scanner<R> {
    input: Input<R>,
    levels: Vec<Level>,
    given: Option<Form>,
    /// Something was broken before, so that brackets may be left over.
    has_recovered: bool,
    max_item_bytes: usize,
}

enum Level {
    Object { line: u64, members: usize, is_known: bool },
    List { name: String, next: usize, form: Option<Form> },
}

/// Why the next item cannot be cut out.
enum Stop {
    Io(io::Error),
    Broken(String),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

type Scan<T> = Result<T, Stop>;
pub(crate) type Found = Result<Item, Problem>;

impl<R: Read> Scanner<R> {
    /// `given` is what every item is said to be.
    pub fn new(source: R, given: Option<Form>) -> Self {
        let input = Input::new(source);
        Self { input, levels: Vec::new(), given, has_recovered: false, max_item_bytes: MAX_ITEM_BYTES }
    }

    #[cfg(test)]
    pub fn with_max_item_bytes(self, max_item_bytes: usize) -> Self {
        Self { max_item_bytes, ..self }
    }

    /// The next item, or what is in its place; `None` at the end.
    pub fn next_item(&mut self) -> io::Result<Option<Found>> {
        loop {
            let byte = self.input.skip_white_space()?;
            let is_cut = !self.levels.is_empty() && (byte.is_none() || self.begins_document()?);
            let line = if is_cut { self.input.last_line } else { self.input.line };
            let place = Place { line, path: self.path() };
            match self.step(byte) {
                Ok(Step::Found(found)) => return Ok(Some(*found)),
                Ok(Step::On) => {}
                Ok(Step::End) => return Ok(None),
                Err(Stop::Io(error)) => return Err(error),
                Err(Stop::Broken(reason)) => {
                    self.recover()?;
                    return Ok(Some(Err(Problem { place, reason, spans: None })));
                }
            }
        }
    }

    fn step(&mut self, byte: Option<u8>) -> Scan<Step> {
        let Some(byte) = byte else {
            return match self.levels.is_empty() {
                true => Ok(Step::End),
                false => Err(self.broken("the file ends before the document does")),
            };
        };
        match self.levels.last() {
            None => self.document(byte),
            Some(Level::Object { .. }) => self.member(byte),
            Some(Level::List { .. }) => self.element(byte),
        }
    }

    fn document(&mut self, byte: u8) -> Scan<Step> {
        match byte {
            b'[' => {
                self.input.advance();
                self.enter(Level::List { name: String::new(), next: 0, form: None })
            }
            b'{' if self.is_item()? => {
                let place = Place { line: self.input.line, path: String::new() };
                self.item(place, None).map(Step::found)
            }
            b'{' => {
                let line = self.input.line;
                self.input.advance();
                self.enter(Level::Object { line, members: 0, is_known: false })
            }
            0xef if self.input.ahead(3)? == [0xef, 0xbb, 0xbf] => {
                (0..3).for_each(|_| self.input.advance());
                Ok(Step::On)
            }
            b',' | b']' | b'}' if self.has_recovered => {
                self.input.advance();
                Ok(Step::On)
            }
            _ if self.has_recovered => {
                self.recover()?;
                Ok(Step::On)
            }
            _ => {
                let found = String::from_utf8_lossy(self.input.ahead(20)?).into_owned();
                Err(Stop::Broken(format!("neither an object nor a list of JSON begins with {found:?}")))
            }
        }
    }

    /// Whether the object that begins is an item, and not a document with items in it.
    fn is_item(&mut self) -> Scan<bool> {
        let ahead = self.input.ahead(MAX_NAME_BYTES)?;
        let behind = ahead.get(1..).unwrap_or_default().trim_ascii_start();
        let name = behind.strip_prefix(b"\"").and_then(|rest| rest.split(|byte| *byte == b'"').next());
        Ok(name.is_some_and(|name| OF_ITEMS.iter().any(|known| known.as_bytes() == name)))
    }

    fn member(&mut self, byte: u8) -> Scan<Step> {
        match byte {
            b'}' => {
                self.input.advance();
                match self.levels.pop() {
                    Some(Level::Object { line, members: 1.., is_known: false }) => {
                        let place = Place { line, path: self.path() };
                        let reason = "it has none of resourceSpans, batches, trace, data and result".to_owned();
                        Ok(Step::found(Err(Problem { place, reason, spans: None })))
                    }
                    _ => Ok(Step::On),
                }
            }
            b',' => {
                self.input.advance();
                Ok(Step::On)
            }
            b'"' => {
                let line = self.input.line;
                let name = self.name()?;
                if self.input.skip_white_space()? != Some(b':') {
                    return Err(self.broken(&format!("no colon follows {name:?}")));
                }
                self.input.advance();
                let first = self.input.skip_white_space()?;
                self.value_of(&name, first, line)
            }
            _ => Err(self.broken("the name of a member is missing")),
        }
    }

    fn value_of(&mut self, name: &str, first: Option<u8>, line: u64) -> Scan<Step> {
        let form = match name {
            "resourceSpans" | "resource_spans" | "batches" => Some(Form::Otlp),
            "data" => Some(Form::Jaeger),
            _ => None,
        };
        let is_around = matches!(name, "trace" | "result");
        let is_other = matches!(name, "resourceMetrics" | "resourceLogs" | "resourceProfiles");
        if let Some(Level::Object { members, is_known, .. }) = self.levels.last_mut() {
            *members += 1;
            *is_known |= form.is_some() || is_around || is_other;
        }
        let tell = |reason: String| {
            Step::found(Err(Problem { place: Place { line, path: name.to_owned() }, reason, spans: None }))
        };
        match (first, form) {
            (Some(b'['), Some(form)) if self.given.is_none_or(|given| given == form) => {
                self.input.advance();
                self.enter(Level::List { name: name.to_owned(), next: 0, form: Some(form) })
            }
            (Some(b'['), Some(form)) => {
                self.value()?;
                Ok(tell(format!("it is {form}'s, and something else was asked for")))
            }
            (Some(b'{'), _) if is_around => {
                self.input.advance();
                let line = self.input.line;
                self.enter(Level::Object { line, members: 0, is_known: false })
            }
            _ => {
                let json = self.value()?.unwrap_or_default();
                match json.as_slice() {
                    b"null" | b"[]" => Ok(Step::On),
                    _ if is_other => Ok(tell("only traces are read, and these are none".to_owned())),
                    _ if form.is_some() => Ok(tell("it is no list".to_owned())),
                    _ if is_around => Ok(tell("it is no object".to_owned())),
                    _ => Ok(Step::On),
                }
            }
        }
    }

    fn element(&mut self, byte: u8) -> Scan<Step> {
        if self.begins_document()? {
            return Err(self.broken("the document breaks off where another begins"));
        }
        let path = self.path();
        let Some(Level::List { next, form, .. }) = self.levels.last_mut() else { return Ok(Step::On) };
        let form = *form;
        match byte {
            b']' => {
                self.levels.pop();
                self.input.advance();
                Ok(Step::On)
            }
            b',' => {
                self.input.advance();
                Ok(Step::On)
            }
            b'[' if form.is_none() => {
                *next += 1;
                self.input.advance();
                self.enter(Level::List { name: path, next: 0, form: None })
            }
            _ => {
                *next += 1;
                let place = Place { line: self.input.line, path };
                let item = self.item(place, form)?;
                if let (Ok(item), Some(Level::List { form, .. })) = (&item, self.levels.last_mut()) {
                    *form = Some(item.form);
                }
                Ok(Step::found(item))
            }
        }
    }

    fn enter(&mut self, level: Level) -> Scan<Step> {
        if self.levels.len() == MAX_LEVELS {
            return Err(Stop::Broken("lists are nested deeper than those of any system".to_owned()));
        }
        self.levels.push(level);
        Ok(Step::On)
    }

    fn item(&mut self, place: Place, form: Option<Form>) -> Scan<Found> {
        let problem = |place, reason: String| Ok(Err(Problem { place, reason, spans: None }));
        let Some(json) = self.value()? else {
            let most = self.max_item_bytes >> 20;
            return problem(place, format!("it is longer than {most} MiB"));
        };
        let Some(form) = form.or(self.given).or_else(|| Form::of_item(&json)) else {
            let start: String = String::from_utf8_lossy(&json).chars().take(60).collect();
            return problem(
                place,
                format!("it is no span of Zipkin, trace of Jaeger or ResourceSpans of OTLP: {start}"),
            );
        };
        Ok(Ok(Item { form, json, place }))
    }

    /// The value that begins with the next byte, as it is written; `None` if it is too long to be kept.
    fn value(&mut self) -> Scan<Option<Vec<u8>>> {
        if let Some(b'}' | b']' | b',' | b':') = self.input.peek()? {
            return Err(self.broken("a value is missing"));
        }
        self.input.keep();
        let mut open = Vec::new();
        let mut is_kept = true;
        loop {
            if is_kept && self.input.kept_bytes() > self.max_item_bytes {
                self.input.let_go();
                is_kept = false;
            }
            let Some(byte) = self.input.peek()? else {
                if open.is_empty() && self.input.kept_bytes() > 0 {
                    break;
                }
                return Err(self.broken("the file ends within it"));
            };
            match byte {
                b'"' => self.text()?,
                b'{' | b'[' => {
                    let is_within = !open.is_empty() || !self.levels.is_empty();
                    if is_within && self.begins_document()? {
                        return Err(self.broken("it breaks off where another document begins"));
                    }
                    if open.len() == MAX_DEPTH {
                        return Err(self.broken("it is nested too deep"));
                    }
                    open.push(byte);
                    self.input.advance();
                    continue;
                }
                b'}' | b']' => match open.pop() {
                    // Of what is around it.
                    None => break,
                    Some(opening) if opening + 2 == byte => self.input.advance(),
                    Some(opening) => {
                        let (opening, byte) = (char::from(opening), char::from(byte));
                        return Err(self.broken(&format!("a {opening} is closed by a {byte}")));
                    }
                },
                b',' if open.is_empty() => break,
                _ if open.is_empty() && byte.is_ascii_whitespace() => break,
                _ => {
                    self.input.advance();
                    continue;
                }
            }
            if open.is_empty() {
                break;
            }
        }
        Ok(is_kept.then(|| self.input.take_kept()))
    }

    /// Goes over a text and its quotes.
    fn text(&mut self) -> Scan<()> {
        self.input.advance();
        loop {
            match self.input.peek()? {
                None => return Err(self.broken("the file ends within a text")),
                Some(b'\n') => return Err(self.broken("a text does not end on its line")),
                Some(b'"') => {
                    self.input.advance();
                    return Ok(());
                }
                Some(b'\\') => {
                    self.input.advance();
                    if self.input.peek()? != Some(b'\n') {
                        self.input.advance();
                    }
                }
                Some(_) => self.input.advance(),
            }
        }
    }

    fn name(&mut self) -> Scan<String> {
        self.input.keep();
        self.text()?;
        if self.input.kept_bytes() > MAX_NAME_BYTES {
            self.input.let_go();
            return Ok(String::new());
        }
        let quoted = self.input.take_kept();
        serde_json::from_slice(&quoted).map_err(|_| Stop::Broken("the name of a member is no text".to_owned()))
    }

    /// At the beginning of a line within a document: another document begins here, so the one before is not whole.
    fn begins_document(&mut self) -> io::Result<bool> {
        if !self.input.begins_line || self.input.peek()? != Some(b'{') {
            return Ok(false);
        }
        if !matches!(self.input.last, b'[' | b',' | b':') {
            return Ok(true);
        }
        let ahead = self.input.ahead(32)?;
        Ok(BEGINNINGS.iter().any(|beginning| ahead.starts_with(beginning)))
    }

    fn broken(&mut self, reason: &str) -> Stop {
        Stop::Broken(format!("{reason} (line {})", self.input.line))
    }

    /// Goes on at the next line that begins with an object or a list.
    fn recover(&mut self) -> io::Result<()> {
        self.input.let_go();
        self.levels.clear();
        self.has_recovered = true;
        while let Some(byte) = self.input.peek()? {
            if self.input.begins_line && matches!(byte, b'{' | b'[') {
                break;
            }
            self.input.advance();
        }
        Ok(())
    }

    fn path(&self) -> String {
        match self.levels.last() {
            Some(Level::List { name, next, .. }) => format!("{name}[{next}]"),
            _ => String::new(),
        }
    }
}

enum Step {
    Found(Box<Found>),
    On,
    End,
}

impl Step {
    fn found(found: Found) -> Self {
        Self::Found(Box::new(found))
    }
}
