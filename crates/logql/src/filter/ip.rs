//! Addresses: `ip("10.0.0.0/8")` of line filters and label filters.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use memchr::memchr;
use thiserror::Error;

/// All addresses of one version from a first to a last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpRange {
    version: Version,
    first: u128,
    last: u128,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    V4,
    V6,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{0:?} is neither an address (10.0.0.1) nor a network (10.0.0.0/8) nor a range of addresses (10.0.0.1-10.0.0.9)"
)]
pub struct IpError(String);

impl IpRange {
    /// An address, a network (whose address may have bits behind its prefix) or two addresses with a dash between them.
    pub fn parse(text: &str) -> Result<IpRange, IpError> {
        let wrong = || IpError(text.to_owned());
        let range = if let Some((address, bits)) = text.split_once('/') {
            network(address.trim(), bits.trim())
        } else if let Some((first, last)) = text.split_once('-') {
            between(first.trim(), last.trim())
        } else {
            between(text.trim(), text.trim())
        };
        range.ok_or_else(wrong)
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        let (version, number) = number(address);
        self.version == version && (self.first..=self.last).contains(&number)
    }

    /// Whether the text is an address of these. `None`: it is no address.
    pub fn is_address(&self, text: &str) -> Option<bool> {
        Some(self.contains(text.trim().parse().ok()?))
    }

    /// Whether an address of these stands anywhere in the line. Characters that are part of none may stand beside it without
    /// a space: `http://10.0.0.1:80/`, `[::1]:80`.
    pub fn is_in(&self, line: &str) -> bool {
        let bytes = line.as_bytes();
        // Most lines without an address are known by that.
        let separator = if self.version == Version::V4 { b'.' } else { b':' };
        if memchr(separator, bytes).is_none() {
            return false;
        }
        let mut at = 0;
        while let Some(found) = bytes[at..].iter().position(|byte| is_part(*byte)) {
            let start = at + found;
            let length = bytes[start..].iter().take_while(|byte| is_part(**byte)).count();
            at = start + length;
            if line.get(start..at).is_some_and(|word| self.is_word(word)) {
                return true;
            }
        }
        false
    }

    /// A longest piece of a line that has only characters of addresses.
    fn is_word(&self, word: &str) -> bool {
        match self.version {
            // A zone of six numbers may hold the four of the older version.
            Version::V4 => word.contains('.') && self.is_v4_in(word),
            Version::V6 if word.len() < 2 || !word[..word.len() - 1].contains(':') => false,
            Version::V6 => {
                let without_end = word.strip_suffix(['.', ':']).unwrap_or(word);
                [word, without_end]
                    .iter()
                    .any(|text| text.parse().is_ok_and(|address| self.contains(IpAddr::V6(address))))
            }
        }
    }

    fn is_v4_in(&self, word: &str) -> bool {
        if word.parse::<Ipv6Addr>().is_ok() {
            return false;
        }
        let mut pieces = word.split(|character: char| !character.is_ascii_digit() && character != '.');
        pieces.any(|piece| {
            let address: Result<Ipv4Addr, _> = piece.trim_matches('.').parse();
            address.is_ok_and(|address| self.contains(IpAddr::V4(address)))
        })
    }
}

fn is_part(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || byte == b'.' || byte == b':'
}

fn number(address: IpAddr) -> (Version, u128) {
    match address {
        IpAddr::V4(address) => (Version::V4, u128::from(u32::from(address))),
        IpAddr::V6(address) => (Version::V6, u128::from(address)),
    }
}

fn between(first: &str, last: &str) -> Option<IpRange> {
    let (version, first) = number(first.parse().ok()?);
    let (version_of_last, last) = number(last.parse().ok()?);
    (version == version_of_last && first <= last).then_some(IpRange { version, first, last })
}

