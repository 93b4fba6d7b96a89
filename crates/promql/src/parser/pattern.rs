//! What Prometheus says of a regular expression that is none.

/// Our library describes errors in its own way, so the usual ones are told in Go's words.
pub(super) fn error(pattern: &str, error: &regex::Error) -> String {
    let described = error.to_string();
    // What Go is given to read: anchored, and `.` matches line ends.
    let anchored = format!("^(?s:{pattern})$");
    let reason = match described.lines().last().unwrap_or_default() {
        last if last.contains("unclosed group") => format!("missing closing ): `{anchored}`"),
        last if last.contains("unopened group") => format!("unexpected ): `{anchored}`"),
        last if last.contains("unclosed character class") => {
            let class = anchored.rfind('[').and_then(|start| anchored.get(start..)).unwrap_or_default();
            format!("missing closing ]: `{class}`")
        }
        last if last.contains("repetition operator missing expression") => {
            format!("missing argument to repetition operator: `{}`", first_repetition(pattern))
        }
        last => return format!("error parsing regexp: {}", last.trim_start_matches("error: ")),
    };
    format!("error parsing regexp: {reason}")
}

/// The first of `*`, `+` and `?` that has nothing in front of it to repeat.
fn first_repetition(pattern: &str) -> char {
    let mut previous = '(';
    for character in pattern.chars() {
        if matches!(character, '*' | '+' | '?') && matches!(previous, '(' | '|') {
            return character;
        }
        previous = character;
    }
    '*'
}

#[cfg(test)]
mod tests {
    use crate::matcher::{MatchOp, Matcher};

    #[test]
    fn usual_errors_are_in_the_words_of_go() {
        let cases = [
            ("(", "missing closing ): `^(?s:()$`"),
            (")", "unexpected ): `^(?s:))$`"),
            ("a|*b", "missing argument to repetition operator: `*`"),
            ("a[b", "missing closing ]: `[b)$`"),
        ];
        for (pattern, expected) in cases {
            let error = Matcher::new(MatchOp::Regex, "a", pattern).unwrap_err();
            assert_eq!(super::error(pattern, &error), format!("error parsing regexp: {expected}"));
        }
    }
}
