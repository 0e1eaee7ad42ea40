//! The filter of system calls (`seccomp(2)`): what no program of the course needs, and what would
//! reach into other processes, the kernel or the machine, fails with EPERM. Nothing is killed.
//!
//! It is written out instruction by instruction since it needs three things at once that filter
//! builders do not give: two error numbers, arguments, and an end to the x32 numbers.

use std::io;
use std::mem::offset_of;

use libc::{c_long, seccomp_data, sock_filter, sock_fprog};
use rustix::process::{getpgid, getpid, getppid};

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xC000_003E; // AUDIT_ARCH_X86_64
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xC000_00B7; // AUDIT_ARCH_AARCH64

/// Numbers from here up are x32's, a second way to the same system calls.
#[cfg(target_arch = "x86_64")]
const X32_FIRST: u32 = 0x4000_0000;

/// All namespaces that `clone(2)` takes as flags.
const CLONE_NEW: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u32;

/// Refused whatever the arguments are.
const DENIED: &[c_long] = &[
    // Other processes' memory and descriptors.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_process_madvise,
    // File systems and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_quotactl,
    libc::SYS_fanotify_init,
    libc::SYS_unshare,
    libc::SYS_setns,
    // The kernel, and what has been its weak side.
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_userfaultfd,
    // The machine.
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
];

const NUMBER: u32 = offset_of!(seccomp_data, nr) as u32;
const ARCHITECTURE_FIELD: u32 = offset_of!(seccomp_data, arch) as u32;
/// The low half of an argument, on the little-endian machines above.
const fn argument(index: u32) -> u32 {
    offset_of!(seccomp_data, args) as u32 + 8 * index
}

/// A filter ready to be put in force.
#[derive(Debug)]
pub(super) struct Filter(Vec<sock_filter>);

impl Filter {
    /// The filter for programs below this keeper, or none where the kernel has no such filters.
    pub(super) fn for_keeper() -> Option<Self> {
        is_supported().then(|| {
            let grader = getppid().map_or(0, |pid| pid.as_raw_pid());
            let keeper = getpid().as_raw_pid();
            let group = getpgid(getppid()).map_or(0, |pid| pid.as_raw_pid());
            // A process may signal all of its user's. Landlock stops that on Linux 6.12 and
            // later; this stops the worst of it on older ones.
            Self::new(&[-1, grader, keeper, -group])
        })
    }

    fn new(unsignalled: &[i32]) -> Self {
        let mut code = vec![load(ARCHITECTURE_FIELD), skip_if_equal(ARCHITECTURE, 1)];
        code.push(fail(libc::ENOSYS));
        code.push(load(NUMBER));
        #[cfg(target_arch = "x86_64")]
        {
            let below = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
            code.push(jump(below, X32_FIRST, 0, 1));
            code.push(fail(libc::ENOSYS));
        }
        for &number in DENIED {
            code.extend([unless_equal(number as u32, 1), fail(libc::EPERM)]);
        }
        // Libraries fall back on clone(2), whose flags a filter can see.
        code.extend([unless_equal(libc::SYS_clone3 as u32, 1), fail(libc::ENOSYS)]);
        // In what follows the loaded number is overwritten, so each block ends with a verdict.
        let any_namespace = jump(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, CLONE_NEW, 0, 1);
        block(&mut code, libc::SYS_clone, 0, &[any_namespace, fail(libc::EPERM)]);
        // Typing into another program's terminal.
        block(
            &mut code,
            libc::SYS_ioctl,
            1,
            &refuse(&[libc::TIOCSTI as u32, libc::TIOCLINUX as u32]),
        );
        // Asking for the personality, and setting the usual one, are harmless.
        let usual = [skip_if_equal(0, 2), skip_if_equal(u32::MAX, 1), fail(libc::EPERM)];
        block(&mut code, libc::SYS_personality, 0, &usual);
        // splice(2) holds the lock of the pipe that it writes to while it waits for its input, and
        // whoever would read that pipe waits in read(2) with it, O_NONBLOCK or not. As an answer
        // for a descriptor that cannot be spliced to, this makes libraries copy in the usual way.
        let outputs: Vec<sock_filter> = [1, 2]
            .iter()
            .flat_map(|&output| [unless_equal(output, 1), fail(libc::EINVAL)])
            .collect();
        block(&mut code, libc::SYS_splice, 2, &outputs);
        // 0 is the program's own group, and stands for what could not be found out.
        let pids = unsignalled.iter().filter(|&&pid| pid != 0);
        let pids: Vec<u32> = pids.map(|pid| pid.cast_unsigned()).collect();
        block(&mut code, libc::SYS_kill, 0, &refuse(&pids));
        code.push(allow());
        Self(code)
    }

    /// Puts the filter in force for this thread and all that it will start. Needs `no_new_privs`.
    pub(super) fn enforce(&self) -> io::Result<()> {
        let program = sock_fprog {
            len: u16::try_from(self.0.len()).unwrap_or(u16::MAX),
            filter: self.0.as_ptr().cast_mut(),
        };
        // SAFETY: the program points to as many instructions as it says; the kernel only reads.
        let result = unsafe {
            libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program)
        };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

fn is_supported() -> bool {
    let action = libc::SECCOMP_RET_ERRNO;
    // SAFETY: the kernel reads one number behind the pointer.
    let result = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, &raw const action)
    };
    result == 0
}

/// Adds: if the call is `number`, load its argument, go through `tests`, allow what they let by.
fn block(code: &mut Vec<sock_filter>, number: c_long, index: u32, tests: &[sock_filter]) {
    let length = u8::try_from(tests.len() + 2).unwrap_or(u8::MAX);
    code.extend([unless_equal(number as u32, length), load(argument(index))]);
    code.extend_from_slice(tests);
    code.push(allow());
}

fn refuse(values: &[u32]) -> Vec<sock_filter> {
    values.iter().flat_map(|&value| [unless_equal(value, 1), fail(libc::EPERM)]).collect()
}

fn load(offset: u32) -> sock_filter {
    statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset)
}

fn fail(errno: i32) -> sock_filter {
    statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | errno.cast_unsigned())
}

fn allow() -> sock_filter {
    statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW)
}

fn skip_if_equal(value: u32, instructions: u8) -> sock_filter {
    jump(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, value, instructions, 0)
}

fn unless_equal(value: u32, instructions: u8) -> sock_filter {
    jump(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, value, 0, instructions)
}

fn statement(code: u32, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt: 0, jf: 0, k }
}

fn jump(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: code as u16, jt, jf, k }
}
