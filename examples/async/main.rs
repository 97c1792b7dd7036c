//! Hundreds of calls at once from a host on tokio, with a time limit and a cancellation. The plugin has no runtime, and
//! no thread waits on either side.
//!
//! ```text
//! cargo run --example async
//! ```

use std::collections::HashMap;
use std::error::Error;
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_channel::oneshot;
use plugin_core::{CallError, Plugin, Result, plugin_interface};
use plugin_host::Launcher;
use tokio::task::JoinSet;
use tokio::time::timeout;

// The interface: what host and plugin share.

/// Brings the news of the weather.
#[plugin_interface]
trait Weather {
    /// Waits for the next report on a city.
    async fn report(&self, city: &str) -> Result<String>;

    /// Tells a report to those who wait for it, and how many they are.
    async fn publish(&self, city: &str, report: &str) -> Result<usize>;
}

// The plugin.

#[derive(Default, Plugin)]
#[plugin(interfaces(Weather), name = "weather")]
struct Station {
    waiting: Mutex<HashMap<String, Vec<oneshot::Sender<String>>>>,
}

impl Station {
    fn waiting(&self) -> MutexGuard<'_, HashMap<String, Vec<oneshot::Sender<String>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Weather for Station {
    async fn report(&self, city: &str) -> Result<String> {
        let (sender, receiver) = oneshot::channel();
        self.waiting().entry(city.to_owned()).or_default().push(sender);
        // When nobody waits for this call any more, it is dropped here, and with it the receiver.
        receiver.await.map_err(CallError::failed)
    }

    async fn publish(&self, city: &str, report: &str) -> Result<usize> {
        let waiting = self.waiting().remove(city).unwrap_or_default();
        Ok(waiting.into_iter().filter_map(|sender| sender.send(report.to_owned()).ok()).count())
    }
}

// The host.

const CITIES: [&str; 4] = ["Lima", "Oslo", "Paris", "Perth"];

/// How many calls of each city wait at once.
const READERS: usize = 100;

/// How long to wait for news that never come.
const PATIENCE: Duration = Duration::from_millis(200);

async fn host(weather: WeatherClient) -> Result<(), Box<dyn Error>> {
    let mut reports = JoinSet::new();
    for number in 0..CITIES.len() * READERS {
        let weather = weather.clone();
        reports.spawn(async move { weather.report(CITIES[number % CITIES.len()]).await });
    }

    // A time limit of the call. The plugin knows it, too.
    match weather.with_timeout(PATIENCE).report("Atlantis").await {
        Err(error) if error.is_timed_out() => println!("{error}"),
        other => println!("{other:?}"),
    }
    // A future that is dropped cancels its call, whatever drops it: `timeout`, `select!`, `abort`.
    if timeout(PATIENCE, weather.report("El Dorado")).await.is_err() {
        println!("nobody waits for news from El Dorado any more");
    }

    for city in CITIES {
        let mut told = 0;
        // Calls run at once, so that some may come later than this one.
        while told < READERS {
            told += weather.publish(city, &format!("sun in {city}")).await?;
        }
    }
    let mut sunny = 0;
    while let Some(report) = reports.join_next().await {
        sunny += usize::from(report??.starts_with("sun"));
    }
    println!("{sunny} reports of sun");
    for city in ["Atlantis", "El Dorado"] {
        println!("{city}: {} calls wait", weather.publish(city, "rain").await?);
    }
    Ok(())
}

fn run() -> Result<(), Box<dyn Error>> {
    // To start and to end a plugin takes milliseconds, or seconds, of a thread: outside of the runtime.
    let plugin = Launcher::current_exe()?.spawn()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(host(plugin.client()?))?;
    Ok(plugin.shutdown()?)
}

fn main() -> ExitCode {
    if plugin_core::is_plugin_process() {
        return plugin_core::serve(Station::default());
    }
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
