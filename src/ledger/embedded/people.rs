//! A set of people with the last day each was seen, in about 20 bytes a person.
//!
//! A hash map that doubles needs up to twice that, and stops everyone while it moves a million entries. This one is a
//! linear hash table: it grows by one bucket at a time, and a bucket is a short list of exact size. Assumes digests are
//! spread evenly, which a keyed hash makes them; who does not know the key cannot aim at one bucket.

use crate::ledger::day::Day;
use crate::transfer::Digest;

/// People a bucket holds on average: fewer cost memory, more cost time.
const FILL: usize = 32;

/// Room a full bucket is given.
const STEP: usize = 4;

#[derive(Debug, Clone, Copy)]
struct Seen {
    digest: Digest,
    day: Day,
}

/// People and the last day each was seen.
#[derive(Debug)]
pub(super) struct People {
    /// INVARIANT: `2^level + split` buckets, and `split < 2^level`.
    buckets: Vec<Vec<Seen>>,
    level: u32,
    split: usize,
    len: usize,
}

/// What a sighting changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sighting {
    /// A person not seen before.
    New,
    /// A person last seen on an earlier day, which is given.
    Later(Day),
    /// A person already seen on that day or a later one.
    Known,
}

impl People {
    /// Nobody.
    pub(super) fn new() -> People {
        People { buckets: vec![Vec::new()], level: 0, split: 0, len: 0 }
    }

    /// The last day a person was seen.
    pub(super) fn last_seen(&self, digest: &Digest) -> Option<Day> {
        self.buckets.get(self.slot(digest))?.iter().find(|seen| seen.digest == *digest).map(|seen| seen.day)
    }

    /// Notes a person on a day. A later day replaces an earlier one, never the other way round.
    pub(super) fn see(&mut self, digest: Digest, day: Day) -> Sighting {
        let slot = self.slot(&digest);
        // Every slot has its bucket; without one, a person too many is the lesser evil.
        let Some(bucket) = self.buckets.get_mut(slot) else { return Sighting::New };
        if let Some(seen) = bucket.iter_mut().find(|seen| seen.digest == digest) {
            if seen.day >= day {
                return Sighting::Known;
            }
            return Sighting::Later(std::mem::replace(&mut seen.day, day));
        }
        if bucket.len() == bucket.capacity() {
            bucket.reserve_exact(STEP);
        }
        bucket.push(Seen { digest, day });
        self.len += 1;
        if self.len > self.buckets.len() * FILL {
            self.grow();
        }
        Sighting::New
    }

    /// Everyone, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Digest, Day)> {
        self.buckets.iter().flatten().map(|seen| (seen.digest, seen.day))
    }

    /// Takes out everyone last seen before a day.
    pub(super) fn expire(&mut self, before: Day) -> Vec<Digest> {
        let mut expired = Vec::new();
        for bucket in self.buckets.iter_mut().filter(|bucket| bucket.iter().any(|seen| seen.day < before)) {
            expired.extend(bucket.iter().filter(|seen| seen.day < before).map(|seen| seen.digest));
            bucket.retain(|seen| seen.day >= before);
            bucket.shrink_to_fit();
        }
        self.len -= expired.len();
        expired
    }

    fn slot(&self, digest: &Digest) -> usize {
        let hash = mix(digest);
        let low = hash & ((1 << self.level) - 1);
        if low < self.split { hash & ((1 << (self.level + 1)) - 1) } else { low }
    }

    /// Divides the next bucket in two.
    fn grow(&mut self) {
        let Some(bucket) = self.buckets.get_mut(self.split) else { return };
        let bit = 1 << self.level;
        let (mut moves, mut stays): (Vec<Seen>, Vec<Seen>) =
            std::mem::take(bucket).into_iter().partition(|seen| mix(&seen.digest) & bit != 0);
        moves.shrink_to_fit();
        stays.shrink_to_fit();
        *bucket = stays;
        self.buckets.push(moves);
        self.split += 1;
        if self.split == 1 << self.level {
            self.level += 1;
            self.split = 0;
        }
    }
}

/// Folds a digest to a word whose low bits depend on all of it.
fn mix(digest: &Digest) -> usize {
    let wide = u128::from_le_bytes(digest.0);
    let folded = (wide as u64) ^ ((wide >> 64) as u64);
    (folded.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(number: u32) -> Digest {
        let mut digest = [0; 16];
        digest[..4].copy_from_slice(&number.to_be_bytes());
        Digest(digest)
    }

    #[test]
    fn nobody_is_lost_or_doubled_while_buckets_divide() {
        let mut people = People::new();
        for number in 0..50_000 {
            assert_eq!(people.see(person(number), Day(10)), Sighting::New);
        }
        for number in 0..50_000 {
            assert_eq!(people.last_seen(&person(number)), Some(Day(10)));
            assert_eq!(people.see(person(number), Day(9)), Sighting::Known);
        }
        assert_eq!((people.len, people.last_seen(&person(50_000))), (50_000, None));
        let longest = people.buckets.iter().map(Vec::len).max().unwrap();
        assert!(longest < 8 * FILL, "{longest} people in one bucket");
    }

    #[test]
    fn a_million_people_take_less_than_24_mib() {
        let key = crate::transfer::DigestKey::new(&[7; 32]);
        let mut people = People::new();
        for number in 0..1_000_000u32 {
            people.see(key.digest("person", &number.to_le_bytes()), Day(10));
        }
        // What an allocator adds to each bucket included.
        let bucket = |bucket: &Vec<Seen>| bucket.capacity() * size_of::<Seen>() + size_of::<Vec<Seen>>() + 16;
        let bytes: usize = people.buckets.iter().map(bucket).sum();
        assert!(bytes < 24 << 20, "{bytes} bytes");
    }

    #[test]
    fn a_later_day_moves_a_person_and_expiry_takes_the_earlier_ones() {
        let mut people = People::new();
        for number in 0..1000 {
            people.see(person(number), Day(10));
        }
        for number in 0..400 {
            assert_eq!(people.see(person(number), Day(20)), Sighting::Later(Day(10)));
        }
        assert_eq!(people.expire(Day(20)).len(), 600);
        assert_eq!(
            (people.len, people.last_seen(&person(399)), people.last_seen(&person(400))),
            (400, Some(Day(20)), None)
        );
    }
}
