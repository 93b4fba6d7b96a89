//! A request encoded once, whose holes are filled for every copy of it.
//!
//! A hole is a field of fixed width. While the message is built, the field holds a marker: three control characters and
//! the number of the hole in five printable ones. Markers are valid text, so they may stand in strings as well as in ids
//! and in fixed-width numbers. After encoding, one pass over the bytes finds where each of them ended up.

use crate::random::{below, mix, skewed, unit};

/// What goes into a hole. `key`s name a value within a request: holes with equal keys get equal values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Hole {
    /// 16 bytes.
    TraceId { key: u32 },
    /// 8 bytes.
    SpanId { key: u32 },
    /// 32 hexadecimal digits of the trace id with that key.
    TraceIdHex { key: u32 },
    /// 16 hexadecimal digits of the span id with that key.
    SpanIdHex { key: u32 },
    /// `fixed64` nanoseconds: the request's time, plus the arrival of the trace `key`, plus `offset` nanoseconds scaled
    /// by the pace of that trace (between 0.5 and 1.5).
    Time { key: u32, offset: u64 },
    /// 24 characters, `2026-01-31T23:59:59.999Z`, of the same instant as [`Hole::Time`].
    TimeText { key: u32, offset: u64 },
    /// `fixed64` nanoseconds of the request's scrape.
    Tick,
    /// Decimal digits with leading zeros: a value below `bound`, small ones more often when `skew`.
    Digits { key: u32, width: u8, bound: u32, skew: bool },
    /// 15 characters: an address whose four parts have three digits each.
    Address { key: u32 },
    /// `fixed64` whole number that only grows from scrape to scrape, by about `rate`.
    Counter { key: u32, rate: u32 },
    /// The sum of the counters `key .. key + count`, which rise by `rate`, `rate / 2`, `rate / 3`, …
    CounterSum { key: u32, rate: u32, count: u8 },
    /// `double`: [`Hole::CounterSum`] times `scale`.
    ScaledSum { key: u32, rate: u32, count: u8, scale: f32 },
    /// `fixed64` whole number `base ..= base + spread`.
    Level { key: u32, base: u32, spread: u32 },
    /// `double` in `[0, 1)` with four decimals.
    Ratio { key: u32 },
}

impl Hole {
    /// Width in bytes.
    pub fn width(self) -> usize {
        match self {
            Hole::TraceId { .. } | Hole::SpanIdHex { .. } => 16,
            Hole::TraceIdHex { .. } => 32,
            Hole::TimeText { .. } => 24,
            Hole::Address { .. } => 15,
            Hole::Digits { width, .. } => usize::from(width),
            _ => 8,
        }
    }
}

const MARK: [u8; 3] = [0x1c, 0x1e, 0x1f];
const MARKER_WIDTH: usize = 8;

/// The holes of a message under construction.
#[derive(Debug, Default)]
pub struct Holes(Vec<Hole>);

impl Holes {
    fn marker(&mut self, hole: Hole) -> [u8; MARKER_WIDTH] {
        assert!(hole.width() >= MARKER_WIDTH, "{hole:?} is narrower than its marker");
        let index = self.0.len();
        self.0.push(hole);
        let mut marker = [0; MARKER_WIDTH];
        marker[..3].copy_from_slice(&MARK);
        for (place, byte) in marker[3..].iter_mut().enumerate() {
            *byte = 0x30 + ((index >> (6 * place)) & 0x3f) as u8;
        }
        marker
    }

    /// For a `bytes` field.
    pub fn bytes(&mut self, hole: Hole) -> Vec<u8> {
        let mut bytes = self.marker(hole).to_vec();
        bytes.resize(hole.width(), b'0');
        bytes
    }

    /// For a piece of text.
    pub fn text(&mut self, hole: Hole) -> String {
        self.bytes(hole).into_iter().map(char::from).collect()
    }

    /// For a `fixed64` field.
    pub fn fixed64(&mut self, hole: Hole) -> u64 {
        u64::from_le_bytes(self.marker(hole))
    }

    /// For an `sfixed64` field.
    pub fn sfixed64(&mut self, hole: Hole) -> i64 {
        i64::from_le_bytes(self.marker(hole))
    }

    /// For a `double` field.
    pub fn double(&mut self, hole: Hole) -> f64 {
        f64::from_le_bytes(self.marker(hole))
    }
}

/// An encoded request with its holes.
#[derive(Debug)]
pub struct Template {
    bytes: Vec<u8>,
    patches: Vec<(u32, Hole)>,
    items: usize,
    /// The largest distance between a request's time and a time in it, in nanoseconds.
    spread: u64,
}

