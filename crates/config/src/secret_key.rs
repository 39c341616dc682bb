//! The key that signs tokens when `WEBUI_SECRET_KEY` is not set: made once and kept in the data folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand::RngCore;

use crate::error::SecretKeyError;
use crate::notice::Notice;
use crate::secret::Secret;

/// Name of the file in the data folder.
pub const FILE: &str = ".webui_secret_key";

/// Random bytes in a key.
const KEY_BYTES: usize = 32;

/// Largest key file that is read.
const FILE_LIMIT: u64 = 4096;

/// Whether the key was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOrigin {
    /// It was made just now.
    Created,
    /// It was in the file.
    Found,
}

/// The key of the data folder.
#[derive(Clone, Debug)]
pub struct KeptKey {
    /// The key.
    pub key: Secret,
    /// Whether it was there before.
    pub origin: KeyOrigin,
    /// A warning when others can read the file.
    pub notice: Option<Notice>,
}

/// Reads the key of the data folder, making folder and key when there are none.
///
/// The file gets mode 0600 and appears whole or not at all, so two processes that start together get the same key.
pub fn load_or_create(data_dir: &Path) -> Result<KeptKey, SecretKeyError> {
    let path = data_dir.join(FILE);
    if let Some(found) = read(&path)? {
        return Ok(found);
    }
    fs::create_dir_all(data_dir).map_err(|source| io_error(data_dir, "created", source))?;
    let key = new_key();
    if create(data_dir, &path, &key).map_err(|source| io_error(&path, "created", source))? {
        return Ok(KeptKey { key: Secret::new(key), origin: KeyOrigin::Created, notice: None });
    }
    // Another process was faster: its key counts.
    read(&path)?.ok_or(SecretKeyError::Incomplete { path })
}

fn new_key() -> String {
    let mut bytes = [0; KEY_BYTES];
    rand::rng().fill_bytes(&mut bytes);
    STANDARD.encode(bytes)
}

/// Writes the key to a file of its own and links it to its name; false when the name exists already.
fn create(data_dir: &Path, path: &Path, key: &str) -> io::Result<bool> {
    let draft = data_dir.join(format!("{FILE}.{}.{:016x}", std::process::id(), rand::rng().next_u64()));
    let written = write_new(&draft, key);
    let linked = written.and_then(|()| fs::hard_link(&draft, path));
    let removed = fs::remove_file(&draft);
    match linked {
        Ok(()) => {
            removed?;
            // The name must survive a power cut too, or the next start would make another key.
            if let Ok(folder) = File::open(data_dir) {
                folder.sync_all()?;
            }
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        // Some file systems know no links. There the file is written in place, and a reader that comes in between
        // finds an incomplete file and says so.
        Err(error)
            if matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied) =>
        {
            match write_new(path, key) {
                Ok(()) => Ok(true),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
                Err(error) => Err(error),
            }
        }
        Err(error) => Err(error),
    }
}

fn write_new(path: &Path, key: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(format!("{key}\n").as_bytes())?;
    file.sync_all()
}

/// The key in the file; `None` when there is no file.
fn read(path: &Path) -> Result<Option<KeptKey>, SecretKeyError> {
    let facts = match fs::metadata(path) {
        Ok(facts) => facts,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error(path, "read", error)),
    };
    if facts.len() > FILE_LIMIT {
        return Err(io_error(
            path,
            "read",
            io::Error::new(io::ErrorKind::InvalidData, "the file is too large"),
        ));
    }
    let text = fs::read_to_string(path).map_err(|source| io_error(path, "read", source))?;
    // The line end is written last: without it a generated key may be cut off. Keys put there by hand may lack it.
    let key = text.trim();
    if key.is_empty() || (!text.ends_with('\n') && key.len() < STANDARD.encode([0; KEY_BYTES]).len()) {
        return Err(SecretKeyError::Incomplete { path: path.to_owned() });
    }
    Ok(Some(KeptKey {
        key: Secret::new(key),
        origin: KeyOrigin::Found,
        notice: readable_by_others(path, &facts),
    }))
}

#[cfg(unix)]
fn readable_by_others(path: &Path, facts: &fs::Metadata) -> Option<Notice> {
    use std::os::unix::fs::PermissionsExt;
    let mode = facts.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then(|| {
        Notice::warning(
            "WEBUI_SECRET_KEY",
            format!(
                "other users of this machine can open the key file {0} (mode {mode:03o}) and so sign in as anybody. Run: chmod 600 {0}",
                path.display()
            ),
        )
    })
}

#[cfg(not(unix))]
fn readable_by_others(_path: &Path, _facts: &fs::Metadata) -> Option<Notice> {
    None
}

fn io_error(path: &Path, action: &'static str, source: io::Error) -> SecretKeyError {
    SecretKeyError::Io { path: PathBuf::from(path), action, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        let made = load_or_create(&data).expect("a key");
        let found = load_or_create(&data).expect("a key");
        assert_eq!((made.origin, found.origin), (KeyOrigin::Created, KeyOrigin::Found));
        assert_eq!(made.key, found.key);
        assert_eq!(STANDARD.decode(made.key.reveal()).expect("base64").len(), KEY_BYTES);
        let files: Vec<_> = fs::read_dir(&data).expect("a folder").collect();
        assert_eq!(files.len(), 1, "no draft is left behind");
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FILE);
        load_or_create(folder.path()).expect("a key");
        assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("changed");
        let notice = load_or_create(folder.path()).expect("a key").notice.expect("a warning");
        assert!(notice.text.contains("chmod 600"), "{notice}");
    }

    #[test]
    fn processes_that_start_together_get_the_same_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let keys: Vec<Secret> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..16).map(|_| scope.spawn(|| load_or_create(folder.path()).expect("a key").key)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
    }

    #[test]
    fn an_incomplete_file_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FILE);
        for text in ["", "\n", "abc"] {
            fs::write(&path, text).expect("written");
            assert!(
                matches!(load_or_create(folder.path()), Err(SecretKeyError::Incomplete { .. })),
                "{text:?}"
            );
        }
        fs::write(&path, "chosen by hand\n").expect("written");
        assert_eq!(load_or_create(folder.path()).expect("a key").key.reveal(), "chosen by hand");
    }
}
