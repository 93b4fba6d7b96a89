//! Names that are no classic ones, for readers that know only those: `escaping=` of the exposition formats.
//!
//! Source: Prometheus' "UTF-8 in Prometheus" proposal, "Text escaping"; `model.EscapeName` of its common library.

use std::borrow::Cow;
use std::fmt::Write as _;

/// How names are written for a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Escaping {
    /// Not at all; the reader knows names in quotes.
    AllowUtf8,
    /// Each character that does not fit becomes `_`.
    #[default]
    Underscores,
    /// `.` becomes `_dot_`, `_` becomes `__`, all else `__`.
    Dots,
    /// `U__`, and each character that does not fit as its code: `_2e_`.
    Values,
}

impl Escaping {
    pub const ALL: [Self; 4] = [Self::AllowUtf8, Self::Underscores, Self::Dots, Self::Values];

    /// As in `escaping=`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AllowUtf8 => "allow-utf-8",
            Self::Underscores => "underscores",
            Self::Dots => "dots",
            Self::Values => "values",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|escaping| escaping.as_str() == name)
    }

    /// A metric's or label's name as the reader gets it.
    pub fn escape(self, name: &str) -> Cow<'_, str> {
        let is_kept = self == Self::AllowUtf8 || name.is_empty();
        if is_kept || (self != Self::Dots && is_classic(name)) {
            return Cow::Borrowed(name);
        }
        let mut escaped = String::with_capacity(name.len() + 8);
        if self == Self::Values {
            escaped.push_str("U__");
        }
        for (index, c) in name.chars().enumerate() {
            let fits = c.is_ascii_alphabetic() || c == '_' || c == ':' || (index > 0 && c.is_ascii_digit());
            match self {
                Self::Underscores | Self::AllowUtf8 => escaped.push(if fits { c } else { '_' }),
                Self::Dots if c == '_' => escaped.push_str("__"),
                Self::Dots if c == '.' => escaped.push_str("_dot_"),
                Self::Dots if !fits => escaped.push_str("__"),
                Self::Values if c == '_' => escaped.push_str("__"),
                Self::Values if !fits => {
                    let _ = write!(escaped, "_{:x}_", u32::from(c));
                }
                Self::Dots | Self::Values => escaped.push(c),
            }
        }
        Cow::Owned(escaped)
    }
}

/// `[a-zA-Z_:][a-zA-Z0-9_:]*`: a metric's name that needs no quotes.
pub fn is_classic(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || byte == b':';
    let mut bytes = name.bytes();
    bytes.next().is_some_and(fits) && bytes.all(|byte| fits(byte) || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_for_their_reader() {
        for (name, underscores, dots, values) in [
            ("up", "up", "up", "up"),
            ("no:escaping_required", "no:escaping_required", "no:escaping__required", "no:escaping_required"),
            ("mysystem.prod.west", "mysystem_prod_west", "mysystem_dot_prod_dot_west", "U__mysystem_2e_prod_2e_west"),
            ("a.b_c", "a_b_c", "a_dot_b__c", "U__a_2e_b__c"),
            ("1x", "_x", "__x", "U___31_x"),
            ("hütte", "h_tte", "h__tte", "U__h_fc_tte"),
        ] {
            let written = [Escaping::Underscores, Escaping::Dots, Escaping::Values].map(|way| way.escape(name));
            assert_eq!(written, [underscores, dots, values], "{name}");
            assert_eq!(Escaping::AllowUtf8.escape(name), name);
        }
        for escaping in Escaping::ALL {
            assert_eq!(Escaping::from_name(escaping.as_str()), Some(escaping));
        }
    }
}
