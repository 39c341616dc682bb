//! The OpenSearch description: the site as a search engine of a browser.

use crate::App;
use crate::http::{ApiResult, own_address};
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

/// Longest `ShortName`, in characters (OpenSearch 1.1).
const MAX_SHORT_NAME: usize = 16;

/// `GET /opensearch.xml`: a question typed into the browser's address bar opens `/?q=`.
///
/// Addresses are those of `WEBUI_URL`, and without it of the request itself.
pub(super) async fn describe(State(app): State<App>, request: Parts) -> ApiResult<Response> {
    let settings = app.settings();
    let configured = settings.interface.url.trim_end_matches('/');
    let base = if configured.is_empty() {
        own_address::of_request(&app.config.server.trusted_proxies, &request)?
    } else {
        configured.to_owned()
    };
    let xml = description(&app.config.server.name, &base);
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"))], xml).into_response())
}

fn description(name: &str, base: &str) -> String {
    let short: String = name.chars().take(MAX_SHORT_NAME).collect();
    let (short, name, base) = (escaped(&short), escaped(name), escaped(base));
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <OpenSearchDescription xmlns=\"http://a9.com/-/spec/opensearch/1.1/\">\n\
         <ShortName>{short}</ShortName>\n\
         <Description>Ask {name}</Description>\n\
         <InputEncoding>UTF-8</InputEncoding>\n\
         <Image width=\"96\" height=\"96\" type=\"image/png\">{base}/static/favicon-96x96.png</Image>\n\
         <Url type=\"text/html\" method=\"get\" template=\"{base}/?q={{searchTerms}}\"/>\n\
         </OpenSearchDescription>\n"
    )
}

/// Text as XML holds it; what XML 1.0 cannot hold at all is left out.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars().filter(|character| !character.is_control()) {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_cannot_break_out_of_the_description() {
        let xml = description("A <long> & \"odd\" name", "http://host\"/><x>");
        assert!(xml.contains("<ShortName>A &lt;long&gt; &amp; &quot;odd&quot;</ShortName>"), "{xml}");
        assert!(xml.contains("template=\"http://host&quot;/&gt;&lt;x&gt;/?q={searchTerms}\""), "{xml}");
    }
}
