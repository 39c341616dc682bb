//! Addresses of Redis: `redis://` or `rediss://` (TLS), `[user:password@]host[:port][/database][?options]`.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use url::{Host, Url};

use crate::rules::{Parsed, Rule};
use crate::secret::{Secret, mask_url};

/// Port of Redis when the address names none.
const DEFAULT_PORT: u16 = 6379;
/// Stands for an empty host while an address is parsed.
const PLACEHOLDER_HOST: &str = "nameless";

/// Where a Redis is and how to sign in. With Sentinel the host is the name of the master.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    /// User name, if any.
    pub username: Option<String>,
    /// Password, if any.
    pub password: Option<Secret>,
    /// Host name or address; the master's name with Sentinel, where it may be empty. Its case is kept.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Database number.
    pub database: u16,
    /// Settings of TLS for `rediss://`, otherwise nothing.
    pub tls: Option<RedisTls>,
    /// Names of options that were given but are not known here.
    pub ignored_options: Vec<String>,
}

/// How TLS to Redis is checked, from the `ssl_…` options of the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisTls {
    /// Whether the server must show a valid certificate (`ssl_cert_reqs`).
    pub check: CertificateCheck,
    /// Whether the certificate must name the host (`ssl_check_hostname`).
    pub check_hostname: bool,
    /// Authorities to trust (`ssl_ca_certs`); the system's when absent.
    pub authorities: Option<PathBuf>,
    /// Certificate of the client (`ssl_certfile`).
    pub certificate: Option<PathBuf>,
    /// Key of the client's certificate (`ssl_keyfile`).
    pub key: Option<PathBuf>,
}

/// Whether a server's certificate is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateCheck {
    /// Always (`required`, and `optional`, which means the same for a client).
    Required,
    /// Never (`none`).
    None,
}

impl RedisUrl {
    /// Reads an address; the error continues the words "the value …".
    pub fn parse(text: &str) -> Result<Self, String> {
        let (text, nameless) = with_host(text.trim());
        let url = Url::parse(&text).map_err(|_| "is not a Redis address".to_owned())?;
        let mut tls = match url.scheme() {
            "redis" => None,
            "rediss" => Some(RedisTls {
                check: CertificateCheck::Required,
                check_hostname: true,
                authorities: None,
                certificate: None,
                key: None,
            }),
            other => return Err(format!("has the scheme {other}://, which is not one of Redis")),
        };
        let host = match url.host() {
            _ if nameless => String::new(),
            Some(Host::Domain(name)) if !name.is_empty() => decoded(name),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            _ => return Err("names no host".to_owned()),
        };
        let mut database = None;
        let mut ignored_options = Vec::new();
        for (name, value) in url.query_pairs() {
            match (name.as_ref(), &mut tls) {
                ("db", _) => database = Some(database_number(&value)?),
                ("ssl_cert_reqs", Some(tls)) => tls.check = certificate_check(&value)?,
                ("ssl_check_hostname", Some(tls)) => {
                    tls.check_hostname =
                        !matches!(value.to_lowercase().as_str(), "false" | "no" | "0" | "off");
                }
                ("ssl_ca_certs", Some(tls)) => tls.authorities = Some(PathBuf::from(value.as_ref())),
                ("ssl_certfile", Some(tls)) => tls.certificate = Some(PathBuf::from(value.as_ref())),
                ("ssl_keyfile", Some(tls)) => tls.key = Some(PathBuf::from(value.as_ref())),
                (name, _) => ignored_options.push(name.to_owned()),
            }
        }
        let path = url.path().trim_matches('/');
        if database.is_none() && !path.is_empty() {
            database = Some(database_number(path)?);
        }
        let username = (!url.username().is_empty()).then(|| decoded(url.username()));
        let password = url.password().map(|password| Secret::new(decoded(password)));
        let port = url.port().unwrap_or(DEFAULT_PORT);
        Ok(Self {
            username,
            password,
            host,
            port,
            database: database.unwrap_or_default(),
            tls,
            ignored_options,
        })
    }
}

/// The address with a host in it when its host is empty, as in `redis:///0` and `redis://:password@/0`, and whether it was.
///
/// With Sentinel such an address means the usual name of a master, but the parser of addresses takes no empty host.
fn with_host(text: &str) -> (Cow<'_, str>, bool) {
    let Some(scheme) = text.find("://") else { return (Cow::Borrowed(text), false) };
    let authority = scheme + "://".len();
    let end = text[authority..].find(['/', '?']).map_or(text.len(), |length| authority + length);
    if end == text.len() || !(end == authority || text[authority..end].ends_with('@')) {
        return (Cow::Borrowed(text), false);
    }
    (Cow::Owned(format!("{}{PLACEHOLDER_HOST}{}", &text[..end], &text[end..])), true)
}

