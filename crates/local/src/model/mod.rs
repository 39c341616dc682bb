//! The arithmetic of the two models, on tensors of `candle_core` and on the CPU only.
//!
//! Shapes are written `[rows, columns]` in the comments, with these letters: `n` new tokens of this step, `t` all tokens so
//! far, `h` query heads, `g` key/value heads, `d` width of a head, `w` width of a token's vector, `b` texts of a batch.

pub mod bert;
pub mod cache;
pub mod chat_weights;
pub mod llama;
pub mod matrix;
pub mod operations;

#[cfg(test)]
pub(crate) mod test_weights;
