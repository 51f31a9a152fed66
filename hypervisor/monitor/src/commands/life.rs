//! `lpar stop`, `lpar start`, `lpar restart`.

use crate::command::{Argument, Problem, Request};
use crate::facts::Change;

fn change(request: &Request<'_>, change: Change) -> Result<(), Problem> {
    let lpid = request.lpid()?;
    request.facts.change(lpid, change)
}

pub(super) fn stop(request: &Request<'_>) -> Result<&'static str, Problem> {
    match request.more {
        "" => change(request, Change::Stop).map(|()| "it is being stopped"),
        more if more == Argument::Orderly.name() => change(request, Change::ShutDown).map(
            |()| "it is asked to shut itself down; lpar list tells whether it has taken notice",
        ),
        _ => Err(Problem::NoOption),
    }
}

pub(super) fn start(request: &Request<'_>) -> Result<&'static str, Problem> {
    change(request, Change::Start).map(|()| "it is being started")
}

pub(super) fn restart(request: &Request<'_>) -> Result<&'static str, Problem> {
    change(request, Change::Restart).map(|()| "it begins anew")
}
