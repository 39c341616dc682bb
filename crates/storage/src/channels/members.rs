//! Who is in a channel, and how far each has read.

use std::{
    collections::{BTreeSet, HashMap},
    fmt::Write as _,
};

use super::{ChannelKind, Channels};
use crate::{
    Direction, Page, Result, Role, StorageError, clock,
    page::offset,
    sql::{LIKE_SPELLINGS, Row, Statement, Transaction, Value, like_patterns},
};

/// Most members of a group channel.
pub const MAX_MEMBERS: usize = 1000;

/// People on one page of the members of a channel.
const PEOPLE_PER_PAGE: i64 = 30;

/// Most people of all direct channels of a list together.
const MAX_PEOPLE: i64 = 20_000;

/// Read marks of one statement; PostgreSQL takes at most 65,535 values.
const MARKS_PER_STATEMENT: usize = 500;

/// Texts for up to this many marks are kept prepared.
const REUSED_MARKS: usize = 8;

/// Somebody in a channel, as the others see them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelPerson {
    /// The account.
    pub id: String,
    /// Display name.
    pub name: String,
    /// E-mail address.
    pub email: String,
    /// Role.
    pub role: Role,
    /// Presence that the person chose.
    pub presence_state: Option<String>,
    /// Emoji of the status.
    pub status_emoji: Option<String>,
    /// Text of the status.
    pub status_message: Option<String>,
    /// When the status ends, in Unix seconds.
    pub status_expires_at: Option<i64>,
}

const PERSON_COLUMNS: &str = "users.id, users.name, users.email, users.role, users.presence_state, \
     users.status_emoji, users.status_message, users.status_expires_at";

impl ChannelPerson {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.text("id")?,
            name: row.text("name")?,
            email: row.text("email")?,
            role: role(row, "role")?,
            presence_state: row.opt_text("presence_state")?,
            status_emoji: row.opt_text("status_emoji")?,
            status_message: row.opt_text("status_message")?,
            status_expires_at: row.opt_int("status_expires_at")?,
        })
    }
}

/// The role in a column.
pub(super) fn role(row: &Row, column: &'static str) -> Result<Role> {
    let name = row.text(column)?;
    Role::parse(&name)
        .ok_or_else(|| StorageError::CorruptRow { column, reason: format!("{name:?} is not a role") })
}

/// What the people of a channel are sorted by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PersonOrder {
    /// Display name, without case.
    #[default]
    Name,
    /// E-mail address.
    Email,
    /// Role.
    Role,
    /// When the account was last seen.
    LastActiveAt,
    /// When the account was made.
    CreatedAt,
}

impl PersonOrder {
    /// The order with the name that requests use (`name`, `email`, …), if there is one.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "name" => Self::Name,
            "email" => Self::Email,
            "role" => Self::Role,
            "last_active_at" => Self::LastActiveAt,
            "created_at" => Self::CreatedAt,
            _ => return None,
        })
    }

    fn sql(self) -> &'static str {
        match self {
            Self::Name => "lower(users.name)",
            Self::Email => "users.email",
            Self::Role => "users.role",
            Self::LastActiveAt => "users.last_active_at",
            Self::CreatedAt => "users.created_at",
        }
    }
}

/// Which people of a channel to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PersonQuery {
    /// Only people whose name or e-mail address contains this.
    pub text: Option<String>,
    /// What to sort by.
    pub order: PersonOrder,
    /// Which way.
    pub direction: Direction,
    /// Page, from 1.
    pub page: u32,
}

/// Somebody has read a channel up to a time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReadMark {
    /// The channel.
    pub channel_id: String,
    /// Who has read it.
    pub user_id: String,
    /// Unix nanoseconds.
    pub at: i64,
}

/// A test whether an account is in the channel `$1`.
fn in_channel(kind: ChannelKind) -> &'static str {
    match kind {
        // Groups of accounts come with a later release; a grant to one reaches nobody yet.
        ChannelKind::Open => {
            "users.role <> 'pending' AND (users.role = 'admin' \
             OR users.id = (SELECT channels.user_id FROM channels WHERE channels.id = $1) \
             OR EXISTS (SELECT 1 FROM access_grants WHERE access_grants.resource_type = 'channel' \
             AND access_grants.resource_id = $1 AND access_grants.principal_type = 'user' \
             AND access_grants.principal_id IN ('*', users.id)))"
        }
        ChannelKind::Group | ChannelKind::Direct => {
            "users.id IN (SELECT channel_members.user_id FROM channel_members WHERE channel_members.channel_id = $1)"
        }
    }
}

