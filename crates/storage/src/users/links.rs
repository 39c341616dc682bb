//! Accounts of people who sign in at a provider.

use serde_json::{Map, Value as Json, json};

use super::{CreatedUser, NewUser, USER_COLUMNS, User, Users};
use crate::{
    Result, StorageError, clock,
    sql::{Statement, Transaction},
};

/// A person at a sign-in provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignInLink<'a> {
    /// Name of the provider, such as `oidc`.
    pub provider: &'a str,
    /// What the provider calls the person, for good.
    pub subject: &'a str,
}

impl Users {
    /// The account that is linked with a person at a provider.
    pub async fn by_link(&self, link: SignInLink<'_>) -> Result<Option<User>> {
        let statement = Statement::new(format!(
            "SELECT {USER_COLUMNS} FROM sign_in_links JOIN users ON users.id = sign_in_links.user_id \
             WHERE sign_in_links.provider = $1 AND sign_in_links.subject = $2"
        ))
        .bind(link.provider)
        .bind(link.subject);
        self.database.read_one(statement).await?.as_ref().map(User::from_row).transpose()
    }

    /// Links an account with a person at a provider, in the place of the one that it was linked with there.
    ///
    /// Errors: [`StorageError::UserNotFound`].
    pub async fn link(&self, id: &str, link: SignInLink<'_>) -> Result<()> {
        let mut transaction = self.begin_exclusive().await?;
        write(&mut transaction, id, link).await?;
        transaction.commit().await
    }

    /// Makes an account that is linked with a person at a provider; otherwise as [`Users::create`].
    pub async fn create_linked(&self, new: NewUser, link: SignInLink<'_>) -> Result<CreatedUser> {
        let mut transaction = self.begin_exclusive().await?;
        let mut created = Self::insert(&mut transaction, new).await?;
        created.user.oauth = Some(write(&mut transaction, &created.user.id, link).await?);
        transaction.commit().await?;
        Ok(created)
    }
}

/// Writes the link to both places; gives the account's links as clients see them.
async fn write(transaction: &mut Transaction, id: &str, link: SignInLink<'_>) -> Result<Json> {
    let statement = Statement::new("SELECT oauth FROM users WHERE id = $1").bind(id);
    let known =
        transaction.optional(statement).await?.ok_or(StorageError::UserNotFound)?.opt_json("oauth")?;
    let mut links = match known {
        Some(Json::Object(links)) => links,
        _ => Map::new(),
    };
    links.insert(link.provider.to_owned(), json!({ "sub": link.subject }));
    let links = Json::Object(links);
    let before = Statement::new("DELETE FROM sign_in_links WHERE provider = $1 AND user_id = $2")
        .bind(link.provider)
        .bind(id);
    transaction.execute(before).await?;
    let statement = Statement::new(
        "INSERT INTO sign_in_links (provider, subject, user_id) VALUES ($1, $2, $3) \
         ON CONFLICT (provider, subject) DO UPDATE SET user_id = excluded.user_id",
    )
    .bind(link.provider)
    .bind(link.subject)
    .bind(id);
    transaction.execute(statement).await?;
    let statement = Statement::new("UPDATE users SET oauth = $2, updated_at = $3 WHERE id = $1")
        .bind(id)
        .bind(links.to_string())
        .bind(clock::seconds());
    transaction.execute(statement).await?;
    Ok(links)
}
