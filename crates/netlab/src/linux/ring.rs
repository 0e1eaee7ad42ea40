//! The ports of the switch: one packet socket (`packet(7)`) on the near ends of all wires, with a
//! ring of frames that the kernel fills in the order in which they are sent.
//!
//! Without a ring, packets wait in the socket's buffer, which holds about a hundred of them and
//! which a user without privileges cannot enlarge; a burst while the switch waits for the processor
//! would be lost, by no seed. One socket for each port would do, but the kernel takes 10 ms to give
//! a socket a ring, and 20 ms to close it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

// linux/if_packet.h
const PACKET_IGNORE_OUTGOING: i32 = 23;
/// A frame's place in the ring: its header, and as much as Ethernet ever carries.
const SLOT_BYTES: u32 = 2048;
/// What the kernel allocates in one piece.
const BLOCK_BYTES: u32 = 32 * 1024;
const BLOCKS: u32 = 256;
const SLOTS: u32 = BLOCKS * (BLOCK_BYTES / SLOT_BYTES);

/// The ports of the switch.
#[derive(Debug)]
pub(super) struct Ring {
    socket: OwnedFd,
    memory: NonNull<u8>,
    next: u32,
}

// SAFETY: the memory is this value's alone, but for the kernel, which hands over each slot by its
// status.
unsafe impl Send for Ring {}

/// A frame that waits in the ring, when it came, and the number of the interface by which it did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting<'a> {
    pub(super) interface: u32,
    pub(super) bytes: &'a [u8],
    pub(super) when: SystemTime,
}

impl Ring {
    /// Makes the packet socket, which was opened for no frames, that of all ports, also of those
    /// that are still to be made.
    ///
    /// # Errors
    /// The system has no memory for the ring.
    pub(super) fn new(socket: OwnedFd) -> io::Result<Self> {
        set(&socket, libc::PACKET_VERSION, &(libc::tpacket_versions::TPACKET_V2 as i32))?;
        // What this end sends comes from no host; only the kernel itself could, unasked.
        set(&socket, PACKET_IGNORE_OUTGOING, &1_i32)?;
        // The far end may not have noticed yet that this one is up; what goes through a queue
        // until then is lost.
        set(&socket, libc::PACKET_QDISC_BYPASS, &1_i32)?;
        let request = libc::tpacket_req {
            tp_block_size: BLOCK_BYTES,
            tp_block_nr: BLOCKS,
            tp_frame_size: SLOT_BYTES,
            tp_frame_nr: SLOTS,
        };
        set(&socket, libc::PACKET_RX_RING, &request)?;
        let length = (SLOTS * SLOT_BYTES) as usize;
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
        let null = std::ptr::null_mut();
        // SAFETY: a new mapping, which touches no memory that is in use.
        let mapped = unsafe { libc::mmap(null, length, protection, flags, socket.as_raw_fd(), 0) };
        if mapped == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let memory = NonNull::new(mapped.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        let ring = Self { socket, memory, next: 0 };
        ring.bind()?;
        Ok(ring)
    }

    /// Only now do frames come in.
    fn bind(&self) -> io::Result<()> {
        let address = address(0);
        let length = size_of_val(&address) as libc::socklen_t;
        // SAFETY: the address is live and as long as said.
        let result =
            unsafe { libc::bind(self.socket.as_raw_fd(), (&raw const address).cast(), length) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// The first frame that waits, if one does.
    pub(super) fn first(&self) -> Option<Waiting<'_>> {
        let slot = self.slot();
        if self.status().load(Ordering::Acquire) & libc::TP_STATUS_USER == 0 {
            return None;
        }
        // SAFETY: the kernel has handed over the slot, which begins with this header, aligned.
        let header = unsafe { slot.cast::<libc::tpacket2_hdr>().read() };
        let begin = u32::from(header.tp_mac).min(SLOT_BYTES);
        let length = header.tp_snaplen.min(SLOT_BYTES - begin);
        // SAFETY: both are within the slot, which nobody writes to until it is given back, for
        // which this value is borrowed mutably.
        let bytes = unsafe {
            std::slice::from_raw_parts(slot.add(begin as usize).as_ptr(), length as usize)
        };
        let behind = size_of::<libc::tpacket2_hdr>().next_multiple_of(libc::TPACKET_ALIGNMENT);
        // SAFETY: behind the header stands this address, aligned.
        let from = unsafe { slot.add(behind).cast::<libc::sockaddr_ll>().read() };
        let interface = from.sll_ifindex.cast_unsigned();
        let since_epoch = Duration::new(header.tp_sec.into(), header.tp_nsec);
        Some(Waiting { interface, bytes, when: SystemTime::UNIX_EPOCH + since_epoch })
    }

    /// Gives the first frame's place back to the kernel.
    pub(super) fn pass(&mut self) {
        self.status().store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.next = (self.next + 1) % SLOTS;
    }

    /// Sends a frame out of the interface with this number.
    pub(super) fn send(&self, interface: u32, frame: &[u8]) -> io::Result<()> {
        let address = address(interface);
        // SAFETY: frame and address are live and as long as said.
        let sent = unsafe {
            libc::sendto(
                self.socket.as_raw_fd(),
                frame.as_ptr().cast(),
                frame.len(),
                0,
                (&raw const address).cast(),
                size_of_val(&address) as libc::socklen_t,
            )
        };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// How many frames found no place since this was asked last.
    pub(super) fn take_overruns(&self) -> u64 {
        // struct tpacket_stats: packets, and those of them that were dropped.
        let mut counts = [0_u32; 2];
        let mut length = size_of_val(&counts) as libc::socklen_t;
        // SAFETY: the kernel writes at most as many bytes as said to a live value.
        let result = unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                counts.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        if result == 0 { counts[1].into() } else { 0 }
    }

    fn slot(&self) -> NonNull<u8> {
        // SAFETY: `next` is less than the number of slots in the mapping.
        unsafe { self.memory.add((self.next * SLOT_BYTES) as usize) }
    }

    fn status(&self) -> &AtomicU32 {
        // SAFETY: a slot begins with its status, aligned, which kernel and user both change.
        unsafe { AtomicU32::from_ptr(self.slot().cast().as_ptr()) }
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: this is the mapping of `new`, and nothing borrows from it.
        unsafe { libc::munmap(self.memory.as_ptr().cast(), (SLOTS * SLOT_BYTES) as usize) };
    }
}

/// The interface with this number, 0 for all, and all kinds of frames.
fn address(interface: u32) -> libc::sockaddr_ll {
    // SAFETY: all zeros is a valid address.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = interface.cast_signed();
    address
}

fn set<T>(socket: &OwnedFd, option: i32, value: &T) -> io::Result<()> {
    let (pointer, length) = ((&raw const *value).cast(), size_of::<T>() as libc::socklen_t);
    // SAFETY: the value is live and as long as said.
    let result =
        unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_PACKET, option, pointer, length) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
