//! Which user is read next: Zipf's law with exponent 1, user 1 being the most popular.
//!
//! The r-th user is read with a weight of 1/r, as pages, products and people are in most traffic that was ever
//! measured. Numbers come from SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators",
//! OOPSLA 2014) with a fixed seed: every run reads the same users in the same order.

const SEED: u64 = 0x0FA1_150F;

/// An endless sequence of numbers from 1 to the number of users.
#[derive(Debug)]
pub(super) struct Zipf {
    /// The sum of the weights up to and including each.
    sums: Vec<f64>,
    state: u64,
}

impl Zipf {
    pub(super) fn new(users: u32) -> Self {
        let sums = (1..=users).scan(0.0, |sum, rank| {
            *sum += 1.0 / f64::from(rank);
            Some(*sum)
        });
        Self { sums: sums.collect(), state: SEED }
    }

    /// The next user, from 1.
    pub(super) fn draw(&mut self) -> u32 {
        let total = self.sums.last().copied().unwrap_or_default();
        let point = self.unit() * total;
        let rank = self.sums.partition_point(|sum| *sum <= point).min(self.sums.len().saturating_sub(1));
        u32::try_from(rank).expect("there are as many sums as users, who are counted by a u32") + 1
    }

    /// At least 0 and less than 1; 53 bits are what a float there holds exactly.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_are_those_of_the_law() {
        let mut zipf = Zipf::new(10_000);
        let draws: Vec<u32> = (0..100_000).map(|_| zipf.draw()).collect();
        assert!(draws.iter().all(|user| (1..=10_000).contains(user)));
        let share = |users: std::ops::RangeInclusive<u32>| {
            draws.iter().filter(|user| users.contains(user)).count() as f64 / draws.len() as f64
        };
        // The 10,000th harmonic number is 9.7876: user 1 has 1/9.7876 of all reads, the first 100 have 5.1874/9.7876.
        assert!((share(1..=1) - 0.1022).abs() < 0.005, "{}", share(1..=1));
        assert!((share(1..=100) - 0.5300).abs() < 0.01, "{}", share(1..=100));
    }
}
