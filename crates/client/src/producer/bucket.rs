//! A token bucket, whose clock is its caller's.

/// Tokens that come back with time.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    per_ms: f64,
    capacity: f64,
    tokens: f64,
    filled_ms: u64,
}

impl Bucket {
    /// A full bucket of one second's worth.
    pub(super) fn new(per_second: f64, now_ms: u64) -> Self {
        Self { per_ms: per_second / 1000.0, capacity: per_second, tokens: per_second, filled_ms: now_ms }
    }

    fn fill(&mut self, now_ms: u64) {
        let passed = now_ms.saturating_sub(self.filled_ms);
        self.tokens = (self.tokens + self.per_ms * passed as f64).min(self.capacity);
        self.filled_ms = now_ms;
    }

    /// When so many tokens can be taken. What is more than the bucket holds waits until it is full, and leaves it in debt.
    pub(super) fn ready_ms(&mut self, count: usize, now_ms: u64) -> u64 {
        self.fill(now_ms);
        let lacking = (count as f64).min(self.capacity) - self.tokens;
        // A little less than a token is due to the sums of fractions.
        if lacking <= 1e-6 { now_ms } else { now_ms + ((lacking / self.per_ms).ceil() as u64).max(1) }
    }

    /// Takes them.
    pub(super) fn take(&mut self, count: usize, now_ms: u64) {
        self.fill(now_ms);
        self.tokens -= count as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holds_a_seconds_worth() {
        let mut bucket = Bucket::new(1000.0, 0);
        let mut taken = 0;
        for now_ms in 0..3000 {
            while bucket.ready_ms(1, now_ms) == now_ms {
                bucket.take(1, now_ms);
                taken += 1;
            }
        }
        assert!((3990..=4000).contains(&taken), "what it held, and three seconds: {taken}");
    }

    #[test]
    fn more_than_it_holds_leaves_it_in_debt() {
        let mut bucket = Bucket::new(1000.0, 0);
        assert_eq!(bucket.ready_ms(5000, 0), 0);
        bucket.take(5000, 0);
        assert_eq!(bucket.ready_ms(1, 0), 4001);
        assert_eq!(bucket.ready_ms(5000, 0), 5000);
    }
}
