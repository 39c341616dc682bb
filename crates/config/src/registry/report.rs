//! What `antiphon config print` shows: each variable's effective value and where it came from.

use std::fmt;

/// Where an effective value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The built-in default.
    Default,
    /// A variable of the process.
    Environment,
    /// The `.env` file of the current directory.
    EnvFile,
    /// Worked out from other variables.
    Derived,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Default => "default",
            Self::Environment => "environment",
            Self::EnvFile => ".env file",
            Self::Derived => "derived",
        })
    }
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Heading under which the variable stands.
    pub section: &'static str,
    /// The variable.
    pub name: &'static str,
    /// The effective value as it may be shown; secrets are masked.
    pub value: String,
    /// Where the value came from.
    pub origin: Origin,
    /// Key of the persistent setting that the variable seeds, if any.
    pub key: Option<&'static str>,
}

/// Every variable with its effective value, in the order of the registry. `Display` gives an aligned table.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The lines.
    pub rows: Vec<Row>,
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|row| row.name.len()).max().unwrap_or_default();
        let mut section = "";
        for row in &self.rows {
            if row.section != section {
                if !section.is_empty() {
                    writeln!(formatter)?;
                }
                section = row.section;
                writeln!(formatter, "# {section}")?;
            }
            write!(formatter, "{:width$}  {:11}  {}", row.name, row.origin, row.value.replace('\n', "\\n"))?;
            writeln!(formatter)?;
        }
        Ok(())
    }
}
