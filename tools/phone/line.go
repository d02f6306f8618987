package main

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"
	"github.com/thesyncim/gopus"
)

const frameTime = frameMS * time.Millisecond

// A line is the audio of one leg: every 20 ms it takes what the room sends, gives it to the person, and sends what the
// person says.
type line struct {
	leg   *leg
	mixer *mixer
	muted atomic.Bool

	mu     sync.Mutex // of the player, which the control API also talks to
	player Player

	encoder    *gopus.Encoder
	network    network
	random     *rand.Rand
	lost       uint16 // samples withheld in the room since the last one sent
	quiet      time.Duration
	departures chan departure

	heard, said           frame
	heardCodes, saidCodes [frameSamples]byte
	packet                [1500]byte
}

// A departure is a packet that waits for its moment: that is jitter.
type departure struct {
	at     time.Time
	sample media.Sample
	kept   int // which of the kept packets it is, −1 if none are
}

// A network is what packets meet on their way to the room.
type network struct {
	loss     float64
	jitterMS int
	seed     uint64
}

func newLine(l *leg) *line {
	ln := &line{leg: l, mixer: newMixer()}
	ln.player.Add(l.script.Say)
	ln.meets(network{l.script.Loss, l.script.JitterMS, l.script.Seed})
	return ln
}

// meets: from now on packets meet this network. Once some have waited, all do: they stay in order.
func (ln *line) meets(n network) {
	ln.network = n
	ln.random = rand.New(rand.NewPCG(n.seed, n.seed^0x9e3779b97f4a7c15))
	if n.jitterMS > 0 && ln.departures == nil {
		ln.departures = make(chan departure, 1024)
		go ln.depart()
	}
}

// say gives the person more steps, after those not done yet or instead of them.
func (ln *line) say(steps []Step, instead bool) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if instead {
		ln.player.Replace(steps)
	} else {
		ln.player.Add(steps)
	}
	ln.leg.call.update(func(f *CallFacts) { f.ScriptDone = false })
}

// run is the clock: absolute deadlines, so that lateness does not add up and the recording keeps real time.
func (ln *line) run() {
	var err error
	ln.encoder, err = gopus.NewEncoder(gopus.EncoderConfig{
		SampleRate: lineRate, Channels: 1, Application: gopus.ApplicationLowDelay})
	if err == nil {
		err = ln.encoder.SetFrameSize(frameSamples)
	}
	if err == nil {
		err = ln.encoder.SetComplexity(3) // a third cheaper than the default, and the line is the narrower gate
	}
	if err != nil {
		ln.leg.end(faulty(err))
		return
	}
	next := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ln.leg.life.Done():
			return
		case <-timer.C:
		}
		now := time.Now()
		// After a long stop only the last 200 ms are made up for; the rest is silence on both sides.
		for ; now.Sub(next) > 10*frameTime; next = next.Add(frameTime) {
			ln.skip()
		}
		for ; !next.After(now); next = next.Add(frameTime) {
			ln.turn()
		}
		timer.Reset(time.Until(next))
	}
}

// skip records 20 ms in which nobody was there.
func (ln *line) skip() {
	clear(ln.heard[:])
	clear(ln.said[:])
	overLine(&ln.heard, &ln.heardCodes)
	ln.record()
}

// turn is 20 ms of conversation.
func (ln *line) turn() {
	ln.mixer.mix(&ln.heard)
	overLine(&ln.heard, &ln.heardCodes)
	level := levelDBFS(&ln.heard)
	voice := level > voiceDBFS

	ln.mu.Lock()
	turn := ln.player.Next(voice)
	done := len(ln.player.steps) == 0
	ln.said = *turn.Frame
	ln.mu.Unlock()

	script := ln.leg.script
	if script.Echo {
		addSaturating(&ln.said, ln.heard[:])
	}
	if turn.Muted || ln.muted.Load() {
		clear(ln.said[:])
	}
	ln.record()
	ln.note(level, voice, done)
	if turn.Key != 0 {
		select {
		case ln.leg.keys <- turn.Key:
		default:
		}
	}
	if turn.Meets != nil {
		ln.meets(*turn.Meets)
	}
	if turn.HangUp {
		ln.leg.end(hungUpByCallee)
		return
	}
	if !script.EchoPackets {
		ln.send(turn.NoRTP)
	}
}

// record takes down what was heard (it came over the line already) and what goes over it now.
func (ln *line) record() {
	overLine(&ln.said, &ln.saidCodes)
	ln.leg.call.recording.add(&ln.heardCodes, &ln.saidCodes)
}