fn network(address: &str, bits: &str) -> Option<IpRange> {
    let (version, number) = number(address.parse().ok()?);
    let width: u32 = if version == Version::V4 { 32 } else { 128 };
    let bits: u32 = bits.parse().ok().filter(|bits| *bits <= width)?;
    // Shifting by all of 128 bits is nothing that the processor can do.
    let mask = u128::MAX.checked_shr(128 - width + bits).unwrap_or(0);
    Some(IpRange { version, first: number & !mask, last: number | mask })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_found_in_lines() {
        for (range, line, expected) in [
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "from 10.0.0.1.", true),
            ("10.0.0.1", "http://10.0.0.1:80/a", true),
            ("10.0.0.1", "a=10.0.0.1,b=2", true),
            ("10.0.0.1", "10.0.0.10", false),
            ("10.0.0.1", "110.0.0.1", false),
            ("10.0.0.1", "1.10.0.0.1", false),
            ("10.0.0.1", "10.0.0", false),
            ("10.0.0.1", "", false),
            ("10.0.0.1", "10.0.0.2 10.0.0.1", true),
            ("10.1.2.3/8", "x 10.255.0.1 y", true),
            ("10.1.2.3/8", "x 11.255.0.1 y", false),
            ("0.0.0.0/0", "1.2.3.4", true),
            ("0.0.0.0/0", "::1", false),
            ("10.0.0.1/32", "10.0.0.1", true),
            ("10.0.0.1/32", "10.0.0.2", false),
            ("10.0.0.5-10.0.1.5", "10.0.0.255", true),
            ("10.0.0.5 - 10.0.1.5", "10.0.1.6 10.0.0.4", false),
            ("::1", "[::1]:80", true),
            ("::1", "listens on ::1: ready", true),
            ("::1", "::2", false),
            ("2001:db8::/32", "from 2001:0db8:1::7, ok", true),
            ("2001:db8::/32", "from 2001:db9::7", false),
            ("2001:db8::1-2001:db8::ff", "2001:DB8::80", true),
            ("::/0", "12:30:45 no address", false),
            ("::/0", "::ffff:10.0.0.1", true),
            ("10.0.0.1", "::ffff:10.0.0.1", false),
            ("10.0.0.1", "deadbeef.10.0.0.1", true),
            ("10.0.0.1", "é10.0.0.1é", true),
        ] {
            assert_eq!(IpRange::parse(range).unwrap().is_in(line), expected, "{range} {line}");
        }
    }

    #[test]
    fn a_label_is_an_address_as_a_whole() {
        let range = IpRange::parse("10.0.0.0/8").unwrap();
        for (text, expected) in [
            ("10.0.0.1", Some(true)),
            (" 10.0.0.1 ", Some(true)),
            ("11.0.0.1", Some(false)),
            ("::1", Some(false)),
            ("10.0.0.1:80", None),
            ("", None),
        ] {
            assert_eq!(range.is_address(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_range_is_told() {
        for text in
            ["", "x", "10.0.0", "10.0.0.1/33", "::/129", "10.0.0.1/", "10.0.0.2-10.0.0.1", "10.0.0.1-::1", "1-2-3"]
        {
            let error = IpRange::parse(text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{text:?} is neither")), "{error}");
        }
    }

    proptest! {
        #[test]
        fn a_network_is_the_range_of_its_addresses(address: u32, other: u32, bits in 0_u32..=32) {
            let network = IpRange::parse(&format!("{}/{bits}", Ipv4Addr::from(address))).unwrap();
            let same = bits == 0 || (address ^ other) >> (32 - bits) == 0;
            prop_assert_eq!(network.is_in(&format!("from {}, port 1", Ipv4Addr::from(other))), same);
        }

        #[test]
        fn an_address_is_found_wherever_it_stands(
            number: u128, is_v6: bool, before in "[g-z =\\[é]{0,4}", behind in "[g-z =\\],é]{0,4}",
        ) {
            let address =
                if is_v6 { IpAddr::V6(number.into()) } else { IpAddr::V4((number as u32).into()) };
            let range = IpRange::parse(&address.to_string()).unwrap();
            let line = format!("{before}{address}{behind}");
            prop_assert!(range.is_in(&line), "{}", line);
        }
    }
}
