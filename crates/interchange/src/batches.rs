//! Items put together to requests of OTLP that a server takes.

use std::collections::VecDeque;
use std::io::{self, Read};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};
use prost::Message;

use crate::form::Form;
use crate::problem::{Place, Problem};
use crate::scan::{Item, Scanner};
use crate::{jaeger, otlp, zipkin};

/// A batch is handed out once it is as long as this, encoded; several times as long only if a single span is.
const BATCH_BYTES: usize = 4 << 20;
/// Spans of Zipkin that are read together.
const ZIPKIN_SPANS: usize = 2000;
const ZIPKIN_BYTES: usize = 4 << 20;

/// Spans of one file, in its order.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    pub request: ExportTraceServiceRequest,
    pub spans: u64,
    /// Where its first and last item begin.
    pub first: Place,
    pub last: Place,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    Batch(Batch),
    /// Left out; what comes behind it is read.
    Problem(Problem),
}

/// Reads all of one file.
pub struct Batches<R> {
    scanner: Scanner<R>,
    received: u64,
    zipkin: Vec<Item>,
    zipkin_bytes: usize,
    gathered: Vec<ResourceSpans>,
    gathered_bytes: usize,
    places: Option<(Place, Place)>,
    ready: VecDeque<Part>,
    forms: Vec<Form>,
    has_ended: bool,
    /// Comes behind what is ready.
    failure: Option<io::Error>,
}

impl<R: Read> Batches<R> {
    /// Of what `source` says, decompressed already. `form` is what it is said to be; it is found out otherwise.
    ///
    /// `received` is the start of spans of which no time at all is known (nanoseconds since the epoch).
    pub fn new(source: R, form: Option<Form>, received: u64) -> Self {
        Self::of(Scanner::new(source, form), received)
    }

    pub(crate) fn of(scanner: Scanner<R>, received: u64) -> Self {
        Self {
            scanner,
            received,
            zipkin: Vec::new(),
            zipkin_bytes: 0,
            gathered: Vec::new(),
            gathered_bytes: 0,
            places: None,
            ready: VecDeque::new(),
            forms: Vec::new(),
            has_ended: false,
            failure: None,
        }
    }

    /// What has been found so far, each once.
    pub fn forms(&self) -> &[Form] {
        &self.forms
    }

    /// The next batch or problem; `None` at the end.
    ///
    /// # Errors
    /// Of the source, behind which nothing can be read. What came before has been handed out.
    pub fn next_part(&mut self) -> io::Result<Option<Part>> {
        loop {
            if let Some(part) = self.ready.pop_front() {
                return Ok(Some(part));
            }
            if let Some(error) = self.failure.take() {
                return Err(error);
            }
            if self.has_ended {
                return Ok(None);
            }
            match self.scanner.next_item() {
                Ok(Some(Ok(item))) => self.take(item),
                Ok(Some(Err(problem))) => self.ready.push_back(Part::Problem(problem)),
                Ok(None) => self.end(),
                Err(error) => {
                    self.end();
                    self.failure = Some(error);
                }
            }
        }
    }

    fn take(&mut self, item: Item) {
        if !self.forms.contains(&item.form) {
            self.forms.push(item.form);
        }
        let place = item.place.clone();
        self.places = Some(match self.places.take() {
            None => (place.clone(), place),
            Some((first, _)) => (first, place),
        });
        let mut problems = Vec::new();
        match item.form {
            Form::Zipkin => {
                self.zipkin_bytes += item.json.len();
                self.zipkin.push(item);
                if self.zipkin.len() >= ZIPKIN_SPANS || self.zipkin_bytes >= ZIPKIN_BYTES {
                    self.read_zipkin();
                }
            }
            Form::Otlp => self.gather(otlp::read(&item, &mut problems)),
            Form::Jaeger => self.gather(jaeger::read(&item, &mut problems)),
        }
        self.ready.extend(problems.into_iter().map(Part::Problem));
        if self.gathered_bytes >= BATCH_BYTES {
            self.flush();
        }
    }

    fn read_zipkin(&mut self) {
        let mut problems = Vec::new();
        let items = std::mem::take(&mut self.zipkin);
        self.zipkin_bytes = 0;
        let spans = zipkin::read(&items, self.received, &mut problems);
        self.gather(spans);
        self.ready.extend(problems.into_iter().map(Part::Problem));
    }

    fn gather(&mut self, spans: Vec<ResourceSpans>) {
        self.gathered_bytes += spans.iter().map(Message::encoded_len).sum::<usize>();
        self.gathered.extend(spans);
    }

    fn end(&mut self) {
        self.flush();
        self.has_ended = true;
    }

    fn flush(&mut self) {
        self.read_zipkin();
        self.gathered_bytes = 0;
        let request = ExportTraceServiceRequest { resource_spans: std::mem::take(&mut self.gathered) };
        let Some((first, last)) = self.places.take() else { return };
        for request in split(request, BATCH_BYTES) {
            let spans = spans_of(&request);
            if spans > 0 {
                self.ready.push_back(Part::Batch(Batch { request, spans, first: first.clone(), last: last.clone() }));
            }
        }
    }
}

/// How many spans a request holds.
pub fn spans_of(request: &ExportTraceServiceRequest) -> u64 {
    let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
    scopes.map(|scope| scope.spans.len() as u64).sum()
}

/// Requests of about `most` bytes at most, with the same spans in the same order. A longer span stands alone.
pub fn split(request: ExportTraceServiceRequest, most: usize) -> Vec<ExportTraceServiceRequest> {
    if request.encoded_len() <= most {
        return vec![request];
    }
    let mut requests = Vec::new();
    let mut current = ExportTraceServiceRequest::default();
    let mut bytes = 0;
    for resource in request.resource_spans {
        let ResourceSpans { resource, scope_spans, schema_url } = resource;
        let mut is_open = false;
        for of_scope in scope_spans {
            let ScopeSpans { scope, spans, schema_url: scope_url } = of_scope;
            let mut is_scope_open = false;
            for span in spans {
                let length = span.encoded_len() + 4;
                if bytes > 0 && bytes + length > most {
                    requests.push(std::mem::take(&mut current));
                    (bytes, is_open, is_scope_open) = (0, false, false);
                }
                if !is_open {
                    let resource = resource.clone();
                    bytes += resource.as_ref().map_or(0, Message::encoded_len) + schema_url.len();
                    current.resource_spans.push(ResourceSpans {
                        resource,
                        scope_spans: Vec::new(),
                        schema_url: schema_url.clone(),
                    });
                    is_open = true;
                }
                let Some(open) = current.resource_spans.last_mut() else { continue };
                if !is_scope_open {
                    let scope = scope.clone();
                    bytes += scope.as_ref().map_or(0, Message::encoded_len) + scope_url.len();
                    open.scope_spans.push(ScopeSpans { scope, spans: Vec::new(), schema_url: scope_url.clone() });
                    is_scope_open = true;
                }
                if let Some(open) = open.scope_spans.last_mut() {
                    open.spans.push(span);
                    bytes += length;
                }
            }
        }
    }
    requests.push(current);
    requests
}
