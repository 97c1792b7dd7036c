//! tarpc, with bincode over a socket pair.

use std::process::ExitCode;

use benches::Result;
use futures::StreamExt;
use peers::child::{self, ChildPlugin};
use peers::work::{Caller, Peer, same_length};
use serde_bytes::ByteBuf;
use tarpc::server::{BaseChannel, Channel};
use tarpc::tokio_serde::formats::Bincode;
use tarpc::tokio_util::codec::{Framed, LengthDelimitedCodec};
use tarpc::{client, context, serde_transport};
use tokio::net::UnixStream;

/// 8 MiB unless raised, and 16 are sent.
const LONGEST_FRAME: usize = 64 << 20;

fn main() -> ExitCode {
    peers::asynchronous(|flavour| Tarpc { flavour }, serve)
}

#[tarpc::service]
trait Echo {
    async fn echo(bytes: ByteBuf) -> ByteBuf;
}

#[derive(Clone)]
struct Echoing;

impl Echo for Echoing {
    async fn echo(self, _: context::Context, bytes: ByteBuf) -> ByteBuf {
        bytes
    }
}

fn framed(stream: UnixStream) -> Framed<UnixStream, LengthDelimitedCodec> {
    LengthDelimitedCodec::builder().max_frame_length(LONGEST_FRAME).new_framed(stream)
}

async fn serve() -> Result<()> {
    let transport = serde_transport::new(framed(child::connection()?), Bincode::default());
    let respond = |response| async {
        tokio::spawn(response);
    };
    BaseChannel::with_defaults(transport).execute(Echoing.serve()).for_each(respond).await;
    Ok(())
}

struct Tarpc {
    flavour: String,
}

impl Peer for Tarpc {
    type Plugin = ChildPlugin;
    type Caller = Client;

    async fn start(&self, callers: usize, payload: &[u8]) -> Result<(ChildPlugin, Vec<Client>)> {
        let (plugin, stream) = ChildPlugin::spawn_connected(&self.flavour)?;
        let transport = serde_transport::new(framed(stream), Bincode::default());
        let client = EchoClient::new(client::Config::default(), transport).spawn();
        let caller = |_| Client { client: client.clone(), message: ByteBuf::from(payload) };
        Ok((plugin, (0..callers).map(caller).collect()))
    }
}

struct Client {
    client: EchoClient,
    message: ByteBuf,
}

impl Caller for Client {
    async fn call(&mut self) -> Result<()> {
        let sent = self.message.len();
        let message = std::mem::take(&mut self.message);
        self.message = self.client.echo(context::current(), message).await?;
        same_length(sent, self.message.len())
    }

    fn message(&self) -> &[u8] {
        &self.message
    }
}
