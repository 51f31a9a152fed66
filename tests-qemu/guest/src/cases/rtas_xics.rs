//! ibm,set-xive, ibm,get-xive, ibm,int-on and ibm,int-off. Source: LoPAR 2.9, "PowerPC External
//! Interrupt Option".

use crate::rtas;
use crate::suite::{Fail, Outcome, cases, same, status};
use crate::tree::Platform;

cases!("rtas_xics":
    what_is_set_is_got,
    off_masks_and_on_restores,
    set_refuses_a_foreign_server,
    foreign_sources_are_refused,
);

/// A source of the partition: the terminal's, else a function's first.
fn source(platform: &Platform) -> Result<u32, Fail> {
    let of_function = || {
        platform.functions().iter().find_map(|function| {
            let buid = function.bridge.buid;
            let args = [function.config_addr, (buid >> 32) as u32, buid as u32, 0];
            let reply = rtas::named(platform, "ibm,query-interrupt-source-number", &args, 3)?;
            (reply.status == 0).then_some(reply.out[0])
        })
    };
    platform
        .vty_irq
        .or_else(of_function)
        .ok_or(Fail::Skip("no interrupt source"))
}
fn call(
    platform: &Platform,
    name: &'static str,
    args: &[u32],
    returns: u32,
) -> Result<rtas::Reply, Fail> {
    rtas::named(platform, name, args, returns)
        .ok_or(Fail::Because("the device tree offers the call"))
}
fn get(platform: &Platform, source: u32) -> Result<[u32; 2], Fail> {
    let reply = call(platform, "ibm,get-xive", &[source], 3)?;
    status("ibm,get-xive", reply.status, 0)?;
    Ok([reply.out[0], reply.out[1]])
}
fn set(platform: &Platform, source: u32, server: u32, priority: u32) -> Result<i64, Fail> {
    Ok(call(platform, "ibm,set-xive", &[source, server, priority], 1)?.status)
}

fn what_is_set_is_got(platform: &Platform) -> Outcome {
    let source = source(platform)?;
    for (server, priority) in platform
        .servers
        .iter()
        .take(platform.cpus)
        .zip([5, 0, 0xfe, 0xff])
    {
        status("ibm,set-xive", set(platform, source, *server, priority)?, 0)?;
        let [got_server, got_priority] = get(platform, source)?;
        same("server", u64::from(got_server), u64::from(*server))?;
        same("priority", u64::from(got_priority), u64::from(priority))?;
    }
    status(
        "ibm,set-xive",
        set(platform, source, platform.servers[0], 0xff)?,
        0,
    )
}

fn off_masks_and_on_restores(platform: &Platform) -> Outcome {
    let source = source(platform)?;
    status(
        "ibm,set-xive",
        set(platform, source, platform.servers[0], 6)?,
        0,
    )?;
    for _ in 0..2 {
        status(
            "ibm,int-off",
            call(platform, "ibm,int-off", &[source], 1)?.status,
            0,
        )?;
        status(
            "ibm,int-on",
            call(platform, "ibm,int-on", &[source], 1)?.status,
            0,
        )?;
        same("priority", u64::from(get(platform, source)?[1]), 6)?;
    }
    status(
        "ibm,set-xive",
        set(platform, source, platform.servers[0], 0xff)?,
        0,
    )
}

fn set_refuses_a_foreign_server(platform: &Platform) -> Outcome {
    let source = source(platform)?;
    let before = get(platform, source)?;
    for server in [0x7777, u32::MAX] {
        status("ibm,set-xive", set(platform, source, server, 5)?, -3)?;
    }
    let after = get(platform, source)?;
    same("server", u64::from(after[0]), u64::from(before[0]))?;
    same("priority", u64::from(after[1]), u64::from(before[1]))
}

fn foreign_sources_are_refused(platform: &Platform) -> Outcome {
    for source in [0, 2, 3, 0x00ff_fffe, u32::MAX] {
        status(
            "ibm,get-xive",
            call(platform, "ibm,get-xive", &[source], 3)?.status,
            -3,
        )?;
        status(
            "ibm,set-xive",
            set(platform, source, platform.servers[0], 5)?,
            -3,
        )?;
        status(
            "ibm,int-on",
            call(platform, "ibm,int-on", &[source], 1)?.status,
            -3,
        )?;
        status(
            "ibm,int-off",
            call(platform, "ibm,int-off", &[source], 1)?.status,
            -3,
        )?;
    }
    Ok(())
}
