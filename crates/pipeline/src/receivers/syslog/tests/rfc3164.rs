use chrono_tz::Tz;

use super::{NOW, reading, report, shown};
use crate::receivers::syslog::rfc3164::{Reading, parse};

const MESSAGES: &[&str] = &[
    // The specification's own (5.4).
    "<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8",
    "<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!",
    "<165>Aug 24 05:34:00 CST 1987 mymachine myproc[10]: %% It's time to make the do-nuts.  %%  Ingredients: Mix=OK",
    "<0>1990 Oct 22 10:52:01 TZ-6 scapegoat.dmz.example.org 10.1.2.3 sched[0]: That's All Folks!",
    // Dates.
    "<13>Jan  1 00:00:00 h a: x",
    "<13>Jan 1 00:00:00 h a: one space before one digit",
    "<13>Jan 01 00:00:00 h a: x",
    "<13>Jan 22 12:00:00 h a: a week ahead",
    "<13>Jan 23 12:00:00 h a: more than a week ahead",
    "<13>Dec 31 23:59:59 h a: last year",
    "<13>Feb 29 12:00:00 h a: the last leap day",
    "<13>Feb 30 12:00:00 h a: no such day",
    "<13>Jan 15 24:00:00 h a: no such hour",
    "<13>Jan 15 12:00:60 h a: leap second",
    "<13>Jan 15 2:03:04 h a: x",
    "<13>Jan 15 12:00:00.123 h a: milliseconds",
    "<13>Jan 15 12:00:00,123456 h a: behind a comma",
    "<13>Jan 15 12:00:00Z h a: x",
    "<13>Jan 15 12:00:00+05:30 h a: x",
    "<13>Jan 15 2024 12:00:00 h a: year behind the day",
    "<13>2024 Jan 15 12:00:00 h a: year before the month",
    "<13>2024-01-15T12:00:00Z h a: x",
    "<13>2024-01-15T12:00:00.123456+02:00 h a[1]: as rsyslog forwards",
    "<13>2024-01-15T12:00:00 h a: no zone",
    "<13>2024-01-15 12:00:00 h a: a space in between",
    "<13>2024-01-15 12:00:00.5 h a: x",
    "<13>jan 15 12:00:00 h a: no month",
    "<13>Jan 15 h a: no time",
    "<13>Jan 15 12:00 h a: no seconds",
    "<13>Jan 15 12:00:00",
    "<13>Jan 15 12:00:00 ",
    "<13>Jan 15 12:00:00x h a: x",
    "<13>2300-01-15T12:00:00Z h a: x",
    // Hosts, tags and processes.
    "<13>Jan 15 12:00:00 web-1.example.com sshd[123]: Accepted",
    "<13>Jan 15 12:00:00 fe80::1 sshd[123]: Accepted",
    "<13>Jan 15 12:00:00 sshd[123]: no host",
    "<13>Jan 15 12:00:00 sshd: no host",
    "<13>Jan 15 12:00:00 web1 no tag",
    "<13>Jan 15 12:00:00 web1",
    "<13>Jan 15 12:00:00 web1 sshd[123] no colon",
    "<13>Jan 15 12:00:00 web1 sshd[123]:",
    "<13>Jan 15 12:00:00 web1 sshd:",
    "<13>Jan 15 12:00:00 web1 postfix/smtpd[9]: connect from x[10.1.2.3]",
    "<13>Jan 15 12:00:00 web1 sshd(pam_unix)[123]: x",
    "<13>Jan 15 12:00:00 web1 (systemd)[1]: x",
    "<13>Jan 15 12:00:00 web1 java[main]: x",
    "<13>Jan 15 12:00:00 web1 list[main] is no tag",
    "<13>Jan 15 12:00:00 web1 app[]: x",
    "<13>Jan 15 12:00:00 web1 app[1: x",
    "<13>Jan 15 12:00:00 web1 http://example.com is no tag",
    "<13>Jan 15 12:00:00 web1 12:30 is no tag",
    "<13>Jan 15 12:00:00 web1 : x",
    "<13>Jan 15 12:00:00 web1 kernel: [12345.678] usb 1-1: new device",
    "<13>Jan 15 12:00:00 web1 app:   indented",
    "<13>Jan 15 12:00:00  web1  app: two spaces",
    "<13>Jan 15 12:00:00 web1 CRON[77]: (root) CMD (true)",
    "<13>Jan 15 12:00:00 web1 日本: x",
    "<13>Jan 15 12:00:00 {\"json\": true}",
    "<13>Jan 15 12:00:00 web1 {\"json\": true}",
    "<13>Jan 15 12:00:00 [::1] app: x",
    "<13>Jan 15 12:00:00 web1 last message repeated 3 times",
    // No timestamp: no host either (4.3.3).
    "<13>hello",
    "<13>app: hello",
    "<13>app[7]: hello",
    "<14>Error in foo: bad",
    "<14>{\"json\": true}",
    "<14>",
    "<14>%ASA-6-302013: Built outbound TCP connection",
    // Cisco's.
    "<189>29: *Mar  1 18:48:50.483 UTC: %SYS-5-CONFIG_I: Configured from console by vty2 (10.34.195.36)",
    "<189>29: .Jan 10 18:48:50: %SYS-5-CONFIG_I: x",
    "<189>29: 000024: *Mar  1 18:48:50.483 UTC: %SYS-5-CONFIG_I: two counters",
    "<189>29: router1: *Mar  1 18:48:50.483: %SYS-5-CONFIG_I: with its name",
    "<187>133595: Jan 10 2026 11:22:33.444 EST: %LINK-3-UPDOWN: Interface Gi0/1, changed state to up",
    "<190>Jan 10 18:48:50: %SEC-6-IPACCESSLOGP: list 101 denied tcp",
    "<189>29: 00:00:46: %LINK-3-UPDOWN: uptime",
    "<189>29: 1w2d: %LINK-3-UPDOWN: uptime",
    "<189>: 2026 Jan 10 18:48:50 UTC: %ETHPORT-5-IF_UP: Interface Ethernet1/1 is up",
    "<166>Jan 10 2026 13:58:45: %ASA-6-302013: Built",
    "<166>Jan 10 2026 13:58:45 fw1 : %ASA-6-302013: Built",
    "<166>Jan 10 2026 13:58:45 fw1 %ASA-6-302013: Built",
    // Wrong ones.
    "",
    "hello",
    "Jan 15 12:00:00 h a: no priority",
    "<192>Jan 15 12:00:00 h a: x",
    "<13",
    "<34>1 2003-10-11T22:14:15.003Z h a - - - of the other protocol",
    "<34>1 - h a - - - of the other protocol",
];

