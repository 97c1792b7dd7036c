//! Runs a case in a process that is the host, and watches that from outside.

use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::list::{Case, Look};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// How long anything may take: longer than the longest limit that either system has unless it is set.
pub(crate) const DEADLINE: Duration = Duration::from_secs(45);

/// How long processes are waited for that are to end by themselves.
const GRACE: Duration = Duration::from_secs(5);

/// The variable by which the processes of a case are found.
const MARK: &str = "FAULTS_MARK";

/// The longest text of an error that is shown.
const MAX_TEXT: usize = 110;

/// How much more memory a host may take before it is worth telling, in MiB.
const MUCH: u64 = 8;

/// A program that is host and plugin.
pub(crate) struct System {
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
    pub(crate) transport: Option<&'static str>,
    /// The plugin that speaks the protocol by hand.
    pub(crate) raw: Option<PathBuf>,
}

/// What the host says, and when.
struct Host {
    process: Child,
    events: Receiver<(Instant, String)>,
    errors: Receiver<String>,
    mark: String,
    folder: PathBuf,
}

impl Host {
    fn start(system: &System, case: &Case) -> Outcome<Self> {
        let mark = format!("{}-{}", std::process::id(), now_in_nanos());
        let mut command = Command::new(&system.program);
        command.arg("fault").args(system.transport).args([case.how, case.called]).args(&system.raw);
        // What processes that are killed leave there goes with it.
        let folder = std::env::temp_dir().join(format!("faults-{mark}"));
        fs::create_dir(&folder)?;
        command.env("TMPDIR", &folder);
        command.env(MARK, &mark).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        #[expect(clippy::disallowed_methods, reason = "this is a host and not a plugin")]
        let mut process = command.spawn()?;
        let (out, err) =
            (process.stdout.take().ok_or("no stdout")?, process.stderr.take().ok_or("no stderr")?);
        let (sender, events) = mpsc::channel();
        thread::Builder::new().spawn(move || {
            let (mut out, mut line) = (BufReader::new(out), Vec::new());
            // Errors may quote what is not UTF-8.
            while out.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                line.clear();
                if sender.send((Instant::now(), text)).is_err() {
                    return;
                }
            }
        })?;
        let (sender, errors) = mpsc::channel();
        thread::Builder::new().spawn(move || {
            let mut text = Vec::new();
            // What cannot be read was not said.
            let _ = BufReader::new(err).take(1 << 20).read_to_end(&mut text);
            let _ = sender.send(String::from_utf8_lossy(&text).into_owned());
        })?;
        Ok(Self { process, events, errors, mark, folder })
    }

    fn say_go_on(&mut self) {
        // A host that has ended is found out by its events.
        let _ = self.process.stdin.as_mut().map(|stdin| stdin.write_all(b"\n"));
    }

    /// The processes of this case, but for the host.
    fn others(&self) -> Vec<u32> {
        let variable = format!("{MARK}={}", self.mark);
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids = entries.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok());
        ids.filter(|id| *id != self.process.id() && is_marked(*id, &variable)).collect()
    }

    /// Waits until no other process is left; after which time, or how many are.
    fn wait_for_others(&self, limit: Duration) -> Result<Duration, Vec<u32>> {
        let begin = Instant::now();
        loop {
            let others = self.others();
            if others.is_empty() {
                return Ok(begin.elapsed());
            }
            if begin.elapsed() > limit {
                return Err(others);
            }
            pause();
        }
    }

    fn memory(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) / 1024
    }

    /// Ends everything that this case has started.
    fn end(mut self) -> Outcome {
        let others = self.others();
        self.process.kill()?;
        self.process.wait()?;
        for id in others.into_iter().chain(self.others()) {
            // It may have ended meanwhile.
            let _ = kill(id);
        }
        Ok(fs::remove_dir_all(&self.folder)?)
    }
}

fn kill(id: u32) -> Outcome {
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw).ok_or("no process id")?;
    Ok(kill_process(pid, Signal::KILL)?)
}

fn now_in_nanos() -> u128 {
    std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos()
}

fn pause() {
    #[expect(clippy::disallowed_methods, reason = "nothing announces the end of processes of others")]
    thread::sleep(Duration::from_millis(2));
}

fn is_marked(id: u32, variable: &str) -> bool {
    let Ok(environment) = fs::read(format!("/proc/{id}/environ")) else { return false };
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // A zombie has no environment; one in between may still be listed.
    !stat.contains(") Z ") && environment.split(|byte| *byte == 0).any(|entry| entry == variable.as_bytes())
}

