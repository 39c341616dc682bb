//! The `token` cookie: set after sign-in, cleared after sign-out, read where no header can be sent (images,
//! `GET /api/config`).

use std::fmt::Write as _;

use antiphon_config::{Auth, SameSite};

/// Name of the cookie.
pub const TOKEN_COOKIE: &str = "token";

/// Most of a `Cookie` header that is looked at, in bytes.
const MAX_HEADER_BYTES: usize = 32 * 1024;

/// How the cookie is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CookieOptions {
    /// `SameSite`.
    pub same_site: SameSite,
    /// `Secure`: only over HTTPS.
    pub secure: bool,
}

impl From<&Auth> for CookieOptions {
    fn from(configured: &Auth) -> Self {
        Self { same_site: configured.cookie_same_site, secure: configured.cookie_secure }
    }
}

impl CookieOptions {
    /// The `Set-Cookie` value that hands the token to the browser. `max_age` in seconds; without it the cookie goes
    /// with the browser window.
    pub fn set(&self, token: &str, max_age: Option<u64>) -> String {
        self.set_named(TOKEN_COOKIE, token, max_age, "/")
    }

    /// The `Set-Cookie` value that takes the token away.
    pub fn clear(&self) -> String {
        self.clear_named(TOKEN_COOKIE, "/")
    }

    /// As [`CookieOptions::set`], but scripts of the page can read it: so a page that a redirect leads to takes the token over.
    pub fn set_readable(&self, token: &str, max_age: Option<u64>) -> String {
        self.finish(aged(format!("{TOKEN_COOKIE}={token}"), max_age), "/")
    }

    /// The `Set-Cookie` value of another cookie, with these attributes and out of the reach of scripts. `max_age` in seconds.
    pub fn set_named(&self, name: &str, value: &str, max_age: Option<u64>, path: &str) -> String {
        self.finish(aged(format!("{name}={value}; HttpOnly"), max_age), path)
    }

    /// The `Set-Cookie` value that takes another cookie away.
    pub fn clear_named(&self, name: &str, path: &str) -> String {
        self.finish(format!("{name}=; HttpOnly; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT"), path)
    }

    fn finish(self, mut cookie: String, path: &str) -> String {
        cookie.push_str("; Path=");
        cookie.push_str(path);
        cookie.push_str("; SameSite=");
        cookie.push_str(self.same_site.as_str());
        if self.secure {
            cookie.push_str("; Secure");
        }
        cookie
    }
}

fn aged(mut cookie: String, max_age: Option<u64>) -> String {
    if let Some(seconds) = max_age {
        // Writing to a text cannot fail.
        let _ = write!(cookie, "; Max-Age={seconds}");
    }
    cookie
}

/// The value of a cookie in a `Cookie` header, if there is one that is not empty; the first wins.
pub fn value_of<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    if header.len() > MAX_HEADER_BYTES {
        return None;
    }
    header
        .split(';')
        .filter_map(|pair| pair.split_once('='))
        .find(|(found, _)| found.trim() == name)
        .map(|(_, value)| value.trim().trim_matches('"'))
        .filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token_from(header: &str) -> Option<&str> {
        value_of(header, TOKEN_COOKIE)
    }

    const LAX: CookieOptions = CookieOptions { same_site: SameSite::Lax, secure: false };

    #[test]
    fn sets_the_cookie_as_browsers_of_the_fleet_know_it() {
        assert_eq!(
            LAX.set("abc", Some(2_419_200)),
            "token=abc; HttpOnly; Max-Age=2419200; Path=/; SameSite=lax"
        );
        assert_eq!(LAX.set("abc", None), "token=abc; HttpOnly; Path=/; SameSite=lax");
        assert_eq!(LAX.set_readable("abc", Some(5)), "token=abc; Max-Age=5; Path=/; SameSite=lax");
        assert_eq!(LAX.set_named("a", "b", Some(5), "/x"), "a=b; HttpOnly; Max-Age=5; Path=/x; SameSite=lax");
        let cross_site = CookieOptions { same_site: SameSite::None, secure: true };
        assert_eq!(cross_site.set("abc", None), "token=abc; HttpOnly; Path=/; SameSite=none; Secure");
    }

    #[test]
    fn clears_the_cookie_with_the_same_attributes() {
        let strict = CookieOptions { same_site: SameSite::Strict, secure: true };
        assert_eq!(
            strict.clear(),
            "token=; HttpOnly; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/; SameSite=strict; Secure"
        );
    }

    #[test]
    fn finds_the_token_among_other_cookies() {
        for (header, token) in [
            ("token=abc", Some("abc")),
            ("a=1; token=abc; b=2", Some("abc")),
            ("a=1;token=\"abc\"", Some("abc")),
            (" token = abc ", Some("abc")),
            ("token=a=b", Some("a=b")),
            ("token=one; token=two", Some("one")),
            ("xtoken=abc", None),
            ("Token=abc", None),
            ("token=", None),
            ("token", None),
            ("", None),
        ] {
            assert_eq!(token_from(header), token, "{header:?}");
        }
        assert_eq!(token_from(&format!("{}; token=abc", "x".repeat(MAX_HEADER_BYTES))), None);
    }

    proptest! {
        #[test]
        fn any_header_is_read_without_panic(header in "\\PC{0,200}") {
            let _ = token_from(&header);
        }

        #[test]
        fn a_token_survives_the_way_to_the_browser_and_back(token in "[A-Za-z0-9._-]{1,200}") {
            let cookie = LAX.set(&token, Some(1));
            let pair = cookie.split(';').next().unwrap();
            let header = format!("a=b; {pair}; c=d");
            prop_assert_eq!(token_from(&header), Some(token.as_str()));
        }
    }
}
