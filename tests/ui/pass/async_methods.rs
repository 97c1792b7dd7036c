//! Asynchronous methods, alone and beside others, in every form that arguments have.

#![deny(missing_docs, warnings, unused, nonstandard_style, future_incompatible, rust_2018_idioms, rust_2024_compatibility)]
#![deny(async_fn_in_trait, refining_impl_trait, unreachable_pub, unnameable_types, unused_qualifications)]
#![deny(clippy::all, clippy::pedantic, clippy::nursery, clippy::unwrap_used, clippy::allow_attributes)]

use std::borrow::Cow;
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use plugin_core::{CallError, Plugin, Result, Service, plugin_interface};

/// Data.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Row {
    /// A member.
    pub id: u64,
}

/// Data that borrows.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Borrowed<'a> {
    /// A member.
    pub text: &'a str,
}

/// An error.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct KvError;

impl From<CallError> for KvError {
    fn from(_: CallError) -> Self {
        Self
    }
}

/// A store.
#[plugin_interface]
pub trait Kv {
    /// Gets.
    ///
    /// # Errors
    /// When the plugin cannot be called.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>>;
    /// Does not wait.
    ///
    /// # Errors
    /// When the plugin cannot be called.
    fn now(&self, key: &str) -> Result<u64>;
    /// Borrows.
    ///
    /// # Errors
    /// When the plugin cannot be called.
    async fn borrow(
        &self,
        a: &[u8],
        b: &Path,
        c: &Row,
        d: &[Row],
        e: Option<&Row>,
        f: (u8, &str, &[u8]),
    ) -> core::result::Result<(), KvError>;
    /// Borrows in other ways.
    ///
    /// # Errors
    /// When the plugin cannot be called.
    async fn cow(&self, a: Cow<'_, str>, b: &Borrowed<'_>, c: Borrowed<'_>, d: HashMap<&str, &[u8]>) -> Result<Row>;
    /// Has a body.
    ///
    /// # Errors
    /// When the plugin cannot be called.
    async fn both(&self, first: &str, second: &str) -> Result<Vec<u8>> {
        let Some(mut value) = self.get(first).await? else {
            return Ok(Vec::new());
        };
        value.extend(self.get(second).await?.ok_or("there is no second one")?);
        Ok(value)
    }
    /// Has a body that waits for nothing.
    ///
    /// # Errors
    /// When the plugin cannot be called.
    async fn nothing(&self, _key: &str) -> Result<()> {
        Ok(())
    }
    /// Has a body that gives nothing.
    ///
    /// # Errors
    /// When the plugin cannot be called.
    async fn not_there(&self) -> Result<()> {
        unimplemented!()
    }
    /// Is old.
    ///
    /// # Errors
    /// When the plugin cannot be called.
    #[deprecated = "call `get`"]
    async fn old(&self) -> Result<()>;
}

/// Cannot fail.
#[plugin_interface]
pub trait Counter {
    /// Counts.
    async fn count(&self, by: u64) -> u64;
    /// Counts later.
    async fn reset(&self);
    /// Can fail.
    ///
    /// # Errors
    /// When the plugin cannot be called.
    async fn divide(&self, by: &str) -> Result<PathBuf>;
    /// Does not wait.
    fn is_zero(&self) -> bool;
    /// Says when it is old.
    #[must_use]
    async fn age(&self) -> u64 {
        self.count(0).await
    }
}

/// Has a name for everybody.
#[plugin_interface]
pub trait Shared: Send + Sync + 'static {
    /// Has a body.
    ///
    /// # Errors
    /// When the plugin cannot be called.
    async fn get(&self) -> Result<u8> {
        Ok(1)
    }
}

#[plugin_interface]
trait Private {
    async fn one(&self, a: u8) -> Result<()>;
    async fn two(&self, call: u8, request: u8, this: u8, value: &str) -> u8;
    async fn with_timeout(&self, outcome: u8) -> u8;
    async fn remote(&self) -> u8;
}

/// A plugin.
#[derive(Debug, Plugin)]
#[plugin(interfaces(Kv, Counter, Shared))]
pub struct Memory;

/// Gives way once.
async fn wait() {
    let mut has_waited = false;
    poll_fn(|context| {
        if std::mem::replace(&mut has_waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Kv for Memory {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        wait().await;
        Ok(Some(key.into()))
    }
    fn now(&self, key: &str) -> Result<u64> {
        Ok(key.len() as u64)
    }
    async fn borrow(
        &self,
        a: &[u8],
        _: &Path,
        c: &Row,
        _: &[Row],
        _: Option<&Row>,
        _: (u8, &str, &[u8]),
    ) -> core::result::Result<(), KvError> {
        wait().await;
        if a.len() as u64 == c.id { Ok(()) } else { Err(KvError) }
    }
    async fn cow(&self, a: Cow<'_, str>, _: &Borrowed<'_>, _: Borrowed<'_>, _: HashMap<&str, &[u8]>) -> Result<Row> {
        wait().await;
        Ok(Row { id: a.len() as u64 })
    }
    async fn old(&self) -> Result<()> {
        Ok(())
    }
}

impl Counter for Memory {
    async fn count(&self, by: u64) -> u64 {
        by + 1
    }
    async fn reset(&self) {
        wait().await;
    }
    async fn divide(&self, by: &str) -> Result<PathBuf> {
        wait().await;
        Ok(by.into())
    }
    fn is_zero(&self) -> bool {
        false
    }
    async fn age(&self) -> u64 {
        7
    }
}

impl Shared for Memory {}

/// Anything that takes a store takes a client of one.
///
/// # Errors
/// Those of the store.
pub async fn join(kv: &(impl Kv + Sync)) -> Result<Vec<u8>> {
    let both = kv.both("a", "b").await?;
    let number = kv.now("c")?;
    Ok([both, vec![u8::try_from(number).unwrap_or(0)]].concat())
}

/// A client is one.
///
/// # Errors
/// Those of the store.
pub async fn join_in_plugin(kv: &KvClient) -> Result<Vec<u8>> {
    join(kv).await
}

const fn can_be_spawned<F: Future<Output: Send> + Send + 'static>(_: &F) {}
fn is_service(_: impl Service) {}

/// Methods of its own borrow nothing; those of a trait may.
///
/// # Errors
/// Those of the store.
pub async fn spawn(counter: &CounterClient, kv: KvClient) -> Result<()> {
    let future = {
        let by = String::from("three");
        counter.divide(&by)
    };
    can_be_spawned(&future);
    drop(future);
    can_be_spawned(&counter.reset());
    let _: u64 = counter.count(1).await?;
    let _: bool = counter.is_zero()?;
    let future = async move { kv.get("key").await };
    can_be_spawned(&future);
    future.await.map(drop)
}

/// A caller may be generic and spawn.
pub fn spawn_generic<K: Kv + Send + Sync + 'static>(kv: K) {
    can_be_spawned(&async move { kv.get("key").await });
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
}

fn main() -> Result<()> {
    is_service(KvServer::new(Memory));
    is_service(CounterServer::shared(std::sync::Arc::new(Memory)));
    assert_eq!(block_on(join(&Memory))?, [b'a', b'b', 1]);
    assert_eq!(block_on(Counter::age(&Memory)), 7);
    assert_eq!(block_on(Shared::get(&Memory))?, 1);
    assert_eq!(<KvClient as plugin_core::Client>::INTERFACE.methods[0].signature,
        "async fn get(&self, key: &str) -> Result<Option<Vec<u8>>>");
    spawn_generic(Memory);
    Ok(())
}
