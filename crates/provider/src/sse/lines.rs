//! Splits a body into lines, without copying lines that lie within one piece of it.

use bytes::{Buf, Bytes, BytesMut};

/// A line was longer than the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LineTooLong;

/// Which bytes end a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineEnds {
    /// CR, LF or CRLF, as in event streams.
    Any,
    /// LF, as in JSON lines; a CR before it is white space to JSON.
    LineFeed,
}

/// Lines out of pieces that may be cut anywhere.
#[derive(Debug)]
pub(crate) struct LineSplitter {
    ends: LineEnds,
    limit: usize,
    /// The beginning of a line whose end has not arrived.
    carried: BytesMut,
    /// What has arrived and not been split.
    piece: Bytes,
    /// The last line ended in CR: an LF that follows belongs to it.
    after_return: bool,
}

impl LineSplitter {
    pub(crate) fn new(ends: LineEnds, limit: usize) -> Self {
        Self { ends, limit, carried: BytesMut::new(), piece: Bytes::new(), after_return: false }
    }

    /// Adds the next piece; all lines of the last one must have been taken.
    pub(crate) fn push(&mut self, piece: Bytes) {
        debug_assert!(self.piece.is_empty());
        self.piece = piece;
    }

    /// The next complete line, without its end.
    pub(crate) fn next_line(&mut self) -> Result<Option<Bytes>, LineTooLong> {
        if self.after_return && !self.piece.is_empty() {
            self.after_return = false;
            if self.piece[0] == b'\n' {
                self.piece.advance(1);
            }
        }
        let end = match self.ends {
            LineEnds::Any => memchr::memchr2(b'\n', b'\r', &self.piece),
            LineEnds::LineFeed => memchr::memchr(b'\n', &self.piece),
        };
        let Some(end) = end else {
            if self.carried.len() + self.piece.len() > self.limit {
                return Err(LineTooLong);
            }
            self.carried.extend_from_slice(&self.piece);
            self.piece.clear();
            return Ok(None);
        };
        if self.carried.len() + end > self.limit {
            return Err(LineTooLong);
        }
        let line = self.piece.split_to(end);
        self.after_return = self.piece[0] == b'\r';
        self.piece.advance(1);
        if self.carried.is_empty() {
            return Ok(Some(line));
        }
        self.carried.extend_from_slice(&line);
        Ok(Some(self.carried.split().freeze()))
    }

    /// What is left when the body has ended: a line without an end.
    pub(crate) fn rest(&mut self) -> Bytes {
        self.carried.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(ends: LineEnds, pieces: &[&str]) -> (Vec<String>, String) {
        let mut splitter = LineSplitter::new(ends, 10);
        let mut lines = Vec::new();
        for piece in pieces {
            splitter.push(Bytes::copy_from_slice(piece.as_bytes()));
            while let Some(line) = splitter.next_line().unwrap() {
                lines.push(String::from_utf8(line.to_vec()).unwrap());
            }
        }
        (lines, String::from_utf8(splitter.rest().to_vec()).unwrap())
    }

    #[test]
    fn each_kind_of_end_is_one_end() {
        let text = "a\r\nb\n\nc\rd\r\r\ne";
        let expected = ["a", "b", "", "c", "d", ""].map(str::to_owned).to_vec();
        assert_eq!(split(LineEnds::Any, &[text]), (expected.clone(), "e".into()));
        let bytes: Vec<String> = text.chars().map(String::from).collect();
        let pieces: Vec<&str> = bytes.iter().map(String::as_str).collect();
        assert_eq!(split(LineEnds::Any, &pieces), (expected, "e".into()));
    }

    #[test]
    fn json_lines_end_at_a_line_feed_only() {
        assert_eq!(split(LineEnds::LineFeed, &["a\rb", "\r\nc"]), (vec!["a\rb\r".into()], "c".into()));
    }

    #[test]
    fn the_limit_holds_for_complete_and_incomplete_lines() {
        for pieces in [&["01234567890\n"][..], &["012345", "67890"], &["012345", "67890\n"]] {
            let mut splitter = LineSplitter::new(LineEnds::Any, 10);
            let outcome = pieces.iter().try_for_each(|piece| {
                splitter.push(Bytes::copy_from_slice(piece.as_bytes()));
                splitter.next_line().map(drop)
            });
            assert_eq!(outcome, Err(LineTooLong), "{pieces:?}");
        }
        let mut splitter = LineSplitter::new(LineEnds::Any, 10);
        splitter.push(Bytes::from_static(b"0123456789\n"));
        assert_eq!(splitter.next_line().unwrap().unwrap().len(), 10);
    }
}
