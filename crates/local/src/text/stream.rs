//! Text that arrives as bytes of tokens: whole characters only, and nothing of a stop sequence.

/// Turns the bytes of tokens into text that may be shown.
///
/// Bytes are held back while they may belong to an unfinished character, and text while it may be the beginning of a
/// stop sequence.
#[derive(Debug)]
pub struct TextStream {
    stops: Vec<String>,
    bytes: Vec<u8>,
    held: String,
    stopped: bool,
}

impl TextStream {
    /// Starts a text that ends before the first of `stops`; empty ones are ignored.
    pub fn new(mut stops: Vec<String>) -> Self {
        stops.retain(|stop| !stop.is_empty());
        Self { stops, bytes: Vec::new(), held: String::new(), stopped: false }
    }

    /// Takes the bytes of one token and gives the text that may be shown now (often empty).
    pub fn push(&mut self, bytes: &[u8]) -> String {
        if self.stopped {
            return String::new();
        }
        self.bytes.extend_from_slice(bytes);
        self.take_characters();
        if let Some(end) = self.stops.iter().filter_map(|stop| self.held.find(stop)).min() {
            self.stopped = true;
            self.held.truncate(end);
            return std::mem::take(&mut self.held);
        }
        let kept = self.stops.iter().map(|stop| begun(&self.held, stop)).max().unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - kept);
        std::mem::replace(&mut self.held, rest)
    }

    /// True when a stop sequence was met.
    pub fn stopped(&self) -> bool {
        self.stopped
    }

    /// Ends the text and gives what was held back.
    pub fn finish(&mut self) -> String {
        if !self.bytes.is_empty() {
            self.held.push(char::REPLACEMENT_CHARACTER);
            self.bytes.clear();
        }
        if self.stopped { String::new() } else { std::mem::take(&mut self.held) }
    }

    /// Moves whole characters from the bytes to the text; bytes that can never become one are replaced.
    fn take_characters(&mut self) {
        let mut used = 0;
        loop {
            match std::str::from_utf8(&self.bytes[used..]) {
                Ok(text) => {
                    self.held.push_str(text);
                    used = self.bytes.len();
                    break;
                }
                Err(error) => {
                    let valid = used + error.valid_up_to();
                    self.held.push_str(&String::from_utf8_lossy(&self.bytes[used..valid]));
                    used = valid;
                    let Some(wrong) = error.error_len() else { break };
                    self.held.push(char::REPLACEMENT_CHARACTER);
                    used += wrong;
                }
            }
        }
        self.bytes.drain(..used);
    }
}

/// The length of the longest end of `text` that is a beginning of `stop`, in bytes.
///
/// Both are whole characters, so an end that matches begins and ends between characters.
fn begun(text: &str, stop: &str) -> usize {
    let longest = text.len().min(stop.len().saturating_sub(1));
    let ends_with = |length: &usize| text.as_bytes().ends_with(&stop.as_bytes()[..*length]);
    (1..=longest).rev().find(ends_with).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(stops: &[&str]) -> TextStream {
        TextStream::new(stops.iter().map(|stop| (*stop).to_owned()).collect())
    }

    #[test]
    fn characters_come_whole() {
        let mut stream = stream(&[]);
        let bytes = "é🙂".as_bytes();
        assert_eq!(stream.push(&bytes[..1]), "");
        assert_eq!(stream.push(&bytes[1..4]), "é");
        assert_eq!(stream.push(&bytes[4..]), "🙂");
        assert_eq!(stream.finish(), "");
    }

    #[test]
    fn wrong_bytes_are_replaced_and_an_unfinished_character_too() {
        let mut stream = stream(&[]);
        assert_eq!(stream.push(b"a\xffb\xc3"), "a\u{fffd}b");
        assert_eq!(stream.push(b"("), "\u{fffd}(");
        assert_eq!(stream.push(b"\xf0\x9f"), "");
        assert_eq!(stream.finish(), "\u{fffd}");
    }

    #[test]
    fn a_stop_sequence_over_several_tokens_is_never_shown() {
        let mut stream = stream(&["END", "\n\n"]);
        assert_eq!(stream.push(b"one E"), "one ");
        assert_eq!(stream.push(b"N"), "");
        assert_eq!(stream.push(b"Dless"), "");
        assert!(stream.stopped());
        assert_eq!(stream.push(b"more"), "");
        assert_eq!(stream.finish(), "");
    }

    #[test]
    fn a_false_start_is_shown_in_the_end() {
        let mut stream = stream(&["END"]);
        assert_eq!(stream.push(b"E"), "");
        assert_eq!(stream.push(b"N"), "");
        assert_eq!(stream.push(b"E"), "EN");
        assert!(!stream.stopped());
        assert_eq!(stream.finish(), "E");
    }

    #[test]
    fn the_earliest_of_several_stops_counts() {
        let mut stream = stream(&["cd", "b"]);
        assert_eq!(stream.push(b"abcd"), "a");
        assert!(stream.stopped());
    }

    #[test]
    fn stops_of_several_bytes_per_character() {
        let mut stream = stream(&["éü", ""]);
        assert_eq!(stream.push("xé".as_bytes()), "x");
        assert_eq!(stream.push("ö".as_bytes()), "éö");
        assert_eq!(stream.push("éü!".as_bytes()), "");
        assert!(stream.stopped());
    }
}
