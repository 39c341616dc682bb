//! The one HTTP request that the rig itself makes: whether something answers.

use crate::error::{Error, Result};
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long one request may take.
const LIMIT: Duration = Duration::from_secs(5);

/// The HTTP status of a GET of this path, on a connection of its own.
pub(crate) async fn status(name: &str, port: u16, path: &str) -> Result<u16> {
    let what = format!("GET {path} of {name}");
    let exchange = async {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = tokio::time::timeout(LIMIT, exchange).await;
    let answer =
        answer.map_err(|_| Error::Late { what: what.clone(), limit: LIMIT })?.map_err(Error::io(what))?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| Error::Unexpected { name: name.to_owned(), text: answer })
}
