//! The lines of `redis.conf`.

use crate::certificates::Certificates;
use crate::options::Options;

/// Writes the configuration of the servers of one rig.
pub(super) struct Configuration<'a> {
    pub(super) options: &'a Options,
    pub(super) certificates: Option<&'a Certificates>,
}

impl Configuration<'_> {
    /// Lines for a server that listens on this port.
    pub(super) fn server(&self, port: u16) -> Vec<String> {
        let options = self.options;
        let mut lines = self.listening(port);
        lines
            .extend(["save \"\"", "repl-diskless-sync yes", "repl-diskless-sync-delay 0"].map(str::to_owned));
        if options.persistent {
            lines.extend(["appendonly yes", "appendfsync always"].map(str::to_owned));
        }
        lines.extend(access(options.user.as_deref(), options.password.as_deref()));
        if let Some(password) = &options.password {
            lines.push(format!("masterauth {}", quoted(password)));
        }
        if let (Some(user), Some(_)) = (&options.user, &options.password) {
            lines.push(format!("masteruser {}", quoted(user)));
        }
        lines.extend(options.settings.iter().cloned());
        lines
    }

    /// Where it listens, and how.
    fn listening(&self, port: u16) -> Vec<String> {
        let Some(certificates) = self.certificates else { return vec![format!("port {port}")] };
        vec![
            "port 0".to_owned(),
            format!("tls-port {port}"),
            format!("tls-cert-file {}", certificates.server.display()),
            format!("tls-key-file {}", certificates.server_key.display()),
            format!("tls-ca-cert-file {}", certificates.authority.display()),
            format!("tls-auth-clients {}", if self.options.client_certificate { "yes" } else { "optional" }),
            "tls-replication yes".to_owned(),
        ]
    }
}

/// Who may enter.
fn access(user: Option<&str>, password: Option<&str>) -> Vec<String> {
    match (user, password) {
        (Some(user), Some(password)) => vec![
            format!("user {} on {} ~* &* +@all", quoted(user), quoted(&format!(">{password}"))),
            "user default off".to_owned(),
        ],
        (None, Some(password)) => vec![format!("requirepass {}", quoted(password))],
        (_, None) => Vec::new(),
    }
}

/// A value as `redis.conf` quotes it.
fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}
