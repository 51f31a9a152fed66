//! Enumeration, plans and the guest's view, on `ioda-model` through the `phb3` driver.

pub(crate) mod blocks;
pub(crate) mod guest;
pub(crate) mod liars;
pub(crate) mod planner;
pub(crate) mod scanning;
pub(crate) mod segments;
pub(crate) mod shared;

use crate::{Plan, Topology, plan, scan};
use cases::prelude::*;
use ioda::{BeU64, Ioda, PhbId, Step};
use ioda_model::{Device, Fabric, Kind, Phb3 as Model};
use phb3::on_model::Memory;
use phb3::{Bases, Pbcq, Phb3, Port};

fn leak<T>(make: impl Fn() -> T, count: usize) -> &'static [T] {
    Box::leak((0..count).map(|_| make()).collect())
}

fn root() -> Device {
    Device::bridge(0x1014, 0x03dc, 4).with_intx(0)
}

struct Bench {
    model: &'static Model,
    host: Phb3<&'static Model, &'static Model>,
}

impl Bench {
    fn new(fabric: Fabric) -> Self {
        Self::of(Kind::Emulator, fabric)
    }

    /// A started bridge with `fabric` below it.
    fn of(kind: Kind, fabric: Fabric) -> Self {
        let model: &'static Model = Box::leak(Box::new(Model::new(kind, fabric)));
        let tables = Memory::leak().attach(model);
        let pbcq =
            Pbcq::open(model, PhbId { chip: 0, index: 0 }, Bases::of(0)).expect("it answers");
        let port = Box::leak(Box::new(Port::new(model, pbcq.irq_base(), &tables)));
        let mut host = Phb3::new(pbcq, port, tables).expect("the tables are good");
        while host.poll().expect("it starts") != Step::Done {}
        Self { model, host }
    }

    fn scan(&mut self) -> Topology {
        scan(0, &mut self.host).expect("config space answers")
    }

    /// Scanned, planned and programmed.
    fn planned(&mut self) -> (Topology, Plan) {
        let topology = self.scan();
        let plan = plan(&topology, self.host.caps()).expect("it fits");
        plan.apply(&topology, &mut self.host).expect("it is kept");
        (topology, plan)
    }

    fn good(&self) {
        assert_eq!(self.model.complaints(), Vec::<String>::new());
    }
}
