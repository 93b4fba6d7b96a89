use super::report;
use crate::receivers::syslog::rfc5424::parse;

const MESSAGES: &[&str] = &[
    // The specification's own (6.5).
    "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \u{feff}'su root' failed for lonvick on /dev/pts/8",
    "<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time to make the do-nuts.",
    "<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut=\"3\" eventSource=\"Application\" eventID=\"1011\"] \u{feff}An application event log entry...",
    "<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut=\"3\" eventSource=\"Application\" eventID=\"1011\"][examplePriority@32473 class=\"high\"]",
    // Priorities.
    "<0>1 - - - - - - x",
    "<191>1 - - - - - - x",
    "<007>1 - - - - - - x",
    "<192>1 - - - - - - x",
    "<999>1 - - - - - - x",
    "<1234>1 - - - - - - x",
    "<>1 - - - - - - x",
    "<-1>1 - - - - - - x",
    "<34 1 - - - - - - x",
    "34>1 - - - - - - x",
    "1 - - - - - - x",
    "",
    "<",
    "<34",
    "<34>",
    // Versions.
    "<34>2 - - - - - - x",
    "<34>999 - - - - - - x",
    "<34>0 - - - - - - x",
    "<34>1234 - - - - - - x",
    "<34>- - - - - - x",
    "<34>1",
    "<34>Oct 11 22:14:15 mymachine su: no message of this protocol",
    // Timestamps.
    "<34>1 1985-04-12T23:20:50.52Z h a p i - x",
    "<34>1 1985-04-12T19:20:50.52-04:00 h a p i - x",
    "<34>1 2003-10-11T22:14:15Z h a p i - without a fraction",
    "<34>1 2003-10-11T22:14:15.1+00:00 h a p i - x",
    "<34>1 2003-10-11T22:14:15.123456Z h a p i - x",
    "<34>1 2003-10-11T22:14:15.123456789Z h a p i - nanoseconds",
    "<34>1 2003-10-11T22:14:15.1234567891Z h a p i - more than nanoseconds",
    "<34>1 2003-10-11T22:14:15.003+14:00 h a p i - x",
    "<34>1 2003-10-11T22:14:15.003-0330 h a p i - zone without a colon",
    "<34>1 2003-10-11t22:14:15z h a p i - small letters",
    "<34>1 2004-02-29T00:00:00Z h a p i - leap day",
    "<34>1 2003-02-29T00:00:00Z h a p i - no leap day",
    "<34>1 2016-12-31T23:59:60Z h a p i - leap second",
    "<34>1 2003-13-11T22:14:15Z h a p i - x",
    "<34>1 2003-10-11T24:14:15Z h a p i - x",
    "<34>1 2003-10-11T22:60:15Z h a p i - x",
    "<34>1 2003-10-11T22:14:61Z h a p i - x",
    "<34>1 2003-10-11T22:14:15 h a p i - no zone",
    "<34>1 2003-10-11T22:14:15.Z h a p i - no digit behind the point",
    "<34>1 2003-10-11T22:14:15+25:00 h a p i - x",
    "<34>1 2003-10-11 22:14:15Z h a p i - x",
    "<34>1 03-10-11T22:14:15Z h a p i - x",
    "<34>1 1969-12-31T23:59:59Z h a p i - before the epoch",
    "<34>1 9999-12-31T23:59:59Z h a p i - after what nanoseconds count",
    "<34>1 -x h a p i - x",
    // Names and nil values.
    "<34>1 - - - - - -",
    "<34>1 - - - - - - ",
    "<34>1 - h - - - - x",
    "<34>1 - - a - - - x",
    "<34>1 - - - p - - x",
    "<34>1 - - - - i - x",
    "<34>1 - fe80::1%eth0 app/sub[x] 12:34 TCPIN - x",
    "<34>1 - -- --- - - - dashes that are names",
    "<34>1 - höst äpp - - - letters beyond ASCII",
    "<34>1 -  a p i - x",
    "<34>1 - h",
    "<34>1 - h a p i",
    "<34>1 - h a p i ",
    "<34>1 - an-application-name-of-more-than-forty-eight-characters an-application-name-of-more-than-forty-eight-characters - - - x",
    // Structured data.
    "<34>1 - h a p i [id]",
    "<34>1 - h a p i [id] x",
    "<34>1 - h a p i [id@1 a=\"\"] an empty value",
    "<34>1 - h a p i [id@1 a=\"1\" b=\"2\"] x",
    "<34>1 - h a p i [id@1 a=\"1\" a=\"2\"] a name twice",
    "<34>1 - h a p i [id a=\"1\"][id b=\"2\"] an id twice",
    "<34>1 - h a p i [x@1][y@2][z@3 k=\"v\"] x",
    r#"<34>1 - h a p i [id a="quote \" bracket \] backslash \\ other \n end"] x"#,
    r#"<34>1 - h a p i [id a="\\"] x"#,
    r#"<34>1 - h a p i [id a="\"] never ends"#,
    r#"<34>1 - h a p i [id a="]"] x"#,
    "<34>1 - h a p i [id a=\"ümläut 日本\"] x",
    "<34>1 - h a p i [id a=\"[b=c]\"] x",
    "<34>1 - h a p i [id a=\"1\" ] a space at the end",
    "<34>1 - h a p i [id  a=\"1\"] two spaces",
    "<34>1 - h a p i [] x",
    "<34>1 - h a p i [ a=\"1\"] x",
    "<34>1 - h a p i [id a=1] x",
    "<34>1 - h a p i [id a] x",
    "<34>1 - h a p i [id a=\"1\"",
    "<34>1 - h a p i [id a=\"1",
    "<34>1 - h a p i [id",
    "<34>1 - h a p i x",
    "<34>1 - h a p i -x",
    "<34>1 - h a p i [id]x",
    "<34>1 - h a p i [id] [not=\"data\"] but text",
    // Messages.
    "<34>1 - h a p i - \u{feff}",
    "<34>1 - h a p i - \u{feff}\u{feff}two marks",
    "<34>1 - h a p i -  a space more",
    "<34>1 - h a p i - trailing space ",
    "<34>1 - h a p i - tab\there, line\nfeed, nul\0",
    "<34>1 - h a p i - {\"json\": [1, 2]}",
    "<34>1 - h a p i - 日本語",
    // What programs send.
    "<13>1 2024-05-06T07:08:09.123456+02:00 web1 root - - [timeQuality tzKnown=\"1\" isSynced=\"1\" syncAccuracy=\"421\"] from logger",
    "<30>1 2024-05-06T07:08:09Z web1 dockerd 812 docker.container - time=\"2024\" level=info",
    "<86>1 2024-05-06T07:08:09.693Z 10.1.2.3 sshd 23108 LOGIN [origin ip=\"10.1.2.3\" ip=\"fe80::1\" software=\"x\"][meta sequenceId=\"29\"] opened",
    "<190>1 2024-05-06T07:08:09Z fw - - - - id=firewall sn=0017 time=\"2024-05-06 07:08:09\" pri=6",
];

#[test]
fn messages_are_read() {
    assert!(MESSAGES.len() >= 90);
    insta::assert_snapshot!(report(MESSAGES, |text| parse(text, false)));
}

#[test]
fn a_priority_may_be_missing() {
    let messages = ["1 2003-10-11T22:14:15Z h a p i - x", "<34>1 - h a p i - x", "<340>1 - h a p i - x", "hello"];
    insta::assert_snapshot!(report(&messages, |text| parse(text, true)));
}
