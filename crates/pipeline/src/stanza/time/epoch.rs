//! Numbers since the epoch.

use crate::stanza::value::Value;

/// What one is, and whether decimals are what is left of a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    nanos: i128,
    /// Nanoseconds that one of the number behind the point stands for, as in `1136214245.123`.
    part: Option<i128>,
}

const UNITS: [(&str, Unit); 7] = [
    ("s", Unit { nanos: 1_000_000_000, part: None }),
    ("ms", Unit { nanos: 1_000_000, part: None }),
    ("us", Unit { nanos: 1000, part: None }),
    ("ns", Unit { nanos: 1, part: None }),
    ("s.ms", Unit { nanos: 1_000_000_000, part: Some(1_000_000) }),
    ("s.us", Unit { nanos: 1_000_000_000, part: Some(1000) }),
    ("s.ns", Unit { nanos: 1_000_000_000, part: Some(1) }),
];

impl std::str::FromStr for Unit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = UNITS.iter().find(|(name, _)| *name == text).map(|(_, unit)| *unit);
        found.ok_or_else(|| format!("`{text}` is no unit of an epoch; known are s, ms, us, ns, s.ms, s.us and s.ns"))
    }
}

impl Unit {
    /// Nanoseconds since the epoch.
    pub fn read(self, value: &Value) -> Result<i128, String> {
        match value {
            Value::Int(number) => Ok(i128::from(*number) * self.nanos),
            Value::Double(number) if !number.is_finite() => Err("it is no number".to_owned()),
            Value::Double(number) => match self.part {
                None => Ok(number.trunc() as i128 * self.nanos),
                // As many decimals as the layout says, rounded.
                Some(part) => {
                    let parts = (number * (1_000_000_000 / part) as f64).round();
                    Ok((parts as i128).saturating_mul(part))
                }
            },
            Value::String(text) => self.read_text(text.trim()),
            other => Err(format!("{} is not a time since the epoch", other.kind())),
        }
    }

    fn read_text(self, text: &str) -> Result<i128, String> {
        let wrong = || format!("`{text}` is not a time since the epoch in this layout");
        let number = |text: &str| text.parse::<i64>().map(i128::from).map_err(|_| wrong());
        let Some(part) = self.part else { return Ok(number(text)? * self.nanos) };
        let (seconds, rest) = text.split_once('.').ok_or_else(wrong)?;
        if !rest.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        Ok(number(seconds)? * self.nanos + number(rest)? * part)
    }
}
