//! A plugin that breaks the protocol, each rule in turn. It is written by hand, without plugin-core, so
//! that it can send what plugin-core cannot, and so that the tests hold plugin-core to the protocol as
//! it is written down.
//!
//! Arguments: what to do, a file that takes the process id, and what some behaviours need besides.

mod misdeeds;
mod wire;

use std::io::Write;
use std::net::Shutdown;
use std::process::{ExitCode, exit};
use std::thread;
use std::time::Duration;

use tests::sys;
use wire::{
    CALL, ERROR_REPLY, FAILURE_REPLY, GOODBYE, HANDLES, HELLO, Hello, Host, LOG, NESTED, ONEWAY, PING, PONG,
    REFUSE, RELEASE, REPLY, SHUTDOWN, flagged, frame, garbage, handle, header, preamble, text,
};

fn main() -> ExitCode {
    tests::starts::begin();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [behaviour, pid_file, rest @ ..] = arguments.as_slice() else { return ExitCode::FAILURE };
    let file = rest.first().map_or("", String::as_str);
    if std::fs::write(pid_file, std::process::id().to_string()).is_err() {
        return ExitCode::FAILURE;
    }
    let host = match behaviour.as_str() {
        "does not connect" => linger(),
        "ends without connecting" => exit(4),
        "strangers come first" => Host::connect_after_strangers(),
        _ => Host::take(),
    };
    let Ok(host) = host else { return ExitCode::FAILURE };
    let _ = writeln!(std::io::stderr(), "raw: {behaviour}");
    if behaviour == "daemon" {
        misdeeds::serve_as_daemon(&host);
    }
    match behaviour.strip_prefix("hello:") {
        Some(behaviour) => before_hello(&host, behaviour),
        None => after_hello(&host, behaviour, file),
    }
    linger()
}

/// Stays alive until somebody kills it.
fn linger() -> ! {
    loop {
        thread::park();
    }
}

fn before_hello(host: &Host, behaviour: &str) {
    let greeting = Hello::default().bytes();
    let with_preamble = |rest: &[u8]| [&preamble(1, 1), rest].concat();
    let bytes = match behaviour {
        "silent" => return,
        "exits with success" => exit(0),
        "exits with failure" => exit(3),
        "closes" => return host.close(),
        "is stopped" => return sys::stop_itself(),
        "half a preamble, then exits" => {
            host.send(&preamble(1, 1)[..5]);
            exit(0)
        }
        "half a hello, then closes" => {
            host.send(&greeting[..60]);
            return host.close();
        }
        "byte by byte for ever" => return send_slowly(host, &preamble(1, 1), Duration::from_millis(100)),
        "byte by byte" => {
            send_slowly(host, &greeting, Duration::from_millis(1));
            return host.serve_after_hello();
        }
        "refuses and stays" => with_preamble(&frame(REFUSE, 0, &text(b"not \x1b[31mtoday"))),
        "half a preamble" => preamble(1, 1)[..5].to_vec(),
        "half a hello" => greeting[..60].to_vec(),
        "garbage" => garbage(64 * 1024),
        "text" => b"usage: orchard [OPTIONS] <FILE>\n".to_vec(),
        "wrong magic" => {
            let mut bytes = greeting;
            bytes[7] ^= 1;
            bytes
        }
        "reserved bytes in the preamble" => {
            let mut bytes = greeting;
            bytes[15] = 1;
            bytes
        }
        "older versions" => preamble(0, 0),
        "newer versions" => preamble(2, 9),
        "versions upside down" => preamble(3, 1),
        "length 4 GiB" => with_preamble(&header(HELLO, u32::MAX, 0)),
        "length over the limit" => with_preamble(&header(HELLO, (1 << 20) + 1, 0)),
        "unknown kind" => with_preamble(&header(77, 0, 0)),
        "reserved bits" => {
            let mut bytes = with_preamble(&header(HELLO, 0, 0));
            bytes[16 + 6] = 1;
            bytes
        }
        "a log record first" => with_preamble(&frame(LOG, 0, b"")),
        "a reply first" => with_preamble(&frame(REPLY, 1, b"")),
        "goodbye first" => with_preamble(&frame(GOODBYE, 0, b"")),
        "empty payload" => with_preamble(&frame(HELLO, 0, b"")),
        "name is not text" => Hello { name: b"\xff\xfe", ..Hello::default() }.bytes(),
        "endless name" => with_preamble(&frame(HELLO, 0, &(1_u64 << 60).to_le_bytes())),
        "endless instances" => {
            let mut payload = Hello::default().payload();
            let at = payload.len() - 2 * 32 - "Shapes".len() - "Echo".len() - 8 - 8;
            payload[at..at + 8].copy_from_slice(&(1_u64 << 60).to_le_bytes());
            with_preamble(&frame(HELLO, 0, &payload))
        }
        "trailing bytes" => {
            with_preamble(&frame(HELLO, 0, &[&Hello::default().payload()[..], b"!"].concat()))
        }
        "other application" => Hello { application: "vineyard", protocol: 3, ..Hello::default() }.bytes(),
        "other protocol" => Hello { application: "orchard", protocol: 4, ..Hello::default() }.bytes(),
        "name with a NUL" => Hello { name: b"ra\0w\x1b[2J\n", ..Hello::default() }.bytes(),
        _ => exit(64),
    };
    host.send(&bytes);
    if behaviour == "name with a NUL" {
        host.serve_after_hello();
    }
}

