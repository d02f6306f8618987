package main

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/thesyncim/gopus"
)

// What happens while people talk, on the real livekit-server.

func TestInboundIsAnsweredByAnothersTrack(t *testing.T) {
	s := theStack(t)
	const room = "inbound"
	bridge := joinBridge(t, s, room)
	s.phone(t, "POST", "/inbound", `{"from":"+5511988887777","to":"+551140000000","room":"inbound",
		"say":[{"tone_hz":660,"ms":1500},{"wait_for_voice_ms":3000},{"hang_up":true}]}`, http.StatusCreated)
	bridge.waitFor(t, "joined kind=true ringing")
	time.Sleep(500 * time.Millisecond)
	if facts := s.only(t, room); facts.Phase != "ringing" || facts.Direction != "inbound" || facts.Identity != "sip_+5511988887777" {
		t.Errorf("%+v", facts)
	}
	bridge.play(t, 440, -9)
	bridge.waitFor(t, "active")
	facts := s.ended(t, room)
	if facts.EndedBy != endedByCallee || facts.FirstVoiceAt == 0 {
		t.Errorf("%+v", facts)
	}
	if level := toneLevel(bridge.last(time.Second)[:bridgeRate/4], 660, bridgeRate); level < -8 {
		t.Errorf("the room hears 660 Hz at %.1f dBFS", level)
	}
}

func TestControlWhileTalking(t *testing.T) {
	s := theStack(t)
	const number, room = "+5511900000008", "control"
	s.script(t, number, `{"echo":true}`)
	bridge := joinBridge(t, s, room)
	bridge.play(t, 440, -9)
	if answer := s.dial(t, number, room, nil); answer.status != 200 {
		t.Fatal(answer)
	}
	id := s.only(t, room).ID
	echo := func() float64 { return toneLevel(bridge.last(300*time.Millisecond), 440, bridgeRate) }
	within(t, 8*time.Second, "the echo comes back", func() bool { return echo() > -11 })
	s.phone(t, "POST", "/calls/"+id+"/mute", `{"muted":true}`, http.StatusNoContent)
	within(t, 8*time.Second, "mute silences it", func() bool { return echo() < -60 })
	s.phone(t, "POST", "/calls/"+id+"/say", `{"say":[{"tone_hz":990,"ms":60000}]}`, http.StatusNoContent)
	s.phone(t, "POST", "/calls/"+id+"/mute", `{"muted":false}`, http.StatusNoContent)
	within(t, 8*time.Second, "it says what it is told", func() bool {
		return toneLevel(bridge.last(300*time.Millisecond), 990, bridgeRate) > -8
	})
	s.phone(t, "POST", "/calls/"+id+"/say", `{"say":[],"instead":true}`, http.StatusNoContent)
	s.phone(t, "POST", "/calls/"+id+"/dtmf", `{"digits":"1"}`, http.StatusNoContent)
	s.eventually(t, room, "the key is pressed", func(f CallFacts) bool { return f.DTMFSent == "1" })
	s.phone(t, "POST", "/calls/"+id+"/dtmf", `{"digits":"x"}`, http.StatusBadRequest)
	s.phone(t, "POST", "/calls/"+id+"/hangup", "", http.StatusNoContent)
	s.ended(t, room)
	bridge.waitFor(t, "hangup")
}

