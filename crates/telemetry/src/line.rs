//! The two forms of a line.

use std::fmt::{self, Debug, Write};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::fmt::format::{DefaultFields, JsonFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use crate::causes::with_causes;

/// `time LEVEL:logger:message field=value …`, with the fields of the spans around it last.
pub(crate) struct Plain;

impl<S: Subscriber + for<'a> LookupSpan<'a>> FormatEvent<S, DefaultFields> for Plain {
    fn format_event(
        &self,
        context: &FmtContext<'_, S, DefaultFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        SystemTime.format_time(&mut writer)?;
        let metadata = event.metadata();
        write!(writer, " {}:{}:", python_level(*metadata.level()), fields.logger(metadata))?;
        let mut line = OneLine(writer.by_ref());
        write!(line, "{}", fields.message)?;
        for (name, value) in &fields.others {
            match value {
                Value::String(text) => write!(line, " {name}={}", Word(text))?,
                other => write!(line, " {name}={other}")?,
            }
        }
        for span in context.event_scope().into_iter().flatten() {
            if let Some(formatted) = span.extensions().get::<FormattedFields<DefaultFields>>()
                && !formatted.is_empty()
            {
                write!(line, " {formatted}")?;
            }
        }
        writeln!(writer)
    }
}

/// One JSON object: `ts`, `level`, `msg`, `caller`, the fields of the event, and `spans` from the innermost on.
pub(crate) struct Json;

impl<S: Subscriber + for<'a> LookupSpan<'a>> FormatEvent<S, JsonFields> for Json {
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let logger = fields.logger(metadata).to_owned();
        let caller = metadata.line().map_or(logger.clone(), |line| format!("{logger}:{line}"));
        let mut object = Map::new();
        object.insert("ts".to_owned(), time.into());
        object.insert("level".to_owned(), json_level(*metadata.level()).into());
        object.insert("msg".to_owned(), fields.message.into());
        object.insert("caller".to_owned(), caller.into());
        for (name, value) in fields.others {
            // The four of every line keep their meaning.
            let name = if object.contains_key(name) { format!("{name}_") } else { name.to_owned() };
            object.insert(name, value);
        }
        let spans: Vec<Value> = context
            .event_scope()
            .into_iter()
            .flatten()
            .map(|span| {
                let extensions = span.extensions();
                let formatted = extensions.get::<FormattedFields<JsonFields>>();
                let mut fields: Map<String, Value> =
                    formatted.and_then(|fields| serde_json::from_str(fields).ok()).unwrap_or_default();
                fields.insert("name".to_owned(), span.name().into());
                Value::Object(fields)
            })
            .collect();
        if !spans.is_empty() {
            object.insert("spans".to_owned(), spans.into());
        }
        writeln!(writer, "{}", Value::Object(object))
    }
}

/// Names of the levels in Python's logging.
fn python_level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        Level::DEBUG => "DEBUG",
        _ => "TRACE",
    }
}

fn json_level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        _ => "trace",
    }
}

/// The message and the other fields of an event.
#[derive(Default)]
struct Fields {
    message: String,
    logger: Option<String>,
    others: Vec<(&'static str, Value)>,
}

impl Fields {
    /// The logger: the event's target, or that of a library which logs with the `log` crate.
    fn logger<'a>(&'a self, metadata: &'a Metadata<'_>) -> &'a str {
        self.logger.as_deref().unwrap_or(metadata.target())
    }

    fn add(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            ("message", other) => self.message = other.to_string(),
            // The bridge from the `log` crate passes a record's target and place on as fields.
            ("log.target", Value::String(target)) => self.logger = Some(target),
            (name, _) if name.starts_with("log.") => {}
            (name, value) => self.others.push((name, value)),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        // The causes are most of the story of an error.
        self.add(field, with_causes(value).into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }
}

/// Writes on one line: control characters, which a client's text could use to forge lines, become escapes.
struct OneLine<'a>(Writer<'a>);

impl Write for OneLine<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(char::is_control) {
            self.0.write_str(&rest[..at])?;
            let mut letters = rest[at..].chars();
            if let Some(letter) = letters.next() {
                write!(self.0, "{}", letter.escape_default())?;
            }
            rest = letters.as_str();
        }
        self.0.write_str(rest)
    }
}

/// A text as the value of a field: in quotes when it would not stand out as one word.
struct Word<'a>(&'a str);

impl fmt::Display for Word<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() || self.0.contains(|letter: char| letter.is_whitespace() || letter == '"') {
            write!(formatter, "{:?}", self.0)
        } else {
            formatter.write_str(self.0)
        }
    }
}
