//! Sign-in: keys, cookies, passwords and the reach of administrators.

use crate::registry::{section, variable};
use crate::rules::{Bool, Choice, HeaderName, SecretText, Text, Whole, optional};
use crate::secret::Secret;
use crate::values::{PasswordPattern, PasswordPatternRule};

/// The `SameSite` attribute of a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// Sent with top-level navigation from other sites.
    Lax,
    /// Never sent from other sites.
    Strict,
    /// Always sent; browsers demand `Secure` with it.
    None,
}

impl SameSite {
    /// The word in the `Set-Cookie` header.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lax => "lax",
            Self::Strict => "strict",
            Self::None => "none",
        }
    }
}

const SAME_SITES: &[(&str, SameSite)] =
    &[("lax", SameSite::Lax), ("strict", SameSite::Strict), ("none", SameSite::None)];

/// How new passwords are hashed. Existing hashes of either kind are always understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordHash {
    /// Argon2id.
    Argon2,
    /// bcrypt, which looks at no more than 72 bytes.
    Bcrypt,
}

const HASHES: &[(&str, PasswordHash)] = &[("argon2", PasswordHash::Argon2), ("bcrypt", PasswordHash::Bcrypt)];

section! {
    /// Sign-in: keys, cookies, passwords and the reach of administrators.
    pub struct Auth, "Sign-in" {
        /// Key that signs tokens and protects stored secrets, the same on every node; generated and kept in `DATA_DIR` when empty.
        secret_key: Option<Secret> =
            variable("WEBUI_SECRET_KEY", optional(SecretText)).or_value_of("WEBUI_JWT_SECRET_KEY").secret();
        /// Asks people to sign in; with false everybody is the one administrator.
        enabled: bool = variable("WEBUI_AUTH", Bool).or("true");
        /// `SameSite` of the cookie that holds the token.
        cookie_same_site: SameSite =
            variable("WEBUI_AUTH_COOKIE_SAME_SITE", Choice::strict(SAME_SITES)).or_value_of("WEBUI_SESSION_COOKIE_SAME_SITE");
        /// Sends the cookie that holds the token over HTTPS only.
        cookie_secure: bool = variable("WEBUI_AUTH_COOKIE_SECURE", Bool).or_value_of("WEBUI_SESSION_COOKIE_SECURE");
        /// `SameSite` of the session cookie.
        session_cookie_same_site: SameSite =
            variable("WEBUI_SESSION_COOKIE_SAME_SITE", Choice::strict(SAME_SITES)).or("lax");
        /// Sends the session cookie over HTTPS only.
        session_cookie_secure: bool = variable("WEBUI_SESSION_COOKIE_SECURE", Bool).or("false");
        /// Lets the first person sign up as administrator although sign-up is off.
        initial_admin_signup: bool = variable("ENABLE_INITIAL_ADMIN_SIGNUP", Bool).or("false");
        /// E-mail address of the administrator that is created at the first start; sign-up is then turned off.
        admin_email: Option<String> = variable("WEBUI_ADMIN_EMAIL", optional(Text)).or("");
        /// Password of that administrator.
        admin_password: Option<Secret> = variable("WEBUI_ADMIN_PASSWORD", optional(SecretText)).or("").secret();
        /// Name of that administrator.
        admin_name: String = variable("WEBUI_ADMIN_NAME", Text).or("Admin");
        /// Allows sign-in with a password.
        password_auth: bool = variable("ENABLE_PASSWORD_AUTH", Bool).or("true");
        /// How new passwords are hashed.
        password_hash: PasswordHash = variable("PASSWORD_HASH_ALGORITHM", Choice::strict(HASHES)).or("argon2");
        /// Checks new passwords against the pattern below.
        validate_passwords: bool = variable("ENABLE_PASSWORD_VALIDATION", Bool).or("false");
        /// Pattern that new passwords must match; the default asks for 8 characters with lower case, upper case, digit and symbol.
        password_pattern: PasswordPattern = variable("PASSWORD_VALIDATION_REGEX_PATTERN", PasswordPatternRule)
            .or(r"^(?=.*[a-z])(?=.*[A-Z])(?=.*\d)(?=.*[^\w\s]).{8,}$");
        /// Text shown when a new password does not match.
        password_hint: String = variable("PASSWORD_VALIDATION_HINT", Text).or("");
        /// Header that may carry an API key besides `Authorization`.
        api_key_header: String = variable("CUSTOM_API_KEY_HEADER", HeaderName).or("x-api-key");
        /// Shows every model to every user, whatever its access list says.
        bypass_model_access: bool = variable("BYPASS_MODEL_ACCESS_CONTROL", Bool).or("false");
        /// Lets administrators read the chats of others.
        admin_chat_access: bool = variable("ENABLE_ADMIN_CHAT_ACCESS", Bool).or("true");
        /// Lets administrators export the data of all users.
        admin_export: bool = variable("ENABLE_ADMIN_EXPORT", Bool).or("true");
        /// Lets administrators use everything, whatever access lists say.
        admin_bypass_access: bool = variable("BYPASS_ADMIN_ACCESS_CONTROL", Bool).or("true");
    }
    others {
        /// Old name of `WEBUI_SECRET_KEY`, read when that is not set.
        variable("WEBUI_JWT_SECRET_KEY", optional(SecretText)).secret();
        /// Random bytes in a generated key.
        variable("WEBUI_SECRET_KEY_LENGTH", Whole::<i64>::lenient())
            .or("24")
            .no_effect("A generated key always has 32 random bytes.");
        /// Header in which a trusted proxy names the user's e-mail address.
        variable("WEBUI_AUTH_TRUSTED_EMAIL_HEADER", optional(Text)).reserved();
        /// Header in which a trusted proxy gives the user's name.
        variable("WEBUI_AUTH_TRUSTED_NAME_HEADER", optional(Text)).reserved();
        /// Header in which a trusted proxy lists the user's groups.
        variable("WEBUI_AUTH_TRUSTED_GROUPS_HEADER", optional(Text)).reserved();
        /// Header in which a trusted proxy gives the user's role.
        variable("WEBUI_AUTH_TRUSTED_ROLE_HEADER", optional(Text)).reserved();
        /// Key that protects the secrets of second factors.
        variable("MFA_ENCRYPTION_KEY", optional(SecretText)).secret().reserved();
        /// Allows sign-in against an LDAP directory.
        variable("ENABLE_LDAP", Bool).or("false").reserved();
        /// Lets an identity system manage users through SCIM.
        variable("ENABLE_SCIM", Bool).or("false").reserved();
        /// Token of that system.
        variable("SCIM_TOKEN", optional(SecretText)).secret().reserved();
    }
}
