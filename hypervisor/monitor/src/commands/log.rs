//! `log`.

use crate::command::{Problem, Request};
use crate::page::Page;

/// Lines that are shown when no number is given.
const LINES: u32 = 20;

pub(super) fn show(request: &Request<'_>, page: &mut Page<'_>) -> Result<(), Problem> {
    let count = request.number()?.unwrap_or(LINES);
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    request
        .facts
        .log(count, &mut |line| page.line(format_args!("{line}")));
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::answer;

    #[test]
    fn the_last_lines_are_shown() {
        let text = answer("log", "");
        assert!(text.starts_with("line 80\n"), "{text}");
        assert!(text.ends_with("line 99\n"), "{text}");
        assert_eq!(answer("log", "0x2"), "line 98\nline 99\n");
        assert_eq!(answer("log", "500").lines().count(), 100);
    }
}
