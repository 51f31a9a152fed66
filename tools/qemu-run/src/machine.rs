//! The reference machine and its QEMU command line.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::location::{Location, LocationError};
use crate::piped::Piped;
use crate::session::{Session, SessionError};

/// The QEMU machine that everything is developed and measured on.
pub const REFERENCE_MACHINE: &str = "powernv8";
/// The emulator's name; found through PATH.
const QEMU: &str = "qemu-system-ppc64";

/// Why a [`Machine`] cannot be built as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MachineError {
    /// A location does not parse.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// A device was put where only the root port can be.
    #[error(
        "`{0}` is the root port, which every PHB of the machine has by itself; a card sits at `{0}/00.0`"
    )]
    RootPort(Location),
    /// A device was put behind a root port that is not `00.0`.
    #[error("`{0}` is behind no bridge: add the bridge above it to the machine first")]
    NoBridge(Location),
    /// Two devices at one place.
    #[error("the machine has two devices at `{0}`")]
    Twice(Location),
}

/// What a machine starts.
#[derive(Debug, Clone)]
enum Firmware {
    /// A raw image at real address 0.
    Image(PathBuf),
    /// QEMU's own hypervisor, with a Linux kernel.
    Pseries {
        kernel: PathBuf,
        initrd: PathBuf,
        command_line: String,
    },
    /// QEMU's own firmware of the reference machine (skiboot), with a Linux kernel.
    Skiboot {
        kernel: PathBuf,
        initrd: PathBuf,
        command_line: String,
    },
}

/// One QEMU machine: the reference machine unless told otherwise.
///
/// Every device is named, nothing comes by default; the network, where there is one, is QEMU's user network.
#[derive(Debug, Clone)]
pub struct Machine {
    firmware: Firmware,
    bundle: Option<PathBuf>,
    kind: String,
    cpus: u32,
    memory_mib: u64,
    phbs: BTreeSet<u8>,
    devices: Vec<(Location, String)>,
    backends: Vec<[OsString; 2]>,
    icount: Option<String>,
    gdb_port: Option<u16>,
    qmp_socket: Option<PathBuf>,
    extra: Vec<OsString>,
}

impl Machine {
    /// Describes the reference machine with firmware `image` (raw, put at real address 0): 2 CPUs, 2 GiB, no PHB.
    #[must_use]
    pub fn new(image: impl Into<PathBuf>) -> Self {
        Self {
            firmware: Firmware::Image(image.into()),
            bundle: None,
            kind: REFERENCE_MACHINE.to_owned(),
            cpus: 2,
            memory_mib: 2048,
            phbs: BTreeSet::new(),
            devices: Vec::new(),
            backends: Vec::new(),
            icount: None,
            gdb_port: None,
            qmp_socket: None,
            extra: Vec::new(),
        }
    }

    /// Describes QEMU's own partition (`pseries`), where QEMU is the hypervisor, with a Linux kernel: to compare with.
    ///
    /// Locations of devices mean nothing to it: every device goes to its one PCI bus.
    #[must_use]
    pub fn pseries(kernel: &Path, initrd: &Path, command_line: &str) -> Self {
        let (kernel, initrd) = (kernel.to_owned(), initrd.to_owned());
        let command_line = command_line.to_owned();
        // The same processor as powernv8's, so that the kernel does the same.
        let machine = Self::new("")
            .kind("pseries,usb=off")
            .arg("-cpu")
            .arg("power8_v2.0");
        Self {
            firmware: Firmware::Pseries {
                kernel,
                initrd,
                command_line,
            },
            ..machine
        }
    }

    /// Describes the reference machine with QEMU's firmware for it, skiboot, and a Linux kernel that has the machine to
    /// itself: to compare with.
    #[must_use]
    pub fn bare(kernel: &Path, initrd: &Path, command_line: &str) -> Self {
        Self {
            firmware: Firmware::Skiboot {
                kernel: kernel.to_owned(),
                initrd: initrd.to_owned(),
                command_line: command_line.to_owned(),
            },
            ..Self::new("")
        }
    }

