package main

import (
	"errors"
	"log/slog"
	"maps"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/livekit/protocol/sip"
)

// An InboundCall is a person who calls in: they come straight into the room, as if a dispatch rule had sent them there.
type InboundCall struct {
	From             string            `json:"from"`
	To               string            `json:"to,omitempty"`
	Room             string            `json:"room"`
	Identity         string            `json:"identity,omitempty"`
	Name             string            `json:"name,omitempty"`
	Trunk            string            `json:"trunk,omitempty"`
	Rule             string            `json:"rule,omitempty"`
	RingingTimeoutMS *int              `json:"ringing_timeout_ms,omitempty"`
	Attributes       map[string]string `json:"attributes,omitempty"`
	Script
}

func parseInbound(data []byte) (*InboundCall, error) {
	in := new(InboundCall)
	if err := decodeStrict(data, in); err != nil {
		return nil, err
	}
	if in.From == "" || in.Room == "" {
		return nil, errors.New("from and room are required")
	}
	if in.Identity == "" {
		in.Identity = "sip_" + in.From
	}
	if in.Name == "" {
		in.Name = "Phone " + in.From
	}
	return in, in.check(".")
}

// inbound lets a person call in. It returns once they are in the room and hear it ring; the call is answered when
// somebody else's audio track arrives, which is when a SIP node sends the 200.
func (n *Node) inbound(in *InboundCall) (*Call, error) {
	call := n.calls.add(CallFacts{SIPCallID: sip.NewCallID(), Direction: "inbound", Number: in.From, From: in.From,
		Room: in.Room, Identity: in.Identity, Trunk: in.Trunk})
	facts := call.snapshot()
	slog.Info("calling in", "call", facts.ID, "sip_call_id", facts.SIPCallID, "number", masked(in.From), "room", in.Room)
	l := n.newLeg(call, &in.Script)
	l.line = newLine(l)
	n.remember(l)
	attributes := map[string]string{
		livekit.AttrSIPCallID:         facts.SIPCallID,
		livekit.AttrSIPPhoneNumber:    in.From,
		livekit.AttrSIPTrunkNumber:    in.To,
		livekit.AttrSIPTrunkID:        in.Trunk,
		livekit.AttrSIPDispatchRuleID: in.Rule,
		attrCallIDFull:                randomHex(16) + "@phone.invalid",
		attrCallTag:                   randomHex(8),
	}
	maps.DeleteFunc(attributes, func(_, value string) bool { return value == "" })
	maps.Copy(attributes, in.Attributes)
	l.listening.Store(true)
	if err := l.join(seat{room: in.Room, identity: in.Identity, name: in.Name, attributes: attributes}, "ringing"); err != nil {
		l.end(faulty(err))
		l.leave()
		return call, err
	}
	call.update(func(f *CallFacts) { f.RingingAt = f.JoinedAt })
	n.openTransfer(l)
	l.subscribeAll()
	go l.untilTaken(msOr(in.RingingTimeoutMS, int(defaultRinging/time.Millisecond)))
	return call, nil
}

func (l *leg) untilTaken(patience time.Duration) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-l.life.Done():
	case <-timer.C:
		l.end(rangOut)
	case <-l.heardTrack:
		l.status("active")
		l.talk()
	}
	<-l.life.Done()
	l.leave()
}
