//! The alphabet of byte-level vocabularies: each byte is written as one printable character (GPT-2).
//!
//! Printable Latin-1 bytes stand for themselves; the others are numbered upwards from U+0100 in the order of their value,
//! so a space (0x20, the 33rd of them) is written `Ġ` (U+0120).

/// The byte that `character` stands for, if it is of the alphabet.
pub fn byte_of(character: char) -> Option<u8> {
    match u32::from(character) {
        code @ (0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff) => u8::try_from(code).ok(),
        code @ 0x100..=0x120 => u8::try_from(code - 0x100).ok(),
        // 0x7f to 0xa0 follow the 33 control characters and the space.
        code @ 0x121..=0x142 => u8::try_from(code - 0x121 + 0x7f).ok(),
        0x143 => Some(0xad),
        _ => None,
    }
}

/// The bytes that a token of the vocabulary stands for.
///
/// A token with a character outside the alphabet is a marker that was added by name; its own text is returned.
pub fn bytes_of(token: &str) -> Vec<u8> {
    token.chars().map(byte_of).collect::<Option<_>>().unwrap_or_else(|| token.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_exactly_one_character() {
        let mut seen: Vec<u8> = ('\0'..'\u{200}').filter_map(byte_of).collect();
        assert_eq!(seen.len(), 256);
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 256);
    }

    #[test]
    fn known_characters() {
        assert_eq!(bytes_of("Ġthe"), b" the");
        assert_eq!(bytes_of("Ċ"), b"\n");
        assert_eq!(bytes_of("Ã©"), "é".as_bytes());
        assert_eq!(bytes_of("→"), "→".as_bytes());
    }
}
