//! Bytes into entries: by lines, or by patterns where entries have several.

use regex::bytes::Regex;

use super::encoding::Encoding;

/// Where an entry begins or ends.
#[derive(Debug, Clone)]
pub enum Boundary {
    Line,
    /// An entry begins with a match.
    Start {
        pattern: Regex,
        omit: bool,
    },
    /// An entry ends with a match.
    End {
        pattern: Regex,
        omit: bool,
    },
    /// Nowhere: pieces of the largest size.
    Nowhere,
}

#[derive(Debug, Clone)]
pub struct Splitter {
    pub boundary: Boundary,
    pub encoding: Encoding,
    /// Bytes; what is longer is cut into pieces.
    pub limit: usize,
}

/// A match that reaches further than this beyond the limit is not waited for.
const LONGEST_MATCH: usize = 4096;

/// The bytes of an entry, and how far it reaches with what separates it from the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    pub begin: usize,
    pub end: usize,
    pub advance: usize,
}

impl Splitter {
    /// The first entry of `data`; `None` where more has to be read. What is found does not depend on how much of what follows
    /// is there already.
    pub fn next(&self, data: &[u8]) -> Option<Token> {
        let token = match &self.boundary {
            Boundary::Line => self.line(data),
            Boundary::Start { pattern, omit } => start(pattern, *omit, data),
            Boundary::End { pattern, omit } => end(pattern, *omit, data),
            Boundary::Nowhere => None,
        };
        let waits_for = match &self.boundary {
            Boundary::Start { .. } | Boundary::End { .. } => self.limit + LONGEST_MATCH,
            Boundary::Line | Boundary::Nowhere => self.limit,
        };
        match token {
            Some(token) if token.end - token.begin <= self.limit => Some(token),
            None if data.len() <= waits_for => None,
            _ => {
                let cut = self.encoding.cut(data, self.limit);
                Some(Token { begin: 0, end: cut, advance: cut })
            }
        }
    }

    /// The first entry of `data`, where nothing more is expected.
    pub fn rest(&self, data: &[u8]) -> Token {
        let whole = Token { begin: 0, end: data.len(), advance: data.len() };
        let token = match &self.boundary {
            Boundary::Start { pattern, omit: true } => {
                let found = pattern.find(data).filter(|found| found.start() == 0);
                Token { begin: found.map_or(0, |found| found.end()), ..whole }
            }
            Boundary::End { pattern, omit: true } => {
                let found = pattern.find_iter(data).find(|found| found.end() == data.len());
                Token { end: found.map_or(data.len(), |found| found.start()), ..whole }
            }
            _ => whole,
        };
        if token.end - token.begin <= self.limit {
            return token;
        }
        let cut = self.encoding.cut(data, self.limit);
        Token { begin: 0, end: cut, advance: cut }
    }

    fn line(&self, data: &[u8]) -> Option<Token> {
        if self.encoding.is_wide() {
            let mut units = data.chunks_exact(2);
            let place = units.position(|unit| self.encoding.unit([unit[0], unit[1]]) == u16::from(b'\n'))?;
            return Some(Token { begin: 0, end: place * 2, advance: place * 2 + 2 });
        }
        let place = memchr::memchr(b'\n', data)?;
        Some(Token { begin: 0, end: place, advance: place + 1 })
    }
}

/// Up to where the next entry begins; what comes before the first one is an entry, too.
fn start(pattern: &Regex, omit: bool, data: &[u8]) -> Option<Token> {
    // A match that reaches the end may become a longer one, or none.
    let is_whole = |found: &regex::bytes::Match<'_>| found.end() < data.len();
    let first = pattern.find(data).filter(is_whole)?;
    if first.start() > 0 {
        return Some(Token { begin: 0, end: first.start(), advance: first.start() });
    }
    let second = pattern.find_at(data, first.end().max(1)).filter(is_whole)?;
    let begin = if omit { first.end() } else { 0 };
    Some(Token { begin, end: second.start(), advance: second.start() })
}

