//! Measures and prints: a line for each number, for `cargo xtask bench`.

use std::process::ExitCode;

use driver_bench::{ACTS, Act, Chip, Window};

/// Numbers of endpoints that are measured.
const PES: [u16; 4] = [1, 16, 64, 127];

fn main() -> ExitCode {
    for chip in Chip::ALL {
        match property_test(chip) {
            Ok(rate) => println!("transactions|{chip}|{rate:.0}"),
            Err(failure) => {
                // What does not keep to the specification need not be measured.
                eprintln!("{failure}");
                return ExitCode::FAILURE;
            }
        }
    }
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
    ExitCode::SUCCESS
}

/// Transactions a second of the random programs, all checks included; one thread.
fn property_test(chip: Chip) -> Result<f64, Box<ioda_proof::Failure>> {
    const PROGRAMS: u64 = 20;
    const STEPS: u64 = 300;
    let chip = match chip {
        Chip::P7ioc => ioda_proof::Chip::P7ioc,
        Chip::Phb3 => ioda_proof::Chip::Phb3,
    };
    let start = std::time::Instant::now();
    let mut transactions = 0;
    for seed in 0..PROGRAMS {
        transactions += ioda_proof::run_seed(chip, seed, STEPS)?.transactions;
    }
    Ok(transactions as f64 / start.elapsed().as_secs_f64())
}
