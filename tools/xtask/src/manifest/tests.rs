//! Good manifests, and every refusal with its exact words.

use std::path::Path;

use super::kernel::elf_end;
use super::section::parse_size;
use super::*;
use crate::test_elf::{Elf, Segment};

/// A checkout with a kernel and an initrd in examples/.
struct Checkout {
    folder: tempfile::TempDir,
    workspace: Workspace,
}

fn kernel() -> Elf {
    let bytes = vec![0x60; 0x1000];
    Elf {
        entry: 0x40_0000,
        ..Elf::powerpc64_be()
    }
    .segment(Segment {
        address: 0x40_0000,
        bytes,
        memory_bytes: 0x2000,
    })
}

fn checkout() -> Checkout {
    let folder = tempfile::tempdir().expect("a folder");
    let examples = folder.path().join("examples");
    std::fs::create_dir(&examples).expect("made");
    std::fs::write(examples.join("kernel"), kernel().build()).expect("written");
    std::fs::write(examples.join("initrd"), "initrd").expect("written");
    std::fs::write(examples.join("empty"), "").expect("written");
    let workspace = Workspace::at(folder.path());
    Checkout { folder, workspace }
}

const GOOD: &str = r#"
[machine]
memory = "2G"
cpus = 2

[[machine.device]]
at = "phb0/00.0/00.0"
model = "nvme"
disk = "${target}/disks/a.img"
disk-size = "32M"

[[machine.device]]
at = "phb1/00.0/00.0"
model = "e1000e"

[[partition]]
name = "linux"
memory = "1G"
cpus = 2
kernel = "kernel"
initrd = "initrd"
command-line = "console=hvc0"

[[partition.device]]
at = "phb0/00.0/00.0"
dma-window = "512M"
msi-quota = 8

[[partition.device]]
at = "phb1/00.0/00.0"
"#;

fn parse(checkout: &Checkout, text: &str) -> Result<Manifest> {
    Manifest::parse(
        &checkout.workspace,
        &checkout.folder.path().join("examples/m.toml"),
        text,
    )
}

/// The complaints about `GOOD` after `from` was replaced by `to`.
fn complaints(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    let checkout = checkout();
    let error = parse(&checkout, &GOOD.replacen(from, to, 1))
        .expect_err("must be refused")
        .to_string();
    error.replace(&checkout.folder.path().display().to_string(), "ROOT")
}

#[test]
fn a_good_manifest_is_read_whole() {
    let checkout = checkout();
    let manifest = parse(&checkout, GOOD).expect("sound");
    let machine = manifest.machine.as_ref().expect("a machine");
    assert_eq!(
        (machine.memory_mib, machine.cpus, machine.devices.len()),
        (2048, 2, 2)
    );
    let disk = checkout.workspace.target().join("disks/a.img");
    assert_eq!(machine.devices[0].disk, Some((disk, 32 << 20)));
    let linux = &manifest.partitions[0];
    assert_eq!(
        (linux.name.as_str(), linux.memory_bytes, linux.cpus),
        ("linux", 1 << 30, 2)
    );
    assert_eq!((linux.console, linux.load), (Console::Vty, Load::Elf));
    assert_eq!(linux.devices[0].dma_window_bytes, 512 << 20);
    assert_eq!(
        (linux.devices[0].msi_quota, linux.devices[1].msi_quota),
        (8, 16)
    );
}

#[test]
fn the_bundle_has_what_the_manifest_says_and_what_is_appended() {
    let checkout = checkout();
    let manifest = parse(&checkout, GOOD).expect("sound");
    let bytes = manifest.pack("bulkhead.test=spine").expect("packs");
    bundle::Bundle::check_crc(&bytes).expect("sealed");
    let bundle = bundle::Bundle::parse(&bytes).expect("parses");
    let linux = bundle.partitions().next().expect("a partition");
    assert_eq!(linux.command_line, "console=hvc0 bulkhead.test=spine");
    assert_eq!(linux.kernel.image(), kernel().build());
    assert_eq!(linux.initrd, Some(b"initrd".as_slice()));
    assert_eq!(linux.devices().count(), 2);
}

