//! How many connections a port has, from the kernel.

use super::SERVERS;
use crate::error::{Error, Result};

/// The kernel's table of TCP sockets over IPv4, see proc(5).
const TABLE: &str = "/proc/net/tcp";

/// The state of a connection that neither side has closed.
const ESTABLISHED: &str = "01";

/// Connections that were made to this port from elsewhere than [`SERVERS`] and that their clients have not closed.
pub(super) fn established(port: u16) -> Result<usize> {
    let table = std::fs::read_to_string(TABLE).map_err(Error::file(TABLE))?;
    Ok(table.lines().skip(1).filter(|line| counts(line, port)).count())
}

fn counts(line: &str, port: u16) -> bool {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let (Some(local), Some(remote), Some(state)) = (fields.next(), fields.next(), fields.next()) else {
        return false;
    };
    // The kernel prints the address as a number in the byte order of the machine.
    let servers = format!("{:08X}", u32::from_ne_bytes(SERVERS.octets()));
    state == ESTABLISHED && local.ends_with(&format!(":{port:04X}")) && !remote.starts_with(&servers)
}

#[cfg(test)]
mod tests {
    use super::counts;

    #[test]
    fn counts_open_connections_of_clients_only() {
        let line = |local: &str, remote: &str, state: &str| {
            format!(
                "   1: {local} {remote} {state} 00000000:00000000 00:00000000 00000000     0        0 4711 1"
            )
        };
        assert!(counts(&line("0100007F:1F90", "0100007F:C000", "01"), 8080));
        assert!(!counts(&line("0100007F:C000", "0100007F:1F90", "01"), 8080), "the client's own end");
        assert!(!counts(&line("0100007F:1F90", "0100007F:C000", "08"), 8080), "the client has closed it");
        assert!(!counts(&line("0100007F:1F90", "00000000:0000", "0A"), 8080), "the listener");
        if cfg!(target_endian = "little") {
            assert!(!counts(&line("0100007F:1F90", "0200007F:C000", "01"), 8080), "a server of the rig");
        }
    }
}
