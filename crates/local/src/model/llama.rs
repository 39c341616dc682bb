//! The llama architecture on quantised weights (RMS norms, rotary positions, grouped heads, gated feed-forward).
//!
//! The weights are read-only and shared between workers; what changes is in the [`KeyValueCache`] of each reply.
//! Source of the architecture: Touvron et al., 2023; names of the tensors: the GGUF specification.

use std::collections::HashMap;
use std::sync::Arc;

use candle_core::quantized::QTensor;
use candle_core::quantized::gguf_file::Value;
use candle_core::{Device, Result, Tensor, bail};

use super::cache::KeyValueCache;
use super::matrix::Matrix;
use super::operations::{RmsNorm, Rotation, VisibleSoftmax};

/// The tensors of a GGUF file by name.
pub type Tensors = HashMap<String, QTensor>;
/// The metadata of a GGUF file by key.
pub type Metadata = HashMap<String, Value>;

/// The sizes of a llama model.
#[derive(Debug, Clone, PartialEq)]
pub struct Dimensions {
    /// Number of layers.
    pub layers: usize,
    /// Width of a token's vector, `w`.
    pub width: usize,
    /// Query heads, `h`.
    pub heads: usize,
    /// Key/value heads, `g`; each serves `h / g` query heads.
    pub key_value_heads: usize,
    /// Width of a head, `d`.
    pub head_width: usize,
    /// The context that is used here; the model may know a longer one.
    pub context: usize,
}

/// The weights of a llama model.
#[derive(Debug)]
pub struct Llama {
    dimensions: Dimensions,
    /// `[vocabulary, w]`: input vectors and, in models with tied weights, output scores.
    embedding: Arc<QTensor>,
    layers: Vec<Layer>,
    output_norm: RmsNorm,
    /// `[vocabulary, w]`.
    output: Matrix,
    rotation: Rotation,
    attention_scale: f32,
}

#[derive(Debug)]
struct Layer {
    attention_norm: RmsNorm,
    /// `[h * d, w]`.
    query: Matrix,
    /// `[g * d, w]`.
    key: Matrix,
    /// `[g * d, w]`.
    value: Matrix,
    /// `[w, h * d]`.
    attention_output: Matrix,
    feed_forward_norm: RmsNorm,
    /// `[feed forward, w]`.
    gate: Matrix,
    /// `[feed forward, w]`.
    up: Matrix,
    /// `[w, feed forward]`.
    down: Matrix,
}

impl Llama {
    /// Builds the model from the content of a GGUF file, taking the tensors it needs out of `tensors`.
    pub fn new(metadata: &Metadata, mut tensors: Tensors, context: usize) -> Result<Self> {
        let (dimensions, epsilon, base) = read_dimensions(metadata, context)?;
        let mut layers = Vec::with_capacity(dimensions.layers);
        for index in 0..dimensions.layers {
            let mut take = |name: &str| take(&mut tensors, &format!("blk.{index}.{name}.weight"));
            layers.push(Layer {
                attention_norm: norm(&take("attn_norm")?, epsilon)?,
                query: matrix(take("attn_q")?)?,
                key: matrix(take("attn_k")?)?,
                value: matrix(take("attn_v")?)?,
                attention_output: matrix(take("attn_output")?)?,
                feed_forward_norm: norm(&take("ffn_norm")?, epsilon)?,
                gate: matrix(take("ffn_gate")?)?,
                up: matrix(take("ffn_up")?)?,
                down: matrix(take("ffn_down")?)?,
            });
        }
        let embedding = Arc::new(take(&mut tensors, "token_embd.weight")?);
        let output_norm = norm(&take(&mut tensors, "output_norm.weight")?, epsilon)?;
        let output = match take(&mut tensors, "output.weight") {
            Ok(separate) => matrix(separate)?,
            Err(_) => Matrix::new(embedding.clone())?,
        };
        let rotation = Rotation::new(context, dimensions.head_width, base);
        #[expect(clippy::cast_precision_loss, reason = "the width of a head is small")]
        let attention_scale = (dimensions.head_width as f32).sqrt().recip();
        Ok(Self { dimensions, embedding, layers, output_norm, output, rotation, attention_scale })
    }

    /// The sizes of this model.
    pub fn dimensions(&self) -> &Dimensions {
        &self.dimensions
    }

