//! The keys and values of the tokens that a reply has read so far.

use candle_core::{DType, Device, Result, Tensor};

/// Room is made in steps of this many tokens, so that short chats stay small; copying at each step is quicker than one token.
const CAPACITY_STEP: usize = 256;

/// The cache of one reply: for each layer the keys and the values.
///
/// With 30 layers, 3 key/value heads of width 64 and `f32` this is 45 KiB for each token.
#[derive(Debug)]
pub struct KeyValueCache {
    layers: Vec<Option<LayerCache>>,
    heads: usize,
    width: usize,
    limit: usize,
    length: usize,
}

/// `[g, capacity, d]` each, of which the first `length` rows of each head are in use.
#[derive(Debug)]
struct LayerCache {
    keys: Tensor,
    values: Tensor,
}

impl KeyValueCache {
    /// An empty cache for `layers` layers of `heads` key/value heads of `width`, for at most `limit` tokens.
    pub fn new(layers: usize, heads: usize, width: usize, limit: usize) -> Self {
        Self { layers: (0..layers).map(|_| None).collect(), heads, width, limit, length: 0 }
    }

    /// How many tokens are in the cache.
    pub fn len(&self) -> usize {
        self.length
    }

    /// True when no token is in the cache.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Forgets all tokens after the first `length`.
    pub fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// Adds the keys and values of `n` new tokens (`[g, n, d]` each) to one layer and gives those of all tokens, `[g, t, d]`.
    ///
    /// The length grows only with [`Self::advance`], after the last layer: until then the step can be repeated.
    pub fn extend(&mut self, layer: usize, keys: &Tensor, values: &Tensor) -> Result<(Tensor, Tensor)> {
        let total = self.length + keys.dim(1)?;
        if total > self.limit {
            candle_core::bail!("{total} tokens exceed the context of {}", self.limit)
        }
        let (heads, width, length, limit) = (self.heads, self.width, self.length, self.limit);
        let Some(slot) = self.layers.get_mut(layer) else { candle_core::bail!("there is no layer {layer}") };
        let capacity = slot.as_ref().map_or(Ok(0), |cache| cache.keys.dim(1))?;
        if total > capacity {
            let wanted = total.next_multiple_of(CAPACITY_STEP).min(limit);
            let grown = LayerCache {
                keys: Tensor::zeros((heads, wanted, width), DType::F32, &Device::Cpu)?,
                values: Tensor::zeros((heads, wanted, width), DType::F32, &Device::Cpu)?,
            };
            if let (Some(old), true) = (slot.as_ref(), length > 0) {
                grown.keys.slice_set(&old.keys.narrow(1, 0, length)?.contiguous()?, 1, 0)?;
                grown.values.slice_set(&old.values.narrow(1, 0, length)?.contiguous()?, 1, 0)?;
            }
            *slot = Some(grown);
        }
        let Some(cache) = slot else { candle_core::bail!("layer {layer} has no room") };
        cache.keys.slice_set(keys, 1, length)?;
        cache.values.slice_set(values, 1, length)?;
        Ok((cache.keys.narrow(1, 0, total)?, cache.values.narrow(1, 0, total)?))
    }

    /// Counts `new` tokens as read, once all layers have them.
    pub fn advance(&mut self, new: usize) {
        self.length += new;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(from: f32, count: usize) -> Tensor {
        // Two heads of width 1; the second head holds the negative numbers.
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let numbers: Vec<f32> = (0..count).map(|index| from + index as f32).collect();
        let both: Vec<f32> = numbers.iter().copied().chain(numbers.iter().map(|number| -number)).collect();
        Tensor::from_vec(both, (2, count, 1), &Device::Cpu).unwrap()
    }

    fn flat(tensor: &Tensor) -> Vec<f32> {
        tensor.contiguous().unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn grows_keeps_and_truncates() {
        let mut cache = KeyValueCache::new(1, 2, 1, 1024);
        for start in (0u16..600).step_by(100) {
            let (keys, _) = cache.extend(0, &rows(f32::from(start), 100), &rows(0.0, 100)).unwrap();
            cache.advance(100);
            assert_eq!(keys.dims(), [2, usize::from(start) + 100, 1]);
            assert!(flat(&keys).starts_with(&[0.0, 1.0, 2.0]));
        }
        cache.truncate(2);
        let (keys, values) = cache.extend(0, &rows(50.0, 1), &rows(7.0, 1)).unwrap();
        assert_eq!(flat(&keys), [0.0, 1.0, 50.0, 0.0, -1.0, -50.0]);
        assert_eq!(flat(&values), [0.0, 1.0, 7.0, 0.0, -1.0, -7.0]);
    }

    #[test]
    fn the_limit_is_an_error_and_not_a_panic() {
        let mut cache = KeyValueCache::new(1, 2, 1, 3);
        cache.extend(0, &rows(0.0, 3), &rows(0.0, 3)).unwrap();
        cache.advance(3);
        assert!(cache.extend(0, &rows(0.0, 1), &rows(0.0, 1)).is_err());
        assert!(cache.extend(5, &rows(0.0, 0), &rows(0.0, 0)).is_err());
    }
}
