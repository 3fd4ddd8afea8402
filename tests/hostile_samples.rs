//! Samples that were written to harm whoever looks at them, through the program as people run it.

#![allow(clippy::unwrap_used)]

mod support;

use std::net::TcpListener;
use std::process::{Command, Stdio};
use support::LAPWING;

/// Escape sequences, characters that turn the line around, a formula, a script, a path, a page, and addresses of `here`.
fn mail(here: &str) -> String {
    format!(
        "Received: from bad.example (bad.example [192.0.2.7]) by mx.home.example; Tue, 2 Jan 2024 10:00:00 +0000\r\n\
         From: \"\u{202e}knab\u{1b}[2J\" <office@spam.example>\r\n\
         Subject: =?utf-8?Q?=3DHYPERLINK(\"http://{here}/formula\")=1B]0;owned=07?=\r\n\
         List-Unsubscribe: <http://{here}/unsubscribe>\r\n\
         Disposition-Notification-To: <x@{here}>\r\n\
         DKIM-Signature: v=1; a=rsa-sha256; d=localhost; s=s; c=relaxed/relaxed; h=from; bh=AAAA; b=AAAA\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n\
         <html><head><base href=\"http://{here}/\"><link rel=stylesheet href=http://{here}/style>\
         <meta http-equiv=refresh content=\"0;url=http://{here}/refresh\"></head>\
         <body background=http://{here}/background onload=fetch('http://{here}/onload')>\
         <script src=http://{here}/script>document.location='http://{here}/run'</script>\
         <img src=http://{here}/pixel width=1><iframe src=http://{here}/frame></iframe>\
         <a href=http://{here}/link>\u{202e}txt.exe</a></body></html>\r\n\
         --b\r\nContent-Type: message/external-body; access-type=URL; URL=\"http://{here}/external\"\r\n\r\n\r\n\
         --b\r\nContent-Type: application/zip\r\nContent-Disposition: attachment; filename=\"../../../tmp/owned\u{1b}[31m.zip\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\nUEsDBAoAAAAAAA==\r\n--b--\r\n"
    )
}

#[test]
fn no_address_in_a_sample_is_asked_for_and_nothing_of_it_commands_a_terminal_or_a_table() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let here = listener.local_addr().unwrap().to_string();
    let dir = tempfile::tempdir().unwrap();
    let samples = dir.path().join("samples");
    std::fs::create_dir(&samples).unwrap();
    std::fs::write(samples.join("a.eml"), mail(&here)).unwrap();
    std::fs::write(samples.join("\u{1b}[2J\u{202e}gpj.exe.eml"), mail(&here)).unwrap();
    let before = support::files(dir.path());
    let path = samples.display().to_string();
    for args in [vec![], vec!["--json"], vec!["--csv"]] {
        let mut command = Command::new(LAPWING);
        command.args(["evidence", "analyse", &path]).args(&args).stdin(Stdio::null());
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{args:?}: {text}");
        assert!(text.contains("spam.example"), "{args:?}: {text}");
        let commands =
            |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        // programs that read JSON show what they like
        assert!(args == ["--json"] || !text.chars().any(commands), "{args:?}: {text:?}");
        if args == ["--csv"] {
            let mut reader = csv::Reader::from_reader(text.as_bytes());
            let mut cells = 0;
            for record in reader.records() {
                for cell in record.unwrap().iter() {
                    assert!(!cell.trim_start().starts_with(['=', '+', '@', '|', '%']), "a formula: {cell:?}");
                    cells += 1;
                }
            }
            assert!(cells > 50);
        }
    }
    // the draft of a referral, as its officer gets it
    let draft = dir.path().join("draft");
    let args = ["refer", "new", "--from", &path, "--to", "polder", "-o", &draft.display().to_string()];
    let output = Command::new(LAPWING).args(args).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let made = support::files(&draft);
    for file in made.iter().filter(|f| f.extension().is_some_and(|e| e == "toml")) {
        let text = std::fs::read_to_string(file).unwrap();
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text:?}");
        text.parse::<toml::Table>().unwrap();
    }
    assert!(made.len() >= 3, "{made:?}");
    for file in &made {
        let name = file.strip_prefix(&draft).unwrap().to_str().unwrap();
        assert!(!name.chars().any(|c| c.is_control() || c == '\u{202e}'), "{name:?}");
    }
    assert!(!std::path::Path::new("/tmp/owned.zip").exists());
    let after: Vec<_> = support::files(dir.path()).into_iter().filter(|f| !f.starts_with(&draft)).collect();
    assert_eq!(after, before, "a sample wrote a file");
    let asked = listener.accept();
    assert!(asked.is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock), "an address in a sample was asked for");
}
