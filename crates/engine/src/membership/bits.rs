//! A set of members by index.
//!
//! Who elects whom is a relation of n² pairs: as sets of participant ids it is gigabytes at ten thousand agencies, as
//! bits it is megabytes, and a verdict becomes a few operations on words.

#[derive(Clone, Debug, Default)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    pub(super) fn insert(&mut self, i: usize) -> bool {
        let (word, bit) = (i / 64, 1 << (i % 64));
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        let new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        new
    }

    pub(super) fn remove(&mut self, i: usize) {
        if let Some(word) = self.0.get_mut(i / 64) {
            *word &= !(1 << (i % 64));
        }
    }

    pub(super) fn set(&mut self, i: usize, member: bool) {
        if member {
            self.insert(i);
        } else {
            self.remove(i);
        }
    }

    pub(super) fn contains(&self, i: usize) -> bool {
        self.0.get(i / 64).is_some_and(|word| word & (1 << (i % 64)) != 0)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The members, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(at, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = left.trailing_zeros() as usize;
                (left != 0).then(|| {
                    left &= left - 1;
                    at * 64 + bit
                })
            })
        })
    }

    pub(super) fn and(&self, other: &Bits) -> Bits {
        Bits(self.0.iter().zip(&other.0).map(|(a, b)| a & b).collect())
    }

    pub(super) fn minus(&self, other: &Bits) -> Bits {
        let others = other.0.iter().copied().chain(std::iter::repeat(0));
        Bits(self.0.iter().zip(others).map(|(a, b)| a & !b).collect())
    }

    /// The lowest member that `other` lacks.
    pub(super) fn first_outside(&self, other: &Bits) -> Option<usize> {
        let others = other.0.iter().copied().chain(std::iter::repeat(0));
        let mut words = self.0.iter().zip(others).map(|(a, b)| a & !b).enumerate();
        words.find(|(_, word)| *word != 0).map(|(at, word)| at * 64 + word.trailing_zeros() as usize)
    }
}

impl FromIterator<usize> for Bits {
    fn from_iter<I: IntoIterator<Item = usize>>(members: I) -> Bits {
        let mut bits = Bits::default();
        for i in members {
            bits.insert(i);
        }
        bits
    }
}

/// Equal when they hold the same members, however many empty words follow.
impl PartialEq for Bits {
    fn eq(&self, other: &Bits) -> bool {
        self.minus(other).is_empty() && other.minus(self).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn bits_agree_with_a_set_of_numbers() {
        let (some, more) = ([0, 1, 63, 64, 130, 200], [1, 64, 65, 500]);
        let (a, b): (Bits, Bits) = (some.into_iter().collect(), more.into_iter().collect());
        let (sa, sb) = (BTreeSet::from(some), BTreeSet::from(more));
        assert_eq!(a.iter().collect::<Vec<_>>(), some);
        assert_eq!(a.and(&b).iter().collect::<BTreeSet<_>>(), &sa & &sb);
        assert_eq!(a.minus(&b).iter().collect::<BTreeSet<_>>(), &sa - &sb);
        assert_eq!(b.minus(&a).iter().collect::<BTreeSet<_>>(), &sb - &sa);
        assert_eq!((a.len(), a.contains(130), a.contains(131), a.contains(9999)), (6, true, false, false));
        assert_eq!((a.first_outside(&b), b.first_outside(&a), a.first_outside(&a)), (Some(0), Some(65), None));
    }

    #[test]
    fn empty_words_at_the_end_make_no_difference() {
        let mut long: Bits = [3, 700].into_iter().collect();
        long.remove(700);
        assert_eq!(long, [3].into_iter().collect());
        assert!(Bits::default() != long && !long.is_empty());
    }
}
