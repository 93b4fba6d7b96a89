//! What is wrong with a series costs that series, what is wrong with the request costs the request.

use super::*;
use crate::receivers::prometheusremotewrite::report::Written;

#[test]
fn bad_series_of_the_first_version_cost_themselves() {
    let good = series(&[labels("__name__=good"), sample(1.0, NOW_MS)]);
    let long = "n".repeat(5000);
    let cases = [
        (labels("job=a"), "it has no label __name__"),
        (label("__name__", ""), "it has no label __name__"),
        ([labels("__name__=m"), label("", "x")].concat(), "a label has no name"),
        (labels("__name__=m a=1 a=2"), "the label \"a\" is there twice"),
        (labels("__name__=m __name__=n"), "the label \"__name__\" is there twice"),
        ([labels("__name__=m"), bytes(1, [bytes(1, b"a"), bytes(2, b"\xff")].concat())].concat(), "not valid UTF-8"),
        ([labels("__name__=m"), label(&long, "x")].concat(), "has more than 4096 bytes"),
        (label("__name__", &long), "has more than 4096 bytes"),
        ([labels("__name__=m"), label("a", &"v".repeat(1 << 20))].concat(), "have more than 1048576 bytes"),
        ((0..1001).flat_map(|i| label(&format!("l{i}"), "v")).collect(), "it has more than 1000 labels"),
    ];
    for (labels, reason) in cases {
        let bad = series(&[labels, sample(1.0, NOW_MS), sample(2.0, NOW_MS)]);
        let translated = v1(&[bad, good.clone()]);
        assert_eq!((translated.report.refused, translated.points), (2, 1), "{reason}");
        let message = translated.report.message().unwrap();
        assert!(message.starts_with("2 of 3 samples are not stored: series {"), "{message}");
        assert!(message.contains(reason) && message.len() < 1000, "{message}");
        assert_eq!(translated.report.written, Written { samples: 1, ..Written::default() });
    }
}

#[test]
fn bad_references_of_the_second_version_cost_their_series() {
    let symbols = symbols(&["", "__name__", "m", "a", "b"]);
    let metadata = |help: i64| bytes(5, varint(3, help));
    let cases = [
        (refs(&[1, 2, 3]), Some("labels_refs are not pairs")),
        (refs(&[1, 2, 3, 5]), Some("reference 5 points beyond the 5 symbols")),
        (refs(&[1, 2, 1 << 40, 4]), Some("reference 4294967295 points beyond the 5 symbols")),
        ([refs(&[1, 2]), metadata(9)].concat(), Some("reference 9 points beyond the 5 symbols")),
        (refs(&[0, 0, 1, 2]), Some("a label has no name")),
        (refs(&[]), Some("it has no label __name__")),
        (vec![], Some("it has no label __name__")),
        // References need not be packed, nor in one piece.
        ([refs(&[1]), varint(1, 2), refs(&[3, 4])].concat(), None),
    ];
    for (fields, reason) in cases {
        let translated = v2(&[symbols.clone(), series_v2(&[fields, sample(1.0, NOW_MS)])]);
        let message = translated.report.message();
        match reason {
            None => assert_eq!((message, translated.points), (None, 1)),
            Some(reason) => {
                assert!(message.as_ref().is_some_and(|text| text.contains(reason)), "{message:?}: {reason}")
            }
        }
    }
}

#[test]
fn points_that_are_no_messages_cost_the_request_whatever_the_labels() {
    let symbols = symbols(&["", "__name__", "m"]);
    for labels in [refs(&[1, 2]), refs(&[1, 9])] {
        for points in [varint(2, 1), varint(3, 1)] {
            let body = [symbols.clone(), series_v2(&[labels.clone(), points])].concat();
            assert!(matches!(attempt(Version::V2, &body), Err(Unreadable::Malformed(_))));
        }
    }
    for labels in [labels("__name__=m"), labels("a=b")] {
        for points in [varint(2, 1), varint(4, 1)] {
            let body = series(&[labels.clone(), points]);
            assert!(matches!(attempt(Version::V1, &body), Err(Unreadable::Malformed(_))));
        }
    }
}

