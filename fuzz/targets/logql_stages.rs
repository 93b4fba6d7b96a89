//! What stages of LogQL do with lines: the first line of the text is an argument (a path, a pattern, a range of addresses), the
//! rest are lines. No panic; what is read of a line without limits is found with them, too; mined templates match their lines.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trefoil_lines::{Form, Reader, Wanted, json, level, logfmt, units, unpack};
use trefoil_logql::decolorize::decolorized;
use trefoil_logql::extract::{pattern, regexp};
use trefoil_logql::filter::ip::IpRange;
use trefoil_logql::filter::pattern::LinePattern;
use trefoil_logql::patterns::{Limits, Miner, Span};

fuzz_target!(|text: &str| {
    let (argument, lines) = text.split_once('\n').unwrap_or(("", text));
    units::bytes(argument);
    units::duration(argument);
    let path = json::Path::parse(argument).ok();
    if let Some(path) = &path {
        assert_eq!(json::Path::parse(&path.to_string()).as_ref(), Ok(path));
    }
    let captures = pattern::Pattern::compile(argument).ok();
    let groups = regexp::Regexp::compile(argument).ok();
    let filter = LinePattern::compile(argument).ok();
    let addresses = IpRange::parse(argument).ok();

    let limits = Limits { clusters: 8, tokens: 16, line: 100 };
    let Ok(mut miner) = Miner::new(Span { start: 0, end: 100, step: 10 }, limits) else { unreachable!() };
    let mut observed = 0;
    for (index, line) in lines.split('\n').enumerate() {
        fields(line);
        let _ = unpack::unpack(line, |_, _| {});
        level::detect(line, None, [("a", argument)]);
        assert!(decolorized(line).len() <= line.len());
        let taken = path.as_slice();
        let mut values = 0;
        let _ = json::find(line, taken, |_, _| values += 1);
        assert_eq!(values, taken.len());
        if let Some(captures) = &captures {
            captures.fields(line, |_, value| assert!(line.contains(value)));
        }
        if let Some(groups) = &groups {
            groups.fields(line, |_, value| assert!(line.contains(value)));
        }
        if let Some(filter) = &filter {
            filter.matches(line);
        }
        if let Some(addresses) = &addresses {
            addresses.is_in(line);
            addresses.is_address(line);
        }
        if index < 100 {
            miner.observe(index as i64, line);
            observed += 1;
        }
    }
    let mined = miner.mined();
    assert!(mined.iter().map(|mined| mined.total()).sum::<u64>() <= observed);
    for mined in mined {
        assert!(LinePattern::compile(&mined.pattern).is_ok(), "{}", mined.pattern);
    }
});

fn fields(line: &str) {
    let mut all: Vec<(String, String)> = Vec::new();
    let mut buffer = String::new();
    let read =
        json::flatten(line, Wanted::All, &mut buffer, |name, value| all.push((name.to_owned(), value.into_owned())));
    assert!(read.map_or_else(|malformed| malformed.kept, |()| all.len()) <= all.len());
    // What columns get of a line is what the stage of its form finds; the second time it looks like the line before it.
    let mut reader = Reader::default();
    for _ in 0..2 {
        let mut of_form: Vec<(String, String)> = Vec::new();
        let told = reader.read(line, |name, value| of_form.push((name.to_owned(), value.into_owned())));
        assert_eq!(told.level, level::of_line(line));
        match told.form {
            Some(Form::Json) => assert_eq!((read, &of_form), (Ok(()), &all)),
            Some(Form::Logfmt) => assert!(read.is_err() && !of_form.is_empty()),
            Some(Form::Text) => assert!(read.is_err() && of_form.is_empty()),
            None => {}
        }
    }
    // Of what is malformed, more may be understood where less is asked for, and the other way round.
    if serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(line).is_ok() {
        assert_eq!(read, Ok(()), "{line}");
        if let Some((name, _)) = all.last() {
            let mut found = None;
            let wanted = Wanted::Only(std::slice::from_ref(name));
            let _ = json::flatten(line, wanted, &mut buffer, |_, value| found = Some(value.into_owned()));
            assert_eq!(found.as_ref(), all.iter().find(|(other, _)| other == name).map(|(_, value)| value));
        }
    }
    for strict in [false, true] {
        let options = logfmt::Options { strict, keep_empty: strict };
        let _ = logfmt::fields(line, options, Wanted::All, |_, _| {});
        let _ = logfmt::find(line, options, &["a"], |_, _| {});
    }
}
