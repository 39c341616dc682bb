//! A browser without a page: follows redirects on request and keeps cookies, which know hosts but no ports.

use crate::support::Site;
use reqwest::header::{self, HeaderMap};
use reqwest::redirect;
use std::time::Duration;
use url::Url;

/// Longest wait for an answer.
const ANSWER: Duration = Duration::from_secs(30);

/// Redirects until the provider must have led back.
const HOPS: usize = 10;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cookie {
    pub(super) name: String,
    pub(super) value: String,
    path: String,
    /// The whole header, in lower case.
    pub(super) attributes: String,
}

/// What an address answered.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
    at: Url,
}

impl Page {
    /// Where it leads.
    #[track_caller]
    pub(super) fn location(&self) -> Url {
        let location = self.headers.get(header::LOCATION);
        let location =
            location.unwrap_or_else(|| panic!("{} leads nowhere: {} {}", self.at, self.status, self.text));
        self.at.join(location.to_str().expect("ASCII")).expect("an address")
    }

    /// What the sign-in page will show as a problem.
    #[track_caller]
    pub(super) fn problem(&self) -> String {
        let location = self.location();
        assert_eq!((self.status, location.path()), (302, "/auth"), "{location}");
        let problem = parameter(&location, "error").unwrap_or_else(|| panic!("no problem in {location}"));
        assert!(!self.sets("token"), "a failure sets no session");
        problem
    }

    /// Whether it sets a cookie of this name, other than to take it away.
    pub(super) fn sets(&self, name: &str) -> bool {
        cookies(&self.headers).any(|cookie| cookie.name == name && !is_end(&cookie))
    }
}

/// A parameter of an address.
pub(super) fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
}

/// A browser with its cookies.
#[derive(Clone)]
pub(super) struct Browser {
    http: reqwest::Client,
    pub(super) cookies: Vec<Cookie>,
}

impl Browser {
    pub(super) fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().redirect(redirect::Policy::none()).no_proxy().timeout(ANSWER);
        Self { http: http.build().expect("a client"), cookies: Vec::new() }
    }

    /// The cookie of this name.
    pub(super) fn cookie(&self, name: &str) -> Option<&Cookie> {
        self.cookies.iter().find(|cookie| cookie.name == name)
    }

    pub(super) async fn get(&mut self, url: &Url) -> Page {
        self.send(url, self.http.get(url.clone())).await
    }

    /// Posts a form.
    async fn post(&mut self, url: &Url, fields: &[(&str, &str)]) -> Page {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.http.post(url.clone()).body(form);
        self.send(url, request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")).await
    }

    async fn send(&mut self, url: &Url, request: reqwest::RequestBuilder) -> Page {
        let sent = self.cookies.iter().filter(|cookie| url.path().starts_with(&cookie.path));
        let sent: Vec<_> = sent.map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        let response = request.header(header::COOKIE, sent.join("; ")).send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        for cookie in cookies(&headers) {
            self.cookies.retain(|known| (&known.name, &known.path) != (&cookie.name, &cookie.path));
            if !is_end(&cookie) {
                self.cookies.push(cookie);
            }
        }
        Page { status, headers, text: response.text().await.expect("a text"), at: url.clone() }
    }

    /// Begins a sign-in at a node; gives the page that leads to the provider.
    pub(super) async fn begin(&mut self, site: &Site) -> Page {
        self.get(&address(site, "/oauth/oidc/login")).await
    }

    /// Signs in at the provider under a name; gives the address to which that leads back.
    pub(super) async fn at_provider(&mut self, asked: &Url, name: &str) -> Url {
        self.through_provider(asked, &[("name", name), ("do", "in")]).await
    }

    /// Thinks better of it at the provider.
    pub(super) async fn cancel_at_provider(&mut self, asked: &Url) -> Url {
        self.through_provider(asked, &[("do", "out")]).await
    }

    async fn through_provider(&mut self, asked: &Url, form: &[(&str, &str)]) -> Url {
        let mut next = asked.clone();
        for _ in 0..HOPS {
            let page = self.get(&next).await;
            next = if next.path().starts_with("/interaction/") && page.status == 200 {
                self.post(&next, form).await.location()
            } else {
                page.location()
            };
            if next.path().starts_with("/oauth/") {
                return next;
            }
        }
        panic!("the provider leads nowhere: {next}");
    }

    /// Begins a sign-in at a node and signs in at the provider; gives the address to which that leads back.
    pub(super) async fn answer(&mut self, site: &Site, name: &str) -> Url {
        let asked = self.begin(site).await.location();
        self.at_provider(&asked, name).await
    }

    /// Goes back to a node with the provider's answer, whichever node that was meant for.
    pub(super) async fn finish(&mut self, site: &Site, answer: &Url) -> Page {
        let mut here = address(site, answer.path());
        here.set_query(answer.query());
        self.get(&here).await
    }

    /// A whole sign-in at one node; gives the page at its end.
    pub(super) async fn sign_in(&mut self, site: &Site, name: &str) -> Page {
        let answer = self.answer(site, name).await;
        self.finish(site, &answer).await
    }
}

/// A path at a node.
pub(super) fn address(site: &Site, path: &str) -> Url {
    Url::parse(&format!("{}{path}", site.base())).expect("an address")
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = Cookie> {
    headers.get_all(header::SET_COOKIE).iter().map(|header| {
        let attributes = header.to_str().expect("ASCII");
        let (name, rest) = attributes.split_once('=').expect("a cookie");
        let value = rest.split(';').next().unwrap_or_default().to_owned();
        let path = attributes.split(';').find_map(|part| {
            let (name, value) = part.trim().split_once('=')?;
            name.eq_ignore_ascii_case("path").then(|| value.to_owned())
        });
        let path = path.unwrap_or_else(|| "/".to_owned());
        Cookie { name: name.to_owned(), value, path, attributes: attributes.to_lowercase() }
    })
}

fn is_end(cookie: &Cookie) -> bool {
    cookie.value.is_empty()
        || cookie.attributes.contains("max-age=0")
        || cookie.attributes.contains("expires=thu, 01 jan 1970")
}
