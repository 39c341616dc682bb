//! The environment variables by which a node reaches a rig.

use super::Rig;
use crate::options::Kind;

impl Rig {
    /// The variables as an operator would set them, for the general and the socket role, with `WEBSOCKET_MANAGER=redis`.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let url = self.url();
        let mut variables = vec![
            ("REDIS_URL", url.clone()),
            ("WEBSOCKET_MANAGER", "redis".to_owned()),
            ("WEBSOCKET_REDIS_URL", url),
        ];
        if self.options.kind == Kind::Cluster {
            variables.extend([
                ("REDIS_CLUSTER", "true".to_owned()),
                ("WEBSOCKET_REDIS_CLUSTER", "true".to_owned()),
            ]);
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
        let mut query = format!("?ssl_ca_certs={}", certificates.authority.display());
        if self.options.client_certificate {
            query.push_str(&format!(
                "&ssl_certfile={}&ssl_keyfile={}",
                certificates.client.display(),
                certificates.client_key.display()
            ));
        }
        query
    }
}

/// Percent-encodes everything that is not plain in the user part of a URL.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
        encoded
    })
}
