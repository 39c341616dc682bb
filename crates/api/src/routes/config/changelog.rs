//! What changed: `CHANGELOG.md` of this program, as JSON.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// The page as it is in the tree.
const TEXT: &str = include_str!("../../../../../CHANGELOG.md");

/// Versions that are told, newest first.
const VERSIONS: usize = 5;

static CHANGELOG: LazyLock<Changelog> = LazyLock::new(|| Changelog::parse(TEXT));

/// `GET /api/changelog`: by version `{date, added|changed|fixed|removed|…: [{title, content, raw}]}`.
pub(super) async fn read() -> axum::Json<&'static Changelog> {
    axum::Json(&CHANGELOG)
}

/// Versions in the order of the page, each with its date and its entries by kind.
pub(super) struct Changelog(Vec<(String, Map<String, Value>)>);

impl Serialize for Changelog {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(version, kinds)| (version, kinds)))
    }
}

impl Changelog {
    /// Reads the format of keepachangelog.com: `## [version] - date`, `### Kind`, `- entry`.
    fn parse(text: &str) -> Self {
        let mut versions: Vec<(String, Map<String, Value>)> = Vec::new();
        let mut kind = String::new();
        for line in text.lines() {
            if let Some(heading) = line.strip_prefix("## ") {
                if versions.len() == VERSIONS {
                    break;
                }
                let (name, date) = heading.split_once(" - ").unwrap_or((heading, ""));
                let name = name.trim().trim_matches(['[', ']']);
                versions.push((name.to_owned(), Map::from_iter([("date".to_owned(), json!(date.trim()))])));
                kind.clear();
            } else if let Some(heading) = line.strip_prefix("### ") {
                kind = heading.trim().to_lowercase();
            } else if let (Some(text), Some((_, kinds))) = (line.strip_prefix("- "), versions.last_mut())
                && !kind.is_empty()
                && let Value::Array(entries) = kinds.entry(kind.as_str()).or_insert_with(|| json!([]))
            {
                entries.push(entry(text.trim()));
            }
        }
        Self(versions)
    }
}

/// An entry `**Title**: content`; one without a title is its own.
fn entry(text: &str) -> Value {
    let titled = text.strip_prefix("**").and_then(|rest| rest.split_once("**"));
    let (title, content) =
        titled.map_or((text, ""), |(title, rest)| (title, rest.trim_start_matches([':', ' '])));
    json!({ "title": title, "content": content, "raw": format!("<li>{}</li>", escaped(text)) })
}

/// Text that a page may put into HTML as it is.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_stand_under_their_version_and_kind() {
        let parsed = Changelog::parse(
            "# Changelog\n- not an entry\n## [1.1.0] - 2026-02-01\n### Added\n- **Title**: content\n- plain <b>\n\
             ### Fixed\n- a bug\n## 1.0.0 - 2026-01-01\n",
        );
        assert_eq!(
            json!(parsed),
            json!({
                "1.1.0": {
                    "date": "2026-02-01",
                    "added": [
                        {"title": "Title", "content": "content", "raw": "<li>**Title**: content</li>"},
                        {"title": "plain <b>", "content": "", "raw": "<li>plain &lt;b&gt;</li>"},
                    ],
                    "fixed": [{"title": "a bug", "content": "", "raw": "<li>a bug</li>"}],
                },
                "1.0.0": {"date": "2026-01-01"},
            })
        );
    }

    #[test]
    fn only_the_newest_versions_are_told() {
        let texts: Vec<_> = (0..9).rev().map(|number| format!("## {number}\n### Added\n- entry\n")).collect();
        let parsed = Changelog::parse(&texts.concat());
        let versions: Vec<_> = parsed.0.iter().map(|(version, _)| version.as_str()).collect();
        assert_eq!(versions, ["8", "7", "6", "5", "4"]);
    }

    #[test]
    fn the_page_of_the_tree_has_entries() {
        let (_, newest) = &CHANGELOG.0[0];
        assert!(!newest["added"].as_array().unwrap().is_empty());
    }
}