/// Runs a case and says what came of it.
pub(crate) fn run(system: &System, case: &Case) -> Outcome<String> {
    if case.lacks == system.transport && case.lacks.is_some() {
        return Ok("not tried".to_owned());
    }
    let mut host = Host::start(system, case)?;
    // Where this was built says nothing.
    let folder = system.program.parent().map(|folder| format!("{}/", folder.display())).unwrap_or_default();
    let mut parts = Vec::new();
    let mut begin = Instant::now();
    let mut before = 0;
    let mut end = None;
    let mut also = Vec::new();
    // What the host is told.
    let result = loop {
        match host.events.recv_timeout((begin + DEADLINE).saturating_duration_since(Instant::now())) {
            Ok((at, line)) => {
                let line = line.replace(&folder, "");
                let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
                match word {
                    "begin" => (begin, before) = (at, host.memory("VmRSS:")),
                    // What is told later had happened by then.
                    "end" => end = Some(at),
                    "also" => also.push(clean(rest)),
                    "answer" => break format!("answered in {}", time(end.unwrap_or(at) - begin)),
                    "error" => {
                        break format!("error in {}: {}", time(end.unwrap_or(at) - begin), shorten(rest));
                    }
                    // The plugin is ready.
                    _ => {}
                }
            }
            Err(RecvTimeoutError::Timeout) => break "**no answer**".to_owned(),
            Err(RecvTimeoutError::Disconnected) => {
                let status = host.process.wait()?;
                let errors = host.errors.recv().unwrap_or_default();
                break format!(
                    "**the host ends** ({status}): {}",
                    shorten(errors.lines().next().unwrap_or_default())
                );
            }
        }
    };
    let has_ended = host.process.try_wait()?.is_some();
    let memory = host.memory("VmHWM:").saturating_sub(before);
    for look in case.looks {
        match look {
            Look::Result => {
                parts.push(result.clone());
                parts.append(&mut also);
            }
            Look::Plugin => parts.push(match host.wait_for_others(GRACE) {
                Ok(_) => "the plugin ends".to_owned(),
                Err(_) => "the plugin goes on".to_owned(),
            }),
            Look::Memory if memory > MUCH => parts.push(format!("the host takes {memory} MiB more")),
            Look::Memory => parts.push(format!("the host takes less than {MUCH} MiB more")),
            Look::Stop if has_ended => parts.push("the host has ended".to_owned()),
            Look::Stop => parts.push(stop(&mut host)),
            Look::Left => {
                host.say_go_on();
                parts.push(left(&host));
            }
            Look::HostKilled => {
                host.process.kill()?;
                host.process.wait()?;
                parts.push(left(&host));
            }
            Look::HostEnded => {
                host.process.wait()?;
                parts.push(left(&host));
            }
        }
    }
    host.end()?;
    Ok(parts.join("; "))
}

fn stop(host: &mut Host) -> String {
    let begin = Instant::now();
    host.say_go_on();
    loop {
        match host.events.recv_timeout((begin + DEADLINE).saturating_duration_since(Instant::now())) {
            Ok((at, line)) if line == "stopped" => return format!("stopped in {}", time(at - begin)),
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout) => return "**the stop hangs**".to_owned(),
            Err(RecvTimeoutError::Disconnected) => return "**the host ends**".to_owned(),
        }
    }
}

fn left(host: &Host) -> String {
    match host.wait_for_others(GRACE) {
        Ok(after) => format!("nothing is left after {}", time(after)),
        Err(others) => {
            let names =
                others.iter().map(|id| fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default());
            let kinds: Vec<_> =
                names.map(|name| if name.trim() == "sleep" { "its child" } else { "the plugin" }).collect();
            format!("**left: {}**", kinds.join(" and "))
        }
    }
}

fn time(time: Duration) -> String {
    match time.as_micros() {
        0..1000 => "under 1 ms".to_owned(),
        1000..1_000_000 => format!("{} ms", time.as_millis()),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

/// An error as one cell of a table shows it.
fn shorten(text: &str) -> String {
    format!("`{}`", clean(text))
}

/// A text without what a table or a terminal would make something of, and not too long.
fn clean(text: &str) -> String {
    let escape = |c: char| match c {
        '|' | '`' => vec!['\''],
        c if c.is_ascii_graphic() || c == ' ' => vec![c],
        c => c.escape_default().collect(),
    };
    let text: String = text.chars().flat_map(escape).collect();
    let short: String = text.chars().take(MAX_TEXT).collect();
    if short.len() < text.len() { short + "…" } else { short }
}
