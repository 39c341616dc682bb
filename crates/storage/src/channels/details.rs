//! Messages with what belongs to them: author, quotation, size of the thread, reactions.

use std::collections::HashMap;

use serde::Serialize;

use super::{
    members::role,
    messages::{ChannelMessage, ChannelMessages, Columns, OWN},
};
use crate::{
    Result, Role,
    sql::{Row, Statement},
};

/// Most people named with one reaction; the count is not bounded by it.
const MAX_NAMED: i64 = 100;

/// Most names of reactions of one list of messages together.
const MAX_REACTIONS: i64 = 20_000;

/// Who wrote a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Author {
    /// The account.
    pub id: String,
    /// Display name.
    pub name: String,
    /// Role.
    pub role: Role,
}

/// The message that another one quotes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QuotedMessage {
    /// The message.
    #[serde(flatten)]
    pub message: ChannelMessage,
    /// Who wrote it; `None` if the account is gone.
    pub user: Option<Author>,
}

/// Somebody who reacted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReactionUser {
    /// The account.
    pub id: String,
    /// Display name.
    pub name: String,
}

/// One kind of reaction to a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reaction {
    /// Its short name, such as `+1`.
    pub name: String,
    /// Who reacted so first; at most 100.
    pub users: Vec<ReactionUser>,
    /// How many reacted so.
    pub count: i64,
}

/// A message with what belongs to it; serialises to the `ChMessage` shape of the API.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChannelMessageDetails {
    /// The message.
    #[serde(flatten)]
    pub message: ChannelMessage,
    /// Who wrote it; `None` if the account is gone.
    pub user: Option<Author>,
    /// The message that it quotes, unless that is gone.
    pub reply_to_message: Option<QuotedMessage>,
    /// When something was last said in its thread.
    pub latest_reply_at: Option<i64>,
    /// Messages of its thread.
    pub reply_count: i64,
    /// Reactions, the first kind first.
    pub reactions: Vec<Reaction>,
}

/// The columns of the quoted message.
const QUOTED: Columns = Columns {
    id: "quoted_id",
    user_id: "quoted_user_id",
    channel_id: "quoted_channel_id",
    reply_to_id: "quoted_reply_to_id",
    parent_id: "quoted_parent_id",
    content: "quoted_content",
    data: "quoted_data",
    has_data: "quoted_has_data",
    meta: "quoted_meta",
    created_at: "quoted_created_at",
    updated_at: "quoted_updated_at",
};

/// Everything of a message but its data and reactions.
const DETAILS: &str = "SELECT message.id, message.user_id, message.channel_id, message.reply_to_id, \
     message.parent_id, message.content, message.has_data, message.meta, message.created_at, message.updated_at, \
     author.name AS author_name, author.role AS author_role, \
     (SELECT count(*) FROM channel_messages reply WHERE reply.parent_id = message.id) AS reply_count, \
     (SELECT max(reply.created_at) FROM channel_messages reply WHERE reply.parent_id = message.id) \
     AS latest_reply_at, \
     quoted.id AS quoted_id, quoted.user_id AS quoted_user_id, quoted.channel_id AS quoted_channel_id, \
     quoted.reply_to_id AS quoted_reply_to_id, quoted.parent_id AS quoted_parent_id, \
     quoted.content AS quoted_content, quoted.has_data AS quoted_has_data, quoted.meta AS quoted_meta, \
     quoted.created_at AS quoted_created_at, quoted.updated_at AS quoted_updated_at, \
     quoted_author.name AS quoted_author_name, quoted_author.role AS quoted_author_role";

/// What [`DETAILS`] is read from.
const FROM: &str = "FROM channel_messages message LEFT JOIN users author ON author.id = message.user_id \
     LEFT JOIN channel_messages quoted ON quoted.id = message.reply_to_id \
     AND quoted.channel_id = message.channel_id \
     LEFT JOIN users quoted_author ON quoted_author.id = quoted.user_id";

impl ChannelMessageDetails {
    fn from_row(row: &Row, whole: bool) -> Result<Self> {
        let message = ChannelMessage::from_row(row, &OWN, whole)?;
        let quoted = row.opt_text(QUOTED.id)?;
        Ok(Self {
            user: author(row, &message.user_id, "author_name", "author_role")?,
            message,
            reply_to_message: quoted.map(|_| QuotedMessage::from_row(row)).transpose()?,
            latest_reply_at: row.opt_int("latest_reply_at")?,
            reply_count: row.int("reply_count")?,
            reactions: Vec::new(),
        })
    }

