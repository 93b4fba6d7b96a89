use super::*;
use crate::config::Document;

fn parser(layout_type: &str, layout: &str, location: &str) -> Result<TimeParser, String> {
    let yaml = format!("{{parse_from: body, layout_type: {layout_type}, layout: '{layout}', location: '{location}'}}");
    let document = Document::verbatim("t.yaml", &yaml).unwrap();
    let section = Section::new(document.root(), &[]);
    let config: TimeConfig = section.parse().map_err(|error| error.to_string())?;
    config.build(&section, "").map_err(|error| error.to_string())
}

/// As RFC 3339, or the error. It is noon of 5 January 2024.
fn read(layout_type: &str, layout: &str, location: &str, value: &Value) -> String {
    let parser = parser(layout_type, layout, location).unwrap();
    let now = Utc.with_ymd_and_hms(2024, 1, 5, 12, 0, 0).unwrap();
    match parser.read(value, now) {
        Ok(nanos) => {
            let time = DateTime::from_timestamp_nanos(nanos as i64);
            time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
        }
        Err(reason) => reason,
    }
}

#[test]
fn texts_are_read_by_their_layout() {
    let cases = [
        // layout type, layout, location, text, what it is
        ("strptime", "%Y-%m-%d %H:%M:%S", "UTC", "2023-06-19 05:20:50", "2023-06-19T05:20:50Z"),
        ("strptime", "%Y-%m-%d %H:%M:%S", "UTC", "2023-06-19 05:20:50.123", "2023-06-19T05:20:50.123Z"),
        ("strptime", "%Y-%m-%d %H:%M:%S,%L", "UTC", "2023-06-19 05:20:50,12", "2023-06-19T05:20:50.120Z"),
        ("strptime", "%Y-%m-%dT%H:%M:%S.%LZ", "", "2023-06-19T05:20:50.999Z", "2023-06-19T05:20:50.999Z"),
        ("strptime", "%Y-%m-%dT%H:%M:%S.%f%z", "", "2023-06-19T05:20:50.000001+0200", "2023-06-19T03:20:50.000001Z"),
        (
            "strptime",
            "%Y-%m-%dT%H:%M:%S.%s%j",
            "",
            "2023-06-19T05:20:50.123456789-07:30",
            "2023-06-19T12:50:50.123456789Z",
        ),
        ("strptime", "%Y-%m-%dT%H:%M:%S%z", "", "2023-06-19T05:20:50Z", "2023-06-19T05:20:50Z"),
        ("strptime", "%F %T", "America/New_York", "2023-06-19 05:20:50", "2023-06-19T09:20:50Z"),
        ("strptime", "%F %T", "America/New_York", "2023-01-19 05:20:50", "2023-01-19T10:20:50Z"),
        ("strptime", "%F %T %Z", "America/New_York", "2023-06-19 05:20:50 EDT", "2023-06-19T09:20:50Z"),
        ("strptime", "%F %T %Z", "UTC", "2023-06-19 05:20:50 EST", "2023-06-19T10:20:50Z"),
        ("strptime", "%F %T %Z", "UTC", "2023-06-19 05:20:50 UTC", "2023-06-19T05:20:50Z"),
        ("strptime", "%d/%b/%Y:%H:%M:%S %z", "", "10/Oct/2000:13:55:36 -0700", "2000-10-10T20:55:36Z"),
        ("strptime", "%b %d %H:%M:%S", "UTC", "Jan 03 04:05:06", "2024-01-03T04:05:06Z"),
        ("strptime", "%b %e %H:%M:%S", "UTC", "Jan  3 04:05:06", "2024-01-03T04:05:06Z"),
        ("strptime", "%b %d %H:%M:%S", "UTC", "Dec 31 23:59:59", "2023-12-31T23:59:59Z"),
        ("strptime", "%b %d %H:%M:%S", "UTC", "Jan 11 00:00:00", "2024-01-11T00:00:00Z"),
        ("strptime", "%b %d %H:%M:%S", "UTC", "Jan 13 00:00:00", "2023-01-13T00:00:00Z"),
        ("strptime", "%H:%M:%S,%L", "UTC", "11:12:13,014", "2024-01-05T11:12:13.014Z"),
        ("strptime", "%c", "UTC", "Mon Jan 02 15:04:05 2006", "2006-01-02T15:04:05Z"),
        ("strptime", "%A, %d %B %y %I:%M %p", "UTC", "Monday, 02 January 06 03:04 PM", "2006-01-02T15:04:00Z"),
        ("strptime", "%D %l:%M %P", "UTC", "01/02/2006 12:04 am", "2006-01-02T00:04:00Z"),
        ("strptime", "%Y%%%m%n%d", "UTC", "2006%01\n02", "2006-01-02T00:00:00Z"),
        (
            "gotime",
            "2006-01-02T15:04:05.999999999Z07:00",
            "",
            "2023-06-19T05:20:50.5+02:00",
            "2023-06-19T03:20:50.500Z",
        ),
        ("gotime", "2006-01-02T15:04:05Z07:00", "", "2023-06-19T05:20:50.123456789Z", "2023-06-19T05:20:50.123456789Z"),
        ("gotime", "2006-01-02 15:04:05.000", "UTC", "2023-06-19 05:20:50.123", "2023-06-19T05:20:50.123Z"),
        ("gotime", "Jan _2 15:04:05 2006", "UTC", "Mar  9 01:02:03 2021", "2021-03-09T01:02:03Z"),
        ("gotime", "Mon, 02 Jan 2006 15:04:05 MST", "", "Mon, 02 Jan 2006 15:04:05 GMT", "2006-01-02T15:04:05Z"),
        ("gotime", "1/2/06 3:4:5 pm", "UTC", "7/8/09 1:2:3 PM", "2009-07-08T13:02:03Z"),
        ("gotime", "2006-002", "UTC", "2020-366", "2020-12-31T00:00:00Z"),
        ("gotime", "2006-01-02T15:04:05-07", "", "2023-06-19T05:20:50+02", "2023-06-19T03:20:50Z"),
        ("gotime", "20060102150405", "UTC", "20230619052050", "2023-06-19T05:20:50Z"),
        // A time that comes twice is the first, one that never comes is before the gap.
        ("strptime", "%F %T", "Europe/Vienna", "2023-10-29 02:30:00", "2023-10-29T00:30:00Z"),
        ("strptime", "%F %T", "Europe/Vienna", "2023-03-26 02:30:00", "2023-03-26T01:30:00Z"),
        ("strptime", "%F %T", "UTC", "2016-12-31 23:59:60", "2017-01-01T00:00:00Z"),
        // Wrong.
        ("strptime", "%F", "UTC", "2023-02-30", "there is no such day"),
        ("strptime", "%F", "UTC", "2023-2-3", "`2023-2-3` is not as the layout says, from `2-3` on"),
        ("strptime", "%F", "UTC", "2023-02-03x", "`2023-02-03x` goes on behind what the layout says: `x`"),
        ("strptime", "%T", "UTC", "25:00:00", "`25:00:00` is not as the layout says, from `25:00:00` on"),
        ("strptime", "%F %Z", "UTC", "2023-02-03 XYZ", "`XYZ` is no time zone that is known"),
        ("strptime", "%Y", "UTC", "1900", "the time is before 1970 or after 2554"),
        ("strptime", "%Y", "UTC", "", "`` is not as the layout says, from `` on"),
    ];
    for (layout_type, layout, location, text, expected) in cases {
        assert_eq!(read(layout_type, layout, location, &text.into()), expected, "{layout} {text}");
    }
}

