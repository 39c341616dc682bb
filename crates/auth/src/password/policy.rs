//! What a new password must be like.

use antiphon_config::{Auth, PasswordPattern};

use super::scheme::Algorithm;
use crate::error::{AuthError, Result};

/// Shown when the operator gave no hint.
const STANDARD_HINT: &str = "The password is too weak. Use at least 8 characters with a lower-case letter, an \
                             upper-case letter, a digit and a symbol.";

/// The operator's rule for new passwords and how they are hashed.
#[derive(Clone, Debug, Default)]
pub struct PasswordPolicy {
    /// Which hash new passwords get; it sets their greatest length.
    pub algorithm: Algorithm,
    /// What they must match (`ENABLE_PASSWORD_VALIDATION`), if anything.
    pub pattern: Option<PasswordPattern>,
    /// What the pattern asks for, shown to whoever chose a weaker password; empty for a standard text.
    pub hint: String,
}

impl From<&Auth> for PasswordPolicy {
    fn from(configured: &Auth) -> Self {
        Self {
            algorithm: configured.password_hash.into(),
            pattern: configured.validate_passwords.then(|| configured.password_pattern.clone()),
            hint: configured.password_hint.clone(),
        }
    }
}

impl PasswordPolicy {
    /// Checks a password that somebody chose.
    pub fn check(&self, password: &str) -> Result<()> {
        if password.is_empty() {
            return Err(AuthError::PasswordEmpty);
        }
        let limit = self.algorithm.max_password_bytes();
        if password.len() > limit {
            return Err(AuthError::PasswordTooLong { limit });
        }
        match &self.pattern {
            Some(pattern) if !pattern.matches(password) => {
                let hint = if self.hint.trim().is_empty() { STANDARD_HINT } else { &self.hint };
                Err(AuthError::PasswordTooWeak { hint: hint.to_owned() })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::configured;

    #[test]
    fn length_is_counted_in_bytes_of_the_algorithm() {
        let bcrypt = PasswordPolicy { algorithm: Algorithm::Bcrypt, ..PasswordPolicy::default() };
        let argon2 = PasswordPolicy::default();
        assert!(matches!(argon2.check(""), Err(AuthError::PasswordEmpty)));
        assert!(bcrypt.check(&"é".repeat(36)).is_ok());
        assert!(matches!(bcrypt.check(&"é".repeat(37)), Err(AuthError::PasswordTooLong { limit: 72 })));
        assert!(argon2.check(&"é".repeat(512)).is_ok());
        assert!(matches!(argon2.check(&"é".repeat(513)), Err(AuthError::PasswordTooLong { limit: 1024 })));
    }

    #[test]
    fn by_default_only_length_counts() {
        let policy = PasswordPolicy::from(&configured(&[]).auth);
        assert_eq!(policy.algorithm, Algorithm::Argon2id);
        assert!(policy.check("a").is_ok());
    }

    #[test]
    fn the_default_pattern_asks_for_four_kinds_of_letters() {
        let policy = PasswordPolicy::from(&configured(&[("ENABLE_PASSWORD_VALIDATION", "true")]).auth);
        assert!(policy.check("Abcdef1!").is_ok());
        for weak in ["Abcde1!", "abcdef1!", "ABCDEF1!", "Abcdefg!", "Abcdefg1"] {
            let refused = policy.check(weak).unwrap_err();
            assert_eq!((refused.status(), refused.to_string().as_str()), (400, STANDARD_HINT), "{weak}");
        }
    }

    #[test]
    fn the_operators_hint_is_shown() {
        let policy = PasswordPolicy::from(
            &configured(&[
                ("ENABLE_PASSWORD_VALIDATION", "true"),
                ("PASSWORD_VALIDATION_REGEX_PATTERN", r"^(?=.*\d)(?!.*(.)\1).+$"),
                ("PASSWORD_VALIDATION_HINT", "Use a digit and repeat nothing."),
                ("PASSWORD_HASH_ALGORITHM", "bcrypt"),
            ])
            .auth,
        );
        assert_eq!(policy.algorithm, Algorithm::Bcrypt);
        assert!(policy.check("abc1").is_ok());
        assert_eq!(policy.check("abb1").unwrap_err().to_string(), "Use a digit and repeat nothing.");
    }
}
