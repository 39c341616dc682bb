//! The real vocabulary: texts cut by hand into the entries that the model was trained with.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;

use antiphon_local::layout::LocalModel;
use antiphon_local::text::chat_tokenizer::ChatTokenizer;
use candle_core::quantized::gguf_file::Content;

use crate::server::model_folder;

#[test]
fn texts_are_cut_as_the_model_was_trained() {
    let Some(folder) = model_folder() else { return };
    let mut file = BufReader::new(File::open(LocalModel::layout(folder).chat_weights()).unwrap());
    let metadata = Content::read(&mut file).unwrap().metadata;
    let numbers: HashMap<&str, u32> = metadata["tokenizer.ggml.tokens"]
        .to_vec()
        .unwrap()
        .iter()
        .zip(0..)
        .map(|(entry, number)| (entry.to_string().unwrap().as_str(), number))
        .collect();
    let tokenizer = ChatTokenizer::new(&metadata).unwrap();
    assert_eq!(tokenizer.size(), 49_152);
    for (text, pieces) in [
        ("Hello world", vec!["Hello", "Ġworld"]),
        // No space is put before the text, and one that is there belongs to the word after it.
        (" Hello", vec!["ĠHello"]),
        // Digits stand alone, and so does the space before them.
        ("in 2024", vec!["in", "Ġ", "2", "0", "2", "4"]),
        ("it's", vec!["it", "'s"]),
        // The last space of several goes to the word.
        ("a  b", vec!["a", "Ġ", "Ġb"]),
        ("user\nHi", vec!["user", "Ċ", "Hi"]),
        ("café", vec!["c", "af", "Ã©"]),
        // A marker is cut like any other text.
        ("<|im_end|>", vec!["<", "|", "im", "_", "end", "|", ">"]),
    ] {
        let expected: Vec<Option<u32>> = pieces.iter().map(|piece| numbers.get(piece).copied()).collect();
        let tokens = tokenizer.encode(text).unwrap();
        let seen: Vec<String> = tokens
            .iter()
            .map(|token| String::from_utf8_lossy(tokenizer.bytes(*token)).into_owned())
            .collect();
        assert_eq!(
            tokens.iter().copied().map(Some).collect::<Vec<_>>(),
            expected,
            "{text} was cut into {seen:?}"
        );
    }
    assert_eq!((tokenizer.turn_start(), tokenizer.turn_end()), (1, 2));
    assert!(tokenizer.is_end(0) && tokenizer.is_end(2) && !tokenizer.is_end(1));
}