fn database_number(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("ends in /{text}, which is not a database number"))
}

fn certificate_check(text: &str) -> Result<CertificateCheck, String> {
    match text.to_lowercase().as_str() {
        "none" => Ok(CertificateCheck::None),
        "optional" | "required" => Ok(CertificateCheck::Required),
        other => Err(format!("has ssl_cert_reqs={other}; the words are none, optional and required")),
    }
}

/// Percent-decodes a part of an address.
pub(super) fn decoded(text: &str) -> String {
    // The form decoder turns `+` into a blank, which addresses do not, so `+` is protected first.
    url::form_urlencoded::parse(text.replace('+', "%2B").replace('&', "%26").replace('=', "%3D").as_bytes())
        .next()
        .map(|(name, _)| name.into_owned())
        .unwrap_or_default()
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls.is_some() { "rediss" } else { "redis" };
        write!(formatter, "{scheme}://")?;
        let user = self.username.as_deref().unwrap_or_default();
        if let Some(password) = &self.password {
            write!(formatter, "{user}:{password}@")?;
        } else if !user.is_empty() {
            write!(formatter, "{user}@")?;
        }
        if self.host.is_empty() {
            return write!(formatter, "/{}", self.database);
        }
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        write!(formatter, "{host}:{}/{}", self.port, self.database)
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RedisUrl({self})")
    }
}

/// The rule for variables that hold an address of Redis.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RedisUrlRule;

impl Rule for RedisUrlRule {
    type Value = RedisUrl;

    fn allowed(&self) -> String {
        "redis://[user:password@]host[:port][/database], or rediss://… for TLS".to_owned()
    }

    fn parse(&self, text: &str) -> Parsed<RedisUrl> {
        match RedisUrl::parse(text) {
            Ok(url) if url.ignored_options.is_empty() => Parsed::Value(url),
            Ok(url) => {
                let names = url.ignored_options.join(", ");
                Parsed::Noticed(url, format!("these options of the address have no effect: {names}."))
            }
            Err(problem) => Parsed::Wrong(problem),
        }
    }

    fn show(&self, value: &RedisUrl) -> String {
        value.to_string()
    }

    fn conceal(&self, text: &str) -> String {
        mask_url(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_forms_of_the_guide() {
        let plain = RedisUrl::parse("redis://redis-valkey:6379/0").expect("an address");
        assert_eq!(
            (plain.host.as_str(), plain.port, plain.database, &plain.tls),
            ("redis-valkey", 6379, 0, &None)
        );
        let tls =
            RedisUrl::parse("rediss://ep.serverless.use1.cache.amazonaws.com:6379/0").expect("an address");
        assert_eq!(tls.tls.map(|tls| tls.check), Some(CertificateCheck::Required));
    }

    #[test]
    fn keeps_the_case_of_a_master_name() {
        assert_eq!(RedisUrl::parse("redis://MyMaster/3").expect("an address").host, "MyMaster");
    }

    #[test]
    fn reads_credentials_and_options() {
        let text =
            "rediss://us%40er:p%2Bw+%26%3Dd@[::1]:1/?db=4&ssl_cert_reqs=none&ssl_ca_certs=/ca.pem&foo=1";
        let url = RedisUrl::parse(text).expect("an address");
        assert_eq!(url.username.as_deref(), Some("us@er"));
        assert_eq!(url.password.as_ref().map(Secret::reveal), Some("p+w+&=d"));
        assert_eq!((url.host.as_str(), url.port, url.database), ("::1", 1, 4));
        assert_eq!(url.ignored_options, ["foo"]);
        assert_eq!(url.to_string(), "rediss://us@er:********@[::1]:1/4");
        let tls = url.tls.expect("TLS");
        assert_eq!((tls.check, tls.authorities), (CertificateCheck::None, Some(PathBuf::from("/ca.pem"))));
    }

    #[test]
    fn the_host_may_be_left_out_for_sentinels() {
        let plain = RedisUrl::parse("redis:///2").expect("an address");
        assert_eq!((plain.host.as_str(), plain.database), ("", 2));
        assert_eq!(plain.to_string(), "redis:///2");
        let signed_in = RedisUrl::parse("rediss://u:p@/?db=1").expect("an address");
        assert_eq!((signed_in.host.as_str(), signed_in.database), ("", 1));
        assert_eq!(signed_in.to_string(), "rediss://u:********@/1");
    }

    #[test]
    fn refuses_what_is_no_address() {
        for text in ["", "localhost:6379", "http://h", "redis://", "redis://h/x", "redis://h:99999"] {
            assert!(RedisUrl::parse(text).is_err(), "{text:?}");
        }
    }
}
