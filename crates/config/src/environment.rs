//! The variables that the configuration is read from.

use std::collections::BTreeMap;
use std::path::Path;

use crate::dotenv;
use crate::notice::Notice;
use crate::registry::report::Origin;

/// Name of the file that is read from the current directory.
const FILE: &str = ".env";

/// Largest `.env` file that is read.
const FILE_LIMIT: u64 = 1 << 20;

/// A variable's text and where it came from.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) text: String,
    pub(crate) origin: Origin,
}

/// A set of environment variables.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: BTreeMap<String, Found>,
    notices: Vec<Notice>,
}

impl Environment {
    /// The variables of this process, and those of `.env` in the current directory that the process lacks.
    pub fn from_process() -> Self {
        Self::from_process_and_file(Path::new(FILE))
    }

    fn from_process_and_file(file: &Path) -> Self {
        let mut environment = Self::default();
        for (name, text) in std::env::vars_os() {
            match (name.into_string(), text.into_string()) {
                (Ok(name), Ok(text)) => {
                    environment.variables.insert(name, Found { text, origin: Origin::Environment });
                }
                (Ok(name), Err(_)) => environment.notices.push(Notice::warning(
                    name,
                    "the value is not valid UTF-8 and is ignored. Set it again as plain text.",
                )),
                _ => {}
            }
        }
        match read_limited(file) {
            Ok(Some(text)) => environment.add_file(&text),
            Ok(None) => {}
            Err(reason) => environment.notices.push(Notice::warning(
                FILE,
                format!("the file exists but cannot be used: {reason}. None of its values count."),
            )),
        }
        environment
    }

    /// Exactly these variables, as if they were those of the process. For tests.
    pub fn from_pairs<N: Into<String>, T: Into<String>>(pairs: impl IntoIterator<Item = (N, T)>) -> Self {
        let variables = pairs
            .into_iter()
            .map(|(name, text)| (name.into(), Found { text: text.into(), origin: Origin::Environment }))
            .collect();
        Self { variables, notices: Vec::new() }
    }

    /// Adds the values of a `.env` file; existing variables win.
    fn add_file(&mut self, text: &str) {
        let parsed = dotenv::parse(text, |name| self.variables.get(name).map(|found| found.text.clone()));
        for (name, text) in parsed.values {
            self.variables.entry(name).or_insert(Found { text, origin: Origin::EnvFile });
        }
        for line in parsed.unreadable {
            self.notices.push(Notice::warning(
                FILE,
                format!("line {line} cannot be read and is ignored. Write NAME=value."),
            ));
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Found> {
        self.variables.get(name).filter(|found| !is_service_link(name, &found.text))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, found)| (name.as_str(), found.text.as_str()))
    }

    pub(crate) fn notices(&self) -> &[Notice] {
        &self.notices
    }
}

/// Whether Kubernetes or Docker made the variable: both describe a service called `redis` as `REDIS_PORT` and so on.
///
/// A service called `database` or `redis-sentinel` would otherwise set `DATABASE_PORT` or `REDIS_SENTINEL_PORT` to an
/// address and stop the start.
pub(crate) fn is_service_link(name: &str, text: &str) -> bool {
    let address = text.starts_with("tcp://") || text.starts_with("udp://");
    ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT_", "_ENV_"].iter().any(|part| name.contains(part))
        || (name.ends_with("_PORT") && address)
}

/// The text of a file, or `None` when there is no such file.
fn read_limited(file: &Path) -> Result<Option<String>, String> {
    match std::fs::metadata(file) {
        Ok(facts) if !facts.is_file() => Ok(None),
        Ok(facts) if facts.len() > FILE_LIMIT => Err(format!("it is larger than {FILE_LIMIT} bytes")),
        Ok(_) => std::fs::read_to_string(file).map(Some).map_err(|error| error.to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn existing_variables_win_over_the_file() {
        let mut environment = Environment::from_pairs([("A", "process")]);
        environment.add_file("A=file\nB=${A}-file\nnonsense line");
        assert_eq!(environment.get("A").map(|found| found.text.as_str()), Some("process"));
        let b = environment.get("B").expect("B is in the file");
        assert_eq!((b.text.as_str(), b.origin), ("process-file", Origin::EnvFile));
        assert_eq!(environment.notices().len(), 1);
    }

    #[test]
    fn a_missing_file_is_no_matter() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(read_limited(&folder.path().join("none")), Ok(None));
        assert_eq!(read_limited(folder.path()), Ok(None));
        let file = folder.path().join(FILE);
        std::fs::write(&file, b"A=\xff").expect("written");
        assert!(read_limited(&file).is_err());
        let environment = Environment::from_process_and_file(&file);
        assert!(environment.notices().iter().any(|notice| notice.subject == FILE));
    }
}
