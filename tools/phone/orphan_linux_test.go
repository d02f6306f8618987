package main

import "syscall"

// dieWithParent: livekit-server does not watch its stdin, so the kernel takes it when the tests are killed.
var dieWithParent = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
