package main

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"github.com/thesyncim/gopus"
)

// toneLevel is the peak level in dBFS of one frequency (Goertzel's sum, written out).
func toneLevel(samples []int16, hz, rate float64) float64 {
	var re, im float64
	for i, sample := range samples {
		at := 2 * math.Pi * hz * float64(i) / rate
		re += float64(sample) * math.Cos(at)
		im += float64(sample) * math.Sin(at)
	}
	return 20 * math.Log10(2*math.Hypot(re, im)/float64(max(1, len(samples)))/32768+1e-9)
}

func monoWAV(samples []int16, rate int) []byte {
	le := binary.LittleEndian
	out := append([]byte("RIFF"), 0, 0, 0, 0)
	out = append(out, "WAVEfmt "...)
	out = le.AppendUint32(out, 16)
	out = le.AppendUint16(out, 1)
	out = le.AppendUint16(out, 1)
	out = le.AppendUint32(out, uint32(rate))
	out = le.AppendUint32(out, uint32(2*rate))
	out = le.AppendUint16(out, 2)
	out = le.AppendUint16(out, 16)
	out = append(out, "LIST\x03\x00\x00\x00abc\x00data"...) // a chunk of odd size before the data
	out = le.AppendUint32(out, uint32(2*len(samples)))
	for _, sample := range samples {
		out = le.AppendUint16(out, uint16(sample))
	}
	return out
}

func fill(value int16) *frame {
	f := new(frame)
	for i := range f {
		f[i] = value
	}
	return f
}

func TestULawIsG711(t *testing.T) {
	for code, want := range map[byte]int16{0xff: 0, 0x7f: 0, 0x80: 32124, 0x00: -32124, 0xfe: 8, 0xf0: 120, 0xe0: 372} {
		if got := ulawDecode(code); got != want {
			t.Errorf("%#x decodes to %d, want %d", code, got, want)
		}
	}
	for code := range 256 {
		if got := ulawEncode(ulawDecode(byte(code))); got != byte(code) && code != 0x7f {
			t.Errorf("%#x comes back as %#x", code, got)
		}
	}
	for sample := math.MinInt16; sample <= math.MaxInt16; sample++ {
		back := int(ulawDecode(ulawEncode(int16(sample))))
		if clipped := max(-32635, min(32635, sample)); math.Abs(float64(back-clipped)) > 4+math.Abs(float64(clipped))/16 {
			t.Fatalf("%d comes back as %d", sample, back)
		}
	}
}

func TestRingStartsAtThreeAndBuffersAnew(t *testing.T) {
	m := newMixer()
	in := m.open()
	var out frame
	heard := func() int16 { m.mix(&out); return out[0] }
	m.push(in, fill(1))
	m.push(in, fill(2))
	if got := heard(); got != 0 {
		t.Errorf("plays %d with two frames, want to wait for the third", got)
	}
	m.push(in, fill(3))
	for want := int16(1); want <= 3; want++ {
		if got := heard(); got != want {
			t.Errorf("plays %d, want %d", got, want)
		}
	}
	if heard() != 0 {
		t.Error("plays from an empty ring")
	}
	m.push(in, fill(4))
	if heard() != 0 {
		t.Error("plays at once after it ran dry, want to buffer anew")
	}
	if starved, _ := m.troubles(); starved != 1 {
		t.Errorf("starved %d times, want 1", starved)
	}
}

func TestRingLosesTheOldestWhenTheSenderIsAhead(t *testing.T) {
	m := newMixer()
	in := m.open()
	for i := range 8 {
		m.push(in, fill(int16(i)))
	}
	var out frame
	m.mix(&out)
	if out[0] != 3 {
		t.Errorf("plays frame %d first, want 3", out[0])
	}
	m.close(in)
	if _, discarded := m.troubles(); discarded != 3 {
		t.Errorf("%d frames discarded, want 3, also after the track is gone", discarded)
	}
}

