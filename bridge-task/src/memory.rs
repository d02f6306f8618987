//! How this process holds its memory.

/// All threads take their memory from one arena of glibc's malloc. By itself each gets one of its own, up to eight for
/// each core, and what calls leave in them is reused by whoever comes to the same one next: a worker of 20 calls at once
/// held 64 MB and more with every call, and holds 46 so. A frame of sound allocates
/// next to nothing, so threads seldom meet there.
///
/// mallopt(3), `M_ARENA_MAX`. Called before there are threads; elsewhere it does nothing.
pub fn share_one_arena() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(
        unsafe_code,
        reason = "the only way to tell malloc from within; else it would be in everybody's environment"
    )]
    // SAFETY: sets a number of malloc's, and no other thread is there yet.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}
