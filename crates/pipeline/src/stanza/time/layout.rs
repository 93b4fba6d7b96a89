//! Layouts, cut into what has to be read.

/// One thing to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    Literal(String),
    Year,
    /// 69 and above are of the last century.
    YearOfCentury,
    MonthName,
    MonthShort,
    /// Whether a single digit may do.
    Month(Digits),
    WeekdayName,
    WeekdayShort,
    Day(Digits),
    DayOfYear,
    Hour,
    Hour12(Digits),
    Minute(Digits),
    Second(Digits),
    /// AM or PM in either case.
    Half,
    /// A point or comma, and so many digits.
    Fraction(usize),
    /// The same with any number of digits, or nothing.
    OptionalFraction,
    Offset(OffsetForm),
    ZoneName,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digits {
    Two,
    /// One or two.
    Any,
    /// Two, of which the first may be a space.
    Padded,
}

/// How an offset from UTC is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffsetForm {
    /// `Z` stands for none.
    pub zulu: bool,
    pub colons: bool,
    pub minutes: bool,
    pub seconds: bool,
}

/// What a text said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parsed {
    pub year: Option<i32>,
    pub month: Option<u32>,
    pub day: Option<u32>,
    pub day_of_year: Option<u32>,
    pub hour: u32,
    pub minute: u32,
    pub second: u32,
    pub nanos: u32,
    pub afternoon: Option<bool>,
    pub zone: Zone,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Zone {
    #[default]
    Unsaid,
    /// Seconds east of UTC.
    Offset(i32),
    Name(String),
}

