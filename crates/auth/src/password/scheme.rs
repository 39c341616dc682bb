//! One way of hashing a password with its costs: argon2id or bcrypt.

use std::hint::black_box;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};

use crate::error::{AuthError, Result};

/// Memory of an argon2id hash in KiB (19 MiB; with the other two, OWASP's recommended minimum).
pub const ARGON2_MEMORY_KIB: u32 = 19 * 1024;

/// Passes over that memory.
pub const ARGON2_ITERATIONS: u32 = 2;

/// Lanes of an argon2id hash.
pub const ARGON2_LANES: u32 = 1;

/// Cost of a bcrypt hash: two to this power rounds.
pub const BCRYPT_COST: u32 = 12;

/// Longest password for argon2id.
pub const MAX_PASSWORD_BYTES: usize = 1024;

/// Longest password for bcrypt, which ignores every byte after this many.
pub const MAX_BCRYPT_PASSWORD_BYTES: usize = 72;

/// Most memory a stored argon2 hash may ask for, so that a strange row cannot exhaust the node.
const MAX_STORED_MEMORY_KIB: u32 = 256 * 1024;

/// Most passes a stored argon2 hash may ask for.
const MAX_STORED_ITERATIONS: u32 = 16;

/// Highest cost a stored bcrypt hash may ask for (some seconds of CPU).
const MAX_STORED_BCRYPT_COST: u32 = 16;

/// Salt of work that is thrown away.
const DUMMY_SALT: [u8; 16] = *b"antiphon-nobody!";

/// Which hash new passwords get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// The default.
    #[default]
    Argon2id,
    /// For a database shared with servers that know nothing else; passwords end at 72 bytes.
    Bcrypt,
}

impl From<antiphon_config::PasswordHash> for Algorithm {
    fn from(configured: antiphon_config::PasswordHash) -> Self {
        match configured {
            antiphon_config::PasswordHash::Argon2 => Self::Argon2id,
            antiphon_config::PasswordHash::Bcrypt => Self::Bcrypt,
        }
    }
}

impl Algorithm {
    /// Longest password that the algorithm takes.
    pub fn max_password_bytes(self) -> usize {
        match self {
            Self::Argon2id => MAX_PASSWORD_BYTES,
            Self::Bcrypt => MAX_BCRYPT_PASSWORD_BYTES,
        }
    }
}

/// An algorithm with its costs: two hashes of one scheme take the same work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Argon2 { memory_kib: u32, iterations: u32, lanes: u32 },
    Bcrypt { cost: u32 },
}

