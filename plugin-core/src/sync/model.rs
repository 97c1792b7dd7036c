//! The time of the model.
//!
//! There is no clock but one that jumps from one deadline to the next: now and then while threads could run, as if the
//! system had kept them from it for so long, and always when every thread waits. A run in which nothing but the clock
//! moves any more ends: so a wake-up that was lost shows as a deadlock, even where a thread looks in vain at every
//! tick. While the clock [stands still](run), no deadline comes at all, and every hand-over has to be made by
//! the one who hands over.
//!
//! Everything of a run happens on one thread of the system, so its state is thread-local.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, LockResult, PoisonError};
use std::time::{Duration, Instant};

use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{Schedule, Scheduler, Task, TaskId};
use shuttle::sync::{Condvar, MutexGuard};

/// How often the clock may jump because every thread waits. The longest waits of the engine are ten seconds, which are
/// 160 of its longest ticks; a scenario that needs many more will never end.
const MAX_IDLE_JUMPS: u32 = 1000;

/// One in how many looks at the clock lets it jump although threads could run.
const RARELY: u32 = 16;

/// Deadlines that are further away than this never come.
pub(crate) const HORIZON: Duration = Duration::from_secs(24 * 60 * 60);

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

thread_local! {
    static CLOCK: RefCell<Clock> = const { RefCell::new(Clock::new()) };
    /// Whether the thread that runs is the only one that can.
    static IS_ALONE: Cell<bool> = const { Cell::new(false) };
    /// Whether threads cannot be started now and then.
    static IS_SCARCE: Cell<bool> = const { Cell::new(false) };
}

struct Clock {
    since_start: Duration,
    /// Who waits, by deadline and a number.
    sleepers: BTreeMap<(Instant, u64), Arc<Condvar>>,
    next: u64,
}

impl Clock {
    const fn new() -> Self {
        Self { since_start: Duration::ZERO, sleepers: BTreeMap::new(), next: 0 }
    }
}

/// What time it is in the model.
pub(crate) fn now() -> Instant {
    *START + CLOCK.with_borrow(|clock| clock.since_start)
}

/// Begins a run; without `ticks` its clock stands still.
pub(crate) fn begin(ticks: bool) {
    CLOCK.set(Clock::new());
    IS_SCARCE.set(false);
    if ticks {
        // Nobody waits for it, and it ends with the others.
        drop(shuttle::future::spawn(async { tick() }));
    }
}

/// Has every other thread that the engine wants to start from now on refused by the system.
pub(crate) fn make_threads_scarce() {
    IS_SCARCE.set(true);
}

/// Whether the system refuses a thread. It takes its time for that.
pub(super) fn has_no_thread() -> bool {
    let is_refused = IS_SCARCE.get() && thread_rng().gen_range(0..2) == 0;
    if is_refused {
        shuttle::thread::yield_now();
    }
    is_refused
}

fn tick() {
    let mut idle_jumps = 0;
    loop {
        shuttle::thread::yield_now();
        let is_alone = IS_ALONE.get();
        let now = now();
        let due = CLOCK.with_borrow(|clock| {
            clock
                .sleepers
                .range(..=(now, u64::MAX))
                .map(|(_, sleeper)| Arc::clone(sleeper))
                .collect::<Vec<_>>()
        });
        for sleeper in &due {
            sleeper.notify_all();
        }
        if !due.is_empty() || !is_alone && thread_rng().gen_range(0..RARELY) != 0 {
            continue;
        }
        idle_jumps += u32::from(is_alone);
        let next = CLOCK.with_borrow(|clock| clock.sleepers.first_key_value().map(|((at, _), _)| *at));
        match next {
            Some(at) if idle_jumps <= MAX_IDLE_JUMPS => {
                CLOCK.with_borrow_mut(|clock| clock.since_start = at - *START);
            }
            // Nothing will happen any more.
            _ if is_alone => return,
            _ => {}
        }
    }
}

/// A condition variable whose deadlines come when the clock says so.
#[derive(Debug, Default)]
pub(crate) struct Waits(Arc<Condvar>);

impl Waits {
    pub(super) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(super) fn notify_all(&self) {
        self.0.notify_all();
    }

    pub(super) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        self.0.wait(guard)
    }

    pub(super) fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        left: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, ())> {
        if left > HORIZON {
            return self
                .wait(guard)
                .map(|guard| (guard, ()))
                .map_err(|error| PoisonError::new((error.into_inner(), ())));
        }
        let at = now() + left;
        let key = CLOCK.with_borrow_mut(|clock| {
            clock.next += 1;
            clock.sleepers.insert((at, clock.next), Arc::clone(&self.0));
            (at, clock.next)
        });
        let guard = self.0.wait(guard).unwrap_or_else(PoisonError::into_inner);
        CLOCK.with_borrow_mut(|clock| clock.sleepers.remove(&key));
        Ok((guard, ()))
    }
}

/// Lets another scheduler choose, and the clock see whether it had a choice.
pub(crate) struct Watched<S>(pub(crate) S);

impl<S: Scheduler> Scheduler for Watched<S> {
    fn new_execution(&mut self) -> Option<Schedule> {
        self.0.new_execution()
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        is_yielding: bool,
    ) -> Option<TaskId> {
        IS_ALONE.set(runnable.len() == 1);
        self.0.next_task(runnable, current, is_yielding)
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }
}