    /// Sets what stands after `-M`.
    #[must_use]
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.kind = kind.into();
        self
    }

    /// Sets the number of CPUs.
    #[must_use]
    pub fn cpus(mut self, cpus: u32) -> Self {
        self.cpus = cpus;
        self
    }

    /// Sets the memory, in MiB; `powernv8` wants 1024 or more.
    #[must_use]
    pub fn memory_mib(mut self, memory_mib: u64) -> Self {
        self.memory_mib = memory_mib;
        self
    }

    /// Puts the file `bundle` into the initrd area, for the hypervisor to find.
    #[must_use]
    pub fn bundle(mut self, bundle: impl Into<PathBuf>) -> Self {
        self.bundle = Some(bundle.into());
        self
    }

    /// Adds PCI host bridge `index` with its root port, if it is not there yet.
    #[must_use]
    pub fn phb(mut self, index: u8) -> Self {
        self.phbs.insert(index);
        self
    }

    /// Adds a device (`model` as after QEMU's `-device`: name and properties) at `location`; its PHB comes with it.
    ///
    /// # Errors
    /// See [`MachineError`]; a device below a bridge must come after the bridge.
    pub fn device(mut self, location: &str, model: &str) -> Result<Self, MachineError> {
        let location: Location = location.parse()?;
        let Some(parent) = location.parent() else {
            return Err(MachineError::RootPort(location));
        };
        let below_root = parent.hops == [(0, 0)];
        if !below_root && !self.devices.iter().any(|(other, _)| *other == parent) {
            return Err(MachineError::NoBridge(location));
        }
        if self.devices.iter().any(|(other, _)| *other == location) {
            return Err(MachineError::Twice(location));
        }
        self.phbs.insert(location.phb);
        self.devices.push((location, model.to_owned()));
        Ok(self)
    }

    /// Adds an NVMe controller with the raw image `disk` as its one namespace.
    ///
    /// # Errors
    /// As [`device`](Self::device).
    pub fn nvme(mut self, location: &str, disk: &Path) -> Result<Self, MachineError> {
        let drive = format!("disk{}", self.backends.len());
        let mut value = OsString::from(format!("if=none,id={drive},format=raw,file="));
        value.push(escape_commas(disk));
        self.backends.push(["-drive".into(), value]);
        let model = format!("nvme,drive={drive},serial=BH{location}");
        self.device(location, &model.replace('/', "-"))
    }

    /// Adds an Intel e1000e network card on QEMU's user network (guest 10.0.2.15, the host's loopback 10.0.2.2).
    ///
    /// # Errors
    /// As [`device`](Self::device).
    pub fn e1000e(self, location: &str) -> Result<Self, MachineError> {
        self.nic(location, "e1000e")
    }

    /// Adds a network card of QEMU's `model` on QEMU's user network; with no option ROM, which nothing here would run.
    ///
    /// # Errors
    /// As [`device`](Self::device).
    pub fn nic(mut self, location: &str, model: &str) -> Result<Self, MachineError> {
        let net = format!("net{}", self.backends.len());
        self.backends
            .push(["-netdev".into(), format!("user,id={net},ipv6=off").into()]);
        self.device(location, &format!("{model},netdev={net},romfile="))
    }

    /// Makes instruction counts repeatable: `setting` as after QEMU's `-icount`, for instance `shift=0,sleep=off`.
    #[must_use]
    pub fn icount(mut self, setting: impl Into<String>) -> Self {
        self.icount = Some(setting.into());
        self
    }

    /// Holds the machine before its first instruction until a debugger attaches to loopback TCP `port`.
    #[must_use]
    pub fn gdb(mut self, port: u16) -> Self {
        self.gdb_port = Some(port);
        self
    }

    /// Opens a QMP server on the unix socket `path`.
    #[must_use]
    pub fn qmp(mut self, path: impl Into<PathBuf>) -> Self {
        self.qmp_socket = Some(path.into());
        self
    }

    /// Appends one argument to QEMU's command line as it is.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.extra.push(argument.into());
        self
    }

    /// Returns QEMU's command for a machine whose console is this process's terminal; Ctrl-A x leaves it. What the
    /// console shows is also written to the file `log`.
    #[must_use]
    pub fn interactive_command(&self, log: &Path) -> Command {
        // signal=off: Ctrl-C belongs to the guest. mux=on: Ctrl-A x is QEMU's own way out.
        let mut console = OsString::from("stdio,id=console,mux=on,signal=off,logfile=");
        console.push(escape_commas(log));
        let mut command = self.command_with_console(&console);
        command.args(["-mon", "chardev=console,mode=readline"]);
        command
    }

    /// Returns QEMU's command for a machine whose console is its standard input and output.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command =
            self.command_with_console(OsStr::new("stdio,id=console,mux=off,signal=off"));
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Starts the machine; everything its console shows is also written to the file `log`.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub fn spawn(&self, log: &Path) -> Result<Session, SessionError> {
        Session::start(self.command(), log)
    }

    /// Starts the machine for a program that reads and writes its serial line; QEMU's own messages go to the file `messages`.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub fn spawn_piped(&self, messages: &Path) -> Result<Piped, SessionError> {
        Piped::start(self.command(), messages)
    }

    fn command_with_console(&self, console: &OsStr) -> Command {
        let mut command = Command::new(QEMU);
        command.args([
            "-M",
            &self.kind,
            "-smp",
            &self.cpus.to_string(),
            "-m",
            &format!("{}M", self.memory_mib),
        ]);
        command.args(["-nodefaults", "-display", "none", "-no-user-config"]);
        command
            .arg("-chardev")
            .arg(console)
            .args(["-serial", "chardev:console"]);
        match &self.firmware {
            Firmware::Image(image) => {
                command.arg("-bios").arg(image);
            }
            Firmware::Pseries {
                kernel,
                initrd,
                command_line,
            }
            | Firmware::Skiboot {
                kernel,
                initrd,
                command_line,
            } => {
                command
                    .arg("-kernel")
                    .arg(kernel)
                    .arg("-initrd")
                    .arg(initrd)
                    .arg("-append")
                    .arg(command_line);
            }
        }
        let pseries = matches!(self.firmware, Firmware::Pseries { .. });
        if let Some(bundle) = &self.bundle {
            // QEMU takes an initrd only with a kernel; an empty one is not loaded.
            command
                .args(["-kernel", "/dev/null"])
                .arg("-initrd")
                .arg(bundle);
        }
        if self.kind.starts_with("powernv") {
            // A real-time clock and orderly power-off come with the BMC.
            command.args([
                "-device",
                "ipmi-bmc-sim,id=bmc0",
                "-device",
                "isa-ipmi-bt,bmc=bmc0,irq=10",
            ]);
        }
        for phb in self.phbs.iter().filter(|_| !pseries) {
            command.args([
                "-device",
                &format!("pnv-phb,chip-id=0,index={phb},id=phb{phb}"),
            ]);
            command.args([
                "-device",
                &format!("pnv-phb-root-port,id=rp{phb},bus=phb{phb}"),
            ]);
        }
        for backend in &self.backends {
            command.args(backend);
        }
        for (location, model) in &self.devices {
            let mut device = format!("{model},id={}", location.qemu_id());
            let place = location.parent().zip(location.hops.last());
            if let Some((parent, (slot, function))) = place.filter(|_| !pseries) {
                // Infallible: a String takes everything.
                let _ = write!(
                    device,
                    ",bus={},addr={slot:02x}.{function:x}",
                    parent.qemu_id()
                );
            }
            command.args(["-device", &device]);
        }
        if let Some(setting) = &self.icount {
            command.args(["-icount", setting]);
        }
        if let Some(port) = self.gdb_port {
            command.args(["-gdb", &format!("tcp:127.0.0.1:{port}"), "-S"]);
        }
        if let Some(socket) = &self.qmp_socket {
            let mut value = OsString::from("unix:");
            value.push(escape_commas(socket));
            value.push(",server=on,wait=off");
            command.arg("-qmp").arg(value);
        }
        command.args(&self.extra);
        command
    }
}

