package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/logger"
	lksdk "github.com/livekit/server-sdk-go/v2"
)

// The tests of this file's stack run the real livekit-server (LIVEKIT_SERVER names the binary) and this program, as
// processes. Without the binary they are skipped, or fail where CI=true.

const (
	testKey    = "testkey"
	testSecret = "for-tests-on-this-machine-only-0123456789"
)

// TestMain makes the test binary double as the program itself.
func TestMain(m *testing.M) {
	if os.Getenv("PHONE_TEST_RUN_MAIN") == "1" {
		main()
		os.Exit(0)
	}
	lksdk.SetLogger(logger.GetDiscardLogger())
	code := m.Run()
	if shared != nil {
		shared.stop()
	}
	os.Exit(code)
}

type stack struct {
	livekit, control, redis string // http://…, http://…, host:port
	trunk                   string
	processes               []*process
	dir                     string
}

var shared *stack

// theStack starts everything once for all tests.
func theStack(t *testing.T) *stack {
	t.Helper()
	if shared == nil {
		s, err := startStack(serverBinary(t), true)
		if err != nil {
			t.Fatal(err)
		}
		shared = s
	}
	return shared
}

func serverBinary(t *testing.T) string {
	t.Helper()
	binary := os.Getenv("LIVEKIT_SERVER")
	if binary == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("LIVEKIT_SERVER is not set: in CI these tests must run")
		}
		t.Skip("SKIPPED: LIVEKIT_SERVER does not name a livekit-server binary; nothing was proved")
	}
	return binary
}

// A process is a child that ends when its stdin does.
type process struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines *bufio.Reader
	read  chan struct{} // closed when stdout is at its end, if it is drained
}

// drain throws the rest of stdout away, so that the process never waits for us.
func (p *process) drain() {
	if p.read == nil {
		p.read = make(chan struct{})
		go func() {
			defer close(p.read)
			_, _ = io.Copy(io.Discard, p.lines)
		}()
	}
}

func startProcess(log string, env []string, name string, args ...string) (*process, error) {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	file, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	cmd.Stderr = file
	cmd.SysProcAttr = dieWithParent
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &process{cmd: cmd, stdin: stdin, lines: bufio.NewReader(stdout)}, nil
}

// ended closes stdin and says how long the process took to go, killing it after 5 s.
func (p *process) ended() time.Duration {
	start := time.Now()
	_ = p.stdin.Close()
	timer := time.AfterFunc(5*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	p.drain()
	<-p.read
	_ = p.cmd.Wait()
	return time.Since(start)
}

// phoneProcess starts this program and waits for the line that says that it is ready.
func phoneProcess(log string, args ...string) (*process, map[string]string, error) {
	env := []string{"PHONE_TEST_RUN_MAIN=1", "LIVEKIT_API_KEY=" + testKey, "LIVEKIT_API_SECRET=" + testSecret}
	p, err := startProcess(log, env, os.Args[0], append(args, "--exit-with-stdin")...)
	if err != nil {
		return nil, nil, err
	}
	line, err := p.lines.ReadBytes('\n')
	if err != nil {
		p.ended()
		said, _ := os.ReadFile(log)
		return nil, nil, fmt.Errorf("%s: not ready: %s", args[0], said)
	}
	ready := map[string]string{}
	return p, ready, json.Unmarshal(line, &ready)
}

func startStack(binary string, withNode bool) (_ *stack, err error) {
	s := &stack{}
	if s.dir, err = os.MkdirTemp("", "phone-test-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.stop()
		}
	}()
	redis, ready, err := phoneProcess(filepath.Join(s.dir, "redis.log"), "redis", "--listen", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.redis, s.processes = ready["redis"], append(s.processes, redis)
	if err := s.startServer(binary); err != nil {
		return nil, err
	}
	if withNode {
		if err := s.startNode(); err != nil {
			return nil, err
		}
	}
	answer, err := s.api("SIP/CreateSIPOutboundTrunk", map[string]any{"trunk": map[string]any{
		"name": "test", "address": "127.0.0.1:5070", "numbers": []string{"+15550100"}}}, 0)
	if err != nil {
		return nil, err
	}
	s.trunk, _ = answer.body["sip_trunk_id"].(string)
	if s.trunk == "" {
		return nil, fmt.Errorf("no trunk: %v", answer)
	}
	return s, nil
}

func (s *stack) startNode() error {
	node, ready, err := phoneProcess(filepath.Join(s.dir, "sip.log"), "sip", "--redis", s.redis,
		"--livekit", "ws"+strings.TrimPrefix(s.livekit, "http"), "--control", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.control, s.processes = "http://"+ready["control"], append(s.processes, node)
	return nil
}

func (s *stack) startServer(binary string) error {
	ports := freePorts(3)
	config := fmt.Sprintf(`
port: %d
bind_addresses: ["127.0.0.1"]
keys: { %s: "%s" }
redis: { address: "%s" }
rtc:
  use_external_ip: false
  node_ip: 127.0.0.1
  enable_loopback_candidate: true
  ips: { includes: ["127.0.0.1/32"] }
  udp_port: %d
  tcp_port: %d
  stun_servers: ["127.0.0.1:3478"]
room: { empty_timeout: 30, departure_timeout: 5 }
logging: { level: info, pion_level: error, json: true }
`, ports[0], testKey, testSecret, s.redis, ports[1], ports[2])
	path := filepath.Join(s.dir, "livekit.yaml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		return err
	}
	s.livekit = fmt.Sprintf("http://127.0.0.1:%d", ports[0])
	server, err := s.runServer(binary)
	if server != nil {
		s.processes = append(s.processes, server)
	}
	return err
}

// runServer starts livekit-server with the configuration written before, and waits until it serves.
func (s *stack) runServer(binary string) (*process, error) {
	server, err := startProcess(filepath.Join(s.dir, "livekit.log"), nil, binary,
		"--config", filepath.Join(s.dir, "livekit.yaml"))
	if err != nil {
		return nil, err
	}
	server.drain()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if response, err := http.Get(s.livekit); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return server, nil
			}
		}
	}
	said, _ := os.ReadFile(filepath.Join(s.dir, "livekit.log"))
	return server, fmt.Errorf("livekit-server is not ready: %s", said)
}

