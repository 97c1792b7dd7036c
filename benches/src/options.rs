//! The command line.

use std::ffi::OsString;

use crate::Result;

/// Fewer give no idea of the spread.
const ROUNDS: usize = 5;

/// Enough to see that everything runs.
const QUICK_ROUNDS: usize = 2;

const HELP: &str = "\
Measures calls to a plugin, each beside what bare sockets do in the same round.

Usage: cargo run --release -p benches -- [--rounds N] [--quick] [--only WORD]

  --rounds N    how often everything is measured; 5 unless given, 2 with --quick
  --quick       a short run, which shows that everything works and little more
  --only WORD   measures only what has WORD in its name in the table";

/// What the command line asks for.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) rounds: usize,
    pub(crate) quick: bool,
    only: Option<String>,
}

impl Options {
    /// `None` when it asked for help and has got it.
    pub(crate) fn parse(arguments: &[OsString]) -> Result<Option<Self>> {
        let mut options = Self::default();
        let mut rounds = None;
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || rest.next().and_then(|value| value.to_str());
            match argument.to_str() {
                Some("--quick") => options.quick = true,
                Some("--rounds") => {
                    let number = value().and_then(|value| value.parse().ok()).filter(|number| *number > 0);
                    rounds = Some(number.ok_or("--rounds needs a number above 0")?);
                }
                Some("--only") => options.only = Some(value().ok_or("--only needs a word")?.to_owned()),
                Some("--help" | "-h") => {
                    println!("{HELP}");
                    return Ok(None);
                }
                _ => return Err(format!("unknown argument {argument:?}\n\n{HELP}").into()),
            }
        }
        options.rounds = rounds.unwrap_or(if options.quick { QUICK_ROUNDS } else { ROUNDS });
        Ok(Some(options))
    }

    /// Whether the figure of that name is to be measured.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.as_deref().is_none_or(|word| name.contains(word))
    }
}
