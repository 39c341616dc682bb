//! On whose behalf a request is made, and the headers that follow from it.

use crate::connection::{AuthType, Connection};
use crate::error::ProviderError;
use crate::options::ForwardHeaders;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use ring::hmac;
use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

/// The person behind a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Requester {
    /// The account's id.
    pub id: String,
    /// The display name.
    pub name: String,
    /// The address.
    pub email: String,
    /// The role.
    pub role: String,
    /// The groups, as id and name.
    pub groups: Vec<(String, String)>,
}

/// What is known about the origin of a request.
///
/// Upstreams see it only through `ENABLE_FORWARD_USER_INFO_HEADERS`, or through placeholders in a connection's own
/// headers: `{{USER_ID}}`, `{{USER_NAME}}`, `{{USER_EMAIL}}`, `{{USER_ROLE}}`, `{{USER_GROUPS}}`, `{{USER_GROUP_IDS}}`,
/// `{{CHAT_ID}}`, `{{MESSAGE_ID}}`, `{{USER_MESSAGE_ID}}`, `{{USER_MESSAGE_PARENT_ID}}`, `{{TASK}}`, `{{USER_AGENT}}`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestContext {
    /// Who asks; none for the server itself.
    pub user: Option<Requester>,
    /// The chat that the reply belongs to.
    pub chat_id: Option<String>,
    /// The assistant's message.
    pub message_id: Option<String>,
    /// The user's message.
    pub user_message_id: Option<String>,
    /// The message before the user's message.
    pub user_message_parent_id: Option<String>,
    /// The background task, such as `title_generation`.
    pub task: Option<String>,
    /// The `user-agent` of the browser.
    pub user_agent: Option<String>,
}

impl RequestContext {
    /// A request on behalf of a user.
    pub fn of_user(user: Requester) -> Self {
        Self { user: Some(user), ..Self::default() }
    }

    fn placeholder(&self, name: &str) -> Option<String> {
        let user = self.user.as_ref();
        let groups = |part: fn(&(String, String)) -> &str| {
            user.map(|user| user.groups.iter().map(part).collect::<Vec<_>>().join(","))
        };
        let value = match name {
            "USER_ID" => user.map(|user| user.id.clone()),
            "USER_NAME" => user.map(|user| user.name.trim().to_owned()),
            "USER_EMAIL" => user.map(|user| user.email.trim().to_owned()),
            "USER_ROLE" => user.map(|user| user.role.clone()),
            "USER_GROUPS" => groups(|(_, name)| name.trim()),
            "USER_GROUP_IDS" => groups(|(id, _)| id),
            "CHAT_ID" => self.chat_id.clone(),
            "MESSAGE_ID" => self.message_id.clone(),
            "USER_MESSAGE_ID" => self.user_message_id.clone(),
            "USER_MESSAGE_PARENT_ID" => self.user_message_parent_id.clone(),
            "TASK" => self.task.clone(),
            "USER_AGENT" => self.user_agent.clone(),
            _ => return None,
        };
        Some(value.unwrap_or_default())
    }

    /// Fills in the placeholders in one pass, so that a value which looks like a placeholder stays as it is.
    fn fill(&self, template: &str) -> String {
        let mut filled = String::with_capacity(template.len());
        let mut rest = template;
        while let Some(start) = rest.find("{{") {
            let (before, from) = rest.split_at(start);
            filled.push_str(before);
            let known = from[2..].find("}}").and_then(|end| {
                let value = self.placeholder(from[2..2 + end].trim())?;
                Some((value, end + 4))
            });
            if let Some((value, length)) = known {
                filled.push_str(&value);
                rest = &from[length..];
            } else {
                filled.push_str("{{");
                rest = &from[2..];
            }
        }
        filled.push_str(rest);
        filled
    }
}

