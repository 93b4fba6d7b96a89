//! Texts. Where sprig counts bytes these count characters, so that none is broken.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::functions::Call;

/// Go maps single characters: what would become two stays as it is.
fn mapped(character: char, mut to: impl ExactSizeIterator<Item = char>) -> char {
    match (to.len(), to.next()) {
        (1, Some(mapped)) => mapped,
        _ => character,
    }
}

pub(crate) fn upper(text: &str) -> String {
    text.chars().map(|character| mapped(character, character.to_uppercase())).collect()
}

pub(crate) fn lower(text: &str) -> String {
    // There is one that becomes two: a dotted I, of which Go keeps the letter.
    text.chars().map(|character| character.to_lowercase().next().unwrap_or(character)).collect()
}

/// The first letter of each word.
pub(crate) fn title(text: &str) -> String {
    let mut within_word = false;
    text.chars()
        .map(|character| {
            let titled = if within_word { character } else { mapped(character, character.to_uppercase()) };
            // Underscores, letters and digits are within words, and so is what is not ASCII and no space.
            within_word = match character {
                '_' => true,
                other if other.is_ascii() => other.is_ascii_alphanumeric(),
                other => other.is_alphanumeric() || !other.is_whitespace(),
            };
            titled
        })
        .collect()
}

/// The first ones, or with a negative count the last ones.
pub(crate) fn trunc(count: i64, text: &str) -> &str {
    let most = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if count >= 0 {
        return text.char_indices().nth(most).map_or(text, |(end, _)| &text[..end]);
    }
    let start = text.char_indices().rev().nth(most - 1);
    start.map_or(text, |(start, _)| &text[start..])
}

/// From the first place up to the second; one that is negative is none. The errors are Go's for slices.
pub(crate) fn substr(from: i64, to: i64, text: &str) -> Result<&str, String> {
    let length = text.chars().count() as i64;
    let out = |what: String| Err(format!("runtime error: slice bounds out of range [{what}]"));
    let start = from.max(0);
    let end = match to {
        _ if from < 0 => to,
        to if to < 0 || to > length => length,
        to => to,
    };
    if end > length {
        return out(format!(":{end}")).map_err(|error: String| format!("{error} with length {length}"));
    }
    if end < 0 {
        return out(format!(":{end}"));
    }
    if start > end {
        return out(format!("{start}:{end}"));
    }
    let place = |at: i64| text.char_indices().nth(at as usize).map_or(text.len(), |(at, _)| at);
    Ok(&text[place(start)..place(end)])
}

pub(crate) fn repeat(call: &Call<'_>, count: i64, text: &str) -> Result<String, String> {
    let Ok(count) = usize::try_from(count) else { return Err("strings: negative Repeat count".to_owned()) };
    call.text_fits(count.saturating_mul(text.len()))?;
    // Nothing, over and over, is nothing.
    Ok(if text.is_empty() { String::new() } else { text.repeat(count) })
}

/// Spaces in front of each line.
pub(crate) fn indent(call: &Call<'_>, spaces: i64, text: &str) -> Result<String, String> {
    let padding = repeat(call, spaces, " ")?;
    let lines = text.matches('\n').count() + 1;
    call.text_fits(padding.len().saturating_mul(lines).saturating_add(text.len()))?;
    Ok(format!("{padding}{}", text.replace('\n', &format!("\n{padding}"))))
}

/// A negative count is all of them.
pub(crate) fn replace(call: &Call<'_>, text: &str, old: &str, new: &str, count: i64) -> Result<String, String> {
    let most = usize::try_from(count).unwrap_or(usize::MAX);
    let found = text.matches(old).take(most).count();
    call.text_fits(found.saturating_mul(new.len()).saturating_add(text.len()))?;
    Ok(text.replacen(old, new, most))
}

/// Exactly so many characters: the first ones, or with spaces behind them.
pub(crate) fn align_left(call: &Call<'_>, count: i64, text: &str) -> Result<String, String> {
    match missing(call, count, text)? {
        Missing::Spaces(spaces) => Ok(format!("{text}{spaces}")),
        Missing::TooMany(extra) => Ok(trunc((text.chars().count() - extra) as i64, text).to_owned()),
    }
}

/// The last ones, or with spaces in front of them.
pub(crate) fn align_right(call: &Call<'_>, count: i64, text: &str) -> Result<String, String> {
    match missing(call, count, text)? {
        Missing::Spaces(spaces) => Ok(format!("{spaces}{text}")),
        Missing::TooMany(extra) => Ok(trunc_front(extra, text).to_owned()),
    }
}

enum Missing {
    Spaces(String),
    TooMany(usize),
}

/// A negative count is whatever there is.
fn missing(call: &Call<'_>, count: i64, text: &str) -> Result<Missing, String> {
    let length = text.chars().count();
    let count = usize::try_from(count).unwrap_or(length);
    if count < length {
        return Ok(Missing::TooMany(length - count));
    }
    call.text_fits((count - length).saturating_add(text.len()))?;
    Ok(Missing::Spaces(" ".repeat(count - length)))
}

fn trunc_front(dropped: usize, text: &str) -> &str {
    text.char_indices().nth(dropped).map_or("", |(start, _)| &text[start..])
}

pub(crate) fn base64_encoded(text: &str) -> String {
    STANDARD.encode(text)
}

/// What is wrong is the text that comes out. Bytes that are no UTF-8 become U+FFFD.
pub(crate) fn base64_decoded(text: &str) -> String {
    let written: String = text.chars().filter(|character| !matches!(character, '\r' | '\n')).collect();
    match STANDARD.decode(&written) {
        Ok(bytes) => {
            String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
        }
        Err(error) => {
            let at = match error {
                base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => at,
                base64::DecodeError::InvalidLength(length) => length / 4 * 4,
                base64::DecodeError::InvalidPadding => written.len(),
            };
            format!("illegal base64 data at input byte {at}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_not_broken() {
        assert_eq!(trunc(2, "äöü"), "äö");
        assert_eq!(trunc(-2, "äöü"), "öü");
        assert_eq!(trunc(-9, "äöü"), "äöü");
        assert_eq!(trunc(i64::MIN, "ä"), "ä");
        assert_eq!(substr(1, 2, "äöü"), Ok("ö"));
        assert_eq!(upper("straße é"), "STRAßE É");
        assert_eq!(lower("ÉΣİ"), "éσi");
    }
}
