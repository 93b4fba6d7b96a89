//! Sets of steps, a bit a step: who has a value where.

/// As many bits as the grid has steps, in words of 64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::eval) struct Mask(Vec<u64>);

impl Mask {
    pub fn none(steps: usize) -> Self {
        Self(vec![0; steps.div_ceil(64)])
    }

    /// The steps whose bit is set in all of `words`.
    pub fn all_of(words: &[&[u64]]) -> Self {
        let Some((first, rest)) = words.split_first() else { return Self(Vec::new()) };
        let mut mask = Self(first.to_vec());
        for other in rest {
            mask.and(other);
        }
        mask
    }

    pub fn words(&self) -> &[u64] {
        &self.0
    }

    pub fn into_words(self) -> Vec<u64> {
        self.0
    }

    pub fn or(&mut self, other: &[u64]) {
        self.0.iter_mut().zip(other).for_each(|(word, other)| *word |= other);
    }

    pub fn and(&mut self, other: &[u64]) {
        self.0.iter_mut().zip(other).for_each(|(word, other)| *word &= other);
    }

    pub fn and_not(&mut self, other: &[u64]) {
        self.0.iter_mut().zip(other).for_each(|(word, other)| *word &= !other);
    }

    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub fn has(&self, step: usize) -> bool {
        self.0.get(step / 64).is_some_and(|word| word >> (step % 64) & 1 == 1)
    }

    pub fn clear(&mut self, step: usize) {
        if let Some(word) = self.0.get_mut(step / 64) {
            *word &= !(1 << (step % 64));
        }
    }

    /// The first step in both.
    pub fn first_common(&self, other: &[u64]) -> Option<usize> {
        self.0.iter().zip(other).enumerate().find_map(|(index, (word, other))| match word & other {
            0 => None,
            common => Some(index * 64 + common.trailing_zeros() as usize),
        })
    }

    /// Ascending.
    pub fn steps(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().flat_map(|(index, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = (rest != 0).then(|| rest.trailing_zeros() as usize)?;
                rest &= rest - 1;
                Some(index * 64 + bit)
            })
        })
    }

    /// Keeps only steps where `values` is not 0.
    pub fn and_true(&mut self, values: &[f64]) {
        for (word, values) in self.0.iter_mut().zip(values.chunks(64)) {
            let truth =
                values.iter().enumerate().fold(0, |truth, (bit, value)| truth | u64::from(*value != 0.0) << bit);
            *word &= truth;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_found_across_words() {
        let mut mask = Mask(vec![0b1010, 1 << 63, 1]);
        assert_eq!(mask.steps().collect::<Vec<_>>(), [1, 3, 127, 128]);
        assert_eq!(mask.first_common(&[0, u64::MAX, 0]), Some(127));
        assert_eq!(mask.first_common(&[0b101, 0, 0]), None);
        mask.and_not(&[0b10, 0, 0]);
        mask.clear(128);
        assert_eq!(mask.steps().collect::<Vec<_>>(), [3, 127]);
        let mut values = vec![0.0; 130];
        values[127] = f64::NAN;
        mask.and_true(&values);
        assert_eq!(mask.steps().collect::<Vec<_>>(), [127]);
        assert!(Mask::none(130).is_empty() && Mask::all_of(&[&[6], &[3]]).has(1));
    }
}
