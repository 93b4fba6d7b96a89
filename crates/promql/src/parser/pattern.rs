//! What Prometheus says of a regular expression that is none.

/// Of what Go is given to read: anchored, and `.` matches line ends.
pub(super) fn error(pattern: &str, error: &regex::Error) -> String {
    trefoil_go::pattern::explain(&format!("^(?s:{pattern})$"), error)
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
