//! The plugin calls the host in return: it stores numbers, and has them added here.
//!
//! ```text
//! cargo build --examples
//! cargo run --example counter -- apples 3 pears 1 apples 4
//! ```
//!
//! The plugin is the executable `counter-plugin` beside this one.

use std::collections::BTreeSet;
use std::env;
use std::error::Error;
use std::process::ExitCode;

use examples::counter::{AddHelper, Counter, CounterClient};
use plugin_core::Result;
use plugin_host::Launcher;

/// Adds, and says so. It stays here: the plugin gets the right to call it until its own call is over.
struct Adder;

impl AddHelper for Adder {
    fn sum(&self, a: i64, b: i64) -> Result<i64> {
        println!("the plugin asks for {a} + {b}");
        // The error goes to the plugin, which passes it on to whoever has called it.
        Ok(a.checked_add(b).ok_or("that is more than fits")?)
    }
}

fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let name = format!("counter-plugin{}", env::consts::EXE_SUFFIX);
    let plugin = Launcher::new(env::current_exe()?.with_file_name(name)).spawn()?;
    let counter = plugin.client::<CounterClient>()?;

    let mut keys = BTreeSet::new();
    for pair in arguments.chunks(2) {
        let [key, value] = pair else { return Err("usage: counter [KEY NUMBER]...".into()) };
        counter.put(key, value.parse()?, &Adder)?;
        keys.insert(key);
    }
    for key in keys {
        println!("{key}: {}", counter.get(key)?);
    }
    Ok(plugin.shutdown()?)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("counter: {error}");
            ExitCode::FAILURE
        }
    }
}
