//! Mutations that have broken decoders before: bytes, words of JSON, lengths, pieces of other recordings.

/// What numbers and members of JSON may stand in each other's place.
const WORDS: &[&str] = &[
    "null",
    "true",
    "-1",
    "1e999",
    "0.5",
    "18446744073709551616",
    "\"\"",
    "{}",
    "[]",
    "[{}]",
    "\"\\ud800\"",
    "\"\\u0000\"",
    "\\n\\n",
    "data: ",
    "event: ",
    "\n\n",
    "\r\n",
    "\r",
    "\u{feff}",
    "data: [DONE]\n\n",
    ":",
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ",",
    "error",
    "\u{1f980}",
];

const LONGEST: usize = 64 * 1024;

/// A source of mutations: the same seed gives the same ones.
pub(crate) struct Mutator(u64);

impl Mutator {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `bound`, or 0.
    fn below(&mut self, bound: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        (drawn as usize).checked_rem(bound).unwrap_or(0)
    }

    /// One of the seeds with a few changes.
    pub(crate) fn mutate(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut input = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(4) {
            let at = self.below(input.len() + 1);
            let end = (at + self.below(40)).min(input.len());
            match self.below(9) {
                0 if at < input.len() => input[at] = self.below(256) as u8,
                1 if at < input.len() => input[at] ^= 1 << self.below(8),
                2 => drop(input.drain(at..end)),
                3 => input.truncate(at),
                4 => {
                    let copy = input[at..end].to_vec();
                    let to = self.below(input.len() + 1);
                    input.splice(to..to, copy);
                }
                5 | 6 => {
                    let word = WORDS[self.below(WORDS.len())];
                    input.splice(at..end.min(at + self.below(8)).max(at), word.bytes());
                }
                7 => {
                    let other = &seeds[self.below(seeds.len())];
                    let from = self.below(other.len() + 1);
                    input.splice(at.., other[from..].iter().copied());
                }
                _ => {
                    let byte = self.below(256) as u8;
                    input.splice(at..at, vec![byte; self.below(300)]);
                }
            }
            input.truncate(LONGEST);
        }
        input
    }

    /// Where a body of this length is cut into pieces: sometimes everywhere, sometimes in a few places.
    pub(crate) fn cuts(&mut self, len: usize) -> Vec<usize> {
        if self.below(8) == 0 && len < 4096 {
            return (1..len).collect();
        }
        let mut cuts: Vec<_> = (0..self.below(6)).map(|_| self.below(len + 1)).collect();
        cuts.sort_unstable();
        cuts
    }
}