/// What a copy of a template is filled with.
#[derive(Debug, Clone, Copy)]
pub struct Filling {
    /// Decides every random value; another one for every request.
    pub seed: u64,
    /// The seed of what stays the same from scrape to scrape (the series' levels and rates).
    pub world: u64,
    /// Nanoseconds since the epoch.
    pub time: u64,
    /// The number of the scrape.
    pub tick: u64,
}

impl Template {
    /// `encoded` must hold each marker of `holes`, more than once where a value is repeated; `spread` is the time in nanoseconds over which the
    /// request's traces arrive.
    pub fn new(encoded: Vec<u8>, holes: Holes, items: usize, spread: u64) -> Template {
        let mut patches: Vec<(u32, Hole)> = Vec::with_capacity(holes.0.len());
        let mut found = vec![false; holes.0.len()];
        let mut position = 0;
        while position + MARKER_WIDTH <= encoded.len() {
            if encoded[position..position + 3] != MARK {
                position += 1;
                continue;
            }
            let index = encoded[position + 3..position + MARKER_WIDTH]
                .iter()
                .enumerate()
                .fold(0, |index, (place, byte)| index | (usize::from(byte.wrapping_sub(0x30)) << (6 * place)));
            found[index] = true;
            patches.push((position as u32, holes.0[index]));
            position += holes.0[index].width();
        }
        assert!(found.iter().all(|found| *found), "a hole did not make it into the encoded message");
        Template { bytes: encoded, patches, items, spread }
    }

    pub fn items(&self) -> usize {
        self.items
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// A request: the template's bytes with every hole filled.
    pub fn fill(&self, filling: &Filling) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        for (position, hole) in &self.patches {
            let position = *position as usize;
            self.put(&mut bytes[position..position + hole.width()], *hole, filling);
        }
        bytes
    }

    fn put(&self, out: &mut [u8], hole: Hole, filling: &Filling) {
        let value = |salt: u64, key: u32| mix(filling.seed, salt | u64::from(key));
        match hole {
            Hole::TraceId { key } => out.copy_from_slice(&trace_id(filling.seed, key)),
            Hole::SpanId { key } => out.copy_from_slice(&span_id(filling.seed, key)),
            Hole::TraceIdHex { key } => put_hex(out, &trace_id(filling.seed, key)),
            Hole::SpanIdHex { key } => put_hex(out, &span_id(filling.seed, key)),
            Hole::Time { key, offset } => out.copy_from_slice(&self.time(key, offset, filling).to_le_bytes()),
            Hole::TimeText { key, offset } => put_time(out, self.time(key, offset, filling)),
            Hole::Tick => out.copy_from_slice(&filling.time.to_le_bytes()),
            Hole::Digits { key, bound, skew, .. } => {
                let value = value(0x4 << 32, key);
                put_digits(out, if skew { skewed(value, bound.into()) } else { below(value, bound.into()) });
            }
            Hole::Address { key } => put_address(out, value(0x5 << 32, key)),
            Hole::Counter { key, rate } => out.copy_from_slice(&counter(filling, key, rate).to_le_bytes()),
            Hole::CounterSum { key, rate, count } => {
                out.copy_from_slice(&counter_sum(filling, key, rate, count).to_le_bytes());
            }
            Hole::ScaledSum { key, rate, count, scale } => {
                let sum = counter_sum(filling, key, rate, count) as f64 * f64::from(scale);
                out.copy_from_slice(&sum.to_le_bytes());
            }
            Hole::Level { key, base, spread } => {
                let value = u64::from(base) + below(value(0x6 << 32, key), u64::from(spread) + 1);
                out.copy_from_slice(&value.to_le_bytes());
            }
            Hole::Ratio { key } => {
                let ratio = (unit(value(0x7 << 32, key)) * 1e4).floor() / 1e4;
                out.copy_from_slice(&ratio.to_le_bytes());
            }
        }
    }

    fn time(&self, key: u32, offset: u64, filling: &Filling) -> u64 {
        let random = mix(filling.seed, (0x1 << 32) | u64::from(key));
        let arrival = below(random, self.spread.max(1));
        let pace = 512 + (random & 0x3ff);
        // A last digit that no other row shares: clocks tick in nanoseconds, not in fractions of a trace.
        let noise = mix(filling.seed ^ offset, u64::from(key)) & 0xff;
        filling.time + arrival + ((offset * pace) >> 10) + if offset == 0 { 0 } else { noise }
    }
}

/// The trace id of the trace `key` in the request that was filled with `seed`.
pub fn trace_id(seed: u64, key: u32) -> [u8; 16] {
    let high = mix(seed, (0x2 << 32) | u64::from(key));
    let low = mix(high, seed);
    let mut id = [0; 16];
    id[..8].copy_from_slice(&high.to_be_bytes());
    id[8..].copy_from_slice(&low.to_be_bytes());
    id
}

