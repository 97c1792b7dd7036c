//! A plugin of this project, as in the benchmark.

use std::process::ExitCode;

use benches::Result;
use benches::plugin::{self, Echo, EchoClient, Echoing};
use peers::work::{Caller, Peer, Plugin, same_length};
use plugin_host::PluginProcess;

fn main() -> ExitCode {
    if plugin_core::is_plugin_process() {
        return plugin_core::serve(Echoing);
    }
    peers::blocking(&Ours)
}

struct Ours;

impl Peer for Ours {
    type Plugin = Process;
    type Caller = Client;

    async fn start(&self, callers: usize, payload: &[u8]) -> Result<(Process, Vec<Client>)> {
        let (process, client) = plugin::start()?;
        let caller = |_| Client { client: client.clone(), message: payload.to_vec() };
        Ok((Process(process), (0..callers).map(caller).collect()))
    }
}

struct Process(PluginProcess);

impl Plugin for Process {
    fn id(&self) -> u32 {
        self.0.id()
    }

    fn end(self) -> Result<()> {
        self.0.shutdown()?;
        Ok(())
    }
}

struct Client {
    client: EchoClient,
    message: Vec<u8>,
}

impl Caller for Client {
    async fn call(&mut self) -> Result<()> {
        let reply = self.client.echo(&self.message)?;
        same_length(self.message.len(), reply.len())?;
        self.message = reply;
        Ok(())
    }

    fn message(&self) -> &[u8] {
        &self.message
    }
}