fn send_slowly(host: &Host, bytes: &[u8], pause: Duration) {
    for byte in bytes {
        #[expect(clippy::disallowed_methods, reason = "to be slow is the purpose")]
        thread::sleep(pause);
        if !host.send(&[*byte]) {
            return;
        }
    }
}

fn after_hello(host: &Host, behaviour: &str, file: &str) {
    if behaviour == "ends at once" {
        host.send(&Hello::default().bytes());
        exit(5);
    }
    if behaviour == "receives nothing" {
        // Before its hello, so that the host never finds it otherwise.
        if host.receive_hello().is_ok() {
            host.shut_down(Shutdown::Read);
            host.send(&Hello::default().bytes());
        }
        return;
    }
    if host.greet().is_err() {
        return;
    }
    match behaviour {
        "stops reading" => {}
        "strangers come first" => host.serve(|_, _| {}),
        "ignores shutdown" => while host.next().is_ok() {},
        "closes at once" => host.close(),
        "is stopped" => sys::stop_itself(),
        "pings and does not read" => {
            // Many at once, as long as each takes a while to send.
            let pings = frame(PING, 1, b"").repeat(1000);
            while host.send(&pings) {}
        }
        "answers ping with a reply" => host.serve_pings_wrongly(),
        "logs without end" => {
            // A record with a level that exists and texts that are empty.
            let record = [&[3_u8][..], &[0; 4 * 8], &[0; 3], &[0; 8]].concat();
            let logs = frame(LOG, 0, &record).repeat(1000);
            thread::scope(|scope| {
                scope.spawn(|| while host.send(&logs) {});
                host.serve(|_, _| {});
                // The host is gone, and so ends the other thread.
            });
        }
        "answers" | "answers with an error" | "answers with a failure" => {
            let Ok(answer) = std::fs::read(file) else { exit(66) };
            let kind = match behaviour {
                "answers" => REPLY,
                "answers with an error" => ERROR_REPLY,
                _ => FAILURE_REPLY,
            };
            host.serve(|host, call| {
                host.send(&frame(kind, call.call, &answer));
            });
        }
        "answers byte by byte" => misdeeds::answer_byte_by_byte(host),
        "answers in another order" => misdeeds::answer_in_another_order(host, file),
        "calls back" => misdeeds::call_host_back(host, 1, file),
        "calls back with the largest id" => misdeeds::call_host_back(host, u64::MAX, file),
        "pings without end" => misdeeds::ping_without_end(host),
        "closes stdout and stderr" => misdeeds::close_output(host),
        "floods stderr" => host.serve(|host, call| misdeeds::flood_stderr(host, call.call)),
        _ => host.serve(|host, call| misbehave(host, call.call, behaviour)),
    }
}

