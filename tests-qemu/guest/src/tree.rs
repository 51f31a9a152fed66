//! The platform as the device tree tells it, in arrays of fixed size.
#![expect(unsafe_code, reason = "the tree is given by address")]

use crate::cpu::MAX_CPUS;
use crate::options::Options;
use fdt::Fdt;
use fdt::nodes::Node;
use fdt::parsing::Panic;
use fdt::parsing::unaligned::UnalignedParser;

type Mode = (UnalignedParser<'static>, Panic);
type TreeNode = Node<'static, Mode>;

/// A PCI host bridge.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bridge {
    /// The unit id that config calls name it by.
    pub(crate) buid: u64,
    /// Its default DMA window.
    pub(crate) window: Window,
    /// PCI address, logical real address and bytes of its 32-bit memory range.
    pub(crate) mem32: (u64, u64, u64),
}

/// A DMA window: `ibm,dma-window`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Window {
    pub(crate) liobn: u32,
    /// First I/O bus address.
    pub(crate) base: u64,
    pub(crate) bytes: u64,
}

/// A virtual Ethernet adapter.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Adapter {
    pub(crate) unit: u32,
    pub(crate) window: Window,
    pub(crate) irq: u32,
    /// Its address, low 48 bits.
    pub(crate) mac: u64,
}

/// A PCI function that the partition owns.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Function {
    /// The bridge it is behind.
    pub(crate) bridge: Bridge,
    /// Bus, device and function as config_addr has them.
    pub(crate) config_addr: u32,
    /// Vendor in the upper half, device in the lower.
    pub(crate) id: u32,
    /// `ibm,req#msi`: the most messages that may be asked for.
    pub(crate) msis: u32,
}

/// What the cases need to know of the platform.
pub(crate) struct Platform {
    pub(crate) options: Options,
    /// First byte past the partition's memory, which starts at 0.
    pub(crate) memory_end: u64,
    /// Page table entry groups of the hashed page table.
    pub(crate) ptegs: u64,
    /// Interrupt servers, by processor.
    pub(crate) servers: [u32; MAX_CPUS],
    pub(crate) cpus: usize,
    /// Unit address of the console, and its interrupt source if it has one.
    pub(crate) vty: u32,
    pub(crate) vty_irq: Option<u32>,
    /// The source that warns of what is to come.
    pub(crate) epow_irq: Option<u32>,
    functions: [Function; 8],
    function_count: usize,
    bridges: [Bridge; 4],
    bridge_count: usize,
    adapters: [Adapter; 3],
    adapter_count: usize,
    rtas: Option<TreeNode>,
}

// SAFETY: nothing in it changes, nor does the tree that it was read from; a node's pointers only name its parser.
unsafe impl Sync for Platform {}

fn cells(node: &TreeNode, name: &str) -> impl Iterator<Item = u32> + Clone + use<> {
    let bytes: &'static [u8] = node
        .raw_property(name)
        .map_or(&[], |property| property.value);
    bytes
        .as_chunks::<4>()
        .0
        .iter()
        .map(|cell| u32::from_be_bytes(*cell))
}
fn cell(node: &TreeNode, name: &str) -> Option<u32> {
    cells(node, name).next()
}
fn text(node: &TreeNode, name: &str) -> &'static str {
    let bytes: &'static [u8] = node
        .raw_property(name)
        .map_or(&[], |property| property.value);
    core::str::from_utf8(bytes)
        .unwrap_or("")
        .trim_end_matches('\0')
}
fn wide(mut cells: impl Iterator<Item = u32>) -> u64 {
    let high = cells.next().unwrap_or(0);
    u64::from(high) << 32 | u64::from(cells.next().unwrap_or(0))
}

