//! Sessions with a shell in QEMU's place.

use super::*;
use std::process::Stdio;

const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(20);

struct Run {
    session: Session,
    _folder: tempfile::TempDir,
}

fn shell(script: &str) -> Run {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new("sh");
    command
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let session = Session::start(command, &folder.path().join("logs/run.log")).expect("sh starts");
    Run {
        session,
        _folder: folder,
    }
}

fn regex(text: &str) -> Regex {
    Regex::new(text).expect("a regular expression")
}

#[test]
fn expectations_are_met_in_order() {
    let Run { mut session, .. } = shell("printf 'one\\r\\ntwo\\r\\none\\r\\n'");
    assert_eq!(session.wait_for(&regex("t.o"), LONG).expect("comes"), "two");
    assert_eq!(
        session
            .wait_for(&regex("^one$"), LONG)
            .expect("comes again"),
        "one"
    );
    assert!(matches!(
        session.wait_for(&regex("one"), LONG),
        Err(WaitError::Exited { .. })
    ));
}

#[test]
fn a_prompt_without_a_line_end_matches_and_what_is_sent_arrives() {
    let Run { mut session, .. } = shell("printf '~ # '; read line; echo \"got $line\"");
    session
        .wait_for_prompt(Source::Any, &regex("# $"), LONG)
        .expect("a prompt");
    session.send("hello\n").expect("takes input");
    assert_eq!(
        session.wait_for(&regex("got .*"), LONG).expect("comes"),
        "got hello"
    );
}

#[test]
fn the_hypervisors_lines_are_no_partitions_lines() {
    let Run { mut session, .. } =
        shell("printf 'bulkhead| ready\\n'; printf 'bulkhead| rea'; sleep 1; echo; echo ready");
    assert_eq!(
        session
            .wait_for_in(Source::Partitions, &regex("rea.*"), LONG)
            .expect("comes"),
        "ready"
    );
    assert_eq!(
        session.lines(),
        ["bulkhead| ready", "bulkhead| rea", "ready"]
    );
}

#[test]
fn time_runs_out_with_the_last_lines_and_the_log_shown() {
    let Run { mut session, .. } = shell("echo something; echo trouble >&2; exec sleep 60");
    session.wait_for(&regex("something"), LONG).expect("comes");
    let error = session
        .wait_for(&regex("never"), SHORT)
        .expect_err("never comes")
        .to_string();
    assert!(
        error.starts_with("`never` did not appear within 0 s\n    something\n"),
        "{error}"
    );
    assert!(error.contains("run.log"), "{error}");
}

#[test]
fn a_stop_line_ends_the_wait_with_its_reason() {
    let script =
        "echo 'bulkhead|     0.1 cpu0 INFO  x'; echo 'bulkhead| STOP bad-bundle'; exec sleep 60";
    let mut run = shell(script);
    let error = run
        .session
        .wait_for(&regex("login"), LONG)
        .expect_err("stopped");
    assert!(
        matches!(&error, WaitError::Stopped { reason, .. } if reason == "bad-bundle"),
        "{error}"
    );
    assert_eq!(
        shell(script).session.wait_for_stop(LONG).expect("a reason"),
        "bad-bundle"
    );
}

#[test]
fn the_reason_of_a_stop_is_not_read_before_its_line_is_whole() {
    let mut run = shell("printf 'bulkhead| STOP bad'; sleep 1; echo '-bundle'; exec sleep 60");
    begun(&mut run);
    assert_eq!(
        run.session.wait_for_stop(LONG).expect("a reason"),
        "bad-bundle"
    );
}

#[test]
fn a_line_is_not_read_before_it_is_whole_but_at_the_end() {
    let mut run = shell("printf 'share 1 vpa 0'; sleep 1; echo ' ppp 2'; printf 'share 3 vpa 1'");
    begun(&mut run);
    let told = regex(r"share .* vpa \d.*$");
    for line in ["share 1 vpa 0 ppp 2", "share 3 vpa 1"] {
        assert_eq!(run.session.wait_for(&told, LONG).expect("comes"), line);
    }
}

/// Waits until an unfinished line is surely there, and forgets that.
fn begun(run: &mut Run) {
    let any = regex("^.");
    let begun = run.session.wait_for_prompt(Source::Any, &any, LONG);
    begun.expect("comes");
    run.session.cursor = 0;
}

#[test]
fn a_named_failure_ends_the_wait_unless_the_match_comes_first() {
    let mut run = shell("echo fine; echo 'bulkhead| partition a: os-term: boo'; exec sleep 60");
    run.session.fail_on(regex("os-term: "));
    run.session
        .wait_for(&regex("fine"), LONG)
        .expect("comes first");
    let error = run
        .session
        .wait_for(&regex("later"), LONG)
        .expect_err("fails");
    assert!(
        matches!(&error, WaitError::Failed { line, .. } if line.ends_with("os-term: boo")),
        "{error}"
    );
}

#[test]
fn stopping_ends_the_child_and_keeps_log_and_lines() {
    let Run {
        mut session,
        _folder,
    } = shell("echo here; exec sleep 600");
    session.wait_for(&regex("here"), LONG).expect("comes");
    let log = session.log().to_owned();
    let begun = Instant::now();
    assert_eq!(session.stop(), ["here"]);
    assert!(begun.elapsed() < LONG);
    assert_eq!(std::fs::read_to_string(log).expect("a log"), "here\n");
}

#[test]
fn a_missing_emulator_is_named_with_the_remedy() {
    let folder = tempfile::tempdir().expect("a folder");
    let error = Session::start(Command::new("no-such-emulator"), &folder.path().join("log"))
        .err()
        .expect("fails");
    assert!(
        error
            .to_string()
            .starts_with("`no-such-emulator` is not installed: run `cargo xtask setup`"),
        "{error}"
    );
}

#[test]
fn characters_in_pieces_are_put_together_and_bad_bytes_are_shown() {
    let mut run = shell(r"printf 'gr\303'; sleep 0.2; printf '\274n\377!\n'");
    run.session.wait_for(&regex("!"), LONG).expect("comes");
    assert_eq!(run.session.lines(), ["grün\u{fffd}!"]);
}