/// Doubles the commas of a path, as QEMU's option syntax wants them.
fn escape_commas(path: &Path) -> OsString {
    match path.to_str() {
        Some(text) => text.replace(',', ",,").into(),
        None => path.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(machine: &Machine) -> Vec<String> {
        machine
            .command()
            .get_args()
            .map(|argument| argument.to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn devices_sit_on_the_bus_their_location_says() {
        let machine = Machine::new("image")
            .phb(2)
            .nvme("phb0/00.0/00.0", Path::new("a,b.img"))
            .expect("fits");
        let machine = machine
            .device("phb1/00.0/00.0", "pcie-pci-bridge")
            .expect("fits");
        let machine = machine.e1000e("phb1/00.0/00.0/03.0").expect("fits");
        let arguments = arguments(&machine);
        for expected in [
            "pnv-phb,chip-id=0,index=0,id=phb0",
            "pnv-phb-root-port,id=rp1,bus=phb1",
            "pnv-phb,chip-id=0,index=2,id=phb2",
            "if=none,id=disk0,format=raw,file=a,,b.img",
            "nvme,drive=disk0,serial=BHphb0-00.0-00.0,id=phb0-00.0-00.0,bus=rp0,addr=00.0",
            "pcie-pci-bridge,id=phb1-00.0-00.0,bus=rp1,addr=00.0",
            "e1000e,netdev=net1,romfile=,id=phb1-00.0-00.0-03.0,bus=phb1-00.0-00.0,addr=03.0",
        ] {
            assert!(
                arguments.iter().any(|argument| argument == expected),
                "{expected} is not in {arguments:#?}"
            );
        }
    }

    #[test]
    fn bare_linux_has_the_devices_where_partitions_have_them_and_no_image() {
        let machine = Machine::bare(Path::new("vmlinux"), Path::new("initrd"), "quiet");
        let arguments = arguments(&machine.e1000e("phb1/00.0/00.0").expect("fits"));
        let has = |end: &str| arguments.iter().any(|argument| argument.ends_with(end));
        assert!(has("bus=rp1,addr=00.0") && has("initrd"), "{arguments:#?}");
        assert!(!has("-bios"), "{arguments:#?}");
    }

    #[test]
    fn qemus_own_partition_has_the_devices_on_its_one_bus() {
        let machine = Machine::pseries(Path::new("vmlinux"), Path::new("initrd"), "quiet");
        let arguments = arguments(
            &machine
                .nvme("phb0/00.0/00.0", Path::new("a.img"))
                .expect("fits"),
        );
        assert!(
            arguments
                .windows(2)
                .any(|pair| pair == ["-kernel", "vmlinux"]),
            "{arguments:#?}"
        );
        assert!(
            arguments
                .iter()
                .any(|argument| argument.ends_with(",id=phb0-00.0-00.0")),
            "{arguments:#?}"
        );
        assert!(
            !arguments
                .iter()
                .any(|argument| argument.contains("pnv-phb") || argument == "-bios"),
            "{arguments:#?}"
        );
    }

    #[test]
    fn a_device_in_the_wrong_place_is_refused() {
        let machine = Machine::new("image");
        let refusal = |location| {
            machine
                .clone()
                .device(location, "edu")
                .expect_err("refused")
                .to_string()
        };
        assert!(refusal("phb0/00.0").contains("is the root port"));
        assert!(refusal("phb0/00.0/00.0/00.0").contains("add the bridge above it"));
        let machine = machine
            .clone()
            .device("phb0/00.0/00.0", "edu")
            .expect("fits");
        let twice = machine
            .device("phb0/00.0/00.0", "edu")
            .expect_err("refused");
        assert_eq!(
            twice.to_string(),
            "the machine has two devices at `phb0/00.0/00.0`"
        );
    }
}
