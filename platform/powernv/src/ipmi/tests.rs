//! Tests of IPMI, against a service processor in software.
use core::cell::{Cell, RefCell};

use super::*;
use crate::lpc::tests::{chip, lpc};

const DEVICE: IsaDevice = IsaDevice {
    port: 0xe4,
    irq: Some(10),
    clock_hz: None,
};

/// A service processor behind a BT interface. It takes a request up after `delay` reads of the control port.
#[derive(Default)]
struct FakeBt {
    control: Cell<u8>,
    inbox: RefCell<Vec<u8>>,
    outbox: RefCell<Vec<u8>>,
    read_at: Cell<usize>,
    delay: Cell<u32>,
    left: Cell<u32>,
    /// Requests carried out: network function, command, data.
    served: RefCell<Vec<(u8, u8, Vec<u8>)>>,
    /// Answers to put in front of the right one.
    stray: RefCell<Vec<Vec<u8>>>,
    /// Completion code of every answer.
    code: u8,
    /// Data of every answer.
    data: Vec<u8>,
    /// Breaks the length byte of answers.
    short: bool,
}

impl FakeBt {
    fn serve(&self) {
        let message = self.inbox.borrow().clone();
        assert_eq!(usize::from(message[0]), message.len() - 1, "length byte");
        let (netfn, sequence, command) = (message[1], message[2], message[3]);
        self.served
            .borrow_mut()
            .push((netfn >> 2, command, message[4..].to_vec()));
        let mut answer = vec![
            4 + self.data.len() as u8,
            netfn | 4,
            sequence,
            command,
            self.code,
        ];
        answer.extend(&self.data);
        if self.short {
            answer[0] = 3;
        }
        self.stray.borrow_mut().push(answer);
        self.control.set(self.control.get() & !(B_BUSY | H2B_ATN));
        self.offer();
    }

    fn offer(&self) {
        let mut answers = self.stray.borrow_mut();
        if !answers.is_empty() && self.control.get() & (H_BUSY | B2H_ATN) == 0 {
            *self.outbox.borrow_mut() = answers.remove(0);
            self.control.set(self.control.get() | B2H_ATN);
        }
    }
}

impl IsaIo for FakeBt {
    fn read8(&self, port: u16) -> Result<u8, LpcError> {
        match port {
            0xe4 => {
                if self.control.get() & H2B_ATN != 0 {
                    match self.left.get() {
                        0 => self.serve(),
                        left => self.left.set(left - 1),
                    }
                }
                Ok(self.control.get())
            }
            0xe5 => {
                assert_ne!(self.control.get() & H_BUSY, 0, "buffer read without H_BUSY");
                let at = self.read_at.replace(self.read_at.get() + 1);
                Ok(self.outbox.borrow().get(at).copied().unwrap_or(0xff))
            }
            _ => panic!("port {port:#x}"),
        }
    }

    fn write8(&self, port: u16, value: u8) -> Result<(), LpcError> {
        match port {
            0xe4 => {
                let mut control = self.control.get();
                if value & CLEAR_WRITE_POINTER != 0 {
                    self.inbox.borrow_mut().clear();
                }
                if value & CLEAR_READ_POINTER != 0 {
                    self.read_at.set(0);
                }
                if value & H2B_ATN != 0 {
                    control |= H2B_ATN;
                    self.left.set(self.delay.get());
                }
                control &= !(value & B2H_ATN);
                control ^= value & H_BUSY;
                self.control.set(control);
                self.offer();
            }
            0xe5 => {
                assert_eq!(
                    self.control.get() & (B_BUSY | H2B_ATN),
                    0,
                    "buffer written while not ours"
                );
                self.inbox.borrow_mut().push(value);
            }
            _ => panic!("port {port:#x}"),
        }
        Ok(())
    }
}

/// Expires after as many looks.
fn after(looks: u32) -> impl FnMut() -> bool {
    let mut left = looks;
    move || {
        left = left.saturating_sub(1);
        left == 0
    }
}