#[test]
fn a_series_of_nothing_is_an_error_only_in_the_second_version() {
    assert_eq!(v1(&[series(&[labels("__name__=m")])]).report.message(), None);
    let translated = v2(&[symbols(&["", "__name__", "m"]), series_v2(&[refs(&[1, 2])])]);
    let expected = "0 of 0 samples are not stored: series {__name__=\"m\"}: it has neither samples nor histograms";
    assert_eq!(translated.report.message().as_deref(), Some(expected));
    assert!(translated.body.is_empty());
}

#[test]
fn bad_times_cost_their_samples() {
    let bad = [0, -1, i64::MIN, i64::MAX, 9_223_372_036_855];
    let samples: Vec<u8> = bad.iter().flat_map(|time| sample(1.0, *time)).collect();
    let translated = v1(&[series(&[labels("__name__=m"), samples, sample(2.0, 9_223_372_036_854)])]);
    assert_eq!((translated.report.refused, translated.points), (5, 1));
    let message = translated.report.message().unwrap();
    assert!(message.contains("the timestamp 0 is not one of the years 1970 to 2262"), "{message}");
}

#[test]
fn broken_framing_costs_the_request() {
    let good = series(&[labels("__name__=m"), sample(1.0, NOW_MS)]);
    let cut = &good[..good.len() - 1];
    assert!(matches!(attempt(Version::V1, cut), Err(Unreadable::Malformed(_))));
    let wrong_type = series(&[labels("__name__=m"), varint(2, 1)]);
    assert!(matches!(attempt(Version::V1, &wrong_type), Err(Unreadable::Malformed(_))));
    let histogram = series(&[labels("__name__=m"), bytes(4, double(1, 1.0))]);
    assert!(matches!(attempt(Version::V1, &histogram), Err(Unreadable::Histogram(_))));
    assert_eq!(attempt(Version::V1, b"").unwrap().points, 0);
}

#[test]
fn requests_that_refer_to_much_are_refused_before_they_grow() {
    let long = "x".repeat(100_000);
    let one = series_v2(&[refs(&[1, 2, 3, 4]), sample(1.0, NOW_MS)]);
    let request = [symbols(&["", "__name__", "m", "a", &long]), one.repeat(100)].concat();
    assert_eq!(attempt(Version::V2, &request).unwrap_err(), Unreadable::TooLarge { limit: 1 << 20 });
}

#[test]
fn a_body_of_the_other_version_is_no_success_of_nothing() {
    let v1 = series(&[labels("__name__=m"), sample(1.0, NOW_MS)]);
    let v2 = [symbols(&["", "__name__", "m"]), series_v2(&[refs(&[1, 2]), sample(1.0, NOW_MS)])].concat();
    let refused = |version, body: &[u8]| {
        let remembered = Families::new();
        translate(version, body, &Surroundings { remembered: &remembered, now: NOW, limit: 1 << 20 }).map(|_| ())
    };
    let told = refused(Version::V2, &v1).unwrap_err().to_string();
    let names = ["prometheus.WriteRequest", "io.prometheus.write.v2.Request"];
    assert_eq!(
        told,
        format!("the body is a {}, but its Content-Type says {}: nothing of it is stored", names[0], names[1])
    );
    let told = refused(Version::V1, &v2).unwrap_err().to_string();
    assert_eq!(
        told,
        format!("the body is a {}, but its Content-Type says {}: nothing of it is stored", names[1], names[0])
    );
    for (version, body) in [(Version::V1, &v1), (Version::V2, &v2)] {
        assert_eq!(refused(version, body), Ok(()));
        // Fields from the future, and nothing at all, are not the other version.
        assert_eq!(refused(version, &bytes(99, "x")), Ok(()));
        assert_eq!(refused(version, &[]), Ok(()));
    }
}
