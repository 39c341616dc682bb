//! The tokenizer of the chat model, built from the metadata of its GGUF file.
//!
//! The markers of the chat template are **not** registered as words, so text that contains `<|im_end|>` is
//! encoded letter by letter and can never end a turn; only the template puts the markers in, by number.

use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::{PreTokenizerWrapper, Tokenizer};

use super::byte_level::bytes_of;
use crate::error::LocalError;
use crate::model::llama::Metadata;

/// The kind that GGUF gives to tokens that are markers and not text.
const CONTROL_KIND: i32 = 3;

/// Encodes text for the chat model and decodes its tokens.
#[derive(Debug)]
pub struct ChatTokenizer {
    tokenizer: Tokenizer,
    /// The bytes of each token; empty for markers.
    bytes: Vec<Box<[u8]>>,
    longest: usize,
    /// Begins a turn.
    turn_start: u32,
    /// Ends a turn.
    turn_end: u32,
    /// Ends a text.
    text_end: u32,
}

impl ChatTokenizer {
    /// Builds the tokenizer.
    ///
    /// # Errors
    /// A sentence about the metadata key that is missing or of another kind than this code knows.
    pub fn new(metadata: &Metadata) -> Result<Self, String> {
        let kind = (text(metadata, "tokenizer.ggml.model")?, text(metadata, "tokenizer.ggml.pre")?);
        if kind != ("gpt2", "smollm") {
            return Err(format!("the tokenizer is {kind:?}, expected (\"gpt2\", \"smollm\")"));
        }
        let words = texts(metadata, "tokenizer.ggml.tokens")?;
        let merges = texts(metadata, "tokenizer.ggml.merges")?
            .into_iter()
            .map(|merge| merge.split_once(' ').map(|(left, right)| (left.to_owned(), right.to_owned())))
            .collect::<Option<Vec<_>>>()
            .ok_or("a merge of the tokenizer has no two parts")?;
        let kinds = list(metadata, "tokenizer.ggml.token_type")?;
        if kinds.len() != words.len() {
            return Err(format!("{} tokens have {} kinds", words.len(), kinds.len()));
        }
        let find = |name: &str| {
            (0u32..)
                .zip(&words)
                .find(|(_, word)| **word == name)
                .map(|(id, _)| id)
                .ok_or_else(|| format!("the token {name} is missing"))
        };
        let (turn_start, turn_end, text_end) =
            (find("<|im_start|>")?, find("<|im_end|>")?, find("<|endoftext|>")?);
        let bytes: Vec<Box<[u8]>> = words
            .iter()
            .zip(kinds)
            .map(|(word, kind)| {
                let marker = kind.to_i32().is_ok_and(|kind| kind == CONTROL_KIND);
                if marker { Box::default() } else { bytes_of(word).into_boxed_slice() }
            })
            .collect();
        let longest = bytes.iter().map(|bytes| bytes.len()).max().unwrap_or(0);
        let vocabulary: Vocab = words.iter().map(|word| (*word).to_owned()).zip(0u32..).collect();
        let merging =
            BPE::builder().vocab_and_merges(vocabulary, merges).build().map_err(|error| error.to_string())?;
        let mut tokenizer = Tokenizer::new(merging);
        // Each digit is a piece of its own, then the pieces of GPT-2, without a space put before the text.
        let pieces: Vec<PreTokenizerWrapper> =
            vec![Digits::new(true).into(), ByteLevel::new(false, false, true).into()];
        tokenizer.with_pre_tokenizer(Some(Sequence::new(pieces)));
        Ok(Self { tokenizer, bytes, longest, turn_start, turn_end, text_end })
    }

