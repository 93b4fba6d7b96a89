//! A share of all requests, written `1%` or `0.01`.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Between 0 and 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Share(f64);

impl Share {
    pub const ALL: Share = Share(1.0);

    /// Whether this one is of the share: drawn by lot.
    pub fn hits(self) -> bool {
        fastrand::f64() < self.0
    }
}

impl TryFrom<f64> for Share {
    type Error = String;

    fn try_from(share: f64) -> Result<Self, String> {
        match (0.0..=1.0).contains(&share) {
            true => Ok(Self(share)),
            false => Err(format!("{share} is no share: it must be between 0 and 1 (0% and 100%)")),
        }
    }
}

impl From<Share> for f64 {
    fn from(share: Share) -> f64 {
        share.0
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, scale) = match text.strip_suffix('%') {
            Some(number) => (number, 100.0),
            None => (text, 1.0),
        };
        let number: f64 = number.trim().parse().map_err(|_| format!("{text:?} is no share; write it as 1% or 0.01"))?;
        Self::try_from(number / scale).map_err(|_| format!("{text:?} is not between 0% and 100%"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_and_fractions_are_the_same() {
        assert_eq!("1%".parse(), Ok(Share(0.01)));
        assert_eq!("0.01".parse(), Ok(Share(0.01)));
        assert_eq!("100%".parse(), Ok(Share::ALL));
        assert_eq!("0".parse(), Ok(Share::default()));
        for bad in ["", "%", "one", "-1%", "101%", "1.5", "NaN", "inf%", "1%%"] {
            assert!(bad.parse::<Share>().unwrap_err().contains(bad), "{bad}");
        }
    }

    #[test]
    fn all_and_nothing_are_certain() {
        assert!((0..1000).all(|_| Share::ALL.hits() && !Share::default().hits()));
    }
}