    /// A message that was just written, about which nothing can have been said yet.
    pub fn fresh(message: ChannelMessage, user: Author) -> Self {
        Self {
            message,
            user: Some(user),
            reply_to_message: None,
            latest_reply_at: None,
            reply_count: 0,
            reactions: Vec::new(),
        }
    }
}

impl QuotedMessage {
    fn from_row(row: &Row) -> Result<Self> {
        let message = ChannelMessage::from_row(row, &QUOTED, false)?;
        let user = author(row, &message.user_id, "quoted_author_name", "quoted_author_role")?;
        Ok(Self { message, user })
    }
}

fn author(
    row: &Row,
    id: &str,
    name_column: &'static str,
    role_column: &'static str,
) -> Result<Option<Author>> {
    let Some(name) = row.opt_text(name_column)? else { return Ok(None) };
    Ok(Some(Author { id: id.to_owned(), name, role: role(row, role_column)? }))
}

impl ChannelMessages {
    /// One message with what belongs to it, with all of its data or not. Two statements.
    pub async fn get(
        &self,
        channel_id: &str,
        id: &str,
        whole: bool,
    ) -> Result<Option<ChannelMessageDetails>> {
        let data = if whole { ", message.data" } else { "" };
        let statement = Statement::new(format!(
            "{DETAILS}{data} {FROM} WHERE message.channel_id = $1 AND message.id = $2"
        ))
        .bind(channel_id)
        .bind(id);
        let Some(row) = self.database.read_one(statement).await? else { return Ok(None) };
        let mut details = [ChannelMessageDetails::from_row(&row, whole)?];
        self.add_reactions(&mut details).await?;
        let [details] = details;
        Ok(Some(details))
    }

    /// The messages that `page` chooses, without their data. Two statements.
    pub(super) async fn details(
        &self,
        page: &'static str,
        bind: impl FnOnce(Statement) -> Statement,
    ) -> Result<Vec<ChannelMessageDetails>> {
        let rows = self.database.read(bind(Statement::new(format!("{DETAILS} {FROM} {page}")))).await?;
        let mut details: Vec<ChannelMessageDetails> =
            rows.iter().map(|row| ChannelMessageDetails::from_row(row, false)).collect::<Result<_>>()?;
        self.add_reactions(&mut details).await?;
        Ok(details)
    }

    async fn add_reactions(&self, messages: &mut [ChannelMessageDetails]) -> Result<()> {
        if messages.is_empty() {
            return Ok(());
        }
        let ids: Vec<&str> = messages.iter().map(|details| details.message.id.as_str()).collect();
        let statement = Statement::new(format!(
            "SELECT message_id, name, user_id, user_name, total FROM (\
             SELECT channel_reactions.message_id, channel_reactions.name, channel_reactions.user_id, \
             users.name AS user_name, \
             count(*) OVER (PARTITION BY channel_reactions.message_id, channel_reactions.name) AS total, \
             min(channel_reactions.created_at) \
             OVER (PARTITION BY channel_reactions.message_id, channel_reactions.name) AS first_at, \
             row_number() OVER (PARTITION BY channel_reactions.message_id, channel_reactions.name \
             ORDER BY channel_reactions.created_at, channel_reactions.user_id) AS place \
             FROM channel_reactions JOIN users ON users.id = channel_reactions.user_id \
             WHERE channel_reactions.message_id IN {}) AS reactions \
             WHERE place <= $2 ORDER BY message_id, first_at, name, place LIMIT $3",
            self.database.dialect().unfold("$1")
        ))
        .bind_list(ids)
        .bind(MAX_NAMED)
        .bind(MAX_REACTIONS);
        let mut reactions: HashMap<String, Vec<Reaction>> = HashMap::new();
        for row in self.database.read(statement).await? {
            let of_message = reactions.entry(row.text("message_id")?).or_default();
            let name = row.text("name")?;
            let user = ReactionUser { id: row.text("user_id")?, name: row.text("user_name")? };
            match of_message.last_mut().filter(|reaction| reaction.name == name) {
                Some(reaction) => reaction.users.push(user),
                None => of_message.push(Reaction { name, users: vec![user], count: row.int("total")? }),
            }
        }
        for details in messages {
            details.reactions = reactions.remove(&details.message.id).unwrap_or_default();
        }
        Ok(())
    }
}
