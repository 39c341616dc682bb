//! What SQLite and PostgreSQL say differently.

/// Which database is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// A subquery with the texts of the JSON array in `placeholder`, for use after `IN`.
    pub(crate) fn unfold(self, placeholder: &str) -> String {
        match self {
            Self::Sqlite => format!("(SELECT value FROM json_each({placeholder}))"),
            Self::Postgres => format!("(SELECT json_array_elements_text({placeholder}::json))"),
        }
    }

    /// An aggregate that makes a JSON array, as text, of `expression` in the order of `order`.
    pub(crate) fn json_array(self, expression: &str, order: &str) -> String {
        match self {
            Self::Sqlite => format!("json_group_array({expression} ORDER BY {order})"),
            Self::Postgres => format!("json_agg({expression} ORDER BY {order})::text"),
        }
    }

    /// A test whether `expression` matches the pattern in `placeholder` without regard to case.
    ///
    /// Wildcards in the pattern are escaped with a backslash, see [`like_pattern`]. SQLite folds ASCII only;
    /// [`like_patterns`] makes up for it.
    pub(crate) fn like(self, expression: &str, placeholder: &str) -> String {
        match self {
            Self::Sqlite => format!(r"{expression} LIKE {placeholder} ESCAPE '\'"),
            Self::Postgres => format!(r"{expression} ILIKE {placeholder} ESCAPE '\'"),
        }
    }
}

/// How many spellings of a search text [`like_patterns`] gives.
pub(crate) const LIKE_SPELLINGS: usize = 4;

/// A pattern that finds `text` anywhere, with the wildcards in it taken literally.
fn like_pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

/// Patterns that together find `text` in any usual spelling: as given, lower, upper and title case.
///
/// SQLite compares letters beyond ASCII with regard to case; the four spellings cover what people type.
pub(crate) fn like_patterns(text: &str) -> [String; LIKE_SPELLINGS] {
    let lower = text.to_lowercase();
    let title: String =
        lower.chars().next().into_iter().flat_map(char::to_uppercase).chain(lower.chars().skip(1)).collect();
    [like_pattern(text), like_pattern(&lower), like_pattern(&text.to_uppercase()), like_pattern(&title)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_are_taken_literally() {
        assert_eq!(like_pattern(r"50%_of\it"), r"%50\%\_of\\it%");
    }

    #[test]
    fn spellings_of_letters_beyond_ascii() {
        let patterns = like_patterns("übung");
        assert!(patterns.contains(&"%übung%".to_owned()));
        assert!(patterns.contains(&"%ÜBUNG%".to_owned()));
        assert!(patterns.contains(&"%Übung%".to_owned()));
    }
}
