//! Callers that do not wait to the end.

use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use tests::{Vigil, VigilClient};

use crate::support::{block_on, in_time, wait_for, well_behaved};

/// Too short for a call that never ends.
const SHORT: Duration = Duration::from_millis(100);

pub(crate) fn a_method_sees_that_its_caller_has_given_up() {
    in_time("a method that works until nobody waits", || {
        let plugin = well_behaved(&[]).spawn().unwrap();
        let vigil: VigilClient = plugin.client().unwrap();
        // The method knows the same deadline, so that its answer may arrive just before the caller gives up.
        let late = vigil.with_timeout(SHORT).toil().map_or_else(
            |error| {
                assert!(error.is_timed_out() && error.may_have_run(), "{error:?}");
                1
            },
            |()| 0,
        );
        wait_for("the method ends", || vigil.counts().unwrap() == (1, 1));
        wait_for("its late answer", || plugin.late_replies() == late);
        assert_eq!(plugin.in_flight(), 0);
        plugin.shutdown().unwrap();
    });
}

pub(crate) fn a_method_is_dropped_with_the_future_of_its_call() {
    in_time("futures that are dropped", || {
        let plugin = well_behaved(&[]).spawn().unwrap();
        let vigil: VigilClient = plugin.client().unwrap();
        {
            let mut doze = pin!(vigil.doze());
            assert!(doze.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            wait_for("the method waits", || vigil.counts().unwrap() == (1, 0));
            assert_eq!(plugin.in_flight(), 1);
        }
        assert_eq!(plugin.in_flight(), 0);
        wait_for("the method is dropped", || vigil.counts().unwrap() == (1, 1));
        let error = block_on(vigil.with_timeout(SHORT).doze()).unwrap_err();
        assert!(error.is_timed_out(), "{error:?}");
        wait_for("the next one is dropped", || vigil.counts().unwrap() == (2, 2));
        wait_for("their late answers", || plugin.late_replies() == 2);
        plugin.shutdown().unwrap();
    });
}
