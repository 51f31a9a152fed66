//! The plain harness: runs a target over a corpus and over random changes of it, without any other tool.
//!
//! It knows nothing of coverage, so it finds less than `cargo fuzz`; what it does is the same for the same seed.

/// A source of random numbers: the same sequence for the same seed (xorshift64*).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Begins the sequence of `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        // Zero would stay zero.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.number() >> 16) as usize % limit
    }
}

/// The longest input that is made, in bytes.
const MAX_BYTES: usize = 1 << 16;
/// Bytes that are worth trying.
const BYTES: [u8; 8] = [0, 1, 0x7f, 0x80, 0xff, 0x10, 0x40, 0xfe];

/// Makes a new input out of one or two of `corpus`; of an empty one random bytes.
#[must_use]
pub fn mutate(random: &mut Random, corpus: &[Vec<u8>]) -> Vec<u8> {
    let pick = |random: &mut Random| match corpus.len() {
        0 => Vec::new(),
        count => corpus[random.below(count)].clone(),
    };
    let mut data = if random.below(8) == 0 {
        let length = random.below(600);
        (0..length).map(|_| random.number() as u8).collect()
    } else {
        pick(random)
    };
    for _ in 0..=random.below(8) {
        let at = random.below(data.len() + 1);
        match random.below(9) {
            0 | 1 if at < data.len() => data[at] ^= 1 << random.below(8),
            2 | 3 if at < data.len() => data[at] = random.number() as u8,
            4 if at < data.len() => data[at] = BYTES[random.below(BYTES.len())],
            5 => {
                let more = (0..=random.below(12)).map(|_| random.number() as u8);
                data.splice(at..at, more.collect::<Vec<_>>());
            }
            6 => {
                let end = (at + random.below(20)).min(data.len());
                data.drain(at..end);
            }
            7 => {
                // Some of another one, over or into this one.
                let other = pick(random);
                let from = random.below(other.len() + 1);
                let length = random.below(64).min(other.len() - from);
                let over = if random.below(2) == 0 { length } else { 0 };
                let end = (at + over).min(data.len());
                data.splice(at..end, other[from..from + length].iter().copied());
            }
            8 => {
                let value = match random.below(3) {
                    0 => random.number(),
                    1 => u64::MAX << random.below(64),
                    _ => 1 << random.below(64),
                };
                for (to, from) in data.iter_mut().skip(at).zip(value.to_be_bytes()) {
                    *to = from;
                }
            }
            _ => {}
        }
    }
    data.truncate(MAX_BYTES);
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_inputs_and_another_others() {
        let corpus = vec![vec![1; 30], vec![2; 20]];
        let made = |seed| {
            let mut random = Random::new(seed);
            let inputs = (0..50).map(|_| mutate(&mut random, &corpus));
            inputs.collect::<Vec<_>>()
        };
        assert_eq!(made(1), made(1));
        assert_ne!(made(1), made(2));
        let different: std::collections::BTreeSet<_> = made(1).into_iter().collect();
        assert!(different.len() > 40);
    }
}
