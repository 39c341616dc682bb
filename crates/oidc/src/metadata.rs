//! The provider's configuration document (OpenID Connect Discovery 1.0).

use serde_json::Value;
use url::Url;

/// What of it is looked at.
#[derive(Clone, Debug)]
pub(crate) struct Metadata {
    pub(crate) issuer: String,
    pub(crate) authorization_endpoint: Url,
    pub(crate) token_endpoint: Url,
    pub(crate) jwks_uri: Url,
    pub(crate) userinfo_endpoint: Option<Url>,
    pub(crate) end_session_endpoint: Option<Url>,
    /// Ways in which a client proves who it is; empty when the document does not say.
    pub(crate) client_authentication: Vec<String>,
    /// Whether answers name their issuer (RFC 9207).
    pub(crate) names_issuer: bool,
}

impl Metadata {
    /// The document, when what must be in it is there and can be called or led to; else what is wrong with it.
    pub(crate) fn parse(document: &Value) -> Result<Self, String> {
        let text = |name: &str| document.get(name).and_then(Value::as_str);
        let missing = |name: &str| format!("it has no usable `{name}`");
        let optional = |name: &str| -> Result<Option<Url>, String> {
            let Some(address) = text(name) else { return Ok(None) };
            let url = Url::parse(address).ok().filter(|url| matches!(url.scheme(), "https" | "http"));
            url.map(Some).ok_or_else(|| missing(name))
        };
        let required = |name: &str| optional(name)?.ok_or_else(|| missing(name));
        let methods = document.get("token_endpoint_auth_methods_supported").and_then(Value::as_array);
        let names_issuer = document.get("authorization_response_iss_parameter_supported");
        Ok(Self {
            issuer: text("issuer").ok_or_else(|| missing("issuer"))?.to_owned(),
            authorization_endpoint: required("authorization_endpoint")?,
            token_endpoint: required("token_endpoint")?,
            jwks_uri: required("jwks_uri")?,
            userinfo_endpoint: optional("userinfo_endpoint")?,
            end_session_endpoint: optional("end_session_endpoint")?,
            client_authentication: methods
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            names_issuer: names_issuer.is_some_and(|named| *named == true),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_names_addresses_that_can_be_called() {
        let whole = json!({
            "issuer": "https://id.example.org", "authorization_endpoint": "https://id.example.org/auth",
            "token_endpoint": "https://id.example.org/token", "jwks_uri": "https://id.example.org/jwks",
            "token_endpoint_auth_methods_supported": ["client_secret_post"], "userinfo_endpoint": null,
        });
        let metadata = Metadata::parse(&whole).unwrap();
        assert_eq!(metadata.client_authentication, ["client_secret_post"]);
        assert!(metadata.userinfo_endpoint.is_none() && !metadata.names_issuer);
        for (name, value) in [
            ("issuer", json!(null)),
            ("jwks_uri", json!("javascript:alert(1)")),
            ("token_endpoint", json!("/token")),
            ("end_session_endpoint", json!("data:,x")),
        ] {
            let mut changed = whole.clone();
            changed[name] = value;
            assert!(Metadata::parse(&changed).unwrap_err().contains(name));
        }
        assert!(Metadata::parse(&json!([])).is_err());
    }
}
