//! Directories of plugins: what is found, started, kept, broken and replaced.

use std::collections::BTreeMap;
use std::env::consts::EXE_SUFFIX;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use plugin_core::Handshake;
use plugin_host::{
    BrokenCause, BrokenPlugin, ClientError, CrashReport, LaunchCause, PluginSet, PluginSetBuilder, Policy,
    SetError, SwapError,
};
use serde_json::json;
use tempfile::TempDir;
use tests::sys::link;
use tests::{Crash, CrashClient, EchoClient, LedgerClient, Phoenix, PhoenixClient, TallyClient, starts, sys};

use crate::support::{
    CRASHING, PHOENIX, SHORT, WELL_BEHAVED, assert_says, in_time, kill_hard, start, temporary_directory,
    wait_for, wait_until_gone,
};

/// A path with its drive, where there are some, since those of the directory may be on another one.
fn absolute(program: &str) -> PathBuf {
    std::path::absolute(program).unwrap()
}

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

    /// Writes a manifest of a plugin that tells of its starts, and there waits for another one, if these files name one.
    fn add_meeting(&self, name: &str, meeting: &[&Path], program: &str, arguments: &[&str]) {
        let files = meeting.iter().map(|file| file.display().to_string());
        let mut lines = vec![self.beside("starts").display().to_string(), name.to_owned()];
        lines.extend(files);
        let env = json!({ starts::VARIABLE: lines.join("\n") });
        let manifest = json!({ "program": absolute(program), "args": arguments, "env": env });
        fs::write(self.manifest(name), manifest.to_string()).unwrap();
    }

    fn add(&self, name: &str, program: &str, arguments: &[&str]) {
        self.add_meeting(name, &[], program, arguments);
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
    let program = |name: &str| inside(&format!("{name}{EXE_SUFFIX}"));
    link(CRASHING, program("kv-crashing"));
    link(WELL_BEHAVED, program("kv-good"));
    link(WELL_BEHAVED, program("other"));
    // This very program, which would start its own plugins, and so on.
    if sys::HAS_LINKS {
        link(std::env::current_exe().unwrap(), program("kv-self"));
    }
    link(WELL_BEHAVED, program(".kv-hidden"));
    fs::write(inside("README.md"), "no plugin").unwrap();
    fs::write(inside("notes.json"), "{}").unwrap();
    fs::create_dir(inside("folder")).unwrap();
    fs::write(
        inside("named.plugin.json"),
        json!({ "program": format!("kv-crashing{EXE_SUFFIX}"), "name": "a crash" }).to_string(),
    )
    .unwrap();
    fs::write(
        inside("off.plugin.json"),
        json!({ "program": format!("kv-off{EXE_SUFFIX}"), "enabled": false }).to_string(),
    )
    .unwrap();
    link(WELL_BEHAVED, program("kv-off"));

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
    let program = |name: &str| inside(&format!("{name}{EXE_SUFFIX}"));
    plugins.add("good", CRASHING, &[]);
    plugins.add("ends", CRASHING, &["exit"]);
    fs::write(inside("typo.plugin.json"), r#"{ "program": "x", "agrs": [] }"#).unwrap();
    fs::write(inside("empty.plugin.json"), "").unwrap();
    fs::write(inside("gone.plugin.json"), r#"{ "program": "gone" }"#).unwrap();
    fs::write(
        inside("twice.plugin.json"),
        json!({ "program": absolute(CRASHING), "name": "good" }).to_string(),
    )
    .unwrap();
    fs::write(program("x-empty"), "").unwrap();
    sys::make_executable(&program("x-empty"));
    fs::create_dir(program("x-folder")).unwrap();
    fs::copy(WELL_BEHAVED, program("x-open")).unwrap();
    sys::open_to_all(&program("x-open"));
    fs::write(inside("open.plugin.json"), json!({ "program": absolute(CRASHING) }).to_string()).unwrap();
    sys::open_to_all(&inside("open.plugin.json"));

    let builder = plugins.builder().pattern("x-*");
    let set = in_time("the look", move || builder.build().unwrap());
    assert_eq!(set.names(), ["ends", "good"]);
    let mut broken = broken_of(&set);
    let mut take = |name: &str, says: &[&str]| {
        let path = if name.ends_with(".json") { inside(name) } else { program(name) };
        take(&mut broken, &path, says)
    };
    let cause = take("typo.plugin.json", &["manifest is not right", "unknown field `agrs`", "correct it"]);
    assert!(matches!(cause, BrokenCause::Manifest { .. }));
    take("empty.plugin.json", &["EOF while parsing"]);
    let cause = take("gone.plugin.json", &["there is no such file"]);
    assert!(matches!(cause, BrokenCause::Launch(error) if matches!(error.cause(), LaunchCause::NotFound)));
    let cause =
        take("twice.plugin.json", &["plugin `good`", "good.plugin.json` is called the same", "rename"]);
    assert!(matches!(cause, BrokenCause::SameName { .. }));
    take("x-empty", &["an empty file"]);
    take("x-folder", &["not a file"]);
    assert!(matches!(
        take("x-open", &["every user may write", "chmod o-w"]),
        BrokenCause::WritableByAll { .. }
    ));
    assert!(matches!(take("open.plugin.json", &["every user may write"]), BrokenCause::WritableByAll { .. }));
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

/// What is broken, by its files.
fn broken_of(set: &PluginSet) -> BTreeMap<PathBuf, BrokenPlugin> {
    set.broken().into_iter().map(|it| (it.path().to_owned(), it)).collect()
}

/// Why a file is broken, which is told in these words.
#[track_caller]
fn take(broken: &mut BTreeMap<PathBuf, BrokenPlugin>, path: &Path, says: &[&str]) -> BrokenCause {
    let found = broken.remove(path).unwrap_or_else(|| panic!("{} is not broken: {broken:?}", path.display()));
    assert_says(&found, &[path.file_name().unwrap().to_str().unwrap(), "cannot be used"]);
    assert_says(&found, says);
    found.cause().clone()
}

#[test]
#[cfg_attr(
    windows,
    ignore = "Windows has neither modes nor pipes among its files, and links for administrators only"
)]
fn files_of_kinds_that_unix_has_are_broken_as_well() {
    let plugins = Plugins::new();
    let inside = |name: &str| plugins.directory().join(name);
    fs::write(inside("x-text"), "no program").unwrap();
    link("/nowhere", inside("x-nowhere"));
    if sys::is_root() {
        fs::copy(WELL_BEHAVED, inside("x-theirs")).unwrap();
        link(WELL_BEHAVED, inside("x-their-link"));
        sys::give_away(&inside("x-theirs"));
        sys::give_away(&inside("x-their-link"));
    }
    // To open it waits until somebody writes to it.
    sys::make_pipe(&inside("pipe.plugin.json"), 0o400);
    sys::make_pipe(&inside("x-pipe"), 0o700);
    let builder = plugins.builder().pattern("x-*");
    let set = in_time("the look", move || builder.build().unwrap());
    assert!(set.names().is_empty());
    let mut broken = broken_of(&set);
    let mut take = |name: &str, says: &[&str]| take(&mut broken, &inside(name), says);
    take("x-text", &["may not execute it", "chmod +x"]);
    take("x-pipe", &["not a file"]);
    take("pipe.plugin.json", &["it is not a file"]);
    take("x-nowhere", &["there is no such file"]);
    if sys::is_root() {
        for name in ["x-theirs", "x-their-link"] {
            assert!(matches!(take(name, &["another user", "chown"]), BrokenCause::ForeignOwner { .. }));
        }
    }
    assert!(broken.is_empty(), "{broken:?}");
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
    let path = plugins.directory().join(format!("it{EXE_SUFFIX}"));
    link(WELL_BEHAVED, &path);
    let cached = || plugins.builder().pattern("it").cache(plugins.beside("cache")).build().unwrap();
    assert_eq!(cached().describe("it").unwrap().name, "well-behaved");
    fs::remove_file(&path).unwrap();
    link(CRASHING, &path);
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
        // Each one waits for the other: one after another they would never be there.
        for (name, other) in [("a", "b"), ("b", "a")] {
            plugins.add_meeting(name, &[&plugins.beside(name), &plugins.beside(other)], CRASHING, &[]);
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
        link(PHOENIX, plugins.directory().join(format!("direct{EXE_SUFFIX}")));
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
        let executable = sys::executable(direct.id().unwrap()).unwrap();
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

    sys::open_to_all(&plugins.directory());
    let error = plugins.builder().build().map(drop).unwrap_err();
    assert!(matches!(error, SetError::InsecureDirectory { .. }), "{error:?}");
    assert_says(&error, &["every user may write to the directory", "chmod o-w"]);
}

#[test]
#[cfg_attr(windows, ignore = "Windows has no modes of files")]
fn a_directory_where_each_user_has_files_of_his_own() {
    let plugins = Plugins::new();
    sys::set_mode(&plugins.directory(), 0o1777);
    assert!(plugins.set().names().is_empty());
}

/// A name of a file is shown as it is only where that does no harm.
#[test]
#[cfg_attr(windows, ignore = "names of files have none here")]
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
