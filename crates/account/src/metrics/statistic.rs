//! Statistic sets, and the statistics that can be asked for.

use super::Distribution;

/// What is known of some samples without the samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StatisticSet {
    /// How many there are.
    pub count: f64,
    /// What they are together.
    pub sum: f64,
    /// The least.
    pub minimum: f64,
    /// The greatest.
    pub maximum: f64,
}

impl StatisticSet {
    /// Those of one value that was seen so often.
    #[must_use]
    pub fn of(value: f64, count: f64) -> Self {
        Self { count, sum: value * count, minimum: value, maximum: value }
    }

    /// Those of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            sum: self.sum + other.sum,
            minimum: self.minimum.min(other.minimum),
            maximum: self.maximum.max(other.maximum),
        }
    }

    /// The mean.
    #[must_use]
    pub fn average(&self) -> f64 {
        self.sum / self.count
    }
}

/// A statistic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Statistic {
    /// How many.
    SampleCount,
    /// The mean.
    Average,
    /// All together.
    Sum,
    /// The least.
    Minimum,
    /// The greatest.
    Maximum,
    /// What this share of the samples, from 0 to 100, does not exceed.
    Percentile(f64),
}

impl Statistic {
    /// A statistic by its name: `Average`, `p99.9`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "SampleCount" => Self::SampleCount,
            "Average" => Self::Average,
            "Sum" => Self::Sum,
            "Minimum" => Self::Minimum,
            "Maximum" => Self::Maximum,
            _ => {
                let digits = name.strip_prefix('p')?;
                let is_number = digits.len() <= 14 && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
                let share: f64 = digits.parse().ok().filter(|_| is_number)?;
                (0.0..=100.0).contains(&share).then_some(Self::Percentile(share))?
            }
        })
    }

    /// What it is of some samples. `None` for a percentile of samples of which not all values are known.
    #[must_use]
    pub fn of(self, set: &StatisticSet, values: Option<&Distribution>) -> Option<f64> {
        Some(match self {
            Self::SampleCount => set.count,
            Self::Average => set.average(),
            Self::Sum => set.sum,
            Self::Minimum => set.minimum,
            Self::Maximum => set.maximum,
            Self::Percentile(share) => values?.percentile(share)?,
        })
    }
}
