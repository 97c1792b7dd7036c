//! The plugin that is measured: it gives back what it gets.

use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::time::Duration;

use plugin_core::{ByteStream, Plugin, Stream, plugin_interface};
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
    /// The number after `number`.
    fn successor(&self, number: u64) -> plugin_core::Result<u64>;
    /// Calls `visit` `count` times, each time with what it returned before.
    fn visit(&self, count: u64, visit: &mut dyn FnMut(u64) -> u64) -> plugin_core::Result<u64>;
    /// Takes an object and drops it.
    fn hold(&self, token: Arc<dyn Token>) -> plugin_core::Result<()>;
    /// So many items.
    fn items(&self, count: u64) -> plugin_core::Result<Stream<Item>>;
    /// Takes items, and says how many there were and what their first halves add up to.
    fn tally(&self, items: Stream<Item>) -> plugin_core::Result<(u64, u64)>;
    /// So many bytes.
    fn bytes(&self, count: u64) -> plugin_core::Result<ByteStream>;
    /// Takes bytes, and says how many there were.
    fn measure(&self, bytes: ByteStream) -> plugin_core::Result<u64>;
}

/// An object that is handed over.
#[plugin_interface]
pub trait Token: Send + Sync {
    /// Does nothing.
    fn ping(&self) -> plugin_core::Result<()>;
}

/// What is sent one after another.
pub type Item = (u64, u64);

/// So many of them.
pub fn items(count: u64) -> Stream<Item> {
    Stream::new((0..count).map(|number| (number, !number)))
}

/// Takes all items, and says how many there were and what their first halves add up to.
///
/// # Errors
/// That of the stream.
pub fn count_items(items: Stream<Item>) -> plugin_core::Result<(u64, u64)> {
    let (mut count, mut sum) = (0, 0_u64);
    for item in items {
        count += 1;
        sum = sum.wrapping_add(item?.0);
    }
    Ok((count, sum))
}

/// So many bytes, which cost nothing to make.
pub fn bytes(count: u64) -> ByteStream {
    ByteStream::new(Zeros.take(count))
}

/// Takes all bytes where they arrived, and says how many there were.
///
/// # Errors
/// That of the stream.
pub fn count_bytes(mut bytes: ByteStream) -> plugin_core::Result<u64> {
    let mut count = 0;
    loop {
        let len = bytes.fill_buf()?.len();
        if len == 0 {
            return Ok(count);
        }
        bytes.consume(len);
        count += len as u64;
    }
}

/// Whoever reads it has zeros already.
struct Zeros;

impl Read for Zeros {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(buffer.len())
    }
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

    fn successor(&self, number: u64) -> plugin_core::Result<u64> {
        Ok(number + 1)
    }

    fn visit(&self, count: u64, visit: &mut dyn FnMut(u64) -> u64) -> plugin_core::Result<u64> {
        Ok((0..count).fold(0, |number, _| visit(number)))
    }

    fn hold(&self, _token: Arc<dyn Token>) -> plugin_core::Result<()> {
        Ok(())
    }

    fn items(&self, count: u64) -> plugin_core::Result<Stream<Item>> {
        Ok(items(count))
    }

    fn tally(&self, items: Stream<Item>) -> plugin_core::Result<(u64, u64)> {
        count_items(items)
    }

    fn bytes(&self, count: u64) -> plugin_core::Result<ByteStream> {
        Ok(bytes(count))
    }

    fn measure(&self, bytes: ByteStream) -> plugin_core::Result<u64> {
        count_bytes(bytes)
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
