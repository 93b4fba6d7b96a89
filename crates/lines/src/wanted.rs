//! Which fields of a line are asked for.

/// With it a parser skips what nobody looks at, and ends where it has found all.
#[derive(Debug, Clone, Copy)]
pub enum Wanted<'a> {
    All,
    /// Those with these (sanitised) names; of each the first.
    Only(&'a [String]),
}

/// What is still to be found in one line.
pub(super) struct Search<'a> {
    wanted: Wanted<'a>,
    /// A bit for each of the first 64 names that has been found.
    found: u64,
}

impl<'a> Search<'a> {
    pub fn new(wanted: Wanted<'a>) -> Self {
        Self { wanted, found: 0 }
    }

    /// Whether the field is to be handed over. It counts as found then.
    pub fn takes(&mut self, name: &str) -> bool {
        let Wanted::Only(names) = self.wanted else { return true };
        let Some(place) = names.iter().position(|wanted| wanted == name) else { return false };
        let Some(bit) = 1_u64.checked_shl(place as u32) else { return true };
        let is_first = self.found & bit == 0;
        self.found |= bit;
        is_first
    }

    /// Whether a field may be wanted whose name begins with this and an underscore.
    pub fn takes_below(&self, prefix: &str) -> bool {
        let Wanted::Only(names) = self.wanted else { return true };
        let below = |name: &String| name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('_'));
        prefix.is_empty() || names.iter().any(below)
    }

    /// Nothing more is to be found.
    pub fn is_over(&self) -> bool {
        match self.wanted {
            Wanted::All => false,
            Wanted::Only(names) => names.len() <= 64 && self.found.count_ones() as usize == names.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_found_once() {
        let names = ["a".to_owned(), "b_c".to_owned()];
        let mut search = Search::new(Wanted::Only(&names));
        assert!(search.takes_below("b") && !search.takes_below("a") && !search.takes_below("b_c"));
        assert!(search.takes("a") && !search.takes("a") && !search.takes("x") && !search.is_over());
        assert!(search.takes("b_c") && search.is_over());
        let mut all = Search::new(Wanted::All);
        assert!(all.takes("a") && all.takes("a") && all.takes_below("a") && !all.is_over());
        let many: Vec<String> = (0..70).map(|index| index.to_string()).collect();
        let mut search = Search::new(Wanted::Only(&many));
        assert!(many.iter().all(|name| search.takes(name)) && search.takes("69") && !search.takes("3"));
        assert!(!search.is_over() && Search::new(Wanted::Only(&[])).is_over());
    }
}
