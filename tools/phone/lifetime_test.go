package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Processes that come and go.

func TestNoSIPNode(t *testing.T) {
	s, err := startStack(serverBinary(t), false)
	if err != nil {
		t.Fatal(err)
	}
	defer s.stop()
	answer := s.dial(t, "+5511900000012", "nobody-there", nil)
	if answer.status != 503 || answer.body["code"] != "unavailable" || answer.body["msg"] == nil ||
		!strings.Contains(fmt.Sprint(answer.body["msg"]), "no response from servers") {
		t.Errorf("%d %v", answer.status, answer.body)
	}
	// A node that comes later takes the next call; killed, it leaves livekit-server in good health.
	if err := s.startNode(); err != nil {
		t.Fatal(err)
	}
	if answer := s.dial(t, "+5511900000012", "later", nil); answer.status != 200 {
		t.Errorf("%d %v", answer.status, answer.body)
	}
	node := s.processes[len(s.processes)-1]
	if err := node.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = node.cmd.Wait()
	if answer := s.dial(t, "+5511900000012", "dead", nil); answer.status != 503 {
		t.Errorf("%d %v", answer.status, answer.body)
	}
}

func TestEndsWithItsDriver(t *testing.T) {
	serverBinary(t)
	p, ready, err := phoneProcess(filepath.Join(t.TempDir(), "log"), "redis", "--listen", "127.0.0.1:0")
	if err != nil || ready["redis"] == "" {
		t.Fatal(err)
	}
	if took := p.ended(); took > 2*time.Second || p.cmd.ProcessState.ExitCode() != 0 {
		t.Errorf("ended after %v with %v", took, p.cmd.ProcessState)
	}
	p, _, err = phoneProcess(filepath.Join(t.TempDir(), "log"), "redis", "--listen", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _ = p.cmd.Wait(); p.cmd.ProcessState.ExitCode() != 0 {
		t.Errorf("SIGTERM: %v", p.cmd.ProcessState)
	}
	if _, _, err := phoneProcess(filepath.Join(t.TempDir(), "log"), "redis", "--listen", "0.0.0.0:0"); err == nil {
		t.Error("listens on every address")
	}
}

// A node that cannot join says so to the caller, and does not write the number into its log.
func TestJoinFails(t *testing.T) {
	s, err := startStack(serverBinary(t), false)
	if err != nil {
		t.Fatal(err)
	}
	defer s.stop()
	server := s.livekit
	s.livekit = "http://127.0.0.1:1"
	if err := s.startNode(); err != nil {
		t.Fatal(err)
	}
	s.livekit = server
	if answer := s.dial(t, "+5511900000017", "no-room", nil); answer.status != 500 || answer.body["code"] != "internal" {
		t.Errorf("%d %v", answer.status, answer.body)
	}
	facts := s.ended(t, "no-room")
	if facts.EndedBy != endedByFault || strings.Contains(facts.EndReason, "attributes") {
		t.Errorf("%+v", facts)
	}
}

// A shutdown leaves the rooms.
func TestShutdownLeavesTheRooms(t *testing.T) {
	s, err := startStack(serverBinary(t), true)
	if err != nil {
		t.Fatal(err)
	}
	defer s.stop()
	bridge := joinBridge(t, s, "shutdown")
	if answer := s.dial(t, "+5511900000013", "shutdown", nil); answer.status != 200 {
		t.Fatal(answer)
	}
	node := s.processes[len(s.processes)-1]
	s.processes = s.processes[:len(s.processes)-1]
	if took := node.ended(); took > 3*time.Second {
		t.Errorf("took %v", took)
	}
	bridge.waitFor(t, "left CLIENT_INITIATED")
	log, err := os.ReadFile(filepath.Join(s.dir, "sip.log"))
	if err != nil || strings.Contains(string(log), "5511900000013") || !json.Valid([]byte(strings.SplitN(string(log), "\n", 2)[0])) {
		t.Errorf("the log names the number, or is not JSON: %s", log)
	}
}

// The server comes back on the same ports: so does the telephone, by itself, and it is heard again.
func TestServerRestartedWhileTalking(t *testing.T) {
	binary := serverBinary(t)
	s, err := startStack(binary, true)
	if err != nil {
		t.Fatal(err)
	}
	defer s.stop()
	s.script(t, "+5511900000014", `{"say":[{"tone_hz":660,"ms":120000}]}`)
	if answer := s.dial(t, "+5511900000014", "restart", map[string]any{"max_call_duration": "120s"}); answer.status != 200 {
		t.Fatal(answer)
	}
	server := s.processes[1]
	if err := server.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = server.cmd.Wait()
	if s.processes[1], err = s.runServer(binary); err != nil {
		t.Fatal(err)
	}
	bridge := joinBridge(t, s, "restart")
	within(t, 30*time.Second, "the telephone is heard again", func() bool {
		return toneLevel(bridge.last(300*time.Millisecond), 660, bridgeRate) > -8
	})
	if facts := s.only(t, "restart"); facts.Phase != "active" {
		t.Errorf("%+v", facts)
	}
	bridge.play(t, 440, -9)
	s.eventually(t, "restart", "it hears", func(f CallFacts) bool { return f.FirstVoiceAt != 0 })
}
