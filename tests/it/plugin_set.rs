//! Directories of plugins: what is found, started, kept, broken and replaced.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use plugin_core::Handshake;
use plugin_host::{
    BrokenCause, ClientError, CrashReport, LaunchCause, PluginSet, PluginSetBuilder, Policy, SetError,
    SwapError,
};
use rustix::fs::{CWD, FileType, Mode};
use tempfile::TempDir;
use tests::{Crash, CrashClient, EchoClient, LedgerClient, Phoenix, PhoenixClient, TallyClient};

use crate::support::{
    CRASHING, PHOENIX, SHORT, WELL_BEHAVED, assert_says, in_time, kill_hard, start, temporary_directory,
    wait_for, wait_until_gone,
};

/// A directory of plugins, each of which tells of its starts.
struct Plugins {
    above: TempDir,
}

impl Plugins {
    fn new() -> Self {
        let above = temporary_directory();
        fs::create_dir(above.path().join("plugins")).unwrap();
        Self { above }
    }

    fn directory(&self) -> PathBuf {
        self.above.path().join("plugins")
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.above.path().join(name)
    }

    fn builder(&self) -> PluginSetBuilder {
        PluginSet::builder(self.directory()).launcher(|_, launcher| launcher.env("RUST_BACKTRACE", "0"))
    }

    fn set(&self) -> PluginSet {
        self.builder().build().unwrap()
    }

