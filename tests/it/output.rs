//! What plugins print: it reaches the host as lines, and disturbs no call.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex};

use plugin_host::Output;
use tests::{Echo, EchoClient, Printer, PrinterClient};

use crate::cases::printing::{self, captured};
use crate::support::{in_time, start, wait_for, well_behaved};

#[test]
fn lines_arrive_from_before_the_hello_to_the_end() {
    printing::lines_arrive_from_before_the_hello_to_the_end();
}

#[test]
fn nothing_that_is_printed_disturbs_calls() {
    printing::nothing_that_is_printed_disturbs_calls();
}

#[test]
fn output_can_be_thrown_away_and_errors_still_quote_stderr() {
    let plugin = well_behaved(&["early"]).stdout(Output::Null).stderr(Output::Null).spawn().unwrap();
    plugin.client::<PrinterClient>().unwrap().print(false, b"a hint\x1b[31m\n").unwrap();
    plugin.shutdown().unwrap();
    assert_eq!(plugin.exited().unwrap().stderr, ["early on stderr", r"a hint\u{1b}[31m"]);
}

#[test]
fn inherited_output_goes_past_the_host() {
    let plugin = well_behaved(&[]).stderr(Output::Inherit).spawn().unwrap();
    plugin.client::<PrinterClient>().unwrap().print(false, b"(this line is part of a test)\n").unwrap();
    plugin.shutdown().unwrap();
    assert!(plugin.exited().unwrap().stderr.is_empty());
}

#[test]
fn a_writer_serves_all_plugins_of_a_launcher() {
    let (mut launcher, out, _) = captured(well_behaved(&["early"]));
    let first = launcher.spawn().unwrap();
    let second = launcher.spawn().unwrap();
    second.shutdown().unwrap();
    first.shutdown().unwrap();
    let text = out.text();
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["early on stdout", "early on stdout", "without an end", "without an end"]);
}

/// A writer that fails, panics or waits.
struct Bad<F>(F);

impl<F: FnMut() -> io::Result<()>> Write for Bad<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (self.0)().map(|()| bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn bad_writers_of_the_host_hold_up_nothing() {
    in_time("a plugin with bad writers", || {
        let released = Arc::new((Mutex::new(false), Condvar::new()));
        let waits = {
            let released = Arc::clone(&released);
            move || {
                let guard = released.0.lock().unwrap();
                drop(released.1.wait_while(guard, |released| !*released).unwrap());
                Ok(())
            }
        };
        let writers: [Box<dyn Write + Send>; 3] = [
            Box::new(Bad(|| Err(io::Error::other("the disk is full")))),
            Box::new(Bad(|| panic!("a writer of the host panics"))),
            Box::new(Bad(waits)),
        ];
        for writer in writers {
            let plugin = well_behaved(&["chatter"]).stdout(Output::Writer(writer)).spawn().unwrap();
            let echo: EchoClient = plugin.client().unwrap();
            for number in 0..20 {
                assert_eq!(echo.number(number).unwrap(), number);
            }
            plugin.shutdown().unwrap();
        }
        *released.0.lock().unwrap() = true;
        released.1.notify_all();
    });
}

#[test]
fn a_plugin_that_prints_without_end_is_called_and_ended_as_any_other() {
    in_time("a plugin that prints without end", || {
        let (mut launcher, out, err) = captured(well_behaved(&["chatter"]));
        let plugin = Arc::new(launcher.spawn().unwrap());
        let callers: Vec<_> = (0..8)
            .map(|caller| {
                let echo: EchoClient = plugin.client().unwrap();
                start(move || (0..50).all(|number| echo.number(number * caller).unwrap() == number * caller))
            })
            .collect();
        assert!(callers.into_iter().all(|caller| caller.join().unwrap()));
        wait_for("both streams arrive", || !out.bytes().is_empty() && !err.bytes().is_empty());
        plugin.shutdown().unwrap();
        assert!(out.text().starts_with("all work and no play\nall work"));
    });
}
