//! hcall-lLAN and hcall-vio: virtual Ethernet. Source: LoPAR 2.9, "Interpartition Logical LAN (ILLAN) Option",
//! "Virtual Terminal" for [`VioSignal`]'s other devices. What they do is [`llan`]'s.
//!
//! All begin with the adapter's unit address in r4 and answer [`HError::Parameter`] first when the partition
//! has no such adapter.

use super::{Args, Caller, Class, Hcall, Row, term::VTERM};
use crate::{HResult, Refusal};
use llan::{Adapter, Problem, Sent, Signals};
use papr_abi::llan::SEND_DESCRIPTORS;
use papr_abi::{HError, token};

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::new(problem.code, problem.cause)
    }
}

const fn row(token: u64, name: &'static str, class: Class) -> Row {
    Row::new(token, name, class, "hcall-lLAN")
}

const NO_ADAPTER: Refusal = Refusal::new(HError::Parameter, "no such adapter");

fn adapter(caller: &Caller<'_>, unit: u64) -> Result<&'static Adapter, Refusal> {
    caller.lpar.ethernet(unit).ok_or(NO_ADAPTER)
}

/// `H_VIO_SIGNAL`: lets a virtual device interrupt, or not.
///
/// Source: LoPAR 2.9, "H_VIO_SIGNAL". Bits that no interrupt of the device stands for are ignored; the
/// terminal has none. No outputs. Errors:
/// - [`HError::Parameter`]: the partition has no such device.
#[doc(alias = "H_VIO_SIGNAL")]
#[derive(Debug)]
pub struct VioSignal {
    /// R4: the device's unit address.
    pub unit: u64,
    /// R5: bit 63 is set to let it interrupt.
    pub mode: u64,
}

impl Hcall for VioSignal {
    const ROW: Row = Row::new(
        token::H_VIO_SIGNAL,
        "H_VIO_SIGNAL",
        Class::Critical,
        "hcall-vio",
    );

    fn decode(&[unit, mode, ..]: &Args) -> Result<Self, Refusal> {
        Ok(Self { unit, mode })
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        if self.unit != VTERM {
            let on = self.mode & 1 != 0;
            let mode = if on {
                Signals::Enabled
            } else {
                Signals::Disabled
            };
            adapter(caller, self.unit)?.signal(mode);
        }
        Ok(())
    }
}

macro_rules! calls {
    ($($(#[$doc:meta])* $name:ident = $token:ident, $text:literal, $class:ident, $call:expr;)*) => {$(
        $(#[$doc])*
        #[doc(alias = $text)]
        #[derive(Debug)]
        pub struct $name(pub Args);

        impl Hcall for $name {
            const ROW: Row = row(token::$token, $text, Class::$class);

            fn decode(args: &Args) -> Result<Self, Refusal> {
                Ok(Self(*args))
            }

            fn run(self, caller: &mut Caller<'_>) -> HResult {
                let [unit, args @ ..] = self.0;
                let call: fn(&Adapter, [u64; 8]) -> Result<(), Problem> = $call;
                Ok(call(adapter(caller, unit)?, args)?)
            }
        }
    )*};
}

calls! {
    /// `H_REGISTER_LOGICAL_LAN`: opens an adapter.
    ///
    /// Source: LoPAR 2.9, "H_REGISTER_LOGICAL_LAN". R5: I/O address of the buffer list page; r6: descriptor of the
    /// receive queue; r7: I/O address of the filter list page; r8: the address to receive frames for. No
    /// outputs. Errors: those of [`Adapter::register`].
    RegisterLogicalLan = H_REGISTER_LOGICAL_LAN, "H_REGISTER_LOGICAL_LAN", Normal,
        |adapter, [list, queue, filters, mac, ..]| adapter.register(list, queue, filters, mac);
    /// `H_FREE_LOGICAL_LAN`: closes an adapter.
    ///
    /// Source: LoPAR 2.9, "H_FREE_LOGICAL_LAN". No other arguments, no outputs. Errors: those of [`Adapter::free`].
    FreeLogicalLan = H_FREE_LOGICAL_LAN, "H_FREE_LOGICAL_LAN", Normal, |adapter, _| adapter.free();
    /// `H_ADD_LOGICAL_LAN_BUFFER`: lends an adapter a receive buffer.
    ///
    /// Source: LoPAR 2.9, "H_ADD_LOGICAL_LAN_BUFFER". R5: the buffer's descriptor. No outputs. Errors: those of
    /// [`Adapter::add_buffer`].
    AddLogicalLanBuffer = H_ADD_LOGICAL_LAN_BUFFER, "H_ADD_LOGICAL_LAN_BUFFER", Critical,
        |adapter, [buffer, ..]| adapter.add_buffer(buffer);
    /// `H_FREE_LOGICAL_LAN_BUFFER`: takes a receive buffer back, through the receive queue.
    ///
    /// Source: LoPAR 2.9, "H_FREE_LOGICAL_LAN_BUFFER". R5: the size of the buffer, bytes. No outputs. Errors: those
    /// of [`Adapter::free_buffer`].
    FreeLogicalLanBuffer = H_FREE_LOGICAL_LAN_BUFFER, "H_FREE_LOGICAL_LAN_BUFFER", Critical,
        |adapter, [bytes, ..]| adapter.free_buffer(bytes);
    /// `H_CHANGE_LOGICAL_LAN_MAC`: changes the address that an adapter receives frames for.
    ///
    /// Source: LoPAR 2.9, "H_CHANGE_LOGICAL_LAN_MAC". R5: the address, low 48 bits. No outputs. Errors: those of
    /// [`Adapter::change_mac`].
    ChangeLogicalLanMac = H_CHANGE_LOGICAL_LAN_MAC, "H_CHANGE_LOGICAL_LAN_MAC", Normal,
        |adapter, [mac, ..]| adapter.change_mac(mac);
}

/// `H_SEND_LOGICAL_LAN`: sends a frame.
///
/// Source: LoPAR 2.9, "H_SEND_LOGICAL_LAN"; of large sends, r12, nothing is offered.
///
/// Output: r4, with [`HError::Busy`] the token to go on with. Errors: those of [`Adapter::send`], and
/// - [`HError::Busy`]: there are receivers left: repeat the call with the token.
/// - [`HError::Dropped`]: some whom the frame was for have not got it.
#[doc(alias = "H_SEND_LOGICAL_LAN")]
#[derive(Debug)]
pub struct SendLogicalLan {
    /// R4: the adapter's unit address.
    pub unit: u64,
    /// R5 to r10: descriptors of the frame's parts, up to the first without a length.
    pub descriptors: [u64; SEND_DESCRIPTORS],
    /// R11: 0, or the token of the call before.
    pub token: u64,
}

impl Hcall for SendLogicalLan {
    const ROW: Row = row(
        token::H_SEND_LOGICAL_LAN,
        "H_SEND_LOGICAL_LAN",
        Class::Critical,
    );

    fn decode(&[unit, a, b, c, d, e, f, token, _]: &Args) -> Result<Self, Refusal> {
        Ok(Self {
            unit,
            descriptors: [a, b, c, d, e, f],
            token,
        })
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        let adapter = adapter(caller, self.unit)?;
        match adapter.send(&self.descriptors, self.token)? {
            Sent::All => Ok(()),
            Sent::Dropped => Err(Refusal::ordinary(HError::Dropped)),
            Sent::More(token) => {
                caller.out::<0>(token);
                Err(Refusal::ordinary(HError::Busy))
            }
        }
    }
}

/// `H_MULTICAST_CTRL`: says which frames to groups an adapter receives.
///
/// Source: LoPAR 2.9, "H_MULTICAST_CTRL".
///
/// Output: r4, enables and number of filters, on errors too. Errors: those of [`Adapter::multicast`].
#[doc(alias = "H_MULTICAST_CTRL")]
#[derive(Debug)]
pub struct MulticastCtrl {
    /// R4: the adapter's unit address.
    pub unit: u64,
    /// R5: [`papr_abi::llan::multicast`].
    pub flags: u64,
    /// R6: the group's address, if the flags ask for one.
    pub group: u64,
}

impl Hcall for MulticastCtrl {
    const ROW: Row = row(token::H_MULTICAST_CTRL, "H_MULTICAST_CTRL", Class::Critical);

    fn decode(&[unit, flags, group, ..]: &Args) -> Result<Self, Refusal> {
        Ok(Self { unit, flags, group })
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        let adapter = adapter(caller, self.unit)?;
        let (state, result) = adapter.multicast(self.flags, self.group);
        caller.out::<0>(state);
        Ok(result?)
    }
}

/// `H_ILLAN_ATTRIBUTES`: reads and changes an adapter's attributes, of which none is implemented: no checksums
/// are made or left out, no large frames split, there are no trunks.
///
/// Source: LoPAR 2.9, "H_ILLAN_ATTRIBUTES": bits that are not implemented are ignored, and read as 0.
///
/// Output: r4, the attributes, 0. No further errors.
#[doc(alias = "H_ILLAN_ATTRIBUTES")]
#[derive(Debug)]
pub struct IllanAttributes {
    /// R4: the adapter's unit address; r5 and r6, what to reset and to set, are ignored.
    pub unit: u64,
}

impl Hcall for IllanAttributes {
    const ROW: Row = Row::new(
        token::H_ILLAN_ATTRIBUTES,
        "H_ILLAN_ATTRIBUTES",
        Class::Normal,
        "",
    );

    fn decode(&[unit, ..]: &Args) -> Result<Self, Refusal> {
        Ok(Self { unit })
    }

    fn run(self, caller: &mut Caller<'_>) -> HResult {
        adapter(caller, self.unit)?;
        caller.out::<0>(0);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