impl Scheme {
    /// The scheme of new hashes.
    pub(super) fn of_new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Argon2id => Self::Argon2 {
                memory_kib: ARGON2_MEMORY_KIB,
                iterations: ARGON2_ITERATIONS,
                lanes: ARGON2_LANES,
            },
            Algorithm::Bcrypt => Self::Bcrypt { cost: BCRYPT_COST },
        }
    }

    /// The scheme of a stored hash; `None` for one that cannot be verified here.
    pub(super) fn of_hash(hash: &str) -> Option<Self> {
        if ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| hash.starts_with(prefix)) {
            let cost = hash.get(4..6)?.parse().ok()?;
            return (4..=MAX_STORED_BCRYPT_COST).contains(&cost).then_some(Self::Bcrypt { cost });
        }
        if !hash.starts_with("$argon2") {
            return None;
        }
        let params = Params::try_from(&PasswordHash::new(hash).ok()?).ok()?;
        let (memory_kib, iterations) = (params.m_cost(), params.t_cost());
        (memory_kib <= MAX_STORED_MEMORY_KIB && iterations <= MAX_STORED_ITERATIONS).then_some(Self::Argon2 {
            memory_kib,
            iterations,
            lanes: params.p_cost(),
        })
    }

    /// Whether a password hashed with `self` should be hashed anew, now that new ones get `new`.
    pub(super) fn is_weaker_than(self, new: Self) -> bool {
        match (self, new) {
            (Self::Bcrypt { .. }, Self::Argon2 { .. }) => true,
            // Never back to bcrypt: it may not take the whole password.
            (Self::Argon2 { .. }, Self::Bcrypt { .. }) => false,
            (Self::Bcrypt { cost }, Self::Bcrypt { cost: new }) => cost < new,
            (
                Self::Argon2 { memory_kib, iterations, .. },
                Self::Argon2 { memory_kib: new_memory, iterations: new_iterations, .. },
            ) => {
                u64::from(memory_kib) * u64::from(iterations)
                    < u64::from(new_memory) * u64::from(new_iterations)
            }
        }
    }

    /// Hashes a password with a fresh salt.
    pub(super) fn hash(self, password: &[u8]) -> Result<String> {
        match self {
            Self::Argon2 { .. } => {
                let hash = self.argon2()?.hash_password(password).map_err(AuthError::internal)?;
                Ok(hash.to_string())
            }
            Self::Bcrypt { .. } if password.len() > MAX_BCRYPT_PASSWORD_BYTES => {
                Err(AuthError::PasswordTooLong { limit: MAX_BCRYPT_PASSWORD_BYTES })
            }
            Self::Bcrypt { cost } => bcrypt::hash(password, cost).map_err(AuthError::internal),
        }
    }

    /// Whether the password belongs to the hash, which must be of this scheme.
    pub(super) fn verify(self, password: &[u8], hash: &str) -> bool {
        match self {
            Self::Argon2 { .. } => match PasswordHash::new(hash) {
                // The costs come from the hash, not from this instance.
                Ok(hash) => Argon2::default().verify_password(password, &hash).is_ok(),
                Err(_) => false,
            },
            // bcrypt ignores what follows 72 bytes; a longer password was never stored, so it is not this one.
            Self::Bcrypt { .. } => {
                let matches = bcrypt::verify(password, hash).unwrap_or(false);
                matches && password.len() <= MAX_BCRYPT_PASSWORD_BYTES
            }
        }
    }

    /// Does the work of one verification for nothing.
    pub(super) fn burn(self, password: &[u8]) {
        match self {
            Self::Argon2 { .. } => {
                let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
                if let Ok(argon2) = self.argon2() {
                    // The result is of no use, nor is an error: the costs were valid when the scheme was read.
                    let _ = black_box(argon2.hash_password_into(password, &DUMMY_SALT, &mut output));
                }
            }
            Self::Bcrypt { cost } => {
                let _ = black_box(bcrypt::hash_with_salt(password, cost, DUMMY_SALT));
            }
        }
    }

    fn argon2(self) -> Result<Argon2<'static>> {
        let Self::Argon2 { memory_kib, iterations, lanes } = self else {
            return Ok(Argon2::default());
        };
        let params = Params::new(memory_kib, iterations, lanes, None).map_err(AuthError::internal)?;
        Ok(Argon2::new(argon2::Algorithm::Argon2id, Version::V0x13, params))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with Python: `argon2.PasswordHasher().hash("correct horse")` of argon2-cffi's defaults.
    const FOREIGN_ARGON2: &str =
        "$argon2id$v=19$m=65536,t=3,p=4$CV7KtGCccufxHtCN6YEOmw$frBkd3RQgDRL8/xkS6JLCQuHwYPl59YfythHQSxRDnk";
    /// Made with Python: `bcrypt.hashpw(b"correct horse", bcrypt.gensalt(6))`.
    const FOREIGN_BCRYPT: &str = "$2b$06$lsbLTCvN/sgQ.CKWvAnjgOJuLCDpmYLhuFS1HgBfVfm.7qdcbDzv2";

    #[test]
    fn reads_the_scheme_of_a_hash() {
        let argon2 = Scheme::Argon2 { memory_kib: 65536, iterations: 3, lanes: 4 };
        assert_eq!(Scheme::of_hash(FOREIGN_ARGON2), Some(argon2));
        assert_eq!(Scheme::of_hash(FOREIGN_BCRYPT), Some(Scheme::Bcrypt { cost: 6 }));
        for strange in
            ["", "plain", "$2b$", "$2b$99$abc", "$2x$10$", "$argon2id$", "$argon2id$v=19$m=1,t=1,p=1$x$y"]
        {
            assert_eq!(Scheme::of_hash(strange), None, "{strange:?}");
        }
        let greedy = FOREIGN_ARGON2.replace("m=65536", "m=4000000");
        assert_eq!(Scheme::of_hash(&greedy), None);
    }

    #[test]
    fn verifies_hashes_that_other_servers_made() {
        for hash in [FOREIGN_ARGON2, FOREIGN_BCRYPT] {
            let scheme = Scheme::of_hash(hash).unwrap();
            assert!(scheme.verify(b"correct horse", hash));
            assert!(!scheme.verify(b"correct horse ", hash));
        }
        let php = FOREIGN_BCRYPT.replacen("$2b$", "$2y$", 1);
        assert!(Scheme::Bcrypt { cost: 6 }.verify(b"correct horse", &php));
    }

    #[test]
    fn bcrypt_refuses_what_it_would_cut_off() {
        let scheme = Scheme::Bcrypt { cost: 4 };
        let password = [b'x'; MAX_BCRYPT_PASSWORD_BYTES];
        let hash = scheme.hash(&password).unwrap();
        assert!(scheme.verify(&password, &hash));
        assert!(!scheme.verify(&[b'x'; MAX_BCRYPT_PASSWORD_BYTES + 1], &hash));
        assert!(scheme.hash(&[b'x'; MAX_BCRYPT_PASSWORD_BYTES + 1]).is_err());
    }

    #[test]
    fn new_hashes_are_of_the_scheme_that_made_them() {
        let scheme = Scheme::of_new(Algorithm::Argon2id);
        let hash = scheme.hash("pässword".as_bytes()).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_eq!(Scheme::of_hash(&hash), Some(scheme));
        assert!(scheme.verify("pässword".as_bytes(), &hash));
        assert_ne!(hash, scheme.hash("pässword".as_bytes()).unwrap());
    }

    #[test]
    fn only_weaker_hashes_are_replaced() {
        let new = Scheme::of_new(Algorithm::Argon2id);
        assert!(Scheme::Bcrypt { cost: 14 }.is_weaker_than(new));
        assert!(Scheme::Argon2 { memory_kib: 8192, iterations: 2, lanes: 1 }.is_weaker_than(new));
        assert!(!Scheme::Argon2 { memory_kib: 65536, iterations: 3, lanes: 4 }.is_weaker_than(new));
        assert!(!new.is_weaker_than(new));
        let bcrypt = Scheme::of_new(Algorithm::Bcrypt);
        assert!(!new.is_weaker_than(bcrypt));
        assert!(Scheme::Bcrypt { cost: 10 }.is_weaker_than(bcrypt));
    }
}
