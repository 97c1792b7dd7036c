//! Takes the log records and lines of a plugin to where the host wants them, on a thread of their own:
//! a subscriber or writer of the user's may be slow, or call the plugin itself, and neither must hold
//! up the threads that serve its calls.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use plugin_core::__host::Record;

use crate::events::{self, PluginLabel};
use crate::output::{Output, StreamName};

/// How many bytes may wait. A second of a plugin that logs without a break; a host that is slower for
/// longer loses what comes on top, and is told how much.
const MAX_BYTES: usize = 1024 * 1024;

/// What an item costs on top of its text, so that empty lines are not free.
const ITEM_COST: usize = 128;

/// What waits to be delivered.
#[derive(Debug)]
enum Item {
    Record(Box<Record>),
    Line(StreamName, Vec<u8>),
}

/// The queue before the thread.
pub(crate) struct Delivery {
    label: Mutex<Label>,
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    items: VecDeque<(usize, Item)>,
    bytes: usize,
    dropped: u64,
    /// How many sources may still add something.
    sources: usize,
    done: bool,
}

/// Something that adds records or lines. Delivery ends when every source has been dropped.
pub(crate) struct Source(Arc<Delivery>);

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

/// What becomes of the lines.
pub(crate) struct Sinks {
    pub(crate) stdout: Output,
    pub(crate) stderr: Output,
}

impl Delivery {
    /// Starts the thread, for a plugin that is called `name` until it tells its own.
    pub(crate) fn start(name: &str, sinks: Sinks) -> io::Result<(Arc<Self>, Source)> {
        let delivery = Arc::new(Self {
            label: Mutex::new(Label { name: name.into(), id: 0 }),
            queue: Mutex::new(Queue { sources: 1, ..Queue::default() }),
            changed: Condvar::new(),
        });
        let source = Source(Arc::clone(&delivery));
        let this = Arc::clone(&delivery);
        // A path may hold a zero byte, though no file has it, and the name of a thread may not.
        let name = format!("plugin output {name}").replace('\0', "?");
        thread::Builder::new().name(name).spawn(move || this.run(sinks))?;
        Ok((delivery, source))
    }

    /// Takes note of the process.
    pub(crate) fn set_process(&self, id: u32) {
        self.label.lock().unwrap_or_else(PoisonError::into_inner).id = id;
    }

    /// Takes note of the name that the plugin gave itself.
    pub(crate) fn set_name(&self, name: &str) {
        self.label.lock().unwrap_or_else(PoisonError::into_inner).name = name.into();
    }

    fn label(&self) -> Label {
        self.label.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until everything has been delivered, which needs every source to be gone.
    pub(crate) fn wait_done(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        let mut queue = self.lock();
        while !queue.done {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            queue = self.changed.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn run(&self, mut sinks: Sinks) {
        // Also when a subscriber or writer panics: who waits must not wait in vain.
        let _done = Done(self);
        let mut queue = self.lock();
        loop {
            let dropped = std::mem::take(&mut queue.dropped);
            let item = queue.items.pop_front();
            let Some((cost, item)) = item else {
                if dropped > 0 {
                    drop(queue);
                    events::emit_dropped(dropped, self.label().as_ref());
                    queue = self.lock();
                    continue;
                }
                if queue.sources == 0 {
                    return;
                }
                queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            queue.bytes -= cost;
            drop(queue);
            let label = self.label();
            if dropped > 0 {
                events::emit_dropped(dropped, label.as_ref());
            }
            match item {
                Item::Record(record) => events::emit(&record, label.as_ref()),
                Item::Line(stream, line) => sinks.deliver(stream, line, label.as_ref()),
            }
            queue = self.lock();
        }
    }

    fn add(&self, cost: usize, item: Item) {
        let mut queue = self.lock();
        let cost = cost + ITEM_COST;
        if queue.bytes + cost > MAX_BYTES {
            queue.dropped += 1;
        } else {
            queue.bytes += cost;
            queue.items.push_back((cost, item));
        }
        drop(queue);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Done<'a>(&'a Delivery);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.lock().done = true;
        self.0.changed.notify_all();
    }
}

impl Sinks {
    fn deliver(&mut self, stream: StreamName, mut line: Vec<u8>, label: PluginLabel<'_>) {
        let output = match stream {
            StreamName::Stdout => &mut self.stdout,
            StreamName::Stderr => &mut self.stderr,
        };
        match output {
            Output::Trace => events::emit_line(stream, &String::from_utf8_lossy(&line), label),
            Output::Writer(writer) => {
                line.push(b'\n');
                if let Err(error) = writer.write_all(&line).and_then(|()| writer.flush()) {
                    events::emit_failed_writer(stream, &error, label);
                    *output = Output::Null;
                }
            }
            // `Inherit` has no pipe, so it has no lines either.
            Output::Null | Output::Inherit => {}
        }
    }
}

impl Source {
    pub(crate) fn record(&self, record: Record) {
        self.0.add(record.size(), Item::Record(Box::new(record)));
    }

    pub(crate) fn line(&self, stream: StreamName, line: Vec<u8>) {
        self.0.add(line.len(), Item::Line(stream, line));
    }
}

impl Clone for Source {
    fn clone(&self) -> Self {
        self.0.lock().sources += 1;
        Self(Arc::clone(&self.0))
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.0.lock().sources -= 1;
        self.0.changed.notify_all();
    }
}
