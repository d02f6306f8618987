package main

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/livekit/protocol/logger"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"
	"github.com/thesyncim/gopus"
)

// A testBridge is the other side of a call: a participant that plays a tone, and remembers what it hears and sees.
type testBridge struct {
	room  *lksdk.Room
	track *webrtc.TrackLocalStaticSample
	stop  chan struct{}

	mu     sync.Mutex
	heard  []int16 // 48 kHz
	events []string
	keys   string
}

const bridgeRate = 48000

func joinBridge(t *testing.T, s *stack, room string) *testBridge {
	t.Helper()
	b := &testBridge{stop: make(chan struct{})}
	callback := lksdk.NewRoomCallback()
	callback.OnAttributesChanged = func(changed map[string]string, p lksdk.Participant) {
		if status := changed[livekit.AttrSIPCallStatus]; status != "" {
			b.saw(status)
		}
	}
	callback.OnParticipantConnected = func(p *lksdk.RemoteParticipant) {
		b.saw(fmt.Sprintf("joined kind=%v %s", p.Kind() == lksdk.ParticipantSIP, p.Attributes()[livekit.AttrSIPCallStatus]))
	}
	callback.OnParticipantDisconnected = func(p *lksdk.RemoteParticipant) {
		b.saw("left " + p.DisconnectReason().String())
	}
	callback.OnTrackSubscribed = func(track *webrtc.TrackRemote, _ *lksdk.RemoteTrackPublication, _ *lksdk.RemoteParticipant) {
		go b.listen(track)
	}
	callback.OnDataPacket = func(packet lksdk.DataPacket, _ lksdk.DataReceiveParams) {
		if dtmf, ok := packet.(*livekit.SipDTMF); ok {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.keys += dtmf.Digit
		}
	}
	var err error
	b.room = lksdk.NewRoom(callback)
	b.room.SetLogger(logger.GetDiscardLogger())
	// A server that was just restarted still looks for the room at its own former self, for some seconds.
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(500 * time.Millisecond) {
		err = b.room.Join("ws"+s.livekit[len("http"):], lksdk.ConnectInfo{APIKey: testKey, APISecret: testSecret,
			RoomName: room, ParticipantIdentity: "bridge"})
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		b.room = lksdk.NewRoom(callback)
		b.room.SetLogger(logger.GetDiscardLogger())
	}
	t.Cleanup(func() { close(b.stop); b.room.Disconnect() })
	return b
}

// play publishes a tone and keeps it going.
func (b *testBridge) play(t *testing.T, hz, dbfs float64) {
	t.Helper()
	var err error
	b.track, err = webrtc.NewTrackLocalStaticSample(
		webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: bridgeRate, Channels: 2}, "audio", "bridge")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.room.LocalParticipant.PublishTrack(b.track, &lksdk.TrackPublicationOptions{Name: "bridge"}); err != nil {
		t.Fatal(err)
	}
	encoder, err := gopus.NewEncoder(gopus.EncoderConfig{SampleRate: bridgeRate, Channels: 1, Application: gopus.ApplicationLowDelay})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		var pcm [bridgeRate / 50]int16
		var packet [1500]byte
		for n := 0; ; n++ {
			select {
			case <-b.stop:
				return
			case <-tick.C:
			}
			for i := range pcm {
				at := float64(n*len(pcm)+i) / bridgeRate
				pcm[i] = int16(32767 * math.Pow(10, dbfs/20) * math.Sin(2*math.Pi*hz*at))
			}
			if size, err := encoder.EncodeInt16(pcm[:], packet[:]); err == nil {
				_ = b.track.WriteSample(media.Sample{Data: packet[:size], Duration: 20 * time.Millisecond})
			}
		}
	}()
}

func (b *testBridge) listen(track *webrtc.TrackRemote) {
	decoder, err := gopus.NewDecoder(gopus.DefaultDecoderConfig(bridgeRate, 1))
	if err != nil {
		return
	}
	var pcm [5760]int16
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		if samples, err := decoder.DecodeInt16(packet.Payload, pcm[:]); err == nil && len(packet.Payload) > 0 {
			b.mu.Lock()
			b.heard = append(b.heard, pcm[:samples]...)
			b.mu.Unlock()
		}
	}
}

func (b *testBridge) saw(event string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events = append(b.events, event)
}

func (b *testBridge) log() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.events)
}

// last is the end of what was heard.
func (b *testBridge) last(d time.Duration) []int16 {
	b.mu.Lock()
	defer b.mu.Unlock()
	want := int(d.Seconds() * bridgeRate)
	return slices.Clone(b.heard[max(0, len(b.heard)-want):])
}

func (b *testBridge) waitFor(t *testing.T, event string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !slices.Contains(b.log(), event); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%q was not seen within 10 s: %q", event, b.log())
		}
	}
}