#[test]
fn chassis_control_reaches_the_service_processor() {
    let device = FakeBt {
        delay: Cell::new(10),
        ..FakeBt::default()
    };
    let mut bt = IpmiBt::new(&device, &DEVICE);
    assert_eq!(bt.chassis(ChassisControl::PowerDown, after(100)), Ok(()));
    assert_eq!(bt.chassis(ChassisControl::HardReset, after(100)), Ok(()));
    assert_eq!(*device.served.borrow(), [(0, 2, vec![0]), (0, 2, vec![3])]);
    assert_eq!(device.control.get(), 0, "the interface is left idle");
}

#[test]
fn data_goes_both_ways() {
    let device = FakeBt {
        data: vec![9, 8, 7],
        ..FakeBt::default()
    };
    let mut bt = IpmiBt::new(&device, &DEVICE);
    let mut answer = [0; 4];
    assert_eq!(bt.request(6, 1, &[1, 2], &mut answer, after(100)), Ok(3));
    assert_eq!(answer, [9, 8, 7, 0]);
    assert_eq!(*device.served.borrow(), [(6, 1, vec![1, 2])]);
    assert_eq!(
        bt.request(6, 1, &[], &mut [0; 2], after(100)),
        Err(IpmiError::TooLong)
    );
    assert_eq!(
        bt.request(6, 1, &[0; 253], &mut [], after(100)),
        Err(IpmiError::TooLong)
    );
    assert_eq!(bt.request(6, 1, &[0; 252], &mut answer, after(100)), Ok(3));
}

#[test]
fn answers_to_others_are_passed_over() {
    let device = FakeBt::default();
    // One that waited before we came, one that arrives late.
    *device.outbox.borrow_mut() = vec![4, 4, 99, 2, 0];
    device.control.set(B2H_ATN);
    device.stray.borrow_mut().push(vec![4, 4, 98, 2, 0xc0]);
    let mut bt = IpmiBt::new(&device, &DEVICE);
    assert_eq!(bt.chassis(ChassisControl::PowerCycle, after(100)), Ok(()));
    assert_eq!(*device.served.borrow(), [(0, 2, vec![2])]);
}

#[test]
fn a_host_left_busy_is_put_right() {
    let device = FakeBt::default();
    device.control.set(H_BUSY);
    assert_eq!(
        IpmiBt::new(&device, &DEVICE).chassis(ChassisControl::PowerDown, after(100)),
        Ok(())
    );
    assert_eq!(device.control.get(), 0);
}

#[test]
fn a_silent_service_processor_is_given_up() {
    let device = FakeBt {
        delay: Cell::new(u32::MAX),
        ..FakeBt::default()
    };
    let mut bt = IpmiBt::new(&device, &DEVICE);
    assert_eq!(
        bt.chassis(ChassisControl::PowerDown, after(50)),
        Err(IpmiError::TimeOut)
    );
    device.control.set(B_BUSY);
    assert_eq!(
        bt.chassis(ChassisControl::PowerDown, after(50)),
        Err(IpmiError::TimeOut)
    );
    assert!(device.served.borrow().is_empty());
    let device = FakeBt::default();
    *device.stray.borrow_mut() = vec![vec![4, 4, 98, 2, 0]; 1000];
    assert_eq!(
        IpmiBt::new(&device, &DEVICE).chassis(ChassisControl::PowerDown, after(50)),
        Err(IpmiError::TimeOut)
    );
}

#[test]
fn refusals_and_broken_answers_are_told_apart() {
    let device = FakeBt {
        code: 0xd5,
        ..FakeBt::default()
    };
    let mut bt = IpmiBt::new(&device, &DEVICE);
    assert_eq!(
        bt.chassis(ChassisControl::PowerDown, after(50)),
        Err(IpmiError::Refused(0xd5))
    );
    let device = FakeBt {
        short: true,
        ..FakeBt::default()
    };
    let mut bt = IpmiBt::new(&device, &DEVICE);
    assert_eq!(
        bt.chassis(ChassisControl::PowerDown, after(50)),
        Err(IpmiError::Malformed)
    );
    assert_eq!(device.control.get(), 0, "the interface is left idle");
}

#[test]
fn it_works_through_lpc_and_xscom() {
    let chip = chip(FakeBt::default());
    assert_eq!(
        IpmiBt::new(lpc(&chip), &DEVICE).chassis(ChassisControl::PowerDown, after(50)),
        Ok(())
    );
    assert_eq!(chip.unit.ports.served.borrow().len(), 1);
}
