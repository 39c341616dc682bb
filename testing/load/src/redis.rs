//! The little of Redis's protocol that measuring needs: what is stored, who is connected, who listens.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Time between two looks at the number of clients.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Longest time without an answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

pub struct Redis(BufReader<TcpStream>);

#[derive(Debug, PartialEq)]
pub enum Reply {
    Nil,
    Int(u64),
    Text(String),
    List(Vec<Reply>),
}

impl Reply {
    fn number(&self) -> u64 {
        match self {
            Self::Int(number) => *number,
            _ => 0,
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            _ => "",
        }
    }

    fn list(&self) -> &[Reply] {
        match self {
            Self::List(list) => list,
            _ => &[],
        }
    }
}

/// What is in Redis: the number of elements of each key, and the channels that are listened to.
#[derive(Clone, Default)]
pub struct Contents {
    pub keys: BTreeMap<String, u64>,
    pub channels: Vec<String>,
}

impl Redis {
    pub async fn open(address: &str) -> Result<Self> {
        let tcp = TcpStream::connect(address).await.with_context(|| format!("redis {address}"))?;
        Ok(Self(BufReader::new(tcp)))
    }

    pub async fn call(&mut self, arguments: &[&str]) -> Result<Reply> {
        let mut request = format!("*{}\r\n", arguments.len());
        for argument in arguments {
            request += &format!("${}\r\n{argument}\r\n", argument.len());
        }
        let exchange = async {
            self.0.write_all(request.as_bytes()).await?;
            read(&mut self.0).await
        };
        tokio::time::timeout(ANSWERS_WITHIN, exchange).await.context("redis does not answer")?
    }

    /// Clients connected, this one left out.
    pub async fn clients(&mut self) -> Result<u64> {
        let reply = self.call(&["INFO", "clients"]).await?;
        let number = reply.text().lines().find_map(|line| line.strip_prefix("connected_clients:"));
        Ok(number
            .and_then(|number| number.trim().parse::<u64>().ok())
            .context("no connected_clients")?
            .saturating_sub(1))
    }

    pub async fn contents(&mut self) -> Result<Contents> {
        let mut contents = Contents::default();
        let mut cursor = "0".to_owned();
        loop {
            let reply = self.call(&["SCAN", &cursor, "COUNT", "1000"]).await?;
            let [next, keys] = reply.list() else { bail!("unexpected reply to SCAN: {reply:?}") };
            for key in keys.list() {
                let key = key.text();
                let kind = self.call(&["TYPE", key]).await?;
                let size = match kind.text() {
                    "hash" => "HLEN",
                    "set" => "SCARD",
                    "zset" => "ZCARD",
                    "list" => "LLEN",
                    "stream" => "XLEN",
                    _ => "EXISTS",
                };
                let elements = self.call(&[size, key]).await?.number();
                if elements > 0 {
                    contents.keys.insert(key.to_owned(), elements);
                }
            }
            cursor = next.text().to_owned();
            if cursor == "0" {
                break;
            }
        }
        let channels = self.call(&["PUBSUB", "CHANNELS"]).await?;
        contents.channels = channels.list().iter().map(|channel| channel.text().to_owned()).collect();
        Ok(contents)
    }
}

impl Contents {
    /// What is here and was not in `before`: elements by key, and channels.
    pub fn beyond(&self, before: &Self) -> Self {
        let more = self.keys.iter().filter_map(|(key, now)| {
            let then = before.keys.get(key).copied().unwrap_or(0);
            (*now > then).then(|| (key.clone(), now - then))
        });
        let channels = self.channels.iter().filter(|channel| !before.channels.contains(channel));
        Self { keys: more.collect(), channels: channels.cloned().collect() }
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.channels.is_empty()
    }
}

async fn read(from: &mut BufReader<TcpStream>) -> Result<Reply> {
    let mut line = String::new();
    if from.read_line(&mut line).await? == 0 {
        bail!("redis closed the connection");
    }
    let line = line.trim_end();
    let (kind, rest) = line.split_at_checked(1).context("empty reply")?;
    Ok(match kind {
        "+" => Reply::Text(rest.to_owned()),
        ":" => Reply::Int(rest.parse().unwrap_or(0)),
        "$" | "*" if rest == "-1" => Reply::Nil,
        "$" => {
            let mut bytes = vec![0; rest.parse::<usize>()? + 2];
            from.read_exact(&mut bytes).await?;
            bytes.truncate(bytes.len() - 2);
            Reply::Text(String::from_utf8_lossy(&bytes).into_owned())
        }
        "*" => {
            let mut list = Vec::new();
            for _ in 0..rest.parse::<usize>()? {
                list.push(Box::pin(read(from)).await?);
            }
            Reply::List(list)
        }
        _ => bail!("redis: {line}"),
    })
}

/// Follows the number of clients while others connect.
pub struct ClientWatch {
    stop: watch::Sender<()>,
    looking: JoinHandle<Result<(u64, u64)>>,
}

impl ClientWatch {
    pub async fn begin(address: &str) -> Result<Self> {
        let mut redis = Redis::open(address).await?;
        let (stop, mut stopped) = watch::channel(());
        let looking = tokio::spawn(async move {
            let (mut most, mut looks) = (0, 0);
            loop {
                most = redis.clients().await?.max(most);
                looks += 1;
                tokio::select! {
                    _ = stopped.changed() => return Ok((most, looks)),
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                }
            }
        });
        Ok(Self { stop, looking })
    }

    /// The most clients seen at once, and the commands that looking has cost.
    pub async fn end(self) -> Result<(u64, u64)> {
        drop(self.stop);
        self.looking.await?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_grew_is_left() {
        let contents = |keys: &[(&str, u64)], channels: &[&str]| Contents {
            keys: keys.iter().map(|(key, n)| ((*key).to_owned(), *n)).collect(),
            channels: channels.iter().map(|channel| (*channel).to_owned()).collect(),
        };
        let before = contents(&[("pool", 2), ("gone", 1)], &["a"]);
        let left = contents(&[("pool", 5), ("new", 1)], &["a", "b"]).beyond(&before);
        assert_eq!(left.keys, contents(&[("pool", 3), ("new", 1)], &[]).keys);
        assert_eq!(left.channels, ["b"]);
        assert!(before.beyond(&before).is_empty());
    }
}
