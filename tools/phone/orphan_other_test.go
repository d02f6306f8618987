//go:build !linux

package main

import "syscall"

// dieWithParent has no counterpart here: a killed test run leaves livekit-server behind.
var dieWithParent *syscall.SysProcAttr