/// Answers a call in a way that is not allowed.
fn misbehave(host: &Host, call: u64, behaviour: &str) {
    let kind = behaviour.strip_prefix("frame of kind ").and_then(|kind| kind.parse::<u8>().ok());
    let bytes = match behaviour {
        "silent" => return,
        "closes" => return host.close(),
        "exits" => exit(5),
        "ends what it sends" => return host.shut_down(Shutdown::Write),
        "answers, and receives no more" => {
            host.shut_down(Shutdown::Read);
            frame(REPLY, call, &text(b"last words"))
        }
        "daemonises" => misdeeds::daemonise(),
        "half a frame, then closes" => {
            host.send(&header(REPLY, 8, call)[..10]);
            return host.close();
        }
        "half a frame, then exits" => {
            host.send(&header(REPLY, 8, call)[..10]);
            exit(6)
        }
        "answers and exits" => {
            host.send(&frame(REPLY, call, &text(b"last words")));
            exit(0)
        }
        "exits, a child keeps the connection" => {
            let mut command = sys::sleeper();
            sys::leave(&mut command);
            #[expect(clippy::disallowed_methods, reason = "plugins may start programs")]
            let child = command.spawn();
            let Ok(child) = child else { exit(70) };
            let _ = writeln!(std::io::stderr(), "child {}", child.id());
            exit(0)
        }
        "half a header" => header(REPLY, 8, call)[..10].to_vec(),
        "half a payload" => [&header(REPLY, 1000, call)[..], b"not all of it"].concat(),
        "garbage" => garbage(64 * 1024),
        "unknown kind" => header(77, 0, call),
        "reserved bits" => {
            let mut bytes = frame(REPLY, call, b"");
            bytes[5] = 0x80;
            bytes
        }
        "length 4 GiB" => header(REPLY, u32::MAX, call),
        "length over the limit" => header(REPLY, (1 << 20) + 1, call),
        "reply to nobody" => frame(REPLY, 999, b""),
        "pong" => frame(PONG, call, b""),
        "two replies" => frame(REPLY, call, &text(b"said")).repeat(2),
        "releases what it does not hold" => {
            frame(RELEASE, 0, &[1_u64.to_le_bytes(), 7_u64.to_le_bytes()].concat())
        }
        "hands over no list" => flagged(REPLY, HANDLES, call, b""),
        "hands over more than a list may have" => flagged(REPLY, HANDLES, call, &[0xff; 4]),
        "hands over a handle of no kind" => flagged(REPLY, HANDLES, call, &handle(3, 7)),
        "gives back what it was never given" => flagged(REPLY, HANDLES, call, &handle(2, 7)),
        "calls within a call that it does not name" => flagged(CALL, NESTED, 1, &[0; 8]),
        "calls without waiting for an answer, or reading one" => {
            let calls = |first: u64| (first..first + 1000).flat_map(|id| flagged(CALL, ONEWAY, id, &[0; 8]));
            let mut first = 1;
            while host.send(&calls(first).collect::<Vec<_>>()) {
                first += 1000;
            }
            return;
        }
        "lends without end, and reads nothing" => {
            let handles: Vec<_> = (0..4096_u64).flat_map(|object| handle(1, object)[..9].to_vec()).collect();
            let list = [&[0; 8][..], &handles, &4096_u32.to_le_bytes()].concat();
            let mut id = 1;
            while host.send(&flagged(CALL, HANDLES, id, &list)) {
                id += 1;
            }
            return;
        }
        "second hello" => Hello::default().bytes()[16..].to_vec(),
        "garbage as a log record" => frame(LOG, 0, &garbage(500)),
        "empty log record" => frame(LOG, 0, b""),
        "goodbye, then goes on" => {
            [frame(GOODBYE, 0, b""), frame(REPLY, call, &text(b"still here"))].concat()
        }
        _ => match kind {
            Some(kind) => frame(kind, call, b""),
            None => exit(64),
        },
    };
    host.send(&bytes);
}

impl Host {
    fn serve_after_hello(&self) {
        if self.receive_hello().is_ok() {
            self.serve(|_, _| {});
        }
    }

    fn serve_pings_wrongly(&self) {
        while let Ok(incoming) = self.next() {
            let _ = match incoming.kind {
                PING => self.send(&frame(REPLY, incoming.call, b"")),
                // Before the arguments stands the timeout.
                CALL => self.send(&frame(REPLY, incoming.call, &incoming.payload[8..])),
                SHUTDOWN => exit(0),
                _ => true,
            };
        }
    }
}
