//! Pictures of people: `data:` URLs of bounded size, or a path of this server; nothing that another server or a
//! script has a hand in.

use super::invalid;
use crate::http::ApiError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The picture of people who have none.
pub(crate) const DEFAULT_PICTURE: &str = "/user.png";

/// Longest `data:` URL of a picture, in bytes. Pages send squares of 250 pixels, far below it.
const MAX_PICTURE_BYTES: usize = 256 * 1024;

/// Longest path of a picture, in bytes.
const MAX_PATH_BYTES: usize = 1024;

/// Kinds of pictures that are taken and served.
const MEDIA_TYPES: [&str; 5] = ["image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml"];

/// A stored picture, ready to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    /// One of [`MEDIA_TYPES`].
    pub(crate) media_type: &'static str,
    /// The picture itself.
    pub(crate) bytes: Vec<u8>,
}

/// The path at which the picture of an account is served.
pub(crate) fn own_picture_path(user_id: &str) -> String {
    format!("/api/v1/users/{user_id}/profile/image")
}

/// Checks the picture that somebody chose and gives it as it is stored; nothing stands for [`DEFAULT_PICTURE`].
pub(crate) fn picture(given: &str) -> Result<String, ApiError> {
    let given = given.trim();
    if given.is_empty() {
        return Ok(DEFAULT_PICTURE.to_owned());
    }
    if given.starts_with("data:") {
        if given.len() > MAX_PICTURE_BYTES {
            let kilobytes = MAX_PICTURE_BYTES / 1024;
            return Err(refused(format!(
                "The picture is larger than {kilobytes} KiB. Choose a smaller one."
            )));
        }
        return match decode(given) {
            Some(_) => Ok(given.to_owned()),
            None => {
                Err(refused("The picture is no base64 data URL of a PNG, JPEG, GIF, WebP or SVG picture."))
            }
        };
    }
    if is_path(given) {
        return Ok(given.to_owned());
    }
    Err(refused(
        "A picture is a data URL or a path of this server. Addresses of other servers are not taken.",
    ))
}

/// The picture in a `data:` URL; nothing when it is not one of the known kinds.
pub(crate) fn decode(url: &str) -> Option<Picture> {
    let (head, data) = url.strip_prefix("data:")?.split_once(',')?;
    let media_type = head.strip_suffix(";base64")?;
    let media_type = MEDIA_TYPES.into_iter().find(|known| media_type.eq_ignore_ascii_case(known))?;
    let bytes = STANDARD.decode(data).ok().filter(|bytes| !bytes.is_empty())?;
    Some(Picture { media_type, bytes })
}

/// Whether this is a path of this server and nothing that a browser would take for another one.
fn is_path(given: &str) -> bool {
    given.len() <= MAX_PATH_BYTES
        && given.starts_with('/')
        && !given.starts_with("//")
        && !given.split('/').any(|part| part == "..")
        && given.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._~-%".contains(&byte))
}

fn refused(message: impl Into<String>) -> ApiError {
    invalid("profile_image_url", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_data_or_paths_of_this_server() {
        assert_eq!(picture("").unwrap(), DEFAULT_PICTURE);
        for given in [
            "/user.png",
            "/static/user.png",
            "data:image/png;base64,iVBORw0KGgo=",
            "data:image/svg+xml;base64,PHN2Zy8+",
        ] {
            assert_eq!(picture(given).unwrap(), given);
        }
    }

    #[test]
    fn whatever_another_server_or_a_script_could_use_is_refused() {
        let large = format!("data:image/png;base64,{}", "A".repeat(MAX_PICTURE_BYTES));
        for given in [
            "https://example.org/a.png",
            "//example.org/a.png",
            "/\\example.org/a.png",
            "/a/../../b.png",
            "javascript:alert(1)",
            "data:text/html;base64,PGI+",
            "data:image/png,raw",
            "data:image/png;base64,***",
            "data:image/png;base64,",
            "user.png",
            "/a\nb",
            &large,
        ] {
            assert_eq!(picture(given).unwrap_err().status(), 422, "{given:.60}");
        }
    }

    #[test]
    fn a_stored_picture_is_read_back() {
        let picture = decode("data:image/PNG;base64,iVBORw0KGgo=").unwrap();
        assert_eq!(picture.media_type, "image/png");
        assert_eq!(picture.bytes, b"\x89PNG\r\n\x1a\n");
        assert_eq!(decode("/user.png"), None);
    }
}
