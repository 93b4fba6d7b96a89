//! A query of LogQL on the first line, a line of a log on those behind it: no panic; a name of a label is there once; where few
//! labels are wanted, they are those that there are where all are.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trefoil_logql::ast::{LogQuery, Query};
use trefoil_logql::parse;
use trefoil_logql::pipeline::{Entry, Pipeline, Runner, Unwrapping, Wants};

fn first_range(query: &Query) -> Option<(LogQuery, Option<Unwrapping>)> {
    match query {
        Query::Log(query) => Some((query.clone(), None)),
        Query::Metric(metric) => {
            let mut found = None;
            metric.ranges(&mut |aggregation| {
                let unwrapping = aggregation.range.unwrap.as_ref().map(|unwrap| Unwrapping::new(unwrap).unwrap());
                found.get_or_insert((aggregation.range.query.clone(), unwrapping));
            });
            found
        }
    }
}

fuzz_target!(|text: &str| {
    let (query, line) = text.split_once('\n').unwrap_or((text, ""));
    let Some((query, unwrapping)) = parse(query).ok().and_then(|query| first_range(&query)) else { return };
    let entry = Entry { timestamp: 0, line, stream: &[("app", "orders"), ("a", "b")], metadata: &[("c", "d"), ("a", "e")] };
    let pipeline = Pipeline::new(&query.stages, &Wants::All).expect("what was parsed was checked");
    let mut runner = Runner::new(&pipeline, 0);
    if let Some(unwrapping) = &unwrapping {
        let _ = runner.run_unwrapped(unwrapping, &entry, |value, labels| (value, labels.iter().count()));
    }
    runner.run(&entry, |_, labels| {
        let mut names: Vec<&str> = labels.iter().map(|(_, name, _)| name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    });
    let few = Pipeline::new(&query.stages, &Wants::Labels(vec!["a".to_owned(), "level".to_owned()]));
    let few = few.expect("what was parsed was checked");
    let _ = Runner::new(&few, 0).run(&entry, |line, labels| (line.len(), labels.iter().count()));
});
