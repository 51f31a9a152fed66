//! Every command.

mod dump;
mod life;
mod log;
mod lpar;
mod map;
mod mem;
mod pe;
mod tce;
mod trace;

use crate::command::{Action, Argument, Command, Problem, Request, Run};
use crate::page::Page;
use core::fmt::Write;

/// Every command, in the order of `help`; those with the same first word stand side by side.
pub const COMMANDS: &[Command] = &[
    show("help", "all commands", help),
    show("lpar list", "all partitions", lpar::list),
    of(
        Argument::Partition,
        show("lpar show", "what a partition is and owns", lpar::show),
    ),
    Command {
        more: &[Argument::Orderly],
        ..of(
            Argument::Partition,
            run("lpar stop", "stops one at once; or asks it to", life::stop),
        )
    },
    of(
        Argument::Partition,
        run("lpar start", "starts one that is off", life::start),
    ),
    of(
        Argument::Partition,
        run("lpar restart", "has one begin anew", life::restart),
    ),
    Command {
        more: &[Argument::Address, Argument::Count],
        ..of(
            Argument::Partition,
            show(
                "lpar dump",
                "registers; memory from ADDRESS, COUNT bytes",
                dump::show,
            ),
        )
    },
    show("pe list", "all endpoints that somebody owns", pe::list),
    of(
        Argument::Pe,
        show("pe show", "what an endpoint has", pe::show),
    ),
    of(
        Argument::Pe,
        run("pe freeze", "stops one, as an error does", pe::freeze),
    ),
    of(Argument::Pe, run("pe thaw", "lets it go on", pe::thaw)),
    Command {
        more: &[Argument::Partition],
        ..of(
            Argument::Pe,
            run(
                "pe move",
                "gives it to a partition; both are off",
                pe::hand_over,
            ),
        )
    },
    may(
        Argument::Partition,
        show("irq", "interrupt sources, and where they go", lpar::irq),
    ),
    show(
        "tce list",
        "all DMA windows, and how much is mapped",
        tce::list,
    ),
    of(
        Argument::Window,
        show("tce show", "what a DMA window maps", tce::show),
    ),
    show("mem", "who has the memory", mem::show),
    may(
        Argument::Count,
        show("log", "the last lines of the log, 20 or COUNT", log::show),
    ),
    Command {
        run: Run::Dump(map::dump),
        ..show("map", "who owns what, for cargo xtask map", help)
    },
    may(
        Argument::Count,
        show("trace", "the last events, 20 or COUNT", trace::show),
    ),
    Command {
        run: Run::Dump(trace::dump),
        ..show("trace dump", "all of them, for cargo xtask trace", help)
    },
    run("trace hcalls on", "traces every hcall", trace::on),
    run(
        "trace hcalls off",
        "traces those that are refused",
        trace::off,
    ),
    of(
        Argument::Partition,
        act("attach", "to a partition's console", attach),
    ),
    act(
        "consoles",
        "show all consoles, and leave the monitor",
        |_| Ok(Action::AllConsoles),
    ),
];

type Show = fn(&Request<'_>, &mut Page<'_>) -> Result<(), Problem>;

const fn row(words: &'static str, help: &'static str, run: Run) -> Command {
    Command {
        words,
        argument: None,
        required: false,
        more: &[],
        help,
        run,
    }
}

const fn show(words: &'static str, help: &'static str, run: Show) -> Command {
    row(words, help, Run::Show(run))
}

const fn run(
    words: &'static str,
    help: &'static str,
    run: fn(&Request<'_>) -> Result<&'static str, Problem>,
) -> Command {
    row(words, help, Run::Do(run))
}

const fn act(
    words: &'static str,
    help: &'static str,
    run: fn(&Request<'_>) -> Result<Action, Problem>,
) -> Command {
    row(words, help, Run::Act(run))
}

/// The command, with an argument that must be there.
const fn of(argument: Argument, command: Command) -> Command {
    Command {
        argument: Some(argument),
        required: true,
        ..command
    }
}

/// The command, with an argument that may be there.
const fn may(argument: Argument, command: Command) -> Command {
    Command {
        argument: Some(argument),
        ..command
    }
}

fn help(_: &Request<'_>, page: &mut Page<'_>) -> Result<(), Problem> {
    for command in COMMANDS {
        let mut usage = Usage::default();
        let _ = usage.write_str(command.words);
        if let Some(argument) = command.argument {
            let (open, close) = if command.required {
                (" ", "")
            } else {
                (" [", "]")
            };
            let _ = write!(usage, "{open}{}{close}", argument.name());
        }
        for argument in command.more {
            let _ = write!(usage, " [{}]", argument.name());
        }
        page.line(format_args!("{:34}{}", usage.as_str(), command.help));
    }
    page.line(format_args!(
        "Tab completes; Ctrl-] and a key leaves: a, all consoles; 1 to 9, that partition's"
    ));
    Ok(())
}

/// A command as it is typed.
#[derive(Default)]
struct Usage {
    bytes: [u8; 32],
    used: usize,
}

impl Usage {
    fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..self.used).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl Write for Usage {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let end = self.used.saturating_add(text.len());
        let to = self.bytes.get_mut(self.used..end).ok_or(core::fmt::Error)?;
        to.copy_from_slice(text.as_bytes());
        self.used = end;
        Ok(())
    }
}

fn attach(request: &Request<'_>) -> Result<Action, Problem> {
    let (lpid, console) = request.partition(|partition| (partition.lpid, partition.console))?;
    console.ok_or(Problem::NoConsole)?;
    Ok(Action::Attach(lpid))
}

/// A size, in the largest unit that leaves no rest.
struct Size(u64);

impl core::fmt::Display for Size {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (shift, unit) = match self.0 {
            bytes if bytes == 0 || bytes.trailing_zeros() < 10 => (0, "bytes"),
            bytes if bytes.trailing_zeros() < 20 => (10, "KiB"),
            bytes if bytes.trailing_zeros() < 30 => (20, "MiB"),
            _ => (30, "GiB"),
        };
        write!(f, "{} {unit}", self.0 >> shift)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::answer;

    #[test]
    fn help_has_every_command() {
        let text = answer("help", "");
        for command in COMMANDS {
            assert!(text.contains(command.words), "{}", command.words);
        }
        assert!(
            text.contains("\nlpar show LPAR                    what a partition"),
            "{text}"
        );
        assert!(
            text.contains("\nlog [COUNT]                       the last"),
            "{text}"
        );
        assert!(
            text.contains("\nlpar dump LPAR [ADDRESS] [COUNT]  registers"),
            "{text}"
        );
    }

    #[test]
    fn usages_fit_their_column() {
        for command in COMMANDS {
            let arguments = command.argument.iter().chain(command.more);
            let arguments: usize = arguments.map(|argument| argument.name().len() + 3).sum();
            // The first that must be there has no brackets.
            let bytes = command.words.len() + arguments - 2 * usize::from(command.required);
            assert!(bytes <= 32, "{}", command.words);
        }
    }

    #[test]
    fn sizes_are_in_units_without_a_rest() {
        let text = |bytes| Size(bytes).to_string();
        assert_eq!(text(0), "0 bytes");
        assert_eq!(text(1000), "1000 bytes");
        assert_eq!(text(1536 << 10), "1536 KiB");
        assert_eq!(text(512 << 20), "512 MiB");
        assert_eq!(text(6 << 30), "6 GiB");
    }
}
