//! Which sequences of four bytes (grams) the texts of a row group have: one that lacks a gram of what is looked for has no text that
//! contains it.
//!
//! Values that are in columns of their own are *left out*: a message that a million lines share says nothing about where it is, and
//! whoever looks for text looks at those columns first, which are small. So a filter answers for what is outside of them:
//! [`GramFilter::may_have_outside`]. What is left out of a text is what stands between two quotes, or between characters that are no
//! hexadecimal digits, and is whole: that is how a text that is looked for tells which of its grams could have been left out.
//!
//! ASCII letters count as small ones, so that a filter serves searches that do not care about case.

use std::ops::Range;

const GRAM: usize = 4;

/// A filter has 2^`MOST_BITS` bits at most: 128 KiB, two bytes a row of a full row group.
const MOST_BITS: u32 = 20;
const MOST_WORDS: usize = 1 << (MOST_BITS - 6);
const FEWEST_BITS: u32 = 10;
/// A filter is halved as long as no more than one bit in so many is set after it.
const SPARSE: usize = 8;

/// What is known of the texts of a row group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GramFilter {
    /// A power of two of bits.
    words: Box<[u64]>,
}

/// A filter in the making.
pub(super) struct GramBuilder {
    words: Box<[u64; MOST_WORDS]>,
    /// The text that is being added, in small letters.
    small: Vec<u8>,
    quotes: Vec<usize>,
}

/// Of a text, what a column of its own has.
pub(super) trait LeftOut {
    /// Whether anything that stands between quotes may be left out.
    fn has_quoted_values(&self) -> bool;

    /// Whether what stands between quotes is left out.
    fn is_quoted_value(&self, text: &[u8]) -> bool;

    /// Whether a run of hexadecimal digits is left out.
    fn is_id(&self, digits: &[u8]) -> bool;
}

impl Default for GramBuilder {
    fn default() -> Self {
        Self { words: Box::new([0; MOST_WORDS]), small: Vec::new(), quotes: Vec::new() }
    }
}

impl GramBuilder {
    /// Adds a text of a row.
    pub fn add(&mut self, text: &[u8], left_out: &impl LeftOut) {
        self.small.clear();
        self.small.extend_from_slice(text);
        self.small.make_ascii_lowercase();
        self.quotes.clear();
        // Ids do not run over quotes, so that these matter for values only.
        if left_out.has_quoted_values() {
            find_quotes(text, &mut self.quotes);
        }
        self.quotes.push(text.len());
        let mut kept_from = 0;
        let mut inside = 0;
        for place in 0..self.quotes.len() {
            let quote = self.quotes[place];
            let between = inside..quote;
            let is_quoted = inside > 0 && quote < text.len();
            if is_quoted && may_be_value(text, &between) && left_out.is_quoted_value(&text[between.clone()]) {
                self.keep(kept_from..between.start);
                kept_from = between.end;
            } else {
                kept_from = self.without_ids(text, kept_from, between, left_out);
            }
            inside = quote + 1;
        }
        self.keep(kept_from..text.len());
    }

    /// Leaves out the ids in a part of a text; says from where on nothing was kept yet.
    fn without_ids(&mut self, text: &[u8], mut kept_from: usize, part: Range<usize>, left_out: &impl LeftOut) -> usize {
        // Of so many neighbouring bytes that are an id's, every one of these places has one.
        let mut at = part.start + SHORTEST_ID - 1;
        while at < part.end {
            if !is_hex(text[at]) {
                at += SHORTEST_ID;
                continue;
            }
            let before = text[part.start..at].iter().rev().take_while(|byte| is_hex(**byte)).count();
            let after = text[at..part.end].iter().take_while(|byte| is_hex(**byte)).count();
            let run = at - before..at + after;
            if run.len() >= SHORTEST_ID && left_out.is_id(&text[run.clone()]) {
                self.keep(kept_from..run.start);
                kept_from = run.end;
            }
            at = run.end + SHORTEST_ID;
        }
        kept_from
    }

    /// Adds all grams that have at least one byte of a part.
    fn keep(&mut self, part: Range<usize>) {
        if part.is_empty() {
            return;
        }
        let end = self.small.len().min(part.end + GRAM - 1);
        for gram in self.small[part.start.saturating_sub(GRAM - 1)..end].array_windows::<GRAM>() {
            let hash = hash(u32::from_be_bytes(*gram));
            self.words[hash >> 6] |= 1 << (hash & 63);
        }
    }

    pub fn finish(self) -> GramFilter {
        let mut words = self.words.to_vec();
        let mut bits = MOST_BITS;
        while bits > FEWEST_BITS {
            let (low, high) = words.split_at(words.len() / 2);
            let half: Vec<u64> = low.iter().zip(high).map(|(low, high)| low | high).collect();
            let set: usize = half.iter().map(|word| word.count_ones() as usize).sum();
            if set * SPARSE > half.len() * 64 {
                break;
            }
            words = half;
            bits -= 1;
        }
        GramFilter { words: words.into() }
    }
}