/// The headers of a request on a connection: authorisation, the connection's own, and who asks.
pub(crate) fn headers(
    connection: &Connection,
    forward: Option<&ForwardHeaders>,
    context: &RequestContext,
) -> Result<HeaderMap, ProviderError> {
    let mut headers = HeaderMap::new();
    authorize(connection, &mut headers)?;
    if let Some(forward) = forward {
        identify(connection, forward, context, &mut headers)?;
    }
    // Last, so that what the operator wrote for this connection wins.
    for (name, template) in &connection.config.headers {
        insert(connection, &mut headers, name, &context.fill(template.reveal()))?;
    }
    Ok(headers)
}

fn authorize(connection: &Connection, headers: &mut HeaderMap) -> Result<(), ProviderError> {
    match &connection.config.auth_type {
        AuthType::None => Ok(()),
        AuthType::Unsupported(name) => Err(ProviderError::Configuration {
            connection: connection.label(),
            problem: format!("the authorisation type \"{name}\" is not supported"),
            remedy: "Set auth_type to bearer (with a key) or none".into(),
        }),
        AuthType::Bearer if connection.key.is_empty() => Ok(()),
        AuthType::Bearer => {
            let (name, text) = if connection.config.azure {
                (HeaderName::from_static("api-key"), connection.key.reveal().to_owned())
            } else {
                (AUTHORIZATION, format!("Bearer {}", connection.key.reveal()))
            };
            let mut value = HeaderValue::from_str(&text).map_err(|_| ProviderError::Configuration {
                connection: connection.label(),
                problem: "the key holds characters that cannot be sent in a header".into(),
                remedy: "Enter the key again, without line breaks".into(),
            })?;
            value.set_sensitive(true);
            headers.insert(name, value);
            Ok(())
        }
    }
}

fn identify(
    connection: &Connection,
    forward: &ForwardHeaders,
    context: &RequestContext,
    headers: &mut HeaderMap,
) -> Result<(), ProviderError> {
    if let Some(user) = &context.user {
        if let Some(secret) = &forward.jwt_secret {
            let token = token(user, forward, secret.reveal());
            insert(connection, headers, &forward.jwt, &token)?;
        } else {
            insert(connection, headers, &forward.user_name, &percent_encode(user.name.trim()))?;
            insert(connection, headers, &forward.user_id, &user.id)?;
            insert(connection, headers, &forward.user_email, user.email.trim())?;
            insert(connection, headers, &forward.user_role, &user.role)?;
        }
    }
    if let Some(chat) = &context.chat_id {
        insert(connection, headers, &forward.chat_id, chat)?;
    }
    if let Some(message) = &context.message_id {
        insert(connection, headers, &forward.message_id, message)?;
    }
    Ok(())
}

fn insert(
    connection: &Connection,
    headers: &mut HeaderMap,
    name: &str,
    value: &str,
) -> Result<(), ProviderError> {
    let wrong = |what: &str| ProviderError::Configuration {
        connection: connection.label(),
        problem: format!("the header {name:?} {what}"),
        remedy: "Correct the headers of the connection, or the FORWARD_ variables".into(),
    };
    let name = HeaderName::try_from(name.trim()).map_err(|_| wrong("is not a valid header name"))?;
    // Visible ASCII and blanks, or any UTF-8; only control characters cannot be sent.
    let mut value =
        HeaderValue::from_bytes(value.as_bytes()).map_err(|_| wrong("has a value that cannot be sent"))?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}

/// A token that an upstream can verify with the shared secret: HS256, issuer `open-webui`.
fn token(user: &Requester, forward: &ForwardHeaders, secret: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let claims = serde_json::json!({
        "sub": user.id,
        "email": user.email,
        "name": user.name,
        "role": user.role,
        "iss": "open-webui",
        "iat": now,
        "exp": now + forward.jwt_expires.as_secs(),
    });
    let mut token = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(claims.to_string(), &mut token);
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = hmac::sign(&key, token.as_bytes());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    token
}

