//! Lua scripts, which servers keep by their hash.

use std::fmt::Write;

use redis::Cmd;
use sha1::{Digest, Sha1};

/// A script with its hash.
#[derive(Clone, Debug)]
pub struct Script {
    text: String,
    hash: String,
}

impl Script {
    /// The script of this text.
    pub fn new(text: &str) -> Self {
        let hash = Sha1::digest(text.as_bytes()).iter().fold(String::with_capacity(40), |mut hash, byte| {
            let _ = write!(hash, "{byte:02x}");
            hash
        });
        Self { text: text.to_owned(), hash }
    }

    pub(crate) fn by_hash(&self, keys: &[&str], arguments: &[&[u8]]) -> Cmd {
        command("EVALSHA", &self.hash, keys, arguments)
    }

    pub(crate) fn by_text(&self, keys: &[&str], arguments: &[&[u8]]) -> Cmd {
        command("EVAL", &self.text, keys, arguments)
    }
}

fn command(name: &str, script: &str, keys: &[&str], arguments: &[&[u8]]) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(script).arg(keys.len()).arg(keys);
    for argument in arguments {
        command.arg(argument);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_server() {
        assert_eq!(Script::new("return 1").hash, "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
    }
}
