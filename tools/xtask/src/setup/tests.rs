//! Releases, versions and what people are told.

use super::*;

#[test]
fn the_release_is_recognised() {
    let of = |version: &str| Debian::of(&format!("PRETTY_NAME=\"x\"\nID=debian\n{version}"));
    assert_eq!(of("VERSION_ID=\"12\""), Some(Debian::Bookworm));
    assert_eq!(of("VERSION_ID=\"13\""), Some(Debian::Later));
    assert_eq!(of("VERSION_ID=\"11\""), None);
    assert_eq!(of(""), Some(Debian::Later));
    assert_eq!(
        Debian::of("ID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"24.04\""),
        None
    );
}

#[test]
fn names_of_releases_do_not_matter_and_debian_13_needs_no_backports() {
    for (text, expected) in [
        (
            "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nID=debian\n",
            Some(Debian::Bookworm),
        ),
        (
            "PRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\nVERSION_ID=\"13\"\nDEBIAN_VERSION_FULL=13.2\nID=debian\n",
            Some(Debian::Later),
        ),
        (
            "PRETTY_NAME=\"Debian GNU/Linux forky/sid\"\nVERSION_CODENAME=forky\nID=debian\n",
            Some(Debian::Later),
        ),
        ("ID=debian\nVERSION_ID=12\n", Some(Debian::Bookworm)),
        ("ID=fedora\nVERSION_ID=43\n", None),
        ("", None),
    ] {
        assert_eq!(Debian::of(text), expected, "{text}");
    }
    let qemu = Missing {
        qemu: Some(None),
        compiler: false,
        linker: false,
    };
    let commands = qemu.commands(Debian::Later, Some("http://m.example/debian"));
    assert!(!commands.join("\n").contains("backports"));
}

#[test]
fn the_compiler_is_chosen_by_what_the_package_sources_offer() {
    let offers = |web: &'static str, ordinary: &'static str| {
        move |package: &str| match package {
            "rustc-web" => candidate_in(&format!(
                "rustc-web:\n  Installed: (none)\n  Candidate: {web}\n"
            )),
            "rustc" => candidate_in(&format!("rustc:\n  Candidate: {ordinary}\n")),
            _ => None,
        }
    };
    let chosen = |web, ordinary| choose_compiler(Debian::Bookworm, offers(web, ordinary)).ok();
    // Debian 12 with its security archive, 13, and one where only the ordinary packages are new enough.
    let web = Some(COMPILERS[0]);
    assert_eq!(chosen("1.96.0+dfsg1-1~deb12u2", "1.63.0+dfsg1-2"), web);
    assert_eq!(
        chosen("1.96.0+dfsg1-1~deb13u1+b1", "1.85.1+dfsg1-1+deb13u1"),
        web
    );
    assert_eq!(chosen("(none)", "1.97.0+dfsg1-1"), Some(COMPILERS[1]));
    let error = choose_compiler(Debian::Bookworm, offers("1.85.0+dfsg3-1", "1.63.0"))
        .expect_err("too old")
        .to_string();
    assert!(
        error.contains("only rustc-web 1.85.0+dfsg3-1 and rustc 1.63.0"),
        "{error}"
    );
    assert!(error.contains("suite bookworm-security"), "{error}");
    let error = choose_compiler(Debian::Later, |_| None)
        .expect_err("none")
        .to_string();
    assert!(
        error.contains("new enough: none. Remedy: install"),
        "{error}"
    );
}

#[test]
fn versions_of_qemu_are_compared_as_numbers() {
    assert_eq!(
        qemu_version("QEMU emulator version 10.0.2 (Debian 1:10.0.2)\nCopyright"),
        Some((10, 0))
    );
    assert_eq!(qemu_version("QEMU emulator version 7.2.22"), Some((7, 2)));
    assert_eq!(qemu_version("something else"), None);
    assert!(qemu_version("QEMU emulator version 9.2.0") < Some(MIN_QEMU));
    assert!(qemu_version("QEMU emulator version 11.0.0") >= Some(MIN_QEMU));
}

#[test]
fn who_has_no_sudo_is_told_what_root_must_type() {
    let all = Missing {
        qemu: Some(None),
        compiler: true,
        linker: false,
    };
    assert_eq!(
        all.commands(Debian::Bookworm, Some("http://m.example/debian")),
        [
            "    echo 'deb http://m.example/debian bookworm-backports main' > \
             /etc/apt/sources.list.d/bulkhead-backports.list",
            "    apt-get update",
            "    apt-get install --no-install-recommends -t bookworm-backports qemu-system-ppc",
            "    apt-get install --no-install-recommends rustc-web cargo-web rust-web-src",
            "rustc-web, cargo-web, rust-web-src come from the suite bookworm-security",
        ]
    );
    let unknown = all.commands(Debian::Bookworm, None);
    assert!(unknown[0].contains("'deb MIRROR bookworm-backports main'"));
    assert!(unknown[4].starts_with("where MIRROR is"));
    assert_eq!(
        all.commands(Debian::Later, None),
        [
            "    apt-get update",
            "    apt-get install --no-install-recommends rustc-web cargo-web rust-web-src qemu-system-ppc",
        ]
    );
}

#[test]
fn advice_names_only_what_is_missing() {
    let qemu = Missing {
        qemu: Some(Some((7, 2))),
        compiler: false,
        linker: false,
    };
    assert!(
        qemu.advice()
            .contains("qemu-system-ppc64 10.0 or later (7.2 is installed)")
    );
    assert!(!qemu.advice().contains("Rust compiler"));
    let compiler = Missing {
        qemu: None,
        compiler: true,
        linker: false,
    };
    assert!(
        compiler
            .advice()
            .contains("`rustc-web`, `cargo-web` and `rust-web-src`")
    );
    assert!(!compiler.advice().contains("qemu"));
}
