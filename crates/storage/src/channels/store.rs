//! Making and finding channels.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Map, Value as Json};

use super::{
    CHANNEL_COLUMNS, Channel, ChannelKind, ChannelView, ChannelViewer, MEMBERSHIP_COLUMNS, Unset,
    members::{MAX_MEMBERS, add_members},
};
use crate::{
    Database, NewGrant, Permission, Result, StorageError,
    access_grants::{ResourceType, readable_condition, replace_grants},
    clock,
    digest::sha256_hex,
    sql::{Dialect, Statement, Transaction},
};

/// Most channels of one person that are listed or followed.
pub(super) const MAX_CHANNELS: i64 = 1000;

/// Most people of a direct channel.
const MAX_DIRECT_MEMBERS: usize = 20;

/// A channel to be made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewChannel {
    /// Name.
    pub name: String,
    /// What it is about.
    pub description: Option<String>,
    /// What the client says about it.
    pub is_private: Option<bool>,
    /// A JSON object of the client.
    pub data: Option<Map<String, Json>>,
    /// A JSON object of the client.
    pub meta: Option<Map<String, Json>>,
}

/// Channels and their members.
#[derive(Debug, Clone)]
pub struct Channels {
    pub(super) database: Database,
}

impl Channels {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Makes an open channel.
    ///
    /// Errors: [`StorageError::TooLarge`] for more than 1,000 grants.
    pub async fn create_open(&self, user_id: &str, new: NewChannel, grants: &[NewGrant]) -> Result<Channel> {
        let mut channel = channel(user_id, ChannelKind::Open, new);
        let mut transaction = self.database.begin().await?;
        insert(&mut transaction, &channel, None).await?;
        channel.access_grants =
            replace_grants(&mut transaction, ResourceType::Channel, &channel.id, grants).await?;
        transaction.commit().await?;
        Ok(channel)
    }

    /// Makes a channel for its maker, who manages it, and these people.
    ///
    /// Errors: [`StorageError::UserNotFound`], [`StorageError::TooLarge`].
    pub async fn create_group(
        &self,
        user_id: &str,
        new: NewChannel,
        member_ids: &[String],
    ) -> Result<Channel> {
        let people = people(user_id, member_ids, MAX_MEMBERS)?;
        let channel = channel(user_id, ChannelKind::Group, new);
        let mut transaction = self.database.begin().await?;
        insert(&mut transaction, &channel, None).await?;
        add_members(&mut transaction, &channel.id, &people, Some(user_id)).await?;
        transaction.commit().await?;
        Ok(channel)
    }

    /// The direct channel of exactly these people, made if there is none; gives whether it was made.
    ///
    /// It is in the list of `user_id` again if it was hidden there.
    ///
    /// Errors: [`StorageError::UserNotFound`], [`StorageError::Malformed`] with nobody to write to,
    /// [`StorageError::TooLarge`].
    pub async fn direct(&self, user_id: &str, others: &[String]) -> Result<(Channel, bool)> {
        let people = people(user_id, others, MAX_DIRECT_MEMBERS)?;
        if people.len() < 2 {
            return Err(StorageError::malformed("user_ids", "a direct channel needs somebody to write to"));
        }
        let digest = sha256_hex(people.iter().map(String::as_str).collect::<Vec<_>>().join("\n").as_bytes());
        let channel = channel(user_id, ChannelKind::Direct, NewChannel::default());
        let mut transaction = self.database.begin().await?;
        if insert(&mut transaction, &channel, Some(&digest)).await? {
            add_members(&mut transaction, &channel.id, &people, Some(user_id)).await?;
            transaction.commit().await?;
            return Ok((channel, true));
        }
        let statement =
            Statement::new(format!("SELECT {CHANNEL_COLUMNS} FROM channels WHERE people = $1")).bind(digest);
        let row = transaction.optional(statement).await?.ok_or(StorageError::ChannelNotFound)?;
        let channel = Channel::from_row(&row)?;
        let statement = Statement::new(
            "UPDATE channel_members SET active = TRUE WHERE channel_id = $1 AND user_id = $2 AND active = FALSE",
        )
        .bind(&channel.id)
        .bind(user_id);
        transaction.execute(statement).await?;
        transaction.commit().await?;
        Ok((channel, false))
    }

