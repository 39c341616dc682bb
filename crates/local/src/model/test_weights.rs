//! A llama model of a few thousand random numbers, for tests that need no trained weights.
//!
//! Its vocabulary is that of `text::test_vocabulary`, so the two make a whole chat model that talks nonsense.

use candle_core::quantized::gguf_file::Value;
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::llama::{Llama, Metadata, Tensors};
use crate::text::test_vocabulary::SIZE as VOCABULARY;

const WIDTH: usize = 64;
const FEED_FORWARD: usize = 96;

/// Two layers, four query heads that share two key/value heads.
pub(crate) fn small_metadata() -> Metadata {
    let size = |key: &str, value: u32| (key.to_owned(), Value::U32(value));
    Metadata::from([
        ("general.architecture".to_owned(), Value::String("llama".into())),
        size("llama.block_count", 2),
        size("llama.context_length", 1024),
        size("llama.embedding_length", 64),
        size("llama.attention.head_count", 4),
        size("llama.attention.head_count_kv", 2),
        size("llama.rope.dimension_count", 16),
        ("llama.rope.freq_base".to_owned(), Value::F32(10_000.0)),
        ("llama.attention.layer_norm_rms_epsilon".to_owned(), Value::F32(1e-5)),
    ])
}

/// The tensors for [`small_metadata`], in `f32` so that results can be compared closely.
pub(crate) fn small_tensors() -> Tensors {
    let mut random = StdRng::seed_from_u64(7);
    let mut tensors = Tensors::new();
    let mut add = |name: &str, shape: &[usize]| {
        let numbers: Vec<f32> =
            (0..shape.iter().product()).map(|_| random.random_range(-0.4f32..0.4)).collect();
        let tensor = Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap();
        tensors.insert(format!("{name}.weight"), QTensor::quantize(&tensor, GgmlDType::F32).unwrap());
    };
    add("token_embd", &[VOCABULARY, WIDTH]);
    add("output_norm", &[WIDTH]);
    for layer in 0..2 {
        let mut add = |name: &str, shape: &[usize]| add(&format!("blk.{layer}.{name}"), shape);
        add("attn_norm", &[WIDTH]);
        add("attn_q", &[WIDTH, WIDTH]);
        add("attn_k", &[32, WIDTH]);
        add("attn_v", &[32, WIDTH]);
        add("attn_output", &[WIDTH, WIDTH]);
        add("ffn_norm", &[WIDTH]);
        add("ffn_gate", &[FEED_FORWARD, WIDTH]);
        add("ffn_up", &[FEED_FORWARD, WIDTH]);
        add("ffn_down", &[WIDTH, FEED_FORWARD]);
    }
    tensors
}

/// The model of [`small_metadata`] and [`small_tensors`], with a context of `context` tokens.
pub(crate) fn small_llama(context: usize) -> Llama {
    Llama::new(&small_metadata(), small_tensors(), context).unwrap()
}
