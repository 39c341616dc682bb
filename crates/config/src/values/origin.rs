//! Origins of web pages: scheme, host and port, as browsers send them in the `Origin` header.

use std::fmt;

use url::Url;

/// Which pages of other origins may use the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedOrigins {
    /// Every page.
    Any,
    /// Pages of these origins only.
    Listed(Vec<WebOrigin>),
}

impl AllowedOrigins {
    /// Whether a page with this `Origin` header may use the server.
    pub fn allows(&self, header: &str) -> bool {
        match self {
            Self::Any => true,
            // Browsers send origins already in lower case and without a default port.
            Self::Listed(origins) => origins.iter().any(|origin| origin.0.eq_ignore_ascii_case(header)),
        }
    }
}

impl fmt::Display for AllowedOrigins {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => formatter.write_str("*"),
            Self::Listed(origins) => {
                let texts: Vec<&str> = origins.iter().map(WebOrigin::as_str).collect();
                formatter.write_str(&texts.join(";"))
            }
        }
    }
}

/// One origin in the form that browsers send: lower case, no default port, no slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebOrigin(String);

impl WebOrigin {
    /// Reads an origin whose scheme is `http`, `https` or one of `schemes`. The error continues "the item …".
    pub(crate) fn parse(text: &str, schemes: &[String]) -> Result<Self, String> {
        let Ok(url) = Url::parse(text) else {
            return Err("is not an origin such as https://chat.example.com".to_owned());
        };
        let scheme = url.scheme();
        if !matches!(scheme, "http" | "https")
            && !schemes.iter().any(|known| known.eq_ignore_ascii_case(scheme))
        {
            return Err(format!(
                "has the scheme {scheme}, which is neither http nor https nor listed in CORS_ALLOW_CUSTOM_SCHEME"
            ));
        }
        let Some(host) = url.host_str().filter(|host| !host.is_empty()) else {
            return Err("names no host".to_owned());
        };
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        Ok(Self(format!("{scheme}://{}{port}", host.to_lowercase())))
    }

    /// The origin as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_take_the_form_of_browsers() {
        let origin = |text: &str| WebOrigin::parse(text, &["app".to_owned()]).map(|origin| origin.0);
        assert_eq!(origin("HTTPS://Chat.Example.com:443/"), Ok("https://chat.example.com".to_owned()));
        assert_eq!(origin("http://localhost:5173"), Ok("http://localhost:5173".to_owned()));
        assert_eq!(origin("app://Local"), Ok("app://local".to_owned()));
        for text in ["", "*", "chat.example.com", "ftp://x", "https://", "app:"] {
            assert!(origin(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_listed_origin_is_allowed_and_no_other() {
        let origin = WebOrigin::parse("https://chat.example.com", &[]).expect("an origin");
        let allowed = AllowedOrigins::Listed(vec![origin]);
        assert!(allowed.allows("https://chat.example.com"));
        for other in ["https://chat.example.com.evil.test", "http://chat.example.com", "null", ""] {
            assert!(!allowed.allows(other), "{other:?}");
        }
        assert!(AllowedOrigins::Any.allows("null"));
    }
}