// stop ends what was started, the last first; livekit-server knows nothing of stdin and gets a signal.
func (s *stack) stop() {
	for i := len(s.processes) - 1; i >= 0; i-- {
		p := s.processes[i]
		if strings.Contains(p.cmd.Path, "livekit") {
			_ = p.cmd.Process.Kill()
		}
		p.ended()
	}
	_ = os.RemoveAll(s.dir)
}

func freePorts(count int) (ports []int) {
	for range count {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		defer listener.Close()
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

// An apiAnswer is what livekit-server's own API says.
type apiAnswer struct {
	status int
	body   map[string]any
	took   time.Duration
}

func (s *stack) api(method string, request map[string]any, timeoutMS int) (apiAnswer, error) {
	token, err := auth.NewAccessToken(testKey, testSecret).
		SetVideoGrant(&auth.VideoGrant{RoomCreate: true, RoomList: true, RoomAdmin: true, Room: fmt.Sprint(request["room"])}).
		SetSIPGrant(&auth.SIPGrant{Admin: true, Call: true}).ToJWT()
	if err != nil {
		return apiAnswer{}, err
	}
	body, err := json.Marshal(request)
	if err != nil {
		return apiAnswer{}, err
	}
	post, err := http.NewRequest("POST", s.livekit+"/twirp/livekit."+method, bytes.NewReader(body))
	if err != nil {
		return apiAnswer{}, err
	}
	post.Header.Set("Content-Type", "application/json")
	post.Header.Set("Authorization", "Bearer "+token)
	if timeoutMS > 0 {
		post.Header.Set("X-Twirp-Timeout-Ms", fmt.Sprint(timeoutMS))
	}
	start := time.Now()
	response, err := http.DefaultClient.Do(post)
	if err != nil {
		return apiAnswer{}, err
	}
	defer response.Body.Close()
	answer := apiAnswer{status: response.StatusCode, took: time.Since(start)}
	return answer, json.NewDecoder(response.Body).Decode(&answer.body)
}

// dial asks livekit-server for a call and waits for the answer.
func (s *stack) dial(t *testing.T, number, room string, more map[string]any) apiAnswer {
	t.Helper()
	request := map[string]any{"sip_trunk_id": s.trunk, "sip_call_to": number, "room_name": room,
		"participant_identity": "callee-" + room, "wait_until_answered": true, "ringing_timeout": "20s",
		"max_call_duration": "60s", "room": room}
	for name, value := range more {
		request[name] = value
	}
	delete(request, "room")
	answer, err := s.api("SIP/CreateSIPParticipant", request, 30000)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func (s *stack) script(t *testing.T, number, script string) {
	t.Helper()
	s.phone(t, "PUT", "/numbers/"+url.PathEscape(number), script, http.StatusNoContent)
}

func (s *stack) phone(t *testing.T, method, path, body string, want int) []byte {
	t.Helper()
	request, err := http.NewRequest(method, s.control+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != want {
		t.Fatalf("%s %s: %d %s, want %d (%v)", method, path, response.StatusCode, data, want, err)
	}
	return data
}

// only is the one call that the phone saw for a room.
func (s *stack) only(t *testing.T, room string) CallFacts {
	t.Helper()
	var calls []CallFacts
	if err := json.Unmarshal(s.phone(t, "GET", "/calls?room="+url.QueryEscape(room), "", 200), &calls); err != nil {
		t.Fatal(err)
	}
	if len(calls) != 1 {
		t.Fatalf("the phone saw %d calls for %s, want 1", len(calls), room)
	}
	return calls[0]
}

func (s *stack) eventually(t *testing.T, room, what string, is func(CallFacts) bool) CallFacts {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		facts := s.only(t, room)
		if is(facts) {
			return facts
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s: %+v", what, facts)
		}
	}
}

func (s *stack) ended(t *testing.T, room string) CallFacts {
	t.Helper()
	return s.eventually(t, room, "the call ends", func(f CallFacts) bool { return f.Phase == "ended" })
}