    /// The tokens of `text`, which is only text: no part of it becomes a marker.
    ///
    /// # Errors
    /// [`LocalError::Internal`] when the tokenizer fails.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, LocalError> {
        let encoding = self
            .tokenizer
            .encode_fast(text, false)
            .map_err(|error| LocalError::Internal(error.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The bytes of a token, which need not be whole characters; empty for markers and unknown numbers.
    pub fn bytes(&self, token: u32) -> &[u8] {
        self.bytes.get(token as usize).map_or(&[], |bytes| bytes)
    }

    /// The most bytes that one token stands for: a text of `x` bytes has at least `x / longest` tokens.
    pub fn longest_token(&self) -> usize {
        self.longest.max(1)
    }

    /// The marker that begins a turn.
    pub fn turn_start(&self) -> u32 {
        self.turn_start
    }

    /// The marker that ends a turn.
    pub fn turn_end(&self) -> u32 {
        self.turn_end
    }

    /// True for the tokens after which the model has nothing more to say.
    pub fn is_end(&self, token: u32) -> bool {
        token == self.turn_end || token == self.text_end
    }

    /// How many tokens there are.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }
}

fn text<'a>(metadata: &'a Metadata, key: &str) -> Result<&'a str, String> {
    let value = metadata.get(key).ok_or_else(|| format!("the metadata key {key} is missing"))?;
    value.to_string().map(String::as_str).map_err(|error| format!("{key}: {error}"))
}

fn list<'a>(
    metadata: &'a Metadata,
    key: &str,
) -> Result<&'a [candle_core::quantized::gguf_file::Value], String> {
    let value = metadata.get(key).ok_or_else(|| format!("the metadata key {key} is missing"))?;
    value.to_vec().map(Vec::as_slice).map_err(|error| format!("{key}: {error}"))
}

fn texts<'a>(metadata: &'a Metadata, key: &str) -> Result<Vec<&'a str>, String> {
    list(metadata, key)?
        .iter()
        .map(|value| value.to_string().map(String::as_str).map_err(|error| format!("{key}: {error}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::test_vocabulary::{END, byte_token, small_tokenizer, tokenizer_metadata};
    use super::*;

    #[test]
    fn merges_apply_in_order_and_digits_stay_single() {
        let tokenizer = small_tokenizer();
        // The vocabulary has the merges "h i" (259) and "Ġ hi" (260).
        assert_eq!(tokenizer.encode("hi hi").unwrap(), [259, 260]);
        assert_eq!(tokenizer.encode(" 12").unwrap(), [byte_token(b' '), byte_token(b'1'), byte_token(b'2')]);
        assert_eq!(tokenizer.encode("").unwrap(), [0u32; 0]);
        assert_eq!(tokenizer.bytes(260), b" hi");
    }

    #[test]
    fn a_marker_in_text_is_text() {
        let tokenizer = small_tokenizer();
        let tokens = tokenizer.encode("<|im_end|>").unwrap();
        let letters: Vec<u32> = b"<|im_end|>".iter().map(|byte| byte_token(*byte)).collect();
        assert_eq!(tokens, letters);
        assert!(tokenizer.is_end(END) && !tokens.contains(&END));
        assert_eq!(tokenizer.bytes(END), b"");
        assert_eq!(tokenizer.bytes(9_999), b"");
    }

    #[test]
    fn every_text_survives_the_round_trip() {
        let tokenizer = small_tokenizer();
        for text in
            ["  two  spaces\n\n\ttab", "naïve 日本語 🙂", "it's 2026-11-24!", "\u{0}\u{7f}\u{a0}\u{ad}"]
        {
            let tokens = tokenizer.encode(text).unwrap();
            let bytes: Vec<u8> = tokens.iter().flat_map(|token| tokenizer.bytes(*token).to_vec()).collect();
            assert_eq!(String::from_utf8(bytes).unwrap(), text);
        }
    }

    #[test]
    fn metadata_of_another_tokenizer_is_refused() {
        use candle_core::quantized::gguf_file::Value;
        let mut metadata = tokenizer_metadata();
        metadata.insert("tokenizer.ggml.pre".into(), Value::String("llama-bpe".into()));
        assert!(ChatTokenizer::new(&metadata).unwrap_err().contains("llama-bpe"));
        let mut metadata = tokenizer_metadata();
        metadata.remove("tokenizer.ggml.merges");
        assert!(ChatTokenizer::new(&metadata).unwrap_err().contains("tokenizer.ggml.merges"));
    }
}
