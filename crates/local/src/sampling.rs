//! Choosing the next token from the scores of the model.

use std::collections::HashMap;
use std::collections::VecDeque;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// How many of the most likely tokens are considered at all; the rest of a small model's distribution is noise.
const CANDIDATES: usize = 100;
/// How many generated tokens the repetition penalty looks back.
const PENALTY_WINDOW: usize = 96;

/// How the next token is chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct SamplingOptions {
    /// 0 takes the most likely token; larger values flatten the distribution. Up to 2.
    pub temperature: f32,
    /// Keeps the smallest set of tokens whose probability reaches this share, in (0, 1].
    pub top_p: f32,
    /// Divides positive scores of recent tokens (and multiplies negative ones); 1 is off.
    pub repetition_penalty: f32,
    /// Subtracted from the score of a token once for each time it was generated.
    pub frequency_penalty: f32,
    /// Subtracted from the score of a token that was generated at all.
    pub presence_penalty: f32,
    /// The same seed, prompt and options give the same text.
    pub seed: Option<u64>,
}

impl Default for SamplingOptions {
    /// The values that the model's authors recommend, and a penalty without which 135 million parameters run in circles.
    fn default() -> Self {
        Self {
            temperature: 0.2,
            top_p: 0.9,
            repetition_penalty: 1.1,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            seed: None,
        }
    }
}

/// The state of sampling in one reply.
#[derive(Debug)]
pub struct Sampler {
    options: SamplingOptions,
    random: StdRng,
    recent: VecDeque<u32>,
    counts: HashMap<u32, u32>,
}

impl Sampler {
    /// Starts a reply.
    pub fn new(options: SamplingOptions) -> Self {
        let random = options.seed.map_or_else(StdRng::from_os_rng, StdRng::seed_from_u64);
        Self { options, random, recent: VecDeque::new(), counts: HashMap::new() }
    }

    /// Chooses the next token from `scores` (one logit for each token of the vocabulary) and remembers it.
    ///
    /// `scores` is changed: the penalties are applied in place. Returns `None` when there is no usable score.
    pub fn next(&mut self, scores: &mut [f32]) -> Option<u32> {
        self.penalise(scores);
        let token = if self.options.temperature <= 0.0 { most_likely(scores)? } else { self.draw(scores)? };
        self.remember(token);
        Some(token)
    }

    fn penalise(&self, scores: &mut [f32]) {
        let penalty = self.options.repetition_penalty;
        for token in self.recent.iter().collect::<std::collections::HashSet<_>>() {
            if let Some(score) = scores.get_mut(*token as usize) {
                *score = if *score > 0.0 { *score / penalty } else { *score * penalty };
            }
        }
        let (frequency, presence) = (self.options.frequency_penalty, self.options.presence_penalty);
        if frequency == 0.0 && presence == 0.0 {
            return;
        }
        for (token, count) in &self.counts {
            if let Some(score) = scores.get_mut(*token as usize) {
                #[expect(clippy::cast_precision_loss, reason = "counts stay below the token limit")]
                let times = *count as f32;
                *score -= presence + frequency * times;
            }
        }
    }

    fn draw(&mut self, scores: &[f32]) -> Option<u32> {
        let mut candidates: Vec<(u32, f32)> =
            (0u32..).zip(scores.iter().copied()).filter(|(_, score)| score.is_finite()).collect();
        if candidates.len() > CANDIDATES {
            candidates.select_nth_unstable_by(CANDIDATES, |a, b| b.1.total_cmp(&a.1));
            candidates.truncate(CANDIDATES);
        }
        candidates.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let highest = candidates.first()?.1;
        let mut total = 0.0;
        for (_, score) in &mut candidates {
            *score = ((*score - highest) / self.options.temperature).exp();
            total += *score;
        }
        let wanted = self.options.top_p * total;
        let mut kept = 0.0;
        let mut size = 0;
        for (_, share) in &candidates {
            kept += share;
            size += 1;
            if kept >= wanted {
                break;
            }
        }
        let mut point = self.random.random::<f32>() * kept;
        for (token, share) in &candidates[..size] {
            point -= share;
            if point <= 0.0 {
                return Some(*token);
            }
        }
        candidates.first().map(|(token, _)| *token)
    }