#[test]
fn messages_are_read() {
    insta::assert_snapshot!(report(MESSAGES, |text| parse(text, &reading(Tz::UTC))));
}

#[test]
fn a_priority_may_be_missing() {
    let reading = Reading { may_lack_priority: true, ..reading(Tz::UTC) };
    let messages =
        ["Jan 15 12:00:00 h a: x", "a: x", "<34>Jan 15 12:00:00 h a: x", "29: Jan 15 12:00:00: %X-1-Y: z", "<x"];
    insta::assert_snapshot!(report(&messages, |text| parse(text, &reading)), @r#"
    Jan 15 12:00:00 h a: x
        2026-01-15T12:00:00Z host=h app=a "x"
    a: x
        app=a "x"
    <34>Jan 15 12:00:00 h a: x
        auth.crit 2026-01-15T12:00:00Z host=h app=a "x"
    29: Jan 15 12:00:00: %X-1-Y: z
        2026-01-15T12:00:00Z app=%X-1-Y id=29 "z"
    <x
        ERROR expected a priority between 0 and 191, at byte 1
    "#);
}

#[test]
fn times_are_told_at_the_location() {
    let cases = [
        (Tz::UTC, "Jan 15 12:00:00", "2026-01-15T12:00:00Z"),
        (Tz::America__Detroit, "Jan 15 05:00:00", "2026-01-15T10:00:00Z"),
        (Tz::America__Detroit, "Jul 15 12:00:00", "2025-07-15T16:00:00Z"),
        (Tz::Asia__Kolkata, "Jan 15 12:00:00", "2026-01-15T06:30:00Z"),
        // Shown twice: the first time. Left out: as if clocks had not been put forward.
        (Tz::Europe__Berlin, "Oct 26 02:30:00", "2025-10-26T00:30:00Z"),
        (Tz::Europe__Berlin, "Mar 30 02:30:00", "2025-03-30T01:30:00Z"),
        (Tz::Europe__Berlin, "2024-01-15T12:00:00", "2024-01-15T11:00:00Z"),
        (Tz::Europe__Berlin, "2024-01-15T12:00:00Z", "2024-01-15T12:00:00Z"),
        // Another year there than here.
        (Tz::Pacific__Auckland, "Jan 16 01:00:00", "2026-01-15T12:00:00Z"),
    ];
    for (location, told, expected) in cases {
        let text = format!("<13>{told} h a: x");
        assert_eq!(
            shown(&parse(&text, &reading(location))),
            format!("user.notice {expected} host=h app=a \"x\""),
            "{location}"
        );
    }
}

#[test]
fn dates_without_a_year_cross_the_new_year() {
    let day = 86_400_000_000_000;
    // The 1st of January 2026, half past midnight.
    let new_year = NOW - 14 * day - 11 * day / 24 - day / 48;
    let cases = [
        (new_year, "Dec 31 23:59:59", "2025-12-31T23:59:59Z"),
        (new_year, "Jan  1 00:00:01", "2026-01-01T00:00:01Z"),
        (new_year, "Jan  5 00:00:00", "2026-01-05T00:00:00Z"),
        (new_year - day / 24, "Jan  1 00:30:00", "2026-01-01T00:30:00Z"),
        (new_year - day / 24, "Dec 31 23:00:00", "2025-12-31T23:00:00Z"),
        (new_year - day / 24, "Jan  9 00:00:00", "2025-01-09T00:00:00Z"),
    ];
    for (now, told, expected) in cases {
        let text = format!("<13>{told} h a: x");
        let reading = Reading { now, ..reading(Tz::UTC) };
        assert_eq!(shown(&parse(&text, &reading)), format!("user.notice {expected} host=h app=a \"x\""));
    }
}
