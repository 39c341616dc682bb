//! `WEBSOCKET_REDIS_OPTIONS`: a JSON object with the names of redis-py's connection options.

use std::path::PathBuf;
use std::time::Duration;

use antiphon_config::{CertificateCheck, Secret};
use serde_json::{Map, Value};

use super::options::{Reach, RedisOptions, plain_tls};

/// Options of redis-py that need no counterpart: this client always does what they ask for, or has no such thing.
const WITHOUT_EFFECT: [&str; 5] =
    ["health_check_interval", "decode_responses", "retry_on_timeout", "encoding", "client_name"];

/// Longest time that an option may give.
const LONGEST: f64 = 3600.0;

/// The options that were given.
#[derive(Debug, Default)]
pub(super) struct SocketOptions {
    command_timeout: Option<Duration>,
    connect_timeout: Option<Duration>,
    keepalive: Option<bool>,
    username: Option<String>,
    password: Option<Secret>,
    database: Option<u16>,
    tls: Option<bool>,
    certificate_check: Option<CertificateCheck>,
    check_hostname: Option<bool>,
    authorities: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

impl SocketOptions {
    /// Reads the table. Unknown names and wrong values are told once and have no effect.
    pub(super) fn read(table: &Map<String, Value>, notices: &mut Vec<String>) -> Self {
        let mut options = Self::default();
        let mut unknown = Vec::new();
        for (name, value) in table {
            // `null` is what redis-py takes for "not set".
            if value.is_null() || WITHOUT_EFFECT.contains(&name.as_str()) {
                continue;
            }
            match options.set(name, value) {
                Some(true) => {}
                Some(false) => notices.push(format!(
                    "WEBSOCKET_REDIS_OPTIONS: the value of {name} does not fit and has no effect. Write it as redis-py takes it."
                )),
                None => unknown.push(name.as_str()),
            }
        }
        if !unknown.is_empty() {
            notices.push(format!(
                "WEBSOCKET_REDIS_OPTIONS: these options are not known here and have no effect: {}.",
                unknown.join(", ")
            ));
        }
        options
    }

    /// Takes one option: whether its value fits, `None` when there is no such option.
    fn set(&mut self, name: &str, value: &Value) -> Option<bool> {
        fn keep<T>(slot: &mut Option<T>, value: Option<T>) -> bool {
            let fits = value.is_some();
            *slot = value;
            fits
        }
        let text = || value.as_str().map(str::to_owned);
        let path = || value.as_str().map(PathBuf::from);
        Some(match name {
            "socket_timeout" => keep(&mut self.command_timeout, seconds(value)),
            "socket_connect_timeout" => keep(&mut self.connect_timeout, seconds(value)),
            "socket_keepalive" => keep(&mut self.keepalive, value.as_bool()),
            "username" => keep(&mut self.username, text()),
            "password" => keep(&mut self.password, text().map(Secret::new)),
            "db" => keep(&mut self.database, value.as_u64().and_then(|number| number.try_into().ok())),
            "ssl" => keep(&mut self.tls, value.as_bool()),
            "ssl_cert_reqs" => keep(&mut self.certificate_check, certificate_check(value)),
            "ssl_check_hostname" => keep(&mut self.check_hostname, value.as_bool()),
            "ssl_ca_certs" => keep(&mut self.authorities, path()),
            "ssl_certfile" => keep(&mut self.certificate, path()),
            "ssl_keyfile" => keep(&mut self.key, path()),
            _ => return None,
        })
    }

    /// Puts what was given in place of what the address and the general settings say.
    pub(super) fn apply(self, options: &mut RedisOptions) {
        if let Some(limit) = self.command_timeout {
            options.command_timeout = limit;
        }
        if let Some(limit) = self.connect_timeout {
            options.connect_timeout = limit;
        }
        if let Some(keepalive) = self.keepalive {
            options.keepalive = keepalive;
        }
        if self.username.is_some() {
            options.credentials.username = self.username;
        }
        if self.password.is_some() {
            options.credentials.password = self.password;
        }
        if let Some(database) = self.database.filter(|_| !matches!(options.reach, Reach::Cluster(_))) {
            options.database = database;
        }
        match self.tls {
            Some(true) => options.tls = Some(options.tls.take().unwrap_or_else(plain_tls)),
            Some(false) => options.tls = None,
            None => {}
        }
        if let Some(tls) = &mut options.tls {
            tls.check = self.certificate_check.unwrap_or(tls.check);
            tls.check_hostname = self.check_hostname.unwrap_or(tls.check_hostname);
            tls.authorities = self.authorities.or(tls.authorities.take());
            tls.certificate = self.certificate.or(tls.certificate.take());
            tls.key = self.key.or(tls.key.take());
        }
    }
}

fn seconds(value: &Value) -> Option<Duration> {
    let number = value.as_f64().filter(|number| *number > 0.0 && *number <= LONGEST)?;
    Some(Duration::from_secs_f64(number))
}

fn certificate_check(value: &Value) -> Option<CertificateCheck> {
    match value.as_str()? {
        "none" | "CERT_NONE" => Some(CertificateCheck::None),
        "optional" | "required" | "CERT_OPTIONAL" | "CERT_REQUIRED" => Some(CertificateCheck::Required),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_values_are_told_and_null_is_nothing() {
        let table = serde_json::json!({
            "socket_timeout": null, "socket_connect_timeout": "5", "health_check_interval": 30, "ssl_cert_reqs": "none"
        });
        let mut notices = Vec::new();
        let options = SocketOptions::read(table.as_object().expect("an object"), &mut notices);
        assert_eq!((options.command_timeout, options.connect_timeout), (None, None));
        assert_eq!(options.certificate_check, Some(CertificateCheck::None));
        assert_eq!(notices.len(), 1);
        assert!(notices[0].contains("socket_connect_timeout"), "{notices:?}");
    }
}