impl Platform {
    /// Reads the tree at real address `tree`.
    ///
    /// # Safety
    /// 1. A flattened device tree is there, and nothing changes it.
    pub(crate) unsafe fn read(tree: *const u8) -> Option<Self> {
        // SAFETY: duty 1.
        let header = unsafe { core::slice::from_raw_parts(tree, 8) };
        let bytes = u32::from_be_bytes([header[4], header[5], header[6], header[7]]) as usize;
        // SAFETY: duty 1; a tree states its own length.
        let blob: &'static [u8] = unsafe { core::slice::from_raw_parts(tree, bytes) };
        let fdt = Fdt::new_unaligned(blob).ok()?;
        let root = fdt.find_node("/")?;
        let mut this = Self {
            options: Options::parse(
                fdt.find_node("/chosen")
                    .map_or("", |chosen| text(&chosen, "bootargs")),
            ),
            memory_end: 0,
            ptegs: 0,
            servers: [0; MAX_CPUS],
            cpus: 0,
            vty: 0,
            vty_irq: None,
            epow_irq: fdt
                .find_node("/event-sources/epow-events")
                .and_then(|node| cell(&node, "interrupts")),
            functions: [Function::default(); 8],
            function_count: 0,
            bridges: [Bridge::default(); 4],
            bridge_count: 0,
            adapters: [Adapter::default(); 3],
            adapter_count: 0,
            rtas: fdt.find_node("/rtas"),
        };
        for node in root.children().iter() {
            match text(&node, "device_type") {
                "memory" => {
                    let reg = cells(&node, "reg");
                    this.memory_end = this.memory_end.max(wide(reg.clone()) + wide(reg.skip(2)));
                }
                "pci" => this.read_bridge(&node),
                _ => {}
            }
        }
        for node in fdt
            .find_node("/cpus")?
            .children()
            .iter()
            .filter(|node| text(node, "device_type") == "cpu")
        {
            let shift = cells(&node, "ibm,pft-size").nth(1).unwrap_or(0);
            this.ptegs = 1u64.checked_shl(shift.saturating_sub(7))?;
            for server in cells(&node, "ibm,ppc-interrupt-server#s").take(MAX_CPUS - this.cpus) {
                this.servers[this.cpus] = server;
                this.cpus += 1;
            }
        }
        for node in fdt
            .find_node("/vdevice")
            .into_iter()
            .flat_map(|bus| bus.children().iter())
        {
            if text(&node, "device_type") == "serial" {
                this.vty = cell(&node, "reg").unwrap_or(0);
                this.vty_irq = cell(&node, "interrupts");
            }
            if text(&node, "compatible") == "IBM,l-lan" {
                this.read_adapter(&node);
            }
        }
        Some(this)
    }

    fn read_adapter(&mut self, node: &TreeNode) {
        let window = cells(node, "ibm,my-dma-window");
        let mac = node.raw_property("local-mac-address");
        let mac = mac.map_or(&[][..], |property| property.value);
        if let Some(slot) = self.adapters.get_mut(self.adapter_count) {
            *slot = Adapter {
                unit: cell(node, "reg").unwrap_or(0),
                window: Window {
                    liobn: window.clone().next().unwrap_or(0),
                    base: wide(window.clone().skip(1)),
                    bytes: wide(window.skip(3)),
                },
                irq: cell(node, "interrupts").unwrap_or(0),
                mac: mac.iter().fold(0, |mac, byte| mac << 8 | u64::from(*byte)),
            };
            self.adapter_count += 1;
        }
    }

    fn read_bridge(&mut self, node: &TreeNode) {
        let window = cells(node, "ibm,dma-window");
        let mut bridge = Bridge {
            buid: wide(cells(node, "reg")),
            window: Window {
                liobn: window.clone().next().unwrap_or(0),
                base: wide(window.clone().skip(1)),
                bytes: wide(window.skip(3)),
            },
            mem32: (0, 0, 0),
        };
        // A range: three cells of PCI address, two of logical real address, two of bytes.
        let ranges = cells(node, "ranges");
        for n in 0..ranges.clone().count() / 7 {
            let range = ranges.clone().skip(7 * n);
            if range.clone().next().unwrap_or(0) & 0x0300_0000 == 0x0200_0000 {
                bridge.mem32 = (
                    wide(range.clone().skip(1)),
                    wide(range.clone().skip(3)),
                    wide(range.skip(5)),
                );
            }
        }
        if let Some(slot) = self.bridges.get_mut(self.bridge_count) {
            *slot = bridge;
            self.bridge_count += 1;
        }
        self.read_functions(node, bridge, 3);
    }

    fn read_functions(&mut self, bus: &TreeNode, bridge: Bridge, depth: u32) {
        for node in bus.children().iter() {
            let id =
                cell(&node, "vendor-id").unwrap_or(0) << 16 | cell(&node, "device-id").unwrap_or(0);
            if text(&node, "device_type") == "pci" {
                if depth > 0 {
                    self.read_functions(&node, bridge, depth - 1);
                }
            } else if let (Some(slot), Some(reg)) = (
                self.functions.get_mut(self.function_count),
                cell(&node, "reg"),
            ) {
                *slot = Function {
                    bridge,
                    config_addr: reg & 0x00ff_ff00,
                    id,
                    msis: cell(&node, "ibm,req#msi").unwrap_or(0),
                };
                self.function_count += 1;
            }
        }
    }

    /// Every PCI function of the partition.
    pub(crate) fn functions(&self) -> &[Function] {
        self.functions.get(..self.function_count).unwrap_or(&[])
    }
    /// Every virtual Ethernet adapter.
    pub(crate) fn adapters(&self) -> &[Adapter] {
        self.adapters.get(..self.adapter_count).unwrap_or(&[])
    }
    /// Every host bridge.
    pub(crate) fn bridges(&self) -> &[Bridge] {
        self.bridges.get(..self.bridge_count).unwrap_or(&[])
    }
    /// The token of RTAS call `name`.
    pub(crate) fn rtas_token(&self, name: &str) -> Option<u32> {
        cell(self.rtas.as_ref()?, name)
    }
}