    /// Writes a manifest of a plugin that is started by a shell, which does this first.
    fn add_after(&self, name: &str, first: &str, program: &str, arguments: &[&str]) {
        let starts = self.beside("starts").display().to_string();
        let script = format!("echo {name} >> '{starts}'; {first} exec \"$0\" \"$@\"");
        let mut all = vec!["-c", &script, program];
        all.extend(arguments);
        let manifest = format!(r#"{{ "program": "/bin/sh", "args": {all:?} }}"#);
        fs::write(self.manifest(name), manifest).unwrap();
    }

    fn add(&self, name: &str, program: &str, arguments: &[&str]) {
        self.add_after(name, "", program, arguments);
    }

    fn add_phoenix(&self, name: &str, version: &str, words: &[&str]) {
        let journal = self.beside("journal").display().to_string();
        self.add(name, PHOENIX, &[&[journal.as_str(), version][..], words].concat());
    }

    fn manifest(&self, name: &str) -> PathBuf {
        self.directory().join(format!("{name}.plugin.json"))
    }

    /// How often each plugin was started.
    fn starts(&self) -> BTreeMap<String, usize> {
        let mut starts = BTreeMap::new();
        for name in fs::read_to_string(self.beside("starts")).unwrap_or_default().lines() {
            *starts.entry(name.to_owned()).or_insert(0) += 1;
        }
        starts
    }

    #[track_caller]
    fn assert_starts<const N: usize>(&self, expected: [(&str, usize); N]) {
        let expected: BTreeMap<_, _> =
            expected.into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
        assert_eq!(self.starts(), expected);
    }
}

#[test]
fn manifests_and_executables_are_found_and_other_files_are_none_of_the_sets_business() {
    let plugins = Plugins::new();
    let inside = |name: &str| plugins.directory().join(name);
    symlink(CRASHING, inside("kv-crashing")).unwrap();
    symlink(WELL_BEHAVED, inside("kv-good")).unwrap();
    symlink(WELL_BEHAVED, inside("other")).unwrap();
    // This very program, which would start its own plugins, and so on.
    symlink(std::env::current_exe().unwrap(), inside("kv-self")).unwrap();
    symlink(WELL_BEHAVED, inside(".kv-hidden")).unwrap();
    fs::write(inside("README.md"), "no plugin").unwrap();
    fs::write(inside("notes.json"), "{}").unwrap();
    fs::create_dir(inside("folder")).unwrap();
    fs::write(inside("named.plugin.json"), r#"{ "program": "kv-crashing", "name": "a crash" }"#).unwrap();
    fs::write(inside("off.plugin.json"), r#"{ "program": "kv-off", "enabled": false }"#).unwrap();
    symlink(WELL_BEHAVED, inside("kv-off")).unwrap();

    let set = plugins.builder().pattern("kv-*").build().unwrap();
    // What a manifest names is no plugin once more, and what one disables is none at all.
    assert_eq!(set.names(), ["a crash", "kv-good"]);
    assert!(set.broken().is_empty(), "{:?}", set.broken());
    assert_eq!(set.client::<CrashClient>("a crash").unwrap().survive(7).unwrap(), 7);
    assert!(set.client::<EchoClient>("kv-good").is_ok());
    assert_eq!(plugins.set().names(), ["a crash"]);
    let all = plugins.builder().pattern("kv-g*").pattern("o?her").build().unwrap();
    assert_eq!(all.names(), ["a crash", "kv-good", "other"]);
}

#[test]
fn broken_plugins_are_told_and_do_not_disturb_the_others() {
    let plugins = Plugins::new();
    let inside = |name: &str| plugins.directory().join(name);
    plugins.add("good", CRASHING, &[]);
    plugins.add("ends", CRASHING, &["exit"]);
    fs::write(inside("typo.plugin.json"), r#"{ "program": "x", "agrs": [] }"#).unwrap();
    fs::write(inside("empty.plugin.json"), "").unwrap();
    fs::write(inside("gone.plugin.json"), r#"{ "program": "gone" }"#).unwrap();
    fs::write(inside("twice.plugin.json"), r#"{ "program": "/bin/sh", "name": "good" }"#).unwrap();
    fs::write(inside("x-text"), "no program").unwrap();
    fs::write(inside("x-empty"), "").unwrap();
    fs::set_permissions(inside("x-empty"), Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(inside("x-folder")).unwrap();
    symlink("/nowhere", inside("x-nowhere")).unwrap();
    fs::copy(WELL_BEHAVED, inside("x-open")).unwrap();
    fs::set_permissions(inside("x-open"), Permissions::from_mode(0o777)).unwrap();
    fs::write(inside("open.plugin.json"), r#"{ "program": "/bin/sh" }"#).unwrap();
    fs::set_permissions(inside("open.plugin.json"), Permissions::from_mode(0o666)).unwrap();
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        fs::copy(WELL_BEHAVED, inside("x-theirs")).unwrap();
        chown(inside("x-theirs"), Some(1), None).unwrap();
        symlink(WELL_BEHAVED, inside("x-their-link")).unwrap();
        lchown(inside("x-their-link"), Some(1), None).unwrap();
    }
    // To open it waits until somebody writes to it.
    rustix::fs::mknodat(CWD, inside("pipe.plugin.json"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    rustix::fs::mknodat(CWD, inside("x-pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();

    let builder = plugins.builder().pattern("x-*");
    let set = in_time("the look", move || builder.build().unwrap());
    assert_eq!(set.names(), ["ends", "good"]);
    let mut broken: BTreeMap<_, _> = set.broken().into_iter().map(|it| (it.path().to_owned(), it)).collect();
    let mut take = |name: &str, says: &[&str]| {
        let broken =
            broken.remove(&inside(name)).unwrap_or_else(|| panic!("{name} is not broken: {broken:?}"));
        assert_says(&broken, &[name, "cannot be used"]);
        assert_says(&broken, says);
        broken.cause().clone()
    };
    let cause = take("typo.plugin.json", &["manifest is not right", "unknown field `agrs`", "correct it"]);
    assert!(matches!(cause, BrokenCause::Manifest { .. }));
    take("empty.plugin.json", &["EOF while parsing"]);
    let cause = take("gone.plugin.json", &["there is no such file"]);
    assert!(matches!(cause, BrokenCause::Launch(error) if matches!(error.cause(), LaunchCause::NotFound)));
    let cause =
        take("twice.plugin.json", &["plugin `good`", "good.plugin.json` is called the same", "rename"]);
    assert!(matches!(cause, BrokenCause::SameName { .. }));
    take("x-text", &["may not execute it", "chmod +x"]);
    take("x-empty", &["an empty file"]);
    take("x-folder", &["not a file"]);
    take("x-pipe", &["not a file"]);
    take("pipe.plugin.json", &["it is not a file"]);
    take("x-nowhere", &["there is no such file"]);
    assert!(matches!(
        take("x-open", &["every user may write", "chmod o-w"]),
        BrokenCause::WritableByAll { .. }
    ));
    assert!(matches!(take("open.plugin.json", &["every user may write"]), BrokenCause::WritableByAll { .. }));
    if is_root {
        for name in ["x-theirs", "x-their-link"] {
            assert!(matches!(take(name, &["another user", "chown"]), BrokenCause::ForeignOwner { .. }));
        }
    }
    assert!(broken.is_empty(), "{broken:?}");

    // One that cannot be started is known to be broken once somebody has tried.
    let descriptions = set.describe_all();
    assert!(matches!(descriptions.as_slice(), [(name, _)] if name == "good"), "{descriptions:?}");
    assert!(set.broken().iter().any(|broken| broken.name() == "ends"));
    assert_eq!(set.client::<CrashClient>("good").unwrap().survive(7).unwrap(), 7);
    let error = set.get("ends").unwrap_err();
    assert_says(&error, &["plugin `ends`", "failed (exit status: 3)"]);
    assert_says(&set.get("typo").unwrap_err(), &["unknown field `agrs`"]);
}

#[test]
fn a_plugin_is_started_when_it_is_used_and_shared_by_all() {
    in_time("lazy starts", || {
        let plugins = Plugins::new();
        plugins.add_phoenix("bird", "1", &[]);
        plugins.add("other", CRASHING, &[]);
        let set = Arc::new(plugins.set());
        assert_eq!(set.names(), ["bird", "other"]);
        plugins.assert_starts([]);
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let set = Arc::clone(&set);
                start(move || set.client::<PhoenixClient>("bird").unwrap().id().unwrap())
            })
            .collect();
        let mut ids: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        ids.dedup();
        assert_eq!(ids.len(), 1, "{ids:?}");
        plugins.assert_starts([("bird", 1)]);

        let own = set.new_instance("bird").unwrap();
        let own_id = own.client::<PhoenixClient>().unwrap().id().unwrap();
        assert_ne!(own_id, ids[0]);
        plugins.assert_starts([("bird", 2)]);
        own.shutdown().unwrap();

        let old = set.client::<PhoenixClient>("bird").unwrap();
        set.stop("bird").unwrap();
        wait_until_gone(ids[0]);
        assert!(old.id().unwrap_err().is_disconnected());
        assert_ne!(set.client::<PhoenixClient>("bird").unwrap().id().unwrap(), ids[0]);
        plugins.assert_starts([("bird", 3)]);

        // It is looked after.
        let id = set.get("bird").unwrap().id().unwrap();
        let bird = set.client::<PhoenixClient>("bird").unwrap();
        kill_hard(id);
        wait_for("it is there again", || bird.id().is_ok_and(|now| now != id));
        let id = bird.id().unwrap();
        drop(set);
        wait_until_gone(id);
    });
}

#[test]
fn a_plugin_that_runs_is_not_started_to_be_asked() {
    in_time("descriptions of what runs", || {
        let plugins = Plugins::new();
        // A second process of it beside the first one would not do.
        plugins.add_phoenix("bird", "1", &["exclusive"]);
        let set = plugins.set();
        assert!(set.start_all().is_empty());
        let version = || set.describe("bird").unwrap().version.clone();
        assert_eq!(version(), "1");
        assert_eq!(set.clients::<PhoenixClient>().len(), 1);
        assert_eq!(set.describe_all().len(), 1);
        plugins.assert_starts([("bird", 1)]);

        // It is what runs, whatever the files say by now.
        plugins.add_phoenix("bird", "2", &["exclusive"]);
        assert_eq!(set.rescan().unwrap().changed, ["bird"]);
        assert_eq!(version(), "1");
        plugins.assert_starts([("bird", 1)]);
        set.reload("bird").unwrap();
        assert_eq!(version(), "2");
        plugins.assert_starts([("bird", 2)]);
    });
}

#[test]
fn what_a_plugin_said_at_its_start_is_known_when_it_is_stopped() {
    in_time("descriptions of what ran", || {
        let plugins = Plugins::new();
        plugins.add_phoenix("bird", "1", &[]);
        let set = plugins.set();
        assert!(set.start_all().is_empty());
        set.stop("bird").unwrap();
        assert_eq!(set.describe("bird").unwrap().version, "1");
        plugins.assert_starts([("bird", 1)]);
    });
}

#[test]
fn what_plugins_say_is_kept() {
    in_time("descriptions that are kept", || {
        let plugins = Plugins::new();
        plugins.add("a", WELL_BEHAVED, &[""]);
        plugins.add("b", CRASHING, &[]);
        let cached = || plugins.builder().cache(plugins.beside("cache/of descriptions")).build().unwrap();
        let first = cached();
        let asked = first.describe_all();
        assert_eq!(asked.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert!(asked[0].1.offers("Echo") && !asked[1].1.offers("Echo") && asked[1].1.offers("Crash"));
        plugins.assert_starts([("a", 1), ("b", 1)]);
        assert_eq!(first.describe_all(), asked);
        plugins.assert_starts([("a", 1), ("b", 1)]);

        // Another run of the host.
        assert_eq!(cached().describe_all(), asked);
        plugins.assert_starts([("a", 1), ("b", 1)]);

        // Other arguments, another plugin.
        plugins.add("b", CRASHING, &["another argument"]);
        assert_eq!(cached().describe_all(), asked);
        plugins.assert_starts([("a", 1), ("b", 2)]);

        // Files that nobody can read any more.
        for entry in fs::read_dir(plugins.beside("cache/of descriptions")).unwrap() {
            fs::write(entry.unwrap().path(), "{").unwrap();
        }
        assert_eq!(cached().describe("a").unwrap(), asked[0].1);
        plugins.assert_starts([("a", 2), ("b", 2)]);

        // What is kept of a plugin for another application is not what this one says.
        let for_others = plugins.builder().cache(plugins.beside("cache/of descriptions"));
        let for_others = for_others.launcher(|_, launcher| launcher.handshake(Handshake::new("vineyard", 1)));
        let error = for_others.build().unwrap().describe("a").unwrap_err();
        assert_says(&error, &["vineyard"]);

        // A directory that cannot be used costs time and nothing else.
        let file = plugins.beside("file");
        fs::write(&file, "").unwrap();
        let uncached = plugins.builder().cache(file.join("below")).build().unwrap();
        assert_eq!(uncached.describe_all(), asked);
    });
}

#[test]
fn another_executable_is_asked_anew() {
    let plugins = Plugins::new();
    let path = plugins.directory().join("it");
    symlink(WELL_BEHAVED, &path).unwrap();
    let cached = || plugins.builder().pattern("it").cache(plugins.beside("cache")).build().unwrap();
    assert_eq!(cached().describe("it").unwrap().name, "well-behaved");
    fs::remove_file(&path).unwrap();
    symlink(CRASHING, &path).unwrap();
    assert_eq!(cached().describe("it").unwrap().name, "crashing");
    assert_eq!(cached().describe("it").unwrap().name, "crashing");
}

#[test]
fn all_who_offer_an_interface() {
    in_time("offers", || {
        let plugins = Plugins::new();
        plugins.add_phoenix("a-bird", "1", &[]);
        plugins.add_phoenix("b-bat", "1", &["other"]);
        plugins.add_phoenix("c-bird", "3", &[]);
        plugins.add("d-good", WELL_BEHAVED, &[""]);
        plugins.add("e-ends", CRASHING, &["exit"]);
        let set = plugins.builder().cache(plugins.beside("cache")).build().unwrap();
        assert_eq!(set.describe_all().len(), 4);
        fs::remove_file(plugins.beside("starts")).unwrap();

        let offers = set.clients::<PhoenixClient>();
        let names: Vec<_> = offers.iter().map(|offer| offer.plugin.as_str()).collect();
        assert_eq!(names, ["a-bird", "b-bat", "c-bird"]);
        let versions: Vec<_> = offers
            .iter()
            .filter_map(|offer| offer.client.as_ref().ok())
            .map(|bird| bird.version().unwrap())
            .collect();
        assert_eq!(versions, ["1", "3"]);
        let Err(error @ SetError::Client(ClientError::Incompatible { .. })) = &offers[1].client else {
            panic!("{:?}", offers[1])
        };
        assert_says(error, &["another version of `Phoenix`", "same version of the interface"]);
        // Only those that can be called, and the one that could not even be asked, which was asked again.
        plugins.assert_starts([("a-bird", 1), ("c-bird", 1), ("e-ends", 1)]);
        assert!(matches!(set.broken().as_slice(), [broken] if broken.name() == "e-ends"));

        let tallies = set.clients::<TallyClient>();
        let instances: Vec<_> = tallies.iter().map(|offer| offer.instance.as_str()).collect();
        assert_eq!(instances, ["left", "right"]);
        assert_eq!(tallies[0].client.as_ref().unwrap().add(7).unwrap(), 7);
        assert_eq!(tallies[1].client.as_ref().unwrap().add(1).unwrap(), 1);
        assert_eq!(set.clients::<LedgerClient>().len(), 1);
        plugins.assert_starts([("a-bird", 1), ("c-bird", 1), ("d-good", 1), ("e-ends", 3)]);
    });
}

#[test]
fn all_are_started_at_once() {
    in_time("parallel starts", || {
        let plugins = Plugins::new();
        let flag = |name: &str| plugins.beside(name).display().to_string();
        // Each one waits for the other: one after another they would never be there.
        for (name, other) in [("a", "b"), ("b", "a")] {
            let first = format!("touch '{}'; until [ -e '{}' ]; do :; done;", flag(name), flag(other));
            plugins.add_after(name, &first, CRASHING, &[]);
        }
        plugins.add("c", CRASHING, &["exit"]);
        let set = plugins.builder().max_starts(2).build().unwrap();
        let broken = set.start_all();
        assert!(matches!(broken.as_slice(), [broken] if broken.name() == "c"), "{broken:?}");
        for name in ["a", "b"] {
            assert!(set.get(name).unwrap().id().is_some());
        }
        plugins.assert_starts([("a", 1), ("b", 1), ("c", 1)]);
        assert!(set.shutdown().is_empty());

        // And no more than are allowed.
        fs::remove_file(plugins.beside("a")).unwrap();
        fs::remove_file(plugins.beside("b")).unwrap();
        let set = plugins.builder().max_starts(1).launcher(|_, launcher| launcher.start_timeout(SHORT));
        let broken = set.build().unwrap().start_all();
        let late = broken.iter().find(|broken| broken.name() == "a").unwrap();
        assert!(
            matches!(late.cause(), BrokenCause::Launch(error) if matches!(error.cause(), LaunchCause::TimedOut { .. }))
        );
    });
}

#[test]
fn plugins_that_nobody_uses_are_stopped_unless_somebody_objects() {
    in_time("idle plugins", || {
        let plugins = Plugins::new();
        plugins.add_phoenix("idle", "1", &[]);
        plugins.add_phoenix("busy", "1", &[]);
        let (may_stop, asked) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
        let set = {
            let (may_stop, asked) = (Arc::clone(&may_stop), Arc::clone(&asked));
            plugins.builder().idle_stop(Duration::from_millis(20)).may_stop(move |name| {
                if name == "busy" {
                    asked.fetch_add(1, Ordering::SeqCst);
                    return !may_stop.load(Ordering::SeqCst);
                }
                true
            })
        };
        let set = set.build().unwrap();
        let [idle, busy] = ["idle", "busy"].map(|name| set.client::<PhoenixClient>(name).unwrap());
        let (idle_id, busy_id) = (idle.id().unwrap(), busy.id().unwrap());
        wait_until_gone(idle_id);
        wait_for("the host asks again and again", || asked.load(Ordering::SeqCst) > 3);
        assert_eq!(busy.id().unwrap(), busy_id);
        // It is there when it is called.
        assert_ne!(idle.id().unwrap(), idle_id);
        may_stop.store(false, Ordering::SeqCst);
        wait_until_gone(busy_id);
        assert_ne!(busy.id().unwrap(), busy_id);
    });
}

#[test]
fn a_directory_that_changes() {
    in_time("rescans", || {
        let plugins = Plugins::new();
        plugins.add_phoenix("kept", "1", &[]);
        plugins.add_phoenix("changed", "1", &[]);
        plugins.add_phoenix("removed", "1", &[]);
        let set = plugins.set();
        assert!(set.rescan().unwrap().is_empty());
        let client = |name: &str| set.client::<PhoenixClient>(name).unwrap();
        let (kept, changed, removed) = (client("kept"), client("changed"), client("removed"));
        let ids = [&kept, &changed, &removed].map(|bird| bird.id().unwrap());

        plugins.add_phoenix("changed", "2", &[]);
        plugins.add_phoenix("added", "1", &[]);
        fs::remove_file(plugins.manifest("removed")).unwrap();
        let changes = set.rescan().unwrap();
        assert_eq!((changes.added, changes.removed), (vec!["added".to_owned()], vec!["removed".to_owned()]));
        assert_eq!(changes.changed, ["changed"]);
        assert_eq!(set.names(), ["added", "changed", "kept"]);
        wait_until_gone(ids[2]);
        assert!(removed.id().unwrap_err().is_disconnected());
        assert_eq!((kept.id().unwrap(), changed.id().unwrap()), (ids[0], ids[1]));
        assert_eq!(client("added").version().unwrap(), "1");

        // What runs is what it was until somebody wants the new one.
        assert_eq!(changed.version().unwrap(), "1");
        set.reload("changed").unwrap();
        assert_eq!(changed.version().unwrap(), "2");
        assert_ne!(changed.id().unwrap(), ids[1]);

        // One that does not do changes nothing.
        plugins.add_phoenix("changed", "3", &["other"]);
        assert_eq!(set.rescan().unwrap().changed, ["changed"]);
        let error = set.reload("changed").unwrap_err();
        assert!(matches!(error, SetError::Swap(SwapError::Failed { .. })), "{error:?}");
        assert_eq!(changed.version().unwrap(), "2");
        assert_says(
            &set.reload("removed").unwrap_err(),
            &["no plugin `removed`", "`added`, `changed`, `kept`"],
        );
    });
}

#[test]
fn a_plugin_that_is_mended_is_not_broken_any_more() {
    let plugins = Plugins::new();
    let broken = plugins.beside("broken");
    fs::write(&broken, "").unwrap();
    plugins.add_phoenix("bird", "1", &[&format!("fails while {}", broken.display())]);
    let set = plugins.set();
    assert!(set.broken().is_empty());
    assert!(matches!(set.get("bird").unwrap_err(), SetError::Broken(_)));
    assert!(matches!(set.broken().as_slice(), [broken] if broken.name() == "bird"));
    fs::remove_file(&broken).unwrap();
    assert_eq!(set.client::<PhoenixClient>("bird").unwrap().version().unwrap(), "1");
    assert!(set.broken().is_empty());
}

#[test]
fn settings_hold_for_all_plugins() {
    in_time("settings of a set", || {
        let plugins = Plugins::new();
        plugins.add("crashing", CRASHING, &[]);
        plugins.add_phoenix("bird", "1", &[]);
        symlink(PHOENIX, plugins.directory().join("direct")).unwrap();
        let (crashes, copies) = (plugins.beside("crashes"), plugins.beside("copies"));
        let set = plugins
            .builder()
            .pattern("direct")
            .policy(Policy::default().unlimited_restarts())
            .launcher({
                let (crashes, copies, journal) = (crashes.clone(), copies.clone(), plugins.beside("journal"));
                move |name, launcher| {
                    let launcher = launcher.crash_reports(&crashes).env("RUST_BACKTRACE", "0");
                    let launcher = if name == "direct" { launcher.arg(&journal).arg("9") } else { launcher };
                    launcher.private_copies(&copies)
                }
            })
            .initialise(|name, plugin| {
                if name != "crashing" {
                    plugin.client::<PhoenixClient>()?.load(name)?;
                }
                Ok(())
            })
            .build()
            .unwrap();
        let direct = set.client::<PhoenixClient>("direct").unwrap();
        assert_eq!(
            (direct.version().unwrap(), direct.loaded().unwrap()),
            ("9".to_owned(), Some("direct".to_owned()))
        );
        let executable = fs::read_link(format!("/proc/{}/exe", direct.id().unwrap())).unwrap();
        assert!(executable.starts_with(&copies), "{}", executable.display());
        assert_eq!(set.client::<PhoenixClient>("bird").unwrap().loaded().unwrap().as_deref(), Some("bird"));
        let crash: CrashClient = set.client("crashing").unwrap();
        crash.crash(tests::Mishap::Exit(3)).unwrap_err();
        let report = || {
            let entries = fs::read_dir(&crashes).into_iter().flatten().map(|entry| entry.unwrap().path());
            entries.into_iter().find(|path| path.extension().is_some_and(|it| it == "json"))
        };
        wait_for("the crash is reported", || report().is_some());
        assert_eq!(CrashReport::read(report().unwrap()).unwrap().plugin, "crashing");
        assert_eq!(crash.survive(7).unwrap(), 7);
    });
}

#[test]
fn directories_and_patterns_that_are_none() {
    let plugins = Plugins::new();
    let error = PluginSet::builder(plugins.beside("nowhere")).build().map(drop).unwrap_err();
    assert!(matches!(error, SetError::Directory { .. }), "{error:?}");
    assert_says(&error, &["nowhere` cannot be listed", "create the directory"]);
    let error = plugins.builder().pattern("kv-[").build().map(drop).unwrap_err();
    assert!(matches!(error, SetError::Pattern { .. }), "{error:?}");
    assert_says(&error, &["`kv-[` is no pattern of file names"]);
    let error = plugins.set().get("kv").map(drop).unwrap_err();
    assert_says(&error, &["there is no plugin `kv`", "which has none at all", "rescan"]);

    let set_mode = |mode| fs::set_permissions(plugins.directory(), Permissions::from_mode(mode)).unwrap();
    set_mode(0o777);
    let error = plugins.builder().build().map(drop).unwrap_err();
    assert!(matches!(error, SetError::InsecureDirectory { .. }), "{error:?}");
    assert_says(&error, &["every user may write to the directory", "chmod o-w"]);
    set_mode(0o1777);
    assert!(plugins.set().names().is_empty());
}

/// A name of a file is shown as it is only where that does no harm.
#[test]
fn names_with_control_characters() {
    let plugins = Plugins::new();
    fs::write(plugins.directory().join("\u{1b}[2J\n.plugin.json"), "{}").unwrap();
    let broken = plugins.set().broken();
    assert_says(&broken[0], &[r"`\u{1b}[2J\u{a}`", "missing field `program`"]);
    assert!(Path::new(broken[0].path()).starts_with(plugins.directory()));
    fs::write(plugins.manifest("\u{1b}[31m\n"), format!(r#"{{ "program": "{CRASHING}" }}"#)).unwrap();
    let set = plugins.set();
    assert_eq!(set.names().len(), 1);
    assert_says(&set.get("kv").unwrap_err(), &[r"but `\u{1b}[31m\u{a}`"]);
}

#[test]
fn a_plugin_that_somebody_has_shut_down_is_started_anew() {
    let plugins = Plugins::new();
    plugins.add_phoenix("p", "1", &[]);
    let set = plugins.set();
    let first = set.get("p").unwrap();
    first.shutdown().unwrap();
    assert_eq!(set.client::<PhoenixClient>("p").unwrap().version().unwrap(), "1");
    set.get("p").unwrap().shutdown().unwrap();
    set.reload("p").unwrap();
    assert_eq!(set.client::<PhoenixClient>("p").unwrap().version().unwrap(), "1");
    plugins.assert_starts([("p", 3)]);
}
