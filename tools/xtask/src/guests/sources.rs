//! Which Debian mirrors this system installs from, out of its own apt sources.
//!
//! Both formats of sources.list(5) are read here, as apt itself names only sources whose lists it has fetched, and on
//! a fresh machine it has fetched none.

use std::path::{Path, PathBuf};

/// Where apt has its sources.
pub(super) const FOLDER: &str = "/etc/apt";

/// Debian's releases by name.
const RELEASES: [&str; 6] = ["bookworm", "trixie", "forky", "duke", "sid", "experimental"];
/// What may be a Debian release, and is the name of other archives' releases too.
const ALIASES: [&str; 4] = ["oldstable", "stable", "testing", "unstable"];

/// One archive that packages are installed from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    address: String,
    suite: String,
    components: Vec<String>,
}

/// Returns the addresses of Debian archives among the sources in `folder`, each once: first those whose release can
/// only be Debian's. All that can be told here is their names; what an archive has, fetching its lists shows.
pub(super) fn mirrors(folder: &Path) -> Vec<String> {
    let sources: Vec<Source> = files(folder)
        .iter()
        .flat_map(|file| {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            if file.extension().is_some_and(|end| end == "sources") {
                stanzas(&text)
            } else {
                lines(&text)
            }
        })
        .collect();
    let mut addresses = Vec::new();
    for names in [&RELEASES[..], &ALIASES] {
        for source in &sources {
            let address = source.address.trim_end_matches('/');
            let main = source.components.iter().any(|one| one == "main");
            let debian = names.contains(&source.suite.as_str());
            if main && debian && !addresses.iter().any(|other| other == address) {
                addresses.push(address.to_owned());
            }
        }
    }
    addresses
}

/// The files that apt reads, in its order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let parts = std::fs::read_dir(folder.join("sources.list.d"));
    let mut files: Vec<PathBuf> = parts
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|end| end == "list" || end == "sources")
        })
        .collect();
    files.sort();
    files.insert(0, folder.join("sources.list"));
    files
}

/// Reads the format of one line each: `deb [options] address suite component...`.
fn lines(text: &str) -> Vec<Source> {
    text.lines().filter_map(line).collect()
}

fn line(text: &str) -> Option<Source> {
    let text = text.split('#').next()?.trim();
    let rest = text.strip_prefix("deb")?;
    // Not `deb-src`.
    if !rest.starts_with([' ', '\t']) {
        return None;
    }
    let rest = rest.trim_start();
    let rest = match rest.strip_prefix('[') {
        Some(options) => options.split_once(']')?.1,
        None => rest,
    };
    let mut words = rest.split_whitespace().map(str::to_owned);
    let address = words.next().filter(|address| is_fetchable(address))?;
    Some(Source {
        address,
        suite: words.next()?,
        components: words.collect(),
    })
}

/// Reads the format of stanzas (deb822).
fn stanzas(text: &str) -> Vec<Source> {
    // Comments may stand between the lines of a field.
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(str::trim_end)
        .collect();
    lines
        .split(|line| line.is_empty())
        .flat_map(stanza)
        .collect()
}

fn stanza(lines: &[&str]) -> Vec<Source> {
    let fields = fields(lines);
    let words = |name: &str| -> Vec<String> {
        let field = fields
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        let value = field.map_or("", |(_, value)| value);
        value.split_whitespace().map(str::to_owned).collect()
    };
    let off = ["no", "false", "without", "off", "disable", "0"];
    let disabled = words("Enabled")
        .first()
        .is_some_and(|word| off.contains(&word.to_ascii_lowercase().as_str()));
    if disabled || !words("Types").iter().any(|kind| kind == "deb") {
        return Vec::new();
    }
    let (components, suites) = (words("Components"), words("Suites"));
    let addresses = words("URIs");
    let addresses = addresses.iter().filter(|address| is_fetchable(address));
    addresses
        .flat_map(|address| {
            suites.iter().map(|suite| Source {
                address: address.clone(),
                suite: suite.clone(),
                components: components.clone(),
            })
        })
        .collect()
}

/// The fields of a stanza; a line that begins with a blank continues the one before.
fn fields(lines: &[&str]) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in lines {
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                value.push_str(line);
            }
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((name.to_owned(), value.to_owned()));
        }
    }
    fields
}

/// Discs are no mirrors.
fn is_fetchable(address: &str) -> bool {
    address.contains(":/") && !address.starts_with("cdrom:")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mirrors of a folder with these files.
    fn of(files: &[(&str, &str)]) -> Vec<String> {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("sources.list.d")).expect("made");
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).expect("written");
        }
        mirrors(folder.path())
    }

    #[test]
    fn lines_are_read_with_options_and_comments() {
        let text = "# deb http://off.example/debian bookworm main\n\
                    deb-src http://src.example/debian bookworm main\n\
                    deb cdrom:[Debian 12 _Bookworm_]/ bookworm main\n\
                    deb [arch=amd64 signed-by=/k.gpg] http://a.example/debian/ bookworm contrib main # mine\n\
                    deb\thttp://a.example/debian bookworm-updates main\n\
                    deb http://contrib.example/debian bookworm contrib\n\
                    deb\n deb [ broken\n";
        assert_eq!(of(&[("sources.list", text)]), ["http://a.example/debian"]);
    }

    #[test]
    fn stanzas_are_read_with_lists_continuations_and_comments() {
        let text = "Types: deb deb-src\n# a comment inside\nURIs: http://a.example/debian\n http://b.example/debian/\n\
                    Suites: bookworm bookworm-updates\nComponents: main\nSigned-By:\n -----BEGIN PGP\n .\n x: y\n\n\
                    types: deb\nuris: https://c.example/debian\nsuites: trixie\ncomponents: non-free main\n";
        assert_eq!(
            of(&[("sources.list.d/debian.sources", text)]),
            [
                "http://a.example/debian",
                "http://b.example/debian",
                "https://c.example/debian"
            ]
        );
    }

    #[test]
    fn disabled_stanzas_and_those_of_sources_alone_are_no_mirrors() {
        let stanza = |more: &str, kind: &str| {
            let text = format!(
                "{more}Types: {kind}\nURIs: http://a.example/debian\nSuites: bookworm\nComponents: main\n"
            );
            of(&[("sources.list.d/x.sources", &text)]).len()
        };
        assert_eq!(stanza("", "deb"), 1);
        assert_eq!(stanza("Enabled: yes\n", "deb"), 1);
        assert_eq!(stanza("Enabled: no\n", "deb"), 0);
        assert_eq!(stanza("Enabled: False\n", "deb"), 0);
        assert_eq!(stanza("", "deb-src"), 0);
    }

    #[test]
    fn other_archives_are_none_or_come_last() {
        let files = [
            (
                "sources.list",
                "deb http://browser.example/deb stable main\ndeb http://security.example bookworm-security main\n\
                 deb http://u.example/ubuntu noble main\ndeb http://flat.example ./\n",
            ),
            (
                "sources.list.d/b.list",
                "deb mirror+file:/etc/apt/mirrors/debian.list bookworm main\n",
            ),
            (
                "sources.list.d/c.save",
                "deb http://old.example bookworm main\n",
            ),
        ];
        assert_eq!(
            of(&files),
            [
                "mirror+file:/etc/apt/mirrors/debian.list",
                "http://browser.example/deb"
            ]
        );
    }

    #[test]
    fn without_sources_there_is_no_mirror() {
        assert!(of(&[]).is_empty());
        assert!(of(&[("sources.list", "")]).is_empty());
        assert!(mirrors(Path::new("/nonexistent")).is_empty());
    }
}
