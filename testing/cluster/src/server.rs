//! One Redis server or Sentinel of a rig.

use crate::error::{Error, Result};
use crate::ground::Ground;
use crate::process::{Process, Recipe};
use crate::proxy::Proxy;
use crate::resp::{Connection, USER};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// How long a server may take to come up.
const START: Duration = Duration::from_secs(15);

/// A Redis server or Sentinel, running or not.
#[derive(Debug)]
pub struct Server {
    /// Where it listens for clients on 127.0.0.1 and on ::1, with TLS when the rig has TLS.
    pub port: u16,
    proxy: Option<Proxy>,
    name: String,
    folder: PathBuf,
    process: Process,
    /// Kept open, so that the rig is heard also when the server takes no further clients.
    connection: Mutex<Option<Connection>>,
}

/// Where clients find a server.
pub(crate) struct Place {
    pub(crate) port: u16,
    pub(crate) proxy: Option<Proxy>,
}

impl Server {
    /// Starts a server with this configuration, which says nothing of folder, log and Unix socket. It is not waited for.
    pub(crate) fn start(
        ground: &Arc<Ground>,
        program: &Path,
        name: &str,
        place: Place,
        configuration: &[String],
        arguments: &[&str],
    ) -> Result<Self> {
        let folder = ground.folder(name)?;
        let path = |file: &str| folder.join(file).display().to_string();
        let mut lines = vec![
            format!("dir {}", folder.display()),
            format!("logfile {}", path("redis.log")),
            format!("unixsocket {}", path("redis.sock")),
            format!("user {USER} on nopass ~* &* +@all"),
            "daemonize no".to_owned(),
            "bind 127.0.0.1 -::1".to_owned(),
            "protected-mode no".to_owned(),
        ];
        lines.extend_from_slice(configuration);
        let file = folder.join("redis.conf");
        std::fs::write(&file, lines.join("\n") + "\n").map_err(Error::file(&file))?;
        let recipe = Recipe {
            name: name.to_owned(),
            program: program.to_owned(),
            package: "redis-server",
            arguments: [path("redis.conf")]
                .into_iter()
                .chain(arguments.iter().map(|&text| text.to_owned()))
                .collect(),
            environment: None,
            folder: folder.clone(),
            output: folder.join("output"),
        };
        let process = Process::start(recipe, ground)?;
        Ok(Self {
            port: place.port,
            proxy: place.proxy,
            name: name.to_owned(),
            folder,
            process,
            connection: Mutex::new(None),
        })
    }

    /// Waits until it takes commands.
    pub(crate) async fn wait_ready(&self) -> Result<()> {
        let what = format!("{} takes commands", self.name);
        let ready = async || self.process.pid().is_none() || self.admin(&["PING"]).await.is_ok();
        crate::wait_until(&what, START, ready).await?;
        if self.process.pid().is_none() {
            return Err(self.process.ended(&self.folder.join("redis.log")));
        }
        Ok(())
    }

    /// Its name in the rig, such as `server-0` or `sentinel-2`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The proxy between it and its clients, in a rig that has proxies.
    pub fn proxy(&self) -> Option<&Proxy> {
        self.proxy.as_ref()
    }

    /// The port at which clients reach it: its proxy's, or its own.
    pub fn client_port(&self) -> u16 {
        self.proxy.as_ref().map_or(self.port, |proxy| proxy.port)
    }

