//! The account of a person who has signed in at a provider: found, linked by its address, or made.

use super::roles::{self, Given};
use crate::App;
use crate::first_admin::close_sign_up;
use crate::profile::{self, DEFAULT_PICTURE};
use crate::routes::auths::role;
use antiphon_auth::email;
use antiphon_config::OAuthSettings;
use antiphon_oidc::Person;
use antiphon_storage::{ErrorKind, NewUser, Role, SignInLink, StorageError, User, UserUpdate};

/// Why a person may not sign in here.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The provider says no address, or one that is none.
    NoEmail,
    /// The address is not of an allowed domain, or the provider says that it is not the person's.
    Domain,
    /// None of the person's roles may sign in.
    Role,
    /// There is no account, and none is made.
    Closed,
    /// Another account has the address.
    EmailTaken,
    /// The database said no.
    Storage(StorageError),
}

impl Refusal {
    /// What people read when the database is away.
    pub(super) const UNAVAILABLE: &str =
        "The server cannot reach its database right now. Try again in a moment.";

    /// What the page shows.
    pub(super) fn for_people(&self) -> &'static str {
        match self {
            Self::NoEmail => {
                "The sign-in service tells no usable e-mail address of yours. Ask an administrator."
            }
            Self::Domain => "People with your e-mail address may not sign in here. Ask an administrator.",
            Self::Role => "Your roles at the sign-in service do not let you in here. Ask an administrator.",
            Self::Closed => {
                "You have no account on this server, and signing in does not make one. Ask an administrator."
            }
            Self::EmailTaken => {
                "There is an account with your e-mail address already. Sign in with its password, or ask an administrator."
            }
            Self::Storage(error) if error.kind() == ErrorKind::Unavailable => Self::UNAVAILABLE,
            Self::Storage(_) => "The server failed to sign you in. Its log says why.",
        }
    }

    /// Says it on the log, with what the operator can do. Nothing about the person is told.
    pub(super) fn log(&self, provider: &str) {
        let (what, remedy) = match self {
            Self::NoEmail => {
                ("the claim with the address is missing", "Check OAUTH_EMAIL_CLAIM and OAUTH_SCOPES.")
            }
            Self::Domain => ("the address is not of an allowed domain", "OAUTH_ALLOWED_DOMAINS names those."),
            Self::Role => ("no role is allowed", "OAUTH_ALLOWED_ROLES and OAUTH_ADMIN_ROLES name those."),
            Self::Closed => ("there is no account", "ENABLE_OAUTH_SIGNUP=true makes one."),
            Self::EmailTaken => {
                ("another account has the address", "OAUTH_MERGE_ACCOUNTS_BY_EMAIL=true links the two.")
            }
            Self::Storage(error) => {
                tracing::error!(provider, %error, "nobody is signed in because the account could not be stored; see the error");
                return;
            }
        };
        tracing::info!(provider, "nobody is signed in: {what}. {remedy}");
    }
}

impl From<StorageError> for Refusal {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::EmailTaken => Self::EmailTaken,
            error => Self::Storage(error),
        }
    }
}

/// The id of the account of a person.
pub(super) async fn of(app: &App, person: &Person) -> Result<String, Refusal> {
    // The settings of this moment hold for the whole sign-in.
    let oauth = &app.settings().oauth;
    let address = address(oauth, app.config.oauth.email_fallback, person)?;
    let link = SignInLink { provider: person.provider, subject: &person.subject };
    let users = app.database.users();
    let known = match users.by_link(link).await? {
        Some(known) => Some(known),
        None if oauth.merge_by_email => by_address(app, person, &address, link).await?,
        None => None,
    };
    match known {
        Some(user) => renew(app, oauth, person, &address, user).await,
        None => make(app, oauth, person, address, link).await,
    }
}

