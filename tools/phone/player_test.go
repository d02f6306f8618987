package main

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A play is a player whose far side speaks in the given frames.
type play struct {
	t      *testing.T
	player Player
	frame  int
}

func newPlay(t *testing.T, script string) *play {
	t.Helper()
	parsed, err := parseScript([]byte(`{"say":`+script+`}`), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p := &play{t: t}
	p.player.Add(parsed.Say)
	return p
}

// until plays until done says so and returns how many ms that took, counting the frame in which it happened.
func (p *play) until(voice func(ms int) bool, done func(Turn) bool) int {
	p.t.Helper()
	for range 60 * 50 {
		turn := p.player.Next(voice != nil && voice(p.frame*frameMS))
		p.frame++
		if done(turn) {
			return p.frame * frameMS
		}
	}
	p.t.Fatal("it did not happen within a minute")
	return 0
}

func silent(turn Turn) bool { return levelDBFS(turn.Frame) < -100 }

func sounds(turn Turn) bool { return !silent(turn) }

func TestToneHasItsPitchLevelAndLength(t *testing.T) {
	p := newPlay(t, `[{"wait_ms":100},{"tone_hz":660,"ms":300,"dbfs":-6},{"silence_ms":40},{"hang_up":true}]`)
	if at := p.until(nil, sounds); at != 120 {
		t.Errorf("the tone starts in the frame ending at %d ms, want 120", at)
	}
	var samples []int16
	for range 13 {
		turn := p.player.Next(false)
		samples = append(samples, turn.Frame[:]...)
		p.frame++
	}
	if level := toneLevel(samples, 660, lineRate); math.Abs(level+6) > 0.1 {
		t.Errorf("660 Hz at %.2f dBFS, want -6", level)
	}
	if at := p.until(nil, silent); at != 420 {
		t.Errorf("silence after the tone in the frame ending at %d ms, want 420", at)
	}
	if at := p.until(nil, func(turn Turn) bool { return turn.HangUp }); at != 460 {
		t.Errorf("hung up in the frame ending at %d ms, want 460", at)
	}
}

func TestWaitForVoiceThenForSilence(t *testing.T) {
	p := newPlay(t, `[{"wait_for_voice_ms":10000},{"wait_for_silence_ms":700},{"hang_up":true}]`)
	speaks := func(ms int) bool { return ms >= 1000 && ms < 3000 && ms != 2000 }
	at := p.until(speaks, func(turn Turn) bool { return turn.HangUp })
	if at < 3680 || at > 3740 {
		t.Errorf("hung up at %d ms, want 700 ms after the voice ended at 3000", at)
	}
}

func TestAClickIsNoVoiceAndWaitingEnds(t *testing.T) {
	p := newPlay(t, `[{"wait_for_voice_ms":2000},{"hang_up":true}]`)
	click := func(ms int) bool { return ms%500 == 0 }
	if at := p.until(click, func(turn Turn) bool { return turn.HangUp }); at != 2020 {
		t.Errorf("hung up at %d ms, want when the wait ran out at 2020", at)
	}
}

func TestWaitForSilenceGivesUp(t *testing.T) {
	p := newPlay(t, `[{"wait_for_silence_ms":700,"at_most_ms":3000},{"hang_up":true}]`)
	always := func(int) bool { return true }
	if at := p.until(always, func(turn Turn) bool { return turn.HangUp }); at != 3020 {
		t.Errorf("hung up at %d ms, want 3020", at)
	}
}

func TestKeysArePressedInTheirTimeOnEveryCall(t *testing.T) {
	script, err := parseScript([]byte(`{"say":[{"dtmf":"1w#"},{"hang_up":true}]}`), ".")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // a script serves more than one call
		var player Player
		player.Add(script.Say)
		pressed := ""
		for ms := 0; ; ms += frameMS {
			turn := player.Next(false)
			if turn.Key != 0 {
				pressed += string(turn.Key)
			}
			if turn.HangUp {
				if ms != 900 {
					t.Errorf("done after %d ms, want 200 + 500 + 200", ms)
				}
				break
			}
			if ms > 5000 {
				t.Fatal("never done")
			}
		}
		if pressed != "1#" {
			t.Errorf("pressed %q", pressed)
		}
	}
}

func TestStopSendingAndMuteLast(t *testing.T) {
	p := newPlay(t, `[{"mute_ms":100},{"stop_sending":true},{"wait_ms":200},{"stop_sending":false},{"wait_ms":100}]`)
	muted, stopped := 0, 0
	for range 50 {
		turn := p.player.Next(false)
		if turn.Muted {
			muted += frameMS
		}
		if turn.NoRTP {
			stopped += frameMS
		}
	}
	if muted != 100 || stopped != 200 {
		t.Errorf("muted %d ms, want 100; sent nothing for %d ms, want 200", muted, stopped)
	}
}

func TestReplaceForgetsTheRest(t *testing.T) {
	p := newPlay(t, `[{"wait_ms":60000}]`)
	p.player.Next(false)
	hangUp := true
	steps := []Step{{HangUp: &hangUp}}
	if err := steps[0].prepare("."); err != nil {
		t.Fatal(err)
	}
	p.player.Replace(steps)
	if !p.player.Next(false).HangUp {
		t.Error("still waiting")
	}
}