    /// Host and port at which clients reach it.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.client_port())
    }

    /// Its process id while it runs. It changes with a restart.
    pub fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    /// Whether it was frozen and not thawed since.
    pub(crate) fn frozen(&self) -> bool {
        self.process.frozen()
    }

    /// Whether it runs and is not frozen.
    pub fn answers(&self) -> bool {
        !self.process.frozen() && self.process.pid().is_some()
    }

    /// Ends it as a crash would (`SIGKILL`).
    pub fn kill(&self) -> Result<()> {
        self.process.kill()
    }

    /// Asks it to end (`SIGTERM`) and waits until it has.
    pub async fn terminate(&self) -> Result<()> {
        self.process.terminate().await
    }

    /// Stops it in the middle of whatever it does (`SIGSTOP`): connections stay open, and the kernel takes new ones, but nothing
    /// is answered.
    pub fn freeze(&self) -> Result<()> {
        self.process.freeze()
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self) -> Result<()> {
        self.process.thaw()
    }

    /// Kills it if it runs, and starts it on the same port; returns when it takes commands.
    ///
    /// With `keep` it finds what it had on disk, which is something only in a rig that is `persistent`; without, it is
    /// empty. Its place in the topology (replica of whom, slots) is kept in both cases.
    pub async fn restart(&self, keep: bool) -> Result<()> {
        self.kill()?;
        if !keep {
            for data in ["appendonlydir", "dump.rdb"].map(|name| self.folder.join(name)) {
                let removed =
                    if data.is_dir() { std::fs::remove_dir_all(&data) } else { std::fs::remove_file(&data) };
                if let Err(error) = removed
                    && error.kind() != std::io::ErrorKind::NotFound
                {
                    return Err(Error::file(data)(error));
                }
            }
        }
        *self.connection.lock().await = None;
        self.process.again()?;
        self.wait_ready().await
    }

    /// Sends a command, and gives the reply as `redis-cli` prints it to a pipe: one line per element, nested ones too.
    ///
    /// It goes over a Unix socket as a user of the rig, so neither TLS nor passwords nor a broken network are in the way. A
    /// command that was cut off by the server (`CLIENT KILL`, `timeout`) is sent once more. An error reply is
    /// [`Error::Reply`]; a server that says nothing for 5 s is [`Error::Late`].
    pub async fn admin(&self, command: &[&str]) -> Result<String> {
        if !self.answers() {
            return Err(Error::NotRunning { name: self.name.clone() });
        }
        let mut kept = self.connection.lock().await;
        // Taken out, so that a connection whose reply nobody waits for any longer is never used again.
        if let Some(mut connection) = kept.take() {
            match connection.command(command).await {
                Err(Error::Io { .. }) => {}
                answer => {
                    if !matches!(answer, Err(Error::Late { .. })) {
                        *kept = Some(connection);
                    }
                    return answer;
                }
            }
        }
        let mut connection = Connection::open(&self.folder.join("redis.sock"), &self.name).await?;
        let answer = connection.command(command).await;
        if matches!(answer, Ok(_) | Err(Error::Reply { .. })) {
            *kept = Some(connection);
        }
        answer
    }

    /// One field of `INFO`, such as `master_link_status`.
    pub async fn info(&self, field: &str) -> Result<String> {
        let all = self.admin(&["INFO", "everything"]).await?;
        let found = all.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let text = || Error::Unexpected { name: self.name.clone(), text: format!("INFO without {field}") };
        Ok(found.ok_or_else(text)?.trim().to_owned())
    }

    /// How many clients are connected, subscribers included, without the rig itself, replicas, masters and Sentinels.
    pub async fn connected_clients(&self) -> Result<usize> {
        Ok(self.clients().await?.len())
    }

    /// The lines of `CLIENT LIST` for those [`connected_clients`](Self::connected_clients) counts.
    pub async fn clients(&self) -> Result<Vec<String>> {
        let all = self.admin(&["CLIENT", "LIST"]).await?;
        let field = |line: &str, name: &str| {
            line.split(' ')
                .find_map(|part| part.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
                .unwrap_or_default()
        };
        let is_client = |line: &&str| {
            let own = field(line, "user") == USER;
            // `MIGRATE` keeps its connection to the other server for ten seconds.
            let server =
                field(line, "flags").contains(['S', 'M']) || field(line, "cmd").starts_with("restore");
            !line.is_empty() && !own && !server && !field(line, "name").starts_with("sentinel-")
        };
        Ok(all.lines().filter(is_client).map(str::to_owned).collect())
    }

    /// The memory that it occupies (resident set), in bytes.
    pub fn memory(&self) -> Result<u64> {
        self.process.memory()
    }

    /// What it has logged.
    pub fn log(&self) -> Result<String> {
        let path = self.folder.join("redis.log");
        std::fs::read_to_string(&path).map_err(Error::file(path))
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, Server};
    use crate::error::Error;
    use crate::ground::Ground;
    use std::net::{Ipv4Addr, TcpListener};
    use std::path::Path;
    use std::sync::Arc;

    #[tokio::test]
    async fn says_that_its_port_is_taken() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let ground = Arc::new(Ground::new().unwrap());
        let start = |name: &str, lines: &[String]| {
            let place = Place { port, proxy: None };
            Server::start(&ground, Path::new("redis-server"), name, place, lines, &[]).unwrap()
        };
        let failed = start("taken", &[format!("port {port}")]).wait_ready().await.unwrap_err();
        assert!(matches!(failed, Error::PortTaken { .. }), "{failed}");
        let failed = start("wrong", &["no-such-setting yes".to_owned()]).wait_ready().await.unwrap_err();
        assert!(matches!(&failed, Error::Ended { log, .. } if log.contains("no-such-setting")), "{failed}");
    }

    #[test]
    fn names_the_package_of_a_program_that_is_missing() {
        let ground = Arc::new(Ground::new().unwrap());
        let place = Place { port: 0, proxy: None };
        let failed =
            Server::start(&ground, Path::new("no-such-server"), "server", place, &[], &[]).unwrap_err();
        assert!(failed.to_string().contains("scripts/system-packages redis-server"), "{failed}");
    }
}
