//! Configuration space and BARs. Source: LoPAR 2.9, "PCI Configuration Space".

use crate::hcall::hcall;
use crate::pci::{self, Edu, edu};
use crate::rtas;
use crate::suite::{Fail, Outcome, cases, holds, ok, same, status};
use crate::tree::{Function, Platform};
use papr_abi::token;

cases!("pci":
    config_tells_what_the_tree_tells,
    extended_config_is_answered,
    edu_is_reached_by_ci_hcalls,
    edu_computes_a_factorial;
    beyond_qemu:
    foreign_functions_read_as_ones,
    foreign_functions_ignore_writes,
    foreign_bridges_are_refused,
    bar_is_sized_but_not_moved,
    header_registers_are_kept,
    config_sizes_and_boundaries_are_checked,
    config_counts_are_checked,
    a_function_in_reset_gives_ones_and_comes_back,
    a_function_put_to_sleep_stays_in_its_place,
);

pub(super) fn any(platform: &Platform) -> Result<&Function, Fail> {
    platform
        .functions()
        .first()
        .ok_or(Fail::Skip("no PCI function"))
}
/// Config addresses on the same bus, and on others, that are not the partition's.
fn foreign(platform: &Platform) -> impl Iterator<Item = (crate::tree::Bridge, u32)> {
    let candidates = (0..0x100u32)
        .map(|devfn| devfn << 8)
        .chain((1..=4).flat_map(|bus| (0..0x10).map(move |fun| bus << 16 | fun << 8)));
    platform.bridges().iter().flat_map(move |bridge| {
        let taken = move |addr: u32| {
            platform
                .functions()
                .iter()
                .any(|own| own.config_addr == addr && own.bridge.buid == bridge.buid)
        };
        candidates
            .clone()
            .chain([0x00ff_ff00, 0x0080_0000])
            .filter(move |addr| !taken(*addr))
            .map(|addr| (*bridge, addr))
    })
}

fn config_tells_what_the_tree_tells(platform: &Platform) -> Outcome {
    any(platform)?;
    for function in platform.functions() {
        let id = function.get(platform, 0, 4)?;
        same(
            "device and vendor",
            u64::from(id.rotate_left(16)),
            u64::from(function.id),
        )?;
        same(
            "vendor",
            u64::from(function.get(platform, 0, 2)?),
            u64::from(function.id >> 16),
        )?;
        same(
            "device",
            u64::from(function.get(platform, 2, 2)?),
            u64::from(function.id & 0xffff),
        )?;
        same(
            "high byte of the device",
            u64::from(function.get(platform, 3, 1)?),
            u64::from(function.id >> 8 & 0xff),
        )?;
    }
    Ok(())
}

fn config_sizes_and_boundaries_are_checked(platform: &Platform) -> Outcome {
    let function = any(platform)?;
    for (register, bytes) in [
        (0, 0),
        (0, 3),
        (0, 8),
        (0, u32::MAX),
        (1, 2),
        (2, 4),
        (3, 4),
    ] {
        let reply = pci::read(
            platform,
            function.bridge,
            function.config_addr,
            register,
            bytes,
        );
        status("ibm,read-pci-config", reply.status, -3)?;
        let written = pci::write(
            platform,
            function.bridge,
            function.config_addr,
            register,
            bytes,
            0,
        );
        status("ibm,write-pci-config", written, -3)?;
    }
    Ok(())
}

/// Of QEMU's NVMe controller: vendor and device, its register of capabilities, the low half of which is no zero and no
/// ones, and one that keeps what is stored while the controller is off.
pub(super) const NVME: u32 = 0x1b36_0010;
pub(super) const NVME_CAP: u64 = 0;
pub(super) const NVME_AQA: u64 = 0x24;

/// Where the function's registers behind BAR 0 are; it decodes from then on.
pub(super) fn registers(platform: &Platform, function: &Function) -> Result<u64, Fail> {
    let (pci, real, _) = function.bridge.mem32;
    let command = function.get(platform, 4, 2)?;
    function.set(platform, 4, 2, command | 2)?;
    let bar = u64::from(function.get(platform, 0x10, 4)? & !0xf);
    bar.checked_sub(pci)
        .map(|offset| real + offset)
        .ok_or(Fail::Because("BAR 0 lies in the bridge's 32-bit range"))
}