impl Channels {
    /// One page of the people in a channel.
    pub async fn people(
        &self,
        channel_id: &str,
        kind: ChannelKind,
        query: &PersonQuery,
    ) -> Result<Page<ChannelPerson>> {
        let text = query.text.as_deref().map(str::trim).filter(|text| !text.is_empty());
        let patterns = text.map(like_patterns).map(Vec::from).unwrap_or_default();
        let mut condition = in_channel(kind).to_owned();
        if !patterns.is_empty() {
            let dialect = self.database.dialect();
            let tests: Vec<String> = (2..LIKE_SPELLINGS + 2)
                .map(|number| format!("${number}"))
                .flat_map(|place| [dialect.like("users.name", &place), dialect.like("users.email", &place)])
                .collect();
            condition = format!("{condition} AND ({})", tests.join(" OR "));
        }
        let first_free = patterns.len() + 2;
        let values = || patterns.iter().map(Value::from);
        let count = Statement::new(format!("SELECT count(*) AS total FROM users WHERE {condition}"))
            .bind(channel_id)
            .bind_all(values());
        let total = self.database.read_one(count).await?.map_or(Ok(0), |row| row.int("total"))?;
        let select = Statement::new(format!(
            "SELECT {PERSON_COLUMNS} FROM users WHERE {condition} ORDER BY {} {}, users.id \
             LIMIT ${first_free} OFFSET ${}",
            query.order.sql(),
            query.direction.sql(),
            first_free + 1,
        ))
        .bind(channel_id)
        .bind_all(values())
        .bind(PEOPLE_PER_PAGE)
        .bind(offset(query.page, PEOPLE_PER_PAGE));
        let rows = self.database.read(select).await?;
        Ok(Page { items: rows.iter().map(ChannelPerson::from_row).collect::<Result<_>>()?, total })
    }

    /// How many people are in a channel.
    pub async fn count_people(&self, channel_id: &str, kind: ChannelKind) -> Result<i64> {
        let statement =
            Statement::new(format!("SELECT count(*) AS total FROM users WHERE {}", in_channel(kind)))
                .bind(channel_id);
        self.database.read_one(statement).await?.map_or(Ok(0), |row| row.int("total"))
    }

    /// All members of these channels by channel, each by name; at most 20,000.
    pub async fn people_of(&self, channel_ids: &[String]) -> Result<HashMap<String, Vec<ChannelPerson>>> {
        let statement = Statement::new(format!(
            "SELECT channel_members.channel_id, {PERSON_COLUMNS} FROM channel_members \
             JOIN users ON users.id = channel_members.user_id WHERE channel_members.channel_id IN {} \
             ORDER BY channel_members.channel_id, lower(users.name), users.id LIMIT $2",
            self.database.dialect().unfold("$1")
        ))
        .bind_list(channel_ids)
        .bind(MAX_PEOPLE);
        let mut people: HashMap<String, Vec<ChannelPerson>> = HashMap::new();
        for row in self.database.read(statement).await? {
            people.entry(row.text("channel_id")?).or_default().push(ChannelPerson::from_row(&row)?);
        }
        Ok(people)
    }

    /// Ids of the members of a group or direct channel.
    pub async fn member_ids(&self, channel_id: &str) -> Result<Vec<String>> {
        let statement = Statement::new(
            "SELECT user_id FROM channel_members WHERE channel_id = $1 ORDER BY user_id LIMIT $2",
        )
        .bind(channel_id)
        .bind(i64::try_from(MAX_MEMBERS).unwrap_or(i64::MAX));
        self.database.read(statement).await?.iter().map(|row| row.text("user_id")).collect()
    }

    /// Adds members to a group channel; gives the ids of those who were not in it.
    ///
    /// Errors: [`StorageError::UserNotFound`], [`StorageError::TooLarge`].
    pub async fn add_members(&self, channel_id: &str, user_ids: &[String]) -> Result<Vec<String>> {
        let people: BTreeSet<String> = user_ids.iter().cloned().collect();
        if people.len() > MAX_MEMBERS {
            return Err(too_many_members(people.len()));
        }
        let mut transaction = self.database.begin().await?;
        let added = add_members(&mut transaction, channel_id, &people, None).await?;
        let statement = Statement::new("SELECT count(*) AS total FROM channel_members WHERE channel_id = $1")
            .bind(channel_id);
        let total = transaction.optional(statement).await?.map_or(Ok(0), |row| row.int("total"))?;
        let total = usize::try_from(total).unwrap_or(usize::MAX);
        if total > MAX_MEMBERS {
            return Err(too_many_members(total));
        }
        transaction.commit().await?;
        Ok(added)
    }

    /// Removes members from a group channel, but never its maker; gives the ids of those who were in it.
    pub async fn remove_members(&self, channel_id: &str, user_ids: &[String]) -> Result<Vec<String>> {
        let statement = Statement::new(format!(
            "DELETE FROM channel_members WHERE channel_id = $1 AND user_id IN {} \
             AND user_id <> (SELECT channels.user_id FROM channels WHERE channels.id = $1) RETURNING user_id",
            self.database.dialect().unfold("$2")
        ))
        .bind(channel_id)
        .bind_list(user_ids);
        let mut transaction = self.database.begin().await?;
        let rows = transaction.all(statement).await?;
        transaction.commit().await?;
        rows.iter().map(|row| row.text("user_id")).collect()
    }