func (ln *line) note(level float64, voice, done bool) {
	starved, discarded := ln.mixer.troubles()
	ln.leg.call.update(func(f *CallFacts) {
		f.ScriptDone = done
		f.Starved, f.FramesDiscarded = starved, discarded
		if !voice {
			return
		}
		f.LastVoiceAt = nowMS()
		if f.FirstVoiceAt == 0 {
			f.FirstVoiceAt, f.PeakLevelDBFS = f.LastVoiceAt, level
		}
		f.PeakLevelDBFS = max(f.PeakLevelDBFS, level)
		f.VoiceMS += frameMS
	})
}

// send encodes what was said and lets it go, unless the script loses it.
func (ln *line) send(noRTP bool) {
	script := ln.leg.script
	if noRTP {
		if ln.quiet += frameTime; ln.quiet >= script.mediaTimeout() {
			ln.leg.end(mediaTimeout)
		}
		return
	}
	ln.quiet = 0
	if script.LineLoss > 0 && ln.random.Float64() < script.LineLoss {
		ln.leg.call.update(func(f *CallFacts) { f.PacketsDropped++ })
		return // lost before the SIP node: it has nothing to send, and its numbering goes on without a gap
	}
	n, err := ln.encoder.EncodeInt16(ln.said[:], ln.packet[:])
	if err != nil {
		ln.leg.end(faulty(err))
		return
	}
	kept := -1
	if script.KeepPackets {
		kept = ln.leg.call.packets.say(ln.packet[:n])
	}
	if ln.network.loss > 0 && ln.random.Float64() < ln.network.loss {
		ln.lost++
		ln.leg.call.update(func(f *CallFacts) { f.PacketsDropped++ })
		return
	}
	sample := media.Sample{Data: ln.packet[:n], Duration: frameTime, PrevDroppedPackets: ln.lost}
	ln.lost = 0
	if ln.departures == nil {
		ln.write(sample, kept)
		return
	}
	sample.Data = append([]byte(nil), sample.Data...)
	delay := time.Duration(ln.random.Float64() * float64(ln.network.jitterMS) * float64(time.Millisecond))
	select {
	case ln.departures <- departure{time.Now().Add(delay), sample, kept}:
	default:
	}
}

// depart lets packets go at their moments, in order.
func (ln *line) depart() {
	for {
		select {
		case <-ln.leg.life.Done():
			return
		case d := <-ln.departures:
			time.Sleep(time.Until(d.at))
			ln.write(d.sample, d.kept)
		}
	}
}

func (ln *line) write(sample media.Sample, kept int) {
	if kept >= 0 {
		ln.leg.call.packets.left(kept, nowUS())
	}
	if ln.leg.track.WriteSample(sample) == nil {
		ln.leg.call.update(func(f *CallFacts) { f.PacketsSent++ })
	}
}

// listen decodes one track of the room until it ends. Packets are taken as they come, as the mixer of a SIP node does:
// no jitter buffer, no concealment.
func (ln *line) listen(track *webrtc.TrackRemote) {
	decoder, err := gopus.NewDecoder(gopus.DefaultDecoderConfig(lineRate, 1))
	if err != nil {
		ln.leg.end(faulty(err))
		return
	}
	input := ln.mixer.open()
	defer ln.mixer.close(input)
	var (
		buffer [1500]byte
		packet rtp.Packet
		sound  frame // 20 ms: a longer packet does not fit and is an error, as in the real one
		count  sequence
	)
	for {
		n, _, err := track.Read(buffer[:])
		if err != nil {
			return
		}
		at := nowUS()
		if packet.Unmarshal(buffer[:n]) != nil || len(packet.Payload) == 0 {
			continue
		}
		ln.leg.call.arrivals.add(Arrival{at, packet.Timestamp, packet.SequenceNumber, packet.SSRC})
		if ln.leg.script.KeepPackets {
			ln.leg.call.packets.hear(at, packet.Timestamp, packet.Payload)
		}
		missing := count.next(packet.SequenceNumber)
		ln.leg.call.update(func(f *CallFacts) {
			f.PacketsReceived++
			f.PacketsLost += int64(missing)
		})
		if ln.leg.script.EchoPackets {
			ln.write(media.Sample{
				Data: packet.Payload, Duration: frameTime, PrevDroppedPackets: uint16(max(0, missing))}, -1)
			continue
		}
		samples, err := decoder.DecodeInt16(packet.Payload, sound[:])
		if err != nil {
			ln.leg.call.update(func(f *CallFacts) { f.PacketsBroken++ })
			continue
		}
		clear(sound[samples:])
		ln.mixer.push(input, &sound)
	}
}

// A sequence counts the gaps in RTP sequence numbers.
type sequence struct {
	started bool
	highest uint16
}

// next returns how many packets are newly missing before this one; −1 if it is one that was counted as missing.
func (s *sequence) next(number uint16) int {
	if !s.started {
		s.started, s.highest = true, number
		return 0
	}
	ahead := int16(number - s.highest)
	if ahead <= 0 {
		return -1
	}
	s.highest = number
	return int(ahead) - 1
}
