//! Where in a query an error is.

/// Characters of a line that are shown around the place.
const SHOWN: usize = 100;

/// The server's message with the place marked below the query's line; `None` for an error that has no place.
pub fn shown(message: &str, query: &str) -> Option<String> {
    let message = message.strip_prefix("invalid parameter \"query\": ").unwrap_or(message);
    let (place, reason) = message.split_once(": parse error: ")?;
    let (line, column) = place.split_once(':')?;
    let text = query.split('\n').nth(line.parse::<usize>().ok()?.checked_sub(1)?)?;
    let column = column.parse::<usize>().ok()?.checked_sub(1)?;
    // Columns count bytes.
    let before = text.get(..column.min(text.len()))?.chars().count();
    let from = if text.chars().count() <= SHOWN { 0 } else { before.saturating_sub(SHOWN / 2) };
    let plain = |character: char| if character.is_control() { ' ' } else { character };
    let excerpt: String = text.chars().map(plain).skip(from).take(SHOWN).collect();
    let caret = " ".repeat(before - from);
    Some(format!("parse error: {reason}\n  {}\n  {caret}^", excerpt.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_marked() {
        let message = "invalid parameter \"query\": 1:7: parse error: unexpected \"b\"";
        assert_eq!(shown(message, "sum(a b)").unwrap(), "parse error: unexpected \"b\"\n  sum(a b)\n        ^");
        assert_eq!(
            shown("2:9: parse error: x", "é +\n\"é\" + (y").unwrap(),
            "parse error: x\n  \"é\" + (y\n         ^"
        );
        assert_eq!(shown("1:4: parse error: end", "a +").unwrap(), "parse error: end\n  a +\n     ^");
        let long = format!("{} b", "a".repeat(300));
        let text = shown("1:302: parse error: x", &long).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1].chars().nth(lines[2].chars().count() - 1), Some('b'));
    }

    #[test]
    fn what_has_no_place_has_none() {
        assert_eq!(shown("query timed out in expression evaluation", "up"), None);
        assert_eq!(shown("invalid parameter \"query\": unknown position: parse error: no expression", ""), None);
        assert_eq!(shown("9:9: parse error: x", "up"), None);
    }
}
