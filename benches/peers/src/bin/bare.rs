//! The limit that all are compared with: a bare Unix socket, as in the benchmark.

use std::process::ExitCode;

use benches::Result;
use benches::raw::{self, Socket};
use peers::work::{Caller, Peer, Plugin};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == raw::MODE) {
        return peers::finish(raw::serve(&arguments.collect::<Vec<_>>()));
    }
    peers::blocking(&Bare)
}

struct Bare;

impl Peer for Bare {
    type Plugin = Process;
    type Caller = Connection;

    async fn start(&self, callers: usize, payload: &[u8]) -> Result<(Process, Vec<Connection>)> {
        let (process, sockets) = if callers == 1 {
            let (process, socket) = raw::Peer::pair(payload)?;
            (process, vec![socket])
        } else {
            raw::Peer::connections(callers, payload)?
        };
        Ok((Process(process), sockets.into_iter().map(Connection).collect()))
    }
}

struct Process(raw::Peer);

impl Plugin for Process {
    fn id(&self) -> u32 {
        self.0.id()
    }

    fn end(self) -> Result<()> {
        Ok(())
    }
}

struct Connection(Socket);

impl Caller for Connection {
    async fn call(&mut self) -> Result<()> {
        self.0.exchange()
    }

    fn message(&self) -> &[u8] {
        self.0.reply()
    }
}
