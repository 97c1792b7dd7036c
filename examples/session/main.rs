//! Objects that live in the plugin: a login gives a session, with what it remembers, and the last one who drops it
//! logs out.
//!
//! ```text
//! cargo run --example session
//! ```

use std::error::Error;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use plugin_core::{Plugin, Result, plugin_interface};
use plugin_host::Launcher;

// The interfaces: what host and plugin share.

/// Lets customers in.
#[plugin_interface]
trait Shop {
    /// Begins a session of a customer.
    fn login(&self, name: &str, password: &str) -> Result<Box<dyn Session>>;
}

/// What a customer who is logged in may do.
#[plugin_interface]
trait Session: Send + Sync {
    /// Puts something into the basket.
    fn add(&self, item: &str) -> Result<()>;

    /// What is in the basket.
    fn basket(&self) -> Result<Vec<String>>;
}

// The plugin.

#[derive(Plugin)]
#[plugin(interfaces(Shop), name = "shop")]
struct CornerShop;

impl Shop for CornerShop {
    fn login(&self, name: &str, password: &str) -> Result<Box<dyn Session>> {
        if password != "open sesame" {
            return Err(format!("{name} has another password").into());
        }
        tracing::info!(name, "logged in");
        Ok(Box::new(Customer { name: name.to_owned(), basket: Mutex::default() }))
    }
}

/// A session. It stays in the plugin; the host gets the right to call it.
struct Customer {
    name: String,
    basket: Mutex<Vec<String>>,
}

impl Session for Customer {
    fn add(&self, item: &str) -> Result<()> {
        self.basket.lock().unwrap_or_else(PoisonError::into_inner).push(item.to_owned());
        Ok(())
    }

    fn basket(&self) -> Result<Vec<String>> {
        Ok(self.basket.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// The host has dropped it, or is gone.
impl Drop for Customer {
    fn drop(&mut self) {
        tracing::info!(name = self.name, "logged out");
    }
}

// The host.

fn host() -> Result<(), Box<dyn Error>> {
    let plugin = Launcher::current_exe()?.spawn()?;
    let shop = plugin.client::<ShopClient>()?;

    // Two sessions at once, each with a basket of its own.
    let ada = shop.login("Ada", "open sesame")?;
    let grace = shop.login("Grace", "open sesame")?;
    ada.add("tea")?;
    grace.add("coffee")?;
    ada.add("milk")?;
    println!("Ada's basket: {}", ada.basket()?.join(", "));
    println!("Grace's basket: {}", grace.basket()?.join(", "));

    if let Err(error) = shop.login("Mallory", "1234") {
        println!("no session: {error}");
    }

    // The plugin drops the session of its own as well.
    drop(ada);

    // A session does not outlive its plugin.
    plugin.shutdown()?;
    if let Err(error) = grace.basket() {
        println!("no basket: {error}");
    }
    Ok(())
}

fn main() -> ExitCode {
    if plugin_core::is_plugin_process() {
        return plugin_core::serve(CornerShop);
    }
    // Shows what the plugin records.
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    match host() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
