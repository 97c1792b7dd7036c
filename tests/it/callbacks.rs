//! Callbacks of a host that a plugin calls: they run on the thread that lent them, whoever else calls meanwhile.

use std::cell::{Cell, RefCell};
use std::thread;

use plugin_core::Result;
use tests::{Caller, CallerClient, Progress, sys};

use crate::cases::within::launch;
use crate::support::{in_time, start, workshop};

/// Writes down what it is told. It is not `Sync`: nothing but its own thread ever calls it.
#[derive(Default)]
pub(crate) struct Diary {
    told: RefCell<Vec<String>>,
    /// After how many percent it has enough.
    enough: Cell<u64>,
}

impl Progress for Diary {
    fn at(&self, percent: u64) -> Result<bool> {
        self.told.borrow_mut().push(percent.to_string());
        Ok(percent < self.enough.get())
    }
    fn note(&self, text: &str) {
        self.told.borrow_mut().push(text.to_owned());
    }
}

#[test]
fn a_closure_borrows_from_its_caller_and_runs_on_its_thread() {
    let (_plugin, caller) = launch();
    let here = thread::current().id();
    let mut seen = Vec::new();
    let visited = caller.visit(100, &mut |number, text| {
        assert_eq!(thread::current().id(), here);
        assert_eq!(number.to_string(), text);
        seen.push(number);
        number < 4
    });
    assert_eq!(visited.unwrap(), 4);
    assert_eq!(seen, [0, 1, 2, 3, 4]);

    let factor = 3;
    let calls = Cell::new(0);
    let sum = caller.sum(10, &|number| {
        calls.set(calls.get() + 1);
        Ok(number * factor)
    });
    assert_eq!((sum.unwrap(), calls.get()), (135, 10));
}

#[test]
fn a_trait_object_is_lent_with_its_oneway_calls_in_their_order() {
    let (plugin, caller) = launch();
    let diary = Diary { enough: Cell::new(20), ..Diary::default() };
    assert_eq!(caller.report(&diary).unwrap(), 20);
    let told = diary.told.into_inner();
    assert_eq!(told, ["0 percent", "0", "10 percent", "10", "20 percent", "20"]);
    assert_eq!(plugin.failed_oneways(), 0);
}

#[test]
fn callbacks_may_be_absent_or_never_called() {
    let (_plugin, caller) = launch();
    let diary = Diary::default();
    let mut visited = 0;
    assert_eq!(caller.perhaps(None, None).unwrap(), (false, false));
    assert_eq!(caller.perhaps(Some(&diary), None).unwrap(), (true, false));
    let mut visit = |number| {
        visited += number;
        true
    };
    assert_eq!(caller.perhaps(None, Some(&mut visit)).unwrap(), (false, true));
    assert_eq!(caller.perhaps(Some(&diary), Some(&mut visit)).unwrap(), (true, true));
    assert_eq!((visited, diary.told.borrow().len()), (100, 2));

    caller.never(&diary, &|_| unreachable!("it is never called")).unwrap();
    assert_eq!(diary.told.borrow().len(), 2);
}

#[test]
fn a_plugin_calls_back_from_threads_of_its_own() {
    let (_plugin, caller) = launch();
    let here = thread::current().id();
    // A method may share it between its threads; on this side there is one at a time.
    let calls = std::sync::Mutex::new(0);
    let sum = caller.sum_on_threads(8, 200, &|number| {
        assert_eq!(thread::current().id(), here);
        *calls.try_lock().unwrap() += 1;
        Ok(number)
    });
    assert_eq!(sum.unwrap(), 8 * (0..200).sum::<u64>());
    assert_eq!(calls.into_inner().unwrap(), 1600);
}

#[test]
fn callbacks_reach_their_own_caller_while_32_other_threads_call() {
    in_time("callbacks in a crowd", || {
        let (plugin, caller) = launch();
        let threads: Vec<_> = (0..32_u64)
            .map(|thread| {
                let caller = caller.clone();
                start(move || {
                    for round in 0..50 {
                        assert_eq!(caller.echo(round).unwrap(), round);
                        let here = thread::current().id();
                        let sum = caller.sum(10, &|number| {
                            assert_eq!(thread::current().id(), here);
                            Ok(number * thread + round)
                        });
                        assert_eq!(sum.unwrap(), 45 * thread + 10 * round);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(plugin.in_flight(), 0);
    });
}

#[test]
fn a_hundred_thousand_callbacks_in_one_call() {
    in_time("many callbacks", || {
        let (_plugin, caller) = launch();
        let mut sum = 0;
        let visits = 100_000 / sys::slowness();
        let visited = caller.visit(visits, &mut |number, _| {
            sum += number;
            true
        });
        assert_eq!(visited.unwrap(), visits);
        assert_eq!(sum, (0..visits).sum::<u64>());
    });
}

#[test]
fn callbacks_call_the_plugin_that_calls_them() {
    let (plugin, caller) = launch();
    // Five times: this thread, the plugin, this thread, the plugin …
    fn go(caller: &CallerClient, levels: u64) -> Result<u64> {
        match levels {
            0 => caller.echo(1000),
            _ => caller.sum(2, &|number| Ok(go(caller, levels - 1)? + number)),
        }
    }
    // Each level has twice what is below it, and one more.
    let expected = (0..5).fold(1000, |below, _| 2 * below + 1);
    assert_eq!(go(&caller, 5).unwrap(), expected);
    assert_eq!(plugin.in_flight(), 0);
}

#[test]
fn callbacks_need_no_room_among_the_calls() {
    // The plugin accepts one call at a time.
    let plugin = workshop().arg("1").spawn().unwrap();
    let caller: CallerClient = plugin.client().unwrap();
    let sum = caller.sum(3, &|number| caller.sum(number + 1, &|number| caller.echo(number)));
    assert_eq!(sum.unwrap(), 1 + 3);
}
