//! What earlier replies have read, so that the next turn of a chat need not read it again.
//!
//! A chat comes back with everything said so far and one more message. Reading costs most of the time to the first word, so the
//! caches of the last replies are kept and the one with the longest common beginning is continued.

use crate::model::cache::KeyValueCache;

/// Below this a common beginning saves too little: all prompts share the marker and the first words.
const SHORTEST_PREFIX: usize = 16;

/// The caches of the last replies, at most `room` tokens together.
#[derive(Debug)]
pub struct Prefixes {
    room: usize,
    /// The oldest first.
    kept: Vec<Session>,
}

/// The cache of one reply and the tokens that are in it.
#[derive(Debug)]
struct Session {
    tokens: Vec<u32>,
    cache: KeyValueCache,
}

impl Prefixes {
    /// Room for `room` tokens.
    pub fn new(room: usize) -> Self {
        Self { room, kept: Vec::new() }
    }

    /// Takes out the cache with the longest common beginning with `tokens`, cut to it.
    ///
    /// At least the last of `tokens` stays to be read: its scores are needed.
    pub fn take(&mut self, tokens: &[u32]) -> Option<KeyValueCache> {
        let most = tokens.len().saturating_sub(1);
        let common = |session: &Session| {
            session.tokens.iter().zip(&tokens[..most]).take_while(|(old, new)| old == new).count()
        };
        let (index, length) =
            self.kept.iter().map(common).enumerate().max_by_key(|(_, length)| *length).filter(
                // A cache that is longer than what is shared belongs to another chat, which may go on:
                // taking it would cost more there than it saves here.
                |(index, length)| *length >= SHORTEST_PREFIX && *length * 2 >= self.kept[*index].tokens.len(),
            )?;
        let mut cache = self.kept.remove(index).cache;
        cache.truncate(length);
        Some(cache)
    }

    /// Keeps the cache of a reply that has ended, which holds the first `cache.len()` of `tokens`.
    pub fn put(&mut self, mut tokens: Vec<u32>, cache: KeyValueCache) {
        tokens.truncate(cache.len());
        if tokens.len() < SHORTEST_PREFIX || tokens.len() > self.room {
            return;
        }
        self.kept.push(Session { tokens, cache });
        let mut total: usize = self.kept.iter().map(|session| session.tokens.len()).sum();
        while total > self.room {
            total -= self.kept.remove(0).tokens.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device, Tensor};

    fn cache(length: usize) -> KeyValueCache {
        let mut cache = KeyValueCache::new(1, 1, 1, 4096);
        let rows = Tensor::zeros((1, length, 1), DType::F32, &Device::Cpu).unwrap();
        cache.extend(0, &rows, &rows).unwrap();
        cache.advance(length);
        cache
    }

    fn tokens(first: u32, length: u32) -> Vec<u32> {
        (first..first + length).collect()
    }

    #[test]
    fn a_longer_chat_continues_and_leaves_one_token_to_read() {
        let mut prefixes = Prefixes::new(1_000);
        prefixes.put(tokens(0, 41), cache(40));
        assert_eq!(prefixes.take(&tokens(0, 60)).unwrap().len(), 40);
        assert!(prefixes.take(&tokens(0, 60)).is_none(), "it was taken");

        prefixes.put(tokens(0, 40), cache(40));
        assert_eq!(prefixes.take(&tokens(0, 40)).unwrap().len(), 39);
    }

    #[test]
    fn the_longest_common_beginning_wins_and_a_short_one_is_not_worth_it() {
        let mut prefixes = Prefixes::new(1_000);
        let mut other: Vec<u32> = tokens(0, 20);
        other.extend(tokens(500, 10));
        prefixes.put(other.clone(), cache(30));
        prefixes.put(tokens(0, 25), cache(25));
        assert_eq!(prefixes.take(&tokens(0, 100)).unwrap().len(), 25);
        assert_eq!(prefixes.take(&tokens(0, 100)).unwrap().len(), 20);
        prefixes.put(other, cache(30));
        assert!(prefixes.take(&tokens(9, 40)).is_none());
    }

    #[test]
    fn a_long_chat_is_not_cut_for_a_short_common_beginning() {
        let mut prefixes = Prefixes::new(1_000);
        prefixes.put(tokens(0, 200), cache(200));
        let mut other = tokens(0, 50);
        other.extend(tokens(900, 50));
        assert!(prefixes.take(&other).is_none());
        assert_eq!(prefixes.take(&tokens(0, 300)).unwrap().len(), 200);
    }

    #[test]
    fn the_oldest_goes_when_there_is_no_room() {
        let mut prefixes = Prefixes::new(100);
        prefixes.put(tokens(0, 50), cache(50));
        prefixes.put(tokens(1_000, 40), cache(40));
        prefixes.put(tokens(2_000, 30), cache(30));
        assert!(prefixes.take(&tokens(0, 60)).is_none());
        assert!(prefixes.take(&tokens(1_000, 60)).is_some());
        prefixes.put(tokens(0, 200), cache(200));
        assert!(prefixes.take(&tokens(0, 300)).is_none(), "longer than the room");
        assert!(prefixes.take(&[]).is_none());
    }
}
