//! What people say about themselves, checked: name, picture, date of birth, time zone.

mod picture;
mod status;

pub(crate) use picture::{DEFAULT_PICTURE, decode, own_picture_path, picture};
pub(crate) use status::Status;

use crate::http::ApiError;

/// Longest display name, in characters.
const MAX_NAME_CHARS: usize = 200;

/// Longest IANA name of a time zone, in bytes; the longest there is has 32.
const MAX_TIMEZONE_BYTES: usize = 64;

/// A display name: trimmed, not empty, one line.
pub(crate) fn name(given: &str) -> Result<String, ApiError> {
    let name = given.trim();
    if name.is_empty() {
        return Err(invalid("name", "The name is empty."));
    }
    text("name", name, MAX_NAME_CHARS)?;
    if name.chars().any(char::is_control) {
        return Err(invalid("name", "The name holds a control character."));
    }
    Ok(name.to_owned())
}

/// A text of at most `limit` characters.
pub(crate) fn text(field: &str, given: &str, limit: usize) -> Result<(), ApiError> {
    // Bytes first: a text of so few bytes need not be counted.
    if given.len() > limit && given.chars().count() > limit {
        return Err(invalid(field, format!("The field {field} is longer than {limit} characters.")));
    }
    Ok(())
}

/// A date of the calendar in the form `YYYY-MM-DD`.
pub(crate) fn date_of_birth(given: &str) -> Result<(), ApiError> {
    let number = |from: usize, to: usize| {
        let digits = given.get(from..to).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        digits.parse::<u32>().ok()
    };
    let separated = given.len() == 10 && given.get(4..5) == Some("-") && given.get(7..8) == Some("-");
    let valid = separated
        && match (number(0, 4), number(5, 7), number(8, 10)) {
            (Some(year), Some(month), Some(day)) => (1..=days(year, month)).contains(&day),
            _ => false,
        };
    if valid {
        Ok(())
    } else {
        Err(invalid("date_of_birth", "The date of birth is no date of the form YYYY-MM-DD."))
    }
}

/// Days of a month; none for a month that there is not.
fn days(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    }
}

/// The name of a time zone, such as `Europe/Berlin` or `Etc/GMT+3`. Whether there is such a zone is not checked.
pub(crate) fn timezone(given: &str) -> Result<(), ApiError> {
    let valid = !given.is_empty()
        && given.len() <= MAX_TIMEZONE_BYTES
        && given.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_+-".contains(&byte));
    if valid {
        Ok(())
    } else {
        Err(invalid("timezone", "This is not the name of a time zone, such as Europe/Berlin."))
    }
}

fn invalid(field: &str, message: impl Into<String>) -> ApiError {
    ApiError::unprocessable("value_error", &["body", field], message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_and_short() {
        assert_eq!(name("  Ada Lovelace ").unwrap(), "Ada Lovelace");
        assert!(name(&"é".repeat(MAX_NAME_CHARS)).is_ok());
        for given in ["", "  ", "a\nb", "a\u{0}b", &"é".repeat(MAX_NAME_CHARS + 1)] {
            assert_eq!(name(given).unwrap_err().status(), 422, "{given:?}");
        }
    }

    #[test]
    fn dates_are_dates_of_the_calendar() {
        for given in ["1815-12-10", "2000-02-29", "2024-02-29", "0001-01-01"] {
            assert!(date_of_birth(given).is_ok(), "{given}");
        }
        for given in [
            "",
            "1815-12-1",
            "1815-13-01",
            "1815-00-01",
            "1815-04-31",
            "1900-02-29",
            "1815/12/10",
            "+815-12-10",
            "18é5-12-1",
        ] {
            assert!(date_of_birth(given).is_err(), "{given}");
        }
    }

    #[test]
    fn time_zones_have_the_letters_of_one() {
        for given in ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+3"] {
            assert!(timezone(given).is_ok(), "{given}");
        }
        for given in ["", "Europe Berlin", "<b>", "é", &"a".repeat(65)] {
            assert!(timezone(given).is_err(), "{given}");
        }
    }
}
