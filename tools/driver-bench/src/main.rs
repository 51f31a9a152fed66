//! Measures and prints: a line for each number, for `cargo xtask bench`.

use driver_bench::{ACTS, Act, Chip, Window};

/// Numbers of endpoints that are measured.
const PES: [u16; 4] = [1, 16, 64, 127];

fn main() {
    for chip in Chip::ALL {
        for rate in driver_bench::rates(chip) {
            println!(
                "rate|{chip}|{}|{}|{:.0}",
                rate.name, rate.accesses, rate.per_second
            );
        }
        for pes in PES {
            for ((window, act), cost) in ACTS.into_iter().zip(driver_bench::measure(chip, pes)) {
                let window = match window {
                    Window::Dma => "DMA window",
                    Window::M64 => "64-bit window",
                };
                let act = match act {
                    Act::Create => "create",
                    Act::Move => "move",
                    Act::Destroy => "destroy",
                };
                println!(
                    "growth|{chip}|{act} a {window}|{pes}|{}|{:.0}",
                    cost.accesses, cost.nanoseconds
                );
            }
        }
    }
}
