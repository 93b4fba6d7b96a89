//! What is shown after some requests.

use std::time::Duration;

use trefoil_model::Tenant;
use trefoil_prometheus::exposition::{Format, Written};
use trefoil_prometheus::names::Escaping;

use super::series::{Collection, Refusals};
use crate::exporters::prometheus_view::tests::{attribute, counter, literal, number, request};
use crate::exporters::prometheus_view::{View, each};
use crate::telemetry::Accepted;

struct Exposed {
    collection: Collection,
    view: View,
}

impl Exposed {
    fn new(expiration: Duration) -> Self {
        Self { collection: Collection::new(expiration), view: View { target_info: true, ..View::default() } }
    }

    fn send(&self, metrics: &str) -> Accepted {
        let mut refused = Refusals::default();
        let mut update = self.collection.update(&Tenant::default());
        let without_form = each(request(metrics), &self.view, |point| update.take(point, &mut refused));
        refused.answer(without_form)
    }

    fn text(&self) -> String {
        self.written(Format::Text, false)
    }

    fn written(&self, format: Format, has_timestamps: bool) -> String {
        let written = Written { format, escaping: Escaping::Underscores };
        let body = written.body(self.collection.families(&Tenant::default(), has_timestamps));
        String::from_utf8_lossy(&body).into_owned()
    }
}

const LONG: Duration = Duration::from_secs(300);
const TARGET: &str = "# HELP target_info Target metadata\n# TYPE target_info gauge\ntarget_info{host_name=\"h\",instance=\"i-1\",job=\"cart\"} 1\n";

#[test]
fn the_latest_point_is_shown() {
    let exposed = Exposed::new(LONG);
    assert_eq!(exposed.send(&counter("c", 2, &[number("x", 5, 1.0), number("y", 5, 7.0)].join(","))), Accepted::all());
    exposed.send(&counter("c", 2, &number("x", 6, 2.0)));
    exposed.send(&counter("c", 2, &number("y", 4, 1.0)));
    let series = concat!(
        "# HELP c_seconds_total help\n# TYPE c_seconds_total counter\n",
        "c_seconds_total{a=\"x\",instance=\"i-1\",job=\"cart\"} 2\n",
        "c_seconds_total{a=\"y\",instance=\"i-1\",job=\"cart\"} 7\n",
    );
    assert_eq!(exposed.text(), format!("{series}{TARGET}"));
    let timed = exposed.written(Format::OpenMetrics, true);
    assert!(timed.contains("c_seconds_total{a=\"x\",instance=\"i-1\",job=\"cart\"} 2.0 6.000\n"), "{timed}");
    assert!(timed.contains("# TYPE c_seconds counter\n# UNIT c_seconds seconds\n"), "{timed}");
    assert!(timed.contains("# TYPE target info\n") && timed.ends_with("# EOF\n"), "{timed}");
    let other = Tenant::new("other").unwrap();
    assert_eq!(exposed.collection.families(&other, false).count(), 0);
}

#[test]
fn differences_are_added_up() {
    let exposed = Exposed::new(LONG);
    for (second, value) in [(5, 1.0), (7, 2.5), (6, 3.0)] {
        exposed.send(&counter("c", 1, &number("x", second, value)));
    }
    assert!(
        exposed.text().contains("c_seconds_total{a=\"x\",instance=\"i-1\",job=\"cart\"} 6.5\n"),
        "{}",
        exposed.text()
    );
    let histogram = |second: u64, bounds: &str| {
        format!(
            r#"{{"name":"h","histogram":{{"aggregationTemporality":1,"dataPoints":[{{"timeUnixNano":"{second}000000000",
                "count":"3","sum":4,"bucketCounts":["1","2"],"explicitBounds":[{bounds}]}}]}}}}"#
        )
    };
    exposed.send(&histogram(5, "1"));
    exposed.send(&histogram(6, "1"));
    assert!(exposed.text().contains("h_bucket{instance=\"i-1\",job=\"cart\",le=\"1\"} 2\n"), "{}", exposed.text());
    assert!(exposed.text().contains("h_count{instance=\"i-1\",job=\"cart\"} 6\n"));
    exposed.send(&histogram(7, "2"));
    assert!(exposed.text().contains("h_bucket{instance=\"i-1\",job=\"cart\",le=\"2\"} 1\n"), "{}", exposed.text());
    assert!(exposed.text().contains("h_count{instance=\"i-1\",job=\"cart\"} 3\n"));
}

#[test]
fn series_end_when_they_are_said_to_or_get_no_more_points() {
    let exposed = Exposed::new(LONG);
    exposed.send(&literal("g", "gauge", &number("x", 5, 1.0)));
    assert_eq!(exposed.text(), "# TYPE g gauge\ng{a=\"x\"} 1\n");
    exposed.send(&literal("g", "gauge", &number("x", 6, 0.0).replace("\"asDouble\":0", "\"flags\":1")));
    assert_eq!(exposed.text(), "");

    let short = Exposed::new(Duration::from_nanos(1));
    short.send(&literal("g", "gauge", &number("x", 5, 1.0)));
    assert_eq!(short.text(), "");
    short.send("");
    assert_eq!(short.collection.families(&Tenant::default(), false).count(), 0);
}

#[test]
fn a_name_has_one_type() {
    let exposed = Exposed::new(LONG);
    exposed.send(&literal("g", "gauge", &number("x", 5, 1.0)));
    let answer = exposed.send(&literal("g", "counter", &number("x", 6, 2.0)));
    assert_eq!(answer, Accepted { rejected: 1, message: Some("g has another type already".to_owned()) });
    assert_eq!(exposed.text(), "# TYPE g gauge\ng{a=\"x\"} 1\n");
}

#[test]
fn literal_pieces_of_histograms_and_summaries_come_together() {
    let exposed = Exposed::new(LONG);
    let with = |key: &str, value: &str, number: String| {
        number.replacen("\"attributes\":[", &format!("\"attributes\":[{},", attribute(key, value)), 1)
    };
    let metrics = [
        literal("h_bucket", "histogram", &with("le", "+Inf", number("x", 5, 3.0))),
        literal("h_bucket", "histogram", &with("le", "0.5", number("x", 5, 1.0))),
        literal("h_sum", "histogram", &number("x", 5, 4.0)),
        literal("h_count", "histogram", &number("x", 5, 3.0)),
        literal("h_created", "histogram", &number("x", 5, 9.0)),
        literal("s", "summary", &with("quantile", "0.9", number("x", 5, 2.0))),
        literal("s_count", "summary", &number("x", 5, 7.0)),
        literal("s_sum", "summary", &number("x", 5, 8.0)),
    ];
    assert_eq!(exposed.send(&metrics.join(",")), Accepted::all());
    let expected = concat!(
        "# TYPE h histogram\nh_bucket{a=\"x\",le=\"0.5\"} 1\nh_bucket{a=\"x\",le=\"+Inf\"} 3\nh_sum{a=\"x\"} 4\nh_count{a=\"x\"} 3\n",
        "# TYPE h_created untyped\nh_created{a=\"x\"} 9\n",
        "# TYPE s summary\ns{a=\"x\",quantile=\"0.9\"} 2\ns_sum{a=\"x\"} 8\ns_count{a=\"x\"} 7\n",
    );
    assert_eq!(exposed.text(), expected);
}
