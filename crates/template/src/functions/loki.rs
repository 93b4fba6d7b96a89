//! The functions of LogQL's `line_format` and `label_format`: Loki's own, and those of sprig that it takes.

use std::sync::LazyLock;

use trefoil_go::{duration, pattern, quote};

use super::sprig::decimals::{Operation, calculate};
use super::sprig::{numbers, text as texts};
use super::{Answer, Call, Functions, Kind, escape, int, text};
use crate::time::{Time, Zone};
use crate::value::{Text, Value};

/// All of them. `__line__` and `__timestamp__` are what the data gives for these names ([`crate::Fields::given`]).
pub fn loki() -> &'static Functions {
    static FUNCTIONS: LazyLock<Functions> = LazyLock::new(|| times(numeric(texts_of_sprig(own(Functions::new())))));
    &FUNCTIONS
}

/// A part of a text, which is borrowed as the whole was.
fn cut<'a>(whole: &Value<'a>, cut: impl for<'t> Fn(&'t str) -> &'t str) -> Answer<'a> {
    try_cut(whole, |text| Ok(cut(text)))
}

fn try_cut<'a>(whole: &Value<'a>, cut: impl for<'t> Fn(&'t str) -> Result<&'t str, String>) -> Answer<'a> {
    match whole {
        Value::String(Text::Borrowed(text)) => Ok(cut(text)?.into()),
        Value::String(Text::Shared(text)) => Ok(cut(text)?.to_owned().into()),
        other => Ok(other.clone()),
    }
}

/// A set of characters. It may be as long as a text.
struct Set(Vec<char>);

impl Set {
    fn of(arguments: &[Value<'_>], index: usize) -> Set {
        let mut characters: Vec<char> = text(arguments, index).chars().collect();
        characters.sort_unstable();
        Set(characters)
    }

    fn has(&self, character: char) -> bool {
        self.0.binary_search(&character).is_ok()
    }
}

fn given<'a>(call: &Call<'a>, name: &str) -> Answer<'a> {
    let Value::Fields(fields) = &call.data else { return Ok(Value::Nil) };
    Ok(fields.given(name).unwrap_or_default())
}

fn own(functions: Functions) -> Functions {
    use Kind::{Int, String, Time};
    functions
        .with("__line__", &[], |call, _| given(call, "__line__"))
        .with("__timestamp__", &[], |call, _| given(call, "__timestamp__"))
        .with("ToLower", &[String], |call, arguments| call.text(texts::lower(text(arguments, 0))))
        .with("ToUpper", &[String], |call, arguments| call.text(texts::upper(text(arguments, 0))))
        .with("Replace", &[String, String, String, Int], |call, arguments| {
            let [of, old, new] = [0, 1, 2].map(|index| text(arguments, index));
            Ok(texts::replace(call, of, old, new, int(arguments, 3))?.into())
        })
        .with("Trim", &[String, String], |_, arguments| {
            let set = Set::of(arguments, 1);
            cut(&arguments[0], |text| text.trim_matches(|next| set.has(next)))
        })
        .with("TrimLeft", &[String, String], |_, arguments| {
            let set = Set::of(arguments, 1);
            cut(&arguments[0], |text| text.trim_start_matches(|next| set.has(next)))
        })
        .with("TrimRight", &[String, String], |_, arguments| {
            let set = Set::of(arguments, 1);
            cut(&arguments[0], |text| text.trim_end_matches(|next| set.has(next)))
        })
        .with("TrimPrefix", &[String, String], |_, arguments| {
            let prefix = text(arguments, 1);
            cut(&arguments[0], |text| text.strip_prefix(prefix).unwrap_or(text))
        })
        .with("TrimSuffix", &[String, String], |_, arguments| {
            let suffix = text(arguments, 1);
            cut(&arguments[0], |text| text.strip_suffix(suffix).unwrap_or(text))
        })
        .with("TrimSpace", &[String], |_, arguments| cut(&arguments[0], str::trim))
        .with("regexReplaceAll", &[String, String, String], |call, arguments| {
            let replacement = text(arguments, 2);
            replace_all(call, arguments, |found, output| pattern::expand(replacement, found, output))
        })
        .with("regexReplaceAllLiteral", &[String, String, String], |call, arguments| {
            let replacement = text(arguments, 2);
            replace_all(call, arguments, |_, output| output.push_str(replacement))
        })
        .with("count", &[String, String], |call, arguments| {
            let whole = text(arguments, 1);
            let regex = call.patterns.for_text(call, text(arguments, 0), whole)?;
            let mut count = 0;
            for found in regex.find_iter(whole) {
                call.step(steps_behind(whole, found.end()))?;
                count += 1;
            }
            Ok(Value::Int(count))
        })
        .with("urldecode", &[String], |call, arguments| call.text(escape::url_unquery(text(arguments, 0))?))
        .with("urlencode", &[String], |call, arguments| call.text(escape::url_query(text(arguments, 0))))
        .with("bytes", &[String], |_, arguments| bytes(text(arguments, 0)).map(Value::Float))
        .with("duration", &[String], |_, arguments| seconds(text(arguments, 0)))
        .with("duration_seconds", &[String], |_, arguments| seconds(text(arguments, 0)))
        .with("unixEpochMillis", &[Time], |_, arguments| {
            Ok(instant(arguments).nanoseconds().div_euclid(1_000_000).to_string().into())
        })
        .with("unixEpochNanos", &[Time], |_, arguments| Ok(instant(arguments).nanoseconds().to_string().into()))
        .with("toDateInZone", &[String, String, String], |_, arguments| {
            let zone = Zone::load(text(arguments, 1)).unwrap_or(Zone::Utc);
            let time = crate::Time::parse(text(arguments, 0), text(arguments, 2), &zone);
            Ok(Value::Time(time.unwrap_or_else(|_| crate::Time::zero())))
        })
        .with("unixToTime", &[String], |_, arguments| unix_to_time(text(arguments, 0)).map(Value::Time))
        .with("alignLeft", &[Int, String], |call, arguments| {
            Ok(texts::align_left(call, int(arguments, 0), text(arguments, 1))?.into())
        })
        .with("alignRight", &[Int, String], |call, arguments| {
            Ok(texts::align_right(call, int(arguments, 0), text(arguments, 1))?.into())
        })
}

