package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// What the phone promises, against the real livekit-server.

func TestAnsweredWithTonesBothWays(t *testing.T) {
	s := theStack(t)
	const number, room = "+5511900000001", "tones"
	s.script(t, number, `{"ring_ms":100,"answer_after_ms":400,
		"say":[{"wait_for_voice_ms":5000},{"wait_ms":200},{"tone_hz":660,"ms":2500,"dbfs":-6},{"dtmf":"4#"},{"hang_up":true}]}`)
	bridge := joinBridge(t, s, room)
	bridge.play(t, 440, -9)
	answer := s.dial(t, number, room, map[string]any{"participant_attributes": map[string]string{"task": "t1"}})
	if answer.status != http.StatusOK || answer.body["participant_identity"] != "callee-tones" {
		t.Fatalf("%d %v", answer.status, answer.body)
	}
	if answer.took < 500*time.Millisecond || answer.took > 3*time.Second {
		t.Errorf("answered after %v, want about 0.5 s", answer.took)
	}
	facts := s.only(t, room)
	if facts.Phase != "active" || facts.AnsweredAt == 0 || facts.SIPCallID != answer.body["sip_call_id"] {
		t.Errorf("%+v", facts)
	}
	participant := bridge.room.GetParticipantByIdentity("callee-tones")
	for name, want := range map[string]string{"sip.callStatus": "active", "sip.phoneNumber": number,
		"sip.trunkPhoneNumber": "+15550100", "sip.trunkID": s.trunk, "sip.callID": facts.SIPCallID, "task": "t1"} {
		bridge.waitFor(t, "active")
		if got := participant.Attributes()[name]; got != want {
			t.Errorf("attribute %s is %q, want %q", name, got, want)
		}
	}
	s.eventually(t, room, "it hears a voice", func(f CallFacts) bool { return f.FirstVoiceAt != 0 })
	time.Sleep(1500 * time.Millisecond)
	heard := bridge.last(500 * time.Millisecond)
	if level := toneLevel(heard, 660, bridgeRate); level < -7.5 || level > -5 {
		t.Errorf("the room hears 660 Hz at %.1f dBFS, want -6", level)
	}
	if level := toneLevel(heard, 440, bridgeRate); level > -40 {
		t.Errorf("the room hears its own 440 Hz at %.1f dBFS", level)
	}
	facts = s.ended(t, room)
	bridge.waitFor(t, "left CLIENT_INITIATED")
	events := bridge.log()
	if want := []string{"joined kind=true dialing", "ringing", "active", "hangup", "left CLIENT_INITIATED"}; !equalButFor(events, want, "dialing") {
		t.Errorf("the room saw %q, want %q", events, want)
	}
	if facts.EndedBy != endedByCallee || facts.DTMFSent != "4#" || bridge.keys != "4#" {
		t.Errorf("ended by %s, sent keys %q, seen %q", facts.EndedBy, facts.DTMFSent, bridge.keys)
	}
	if facts.PacketsSent < 100 || facts.PacketsReceived < 100 || facts.PacketsLost > 2 {
		t.Errorf("sent %d, received %d, lost %d", facts.PacketsSent, facts.PacketsReceived, facts.PacketsLost)
	}
	checkRecording(t, s, facts)
}

// equalButFor compares, and forgives repetitions of one event.
func equalButFor(got, want []string, repeated string) bool {
	return slices.Equal(slices.DeleteFunc(slices.Clone(got), func(e string) bool { return e == repeated }), want)
}

func checkRecording(t *testing.T, s *stack, facts CallFacts) {
	t.Helper()
	data := s.phone(t, "GET", "/calls/"+facts.ID+"/audio.wav", "", 200)[44:]
	var left, right []int16
	for i := 0; i+3 < len(data); i += 4 {
		left = append(left, int16(uint16(data[i])|uint16(data[i+1])<<8))
		right = append(right, int16(uint16(data[i+2])|uint16(data[i+3])<<8))
	}
	lasted := float64(facts.EndedAt-facts.AnsweredAt) / 1000
	if seconds := float64(len(left)) / lineRate; seconds < lasted-0.2 || seconds > lasted+0.2 {
		t.Errorf("%.2f s recorded of a call of %.2f s", seconds, lasted)
	}
	middle := left[len(left)/2 : len(left)/2+lineRate/2]
	if level := toneLevel(middle, 440, lineRate); level < -10.5 || level > -8 {
		t.Errorf("the phone heard 440 Hz at %.1f dBFS, want -9", level)
	}
	if level := toneLevel(middle, 660, lineRate); level > -40 {
		t.Errorf("the phone heard its own 660 Hz at %.1f dBFS", level)
	}
	middle = right[len(right)/2 : len(right)/2+lineRate/2]
	if level := toneLevel(middle, 660, lineRate); level < -6.5 || level > -5.5 {
		t.Errorf("the phone said 660 Hz at %.1f dBFS, want -6", level)
	}
}

