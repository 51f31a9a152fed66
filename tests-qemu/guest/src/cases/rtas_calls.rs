//! RTAS: time, text, parameters, events, NVRAM, and what a bad argument block does. Source: LoPAR
//! 2.9, "RTAS Call Function Definition".

use crate::hcall::{PAGES, hcall};
use crate::rtas::{self, Reply};
use crate::suite::{Fail, Outcome, cases, holds, refused, same, status};
use crate::tree::Platform;
use papr_abi::{HError, token};

cases!("rtas":
    every_call_of_the_list_is_offered,
    time_of_day_is_plausible,
    display_character_takes_text,
    event_scan_finds_nothing,
    system_parameters_are_given_or_refused,
    unknown_token_is_a_parameter_error;
    beyond_qemu:
    nvram_keeps_what_is_stored,
    nvram_refuses_what_is_past_its_end,
    foreign_buffers_are_refused,
    foreign_argument_block_is_refused,
    absurd_counts_are_refused,
    time_of_day_has_nanoseconds,
    set_time_of_day_refuses_a_bad_date,
);

const CALLS: [&str; 30] = [
    "get-time-of-day",
    "power-off",
    "system-reboot",
    "start-cpu",
    "stop-self",
    "query-cpu-stopped-state",
    "ibm,set-xive",
    "ibm,get-xive",
    "ibm,int-on",
    "ibm,int-off",
    "ibm,read-pci-config",
    "ibm,write-pci-config",
    "read-pci-config",
    "write-pci-config",
    "ibm,change-msi",
    "ibm,query-interrupt-source-number",
    "ibm,get-system-parameter",
    "ibm,os-term",
    "display-character",
    "event-scan",
    "check-exception",
    "get-sensor-state",
    "ibm,set-eeh-option",
    "ibm,get-config-addr-info2",
    "ibm,read-slot-reset-state2",
    "ibm,set-slot-reset",
    "ibm,configure-pe",
    "ibm,slot-error-detail",
    "nvram-fetch",
    "nvram-store",
];

fn call(
    platform: &Platform,
    name: &'static str,
    args: &[u32],
    returns: u32,
) -> Result<Reply, Fail> {
    rtas::named(platform, name, args, returns)
        .ok_or(Fail::Because("the device tree offers the call"))
}
fn at(offset: u64) -> u32 {
    (PAGES[0].real() + offset) as u32
}

fn every_call_of_the_list_is_offered(platform: &Platform) -> Outcome {
    for (n, name) in CALLS.iter().enumerate() {
        // The two without a unit id are needed by none but those whose bridge has unit id 0.
        if platform.rtas_token(name).is_none()
            && !name.starts_with("read-")
            && !name.starts_with("write-")
        {
            return Err(Fail::Differs {
                what: "index of a call that is missing",
                got: n as u64,
                want: u64::MAX,
            });
        }
    }
    Ok(())
}

fn time_of_day_is_plausible(platform: &Platform) -> Outcome {
    let reply = call(platform, "get-time-of-day", &[], 8)?;
    status("status", reply.status, 0)?;
    let ranges = [2020..=2200, 1..=12, 1..=31, 0..=23, 0..=59, 0..=59];
    for (value, range) in reply.out.iter().zip(ranges) {
        if !range.contains(value) {
            return Err(Fail::Differs {
                what: "a value is below its range's end",
                got: u64::from(*value),
                want: u64::from(*range.end()),
            });
        }
    }
    let seconds = |reply: Reply| reply.out[3] * 3600 + reply.out[4] * 60 + reply.out[5];
    let before = seconds(reply);
    crate::cpu::spin(1200 * crate::cpu::TICKS_PER_MS);
    let after = seconds(call(platform, "get-time-of-day", &[], 8)?);
    let passed = (after + 86_400 - before) % 86_400;
    holds(
        "it moves by 1 s or a little more in 1.2 s",
        (1..30).contains(&passed).then_some(()),
    )
}

fn time_of_day_has_nanoseconds(platform: &Platform) -> Outcome {
    let reply = call(platform, "get-time-of-day", &[], 8)?;
    status("status", reply.status, 0)?;
    holds("nanoseconds", (reply.out[6] < 1_000_000_000).then_some(()))
}

fn set_time_of_day_refuses_a_bad_date(platform: &Platform) -> Outcome {
    if platform.rtas_token("set-time-of-day").is_none() {
        return Ok(());
    }
    for date in [
        [2026, 13, 1, 0, 0, 0, 0],
        [2026, 2, 30, 0, 0, 0, 0],
        [2026, 1, 1, 24, 0, 0, 0],
    ] {
        status(
            "status",
            call(platform, "set-time-of-day", &date, 1)?.status,
            -3,
        )?;
    }
    Ok(())
}

fn display_character_takes_text(platform: &Platform) -> Outcome {
    for byte in b"[rtas] " {
        status(
            "status",
            call(platform, "display-character", &[u32::from(*byte)], 1)?.status,
            0,
        )?;
    }
    Ok(())
}

fn event_scan_finds_nothing(platform: &Platform) -> Outcome {
    PAGES[0].fill(0x55);
    status(
        "status",
        call(platform, "event-scan", &[u32::MAX, 0, at(0), 2048], 1)?.status,
        1,
    )?;
    holds("the buffer", PAGES[0].is_all(0x55).then_some(()))
}