#[test]
fn the_machine_has_the_devices_and_a_disk() {
    let checkout = checkout();
    let manifest = parse(&checkout, GOOD).expect("sound");
    let machine = manifest.qemu(Path::new("image")).expect("a machine");
    let command = crate::process::show(&machine.command());
    assert!(
        command.contains("-device nvme,drive=disk0,")
            && command.contains("-device e1000e,netdev=net1,"),
        "{command}"
    );
    let disk = checkout.workspace.target().join("disks/a.img");
    assert_eq!(std::fs::metadata(&disk).expect("made").len(), 32 << 20);
    std::fs::write(&disk, "a guest's data").expect("written");
    manifest.qemu(Path::new("image")).expect("a machine");
    assert_eq!(std::fs::read(&disk).expect("kept"), b"a guest's data");
}

#[test]
fn every_bad_value_is_named_with_file_line_key_value_and_remedy() {
    for (from, to, expected) in [
        (
            "cpus = 2\n\n",
            "cpus = 0\n\n",
            "examples/m.toml:4: machine: `cpus = 0`: it must be 1 to 12. Remedy: write a number in that range",
        ),
        (
            "memory = \"2G\"",
            "memory = \"512M\"",
            "examples/m.toml:3: machine: `memory = \"512M\"`: the machine has whole mebibytes and at least 1 GiB. Remedy: give it \"1G\" or more\n\
             examples/m.toml:18: partition linux: `memory = \"1G\"`: the partitions up to this one have 1024 MiB, the machine has 512 MiB and the hypervisor needs some. Remedy: give the partitions less, or the machine more (`memory` in `[machine]`)",
        ),
        (
            "memory = \"1G\"",
            "memory = 1024",
            "examples/m.toml:18: partition linux: `memory = 1024`: it is no size. Remedy: write a size with its unit, like \"512M\" or \"1G\"",
        ),
        (
            "memory = \"1G\"",
            "memory = \"100M\"",
            "examples/m.toml:18: partition linux: `memory = \"100M\"`: a partition has a multiple of 16 MiB, at most 64 TiB, and not nothing. Remedy: \"112M\" would do",
        ),
        (
            "memory = \"1G\"",
            "memory = \"2G\"",
            "examples/m.toml:18: partition linux: `memory = \"2G\"`: the partitions up to this one have 2048 MiB, the machine has 2048 MiB and the hypervisor needs some. Remedy: give the partitions less, or the machine more (`memory` in `[machine]`)",
        ),
        (
            "cpus = 2\nkernel",
            "cpus = 3\nkernel",
            "examples/m.toml:19: partition linux: `cpus = 3`: the partitions up to this one have 3 CPUs to themselves, the machine has 2. Remedy: give the partitions fewer, or the machine more (`cpus` in `[machine]`), or share some (`processors = \"shared\"`)",
        ),
        (
            "cpus = 2\nkernel",
            "cpus = \"2\"\nkernel",
            "examples/m.toml:19: partition linux: `cpus = \"2\"`: it is no whole number. Remedy: write cpus = 2 or the like, without quotes",
        ),
        (
            "cpus = 2\nkernel",
            "cpu = 2\nkernel",
            "examples/m.toml:16: partition linux: `cpus`: the key is missing. Remedy: say how many CPUs it has, like cpus = 2\n\
             examples/m.toml:19: partition linux: `cpu = 2`: there is no such key. Remedy: did you mean `cpus`?",
        ),
        (
            "memory = \"1G\"",
            "memory = \"1G\"\ncolour = \"red\"",
            "examples/m.toml:19: partition linux: `colour = \"red\"`: there is no such key. Remedy: remove it; here go `name`, `memory`, `cpus`, `processors`, `entitlement`, `capped`, `weight`, `kernel`, `load-address`, `entry`, `initrd`, `command-line`, `console`, `after-crash`, `device`, `ethernet`",
        ),
        (
            "name = \"linux\"",
            "name = \"My LPAR\"",
            "examples/m.toml:17: partition My LPAR: `name = \"My LPAR\"`: a name is 1 to 31 of a-z, 0-9, - and _, and begins with a letter. Remedy: write it like \"web-1\"",
        ),
        (
            "name = \"linux\"\n",
            "",
            "examples/m.toml:16: partition: `name`: the key is missing. Remedy: give the partition a name, like name = \"linux\"",
        ),
        (
            "kernel = \"kernel\"",
            "kernel = \"vmlinux\"",
            "examples/m.toml:20: partition linux: `kernel = \"vmlinux\"`: ROOT/examples/vmlinux cannot be read: No such file or directory (os error 2). Remedy: correct the path; it starts at the manifest's folder",
        ),
        (
            "kernel = \"kernel\"",
            "kernel = \"${target}/guests/debian-6.1/vmlinux\"",
            "examples/m.toml:20: partition linux: `kernel = \"${target}/guests/debian-6.1/vmlinux\"`: ROOT/target/guests/debian-6.1/vmlinux cannot be read: No such file or directory (os error 2). Remedy: run `cargo xtask setup`, which downloads it",
        ),
        (
            "kernel = \"kernel\"",
            "kernel = \"${home}/vmlinux\"",
            "examples/m.toml:20: partition linux: `kernel = \"${home}/vmlinux\"`: it is no path. Remedy: write a path from the manifest's folder, an absolute one, or one that begins with `${target}/`",
        ),
        (
            "kernel = \"kernel\"",
            "kernel = \"initrd\"",
            "examples/m.toml:20: partition linux: `kernel = \"initrd\"`: it is no ELF file. Remedy: name an ELF64 executable for PowerPC, or add `load-address` and `entry` for a raw image",
        ),
        (
            "kernel = \"kernel\"",
            "kernel = \"kernel\"\nentry = 0x100",
            "examples/m.toml:21: partition linux: `entry = 0x100`: there is no `load-address` with it. Remedy: add `load-address` for a raw image, or remove `entry`: an ELF file has its own",
        ),
        (
            "kernel = \"kernel\"",
            "kernel = \"kernel\"\nload-address = 0x4000_0000",
            "examples/m.toml:21: partition linux: `load-address = 0x4000_0000`: the image's 4594 bytes do not fit between there and the end of its memory. Remedy: lower it, or give the partition more memory",
        ),
        (
            "kernel = \"kernel\"",
            "kernel = \"kernel\"\nload-address = 0\nentry = 2",
            "examples/m.toml:22: partition linux: `entry = 2`: the partition would not begin with an instruction of the image. Remedy: use a multiple of 4 inside the image",
        ),
        (
            "initrd = \"initrd\"",
            "initrd = \"empty\"",
            "examples/m.toml:21: partition linux: `initrd = \"empty\"`: the file is empty. Remedy: name another, or remove this one and run `cargo xtask setup`",
        ),
        (
            "memory = \"1G\"",
            "memory = \"16M\"\nload-address = 0xFF_0000",
            "examples/m.toml:21: partition linux: `kernel = \"kernel\"`: kernel, initrd and device tree need 17 MiB, `memory` gives 16. Remedy: give the partition more memory",
        ),
        (
            "command-line = \"console=hvc0\"",
            "command-line = \"a\\tb\"",
            "examples/m.toml:22: partition linux: `command-line = \"a\\tb\"`: it holds the character '\\t'. Remedy: use printable ASCII",
        ),
        (
            "command-line = \"console=hvc0\"",
            "console = \"vga\"",
            "examples/m.toml:22: partition linux: `console = \"vga\"`: there is no such console. Remedy: write \"vty\" or \"none\"",
        ),
        (
            "command-line = \"console=hvc0\"",
            "after-crash = \"wait\"",
            "examples/m.toml:22: partition linux: `after-crash = \"wait\"`: nothing of that name can follow a crash. Remedy: write \"go-on\", \"restart\" or \"stop\"",
        ),
        (
            "dma-window = \"512M\"",
            "dma-window = \"3G\"",
            "examples/m.toml:26: partition linux: device phb0/00.0/00.0: `dma-window = \"3G\"`: a DMA window is a power of two from 1M to 2G. Remedy: write \"512M\", \"1G\" or the like",
        ),
        (
            "msi-quota = 8",
            "msi-quota = -1",
            "examples/m.toml:27: partition linux: device phb0/00.0/00.0: `msi-quota = -1`: it must be 1 to 2048. Remedy: write a number in that range",
        ),
        (
            "model = \"e1000e\"",
            "model = \"e1000e\"\ndisk = \"a.img\"",
            "examples/m.toml:15: machine: device phb1/00.0/00.0: `disk = \"a.img\"`: only an nvme device has a disk. Remedy: remove the key",
        ),
        (
            "disk = \"${target}/disks/a.img\"\n",
            "",
            "examples/m.toml:6: machine: device phb0/00.0/00.0: `disk`: the key is missing. Remedy: name the disk's image, like \"${target}/disks/linux.img\"; it is made when missing",
        ),
        (
            "disk-size = \"32M\"",
            "disk-size = \"1M\"",
            "examples/m.toml:10: machine: device phb0/00.0/00.0: `disk-size = \"1M\"`: it is too small for the test files. Remedy: give it \"16M\" or more",
        ),
    ] {
        assert_eq!(complaints(from, to), expected, "{from} -> {to}");
    }
}