#[test]
fn numbers_count_from_the_epoch() {
    let cases = [
        ("s", Value::Int(1_136_214_245), "2006-01-02T15:04:05Z"),
        ("s", "1136214245".into(), "2006-01-02T15:04:05Z"),
        ("s", Value::Double(1_136_214_245.9), "2006-01-02T15:04:05Z"),
        ("ms", Value::Int(1_136_214_245_123), "2006-01-02T15:04:05.123Z"),
        ("us", "1136214245123456".into(), "2006-01-02T15:04:05.123456Z"),
        ("ns", Value::Int(1_136_214_245_123_456_789), "2006-01-02T15:04:05.123456789Z"),
        ("s.ms", "1136214245.123".into(), "2006-01-02T15:04:05.123Z"),
        ("s.ms", Value::Double(1_136_214_245.123), "2006-01-02T15:04:05.123Z"),
        ("s.us", "1136214245.123456".into(), "2006-01-02T15:04:05.123456Z"),
        ("s.us", Value::Double(1_136_214_245.123_456), "2006-01-02T15:04:05.123456Z"),
        ("s.ns", "1136214245.123456789".into(), "2006-01-02T15:04:05.123456789Z"),
        ("s.ns", Value::Int(1_136_214_245), "2006-01-02T15:04:05Z"),
        ("s", "soon".into(), "`soon` is not a time since the epoch in this layout"),
        ("s.ms", "1136214245".into(), "`1136214245` is not a time since the epoch in this layout"),
        ("s", Value::Bool(true), "a boolean is not a time since the epoch"),
        ("s", Value::Int(-1), "the time is before 1970 or after 2554"),
        ("s", Value::Double(f64::NAN), "it is no number"),
    ];
    for (layout, value, expected) in cases {
        assert_eq!(read("epoch", layout, "", &value), expected, "{layout} {value}");
    }
}

#[test]
fn wrong_layouts_are_named() {
    let cases = [
        ("strptime", "%Q", "", "`%Q` is no directive of strptime"),
        ("strptime", "%", "", "ends with a percent sign"),
        ("strptime", "%S%L", "", "`%L` has to follow a point or a comma"),
        ("strptime", "time", "", "says nothing of a time"),
        ("gotime", "xyz", "", "says nothing of a time"),
        ("epoch", "m", "", "`m` is no unit of an epoch"),
        ("strptime", "%F", "Mars/Base", "`Mars/Base` is no time zone"),
        ("iso", "%F", "", "unknown value `iso`"),
    ];
    for (layout_type, layout, location, expected) in cases {
        let error = parser(layout_type, layout, location).unwrap_err();
        assert!(error.contains(expected), "{layout}: {error}");
    }
}
