package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/livekit/protocol/logger"
	"github.com/livekit/protocol/sip"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/webrtc/v4"
)

// Attributes that livekit-sip sets and the protocol package has no name for.
const (
	attrCallTag    = "sip.callTag"
	attrCallIDFull = "sip.callIDFull"
)

// endCallMethod is the participant RPC with which anyone in the room can make a SIP participant hang up.
const endCallMethod = "lk.sip.EndCall"

// A leg is one telephone's place in a room, from joining to leaving. Whatever ends it says so once, to end.
type leg struct {
	node   *Node
	call   *Call
	script *Script
	room   *lksdk.Room
	track  *webrtc.TrackLocalStaticSample
	line   *line

	life context.Context // its cause is the ending
	end  context.CancelCauseFunc

	listening  atomic.Bool // subscribe to what is published
	heardTrack chan struct{}
	firstTrack sync.Once
	keys       chan byte
}

// seat says where a leg sits: what goes into its token.
type seat struct {
	room, identity, name, metadata string
	attributes                     map[string]string
}

func (n *Node) newLeg(call *Call, script *Script) *leg {
	l := &leg{node: n, call: call, script: script, heardTrack: make(chan struct{}), keys: make(chan byte, 64)}
	l.life, l.end = context.WithCancelCause(context.Background())
	return l
}

// join enters the room with a silent track published, as a SIP node does before it sends the INVITE.
func (l *leg) join(s seat, status string) error {
	attributes := maps.Clone(s.attributes)
	attributes[livekit.AttrSIPCallStatus] = status
	token, err := sip.BuildSIPToken(sip.SIPTokenParams{
		APIKey: l.node.config.apiKey, APISecret: l.node.config.apiSecret,
		RoomName: s.room, ParticipantIdentity: s.identity, ParticipantName: s.name,
		ParticipantMetadata: s.metadata, ParticipantAttributes: attributes,
	})
	if err != nil {
		return err
	}
	l.room = lksdk.NewRoom(l.callbacks())
	l.room.SetLogger(logger.GetDiscardLogger())
	_ = l.room.RegisterRpcCtxMethod(endCallMethod, func(context.Context, []byte) ([]byte, error) {
		l.end(hungUpByRPC)
		return nil, nil
	})
	// The room outlives its context: the SDK rejoins by itself after a restart of the server.
	err = l.room.JoinWithContextAndToken(context.Background(), l.node.config.livekitURL, token,
		lksdk.WithAutoSubscribe(false), lksdk.WithExtraAttributes(attributes), lksdk.WithDisableRegionDiscovery(),
		lksdk.WithCodecs([]livekit.Codec{{Mime: webrtc.MimeTypeOpus}}))
	if err != nil {
		return fmt.Errorf("join: %w", withoutURL(err))
	}
	l.room.LocalParticipant.SetAttributes(attributes)
	l.call.update(func(f *CallFacts) { f.JoinedAt, f.CallStatus, f.Phase = nowMS(), status, phaseOf(status, f.Phase) })
	return l.publish(s.identity)
}

func (l *leg) publish(name string) error {
	opus := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2}
	track, err := webrtc.NewTrackLocalStaticSample(opus, "audio", "phone")
	if err != nil {
		return err
	}
	l.track = track
	_, err = l.room.LocalParticipant.PublishTrack(track, &lksdk.TrackPublicationOptions{Name: name, DisableDTX: true})
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	return nil
}

func (l *leg) callbacks() *lksdk.RoomCallback {
	return &lksdk.RoomCallback{
		OnDisconnected: func() { l.end(roomGone) },
		OnReconnected:  l.subscribeAll,
		ParticipantCallback: lksdk.ParticipantCallback{
			OnTrackPublished: func(publication *lksdk.RemoteTrackPublication, _ *lksdk.RemoteParticipant) {
				l.subscribe(publication)
			},
			OnTrackSubscribed: func(track *webrtc.TrackRemote, _ *lksdk.RemoteTrackPublication, _ *lksdk.RemoteParticipant) {
				if track.Kind() == webrtc.RTPCodecTypeAudio {
					l.firstTrack.Do(func() { close(l.heardTrack) })
					go l.line.listen(track)
				}
			},
			OnDataPacket: func(packet lksdk.DataPacket, _ lksdk.DataReceiveParams) {
				if dtmf, ok := packet.(*livekit.SipDTMF); ok {
					l.hearKey(dtmf)
				}
			},
		},
	}
}

