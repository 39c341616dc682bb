//! The list of somebody's channels, with what is unread.

use std::collections::HashMap;

use serde::Serialize;

use super::{
    CHANNEL_COLUMNS, Channel, ChannelKind, ChannelPerson, ChannelViewer, Channels,
    store::{MAX_CHANNELS, bind_viewer, open_condition},
};
use crate::{
    Grant, Result,
    access_grants::ResourceType,
    sql::{Row, Statement},
};

/// Unread messages are counted up to this number.
const MAX_UNREAD: i64 = 1000;

/// One channel of the list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChannelItem {
    /// The channel.
    #[serde(flatten)]
    pub channel: Channel,
    /// The people of a direct channel, by name.
    #[serde(skip)]
    pub people: Option<Vec<ChannelPerson>>,
    /// When something was last said in it.
    pub last_message_at: Option<i64>,
    /// Messages of others since the person last read it; at most 1,000.
    pub unread_count: i64,
}

/// A count of the unread messages of `channel` for the user `user`, whose row among the members is `member`.
///
/// Who has no row has never opened the channel, and nothing in it is unread.
fn unread_count(channel: &str, user: &str) -> String {
    format!(
        "(SELECT count(*) FROM (SELECT 1 AS one FROM channel_messages WHERE channel_messages.channel_id = {channel} \
         AND channel_messages.parent_id IS NULL AND channel_messages.user_id <> {user} \
         AND channel_messages.created_at > COALESCE(member.last_read_at, member.joined_at) LIMIT {MAX_UNREAD}) \
         AS unread)"
    )
}

impl ChannelItem {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            channel: Channel::from_row(row)?,
            people: None,
            last_message_at: row.opt_int("last_message_at")?,
            unread_count: row.int("unread_count")?,
        })
    }
}

impl Channels {
    /// The channels of somebody, those where something was said last first; at most 1,000.
    ///
    /// Group and direct channels that the person has hidden are left out. Three statements at most.
    pub async fn list(&self, viewer: ChannelViewer<'_>) -> Result<Vec<ChannelItem>> {
        let open = open_condition(self.database.dialect(), viewer);
        let unread = unread_count("channels.id", "$2");
        let statement = Statement::new(format!(
            "SELECT * FROM (WITH own (id) AS (SELECT channels.id FROM channels WHERE {open} \
             UNION ALL SELECT channels.id FROM channel_members \
             JOIN channels ON channels.id = channel_members.channel_id \
             WHERE channel_members.user_id = $2 AND channel_members.active = TRUE AND channels.type IS NOT NULL) \
             SELECT {CHANNEL_COLUMNS}, {unread} AS unread_count, \
             (SELECT max(channel_messages.created_at) FROM channel_messages \
             WHERE channel_messages.channel_id = channels.id) AS last_message_at \
             FROM own JOIN channels ON channels.id = own.id LEFT JOIN channel_members member \
             ON member.channel_id = channels.id AND member.user_id = $2) AS listed \
             ORDER BY COALESCE(listed.last_message_at, listed.created_at) DESC, listed.id LIMIT $5"
        ));
        let rows = self.database.read(bind_viewer(statement, viewer).bind(MAX_CHANNELS)).await?;
        let mut items: Vec<ChannelItem> = rows.iter().map(ChannelItem::from_row).collect::<Result<_>>()?;
        self.add_grants(&mut items).await?;
        self.add_people(&mut items).await?;
        Ok(items)
    }

    /// Messages of others in a channel since somebody last read it; at most 1,000.
    pub async fn unread_count(&self, user_id: &str, channel_id: &str) -> Result<i64> {
        let unread = unread_count("$1", "$2");
        let statement = Statement::new(format!(
            "SELECT {unread} AS unread_count FROM channel_members member \
             WHERE member.channel_id = $1 AND member.user_id = $2"
        ))
        .bind(channel_id)
        .bind(user_id);
        self.database.read_one(statement).await?.map_or(Ok(0), |row| row.int("unread_count"))
    }

    async fn add_grants(&self, items: &mut [ChannelItem]) -> Result<()> {
        let ids = ids_of(items, |kind| kind == ChannelKind::Open);
        if ids.is_empty() {
            return Ok(());
        }
        let mut grants: HashMap<String, Vec<Grant>> =
            self.database.access_grants().list_of(ResourceType::Channel, &ids).await?;
        for item in items {
            item.channel.access_grants = grants.remove(&item.channel.id).unwrap_or_default();
        }
        Ok(())
    }

    async fn add_people(&self, items: &mut [ChannelItem]) -> Result<()> {
        let ids = ids_of(items, |kind| kind == ChannelKind::Direct);
        if ids.is_empty() {
            return Ok(());
        }
        let mut people = self.people_of(&ids).await?;
        for item in items.iter_mut().filter(|item| item.channel.kind == ChannelKind::Direct) {
            item.people = Some(people.remove(&item.channel.id).unwrap_or_default());
        }
        Ok(())
    }
}

fn ids_of(items: &[ChannelItem], wanted: impl Fn(ChannelKind) -> bool) -> Vec<String> {
    items.iter().filter(|item| wanted(item.channel.kind)).map(|item| item.channel.id.clone()).collect()
}
