//! Latencies, counted in buckets that are never wider than a 64th of what they hold.

/// Bits of a value that a bucket keeps: a 64th of precision.
const KEPT_BITS: u32 = 6;
const KEPT: u64 = 1 << KEPT_BITS;

/// Counted latencies in nanoseconds.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    longest: u64,
}

/// The bucket of a value: values below 128 have their own, above them each doubling has 64.
fn bucket(value: u64) -> usize {
    let shift = (u64::BITS - value.leading_zeros()).saturating_sub(KEPT_BITS + 1);
    usize::try_from(u64::from(shift) * KEPT + (value >> shift)).unwrap_or(usize::MAX)
}

/// The middle of a bucket.
fn middle(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < 2 * KEPT {
        return bucket;
    }
    let shift = bucket / KEPT - 1;
    let low = (bucket - shift * KEPT) << shift;
    low + (1 << shift) / 2
}

impl Histogram {
    pub(super) fn record(&mut self, nanoseconds: u64) {
        let bucket = bucket(nanoseconds);
        if bucket >= self.buckets.len() {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
        self.count += 1;
        self.longest = self.longest.max(nanoseconds);
    }

    pub(super) fn add(&mut self, other: &Histogram) {
        self.buckets.resize(self.buckets.len().max(other.buckets.len()), 0);
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(sum, more)| *sum += more);
        self.count += other.count;
        self.longest = self.longest.max(other.longest);
    }

    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// What so large a share of all is not above; 1 is the longest, exactly.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank among far fewer than 2^53 values, and never negative"
    )]
    pub(super) fn at(&self, share: f64) -> u64 {
        let rank = (self.count as f64 * share).ceil() as u64;
        if rank >= self.count {
            return self.longest;
        }
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return middle(bucket);
            }
        }
        self.longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_no_wider_than_a_64th_of_its_values() {
        for value in [0, 1, 127, 128, 129, 1_000, 123_456, 7_000_000_000, u64::MAX / 2] {
            let middle = middle(bucket(value));
            assert!(middle.abs_diff(value) <= value / 64, "{value} counts as {middle}");
        }
        let mut last = 0;
        for value in 0..100_000 {
            assert!(bucket(value) == last || bucket(value) == last + 1, "buckets have no holes and keep the order");
            last = bucket(value);
        }
    }

    #[test]
    fn shares_of_two_histograms_are_those_of_their_values() {
        let (mut low, mut high) = (Histogram::default(), Histogram::default());
        (1..=500_u64).for_each(|value| low.record(value * 1_000));
        (501..=1_000_u64).for_each(|value| high.record(value * 1_000));
        low.add(&high);
        assert_eq!(low.count(), 1_000);
        assert!(low.at(0.5).abs_diff(500_000) < 10_000);
        assert!(low.at(0.99).abs_diff(990_000) < 20_000);
        assert_eq!(low.at(1.0), 1_000_000);
    }
}
