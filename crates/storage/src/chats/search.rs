//! Search in titles and messages.

use std::fmt::Write as _;

use super::{CHATS_PER_PAGE, ChatItem, Chats, ITEM_COLUMNS, tags::tag_id};
use crate::{
    Result, StorageError,
    page::offset,
    sql::{LIKE_SPELLINGS, Statement, Value, like_patterns},
};

/// Longest search text, in bytes.
const MAX_SEARCH_BYTES: usize = 1000;

/// Most words of a search, each of which is looked for by itself.
const MAX_FILTERS: usize = 8;

/// Characters of a snippet before and after what was found.
const SNIPPET_CONTEXT: usize = 40;

/// A search taken apart into its text and its filters.
#[derive(Debug, Default, PartialEq, Eq)]
struct Search {
    text: String,
    /// Ids of tags that a chat must all have; `none` stands for chats without any.
    tags: Vec<String>,
    untagged: bool,
    pinned: Option<bool>,
    archived: Option<bool>,
}

impl Search {
    /// Words `tag:NAME`, `pinned:true|false` and `archived:true|false` filter; the rest is text to look for.
    fn parse(query: &str) -> Self {
        let mut search = Self::default();
        let mut words = Vec::new();
        for word in query.split_whitespace() {
            match word.split_once(':') {
                Some(("tag", "none")) => search.untagged = true,
                Some(("tag", name)) if !name.is_empty() => search.tags.push(tag_id(name)),
                Some(("pinned", flag)) if flag.parse::<bool>().is_ok() => search.pinned = flag.parse().ok(),
                Some(("archived", flag)) if flag.parse::<bool>().is_ok() => {
                    search.archived = flag.parse().ok();
                }
                _ => words.push(word),
            }
        }
        search.text = words.join(" ");
        search.tags.truncate(MAX_FILTERS);
        search
    }
}

impl Chats {
    /// One page of the chats of a user that contain this text in their title or in a message, newest first.
    ///
    /// `tag:NAME` (several: all of them), `tag:none`, `pinned:true` and `archived:true` filter; archived chats are
    /// left out unless asked for. A chat found by a message has a snippet.
    ///
    /// Errors: [`StorageError::TooLarge`] for more than 1,000 bytes of text.
    pub async fn search(&self, user_id: &str, query: &str, page: u32) -> Result<Vec<ChatItem>> {
        if query.len() > MAX_SEARCH_BYTES {
            return Err(StorageError::TooLarge {
                what: "bytes of a search",
                size: query.len(),
                limit: MAX_SEARCH_BYTES,
            });
        }
        let search = Search::parse(query);
        let dialect = self.database.dialect();
        let mut conditions = String::new();
        let mut values: Vec<Value> =
            vec![user_id.into(), CHATS_PER_PAGE.into(), offset(page, CHATS_PER_PAGE).into()];
        match search.archived {
            Some(true) => conditions.push_str(" AND chats.archived = TRUE"),
            Some(false) | None => conditions.push_str(" AND chats.archived = FALSE"),
        }
        match search.pinned {
            Some(true) => conditions.push_str(" AND chats.pinned = TRUE"),
            Some(false) => conditions.push_str(" AND chats.pinned = FALSE"),
            None => {}
        }
        if search.untagged {
            conditions
                .push_str(" AND NOT EXISTS (SELECT 1 FROM chat_tags WHERE chat_tags.chat_id = chats.id)");
        }
        for tag in &search.tags {
            values.push(tag.into());
            // Writing to a String cannot fail.
            let _ = write!(
                conditions,
                " AND EXISTS (SELECT 1 FROM chat_tags WHERE chat_tags.chat_id = chats.id AND chat_tags.tag_id = ${})",
                values.len()
            );
        }
        let mut snippet = "CAST(NULL AS TEXT)".to_owned();
        if !search.text.is_empty() {
            let first = values.len() + 1;
            values.extend(like_patterns(&search.text).iter().map(Value::from));
            let tests = |column: &str| {
                (first..first + LIKE_SPELLINGS)
                    .map(|number| dialect.like(column, &format!("${number}")))
                    .collect::<Vec<_>>()
                    .join(" OR ")
            };
            let in_messages = format!("messages.chat_id = chats.id AND ({})", tests("messages.content"));
            // Writing to a String cannot fail.
            let _ = write!(
                conditions,
                " AND ({} OR EXISTS (SELECT 1 FROM messages WHERE {in_messages}))",
                tests("chats.title")
            );
            snippet = format!("(SELECT content FROM messages WHERE {in_messages} ORDER BY sequence LIMIT 1)");
        }
        // The snippet is looked for in the chats of the page only.
        let statement = Statement::new(format!(
            "SELECT {ITEM_COLUMNS}, {snippet} AS snippet FROM chats WHERE chats.user_id = $1{conditions} \
             ORDER BY chats.updated_at DESC, chats.id LIMIT $2 OFFSET $3"
        ))
        .bind_all(values)
        .once();
        let rows = self.database.read(statement).await?;
        rows.iter()
            .map(|row| {
                let mut item = ChatItem::from_row(row)?;
                item.snippet = row.opt_text("snippet")?.map(|content| snippet_of(&content, &search.text));
                Ok(item)
            })
            .collect()
    }

