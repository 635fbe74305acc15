//! How a run that was stopped goes on.

use anyhow::Result;
use serde::Serialize;

use crate::io::output::{one_line, say, tell};
use crate::io::run_folder::RunFolder;

/// The command that goes on with a run.
#[derive(Debug, Clone)]
pub(crate) struct Resume {
    folder: String,
    command: String,
}

/// What `--json` prints of a run that was stopped.
#[derive(Debug, Serialize)]
struct Stopped<'a> {
    run: &'a str,
    /// Steps taken, and iterations of distributed runs.
    stopped_after: usize,
    /// Those of the whole run, where their number is known.
    steps: Option<usize>,
    go_on: &'a str,
}

/// A path as it is typed at a shell.
fn quoted(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    match path.chars().all(plain) {
        true => path.to_owned(),
        false => format!("'{}'", path.replace('\'', r"'\''")),
    }
}

impl Resume {
    /// Of a run of `command`, such as `train denoise`.
    pub fn new(command: &str, run: &RunFolder) -> Self {
        let folder = run.path().display().to_string();
        Self {
            command: format!("bilevel {command} --resume --output {}", quoted(&folder)),
            folder,
        }
    }

    /// What is said of a run that stopped `when`, such as `after step 3`.
    pub fn line(&self, when: &str) -> String {
        format!("stopped {when}; go on with: {}", one_line(&self.command))
    }

    /// What is said of a run that stopped after a step.
    pub fn after(&self, step: usize) -> String {
        self.line(&format!("after step {step}"))
    }

    /// Says `line`, and with `json` an object on standard output.
    ///
    /// # Errors
    /// If there is no such object.
    pub fn say(&self, line: &str, step: usize, steps: Option<usize>, json: bool) -> Result<()> {
        if json {
            let stopped = Stopped {
                run: &self.folder,
                stopped_after: step,
                steps,
                go_on: &self.command,
            };
            say!("{}", serde_json::to_string(&stopped)?);
        }
        tell!("{line}");
        Ok(())
    }
}