impl Parsed {
    pub fn clock(&self) -> Result<(u32, u32, u32), String> {
        let hour = match self.afternoon {
            Some(true) if self.hour < 12 => self.hour + 12,
            Some(false) if self.hour == 12 => 0,
            _ => self.hour,
        };
        if hour > 23 || self.minute > 59 || self.second > 60 {
            return Err("there is no such time of a day".to_owned());
        }
        Ok((hour, self.minute, self.second))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout(pub Vec<Piece>);

/// What Go calls them, longest first where one begins another. (The documentation of Go's package `time`.)
static GO: [(&str, Piece); 38] = [
    ("January", Piece::MonthName),
    ("Jan", Piece::MonthShort),
    ("Monday", Piece::WeekdayName),
    ("Mon", Piece::WeekdayShort),
    ("MST", Piece::ZoneName),
    ("2006", Piece::Year),
    ("002", Piece::DayOfYear),
    ("__2", Piece::DayOfYear),
    ("01", Piece::Month(Digits::Two)),
    ("02", Piece::Day(Digits::Two)),
    ("03", Piece::Hour12(Digits::Two)),
    ("04", Piece::Minute(Digits::Two)),
    ("05", Piece::Second(Digits::Two)),
    ("06", Piece::YearOfCentury),
    ("_2", Piece::Day(Digits::Padded)),
    ("15", Piece::Hour),
    ("1", Piece::Month(Digits::Any)),
    ("2", Piece::Day(Digits::Any)),
    ("3", Piece::Hour12(Digits::Any)),
    ("4", Piece::Minute(Digits::Any)),
    ("5", Piece::Second(Digits::Any)),
    ("PM", Piece::Half),
    ("pm", Piece::Half),
    ("Z07:00:00", offset(true, true, true, true)),
    ("Z070000", offset(true, false, true, true)),
    ("Z07:00", offset(true, true, true, false)),
    ("Z0700", offset(true, false, true, false)),
    ("Z07", offset(true, false, false, false)),
    ("-07:00:00", offset(false, true, true, true)),
    ("-070000", offset(false, false, true, true)),
    ("-07:00", offset(false, true, true, false)),
    ("-0700", offset(false, false, true, false)),
    ("-07", offset(false, false, false, false)),
    // What strptime has and Go has not.
    ("%o", Piece::Month(Digits::Padded)),
    ("%q", Piece::Month(Digits::Any)),
    ("%e", Piece::Day(Digits::Padded)),
    ("%g", Piece::Day(Digits::Any)),
    ("%l", Piece::Hour12(Digits::Any)),
];

const fn offset(zulu: bool, colons: bool, minutes: bool, seconds: bool) -> Piece {
    Piece::Offset(OffsetForm { zulu, colons, minutes, seconds })
}

/// What stands behind `%` in a `strptime` layout, and the same in Go's. (Contrib's `ctimefmt`.)
const STRPTIME: [(char, &str); 31] = [
    ('Y', "2006"),
    ('y', "06"),
    ('m', "01"),
    ('o', "%o"),
    ('q', "%q"),
    ('b', "Jan"),
    ('h', "Jan"),
    ('B', "January"),
    ('d', "02"),
    ('e', "%e"),
    ('g', "%g"),
    ('a', "Mon"),
    ('A', "Monday"),
    ('H', "15"),
    ('l', "%l"),
    ('I', "03"),
    ('p', "PM"),
    ('P', "pm"),
    ('M', "04"),
    ('S', "05"),
    ('Z', "MST"),
    ('z', "-0700"),
    ('w', "-070000"),
    ('i', "-07"),
    ('j', "-07:00"),
    ('k', "-07:00:00"),
    ('D', "01/02/2006"),
    ('x', "01/02/2006"),
    ('F', "2006-01-02"),
    ('T', "15:04:05"),
    ('X', "15:04:05"),
];

const STRPTIME_LONG: [(char, &str); 3] = [('r', "03:04:05 pm"), ('R', "15:04"), ('c', "Mon Jan 02 15:04:05 2006")];

impl Layout {
    pub fn go(layout: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = layout;
        while let Some(character) = rest.chars().next() {
            if let Some((piece, length)) = fraction(rest) {
                pieces.push(piece);
                rest = &rest[length..];
                continue;
            }
            let known = GO.iter().filter(|(name, _)| !name.starts_with('%') && rest.starts_with(name));
            // `Janet` is no month, nor is `Month` a day.
            let known = known.filter(|(name, _)| {
                let after = rest[name.len()..].chars().next();
                match *name {
                    "Jan" | "Mon" => !after.is_some_and(|after| after.is_lowercase()),
                    // A dash before a year.
                    "_2" => !rest.starts_with("_2006"),
                    _ => true,
                }
            });
            match known.max_by_key(|(name, _)| name.len()) {
                Some((name, piece)) => {
                    pieces.push(piece.clone());
                    rest = &rest[name.len()..];
                }
                None => {
                    literal(&mut pieces, character);
                    rest = &rest[character.len_utf8()..];
                }
            }
        }
        Self(pieces).checked(layout)
    }

    pub fn strptime(layout: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut characters = layout.chars();
        while let Some(character) = characters.next() {
            if character != '%' {
                literal(&mut pieces, character);
                continue;
            }
            let directive = characters.next().ok_or_else(|| format!("`{layout}` ends with a percent sign"))?;
            match directive {
                '%' => literal(&mut pieces, '%'),
                'n' => literal(&mut pieces, '\n'),
                't' => literal(&mut pieces, '\t'),
                'L' | 'f' | 's' => subsecond(&mut pieces, directive)?,
                _ => pieces.extend(directive_pieces(directive)?),
            }
        }
        Self(pieces).checked(layout)
    }

    fn checked(self, layout: &str) -> Result<Self, String> {
        match self.0.iter().all(|piece| matches!(piece, Piece::Literal(_))) {
            true => Err(format!("`{layout}` says nothing of a time")),
            false => Ok(self),
        }
    }

    pub fn has_date(&self) -> bool {
        use Piece::*;
        let of_date = |piece: &Piece| {
            matches!(
                piece,
                Year | YearOfCentury
                    | MonthName
                    | MonthShort
                    | Month(_)
                    | WeekdayName
                    | WeekdayShort
                    | Day(_)
                    | DayOfYear
            )
        };
        self.0.iter().any(of_date)
    }
}

fn directive_pieces(directive: char) -> Result<Vec<Piece>, String> {
    let known = STRPTIME.iter().chain(&STRPTIME_LONG).find(|(name, _)| *name == directive);
    let (_, layout) = known.ok_or_else(|| format!("`%{directive}` is no directive of strptime that is known"))?;
    if let Some((_, piece)) = GO.iter().find(|(name, _)| name == layout) {
        return Ok(vec![piece.clone()]);
    }
    Ok(Layout::go(layout)?.0)
}

/// Digits of a second follow a point or comma.
fn subsecond(pieces: &mut Vec<Piece>, directive: char) -> Result<(), String> {
    let follows = match pieces.last_mut() {
        Some(Piece::Literal(text)) if text.ends_with(['.', ',']) => {
            text.pop();
            true
        }
        _ => false,
    };
    if !follows {
        return Err(format!("`%{directive}` has to follow a point or a comma"));
    }
    if pieces.last() == Some(&Piece::Literal(String::new())) {
        pieces.pop();
    }
    pieces.push(Piece::OptionalFraction);
    Ok(())
}

/// `.000` and `,999` behind which no other digit stands; and how long it is.
fn fraction(rest: &str) -> Option<(Piece, usize)> {
    let digits = rest.strip_prefix(['.', ','])?;
    let digit = digits.chars().next().filter(|digit| matches!(digit, '0' | '9'))?;
    let count = digits.chars().take_while(|c| *c == digit).count();
    if digits[count..].starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let piece = if digit == '0' { Piece::Fraction(count) } else { Piece::OptionalFraction };
    Some((piece, count + 1))
}

fn literal(pieces: &mut Vec<Piece>, character: char) {
    match pieces.last_mut() {
        Some(Piece::Literal(text)) => text.push(character),
        _ => pieces.push(Piece::Literal(character.into())),
    }
}