/// Where a text has quotes: so many, and so close to each other, that a search for each of them would mostly begin and end.
fn find_quotes(text: &[u8], places: &mut Vec<usize>) {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    const QUOTES: u64 = u64::from_le_bytes([b'"'; 8]);
    let (words, rest) = text.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        let others = u64::from_le_bytes(*word) ^ QUOTES;
        // The highest bit of each byte that is zero.
        let mut found = !(((others & LOW) + LOW) | others | LOW);
        while found != 0 {
            places.push(8 * number + found.trailing_zeros() as usize / 8);
            found &= found - 1;
        }
    }
    let start = text.len() - rest.len();
    places.extend(rest.iter().enumerate().filter(|(_, byte)| **byte == b'"').map(|(place, _)| start + place));
}

/// Whether that may be the value of a member. Where it is kept though it is one, nothing is missed.
fn may_be_value(text: &[u8], part: &Range<usize>) -> bool {
    let is_key = text.get(part.end + 1) == Some(&b':');
    let is_between = matches!(text.get(part.start), Some(b':' | b','));
    !is_key && !is_between
}

/// Digits of the shortest id: a span's.
const SHORTEST_ID: usize = 16;

fn is_hex(byte: u8) -> bool {
    HEX[usize::from(byte)]
}

/// Looked up faster than compared.
static HEX: [bool; 256] = {
    let mut are = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        are[byte] = (byte as u8).is_ascii_hexdigit();
        byte += 1;
    }
    are
};

/// The places of a text's grams in the largest filter.
fn grams(text: &[u8]) -> impl Iterator<Item = usize> {
    text.array_windows::<GRAM>().map(|gram| hash(u32::from_be_bytes(gram.map(|byte| byte.to_ascii_lowercase()))))
}

fn hash(gram: u32) -> usize {
    // Fibonacci hashing: the upper bits are of all bits of the gram.
    (gram.wrapping_mul(0x9e37_79b1) >> (32 - MOST_BITS)) as usize
}

impl GramFilter {
    pub(super) const MOST_BYTES: usize = 1 << (MOST_BITS - 3);

    /// Whether a text of the row group may contain these bytes in a place that is not wholly within what was left out.
    pub fn may_have_outside(&self, wanted: &[u8]) -> bool {
        let mask = self.words.len() * 64 - 1;
        let has = |hash: usize| {
            let hash = hash & mask;
            self.words[hash >> 6] & (1 << (hash & 63)) != 0
        };
        // Where it runs over the edge of something left out, which is a quote or beside an id, only grams with a byte of the edge or
        // beyond are sure to have been added.
        let has_quote = wanted.contains(&b'"');
        let is_all_hex = wanted.iter().all(|byte| is_hex(*byte));
        let is_sure = |gram: &[u8]| {
            (!has_quote || gram.contains(&b'"')) && (is_all_hex || !gram.iter().all(|byte| is_hex(*byte)))
        };
        let sure = grams(wanted).zip(wanted.windows(GRAM)).filter(|(_, gram)| is_sure(gram));
        sure.map(|(hash, _)| hash).all(has)
    }

    pub fn bytes(&self) -> usize {
        size_of_val(&*self.words)
    }

