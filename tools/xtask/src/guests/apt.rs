//! Fetches packages of another architecture without touching the system's own package state.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::sources;
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
/// Overrides the mirrors that the system uses.
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
        let configuration = folder.join("apt.conf");
        std::fs::write(folder.join("status"), "")?;
        std::fs::write(&configuration, configuration_text(folder))?;
        let apt = Self {
            configuration,
            downloads: folder.join("debs"),
        };
        let mirrors = mirrors();
        if mirrors.is_empty() {
            if apt.has_lists() {
                ui::note(format!(
                    "{}\nUsing the package lists of an earlier run",
                    no_mirror()
                ));
                return Ok(apt);
            }
            bail!("{}", no_mirror());
        }
        let mut failures = Vec::new();
        for mirror in &mirrors {
            match apt.fetch_lists(folder, mirror) {
                Ok(()) => return Ok(apt),
                Err(error) => failures.push(format!("- {mirror}: {error:#}")),
            }
        }
        for mirror in &mirrors {
            apt.choose(folder, mirror)?;
            if apt.has_lists() {
                ui::note("they cannot be fetched now: using those of an earlier run");
                return Ok(apt);
            }
        }
        bail!(
            "Debian's package lists could not be fetched:\n{}\n\
             Remedy: connect this machine to the network, or set {MIRROR_VARIABLE} to a mirror that it reaches and that \
             has {ARCHITECTURE}",
            failures.join("\n")
        )
    }

    /// Makes `mirror` the only one from now on.
    fn choose(&self, folder: &Path, mirror: &str) -> Result<()> {
        let source = |suite| format!("deb [signed-by={KEYRING}] {mirror} {suite} main\n");
        let list = source(SUITE) + &source(BACKPORTS);
        Ok(std::fs::write(folder.join("sources.list"), list)?)
    }

    /// Fetches the lists of `mirror`, which must have the architecture.
    fn fetch_lists(&self, folder: &Path, mirror: &str) -> Result<()> {
        self.choose(folder, mirror)?;
        ui::step(format!(
            "fetching Debian's package lists for {ARCHITECTURE} from {mirror}"
        ));
        let mut update = self.command("apt-get");
        // Without Error-Mode apt-get reports success when it reached nothing.
        update.args(["-q", "-o", "APT::Update::Error-Mode=any", "update"]);
        let bar = ui::spinner("apt-get update");
        let updated = process::capture(&mut update);
        bar.finish_and_clear();
        updated?;
        // To apt a mirror without the architecture is a mirror without packages, and no error.
        if !self.has_lists() {
            bail!("it has nothing for {ARCHITECTURE}");
        }
        Ok(())
    }

    /// Tells whether the lists of the chosen mirror are there, from now or from an earlier run.
    fn has_lists(&self) -> bool {
        !self.versions(PROBE).unwrap_or_default().is_empty()
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
         APT::Get::List-Cleanup \"false\";\n\
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

/// The mirrors of Debian's archive to try, in this order: the variable's, else those that this system installs from.
pub(crate) fn mirrors() -> Vec<String> {
    match std::env::var(MIRROR_VARIABLE) {
        Ok(mirror) if !mirror.is_empty() => vec![mirror.trim_end_matches('/').to_owned()],
        _ => sources::mirrors(Path::new(sources::FOLDER)),
    }
}

/// What to do when there is none.
pub(crate) fn no_mirror() -> String {
    format!(
        "no mirror of Debian's archive is known: {}/sources.list and sources.list.d name none.\n\
         Remedy: set {MIRROR_VARIABLE} to the address of one that has {ARCHITECTURE} and {SUITE}, as it would stand in a \
         sources.list before the name of the release",
        sources::FOLDER
    )
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
