use crate::net::body::Admission;
use crate::receivers::syslog::framing::{Framer, Framing};

pub const EITHER: &[u8] = b"\n\0";

/// All messages of chunks, and whether each is cut.
pub fn cut<'a>(framing: Framing, limit: usize, chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<(String, bool)> {
    let admission = Admission::new(1 << 20);
    let mut framer = Framer::new(framing, limit, &admission);
    let mut messages = Vec::new();
    for mut chunk in chunks {
        while let Some(frame) = framer.next(&mut chunk) {
            messages.push((String::from_utf8_lossy(frame.bytes).into_owned(), frame.is_cut));
        }
        assert!(chunk.is_empty());
    }
    messages.extend(framer.finish().map(|frame| (String::from_utf8_lossy(frame.bytes).into_owned(), frame.is_cut)));
    messages
}

fn whole(messages: &[&str]) -> Vec<(String, bool)> {
    messages.iter().map(|message| ((*message).to_owned(), false)).collect()
}

const COUNTED: Framing = Framing::OctetCount(EITHER);
const LINES: Framing = Framing::Trailer(b"\n");

#[test]
fn streams_are_cut_wherever_they_are_chopped() {
    let cases: &[(Framing, &str, &[&str])] = &[
        (LINES, "", &[]),
        (LINES, "a", &["a"]),
        (LINES, "a\n", &["a"]),
        (LINES, "a\nb\r\nc\n", &["a", "b", "c"]),
        (LINES, "\n\n a \n\n", &[" a "]),
        (LINES, "a\0b\n", &["a\0b"]),
        (LINES, "5 hello\n", &["5 hello"]),
        (Framing::Trailer(b"\0"), "a\nb\0c\0", &["a\nb", "c"]),
        (Framing::Trailer(b"\0"), "a\r\0", &["a"]),
        (Framing::Trailer(EITHER), "a\0b\nc\0\nd", &["a", "b", "c", "d"]),
        (COUNTED, "1 a2 bc", &["a", "bc"]),
        (COUNTED, "5 <1>ab4 <2>c", &["<1>ab", "<2>c"]),
        // What senders mix: counts, lines, and a line feed behind a count.
        (COUNTED, "5 <1>ab<2>line\n3 <3>", &["<1>ab", "<2>line", "<3>"]),
        (COUNTED, "3 abc\n3 def\n\0", &["abc", "def"]),
        (COUNTED, "4 a\nbc\n", &["a\nbc"]),
        (COUNTED, "6 a\0b\r\n\n2 cd", &["a\0b\r\n\n", "cd"]),
        // No counts, though they begin like one.
        (COUNTED, "12345678901 a\nb\n", &["12345678901 a", "b"]),
        (COUNTED, "12x\n2 ab", &["12x", "ab"]),
        (COUNTED, "12\n2 ab", &["12", "ab"]),
        (COUNTED, "0 a\n", &["0 a"]),
        (COUNTED, " 3 abc\n", &[" 3 abc"]),
        (COUNTED, "12", &["12"]),
        (Framing::Whole, "a\nb\0\nc", &["a\nb\0\nc"]),
        (Framing::Whole, "", &[]),
    ];
    for (framing, stream, messages) in cases {
        let bytes = stream.as_bytes();
        assert_eq!(cut(*framing, 100, [bytes]), whole(messages), "{stream:?}");
        assert_eq!(cut(*framing, 100, bytes.chunks(1)), whole(messages), "{stream:?} byte by byte");
        for at in 0..=bytes.len() {
            let (before, after) = bytes.split_at(at);
            assert_eq!(cut(*framing, 100, [before, after]), whole(messages), "{stream:?} in two at {at}");
        }
    }
}

#[test]
fn what_is_too_long_is_cut_and_costs_nobody_else() {
    type Cut<'a> = (&'a str, bool);
    let cases: &[(Framing, &str, &[Cut<'_>])] = &[
        (LINES, "abcde\nf\n", &[("abcde", false), ("f", false)]),
        (LINES, "abcdef\ng\n", &[("abcde", true), ("g", false)]),
        (LINES, "abcdefghijk", &[("abcde", true)]),
        (COUNTED, "5 abcde1 f", &[("abcde", false), ("f", false)]),
        (COUNTED, "6 abcdef1 g", &[("abcde", true), ("g", false)]),
        (COUNTED, "9 abc", &[("abc", true)]),
        (COUNTED, "9999999999 abcdefgh", &[("abcde", true)]),
        (Framing::Whole, "abcdef\n", &[("abcde", true)]),
    ];
    for (framing, stream, messages) in cases {
        let expected: Vec<(String, bool)> =
            messages.iter().map(|(text, is_cut)| ((*text).to_owned(), *is_cut)).collect();
        assert_eq!(cut(*framing, 5, [stream.as_bytes()]), expected, "{stream:?}");
        assert_eq!(cut(*framing, 5, stream.as_bytes().chunks(1)), expected, "{stream:?} byte by byte");
    }
}

#[test]
fn a_gigabyte_without_an_end_takes_its_limit_of_memory() {
    let admission = Admission::new(1 << 30);
    let mut framer = Framer::new(LINES, 1 << 20, &admission);
    let chunk = vec![b'x'; 1 << 20];
    for _ in 0..1 << 10 {
        assert_eq!(framer.next(&mut &chunk[..]), None);
    }
    let mut end = &b"\nshort\n"[..];
    let long = framer.next(&mut end).unwrap();
    assert_eq!((long.bytes.len(), long.is_cut), (1 << 20, true));
    let short = framer.next(&mut end).unwrap();
    assert_eq!((short.bytes, short.is_cut), (&b"short"[..], false));
}

#[test]
fn unfinished_messages_of_all_connections_are_bounded_together() {
    let admission = Admission::new(100_000);
    let [mut one, mut other] = [(); 2].map(|()| Framer::new(LINES, 1 << 20, &admission));
    let chunk = vec![b'x'; 80_000];
    assert_eq!(one.next(&mut &chunk[..]), None);
    assert_eq!(other.next(&mut &chunk[..]), None);
    // The second one found no room: its message ends there. The first one goes on as far as there is room.
    assert_eq!(other.next(&mut &chunk[..]), None);
    let cut = other.next(&mut &b"\n"[..]).unwrap();
    assert_eq!((cut.bytes.len(), cut.is_cut), (80_000, true));
    let whole = one.next(&mut &b"end\n"[..]).unwrap();
    assert_eq!((whole.bytes.len(), whole.is_cut), (80_003, false));
    // What was given is forgotten, and the room is free again.
    assert_eq!(one.next(&mut &b""[..]), None);
    assert_eq!(other.next(&mut &chunk[..]), None);
    assert!(!other.next(&mut &b"\n"[..]).unwrap().is_cut);
}
