//! The work, which is the same for all peers, and how it is timed.

use std::time::{Duration, Instant};

use benches::Result;
use benches::machine::{field, read};
use benches::stats::quantile;

use crate::executor::Executor;

/// Small enough for its bytes to cost nothing.
const SMALL: [u8; 16] = *b"sixteen bytes...";

/// Until all callers have started, which takes them milliseconds.
const WARM_UP: Duration = Duration::from_millis(100);

/// A library that lets a host call a plugin.
pub trait Peer {
    /// A plugin in a process of its own.
    type Plugin: Plugin;
    /// What calls it.
    type Caller: Caller;

    /// Starts the plugin, and gives as many callers, each of which has `payload` as its first message.
    fn start(
        &self,
        callers: usize,
        payload: &[u8],
    ) -> impl Future<Output = Result<(Self::Plugin, Vec<Self::Caller>)>>;
}

/// A process.
pub trait Plugin {
    /// Its id.
    fn id(&self) -> u32;

    /// Ends it, and waits until it has ended.
    fn end(self) -> Result<()>;
}

/// Makes one call after the other. What came back is what it sends next, so that no library has to copy what it
/// wants to own.
pub trait Caller: Send + 'static {
    /// Makes a call, and fails if another number of bytes comes back: to look at each takes longer than some
    /// calls.
    fn call(&mut self) -> impl Future<Output = Result<()>> + Send;

    /// What came back last.
    fn message(&self) -> &[u8];
}

/// Fails if another number of bytes came back than was sent.
pub fn same_length(sent: usize, came: usize) -> Result<()> {
    if sent == came { Ok(()) } else { Err(format!("{came} bytes came back for {sent}").into()) }
}

/// What is done to a plugin that has just been started.
pub enum Work {
    /// One caller, 16 bytes: the median and the 99th percentile in µs.
    Latency {
        /// How many are timed.
        calls: usize,
    },
    /// One caller, as many bytes: the median in µs.
    Echo {
        /// In bytes.
        length: usize,
        /// How many are timed.
        calls: usize,
    },
    /// Callers at the same time, 16 bytes: calls a second.
    Rate {
        /// Each is a thread, or a task of tokio.
        callers: usize,
        /// What is timed.
        duration: Duration,
    },
    /// From nothing to the first reply: the median in µs.
    Launch {
        /// How many are timed.
        times: usize,
    },
    /// After a call: the plugin's own memory in KiB, and its threads.
    Memory,
}

impl Work {
    /// Understands what the driver asks for.
    pub fn parse(arguments: &[String]) -> Result<Self> {
        let (work, numbers) = arguments.split_first().ok_or("no work is given")?;
        let numbers: Vec<usize> = numbers.iter().map(|number| number.parse()).collect::<Result<_, _>>()?;
        match (work.as_str(), &numbers[..]) {
            ("latency", &[calls]) => Ok(Self::Latency { calls }),
            ("echo", &[length, calls]) => Ok(Self::Echo { length, calls }),
            ("rate", &[callers, millis]) => {
                Ok(Self::Rate { callers, duration: Duration::from_millis(millis.try_into()?) })
            }
            ("launch", &[times]) => Ok(Self::Launch { times }),
            ("memory", &[]) => Ok(Self::Memory),
            _ => Err(format!("no work is called {work:?} with {} numbers", numbers.len()).into()),
        }
    }

    /// Does it, and gives its values.
    pub fn run<P: Peer>(&self, peer: &P, executor: &impl Executor) -> Result<Vec<f64>> {
        match *self {
            Self::Latency { calls } => {
                let micros = executor.block_on(time_calls(peer, &SMALL, calls))?;
                Ok(vec![quantile(&micros, 0.5), quantile(&micros, 0.99)])
            }
            Self::Echo { length, calls } => {
                let payload: Vec<_> = (0..=u8::MAX).cycle().take(length).collect();
                let micros = executor.block_on(time_calls(peer, &payload, calls))?;
                Ok(vec![quantile(&micros, 0.5)])
            }
            Self::Rate { callers, duration } => {
                let (plugin, mut callers) = executor.block_on(peer.start(callers, &SMALL))?;
                executor.block_on(check(&mut callers[0], &SMALL))?;
                let begin = Instant::now() + WARM_UP;
                let counts = callers.into_iter().map(|caller| count(caller, begin, begin + duration));
                let counts: Vec<u32> = executor.together(counts.collect())?;
                plugin.end()?;
                Ok(vec![f64::from(counts.iter().sum::<u32>()) / duration.as_secs_f64()])
            }
            Self::Launch { times } => {
                let micros = executor.block_on(time_launches(peer, times))?;
                Ok(vec![quantile(&micros, 0.5)])
            }
            Self::Memory => executor.block_on(async {
                let (plugin, mut callers) = peer.start(1, &SMALL).await?;
                check(&mut callers[0], &SMALL).await?;
                let folder = format!("/proc/{}", plugin.id());
                let memory = field(&read(&format!("{folder}/smaps_rollup"))?, "Anonymous:")?;
                let threads = field(&read(&format!("{folder}/status"))?, "Threads:")?;
                plugin.end()?;
                Ok(vec![memory, threads])
            }),
        }
    }
}

/// One call, and a look at every byte that came back.
async fn check(caller: &mut impl Caller, payload: &[u8]) -> Result<()> {
    caller.call().await?;
    if caller.message() != payload {
        return Err("other bytes came back than were sent".into());
    }
    Ok(())
}

async fn time_calls<P: Peer>(peer: &P, payload: &[u8], calls: usize) -> Result<Vec<f64>> {
    let (plugin, mut callers) = peer.start(1, payload).await?;
    let caller = &mut callers[0];
    check(caller, payload).await?;
    // At least one, which makes the buffers that later ones use again.
    for _ in 0..=calls / 10 {
        caller.call().await?;
    }
    let mut micros = Vec::with_capacity(calls);
    for _ in 0..calls {
        let begin = Instant::now();
        caller.call().await?;
        micros.push(begin.elapsed().as_secs_f64() * 1e6);
    }
    plugin.end()?;
    Ok(micros)
}

/// How many calls end between `begin` and `end`.
async fn count(mut caller: impl Caller, begin: Instant, end: Instant) -> Result<u32> {
    let mut calls = 0;
    loop {
        caller.call().await?;
        let now = Instant::now();
        if now >= end {
            return Ok(calls);
        }
        calls += u32::from(now >= begin);
    }
}

/// The end of what was started is not part of the time.
async fn time_launches<P: Peer>(peer: &P, times: usize) -> Result<Vec<f64>> {
    let mut micros = Vec::with_capacity(times);
    // The first one reads the executable, and does not count.
    for index in 0..=times {
        let begin = Instant::now();
        let (plugin, mut callers) = peer.start(1, &SMALL).await?;
        callers[0].call().await?;
        if index > 0 {
            micros.push(begin.elapsed().as_secs_f64() * 1e6);
        }
        plugin.end()?;
    }
    Ok(micros)
}
