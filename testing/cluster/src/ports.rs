//! Ports that the system chose.

use crate::error::{Error, Result};
use std::net::{Ipv4Addr, TcpListener};

/// So many different free ports on the loopback.
///
/// All are held until the last is chosen, so that they differ. Another process can take one before a server does: that
/// server then says [`Error::PortTaken`], and its rig begins again with other ports.
pub(crate) fn free(count: usize) -> Result<Vec<u16>> {
    let held: std::io::Result<Vec<TcpListener>> =
        (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect();
    let held = held.map_err(Error::io("a free port"))?;
    held.iter().map(|listener| Ok(listener.local_addr().map_err(Error::io("a free port"))?.port())).collect()
}
