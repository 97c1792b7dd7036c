//! Interfaces that the test plugins and the tests share.

pub mod journal;
pub mod starts;
pub mod store;
pub mod sys;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use plugin_core::{ByteStream, CallError, Handshake, Result, plugin_interface};
use serde::{Deserialize, Serialize};

mod interfaces;

pub use interfaces::*;

/// The application of the test plugins that name one.
pub const APPLICATION: Handshake = Handshake::new("orchard", 3);

/// Data with the kinds of members that data has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// A number.
    pub id: u64,
    /// A text.
    pub name: String,
    /// A list.
    pub tags: Vec<String>,
    /// Something that may be absent.
    pub weight: Option<f64>,
}

/// The smallest and largest of several types of numbers.
pub type Numbers = (u8, i16, u32, i64, u128, i128, f64, char, bool);

/// Gives back what it gets, in each form that an argument may have.
#[plugin_interface]
pub trait Echo {
    /// A number.
    fn number(&self, number: u64) -> Result<u64>;
    /// Nothing.
    fn nothing(&self) -> Result<()>;
    /// All numbers.
    fn numbers(&self, numbers: Numbers) -> Result<Numbers>;
    /// Borrowed text.
    fn text(&self, text: &str) -> Result<String>;
    /// Owned text.
    fn owned_text(&self, text: String) -> Result<String>;
    /// Text that may be either.
    fn cow(&self, text: Cow<'_, str>) -> Result<Cow<'static, str>>;
    /// Borrowed bytes.
    fn bytes(&self, bytes: &[u8]) -> Result<Vec<u8>>;
    /// Owned bytes.
    fn owned_bytes(&self, bytes: Vec<u8>) -> Result<Vec<u8>>;
    /// Bytes of a fixed number.
    fn array(&self, bytes: [u8; 4]) -> Result<[u8; 4]>;
    /// Boxes.
    fn boxes(&self, bytes: Box<[u8]>, row: Box<Row>) -> Result<(Box<[u8]>, Box<Row>)>;
    /// A path.
    fn path(&self, path: &Path) -> Result<PathBuf>;
    /// A structure by reference.
    fn row(&self, row: &Row) -> Result<Row>;
    /// A list of structures.
    fn rows(&self, rows: &[Row]) -> Result<Vec<Row>>;
    /// A list of references.
    fn texts(&self, texts: &[&str]) -> Result<Vec<String>>;
    /// What may be absent.
    fn options(&self, text: Option<&str>, bytes: Option<&[u8]>, row: Option<&Row>) -> Result<Options>;
    /// A map, sorted.
    fn map(&self, map: HashMap<String, Vec<u8>>) -> Result<BTreeMap<String, Vec<u8>>>;
    /// A tuple with a reference in it.
    fn tuple(&self, tuple: (u8, &str, PathBuf)) -> Result<(u8, String, PathBuf)>;
    /// As many bytes as asked for.
    fn zeros(&self, count: u64) -> Result<Vec<u8>>;
}

/// What [`Echo::options`] gives back.
pub type Options = (Option<String>, Option<Vec<u8>>, Option<Row>);

/// Fails with an error of its own.
#[plugin_interface]
pub trait Ledger {
    /// Takes an amount off an account that holds 100.
    fn withdraw(&self, account: &str, amount: u64) -> Result<u64, LedgerError>;
    /// Fails with the text.
    fn fail(&self, text: &str) -> Result<()>;
    /// Fails with an error that has sources.
    fn open(&self, path: &Path) -> Result<u64>;
}

/// Other versions of [`Ledger`], as an older plugin or host would have them.
pub mod other_version {
    use super::{LedgerError, Result, plugin_interface};

    /// Has a method that was removed.
    #[plugin_interface(name = "Ledger")]
    pub trait OlderLedger {
        /// As it is.
        fn fail(&self, text: &str) -> Result<()>;
        /// Not there any more.
        fn audit(&self) -> Result<u64>;
    }

