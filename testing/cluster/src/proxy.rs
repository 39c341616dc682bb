//! A TCP proxy that breaks the network when a test says so.

mod carry;
mod count;

use crate::error::{Error, Result};
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// The address from which servers of a rig connect to one another, so that a proxy can tell them from clients.
pub(crate) const SERVERS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A way through the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// What the network does to connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    Cut,
    BlackHole,
    Only(Direction),
    Delay(Duration),
}

impl Fault {
    /// Whether bytes get through in this direction.
    fn passes(self, direction: Direction) -> bool {
        match self {
            Self::None | Self::Delay(_) => true,
            Self::Cut | Self::BlackHole => false,
            Self::Only(passing) => passing == direction,
        }
    }

    fn delay(self) -> Duration {
        if let Self::Delay(delay) = self { delay } else { Duration::ZERO }
    }
}

#[derive(Clone, Copy, Debug)]
struct Mode {
    fault: Fault,
    /// Whether the fault is also between the servers of a rig.
    servers_too: bool,
}

impl Mode {
    /// What happens to connections of clients, or of servers among themselves.
    fn fault(self, of_server: bool) -> Fault {
        if of_server && !self.servers_too { Fault::None } else { self.fault }
    }
}

/// A proxy on a port of its own in front of one address. It runs on its own thread, so that nothing a test does delays it.
///
/// It passes everything until it is told otherwise. A fault acts on open connections at once and on new ones; bytes that a
/// fault held back are delivered when it ends, as TCP does after an outage. In front of a server of a rig, faults are between
/// that server and its clients only; [`servers_too`](Self::servers_too) extends them to replicas and Sentinels.
#[derive(Debug)]
pub struct Proxy {
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    mode: Option<watch::Sender<Mode>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Starts one in front of `target`, where nothing needs to listen yet.
    pub fn start(target: SocketAddr) -> Result<Self> {
        let failed = || Error::io(format!("a proxy for {target}"));
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed())?;
        listener.set_nonblocking(true).map_err(failed())?;
        let port = listener.local_addr().map_err(failed())?.port();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed())?;
        let (sender, receiver) = watch::channel(Mode { fault: Fault::None, servers_too: false });
        let thread = std::thread::Builder::new()
            .name(format!("proxy-{port}"))
            .spawn(move || {
                runtime.block_on(async {
                    if let Ok(listener) = TcpListener::from_std(listener) {
                        accept(&listener, target, receiver).await;
                    }
                });
            })
            .map_err(failed())?;
        Ok(Self { port, mode: Some(sender), thread: Some(thread) })
    }

    /// Ends every fault. What was held back is delivered.
    pub fn pass(&self) {
        self.set(Fault::None);
    }

    /// Resets all connections (RST), and every new one as soon as it is made.
    pub fn cut(&self) {
        self.set(Fault::Cut);
    }

    /// Passes nothing in either direction: connections stay open and new ones are taken, but all is silent.
    pub fn black_hole(&self) {
        self.set(Fault::BlackHole);
    }

    /// Passes bytes in this direction only; the other one is silent.
    pub fn one_way(&self, direction: Direction) {
        self.set(Fault::Only(direction));
    }

    /// Delivers everything so much later, in each direction: a round trip takes twice as long. The throughput is not reduced.
    pub fn delay(&self, delay: Duration) {
        self.set(Fault::Delay(delay));
    }

    /// Whether faults are also between the servers of a rig, as when a whole machine is cut off.
    pub fn servers_too(&self, yes: bool) {
        if let Some(mode) = &self.mode {
            mode.send_modify(|mode| mode.servers_too = yes);
        }
    }

    /// How many connections clients hold open to it, without those from servers of a rig.
    ///
    /// The kernel is asked, so that a connection which its client has closed does not count, also while a fault keeps the proxy
    /// from reading that.
    pub fn connections(&self) -> Result<usize> {
        count::established(self.port)
    }

    fn set(&self, fault: Fault) {
        if let Some(mode) = &self.mode {
            mode.send_modify(|mode| mode.fault = fault);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The thread sees that nobody can change the mode any longer, and ends.
        self.mode = None;
        if let Some(thread) = self.thread.take() {
            // It fails only when the thread panicked, which it has printed.
            let _ = thread.join();
        }
    }
}

/// Takes connections until the proxy is dropped; the connections end with the runtime that they run on.
async fn accept(listener: &TcpListener, target: SocketAddr, mode: watch::Receiver<Mode>) {
    let mut dropped = mode.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = async { while dropped.changed().await.is_ok() {} } => return,
        };
        if let Ok((client, from)) = accepted {
            tokio::spawn(carry::carry(
                client,
                target,
                carry::Weather::new(mode.clone(), from.ip() == SERVERS),
            ));
        }
    }
}
