//! A text by a layout.

use super::layout::{Digits, Layout, OffsetForm, Parsed, Piece, Zone};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// All of the text has to be what the layout says.
pub fn read(layout: &Layout, text: &str) -> Result<Parsed, String> {
    let mut parsed = Parsed::default();
    let mut rest = text;
    for (place, piece) in layout.0.iter().enumerate() {
        let read = piece_of(piece, rest, &mut parsed);
        rest = read.ok_or_else(|| format!("`{text}` is not as the layout says, from `{}` on", cut(rest)))?;
        // Digits of a second are taken where the layout does not mention them.
        let next = layout.0.get(place + 1);
        if matches!(piece, Piece::Second(_)) && !matches!(next, Some(Piece::Fraction(_) | Piece::OptionalFraction)) {
            rest = fraction(rest, None, &mut parsed).unwrap_or(rest);
        }
    }
    match rest {
        "" => Ok(parsed),
        rest => Err(format!("`{text}` goes on behind what the layout says: `{}`", cut(rest))),
    }
}

fn cut(text: &str) -> &str {
    let end = text.char_indices().nth(20).map_or(text.len(), |(end, _)| end);
    &text[..end]
}

/// What is left behind the piece; nothing where the text is something else.
fn piece_of<'a>(piece: &Piece, text: &'a str, parsed: &mut Parsed) -> Option<&'a str> {
    match piece {
        Piece::Literal(literal) => spaced(literal, text),
        Piece::Year => {
            let (year, rest) = digits(text, 4, 4)?;
            parsed.year = Some(year as i32);
            Some(rest)
        }
        Piece::YearOfCentury => {
            let (year, rest) = digits(text, 2, 2)?;
            parsed.year = Some(year as i32 + if year >= 69 { 1900 } else { 2000 });
            Some(rest)
        }
        Piece::MonthName | Piece::MonthShort => {
            let letters = if *piece == Piece::MonthShort { 3 } else { usize::MAX };
            let (month, rest) = name(text, &MONTHS, letters)?;
            parsed.month = Some(month as u32 + 1);
            Some(rest)
        }
        Piece::WeekdayName => name(text, &WEEKDAYS, usize::MAX).map(|(_, rest)| rest),
        Piece::WeekdayShort => name(text, &WEEKDAYS, 3).map(|(_, rest)| rest),
        Piece::Month(form) => number(text, *form, 1..=12, |month| parsed.month = Some(month)),
        Piece::Day(form) => number(text, *form, 1..=31, |day| parsed.day = Some(day)),
        Piece::DayOfYear => {
            let (day, rest) = digits(text.trim_start_matches(' '), 1, 3)?;
            parsed.day_of_year = Some(day);
            Some(rest)
        }
        Piece::Hour => number(text, Digits::Any, 0..=23, |hour| parsed.hour = hour),
        Piece::Hour12(form) => number(text, *form, 0..=12, |hour| parsed.hour = hour),
        Piece::Minute(form) => number(text, *form, 0..=59, |minute| parsed.minute = minute),
        Piece::Second(form) => number(text, *form, 0..=60, |second| parsed.second = second),
        Piece::Half => {
            let half = text.get(..2)?;
            parsed.afternoon = Some(half.eq_ignore_ascii_case("pm"));
            // In either case, whatever the layout has.
            (half.eq_ignore_ascii_case("am") || half.eq_ignore_ascii_case("pm")).then(|| &text[2..])
        }
        Piece::Fraction(count) => fraction(text, Some(*count), parsed),
        Piece::OptionalFraction => Some(fraction(text, None, parsed).unwrap_or(text)),
        Piece::Offset(form) => {
            let (offset, rest) = offset(text, *form)?;
            parsed.zone = Zone::Offset(offset);
            Some(rest)
        }
        Piece::ZoneName => {
            let length = text.find(|c: char| !c.is_ascii_uppercase()).unwrap_or(text.len());
            if !(3..=5).contains(&length) {
                // Zones without a name are called by their offset.
                let (offset, rest) =
                    offset(text, OffsetForm { zulu: true, colons: false, minutes: false, seconds: false })?;
                parsed.zone = Zone::Offset(offset);
                return Some(rest);
            }
            parsed.zone = Zone::Name(text[..length].to_owned());
            Some(&text[length..])
        }
    }
}

/// A space of the layout is any number of spaces, as in Go.
fn spaced<'a>(literal: &str, text: &'a str) -> Option<&'a str> {
    let mut rest = text;
    let mut characters = literal.chars().peekable();
    while let Some(character) = characters.next() {
        if character != ' ' {
            rest = rest.strip_prefix(character)?;
            continue;
        }
        while characters.next_if_eq(&' ').is_some() {}
        if !rest.is_empty() && !rest.starts_with(' ') {
            return None;
        }
        rest = rest.trim_start_matches(' ');
    }
    Some(rest)
}

fn digits(text: &str, least: usize, most: usize) -> Option<(u32, &str)> {
    let count = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if count < least {
        return None;
    }
    Some((text[..count].parse().ok()?, &text[count..]))
}

fn number(text: &str, form: Digits, range: std::ops::RangeInclusive<u32>, put: impl FnOnce(u32)) -> Option<&str> {
    let (least, text) = match form {
        Digits::Two => (2, text),
        Digits::Any => (1, text),
        Digits::Padded => (1, text.strip_prefix(' ').unwrap_or(text)),
    };
    let (number, rest) = digits(text, least, 2)?;
    if !range.contains(&number) {
        return None;
    }
    put(number);
    Some(rest)
}

/// Which of the names, of which only so many letters are written.
fn name<'a>(text: &'a str, names: &[&str], letters: usize) -> Option<(usize, &'a str)> {
    names.iter().enumerate().find_map(|(place, name)| {
        let name = &name[..name.len().min(letters)];
        let here = text.get(..name.len())?;
        here.eq_ignore_ascii_case(name).then(|| (place, &text[name.len()..]))
    })
}

fn fraction<'a>(text: &'a str, count: Option<usize>, parsed: &mut Parsed) -> Option<&'a str> {
    let behind = text.strip_prefix(['.', ','])?;
    let length = behind.bytes().take_while(u8::is_ascii_digit).count();
    let length = match count {
        Some(count) if length >= count => count,
        Some(_) => return None,
        None => length,
    };
    if length == 0 {
        return None;
    }
    let nanos: String = behind[..length].chars().chain(std::iter::repeat('0')).take(9).collect();
    parsed.nanos = nanos.parse().ok()?;
    Some(&behind[length..])
}

/// Seconds east of UTC. Written with colons or without, whatever the layout has.
fn offset(text: &str, form: OffsetForm) -> Option<(i32, &str)> {
    if let Some(rest) = text.strip_prefix('Z').filter(|_| form.zulu || form.minutes) {
        return Some((0, rest));
    }
    let sign = match text.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let (hours, mut rest) = digits(&text[1..], 2, 2)?;
    let (mut minutes, mut seconds) = (0, 0);
    if form.minutes {
        (minutes, rest) = digits(rest.strip_prefix(':').unwrap_or(rest), 2, 2)?;
    }
    if form.seconds {
        (seconds, rest) = digits(rest.strip_prefix(':').unwrap_or(rest), 2, 2)?;
    }
    if hours > 24 || minutes > 59 || seconds > 59 {
        return None;
    }
    Some((sign * (hours * 3600 + minutes * 60 + seconds) as i32, rest))
}
