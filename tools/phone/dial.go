package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/livekit/protocol/rpc"
)

const (
	// What a SIP node takes when the request does not say.
	defaultRinging     = 3 * time.Minute
	defaultMaxDuration = 24 * time.Hour
)

// dial places an outbound call: into the room, then INVITE, ringing, answer; the script is the other end. With
// wait_until_answered the request's context is the dial's, and its result the answer; without, the dial goes on alone.
func (n *Node) dial(ctx context.Context, req *rpc.InternalCreateSIPParticipantRequest) (string, error) {
	l := n.newLeg(n.calls.dialed(req), n.numbers.find(req.CallTo))
	facts := l.call.snapshot()
	slog.Info("dialed", "call", facts.ID, "sip_call_id", facts.SIPCallID, "number", masked(facts.Number),
		"room", facts.Room)
	l.line = newLine(l)
	n.remember(l)
	// The clock of the longest call starts before the dial.
	lifetime := time.AfterFunc(durationOr(req.MaxCallDuration.AsDuration(), defaultMaxDuration), func() { l.end(tooLong) })
	context.AfterFunc(l.life, func() { lifetime.Stop() })

	err := l.join(seat{room: req.RoomName, identity: req.ParticipantIdentity, name: req.ParticipantName,
		metadata: req.ParticipantMetadata, attributes: withMap(req.ParticipantAttributes)}, "dialing")
	if err != nil {
		l.end(faulty(err))
		l.leave()
		return "", endingOf(l.life).dial
	}
	id := l.room.LocalParticipant.SID()
	n.openTransfer(l)
	context.AfterFunc(l.life, l.leave)
	if !req.WaitUntilAnswered {
		go func() { _ = l.invite(context.Background(), req) }()
		return id, nil
	}
	return id, l.invite(ctx, req)
}

// invite returns nil once the call is answered, else the error that the caller of the API gets, after the leg's end.
func (l *leg) invite(ctx context.Context, req *rpc.InternalCreateSIPParticipantRequest) error {
	stopLink := context.AfterFunc(ctx, func() { l.end(dialGivenUp) })
	defer stopLink()
	ringing := time.AfterFunc(durationOr(req.RingingTimeout.AsDuration(), defaultRinging), func() { l.end(rangOut) })
	defer ringing.Stop()

	if why := l.untilAnswer(req.Username != "" && req.Password != ""); why != nil {
		l.end(why)
		return endingOf(l.life).dial
	}
	// From here on neither may end the call. If one of them came first, it has.
	if !ringing.Stop() || !stopLink() {
		<-l.life.Done()
		return endingOf(l.life).dial
	}
	l.answer(req.Dtmf)
	return nil
}

// untilAnswer plays the far side up to its 200; nil is an answer.
func (l *leg) untilAnswer(credentials bool) *ending {
	script := l.script
	switch {
	case script.NoResponse:
		if l.pause(script.noResponse()) {
			return noReply
		}
	case script.AuthRequired && !credentials:
		if l.pause(20 * time.Millisecond) {
			return rejectedBy(&Reject{Code: 407})
		}
	default:
		if script.ring() >= 0 {
			if !l.pause(script.ring()) {
				break
			}
			l.status("ringing")
		}
		if script.NeverAnswer {
			<-l.life.Done()
			break
		}
		if !l.pause(script.answerAfter()) {
			break
		}
		if script.Reject != nil {
			return rejectedBy(script.Reject)
		}
		return nil
	}
	return endingOf(l.life)
}

// answer is the 200 and what follows it in the room, in a SIP node's own order.
func (l *leg) answer(dtmf string) {
	l.set(map[string]string{attrCallTag: randomHex(8), attrCallIDFull: randomHex(16) + "@phone.invalid"})
	if dtmf != "" {
		l.status("automation")
		l.call.update(func(f *CallFacts) { f.DTMFHeard += dtmf })
		if !l.pause(dtmfTime(dtmf)) {
			return
		}
	}
	l.status("active")
	l.listen()
	l.talk()
}

// dtmfTime: 250 ms a key, w is a pause of half a second.
func dtmfTime(keys string) (total time.Duration) {
	for _, key := range keys {
		total += 250 * time.Millisecond
		if key == 'w' {
			total += 250 * time.Millisecond
		}
	}
	return total
}

// pause is true after d, false as soon as the leg is over.
func (l *leg) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-l.life.Done():
		return false
	case <-timer.C:
		return true
	}
}

func durationOr(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

func withMap(attributes map[string]string) map[string]string {
	if attributes == nil {
		return map[string]string{}
	}
	return attributes
}