func within(t *testing.T, limit time.Duration, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

func TestPacketsEchoedWithoutDecoding(t *testing.T) {
	s := theStack(t)
	const number, room = "+5511900000009", "packets"
	s.script(t, number, `{"echo_packets":true,"hang_up_after_ms":2500}`)
	bridge := joinBridge(t, s, room)
	bridge.play(t, 440, -9)
	if answer := s.dial(t, number, room, nil); answer.status != 200 {
		t.Fatal(answer)
	}
	within(t, 8*time.Second, "the echo comes back", func() bool {
		return toneLevel(bridge.last(300*time.Millisecond), 440, bridgeRate) > -10
	})
	facts := s.ended(t, room)
	if facts.FirstVoiceAt != 0 || facts.PacketsSent < 80 {
		t.Errorf("%+v", facts)
	}
	var came []Arrival
	if err := json.Unmarshal(s.phone(t, "GET", "/calls/"+facts.ID+"/arrivals", "", 200), &came); err != nil {
		t.Fatal(err)
	}
	if len(came) < 80 || int64(len(came)) != facts.PacketsReceived {
		t.Fatalf("%d arrivals of %d packets", len(came), facts.PacketsReceived)
	}
	first, last := came[0], came[len(came)-1]
	clock := time.Duration(last.AtUS-first.AtUS) * time.Microsecond
	media := time.Duration(last.RTPTime-first.RTPTime) * time.Second / 48000
	if late := clock - media; late.Abs() > 200*time.Millisecond {
		t.Errorf("%v of sound came in %v", media, clock)
	}
}

func TestLossIsAGapInTheNumbering(t *testing.T) {
	s := theStack(t)
	const number, room = "+5511900000010", "lossy"
	s.script(t, number, `{"loss":0.2,"jitter_ms":30,"seed":7,"say":[{"tone_hz":660,"ms":60000}],"hang_up_after_ms":3000}`)
	bridge := joinBridge(t, s, room)
	if answer := s.dial(t, number, room, nil); answer.status != 200 {
		t.Fatal(answer)
	}
	facts := s.ended(t, room)
	share := float64(facts.PacketsDropped) / float64(facts.PacketsDropped+facts.PacketsSent)
	if share < 0.1 || share > 0.3 {
		t.Errorf("%d of %d packets dropped, want a fifth", facts.PacketsDropped, facts.PacketsSent+facts.PacketsDropped)
	}
	bridge.mu.Lock()
	seconds := float64(len(bridge.heard)) / bridgeRate
	bridge.mu.Unlock()
	if seconds > 2.8 {
		t.Errorf("%.1f s arrived of 3 s with a fifth lost", seconds)
	}
}

func TestPacketsAreKeptOnDemand(t *testing.T) {
	s := theStack(t)
	const number, room = "+5511900000012", "kept"
	s.script(t, number, `{"keep_packets":true,"hang_up_after_ms":3000,
		"say":[{"tone_hz":660,"ms":1000},{"loss":0.3,"jitter_ms":30,"seed":7},{"tone_hz":660,"ms":60000}]}`)
	bridge := joinBridge(t, s, room)
	bridge.play(t, 440, -9)
	if answer := s.dial(t, number, room, nil); answer.status != 200 {
		t.Fatal(answer)
	}
	facts := s.ended(t, room)
	var kept struct{ Heard, Said []Packet }
	if err := json.Unmarshal(s.phone(t, "GET", "/calls/"+facts.ID+"/packets", "", 200), &kept); err != nil {
		t.Fatal(err)
	}
	if int64(len(kept.Heard)) != facts.PacketsReceived || len(kept.Heard) < 80 {
		t.Errorf("%d packets heard are kept of %d", len(kept.Heard), facts.PacketsReceived)
	}
	if level := decodedTone(t, kept.Heard[20:60], 440); level < -11 {
		t.Errorf("they hold 440 Hz at %.1f dBFS", level)
	}
	if level := decodedTone(t, kept.Said[20:60], 660); level < -8 {
		t.Errorf("what was said holds 660 Hz at %.1f dBFS", level)
	}
	lost, last := 0, int64(0)
	for i, packet := range kept.Said {
		if packet.RTPTime != uint32(i)*960 {
			t.Fatalf("packet %d has the time %d", i, packet.RTPTime)
		}
		switch {
		case packet.AtUS == 0:
			lost++
		case packet.AtUS < last:
			t.Errorf("packet %d left before the one before", i)
		default:
			last = packet.AtUS
		}
		if i < 50 && lost > 0 {
			t.Fatalf("packet %d is lost before anything may be", i)
		}
	}
	// The last few may still have waited.
	if dropped := int(facts.PacketsDropped); lost < dropped || lost > dropped+3 || dropped < 10 {
		t.Errorf("%d packets never left, %d were lost", lost, dropped)
	}
}

// decodedTone is the level of a tone in what these packets hold.
func decodedTone(t *testing.T, packets []Packet, hz float64) float64 {
	t.Helper()
	decoder, err := gopus.NewDecoder(gopus.DefaultDecoderConfig(lineRate, 1))
	if err != nil {
		t.Fatal(err)
	}
	var heard []int16
	var pcm frame
	for _, packet := range packets {
		samples, err := decoder.DecodeInt16(packet.Payload, pcm[:])
		if err != nil {
			t.Fatal(err)
		}
		heard = append(heard, pcm[:samples]...)
	}
	return toneLevel(heard[len(heard)/2:], hz, lineRate)
}

func TestSilenceOnTheWireEndsTheCall(t *testing.T) {
	s := theStack(t)
	s.script(t, "+5511900000011", `{"media_timeout_ms":500,"say":[{"stop_sending":true}]}`)
	bridge := joinBridge(t, s, "mute")
	if answer := s.dial(t, "+5511900000011", "mute", nil); answer.status != 200 {
		t.Fatal(answer)
	}
	if facts := s.ended(t, "mute"); facts.EndedBy != endedByMediaTimeout || facts.CallStatus != "active" || facts.PacketsSent != 0 {
		t.Errorf("%+v", facts)
	}
	bridge.waitFor(t, "left CLIENT_INITIATED")
}
