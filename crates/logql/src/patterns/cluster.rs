//! A template, and how many lines have it.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::token::Token;
use crate::captures::{self, Part};

const GAP: &str = "<_>";
/// Of a tree of numbers, with its share of the nodes.
const BYTES_OF_COUNT: usize = 32;

#[derive(Debug, Clone)]
pub(super) struct Cluster {
    pieces: Vec<Piece>,
    /// By the beginning of a step.
    pub counts: BTreeMap<i64, u64>,
    total: u64,
    /// Which line of the miner was the last of these.
    seen: u64,
    /// Of its words and what stands between them.
    text_bytes: usize,
}

#[derive(Debug, Clone)]
enum Piece {
    Word(Box<str>),
    Between(Box<str>),
    Gap,
    Tail,
}

/// How many words are the same, of those that can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Likeness {
    same: usize,
    compared: usize,
}

impl Likeness {
    /// Half of what is compared is the same.
    fn is_enough(self) -> bool {
        2 * self.same >= self.compared
    }

    /// By the share that is the same; of those equal, by how much that is.
    pub fn compare(a: Likeness, b: Likeness) -> Ordering {
        let (left, right) = ((a.same * b.compared.max(1)), (b.same * a.compared.max(1)));
        left.cmp(&right).then(a.same.cmp(&b.same))
    }
}

impl Cluster {
    pub fn new(tokens: &[Token<'_>], counts: &[(i64, u64)], seen: u64) -> Cluster {
        let pieces = tokens.iter().map(|token| match token {
            Token::Word(word) => Piece::Word((*word).into()),
            Token::Between(text) => Piece::Between((*text).into()),
            Token::Gap => Piece::Gap,
            Token::Tail => Piece::Tail,
        });
        let texts = tokens.iter().map(|token| match token {
            Token::Word(text) | Token::Between(text) => text.len(),
            Token::Gap | Token::Tail => 0,
        });
        let text_bytes = texts.sum();
        let mut cluster = Cluster { pieces: pieces.collect(), counts: BTreeMap::new(), total: 0, seen, text_bytes };
        cluster.add(counts, seen);
        cluster
    }

    pub fn tokens(&self) -> Vec<Token<'_>> {
        let tokens = self.pieces.iter().map(|piece| match piece {
            Piece::Word(word) => Token::Word(word),
            Piece::Between(text) => Token::Between(text),
            Piece::Gap => Token::Gap,
            Piece::Tail => Token::Tail,
        });
        tokens.collect()
    }

    /// `None`: they are not alike. Gaps and words that are both full of digits say nothing: numbers, times and ids differ in
    /// lines of one template.
    pub fn likeness(&self, tokens: &[Token<'_>]) -> Option<Likeness> {
        if tokens.len() != self.pieces.len() {
            return None;
        }
        let (mut same, mut compared) = (0, 0);
        for (piece, token) in self.pieces.iter().zip(tokens) {
            match (piece, token) {
                (Piece::Word(a), Token::Word(b)) if **a == **b => (same, compared) = (same + 1, compared + 1),
                (Piece::Word(a), Token::Word(b)) => compared += usize::from(!(has_digit(a) && has_digit(b))),
                (Piece::Between(a), Token::Between(b)) if **a == **b => {}
                (Piece::Gap | Piece::Word(_), Token::Gap) | (Piece::Gap, Token::Word(_)) => {}
                (Piece::Tail, Token::Tail) => {}
                _ => return None,
            }
        }
        let likeness = Likeness { same, compared };
        likeness.is_enough().then_some(likeness)
    }

    /// Takes lines in whose tokens are alike.
    pub fn absorb(&mut self, tokens: &[Token<'_>], counts: &[(i64, u64)], seen: u64) {
        for (piece, token) in self.pieces.iter_mut().zip(tokens) {
            if let Piece::Word(known) = piece
                && *token != Token::Word(known)
            {
                self.text_bytes -= known.len();
                *piece = Piece::Gap;
            }
        }
        self.add(counts, seen);
    }

    fn add(&mut self, counts: &[(i64, u64)], seen: u64) {
        for (step, count) in counts {
            *self.counts.entry(*step).or_default() += count;
            self.total += count;
        }
        self.seen = seen;
    }

    /// Forgets lines of steps before `time`.
    pub fn forget_before(&mut self, time: i64) {
        let kept = self.counts.split_off(&time);
        let gone = std::mem::replace(&mut self.counts, kept);
        self.total -= gone.values().sum::<u64>();
    }

    /// About what it holds in memory.
    pub fn bytes(&self) -> usize {
        let counts = self.counts.len() * BYTES_OF_COUNT;
        size_of::<Cluster>() + self.pieces.len() * size_of::<Piece>() + self.text_bytes + counts
    }

    /// How many lines there were, and when the last came.
    pub fn rank(&self) -> (u64, u64) {
        (self.total, self.seen)
    }

    /// As a pattern of a line filter. What stands in lines and looks like a capture is a gap, too; gaps side by side are one.
    pub fn pattern(&self) -> String {
        let mut text = String::new();
        for piece in &self.pieces {
            text.push_str(match piece {
                Piece::Word(piece) | Piece::Between(piece) => piece,
                Piece::Gap | Piece::Tail => GAP,
            });
        }
        let mut pattern = String::with_capacity(text.len());
        for part in captures::parts(&text) {
            match part {
                Part::Literal(literal) => pattern.push_str(&literal),
                Part::Capture(_) if pattern.ends_with(GAP) => {}
                Part::Capture(_) => pattern.push_str(GAP),
            }
        }
        pattern
    }
}

fn has_digit(word: &str) -> bool {
    word.bytes().any(|byte| byte.is_ascii_digit())
}
