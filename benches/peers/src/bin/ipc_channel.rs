//! ipc-channel. It has channels and no calls: each caller has two of them and a thread of the plugin for
//! itself, so there are no ids, and no caller waits for another.

use std::process::{ExitCode, Stdio};
use std::thread;

use benches::Result;
use ipc_channel::IpcError;
use ipc_channel::ipc::{self, IpcOneShotServer, IpcReceiver, IpcSender};
use peers::child::{self, ChildPlugin};
use peers::work::{Caller, Peer, Plugin, same_length};
use serde_bytes::ByteBuf;

/// The plugin's ends of what a caller has.
type Ends = (IpcReceiver<ByteBuf>, IpcSender<ByteBuf>);

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [mode, server] = &arguments[..]
        && mode == child::MODE
    {
        return peers::finish(child::die_with_parent().and_then(|()| serve(server)));
    }
    peers::blocking(&IpcChannel)
}

fn serve(server: &str) -> Result<()> {
    let (sender, receiver) = ipc::channel::<Ends>()?;
    IpcSender::connect(server.to_owned())?.send(sender)?;
    while let Some((requests, replies)) = next(&receiver)? {
        thread::Builder::new().spawn(move || {
            if let Err(error) = echo(&requests, &replies) {
                eprintln!("ipc-channel: a caller was not answered: {error}");
            }
        })?;
    }
    Ok(())
}

fn echo(requests: &IpcReceiver<ByteBuf>, replies: &IpcSender<ByteBuf>) -> Result<()> {
    while let Some(bytes) = next(requests)? {
        replies.send(bytes)?;
    }
    Ok(())
}

/// `None` when the sender is gone.
fn next<T: for<'de> serde::Deserialize<'de> + serde::Serialize>(
    receiver: &IpcReceiver<T>,
) -> Result<Option<T>> {
    match receiver.recv() {
        Ok(message) => Ok(Some(message)),
        Err(IpcError::Disconnected) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

struct IpcChannel;

impl Peer for IpcChannel {
    type Plugin = Process;
    type Caller = Channels;

    async fn start(&self, callers: usize, payload: &[u8]) -> Result<(Process, Vec<Channels>)> {
        let (server, name) = IpcOneShotServer::<IpcSender<Ends>>::new()?;
        let plugin = ChildPlugin::spawn(&[child::MODE, &name], Stdio::null())?;
        let (_, ends) = server.accept()?;
        let caller = |_| {
            let (requests, plugin_requests) = ipc::channel()?;
            let (plugin_replies, replies) = ipc::channel()?;
            ends.send((plugin_requests, plugin_replies))?;
            Ok(Channels { requests, replies, message: ByteBuf::from(payload) })
        };
        let callers = (0..callers).map(caller).collect::<Result<_>>()?;
        Ok((Process { plugin, _ends: ends }, callers))
    }
}

struct Process {
    plugin: ChildPlugin,
    /// The plugin ends when it is gone.
    _ends: IpcSender<Ends>,
}

impl Plugin for Process {
    fn id(&self) -> u32 {
        self.plugin.id()
    }

    fn end(self) -> Result<()> {
        self.plugin.end()
    }
}

struct Channels {
    requests: IpcSender<ByteBuf>,
    replies: IpcReceiver<ByteBuf>,
    message: ByteBuf,
}

impl Caller for Channels {
    async fn call(&mut self) -> Result<()> {
        let sent = self.message.len();
        self.requests.send(std::mem::take(&mut self.message))?;
        self.message = self.replies.recv()?;
        same_length(sent, self.message.len())
    }

    fn message(&self) -> &[u8] {
        &self.message
    }
}