/// Names may hold any character, headers may not: everything but letters, digits, `_.-~` and blanks is encoded.
fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'~' | b' ') {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::ConnectionConfig;
    use crate::secret::Secret;

    fn context() -> RequestContext {
        RequestContext {
            user: Some(Requester {
                id: "u1".into(),
                name: "Zoë B".into(),
                email: "z@example.com".into(),
                role: "user".into(),
                groups: vec![("g1".into(), "Staff".into()), ("g2".into(), "Lab".into())],
            }),
            chat_id: Some("c1".into()),
            message_id: Some("m1".into()),
            ..RequestContext::default()
        }
    }

    fn connection(config: serde_json::Value) -> Connection {
        let config: ConnectionConfig = serde_json::from_value(config).unwrap();
        Connection::openai(0, "http://h/v1", "sk-1", config)
    }

    #[test]
    fn nobody_is_named_unless_forwarding_is_on() {
        let headers = headers(&connection(serde_json::json!({})), None, &context()).unwrap();
        assert_eq!(headers.len(), 1);
        assert_eq!(headers["authorization"], "Bearer sk-1");
        assert!(headers["authorization"].is_sensitive());
    }

    #[test]
    fn the_user_is_named_in_headers() {
        let headers =
            headers(&connection(serde_json::json!({})), Some(&ForwardHeaders::default()), &context())
                .unwrap();
        assert_eq!(headers["x-openwebui-user-name"], "Zo%C3%AB B");
        assert_eq!(headers["x-openwebui-user-id"], "u1");
        assert_eq!(headers["x-openwebui-chat-id"], "c1");
        assert_eq!(headers["x-openwebui-message-id"], "m1");
    }

    #[test]
    fn a_signed_token_replaces_the_headers_of_the_user() {
        let forward = ForwardHeaders { jwt_secret: Some(Secret::new("s3cret")), ..ForwardHeaders::default() };
        let headers = headers(&connection(serde_json::json!({})), Some(&forward), &context()).unwrap();
        assert!(!headers.contains_key("x-openwebui-user-email"));
        let token = headers["x-openwebui-user-jwt"].to_str().unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"s3cret");
        hmac::verify(&key, signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
        let claims = URL_SAFE_NO_PAD.decode(signed.split_once('.').unwrap().1).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!(claims["sub"], "u1");
        assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 300);
    }

    #[test]
    fn placeholders_are_filled_once() {
        let mut context = context();
        context.user.as_mut().unwrap().role = "{{CHAT_ID}}".into();
        assert_eq!(
            context.fill("a {{USER_ROLE}} {{ USER_GROUPS }} {{TASK}}{{OTHER}} {{"),
            "a {{CHAT_ID}} Staff,Lab {{OTHER}} {{"
        );
    }

    #[test]
    fn the_connections_own_headers_win() {
        let own = serde_json::json!({"headers": {"Authorization": "Token t", "x-user": "{{USER_ID}}"}});
        let headers = headers(&connection(own), None, &context()).unwrap();
        assert_eq!(headers["authorization"], "Token t");
        assert_eq!(headers["x-user"], "u1");
    }

    #[test]
    fn bad_headers_and_unknown_authorisation_are_explained() {
        for config in [
            serde_json::json!({"headers": {"bad name": "x"}}),
            serde_json::json!({"headers": {"x": "a\nb"}}),
            serde_json::json!({"auth_type": "system_oauth"}),
        ] {
            let error = headers(&connection(config), None, &context()).unwrap_err();
            assert_eq!(error.kind(), "configuration");
            assert!(!error.operator_message().contains("sk-1"));
        }
    }

    #[test]
    fn azure_has_a_header_of_its_own() {
        let headers = headers(&connection(serde_json::json!({"azure": true})), None, &context()).unwrap();
        assert_eq!(headers["api-key"], "sk-1");
        assert!(!headers.contains_key("authorization"));
    }
}
