//! Bytes to send: random, but the same for the same seed, and cheap to make by the megabyte.

/// The length of the block that a long pattern repeats: a prime, so that a piece that is lost,
/// doubled or moved shows at once unless its length is a multiple of it.
const BLOCK_BYTES: usize = 65_521;

/// A long run of bytes that can be compared piece by piece without being held in memory.
#[derive(Debug, Clone)]
pub struct Pattern {
    block: Vec<u8>,
    total_bytes: u64,
}

impl Pattern {
    /// A pattern of `total_bytes` bytes made from `random`.
    pub fn new(random: &mut Random, total_bytes: u64) -> Self {
        Self { block: random.bytes(BLOCK_BYTES), total_bytes }
    }

    /// A pattern of letters, for what should not fail a program that takes bytes for text.
    pub fn of_letters(random: &mut Random, total_bytes: u64) -> Self {
        let block = random.bytes(BLOCK_BYTES).into_iter().map(|byte| b'a' + byte % 26).collect();
        Self { block, total_bytes }
    }

    /// How many bytes it has.
    pub fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    /// The first `total_bytes` bytes of it.
    #[must_use]
    pub fn first(&self, total_bytes: u64) -> Self {
        Self { block: self.block.clone(), total_bytes: self.total_bytes.min(total_bytes) }
    }

    /// The bytes from `offset` on, as many as can be given without a copy; empty only at the end.
    pub fn from(&self, offset: u64) -> &[u8] {
        let left = self.total_bytes.saturating_sub(offset);
        let start = (offset % self.block.len() as u64) as usize;
        let piece = &self.block[start..];
        let length = usize::try_from(left).map_or(piece.len(), |left| left.min(piece.len()));
        &piece[..length]
    }

    /// `length` bytes (fewer at the end) from `offset` on.
    pub fn copy(&self, offset: u64, length: usize) -> Vec<u8> {
        let mut copy = Vec::with_capacity(length);
        while copy.len() < length {
            let piece = self.from(offset + copy.len() as u64);
            if piece.is_empty() {
                break;
            }
            copy.extend_from_slice(&piece[..piece.len().min(length - copy.len())]);
        }
        copy
    }

    /// Compares `bytes`, which stand at `offset`: how many are as they should be before the first
    /// that is not.
    pub fn matching(&self, offset: u64, bytes: &[u8]) -> usize {
        let mut done = 0;
        while done < bytes.len() {
            let piece = self.from(offset + done as u64);
            let length = piece.len().min(bytes.len() - done);
            if length == 0 {
                break;
            }
            let (left, right) = (&piece[..length], &bytes[done..done + length]);
            if left != right {
                return done
                    + left.iter().zip(right).take_while(|(one, other)| one == other).count();
            }
            done += length;
        }
        done
    }
}

/// Random numbers that a seed decides (splitmix64: Steele, Lea and Flood, 2014).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The numbers of `seed`, different for each `purpose` so that one check's numbers don't depend
    /// on another's.
    pub fn new(seed: u64, purpose: &str) -> Self {
        // FNV-1a: the same on every machine and in every release, which std's hasher does not
        // promise.
        let hash = purpose.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(seed ^ hash)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to but not including `limit`, which is not 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.number() % limit
    }

    /// `count` bytes of every value.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count + 8);
        while bytes.len() < count {
            bytes.extend_from_slice(&self.number().to_le_bytes());
        }
        bytes.truncate(count);
        bytes
    }

    /// `count` lower-case letters, for text that a person reads.
    pub fn letters(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from(b'a' + self.below(26) as u8)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_whole_and_comparable() {
        let pattern = Pattern::new(&mut Random::new(1, "test"), 200_000);
        let copy = pattern.copy(0, 300_000);
        assert_eq!(copy.len(), 200_000);
        assert_eq!(pattern.matching(0, &copy), 200_000);
        assert_eq!(pattern.matching(70_000, &copy[70_000..]), 130_000);
        let mut spoiled = copy;
        spoiled[150_000] ^= 1;
        assert_eq!(pattern.matching(100, &spoiled[100..]), 149_900);
        assert_eq!(pattern.matching(199_999, b"xyz").max(1), 1, "nothing matches beyond the end");
    }

    #[test]
    fn the_seed_decides() {
        assert_eq!(Random::new(7, "a").bytes(33), Random::new(7, "a").bytes(33));
        assert_ne!(Random::new(7, "a").bytes(33), Random::new(7, "b").bytes(33));
        assert_ne!(Random::new(7, "a").bytes(33), Random::new(8, "a").bytes(33));
    }
}