fn replace_all<'a>(
    call: &Call<'a>,
    arguments: &[Value<'a>],
    replace: impl Fn(&regex::Captures<'_>, &mut String),
) -> Answer<'a> {
    let whole = text(arguments, 1);
    let regex = call.patterns.for_text(call, text(arguments, 0), whole)?;
    let mut output = String::new();
    let mut end = 0;
    for found in regex.captures_iter(whole) {
        let Some(matched) = found.get(0) else { continue };
        output.push_str(&whole[end..matched.start()]);
        replace(&found, &mut output);
        end = matched.end();
        call.text_still_fits(output.len())?;
        call.step(steps_behind(whole, end))?;
    }
    if end == 0 && output.is_empty() {
        return Ok(arguments[1].clone());
    }
    output.push_str(&whole[end..]);
    call.text(output)
}

/// To find a match, all that is behind the one before may have to be looked at.
fn steps_behind(whole: &str, end: usize) -> u64 {
    1 + (whole.len() - end) as u64 / 512
}

fn texts_of_sprig(functions: Functions) -> Functions {
    use Kind::{Any, Int, String};
    functions
        .with("b64enc", &[String], |call, arguments| call.text(texts::base64_encoded(text(arguments, 0))))
        .with("b64dec", &[String], |call, arguments| call.text(texts::base64_decoded(text(arguments, 0))))
        .with("lower", &[String], |call, arguments| call.text(texts::lower(text(arguments, 0))))
        .with("upper", &[String], |call, arguments| call.text(texts::upper(text(arguments, 0))))
        .with("title", &[String], |call, arguments| call.text(texts::title(text(arguments, 0))))
        .with("trunc", &[Int, String], |_, arguments| {
            let count = int(arguments, 0);
            cut(&arguments[1], |text| texts::trunc(count, text))
        })
        .with("substr", &[Int, Int, String], |_, arguments| {
            let (from, to) = (int(arguments, 0), int(arguments, 1));
            try_cut(&arguments[2], |text| texts::substr(from, to, text))
        })
        .with("contains", &[String, String], |_, arguments| Ok(text(arguments, 1).contains(text(arguments, 0)).into()))
        .with("hasPrefix", &[String, String], |_, arguments| {
            Ok(text(arguments, 1).starts_with(text(arguments, 0)).into())
        })
        .with("hasSuffix", &[String, String], |_, arguments| {
            Ok(text(arguments, 1).ends_with(text(arguments, 0)).into())
        })
        .with("indent", &[Int, String], |call, arguments| {
            Ok(texts::indent(call, int(arguments, 0), text(arguments, 1))?.into())
        })
        .with("nindent", &[Int, String], |call, arguments| {
            let indented = texts::indent(call, int(arguments, 0), text(arguments, 1))?;
            Ok(format!("\n{indented}").into())
        })
        .with("replace", &[String, String, String], |call, arguments| {
            let [old, new, of] = [0, 1, 2].map(|index| text(arguments, index));
            Ok(texts::replace(call, of, old, new, -1)?.into())
        })
        .with("repeat", &[Int, String], |call, arguments| {
            Ok(texts::repeat(call, int(arguments, 0), text(arguments, 1))?.into())
        })
        .with("trim", &[String], |_, arguments| cut(&arguments[0], str::trim))
        .with("trimAll", &[String, String], |_, arguments| {
            let set = Set::of(arguments, 0);
            cut(&arguments[1], |text| text.trim_matches(|next| set.has(next)))
        })
        .with("trimPrefix", &[String, String], |_, arguments| {
            let prefix = text(arguments, 0);
            cut(&arguments[1], |text| text.strip_prefix(prefix).unwrap_or(text))
        })
        .with("trimSuffix", &[String, String], |_, arguments| {
            let suffix = text(arguments, 0);
            cut(&arguments[1], |text| text.strip_suffix(suffix).unwrap_or(text))
        })
        .with("fromJson", &[String], |call, arguments| {
            let json = text(arguments, 0);
            call.step(json.len() as u64 / 8)?;
            Ok(serde_json::from_str::<serde_json::Value>(json).map(Value::from).unwrap_or_default())
        })
        .with_rest("default", &[Any], Any, |_, arguments| match arguments {
            [default, given, ..] => Ok(if is_empty(given) { default } else { given }.clone()),
            [default] => Ok(default.clone()),
            [] => Ok(Value::Nil),
        })
}