#[test]
fn bad_places_of_devices_are_named() {
    let last = "[[partition.device]]\nat = \"phb1/00.0/00.0\"";
    let path_remedy =
        "write the path of device.function from the root port down, like \"phb0/00.0/00.0\"";
    for (from, to, expected) in [
        (
            last,
            "[[partition.device]]\nat = \"pci0\"",
            format!("examples/m.toml:30: partition linux: device: `at = \"pci0\"`: it must begin with `phb` and an index from 0 to 255. Remedy: {path_remedy}"),
        ),
        (
            last,
            "[[partition.device]]\nat = \"phb1/00.0\"",
            format!("examples/m.toml:30: partition linux: device: `at = \"phb1/00.0\"`: it names a root port or a PHB, which no partition can own. Remedy: {path_remedy}"),
        ),
        (
            last,
            "[[partition.device]]\nmsi-quota = 1",
            format!("examples/m.toml:29: partition linux: device: `at`: the key is missing. Remedy: {path_remedy}"),
        ),
        (
            last,
            "[[partition.device]]\nat = \"phb2/00.0/00.0\"",
            "examples/m.toml:30: partition linux: `at = \"phb2/00.0/00.0\"`: the machine has no device there. Remedy: add a section `[[machine.device]]`, or choose of phb0/00.0/00.0, phb1/00.0/00.0".to_owned(),
        ),
        (
            last,
            "[[partition.device]]\nat = \"phb0/00.0/00.0\"",
            "examples/m.toml:30: partition linux: `at = \"phb0/00.0/00.0\"`: the device is given to partition linux already. Remedy: give each device to one partition, once".to_owned(),
        ),
        (
            "at = \"phb1/00.0/00.0\"\nmodel = \"e1000e\"",
            "at = \"phb0/00.0/00.0\"\nmodel = \"e1000e\"",
            "examples/m.toml:13: machine: device: `at = \"phb0/00.0/00.0\"`: another device is there. Remedy: give each its own place\n\
             examples/m.toml:30: partition linux: `at = \"phb1/00.0/00.0\"`: the machine has no device there. Remedy: add a section `[[machine.device]]`, or choose of phb0/00.0/00.0, phb0/00.0/00.0".to_owned(),
        ),
    ] {
        assert_eq!(complaints(from, to), expected, "{from} -> {to}");
    }
}