    /// An empty cache that fits this model.
    pub fn new_cache(&self) -> KeyValueCache {
        let sizes = &self.dimensions;
        KeyValueCache::new(sizes.layers, sizes.key_value_heads, sizes.head_width, sizes.context)
    }

    /// Reads `tokens` after those in the cache, without scores: for all parts of a prompt but the last.
    pub fn read(&self, tokens: &[u32], cache: &mut KeyValueCache) -> Result<()> {
        self.hidden(tokens, cache).map(drop)
    }

    /// Reads `tokens` after those in the cache and gives one score for each entry of the vocabulary for what follows.
    pub fn scores(&self, tokens: &[u32], cache: &mut KeyValueCache) -> Result<Vec<f32>> {
        let hidden = self.hidden(tokens, cache)?;
        let last = hidden.narrow(0, tokens.len() - 1, 1)?.contiguous()?;
        self.output.forward(&self.output_norm.forward(&last)?)?.flatten_all()?.to_vec1()
    }

    /// `[n]` token ids to `[n, w]`; the cache advances by `n`.
    fn hidden(&self, tokens: &[u32], cache: &mut KeyValueCache) -> Result<Tensor> {
        if tokens.is_empty() {
            bail!("there is nothing to read")
        }
        let ids = Tensor::new(tokens, &Device::Cpu)?;
        let mut state = self.embedding.embedding(&ids)?;
        for (index, layer) in self.layers.iter().enumerate() {
            let attended = self.attend(index, layer, &layer.attention_norm.forward(&state)?, cache)?;
            state = (state + attended)?;
            let normed = layer.feed_forward_norm.forward(&state)?;
            let opened = (layer.gate.forward(&normed)?.silu()? * layer.up.forward(&normed)?)?;
            state = (state + layer.down.forward(&opened)?)?;
        }
        cache.advance(tokens.len());
        Ok(state)
    }

    /// Causal attention of `[n, w]` over the cache and itself, `[n, w]`.
    fn attend(
        &self,
        index: usize,
        layer: &Layer,
        input: &Tensor,
        cache: &mut KeyValueCache,
    ) -> Result<Tensor> {
        let Dimensions { heads, key_value_heads, head_width, .. } = self.dimensions;
        let count = input.dim(0)?;
        let past = cache.len();
        let query = layer.query.forward(input)?.reshape((count, heads, head_width))?;
        let key = layer.key.forward(input)?.reshape((count, key_value_heads, head_width))?;
        let value = layer.value.forward(input)?.reshape((count, key_value_heads, head_width))?;

        let query = self.rotation.forward(&query, past)?;
        let key = self.rotation.forward(&key, past)?;
        let value = value.transpose(0, 1)?.contiguous()?;
        let (keys, values) = cache.extend(index, &key, &value)?;

        // The query heads that share a key head become more rows of it: [g, h / g * n, d] x [g, d, t].
        let query = query.reshape((key_value_heads, heads / key_value_heads * count, head_width))?;
        let scores = query.matmul(&keys.t()?)?;
        let softmax = VisibleSoftmax { scale: self.attention_scale, visible: |row| past + 1 + row % count };
        let mixed = softmax.forward(&scores)?.matmul(&values)?;

        let mixed = mixed.reshape((heads, count, head_width))?.transpose(0, 1)?;
        layer.attention_output.forward(&mixed.contiguous()?.reshape((count, heads * head_width))?)
    }
}

fn take(tensors: &mut Tensors, name: &str) -> Result<QTensor> {
    tensors.remove(name).ok_or_else(|| candle_core::Error::Msg(format!("the tensor {name} is missing")))
}

fn norm(weight: &QTensor, epsilon: f32) -> Result<RmsNorm> {
    Ok(RmsNorm { weight: weight.dequantize(&Device::Cpu)?.flatten_all()?.to_vec1()?, epsilon })
}

fn matrix(weight: QTensor) -> Result<Matrix> {
    Matrix::new(Arc::new(weight))
}

