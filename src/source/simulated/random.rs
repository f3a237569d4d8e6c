//! Chance that repeats: splitmix64, and what we draw from it by additions, products and quotients only.
//! No logarithm and no power, whose last bit differs between machines.

/// A stream of numbers told by its seed alone.
#[derive(Debug, Clone)]
pub(super) struct SplitMix(u64);

impl SplitMix {
    /// The stream of a seed, and of a lane: lanes of one seed have nothing to do with each other.
    pub(super) fn new(seed: u64, lane: u64) -> Self {
        let mut mixed = SplitMix(seed ^ lane.wrapping_mul(0xd1b5_4a32_d192_ed03));
        SplitMix(mixed.next())
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `bound`, evenly (up to one part in 2^64 / bound).
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// In [0, 1).
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Around 0 with deviation 1, bell-shaped: the sum of twelve even draws.
    pub(super) fn bell(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }

    /// Mostly around 1, now and then a thousand: what sizes of trades look like.
    pub(super) fn heavy_tail(&mut self) -> f64 {
        let u = self.unit();
        u / (1.001 - u)
    }

    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_numbers_of_splitmix64() {
        let mut random = SplitMix(1_234_567);
        let first: Vec<u64> = (0..5).map(|_| random.next()).collect();
        assert_eq!(
            first,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821
            ]
        );
    }

    #[test]
    fn ten_thousand_draws_stay_in_their_range() {
        let mut random = SplitMix::new(1, 2);
        let mut sum = 0.0;
        for _ in 0..10_000 {
            assert!(random.below(7) < 7);
            assert!((0.0..1.0).contains(&random.unit()));
            assert!((0.0..1_001.0).contains(&random.heavy_tail()));
            sum += random.bell();
        }
        assert!((sum / 10_000.0).abs() < 0.05);
    }
}
