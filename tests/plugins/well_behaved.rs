//! A plugin that does what it is told, and looks around.
//!
//! Arguments: a file for [`Journal`], then words: `chatter` prints all the time on both streams, `early`
//! prints before it serves, `small` accepts messages of 64 KiB only, `narrow` accepts one call at a time,
//! `orchard` belongs to an application.

mod bells;
mod vigil;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use self::bells::{Pendulum, Tower};
use self::vigil::Watch;
use plugin_core::{CallError, Registry, Result};
use plugin_host::Launcher;
use tests::{
    APPLICATION, BellsServer, ClockServer, Echo, EchoServer, Gate, GateServer, Journal, JournalServer,
    Ledger, LedgerError, LedgerServer, Numbers, Options, Printer, PrinterServer, Row, Surroundings,
    SurroundingsServer, Tally, TallyServer, VigilServer, journal, journal_answer, sys,
};

struct Plugin;

impl Echo for Plugin {
    fn number(&self, number: u64) -> Result<u64> {
        Ok(number)
    }
    fn nothing(&self) -> Result<()> {
        Ok(())
    }
    fn numbers(&self, numbers: Numbers) -> Result<Numbers> {
        Ok(numbers)
    }
    fn text(&self, text: &str) -> Result<String> {
        Ok(text.to_owned())
    }
    fn owned_text(&self, text: String) -> Result<String> {
        Ok(text)
    }
    fn cow(&self, text: Cow<'_, str>) -> Result<Cow<'static, str>> {
        Ok(text.into_owned().into())
    }
    fn bytes(&self, bytes: &[u8]) -> Result<Vec<u8>> {
        Ok(bytes.to_vec())
    }
    fn owned_bytes(&self, bytes: Vec<u8>) -> Result<Vec<u8>> {
        Ok(bytes)
    }
    fn array(&self, bytes: [u8; 4]) -> Result<[u8; 4]> {
        Ok(bytes)
    }
    fn boxes(&self, bytes: Box<[u8]>, row: Box<Row>) -> Result<(Box<[u8]>, Box<Row>)> {
        Ok((bytes, row))
    }
    fn path(&self, path: &Path) -> Result<PathBuf> {
        Ok(path.to_owned())
    }
    fn row(&self, row: &Row) -> Result<Row> {
        Ok(row.clone())
    }
    fn rows(&self, rows: &[Row]) -> Result<Vec<Row>> {
        Ok(rows.to_vec())
    }
    fn texts(&self, texts: &[&str]) -> Result<Vec<String>> {
        Ok(texts.iter().map(|text| (*text).to_owned()).collect())
    }
    fn options(&self, text: Option<&str>, bytes: Option<&[u8]>, row: Option<&Row>) -> Result<Options> {
        Ok((text.map(str::to_owned), bytes.map(<[u8]>::to_vec), row.cloned()))
    }
    fn map(&self, map: HashMap<String, Vec<u8>>) -> Result<BTreeMap<String, Vec<u8>>> {
        Ok(map.into_iter().collect())
    }
    fn tuple(&self, (number, text, path): (u8, &str, PathBuf)) -> Result<(u8, String, PathBuf)> {
        Ok((number, text.to_owned(), path))
    }
    fn zeros(&self, count: u64) -> Result<Vec<u8>> {
        let count = usize::try_from(count).map_err(CallError::failed)?;
        Ok(vec![0; count])
    }
}

impl Ledger for Plugin {
    fn withdraw(&self, account: &str, amount: u64) -> Result<u64, LedgerError> {
        match account {
            "missing" => Err(LedgerError::NoAccount),
            // A call of its own to another plugin might fail in this way.
            "elsewhere" => Err(LedgerError::Call(CallError::failed("the bank is closed"))),
            _ => 100_u64
                .checked_sub(amount)
                .ok_or_else(|| LedgerError::Overdrawn { account: account.to_owned(), missing: amount - 100 }),
        }
    }
    fn fail(&self, text: &str) -> Result<()> {
        Err(text.into())
    }
    fn open(&self, path: &Path) -> Result<u64> {
        Ok(File::open(path)?.metadata()?.len())
    }
}

#[derive(Default)]
struct Sum(Mutex<u64>);

impl Tally for Sum {
    fn add(&self, number: u64) -> u64 {
        let mut sum = lock(&self.0);
        *sum += number;
        *sum
    }
    fn reset(&self) {
        *lock(&self.0) = 0;
    }
    fn as_path(&self) -> Option<PathBuf> {
        let sum = *lock(&self.0);
        (sum > 0).then(|| PathBuf::from(sum.to_string()))
    }
    fn divide(&self, by: u64) -> Result<u64> {
        Ok(lock(&self.0).checked_div(by).ok_or("nothing can be divided by zero")?)
    }
}

#[derive(Default)]
struct Gates {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Default)]
struct GateState {
    open: HashSet<u64>,
    meeting: u64,
    waiting: u64,
}

impl Gates {
    fn wait_until(&self, mut done: impl FnMut(&GateState) -> bool) {
        let mut state = lock(&self.state);
        state.waiting += 1;
        while !done(&state) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting -= 1;
    }
}

