//! This project's host and plugin for the faults that ../go/faults.go does to go-plugin, with its own means.
//!
//! `faults_ours fault HOW CALLED RAW`: starts itself as a plugin that misbehaves as HOW says and is called as CALLED says.
//! RAW is the plugin of the tests that speaks the protocol by hand, for what one with plugin-core cannot do.

use std::error::Error;
use std::io::{BufRead, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode, exit};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use plugin_core::{CallError, Plugin, Result, plugin_interface};
use plugin_host::{Launcher, PluginProcess};
use rustix::process::{Pid, Signal, kill_process};
use tests::{Echo, EchoClient, Shapes, ShapesClient};

/// How long a plugin may take to start, in both.
const START_TIMEOUT: Duration = Duration::from_secs(2);

/// The variable by which the watcher finds the processes of a case.
const MARK: &str = "FAULTS_MARK";

/// Does what it is told.
#[plugin_interface]
trait Evil {
    fn act(&self, how: &str) -> Result<String>;
}

#[derive(Default, Plugin)]
#[plugin(interfaces(Evil))]
struct Evildoer {
    lingers: AtomicBool,
}

impl Evil for Evildoer {
    fn act(&self, how: &str) -> Result<String> {
        match how {
            "panic" => panic!("a defect of the plugin"),
            "hold" => loop {
                thread::park();
            },
            "toil" => loop {
                std::hint::spin_loop();
            },
            "line" => {
                let mut out = std::io::stdout().lock();
                out.write_all(&vec![0; 1 << 20])?;
                out.flush()?;
            }
            "flood" => {
                let line = "all work and no play ".repeat(50) + "\n";
                for _ in 0..(64 << 20) / line.len() {
                    std::io::stderr().write_all(line.as_bytes())?;
                }
            }
            "json" => std::io::stderr().write_all(b"{\"@message\":1}\n")?,
            "child" | "child, then exit" => {
                #[expect(clippy::disallowed_methods, reason = "plugins may start programs")]
                let child = Command::new("sleep").arg("600").spawn()?;
                drop(child);
                if how == "child, then exit" {
                    exit(0);
                }
            }
            _ => {}
        }
        Ok(how.to_owned())
    }
}

impl Drop for Evildoer {
    fn drop(&mut self) {
        while self.lingers.load(Ordering::Relaxed) {
            thread::park();
        }
    }
}

/// The main function of the plugin.
fn serve(how: &str) -> ExitCode {
    let send = |bytes: &[u8]| {
        let socket = std::io::stdin().as_fd().try_clone_to_owned().map(UnixStream::from);
        // The host may hang up at the first wrong byte.
        let _ = socket.and_then(|mut socket| socket.write_all(bytes));
    };
    match how {
        "exits" => exit(0),
        "garbage" => {
            let random = std::fs::File::open("/dev/urandom");
            let mut bytes = vec![0; 64 << 10];
            if random.and_then(|mut file| std::io::Read::read_exact(&mut file, &mut bytes)).is_err() {
                return ExitCode::FAILURE;
            }
            send(&bytes);
            wait_for_ever()
        }
        "hangs" => wait_for_ever(),
        "half" => {
            send(b"\x89PLUG");
            wait_for_ever()
        }
        "prints" => println!("loading"),
        _ => {}
    }
    plugin_core::serve(Evildoer { lingers: AtomicBool::new(how == "lingers") })
}

fn wait_for_ever() -> ! {
    loop {
        thread::park();
    }
}

/// Tells the watcher.
fn event(text: &str) {
    let mut out = std::io::stdout().lock();
    // Without a watcher there is nobody to tell.
    let _ = writeln!(out, "{}", text.replace('\n', " ")).and_then(|()| out.flush());
}

fn tell<T: ToString, E: ToString>(outcome: Result<T, E>) {
    match outcome {
        Ok(answer) => event(&format!("answer {:.20}", answer.to_string())),
        Err(error) => event(&format!("error {}", error.to_string())),
    }
}

fn wait_for_watcher() {
    let mut line = String::new();
    // It is gone when there is no line, and then there is nobody to wait for.
    let _ = std::io::stdin().lock().read_line(&mut line);
}

