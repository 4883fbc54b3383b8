//! Values and how often each was seen, in a bounded number of them.

/// How many different values are kept before neighbours are taken together.
const MOST: usize = 300;

/// Values in order, each with how often it was seen. Exact up to 300 different ones; beyond, neighbours are taken together
/// at their mean, and a percentile is off by a hundredth of the samples or so.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distribution(Vec<(f64, f64)>);

impl Distribution {
    /// Of these values, in any order.
    #[must_use]
    pub fn of(values: &[(f64, f64)]) -> Self {
        let mut all = Self::default();
        all.add(values);
        all
    }

    /// Adds values, in any order.
    pub fn add(&mut self, values: &[(f64, f64)]) {
        self.0.extend(values.iter().filter(|(_, count)| *count > 0.0));
        self.0.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
        self.0.dedup_by(|next, kept| {
            let is_same = next.0 == kept.0;
            if is_same {
                kept.1 += next.1;
            }
            is_same
        });
        if self.0.len() > MOST {
            self.take_together();
        }
        self.0.shrink_to(2 * self.0.len());
    }

    /// Takes neighbours together while they are no more than a hundredth of all: of two that stay apart each pair is more,
    /// so there are at most two hundred. The least and the greatest stay as they are.
    fn take_together(&mut self) {
        let most = self.0.iter().map(|(_, count)| count).sum::<f64>() / 100.0;
        let last = self.0.len() - 1;
        let mut fewer: Vec<(f64, f64)> = Vec::with_capacity(MOST);
        for (at, &(value, count)) in self.0.iter().enumerate() {
            match fewer.last_mut() {
                Some((mean, held)) if at > 1 && at < last && *held + count <= most => {
                    *mean = (*mean * *held + value * count) / (*held + count);
                    *held += count;
                }
                _ => fewer.push((value, count)),
            }
        }
        self.0 = fewer;
    }

    /// The values.
    #[must_use]
    pub fn values(&self) -> &[(f64, f64)] {
        &self.0
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<(f64, f64)>()
    }

    /// What `share` (0 to 100) of the samples do not exceed; between two values, in proportion. `None` of nothing.
    #[must_use]
    pub fn percentile(&self, share: f64) -> Option<f64> {
        let count: f64 = self.0.iter().map(|(_, count)| count).sum();
        let rank = share / 100.0 * count;
        let mut seen = 0.0;
        let mut reached = None;
        for (value, count) in &self.0 {
            seen += count;
            reached = Some(*value);
            if seen >= rank {
                break;
            }
        }
        reached
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_few_values_are_exact() {
        let values = Distribution::of(&[(3.0, 1.0), (1.0, 1.0), (2.0, 2.0), (3.0, 1.0)]);
        assert_eq!(values.values(), [(1.0, 1.0), (2.0, 2.0), (3.0, 2.0)]);
        assert_eq!(
            [0.0, 20.0, 50.0, 60.0, 61.0, 100.0].map(|share| values.percentile(share).unwrap()),
            [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]
        );
        assert_eq!(Distribution::default().percentile(50.0), None);
    }

    #[test]
    fn many_values_become_few_and_stay_near() {
        let mut values = Distribution::default();
        for value in 0..10_000 {
            values.add(&[(f64::from(value), 1.0)]);
        }
        assert!(values.values().len() <= MOST);
        let count: f64 = values.values().iter().map(|(_, count)| count).sum();
        assert_eq!(count, 10_000.0);
        for share in [1.0, 50.0, 90.0, 99.0] {
            let (is, should) = (values.percentile(share).unwrap(), share * 100.0);
            assert!((is - should).abs() < 300.0, "p{share}: {is}");
        }
        assert_eq!((values.percentile(0.0), values.percentile(100.0)), (Some(0.0), Some(9999.0)));
    }
}
