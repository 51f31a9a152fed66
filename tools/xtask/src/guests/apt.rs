//! Fetches packages of another architecture without touching the system's own package state.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::{process, ui};

/// The release whose kernels are used, whatever release this machine runs.
const SUITE: &str = "bookworm";
/// Its newer kernels.
const BACKPORTS: &str = "bookworm-backports";
const ARCHITECTURE: &str = "ppc64el";
/// A package that every list of the release has.
const PROBE: &str = "busybox-static";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// What this needs on any system, by the names of its packages.
pub(crate) const WANTED: &str =
    "the packages `apt`, `dpkg` and `debian-archive-keyring` (Fedora: `debian-keyring`)";
/// Where Debian is when the system has no Debian mirror of its own.
const DEFAULT_MIRROR: &str = "http://deb.debian.org/debian";
/// Overrides the mirror that the system uses.
pub(crate) const MIRROR_VARIABLE: &str = "BULKHEAD_DEBIAN_MIRROR";

/// An apt of its own: lists, cache and sources below one folder.
#[derive(Debug)]
pub(crate) struct Apt {
    configuration: PathBuf,
    downloads: PathBuf,
}

/// One version of a package, as `apt-cache show` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) depends: Vec<String>,
    pub(crate) bytes: u64,
}

impl Apt {
    /// Sets up below `folder` and fetches the package lists; without a network those of an earlier run serve.
    pub(crate) fn update(folder: &Path) -> Result<Self> {
        if !is_possible() {
            bail!("Debian's kernels cannot be downloaded. Remedy: install {WANTED}");
        }
        for part in ["lists/partial", "cache/archives/partial", "state", "debs"] {
            std::fs::create_dir_all(folder.join(part))?;
        }
        let mirror = mirror();
        let source = |suite| format!("deb [signed-by={KEYRING}] {mirror} {suite} main\n");
        std::fs::write(
            folder.join("sources.list"),
            source(SUITE) + &source(BACKPORTS),
        )?;
        std::fs::write(folder.join("status"), "")?;
        let configuration = folder.join("apt.conf");
        std::fs::write(&configuration, configuration_text(folder))?;
        let apt = Self {
            configuration,
            downloads: folder.join("debs"),
        };
        ui::step(format!(
            "fetching Debian's package lists for {ARCHITECTURE} from {mirror}"
        ));
        let mut update = apt.command("apt-get");
        // Without Error-Mode apt-get reports success when it reached nothing.
        update.args(["-q", "-o", "APT::Update::Error-Mode=any", "update"]);
        let bar = ui::spinner("apt-get update");
        let updated = process::capture(&mut update);
        bar.finish_and_clear();
        match updated {
            // Also after a failed update apt-cache knows what the lists of an earlier one have.
            Err(_) if !apt.versions(PROBE).unwrap_or_default().is_empty() => {
                ui::note("they cannot be fetched now: using those of an earlier run");
                Ok(apt)
            }
            Err(error) => bail!(
                "Debian's package lists could not be fetched: {error:#}\n\
                 Remedy: connect this machine to the network, or set {MIRROR_VARIABLE} to a mirror that it reaches"
            ),
            Ok(_) => Ok(apt),
        }
    }

    /// Returns all known versions of `name`.
    pub(crate) fn versions(&self, name: &str) -> Result<Vec<Package>> {
        Ok(parse_stanzas(&process::capture(
            self.command("apt-cache").args(["show", name]),
        )?))
    }

    /// Returns the file of `package`, downloading it unless that was done before.
    pub(crate) fn download(&self, package: &Package) -> Result<PathBuf> {
        // apt writes a colon of the version as %3a in the file's name.
        let name = format!(
            "{}_{}_{ARCHITECTURE}.deb",
            package.name,
            package.version.replace(':', "%3a")
        );
        let file = self.downloads.join(name);
        let complete =
            |file: &Path| std::fs::metadata(file).is_ok_and(|data| data.len() == package.bytes);
        if complete(&file) {
            return Ok(file);
        }
        ui::step(format!(
            "downloading {} {} ({})",
            package.name,
            package.version,
            indicatif::BinaryBytes(package.bytes)
        ));
        let mut download = self.command("apt-get");
        download.args([
            "-q",
            "download",
            &format!("{}={}", package.name, package.version),
        ]);
        download
            .current_dir(&self.downloads)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = download
            .spawn()
            .with_context(|| format!("`{}` could not be started", process::show(&download)))?;
        let bar = ui::bytes_bar(package.bytes, &package.name);
        while child.try_wait()?.is_none() {
            bar.set_position(std::fs::metadata(&file).map_or(0, |data| data.len()));
            std::thread::sleep(Duration::from_millis(100));
        }
        bar.finish_and_clear();
        let output = child.wait_with_output()?;
        if !output.status.success() || !complete(&file) {
            let error = String::from_utf8_lossy(&output.stderr);
            bail!("{} could not be downloaded: {}", package.name, error.trim());
        }
        Ok(file)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("APT_CONFIG", &self.configuration)
            .env("LC_ALL", "C");
        command
    }
}

