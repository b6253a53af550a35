//! The `sundial` command, run to its end.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

/// What a command has said and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) error: String,
}

impl Said {
    /// The JSON document of a command that must have succeeded.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{self:?}");
        serde_json::from_str(&self.out).unwrap()
    }
}

/// Runs `sundial` with these arguments, to its end.
pub(crate) async fn sundial(arguments: &[&str]) -> Said {
    sundial_in(arguments, &[]).await
}

/// The same, with these variables in its environment, and none of AWS otherwise.
pub(crate) async fn sundial_in(arguments: &[&str], variables: &[(&str, &str)]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sundial-under-test"));
    let no_file = PathBuf::from("/nonexistent");
    command.args(arguments).env("AWS_CONFIG_FILE", &no_file).env("AWS_SHARED_CREDENTIALS_FILE", &no_file);
    command.env("AWS_EC2_METADATA_DISABLED", "true").env_remove("AWS_REGION").env_remove("AWS_DEFAULT_REGION");
    command.envs(variables.iter().copied());
    // The cloud that it talks to may be on this very thread.
    let ended = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: ended.status.code().unwrap(), out: text(ended.stdout), error: text(ended.stderr) }
}
