//! What stands for text: of the body where it has no escapes.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// A text; a number or a truth value as it would be written; `null` is none.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Text<'a>(pub Option<Cow<'a, str>>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyText;

        impl<'de> Visitor<'de> for AnyText {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Text(None))
            }

            fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
                Ok(Text(Some(if flag { "true" } else { "false" }.into())))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Text(Some(number.to_string().into())))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
                Ok(Text(Some(number.to_string().into())))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
                Ok(Text(Some(number.to_string().into())))
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Some(text.into())))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Some(text.to_owned().into())))
            }
        }

        deserializer.deserialize_any(AnyText)
    }
}

/// The members of an object, in their order; those that are `null` are left out.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Pairs<'a>(pub Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyPairs;

        impl<'de> Visitor<'de> for AnyPairs {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Pairs::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(Text(name)) = object.next_key()? {
                    let name = name.ok_or_else(|| A::Error::custom("a member without a name"))?;
                    if let Text(Some(value)) = object.next_value()? {
                        pairs.push((name, value));
                    }
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_any(AnyPairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_escapes_is_copied() {
        let Pairs(pairs) = serde_json::from_str(r#"{"a": "plain", "\u00e9": "tab\there", "n": null}"#).unwrap();
        assert!(matches!(&pairs[0], (Cow::Borrowed("a"), Cow::Borrowed("plain"))));
        assert_eq!(pairs[1..], [("é".into(), "tab\there".into())]);
    }

    #[test]
    fn what_is_no_list_and_no_object_is_text() {
        for (json, text) in [("7", "7"), ("-0.5", "-0.5"), ("1e3", "1000"), ("true", "true"), ("\"x\"", "x")] {
            assert_eq!(serde_json::from_str::<Text>(json).unwrap(), Text(Some(text.into())), "{json}");
        }
        assert!(serde_json::from_str::<Text>("[]").is_err());
        assert!(serde_json::from_str::<Pairs>(r#"{"a": {}}"#).is_err());
    }
}
