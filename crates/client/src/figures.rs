//! A few figures of many values.

/// A few figures of many values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// How many values.
    pub count: u64,
    /// Their sum.
    pub sum: u64,
    /// The least; 0 of none.
    pub min: u64,
    /// The greatest.
    pub max: u64,
}

impl Figures {
    pub(crate) fn add(&mut self, value: u64) {
        self.min = if self.count == 0 { value } else { self.min.min(value) };
        self.max = self.max.max(value);
        self.count += 1;
        self.sum = self.sum.saturating_add(value);
    }

    /// Their mean; 0 of none.
    #[must_use]
    pub fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum as f64 / self.count as f64 }
    }
}
