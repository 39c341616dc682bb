//! The BERT architecture as an encoder of sentences: all-MiniLM-L6-v2 in `f32`.
//!
//! Each text becomes the mean of its tokens' last vectors, brought to length 1, as the model was trained
//! (Reimers and Gurevych, 2019). Similarity of two texts is then the dot product.

use std::collections::HashMap;

use candle_core::{Device, IndexOp, Result, Tensor, bail};
use serde::Deserialize;

use super::operations::{LayerNorm, VisibleSoftmax};
use crate::error::LocalError;
use crate::layout::Layout;

/// The sizes of the encoder, by their names in `config.json`.
#[derive(Debug, Clone, Deserialize)]
pub struct Configuration {
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    max_position_embeddings: usize,
    layer_norm_eps: f32,
    hidden_act: String,
    position_embedding_type: String,
}

/// The weights of the encoder.
#[derive(Debug)]
pub struct Bert {
    heads: usize,
    positions: usize,
    /// `[vocabulary, w]`.
    words: Tensor,
    /// `[positions, w]`, with the vector of the first segment added: texts are never pairs here.
    places: Tensor,
    norm: LayerNorm,
    layers: Vec<Layer>,
}

#[derive(Debug)]
struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    attention_output: Linear,
    attention_norm: LayerNorm,
    up: Linear,
    down: Linear,
    output_norm: LayerNorm,
}

/// Multiplication with a matrix and addition of a bias.
#[derive(Debug)]
struct Linear {
    /// `[in, out]`, a transposed view of the stored `[out, in]`.
    weight: Tensor,
    /// `[out]`.
    bias: Tensor,
}

impl Linear {
    /// `[rows, in]` to `[rows, out]`.
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        input.matmul(&self.weight)?.broadcast_add(&self.bias)
    }
}

/// The tensors of a safetensors file by name.
type Tensors = HashMap<String, Tensor>;

impl Bert {
    /// Loads the encoder of `layout`.
    ///
    /// # Errors
    /// [`LocalError::Missing`] names a missing file, [`LocalError::Unreadable`] one that cannot be used.
    pub fn load(layout: &Layout) -> std::result::Result<Self, LocalError> {
        layout.check_embedding()?;
        let path = layout.embedding_config();
        let configuration = std::fs::read(&path)
            .map_err(|error| error.to_string())
            .and_then(|bytes| serde_json::from_slice(&bytes).map_err(|error| error.to_string()))
            .map_err(|reason| LocalError::Unreadable { path, reason })?;
        let path = layout.embedding_weights();
        std::fs::read(&path)
            .map_err(candle_core::Error::from)
            .and_then(|bytes| candle_core::safetensors::load_buffer(&bytes, &Device::Cpu))
            .and_then(|tensors| Self::new(&configuration, tensors))
            .map_err(|error| LocalError::Unreadable { path, reason: error.to_string() })
    }

    fn new(configuration: &Configuration, mut tensors: Tensors) -> Result<Self> {
        let (width, heads) = (configuration.hidden_size, configuration.num_attention_heads);
        if heads == 0 || !width.is_multiple_of(heads) {
            bail!("{heads} heads do not divide the width {width}")
        }
        if configuration.hidden_act != "gelu" || configuration.position_embedding_type != "absolute" {
            bail!("only gelu and absolute positions are supported")
        }
        let epsilon = configuration.layer_norm_eps;
        let words = take(&mut tensors, "embeddings.word_embeddings.weight")?;
        let segment = take(&mut tensors, "embeddings.token_type_embeddings.weight")?.i(0)?;
        let places = take(&mut tensors, "embeddings.position_embeddings.weight")?.broadcast_add(&segment)?;
        let norm = layer_norm(&mut tensors, "embeddings.LayerNorm", epsilon)?;
        let mut layers = Vec::with_capacity(configuration.num_hidden_layers);
        for index in 0..configuration.num_hidden_layers {
            let at = |name: &str| format!("encoder.layer.{index}.{name}");
            layers.push(Layer {
                query: linear(&mut tensors, &at("attention.self.query"))?,
                key: linear(&mut tensors, &at("attention.self.key"))?,
                value: linear(&mut tensors, &at("attention.self.value"))?,
                attention_output: linear(&mut tensors, &at("attention.output.dense"))?,
                attention_norm: layer_norm(&mut tensors, &at("attention.output.LayerNorm"), epsilon)?,
                up: linear(&mut tensors, &at("intermediate.dense"))?,
                down: linear(&mut tensors, &at("output.dense"))?,
                output_norm: layer_norm(&mut tensors, &at("output.LayerNorm"), epsilon)?,
            });
        }
        let positions = configuration.max_position_embeddings.min(places.dim(0)?);
        Ok(Self { heads, positions, words, places, norm, layers })
    }