    /// Ids of the first message of each of these chats that contains the text, as pairs of chat and message.
    ///
    /// For links from a search into a chat. At most one page of chats.
    pub async fn find_in_messages(
        &self,
        user_id: &str,
        chat_ids: &[String],
        text: &str,
    ) -> Result<Vec<(String, String)>> {
        let text = text.trim();
        if text.is_empty() || chat_ids.is_empty() {
            return Ok(Vec::new());
        }
        let dialect = self.database.dialect();
        let page = &chat_ids[..chat_ids.len().min(usize::try_from(CHATS_PER_PAGE).unwrap_or(usize::MAX))];
        let tests: Vec<String> = (3..3 + LIKE_SPELLINGS)
            .map(|number| dialect.like("messages.content", &format!("${number}")))
            .collect();
        let statement = Statement::new(format!(
            "SELECT messages.chat_id, messages.id FROM messages JOIN chats ON chats.id = messages.chat_id \
             WHERE chats.user_id = $1 AND messages.chat_id IN {} AND ({}) \
             ORDER BY messages.chat_id, messages.sequence",
            dialect.unfold("$2"),
            tests.join(" OR ")
        ))
        .bind(user_id)
        .bind_list(page)
        .bind_all(like_patterns(text).iter().map(Value::from));
        let mut found: Vec<(String, String)> = Vec::new();
        for row in self.database.read(statement).await? {
            let chat_id = row.text("chat_id")?;
            if found.last().is_none_or(|(last, _)| *last != chat_id) {
                found.push((chat_id, row.text("id")?));
            }
        }
        Ok(found)
    }
}

/// The surroundings of the first place where the text is found, on one line.
fn snippet_of(content: &str, text: &str) -> String {
    let characters: Vec<char> = content.chars().collect();
    let wanted: Vec<String> = text.chars().map(|character| character.to_lowercase().to_string()).collect();
    let place = characters
        .windows(wanted.len().max(1))
        .position(|window| {
            window
                .iter()
                .zip(&wanted)
                .all(|(character, wanted)| character.to_lowercase().to_string() == *wanted)
        })
        .unwrap_or(0);
    let start = place.saturating_sub(SNIPPET_CONTEXT);
    let end = (place + wanted.len() + SNIPPET_CONTEXT).min(characters.len());
    let middle: String = characters[start..end].iter().collect();
    let middle = middle.split_whitespace().collect::<Vec<_>>().join(" ");
    let (before, after) = (if start > 0 { "…" } else { "" }, if end < characters.len() { "…" } else { "" });
    format!("{before}{middle}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_taken_out_of_the_text() {
        assert_eq!(
            Search::parse("red tag:My_Tag  fish pinned:true archived:false tag:none a:b"),
            Search {
                text: "red fish a:b".into(),
                tags: vec!["my_tag".into()],
                untagged: true,
                pinned: Some(true),
                archived: Some(false),
            }
        );
    }

    #[test]
    fn snippets_show_the_surroundings() {
        assert_eq!(snippet_of("short Text", "text"), "short Text");
        let long = format!("{}NEEDLE\n{}", "a ".repeat(100), "b ".repeat(100));
        let snippet = snippet_of(&long, "needle");
        assert!(
            snippet.starts_with('…') && snippet.ends_with('…') && snippet.contains("NEEDLE b"),
            "{snippet}"
        );
        assert_eq!(snippet_of("", "x"), "");
        assert_eq!(snippet_of("ab", "abcdef"), "ab");
    }
}
