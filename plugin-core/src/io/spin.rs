//! Asking again and again for a moment before going to sleep.
//!
//! To be woken costs a thread more than all the rest of a call. One that expects an answer within microseconds
//! does better to stay awake for them, if it has a core to itself; on a shared core it would keep the other
//! side from answering. So the spin adapts: each one in vain makes the next waits sleep at once, twice as many
//! as before, and each one that pays makes them spin again.

use std::io;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

/// After how many spins in vain the number of waits that do not spin grows no further: 256 of them. Then a
/// spin that never pays costs less than a hundredth of what a wait does.
const MAX_VAIN: u32 = 8;

/// How long to stay awake, and whether that pays.
#[derive(Debug)]
pub(crate) struct Spin {
    limit: Duration,
    /// How many spins in a row were in vain.
    vain: u32,
    /// How many waits are still not to spin.
    skip: u32,
}

impl Spin {
    /// Spins for at most `limit`; not at all if that is zero or there is but one core.
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit: if limit.is_zero() || is_alone() { Duration::ZERO } else { limit }, ..Self::IDLE }
    }

    /// Never spins.
    pub(super) const IDLE: Self = Self { limit: Duration::ZERO, vain: 0, skip: 0 };

    /// Makes attempts until one of them does not fail with `WouldBlock`; `None` if it is time to sleep.
    pub(super) fn until_ready<T>(
        &mut self,
        mut attempt: impl FnMut() -> io::Result<T>,
    ) -> Option<io::Result<T>> {
        if self.limit.is_zero() {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        let begin = Instant::now();
        loop {
            match attempt() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => {
                    self.vain = 0;
                    return Some(result);
                }
            }
            if begin.elapsed() >= self.limit {
                self.skip = 1 << self.vain;
                self.vain = (self.vain + 1).min(MAX_VAIN);
                return None;
            }
            std::hint::spin_loop();
        }
    }
}

/// Whether this process has but one core. To find out takes a part of a millisecond, and is done once.
fn is_alone() -> bool {
    static IS_ALONE: OnceLock<bool> = OnceLock::new();
    *IS_ALONE.get_or_init(|| thread::available_parallelism().is_ok_and(|cores| cores.get() == 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocked() -> io::Result<u8> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// Whether the next wait spins.
    fn spins(spin: &mut Spin) -> bool {
        let mut attempts = 0;
        let ready = spin.until_ready(|| {
            attempts += 1;
            blocked()
        });
        assert!(ready.is_none());
        attempts > 0
    }

    fn adaptive() -> Spin {
        // Whatever machine this is.
        Spin { limit: Duration::from_micros(1), vain: 0, skip: 0 }
    }

    #[test]
    fn a_spin_in_vain_makes_twice_as_many_waits_sleep_up_to_a_bound() {
        let mut spin = adaptive();
        for pause in [1, 2, 4, 8, 16, 32, 64, 128, 256, 256] {
            assert!(spins(&mut spin));
            for _ in 0..pause {
                assert!(!spins(&mut spin));
            }
        }
    }

    #[test]
    fn a_spin_that_pays_makes_the_next_wait_spin() {
        let mut spin = adaptive();
        assert!(spins(&mut spin));
        assert!(!spins(&mut spin));
        assert!(matches!(spin.until_ready(|| Ok(7)), Some(Ok(7))));
        assert!(spins(&mut spin));
        assert!(!spins(&mut spin));
        assert!(spins(&mut spin), "it was in vain once since it paid");
    }

    #[test]
    fn an_error_ends_the_spin() {
        let broken = adaptive().until_ready(|| Err::<(), _>(io::ErrorKind::BrokenPipe.into()));
        assert_eq!(broken.unwrap().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn without_time_nothing_is_attempted() {
        assert!(!spins(&mut Spin::new(Duration::ZERO)));
    }
}
