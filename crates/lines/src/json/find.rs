//! Values at paths.

use std::borrow::Cow;
use std::ops::ControlFlow;

use super::scan::{Scanner, Token};
use super::{Path, Segment};
use crate::Malformed;

/// So many paths are looked for in one go over the line.
const AT_ONCE: usize = 64;

/// Hands over what stands at each path, with the path's place: strings as what they say, objects and arrays as their JSON, the
/// empty text for null and where there is nothing. Each path is handed over once, also where the line is malformed. An empty line
/// has nothing, and is not malformed.
pub fn find<'l>(line: &'l str, paths: &[Path], mut take: impl FnMut(usize, Cow<'l, str>)) -> Result<(), Malformed> {
    let mut result = Ok(());
    for (part, paths) in paths.chunks(AT_ONCE).enumerate() {
        let all = u64::MAX >> (AT_ONCE - paths.len());
        let mut finding = Finding { paths, missing: all, offset: part * AT_ONCE, take: &mut take };
        let mut scanner = Scanner::new(line);
        let searched = match scanner.peek() {
            Some(b'{' | b'[' | b'"') => finding.value(&mut scanner, all, 0),
            None if line.is_empty() => Ok(ControlFlow::Continue(())),
            _ => scanner.wrong("neither object nor array"),
        };
        finding.hand_over(finding.missing, Cow::Borrowed(""));
        result = result.and(searched.map(drop));
    }
    result
}

struct Finding<'a, F> {
    paths: &'a [Path],
    /// A bit for each path that has not been found.
    missing: u64,
    /// The place of the first path.
    offset: usize,
    take: &'a mut F,
}

impl<'l, F: FnMut(usize, Cow<'l, str>)> Finding<'_, F> {
    /// Takes a value that the paths of `here` lead to with their first `depth` segments. Breaks where all are found.
    fn value(&mut self, scanner: &mut Scanner<'l>, here: u64, depth: usize) -> Result<ControlFlow<()>, Malformed> {
        scanner.peek();
        let start = *scanner;
        let token = scanner.token()?;
        let here = here & self.missing;
        let ending = self.those(here, |path| path.segments().len() == depth);
        if ending != 0 || here == 0 {
            scanner.skip_rest(token)?;
        }
        if ending != 0 {
            let value = match token {
                Token::String(quoted) => quoted.text(),
                Token::Null => Cow::Borrowed(""),
                _ => Cow::Borrowed(scanner.since(start.at)),
            };
            self.hand_over(ending, value);
        }
        let deeper = here & !ending;
        let flow = match deeper {
            0 => ControlFlow::Continue(()),
            // The value has been taken as a whole: it is gone through again, on the side.
            _ if ending != 0 => self.value(&mut { start }, deeper, depth)?,
            _ => self.inside(scanner, token, deeper, depth)?,
        };
        Ok(if self.missing == 0 { ControlFlow::Break(()) } else { flow })
    }

    fn inside(
        &mut self,
        scanner: &mut Scanner<'l>,
        token: Token<'l>,
        here: u64,
        depth: usize,
    ) -> Result<ControlFlow<()>, Malformed> {
        match token {
            Token::Object => scanner.members(|scanner, key| {
                let key = key.text();
                let leads = |path: &Path| matches!(&path.segments()[depth], Segment::Key(wanted) if **wanted == *key);
                let members = self.those(here & self.missing, leads);
                self.value(scanner, members, depth + 1)
            }),
            Token::Array => self.items(scanner, here, depth),
            _ => Ok(ControlFlow::Continue(())),
        }
    }

    fn items(&mut self, scanner: &mut Scanner<'l>, here: u64, depth: usize) -> Result<ControlFlow<()>, Malformed> {
        if scanner.takes(b']') {
            return Ok(ControlFlow::Continue(()));
        }
        for index in 0.. {
            let leads = |path: &Path| matches!(path.segments()[depth], Segment::Index(wanted) if wanted == index);
            let items = self.those(here & self.missing, leads);
            if self.value(scanner, items, depth + 1)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if scanner.takes(b']') {
                break;
            }
            if !scanner.takes(b',') {
                return scanner.wrong("neither comma nor closing bracket behind a value");
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Of the paths whose bits are set those that fulfil the condition.
    fn those(&self, among: u64, condition: impl Fn(&Path) -> bool) -> u64 {
        let (mut rest, mut found) = (among, 0);
        while rest != 0 {
            let place = rest.trailing_zeros();
            rest &= rest - 1;
            if condition(&self.paths[place as usize]) {
                found |= 1 << place;
            }
        }
        found
    }

    fn hand_over(&mut self, paths: u64, value: Cow<'l, str>) {
        let mut rest = paths;
        while rest != 0 {
            (self.take)(self.offset + rest.trailing_zeros() as usize, value.clone());
            rest &= rest - 1;
        }
        self.missing &= !paths;
    }
}