#[test]
fn bridges_must_be_there_and_belong_to_nobody_who_owns_what_is_behind() {
    let checkout = checkout();
    let behind = |machine: &str, partition: &str| {
        let text = format!(
            "[machine]\n{machine}\n[[partition]]\nname = \"a\"\nmemory = \"64M\"\ncpus = 1\nkernel = \"kernel\"\n{partition}"
        );
        parse(&checkout, &text).err().map(|error| error.to_string())
    };
    let bridge = "[[machine.device]]\nat = \"phb0/00.0/00.0\"\nmodel = \"pcie-pci-bridge\"\n";
    let card = "[[machine.device]]\nat = \"phb0/00.0/00.0/02.0\"\nmodel = \"edu\"\n";
    let owns = |at: &str| format!("[[partition.device]]\nat = \"{at}\"\n");
    assert_eq!(
        behind(&format!("{bridge}{card}"), &owns("phb0/00.0/00.0/02.0")),
        None
    );
    let error = behind(card, &owns("phb0/00.0/00.0/02.0")).expect("refused");
    assert!(
        error.contains("there is no bridge above it. Remedy: describe the bridge"),
        "{error}"
    );
    let both = owns("phb0/00.0/00.0") + &owns("phb0/00.0/00.0/02.0");
    let error = behind(&format!("{bridge}{card}"), &both).expect("refused");
    assert!(
        error.contains("partition a has phb0/00.0/00.0, and one is behind the other"),
        "{error}"
    );
    let error = behind(
        "[[machine.device]]\nat = \"phb0/01.0/00.0\"\nmodel = \"edu\"\n",
        "",
    )
    .expect("refused");
    assert!(
        error.contains(
            "the only root port of a PHB is 00.0. Remedy: begin the path with \"phb0/00.0/\""
        ),
        "{error}"
    );
    let error = behind(
        "[[machine.device]]\nat = \"phb3/00.0/00.0\"\nmodel = \"edu\"\n",
        "",
    )
    .expect("refused");
    assert!(
        error.contains("QEMU's POWER8 chip has 3 PHBs. Remedy: use phb0 to phb2"),
        "{error}"
    );
}