/// A zero, or nothing in it. A time never is.
fn is_empty(value: &Value<'_>) -> bool {
    !value.is_true()
}

fn numeric(functions: Functions) -> Functions {
    use Kind::{Any, Float, Int};
    use numbers::{to_float, to_int};
    functions
        .with("int", &[Any], |_, arguments| Ok(Value::Int(to_int(&arguments[0]))))
        .with("float64", &[Any], |_, arguments| Ok(Value::Float(to_float(&arguments[0]))))
        .with_rest("add", &[], Any, |_, arguments| Ok(reckoned(arguments, i64::wrapping_add)))
        .with("sub", &[Any, Any], |_, arguments| Ok(reckoned(arguments, i64::wrapping_sub)))
        .with_rest("mul", &[Any], Any, |_, arguments| Ok(reckoned(arguments, i64::wrapping_mul)))
        .with("div", &[Any, Any], |_, arguments| {
            numbers::divided(to_int(&arguments[0]), to_int(&arguments[1])).map(Value::Int)
        })
        .with("mod", &[Any, Any], |_, arguments| {
            numbers::remainder(to_int(&arguments[0]), to_int(&arguments[1])).map(Value::Int)
        })
        .with_rest("addf", &[], Any, |_, arguments| decimal(0.0, arguments, Operation::Add))
        .with_rest("subf", &[Any], Any, |_, arguments| {
            decimal(to_float(&arguments[0]), &arguments[1..], Operation::Sub)
        })
        .with_rest("mulf", &[Any], Any, |_, arguments| {
            decimal(to_float(&arguments[0]), &arguments[1..], Operation::Mul)
        })
        .with_rest("divf", &[Any], Any, |_, arguments| {
            decimal(to_float(&arguments[0]), &arguments[1..], Operation::Div)
        })
        .with_rest("max", &[Any], Any, |_, arguments| Ok(reckoned(arguments, i64::max)))
        .with_rest("min", &[Any], Any, |_, arguments| Ok(reckoned(arguments, i64::min)))
        .with_rest("maxf", &[Any], Any, |_, arguments| Ok(reckoned_float(arguments, larger)))
        .with_rest("minf", &[Any], Any, |_, arguments| Ok(reckoned_float(arguments, smaller)))
        .with("ceil", &[Any], |_, arguments| Ok(Value::Float(to_float(&arguments[0]).ceil())))
        .with("floor", &[Any], |_, arguments| Ok(Value::Float(to_float(&arguments[0]).floor())))
        .with_rest("round", &[Any, Int], Float, |_, arguments| {
            let on = arguments.get(2).map_or(0.5, to_float);
            Ok(Value::Float(numbers::round(to_float(&arguments[0]), int(arguments, 1), on)))
        })
}