    /// The channel with this id as somebody sees it; the caller looks at [`ChannelView::access`].
    pub async fn view(&self, viewer: ChannelViewer<'_>, id: &str) -> Result<Option<ChannelView>> {
        let statement = Statement::new(format!(
            "SELECT {CHANNEL_COLUMNS}, {MEMBERSHIP_COLUMNS}, \
             (channels.type IS NOT NULL AND EXISTS (SELECT 1 FROM channel_members \
             WHERE channel_members.channel_id = channels.id AND channel_members.active = FALSE)) AS hidden_for_some \
             FROM channels LEFT JOIN channel_members member \
             ON member.channel_id = channels.id AND member.user_id = $2 WHERE channels.id = $1"
        ))
        .bind(id)
        .bind(viewer.user_id);
        let Some(row) = self.database.read_one(statement).await? else { return Ok(None) };
        let mut channel = Channel::from_row(&row)?;
        if channel.kind == ChannelKind::Open {
            channel.access_grants = self.database.access_grants().list(ResourceType::Channel, id).await?;
        }
        ChannelView::new(channel, viewer, &row).map(Some)
    }

    /// Of these channels, those that somebody is a member of.
    pub async fn joined_among(&self, user_id: &str, ids: &[String]) -> Result<HashSet<String>> {
        let statement = Statement::new(format!(
            "SELECT channel_id FROM channel_members WHERE user_id = $1 AND channel_id IN {}",
            self.database.dialect().unfold("$2")
        ))
        .bind(user_id)
        .bind_list(ids);
        self.database.read(statement).await?.iter().map(|row| row.text("channel_id")).collect()
    }
}

/// A test whether an open channel is for the viewer; its values are those of [`bind_viewer`].
pub(super) fn open_condition(dialect: Dialect, viewer: ChannelViewer<'_>) -> String {
    if viewer.is_admin {
        return "channels.type IS NULL".to_owned();
    }
    let granted = readable_condition(dialect, "channels.id");
    format!("channels.type IS NULL AND (channels.user_id = $2 OR {granted})")
}

/// Binds `$1` to `$4`, as tests of grants expect them.
pub(super) fn bind_viewer(statement: Statement, viewer: ChannelViewer<'_>) -> Statement {
    statement
        .bind(ResourceType::Channel.as_str())
        .bind(viewer.user_id)
        .bind_list(viewer.group_ids)
        .bind(Permission::Read.as_str())
}

/// The ids of all people of a channel, each once.
fn people(user_id: &str, others: &[String], limit: usize) -> Result<BTreeSet<String>> {
    let people: BTreeSet<String> = others.iter().cloned().chain([user_id.to_owned()]).collect();
    if people.len() > limit {
        return Err(StorageError::TooLarge { what: "members of a channel", size: people.len(), limit });
    }
    Ok(people)
}

fn channel(user_id: &str, kind: ChannelKind, new: NewChannel) -> Channel {
    let now = clock::nanoseconds();
    Channel {
        id: clock::new_id(),
        user_id: user_id.to_owned(),
        kind,
        name: new.name,
        description: new.description,
        is_private: new.is_private,
        data: new.data.map(Json::Object),
        meta: new.meta.map(Json::Object),
        access_grants: Vec::new(),
        created_at: now,
        updated_at: now,
        unset: Unset::default(),
    }
}

/// Stores a channel; gives `false` if its people have one already.
async fn insert(transaction: &mut Transaction, channel: &Channel, people: Option<&str>) -> Result<bool> {
    let statement = Statement::new(
        "INSERT INTO channels (id, user_id, type, name, description, is_private, data, meta, people, created_at, \
         updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10) ON CONFLICT DO NOTHING",
    )
    .bind(&channel.id)
    .bind(&channel.user_id)
    .bind(channel.kind.as_str())
    .bind(&channel.name)
    .bind(&channel.description)
    .bind(channel.is_private)
    .bind(channel.data.as_ref().map(Json::to_string))
    .bind(channel.meta.as_ref().map(Json::to_string))
    .bind(people)
    .bind(channel.created_at);
    Ok(transaction.execute(statement).await? > 0)
}
