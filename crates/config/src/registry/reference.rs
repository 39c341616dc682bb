//! The page `docs/reference/environment.md`, made from the registry.

use std::fmt::Write;

use super::variable::{Entry, Fallback, Status};

/// What stands on top of the page.
const HEAD: &str = "\
<!-- Made by `antiphon config reference`. Change the tables in crates/config, not this file. -->

# Environment variables

A `.env` file in the current directory is read first; variables of the process win over it. A switch is on only for
the word `true`, in any case. `antiphon config print` shows every value that is in effect and where it came from.

A variable with a *stored setting* gives the value of the first start. Afterwards the setting lives in the database
and is changed on the administrator's pages, unless `ENABLE_PERSISTENT_CONFIG` is `false`.
Settings whose name begins with `oauth.` do so only with `ENABLE_OAUTH_PERSISTENT_CONFIG=true`; otherwise each start
takes them from the environment.
";

/// The reference page, in Markdown.
pub fn reference_markdown() -> String {
    let mut page = HEAD.to_owned();
    let mut section = "";
    for entry in crate::load::entries().iter().filter(|entry| !entry.name.is_empty()) {
        if entry.section != section {
            section = entry.section;
            let _ = write!(
                page,
                "\n## {section}\n\n| Variable | Meaning | Allowed | Default |\n| --- | --- | --- | --- |\n"
            );
        }
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} |",
            entry.name,
            cell(&meaning(entry)),
            cell(&entry.allowed),
            cell(&default(entry))
        );
    }
    page
}

fn meaning(entry: &Entry) -> String {
    let mut text = entry.description.trim().to_owned();
    match entry.status {
        Status::Used => {}
        Status::Reserved => text.push_str(" *No effect yet: reserved for a later release.*"),
        Status::NoEffect(reason) => {
            let _ = write!(text, " *No effect here: {reason}*");
        }
    }
    if entry.secret {
        text.push_str(" Secret.");
    }
    if !entry.key.is_empty() {
        let _ = write!(text, " Stored setting `{}`.", entry.key);
    }
    text
}

fn default(entry: &Entry) -> String {
    match entry.fallback {
        Fallback::Unset | Fallback::Text("") => "empty".to_owned(),
        Fallback::Text(text) => format!("`{text}`"),
        Fallback::Of(name) => format!("value of `{name}`"),
        Fallback::Computed(words) => words.to_owned(),
    }
}

/// Text that cannot break out of its cell of the table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
