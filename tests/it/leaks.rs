//! Starts plugins that behave, in processes and on threads, and counts what is left of each in the host: no thread, no
//! descriptor, no child. `faults` does so for those that do not. It has no test harness, whose threads would be counted.

// What only the other tests use.
#![expect(dead_code, reason = "the other tests share these modules")]

mod held;
mod support;

use plugin_core::Registry;
use plugin_host::{Output, PluginSet, PluginThread};
use tests::store::{Memory, Store, StoreClient, Trouble, TroubleClient};
use tests::{Crash, CrashClient, Echo, EchoClient, Mishap};

use held::{Held, check};
use support::{House, PATIENCE, wait_for, well_behaved};

fn main() {
    // What is made once for the process, such as the table of events, is made here.
    let first = well_behaved(&["early"]).spawn().expect("a plugin that behaves starts");
    // Also for this thread, which waits for the reply itself.
    first.client::<EchoClient>().expect("it has an echo").number(1).expect("it answers");
    drop(first);
    // Windows keeps where the names of a process's jobs are, for instance.
    let house = House::new();
    drop(house.launcher("", "", "").survive_host(PATIENCE).spawn().expect("one that survives starts"));
    wait_for("the threads of the first plugin end", || Held::now().threads == 1);

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
    check("plugins that run from copies, crash and are reported", || {
        let directory = support::temporary_directory();
        let path = |name: &str| directory.path().join(name);
        let launcher = support::crashing().private_copies(path("copies")).crash_reports(path("crashes"));
        let mut launcher = launcher.stderr(Output::Null);
        for number in 0..40 {
            let plugin = launcher.spawn().expect("it starts");
            let crash: CrashClient = plugin.client().expect("it crashes");
            match number % 3 {
                0 => crash.crash(Mishap::Abort).expect_err("it crashes"),
                1 => crash.crash(Mishap::Exit(3)).expect_err("it exits"),
                _ => continue,
            };
        }
        let mut launcher = launcher.arg("exit");
        for _ in 0..10 {
            launcher.spawn().map(drop).expect_err("it ends at once");
        }
        // Two files for each of the newest.
        assert_eq!(std::fs::read_dir(path("crashes")).expect("it is there").count(), 64);
    });
    check("sets of plugins", || {
        let directory = support::temporary_directory();
        let manifest = |name: &str, program: &str| {
            let path = directory.path().join(format!("{name}.plugin.json"));
            // With its drive, where there are some.
            let program = std::path::absolute(program).expect("it is a path");
            std::fs::write(path, format!(r#"{{ "program": {program:?} }}"#)).expect("it is writable");
        };
        manifest("good", support::WELL_BEHAVED);
        manifest("crashing", support::CRASHING);
        manifest("none", "/nowhere");
        for _ in 0..10 {
            let builder = PluginSet::builder(directory.path()).cache(directory.path().join("cache"));
            let set = builder.max_starts(4).build().expect("there is a directory");
            assert_eq!(set.clients::<EchoClient>().len(), 1);
            assert!(set.start_all().is_empty());
            drop(set.new_instance("crashing").expect("it starts"));
            assert!(set.rescan().expect("there is a directory").is_empty());
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
