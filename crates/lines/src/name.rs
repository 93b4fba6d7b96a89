//! Names of fields as names of labels.

use std::borrow::Cow;

/// `[a-zA-Z0-9_]`, each other character as `_`, spaces around it left out; in front of a digit at the start stands `_`.
pub fn sanitised(key: &str) -> Cow<'_, str> {
    if is_sane(key) && !starts_with_digit(key) {
        return Cow::Borrowed(key);
    }
    let mut name = String::with_capacity(key.len() + 1);
    push_sanitised(&mut name, key);
    Cow::Owned(name)
}

/// Appends [`sanitised`]; a digit needs nothing in front of it where the name has a beginning already.
pub(super) fn push_sanitised(name: &mut String, key: &str) {
    let is_sane = is_sane(key);
    let key = if is_sane { key } else { key.trim() };
    if name.is_empty() && starts_with_digit(key) {
        name.push('_');
    }
    if is_sane {
        return name.push_str(key);
    }
    name.extend(key.chars().map(|character| if is_sane_character(character) { character } else { '_' }));
}

pub(super) fn is_sane(key: &str) -> bool {
    key.bytes().all(|byte| SANE[usize::from(byte)])
}

/// Every key of every line is looked at.
const SANE: [bool; 256] = {
    let mut sane = [false; 256];
    let mut byte = 0;
    while byte < sane.len() {
        sane[byte] = (byte as u8).is_ascii_alphanumeric() || byte as u8 == b'_';
        byte += 1;
    }
    sane
};

pub(super) fn starts_with_digit(key: &str) -> bool {
    key.as_bytes().first().is_some_and(u8::is_ascii_digit)
}

fn is_sane_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_letters_digits_and_underscores() {
        for (key, name) in [
            ("level", "level"),
            ("http.status-code", "http_status_code"),
            ("größe", "gr__e"),
            ("1st", "_1st"),
            (" a b ", "a_b"),
            ("", ""),
            ("  ", ""),
            ("_", "_"),
            ("日", "_"),
        ] {
            assert_eq!(sanitised(key), name, "{key:?}");
        }
        let mut nested = "a_".to_owned();
        push_sanitised(&mut nested, "1 b");
        assert_eq!(nested, "a_1_b");
    }
}