    fn remember(&mut self, token: u32) {
        if self.recent.len() == PENALTY_WINDOW {
            self.recent.pop_front();
        }
        self.recent.push_back(token);
        *self.counts.entry(token).or_default() += 1;
    }
}

fn most_likely(scores: &[f32]) -> Option<u32> {
    (0u32..)
        .zip(scores.iter().copied())
        .filter(|(_, score)| score.is_finite())
        .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))
        .map(|(token, _)| token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(temperature: f32, top_p: f32, seed: u64) -> SamplingOptions {
        SamplingOptions {
            temperature,
            top_p,
            repetition_penalty: 1.0,
            seed: Some(seed),
            ..SamplingOptions::default()
        }
    }

    #[test]
    fn temperature_zero_takes_the_first_of_the_highest() {
        let mut sampler = Sampler::new(plain(0.0, 1.0, 1));
        assert_eq!(sampler.next(&mut [0.1, 3.0, 3.0, f32::NAN]), Some(1));
        assert_eq!(sampler.next(&mut [f32::NAN, f32::NEG_INFINITY]), None);
        assert_eq!(sampler.next(&mut []), None);
    }

    #[test]
    fn a_small_top_p_leaves_only_the_most_likely() {
        let mut sampler = Sampler::new(plain(2.0, 0.01, 7));
        for _ in 0..50 {
            assert_eq!(sampler.next(&mut [1.0, 1.5, 1.2]), Some(1));
        }
    }

    #[test]
    fn draws_follow_the_distribution() {
        // Shares 0.8 and 0.2 by construction: the difference of the scores is ln 4.
        let mut sampler = Sampler::new(plain(1.0, 1.0, 42));
        let first = (0..4_000).filter(|_| sampler.next(&mut [4f32.ln(), 0.0]) == Some(0)).count();
        assert!((3_000..3_400).contains(&first), "{first} of 4000");
    }

    #[test]
    fn tokens_beyond_top_p_are_never_drawn() {
        let mut sampler = Sampler::new(plain(1.0, 0.7, 3));
        for _ in 0..500 {
            assert_eq!(sampler.next(&mut [4f32.ln(), 0.0]), Some(0));
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_tokens() {
        let draw = |seed| {
            let mut sampler = Sampler::new(plain(1.5, 1.0, seed));
            (0..20).map(|_| sampler.next(&mut [1.0; 50]).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(draw(5), draw(5));
        assert_ne!(draw(5), draw(6));
    }

    #[test]
    fn repetition_is_penalised_on_both_sides_of_zero() {
        let options = SamplingOptions { temperature: 0.0, repetition_penalty: 2.0, ..plain(0.0, 1.0, 1) };
        let mut sampler = Sampler::new(options.clone());
        assert_eq!(sampler.next(&mut [3.0, 2.0]), Some(0));
        assert_eq!(sampler.next(&mut [3.0, 2.0]), Some(1));
        let mut sampler = Sampler::new(options);
        assert_eq!(sampler.next(&mut [-1.0, -1.5]), Some(0));
        assert_eq!(sampler.next(&mut [-1.0, -1.5]), Some(1));
    }

    #[test]
    fn presence_and_frequency_are_subtracted() {
        let options = SamplingOptions { presence_penalty: 0.5, frequency_penalty: 0.4, ..plain(0.0, 1.0, 1) };
        let mut sampler = Sampler::new(options);
        assert_eq!(sampler.next(&mut [2.0, 1.2]), Some(0));
        let mut scores = [2.0, 1.2];
        assert_eq!(sampler.next(&mut scores), Some(1));
        assert!((scores[0] - 1.1).abs() < 1e-6, "{scores:?}");
    }
}
