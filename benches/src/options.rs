//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::Result;

/// Fewer give no idea of the spread.
const ROUNDS: usize = 5;

/// Enough to see that everything runs.
const QUICK_ROUNDS: usize = 2;

/// Follows the command.
const HELP: &str = "[--rounds N] [--quick] [--only WORD] [--plots DIR]

Measures calls, each beside what bare sockets do in the same round.

  --rounds N    how often everything is measured; 5 unless given, 2 with --quick
  --quick       a short run, which shows that everything works and little more
  --only WORD   measures only what has WORD in its name in the table
  --plots DIR   writes the pictures there, and not beside the JSON";

/// What the command line asks for.
#[derive(Default)]
pub struct Options {
    /// How often everything is measured.
    pub rounds: usize,
    /// Whether to measure only as much as shows that everything works.
    pub quick: bool,
    only: Option<String>,
    /// Where the pictures go, if not beside the JSON.
    pub plots: Option<PathBuf>,
}

impl Options {
    /// `None` when it asked for help and has got it. `command` is what one types in front of the arguments.
    ///
    /// # Errors
    /// An argument that is none of these, or one without its value.
    pub fn parse(command: &str, arguments: &[OsString]) -> Result<Option<Self>> {
        let mut options = Self::default();
        let mut rounds = None;
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut next = || rest.next();
            let mut value = || next().and_then(|value| value.to_str());
            match argument.to_str() {
                Some("--quick") => options.quick = true,
                Some("--rounds") => {
                    let number = value().and_then(|value| value.parse().ok()).filter(|number| *number > 0);
                    rounds = Some(number.ok_or("--rounds needs a number above 0")?);
                }
                Some("--only") => options.only = Some(value().ok_or("--only needs a word")?.to_owned()),
                Some("--plots") => {
                    options.plots = Some(next().ok_or("--plots needs a folder")?.into());
                }
                Some("--help" | "-h") => {
                    println!("Usage: {command} {HELP}");
                    return Ok(None);
                }
                _ => {
                    return Err(format!("unknown argument {argument:?}\n\nUsage: {command} {HELP}").into());
                }
            }
        }
        options.rounds = rounds.unwrap_or(if options.quick { QUICK_ROUNDS } else { ROUNDS });
        Ok(Some(options))
    }

    /// Whether the figure of that name is to be measured.
    pub fn wants(&self, name: &str) -> bool {
        self.only.as_deref().is_none_or(|word| name.contains(word))
    }
}
