//! The README's walk-through, typed as it stands: every ```sh block of that section, in one shell, on free ports.

#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;
use std::process::{Command, Stdio};
use support::{LAPWING, fill_in, free_port};

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
const HELPERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/walkthrough/helpers.sh");

/// The shell blocks of the walk-through.
fn script() -> String {
    let readme = std::fs::read_to_string(README).unwrap();
    let section = readme.split("## Walk-through").nth(1).unwrap().split("\n## ").next().unwrap();
    let blocks: Vec<&str> = section.split("```sh\n").skip(1).map(|b| b.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 6, "the walk-through has {} blocks of shell", blocks.len());
    blocks.join("\n")
}

#[test]
fn the_walk_through_of_the_readme_works_as_it_stands() {
    let dir = tempfile::tempdir().unwrap();
    let bin = dir.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(LAPWING, bin.join("lapwing")).unwrap();
    let editor = bin.join("fill-in");
    let me = std::env::current_exe().unwrap();
    // this very test program stands for the reader's editor
    std::fs::write(
        &editor,
        format!(
            "#!/bin/sh\nWALKTHROUGH_FILL_IN=\"$1\" exec '{}' --exact fill_in_from_outside --ignored\n",
            me.display()
        ),
    )
    .unwrap();
    let mut permissions = std::fs::metadata(&editor).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o755);
    std::fs::set_permissions(&editor, permissions).unwrap();

    let mut script = script();
    for port in ["7420", "7421", "7430", "7431", "7440", "7441"] {
        script = script.replace(port, &free_port().to_string());
    }
    let whole = format!(". '{HELPERS}'\ntrap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n{script}\necho WALKED\n");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-c", &whole])
        .current_dir(dir.path())
        .env("PATH", path)
        .env("FILL_IN", &editor)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.ends_with("WALKED\n"), "{out}\n--- errors:\n{err}");
    assert!(out.contains("decided"), "{out}");
}

#[test]
#[ignore = "run by the walk-through as its editor"]
fn fill_in_from_outside() {
    if let Ok(path) = std::env::var("WALKTHROUGH_FILL_IN") {
        fill_in(Path::new(&path));
    }
}