func TestRejectionsReachTheCaller(t *testing.T) {
	s := theStack(t)
	for _, c := range []struct {
		number, room, script string
		status               int
		code, msg            string
		sipCode, left        string
	}{
		{"+5511000486", "r486", "", 429, "resource_exhausted", "INVITE failed: sip status: 486: Busy Here", "486", "USER_REJECTED"},
		{"+5511000603", "r603", "", 403, "permission_denied", "sip status: 603: Decline", "603", "USER_REJECTED"},
		{"+5511000404", "r404", "", 404, "not_found", "sip status: 404: Not Found", "404", "USER_UNAVAILABLE"},
		{"+5511000500", "r500", "", 412, "failed_precondition", "sip status: 500: Server Internal Error", "500", "CLIENT_INITIATED"},
		{"+5511900000480", "r480", `{"reject":{"code":480,"text":"Away"}}`, 429, "resource_exhausted", "480: Away", "480", "USER_UNAVAILABLE"},
		{"+5511900000407", "r407", `{"auth_required":true}`, 412, "failed_precondition",
			"sip server required auth, but no username or password was provided", "", "USER_REJECTED"},
		{"+5511900000032", "nobody", `{"no_response":true,"no_response_ms":300}`, 408, "canceled",
			"transaction failed to complete (0 intermediate responses)", "", "USER_UNAVAILABLE"},
	} {
		if c.script != "" {
			s.script(t, c.number, c.script)
		}
		bridge := joinBridge(t, s, c.room)
		answer := s.dial(t, c.number, c.room, nil)
		meta, _ := answer.body["meta"].(map[string]any)
		sipCode, _ := meta["sip_status_code"].(string)
		if answer.status != c.status || answer.body["code"] != c.code || sipCode != c.sipCode ||
			!strings.Contains(fmt.Sprint(answer.body["msg"]), c.msg) {
			t.Errorf("%s: %d %v", c.room, answer.status, answer.body)
		}
		if facts := s.ended(t, c.room); facts.AnsweredAt != 0 || facts.EndedAt == 0 {
			t.Errorf("%s: %+v", c.room, facts)
		}
		bridge.waitFor(t, "left "+c.left)
		if slices.Contains(bridge.log(), "hangup") || slices.Contains(bridge.log(), "active") {
			t.Errorf("%s: the room saw %q", c.room, bridge.log())
		}
	}
}

// A ring that nobody takes, and a room deleted while it rings, give one and the same answer.
func TestGivenUpWhileRinging(t *testing.T) {
	s := theStack(t)
	const number = "+5511900000002"
	s.script(t, number, `{"ring_ms":50,"never_answer":true}`)
	check := func(room, by string, answer apiAnswer) {
		t.Helper()
		if answer.status != 408 || answer.body["code"] != "canceled" || answer.body["meta"] != nil ||
			!strings.Contains(fmt.Sprint(answer.body["msg"]), "sip request timed out") {
			t.Errorf("%s: %d %v", room, answer.status, answer.body)
		}
		if facts := s.ended(t, room); facts.EndedBy != by || facts.RingingAt == 0 {
			t.Errorf("%s: %+v", room, facts)
		}
	}
	answer := s.dial(t, number, "ring-out", map[string]any{"ringing_timeout": "1s"})
	check("ring-out", endedByRingTimeout, answer)

	time.AfterFunc(time.Second, func() { _, _ = s.api("RoomService/DeleteRoom", map[string]any{"room": "ring-gone"}, 0) })
	check("ring-gone", endedByRoom, s.dial(t, number, "ring-gone", nil))

	time.AfterFunc(time.Second, func() {
		_, _ = s.api("RoomService/RemoveParticipant", map[string]any{"room": "ring-removed", "identity": "callee-ring-removed"}, 0)
	})
	check("ring-removed", endedByRoom, s.dial(t, number, "ring-removed", nil))

	answer, err := s.api("SIP/CreateSIPParticipant", map[string]any{"sip_trunk_id": s.trunk, "sip_call_to": number,
		"room_name": "ring-late", "wait_until_answered": true, "ringing_timeout": "20s"}, 1000)
	if err != nil || answer.status != 408 || answer.body["code"] != "deadline_exceeded" {
		t.Errorf("a request shorter than the ring: %d %v %v", answer.status, answer.body, err)
	}
	if facts := s.ended(t, "ring-late"); facts.EndedBy != endedByCanceled {
		t.Errorf("%+v", facts)
	}
}