#[test]
fn the_whole_file_may_be_wrong() {
    let checkout = checkout();
    let error = |text: &str| parse(&checkout, text).expect_err("refused").to_string();
    let empty = "examples/m.toml:1: `partition`: no partition is described. Remedy: add a section `[[partition]]` (docs/manifest.md)";
    assert_eq!(error(""), empty);
    assert!(
        error("[machine\n").starts_with("examples/m.toml:1: `"),
        "{}",
        error("[machine\n")
    );
    assert!(error("[machine\n").contains("this is no TOML: "));
    assert!(
        error("machine = 3\n")
            .contains("`machine = 3`: it is no section. Remedy: write it as `[machine]`")
    );
    assert!(error("partition = 3\n").contains(
        "it is no list of sections. Remedy: write each as a section of its own, `[[partition]]`"
    ));
    assert!(
        error("[partitions]\n")
            .contains("`partitions`: there is no such key. Remedy: did you mean `partition`?")
    );
    let two =
        "[[partition]]\nname = \"a\"\nmemory = \"64M\"\ncpus = 1\nkernel = \"kernel\"\n".repeat(2);
    assert_eq!(
        error(&two),
        "examples/m.toml:7: partition a: `name = \"a\"`: another partition has this name. Remedy: give each its own"
    );
}

#[test]
fn a_manifest_without_a_machine_is_for_one_that_exists() {
    let checkout = checkout();
    let text = "[[partition]]\nname = \"a\"\nmemory = \"64M\"\ncpus = 1\nkernel = \"kernel\"\n[[partition.device]]\nat = \"phb7/00.0/00.0\"\n";
    let manifest = parse(&checkout, text).expect("sound");
    assert!(
        manifest
            .qemu(Path::new("image"))
            .expect_err("nothing to run")
            .to_string()
            .contains("add a section `[machine]`")
    );
}

