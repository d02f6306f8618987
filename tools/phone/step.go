package main

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
)

// A Step is one thing that the person does after the answer. Exactly one of the fields that name an action is set.
type Step struct {
	WaitMS           *int     `json:"wait_ms,omitempty"`
	SilenceMS        *int     `json:"silence_ms,omitempty"`
	ToneHz           *float64 `json:"tone_hz,omitempty"`
	WAV              *string  `json:"wav,omitempty"`
	WaitForVoiceMS   *int     `json:"wait_for_voice_ms,omitempty"`
	WaitForSilenceMS *int     `json:"wait_for_silence_ms,omitempty"`
	DTMF             *string  `json:"dtmf,omitempty"`
	HangUp           *bool    `json:"hang_up,omitempty"`
	MuteMS           *int     `json:"mute_ms,omitempty"`
	StopSending      *bool    `json:"stop_sending,omitempty"`
	Loss             *float64 `json:"loss,omitempty"`

	MS       *int     `json:"ms,omitempty"`         // of tone_hz: how long
	DBFS     *float64 `json:"dbfs,omitempty"`       // of tone_hz: peak level
	GainDB   float64  `json:"gain_db,omitempty"`    // of wav
	AtMostMS *int     `json:"at_most_ms,omitempty"` // of wait_for_silence_ms: give up after
	JitterMS int      `json:"jitter_ms,omitempty"`  // of loss: the script's jitter_ms from now on
	Seed     uint64   `json:"seed,omitempty"`       // of loss: and its seed

	kind      stepKind
	frames    int // how long the step takes, or how long it waits at most
	target    int // of wait_for_silence_ms: frames of silence wanted
	amplitude float64
	pcm       []int16
	keys      string
}

type stepKind int

const (
	stepWait stepKind = iota
	stepTone
	stepWAV
	stepWaitForVoice
	stepWaitForSilence
	stepDTMF
	stepHangUp
	stepMute
	stepStopSending
	stepLoss
)

// prepare checks a step and loads what it needs, so that nothing can go wrong once the call runs.
func (s *Step) prepare(dir string) error {
	actions := 0
	action := func(named bool, kind stepKind, ms *int) {
		if named {
			actions++
			s.kind = kind
			if ms != nil {
				s.frames = framesOf(*ms)
			}
		}
	}
	action(s.WaitMS != nil, stepWait, s.WaitMS)
	action(s.SilenceMS != nil, stepWait, s.SilenceMS)
	action(s.ToneHz != nil, stepTone, s.MS)
	action(s.WAV != nil, stepWAV, nil)
	action(s.WaitForVoiceMS != nil, stepWaitForVoice, s.WaitForVoiceMS)
	action(s.WaitForSilenceMS != nil, stepWaitForSilence, s.AtMostMS)
	action(s.DTMF != nil, stepDTMF, nil)
	action(s.HangUp != nil, stepHangUp, nil)
	action(s.MuteMS != nil, stepMute, s.MuteMS)
	action(s.StopSending != nil, stepStopSending, nil)
	action(s.Loss != nil, stepLoss, nil)
	if actions != 1 {
		return fmt.Errorf("%d actions in one step: want one of wait_ms, silence_ms, tone_hz, wav, wait_for_voice_ms, "+
			"wait_for_silence_ms, dtmf, hang_up, mute_ms, stop_sending, loss", actions)
	}
	switch s.kind {
	case stepTone:
		return s.prepareTone()
	case stepWAV:
		return s.prepareWAV(dir)
	case stepWaitForSilence:
		s.target = framesOf(*s.WaitForSilenceMS)
	case stepLoss:
		if *s.Loss < 0 || *s.Loss > 1 || s.JitterMS < 0 {
			return errors.New("loss: want 0 to 1, and no negative jitter_ms")
		}
	case stepDTMF:
		s.keys = strings.ToUpper(*s.DTMF)
		if s.keys == "" || strings.Trim(s.keys, "0123456789*#ABCDW") != "" {
			return fmt.Errorf("dtmf: %q: want 0-9, *, #, A-D, or w for half a second", *s.DTMF)
		}
	}
	return nil
}

func (s *Step) prepareTone() error {
	if s.MS == nil {
		return errors.New("tone_hz: ms is missing")
	}
	if *s.ToneHz <= 0 || *s.ToneHz >= lineRate/2 {
		return fmt.Errorf("tone_hz: %v: want more than 0 and less than %d", *s.ToneHz, lineRate/2)
	}
	level := -6.0
	if s.DBFS != nil {
		level = *s.DBFS
	}
	if level > 0 {
		return errors.New("dbfs: must not be above 0")
	}
	s.amplitude = math.MaxInt16 * math.Pow(10, level/20)
	return nil
}

func (s *Step) prepareWAV(dir string) error {
	path := *s.WAV
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	pcm, err := readWAV(path)
	if err != nil {
		return fmt.Errorf("wav: %w", err)
	}
	if s.GainDB != 0 {
		gain := math.Pow(10, s.GainDB/20)
		for i, sample := range pcm {
			pcm[i] = int16(max(math.MinInt16, min(math.MaxInt16, float64(sample)*gain)))
		}
	}
	s.pcm = pcm
	return nil
}

func framesOf(ms int) int { return max(0, ms+frameMS-1) / frameMS }
