//! Why somebody could not be signed in by a provider.
//!
//! The text of an [`OidcError`] is for the log of the operator and ends with what to do; [`OidcError::for_people`] is what the
//! person reads on the sign-in page. Neither holds a code, a token or a secret.

/// What went wrong between this server and the provider.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OidcError {
    /// The provider could not be reached, or not in time.
    #[error(
        "the {what} of the provider cannot be reached ({cause}). Check that this machine reaches {address}, and OAUTH_TIMEOUT."
    )]
    Unreachable {
        /// Which of its endpoints.
        what: &'static str,
        /// Where that is, without its query.
        address: String,
        /// What the network said.
        cause: String,
    },
    /// The provider answered with something that cannot be used.
    #[error("the {what} of the provider cannot be used: {problem}. Check the variables of this provider.")]
    Unusable {
        /// Which of its endpoints.
        what: &'static str,
        /// What is wrong with the answer.
        problem: String,
    },
    /// The provider refused the code.
    #[error(
        "the provider refused the code with `{code}`: {description}. For `invalid_client` check id, secret and \
         OAUTH_TOKEN_ENDPOINT_AUTH_METHOD; for `invalid_grant` the address to which people are sent back."
    )]
    Refused {
        /// Its `error`.
        code: String,
        /// Its `error_description`.
        description: String,
    },
    /// The ID token is not to be believed.
    #[error("the ID token of the provider is not accepted: {0}")]
    IdToken(#[from] IdTokenFault),
    /// The answer came from another provider than the one that was asked.
    #[error("the answer names another issuer than the provider that was asked. Check OPENID_PROVIDER_URL.")]
    OtherIssuer,
    /// So many people sign in at once that this one would wait too long.
    #[error("too many sign-ins are being finished at once. Those people try again.")]
    Busy,
    /// No random numbers, or no encryption.
    #[error("the system gives no random numbers, or cannot encrypt. Restart the machine.")]
    Cryptography,
}

/// What is wrong with an ID token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdTokenFault {
    /// Not three parts of base64 with JSON in them.
    #[error("it is malformed.")]
    Malformed,
    /// Signed in a way that is not accepted.
    #[error(
        "it is signed with `{0}`, which is not accepted. Let the provider sign with RS256, PS256, ES256 or EdDSA."
    )]
    Algorithm(String),
    /// No key of the provider goes with it.
    #[error("none of the provider's keys goes with it.")]
    UnknownKey,
    /// The signature is not the provider's.
    #[error("its signature is wrong.")]
    Signature,
    /// From another issuer.
    #[error("it comes from another issuer than the provider's configuration document names.")]
    Issuer,
    /// For another client.
    #[error("it is meant for another client. Check the id of this server at the provider.")]
    Audience,
    /// Too old.
    #[error("it has expired. Check the clocks of this machine and of the provider.")]
    Expired,
    /// From the future.
    #[error("it is not valid yet. Check the clocks of this machine and of the provider.")]
    NotYet,
    /// Of another sign-in.
    #[error("it belongs to another sign-in (`nonce`).")]
    Nonce,
    /// Something is missing that must be there.
    #[error("it has no usable claim `{0}`.")]
    Missing(String),
    /// The account's page speaks of another person than the ID token.
    #[error("the userinfo of the provider speaks of another person.")]
    OtherPerson,
}

impl OidcError {
    /// What the person who wanted to sign in reads.
    pub fn for_people(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => {
                "The sign-in service cannot be reached right now. Try again in a moment."
            }
            Self::Busy => "Many people are signing in right now. Try again in a moment.",
            Self::Refused { .. } | Self::IdToken(_) | Self::OtherIssuer => {
                "The sign-in could not be verified. Start again; if it goes on, ask an administrator."
            }
            Self::Unusable { .. } | Self::Cryptography => {
                "Sign-in through this service does not work right now. Ask an administrator."
            }
        }
    }
}

/// Result of everything that a provider has a part in.
pub type Result<T, E = OidcError> = std::result::Result<T, E>;
