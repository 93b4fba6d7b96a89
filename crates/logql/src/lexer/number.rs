//! Numbers, and lengths of time and sizes, which are numbers with a unit.

use trefoil_go::duration;

use super::Kind;

/// Whether a number, a length of time or a size begins here. A minus sign belongs to lengths of time alone.
pub fn begins(text: &str) -> bool {
    let is_digit = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    match text.strip_prefix('-') {
        Some(behind) => negative_duration(behind).is_some(),
        None => is_digit(text.strip_prefix('.').unwrap_or(text)),
    }
}

/// What begins here, and its length in bytes.
pub fn scan(text: &str) -> Result<(Kind, usize), &'static str> {
    if let Some(behind) = text.strip_prefix('-') {
        let (nanos, length) = negative_duration(behind).ok_or("syntax error: unexpected -")?;
        return Ok((Kind::Duration(nanos), length + 1));
    }
    let number = number_length(text)?;
    let with_unit = |is_of_unit: fn(char) -> bool| {
        let of_unit = text[number..].find(|c: char| !is_of_unit(c) && !c.is_numeric() && c != '.');
        let end = of_unit.map_or(text.len(), |length| number + length);
        (end > number).then_some(end)
    };
    if let Some(end) = with_unit(is_of_duration)
        && let Some(nanos) = duration::parse(&text[..end])
    {
        return Ok((Kind::Duration(nanos), end));
    }
    if let Some(end) = with_unit(is_of_size)
        && let Some(bytes) = size(&text[..end])
    {
        return Ok((Kind::Bytes(bytes), end));
    }
    Ok((Kind::Number(text[..number].to_owned()), number))
}

/// Behind the sign.
fn negative_duration(text: &str) -> Option<(i64, usize)> {
    let end = text.find(|c: char| !is_of_duration(c) && !c.is_numeric() && c != '.').unwrap_or(text.len());
    let nanos = duration::parse(&text[..end])?;
    Some((-nanos, end))
}

fn is_of_duration(c: char) -> bool {
    matches!(c, 'n' | 'u' | 'µ' | 'μ' | 'm' | 's' | 'h' | 'd' | 'w' | 'y')
}

/// Exabytes and more are left out, as they do not fit into 64 bits.
fn is_of_size(c: char) -> bool {
    matches!(c, 'B' | 'i' | 'k' | 'K' | 'M' | 'G' | 'T' | 'P')
}

fn size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(digits);
    let unit = match unit.to_ascii_lowercase().as_str() {
        "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "t" | "tb" => 1_000_000_000_000,
        "p" | "pb" => 1_000_000_000_000_000,
        "ki" | "kib" => 1 << 10,
        "mi" | "mib" => 1 << 20,
        "gi" | "gib" => 1 << 30,
        "ti" | "tib" => 1 << 40,
        "pi" | "pib" => 1_u64 << 50,
        _ => return None,
    };
    let bytes = number.parse::<f64>().ok()? * unit as f64;
    (bytes < u64::MAX as f64).then_some(bytes as u64)
}

/// Go's decimal, hexadecimal, octal and binary numbers.
fn number_length(text: &str) -> Result<usize, &'static str> {
    let run = |from: usize, is_part: fn(char) -> bool| {
        text[from..].find(|c: char| !is_part(c)).map_or(text.len(), |length| from + length)
    };
    let exponent = |at: usize, letters: [char; 2]| {
        if !text[at..].starts_with(letters) {
            return Ok(at);
        }
        let from = at + 1 + usize::from(text[at + 1..].starts_with(['+', '-']));
        match run(from, |c| c.is_ascii_digit() || c == '_') {
            end if end == from => Err("exponent has no digits"),
            end => Ok(end),
        }
    };
    if text.starts_with("0x") || text.starts_with("0X") {
        let end = run(2, |c| c.is_ascii_hexdigit() || c == '_' || c == '.');
        return exponent(end, ['p', 'P']);
    }
    if text.starts_with("0o") || text.starts_with("0b") {
        return Ok(run(2, |c| c.is_ascii_digit() || c == '_'));
    }
    let is_digit = |c: char| c.is_ascii_digit() || c == '_';
    let mut end = run(0, is_digit);
    if text[end..].starts_with('.') {
        end = run(end + 1, is_digit);
    }
    exponent(end, ['e', 'E'])
}