    /// Shows a channel in a member's list, or hides it; gives `false` to those who are no members.
    pub async fn set_active(&self, user_id: &str, channel_id: &str, active: bool) -> Result<bool> {
        let statement =
            Statement::new("UPDATE channel_members SET active = $3 WHERE channel_id = $1 AND user_id = $2")
                .bind(channel_id)
                .bind(user_id)
                .bind(active);
        Ok(self.database.write(statement).await? > 0)
    }

    /// Puts a channel back into the lists of all members; gives the ids of those who had hidden it.
    pub async fn show_to_all(&self, channel_id: &str) -> Result<Vec<String>> {
        let statement = Statement::new(
            "UPDATE channel_members SET active = TRUE WHERE channel_id = $1 AND active = FALSE RETURNING user_id",
        )
        .bind(channel_id);
        let mut transaction = self.database.begin().await?;
        let rows = transaction.all(statement).await?;
        transaction.commit().await?;
        rows.iter().map(|row| row.text("user_id")).collect()
    }

    /// Stores how far people have read; a mark never moves back. One statement for every 500 marks.
    ///
    /// Marks of channels or accounts that are gone, and of people who are not members, are dropped.
    pub async fn mark_read(&self, mut marks: Vec<ReadMark>) -> Result<()> {
        // The order in which all nodes take the rows, so that no two wait for each other.
        marks.sort_unstable();
        marks.dedup_by(|later, earlier| {
            let same = later.channel_id == earlier.channel_id && later.user_id == earlier.user_id;
            if same {
                earlier.at = earlier.at.max(later.at);
            }
            same
        });
        for marks in marks.chunks(MARKS_PER_STATEMENT) {
            self.database.write(store_marks(marks)).await?;
        }
        Ok(())
    }
}

fn too_many_members(size: usize) -> StorageError {
    StorageError::TooLarge { what: "members of a channel", size, limit: MAX_MEMBERS }
}

/// Adds members; gives the ids of those who were not in the channel.
pub(super) async fn add_members(
    transaction: &mut Transaction,
    channel_id: &str,
    people: &BTreeSet<String>,
    manager: Option<&str>,
) -> Result<Vec<String>> {
    let wanted = transaction.dialect().unfold("$1");
    let statement = Statement::new(format!(
        "SELECT count(*) AS total FROM users WHERE users.id IN {wanted} AND users.role <> 'pending'"
    ))
    .bind_list(people);
    let known = transaction.optional(statement).await?.map_or(Ok(0), |row| row.int("total"))?;
    if usize::try_from(known) != Ok(people.len()) {
        return Err(StorageError::UserNotFound);
    }
    let statement = Statement::new(format!(
        "INSERT INTO channel_members (channel_id, user_id, manager, active, joined_at) \
         SELECT $2, users.id, users.id = $3, TRUE, $4 FROM users WHERE users.id IN {wanted} \
         ON CONFLICT (channel_id, user_id) DO NOTHING RETURNING user_id"
    ))
    .bind_list(people)
    .bind(channel_id)
    .bind(manager.unwrap_or_default())
    .bind(clock::nanoseconds());
    transaction.all(statement).await?.iter().map(|row| row.text("user_id")).collect()
}

fn store_marks(marks: &[ReadMark]) -> Statement {
    let mut sql = String::from("WITH marks (channel_id, user_id, moment) AS (VALUES ");
    for index in 0..marks.len() {
        let comma = if index == 0 { "" } else { ", " };
        let first = index * 3 + 1;
        // Writing to a String cannot fail.
        let _ = write!(sql, "{comma}(${first}, ${}, ${})", first + 1, first + 2);
    }
    sql.push_str(
        ") INSERT INTO channel_members (channel_id, user_id, manager, active, last_read_at, joined_at) \
         SELECT marks.channel_id, marks.user_id, FALSE, TRUE, marks.moment, marks.moment FROM marks \
         JOIN channels ON channels.id = marks.channel_id JOIN users ON users.id = marks.user_id \
         WHERE channels.type IS NULL OR EXISTS (SELECT 1 FROM channel_members known \
         WHERE known.channel_id = marks.channel_id AND known.user_id = marks.user_id) \
         ON CONFLICT (channel_id, user_id) DO UPDATE SET last_read_at = excluded.last_read_at \
         WHERE channel_members.last_read_at IS NULL OR channel_members.last_read_at < excluded.last_read_at",
    );
    let values = marks
        .iter()
        .flat_map(|mark| [(&mark.channel_id).into(), (&mark.user_id).into(), Value::from(mark.at)]);
    let statement = Statement::new(sql).bind_all(values);
    if marks.len() <= REUSED_MARKS { statement } else { statement.once() }
}
