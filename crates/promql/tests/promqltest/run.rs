//! Runs scripts.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use trefoil_promql::ast::Expr;
use trefoil_promql::eval::{Answer, Engine, QueryFailure, QueryLimits};
use trefoil_promql::steps::Steps;

use crate::compare;
use crate::memory::Memory;
use crate::script::{Command, CommandKind, Eval, EvalKind};
use crate::variants;

#[derive(Debug, Default)]
pub struct Report {
    pub evaluations: usize,
    pub failures: Vec<Failure>,
}

#[derive(Debug)]
pub struct Failure {
    pub line: usize,
    /// The query.
    pub what: String,
    pub difference: String,
}

pub fn run(engine: &Engine, commands: &[Command]) -> Report {
    let mut memory = Memory::default();
    let mut report = Report::default();
    for Command { line, kind } in commands {
        let (what, outcome) = match kind {
            CommandKind::Clear => {
                memory.clear();
                continue;
            }
            CommandKind::Load(load) => ("load", memory.load(load)),
            CommandKind::Eval(eval) => {
                report.evaluations += 1;
                (eval.query.as_str(), without_panics(|| evaluate(engine, &memory, eval)))
            }
        };
        if let Err(difference) = outcome {
            report.failures.push(Failure { line: *line, what: what.to_owned(), difference });
        }
    }
    report
}

fn evaluate(engine: &Engine, memory: &Memory, eval: &Eval) -> Result<(), String> {
    let time = match eval.kind {
        EvalKind::Range => return finished(eval, engine.range(memory, &eval.query, eval.steps)).map(drop),
        EvalKind::Instant(time) | EvalKind::InstantOnly(time) => time,
    };
    let expr = match engine.parse(&eval.query) {
        Ok(expr) => expr,
        Err(error) => return finished(eval, Err(error.into())).map(drop),
    };
    instant(engine, memory, eval, &expr, time)?;
    let Some(pinned) = variants::pinned(&expr, time) else { return Ok(()) };
    for other in variants::times(time) {
        instant(engine, memory, eval, &pinned, other)
            .map_err(|difference| format!("pinned by @ to {time}, asked at {other}: {difference}"))?;
    }
    Ok(())
}

fn instant(engine: &Engine, memory: &Memory, eval: &Eval, expr: &Expr, time: i64) -> Result<(), String> {
    let answer = engine.instant_expr(memory, expr, time, QueryLimits::default());
    if finished(eval, answer)? == Finished::Failed || !agrees_with_ranges(eval) {
        return Ok(());
    }
    const MINUTE: i64 = 60_000;
    let steps = Steps::range(time - MINUTE, time + MINUTE, MINUTE);
    let in_range = |difference| format!("as a step of a range query: {difference}");
    let answer = engine.range_expr(memory, expr, steps, QueryLimits::default());
    let answer = answer.map_err(|failure| in_range(failure.to_string()))?;
    // The order of an instant vector has no like in a matrix.
    if eval.ordered {
        return Ok(());
    }
    compare::step(eval, &answer.result, time).map_err(in_range)
}

/// Whether a range query around the time has the same answer there.
fn agrees_with_ranges(eval: &Eval) -> bool {
    let is_about_the_range = ["start()", "end()", "range()", "step()"].iter().any(|call| eval.query.contains(call));
    matches!(eval.kind, EvalKind::Instant(_)) && !is_about_the_range
}

#[derive(Debug, PartialEq, Eq)]
enum Finished {
    Answered,
    /// As expected.
    Failed,
}

fn finished(eval: &Eval, answer: Result<Answer, QueryFailure>) -> Result<Finished, String> {
    match (&eval.fail, answer) {
        (None, Ok(answer)) => {
            compare::annotations(eval, &answer.annotations)?;
            compare::result(eval, &answer.result)?;
            Ok(Finished::Answered)
        }
        (None, Err(failure)) => Err(format!("failed: {failure}")),
        (Some(_), Ok(_)) => Err("expected a failure".to_owned()),
        (Some(expected), Err(failure)) => match expected.fits(&failure.to_string()) {
            true => Ok(Finished::Failed),
            false => Err(format!("expected the failure {expected:?}, got {:?}", failure.to_string())),
        },
    }
}

thread_local! {
    /// What the panic of a running evaluation says; `None` outside of evaluations.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// A panic is a failure of one evaluation, not of all that come after it.
fn without_panics(evaluate: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let default = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let is_evaluation = PANIC.with_borrow_mut(|message| message.as_mut().map(|said| *said = info.to_string()));
            if is_evaluation.is_none() {
                default(info);
            }
        }));
    });
    PANIC.set(Some(String::new()));
    let outcome = panic::catch_unwind(AssertUnwindSafe(evaluate));
    let message = PANIC.take().unwrap_or_default();
    outcome.unwrap_or_else(|_| Err(message.replace('\n', " ")))
}