    /// Little-endian words.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.words.iter().flat_map(|word| word.to_le_bytes()));
    }

    /// `None` for bytes that no filter has.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (words, rest) = bytes.as_chunks::<8>();
        let is_size = words.len().is_power_of_two()
            && words.len() <= 1 << (MOST_BITS - 6)
            && words.len() * 64 >= 1 << FEWEST_BITS;
        (is_size && rest.is_empty())
            .then(|| Self { words: words.iter().map(|word| u64::from_le_bytes(*word)).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Values<'v>(&'v [&'v str], &'v str);

    impl LeftOut for Values<'_> {
        fn has_quoted_values(&self) -> bool {
            !self.0.is_empty()
        }

        fn is_quoted_value(&self, text: &[u8]) -> bool {
            self.0.iter().any(|value| value.as_bytes() == text)
        }

        fn is_id(&self, digits: &[u8]) -> bool {
            self.1.as_bytes() == digits
        }
    }

    const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn filter(rows: &[(&str, Values<'_>)]) -> GramFilter {
        let mut builder = GramBuilder::default();
        for (text, left_out) in rows {
            builder.add(text.as_bytes(), left_out);
        }
        builder.finish()
    }

    #[test]
    fn finds_what_is_there_and_not_in_columns() {
        let line = format!(r#"{{"level":"error","msg":"Charge declined","trace":"{ID}","n":402,"path":"/v1/pay"}}"#);
        let of = filter(&[(&line, Values(&["error", "Charge declined"], ID))]);
        let expected = [
            ("/v1/pay", true),
            (r#""n":402"#, true),
            (r#""level":"error""#, true),
            (r#"error","msg":"Cha"#, true),
            (r#"LEVEL":"#, true),
            (r#"ined","trace":"4bf9"#, true),
            (r#"e":"4bf92f3577b34da6"#, true),
            ("402", true),
            ("Charge", false),
            ("declined", false),
            ("error", false),
            (ID, false),
            (&ID[..16], false),
            ("needle", false),
            (r#""level":"#, true),
            (r#""lavel":"#, false),
            (r#"msg":"Charge"#, true),
            (r#"mug":"Charge"#, false),
        ];
        for (wanted, is_there) in expected {
            assert_eq!(of.may_have_outside(wanted.as_bytes()), is_there, "{wanted}");
        }
    }

    #[test]
    fn what_is_no_column_of_its_row_is_kept() {
        let of = filter(&[(r#"{"msg":"first one"}"#, Values(&["second"], "")), (ID, Values(&[], "other"))]);
        assert!(of.may_have_outside(b"first one") && of.may_have_outside(ID.as_bytes()));
        // Not closed, so not a value.
        assert!(filter(&[(r#"a "half"#, Values(&["half"], ""))]).may_have_outside(b"half"));
        assert!(filter(&[("value\" b", Values(&["value"], ""))]).may_have_outside(b"value"));
    }

    #[test]
    fn is_as_large_as_it_needs_to_be() {
        let small = filter(&[("a few words", Values(&[], ""))]);
        assert_eq!(small.bytes(), 128);
        let texts: Vec<String> =
            (0..40_000).map(|number: u64| format!("{:x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
        let mut builder = GramBuilder::default();
        texts.iter().for_each(|text| builder.add(text.as_bytes(), &Values(&[], "")));
        let large = builder.finish();
        assert!((16 << 10..=128 << 10).contains(&large.bytes()), "{}", large.bytes());
        assert!(texts.iter().all(|text| large.may_have_outside(text.as_bytes())));
        assert!(!large.may_have_outside(b"no such words"));
        let mut bytes = Vec::new();
        large.write(&mut bytes);
        assert_eq!(GramFilter::read(&bytes), Some(large));
        assert_eq!([&bytes[1..], &bytes[..24], &[]].map(GramFilter::read), [None, None, None]);
    }

    /// Values and ids of a text: between its quotes, and runs of hexadecimal digits.
    fn left_out_of(text: &str) -> Values<'_> {
        let ids: Vec<&str> =
            text.split(|c: char| !c.is_ascii_hexdigit()).filter(|run| run.len() >= SHORTEST_ID).collect();
        let values = text.split('"').step_by(3).filter(|part| !part.is_empty());
        Values(values.collect::<Vec<_>>().leak(), ids.first().copied().unwrap_or_default())
    }

    proptest::proptest! {
        /// Whatever part of a text is looked for: it is within something left out, or may be outside. Neighbours have much in common.
        #[test]
        fn nothing_is_missed(
            parts in proptest::collection::vec("(\"[a-c:]{0,6}\"[:,]|[a-c\"0-3 ]{0,20}|0123456789abcdef)", 1..6),
            changed in proptest::collection::vec((0..6usize, "[a-c:,\" ]{0,3}"), 0..5),
            cut in (0..60usize, 0..60usize),
            upper in proptest::bool::ANY,
        ) {
            let mut parts = parts;
            let mut texts = vec![parts.concat()];
            for (place, part) in changed {
                let place = place % parts.len();
                parts[place] = part;
                texts.push(parts.concat());
            }
            let rows: Vec<(&str, Values<'_>)> = texts.iter().map(|text| (text.as_str(), left_out_of(text))).collect();
            let of = filter(&rows);
            for (text, Values(values, id)) in rows {
                let (from, to) = (cut.0.min(cut.1).min(text.len()), cut.0.max(cut.1).min(text.len()));
                let wanted = &text[from..to];
                let is_in_column = values.iter().any(|value| value.contains(wanted)) || id.contains(wanted);
                let looked_for = if upper { wanted.to_uppercase() } else { wanted.to_owned() };
                proptest::prop_assert!(is_in_column || of.may_have_outside(looked_for.as_bytes()), "{wanted:?} of {text:?} among {texts:?}");
            }
        }

        #[test]
        fn quotes_are_found(text in "[\"a#\\x21é\\x7f\\x00]{0,40}") {
            let mut places = Vec::new();
            find_quotes(text.as_bytes(), &mut places);
            proptest::prop_assert_eq!(places, text.match_indices('"').map(|(place, _)| place).collect::<Vec<_>>());
        }
    }
}
