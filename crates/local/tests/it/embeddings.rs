//! Vectors of the real embedding model.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::server::Server;

async fn vectors(server: &Server, texts: &[&str]) -> Vec<Vec<f64>> {
    let body = json!({ "input": texts, "model": "all-minilm-l6-v2" });
    let answer: Value = server.post("/v1/embeddings", &body).await.json().await.unwrap();
    let entries = answer["data"].as_array().unwrap_or_else(|| panic!("{answer}"));
    assert_eq!(entries.len(), texts.len());
    let numbers = |entry: &Value| serde_json::from_value::<Vec<f64>>(entry["embedding"].clone()).unwrap();
    entries
        .iter()
        .enumerate()
        .map(|(index, entry)| {
            assert_eq!(entry["index"], index);
            numbers(entry)
        })
        .collect()
}

fn similarity(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(a, b)| a * b).sum()
}

#[tokio::test]
async fn the_published_example_gives_the_published_numbers() {
    let Some(server) = Server::start().await else { return };
    let computed = vectors(&server, &["This is an example sentence", "Each sentence is converted"]).await;
    // The model's authors print these for these two sentences.
    for (vector, published) in
        computed.iter().zip([[0.0677, 0.0635, 0.0487, 0.0793], [0.0864, 0.1028, 0.0054, 0.0020]])
    {
        assert_eq!(vector.len(), 384);
        for (number, expected) in vector.iter().zip(published) {
            assert!((number - expected).abs() < 1e-4, "{:?} instead of {published:?}", &vector[..4]);
        }
        assert!((similarity(vector, vector) - 1.0).abs() < 1e-5);
    }
}

#[tokio::test]
async fn like_sentences_are_closer_than_others_and_order_is_kept() {
    let Some(server) = Server::start().await else { return };
    // More than one batch, of different lengths, so that sorting and padding take part.
    let filler = "The harbour was quiet that evening and nobody spoke. ".repeat(6);
    let mut texts = vec!["A cat is sleeping on the sofa."; 1];
    texts.extend([filler.as_str(); 9]);
    texts.push("A kitten naps on the couch.");
    texts.push("The central bank raised interest rates.");
    let computed = vectors(&server, &texts).await;
    let (cat, kitten, bank) = (&computed[0], &computed[10], &computed[11]);
    let (near, far) = (similarity(cat, kitten), similarity(cat, bank));
    assert!(near > 0.5 && far < 0.2, "{near} and {far}");
    let alone = vectors(&server, &["A kitten naps on the couch."]).await;
    assert!(similarity(&alone[0], kitten) > 0.9999, "a batch changes nothing");
}

#[tokio::test]
async fn base64_holds_the_same_numbers_and_long_texts_are_cut() {
    let Some(server) = Server::start().await else { return };
    let numbers = vectors(&server, &["hello"]).await;
    let body = json!({ "input": "hello", "encoding_format": "base64" });
    let answer: Value = server.post("/v1/embeddings", &body).await.json().await.unwrap();
    // The text is one token between two markers.
    assert_eq!(answer["usage"]["prompt_tokens"], 3);
    let bytes = STANDARD.decode(answer["data"][0]["embedding"].as_str().unwrap()).unwrap();
    let packed: Vec<f64> =
        bytes.chunks_exact(4).map(|bytes| f64::from(f32::from_le_bytes(bytes.try_into().unwrap()))).collect();
    assert!(similarity(&packed, &numbers[0]) > 0.999_99);
    let body = json!({ "input": "hello ".repeat(5_000) });
    let answer: Value = server.post("/v1/embeddings", &body).await.json().await.unwrap();
    assert_eq!(answer["usage"]["prompt_tokens"], 256);
}