func TestRoomDeletedWhileTalking(t *testing.T) {
	s := theStack(t)
	if answer := s.dial(t, "+5511900000003", "deleted", nil); answer.status != 200 {
		t.Fatal(answer)
	}
	if answer, err := s.api("RoomService/DeleteRoom", map[string]any{"room": "deleted"}, 0); err != nil || answer.status != 200 {
		t.Fatal(answer, err)
	}
	facts := s.ended(t, "deleted")
	if facts.EndedBy != endedByRoom || facts.EndReason != "ROOM_DELETED" || facts.CallStatus != "active" {
		t.Errorf("%+v", facts)
	}
	s.phone(t, "POST", "/calls/"+facts.ID+"/hangup", "", http.StatusConflict)
}

func TestMaxCallDurationStartsAtTheDial(t *testing.T) {
	s := theStack(t)
	bridge := joinBridge(t, s, "long")
	if answer := s.dial(t, "+5511900000004", "long", map[string]any{"max_call_duration": "2s"}); answer.status != 200 {
		t.Fatal(answer)
	}
	facts := s.ended(t, "long")
	if lasted := facts.EndedAt - facts.DialedAt; facts.EndedBy != endedByMaxDuration || lasted < 1990 || lasted > 2600 {
		t.Errorf("ended by %s, %d ms after the dial", facts.EndedBy, lasted)
	}
	bridge.waitFor(t, "left CLIENT_INITIATED")
	if !slices.Contains(bridge.log(), "hangup") {
		t.Errorf("the room saw %q", bridge.log())
	}
}

func TestWithoutWaitingTheDialGoesOn(t *testing.T) {
	s := theStack(t)
	s.script(t, "+5511900000005", `{"ring_ms":300,"answer_after_ms":500,"say":[{"wait_ms":500},{"hang_up":true}]}`)
	answer := s.dial(t, "+5511900000005", "no-wait", map[string]any{"wait_until_answered": false})
	if answer.status != 200 || s.only(t, "no-wait").AnsweredAt != 0 {
		t.Errorf("%v, and the phone: %+v", answer, s.only(t, "no-wait"))
	}
	if facts := s.ended(t, "no-wait"); facts.AnsweredAt == 0 || facts.EndedBy != endedByCallee {
		t.Errorf("%+v", facts)
	}
}

func TestTransfer(t *testing.T) {
	s := theStack(t)
	s.script(t, "+5511900000006", `{"transfer":{"reject":{"code":405}}}`)
	for _, c := range []struct {
		number, room string
		status       int
		by           string
	}{{"+5511900000006", "refer-405", 400, ""}, {"+5511900000007", "refer-ok", 200, endedByTransfer}} {
		if answer := s.dial(t, c.number, c.room, nil); answer.status != 200 {
			t.Fatal(answer)
		}
		answer, err := s.api("SIP/TransferSIPParticipant", map[string]any{
			"room_name": c.room, "participant_identity": "callee-" + c.room, "transfer_to": "tel:+15550123",
			"room": c.room}, 5000)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer
		if answer.status != c.status {
			t.Errorf("%s: %d %v", c.room, answer.status, answer.body)
		}
		if c.by != "" {
			if facts := s.ended(t, c.room); facts.EndedBy != c.by || facts.CallStatus != "hangup" {
				t.Errorf("%+v", facts)
			}
		} else if facts := s.only(t, c.room); facts.Phase != "active" || facts.Transfers != 1 ||
			facts.TransferTo != "tel:+15550123" {
			t.Errorf("%+v", facts)
		}
	}
}

func TestATransferThatNobodyTellsOf(t *testing.T) {
	s := theStack(t)
	transfer := func(number, room, script string) (apiAnswer, time.Duration) {
		s.script(t, number, script)
		if answer := s.dial(t, number, room, nil); answer.status != 200 {
			t.Fatal(answer)
		}
		asked := time.Now()
		answer, err := s.api("SIP/TransferSIPParticipant", map[string]any{
			"room_name": room, "participant_identity": "callee-" + room, "transfer_to": "tel:+15550123",
			"ringing_timeout": "1s", "play_dialtone": true, "room": room}, 5000)
		if err != nil {
			t.Fatal(err)
		}
		return answer, time.Since(asked)
	}
	answer, took := transfer("+5511900000008", "refer-silent", `{"transfer":{"no_reply":true}}`)
	if answer.status == 200 || took < 900*time.Millisecond || took > 3*time.Second {
		t.Errorf("%d %v after %v", answer.status, answer.body, took)
	}
	facts := s.only(t, "refer-silent")
	if facts.Phase != "active" || facts.TransferRinging != 1000 || !facts.TransferDialtone {
		t.Errorf("%+v", facts)
	}
	answer, _ = transfer("+5511900000009", "refer-bye", `{"transfer":{"after_ms":900,"bye_at_ms":100}}`)
	if answer.status != 200 || s.ended(t, "refer-bye").EndedBy != endedByTransfer {
		t.Errorf("%d %v", answer.status, answer.body)
	}
}