/// Reads the sizes, the epsilon of the norms and the base of the rotation, and checks that they fit each other.
fn read_dimensions(metadata: &Metadata, context: usize) -> Result<(Dimensions, f32, f32)> {
    let get = |key: &str| {
        metadata.get(key).ok_or_else(|| candle_core::Error::Msg(format!("the metadata key {key} is missing")))
    };
    let size = |key: &str| Ok::<_, candle_core::Error>(get(key)?.to_u32()? as usize);
    let architecture = get("general.architecture")?.to_string()?;
    if architecture != "llama" {
        bail!("the architecture is {architecture}, expected llama")
    }
    let (width, heads) = (size("llama.embedding_length")?, size("llama.attention.head_count")?);
    let key_value_heads = size("llama.attention.head_count_kv")?;
    if heads == 0
        || key_value_heads == 0
        || !heads.is_multiple_of(key_value_heads)
        || !width.is_multiple_of(heads)
    {
        bail!("{heads} heads, {key_value_heads} key/value heads and width {width} do not fit each other")
    }
    let head_width = width / heads;
    if !head_width.is_multiple_of(2) || size("llama.rope.dimension_count")? != head_width {
        bail!("only rotation of whole heads is supported, not of a part of {head_width}")
    }
    let known = size("llama.context_length")?;
    if context > known {
        bail!("the model knows {known} positions, not {context}")
    }
    let dimensions =
        Dimensions { layers: size("llama.block_count")?, width, heads, key_value_heads, head_width, context };
    let epsilon = get("llama.attention.layer_norm_rms_epsilon")?.to_f32()?;
    let base = get("llama.rope.freq_base")?.to_f32()?;
    Ok((dimensions, epsilon, base))
}

#[cfg(test)]
mod tests {
    use super::super::test_weights::{small_llama, small_metadata};
    use super::*;

    fn close(left: &[f32], right: &[f32]) {
        assert_eq!(left.len(), right.len());
        for (a, b) in left.iter().zip(right) {
            assert!((a - b).abs() < 1e-4, "{left:?} and {right:?}");
        }
    }

    #[test]
    fn reading_in_parts_equals_reading_at_once() {
        let model = small_llama(64);
        let tokens = [3, 1, 4, 1, 5, 9, 2, 6];
        let at_once = model.scores(&tokens, &mut model.new_cache()).unwrap();
        let mut cache = model.new_cache();
        model.read(&tokens[..3], &mut cache).unwrap();
        model.read(&tokens[3..7], &mut cache).unwrap();
        let in_parts = model.scores(&tokens[7..], &mut cache).unwrap();
        assert_eq!(cache.len(), 8);
        close(&at_once, &in_parts);
    }

    #[test]
    fn what_follows_does_not_change_what_was_read() {
        let model = small_llama(64);
        let mut cache = model.new_cache();
        model.read(&[3, 1, 4], &mut cache).unwrap();
        model.read(&[7, 7, 7], &mut cache).unwrap();
        cache.truncate(3);
        let after = model.scores(&[5], &mut cache).unwrap();
        close(&after, &model.scores(&[3, 1, 4, 5], &mut model.new_cache()).unwrap());
    }

    #[test]
    fn the_order_of_tokens_matters() {
        let model = small_llama(64);
        let one = model.scores(&[1, 2, 3], &mut model.new_cache()).unwrap();
        let other = model.scores(&[2, 1, 3], &mut model.new_cache()).unwrap();
        assert!(one.iter().zip(&other).any(|(a, b)| (a - b).abs() > 1e-3));
    }

    #[test]
    fn bad_input_is_an_error() {
        let model = small_llama(64);
        assert!(model.scores(&[], &mut model.new_cache()).is_err());
        assert!(model.scores(&[1_000_000], &mut model.new_cache()).is_err());
        assert!(model.scores(&[1; 65], &mut model.new_cache()).is_err(), "the context is 64");
    }

    #[test]
    fn wrong_metadata_is_named() {
        let with = |key: &str, value: Value| {
            let mut metadata = small_metadata();
            metadata.insert(key.to_owned(), value);
            read_dimensions(&metadata, 64).unwrap_err().to_string()
        };
        assert!(with("general.architecture", Value::String("bert".into())).contains("bert"));
        assert!(with("llama.attention.head_count", Value::U32(0)).contains("0 heads"));
        assert!(with("llama.context_length", Value::U32(32)).contains("32 positions"));
        let mut metadata = small_metadata();
        metadata.remove("llama.rope.freq_base");
        assert!(read_dimensions(&metadata, 64).unwrap_err().to_string().contains("llama.rope.freq_base"));
        let missing = Llama::new(&small_metadata(), Tensors::new(), 64).unwrap_err().to_string();
        assert!(missing.contains("blk.0.attn_norm.weight"), "{missing}");
    }
}
