//! Slots of a cluster: which one a key belongs to, and where the keys of a command are.

use redis::{Arg, Cmd};

/// Number of slots of every cluster.
pub(crate) const SLOTS: u16 = 16384;

/// One of the 16384 slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Slot(pub(crate) u16);

/// Commands without a key. `PUBLISH` reaches every node from any.
const KEYLESS: [&str; 16] = [
    "PING", "PUBLISH", "INFO", "TIME", "SCRIPT", "CLUSTER", "CONFIG", "ROLE", "CLIENT", "MULTI", "EXEC",
    "ASKING", "DBSIZE", "PUBSUB", "FLUSHDB", "FUNCTION",
];

impl Slot {
    /// The slot of a key: CRC16 of the part between the first `{` and the next `}`, or of all of it when that is empty.
    pub(crate) fn of_key(key: &[u8]) -> Self {
        let tagged = key.iter().position(|byte| *byte == b'{').and_then(|open| {
            let rest = &key[open + 1..];
            let close = rest.iter().position(|byte| *byte == b'}')?;
            (close > 0).then(|| &rest[..close])
        });
        Self(crc16(tagged.unwrap_or(key)) % SLOTS)
    }

    /// The slot of the first key of a command; `None` when it has none.
    pub(crate) fn of_command(command: &Cmd) -> Option<Self> {
        let mut arguments = command.args_iter().filter_map(|argument| match argument {
            Arg::Simple(bytes) => Some(bytes),
            _ => None,
        });
        let name = String::from_utf8_lossy(arguments.next()?).to_ascii_uppercase();
        let key = match name.as_str() {
            name if KEYLESS.contains(&name) => return None,
            "EVAL" | "EVALSHA" | "EVAL_RO" | "EVALSHA_RO" | "FCALL" | "FCALL_RO" => {
                let _script = arguments.next()?;
                if arguments.next()? == b"0" { None } else { arguments.next() }
            }
            "XREAD" | "XREADGROUP" => {
                arguments.find(|argument| argument.eq_ignore_ascii_case(b"STREAMS"))?;
                arguments.next()
            }
            "OBJECT" | "XGROUP" | "XINFO" | "MEMORY" | "BITOP" => arguments.nth(1),
            _ => arguments.next(),
        };
        key.map(Self::of_key)
    }
}

/// CRC-16/XMODEM, which Redis Cluster uses.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        let mut crc = crc ^ (u16::from(*byte) << 8);
        for _ in 0..8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
        }
        crc
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_cluster_specification() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
        for (key, slot) in [("foo", 12182), ("bar", 5061), ("{user1000}.following", 3443), ("", 0)] {
            assert_eq!(Slot::of_key(key.as_bytes()), Slot(slot), "{key}");
        }
        assert_eq!(Slot::of_key(b"foo{}{bar}"), Slot(crc16(b"foo{}{bar}") % SLOTS));
        assert_eq!(Slot::of_key(b"foo{{bar}}zap"), Slot::of_key(b"{bar"));
        assert_eq!(Slot::of_key(b"{open-webui}:a"), Slot::of_key(b"{open-webui}:b"));
    }

    #[test]
    fn keys_are_found_in_commands() {
        let foo = Some(Slot::of_key(b"foo"));
        let command = |words: &str| {
            let mut words = words.split(' ');
            let mut command = redis::cmd(words.next().expect("a name"));
            for word in words {
                command.arg(word);
            }
            command
        };
        for words in [
            "GET foo",
            "set foo 1",
            "EVAL return 1 foo",
            "EVALSHA abc 2 foo bar",
            "XREAD COUNT 1 STREAMS foo 0",
            "OBJECT ENCODING foo",
            "SPUBLISH foo x",
        ] {
            assert_eq!(Slot::of_command(&command(words)), foo, "{words}");
        }
        for words in ["PING", "PUBLISH foo x", "EVAL return 0", "SCRIPT LOAD foo"] {
            assert_eq!(Slot::of_command(&command(words)), None, "{words}");
        }
    }
}
