//! The script that fetches the weights, where it needs no network.

use std::path::Path;
use std::process::{Command, Output};

use crate::server::SCRIPT;

fn run(arguments: &[&str], change: impl FnOnce(&mut Command)) -> Output {
    let mut command = Command::new("/bin/sh");
    command.arg(SCRIPT).args(arguments);
    change(&mut command);
    command.output().unwrap()
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap().trim().to_owned()
}

#[test]
fn a_complete_folder_is_printed_without_python_or_network() {
    let models = tempfile::tempdir().unwrap();
    let given = models.path().to_str().unwrap();
    let folder = printed(&run(&["--print", given], |_| ()));
    assert!(folder.starts_with(given) && !Path::new(&folder).exists());
    let layout = antiphon_local::layout::LocalModel::layout(&folder);
    std::fs::create_dir_all(layout.embedding_config().parent().unwrap()).unwrap();
    for file in [
        layout.chat_weights(),
        layout.directory().join("LICENSE.SmolLM2"),
        layout.embedding_config(),
        layout.embedding_tokenizer(),
        layout.embedding_weights(),
        layout.embedding_config().with_file_name("LICENSE"),
    ] {
        std::fs::write(file, "x").unwrap();
    }
    let seen = printed(&run(&[given], |command| {
        command.env("PATH", "/nowhere");
    }));
    assert_eq!(seen, folder);
    layout.check().unwrap();
}

#[test]
fn a_failure_says_what_to_do_and_leaves_nothing() {
    let models = tempfile::tempdir().unwrap();
    let given = models.path().to_str().unwrap();
    let without_index = run(&[given], |command| {
        command.env("PIP_NO_INDEX", "1").env("PIP_FIND_LINKS", "").env("PIP_CONFIG_FILE", "/dev/null");
    });
    let without_python = run(&[given], |command| {
        command.env("PATH", "/nowhere");
    });
    let two_folders = run(&[given, "another"], |_| ());
    for (output, named) in
        [(&without_index, "network"), (&without_python, "python3"), (&two_folders, "Usage")]
    {
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(message.contains(named), "{message}");
        assert!(output.stdout.is_empty());
    }
    assert_eq!(std::fs::read_dir(models.path()).unwrap().count(), 0, "a failure left something");
}

#[test]
fn the_cache_folder_follows_the_environment() {
    let of = |cache: Option<&str>, home: Option<&str>| {
        run(&["--print"], |command| {
            command.env_remove("XDG_CACHE_HOME").env_remove("HOME");
            command
                .envs(cache.map(|value| ("XDG_CACHE_HOME", value)))
                .envs(home.map(|value| ("HOME", value)));
        })
    };
    assert!(printed(&of(Some("/cache"), Some("/home"))).starts_with("/cache/antiphon/models/"));
    assert!(printed(&of(None, Some("/home"))).starts_with("/home/.cache/antiphon/models/"));
    let neither = of(None, None);
    assert_eq!(neither.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&neither.stderr).contains("XDG_CACHE_HOME"));
}
