//! Which channels people may follow, for one of them or for many at once.

use std::collections::{HashMap, HashSet};

use super::{
    ChannelViewer, Channels,
    store::{MAX_CHANNELS, bind_viewer, open_condition},
};
use crate::{
    Result,
    sql::{Row, Statement},
};

/// People of one statement.
pub const PEOPLE_PER_LOOK: usize = 500;

/// Rows of one statement; when there may be more, fewer people are asked for.
const ROWS_PER_LOOK: usize = 20_000;

/// Ids of the channels that somebody may follow, at most 1,000.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Followed {
    /// Channels that are open to the person.
    pub open: Vec<String>,
    /// Channels of which the person is a member.
    pub joined: Vec<String>,
}

/// Why a channel is among those of somebody.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Reason {
    /// It is open, for whoever administers the server.
    Administrator,
    /// It is open and theirs, or granted to them, or to everybody (`*`).
    Person,
    /// It is open and granted to a group.
    Group,
    /// They are a member.
    Member,
}

impl Reason {
    fn parse(number: i64) -> Self {
        match number {
            0 => Self::Administrator,
            1 => Self::Person,
            2 => Self::Group,
            _ => Self::Member,
        }
    }
}

impl Channels {
    /// What one person may follow.
    pub async fn followed(&self, viewer: ChannelViewer<'_>) -> Result<Followed> {
        let open = open_condition(self.database.dialect(), viewer);
        let statement = Statement::new(format!(
            "SELECT channels.id, FALSE AS member FROM channels WHERE {open} \
             UNION ALL SELECT channels.id, TRUE AS member FROM channel_members \
             JOIN channels ON channels.id = channel_members.channel_id \
             WHERE channel_members.user_id = $2 AND channels.type IS NOT NULL LIMIT $5"
        ));
        let statement = bind_viewer(statement, viewer).bind(MAX_CHANNELS);
        let mut followed = Followed::default();
        for row in self.database.read(statement).await? {
            let list = if row.boolean("member")? { &mut followed.joined } else { &mut followed.open };
            list.push(row.text("id")?);
        }
        Ok(followed)
    }

    /// What each of these people may follow, by account, as [`Channels::followed`] says it; one statement for 500 of them.
    pub async fn followed_by(&self, viewers: &[ChannelViewer<'_>]) -> Result<HashMap<String, Followed>> {
        let mut found = HashMap::with_capacity(viewers.len());
        let mut waiting: Vec<&[ChannelViewer<'_>]> = viewers.chunks(PEOPLE_PER_LOOK).collect();
        while let Some(people) = waiting.pop() {
            let rows = self.database.read(self.look(people)).await?;
            match people {
                [viewer] if rows.len() >= ROWS_PER_LOOK => {
                    found.insert(viewer.user_id.to_owned(), self.followed(*viewer).await?);
                }
                // Some may be missing, and what is missing would be taken from somebody.
                people if rows.len() >= ROWS_PER_LOOK => {
                    let (first, second) = people.split_at(people.len() / 2);
                    waiting.extend([first, second]);
                }
                people => hand_out(people, &rows, &mut found)?,
            }
        }
        Ok(found)
    }

    fn look(&self, people: &[ChannelViewer<'_>]) -> Statement {
        let dialect = self.database.dialect();
        let (users, groups) = (dialect.unfold("$1"), dialect.unfold("$2"));
        let any_admin = people.iter().any(|viewer| viewer.is_admin);
        let grants = "FROM access_grants JOIN channels ON channels.id = access_grants.resource_id \
             WHERE access_grants.resource_type = 'channel' AND channels.type IS NULL \
             AND access_grants.permission IN ('read', 'write')";
        let groups_of_people: HashSet<&String> = people.iter().flat_map(|viewer| viewer.group_ids).collect();
        Statement::new(format!(
            "SELECT CAST(0 AS BIGINT) AS reason, '' AS who, channels.id AS id FROM channels WHERE $3 = TRUE AND channels.type IS NULL \
             UNION SELECT CAST(1 AS BIGINT), channels.user_id, channels.id FROM channels \
             WHERE channels.type IS NULL AND channels.user_id IN {users} \
             UNION SELECT CAST(1 AS BIGINT), access_grants.principal_id, channels.id {grants} AND access_grants.principal_type = 'user' \
             AND (access_grants.principal_id = '*' OR access_grants.principal_id IN {users}) \
             UNION SELECT CAST(2 AS BIGINT), access_grants.principal_id, channels.id {grants} AND access_grants.principal_type = 'group' \
             AND access_grants.principal_id IN {groups} \
             UNION SELECT CAST(3 AS BIGINT), channel_members.user_id, channels.id FROM channel_members \
             JOIN channels ON channels.id = channel_members.channel_id \
             WHERE channels.type IS NOT NULL AND channel_members.user_id IN {users} LIMIT $4"
        ))
        .bind_list(people.iter().map(|viewer| viewer.user_id))
        .bind_list(groups_of_people)
        .bind(any_admin)
        .bind(i64::try_from(ROWS_PER_LOOK).unwrap_or(i64::MAX))
    }
}

/// Gives each person the channels of the rows that are theirs.
fn hand_out(people: &[ChannelViewer<'_>], rows: &[Row], found: &mut HashMap<String, Followed>) -> Result<()> {
    let mut channels: HashMap<(Reason, String), Vec<String>> = HashMap::new();
    for row in rows {
        let reason = Reason::parse(row.int("reason")?);
        channels.entry((reason, row.text("who")?)).or_default().push(row.text("id")?);
    }
    let of =
        |reason: Reason, who: &str| channels.get(&(reason, who.to_owned())).map_or(&[][..], Vec::as_slice);
    let limit = usize::try_from(MAX_CHANNELS).unwrap_or(usize::MAX);
    for viewer in people {
        let mut open: HashSet<&String> = HashSet::new();
        if viewer.is_admin {
            open.extend(of(Reason::Administrator, ""));
        } else {
            open.extend(of(Reason::Person, viewer.user_id));
            open.extend(of(Reason::Person, "*"));
            open.extend(viewer.group_ids.iter().flat_map(|group| of(Reason::Group, group)));
        }
        let open: Vec<String> = open.into_iter().take(limit).cloned().collect();
        let joined = of(Reason::Member, viewer.user_id);
        let joined = joined.iter().take(limit - open.len()).cloned().collect();
        found.insert(viewer.user_id.to_owned(), Followed { open, joined });
    }
    Ok(())
}
