//! A vocabulary of three markers, the 256 bytes and two merges, for tests that need no trained weights.

use candle_core::quantized::gguf_file::Value;

use super::byte_level::byte_of;
use super::chat_tokenizer::ChatTokenizer;
use crate::model::llama::Metadata;

/// The number of `<|im_start|>`.
pub(crate) const START: u32 = 1;
/// The number of `<|im_end|>`.
pub(crate) const END: u32 = 2;
/// How many tokens there are.
pub(crate) const SIZE: usize = 261;

/// The number of the token for one byte.
pub(crate) fn byte_token(byte: u8) -> u32 {
    3 + u32::from(byte)
}

/// What a GGUF file says about this vocabulary.
pub(crate) fn tokenizer_metadata() -> Metadata {
    let mut letters: Vec<char> = ('!'..'\u{200}').filter(|letter| byte_of(*letter).is_some()).collect();
    letters.sort_by_key(|letter| byte_of(*letter));
    let markers = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"].map(String::from);
    let words =
        markers.into_iter().chain(letters.into_iter().map(String::from)).chain(["hi".into(), "Ġhi".into()]);
    let words: Vec<Value> = words.map(Value::String).collect();
    assert_eq!(words.len(), SIZE);
    let kinds = (0..SIZE).map(|index| Value::I32(if index < 3 { 3 } else { 1 })).collect();
    let merges = ["h i", "Ġ hi"].map(|merge| Value::String(merge.into())).to_vec();
    Metadata::from([
        ("tokenizer.ggml.model".to_owned(), Value::String("gpt2".into())),
        ("tokenizer.ggml.pre".to_owned(), Value::String("smollm".into())),
        ("tokenizer.ggml.tokens".to_owned(), Value::Array(words)),
        ("tokenizer.ggml.token_type".to_owned(), Value::Array(kinds)),
        ("tokenizer.ggml.merges".to_owned(), Value::Array(merges)),
    ])
}

/// The tokenizer of this vocabulary.
pub(crate) fn small_tokenizer() -> ChatTokenizer {
    ChatTokenizer::new(&tokenizer_metadata()).unwrap()
}
