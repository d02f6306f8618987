package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/livekit/protocol/rpc"
)

// CallFacts is what the control API says of one call. Instants are Unix milliseconds, absent until they happened.
type CallFacts struct {
	ID               string  `json:"id"`
	SIPCallID        string  `json:"sip_call_id"`
	Direction        string  `json:"direction"` // outbound, inbound: as livekit sees it
	Number           string  `json:"number"`    // the person's
	From             string  `json:"from"`      // who calls
	Room             string  `json:"room"`
	Identity         string  `json:"identity"`
	Trunk            string  `json:"trunk"`
	Phase            string  `json:"phase"`       // dialing, ringing, active, ended
	CallStatus       string  `json:"call_status"` // the last sip.callStatus
	DialedAt         int64   `json:"dialed_at"`
	JoinedAt         int64   `json:"joined_at,omitempty"`
	RingingAt        int64   `json:"ringing_at,omitempty"`
	AnsweredAt       int64   `json:"answered_at,omitempty"`
	EndedAt          int64   `json:"ended_at,omitempty"`
	EndedBy          string  `json:"ended_by,omitempty"`
	EndReason        string  `json:"end_reason,omitempty"` // what livekit-server or the script said, if anything
	RingingTimeoutMS int64   `json:"ringing_timeout_ms,omitempty"`
	MaxDurationMS    int64   `json:"max_call_duration_ms,omitempty"`
	WaitUntilAnswer  bool    `json:"wait_until_answered"`
	FirstVoiceAt     int64   `json:"heard_first_voice_at,omitempty"`
	LastVoiceAt      int64   `json:"heard_last_voice_at,omitempty"`
	VoiceMS          int64   `json:"heard_voice_ms"`
	PeakLevelDBFS    float64 `json:"heard_peak_dbfs,omitempty"` // loudest frame, RMS
	DTMFHeard        string  `json:"dtmf_heard"`
	DTMFHeardAt      []int64 `json:"dtmf_heard_at,omitempty"` // one a key
	DTMFSent         string  `json:"dtmf_sent"`
	Transfers        int     `json:"transfers"`
	TransferTo       string  `json:"transfer_to,omitempty"` // Refer-To of the last one
	TransferRinging  int64   `json:"transfer_ringing_timeout_ms,omitempty"`
	TransferDialtone bool    `json:"transfer_dialtone,omitempty"`
	ScriptDone       bool    `json:"script_done"`
	PacketsReceived  int64   `json:"packets_received"`
	PacketsLost      int64   `json:"packets_lost"`
	PacketsBroken    int64   `json:"packets_undecodable"`
	PacketsSent      int64   `json:"packets_sent"`
	PacketsDropped   int64   `json:"packets_dropped_by_script"`
	Starved          int     `json:"hearing_starved"`
	FramesDiscarded  int     `json:"hearing_discarded"`
}

// A Call is one call's record; it outlives the leg.
type Call struct {
	mu        sync.Mutex
	facts     CallFacts
	recording recording
	arrivals  arrivals
	packets   packets
}

func (c *Call) update(change func(*CallFacts)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.facts)
}

func (c *Call) snapshot() CallFacts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.facts
}

// A callLog keeps every call since the start, in order.
type callLog struct {
	mu    sync.Mutex
	calls []*Call
}

func (l *callLog) add(facts CallFacts) *Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	facts.ID = fmt.Sprintf("call-%d", len(l.calls)+1)
	facts.Phase = "dialing"
	facts.DialedAt = nowMS()
	call := &Call{facts: facts}
	l.calls = append(l.calls, call)
	return call
}

// dialed records what livekit-server asks for, before anything is done about it: the count of these is the count of
// dials that reached the carrier.
func (l *callLog) dialed(req *rpc.InternalCreateSIPParticipantRequest) *Call {
	return l.add(CallFacts{
		SIPCallID:        req.SipCallId,
		Direction:        "outbound",
		Number:           req.CallTo,
		From:             req.Number,
		Room:             req.RoomName,
		Identity:         req.ParticipantIdentity,
		Trunk:            req.SipTrunkId,
		RingingTimeoutMS: req.RingingTimeout.AsDuration().Milliseconds(),
		MaxDurationMS:    req.MaxCallDuration.AsDuration().Milliseconds(),
		WaitUntilAnswer:  req.WaitUntilAnswered,
	})
}

func (l *callLog) all() []*Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]*Call(nil), l.calls...)
}

// find takes our own id or LiveKit's SIP call id.
func (l *callLog) find(id string) *Call {
	for _, call := range l.all() {
		if facts := call.snapshot(); facts.ID == id || facts.SIPCallID == id {
			return call
		}
	}
	return nil
}

func nowMS() int64 { return time.Now().UnixMilli() }

// masked is a number fit for a log.
func masked(number string) string {
	runes := []rune(number)
	if len(runes) < 10 {
		return "•••••"
	}
	return string(runes[:5]) + "•••••" + string(runes[len(runes)-4:])
}

// The keys of a telephone with their codes of RFC 4733, table 3.
const dtmfKeys = "0123456789*#ABCD"

func dtmfPacket(key byte) *livekit.SipDTMF {
	for code := range dtmfKeys {
		if dtmfKeys[code] == key {
			return &livekit.SipDTMF{Code: uint32(code), Digit: string(key)}
		}
	}
	return nil
}
