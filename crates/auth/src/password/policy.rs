//! What a new password must be like.

use super::scheme::Algorithm;
use crate::error::{AuthError, Result};

/// The operator's rule for new passwords.
pub trait PasswordRule {
    /// Whether the password satisfies the rule.
    fn accepts(&self, password: &str) -> bool;

    /// What the rule asks for, shown to whoever chose a weaker password; empty for a standard text.
    fn hint(&self) -> &str;
}

/// Shown when the operator gave no hint.
const STANDARD_HINT: &str = "The password is too weak. Use at least 8 characters with a lower-case letter, an \
                             upper-case letter, a digit and a symbol.";

/// Checks a password that somebody chose; `rule` is `None` when the server asks for nothing but a length.
pub fn check_new_password(
    password: &str,
    algorithm: Algorithm,
    rule: Option<&dyn PasswordRule>,
) -> Result<()> {
    if password.is_empty() {
        return Err(AuthError::PasswordEmpty);
    }
    let limit = algorithm.max_password_bytes();
    if password.len() > limit {
        return Err(AuthError::PasswordTooLong { limit });
    }
    match rule {
        Some(rule) if !rule.accepts(password) => {
            let hint = if rule.hint().trim().is_empty() { STANDARD_HINT } else { rule.hint() };
            Err(AuthError::PasswordTooWeak { hint: hint.to_owned() })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Digit(&'static str);

    impl PasswordRule for Digit {
        fn accepts(&self, password: &str) -> bool {
            password.contains(|letter: char| letter.is_ascii_digit())
        }

        fn hint(&self) -> &str {
            self.0
        }
    }

    #[test]
    fn length_is_counted_in_bytes_of_the_algorithm() {
        assert!(matches!(check_new_password("", Algorithm::Argon2id, None), Err(AuthError::PasswordEmpty)));
        assert!(check_new_password(&"é".repeat(36), Algorithm::Bcrypt, None).is_ok());
        assert!(matches!(
            check_new_password(&"é".repeat(37), Algorithm::Bcrypt, None),
            Err(AuthError::PasswordTooLong { limit: 72 })
        ));
        assert!(check_new_password(&"é".repeat(512), Algorithm::Argon2id, None).is_ok());
        assert!(check_new_password(&"é".repeat(513), Algorithm::Argon2id, None).is_err());
    }

    #[test]
    fn the_operators_hint_is_shown_or_else_a_standard_one() {
        let rule = Digit("Use a digit.");
        assert!(check_new_password("a1", Algorithm::Argon2id, Some(&rule)).is_ok());
        let refused = check_new_password("a", Algorithm::Argon2id, Some(&rule)).unwrap_err();
        assert_eq!(refused.to_string(), "Use a digit.");
        let refused = check_new_password("a", Algorithm::Argon2id, Some(&Digit(" "))).unwrap_err();
        assert_eq!(refused.to_string(), STANDARD_HINT);
    }
}
