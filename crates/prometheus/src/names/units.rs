//! Units in words: OpenTelemetry writes them in the case-sensitive symbols of UCUM (`By/s`), Prometheus as words (`bytes_per_second`).
//!
//! The tables are those of Prometheus' `otlptranslator`, oddities included: metrics must have the names that they have there.

/// The words for a unit: what it is, and per what it is (`per_second`), each empty where there is none.
///
/// Parts with braces are annotations (`{request}`) and have no words.
pub fn words(unit: &str) -> (&str, Option<String>) {
    let (of, per) = match unit.split_once('/') {
        Some((of, per)) => (of, per),
        None => (unit, ""),
    };
    let per = Some(per.trim()).filter(|per| is_unit(per)).map(|per| format!("per_{}", per_word(per)));
    (Some(of.trim()).filter(|of| is_unit(of)).map_or("", word), per)
}

fn is_unit(text: &str) -> bool {
    !text.is_empty() && !text.contains(['{', '}'])
}

fn word(unit: &str) -> &str {
    match unit {
        "d" => "days",
        "h" => "hours",
        "min" => "minutes",
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "ns" => "nanoseconds",
        "By" => "bytes",
        "KiBy" => "kibibytes",
        "MiBy" => "mebibytes",
        "GiBy" => "gibibytes",
        "TiBy" => "tibibytes",
        "KBy" => "kilobytes",
        "MBy" => "megabytes",
        "GBy" => "gigabytes",
        "TBy" => "terabytes",
        "m" => "meters",
        "V" => "volts",
        "A" => "amperes",
        "J" => "joules",
        "W" => "watts",
        "g" => "grams",
        "Cel" => "celsius",
        "Hz" => "hertz",
        "1" => "",
        "%" => "percent",
        other => other,
    }
}

fn per_word(unit: &str) -> &str {
    match unit {
        "s" => "second",
        "m" => "minute",
        "h" => "hour",
        "d" => "day",
        "w" => "week",
        "mo" => "month",
        "y" => "year",
        other => other,
    }
}
