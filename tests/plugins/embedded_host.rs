//! A host within a program that is not written in Rust: nothing of Rust's own start has run, so that a signal `SIGPIPE`
//! ends the process, as it does in C. `embedded_host HOW PLUGIN...`, with the command of a plugin.
//!
//! `writes on` calls a plugin that is gone, with more than a socket holds. `forks` makes a copy of the process, which
//! drops what it has of the plugin and ends, while the original goes on. `ignores children` has nobody wait for its plugin.

#![no_main]

use std::ffi::{c_char, c_int};
use std::io::Write;

use plugin_host::{Input, Launcher};
use tests::{Echo, EchoClient, sys};

fn say(line: &str) {
    // The test finds out that it is missing.
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn host(how: &str, plugin: &[String]) -> Result<(), Box<dyn std::error::Error>> {
    let (program, arguments) = plugin.split_first().ok_or("which plugin?")?;
    match how {
        "writes on" => {
            let plugin = Launcher::new(program).args(arguments).spawn()?;
            let echo: EchoClient = plugin.client()?;
            // It is gone when one call has failed, if not before.
            for _ in 0..3 {
                let error = echo.bytes(&vec![0; 8 << 20]).err().ok_or("it answers")?;
                say(&format!("error {error}"));
            }
        }
        "ignores children" => {
            sys::ignore_children();
            let plugin = Launcher::new(program).args(arguments).spawn()?;
            let echo: EchoClient = plugin.client()?;
            say(&format!("echo {:?}", echo.number(7)));
            say(&format!("shutdown {:?}", plugin.shutdown()));
            say(&format!("status {:?}", plugin.exited().and_then(|end| end.status)));
        }
        "forks" => {
            for input in [Input::Null, Input::Inherit] {
                let plugin = Launcher::new(program).args(arguments).stdin(input).spawn()?;
                let echo: EchoClient = plugin.client()?;
                echo.number(7)?;
                let mut held = Some((plugin, echo));
                // The copy drops its own.
                let status = sys::in_a_copy(|| drop(held.take()));
                let (plugin, echo) = held.ok_or("the original keeps it")?;
                say(&format!("copy {status}"));
                say(&format!("echo {:?}", echo.number(8)));
                plugin.shutdown()?;
            }
        }
        _ => return Err("no host does that".into()),
    }
    Ok(())
}

#[expect(unsafe_code, reason = "the name by which the system's own start code calls a program")]
// SAFETY: no other function of this program has the name, and its form is that of `main` in C.
#[unsafe(no_mangle)]
extern "C" fn main(_: c_int, _: *const *const c_char) -> c_int {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.split_first() {
        Some((how, plugin)) => host(how, plugin),
        None => Err("how?".into()),
    };
    match outcome {
        Ok(()) => {
            say("done");
            0
        }
        Err(error) => {
            say(&format!("failed: {error}"));
            1
        }
    }
}