    /// Has a method with another signature.
    #[plugin_interface(name = "Ledger")]
    pub trait NewerLedger {
        /// Takes a smaller number.
        fn withdraw(&self, account: &str, amount: u32) -> Result<u64, LedgerError>;
    }
}

/// Why a withdrawal failed.
#[derive(Debug, Serialize, Deserialize)]
pub enum LedgerError {
    /// The account holds less.
    Overdrawn {
        /// Which account.
        account: String,
        /// By how much.
        missing: u64,
    },
    /// There is no such account.
    NoAccount,
    /// The call failed.
    Call(CallError),
}

impl fmt::Display for LedgerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overdrawn { account, missing } => write!(f, "`{account}` lacks {missing}"),
            Self::NoAccount => f.write_str("there is no such account"),
            Self::Call(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for LedgerError {}

impl From<CallError> for LedgerError {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

/// Has methods that cannot fail, and two instances in one plugin.
#[plugin_interface]
pub trait Tally {
    /// Adds to the sum and gives it.
    fn add(&self, number: u64) -> u64;
    /// Sets the sum to zero.
    fn reset(&self);
    /// The sum as a path, unless it is zero.
    fn as_path(&self) -> Option<PathBuf>;
    /// Can fail among those that cannot.
    fn divide(&self, by: u64) -> Result<u64>;
}

/// Methods that wait for each other, so that tests need no clocks.
#[plugin_interface]
pub trait Gate {
    /// Waits until the gate is open.
    fn hold(&self, gate: u64) -> Result<u64>;
    /// Opens a gate for those that wait and those that come.
    fn open(&self, gate: u64) -> Result<()>;
    /// Waits until so many callers are in this method.
    fn meet(&self, count: u64) -> Result<u64>;
    /// How many callers wait in this interface.
    fn waiting(&self) -> Result<u64>;
}

/// Methods that wait without a thread of their own, beside some that do not wait.
#[plugin_interface(timeout = "1min", max_message = "64 KiB")]
pub trait Bells {
    /// Waits until the bell has rung and says how often.
    #[plugin(timeout = "none")]
    async fn listen(&self, bell: &str) -> Result<u64>;
    /// Does the same, but not for long.
    #[plugin(timeout = "200ms")]
    async fn listen_briefly(&self, bell: &str) -> Result<u64> {
        self.listen(bell).await
    }
    /// Rings a bell and says how often it has rung.
    fn ring(&self, bell: &str) -> Result<u64>;
    /// How many calls listen.
    fn listening(&self) -> Result<u64>;
    /// Gives back what it got, after a pause.
    async fn engrave(&self, text: &str, names: &[&str], row: Option<&Row>) -> Result<String, LedgerError>;
    /// Panics with the text, after a pause.
    async fn crack(&self, text: &str) -> Result<()>;
    /// As many bytes as asked for, after a pause.
    async fn zeros(&self, count: u64) -> Result<Vec<u8>>;
}

/// Methods that wait and cannot fail, beside others.
#[plugin_interface]
pub trait Clock {
    /// Pauses so many times and says how often it has paused.
    async fn tick(&self, times: u64) -> u64;
    /// Begins anew.
    async fn reset(&self);
    /// How often it has paused.
    fn ticks(&self) -> u64;
    /// What it shows.
    async fn show(&self, prefix: &str) -> Result<String>;
}

/// Methods that ask about their calls, and answer those that are not waited for to the end.
#[plugin_interface]
pub trait Vigil {
    /// Works until nobody waits any more.
    fn toil(&self) -> Result<()>;
    /// Waits for ever.
    async fn doze(&self) -> Result<()>;
    /// How many calls of [`toil`](Self::toil) and [`doze`](Self::doze) began, and how many ended.
    fn counts(&self) -> Result<(u64, u64)>;
    /// How long the caller still waits.
    fn time_left(&self) -> Result<Option<Duration>>;
    /// How long the caller still waits, after a pause.
    async fn time_left_later(&self) -> Result<Option<Duration>>;
    /// Gives back what it got.
    fn answer(&self, number: u64, bytes: &[u8]) -> Result<(u64, Vec<u8>)>;
    /// Gives back what it got, after some pauses.
    async fn answer_later(&self, number: u64, bytes: Vec<u8>) -> Result<(u64, Vec<u8>)>;
}

/// Methods that need tokio.
#[plugin_interface]
pub trait Errands {
    /// Sleeps and says on which thread it woke up.
    async fn nap(&self, millis: u64) -> Result<String>;
    /// Gives back what it got, from a task over a socket.
    async fn exchange(&self, bytes: &[u8]) -> Result<Vec<u8>>;
    /// Waits for ever.
    async fn wait(&self) -> Result<()>;
    /// Panics, after a pause unless it is of no length.
    async fn crack(&self, millis: u64) -> Result<()>;
    /// As many bytes as asked for, after a pause.
    async fn zeros(&self, count: u64) -> Result<Vec<u8>>;
    /// How long the caller still waits, after a pause.
    async fn time_left(&self) -> Result<Option<Duration>>;
    /// How many calls of [`wait`](Self::wait) and [`zeros`](Self::zeros) began, and how many ended.
    fn counts(&self) -> Result<(u64, u64)>;
    /// Sends bytes through a socket, and gives the other end of that.
    async fn pass(&self, contents: ByteStream) -> Result<ByteStream>;
    /// Gives bytes that a task writes, which takes them from a stream.
    async fn copy(&self, contents: ByteStream) -> Result<ByteStream>;
}

/// What a plugin sees of the world.
#[plugin_interface]
pub trait Surroundings {
    /// Its environment.
    fn environment(&self) -> Result<BTreeMap<String, String>>;
    /// Its current directory.
    fn directory(&self) -> Result<PathBuf>;
    /// Its arguments.
    fn arguments(&self) -> Result<Vec<String>>;
    /// Its open descriptors before it served.
    fn descriptors_at_start(&self) -> Result<BTreeMap<u32, String>>;
    /// Its open descriptors now.
    fn descriptors(&self) -> Result<BTreeMap<u32, String>>;
    /// Starts a program and tells its environment and its open descriptors.
    fn child(&self) -> Result<(BTreeMap<String, String>, BTreeMap<u32, String>)>;
    /// What it is told when it tries to start itself as a host would.
    fn start_itself(&self) -> Result<String>;
}

/// Writes what it is told to.
#[plugin_interface]
pub trait Printer {
    /// Writes bytes as they are to standard output, or else standard error.
    fn print(&self, to_stdout: bool, bytes: &[u8]) -> Result<()>;
    /// Records with `log` and `tracing`.
    fn record(&self) -> Result<()>;
}

/// Writes down what it does.
#[plugin_interface]
pub trait Journal {
    /// Appends the number to the file that the first argument of the program names, then answers with
    /// [`journal_answer`].
    fn note(&self, number: u64) -> Result<u64>;
}

/// What [`Journal::note`] answers.
#[must_use]
pub fn journal_answer(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17)
}

/// Fails in the way that it is told.
#[plugin_interface]
pub trait Crash {
    /// Fails.
    fn crash(&self, how: Mishap) -> Result<()>;
    /// Does not fail.
    fn survive(&self, number: u64) -> Result<u64>;
    /// Leaves a process in a session of its own that is no child of the plugin any more, and gives its process id.
    fn daemon(&self) -> Result<u32>;
}

/// What can happen in a method.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Mishap {
    /// A panic with a `&str`.
    PanicWithText,
    /// A panic with a `String`.
    PanicWithString,
    /// A panic with a value that is not a text.
    PanicWithValue,
    /// A panic with a message of 100 MiB.
    PanicWithHugeText,
    /// A panic while a value is dropped.
    PanicInDrop,
    /// A panic while a panic unwinds.
    PanicTwice,
    /// `abort`.
    Abort,
    /// A signal to itself.
    Signal(i32),
    /// The end of the process with this status.
    Exit(i32),
    /// A recursion without end.
    StackOverflow,
    /// The same on a thread that the method starts.
    StackOverflowOnThread,
    /// More memory than there is.
    OutOfMemory,
    /// The end of the process, with a child left that holds stdout and stderr and tells its id there.
    ExitLeavingChild {
        /// Whether the child leaves the process group of the plugin.
        own_group: bool,
    },
    /// Nothing, for ever.
    Hang,
}

/// Gives values of the types that hostile bytes are worst for. No plugin implements it: `raw` answers
/// its calls with bytes.
#[plugin_interface]
pub trait Shapes {
    /// Bytes.
    fn bytes(&self) -> Result<Vec<u8>>;
    /// A text.
    fn text(&self) -> Result<String>;
    /// Numbers.
    fn numbers(&self) -> Result<Vec<u64>>;
    /// Elements of no size.
    fn units(&self) -> Result<Vec<()>>;
    /// A set of nothing.
    fn unit_map(&self) -> Result<HashMap<(), ()>>;
    /// A map.
    fn map(&self) -> Result<HashMap<u64, u64>>;
    /// Something as deep as it likes.
    fn tree(&self) -> Result<Tree>;
    /// Elements that are small when absent.
    fn sparse(&self) -> Result<Vec<Option<Large>>>;
    /// The same, nested.
    fn nested_sparse(&self) -> Result<Vec<Vec<Option<Large>>>>;
    /// One of two values.
    fn truth(&self) -> Result<bool>;
    /// A character.
    fn character(&self) -> Result<char>;
    /// A number that is not zero.
    fn non_zero(&self) -> Result<std::num::NonZeroU32>;
    /// One that may be absent.
    fn option(&self) -> Result<Option<u8>>;
    /// A time span.
    fn duration(&self) -> Result<Duration>;
    /// A point in time.
    fn time(&self) -> Result<std::time::SystemTime>;
    /// A structure.
    fn row(&self) -> Result<Row>;
    /// An error of its own.
    fn own_error(&self) -> Result<u64, LedgerError>;
    /// Gives back what it got.
    fn number(&self, number: u64) -> Result<u64>;
    /// Gives back what it got, at some time.
    async fn later(&self, number: u64) -> Result<u64>;
    /// Calls this method of `taker`, and says what came of that.
    fn give(&self, method: &str, taker: &dyn Taker) -> Result<String>;
}

/// Takes values of the types of [`Shapes`].
#[plugin_interface]
pub trait Taker {
    /// Bytes.
    fn bytes(&self, value: Vec<u8>) -> Result<()>;
    /// A text.
    fn text(&self, value: String) -> Result<()>;
    /// Numbers.
    fn numbers(&self, value: Vec<u64>) -> Result<()>;
    /// Elements of no size.
    fn units(&self, value: Vec<()>) -> Result<()>;
    /// A set of nothing.
    fn unit_map(&self, value: HashMap<(), ()>) -> Result<()>;
    /// A map.
    fn map(&self, value: HashMap<u64, u64>) -> Result<()>;
    /// Something as deep as it likes.
    fn tree(&self, value: Tree) -> Result<()>;
    /// Elements that are small when absent.
    fn sparse(&self, value: Vec<Option<Large>>) -> Result<()>;
    /// The same, nested.
    fn nested_sparse(&self, value: Vec<Vec<Option<Large>>>) -> Result<()>;
    /// One of two values.
    fn truth(&self, value: bool) -> Result<()>;
    /// A character.
    fn character(&self, value: char) -> Result<()>;
    /// A number that is not zero.
    fn non_zero(&self, value: std::num::NonZeroU32) -> Result<()>;
    /// One that may be absent.
    fn option(&self, value: Option<u8>) -> Result<()>;
    /// A time span.
    fn duration(&self, value: Duration) -> Result<()>;
    /// A point in time.
    fn time(&self, value: std::time::SystemTime) -> Result<()>;
    /// A structure.
    fn row(&self, value: Row) -> Result<()>;
}

/// A kilobyte when it is there, and a byte of a message when it is not.
pub type Large = [[u64; 16]; 8];

/// A recursive type.
#[derive(Debug, Serialize, Deserialize)]
pub enum Tree {
    /// The end.
    Leaf,
    /// One more level.
    Node(Box<Self>),
}

/// The code in README.md is compiled, and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// So is that of the guide.
#[cfg(doctest)]
mod guide {
    #[doc = include_str!("../docs/guide/async.md")]
    struct Async;
    #[doc = include_str!("../docs/guide/attach.md")]
    struct Attach;
    #[doc = include_str!("../docs/guide/callbacks.md")]
    struct Callbacks;
    #[doc = include_str!("../docs/guide/calls.md")]
    struct Calls;
    #[doc = include_str!("../docs/guide/errors.md")]
    struct Errors;
    #[doc = include_str!("../docs/guide/hooks.md")]
    struct Hooks;
    #[doc = include_str!("../docs/guide/interfaces.md")]
    struct Interfaces;
    #[doc = include_str!("../docs/guide/many.md")]
    struct Many;
    #[doc = include_str!("../docs/guide/objects.md")]
    struct Objects;
    #[doc = include_str!("../docs/guide/production.md")]
    struct Production;
    #[doc = include_str!("../docs/guide/streams.md")]
    struct Streams;
    #[doc = include_str!("../docs/guide/testing.md")]
    struct Testing;
}
