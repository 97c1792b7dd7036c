//! A plugin whose `async` methods need tokio. The argument `around` has it serve within a runtime, `single` within
//! one that has no other thread.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use plugin_core::{ByteStream, CallError, Registry, Result};
use tests::{Errands, ErrandsServer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;

#[derive(Default)]
struct Runner {
    waiting: AtomicU64,
    dropped: AtomicU64,
}

/// Counts an errand that waits, and its end.
struct Waiting<'r>(&'r Runner);

impl<'r> Waiting<'r> {
    fn new(runner: &'r Runner) -> Self {
        runner.waiting.fetch_add(1, Ordering::SeqCst);
        Self(runner)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

impl Errands for Runner {
    async fn nap(&self, millis: u64) -> Result<String> {
        sleep(Duration::from_millis(millis)).await;
        Ok(thread::current().name().unwrap_or_default().to_owned())
    }

    async fn exchange(&self, bytes: &[u8]) -> Result<Vec<u8>> {
        let (mut here, mut there) = connected().await?;
        let echo = tokio::spawn(async move {
            let mut bytes = Vec::new();
            there.read_to_end(&mut bytes).await?;
            there.write_all(&bytes).await
        });
        here.write_all(bytes).await?;
        here.shutdown().await?;
        let mut back = Vec::new();
        here.read_to_end(&mut back).await?;
        echo.await.map_err(CallError::failed)??;
        Ok(back)
    }

    async fn wait(&self) -> Result<()> {
        let _waiting = Waiting::new(self);
        std::future::pending().await
    }

    async fn crack(&self, millis: u64) -> Result<()> {
        if millis > 0 {
            sleep(Duration::from_millis(millis)).await;
        }
        panic!("cracked");
    }

    async fn zeros(&self, count: u64) -> Result<Vec<u8>> {
        let _waiting = Waiting::new(self);
        sleep(Duration::from_millis(1)).await;
        Ok(vec![0; usize::try_from(count).map_err(CallError::failed)?])
    }

    async fn time_left(&self) -> Result<Option<Duration>> {
        sleep(Duration::from_millis(1)).await;
        Ok(plugin_core::call().time_left())
    }

    async fn pass(&self, mut contents: ByteStream) -> Result<ByteStream> {
        let (mut here, there) = connected().await?;
        tokio::spawn(async move { tokio::io::copy_buf(&mut contents, &mut here).await });
        Ok(ByteStream::from_async_read(there))
    }

    async fn copy(&self, mut contents: ByteStream) -> Result<ByteStream> {
        let (mut sender, stream) = ByteStream::pipe(1000);
        tokio::spawn(async move {
            match tokio::io::copy(&mut contents, &mut sender).await {
                Ok(_) => sender.shutdown().await,
                Err(error) => {
                    sender.fail(error);
                    Ok(())
                }
            }
        });
        Ok(stream)
    }

    fn counts(&self) -> Result<(u64, u64)> {
        Ok((self.waiting.load(Ordering::SeqCst), self.dropped.load(Ordering::SeqCst)))
    }
}

/// Two sockets that are connected.
async fn connected() -> std::io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let here = TcpStream::connect(listener.local_addr()?).await?;
    Ok((here, listener.accept().await?.0))
}

fn serve_within(runtime: std::io::Result<Runtime>, registry: Registry) -> ExitCode {
    match runtime {
        Ok(runtime) => runtime.block_on(async { plugin_core::serve(registry) }),
        Err(_) => ExitCode::FAILURE,
    }
}

fn main() -> ExitCode {
    tests::starts::begin();
    let registry = Registry::new("on-tokio", "1.2.3").add(ErrandsServer::shared(Arc::new(Runner::default())));
    match std::env::args().nth(1).as_deref() {
        Some("around") => {
            let runtime =
                Builder::new_multi_thread().worker_threads(2).thread_name("around").enable_all().build();
            serve_within(runtime, registry)
        }
        Some("single") => serve_within(Builder::new_current_thread().build(), registry),
        _ => plugin_core::serve(registry),
    }
}