func TestMixerAddsWithoutWrappingAround(t *testing.T) {
	m := newMixer()
	a, b := m.open(), m.open()
	for range startFrames {
		m.push(a, fill(30000))
		m.push(b, fill(10000))
	}
	var out frame
	m.mix(&out)
	if out[0] != math.MaxInt16 {
		t.Errorf("30000 + 10000 = %d, want %d", out[0], math.MaxInt16)
	}
}

func TestRecordingIsStereoOnOneAxis(t *testing.T) {
	var r recording
	var heard, said [frameSamples]byte
	for i := range heard {
		heard[i], said[i] = ulawEncode(1000), ulawEncode(-1000)
	}
	r.add(&heard, &said)
	var file bytes.Buffer
	if err := r.writeWAV(&file); err != nil {
		t.Fatal(err)
	}
	data := file.Bytes()
	if want := 44 + frameSamples*4; len(data) != want {
		t.Fatalf("%d bytes, want %d", len(data), want)
	}
	left, right := int16(binary.LittleEndian.Uint16(data[44:])), int16(binary.LittleEndian.Uint16(data[46:]))
	if left < 950 || left > 1050 || right > -950 || right < -1050 {
		t.Errorf("left %d, right %d: want 1000 heard and -1000 said", left, right)
	}
	mono, err := parseWAV(data)
	if err != nil || len(mono) != frameSamples || mono[0] != 0 {
		t.Errorf("our own reader makes of it %d samples, first %v: %v", len(mono), mono[:1], err)
	}
}

// The codec carries what a voice is made of: harmonics that come and go, at the line's own rate and at 48 kHz.
func TestOpusCarriesAVoice(t *testing.T) {
	encoder, err := gopus.NewEncoder(gopus.EncoderConfig{
		SampleRate: lineRate, Channels: 1, Application: gopus.ApplicationLowDelay})
	if err != nil {
		t.Fatal(err)
	}
	if err := errorsOf(encoder.SetFrameSize(frameSamples), encoder.SetComplexity(3)); err != nil {
		t.Fatal(err)
	}
	decoder, err := gopus.NewDecoder(gopus.DefaultDecoderConfig(lineRate, 1))
	if err != nil {
		t.Fatal(err)
	}
	var sent, received []float64
	var packet [1500]byte
	for n := range 150 {
		var f, back frame
		for i := range f {
			at := float64(n*frameSamples+i) / lineRate
			envelope := 0.5 + 0.5*math.Sin(2*math.Pi*4*at)
			var voice float64
			for harmonic := 1.0; harmonic < 20; harmonic++ {
				voice += math.Sin(2*math.Pi*harmonic*140*at) / harmonic
			}
			f[i] = int16(8000 * envelope * voice)
			sent = append(sent, float64(f[i]))
		}
		size, err := encoder.EncodeInt16(f[:], packet[:])
		if err != nil {
			t.Fatal(err)
		}
		if samples, err := decoder.DecodeInt16(packet[:size], back[:]); err != nil || samples != frameSamples {
			t.Fatalf("%d samples: %v", samples, err)
		}
		for _, sample := range back {
			received = append(received, float64(sample))
		}
	}
	best := 0.0
	for delay := range 200 {
		var signal, error2 float64
		for i := 4000; i+delay < len(received); i++ {
			signal += sent[i] * sent[i]
			error2 += (sent[i] - received[i+delay]) * (sent[i] - received[i+delay])
		}
		best = max(best, 10*math.Log10(signal/error2))
	}
	if best < 15 {
		t.Errorf("the voice comes back with %.1f dB over the error, want 15", best)
	}
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestSequenceCountsGapsOnce(t *testing.T) {
	var s sequence
	lost := 0
	for _, number := range []uint16{65533, 65534, 1, 0, 2} { // 65535 and 0 missing, 0 late
		lost += s.next(number)
	}
	if lost != 1 {
		t.Errorf("%d lost, want 1 (65535)", lost)
	}
}
