//! The address of this server as the caller's browser knows it, where `WEBUI_URL` does not tell it.

use super::{ApiError, ApiResult};
use antiphon_config::TrustedProxies;
use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderName, header};
use std::net::SocketAddr;

const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// `scheme://host[:port]` as the browser wrote it. `X-Forwarded-Proto` counts only if it comes from a trusted proxy.
///
/// Fails when the request names no host, or something that is none.
pub(crate) fn of_request(trusted: &TrustedProxies, request: &Parts) -> ApiResult<String> {
    let text = |name: HeaderName| request.headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST)
        .and_then(|host| host.parse::<Authority>().ok())
        .filter(|host| !host.as_str().contains('@'))
        .ok_or_else(|| ApiError::bad_request("The request names no host (header Host)."))?;
    let peer = request.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    let believed = peer.is_some_and(|peer| trusted.trusts(peer));
    let forwarded = text(FORWARDED_PROTO).and_then(|value| value.split(',').next()).map(str::trim);
    let secure = believed && forwarded.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
    Ok(format!("{}://{host}", if secure { "https" } else { "http" }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use antiphon_config::{Environment, load};
    use axum::http::Request;

    fn trusted(text: &str) -> TrustedProxies {
        let loaded =
            load(&Environment::from_pairs([("FORWARDED_ALLOW_IPS", text)])).expect("a configuration");
        loaded.config.server.trusted_proxies
    }

    /// A request by way of a proxy at 127.0.0.2.
    fn request(headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).expect("a request").into_parts();
        parts.extensions.insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 2], 1))));
        parts
    }

    #[test]
    fn only_a_trusted_proxy_says_that_the_address_is_a_secure_one() {
        let host = ("host", "chat.example:8443");
        let secure = request(&[host, ("x-forwarded-proto", "HTTPS, http")]);
        let plain = request(&[host]);
        for (proxies, request, expected) in [
            ("*", &secure, "https://chat.example:8443"),
            ("127.0.0.0/8", &secure, "https://chat.example:8443"),
            ("127.0.0.1", &secure, "http://chat.example:8443"),
            ("*", &plain, "http://chat.example:8443"),
        ] {
            assert_eq!(of_request(&trusted(proxies), request).expect("an address"), expected, "{proxies}");
        }
        let mut unknown = request(&[host, ("x-forwarded-proto", "https")]);
        unknown.extensions.clear();
        assert_eq!(of_request(&trusted("*"), &unknown).expect("an address"), "http://chat.example:8443");
    }

    #[test]
    fn what_is_no_host_makes_no_address() {
        for headers in [&[][..], &[("host", "ada@evil.example")], &[("host", "a\"b")], &[("host", "")]] {
            assert!(of_request(&trusted("*"), &request(headers)).is_err(), "{headers:?}");
        }
    }
}