fn span_id(seed: u64, key: u32) -> [u8; 8] {
    mix(seed, (0x3 << 32) | u64::from(key)).to_be_bytes()
}

fn counter(filling: &Filling, key: u32, rate: u32) -> u64 {
    if rate == 0 {
        return u64::from(key % 7);
    }
    let noise = mix(filling.world ^ filling.tick, u64::from(key));
    let start = below(mix(filling.world, u64::from(key)), 1000 * u64::from(rate));
    start + u64::from(rate) * filling.tick + below(noise, u64::from(rate) + 1)
}

fn counter_sum(filling: &Filling, key: u32, rate: u32, count: u8) -> u64 {
    (0..u32::from(count)).map(|place| counter(filling, key + place, rate / (place + 1))).sum()
}

fn put_hex(out: &mut [u8], bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 0xf)];
    }
}

fn put_digits(out: &mut [u8], mut value: u64) {
    for byte in out.iter_mut().rev() {
        *byte = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

fn put_address(out: &mut [u8], value: u64) {
    for part in 0..4 {
        // The first two parts name one of 64 networks, the last two a host: customers come back.
        let bits = if part < 2 { (value & 0x7) << 3 } else { (value >> (16 * part)) & 0x7f };
        put_digits(&mut out[4 * part..4 * part + 3], 100 + bits);
        if part < 3 {
            out[4 * part + 3] = b'.';
        }
    }
}

fn put_time(out: &mut [u8], nanoseconds: u64) {
    let milliseconds = nanoseconds / 1_000_000;
    let (year, month, day) = civil(milliseconds / 86_400_000);
    let of_day = milliseconds % 86_400_000;
    out.copy_from_slice(b"0000-00-00T00:00:00.000Z");
    put_digits(&mut out[0..4], year);
    put_digits(&mut out[5..7], month);
    put_digits(&mut out[8..10], day);
    put_digits(&mut out[11..13], of_day / 3_600_000);
    put_digits(&mut out[14..16], of_day / 60_000 % 60);
    put_digits(&mut out[17..19], of_day / 1000 % 60);
    put_digits(&mut out[20..23], of_day % 1000);
}

/// The Gregorian date of a day since 1970-01-01, counted in years that begin in March.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filling() -> Filling {
        Filling { seed: 7, world: 1, time: 1_795_239_033_123_000_000, tick: 3 }
    }

    #[test]
    fn holes_are_found_and_filled() {
        let mut holes = Holes::default();
        let mut bytes = b"id=".to_vec();
        bytes.extend(holes.bytes(Hole::TraceId { key: 1 }));
        bytes.extend(b" again=".iter().chain(holes.text(Hole::TraceIdHex { key: 1 }).as_bytes()));
        bytes.extend(holes.fixed64(Hole::Tick).to_le_bytes());
        let filled = Template::new(bytes, holes, 1, 0).fill(&filling());
        let id = trace_id(7, 1);
        let mut hex = [0; 32];
        put_hex(&mut hex, &id);
        assert_eq!(&filled[3..19], &id);
        assert_eq!(&filled[26..58], &hex);
        assert_eq!(&filled[58..], &filling().time.to_le_bytes());
    }

    #[test]
    #[should_panic(expected = "did not make it")]
    fn a_forgotten_hole_is_noticed() {
        let mut holes = Holes::default();
        holes.fixed64(Hole::Tick);
        Template::new(Vec::new(), holes, 1, 0);
    }

    #[test]
    fn times_read_as_dates() {
        let mut text = [0; 24];
        put_time(&mut text, 1_709_251_199_999_000_000);
        assert_eq!(&text, b"2024-02-29T23:59:59.999Z");
        put_time(&mut text, 0);
        assert_eq!(&text, b"1970-01-01T00:00:00.000Z");
        put_time(&mut text, 4_107_542_400_000_000_000);
        assert_eq!(&text, b"2100-03-01T00:00:00.000Z");
    }

    #[test]
    fn counters_only_grow() {
        for key in 0..20 {
            let values: Vec<u64> = (0..50).map(|tick| counter(&Filling { tick, ..filling() }, key, 10)).collect();
            assert!(values.is_sorted(), "{values:?}");
            assert!(values[49] > values[0]);
        }
    }

    #[test]
    fn addresses_have_four_parts() {
        let mut text = [0; 15];
        put_address(&mut text, mix(1, 2));
        let text = std::str::from_utf8(&text).unwrap();
        assert!(text.parse::<std::net::Ipv4Addr>().is_ok(), "{text}");
    }
}
