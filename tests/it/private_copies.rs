//! Programs that are replaced while they run.

use std::env::consts::EXE_SUFFIX;
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use plugin_host::{CopyCause, LaunchCause, LaunchError, Launcher, PluginProcess};
use tempfile::TempDir;
use tests::{Crash, CrashClient, Echo, EchoClient, Surroundings, SurroundingsClient, sys};

use crate::support::{
    CRASHING, RAW, WELL_BEHAVED, assert_says, in_time, start, temporary_directory, wait_until_gone,
};

/// An installed program, and the directory of its private copies.
struct Installed {
    directory: TempDir,
}

impl Installed {
    fn new(program: &str) -> Self {
        let installed = Self { directory: temporary_directory() };
        fs::copy(program, installed.program()).unwrap();
        installed
    }

    fn program(&self) -> PathBuf {
        self.directory.path().join(format!("plugin{EXE_SUFFIX}"))
    }

    fn copies(&self) -> PathBuf {
        self.directory.path().join("copies")
    }

    fn launcher(&self) -> Launcher {
        Launcher::new(self.program()).private_copies(self.copies())
    }

    /// Starts another program, a small one, with the same content but for its end, as a build of another version is.
    fn version(&self, number: u32) -> Launcher {
        let path = self.directory.path().join(version(number));
        let mut bytes = fs::read(RAW).unwrap();
        bytes.extend(number.to_le_bytes());
        fs::write(&path, bytes).unwrap();
        sys::make_executable(&path);
        let pid = self.directory.path().join(format!("pid-{number}"));
        Launcher::new(path).arg("silent").arg(pid).private_copies(self.copies())
    }

    /// The copies that are there, by their programs.
    fn programs(&self) -> Vec<PathBuf> {
        let folders = fs::read_dir(self.copies()).unwrap().map(|entry| entry.unwrap().path());
        let folders = folders.filter(|path| path.is_dir());
        folders.flat_map(|folder| fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path()).collect()
    }
}

fn executable(plugin: &PluginProcess) -> PathBuf {
    sys::executable(plugin.id()).unwrap()
}

/// The name of a program of a version.
fn version(number: u32) -> String {
    format!("version-{number}{EXE_SUFFIX}")
}

#[track_caller]
fn works(plugin: &PluginProcess) {
    assert_eq!(plugin.client::<EchoClient>().unwrap().number(7).unwrap(), 7);
}

#[track_caller]
fn refusal(mut launcher: Launcher) -> (LaunchError, CopyCause) {
    let error = launcher.spawn().map(drop).unwrap_err();
    let LaunchCause::PrivateCopy { cause, .. } = error.cause() else { panic!("{error:?}") };
    assert_says(&error, &["cannot start the plugin", "there is no private copy of it in", "copies"]);
    let cause = cause.clone();
    (error, cause)
}

#[test]
fn a_program_is_overwritten_while_it_runs() {
    in_time("a program that is overwritten", || {
        let installed = Installed::new(WELL_BEHAVED);
        // What it is for: the system lets nobody write to a program that runs.
        let direct = Launcher::new(installed.program()).spawn().unwrap();
        let refused = File::options().write(true).open(installed.program()).map(drop).unwrap_err();
        assert!(sys::is_in_use(&refused), "{refused:?}");
        direct.shutdown().unwrap();

        let mut launcher = installed.launcher();
        let old = launcher.spawn().unwrap();
        let copy = executable(&old);
        assert!(
            copy.starts_with(installed.copies()) && copy.file_name() == installed.program().file_name(),
            "{}",
            copy.display()
        );
        let mut file = File::options().write(true).truncate(true).open(installed.program()).unwrap();
        file.write_all(&fs::read(CRASHING).unwrap()).unwrap();
        drop(file);
        works(&old);
        let new = launcher.spawn().unwrap();
        assert_eq!(
            (old.describe().name.as_str(), new.describe().name.as_str()),
            ("well-behaved", "crashing")
        );
        assert_eq!(new.client::<CrashClient>().unwrap().survive(7).unwrap(), 7);
        assert_ne!(executable(&new), copy);
        // And gone altogether.
        fs::remove_file(installed.program()).unwrap();
        works(&old);
        let error = launcher.spawn().map(drop).unwrap_err();
        assert!(matches!(error.cause(), LaunchCause::NotFound), "{error:?}");
        assert_eq!(error.program(), installed.program());
        for plugin in [old, new] {
            plugin.shutdown().unwrap();
        }
    });
}

