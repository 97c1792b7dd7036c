//! Runs the misdeeds one by one and counts what is left of each in the host: no thread, no descriptor,
//! no child. It has no test harness, whose threads would be counted.

// What only the other tests use.
#![expect(dead_code, reason = "the other tests share these modules")]

mod cases;
mod held;
mod support;

use cases::{crash, payload, session, start};
use plugin_core::Registry;
use plugin_host::{Launcher, PluginThread};
use tests::store::{Memory, Store, StoreClient, Trouble, TroubleClient};
use tests::{Echo, EchoClient};

use held::{Held, check};
use support::{House, PATIENCE, Raw, wait_for, well_behaved};

fn main() {
    // What is made once for the process, such as the table of events, is made here.
    well_behaved(&["early"]).spawn().map(drop).expect("a plugin that behaves starts");
    wait_for("the threads of the first plugin end", || Held::now().threads == 1);

    for case in start::WRONG.iter().chain(start::TOO_SLOW) {
        check(case.behaviour, || case.run());
    }
    check("crashes before hello", start::crash_before_hello);
    check("strange hellos", || drop(start::strange_but_right()));
    for case in session::FATAL {
        check(case.behaviour, || case.run());
    }
    for behaviour in ["silent", "half a payload", "is stopped"] {
        check(behaviour, || session::hangs(behaviour));
    }
    check("misdeeds after the reply", session::misdeed_after_the_reply);
    check("a child keeps everything", session::child_keeps_everything);
    for case in payload::HOSTILE {
        check(case.name, || case.run());
    }
    check("panics", crash::panics);
    for (mishap, status, says) in crash::ENDS {
        check(&format!("{mishap:?}"), || crash::end(*mishap, *status, says));
    }
    check("children", crash::children);
    check("a method that hangs", crash::hang);
    check("no such file", || {
        assert!(Launcher::new("/nowhere/plugin").spawn().is_err());
    });
    check("a plugin that pings and does not read", || {
        let raw = Raw::new();
        let mut launcher = raw.launcher("pings and does not read").stall_timeout(support::SHORT);
        let _plugin = launcher.spawn().expect("it says hello");
        raw.wait_until_gone();
    });
    check("plugins that are left and taken over", || {
        let house = House::new();
        let mut launcher = house.launcher("", "", "").survive_host(PATIENCE);
        for _ in 0..5 {
            let info = launcher.spawn().expect("it starts").detach().expect("it survives");
            for _ in 0..2 {
                let plugin = launcher.reattach(&info).expect("it is there");
                assert!(launcher.reattach(&info).is_err());
                plugin.detach().expect("it survives again");
            }
            launcher.reattach(&info).expect("it is there").shutdown().expect("it ends");
            assert!(launcher.reattach(&info).is_err());
        }
    });
    check("a hundred plugins that behave", || {
        let mut launcher = well_behaved(&[]);
        for number in 0..100 {
            let plugin = launcher.spawn().expect("it starts");
            let echo: EchoClient = plugin.client().expect("it has an echo");
            assert_eq!(echo.number(number).expect("it answers"), number);
            if number % 2 == 0 {
                plugin.shutdown().expect("it ends in order");
            }
        }
    });
    check("a hundred plugins on threads", || {
        for number in 0..100 {
            let plugin = PluginThread::start(Memory::default()).expect("it starts");
            let store: StoreClient = plugin.client().expect("it has a store");
            store.put("number", &number.to_string()).expect("it stores");
            let _part = store.part("num").expect("it has parts");
            match number % 3 {
                0 => plugin.shutdown().expect("it ends in order"),
                1 => plugin.kill().expect("it is cut off"),
                _ => {}
            }
        }
    });
    check("methods on threads that hang when their plugin ends", || {
        for is_killed in [true, false] {
            let memory = Memory::default();
            let builder = PluginThread::builder().shutdown_timeout(support::SHORT);
            let plugin = builder.start(memory.clone()).expect("it starts");
            let trouble: TroubleClient = plugin.client().expect("it makes trouble");
            let calls = [(); 4].map(|()| {
                let trouble = trouble.clone();
                support::start(move || trouble.hang())
            });
            wait_for("the methods hang", || memory.running() == calls.len());
            if is_killed {
                plugin.kill().expect("it is cut off");
            }
            drop(plugin);
            for call in calls {
                assert!(call.join().expect("it does not panic").is_err());
            }
            assert_eq!(memory.running(), 4);
            memory.release();
        }
    });
    check("a plugin on threads that refuses", || {
        assert!(PluginThread::start(Registry::new("empty", "1.0.0")).is_err());
    });
}
