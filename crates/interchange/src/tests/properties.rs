use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::split;

/// What a document may be made of.
fn document() -> impl Strategy<Value = String> {
    let names = prop::collection::vec("[a-z{}\\[\\],: ]{0,6}", 0..3);
    let names = names.prop_map(|names| names.iter().map(|name| name.replace('\\', "")).collect::<Vec<_>>());
    (names, 0..5).prop_map(|(names, form)| {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        match form {
            0 => otlp(&names),
            1 => format!(r#"{{"data":[{}]}}"#, jaeger(&names)),
            2 => jaeger(&names),
            3 => format!("[{}]", names.iter().map(|name| zipkin(name)).collect::<Vec<_>>().join(", ")),
            _ => format!(r#"{{"batches":[{}], "x": [{{}}]}}"#, resource(&names)),
        }
    })
}

proptest! {
    #[test]
    fn how_bytes_come_makes_no_difference(documents in prop::collection::vec(document(), 0..5), step in 1usize..50) {
        let text = documents.join("\n");
        let (whole, slow) = (read(&text), read_by(text.as_bytes(), step, None));
        prop_assert_eq!(whole.problems(), vec![""; 0]);
        prop_assert_eq!(whole, slow);
    }

    #[test]
    fn broken_files_end(text in "[\\[\\]{},:\"a\\\\ \n]{0,60}", step in 1usize..5) {
        let whole = read(&text);
        prop_assert_eq!(&whole, &read_by(text.as_bytes(), step, None));
        prop_assert!(whole.batches.is_empty());
    }

    #[test]
    fn a_document_that_is_cut_or_changed_leaves_those_behind_it(
        document in document(), at in any::<prop::sample::Index>(), with in any::<Option<u8>>()
    ) {
        let mut bytes = document.into_bytes();
        let at = at.index(bytes.len());
        match with {
            Some(byte) => bytes[at] = byte,
            None => bytes.truncate(at),
        }
        bytes.extend(format!("\n{}", otlp(&["behind"])).bytes());
        let found = read(&bytes);
        prop_assert!(found.names().contains(&"behind"), "{:?} {:?}", String::from_utf8_lossy(&bytes), found.problems());
    }

    #[test]
    fn what_is_split_is_the_same(sizes in prop::collection::vec(prop::collection::vec(0usize..300, 0..6), 0..6), most in 1usize..2000) {
        let span = |size: &usize| Span { name: "x".repeat(*size), ..Span::default() };
        let resource = |sizes: &Vec<usize>| ResourceSpans {
            scope_spans: vec![ScopeSpans { spans: sizes.iter().map(span).collect(), ..ScopeSpans::default() }],
            schema_url: sizes.len().to_string(),
            ..ResourceSpans::default()
        };
        let whole = ExportTraceServiceRequest { resource_spans: sizes.iter().map(resource).collect() };
        let parts = split(whole.clone(), most);
        let flat = |requests: &[ExportTraceServiceRequest]| -> Vec<(String, Span)> {
            let resources = requests.iter().flat_map(|request| &request.resource_spans);
            let of_resource = |resource: &ResourceSpans| {
                let url = resource.schema_url.clone();
                let spans = resource.scope_spans.iter().flat_map(|scope| scope.spans.clone());
                spans.map(|span| (url.clone(), span)).collect::<Vec<_>>()
            };
            resources.flat_map(of_resource).collect()
        };
        prop_assert_eq!(flat(&parts), flat(std::slice::from_ref(&whole)));
        for part in &parts {
            let spans = crate::spans_of(part);
            prop_assert!(spans <= 1 || part.encoded_len() <= most + 64, "{} of {spans}", part.encoded_len());
        }
    }
}
