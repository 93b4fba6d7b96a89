//! Bytes of a file with the number of their line, and as many of the last ones as somebody wants to keep.

use std::io::{self, Read};

const CHUNK: usize = 64 << 10;

pub(crate) struct Input<R> {
    source: R,
    buffer: Vec<u8>,
    at: usize,
    kept_from: Option<usize>,
    has_ended: bool,
    /// Comes behind what is in the buffer.
    failure: Option<io::Error>,
    /// Of the next byte, from 1.
    pub line: u64,
    /// The next byte is the first of its line.
    pub begins_line: bool,
    /// The last byte that was no white space, and its line.
    pub last: u8,
    pub last_line: u64,
}

impl<R: Read> Input<R> {
    pub fn new(source: R) -> Self {
        Self {
            source,
            buffer: Vec::new(),
            at: 0,
            kept_from: None,
            has_ended: false,
            failure: None,
            line: 1,
            begins_line: true,
            last: 0,
            last_line: 1,
        }
    }

    /// The next byte, which stays the next.
    pub fn peek(&mut self) -> io::Result<Option<u8>> {
        while self.at == self.buffer.len() && !self.has_ended {
            self.fill()?;
        }
        Ok(self.buffer.get(self.at).copied())
    }

    /// The next bytes: `count` of them, if there are so many.
    pub fn ahead(&mut self, count: usize) -> io::Result<&[u8]> {
        while self.buffer.len() - self.at < count && !self.has_ended {
            self.fill()?;
        }
        let end = self.buffer.len().min(self.at + count);
        Ok(&self.buffer[self.at..end])
    }

    /// Goes over the byte that was peeked at.
    pub fn advance(&mut self) {
        let Some(&byte) = self.buffer.get(self.at) else { return };
        self.at += 1;
        if !byte.is_ascii_whitespace() {
            (self.last, self.last_line) = (byte, self.line);
        }
        self.begins_line = byte == b'\n';
        if self.begins_line {
            self.line += 1;
        }
    }

    pub fn skip_white_space(&mut self) -> io::Result<Option<u8>> {
        while let Some(byte) = self.peek()? {
            // Some writers put a record separator before each document (RFC 7464).
            if !byte.is_ascii_whitespace() && byte != 0x1e {
                return Ok(Some(byte));
            }
            self.advance();
        }
        Ok(None)
    }

    /// Keeps all bytes from the next one on.
    pub fn keep(&mut self) {
        self.kept_from = Some(self.at);
    }

    pub fn kept_bytes(&self) -> usize {
        self.kept_from.map_or(0, |from| self.at - from)
    }

    pub fn let_go(&mut self) {
        self.kept_from = None;
    }

    /// What has been kept; empty if it was let go.
    pub fn take_kept(&mut self) -> Vec<u8> {
        self.kept_from.take().map(|from| self.buffer[from..self.at].to_vec()).unwrap_or_default()
    }

    fn fill(&mut self) -> io::Result<()> {
        let done = self.kept_from.unwrap_or(self.at);
        self.buffer.drain(..done);
        self.at -= done;
        self.kept_from = self.kept_from.map(|_| 0);
        if let Some(error) = self.failure.take() {
            self.has_ended = true;
            return Err(error);
        }
        let before = self.buffer.len();
        match self.source.by_ref().take(CHUNK as u64).read_to_end(&mut self.buffer) {
            Ok(read) => self.has_ended = read == 0,
            Err(error) if self.buffer.len() > before => self.failure = Some(error),
            Err(error) => {
                self.has_ended = true;
                return Err(error);
            }
        }
        Ok(())
    }
}