fn a_function_in_reset_gives_ones_and_comes_back(platform: &Platform) -> Outcome {
    const FLR: u32 = 1 << 15;
    let mut all = platform.functions().iter();
    let function = all
        .find(|function| function.id == NVME)
        .ok_or(Fail::Skip("no function that can be reset alone"))?;
    let base = registers(platform, function)?;
    let command = function.get(platform, 4, 2)?;
    let load = |register, bytes| -> Result<u64, Fail> {
        let answer = hcall(token::H_LOGICAL_CI_LOAD, [bytes, base + register]);
        Ok(ok("H_LOGICAL_CI_LOAD", answer)?[0])
    };
    let store = |register, bytes, value| {
        let answer = hcall(token::H_LOGICAL_CI_STORE, [bytes, base + register, value]);
        ok("H_LOGICAL_CI_STORE", answer).map(drop)
    };
    let capabilities = load(NVME_CAP, 4)?;
    store(NVME_AQA, 4, 0x0700_0000)?;
    same("stored", load(NVME_AQA, 4)?, 0x0700_0000)?;

    // By the function's own register; nothing has asked it for anything since.
    let express = function
        .capability(platform, 0x10)?
        .ok_or(Fail::Because("it has a PCI Express capability"))?;
    let control = function.get(platform, express + 8, 2)?;
    function.set(platform, express + 8, 2, control | FLR)?;
    for bytes in [1, 2, 4, 8] {
        store(NVME_AQA & !7, bytes, 0)?;
        same(
            "in reset",
            load(NVME_CAP, bytes)?,
            u64::MAX >> (64 - 8 * bytes),
        )?;
    }

    // Any config access puts back where it is.
    function.get(platform, 0, 4)?;
    function.set(platform, 4, 2, command | 2)?;
    same("capabilities again", load(NVME_CAP, 4)?, capabilities)?;
    // QEMU's controller keeps this one over its reset; the stores have not come to it.
    same("kept", load(NVME_AQA, 4)?, 0x0700_0000)
}

fn a_function_put_to_sleep_stays_in_its_place(platform: &Platform) -> Outcome {
    /// D3hot, in the control register of the power management capability; waking from it may be a reset.
    const ASLEEP: u32 = 3;
    const MOVED: u32 = 0xdead_0000;
    let mut asleep = 0;
    for function in platform.functions() {
        let Some(power) = function.capability(platform, 1)? else {
            continue;
        };
        asleep += 1;
        let base = registers(platform, function)?;
        let read = |at| function.get(platform, at, 4);
        let before = [read(0)?, read(0x10)?, read(0x14)?];
        let is_as_before = |when| -> Outcome {
            function.set(platform, 0x10, 4, MOVED)?;
            for (at, before) in [0, 0x10, 0x14].into_iter().zip(before) {
                same(when, u64::from(read(at)?), u64::from(before))?;
            }
            // Whatever it says, the machine goes on.
            let answer = hcall(token::H_LOGICAL_CI_LOAD, [4, base]);
            ok("H_LOGICAL_CI_LOAD", answer).map(drop)
        };
        let loaded = hcall(token::H_LOGICAL_CI_LOAD, [4, base]).out[0];
        function.set(platform, power + 4, 2, ASLEEP)?;
        is_as_before("asleep")?;
        function.set(platform, power + 4, 2, 0)?;
        crate::cpu::spin(20 * crate::cpu::TICKS_PER_MS);
        is_as_before("awake")?;
        let command = function.get(platform, 4, 2)?;
        function.set(platform, 4, 2, command | 2)?;
        let again = hcall(token::H_LOGICAL_CI_LOAD, [4, base]).out[0];
        same("its first register", again, loaded)?;
    }
    if asleep == 0 {
        return Err(Fail::Skip("no function that can be put to sleep"));
    }
    Ok(())
}

fn config_counts_are_checked(platform: &Platform) -> Outcome {
    let function = any(platform)?;
    for (args, returns) in [(3, 2), (5, 2), (4, 1), (4, 3)] {
        let words = [
            function.config_addr,
            (function.bridge.buid >> 32) as u32,
            function.bridge.buid as u32,
            4,
            0,
        ];
        let reply = rtas::named(
            platform,
            "ibm,read-pci-config",
            words.get(..args).unwrap_or(&[]),
            returns,
        );
        status(
            "ibm,read-pci-config",
            reply.map_or(0, |reply| reply.status),
            -3,
        )?;
    }
    Ok(())
}

fn extended_config_is_answered(platform: &Platform) -> Outcome {
    // A function without extended space answers ones or zero, or nothing at all; none faults.
    let function = any(platform)?;
    for register in [0x100, 0x104, 0x400, 0xffc] {
        let reply = pci::read(platform, function.bridge, function.config_addr, register, 4);
        holds(
            "a status of 0, -1 or -3",
            [0, -1, -3].contains(&reply.status).then_some(()),
        )?;
    }
    Ok(())
}

