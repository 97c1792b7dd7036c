//! The invariants of ARCHITECTURE.md that no lint can hold.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::root;

/// The source files of a package, with their paths from the root and their texts without comments.
fn sources(package: &str) -> Vec<(PathBuf, String)> {
    files(root().join(package).join("src"))
}

/// The same below a folder.
fn files(folder: PathBuf) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
                let code = code.collect::<Vec<_>>().join("\n");
                files.push((path.strip_prefix(root()).unwrap().to_path_buf(), code));
            }
        }
    }
    assert!(files.len() > 5, "no sources in {}", folder.display());
    files
}

fn is_test(path: &Path) -> bool {
    path.iter().any(|part| part.to_str().is_some_and(|part| part.contains("test")))
}

#[test]
fn bincode_is_named_in_one_file() {
    let all = ["plugin-core", "plugin-host", "plugin-macros"].map(sources).concat();
    let naming: Vec<_> = all
        .iter()
        .filter(|(path, code)| {
            !is_test(path) && code.split("#[cfg(test)]").next().unwrap().contains("bincode::")
        })
        .map(|(path, _)| path)
        .collect();
    assert_eq!(naming, [Path::new("plugin-core/src/proto/codec.rs")]);
}

#[test]
fn unsafe_stands_in_sys_only() {
    for package in ["plugin-core", "plugin-host", "plugin-macros"] {
        for (path, code) in sources(package) {
            let is_sys = path.iter().any(|part| part == "sys");
            let has = code.contains("unsafe {") || code.contains("unsafe fn") || code.contains("unsafe impl");
            assert!(is_sys || is_test(&path) || !has, "{} has unsafe code", path.display());
        }
    }
}

#[test]
fn what_differs_per_system_stands_in_sys_only() {
    for package in ["plugin-core", "plugin-host", "plugin-macros"] {
        for (path, code) in sources(package) {
            let is_sys = path.iter().any(|part| part == "sys");
            let has = ["cfg(unix", "cfg(windows", "cfg(not(unix", "cfg(target_os", "std::os::"]
                .iter()
                .any(|cfg| code.contains(cfg));
            assert!(is_sys || is_test(&path) || !has, "{} differs per system", path.display());
        }
    }
}

/// A test that has nothing to look at on a system says why; one that cannot be built there is left out by its module.
#[test]
fn what_differs_per_system_stands_in_sys_of_the_tests_too() {
    for (path, code) in files(root().join("tests")) {
        // `ui` has what the compiler is given.
        if path.iter().any(|part| part == "sys" || part == "ui" || part == "tidy.rs") {
            continue;
        }
        let is_left_out = path.ends_with("main.rs") && is_test(&path);
        for line in code.lines().map(str::trim) {
            let with_reason = ["unix", "windows"].map(|system| format!("#[cfg_attr({system}, ignore = \""));
            let is_allowed = with_reason.iter().any(|begin| line.starts_with(begin))
                || is_left_out && line == "#[cfg(unix)]";
            let differs =
                ["(unix", "(windows", "target_os", "std::os::", "rustix::", " nix::", "windows_sys::"];
            let differs = differs.iter().any(|word| line.contains(word));
            assert!(is_allowed || !differs || path.ends_with("debugger.rs"), "{}: {line}", path.display());
        }
    }
}

#[test]
fn the_protocol_does_no_io() {
    for (path, code) in sources("plugin-core") {
        if !path.starts_with("plugin-core/src/proto") || is_test(&path) {
            continue;
        }
        for name in [
            "std::io",
            "std::net",
            "std::fs",
            "std::thread",
            "std::time",
            "Instant",
            "Mutex",
            "crate::io",
            "crate::sys",
        ] {
            assert!(!code.contains(name), "{} names {name}", path.display());
        }
    }
}

#[test]
fn dependencies_point_one_way() {
    let manifest = |package: &str| fs::read_to_string(root().join(package).join("Cargo.toml")).unwrap();
    let normal = |package: &str| {
        let text = manifest(package);
        let dependencies = text.split("\n[dependencies]").nth(1).unwrap();
        dependencies.split("[dev-dependencies]").next().unwrap().to_owned()
    };
    assert!(!normal("plugin-core").contains("plugin-host"));
    let macros = normal("plugin-macros");
    assert!(!macros.contains("plugin-core") && !macros.contains("plugin-host"), "{macros}");
    assert!(!normal("plugin-host").contains("plugin-macros"));
}

#[test]
fn the_macros_know_syntax_only() {
    for (path, code) in sources("plugin-macros") {
        for name in ["bincode", "serde::", "interprocess", "std::net"] {
            let quoted = code.lines().any(|line| line.contains(name) && !line.contains('"'));
            assert!(is_test(&path) || !quoted, "{} names {name}", path.display());
        }
    }
}

#[test]
fn the_readme_keeps_its_promise_of_forty_lines() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let block = readme.split("```rust").nth(1).unwrap().split("```").next().unwrap();
    let lines = block.lines().skip(1).count();
    assert!(lines <= 40, "{lines} lines");
    assert!(readme.contains(&format!("| {lines} (above) |")), "the table says another number than {lines}");
}

#[test]
fn links_between_documents_lead_somewhere() {
    for document in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "examples/README.md",
        "docs/protocol.md",
        "docs/performance.md",
        "fuzz/README.md",
    ] {
        let path = root().join(document);
        let text = fs::read_to_string(&path).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") || target.starts_with('#') {
                continue;
            }
            let file = path.parent().unwrap().join(target.split('#').next().unwrap());
            assert!(file.exists(), "{document} links to {target}");
        }
    }
}