fn end(pattern: &Regex, omit: bool, data: &[u8]) -> Option<Token> {
    let found = pattern.find_iter(data).find(|found| found.end() > 0)?;
    if found.end() == data.len() {
        return None;
    }
    let end = if omit { found.start() } else { found.end() };
    Some(Token { begin: 0, end, advance: found.end() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use trefoil_go::pattern::search_lines;

    use super::*;

    fn splitter(kind: &str, limit: usize) -> Splitter {
        let pattern = |text| search_lines(text).unwrap();
        let boundary = match kind {
            "start" => Boundary::Start { pattern: pattern("^LOG "), omit: false },
            "start-omit" => Boundary::Start { pattern: pattern("^LOG "), omit: true },
            "end" => Boundary::End { pattern: pattern("END\\n"), omit: false },
            "end-omit" => Boundary::End { pattern: pattern("END\\n"), omit: true },
            "nop" => Boundary::Nowhere,
            _ => Boundary::Line,
        };
        let encoding = match kind {
            "wide" => Encoding::Utf16LittleEndian,
            "nop" => Encoding::Nop,
            _ => Encoding::Utf8,
        };
        Splitter { boundary, encoding, limit }
    }

    /// As pieces of so many bytes come, and then no more.
    fn split(splitter: &Splitter, data: &[u8], piece: usize) -> Vec<Vec<u8>> {
        let (mut tokens, mut buffer) = (Vec::new(), Vec::new());
        let mut pieces = data.chunks(piece.max(1));
        loop {
            while let Some(token) = splitter.next(&buffer) {
                assert!(token.advance > 0 && token.end <= token.advance && token.begin <= token.end, "{token:?}");
                tokens.push(buffer[token.begin..token.end].to_vec());
                buffer.drain(..token.advance);
            }
            match pieces.next() {
                Some(piece) => buffer.extend_from_slice(piece),
                None => break,
            }
        }
        while !buffer.is_empty() {
            let token = splitter.rest(&buffer);
            tokens.push(buffer[token.begin..token.end].to_vec());
            buffer.drain(..token.advance);
        }
        tokens
    }

    /// Kind, limit, bytes, and what they are split into.
    type Case<'a> = (&'a str, usize, &'a [u8], &'a [&'a [u8]]);

    #[test]
    fn entries_are_found() {
        let cases: [Case<'_>; 12] = [
            ("line", 100, b"a\nb\r\n\nc", &[b"a", b"b\r", b"", b"c"]),
            ("line", 3, b"abcdefgh\nij\n", &[b"abc", b"def", b"gh", b"ij"]),
            ("line", 3, b"abc\nd\n", &[b"abc", b"d"]),
            ("line", 4, "aäöü\n".as_bytes(), &["aä".as_bytes(), "öü".as_bytes()]),
            ("wide", 100, b"a\0\n\0b\n\n\0", &[b"a\0", b"b\n"]),
            ("start", 100, b"x\nLOG a\nb\nLOG c\n", &[b"x\n", b"LOG a\nb\n", b"LOG c\n"]),
            ("start-omit", 100, b"LOG a\nb\nLOG c\n", &[b"a\nb\n", b"c\n"]),
            ("start", 6, b"LOG abcdef\nLOG c\n", &[b"LOG ab", b"cdef\n", b"LOG c\n"]),
            ("end", 100, b"a\nb END\nc END\nd", &[b"a\nb END\n", b"c END\n", b"d"]),
            ("end-omit", 100, b"a\nb END\nc END\nd END\n", &[b"a\nb ", b"c ", b"d "]),
            ("nop", 4, b"ab\ncdef", &[b"ab\nc", b"def"]),
            ("start", 100, b"no match at all\n", &[b"no match at all\n"]),
        ];
        for (kind, limit, data, expected) in cases {
            let splitter = splitter(kind, limit);
            for piece in 1..=data.len() {
                assert_eq!(split(&splitter, data, piece), expected, "{kind} by {piece}");
            }
        }
    }

    proptest! {
        /// Whatever the pieces in which it comes.
        #[test]
        fn pieces_make_no_difference(
            kind in prop::sample::select(vec!["line", "wide", "start", "start-omit", "end", "end-omit", "nop"]),
            limit in 2usize..40,
            words in prop::collection::vec(prop::sample::select(vec!["LOG ", "END\n", "\n", "a", "ä", "😀", "xyz", "\r\n", "LOG"]), 0..40),
            piece in 1usize..50,
        ) {
            let data = words.concat().into_bytes();
            let splitter = splitter(kind, limit);
            let whole = split(&splitter, &data, data.len());
            prop_assert_eq!(&split(&splitter, &data, piece), &whole);
            prop_assert!(whole.iter().all(|token| token.len() <= limit.max(4)));
            if matches!(kind, "start" | "end" | "nop") {
                prop_assert_eq!(whole.concat(), data);
            }
        }
    }
}
