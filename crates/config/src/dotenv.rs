//! Reads `.env` files the way python-dotenv does, so that existing files mean the same here.
//!
//! A line is `NAME=value` or `export NAME=value`. A value may be bare (up to ` #`), in single quotes (as it is) or
//! in double quotes (`\n`, `\t`, `\"` … are escapes); quoted values may span lines. `${NAME}` and
//! `${NAME:-default}` are replaced in bare and double-quoted values.

/// What a file holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Parsed {
    /// Names and values in order; a later line of the same name wins.
    pub(crate) values: Vec<(String, String)>,
    /// Numbers of the lines that could not be read.
    pub(crate) unreadable: Vec<usize>,
}

/// Reads a file. `outer` gives the variables of the process, which win over the file also inside `${…}`.
pub(crate) fn parse(text: &str, outer: impl Fn(&str) -> Option<String>) -> Parsed {
    let mut parsed = Parsed::default();
    let mut rest = text.trim_start_matches('\u{feff}');
    let mut line = 1;
    while !rest.is_empty() {
        let (statement, remainder) = take_statement(rest);
        match statement {
            Statement::Nothing => {}
            Statement::Unreadable => parsed.unreadable.push(line),
            Statement::Value { name, text, expand } => {
                let value = if expand {
                    expanded(&text, |name| {
                        outer(name).or_else(|| {
                            parsed
                                .values
                                .iter()
                                .rev()
                                .find(|(known, _)| known == name)
                                .map(|(_, text)| text.clone())
                        })
                    })
                } else {
                    text
                };
                parsed.values.retain(|(known, _)| known != name);
                parsed.values.push((name.to_owned(), value));
            }
        }
        line += rest[..rest.len() - remainder.len()].matches('\n').count();
        rest = remainder;
    }
    parsed
}

enum Statement<'a> {
    Nothing,
    Unreadable,
    Value { name: &'a str, text: String, expand: bool },
}

/// Takes one statement (usually one line) off the front.
fn take_statement(text: &str) -> (Statement<'_>, &str) {
    let (line, after_line) = text.split_once('\n').unwrap_or((text, ""));
    let trimmed = line.trim();
    if trimmed.is_empty() || trimmed.starts_with('#') {
        return (Statement::Nothing, after_line);
    }
    let Some((name, _)) = line.split_once('=') else { return (Statement::Unreadable, after_line) };
    let value_start = name.len() + 1;
    let name = name.trim();
    let name = name.strip_prefix("export ").unwrap_or(name).trim();
    if name.is_empty() || name.contains(|letter: char| letter.is_whitespace() || letter == '#') {
        return (Statement::Unreadable, after_line);
    }
    let value = text[value_start..].trim_start_matches([' ', '\t']);
    for quote in ['"', '\''] {
        if let Some(inside) = value.strip_prefix(quote) {
            return match take_quoted(inside, quote) {
                Some((text, remainder)) => {
                    let after = remainder.split_once('\n').map_or("", |(_, after)| after);
                    (Statement::Value { name, text, expand: quote == '"' }, after)
                }
                None => (Statement::Unreadable, after_line),
            };
        }
    }
    let bare = line[value_start..].trim();
    // A comment starts at a blank followed by `#`; a `#` inside a word belongs to the value.
    let end = if bare.starts_with('#') {
        0
    } else {
        bare.find(" #").or_else(|| bare.find("\t#")).unwrap_or(bare.len())
    };
    (Statement::Value { name, text: bare[..end].trim_end().to_owned(), expand: true }, after_line)
}

/// The text up to the closing quote, with escapes resolved, and what follows it.
fn take_quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        if letter == quote {
            return Some((value, &text[at + quote.len_utf8()..]));
        }
        if letter != '\\' {
            value.push(letter);
            continue;
        }
        let (_, escaped) = letters.next()?;
        match (quote, escaped) {
            (_, '\\') => value.push('\\'),
            (_, escaped) if escaped == quote => value.push(quote),
            ('"', 'n') => value.push('\n'),
            ('"', 'r') => value.push('\r'),
            ('"', 't') => value.push('\t'),
            (_, other) => value.extend(['\\', other]),
        }
    }
    None
}

/// Replaces `${NAME}` and `${NAME:-default}`. Replaced text is not looked at again, so this always ends.
fn expanded(text: &str, lookup: impl Fn(&str) -> Option<String>) -> String {
    let mut value = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let Some(end) = rest[start..].find('}') else { break };
        let inside = &rest[start + 2..start + end];
        let (name, default) = inside.split_once(":-").unwrap_or((inside, ""));
        value.push_str(&rest[..start]);
        value.push_str(&lookup(name).unwrap_or_else(|| default.to_owned()));
        rest = &rest[start + end + 1..];
    }
    value.push_str(rest);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<(String, String)> {
        parse(text, |_| None).values
    }

    fn value(text: &str) -> String {
        values(text).pop().expect("a value").1
    }

    #[test]
    fn reads_bare_and_quoted_values() {
        assert_eq!(value("A=b"), "b");
        assert_eq!(value("export A = b # comment"), "b");
        assert_eq!(value("A=b#c"), "b#c");
        assert_eq!(value("A=#c"), "");
        assert_eq!(value("A="), "");
        assert_eq!(value("A='b # ${C}' # comment"), "b # ${C}");
        assert_eq!(value(r#"A="b\n\"c\" \x""#), "b\n\"c\" \\x");
        assert_eq!(value("A=\"one\ntwo\"\r\n"), "one\ntwo");
        assert_eq!(value("A=b\r\n"), "b");
        assert_eq!(value("\u{feff}A=b=c"), "b=c");
    }

    #[test]
    fn replaces_names() {
        let parsed =
            parse("A=1\nB=${A}${X}${Y:-z}\nC='${A}'\nD=${A", |name| (name == "X").then(|| "x".to_owned()));
        let texts: Vec<&str> = parsed.values.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["1", "1xz", "${A}", "${A"]);
    }

    #[test]
    fn names_the_lines_it_cannot_read() {
        let parsed = parse("# fine\n\nnonsense\nA=\"1\n2\"\n=x\nB=\"open\nC=3", |_| None);
        assert_eq!(parsed.unreadable, [3, 6, 7]);
        assert_eq!(parsed.values, [("A".to_owned(), "1\n2".to_owned()), ("C".to_owned(), "3".to_owned())]);
    }

    #[test]
    fn a_later_line_wins() {
        assert_eq!(values("A=1\nA=2"), [("A".to_owned(), "2".to_owned())]);
    }
}