func TestWAVIsBroughtDownToTheLine(t *testing.T) {
	dir := t.TempDir()
	const rate = 24000
	samples := make([]int16, rate)
	for i := range samples {
		at := 2 * math.Pi * float64(i) / rate
		samples[i] = int16(8000*math.Sin(1000*at) + 8000*math.Sin(6000*at)) // 6 kHz must not fold to 2 kHz
	}
	if err := os.WriteFile(filepath.Join(dir, "a.wav"), monoWAV(samples, rate), 0o600); err != nil {
		t.Fatal(err)
	}
	script, err := parseScript([]byte(`{"say":[{"wav":"a.wav"}]}`), dir)
	if err != nil {
		t.Fatal(err)
	}
	pcm := script.Say[0].pcm
	if len(pcm) != lineRate {
		t.Fatalf("%d samples, want %d", len(pcm), lineRate)
	}
	want := 20 * math.Log10(8000.0/32768)
	if level := toneLevel(pcm[1000:7000], 1000, lineRate); math.Abs(level-want) > 0.2 {
		t.Errorf("1 kHz at %.1f dBFS, want %.1f", level, want)
	}
	if alias := toneLevel(pcm[1000:7000], 2000, lineRate); alias > -70 {
		t.Errorf("6 kHz folded to 2 kHz at %.1f dBFS", alias)
	}
}

func TestScriptsThatMeanNothingAreRefused(t *testing.T) {
	for script, why := range map[string]string{
		`{"answer_afterms":3}`:                          "unknown field",
		`{"say":[{"tone_hz":660}]}`:                     "ms is missing",
		`{"say":[{"tone_hz":660,"ms":10,"wait_ms":3}]}`: "2 actions",
		`{"say":[{}]}`:                                  "0 actions",
		`{"say":[{"dtmf":"12x"}]}`:                      "dtmf",
		`{"say":[{"wav":"no-such-file.wav"}]}`:          "no-such-file.wav",
		`{"say":[{"tone_hz":4000,"ms":10}]}`:            "tone_hz",
		`{"loss":1.5}`:                                  "loss",
		`{"reject":{"code":200}}`:                       "code 200",
		`{} {}`:                                         "more than one",
	} {
		if _, err := parseScript([]byte(script), t.TempDir()); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, want an error about %q", script, err, why)
		}
	}
}

func TestNumbersFindTheirScripts(t *testing.T) {
	numbers := newDirectory()
	numbers.put("+55 11 99999-0000", &Script{Echo: true})
	if !numbers.find("+5511999990000").Echo {
		t.Error("a number spelt otherwise is another number")
	}
	for number, code := range map[string]int{"+5511000486": 486, "+5511000603": 603, "+5511000200": 0, "+5511001486": 0} {
		script := numbers.find(number)
		got := 0
		if script.Reject != nil {
			got = script.Reject.Code
		}
		if got != code {
			t.Errorf("%s rejects with %d, want %d", number, got, code)
		}
	}
	numbers.put("+5511000486", &Script{})
	if numbers.find("+5511000486").Reject != nil {
		t.Error("a script of its own must win over the number's ending")
	}
	if !numbers.remove("5511000486") || numbers.remove("5511000486") {
		t.Error("a script is removed once")
	}
}

func TestNumbersComeFromAFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("hello.wav", monoWAV(make([]int16, 800), lineRate))
	numbers := newDirectory()
	path := write("numbers.json", []byte(`{"+5511900000001":{"reject":{"code":486}},"+5511900000002":{"say":[{"wav":"hello.wav"}]}}`))
	if err := numbers.load(path); err != nil {
		t.Fatal(err)
	}
	if numbers.find("+5511900000001").Reject == nil || len(numbers.find("+5511900000002").Say[0].pcm) != 800 {
		t.Error("the scripts of the file are not found")
	}
	path = write("broken.json", []byte(`{"+5511900000003":{"sey":[]}}`))
	if err := numbers.load(path); err == nil || !strings.Contains(err.Error(), "+5511900000003") {
		t.Errorf("%v, want an error that names the number", err)
	}
}

func TestEverythingMissingIsNamedAtOnce(t *testing.T) {
	err := sipConfig{control: "127.0.0.1:0"}.check()
	for _, name := range []string{"--redis", "--livekit", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v does not name %s", err, name)
		}
	}
}

func TestTheNetworkChangesWhenItsStepComes(t *testing.T) {
	p := newPlay(t, `[{"wait_ms":100},{"loss":0.05,"jitter_ms":40,"seed":3},{"tone_hz":660,"ms":60},{"loss":0}]`)
	changes := func(turn Turn) bool { return turn.Meets != nil }
	var met network
	at := p.until(nil, func(turn Turn) bool {
		if changes(turn) {
			met = *turn.Meets
			return sounds(turn)
		}
		return false
	})
	if want := (network{0.05, 40, 3}); at != 120 || met != want {
		t.Errorf("%+v with the sound that ends at %d ms, want %+v at 120", met, at, want)
	}
	if at := p.until(nil, changes); at != 180 {
		t.Errorf("it is as it was with the frame that ends at %d ms, want 180", at)
	}
	for _, wrong := range []string{`{"loss":1.5}`, `{"loss":0.1,"jitter_ms":-1}`, `{"loss":0,"wait_ms":20}`} {
		if _, err := parseScript([]byte(`{"say":[`+wrong+`]}`), "."); err == nil {
			t.Errorf("%s is taken", wrong)
		}
	}
}
