//! Which web pages of other origins may use the server.

use crate::notice::Notice;
use crate::registry::{Entry, Reader, section, variable};
use crate::rules::{List, Separator};
use crate::values::{AllowedOrigins, WebOrigin};

/// Which web pages of other origins may use the server, over HTTP and over sockets.
#[derive(Clone, Debug)]
pub struct Cors {
    /// Origins that are allowed.
    pub origins: AllowedOrigins,
}

section! {
    /// The variables of the section, before the origins are checked.
    pub(crate) struct Variables, "Cross-origin requests" {
        /// Origins of pages that may use the server, separated by semicolons, or `*` for every page.
        origins: Vec<String> = variable("CORS_ALLOW_ORIGIN", List::new(Separator::Semicolon)).or("*");
        /// Further schemes that origins may have besides `http` and `https`, separated by semicolons.
        schemes: Vec<String> = variable("CORS_ALLOW_CUSTOM_SCHEME", List::new(Separator::Semicolon)).or("");
    }
}

const ALLOWED: &str = "origins such as https://chat.example.com, separated by semicolons, or a single *";

impl Cors {
    pub(crate) fn entries() -> Vec<Entry> {
        Variables::entries()
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let variables = Variables::read(reader)?;
        let seen = variables.origins.join(";");
        let mut fail =
            |problem: String| reader.fail("CORS_ALLOW_ORIGIN", seen.clone(), problem, ALLOWED.to_owned());
        if variables.origins == ["*"] {
            reader.notices.push(Notice::information(
                "CORS_ALLOW_ORIGIN",
                "pages of every site may use this server with their visitors' sign-in. Set it to the address of your own page, such as https://chat.example.com.",
            ));
            return Some(Self { origins: AllowedOrigins::Any });
        }
        if variables.origins.is_empty() {
            fail("No origin is listed.".to_owned());
            return None;
        }
        let mut origins = Vec::new();
        let mut sound = true;
        for item in &variables.origins {
            match WebOrigin::parse(item, &variables.schemes) {
                Ok(origin) => origins.push(origin),
                Err(problem) => {
                    sound = false;
                    fail(format!("The item \"{item}\" {problem}."));
                }
            }
        }
        sound.then_some(Self { origins: AllowedOrigins::Listed(origins) })
    }
}
