//! The model of a PHB3 against QEMU's: the same register programs and device actions on both, step by step.
//!
//! A program ([`programs`]) runs on the model as a chip, on the model as an emulator, and on the machine's bridge 0, each
//! time on a bridge that the driver has just started ([`bench`]). What it sees, step by step, must be the same, but
//! for the disagreements that [`gaps`] lists; and each of those must appear.
//! [`side`] is what a program works on; [`model`] and [`machine`] are the two of them.

mod bench;
mod gaps;
mod machine;
mod model;
mod programs;
mod side;

use crate::print::println;
use alloc::vec::Vec;
use bench::{Arena, Bench, Step};
use cases::Case;
use gaps::{Expected, On};
use ioda_model::Kind;
use side::Side;

/// The programs as cases.
pub(crate) const CASES: &[&[&[Case]]] = &[programs::CASES];

/// A program: what it does to a bridge and sees of it.
type Program = fn(&mut Bench<'_>);

/// Runs `program` everywhere and compares what it sees.
fn compare(name: &str, program: Program) {
    let arena = Arena::get();
    let on = |side: &mut dyn Side| -> Vec<Step> {
        let mut bench = Bench::new(side, arena);
        program(&mut bench);
        bench.steps
    };
    let chip = on(&mut model::Model::start(Kind::Chip, arena));
    let emulator = on(&mut model::Model::start(Kind::Emulator, arena));
    let machine = on(&mut machine::Machine::start(arena));
    assert!(!machine.is_empty(), "the program looks at nothing");
    let mut wrong = 0;
    for (kind, model) in [(On::Chip, &chip), (On::Emulator, &emulator)] {
        assert!(
            model
                .iter()
                .map(|step| step.name)
                .eq(machine.iter().map(|step| step.name)),
            "the program takes other steps on the model"
        );
        for (model, machine) in model.iter().zip(&machine) {
            let expected = gaps::EXPECTED.iter().find(|expected| {
                expected.program == name && expected.step == model.name && expected.on.holds(kind)
            });
            if !check(kind, name, model, machine, expected) {
                wrong += 1;
            }
        }
    }
    let unknown = gaps::EXPECTED.iter().find(|expected| {
        expected.program == name && !machine.iter().any(|step| step.name == expected.step)
    });
    if let Some(unknown) = unknown {
        println!("  {name}: there is no step `{}`", unknown.step);
        wrong += 1;
    }
    println!("  {name}: {} steps", machine.len());
    assert!(wrong == 0, "{wrong} steps are not as expected");
}

/// Compares one step, tells of what is not as expected and of disagreements; returns whether it is as expected.
fn check(on: On, program: &str, model: &Step, machine: &Step, expected: Option<&Expected>) -> bool {
    let (step, model, machine) = (model.name, model.value, machine.value);
    match expected {
        None if model == machine => {
            println!("  {program}/{step}: {on:?} and machine {model:#x}");
            true
        }
        None => {
            println!("  {program}/{step}: {on:?} {model:#x}, machine {machine:#x}: UNEXPECTED");
            false
        }
        Some(expected) if (expected.model, expected.machine) == (model, machine) => {
            println!(
                "  {program}/{step}: {on:?} {model:#x}, machine {machine:#x}: {}",
                expected.gap.words()
            );
            true
        }
        Some(expected) => {
            println!(
                "  {program}/{step}: {on:?} {model:#x}, machine {machine:#x}: EXPECTED {:#x} and {:#x}: {}",
                expected.model,
                expected.machine,
                expected.gap.words()
            );
            false
        }
    }
}