#[test]
fn kernels_that_cannot_start_are_refused() {
    let error = |elf: Elf| elf_end(&elf.build()).expect_err("refused");
    let segment = |address, memory_bytes| Segment {
        address,
        bytes: vec![0; 16],
        memory_bytes,
    };
    assert_eq!(elf_end(&kernel().build()), Ok(0x40_2000));
    assert_eq!(elf_end(b"MZ"), Err("it is no ELF file".to_owned()));
    assert_eq!(
        elf_end(b"\x7fELF\x01"),
        Err("it is an ELF file, but not a 64-bit one".to_owned())
    );
    assert!(
        elf_end(&kernel().build()[..32])
            .expect_err("refused")
            .starts_with("it is a damaged ELF file: ")
    );
    assert_eq!(
        error(Elf {
            machine: 62,
            ..kernel()
        }),
        "it is for another machine (ELF machine 62, PowerPC64 is 21)"
    );
    assert_eq!(
        error(Elf {
            kind: 1,
            ..kernel()
        }),
        "it is an ELF file, but no executable"
    );
    assert_eq!(
        error(Elf {
            entry: 0x100,
            ..kernel()
        }),
        "its entry 0x100 is in none of its segments"
    );
    assert_eq!(error(Elf::powerpc64_be()), "it has nothing to load");
    assert_eq!(
        error(kernel().segment(segment(0x40_1FFF, 16))),
        "its segments overlap at 0x401fff"
    );
    let many = (1..=32).fold(kernel(), |elf, number| {
        elf.segment(segment(0x60_0000 + 16 * number, 16))
    });
    assert_eq!(error(many), "it has more than 32 segments to load");
    assert_eq!(
        error(kernel().segment(segment(0x50_0000, 8))),
        "it is truncated: a segment's bytes are not in the file"
    );
    assert_eq!(
        error(kernel().segment(segment(u64::MAX, 16))),
        "a segment reaches around the end of the address space"
    );
    let little = Elf {
        big_endian: false,
        ..kernel()
    };
    assert_eq!(elf_end(&little.build()), Ok(0x40_2000));
}

#[test]
fn sizes_have_units() {
    assert_eq!(parse_size("64K"), Some(64 << 10));
    assert_eq!(parse_size("3T"), Some(3 << 40));
    for bad in [
        "",
        "M",
        "1",
        "1.5G",
        "-1G",
        "1 G",
        "1g",
        "99999999T",
        "1GiB",
        "é",
    ] {
        assert_eq!(parse_size(bad), None, "{bad}");
    }
}

/// What the partition's keys in place of `cpus = 2` make of its processors.
fn processors(keys: &str) -> Processors {
    let checkout = checkout();
    let text = GOOD.replacen("1G\"\ncpus = 2", &format!("1G\"\n{keys}"), 1);
    parse(&checkout, &text).expect("sound").partitions[0].processors
}

#[test]
fn processors_are_dedicated_or_shared_by_entitlement_and_weight() {
    assert_eq!(processors("cpus = 2"), Processors::Dedicated);
    assert_eq!(
        processors("cpus = 2\nprocessors = \"dedicated\""),
        Processors::Dedicated
    );
    let shared = |keys: &str| processors(&format!("cpus = 4\nprocessors = \"shared\"\n{keys}"));
    for (keys, entitlement, weight) in [
        ("entitlement = 20", 20, 128),
        ("entitlement = 200\nweight = 7", 200, 7),
        ("entitlement = 50\ncapped = true", 50, 0),
        ("entitlement = 50\ncapped = false\nweight = 255", 50, 255),
    ] {
        assert_eq!(
            shared(keys),
            Processors::Shared {
                entitlement,
                weight
            }
        );
    }
}

