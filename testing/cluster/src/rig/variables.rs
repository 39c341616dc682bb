//! The environment variables by which a node reaches a rig.

use super::Rig;
use crate::options::Kind;
use crate::server::Server;

impl Rig {
    /// The variables as an operator would set them, for the general and the socket role, with `WEBSOCKET_MANAGER=redis`.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let url = self.url();
        let mut variables = vec![
            ("REDIS_URL", url.clone()),
            ("WEBSOCKET_MANAGER", "redis".to_owned()),
            ("WEBSOCKET_REDIS_URL", url),
        ];
        match self.options.kind {
            Kind::Standalone => {}
            Kind::Sentinel => {
                let hosts = self.sentinels.iter().map(Server::address).collect::<Vec<_>>().join(",");
                variables.push(("REDIS_SENTINEL_HOSTS", hosts.clone()));
                variables.push(("WEBSOCKET_SENTINEL_HOSTS", hosts));
            }
            Kind::Cluster => {
                variables.push(("REDIS_CLUSTER", "true".to_owned()));
                variables.push(("WEBSOCKET_REDIS_CLUSTER", "true".to_owned()));
            }
        }
        if self.options.tls && self.options.plain_sentinels {
            variables.push(("ANTIPHON_REDIS_SENTINEL_TLS", "false".to_owned()));
        }
        if let Some(user) = &self.options.sentinel_user {
            variables.push(("ANTIPHON_REDIS_SENTINEL_USERNAME", user.clone()));
        }
        if let Some(password) = &self.options.sentinel_password {
            variables.push(("ANTIPHON_REDIS_SENTINEL_PASSWORD", password.clone()));
        }
        variables
    }

    /// The address of the rig: the first server's, or with Sentinels the master's name.
    pub fn url(&self) -> String {
        let options = &self.options;
        let place = match options.kind {
            Kind::Sentinel => options.master_name.clone(),
            Kind::Standalone | Kind::Cluster => self.servers[0].address(),
        };
        let scheme = if options.tls { "rediss" } else { "redis" };
        let credentials = match (&options.user, &options.password) {
            (user, Some(password)) => {
                format!("{}:{}@", encoded(user.as_deref().unwrap_or_default()), encoded(password))
            }
            (_, None) => String::new(),
        };
        format!("{scheme}://{credentials}{place}/0{}", self.tls_query())
    }

    /// The part of a URL that names the certificates, as redis-py spells it.
    fn tls_query(&self) -> String {
        let Some(certificates) = &self.certificates else { return String::new() };
        let authority = certificates.authority.display();
        if self.options.client_certificate {
            let (client, key) = (certificates.client.display(), certificates.client_key.display());
            return format!("?ssl_ca_certs={authority}&ssl_certfile={client}&ssl_keyfile={key}");
        }
        format!("?ssl_ca_certs={authority}")
    }
}

/// Percent-encodes everything that is not plain in the user part of a URL.
fn encoded(text: &str) -> String {
    let encode = |byte: u8| {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if plain { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(encode).collect()
}
