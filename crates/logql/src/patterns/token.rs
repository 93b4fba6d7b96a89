//! Lines cut into words and what stands between them.

/// A piece of a line or of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'l> {
    /// Never empty.
    Word(&'l str),
    /// Spaces and punctuation, all up to the next word.
    Between(&'l str),
    /// Of a template: a word that is not the same in all its lines.
    Gap,
    /// What of a line is not looked at.
    Tail,
}

/// All of the line: its tokens one after the other are the line.
pub(super) fn cut(line: &str, most_tokens: usize, most_bytes: usize) -> Vec<Token<'_>> {
    let looked_at = &line[..line.floor_char_boundary(most_bytes)];
    let mut tokens = Vec::new();
    let mut rest = looked_at;
    while let Some(first) = rest.chars().next() {
        if tokens.len() == most_tokens {
            break;
        }
        let is_word = is_of_word(first);
        let end = rest.find(|character| is_of_word(character) != is_word).unwrap_or(rest.len());
        let (piece, behind) = rest.split_at(end);
        tokens.push(if is_word { Token::Word(piece) } else { Token::Between(piece) });
        rest = behind;
    }
    if !rest.is_empty() || looked_at.len() < line.len() {
        tokens.push(Token::Tail);
    }
    tokens
}

/// Addresses, paths, times and names with dots and dashes are words.
fn is_of_word(character: char) -> bool {
    match character.is_ascii() {
        true => character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.' | ':' | '/'),
        false => !character.is_whitespace(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut() {
        use Token::{Between, Tail, Word};
        for (line, expected) in [
            ("", vec![]),
            ("a", vec![Word("a")]),
            ("a=1, b", vec![Word("a"), Between("="), Word("1"), Between(", "), Word("b")]),
            (" [10.0.0.1:80] ", vec![Between(" ["), Word("10.0.0.1:80"), Between("] ")]),
            ("é\u{a0}/a-b", vec![Word("é"), Between("\u{a0}"), Word("/a-b")]),
            ("a b c d e f g", vec![Word("a"), Between(" "), Word("b"), Between(" "), Word("c"), Between(" "), Tail]),
            ("a bcdefghijklmnéo", vec![Word("a"), Between(" "), Word("bcdefghijklmn"), Tail]),
        ] {
            assert_eq!(cut(line, 6, 16), expected, "{line}");
        }
    }
}