fn reckoned<'a>(arguments: &[Value<'a>], reckon: fn(i64, i64) -> i64) -> Value<'a> {
    Value::Int(arguments.iter().map(numbers::to_int).reduce(reckon).unwrap_or(0))
}

fn reckoned_float<'a>(arguments: &[Value<'a>], reckon: fn(f64, f64) -> f64) -> Value<'a> {
    Value::Float(arguments.iter().map(numbers::to_float).reduce(reckon).unwrap_or(0.0))
}

/// To Go one that is no number is the answer.
fn larger(one: f64, other: f64) -> f64 {
    if one.is_nan() || other.is_nan() { f64::NAN } else { one.max(other) }
}

fn smaller(one: f64, other: f64) -> f64 {
    if one.is_nan() || other.is_nan() { f64::NAN } else { one.min(other) }
}

fn decimal<'a>(first: f64, others: &[Value<'a>], operation: Operation) -> Answer<'a> {
    let others: Vec<f64> = others.iter().map(numbers::to_float).collect();
    calculate(first, &others, operation).map(Value::Float)
}

fn times(functions: Functions) -> Functions {
    use Kind::{Any, String, Time};
    functions
        .with("now", &[], |call, _| Ok(Value::Time(crate::Time::from_nanoseconds(call.now))))
        .with("date", &[String, Any], |call, arguments| {
            let time = match &arguments[1] {
                Value::Time(time) => time.clone(),
                Value::Int(seconds) => crate::Time::new(*seconds, 0),
                _ => crate::Time::from_nanoseconds(call.now),
            };
            call.text(time.with_zone(Zone::Utc).format(text(arguments, 0)))
        })
        .with("toDate", &[String, String], |_, arguments| {
            let time = crate::Time::parse(text(arguments, 0), text(arguments, 1), &Zone::Utc);
            Ok(Value::Time(time.unwrap_or_else(|_| crate::Time::zero())))
        })
        .with("unixEpoch", &[Time], |_, arguments| Ok(instant(arguments).seconds().to_string().into()))
}

fn instant(arguments: &[Value<'_>]) -> Time {
    match arguments.first() {
        Some(Value::Time(time)) => time.clone(),
        _ => Time::zero(),
    }
}

fn seconds<'a>(text: &str) -> Answer<'a> {
    duration::parse_strict(text).map(|nanos| Value::Float(nanos as f64 / 1e9))
}

/// By how many digits there are: days, seconds, milliseconds, microseconds or nanoseconds since 1970.
fn unix_to_time(text: &str) -> Result<Time, String> {
    let wrong = |why: &str| format!("unable to parse time '{text}': {why}");
    let number: i64 = text.parse().map_err(|_| wrong("it is no integer"))?;
    let scaled = |unit: i64| Time::from_nanoseconds(number.saturating_mul(unit));
    match text.len() {
        5 => Ok(Time::new(number * 86_400, 0)),
        10 => Ok(Time::new(number, 0)),
        13 => Ok(scaled(1_000_000)),
        16 => Ok(scaled(1_000)),
        19 => Ok(scaled(1)),
        _ => Err(wrong("it has neither 5, 10, 13, 16 nor 19 digits")),
    }
}

/// `5 kB`, `1.5GiB`, `3`: with or without a space, in any case.
fn bytes(text: &str) -> Result<f64, String> {
    let end = text.find(|next: char| !next.is_ascii_digit() && !matches!(next, '.' | ',')).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let digits = digits.replace(',', "");
    let number = crate::number::float(&digits)
        .ok_or_else(|| format!("strconv.ParseFloat: parsing {}: invalid syntax", quote::quote(&digits)))?;
    let unit = unit.trim().to_lowercase();
    let power = |prefix: &str| ["", "k", "m", "g", "t", "p", "e"].iter().position(|known| *known == prefix);
    let short = unit.strip_suffix('b').unwrap_or(&unit);
    let factor = match short.strip_suffix('i') {
        Some(prefix) if !prefix.is_empty() => power(prefix).map(|power| 1024_f64.powi(power as i32)),
        _ => power(short).map(|power| 1000_f64.powi(power as i32)),
    };
    let factor = factor.ok_or_else(|| format!("unhandled size name: {unit}"))?;
    let value = number * factor;
    match value >= u64::MAX as f64 {
        true => Err(format!("too large: {text}")),
        false => Ok(value.trunc()),
    }
}
