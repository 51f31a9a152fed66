//! What a powernv machine is made of: device tree, XSCOM, LPC, UART, RTC, IPMI, ICP.
#![cfg_attr(not(test), no_std)]
