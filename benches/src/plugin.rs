//! The plugin that is measured: it gives back what it gets.

use std::time::Duration;

use plugin_core::{Plugin, plugin_interface};
use plugin_host::{Launcher, PluginProcess};

use crate::Result;

/// Gives back bytes.
#[plugin_interface]
pub trait Echo {
    /// Gives back `bytes`.
    fn echo(&self, bytes: &[u8]) -> plugin_core::Result<Vec<u8>>;
    /// As [`echo`](Self::echo), for tasks.
    async fn echo_async(&self, bytes: &[u8]) -> plugin_core::Result<Vec<u8>>;
    /// Gives back `bytes` themselves, where [`echo`](Self::echo) gives back a copy of its own.
    fn reflect(&self, bytes: Vec<u8>) -> plugin_core::Result<Vec<u8>>;
}

/// Gives back what it gets.
#[derive(Plugin)]
#[plugin(interfaces(Echo), name = "echoing")]
pub struct Echoing;

impl Echo for Echoing {
    fn echo(&self, bytes: &[u8]) -> plugin_core::Result<Vec<u8>> {
        Ok(bytes.to_vec())
    }

    async fn echo_async(&self, bytes: &[u8]) -> plugin_core::Result<Vec<u8>> {
        Ok(bytes.to_vec())
    }

    fn reflect(&self, bytes: Vec<u8>) -> plugin_core::Result<Vec<u8>> {
        Ok(bytes)
    }
}

/// A plugin that has just been started, and a client of it.
pub fn start() -> Result<(PluginProcess, EchoClient)> {
    let plugin = Launcher::current_exe()?.spawn()?;
    let client = plugin.client()?;
    Ok((plugin, client))
}

/// As [`start`], where both sides sleep as soon as there is nothing to read, as a bare socket does.
pub fn start_without_spin() -> Result<(PluginProcess, EchoClient)> {
    let plugin = Launcher::current_exe()?.spin(Duration::ZERO).spawn()?;
    let client = plugin.client()?;
    Ok((plugin, client))
}

/// One call with large bytes, and a look at every byte that came back.
pub fn check(client: &EchoClient, payload: &[u8]) -> Result<()> {
    if client.reflect(payload.to_vec())? != payload {
        return Err("other bytes came back than were sent".into());
    }
    Ok(())
}

/// One call with large bytes, which are those of the next call when they come back.
pub fn reflect(client: &EchoClient, payload: &mut Vec<u8>) -> Result<()> {
    let sent = payload.len();
    *payload = client.reflect(std::mem::take(payload))?;
    if payload.len() != sent {
        return Err(format!("{} bytes came back for {sent}", payload.len()).into());
    }
    Ok(())
}

/// One call, and a look at how much came back: to look at every byte takes longer than some calls.
pub fn call(client: &EchoClient, payload: &[u8]) -> Result<()> {
    count(&client.echo(payload)?, payload)
}

/// As [`call`], for a task.
pub async fn call_async(client: &EchoClient, payload: &[u8]) -> Result<()> {
    count(&client.echo_async(payload).await?, payload)
}

fn count(reply: &[u8], payload: &[u8]) -> Result<()> {
    if reply.len() != payload.len() {
        return Err(format!("{} bytes came back for {}", reply.len(), payload.len()).into());
    }
    Ok(())
}