impl Gate for Gates {
    fn hold(&self, gate: u64) -> Result<u64> {
        self.wait_until(|state| state.open.contains(&gate));
        Ok(gate)
    }
    fn open(&self, gate: u64) -> Result<()> {
        lock(&self.state).open.insert(gate);
        self.changed.notify_all();
        Ok(())
    }
    fn meet(&self, count: u64) -> Result<u64> {
        lock(&self.state).meeting += 1;
        self.changed.notify_all();
        self.wait_until(|state| state.meeting >= count);
        Ok(count)
    }
    fn waiting(&self) -> Result<u64> {
        Ok(lock(&self.state).waiting)
    }
}

struct World {
    descriptors_at_start: BTreeMap<u32, String>,
}

impl Surroundings for World {
    fn environment(&self) -> Result<BTreeMap<String, String>> {
        Ok(std::env::vars().collect())
    }
    fn directory(&self) -> Result<PathBuf> {
        Ok(std::env::current_dir()?)
    }
    fn arguments(&self) -> Result<Vec<String>> {
        Ok(std::env::args().skip(1).collect())
    }
    fn descriptors_at_start(&self) -> Result<BTreeMap<u32, String>> {
        Ok(self.descriptors_at_start.clone())
    }
    fn descriptors(&self) -> Result<BTreeMap<u32, String>> {
        Ok(sys::descriptors_of(std::process::id())?)
    }
    fn child(&self) -> Result<(BTreeMap<String, String>, BTreeMap<u32, String>)> {
        #[expect(clippy::disallowed_methods, reason = "plugins may start programs")]
        let mut child = sys::sleeper().spawn()?;
        let id = child.id();
        let seen = sys::environment_of(id).and_then(|variables| Ok((variables, sys::descriptors_of(id)?)));
        child.kill()?;
        child.wait()?;
        Ok(seen?)
    }
    fn start_itself(&self) -> Result<String> {
        let error = Launcher::current_exe().err().ok_or("it may")?;
        Ok(error.to_string())
    }
}

impl Printer for Plugin {
    fn print(&self, to_stdout: bool, bytes: &[u8]) -> Result<()> {
        if to_stdout {
            let mut out = std::io::stdout().lock();
            out.write_all(bytes)?;
            Ok(out.flush()?)
        } else {
            Ok(std::io::stderr().lock().write_all(bytes)?)
        }
    }
    fn record(&self) -> Result<()> {
        log::warn!(target: "orchard::log", apples = 3_u64, ripe = true; "through log");
        let span = tracing::info_span!("harvest", row = 7);
        let _inside = span.enter();
        tracing::error!(
            target: "orchard::tracing",
            count = 5_u64,
            change = -2_i64,
            weight = 1.5,
            ripe = false,
            sort = "Boskoop",
            basket = ?vec![1, 2],
            "through tracing",
        );
        tracing::trace!(target: "orchard::detail", "a detail");
        Ok(())
    }
}

struct Notes(Option<File>);

impl Journal for Notes {
    fn note(&self, number: u64) -> Result<u64> {
        let file = self.0.as_ref().ok_or("there is no journal")?;
        journal::append(file, number)?;
        Ok(journal_answer(number))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn chatter() {
    let text = "all work and no play\n".repeat(20);
    // Ends with the process.
    while std::io::stdout().write_all(text.as_bytes()).is_ok() {
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
}

fn main() -> ExitCode {
    let descriptors_at_start = sys::descriptors_of(std::process::id()).unwrap_or_default();
    tests::starts::begin();
    let mut arguments = std::env::args().skip(1);
    let journal = arguments.next().filter(|path| !path.is_empty());
    let words: Vec<String> = arguments.collect();
    let has = |word: &str| words.iter().any(|other| other == word);

    let journal = journal.and_then(|path| OpenOptions::new().append(true).create(true).open(path).ok());
    let mut registry = Registry::new("well-behaved", "1.2.3")
        .add(EchoServer::new(Plugin))
        .add(LedgerServer::new(Plugin))
        .add_named("left", TallyServer::new(Sum::default()))
        .add_named("right", TallyServer::new(Sum::default()))
        .add(GateServer::new(Gates::default()))
        .add(SurroundingsServer::new(World { descriptors_at_start }))
        .add(PrinterServer::new(Plugin))
        .add(JournalServer::new(Notes(journal)))
        .add(BellsServer::new(Tower::default()))
        .add(ClockServer::new(Pendulum::default()))
        .add(VigilServer::new(Watch::default()));
    if has("small") {
        registry = registry.max_message(64 * 1024);
    }
    if has("narrow") {
        registry = registry.max_in_flight(1);
    }
    if has("orchard") {
        registry = registry.handshake(APPLICATION);
    }
    if has("early") {
        let _ = std::io::stdout().write_all(b"early on stdout\nwithout an end");
        let _ = std::io::stdout().flush();
        let _ = std::io::stderr().write_all(b"early on stderr\n");
    }
    if has("chatter") && thread::Builder::new().spawn(chatter).is_err() {
        return ExitCode::FAILURE;
    }
    plugin_core::serve(registry)
}
