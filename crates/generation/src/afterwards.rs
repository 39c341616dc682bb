//! What a model is asked after a reply: a title, tags, follow-up questions.

use serde_json::Value;

/// Longest title, in characters.
const MAX_TITLE: usize = 80;

/// Words of the question that make a title when no model does.
const TITLE_WORDS: usize = 8;

/// Most tags and follow-up questions that are kept.
const MAX_LIST: usize = 5;

/// Longest part of each turn that the helper model is shown, in characters.
const MAX_EXCERPT: usize = 2_000;

/// Something to ask the model about a finished exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// A few words for the list of chats.
    Title,
    /// One to three general topics.
    Tags,
    /// Questions the person may want to ask next.
    FollowUps,
}

impl Question {
    fn instruction(self) -> &'static str {
        match self {
            Self::Title => {
                "Name the conversation below in three to six words, in its own language, without quotes. \
                 Answer with JSON only: {\"title\": \"…\"}"
            }
            Self::Tags => {
                "Give one to three broad topics of the conversation below, each one or two words, in its own language. \
                 Answer with JSON only: {\"tags\": [\"…\"]}"
            }
            Self::FollowUps => {
                "Suggest up to three short questions that the user of the conversation below may want to ask next, in \
                 the user's voice and language. Answer with JSON only: {\"follow_ups\": [\"…\"]}"
            }
        }
    }

    /// The prompt for the helper model. `template` is the administrator's own, with `{{MESSAGES}}` for the conversation.
    pub(crate) fn prompt(self, template: &str, question: &str, answer: &str) -> String {
        let conversation = format!("USER: {}\nASSISTANT: {}", excerpt(question), excerpt(answer));
        if template.trim().is_empty() {
            return format!("{}\n\n{conversation}", self.instruction());
        }
        if template.contains("{{MESSAGES}}") {
            template.replace("{{MESSAGES}}", &conversation)
        } else {
            format!("{template}\n\n{conversation}")
        }
    }
}

/// The title in a model's answer, if it gave a usable one.
pub(crate) fn title(answer: &str) -> Option<String> {
    let value = json_in(answer)?;
    let title = value["title"].as_str()?.trim().trim_matches('"').trim();
    (!title.is_empty()).then(|| shorten(title, MAX_TITLE))
}

/// The list under `name` in a model's answer; empty when it gave none.
pub(crate) fn list(answer: &str, name: &str) -> Vec<String> {
    let Some(value) = json_in(answer) else { return Vec::new() };
    let items = value[name].as_array().into_iter().flatten();
    let texts = items.filter_map(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    texts.take(MAX_LIST).map(|text| shorten(text, 200)).collect()
}

/// A title made from the question itself.
pub(crate) fn title_from_question(question: &str) -> Option<String> {
    let words: Vec<&str> = question.split_whitespace().take(TITLE_WORDS + 1).collect();
    if words.is_empty() {
        return None;
    }
    let cut = words.len() > TITLE_WORDS;
    let mut title = shorten(&words[..words.len().min(TITLE_WORDS)].join(" "), MAX_TITLE);
    if cut && !title.ends_with('…') {
        title.push('…');
    }
    Some(title)
}

/// The JSON object in a text that may have words or a code fence around it.
fn json_in(answer: &str) -> Option<Value> {
    let begin = answer.find('{')?;
    let end = answer.rfind('}')?;
    serde_json::from_str(answer.get(begin..=end)?).ok()
}

fn excerpt(text: &str) -> String {
    shorten(text, MAX_EXCERPT)
}

fn shorten(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_found_in_a_fenced_answer() {
        assert_eq!(
            title("Sure!\n```json\n{\"title\": \" \\\"Rivers\\\" \"}\n```").as_deref(),
            Some("Rivers")
        );
        assert_eq!(title("Rivers"), None);
        assert_eq!(title("} {"), None);
        assert_eq!(title("{\"title\": \"\"}"), None);
    }

    #[test]
    fn lists_keep_only_texts_and_are_bounded() {
        let answer = "{\"tags\": [\"a\", 1, \" \", \"b\", \"c\", \"d\", \"e\", \"f\"]}";
        assert_eq!(list(answer, "tags"), ["a", "b", "c", "d", "e"]);
        assert!(list("nothing", "tags").is_empty());
    }

    #[test]
    fn a_question_makes_a_title_without_a_model() {
        assert_eq!(title_from_question(" why  is the sky blue? ").as_deref(), Some("why is the sky blue?"));
        assert_eq!(title_from_question("a b c d e f g h i j").as_deref(), Some("a b c d e f g h…"));
        assert_eq!(title_from_question("  "), None);
        assert!(title_from_question(&"é".repeat(500)).unwrap().chars().count() <= MAX_TITLE + 1);
    }

    #[test]
    fn an_own_template_takes_the_conversation_where_it_says() {
        assert_eq!(Question::Title.prompt("<{{MESSAGES}}>", "q", "a"), "<USER: q\nASSISTANT: a>");
        assert!(Question::Tags.prompt("", "q", "a").ends_with("USER: q\nASSISTANT: a"));
    }
}
