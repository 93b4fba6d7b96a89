//! TraceQL: what is a query is written as the same query, and its pipelines can be made ready.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trefoil_traceql::ast::Expr;
use trefoil_traceql::eval::{Program, Trace};
use trefoil_traceql::parse;

fuzz_target!(|text: &str| {
    let _ = trefoil_traceql::attribute(text);
    let Ok(query) = parse(text) else { return };
    let written = query.to_string();
    assert_eq!(parse(&written).as_ref(), Ok(&query), "{text:?} is written as {written:?}");
    if let Expr::Search(pipeline) = &query.expr {
        let program = Program::new(pipeline);
        let columns = vec![Vec::new(); program.attributes().len()];
        assert_eq!(program.evaluate(&Trace { columns, ..Trace::default() }).map(|found| found.len()).unwrap_or(0), 0);
    }
});
