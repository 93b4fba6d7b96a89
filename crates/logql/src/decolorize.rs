//! Lines without the codes that colour them on terminals.
//!
//! Source: ECMA-48, 5.4 (control sequences) and 5.6 (control strings).

use std::borrow::Cow;

use memchr::memchr2;

const ESCAPE: u8 = 0x1b;
/// The control sequence introducer as one character, U+009B, and what it is in UTF-8.
const INTRODUCER: [u8; 2] = [0xc2, 0x9b];

/// The line without escape sequences. One that has no end stays.
pub fn decolorized(line: &str) -> Cow<'_, str> {
    let bytes = line.as_bytes();
    let mut plain = String::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(found) = memchr2(ESCAPE, INTRODUCER[0], &bytes[at..]) {
        let start = at + found;
        at = start + 1;
        let Some(length) = sequence(&bytes[start..]) else { continue };
        plain.push_str(line.get(copied..start).unwrap_or_default());
        at = start + length;
        copied = at;
    }
    if copied == 0 {
        return Cow::Borrowed(line);
    }
    plain.push_str(line.get(copied..).unwrap_or_default());
    Cow::Owned(plain)
}

/// The length of the sequence that the bytes begin with.
fn sequence(bytes: &[u8]) -> Option<usize> {
    if bytes.starts_with(&INTRODUCER) {
        return control(bytes, 2);
    }
    match bytes.get(1)? {
        _ if bytes[0] != ESCAPE => None,
        b'[' => control(bytes, 2),
        b']' | b'P' | b'X' | b'^' | b'_' => string(bytes),
        b' '..=b'/' => {
            let intermediate = bytes[1..].iter().take_while(|byte| matches!(byte, b' '..=b'/')).count();
            let last = bytes.get(1 + intermediate)?;
            matches!(last, b'0'..=b'~').then_some(2 + intermediate)
        }
        b'0'..=b'~' => Some(2),
        _ => None,
    }
}

/// Parameters, intermediate bytes and a final one, from `start` on.
fn control(bytes: &[u8], start: usize) -> Option<usize> {
    let parameters = bytes[start..].iter().take_while(|byte| matches!(byte, b'0'..=b'?')).count();
    let rest = &bytes[start + parameters..];
    let intermediate = rest.iter().take_while(|byte| matches!(byte, b' '..=b'/')).count();
    matches!(rest.get(intermediate)?, b'@'..=b'~').then_some(start + parameters + intermediate + 1)
}

/// Up to a bell or `ESC \`.
fn string(bytes: &[u8]) -> Option<usize> {
    let end = memchr2(0x07, ESCAPE, &bytes[2..])? + 2;
    match bytes[end] {
        0x07 => Some(end + 1),
        _ => (bytes.get(end + 1) == Some(&b'\\')).then_some(end + 2),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn colours_are_taken_away() {
        for (line, expected) in [
            ("", ""),
            ("plain é", "plain é"),
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}[1;38;5;200mx\u{1b}[my", "xy"),
            ("\u{9b}31mred\u{9b}0m", "red"),
            ("a\u{1b}[2Kb\u{1b}[?25hc", "abc"),
            ("\u{1b}]8;;http://x\u{7}link\u{1b}]8;;\u{1b}\\", "link"),
            ("\u{1b}(Bx\u{1b}7y\u{1b}cz", "xyz"),
            ("é\u{1b}[31mé", "éé"),
            ("\u{1b}", "\u{1b}"),
            ("\u{1b}[31", "\u{1b}[31"),
            ("\u{1b}[31é", "\u{1b}[31é"),
            ("\u{1b}é", "\u{1b}é"),
            ("\u{1b}]no end", "\u{1b}]no end"),
            ("\u{a9}\u{1b}[0m©", "©©"),
        ] {
            assert_eq!(decolorized(line), expected, "{line:?}");
        }
        assert!(matches!(decolorized("plain © text"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn coloured_words_are_the_words(words in prop::collection::vec(("[^\u{1b}\u{9b}]{0,5}", 0_u8..110), 0..6)) {
            let coloured: String = words.iter().map(|(word, code)| format!("\u{1b}[{code}m{word}\u{1b}[0m")).collect();
            let plain: String = words.iter().map(|(word, _)| word.as_str()).collect();
            prop_assert_eq!(decolorized(&coloured), plain);
        }

        #[test]
        fn any_text_is_survived(line in "[\u{1b}\u{9b}\u{7}\\[\\];0-9mé\\\\]{0,30}") {
            prop_assert!(decolorized(&line).len() <= line.len());
        }
    }
}
