//! Reads declared variables from an environment and remembers what happened.

use std::collections::BTreeMap;

use super::report::Origin;
use super::variable::{Entry, Fallback, Status, Variable};
use crate::environment::Environment;
use crate::error::ConfigError;
use crate::notice::Notice;
use crate::rules::{Parsed, Rule};
use crate::secret::{MASK, mask_url};

/// How far defaults that point at other variables are followed.
const FALLBACK_DEPTH: usize = 4;

/// What one variable came to: the value as it may be shown, and where it came from.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) shown: String,
    pub(crate) origin: Origin,
}

/// A default, and the variable that it belongs to.
struct DefaultText {
    text: String,
    origin: Origin,
    source: &'static str,
}

/// Reads variables one by one; errors and notices pile up in it.
pub(crate) struct Reader<'a> {
    environment: &'a Environment,
    registry: BTreeMap<&'static str, Entry>,
    pub(crate) notices: Vec<Notice>,
    pub(crate) errors: Vec<ConfigError>,
    pub(crate) outcomes: BTreeMap<&'static str, Outcome>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(environment: &'a Environment, entries: &[Entry]) -> Self {
        let registry = entries
            .iter()
            .filter(|entry| !entry.name.is_empty())
            .map(|entry| (entry.name, entry.clone()))
            .collect();
        Self {
            environment,
            registry,
            notices: environment.notices().to_vec(),
            errors: Vec::new(),
            outcomes: BTreeMap::new(),
        }
    }

    /// Whether the environment gives this variable a value, even an empty one.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.environment.get(name).is_some()
    }

    /// Reads one variable. `None` means that an error was recorded.
    pub(crate) fn read<R: Rule>(&mut self, variable: &Variable<R>) -> Option<R::Value> {
        if variable.status != Status::Used {
            self.note_idle(variable.name, variable.status);
        }
        if let Some((text, origin)) =
            self.environment.get(variable.name).map(|found| (found.text.clone(), found.origin))
        {
            // An empty text means the same as none where there is no default.
            if text.is_empty()
                && variable.fallback == Fallback::Unset
                && let Some(value) = variable.rule.absent()
            {
                return Some(self.keep(variable, value, origin));
            }
            match variable.rule.parse(&text) {
                Parsed::Value(value) => return Some(self.keep(variable, value, origin)),
                Parsed::Noticed(value, text) => {
                    self.notices.push(Notice::warning(variable.name, text));
                    return Some(self.keep(variable, value, origin));
                }
                Parsed::Ignored(problem) => {
                    let value = self.default(variable)?;
                    let instead =
                        self.outcomes.get(variable.name).map_or("", |outcome| outcome.shown.as_str());
                    let text = format!(
                        "the value {} {problem}, so {} is used. Allowed: {}.",
                        quote(&conceal(variable, &text)),
                        if instead.is_empty() { "no value".to_owned() } else { instead.to_owned() },
                        variable.rule.allowed()
                    );
                    self.notices.push(Notice::warning(variable.name, text));
                    return Some(value);
                }
                Parsed::Wrong(problem) => {
                    let seen = conceal(variable, &text);
                    self.fail(variable.name, seen, format!("The value {problem}."), variable.rule.allowed());
                    return None;
                }
            }
        }
        self.default(variable)
    }

    /// Records an error about a variable.
    pub(crate) fn fail(&mut self, name: &str, seen: String, problem: String, allowed: String) {
        let fix = match self.registry.get(name).map(|entry| entry.fallback) {
            Some(Fallback::Text("") | Fallback::Unset) | None => {
                format!("Correct {name}, or remove it.")
            }
            Some(Fallback::Text(text)) => format!("Correct {name}, or remove it to get the default {text}."),
            Some(Fallback::Of(other)) => format!("Correct {name}, or remove it to use the value of {other}."),
            Some(Fallback::Computed(words)) => {
                format!("Correct {name}, or remove it to get the default: {words}.")
            }
        };
        let error = ConfigError { variable: name.to_owned(), seen, problem, allowed, fix };
        // A variable that is the default of another is read twice.
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }

    /// Records a warning.
    pub(crate) fn warn(&mut self, subject: impl Into<String>, text: impl Into<String>) {
        self.notices.push(Notice::warning(subject, text));
    }

    /// Replaces what the report shows for a variable whose default the section worked out.
    pub(crate) fn show(&mut self, name: &'static str, shown: String, origin: Origin) {
        self.outcomes.insert(name, Outcome { shown, origin });
    }

    /// Takes note of the variables that give no field.
    pub(crate) fn note_others(&mut self) {
        let others: Vec<Entry> =
            self.registry.values().filter(|entry| !self.outcomes.contains_key(entry.name)).cloned().collect();
        for entry in others {
            self.note_idle(entry.name, entry.status);
            let (text, origin) = match self.environment.get(entry.name) {
                Some(found) => (found.text.clone(), found.origin),
                None => match self.fallback_text(entry.name, entry.fallback, 0) {
                    Some(default) => (default.text, default.origin),
                    None => (String::new(), Origin::Default),
                },
            };
            let shown = if entry.secret && !text.is_empty() { MASK.to_owned() } else { mask_url(&text) };
            self.outcomes.insert(entry.name, Outcome { shown, origin });
        }
    }

    fn note_idle(&mut self, name: &'static str, status: Status) {
        if !self.is_set(name) {
            return;
        }
        match status {
            Status::Used => {}
            Status::Reserved => self.notices.push(Notice::warning(
                name,
                "this variable is set but has no effect yet. It is reserved for a later release.",
            )),
            Status::NoEffect(reason) => self.notices.push(Notice::information(
                name,
                format!("this variable is set but has no effect here. {reason} You can remove it."),
            )),
        }
    }

    fn default<R: Rule>(&mut self, variable: &Variable<R>) -> Option<R::Value> {
        let Some(default) = self.fallback_text(variable.name, variable.fallback, 0) else {
            let Some(value) = variable.rule.absent() else {
                let problem = "A value is needed but none is set.".to_owned();
                self.fail(variable.name, String::new(), problem, variable.rule.allowed());
                return None;
            };
            return Some(self.keep(variable, value, Origin::Default));
        };
        match variable.rule.parse(&default.text) {
            Parsed::Value(value) | Parsed::Noticed(value, _) => {
                Some(self.keep(variable, value, default.origin))
            }
            Parsed::Ignored(problem) | Parsed::Wrong(problem) => {
                let seen = conceal(variable, &default.text);
                self.fail(default.source, seen, format!("The value {problem}."), variable.rule.allowed());
                None
            }
        }
    }

    /// The text of a default. One taken from a variable that is set counts as derived.
    fn fallback_text(&self, source: &'static str, fallback: Fallback, depth: usize) -> Option<DefaultText> {
        match fallback {
            Fallback::Text(text) => {
                Some(DefaultText { text: text.to_owned(), origin: Origin::Default, source })
            }
            Fallback::Of(name) if depth < FALLBACK_DEPTH => match self.environment.get(name) {
                Some(found) => {
                    Some(DefaultText { text: found.text.clone(), origin: Origin::Derived, source: name })
                }
                None => self.fallback_text(name, self.registry.get(name)?.fallback, depth + 1),
            },
            Fallback::Of(_) | Fallback::Unset | Fallback::Computed(_) => None,
        }
    }

    fn keep<R: Rule>(&mut self, variable: &Variable<R>, value: R::Value, origin: Origin) -> R::Value {
        if !variable.name.is_empty() {
            let shown = variable.rule.show(&value);
            let shown = if variable.secret && !shown.is_empty() { MASK.to_owned() } else { shown };
            self.outcomes.insert(variable.name, Outcome { shown, origin });
        }
        value
    }
}

fn conceal<R: Rule>(variable: &Variable<R>, text: &str) -> String {
    if variable.secret && !text.is_empty() { MASK.to_owned() } else { variable.rule.conceal(text) }
}

fn quote(text: &str) -> String {
    format!("\"{text}\"")
}