/// The person's address in the form in which accounts are found by it, when it may sign in.
fn address(oauth: &OAuthSettings, fallback: bool, person: &Person) -> Result<String, Refusal> {
    let fallback_address = || {
        let made = format!("{}@{}.local", person.provider, person.subject);
        fallback.then_some(made)
    };
    let given = person.email.clone().or_else(fallback_address).ok_or(Refusal::NoEmail)?;
    let address = email::validate(&given).map_err(|_| Refusal::NoEmail)?;
    let domain = address.rsplit('@').next().unwrap_or_default();
    // Whoever may write any address into their own profile there is of any domain.
    let proven = person.email_verified != Some(false) || oauth.allows_every_domain();
    if oauth.allows_domain(domain) && proven { Ok(address) } else { Err(Refusal::Domain) }
}

/// The account with the person's address, which is then linked.
async fn by_address(
    app: &App,
    person: &Person,
    address: &str,
    link: SignInLink<'_>,
) -> Result<Option<User>, Refusal> {
    // An address that the provider says is unproven would be a way into the account of anybody.
    if person.email_verified == Some(false) {
        return Ok(None);
    }
    let users = app.database.users();
    let Some(user) = users.by_email(address).await? else { return Ok(None) };
    users.link(&user.id, link).await?;
    Ok(Some(user))
}

/// Takes over what has changed at the provider.
async fn renew(
    app: &App,
    oauth: &OAuthSettings,
    person: &Person,
    address: &str,
    user: User,
) -> Result<String, Refusal> {
    let users = app.database.users();
    let role = match roles::given(oauth, &app.config.oauth, person) {
        Given::None => return Err(Refusal::Role),
        Given::Role(role) => role,
        Given::Nothing => user.role,
    };
    if role != user.role {
        match users.set_role(&user.id, role).await {
            Ok(_) => app.sessions.announce_change(&user.id).await,
            // A server is never left without an administrator.
            Err(StorageError::LastAdmin) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let name = person.name.as_deref().filter(|_| oauth.update_name).and_then(|name| profile::name(name).ok());
    let update = UserUpdate {
        name: name.filter(|name| *name != user.name),
        email: Some(address.to_owned()).filter(|address| oauth.update_email && *address != user.email),
        ..UserUpdate::default()
    };
    if update != UserUpdate::default() {
        match users.update(&user.id, update).await {
            Ok(_) => app.authenticator.invalidate_user(&user.id),
            Err(StorageError::EmailTaken) => tracing::warn!(
                provider = person.provider,
                "an address was not taken over because another account has it. Change one of the two accounts."
            ),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(user.id)
}

/// Makes an account; the first one of a server is its administrator, as after any sign-up.
async fn make(
    app: &App,
    oauth: &OAuthSettings,
    person: &Person,
    address: String,
    link: SignInLink<'_>,
) -> Result<String, Refusal> {
    let users = app.database.users();
    if !oauth.signup {
        let taken = users.by_email(&address).await?.is_some();
        return Err(if taken { Refusal::EmailTaken } else { Refusal::Closed });
    }
    let _turn = app.onboarding().turn().await;
    let server_is_new = !app.onboarding().has_accounts(&app.database).await?;
    let usual = role(app.settings().sign_in.default_user_role);
    let role: Role = match roles::given(oauth, &app.config.oauth, person) {
        Given::Role(role) => role,
        Given::None if !server_is_new => return Err(Refusal::Role),
        Given::None | Given::Nothing => usual,
    };
    let name = person.name.as_deref().and_then(|name| profile::name(name).ok());
    let new = NewUser {
        id: None,
        name: name.unwrap_or_else(|| address.clone()),
        email: address,
        role,
        profile_image_url: DEFAULT_PICTURE.to_owned(),
        // No hash: no password opens this account until an administrator gives it one.
        password_hash: String::new(),
    };
    let created = users.create_linked(new, link).await?;
    if created.first
        && let Err(error) = close_sign_up(app).await
    {
        tracing::warn!(
            %error,
            "the first account was made, but sign-up could not be switched off; switch it off in the admin page"
        );
    }
    Ok(created.user.id)
}
