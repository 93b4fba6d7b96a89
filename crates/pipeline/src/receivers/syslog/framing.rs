//! Cutting a stream of bytes into messages (RFC 6587), however it is chopped: by octet counts, by trailers, or as one.

use crate::net::body::{Admission, Reservation};

/// Digits of an octet count; with more it is none.
const LONGEST_COUNT: usize = 10;
/// Memory that a framer keeps between messages.
const KEPT_BYTES: usize = 4 << 10;

/// How messages are told from each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// A message ends with any of these bytes.
    Trailer(&'static [u8]),
    /// `length SP message`; what does not begin with a count ends with any of these bytes.
    OctetCount(&'static [u8]),
    /// All of a connection is one message.
    Whole,
}

/// A message without its framing.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    pub bytes: &'a [u8],
    /// It was longer, or its end never came.
    pub is_cut: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before a message; trailers here are empty messages and no message.
    Between,
    /// Digits of a count are in the buffer.
    Count,
    /// So many bytes of the message are still to come.
    Octets(u64),
    /// Up to a trailer.
    Line,
}

/// Holds what has come of a message.
#[derive(Debug)]
pub struct Framer {
    framing: Framing,
    /// The most bytes that are kept of a message.
    limit: usize,
    state: State,
    buffer: Vec<u8>,
    is_cut: bool,
    /// The buffer's message was given and is to be forgotten.
    is_given: bool,
    /// What unfinished messages of all connections may hold together.
    reservation: Reservation,
}

impl Framer {
    pub fn new(framing: Framing, limit: usize, unfinished: &Admission) -> Self {
        let reservation = unfinished.start();
        Self { framing, limit, state: State::Between, buffer: Vec::new(), is_cut: false, is_given: false, reservation }
    }

    /// Takes from the beginning of `input` until a message is complete; `None` when all of it is taken.
    pub fn next(&mut self, input: &mut &[u8]) -> Option<Frame<'_>> {
        self.forget_given();
        while let Some(&byte) = input.first() {
            match self.state {
                State::Between => self.begin(byte, input),
                State::Count => self.count(byte, input),
                State::Octets(left) => {
                    let length = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                    self.keep(take(input, length));
                    let left = left - length as u64;
                    self.state = State::Octets(left);
                    if left == 0 {
                        return Some(self.give());
                    }
                }
                State::Line => {
                    let end = self.end_of_line(input);
                    self.keep(take(input, end.unwrap_or(input.len())));
                    if end.is_some() {
                        take(input, 1);
                        return Some(self.give());
                    }
                }
            }
        }
        // Others would find no room for theirs: better a message that is cut than many.
        let held = if self.buffer.is_empty() { 0 } else { self.buffer.capacity() };
        if self.reservation.resize(held).is_err() {
            self.is_cut = true;
        }
        None
    }

    /// The message that the end of the stream left unfinished.
    pub fn finish(&mut self) -> Option<Frame<'_>> {
        self.forget_given();
        self.is_cut |= matches!(self.state, State::Octets(_));
        (!self.buffer.is_empty()).then(|| self.give())
    }

    fn begin(&mut self, byte: u8, input: &mut &[u8]) {
        self.state = match self.framing {
            Framing::OctetCount(_) if byte.is_ascii_digit() && byte != b'0' => State::Count,
            Framing::OctetCount(trailers) | Framing::Trailer(trailers) if trailers.contains(&byte) => {
                take(input, 1);
                State::Between
            }
            _ => State::Line,
        };
    }

    fn count(&mut self, byte: u8, input: &mut &[u8]) {
        if byte.is_ascii_digit() && self.buffer.len() < LONGEST_COUNT {
            self.buffer.extend_from_slice(take(input, 1));
            return;
        }
        let count = std::str::from_utf8(&self.buffer).ok().and_then(|digits| digits.parse().ok());
        self.state = match count {
            Some(octets) if byte == b' ' => {
                take(input, 1);
                self.buffer.clear();
                State::Octets(octets)
            }
            // It only looked like one.
            _ => State::Line,
        };
    }

    fn end_of_line(&self, input: &[u8]) -> Option<usize> {
        match self.framing {
            Framing::Whole => None,
            Framing::OctetCount(trailers) | Framing::Trailer(trailers) => match trailers {
                [one] => memchr::memchr(*one, input),
                [one, other] => memchr::memchr2(*one, *other, input),
                _ => input.iter().position(|byte| trailers.contains(byte)),
            },
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let fits = match self.is_cut {
            true => 0,
            false => bytes.len().min(self.limit - self.buffer.len().min(self.limit)),
        };
        self.buffer.extend_from_slice(&bytes[..fits]);
        self.is_cut |= fits < bytes.len();
    }

    fn give(&mut self) -> Frame<'_> {
        let is_line = self.state == State::Line;
        self.state = State::Between;
        self.is_given = true;
        let bytes = match self.buffer.strip_suffix(b"\r") {
            Some(bytes) if is_line && !self.is_cut => bytes,
            _ => &self.buffer[..],
        };
        Frame { bytes, is_cut: self.is_cut }
    }

    fn forget_given(&mut self) {
        if !self.is_given {
            return;
        }
        self.buffer.clear();
        self.buffer.shrink_to(KEPT_BYTES);
        (self.is_given, self.is_cut) = (false, false);
        // Less always fits.
        let _ = self.reservation.resize(0);
    }
}

fn take<'a>(input: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, rest) = input.split_at(length.min(input.len()));
    *input = rest;
    taken
}
