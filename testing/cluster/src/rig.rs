//! One Redis topology, started for a test.

mod configuration;
mod variables;

use crate::certificates::Certificates;
use crate::error::{Error, Result};
use crate::ground::Ground;
use crate::options::{Kind, Options};
use crate::ports;
use crate::server::Server;
use configuration::Configuration;
use std::path::Path;
use std::sync::Arc;

/// How often a rig is begun anew because another process took one of its ports.
const ATTEMPTS: usize = 5;

/// One Redis topology. Dropping it ends all its processes, frozen ones too, and removes its folder.
#[derive(Debug)]
pub struct Rig {
    options: Options,
    servers: Vec<Server>,
    sentinels: Vec<Server>,
    certificates: Option<Certificates>,
    ground: Arc<Ground>,
}

impl Rig {
    /// Starts a topology without passwords, and returns when it is whole: replicas follow, Sentinels know each other, all
    /// slots are served.
    pub async fn start(kind: Kind, tls: bool) -> Result<Self> {
        Self::with(Options { tls, ..Options::new(kind) }).await
    }

    /// The same with everything that can be chosen.
    pub async fn with(options: Options) -> Result<Self> {
        for _ in 1..ATTEMPTS {
            match Self::attempt(&options).await {
                Err(Error::PortTaken { .. }) => {}
                done => return done,
            }
        }
        Self::attempt(&options).await
    }

    async fn attempt(options: &Options) -> Result<Self> {
        let ground = Arc::new(Ground::new()?);
        let certificates = if options.tls {
            let names: Vec<&str> = options.certificate_names.iter().map(String::as_str).collect();
            Some(Certificates::new(&ground.folder("certificates")?, &names)?)
        } else {
            None
        };
        let mut rig = Self {
            options: options.clone(),
            servers: Vec::new(),
            sentinels: Vec::new(),
            certificates,
            ground,
        };
        match options.kind {
            Kind::Standalone | Kind::Sentinel | Kind::Cluster => {
                rig.start_servers(1 + options.replicas).await?
            }
        }
        Ok(rig)
    }

    async fn start_servers(&mut self, count: usize) -> Result<()> {
        let configuration =
            Configuration { options: &self.options, certificates: self.certificates.as_ref() };
        for (index, port) in ports::free(count)?.into_iter().enumerate() {
            let name = format!("server-{index}");
            self.servers.push(Server::start(&self.ground, &name, port, &configuration.server(port), &[])?);
        }
        for server in &self.servers {
            server.wait_ready().await?;
        }
        Ok(())
    }

    /// What it was made of.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The Redis servers, masters first.
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// The Sentinels, of which only a Sentinel rig has some.
    pub fn sentinels(&self) -> &[Server] {
        &self.sentinels
    }

    /// The certificates of a rig with TLS.
    pub fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }

    /// The folder of the rig, gone when it is dropped.
    pub fn folder(&self) -> &Path {
        self.ground.path()
    }

    /// The server that takes the writes at this moment.
    pub async fn master(&self) -> Result<&Server> {
        for server in self.servers.iter().filter(|server| server.answers()) {
            if server.info("role").await? == "master" {
                return Ok(server);
            }
        }
        Err(Error::NotRunning { name: "the master".to_owned() })
    }
}
