//! nginx in front of nodes, round robin and without stickiness.

use crate::error::{Error, Result};
use crate::ground::Ground;
use crate::http;
use crate::ports;
use crate::process::{Process, Recipe};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How often it is begun anew because another process took its port.
const ATTEMPTS: usize = 5;

/// How long nginx may take to listen.
const LISTEN: Duration = Duration::from_secs(10);

/// A running nginx. It is killed when this is dropped.
#[derive(Debug)]
pub struct Balancer {
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    process: Process,
    log: PathBuf,
    _ground: Arc<Ground>,
}

impl Balancer {
    /// Starts nginx in front of these ports of 127.0.0.1: each request goes to the next of them in turn, whoever sent it, and
    /// WebSockets pass. A node that refuses a connection is left out for a second, and the request goes to the next.
    pub async fn start(nodes: &[u16]) -> Result<Self> {
        for _ in 1..ATTEMPTS {
            match Self::attempt(nodes).await {
                Err(Error::PortTaken { .. }) => {}
                done => return done,
            }
        }
        Self::attempt(nodes).await
    }

    async fn attempt(nodes: &[u16]) -> Result<Self> {
        let ground = Arc::new(Ground::new()?);
        let port = ports::free(1)?[0];
        let folder = ground.folder("nginx")?;
        let file = folder.join("nginx.conf");
        std::fs::write(&file, configuration(port, nodes)).map_err(Error::file(&file))?;
        let log = folder.join("error.log");
        let recipe = Recipe {
            name: "nginx".to_owned(),
            program: "nginx".into(),
            package: "nginx",
            arguments: ["-p", &folder.display().to_string(), "-c", "nginx.conf", "-e", "error.log"]
                .map(str::to_owned)
                .to_vec(),
            // Debian keeps it where only root looks.
            environment: Some(vec![(
                "PATH".to_owned(),
                "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin".to_owned(),
            )]),
            folder: folder.clone(),
            output: folder.join("output"),
        };
        let balancer = Self { port, process: Process::start(recipe, &ground)?, log, _ground: ground };
        // Written once nginx has its port. That somebody listens there would not say who.
        let sign = folder.join("nginx.pid");
        let listens = async || balancer.process.pid().is_none() || sign.exists();
        crate::wait_until("nginx listens", LISTEN, listens).await?;
        if balancer.process.pid().is_none() {
            return Err(balancer.process.ended(&balancer.log));
        }
        Ok(balancer)
    }

    /// `http://` with host and port.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The HTTP status of a GET of this path, by whichever node has its turn.
    pub async fn status(&self, path: &str) -> Result<u16> {
        http::status("nginx", self.port, path).await
    }

    /// What nginx has logged of failures.
    pub fn log(&self) -> Result<String> {
        std::fs::read_to_string(&self.log).map_err(Error::file(&self.log))
    }
}

/// A configuration with all files in the folder that nginx is started with. One process without a master: its end is the end of all.
fn configuration(port: u16, nodes: &[u16]) -> String {
    let servers = nodes.iter().fold(String::new(), |mut servers, node| {
        // Writing to a string cannot fail.
        let _ = write!(servers, " server 127.0.0.1:{node} max_fails=1 fail_timeout=1s;");
        servers
    });
    let folders = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {name};"))
        .concat();
    format!(
        "daemon off;
master_process off;
pid nginx.pid;
worker_rlimit_nofile 65536;
events {{ worker_connections 20000; }}
http {{
  access_log off;
  {folders}
  client_max_body_size 0;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  upstream nodes {{{servers} keepalive 64; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://nodes;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_buffering off;
      proxy_connect_timeout 2s;
      proxy_read_timeout 3600s;
      proxy_send_timeout 3600s;
    }}
  }}
}}
"
    )
}
