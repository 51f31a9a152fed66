//! Config cycles: an address register, then a data register whose lanes are little-endian.

use super::errors::Target;
use super::requests::{ABORT, UNSUPPORTED};
use super::{Change, Error, Operation, State};
use crate::bits::{bit, field};
use crate::chip::{Chip, Status};
use crate::fabric::Effect;
use alloc::format;
use ioda::Rid;

pub(crate) const DATA: u16 = 0x130;
const ADDRESS: u16 = 0x140;

impl<C: Chip> State<C> {
    /// Whether an access of less than eight bytes is to config data, as it must be.
    pub(crate) fn check_lane(&mut self, at: u16, bytes: u16) -> bool {
        let is_data = at & !3 == DATA;
        if !is_data {
            self.complain(|| format!("{bytes} bytes at {at:#x}, which takes eight alone"));
        }
        is_data
    }

    /// A load, or with a value a store, of `bytes` bytes of config data. `None`: all ones, or dropped.
    pub(crate) fn config(&mut self, lane: u16, bytes: u16, value: Option<u32>) -> Option<u32> {
        let address = self.reg(ADDRESS);
        let rid = Rid(field(address, 4, 19) as u16);
        let at = field(address, 20, 31) as u16 | lane & 3;
        let wrong = if address & bit(0) == 0 {
            Some("without its enable bit")
        } else if !at.is_multiple_of(bytes) || field(address, 20, 31) & 3 & !u64::from(lane) != 0 {
            Some("not aligned")
        } else if rid.bus() == 0 && rid.0 != 0 {
            C::fence(self);
            Some("to a function that bus 0 does not have")
        } else {
            C::config_obstacle(self, rid)
        };
        if let Some(wrong) = wrong {
            self.complain(|| format!("config cycle {wrong}: {address:#x}"));
            return None;
        }
        let owner = C::owner(self, rid);
        if let Some(blamed) = C::blamed(address)
            && owner != Some(blamed)
        {
            self.complain(|| format!("config cycle for {rid} blames PE#{blamed:02x}"));
        }
        let pe = C::blamed(address).or(owner);
        let outside = self.below.filter(|_| rid.bus() != 0);
        let is_there = outside.is_some() || rid.bus() == 0 || C::has_link(self);
        let detail = if self.injected(Target::Config(rid), value.is_none()) {
            ABORT
        } else {
            let answer = match (outside, value) {
                _ if !is_there => None,
                (Some(below), _) => below.config(rid, at, bytes.into(), value),
                (None, None) => self.fabric.config_read(rid, at, bytes),
                (None, Some(value)) => self.config_write(rid, at, bytes, value),
            };
            if answer.is_some() {
                C::config_ended(self, Status::Good);
                return answer;
            }
            UNSUPPORTED
        };
        let is_abort = detail == ABORT;
        C::config_ended(
            self,
            if is_abort {
                Status::Abort
            } else {
                Status::Unsupported
            },
        );
        if let Some(pe) = pe {
            let operation = if value.is_some() {
                Operation::ConfigWrite
            } else {
                Operation::ConfigRead
            };
            self.fail(
                pe,
                &Error {
                    operation,
                    detail,
                    rid,
                    data: 0,
                    address: 0,
                },
            );
        }
        None
    }

    fn config_write(&mut self, rid: Rid, at: u16, bytes: u16, value: u32) -> Option<u32> {
        if self.fabric.config_write(rid, at, bytes, value)? == Effect::BusReset && rid.0 == 0 {
            C::bus_reset(self);
        }
        if rid.0 == 0 {
            self.tell_below(Change::RootPort);
        }
        Some(0)
    }
}
