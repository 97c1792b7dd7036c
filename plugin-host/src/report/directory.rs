//! Where crash reports are kept: their names, how they get there whole, and how many stay.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use humantime::format_rfc3339_millis;

use super::{CrashReport, MAX_REPORT};
use crate::{files, sys};

/// How many reports are kept. A person reads the last few; a plugin that crashes at each restart fills this within
/// an hour, and all of them take at most 16 MiB.
const KEPT: usize = 32;

/// How much of a plugin's name is part of the name of a file, which may have 255 bytes in all.
const MAX_NAME: usize = 64;

/// Writes a report, and removes those that are too many; the path of the JSON file.
pub(super) fn write(directory: &Path, report: &CrashReport) -> io::Result<PathBuf> {
    sys::create_private_directories(directory)?;
    let name = file_name(report);
    // The JSON file last: who finds it finds the text as well.
    put(directory, &format!("{name}.txt"), report.to_string().as_bytes())?;
    let mut json = serde_json::to_vec_pretty(report)?;
    json.push(b'\n');
    let path = put(directory, &format!("{name}.json"), &json)?;
    prune(directory, KEPT)?;
    Ok(path)
}

/// Only this user can read it.
fn put(directory: &Path, name: &str, content: &[u8]) -> io::Result<PathBuf> {
    if content.len() > MAX_REPORT {
        return Err(io::Error::other(format!("{name} would have {} bytes", content.len())));
    }
    files::put(directory, name, content)
}

/// `<plugin>-<time>-<pid>`: sorts by time for one plugin, and is a file name everywhere.
fn file_name(report: &CrashReport) -> String {
    let plugin: String =
        report.plugin.chars().map(|c| if is_plain(c) { c } else { '_' }).take(MAX_NAME).collect();
    // A name that begins with a dot is hidden, and one with a hyphen is taken for an option.
    let plugin = plugin.trim_start_matches(['.', '-']);
    let plugin = if plugin.is_empty() { "plugin" } else { plugin };
    let shield = if is_device(plugin) { "_" } else { "" };
    format!("{shield}{plugin}-{}-{}", compact(report.ended_at), report.pid)
}

/// Whether Windows takes a name for that of a device, whatever follows the dot.
fn is_device(name: &str) -> bool {
    const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];
    let Some((name, _)) = name.split_once('.') else { return false };
    let is_port = name.len() == 4
        && name
            .get(..3)
            .is_some_and(|kind| ["com", "lpt"].iter().any(|port| kind.eq_ignore_ascii_case(port)));
    is_port || DEVICES.iter().any(|device| name.eq_ignore_ascii_case(device))
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// `20260131T235959.123Z`: a colon is no part of a file name on every system.
fn compact(time: SystemTime) -> String {
    format_rfc3339_millis(time).to_string().replace(['-', ':'], "")
}

/// The time in the name of a report, by which names sort; `None` for other files.
fn time_in(name: &str) -> Option<&str> {
    let stem = name.strip_suffix(".json").or_else(|| name.strip_suffix(".txt"))?;
    let (rest, pid) = stem.rsplit_once('-')?;
    let (_, time) = rest.rsplit_once('-')?;
    let is_time = time.len() == "20260131T235959.123Z".len()
        && time.bytes().enumerate().all(|(at, byte)| match at {
            8 => byte == b'T',
            15 => byte == b'.',
            19 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        });
    let is_pid = !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit());
    (is_time && is_pid).then_some(time)
}

/// Removes all but the newest reports, and what a host that was killed left unfinished. Other files are left alone.
fn prune(directory: &Path, kept: usize) -> io::Result<()> {
    let mut stems = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if let Some(time) = time_in(name) {
            let stem = name.trim_end_matches(".json").trim_end_matches(".txt");
            stems.push((time.to_owned(), stem.to_owned()));
        } else if files::is_abandoned(&entry) {
            files::remove(&entry.path())?;
        }
    }
    // Both files of a report are one.
    stems.sort_unstable_by(|a, b| b.cmp(a));
    stems.dedup();
    for (_, stem) in stems.iter().skip(kept) {
        for kind in ["json", "txt"] {
            files::remove(&directory.join(format!("{stem}.{kind}")))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::reporter::tests::hostile;
    use super::*;

    #[test]
    fn names_stay_in_the_directory() {
        for (plugin, begins) in [
            ("../../etc/passwd", "_.._etc_passwd-2"),
            ("a\nb\0c\u{1b}[31m", "a_b_c__31m-2"),
            ("", "plugin-2"),
            ("..", "plugin-2"),
            ("--rm", "rm-2"),
            ("kv-store 1.2", "kv-store_1.2-2"),
            ("nul.2", "_nul.2-2"),
            ("Com1.x", "_Com1.x-2"),
            ("nul", "nul-2"),
            ("console.1", "console.1-2"),
            ("naïve/ö", "na_ve__-2"),
        ] {
            let name = file_name(&CrashReport { plugin: plugin.to_owned(), ..hostile() });
            assert!(name.starts_with(begins), "{plugin:?} gives {name}");
            assert!(time_in(&format!("{name}.json")).is_some(), "{name}");
            assert!(name.len() < 200 && !name.contains('/'));
        }
        let long = file_name(&CrashReport { plugin: "x".repeat(10_000), ..hostile() });
        assert!(long.len() < 128, "{long}");
    }

    #[test]
    fn only_the_names_of_reports_are_reports() {
        assert_eq!(time_in("kv-20260131T235959.123Z-17.json"), Some("20260131T235959.123Z"));
        for name in [
            "kv.json",
            "kv-2026-17.json",
            "notes.txt",
            "kv-20260131T235959.123Z-.json",
            "-.txt",
            "a-b-c.json",
        ] {
            assert_eq!(time_in(name), None, "{name}");
        }
    }

    #[test]
    fn the_newest_stay_and_other_files_too() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("notes.txt"), "mine").unwrap();
        let mut report = hostile();
        for number in 0..KEPT as u64 + 3 {
            report.ended_at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + number);
            report.plugin = format!("plugin {}", number % 3);
            write(directory.path(), &report).unwrap();
        }
        let mut names: Vec<_> = fs::read_dir(directory.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names.len(), KEPT * 2 + 1, "{names:?}");
        assert!(names.contains(&"notes.txt".to_owned()));
        let oldest = names.iter().filter_map(|name| time_in(name)).min().unwrap();
        assert_eq!(oldest, compact(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_003)));
    }

    #[test]
    fn the_worst_report_is_within_its_bound() {
        let report = hostile();
        let json = serde_json::to_vec_pretty(&report).unwrap();
        assert!(json.len() < MAX_REPORT, "{}", json.len());
        assert!(report.to_string().len() < MAX_REPORT);
        let directory = tempfile::tempdir().unwrap();
        let path = write(directory.path(), &report).unwrap();
        assert_eq!(CrashReport::read(&path).unwrap(), report);
    }
}