fn foreign_functions_read_as_ones(platform: &Platform) -> Outcome {
    any(platform)?;
    for (bridge, addr) in foreign(platform) {
        // A root port or bridge above own functions may be shown; then it is no endpoint.
        let class = pci::read(platform, bridge, addr, 8, 4).out[0] >> 16;
        if class == 0x0604 {
            continue;
        }
        for (register, bytes, ones) in [
            (0, 4, u32::MAX),
            (0x10, 4, u32::MAX),
            (0, 2, 0xffff),
            (0x3c, 1, 0xff),
        ] {
            let reply = pci::read(platform, bridge, addr, register, bytes);
            status("ibm,read-pci-config", reply.status, 0)?;
            same("value", u64::from(reply.out[0]), u64::from(ones))?;
        }
    }
    Ok(())
}

fn foreign_functions_ignore_writes(platform: &Platform) -> Outcome {
    any(platform)?;
    for (bridge, addr) in foreign(platform) {
        if pci::read(platform, bridge, addr, 8, 4).out[0] >> 16 != 0x0604 {
            status(
                "ibm,write-pci-config",
                pci::write(platform, bridge, addr, 4, 2, 0),
                0,
            )?;
        }
    }
    Ok(())
}

fn foreign_bridges_are_refused(platform: &Platform) -> Outcome {
    let function = any(platform)?;
    let mut bridge = function.bridge;
    for buid in [0, bridge.buid ^ 1 << 40, bridge.buid + 0x100, u64::MAX] {
        bridge.buid = buid;
        let reply = pci::read(platform, bridge, function.config_addr, 0, 4);
        // LoPAR: a function that is not there reads as ones; a unit id that is not there may be a parameter error.
        holds(
            "ones or -3",
            (reply.status == -3 || reply.status == 0 && reply.out[0] == u32::MAX).then_some(()),
        )?;
        let written = pci::write(platform, bridge, function.config_addr, 4, 2, 0);
        holds(
            "ignored or -3",
            (written == -3 || written == 0).then_some(()),
        )?;
    }
    same(
        "vendor",
        u64::from(function.get(platform, 0, 2)?),
        u64::from(function.id >> 16),
    )
}

fn bar_is_sized_but_not_moved(platform: &Platform) -> Outcome {
    let device = Edu::find(platform, 0)?;
    let function = device.function;
    let before = function.get(platform, 0x10, 4)?;
    let id = device.load(edu::ID)?;
    // Sizing, as every operating system does it: 1 MiB of 32-bit memory, or the write had no effect.
    function.set(platform, 0x10, 4, u32::MAX)?;
    let size = function.get(platform, 0x10, 4)?;
    holds(
        "the size or the old value",
        (size == 0xfff0_0000 || size == before).then_some(()),
    )?;
    function.set(platform, 0x10, 4, before)?;
    same(
        "BAR 0 put back",
        u64::from(function.get(platform, 0x10, 4)?),
        u64::from(before),
    )?;
    // A move, whole, by halves or by bytes: the device stays where its segments are.
    for (register, bytes, value) in [
        (0x10, 4, before ^ 0x0400_0000),
        (0x12, 2, 0x1230),
        (0x13, 1, 0x55),
    ] {
        let _ = pci::write(
            platform,
            function.bridge,
            function.config_addr,
            register,
            bytes,
            value,
        );
        same("edu's id where it was", device.load(edu::ID)?, id)?;
    }
    function.set(platform, 0x10, 4, before)?;
    same("edu's id", device.load(edu::ID)?, id)
}

fn header_registers_are_kept(platform: &Platform) -> Outcome {
    for function in platform.functions() {
        // Ids, class, header type, and the upper BARs of a function that has none there.
        for (register, bytes) in [(0, 4), (8, 4), (0xe, 1), (0x2c, 4)] {
            let before = function.get(platform, register, bytes)?;
            let _ = pci::write(
                platform,
                function.bridge,
                function.config_addr,
                register,
                bytes,
                !before,
            );
            same(
                "a read-only register",
                u64::from(function.get(platform, register, bytes)?),
                u64::from(before),
            )?;
        }
    }
    Ok(())
}

fn edu_is_reached_by_ci_hcalls(platform: &Platform) -> Outcome {
    let device = Edu::find(platform, 0)?;
    same("id", device.load(edu::ID)? & 0xff, 0xed)?;
    for value in [0x0123_4567, 0, 0xffff_ffff] {
        device.store(edu::LIVENESS, value)?;
        same(
            "liveness",
            device.load(edu::LIVENESS)?,
            !value & 0xffff_ffff,
        )?;
    }
    Ok(())
}

fn edu_computes_a_factorial(platform: &Platform) -> Outcome {
    let device = Edu::find(platform, 0)?;
    device.store(edu::FACTORIAL, 10)?;
    let start = crate::cpu::timebase();
    while device.load(edu::STATUS)? & 1 != 0 {
        holds(
            "it ends in time",
            (crate::cpu::timebase() - start < crate::cpu::PATIENCE).then_some(()),
        )?;
    }
    same("10!", device.load(edu::FACTORIAL)?, 3_628_800)
}
