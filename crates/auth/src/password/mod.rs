//! Passwords: how they are hashed, checked and replaced by better hashes.
//!
//! New hashes are argon2id (or bcrypt where a fleet shared with older servers needs it); both kinds are verified.
//! Hashing costs tens of milliseconds of CPU by design, so it runs on blocking threads, at most one per core, with a
//! bounded queue before it.

mod hasher;
mod policy;
mod scheme;

pub use hasher::{MAX_WAIT, MAX_WAITING, PasswordHasher, Verified, Work};
pub use policy::PasswordPolicy;
pub use scheme::{
    ARGON2_ITERATIONS, ARGON2_LANES, ARGON2_MEMORY_KIB, Algorithm, BCRYPT_COST, MAX_BCRYPT_PASSWORD_BYTES,
    MAX_PASSWORD_BYTES,
};
