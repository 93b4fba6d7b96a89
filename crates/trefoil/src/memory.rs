//! How memory is had from the system, and given back.

use libmimalloc_sys::{_mi_option_last, mi_option_set, mi_option_t};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_minimal_purge_size`, in KiB, which the bindings do not name: the options are numbered in the order of mimalloc.h.
const MINIMAL_PURGE_SIZE: mi_option_t = 44;
const _: () = assert!(_mi_option_last == 47, "another version of mimalloc: look the number up");

/// Memory goes back in pieces of at least so many KiB. By default single pieces of 64 KiB do, which were in use until just now and soon are
/// again: taking them from all threads and clearing them anew cost a tenth of what it takes to store log lines.
const PURGED_KIB: std::ffi::c_long = 2 << 10;

/// To be called before anything else.
pub fn prepare() {
    use_small_pages();
    #[expect(unsafe_code, reason = "the allocator has no other way to be told")]
    // SAFETY: it stores a number, which is read whenever memory is given back.
    unsafe {
        mi_option_set(MINIMAL_PURGE_SIZE, PURGED_KIB);
    }
}

/// The allocator asks for huge pages. The system clears each before it hands it out, which took two thirds of the time of a
/// first query, and memory that is used here and there stays whole.
#[cfg(target_os = "linux")]
fn use_small_pages() {
    // Where that cannot be had, it is only slower.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

#[cfg(not(target_os = "linux"))]
fn use_small_pages() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_is_the_one_that_is_meant() {
        // A child of this test tells what the allocator makes of the option's name.
        const NAME: &str = "MIMALLOC_MINIMAL_PURGE_SIZE";
        if std::env::var_os(NAME).is_some() {
            #[expect(unsafe_code, reason = "as above")]
            // SAFETY: it reads a number.
            let value = unsafe { libmimalloc_sys::mi_option_get(MINIMAL_PURGE_SIZE) };
            assert_eq!(value, 4321);
            return;
        }
        let itself = std::env::current_exe().unwrap();
        let arguments = ["--exact", "memory::tests::the_option_is_the_one_that_is_meant"];
        let told = std::process::Command::new(itself).args(arguments).env(NAME, "4321K").output().unwrap();
        assert!(told.status.success() && told.stdout.windows(8).any(|text| text == b"1 passed"), "{told:?}");
    }
}