// hearKey: a telephone that has not answered hears no digits.
func (l *leg) hearKey(dtmf *livekit.SipDTMF) {
	l.call.update(func(f *CallFacts) {
		if f.AnsweredAt == 0 {
			return
		}
		digit := dtmf.Digit
		if digit == "" && int(dtmf.Code) < len(dtmfKeys) {
			digit = dtmfKeys[dtmf.Code : dtmf.Code+1]
		}
		f.DTMFHeard += digit
		f.DTMFHeardAt = append(f.DTMFHeardAt, nowMS())
	})
}

// listen starts to hear the room: a SIP node subscribes only once the call is answered.
func (l *leg) listen() {
	l.listening.Store(true)
	l.subscribeAll()
}

func (l *leg) subscribeAll() {
	for _, participant := range l.room.GetRemoteParticipants() {
		for _, publication := range participant.TrackPublications() {
			if remote, ok := publication.(*lksdk.RemoteTrackPublication); ok {
				l.subscribe(remote)
			}
		}
	}
}

func (l *leg) subscribe(publication *lksdk.RemoteTrackPublication) {
	if l.listening.Load() && publication.Kind() == lksdk.TrackKindAudio {
		_ = publication.SetSubscribed(true)
	}
}

func (l *leg) set(attributes map[string]string) {
	l.room.LocalParticipant.SetAttributes(attributes)
}

// status moves sip.callStatus on.
func (l *leg) status(status string) {
	l.set(map[string]string{livekit.AttrSIPCallStatus: status})
	l.call.update(func(f *CallFacts) {
		f.CallStatus, f.Phase = status, phaseOf(status, f.Phase)
		switch status {
		case "ringing":
			f.RingingAt = nowMS()
		case "active":
			f.AnsweredAt = nowMS()
		}
	})
}

func phaseOf(status, before string) string {
	switch status {
	case "dialing", "ringing", "active":
		return status
	}
	return before
}

// talk starts the conversation: the clock of frames, the keys, and whatever may end it.
func (l *leg) talk() {
	if ms := l.script.HangUpAfterMS; ms != nil {
		timer := time.AfterFunc(time.Duration(*ms)*time.Millisecond, func() { l.end(hungUpByCallee) })
		context.AfterFunc(l.life, func() { timer.Stop() })
	}
	go l.pressKeys()
	go l.line.run()
}

func (l *leg) pressKeys() {
	for {
		select {
		case <-l.life.Done():
			return
		case key := <-l.keys:
			if packet := dtmfPacket(key); packet != nil {
				if l.room.LocalParticipant.PublishDataPacket(packet, lksdk.WithDataPublishReliable(true)) == nil {
					l.call.update(func(f *CallFacts) { f.DTMFSent += string(key) })
				}
			}
		}
	}
}

// leave takes the participant out of the room in the way that the ending wants, and forgets the leg: an ended call's
// room would hold 160 kB.
func (l *leg) leave() {
	cause := endingOf(l.life)
	answered := l.call.snapshot().AnsweredAt != 0
	reason := cause.reason
	switch {
	case l.room == nil:
	case cause.by == endedByRoom:
		l.call.update(func(f *CallFacts) { f.EndReason = l.room.DisconnectReason().String() })
		l.room.Disconnect()
	default:
		if cause.hangup && answered {
			l.status("hangup")
			reason = livekit.DisconnectReason_CLIENT_INITIATED
		}
		l.room.DisconnectWithReason(reason)
	}
	l.call.update(func(f *CallFacts) {
		f.Phase, f.EndedAt, f.EndedBy = "ended", nowMS(), cause.by
		if cause.detail != "" {
			f.EndReason = cause.detail
		}
	})
	l.node.forget(l)
	facts := l.call.snapshot()
	slog.Info("call ended", "call", facts.ID, "sip_call_id", facts.SIPCallID, "ended_by", facts.EndedBy,
		"end_reason", facts.EndReason, "answered", answered)
}

// withoutURL: the address of a failed join holds the attributes, and with them the person's number.
func withoutURL(err error) error {
	var failed *url.Error
	if errors.As(err, &failed) {
		return failed.Err
	}
	return err
}

func randomHex(bytes int) string {
	raw := make([]byte, bytes)
	_, _ = rand.Read(raw) // never fails (crypto/rand)
	return hex.EncodeToString(raw)
}
