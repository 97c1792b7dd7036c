//! A plugin that crashes under load, and a host that goes on: the plugin is started again, and the client stays good.
//!
//! ```text
//! cargo run --example supervised
//! ```

use std::error::Error;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use plugin_core::{Plugin, Result, plugin_interface};
use plugin_host::{Event, Events, Launcher, Policy};

// The interface: what host and plugin share.

/// Makes small pictures of large ones.
#[plugin_interface]
trait Thumbnails {
    /// Makes one. Were it harmless to make one twice, `#[plugin(idempotent)]` would have it made again after a crash.
    fn make(&self, picture: u32) -> Result<()>;
}

// The plugin.

#[derive(Plugin)]
#[plugin(interfaces(Thumbnails), name = "studio")]
struct Studio;

impl Thumbnails for Studio {
    fn make(&self, picture: u32) -> Result<()> {
        if picture % 500 == 250 {
            // As a decoder that is written in C does with a damaged file.
            std::process::abort();
        }
        Ok(())
    }
}

// The host.

const PICTURES: u32 = 2_000;

/// What has become of the pictures.
#[derive(Default)]
struct Tally {
    begun: AtomicU32,
    made: AtomicU32,
    unknown: AtomicU32,
}

impl Tally {
    fn work(&self, thumbnails: &ThumbnailsClient) {
        loop {
            let picture = self.begun.fetch_add(1, Ordering::Relaxed);
            if picture >= PICTURES {
                return;
            }
            match thumbnails.make(picture) {
                Ok(()) => {
                    let made = self.made.fetch_add(1, Ordering::Relaxed) + 1;
                    if made.is_multiple_of(250) {
                        println!("{made} thumbnails are made");
                    }
                }
                // The process ended in the middle of it, because of this picture or of one that was made beside it.
                Err(error) if error.may_have_run() => {
                    self.unknown.fetch_add(1, Ordering::Relaxed);
                }
                // Calls that find the plugin down wait for it, so this one has waited in vain.
                Err(error) => println!("picture {picture} is left out: {error}"),
            }
        }
    }
}

/// Tells what the plugin goes through, until it is shut down.
fn report(events: Events) {
    for event in events {
        match event {
            Event::Crashed { generation, outage } => println!("process {generation} is gone: it {outage}"),
            Event::BackingOff { failures, delay } => println!("{failures} in a row: a pause of {delay:.0?}"),
            Event::Ready { generation, after } => {
                println!("process {generation} is ready, after {after:.1?}")
            }
            _ => {}
        }
    }
}

fn host() -> Result<(), Box<dyn Error>> {
    // At most five restarts within a minute, with pauses between them that double.
    let policy = Policy::default().backoff(Duration::from_millis(10), Duration::from_secs(1));
    let plugin = Launcher::current_exe()?.supervise(policy)?;
    let events = plugin.events();
    let reporter = thread::Builder::new().spawn(|| report(events))?;
    // One client for all processes that the plugin will have, and for all threads.
    let thumbnails = plugin.client::<ThumbnailsClient>()?;
    let tally = Tally::default();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| tally.work(&thumbnails));
        }
    });
    plugin.shutdown()?;
    // There are no more events.
    reporter.join().map_err(|_| "the report panicked")?;
    let (made, unknown) = (tally.made.into_inner(), tally.unknown.into_inner());
    println!("{PICTURES} pictures: {made} thumbnails made, {unknown} met a crash and may be there or not");
    Ok(())
}

fn main() -> ExitCode {
    if plugin_core::is_plugin_process() {
        return plugin_core::serve(Studio);
    }
    match host() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