#[test]
fn shares_that_cannot_be_are_told() {
    let complaint = |keys: &str| complaints("1G\"\ncpus = 2", &format!("1G\"\ncpus = 2\n{keys}"));
    for (keys, words) in [
        (
            "processors = \"some\"",
            "partition linux: `processors = \"some\"`: there is no such kind. Remedy: write \"dedicated\" or \"shared\"",
        ),
        (
            "processors = \"shared\"",
            "partition linux: `entitlement`: the key is missing. Remedy: say what it is entitled to in hundredths of a CPU, like entitlement = 50",
        ),
        (
            "weight = 5",
            "partition linux: `weight = 5`: it is for shared processors, and these are dedicated. Remedy: remove the key, or add processors = \"shared\"",
        ),
        (
            "processors = \"shared\"\nentitlement = 9",
            "partition linux: `entitlement = 9`: 2 CPUs can be entitled to 10 to 200 hundredths of a CPU. Remedy: change it, or `cpus`",
        ),
        (
            "processors = \"shared\"\nentitlement = 50\ncapped = true\nweight = 9",
            "partition linux: `weight = 9`: a capped partition gets nothing by weight. Remedy: remove it, or write capped = false",
        ),
        (
            "processors = \"shared\"\nentitlement = 50\ncapped = 1",
            "partition linux: `capped = 1`: it is neither true nor false. Remedy: write capped = true or capped = false",
        ),
        (
            "processors = \"shared\"\nentitlement = 50\nweight = 0",
            "partition linux: `weight = 0`: it must be 1 to 255. Remedy: write a number in that range",
        ),
    ] {
        let told = complaint(keys);
        assert!(told.contains(words), "{told}");
    }
}

