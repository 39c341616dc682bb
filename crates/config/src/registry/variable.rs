//! The declaration of one variable.

use crate::rules::Rule;

/// Where a value comes from when the environment has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fallback {
    /// Nowhere: the rule says what an absent value means.
    Unset,
    /// This text, read by the same rule as a value from the environment.
    Text(&'static str),
    /// The text of another variable.
    Of(&'static str),
    /// The section works it out; the words are for the reference.
    Computed(&'static str),
}

/// What setting the variable does in this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// It does what its description says.
    Used,
    /// It is known but has no effect before a later release.
    Reserved,
    /// It never has an effect here, for the reason given.
    NoEffect(&'static str),
}

/// One variable with its rule. Built in the section tables, as a row of calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Variable<R> {
    pub(crate) name: &'static str,
    pub(crate) rule: R,
    pub(crate) fallback: Fallback,
    pub(crate) secret: bool,
    pub(crate) key: &'static str,
    pub(crate) status: Status,
}

/// Declares a variable. Without a further call it has no default.
pub(crate) const fn variable<R: Rule>(name: &'static str, rule: R) -> Variable<R> {
    Variable { name, rule, fallback: Fallback::Unset, secret: false, key: "", status: Status::Used }
}

/// Declares a persistent setting that no variable seeds.
pub(crate) const fn setting<R: Rule>(key: &'static str, rule: R) -> Variable<R> {
    Variable { name: "", rule, fallback: Fallback::Unset, secret: false, key, status: Status::Used }
}

/// Ties a variable to the type of its field, from which the compiler fills in the types of the rule.
pub(crate) const fn typed<T, R: Rule<Value = T>>(variable: Variable<R>) -> Variable<R> {
    variable
}

impl<R: Rule> Variable<R> {
    /// The default, written as it would be in the environment.
    pub(crate) fn or(mut self, text: &'static str) -> Self {
        self.fallback = Fallback::Text(text);
        self
    }

    /// The default is the text of another variable.
    pub(crate) fn or_value_of(mut self, name: &'static str) -> Self {
        self.fallback = Fallback::Of(name);
        self
    }

    /// The default is worked out by the section, as these words say.
    pub(crate) fn or_computed(mut self, words: &'static str) -> Self {
        self.fallback = Fallback::Computed(words);
        self
    }

    /// The value must not be shown.
    pub(crate) fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// The variable only seeds the persistent setting of this key.
    pub(crate) fn key(mut self, key: &'static str) -> Self {
        self.key = key;
        self
    }

    /// No effect before a later release.
    pub(crate) fn reserved(mut self) -> Self {
        self.status = Status::Reserved;
        self
    }

    /// Never an effect here.
    pub(crate) fn no_effect(mut self, reason: &'static str) -> Self {
        self.status = Status::NoEffect(reason);
        self
    }

    /// The row of the registry, without the type of its value.
    pub(crate) fn entry(&self, section: &'static str, description: &'static str) -> Entry {
        Entry {
            name: self.name,
            section,
            description,
            allowed: self.rule.allowed(),
            fallback: self.fallback,
            secret: self.secret,
            key: self.key,
            status: self.status,
        }
    }
}

/// A row of the registry.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Name in the environment; empty for a setting that no variable seeds.
    pub(crate) name: &'static str,
    pub(crate) section: &'static str,
    /// As in the doc comment: lines joined, each starting with a blank.
    pub(crate) description: &'static str,
    pub(crate) allowed: String,
    pub(crate) fallback: Fallback,
    pub(crate) secret: bool,
    /// Key of the persistent setting; empty when there is none.
    pub(crate) key: &'static str,
    pub(crate) status: Status,
}