fn configuration_text(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "Dir::State \"{folder}/state\";\n\
         Dir::State::Lists \"{folder}/lists\";\n\
         Dir::State::status \"{folder}/status\";\n\
         Dir::Cache \"{folder}/cache\";\n\
         Dir::Etc::SourceList \"{folder}/sources.list\";\n\
         Dir::Etc::SourceParts \"/dev/null\";\n\
         APT::Architecture \"{ARCHITECTURE}\";\n\
         APT::Architectures {{ \"{ARCHITECTURE}\"; }};\n\
         Acquire::Languages \"none\";\n\
         Acquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";\n\
         APT::Sandbox::User \"\";\n"
    )
}

/// Tells whether the programs and keys are there.
pub(crate) fn is_possible() -> bool {
    let programs = ["apt-get", "apt-cache", "dpkg"];
    programs
        .iter()
        .all(|program| process::find(program).is_some())
        && Path::new(KEYRING).exists()
}

/// The Debian mirror that this system itself installs from, if it does.
pub(crate) fn mirror() -> String {
    if let Ok(mirror) = std::env::var(MIRROR_VARIABLE) {
        return mirror;
    }
    let mut command = Command::new("apt-get");
    command.args([
        "indextargets",
        "--format",
        "$(RELEASE) $(COMPONENT) $(REPO_URI)",
        "Identifier: Packages",
    ]);
    let targets = process::capture(&mut command).unwrap_or_default();
    mirror_among(&targets).unwrap_or_else(|| DEFAULT_MIRROR.to_owned())
}

fn mirror_among(targets: &str) -> Option<String> {
    targets.lines().find_map(|line| {
        let mut words = line.split(' ');
        let (release, component, address) = (words.next()?, words.next()?, words.next()?);
        let debian = [
            "bookworm", "trixie", "forky", "sid", "stable", "testing", "unstable",
        ]
        .contains(&release);
        (debian && component == "main").then(|| address.trim_end_matches('/').to_owned())
    })
}

fn parse_stanzas(text: &str) -> Vec<Package> {
    text.split("\n\n").filter_map(parse_stanza).collect()
}

fn parse_stanza(text: &str) -> Option<Package> {
    let fields: BTreeMap<&str, &str> = text
        .lines()
        .filter_map(|line| line.split_once(": "))
        .collect();
    let depends = fields.get("Depends").map_or("", |depends| depends);
    Some(Package {
        name: fields.get("Package")?.to_string(),
        version: fields.get("Version")?.to_string(),
        depends: depends
            .split(", ")
            .filter_map(|one| one.split(' ').next())
            .map(str::to_owned)
            .collect(),
        bytes: fields.get("Size")?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_own_mirror_is_found() {
        let targets = "bookworm-backports main http://a.example/debian/\nnoble main http://u.example/\n\
                       bookworm contrib http://b.example/debian/\nbookworm main http://b.example/debian/";
        assert_eq!(
            mirror_among(targets).as_deref(),
            Some("http://b.example/debian")
        );
        assert_eq!(mirror_among("noble main http://u.example/"), None);
    }

    #[test]
    fn stanzas_are_read() {
        let text = "Package: linux-image-powerpc64le\nVersion: 6.1.176-1\nDepends: linux-image-6.1.0 (= 6.1.176-1), x\n\
                    Size: 1500\nDescription: a\n b: c\n\nPackage: broken\n";
        let packages = parse_stanzas(text);
        assert_eq!(packages.len(), 1);
        assert_eq!(packages[0].depends, ["linux-image-6.1.0", "x"]);
        assert_eq!(
            (packages[0].version.as_str(), packages[0].bytes),
            ("6.1.176-1", 1500)
        );
    }
}
