//! tonic over a socket pair, with the code that its generator would write for
//!
//! ```proto
//! package peers;
//! message Message { bytes content = 1; }
//! service Echo { rpc Echo(Message) returns (Message); }
//! ```

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::io;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Mutex;
use std::task::{Context, Poll};

use benches::Result;
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use peers::child::{self, ChildPlugin};
use peers::work::{Caller, Peer, same_length};
use tonic::body::Body;
use tonic::server::{NamedService, UnaryService};
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::{Service, service_fn};

/// 4 MiB unless raised, and 16 are sent.
const LONGEST_MESSAGE: usize = 64 << 20;

const METHOD: &str = "/peers.Echo/Echo";

fn main() -> ExitCode {
    peers::asynchronous(|flavour| Tonic { flavour }, serve)
}

#[derive(Clone, PartialEq, prost::Message)]
struct Message {
    #[prost(bytes = "bytes", tag = "1")]
    content: Bytes,
}

#[derive(Clone)]
struct Echoing;

impl NamedService for Echoing {
    const NAME: &'static str = "peers.Echo";
}

impl Service<http::Request<Body>> for Echoing {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        if request.uri().path() != METHOD {
            return Box::pin(ready(Ok(Status::unimplemented("no such method").into_http())));
        }
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(ProstCodec::default())
                .max_decoding_message_size(LONGEST_MESSAGE)
                .max_encoding_message_size(LONGEST_MESSAGE);
            Ok(grpc.unary(Echo, request).await)
        })
    }
}

struct Echo;

impl UnaryService<Message> for Echo {
    type Response = Message;
    type Future = Ready<Result<Response<Message>, Status>>;

    fn call(&mut self, request: Request<Message>) -> Self::Future {
        ready(Ok(Response::new(request.into_inner())))
    }
}

async fn serve() -> Result<()> {
    // The server ends when no more connections can come.
    let connection = stream::once(ready(child::connection())).chain(stream::pending());
    let connections = connection.map(|connection| connection.map_err(io::Error::other));
    Ok(Server::builder().add_service(Echoing).serve_with_incoming(connections).await?)
}

struct Tonic {
    flavour: String,
}

impl Peer for Tonic {
    type Plugin = ChildPlugin;
    type Caller = Client;

    async fn start(&self, callers: usize, payload: &[u8]) -> Result<(ChildPlugin, Vec<Client>)> {
        let (plugin, stream) = ChildPlugin::spawn_connected(&self.flavour)?;
        let stream = Mutex::new(Some(TokioIo::new(stream)));
        let take = move |_| {
            let stream = stream.lock().ok().and_then(|mut stream| stream.take());
            ready(stream.ok_or_else(|| io::Error::other("there is one connection only")))
        };
        // The name is not looked up: the connector has the connection.
        let channel = Endpoint::from_static("http://plugin").connect_with_connector(service_fn(take)).await?;
        let content = Bytes::copy_from_slice(payload);
        let grpc = tonic::client::Grpc::new(channel)
            .max_decoding_message_size(LONGEST_MESSAGE)
            .max_encoding_message_size(LONGEST_MESSAGE);
        let caller = |_| Client { grpc: grpc.clone(), content: content.clone() };
        Ok((plugin, (0..callers).map(caller).collect()))
    }
}

struct Client {
    grpc: tonic::client::Grpc<Channel>,
    content: Bytes,
}

impl Caller for Client {
    async fn call(&mut self) -> Result<()> {
        let sent = self.content.len();
        self.grpc.ready().await?;
        let request = Request::new(Message { content: std::mem::take(&mut self.content) });
        let codec = ProstCodec::<Message, Message>::default();
        let reply = self.grpc.unary(request, PathAndQuery::from_static(METHOD), codec).await?;
        self.content = reply.into_inner().content;
        same_length(sent, self.content.len())
    }

    fn message(&self) -> &[u8] {
        &self.content
    }
}
