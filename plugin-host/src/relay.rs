//! Takes the log records and lines of a plugin to where the host wants them, on a thread of their own:
//! a subscriber or writer of the user's may be slow, or call the plugin itself, and neither must hold
//! up the threads that serve its calls.

use std::collections::VecDeque;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use plugin_core::__host::{Condvar, Record, lock, wait};

use crate::events::{self, PluginLabel};
use crate::output::{Sink, StreamName};
use crate::report::FinishedReport;

/// How many bytes of log records may wait, and of lines of stdout and of stderr: each has its own room, so
/// that a plugin that prints without a break does not drown its records. A second of such a plugin; a host
/// that is slower for longer loses what comes on top, and is told how much.
const MAX_BYTES: usize = 1024 * 1024;

/// How often a loss is reported at most: once a second tells the same as a hundred times.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// What an item costs on top of its text, so that empty lines are not free.
const ITEM_COST: usize = 128;

/// What waits to be delivered.
#[derive(Debug)]
enum Item {
    Record(Box<Record>),
    Line(StreamName, Vec<u8>),
    /// That of the plugin's end, one at most.
    Report(Box<FinishedReport>),
}

impl Item {
    /// Which of the limits holds for it.
    fn kind(&self) -> usize {
        match self {
            Self::Line(stream, _) => *stream as usize,
            Self::Record(_) => 2,
            Self::Report(_) => 3,
        }
    }

    fn cost(&self) -> usize {
        let size = match self {
            Self::Line(_, line) => line.len(),
            Self::Record(record) => record.size(),
            // There is always room for the only one.
            Self::Report(_) => 0,
        };
        size + ITEM_COST
    }
}

/// The queue before the thread.
pub(crate) struct Relay {
    label: Mutex<Label>,
    /// Whether the lines of stdout and stderr are thrown away.
    is_silent: [bool; 2],
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    /// How many bytes wait of each [kind](Item::kind).
    bytes: [usize; 4],
    dropped: u64,
    /// When the last loss was reported.
    reported: Option<Instant>,
    /// How many sources may still add something.
    sources: usize,
    done: bool,
}

/// Something that adds records or lines. The relay ends when every source has been dropped.
pub(crate) struct Source(Arc<Relay>);

/// Whose records and lines these are.
#[derive(Clone, Debug)]
struct Label {
    /// The name of the program's file until the plugin has told its own name.
    name: Arc<str>,
    /// 0 until the process has been started.
    id: u32,
}

impl Label {
    fn as_ref(&self) -> PluginLabel<'_> {
        PluginLabel { name: &self.name, pid: self.id }
    }
}

impl Relay {
    /// Starts the thread, for a plugin that is called `name` until it tells its own.
    /// `sinks` are those of stdout and stderr.
    pub(crate) fn start(name: &str, sinks: [Sink; 2]) -> io::Result<(Arc<Self>, Source)> {
        let relay = Arc::new(Self {
            is_silent: [sinks[0].is_null(), sinks[1].is_null()],
            label: Mutex::new(Label { name: name.into(), id: 0 }),
            queue: Mutex::new(Queue { sources: 1, ..Queue::default() }),
            changed: Condvar::new(),
        });
        let source = Source(Arc::clone(&relay));
        let this = Arc::clone(&relay);
        // A path may hold a zero byte, though no file has it, and the name of a thread may not.
        let name = format!("plugin output {name}").replace('\0', "?");
        thread::Builder::new().name(name).spawn(move || this.run(sinks))?;
        Ok((relay, source))
    }

    /// Takes note of the process.
    pub(crate) fn set_process(&self, id: u32) {
        lock(&self.label).id = id;
    }

    /// Takes note of the name that the plugin gave itself.
    pub(crate) fn set_name(&self, name: &str) {
        lock(&self.label).name = name.into();
    }

    fn label(&self) -> Label {
        lock(&self.label).clone()
    }

    /// Waits until everything has been delivered, which needs every source to be gone.
    pub(crate) fn wait_done(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        let mut queue = lock(&self.queue);
        while !queue.done {
            match wait(&self.changed, queue, Some(deadline)) {
                Some(guard) => queue = guard,
                None => return,
            }
        }
    }

    fn run(&self, mut sinks: [Sink; 2]) {
        // Whatever happens here, who waits must not wait in vain.
        let _done = Done(self);
        while let Some((dropped, item)) = self.next() {
            let label = self.label();
            let is_something = item.is_some();
            let delivered = panic::catch_unwind(AssertUnwindSafe(|| {
                if dropped > 0 {
                    events::emit_dropped(dropped, label.as_ref());
                }
                match item {
                    Some(Item::Record(record)) => events::emit(&record, label.as_ref()),
                    Some(Item::Line(stream, line)) => {
                        sinks[stream as usize].deliver(stream, &line, label.as_ref())
                    }
                    Some(Item::Report(report)) => report.write(),
                    None => {}
                }
            }));
            // A subscriber or writer of the user's panicked. Its panic has been printed; what it was given
            // counts as lost, and the plugin's next words are tried anew.
            if delivered.is_err() && is_something {
                lock(&self.queue).dropped += 1;
            }
        }
    }

    /// Waits for the next item, with how many were dropped before it; `None` at the end.
    fn next(&self) -> Option<(u64, Option<Item>)> {
        let mut queue = lock(&self.queue);
        loop {
            let item = queue.items.pop_front();
            if let Some(item) = &item {
                queue.bytes[item.kind()] -= item.cost();
            }
            let is_over = item.is_none() && queue.sources == 0;
            let now = Instant::now();
            let not_before = queue.reported.map(|at| at + REPORT_INTERVAL).filter(|at| *at > now);
            let is_due = is_over || not_before.is_none();
            let dropped = if is_due { std::mem::take(&mut queue.dropped) } else { 0 };
            if dropped > 0 {
                queue.reported = Some(now);
            }
            if item.is_some() || dropped > 0 {
                return Some((dropped, item));
            }
            if is_over {
                return None;
            }
            // A loss that was not due yet is reported then, also when nothing more comes.
            let until = not_before.filter(|_| queue.dropped > 0);
            queue = wait(&self.changed, queue, until).unwrap_or_else(|| lock(&self.queue));
        }
    }

    fn add(&self, item: Item) {
        let mut queue = lock(&self.queue);
        let (kind, cost) = (item.kind(), item.cost());
        if queue.bytes[kind] + cost > MAX_BYTES {
            queue.dropped += 1;
        } else {
            queue.bytes[kind] += cost;
            queue.items.push_back(item);
        }
        drop(queue);
        self.changed.notify_all();
    }
}

struct Done<'a>(&'a Relay);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        lock(&self.0.queue).done = true;
        self.0.changed.notify_all();
    }
}

impl Source {
    pub(crate) fn record(&self, record: Record) {
        self.0.add(Item::Record(Box::new(record)));
    }

    /// Has the end of the plugin reported, after all that was added before.
    pub(crate) fn report(&self, report: FinishedReport) {
        self.0.add(Item::Report(Box::new(report)));
    }

    pub(crate) fn line(&self, stream: StreamName, line: Vec<u8>) {
        if !self.0.is_silent[stream as usize] {
            self.0.add(Item::Line(stream, line));
        }
    }
}

impl Clone for Source {
    fn clone(&self) -> Self {
        lock(&self.0.queue).sources += 1;
        Self(Arc::clone(&self.0))
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        lock(&self.0.queue).sources -= 1;
        self.0.changed.notify_all();
    }
}
