//! The listening socket and its address.

use anyhow::{Context, Result};
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpSocket, lookup_host};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4096;

/// Listens on `host:port`; port 0 lets the system choose.
pub(crate) async fn bind(host: &str, port: u16) -> Result<TcpListener> {
    let addresses: Vec<SocketAddr> = lookup_host((host, port))
        .await
        .with_context(|| {
            format!("HOST={host:?} is not an address of this machine; use 0.0.0.0 for all of them")
        })?
        .collect();
    let address = *addresses.first().with_context(|| format!("HOST={host:?} has no address"))?;
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address).with_context(|| {
        format!(
            "PORT={port} is taken or not allowed on {host}; stop the other program or set PORT to a free one"
        )
    })?;
    Ok(socket.listen(BACKLOG)?)
}
