//! Commands to a server over its Unix socket, so that neither TLS nor the network that a test breaks are in the way.

use crate::error::{Error, Result};
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

/// How long one command may take. A frozen server answers nothing.
const ANSWER: Duration = Duration::from_secs(5);

/// The user of the rig itself: it may do everything, whatever a test does to the other users.
pub(crate) const USER: &str = "antiphon-rig";

/// One connection of the rig to one server.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: BufReader<UnixStream>,
    name: String,
}

impl Connection {
    /// Connects as [`USER`].
    pub(crate) async fn open(path: &Path, name: &str) -> Result<Self> {
        let opened = tokio::time::timeout(ANSWER, UnixStream::connect(path)).await;
        let stream = opened.map_err(|_| late(name))?.map_err(Error::file(path))?;
        let mut connection = Self { stream: BufReader::new(stream), name: name.to_owned() };
        // The user has no password, so any will do.
        connection.command(&["AUTH", USER, "-"]).await?;
        Ok(connection)
    }

    /// Sends a command and reads its reply: one line per element, in the order of the reply, nested ones too; nothing for nil.
    pub(crate) async fn command(&mut self, arguments: &[&str]) -> Result<String> {
        let exchange = async {
            let bulk = |argument: &&str| format!("${}\r\n{argument}\r\n", argument.len());
            let request =
                format!("*{}\r\n{}", arguments.len(), arguments.iter().map(bulk).collect::<String>());
            self.stream.write_all(request.as_bytes()).await.map_err(Error::io(self.name.clone()))?;
            self.reply().await
        };
        tokio::time::timeout(ANSWER, exchange).await.unwrap_or_else(|_| Err(late(&self.name)))
    }

    async fn reply(&mut self) -> Result<String> {
        let mut lines: Vec<String> = Vec::new();
        let mut awaited = 1_usize;
        while awaited > 0 {
            awaited -= 1;
            let line = self.line().await?;
            let (sign, rest) = line.split_at_checked(1).unwrap_or_default();
            match sign {
                "-" if lines.is_empty() && awaited == 0 => {
                    return Err(Error::Reply { name: self.name.clone(), text: rest.to_owned() });
                }
                "+" | ":" | "-" => lines.push(rest.to_owned()),
                "$" | "*" => match (sign, rest.parse::<usize>()) {
                    ("*", Ok(elements)) => awaited += elements,
                    (_, Ok(length)) => lines.push(self.bulk(length).await?),
                    // -1: nil
                    (_, Err(_)) => lines.push(String::new()),
                },
                _ => return Err(Error::Unexpected { name: self.name.clone(), text: line }),
            }
        }
        Ok(lines.join("\n"))
    }

    async fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).await.map_err(Error::io(self.name.clone()))?;
        if read == 0 {
            return Err(Error::io(self.name.clone())(std::io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(line.trim_end_matches("\r\n").to_owned())
    }

    async fn bulk(&mut self, length: usize) -> Result<String> {
        let mut bytes = vec![0; length + 2];
        self.stream.read_exact(&mut bytes).await.map_err(Error::io(self.name.clone()))?;
        bytes.truncate(length);
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

fn late(name: &str) -> Error {
    Error::Late { what: format!("{name} answers the rig"), limit: ANSWER }
}