#[test]
fn a_copy_is_closed_to_others_and_made_once() {
    in_time("one copy for all", || {
        let installed = Arc::new(Installed::new(WELL_BEHAVED));
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let installed = Arc::clone(&installed);
                start(move || {
                    let plugin = installed.launcher().spawn().unwrap();
                    works(&plugin);
                    let copy = executable(&plugin);
                    plugin.shutdown().unwrap();
                    copy
                })
            })
            .collect();
        let mut copies: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        copies.dedup();
        assert_eq!(copies, installed.programs());
        for path in [&installed.copies(), copies[0].parent().unwrap(), &copies[0]] {
            assert!(sys::is_private(path), "{}", path.display());
        }
        let unfinished = fs::read_dir(installed.copies()).unwrap().map(|entry| entry.unwrap().file_name());
        let unfinished: Vec<_> =
            unfinished.filter(|name| name.to_str().unwrap().contains("unfinished")).collect();
        assert!(unfinished.is_empty(), "{unfinished:?}");
    });
}

/// A process that is being forked has all descriptors for a moment, also those of copies that are being written, and a
/// file that anybody has open for writing cannot be executed.
#[test]
fn copies_are_made_while_other_threads_start_processes() {
    in_time("copies and processes at once", || {
        let installed = Arc::new(Installed::new(WELL_BEHAVED));
        let threads: Vec<_> = (0..6)
            .map(|thread| {
                let installed = Arc::clone(&installed);
                start(move || {
                    for number in 0..6 {
                        let plugin = installed.version(thread * 100 + number).spawn().unwrap();
                        works(&plugin);
                        plugin.kill().unwrap();
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn copies_that_nobody_uses_are_removed_and_no_others() {
    in_time("copies that are removed", || {
        let installed = Installed::new(WELL_BEHAVED);
        let running = installed.launcher().spawn().unwrap();
        let copy = executable(&running);
        for number in 0..12 {
            installed.version(number).spawn().unwrap().shutdown().unwrap();
        }
        let programs = installed.programs();
        assert!(programs.contains(&copy), "{programs:?}");
        // Eight that nobody uses, the one that was made last, and the one that runs.
        assert_eq!(programs.len(), 10, "{programs:?}");
        assert!(programs.iter().any(|path| path.ends_with(version(11))));
        assert!(!programs.iter().any(|path| path.ends_with(version(0))));
        works(&running);
        running.shutdown().unwrap();
        wait_until_gone(running.id());

        // Its copy is nobody's now, and an old one.
        drop(running);
        let month = SystemTime::now() - Duration::from_secs(40 * 24 * 60 * 60);
        for entry in fs::read_dir(installed.copies()).unwrap().map(|entry| entry.unwrap()) {
            if entry.path().extension().is_some_and(|extension| extension == "lock") {
                File::options().write(true).open(entry.path()).unwrap().set_modified(month).unwrap();
            }
        }
        let left = File::create(installed.copies().join(".unfinished-abc")).unwrap();
        left.set_modified(month).unwrap();
        drop(left);
        let young = installed.copies().join(".unfinished-def");
        File::create(&young).unwrap();
        fs::write(installed.copies().join("notes.lock"), "mine").unwrap();
        installed.version(99).spawn().unwrap().shutdown().unwrap();
        let programs = installed.programs();
        assert!(matches!(&programs[..], [only] if only.ends_with(version(99))), "{programs:?}");
        assert!(!installed.copies().join(".unfinished-abc").exists());
        assert!(young.exists() && installed.copies().join("notes.lock").exists());
    });
}

#[test]
fn a_copy_is_started_like_the_program_itself() {
    let installed = Installed::new(WELL_BEHAVED);
    let root = PathBuf::from(installed.program().ancestors().last().unwrap());
    let launcher = installed.launcher().arg("").arg("an argument").current_dir(&root).env("ORCHARD", "set");
    let mut launcher = launcher.env_remove("HOME");
    // Twice: the second start has the command of the first.
    for _ in 0..2 {
        let plugin = launcher.spawn().unwrap();
        let client: SurroundingsClient = plugin.client().unwrap();
        assert!(client.arguments().unwrap().ends_with(&["an argument".to_owned()]));
        assert_eq!(client.directory().unwrap(), root);
        let environment = client.environment().unwrap();
        assert_eq!(environment["ORCHARD"], "set");
        assert!(environment.contains_key("PATH") && !environment.contains_key("HOME"));
        assert!(!environment.contains_key("CARGO_MANIFEST_DIR"));
        let descriptors = client.descriptors_at_start().unwrap();
        assert!(!descriptors.values().any(|target| target.contains("copies")), "{descriptors:?}");
        plugin.shutdown().unwrap();
    }
    let plugin = { launcher.env_clear().env("ONLY", "this") }.spawn().unwrap();
    let environment = plugin.client::<SurroundingsClient>().unwrap().environment().unwrap();
    let environment = environment.into_iter().filter(|(name, _)| !sys::is_from_the_system(name));
    assert_eq!(environment.collect::<Vec<_>>(), [("ONLY".to_owned(), "this".to_owned())]);
}

#[test]
#[cfg_attr(windows, ignore = "Windows has no modes of files")]
fn directories_that_are_not_for_private_copies() {
    let installed = Installed::new(WELL_BEHAVED);
    fs::create_dir(installed.copies()).unwrap();
    for mode in [0o755, 0o710, 0o701, 0o777] {
        sys::set_mode(&installed.copies(), mode);
        let (error, cause) = refusal(installed.launcher());
        assert!(matches!(cause, CopyCause::NotPrivate { mode: told } if told == mode), "{cause:?}");
        assert_says(&error, &[&format!("its mode is {mode:o}"), "chmod 700"]);
    }
    sys::set_mode(&installed.copies(), 0o700);
    installed.launcher().spawn().unwrap().shutdown().unwrap();
    // Only root can give a directory away.
    if sys::is_root() {
        sys::give_away(&installed.copies());
        let (error, cause) = refusal(installed.launcher());
        assert!(matches!(cause, CopyCause::NotOurs), "{cause:?}");
        assert_says(&error, &["belongs to another user"]);
    }
}

#[test]
fn a_file_is_no_directory_for_private_copies() {
    let installed = Installed::new(WELL_BEHAVED);
    fs::write(installed.copies(), "a file").unwrap();
    let (error, cause) = refusal(installed.launcher());
    assert!(matches!(cause, CopyCause::BadDirectory(_)), "{cause:?}");
    assert_says(&error, &["the directory cannot be used", "set one that this user can write to"]);
}

#[test]
fn programs_that_have_no_copies() {
    let installed = Installed::new(WELL_BEHAVED);
    let command = Command::new(installed.program());
    let (error, cause) = refusal(Launcher::from_command(command).private_copies(installed.copies()));
    assert!(matches!(cause, CopyCause::ReadyMadeCommand), "{cause:?}");
    assert_says(&error, &["use `Launcher::new`"]);

    fs::write(installed.program(), "no program").unwrap();
    let error = installed.launcher().spawn().map(drop).unwrap_err();
    assert!(matches!(error.cause(), LaunchCause::WrongFormat { .. }), "{error:?}");
    assert!(!installed.copies().exists());
}

/// The copy of a file that this user may not execute would be a way around that.
#[test]
#[cfg_attr(windows, ignore = "Windows has no modes of files")]
fn a_program_that_may_not_be_executed_has_no_copy() {
    let installed = Installed::new(WELL_BEHAVED);
    sys::set_mode(&installed.program(), 0o644);
    let error = installed.launcher().spawn().map(drop).unwrap_err();
    assert!(matches!(error.cause(), LaunchCause::NotExecutable), "{error:?}");
    assert!(!installed.copies().exists());
}
