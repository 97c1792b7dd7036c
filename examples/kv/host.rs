//! A command-line program that keeps its data in a plugin: two executables, as in real deployments.
//!
//! ```text
//! cargo build --examples
//! cargo run --example kv -- put greeting hello
//! cargo run --example kv -- get greeting
//! ```
//!
//! The plugin is the executable `kv-plugin` beside this one, or the one that `KV_PLUGIN` names. It
//! keeps the data in the file that `KV_FILE` names, `kv.data` beside the executables unless set.

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use examples::kv::{Kv, KvClient};
use plugin_core::Handshake;
use plugin_host::Launcher;

const USAGE: &str = "usage: kv put KEY VALUE | kv get KEY";

fn main() -> ExitCode {
    match Command::from_arguments().and_then(|command| run(&command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kv: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What the user wants.
enum Command {
    Put { key: String, value: Vec<u8> },
    Get { key: String },
}

impl Command {
    fn from_arguments() -> Result<Self, Box<dyn Error>> {
        let arguments: Result<Vec<String>, _> = env::args_os().skip(1).map(OsString::into_string).collect();
        let arguments = arguments.map_err(|argument| format!("{argument:?} is not Unicode\n{USAGE}"))?;
        match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["put", key, value] => Ok(Self::Put { key: key.to_owned(), value: value.into() }),
            ["get", key] => Ok(Self::Get { key: key.to_owned() }),
            _ => Err(USAGE.into()),
        }
    }
}

fn run(command: &Command) -> Result<(), Box<dyn Error>> {
    let plugin = Launcher::new(beside("KV_PLUGIN", "kv-plugin")?)
        .arg(beside("KV_FILE", "kv.data")?)
        .handshake(Handshake::new("kv", 1))
        .spawn()?;
    let kv = plugin.client::<KvClient>()?;
    match command {
        Command::Put { key, value } => kv.put(key, value)?,
        Command::Get { key } => {
            let value = kv.get(key)?;
            let mut stdout = std::io::stdout();
            stdout.write_all(&value)?;
            writeln!(stdout)?;
        }
    }
    plugin.shutdown()?;
    Ok(())
}

/// The path that a variable of the environment holds, or a file beside this executable.
fn beside(variable: &str, name: &str) -> std::io::Result<PathBuf> {
    let chosen: Option<OsString> = env::var_os(variable);
    match chosen {
        Some(path) => Ok(path.into()),
        None => Ok(env::current_exe()?.with_file_name(format!("{name}{}", suffix_of(name)))),
    }
}

/// Executables have a suffix on some systems, data files have their own.
fn suffix_of(name: &str) -> &'static str {
    if name.contains('.') { "" } else { env::consts::EXE_SUFFIX }
}