fn system_parameters_are_given_or_refused(platform: &Platform) -> Outcome {
    let get = |parameter: u32, bytes: u32| {
        call(
            platform,
            "ibm,get-system-parameter",
            &[parameter, at(0), bytes],
            1,
        )
    };
    // 20: partition characteristics; 44: memory overcommit; 55: partition name.
    for parameter in [20, 44, 55] {
        PAGES[0].fill(u64::MAX);
        match get(parameter, 4002)?.status {
            0 => {
                let bytes = PAGES[0].get32(0) >> 16;
                holds("length of the value", (bytes <= 4000).then_some(()))?;
                // Cut at the end of the buffer, and nothing past it.
                PAGES[0].fill(u64::MAX);
                status("a buffer of 8 bytes", get(parameter, 8)?.status, 0)?;
                same("past the buffer", PAGES[0].get(1), u64::MAX)?;
            }
            other => status("not supported", other, -3)?,
        }
    }
    for parameter in [9999, u32::MAX] {
        status("a parameter nobody has", get(parameter, 4002)?.status, -3)?;
    }
    Ok(())
}

fn unknown_token_is_a_parameter_error(_: &Platform) -> Outcome {
    for token in [0, 1, 0x7fff_fff1, u32::MAX] {
        status("status", rtas::call(token, &[1], 2).status, -3)?;
    }
    Ok(())
}

fn nvram_keeps_what_is_stored(platform: &Platform) -> Outcome {
    let fetch = |index, bytes| call(platform, "nvram-fetch", &[index, at(0x800), bytes], 2);
    let store = |index, bytes| call(platform, "nvram-store", &[index, at(0), bytes], 2);
    status("fetch", fetch(0x40, 16)?.status, 0)?;
    let old = [PAGES[0].get(0x100), PAGES[0].get(0x101)];
    for pattern in [0x0123_4567_89ab_cdef, !0] {
        PAGES[0].fill(pattern);
        let stored = store(0x40, 16)?;
        status("store", stored.status, 0)?;
        same("bytes stored", u64::from(stored.out[0]), 16)?;
        PAGES[0].fill(0);
        let fetched = fetch(0x40, 16)?;
        status("fetch", fetched.status, 0)?;
        same("bytes fetched", u64::from(fetched.out[0]), 16)?;
        same("what was stored", PAGES[0].get(0x101), pattern)?;
        same("past it", PAGES[0].get(0x102), 0)?;
    }
    PAGES[0].set(0, old[0]);
    PAGES[0].set(1, old[1]);
    status("put back", store(0x40, 16)?.status, 0)
}

fn nvram_refuses_what_is_past_its_end(platform: &Platform) -> Outcome {
    for (index, bytes) in [
        (0x7fff_ff00, 16),
        (u32::MAX, 1),
        (u32::MAX - 7, 16),
        (0, 0x4000_0000),
    ] {
        for name in ["nvram-fetch", "nvram-store"] {
            status(
                "status",
                call(platform, name, &[index, at(0), bytes], 2)?.status,
                -3,
            )?;
        }
    }
    Ok(())
}

fn foreign_buffers_are_refused(platform: &Platform) -> Outcome {
    let foreign = u32::try_from(platform.memory_end).unwrap_or(0xf000_0000);
    for buffer in [foreign, foreign - 8, u32::MAX - 3] {
        for (name, args, returns) in [
            ("ibm,get-system-parameter", [20, buffer, 4002], 1),
            ("nvram-fetch", [0, buffer, 16], 2),
            ("nvram-store", [0, buffer, 16], 2),
        ] {
            let supported = call(platform, name, &[args[0], at(0), args[2]], returns)?.status == 0;
            let answer = call(platform, name, &args, returns)?.status;
            holds(
                "a buffer that is not ours",
                (answer < 0 || !supported).then_some(()),
            )?;
        }
    }
    Ok(())
}

fn foreign_argument_block_is_refused(platform: &Platform) -> Outcome {
    for block in [
        platform.memory_end,
        platform.memory_end - 4,
        1 << 40,
        u64::MAX - 15,
    ] {
        refused("H_RTAS", hcall(token::H_RTAS, [block]), HError::Parameter)?;
    }
    Ok(())
}

fn absurd_counts_are_refused(platform: &Platform) -> Outcome {
    let token = platform.rtas_token("get-time-of-day").unwrap_or(0);
    for (inputs, outputs) in [
        (u32::MAX, 8),
        (0, u32::MAX),
        (0x4000_0000, 0xc000_0008),
        (1 << 20, 8),
        (0, 0),
        (17, 8),
    ] {
        PAGES[0].fill(0);
        [token, inputs, outputs]
            .iter()
            .enumerate()
            .for_each(|(n, word)| PAGES[0].set32(n, *word));
        let answer = hcall(token::H_RTAS, [PAGES[0].real()]);
        let word = PAGES[0].get32(3 + inputs.min(1000) as usize).cast_signed();
        holds(
            "refused by the hcall or by the status",
            (answer.status < 0 || word < 0).then_some(()),
        )?;
    }
    Ok(())
}
