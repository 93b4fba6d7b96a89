mod broken;
mod forms;
mod properties;

use std::io::{self, Read};

use opentelemetry_proto::tonic::trace::v1::Span;

use crate::{Batch, Batches, Form, Part, Problem};

/// The start of spans that do not say when they are.
const RECEIVED: u64 = 7;

/// Hands out so many bytes at once.
struct Trickle<'a>(&'a [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.1.min(buffer.len()).min(self.0.len());
        let (now, rest) = self.0.split_at(count);
        buffer[..count].copy_from_slice(now);
        self.0 = rest;
        Ok(count)
    }
}

#[derive(Debug, Default, PartialEq)]
struct Found {
    batches: Vec<Batch>,
    problems: Vec<Problem>,
    forms: Vec<Form>,
}

impl Found {
    fn spans(&self) -> Vec<&Span> {
        let resources = self.batches.iter().flat_map(|batch| &batch.request.resource_spans);
        resources.flat_map(|resource| &resource.scope_spans).flat_map(|scope| &scope.spans).collect()
    }

    fn names(&self) -> Vec<&str> {
        self.spans().iter().map(|span| span.name.as_str()).collect()
    }

    fn problems(&self) -> Vec<String> {
        self.problems.iter().map(Problem::to_string).collect()
    }
}

fn read(text: impl AsRef<[u8]>) -> Found {
    read_by(text.as_ref(), 1 << 16, None)
}

fn read_by(text: &[u8], step: usize, form: Option<Form>) -> Found {
    all(Batches::new(Trickle(text, step), form, RECEIVED))
}

fn all<R: Read>(mut batches: Batches<R>) -> Found {
    let mut read = Found::default();
    while let Some(part) = batches.next_part().unwrap() {
        match part {
            Part::Batch(batch) => read.batches.push(batch),
            Part::Problem(problem) => read.problems.push(problem),
        }
    }
    read.forms = batches.forms().to_vec();
    read
}

/// `ResourceSpans` of OTLP with spans of these names.
fn resource(names: &[&str]) -> String {
    let span = |name: &&str| {
        format!(
            r#"{{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708","name":"{name}","startTimeUnixNano":"5","endTimeUnixNano":"6"}}"#
        )
    };
    let spans: Vec<String> = names.iter().map(span).collect();
    format!(
        r#"{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"shop"}}}}]}},"scopeSpans":[{{"spans":[{}]}}]}}"#,
        spans.join(",")
    )
}

fn otlp(names: &[&str]) -> String {
    format!(r#"{{"resourceSpans":[{}]}}"#, resource(names))
}

fn jaeger(names: &[&str]) -> String {
    let span = |name: &&str| {
        format!(r#"{{"traceID":"ab","spanID":"cd","operationName":"{name}","startTime":5,"processID":"p1"}}"#)
    };
    let spans: Vec<String> = names.iter().map(span).collect();
    format!(r#"{{"traceID":"ab","spans":[{}],"processes":{{"p1":{{"serviceName":"shop"}}}}}}"#, spans.join(","))
}

fn zipkin(name: &str) -> String {
    format!(r#"{{"traceId":"ab","id":"cd","name":"{name}","timestamp":5,"localEndpoint":{{"serviceName":"shop"}}}}"#)
}