fn host(how: &str, called: &str, raw: &str) -> std::result::Result<(), Box<dyn Error>> {
    let mut launcher = match how {
        "reads nothing" => by_hand(raw, "stops reading"),
        "promises" => by_hand(raw, "length 4 GiB"),
        "closes" => by_hand(raw, "closes"),
        _ => Launcher::current_exe()?.args(["evil", how]),
    };
    launcher = launcher.start_timeout(START_TIMEOUT).env(MARK, std::env::var(MARK)?);
    event("begin");
    let plugin = match launcher.spawn() {
        Ok(plugin) => Some(plugin),
        Err(error) => {
            event(&format!("error {error}"));
            None
        }
    };
    if let Some(plugin) = &plugin {
        event(&format!("ready {}", plugin.id()));
        call(plugin, called)?;
    }
    // The watcher looks around, and says when to go on.
    wait_for_watcher();
    if let Some(plugin) = plugin {
        // Which of its ends this is the watcher sees by itself.
        let _ = plugin.shutdown();
    }
    event("stopped");
    wait_for_watcher();
    Ok(())
}

fn by_hand(raw: &str, behaviour: &str) -> Launcher {
    let pid_file = std::env::temp_dir().join(format!("faults-{}", std::process::id()));
    Launcher::new(raw).arg(behaviour).arg(pid_file)
}

fn begin(client: &EvilClient, how: &'static str) -> std::io::Result<JoinHandle<Result<String>>> {
    let client = client.clone();
    thread::Builder::new().spawn(move || client.act(how))
}

/// Waits until so many calls are in flight, and the plugin has read all of them.
fn wait_in_flight(plugin: &PluginProcess, count: usize) -> Result<(), CallError> {
    while plugin.in_flight() < count {
        thread::yield_now();
    }
    plugin.ping().map(drop)
}

/// Calls the plugin once, or more often.
fn call(plugin: &PluginProcess, called: &str) -> std::result::Result<(), Box<dyn Error>> {
    let pid = i32::try_from(plugin.id()).ok().and_then(Pid::from_raw).ok_or("no process id")?;
    match called {
        "large" => {
            let echo: EchoClient = plugin.client()?;
            tell(echo.bytes(&vec![0; 8 << 20]).map(|_| "them"));
            return Ok(());
        }
        "text" => {
            let shapes: ShapesClient = plugin.client()?;
            event("begin");
            tell(shapes.text());
            return Ok(());
        }
        _ => {}
    }
    let evil: EvilClient = plugin.client()?;
    match called {
        "hundred" => {
            let calls = (0..100).map(|_| begin(&evil, "hold")).collect::<std::io::Result<Vec<_>>>()?;
            wait_in_flight(plugin, 100)?;
            event("begin");
            kill_process(pid, Signal::KILL)?;
            let mut outcomes: Vec<_> = calls.into_iter().map(JoinHandle::join).collect();
            tell(outcomes.remove(0).map_err(|_| "it panicked")?);
        }
        "stop" => {
            kill_process(pid, Signal::STOP)?;
            event("answer stopped");
        }
        "toil" | "hold" => {
            let how = if called == "toil" { "toil" } else { "hold" };
            begin(&evil, how)?;
            wait_in_flight(plugin, 1)?;
            event("answer it runs");
        }
        "exit of the host" => {
            event("answer");
            exit(3);
        }
        "panic" => {
            // Another call runs meanwhile.
            let other = begin(&evil, "hold")?;
            wait_in_flight(plugin, 1)?;
            event("begin");
            let outcome = evil.act("panic");
            event("end");
            let until = Instant::now() + Duration::from_secs(1);
            while !other.is_finished() && Instant::now() < until {
                thread::yield_now();
            }
            match other.is_finished().then(|| other.join()) {
                Some(outcome) => event(&format!("also the other call failed: {outcome:?}")),
                None => event("also the other call goes on"),
            }
            tell(outcome);
        }
        "again" => {
            // This one fails.
            let _ = evil.act("panic");
            event("begin");
            tell(evil.act("hello"));
        }
        "child, then exit" => {
            event("begin");
            let outcome = evil.act(called);
            let end = plugin.wait(Duration::MAX);
            tell(
                end.map(|_| "the end is known")
                    .ok_or("it goes on")
                    .map_err(|text| format!("{text} {outcome:?}")),
            );
        }
        _ => {
            event("begin");
            let outcome = evil.act(called);
            // Whether it goes on after that.
            tell(outcome.and_then(|answer| evil.act("hello").map(|_| answer)));
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if plugin_core::is_plugin_process() {
        return serve(words.last().copied().unwrap_or_default());
    }
    let ["fault", how, called, raw] = words.as_slice() else { return ExitCode::FAILURE };
    match host(how, called, raw) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            event(&format!("error {error}"));
            ExitCode::FAILURE
        }
    }
}
