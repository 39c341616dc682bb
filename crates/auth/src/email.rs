//! E-mail addresses as the names of accounts.

use crate::error::{AuthError, Result};

/// Longest address, by the limits of mail transport.
pub const MAX_EMAIL_BYTES: usize = 254;

/// Longest part before the `@`.
const MAX_LOCAL_BYTES: usize = 64;

/// Longest label of the domain.
const MAX_LABEL_BYTES: usize = 63;

/// The form under which an account is stored and found: trimmed and in lower case. Nothing is checked.
pub fn normalize(address: &str) -> String {
    address.trim().to_lowercase()
}

/// Checks the address somebody signs up with, and gives its stored form.
///
/// One `@`, something on both sides, no blank or control character, no empty label in the domain. Whether mail
/// arrives there only mail can tell; a domain without a dot (`ada@localhost`) is accepted.
pub fn validate(address: &str) -> Result<String> {
    let address = normalize(address);
    let valid = address.len() <= MAX_EMAIL_BYTES
        && address.split_once('@').is_some_and(|(local, domain)| is_local_part(local) && is_domain(domain));
    if valid { Ok(address) } else { Err(AuthError::InvalidEmail) }
}

fn is_local_part(local: &str) -> bool {
    !local.is_empty()
        && local.len() <= MAX_LOCAL_BYTES
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && local.chars().all(|letter| is_mail_letter(letter) && !r#"@"(),:;<>[\]"#.contains(letter))
}

fn is_domain(domain: &str) -> bool {
    domain.split('.').all(|label| {
        !label.is_empty()
            && label.len() <= MAX_LABEL_BYTES
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|letter| letter.is_alphanumeric() || letter == '-')
    })
}

fn is_mail_letter(letter: char) -> bool {
    !letter.is_whitespace() && !letter.is_control()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn accepts_addresses_and_stores_them_in_lower_case() {
        for (given, stored) in [
            ("Ada@Example.ORG ", "ada@example.org"),
            ("a+b.c_d'e@mail.example", "a+b.c_d'e@mail.example"),
            ("root@localhost", "root@localhost"),
            ("jürgen@müller.example", "jürgen@müller.example"),
        ] {
            assert_eq!(validate(given).unwrap(), stored);
        }
    }

    #[test]
    fn refuses_what_is_none() {
        let long_local = format!("{}@example.org", "a".repeat(65));
        let long = format!("a@{}.example", "b.".repeat(130));
        let long_label = format!("a@{}.example", "b".repeat(64));
        for given in [
            "",
            "@",
            "a@",
            "@b",
            "a",
            "a@b@c",
            "a b@c",
            "a@b c",
            "a@b..c",
            "a@.b",
            "a@b.",
            ".a@b",
            "a.@b",
            "a..a@b",
            "a\u{0}@b",
            "a\n@b",
            "<a@b>",
            "a,b@c",
            "a@-b",
            "a@b-",
            "a@b_c",
            "a@[127.0.0.1]",
            &long_local,
            &long,
            &long_label,
        ] {
            assert!(matches!(validate(given), Err(AuthError::InvalidEmail)), "{given:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_is_its_own_stored_form(given in "\\PC{0,30}@\\PC{0,30}") {
            if let Ok(stored) = validate(&given) {
                prop_assert_eq!(validate(&stored).unwrap(), stored.clone());
                prop_assert_eq!(stored.matches('@').count(), 1);
                prop_assert!(stored.len() <= MAX_EMAIL_BYTES);
            }
        }
    }
}
