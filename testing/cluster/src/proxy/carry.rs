//! One connection through the proxy.

use super::{Direction, Fault, Mode};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// The most that is read at once.
const CHUNK: usize = 16 * 1024;

/// How many chunks can be on their way in one direction while they are delayed.
const ON_THE_WAY: usize = 256;

/// How long the proxy waits for its target to take a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// The fault that is on at the moment, for one connection.
#[derive(Clone)]
pub(super) struct Weather {
    mode: watch::Receiver<Mode>,
    of_server: bool,
}

impl Weather {
    pub(super) fn new(mode: watch::Receiver<Mode>, of_server: bool) -> Self {
        Self { mode, of_server }
    }

    fn now(&self) -> Fault {
        self.mode.borrow().fault(self.of_server)
    }

    /// Waits until the fault is of a kind; for ever when the proxy is dropped meanwhile, since that ends the connection too.
    async fn until(&mut self, wanted: impl Fn(Fault) -> bool) {
        let of_server = self.of_server;
        if self.mode.wait_for(|mode| wanted(mode.fault(of_server))).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Carries bytes between a client and the target until both have closed, one has broken off, or the network is cut.
pub(super) async fn carry(client: TcpStream, target: SocketAddr, mut weather: Weather) {
    let mut cut = weather.clone();
    tokio::select! {
        biased;
        () = cut.until(|fault| fault == Fault::Cut) => return reset(&client),
        () = weather.until(|fault| fault != Fault::BlackHole) => {}
    }
    let Ok(Ok(server)) = tokio::time::timeout(CONNECT, TcpStream::connect(target)).await else {
        return reset(&client);
    };
    let (mut client, mut server) = (client, server);
    // Requests are not held back to be joined: the proxy is not to add delays of its own.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let broken = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let carried = async {
            tokio::try_join!(
                pump(from_client, to_server, Direction::ToServer, weather.clone()),
                pump(from_server, to_client, Direction::ToClient, weather.clone()),
            )
        };
        tokio::select! {
            () = cut.until(|fault| fault == Fault::Cut) => true,
            carried = carried => carried.is_err(),
        }
    };
    if broken {
        reset(&client);
        reset(&server);
    }
}

/// Has the stream closed with RST instead of FIN when it is dropped.
fn reset(stream: &TcpStream) {
    // It fails only for a stream that is closed already.
    let _ = stream.set_zero_linger();
}

/// Carries bytes in one direction until the sender has closed its half, and then closes the receiver's.
async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    direction: Direction,
    mut weather: Weather,
) -> io::Result<()> {
    let (sender, mut receiver) = mpsc::channel::<(Instant, Vec<u8>)>(ON_THE_WAY);
    let mut arrival = weather.clone();
    let reading = async move {
        loop {
            weather.until(|fault| fault.passes(direction)).await;
            let mut chunk = Vec::with_capacity(CHUNK);
            let mut changed = weather.clone();
            let read = tokio::select! {
                read = from.read_buf(&mut chunk) => read?,
                () = changed.until(|fault| !fault.passes(direction)) => continue,
            };
            let at = Instant::now() + weather.now().delay();
            if read == 0 || sender.send((at, chunk)).await.is_err() {
                return Ok(());
            }
        }
    };
    let writing = async {
        while let Some((at, chunk)) = receiver.recv().await {
            tokio::time::sleep_until(at).await;
            arrival.until(|fault| fault.passes(direction)).await;
            to.write_all(&chunk).await?;
        }
        arrival.until(|fault| fault.passes(direction)).await;
        to.shutdown().await
    };
    tokio::try_join!(reading, writing).map(|_: ((), ())| ())
}