#[test]
fn entitlements_fit_the_cpus_that_are_left() {
    let second = |name: &str, keys: &str| {
        format!(
            "\n[[partition]]\nname = \"{name}\"\nmemory = \"256M\"\nkernel = \"kernel\"\n{keys}\n"
        )
    };
    let checkout = checkout();
    let with = |partitions: &[String]| {
        let text = GOOD.replacen("1G\"\ncpus = 2", "1G\"\ncpus = 1", 1) + &partitions.concat();
        parse(&checkout, &text)
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    let shared = |name, entitlement| {
        second(
            name,
            &format!("cpus = 2\nprocessors = \"shared\"\nentitlement = {entitlement}"),
        )
    };
    assert_eq!(with(&[shared("a", 60), shared("b", 40)]), Ok(()));
    let told = with(&[shared("a", 60), shared("b", 41)]).expect_err("too much");
    let words = "partition b: `entitlement = 41`: the partitions up to this one are entitled to 101 hundredths of a CPU, and 1 of the machine's 2 CPUs are left to share, 100 hundredths. Remedy: entitle them to less, or give the machine more (`cpus` in `[machine]`)";
    assert!(told.contains(words), "{told}");
}

/// `GOOD` with a switch and adapters in two partitions.
fn with_network(switch: &str, first: &str, second: &str) -> String {
    let second_partition =
        "[[partition]]\nname = \"other\"\nmemory = \"256M\"\ncpus = 1\nkernel = \"kernel\"\n";
    let one =
        GOOD.replace("cpus = 2", "cpus = 3")
            .replacen("cpus = 3\nkernel", "cpus = 2\nkernel", 1);
    format!("{switch}\n{one}\n{first}\n{second_partition}\n{second}\n")
}

const LAN: &str = "[[switch]]\nname = \"lan\"";
const ON_LAN: &str = "[[partition.ethernet]]\nswitch = \"lan\"";

#[test]
fn ethernet_adapters_get_vlan_and_address_where_none_is_given() {
    let checkout = checkout();
    let first = format!("{ON_LAN}\n{ON_LAN}\nvlan = 4094\nmac = \"02:42:48:00:01:00\"");
    let manifest = parse(&checkout, &with_network(LAN, &first, ON_LAN)).expect("sound");
    let read: Vec<_> = manifest
        .partitions
        .iter()
        .map(|p| p.ethernets.clone())
        .collect();
    let adapter = |vlan, mac| EthernetSpec {
        switch: "lan".into(),
        vlan,
        mac,
    };
    let given = adapter(4094, [2, 0x42, 0x48, 0, 1, 0]);
    assert_eq!(read[0], [adapter(1, [2, 0x42, 0x48, 0, 0, 0]), given]);
    // What the first gives itself is not made for the second.
    assert_eq!(read[1], [adapter(1, [2, 0x42, 0x48, 0, 1, 1])]);
    assert!(manifest.pack("").is_ok());
}

#[test]
fn wrong_switches_and_adapters_are_told_with_place_and_remedy() {
    let checkout = checkout();
    let complaint = |switch: &str, first: &str, second: &str| {
        let error = parse(&checkout, &with_network(switch, first, second));
        let error = error.expect_err("must be refused").to_string();
        let after = error.split_once("m.toml:").expect("a file").1;
        after.split_once(": ").expect("a line").1.to_owned()
    };
    let mac = |mac: &str| format!("{ON_LAN}\nmac = \"{mac}\"");
    let zero = mac("02:00:00:00:00:00");
    for (found, expected) in [
        (
            complaint("", ON_LAN, ""),
            "partition linux: ethernet: `switch = \"lan\"`: there is no such switch. Remedy: add a section `[[switch]]` with name = \"lan\"",
        ),
        (
            complaint(LAN, "[[partition.ethernet]]\nswitch = \"wan\"", ""),
            "partition linux: ethernet: `switch = \"wan\"`: there is no such switch. Remedy: add a section `[[switch]]`, or choose of lan",
        ),
        (
            complaint(LAN, "[[partition.ethernet]]", ""),
            "partition linux: ethernet: `switch`: the key is missing. Remedy: name one of the sections `[[switch]]`, like switch = \"lan\"",
        ),
        (
            complaint(LAN, &format!("{ON_LAN}\nvlan = 4095"), ""),
            "partition linux: ethernet: `vlan = 4095`: it must be 1 to 4094. Remedy: write a number in that range",
        ),
        (
            complaint(LAN, &mac("01:00:5e:00:00:01"), ""),
            "partition linux: ethernet: `mac = \"01:00:5e:00:00:01\"`: it is no address of one adapter. Remedy: write six bytes, the first of them even, like \"02:00:00:00:00:01\", or remove it",
        ),
        (
            complaint(LAN, &zero, &zero),
            "partition other: ethernet: `mac = \"02:00:00:00:00:00\"`: another adapter on this VLAN of the switch has this address. Remedy: give each its own, or remove it",
        ),
        (
            complaint(&format!("{LAN}\n{LAN}"), "", ""),
            "switch: `name = \"lan\"`: another switch has this name. Remedy: give each its own",
        ),
        (
            complaint("[[switch]]\nname = \"Lan\"", "", ""),
            "switch: `name = \"Lan\"`: a name is 1 to 31 of a-z, 0-9, - and _, and begins with a letter. Remedy: write it like \"web-1\"",
        ),
    ] {
        assert_eq!(found, expected);
    }
    assert!(
        complaint(LAN, &ON_LAN.repeat(17).replace("\"[", "\"\n["), "")
            .contains("at most 16 adapters")
    );
    for bad in [
        "",
        "02:00:00:00:00",
        "02:00:00:00:00:00:00",
        "2:0:0:0:0:1",
        "00:00:00:00:00:00",
        "+2:00:00:00:00:01",
    ] {
        assert!(
            complaint(LAN, &mac(bad), "").contains("no address of one adapter"),
            "{bad}"
        );
    }
    // On another VLAN, or another switch, an address may be again.
    let other = format!("{zero}\nvlan = 2");
    assert!(parse(&checkout, &with_network(LAN, &zero, &other)).is_ok());
}
