//! From text to tokens and back: vocabularies, the chat template, and text that arrives in pieces.

pub mod byte_level;
pub mod chat_tokenizer;
pub mod stream;
pub mod template;
pub mod word_pieces;

#[cfg(test)]
pub(crate) mod test_vocabulary;