    /// The width of the vectors.
    pub fn width(&self) -> usize {
        self.norm.weight.len()
    }

    /// One vector of length 1 for each of the `b` texts, given as token ids.
    pub fn embed(&self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>> {
        let lengths: Vec<usize> = texts.iter().map(|text| text.len()).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        if lengths.contains(&0) || longest > self.positions {
            bail!("texts need 1 to {} tokens, got {lengths:?}", self.positions)
        }
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let hidden = self.hidden(texts, &lengths, longest)?;
        let mut vectors = Vec::with_capacity(texts.len());
        for (index, length) in lengths.iter().enumerate() {
            let mean: Vec<f32> = hidden.i((index, ..*length))?.mean(0)?.to_vec1()?;
            vectors.push(to_unit_length(mean));
        }
        Ok(vectors)
    }

    /// The last vectors of all tokens, `[b, t, w]`; those of the padding mean nothing.
    fn hidden(&self, texts: &[&[u32]], lengths: &[usize], longest: usize) -> Result<Tensor> {
        let (count, width) = (texts.len(), self.width());
        let padded: Vec<u32> = texts
            .iter()
            .flat_map(|text| text.iter().copied().chain(std::iter::repeat(0)).take(longest))
            .collect();
        let words = self.words.index_select(&Tensor::from_vec(padded, count * longest, &Device::Cpu)?, 0)?;
        let places = self.places.narrow(0, 0, longest)?;
        let state = words.reshape((count, longest, width))?.broadcast_add(&places)?;
        let mut state = self.norm.forward(&state)?.reshape((count * longest, width))?;
        for layer in &self.layers {
            let attended = self.attend(layer, &state, lengths, longest)?;
            state = layer.attention_norm.forward(&(state + attended)?)?;
            let opened = layer.up.forward(&state)?.gelu_erf()?;
            state = layer.output_norm.forward(&(&state + layer.down.forward(&opened)?)?)?;
        }
        state.reshape((count, longest, width))
    }

    /// Attention of `[b * t, w]` within each text, `[b * t, w]`.
    fn attend(&self, layer: &Layer, state: &Tensor, lengths: &[usize], longest: usize) -> Result<Tensor> {
        let (count, heads) = (lengths.len(), self.heads);
        let head_width = self.width() / heads;
        // [b * t, h * d] to [b * h, t, d].
        let split = |tensor: Tensor| {
            let tensor =
                tensor.reshape((count, longest, heads, head_width))?.transpose(1, 2)?.contiguous()?;
            tensor.reshape((count * heads, longest, head_width))
        };
        let query = split(layer.query.forward(state)?)?;
        let key = split(layer.key.forward(state)?)?;
        let value = split(layer.value.forward(state)?)?;
        #[expect(clippy::cast_precision_loss, reason = "the width of a head is small")]
        let scale = (head_width as f32).sqrt().recip();
        let softmax = VisibleSoftmax { scale, visible: |row| lengths[row / (heads * longest)] };
        let mixed = softmax.forward(&query.matmul(&key.t()?)?)?.matmul(&value)?;
        let mixed = mixed.reshape((count, heads, longest, head_width))?.transpose(1, 2)?.contiguous()?;
        layer.attention_output.forward(&mixed.reshape((count * longest, heads * head_width))?)
    }
}

fn to_unit_length(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 0.0 {
        for value in &mut vector {
            *value /= length;
        }
    }
    vector
}

fn take(tensors: &mut Tensors, name: &str) -> Result<Tensor> {
    tensors.remove(name).ok_or_else(|| candle_core::Error::Msg(format!("the tensor {name} is missing")))
}

fn linear(tensors: &mut Tensors, name: &str) -> Result<Linear> {
    let weight = take(tensors, &format!("{name}.weight"))?.t()?;
    Ok(Linear { weight, bias: take(tensors, &format!("{name}.bias"))? })
}

fn layer_norm(tensors: &mut Tensors, name: &str, epsilon: f32) -> Result<LayerNorm> {
    let weight = take(tensors, &format!("{name}.weight"))?.to_vec1()?;
    Ok(LayerNorm { weight, bias: take(tensors, &format!("{name}.bias"))?.to_vec1()?, epsilon })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    fn configuration() -> Configuration {
        Configuration {
            hidden_size: 16,
            num_hidden_layers: 2,
            num_attention_heads: 4,
            max_position_embeddings: 12,
            layer_norm_eps: 1e-6,
            hidden_act: "gelu".into(),
            position_embedding_type: "absolute".into(),
        }
    }

    fn tensors() -> Tensors {
        let mut random = StdRng::seed_from_u64(11);
        let mut tensors = Tensors::new();
        let mut add = |name: String, shape: &[usize]| {
            let numbers: Vec<f32> =
                (0..shape.iter().product()).map(|_| random.random_range(-0.5f32..0.5)).collect();
            tensors.insert(name, Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap());
        };
        add("embeddings.word_embeddings.weight".into(), &[30, 16]);
        add("embeddings.token_type_embeddings.weight".into(), &[2, 16]);
        add("embeddings.position_embeddings.weight".into(), &[12, 16]);
        let mut pair = |name: String, rows: usize, columns: Option<usize>| {
            let shape = columns.map_or_else(|| vec![rows], |columns| vec![rows, columns]);
            add(format!("{name}.weight"), &shape);
            add(format!("{name}.bias"), &[rows]);
        };
        pair("embeddings.LayerNorm".into(), 16, None);
        for layer in 0..2 {
            for name in [
                "attention.self.query",
                "attention.self.key",
                "attention.self.value",
                "attention.output.dense",
            ] {
                pair(format!("encoder.layer.{layer}.{name}"), 16, Some(16));
            }
            pair(format!("encoder.layer.{layer}.attention.output.LayerNorm"), 16, None);
            pair(format!("encoder.layer.{layer}.intermediate.dense"), 24, Some(16));
            pair(format!("encoder.layer.{layer}.output.dense"), 16, Some(24));
            pair(format!("encoder.layer.{layer}.output.LayerNorm"), 16, None);
        }
        tensors
    }

    #[test]
    fn padding_changes_nothing_and_vectors_have_length_one() {
        let model = Bert::new(&configuration(), tensors()).unwrap();
        let alone = model.embed(&[&[1, 2, 3]]).unwrap();
        let together = model.embed(&[&[4, 5, 6, 7, 8, 9], &[1, 2, 3]]).unwrap();
        for (one, other) in alone[0].iter().zip(&together[1]) {
            assert!((one - other).abs() < 1e-5);
        }
        for vector in together {
            assert_eq!(vector.len(), 16);
            assert!((vector.iter().map(|value| value * value).sum::<f32>() - 1.0).abs() < 1e-5);
        }
    }

    #[test]
    fn bad_input_is_an_error() {
        let model = Bert::new(&configuration(), tensors()).unwrap();
        assert!(model.embed(&[&[]]).is_err());
        assert!(model.embed(&[&[1; 13]]).is_err());
        assert!(model.embed(&[&[30]]).is_err());
        assert!(model.embed(&[]).unwrap().is_empty());
        let missing = Bert::new(&configuration(), Tensors::new()).unwrap_err().to_string();
        assert!(missing.contains("embeddings.word_embeddings.weight"), "{missing}");
    }
}
